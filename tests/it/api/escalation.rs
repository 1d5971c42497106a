//! Whatever some people do with what they have, nobody comes to have more than they had: random organisations, and every
//! step that the surface accepts.
//!
//! The model knows nothing of grants, groups or rules. It is the same organisation once more, in which nobody does
//! anything while the time goes by: at no moment do those who act, with all the accounts that they made or took over, have
//! a right in a place that none of them has there at that moment in the other one.

mod step;

use std::collections::BTreeSet;
use std::time::Duration;

use cleargate::access::NewGrant;
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, Mode, Scope, Subject, TokenKind, UserId};
use http::StatusCode;
use proptest::prelude::*;
use serde_json::json;

use super::{Client, Ground, good};
use crate::support::gateway::START;
use step::{Step, Taken, steps};

const PLACES: [&str; 4] = ["department:a", "department:b", "department:c", "department:d"];
/// What can be given; the last one is made by a step, if at all.
const ROLES: [&str; 10] = [
    "administrator",
    "administrator",
    "scorecard_administrator",
    "editor",
    "browser",
    "no_access",
    "helper",
    "giver",
    "own",
    "fresh",
];
/// What a role of one's own may be made of.
const RIGHTS: [&str; 7] =
    ["elements:create", "users:read", "grants:create", "*:*", "roles:update", "users:update", "passwords:update"];
/// Who can be given something: two people who act, one who does not, a group by hand, one by a rule, one that is made by a
/// step.
const HOLDERS: [(&str, &str); 6] = [
    ("user", "mallory"),
    ("user", "friend"),
    ("user", "boss"),
    ("group", "team"),
    ("group", "staff"),
    ("group", "club"),
];
/// What people are called; the rules of groups ask for it.
const NAMES: [&str; 3] = ["One", "Two", "Three"];
const DAY: Duration = Duration::from_secs(86_400);

/// A role somewhere, whether it overrides, and from which day to which.
#[derive(Clone, Debug)]
struct Given {
    role: usize,
    place: Option<usize>,
    overrides: bool,
    from: Option<u32>,
    to: Option<u32>,
}

impl Given {
    fn mode(&self) -> &'static str {
        if self.overrides { "override" } else { "add" }
    }

    fn place(&self) -> Option<&'static str> {
        self.place.map(|place| PLACES[place])
    }
}

fn place() -> impl Strategy<Value = Option<usize>> {
    proptest::option::weighted(0.75, 0usize..4)
}

fn given() -> impl Strategy<Value = Given> {
    let (from, to) = (proptest::option::weighted(0.2, 1u32..4), proptest::option::weighted(0.3, 1u32..5));
    (0..ROLES.len(), place(), any::<bool>(), from, to).prop_map(|(role, place, overrides, from, to)| Given {
        role,
        place,
        overrides,
        from,
        to,
    })
}

/// Much of what there is, everywhere, often for a time only.
fn much() -> impl Strategy<Value = Given> {
    (proptest::sample::select(vec![0usize, 6, 7]), proptest::option::weighted(0.4, 1u32..4))
        .prop_map(|(role, to)| Given { role, place: None, overrides: false, from: None, to })
}

/// An organisation: below which earlier place each lies, and what mallory, the friend, the boss, the team, of which the
/// friend is, and the staff hold.
#[derive(Clone, Debug)]
struct Organisation {
    above: Vec<Option<usize>>,
    held: [Vec<Given>; 5],
}

fn organisation() -> impl Strategy<Value = Organisation> {
    let some = |from, to| proptest::collection::vec(given(), from..to);
    let more = |from, to, weight| {
        let one = prop_oneof![weight => much().boxed(), 2 => given().boxed()];
        proptest::collection::vec(one, from..to)
    };
    let above = proptest::collection::vec(proptest::option::of(0usize..4), 4);
    (above, more(1, 4, 4), more(0, 3, 1), some(0, 2), some(0, 2), some(0, 2)).prop_map(
        |(above, mallory, friend, boss, team, staff)| Organisation {
            above,
            held: [mallory, friend, boss, team, staff],
        },
    )
}

/// The organisation in a gateway.
struct World {
    ground: Ground,
    people: [UserId; 3],
}

