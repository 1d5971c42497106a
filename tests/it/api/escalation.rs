//! Whatever somebody does with what they have, nobody comes to have more than they had: random organisations, and every
//! step that the surface accepts.

use std::collections::BTreeSet;

use cleargate::access::NewGrant;
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, Mode, Scope, Subject, TokenKind, User};
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Client, Ground};

const PLACES: [&str; 4] = ["department:a", "department:b", "department:c", "department:d"];
const ROLES: [&str; 6] =
    ["administrator", "administrator", "scorecard_administrator", "editor", "browser", "no_access"];

/// A role somewhere: which, where, whether it overrides.
type Given = (usize, Option<usize>, bool);

#[derive(Clone, Debug)]
enum Step {
    Give {
        to_self: bool,
        given: Given,
    },
    Take(usize),
    Move(usize, Option<usize>),
    Make(Option<usize>),
    /// Puts somebody into the team.
    Join {
        to_self: bool,
    },
    /// Gives the team, in which the friend is, a role.
    GiveTeam(Given),
    /// Makes a role of one's own, or makes it allow something else.
    Define(usize, bool),
    /// Gives that role.
    GiveOwn {
        to_self: bool,
        place: Option<usize>,
    },
    /// Copies a role under the name of one's own.
    Copy(usize),
}

/// What a role of one's own may be made of.
const RIGHTS: [&str; 5] = ["elements:create", "users:read", "grants:create", "*:*", "roles:update"];

/// Below which earlier place each lies, what the actor holds, what the friend holds, what the team holds, and what the actor
/// tries.
type Organisation = (Vec<Option<usize>>, Vec<Given>, Vec<Given>, Vec<Given>, Vec<Step>);

fn organisation() -> impl Strategy<Value = Organisation> {
    let place = || proptest::option::weighted(0.75, 0usize..4);
    let given = || (0usize..6, place(), any::<bool>());
    let step = prop_oneof![
        4 => (any::<bool>(), given()).prop_map(|(to_self, given)| Step::Give { to_self, given }),
        2 => (0usize..6).prop_map(Step::Take),
        2 => (0usize..4, place()).prop_map(|(place, below)| Step::Move(place, below)),
        1 => place().prop_map(Step::Make),
        2 => any::<bool>().prop_map(|to_self| Step::Join { to_self }),
        2 => given().prop_map(Step::GiveTeam),
        2 => (0usize..5, any::<bool>()).prop_map(|(right, is_new)| Step::Define(right, is_new)),
        2 => (any::<bool>(), place()).prop_map(|(to_self, place)| Step::GiveOwn { to_self, place }),
        1 => (0usize..6).prop_map(Step::Copy),
    ];
    let above = proptest::collection::vec(proptest::option::of(0usize..4), 4);
    (
        above,
        proptest::collection::vec(given(), 1..4),
        proptest::collection::vec(given(), 0..3),
        proptest::collection::vec(given(), 0..2),
        proptest::collection::vec(step, 1..8),
    )
}

async fn give(ground: &Ground, subject: Subject, (role, place, overrides): Given) {
    let access = ground.test.gateway.access();
    let mut new = NewGrant::new(subject, ROLES[role].parse().unwrap());
    new.scope = place.map(|place| PLACES[place].parse().unwrap());
    new.mode = if overrides { Mode::Override } else { Mode::Add };
    // A role that is for scopes only is refused elsewhere.
    drop(access.grants().create(&ground.test.task(), &access.roles(), new).await);
}

/// What one may in each place, the whole organisation first.
async fn rights(ground: &Ground, user: &User) -> Vec<BTreeSet<String>> {
    let access = ground.test.gateway.access();
    let mut all = Vec::new();
    for place in [None].into_iter().chain(PLACES.into_iter().map(Some)) {
        let scope: Option<Scope> = place.map(|place| place.parse().unwrap());
        let level = access.effective_in(user.id, scope.as_ref()).await.unwrap();
        all.push(level.permissions.iter().map(|right| right.permission.to_string()).collect());
    }
    all
}

