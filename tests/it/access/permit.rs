//! Who gets a permit.

use std::time::Duration;

use cleargate::access::{Error, NewGrant, Question};
use cleargate::audit::{Event, EventKind, Outcome};
use cleargate::model::{Actor, Circumstance, Id, Mode, SourceId, Status, Subject};

use super::{Bench, permission, role, scope, signed_in};

#[tokio::test]
async fn a_user_may_what_a_role_gives_at_once_and_no_longer_than_it_is_given() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let actor = signed_in(ada);
    assert!(!bench.may(&actor, "reports:read", None).await);
    let grant = bench.give_user(ada, "viewer", None).await;
    assert!(bench.may(&actor, "reports:read", None).await);
    assert!(!bench.may(&actor, "data:export", None).await);
    bench.access.grants().delete(&bench.task(), grant.id).await.unwrap();
    assert!(!bench.may(&actor, "reports:read", None).await);
}

#[tokio::test]
async fn disabled_means_disabled_for_every_permission_and_token() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    bench.give_user(ada, "system_administrator", None).await;
    let token =
        Actor::Token { id: Id::from_bytes([8; 16]), limit: vec![permission("*:*")], user: Some(ada), maker: None };
    for actor in [signed_in(ada), token] {
        assert!(bench.may(&actor, "users:delete", None).await);
        for status in [Status::Inactive, Status::Invited, Status::Tombstone] {
            bench.set_status(ada, status);
            assert!(!bench.may(&actor, "users:delete", None).await, "{status:?}");
            assert!(!bench.access.may_sign_in(ada).await.unwrap());
        }
        bench.set_status(ada, Status::Active);
        assert!(bench.access.may_sign_in(ada).await.unwrap());
    }
}

#[tokio::test]
async fn a_token_is_bounded_by_who_made_it_for_as_long_as_it_lives() {
    let bench = Bench::new("clearpoint-systems");
    let (ada, bob) = (bench.user(1, &[]), bench.user(2, &[]));
    bench.give_user(ada, "data_analyst", None).await;
    bench.give_user(bob, "system_administrator", None).await;
    let token = |user, maker| {
        let (id, limit) = (Id::from_bytes([8; 16]), vec![permission("*:*")]);
        Actor::Token { id, limit, user, maker: Some(maker) }
    };
    let (service, personal) = (token(None, ada), token(Some(bob), ada));
    for actor in [&service, &personal] {
        assert!(bench.may(actor, "reports:read", None).await);
        assert!(!bench.may(actor, "users:read", None).await, "more than its maker may");
    }
    // Whom it acts for bounds it too.
    assert!(!bench.may(&token(Some(ada), bob), "users:read", None).await);
    bench.set_status(ada, Status::Inactive);
    for actor in [&service, &personal] {
        assert!(!bench.may(actor, "reports:read", None).await, "its maker is gone");
    }
}

#[tokio::test]
async fn a_token_reaches_neither_beyond_its_limit_nor_beyond_its_owner() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    bench.give_user(ada, "data_analyst", None).await;
    let token = |limit: &[&str], user| Actor::Token {
        id: Id::from_bytes([8; 16]),
        limit: limit.iter().map(|text| permission(text)).collect(),
        user,
        maker: None,
    };
    for (limit, user, asked, allowed) in [
        (&["*:read"][..], Some(ada), "reports:read", true),
        (&["*:read"], Some(ada), "data:export", false),
        (&["*:*"], Some(ada), "data:export", true),
        (&["*:*"], Some(ada), "users:read", false),
        (&["reports:read"], Some(ada), "integrations:read", false),
        (&[], Some(ada), "reports:read", false),
        // A service's token has its limit and nothing else.
        (&["users:read"], None, "users:read", true),
        (&["users:read"], None, "users:update", false),
        (&["*:*"], None, "users:update", true),
        (&["*:*"], None, "unknown:thing", false),
        // Of somebody who is gone nothing is left.
        (&["*:*"], Some(Id::from_bytes([77; 16])), "reports:read", false),
    ] {
        let actor = token(limit, user);
        assert_eq!(bench.may(&actor, asked, None).await, allowed, "{limit:?} {asked}");
    }
}

