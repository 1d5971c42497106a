//! What people try: each step is a request, and those that are accepted may have made accounts and tokens with which the next
//! ones are tried.

use cleargate::model::UserId;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::invitations::accept;
use super::super::{Client, PASSWORD};
use super::{DAY, Given, HOLDERS, NAMES, PLACES, RIGHTS, ROLES, World, given, place};
use crate::support::gateway::{Reply, START};

const CHOSEN: &str = "nine lanterns along a quiet harbour";
/// The groups that there are, and one that is made by a step.
const GROUPS: [&str; 3] = ["team", "staff", "club"];
/// What tokens are made for.
const LIMITS: [&str; 4] = ["admin", "read", "grants:create", "users:update"];

/// Who tries something.
#[derive(Clone, Copy, Debug)]
pub enum By {
    Mallory,
    Friend,
    /// One of the tokens that were made.
    Token(usize),
    /// One of the accounts that were made.
    Puppet(usize),
}

#[derive(Clone, Debug)]
pub enum Step {
    /// A day goes by.
    Wait,
    Try(By, Deed),
}

#[derive(Clone, Debug)]
pub enum Deed {
    Give {
        to: usize,
        given: Given,
    },
    Take(usize),
    Move(usize, Option<usize>),
    Make(Option<usize>),
    /// Puts somebody into a group, or takes them out.
    Join {
        who: usize,
        group: usize,
        leaves: bool,
    },
    /// Puts a group into another one.
    Nest {
        who: usize,
        group: usize,
    },
    /// Deletes a group with all that it holds.
    Disband(usize),
    /// Makes a group with a rule, or gives one another rule.
    Rule {
        group: Option<usize>,
        name: usize,
    },
    /// Calls somebody otherwise, which moves them between groups with a rule.
    Call {
        who: usize,
        name: usize,
    },
    /// Makes a role, which may include another one, or makes the one that there is allow something else.
    Define {
        right: usize,
        includes: Option<usize>,
        is_new: bool,
    },
    /// Copies a role.
    Copy(usize),
    /// Makes a token, for oneself or to act for somebody.
    Token {
        limit: usize,
        user: Option<usize>,
    },
    Rotate(usize),
    /// Makes an account by whose password one signs in.
    Account {
        role: usize,
        place: Option<usize>,
        group: Option<usize>,
        name: usize,
    },
    Invite {
        role: usize,
        place: Option<usize>,
        group: Option<usize>,
    },
    /// Follows a link that was told.
    Accept(usize),
    /// Asks for a role.
    Ask(Given),
    Approve(usize),
    /// Takes an account over, by a password or by a link to choose one.
    TakeOver {
        by_link: bool,
    },
}

impl Step {
    /// Whether somebody signs in for it by the password that they have.
    pub fn asks(&self) -> bool {
        matches!(self, Self::Try(_, Deed::Ask(_)))
    }
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let by = || {
        prop_oneof![
            6 => Just(By::Mallory),
            2 => Just(By::Friend),
            2 => (0usize..4).prop_map(By::Token),
            2 => (0usize..4).prop_map(By::Puppet),
        ]
    };
    let step = prop_oneof![2 => Just(Step::Wait), 12 => (by(), deed()).prop_map(|(by, deed)| Step::Try(by, deed))];
    proptest::collection::vec(step, 1..16)
}

fn deed() -> impl Strategy<Value = Deed> {
    let (who, group, name, role) = (|| 0usize..3, || 0usize..3, || 0usize..3, || 0..ROLES.len());
    let some_group = || proptest::option::weighted(0.3, 0usize..3);
    prop_oneof![
        4 => (0..HOLDERS.len(), given()).prop_map(|(to, given)| Deed::Give { to, given }),
        2 => (0usize..8).prop_map(Deed::Take),
        2 => (0usize..4, place()).prop_map(|(place, below)| Deed::Move(place, below)),
        1 => place().prop_map(Deed::Make),
        2 => (who(), group(), any::<bool>()).prop_map(|(who, group, leaves)| Deed::Join { who, group, leaves }),
        1 => (group(), group()).prop_map(|(who, group)| Deed::Nest { who, group }),
        1 => group().prop_map(Deed::Disband),
        2 => (some_group(), name()).prop_map(|(group, name)| Deed::Rule { group, name }),
        2 => (who(), name()).prop_map(|(who, name)| Deed::Call { who, name }),
        2 => (0..RIGHTS.len(), proptest::option::weighted(0.3, role()), any::<bool>())
            .prop_map(|(right, includes, is_new)| Deed::Define { right, includes, is_new }),
        1 => role().prop_map(Deed::Copy),
        2 => (0..LIMITS.len(), proptest::option::weighted(0.3, who()))
            .prop_map(|(limit, user)| Deed::Token { limit, user }),
        1 => (0usize..4).prop_map(Deed::Rotate),
        2 => (role(), place(), some_group(), name())
            .prop_map(|(role, place, group, name)| Deed::Account { role, place, group, name }),
        2 => (role(), place(), some_group()).prop_map(|(role, place, group)| Deed::Invite { role, place, group }),
        3 => Just(Deed::Accept(0)),
        2 => given().prop_map(Deed::Ask),
        3 => (0usize..3).prop_map(Deed::Approve),
        1 => any::<bool>().prop_map(|by_link| Deed::TakeOver { by_link }),
    ]
}