async fn act(actor: &Client, step: &Step) -> StatusCode {
    let place = |place: &Option<usize>| place.map(|place| PLACES[place]);
    let reply = match step {
        Step::Give { to_self, given: (role, scope, overrides) } => {
            let user = if *to_self { "mallory" } else { "friend" };
            let mode = if *overrides { "override" } else { "add" };
            let body = json!({"user": user, "role": ROLES[*role], "scope": place(scope), "mode": mode});
            actor.post("/api/v1/grants", body).await
        }
        Step::Take(number) => {
            let mut ids = Vec::new();
            for user in ["mallory", "friend"] {
                let listed = actor.get(&format!("/api/v1/grants?user={user}")).await;
                if listed.status.is_success() {
                    let items = listed.json()["items"].as_array().cloned().unwrap_or_default();
                    ids.extend(items.iter().filter_map(|item: &Value| item["id"].as_str().map(str::to_owned)));
                }
            }
            let Some(id) = ids.get(number % ids.len().max(1)) else { return StatusCode::NOT_FOUND };
            actor.delete(&format!("/api/v1/grants/{id}")).await
        }
        Step::Move(which, below) => {
            let path = format!("/api/v1/scopes/{}", PLACES[*which]);
            actor.patch(&path, json!({"parent": place(below)})).await
        }
        Step::Join { to_self } => {
            let user = if *to_self { "mallory" } else { "friend" };
            actor.post("/api/v1/groups/team/members", json!({"users": [user]})).await
        }
        Step::GiveTeam((role, scope, overrides)) => {
            let mode = if *overrides { "override" } else { "add" };
            let body = json!({"group": "team", "role": ROLES[*role], "scope": place(scope), "mode": mode});
            actor.post("/api/v1/grants", body).await
        }
        Step::Define(right, true) => {
            actor.post("/api/v1/roles", json!({"name": "Own", "permissions": [RIGHTS[*right]]})).await
        }
        Step::Define(right, false) => actor.patch("/api/v1/roles/own", json!({"permissions": [RIGHTS[*right]]})).await,
        Step::GiveOwn { to_self, place: scope } => {
            let user = if *to_self { "mallory" } else { "friend" };
            actor.post("/api/v1/grants", json!({"user": user, "role": "own", "scope": place(scope)})).await
        }
        Step::Copy(role) => {
            actor.post(&format!("/api/v1/roles/{}:duplicate", ROLES[*role]), json!({"name": "Own"})).await
        }
        Step::Make(below) => actor.post("/api/v1/departments", json!({"name": "New", "parent": place(below)})).await,
    };
    assert!(!reply.status.is_server_error(), "{step:?}: {}", reply.text);
    reply.status
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nobody_comes_to_have_more_by_what_they_may_do((above, own, friends, teams, steps) in organisation()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ground = Ground::new().await;
            let places: Vec<String> = above.iter().enumerate().map(|(own, above)| match above.filter(|a| *a < own) {
                Some(above) => format!("{} < {}", PLACES[own], PLACES[above]),
                None => PLACES[own].to_owned(),
            }).collect();
            ground.test.place(&places.iter().map(String::as_str).collect::<Vec<_>>()).await;
            let mallory = ground.test.user("mallory", None).await;
            let friend = ground.test.user("friend", None).await;
            let mut members = MemberChange::default();
            members.add(Member::User(friend.id));
            let draft = GroupDraft {
                name: "team".parse().unwrap(),
                external_id: None,
                attributes: Attributes::default(),
                members,
            };
            let team = ground.test.gateway.directory().create_group(&ground.test.task(), &draft).await.unwrap();
            let holders = [Subject::User(mallory.id), Subject::User(friend.id), Subject::Group(team.id)];
            for (subject, held) in holders.into_iter().zip([&own, &friends, &teams]) {
                for given in held {
                    give(&ground, subject, *given).await;
                }
            }
            let kind = TokenKind::Management(vec!["*:*".parse().unwrap()], Some(mallory.id), None);
            let (secret, _) = ground.test.gateway.tokens().create(&ground.test.task(), "x", kind, None).await.unwrap();
            let actor = ground.bearer(secret.expose());

            let (had, friend_had) = (rights(&ground, &mallory).await, rights(&ground, &friend).await);
            for step in &steps {
                if !act(&actor, step).await.is_success() {
                    continue;
                }
                let (has, friend_has) = (rights(&ground, &mallory).await, rights(&ground, &friend).await);
                for place in 0..had.len() {
                    let most: BTreeSet<&String> = had[place].iter().chain(&friend_had[place]).collect();
                    let more: Vec<&String> =
                        has[place].iter().chain(&friend_has[place]).filter(|right| !most.contains(right)).collect();
                    prop_assert!(more.is_empty(), "{:?} gave {:?} in place {}", step, more, place);
                    let new: Vec<&String> = has[place].difference(&had[place]).collect();
                    prop_assert!(new.is_empty(), "{:?} gave the actor {:?} in place {}", step, new, place);
                }
            }
            Ok(())
        })?;
    }
}