#[tokio::test]
async fn each_kind_of_actor_gets_what_it_is_for_and_nothing_else() {
    let bench = Bench::new("clearpoint-systems");
    let okta: SourceId = "okta".parse().unwrap();
    let connection = Actor::Connection { source: okta.clone(), token: Id::from_bytes([3; 16]) };
    let me = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    for (actor, manages, provisions) in [
        (Actor::Anonymous, false, false),
        (connection.clone(), false, true),
        (Actor::Local { uid: 0 }, true, false),
        (Actor::Local { uid: me }, true, false),
        (Actor::Local { uid: me + 12_345 }, false, false),
        (Actor::System { task: "sync:corp".to_owned() }, true, false),
        (signed_in(Id::from_bytes([50; 16])), false, false),
    ] {
        assert_eq!(bench.may(&actor, "users:create", None).await, manages, "{actor}");
        let permit = bench.access.provision(&actor, Circumstance::default()).await;
        assert_eq!(permit.is_ok(), provisions, "{actor}");
    }
    let permit = bench.access.provision(&connection, Circumstance::default()).await.unwrap();
    assert_eq!(permit.source(), Some(&okta));
    let permit = bench.access.sign_in_permit(okta.clone(), Circumstance::default());
    assert_eq!((permit.source(), permit.actor()), (Some(&okta), &Actor::Anonymous));
    let permit = bench.access.task_permit("sync:corp", Some(okta.clone()));
    assert_eq!((permit.source(), permit.actor().to_string().as_str()), (Some(&okta), "system:sync:corp"));
}

#[tokio::test]
async fn nobody_signed_in_is_another_error_than_not_permitted() {
    let bench = Bench::new("clearpoint-systems");
    let ask = permission("users:read");
    let error = bench.access.permit(&Actor::Anonymous, &ask, None, Circumstance::default()).await.unwrap_err();
    assert!(matches!(error, Error::Anonymous));
    let ada = signed_in(bench.user(1, &[]));
    let error = bench.access.permit(&ada, &ask, None, Circumstance::default()).await.unwrap_err();
    let Error::Denied(explanation) = error else { panic!("{error}") };
    assert_eq!(explanation.decided_by, "nothing-allows");
    assert_eq!(explanation.needed, [role("system_administrator")]);
}

#[tokio::test]
async fn a_refusal_is_recorded_with_who_what_where_and_why() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let from = Circumstance { address: Some([192, 0, 2, 7].into()), request_id: Some("r-1".to_owned()) };
    let finance = scope("department:finance");
    let ask = permission("users:delete");
    let refused = bench.access.permit(&signed_in(ada), &ask, Some(&finance), from).await;
    assert!(refused.is_err());
    let events = bench.ground.events_of(EventKind::PermissionRefused).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.outcome, Outcome::Denied);
    assert_eq!(event.actor, format!("user:{ada}"));
    assert_eq!(event.target, "permission:users:delete");
    assert_eq!(event.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(event.request_id.as_deref(), Some("r-1"));
    assert!(event.details.contains(&("scope".to_owned(), "department:finance".to_owned())));
    // What is allowed leaves no event of its own; the change that follows does.
    bench.give_user(ada, "system_administrator", None).await;
    let before = bench.ground.events().await.len();
    assert!(bench.may(&signed_in(ada), "users:delete", None).await);
    assert_eq!(bench.ground.events().await.len(), before);
}

#[tokio::test]
async fn by_scorecard_a_user_is_somebody_else_in_each_scope() {
    let bench = Bench::new("clearpoint-strategy");
    let ada = bench.user(1, &[]);
    let actor = signed_in(ada);
    bench.give_user(ada, "by_scorecard", None).await;
    let order = ["browser", "updater", "editor", "scorecard_administrator"];
    for (role, place) in order.iter().zip(["a", "b", "c", "d"]) {
        bench.give_user(ada, role, Some(&format!("scorecard:{place}"))).await;
    }
    // The permission of each step, and from which scorecard on it holds.
    for (asked, from) in [
        ("pages:read", 0),
        ("attachments:create", 1),
        ("elements:create", 2),
        ("scorecards:update", 3),
        ("scorecards:create", 9),
        ("users:create", 9),
    ] {
        for (place, name) in ["a", "b", "c", "d", "e"].iter().enumerate() {
            let expected = place >= from && place < 4;
            assert_eq!(bench.may(&actor, asked, Some(&format!("scorecard:{name}"))).await, expected, "{asked} {name}");
        }
        assert!(!bench.may(&actor, asked, None).await, "{asked} for the organisation");
    }
}