/// What those who act have got hold of.
pub struct Taken {
    mallory: Client,
    friend: Client,
    /// Texts of tokens that were made.
    pub tokens: Vec<String>,
    token_ids: Vec<String>,
    /// Accounts that were made, by name, and who knows their password.
    puppets: Vec<(String, UserId)>,
    links: Vec<String>,
    /// Whether somebody else's account was taken over.
    pub has_boss: bool,
    /// Whether the friend has done something.
    pub has_friend: bool,
    count: usize,
}

fn moment(day: Option<u32>) -> Option<String> {
    day.map(|day| START.plus(DAY * day).to_string())
}

impl Taken {
    pub async fn new(world: &World) -> Self {
        Self {
            mallory: world.acting(world.people[0]).await,
            friend: world.acting(world.people[1]).await,
            tokens: Vec::new(),
            token_ids: Vec::new(),
            puppets: Vec::new(),
            links: Vec::new(),
            has_boss: false,
            has_friend: false,
            count: 0,
        }
    }

    pub fn puppets(&self) -> impl Iterator<Item = UserId> {
        self.puppets.iter().map(|(_, id)| *id)
    }

    /// Tries a step; whether it was accepted.
    pub async fn act(&mut self, world: &World, step: &Step) -> bool {
        let Step::Try(by, deed) = step else { return false };
        let client = match *by {
            By::Mallory => Some(self.mallory.clone()),
            By::Friend => Some(self.friend.clone()),
            By::Token(number) => self.tokens.get(number).map(|token| world.ground.bearer(token)),
            By::Puppet(number) => match self.puppets.get(number).cloned() {
                Some((name, _)) => session(world, &name, CHOSEN).await,
                None => None,
            },
        };
        let Some(client) = client else { return false };
        let reply = match deed {
            // People ask in a session of their own.
            Deed::Ask(given) => {
                let asking = match by {
                    By::Mallory => session(world, "mallory", PASSWORD).await,
                    By::Friend => session(world, "friend", PASSWORD).await,
                    By::Token(_) | By::Puppet(_) => Some(client),
                };
                let Some(asking) = asking else { return false };
                let body = json!({"role": ROLES[given.role], "scope": given.place(), "until": moment(given.to)});
                Some(asking.post("/api/v1/me/access-requests", body).await)
            }
            Deed::Accept(number) => self.accept(world, *number).await,
            other => self.request(&client, other).await,
        };
        let Some(reply) = reply else { return false };
        assert!(!reply.status.is_server_error(), "{step:?}: {}", reply.text);
        let is_done = reply.status.is_success() || reply.status.is_redirection();
        self.has_friend |= is_done && matches!(by, By::Friend);
        if is_done {
            self.keep(deed, &reply);
        }
        is_done
    }

    async fn accept(&mut self, world: &World, number: usize) -> Option<Reply> {
        if number >= self.links.len() {
            return None;
        }
        let link = self.links.remove(number);
        Some(accept(&mut world.ground.test.visitor(), &link, "", CHOSEN).await)
    }

    /// Remembers what came of a step.
    fn keep(&mut self, deed: &Deed, reply: &Reply) {
        match deed {
            Deed::Token { .. } | Deed::Rotate(_) => {
                let told = reply.json();
                self.tokens.push(told["token"].as_str().unwrap().to_owned());
                self.token_ids.push(told["id"].as_str().unwrap().to_owned());
            }
            Deed::Account { .. } => {
                let told = reply.json();
                self.puppets.push((named(&told), told["id"].as_str().unwrap().parse().unwrap()));
            }
            Deed::Invite { .. } => {
                let told = reply.json();
                let link = told["link"].as_str().unwrap();
                self.links.push(link.strip_prefix("http://127.0.0.1:8080").unwrap().to_owned());
                let user = &told["user"];
                self.puppets.push((named(user), user["id"].as_str().unwrap().parse().unwrap()));
            }
            Deed::TakeOver { .. } => self.has_boss = true,
            _ => {}
        }
    }