impl World {
    /// `asks` where somebody is to sign in: a password takes its time.
    async fn new(organisation: &Organisation, asks: bool) -> Self {
        let ground = Ground::with("limits.api = \"1000000/1s\"\nlimits.page = \"1000000/1s\"").await;
        let places = organisation.above.iter().enumerate().map(|(own, above)| match above.filter(|a| *a < own) {
            Some(above) => format!("{} < {}", PLACES[own], PLACES[above]),
            None => PLACES[own].to_owned(),
        });
        let places: Vec<String> = places.collect();
        ground.test.place(&places.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut people = Vec::new();
        for name in ["mallory", "friend", "boss"] {
            people.push(ground.test.user(name, asks.then_some(super::PASSWORD)).await.id);
        }
        let people: [UserId; 3] = people.try_into().unwrap();
        let root = ground.root();
        for (name, permissions) in [
            ("Helper", json!(["users:*", "groups:*", "invitations:*", "tokens:*", "passwords:*"])),
            ("Giver", json!(["grants:*", "roles:*", "departments:*", "users:read", "groups:read"])),
            ("Own", json!(["elements:create"])),
        ] {
            let body = json!({"name": name, "permissions": permissions});
            good(root.post("/api/v1/roles", body).await, StatusCode::CREATED);
        }
        let mut members = MemberChange::default();
        members.add(Member::User(people[1]));
        let name = "team".parse().unwrap();
        let draft = GroupDraft { name, external_id: None, attributes: Attributes::default(), members };
        let team = ground.test.gateway.directory().create_group(&ground.test.task(), &draft).await.unwrap();
        let body = json!({"name": "staff", "rule": format!("displayName eq \"{}\"", NAMES[0])});
        let staff = good(root.post("/api/v1/groups", body).await, StatusCode::CREATED);
        let staff = Subject::Group(staff["id"].as_str().unwrap().parse().unwrap());
        let [mallory, friend, boss] = people.map(Subject::User);
        for (subject, held) in
            [mallory, friend, boss, Subject::Group(team.id), staff].into_iter().zip(&organisation.held)
        {
            for given in held {
                give(&ground, subject, given).await;
            }
        }
        Self { ground, people }
    }

    /// Everything that these accounts may in each place, the whole organisation first.
    async fn rights(&self, accounts: &[UserId]) -> Vec<BTreeSet<String>> {
        let access = self.ground.test.gateway.access();
        let mut all = Vec::new();
        for place in [None].into_iter().chain(PLACES.into_iter().map(Some)) {
            let scope: Option<Scope> = place.map(|place| place.parse().unwrap());
            let mut here = BTreeSet::new();
            for account in accounts {
                let Ok(level) = access.effective_in(*account, scope.as_ref()).await else { continue };
                for right in &level.permissions {
                    here.insert(format!("{} of one's own", right.permission));
                    here.extend((!right.if_owner).then(|| right.permission.to_string()));
                }
            }
            all.push(here);
        }
        all
    }

    fn wait(&self) {
        self.ground.test.advance(DAY);
    }

    /// A program that does whatever this account may.
    async fn acting(&self, account: UserId) -> Client {
        let kind = TokenKind::Management(vec!["*:*".parse().unwrap()], Some(account), None);
        let tokens = self.ground.test.gateway.tokens();
        let (secret, _) = tokens.create(&self.ground.test.task(), "x", kind, None).await.unwrap();
        self.ground.bearer(secret.expose())
    }
}

async fn give(ground: &Ground, subject: Subject, given: &Given) {
    let access = ground.test.gateway.access();
    let mut new = NewGrant::new(subject, ROLES[given.role].parse().unwrap());
    new.scope = given.place().map(|place| place.parse().unwrap());
    new.mode = if given.overrides { Mode::Override } else { Mode::Add };
    new.starts = given.from.map(|day| START.plus(DAY * day));
    new.ends = given.to.map(|day| START.plus(DAY * day));
    // A role that is for scopes only is refused elsewhere, one that there is not everywhere.
    drop(access.grants().create(&ground.test.task(), &access.roles(), new).await);
}

/// What somebody has more than may be had, and where.
fn more(has: &[BTreeSet<String>], most: &[BTreeSet<String>]) -> Vec<String> {
    let places = [None].into_iter().chain(PLACES.into_iter().map(Some));
    let mut found = Vec::new();
    for ((has, most), place) in has.iter().zip(most).zip(places) {
        found.extend(has.difference(most).map(|right| format!("{right} in {}", place.unwrap_or("everything"))));
    }
    found
}

/// Plays the steps in one organisation, beside one in which nothing happens.
async fn play(organisation: &Organisation, steps: &[Step]) -> Result<(), TestCaseError> {
    let asks = steps.iter().any(Step::asks);
    let (world, still) = (World::new(organisation, asks).await, World::new(organisation, false).await);
    let [mallory, friend, boss] = world.people;
    let mut taken = Taken::new(&world).await;
    let (mut most, mut own) = (still.rights(&still.people[..2]).await, still.rights(&still.people[..1]).await);
    for step in steps {
        if matches!(step, Step::Wait) {
            world.wait();
            still.wait();
            // A password that was set stays: who may set it has every right of the account at that moment.
            taken.has_boss = false;
            (most, own) = (still.rights(&still.people[..2]).await, still.rights(&still.people[..1]).await);
        } else if !taken.act(&world, step).await {
            continue;
        }
        let mut accounts = vec![mallory];
        accounts.extend(taken.puppets());
        accounts.extend(taken.has_boss.then_some(boss));
        if !taken.has_friend {
            // The friend does nothing yet: what only the friend has is not mallory's to come to.
            let new = more(&world.rights(&accounts).await, &own);
            prop_assert!(new.is_empty(), "{step:?} gave mallory {new:?}");
        }
        accounts.push(friend);
        let new = more(&world.rights(&accounts).await, &most);
        prop_assert!(new.is_empty(), "{step:?} gave {new:?}");
        // A token is asked itself: what lets it in must be somebody's.
        for (path, right) in [("users", "users:read"), ("roles", "roles:read"), ("tokens", "tokens:read")] {
            for token in &taken.tokens {
                let reply = world.ground.bearer(token).get(&format!("/api/v1/{path}")).await;
                let may = reply.status == StatusCode::OK;
                prop_assert!(!may || most[0].contains(right), "a token may {right} after {step:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn nobody_comes_to_have_more_by_what_they_may_do((organisation, steps) in (organisation(), steps())) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(&organisation, &steps))?;
    }
}