#[tokio::test]
async fn a_department_role_overrides_in_both_directions_and_elevation_ends_by_itself() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let actor = signed_in(ada);
    bench.give_user(ada, "operations_manager", None).await;
    bench.give_user(ada, "viewer", Some("department:finance")).await;
    assert!(bench.may(&actor, "workflows:create", Some("department:operations")).await);
    assert!(!bench.may(&actor, "workflows:create", Some("department:finance")).await);
    // For an hour, somebody else's work there.
    let mut new = NewGrant::new(Subject::User(ada), role("data_analyst")).within(scope("department:finance"));
    new.mode = Mode::Add;
    new.ends = Some(bench.ground.clock.clock().now().plus(Duration::from_secs(3600)));
    bench.give(new).await;
    assert!(bench.may(&actor, "data:export", Some("department:finance")).await);
    assert!(!bench.may(&actor, "data:export", Some("department:operations")).await);
    bench.ground.clock.advance(Duration::from_secs(3600));
    assert!(!bench.may(&actor, "data:export", Some("department:finance")).await);
}

#[tokio::test]
async fn membership_alone_gives_nothing_and_a_groups_grant_reaches_nested_members() {
    let bench = Bench::new("clearpoint-systems");
    // Ada is in 10, which is in 20; Bob is in 30 alone.
    let (ada, bob) = (bench.user(1, &[&[10], &[10, 20]]), bench.user(2, &[&[30]]));
    assert!(!bench.may(&signed_in(ada), "audit:read", None).await);
    bench.give(NewGrant::new(Subject::Group(super::group(20)), role("compliance_officer"))).await;
    assert!(bench.may(&signed_in(ada), "audit:read", None).await);
    assert!(!bench.may(&signed_in(bob), "audit:read", None).await);
    let ask = permission("audit:read");
    let told = bench.access.explain(ada, &Question::new(&ask), None).await.unwrap();
    assert_eq!(told.steps[0].held.groups, [super::group(10), super::group(20)]);
}