    async fn request(&mut self, client: &Client, deed: &Deed) -> Option<Reply> {
        let below = |place: &Option<usize>| place.map(|place| PLACES[place]);
        Some(match deed {
            Deed::Give { to, given } => {
                let (kind, name) = HOLDERS[*to];
                let mut body = json!({"role": ROLES[given.role], "scope": given.place(), "mode": given.mode(),
                    "starts": moment(given.from), "ends": moment(given.to)});
                body[kind] = json!(name);
                client.post("/api/v1/grants", body).await
            }
            Deed::Take(number) => {
                let id = one_of(client, &HOLDERS.map(|(kind, name)| format!("grants?{kind}={name}")), *number).await?;
                client.delete(&format!("/api/v1/grants/{id}")).await
            }
            Deed::Move(which, to) => {
                client.patch(&format!("/api/v1/scopes/{}", PLACES[*which]), json!({"parent": below(to)})).await
            }
            Deed::Make(to) => client.post("/api/v1/departments", json!({"name": "New", "parent": below(to)})).await,
            Deed::Join { who, group, leaves } => {
                let (path, name) = (format!("/api/v1/groups/{}/members", GROUPS[*group]), HOLDERS[*who].1);
                if *leaves {
                    client.delete(&format!("{path}?user={name}")).await
                } else {
                    client.post(&path, json!({"users": [name]})).await
                }
            }
            Deed::Nest { who, group } => {
                let path = format!("/api/v1/groups/{}/members", GROUPS[*group]);
                client.post(&path, json!({"groups": [GROUPS[*who]]})).await
            }
            Deed::Disband(group) => client.delete(&format!("/api/v1/groups/{}?force=true", GROUPS[*group])).await,
            Deed::Rule { group, name } => {
                let rule = format!("displayName eq \"{}\"", NAMES[*name]);
                match group {
                    Some(group) => {
                        client.patch(&format!("/api/v1/groups/{}", GROUPS[*group]), json!({"rule": rule})).await
                    }
                    None => client.post("/api/v1/groups", json!({"name": "club", "rule": rule})).await,
                }
            }
            Deed::Call { who, name } => {
                let path = format!("/api/v1/users/{}", HOLDERS[*who].1);
                client.patch(&path, json!({"displayName": NAMES[*name]})).await
            }
            Deed::Define { right, includes, is_new } => {
                let includes: Vec<&str> = includes.iter().map(|role| ROLES[*role]).collect();
                let body = json!({"permissions": [RIGHTS[*right]], "includes": includes});
                if *is_new {
                    let mut body = body;
                    body["name"] = json!("Fresh");
                    client.post("/api/v1/roles", body).await
                } else {
                    client.patch("/api/v1/roles/own", body).await
                }
            }
            Deed::Copy(role) => {
                client.post(&format!("/api/v1/roles/{}:duplicate", ROLES[*role]), json!({"name": "Fresh"})).await
            }
            Deed::Approve(number) => {
                let id = one_of(client, &["access-requests".to_owned()], *number).await?;
                client.post(&format!("/api/v1/access-requests/{id}/approve"), json!({})).await
            }
            other => return self.take(client, other).await,
        })
    }

    /// The steps by which one gets hold of tokens and accounts.
    async fn take(&mut self, client: &Client, deed: &Deed) -> Option<Reply> {
        self.count += 1;
        let join = |group: &Option<usize>| group.iter().map(|group| GROUPS[*group]).collect::<Vec<_>>();
        let places = |place: &Option<usize>| place.map(|place| vec![PLACES[place]]);
        Some(match deed {
            Deed::Token { limit, user } => {
                let user = user.map(|user| HOLDERS[user].1);
                let body = json!({"name": "x", "scope": [LIMITS[*limit]], "user": user, "expires": "never"});
                client.post("/api/v1/tokens", body).await
            }
            Deed::Rotate(number) => {
                let id = self.token_ids.get(*number)?;
                client.post(&format!("/api/v1/tokens/{id}:rotate"), json!({"expires": "never"})).await
            }
            Deed::Account { role, place, group, name } => {
                let mut body = json!({"userName": format!("puppet-{}", self.count), "role": ROLES[*role],
                    "displayName": NAMES[*name], "password": CHOSEN, "must_change_password": false,
                    "access_groups": join(group)});
                places(place).into_iter().for_each(|places| body["scopes"] = json!(places));
                client.post("/api/v1/users", body).await
            }
            Deed::Invite { role, place, group } => {
                let mut body = json!({"email": format!("puppet-{}@example.org", self.count), "role": ROLES[*role],
                    "access_groups": join(group)});
                places(place).into_iter().for_each(|places| body["scopes"] = json!(places));
                client.post("/api/v1/invitations", body).await
            }
            Deed::TakeOver { by_link: true } => {
                client.post("/api/v1/users/boss:reset-password", json!({"send": false})).await
            }
            Deed::TakeOver { by_link: false } => {
                client.patch("/api/v1/users/boss", json!({"password": CHOSEN, "must_change_password": false})).await
            }
            other => unreachable!("{other:?}"),
        })
    }
}

fn named(user: &Value) -> String {
    user["userName"].as_str().unwrap().to_owned()
}

/// Somebody's browser, where they may sign in.
async fn session(world: &World, name: &str, password: &str) -> Option<Client> {
    let mut visitor = world.ground.test.visitor();
    let reply = visitor.sign_in(name, password).await;
    (reply.status == StatusCode::SEE_OTHER).then(|| world.ground.cookies(&visitor))
}

/// The id of one of the things that some lists show.
async fn one_of(client: &Client, lists: &[String], number: usize) -> Option<String> {
    let mut ids = Vec::new();
    for list in lists {
        let listed = client.get(&format!("/api/v1/{list}")).await;
        if listed.status.is_success() {
            let items = listed.json()["items"].as_array().cloned().unwrap_or_default();
            ids.extend(items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)));
        }
    }
    ids.get(number % ids.len().max(1)).cloned()
}