#[tokio::test]
async fn who_is_not_permitted_to_sign_in_by_a_role_is_told_apart_from_who_has_none() {
    let bench = Bench::new("clearpoint-strategy");
    let (ada, bob) = (bench.user(1, &[]), bench.user(2, &[]));
    bench.give_user(ada, "no_access", None).await;
    bench.give_user(ada, "administrator", None).await;
    assert!(!bench.access.may_sign_in(ada).await.unwrap());
    assert!(bench.access.may_sign_in(bob).await.unwrap());
    assert!(matches!(bench.access.may_sign_in(Id::from_bytes([70; 16])).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let bench = Bench::new("clearpoint-strategy");
    let (ada, bob) = (bench.user(1, &[]), bench.user(2, &[]));
    bench.give_user(ada, "scorecard_administrator", Some("scorecard:a")).await;
    let new = |role: &str, place: Option<&str>| {
        let new = NewGrant::new(Subject::User(bob), super::role(role));
        match place {
            Some(place) => new.within(scope(place)),
            None => new,
        }
    };
    let token = |limit: &[&str], user| Actor::Token {
        id: Id::from_bytes([8; 16]),
        limit: limit.iter().map(|text| permission(text)).collect(),
        user,
        maker: None,
    };
    let ada = signed_in(ada);
    let root = bench.user(3, &[]);
    bench.give_user(root, "administrator", None).await;
    for (actor, role, place, allowed) in [
        (&ada, "browser", Some("scorecard:a"), true),
        (&ada, "editor", Some("scorecard:a"), true),
        (&ada, "scorecard_administrator", Some("scorecard:a"), true),
        // Not above their own level, not elsewhere, not account-wide.
        (&ada, "administrator", Some("scorecard:a"), false),
        (&ada, "browser", Some("scorecard:b"), false),
        (&ada, "browser", None, false),
        (&signed_in(root), "administrator", None, true),
        (&Actor::Local { uid: 0 }, "administrator", None, true),
        (&token(&["grants:create"], Some(root)), "browser", None, false),
        (&token(&["grants:create"], None), "administrator", None, false),
        (&token(&["*:*"], None), "administrator", None, true),
    ] {
        let permit = bench.access.permit_grant(actor, &new(role, place), Circumstance::default()).await;
        assert_eq!(permit.is_ok(), allowed, "{actor} gives {role} in {place:?}");
    }
}

#[tokio::test]
async fn other_roles_are_in_force_from_the_next_decision_on() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    bench.give_user(ada, "viewer", None).await;
    assert!(bench.may(&signed_in(ada), "reports:read", None).await);
    let other = cleargate::access::Pack::open("clearvantage", &std::collections::BTreeMap::new()).unwrap();
    bench.access.replace_roles(other.roles().clone());
    // The role is not defined any more; what is missing gives nothing.
    let ask = permission("users:read");
    let told = bench.access.explain(ada, &Question::new(&ask), None).await.unwrap();
    assert_eq!((told.allowed, told.decided_by), (false, "undefined-role"));
}

#[tokio::test]
async fn nobody_gives_for_longer_what_they_have_for_a_time() {
    let bench = Bench::new("clearpoint-strategy");
    let (ada, bob, root) = (bench.user(1, &[]), bench.user(2, &[&[7]]), bench.user(3, &[]));
    let now = bench.access.acting(&Actor::Local { uid: 0 }).await.unwrap().now();
    let at = |hours: u64| Some(now.plus(std::time::Duration::from_secs(3_600 * hours)));
    let held = |subject, ends| NewGrant { ends, ..NewGrant::new(subject, super::role("administrator")) };
    bench.give(held(Subject::User(ada), at(1))).await;
    bench.give(held(Subject::Group(super::group(7)), at(1))).await;
    bench.give(held(Subject::User(root), None)).await;
    bench.give_user(ada, "browser", None).await;
    let token = |user, maker| {
        let (id, limit) = (Id::from_bytes([8; 16]), vec![permission("*:*")]);
        Actor::Token { id, limit, user, maker }
    };
    let new = |role: &str, ends| NewGrant { ends, ..NewGrant::new(Subject::User(ada), super::role(role)) };
    for (actor, role, ends, allowed) in [
        (signed_in(ada), "administrator", None, false),
        (signed_in(ada), "administrator", at(2), false),
        (signed_in(ada), "administrator", at(1), true),
        (signed_in(ada), "editor", None, false),
        // What she has without an end she gives without an end.
        (signed_in(ada), "browser", None, true),
        (signed_in(bob), "administrator", None, false),
        (signed_in(bob), "administrator", at(1), true),
        (token(None, Some(ada)), "administrator", None, false),
        (token(Some(root), Some(ada)), "administrator", None, false),
        (signed_in(root), "administrator", None, true),
    ] {
        let permit = bench.access.permit_grant(&actor, &new(role, ends), Circumstance::default()).await;
        assert_eq!(permit.is_ok(), allowed, "{actor} gives {role} until {ends:?}");
    }
    // With one that stays beside it the end of the other does not matter.
    bench.give(held(Subject::User(ada), None)).await;
    let permit = bench.access.permit_grant(&signed_in(ada), &new("administrator", None), Circumstance::default()).await;
    assert!(permit.is_ok());
}

#[tokio::test]
async fn who_asks_again_and_again_for_what_they_may_not_does_not_fill_the_ledger() {
    let bench = Bench::new("clearpoint-systems");
    let actor = signed_in(bench.user(1, &[]));
    for _ in 0..150 {
        assert!(!bench.may(&actor, "users:delete", None).await);
    }
    assert_eq!(bench.ground.events_of(EventKind::PermissionRefused).await.len(), 100);
    bench.ground.clock.advance(Duration::from_secs(10));
    for _ in 0..2 {
        assert!(!bench.may(&actor, "users:delete", None).await);
    }
    let told = bench.ground.events_of(EventKind::PermissionRefused).await;
    assert_eq!(told.len(), 101);
    let before = |event: &Event| event.details.iter().find(|(name, _)| name == "unrecorded_before").cloned();
    assert_eq!(before(&told[100]).unwrap().1, "50");
    assert!(told[..100].iter().all(|event| before(event).is_none()));
}
