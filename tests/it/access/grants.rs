//! Stored grants: by hand and by rule.

use std::time::Duration;

use cleargate::access::{Error, NewGrant, RuleChanges, RuleGrant};
use cleargate::audit::{EventKind, Housekeeping};
use cleargate::model::{Id, Mode, Origin, SourceId, Subject, UserId};

use super::{Bench, group, role, scope};

fn rule(role: &str, place: Option<&str>, position: &str) -> RuleGrant {
    RuleGrant { role: super::role(role), scope: place.map(scope), position: position.to_owned() }
}

/// Replaces and commits, as the directory does.
async fn replace(bench: &Bench, user: UserId, source: &str, wanted: &[RuleGrant]) -> RuleChanges {
    let source: SourceId = source.parse().unwrap();
    let mut change = bench.ground.ledger.change();
    let permit = bench.access.task_permit("sync", Some(source.clone()));
    let done = bench.access.grants().replace_rule_grants(&mut change, &permit, user, &source, wanted).await.unwrap();
    change.commit_quietly(Housekeeping::SourceState).await.unwrap();
    done
}

#[tokio::test]
async fn a_grant_is_found_listed_and_deleted_once_with_its_events() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let mut new = NewGrant::new(Subject::User(ada), role("viewer")).within(scope("department:finance"));
    new.reason = "quarter end".to_owned();
    let grant = bench.give(new).await;
    let grants = bench.access.grants();
    assert_eq!(grants.find(grant.id).await.unwrap(), Some(grant.clone()));
    assert_eq!(grants.list(grant.subject).await.unwrap(), std::slice::from_ref(&grant));
    assert_eq!(grant.origin, Origin::ByHand("quarter end".to_owned()));
    assert_eq!(grants.delete(&bench.task(), grant.id).await.unwrap(), grant);
    let again = grants.delete(&bench.task(), grant.id).await;
    assert!(matches!(again, Err(Error::NotFound { what: "grant" })));
    assert_eq!(grants.find(grant.id).await.unwrap(), None);
    assert_eq!(grants.list(grant.subject).await.unwrap(), []);
    let created = bench.ground.events_of(EventKind::GrantCreated).await;
    let deleted = bench.ground.events_of(EventKind::GrantDeleted).await;
    assert_eq!((created.len(), deleted.len()), (1, 1));
    assert_eq!(created[0].target, format!("user:{ada}"));
    for fact in [("role", "viewer"), ("scope", "department:finance"), ("reason", "quarter end")] {
        assert!(created[0].details.contains(&(fact.0.to_owned(), fact.1.to_owned())), "{fact:?}");
    }
}

#[tokio::test]
async fn a_grant_that_makes_no_sense_is_refused_by_its_field() {
    let bench = Bench::new("clearpoint-strategy");
    let ada = Subject::User(bench.user(1, &[]));
    let now = bench.ground.clock.clock().now();
    let hour = Duration::from_secs(3600);
    let plain = || NewGrant::new(ada, role("browser"));
    for (new, field) in [
        (NewGrant::new(ada, role("emperor")), "role"),
        (NewGrant::new(ada, role("scorecard_administrator")), "scope"),
        (NewGrant { ends: Some(now), ..plain() }, "ends"),
        (NewGrant { ends: Some(now.minus(hour)), ..plain() }, "ends"),
        (NewGrant { starts: Some(now.plus(hour)), ends: Some(now.plus(hour)), ..plain() }, "ends"),
        (NewGrant { reason: "x".repeat(501), ..plain() }, "reason"),
    ] {
        let error = bench.access.grants().create(&bench.task(), bench.pack.roles(), new).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid { field: f, .. } if *f == field), "{field}: {error}");
    }
    assert_eq!(bench.ground.events().await, []);
    let within = NewGrant::new(ada, role("scorecard_administrator")).within(scope("scorecard:a"));
    assert_eq!(bench.give(within).await.mode, Mode::Override);
}

#[tokio::test]
async fn a_holder_has_a_bounded_number_of_grants() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let many: Vec<RuleGrant> = (0..1000).map(|number| rule("viewer", None, &format!("c:{number}"))).collect();
    assert_eq!(replace(&bench, ada, "corp", &many).await.created, 1000);
    assert_eq!(bench.access.grants().list(Subject::User(ada)).await.unwrap().len(), 1000);
    let new = NewGrant::new(Subject::User(ada), role("viewer"));
    let error = bench.access.grants().create(&bench.task(), bench.pack.roles(), new).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { field: "subject", .. }));
}

#[tokio::test]
async fn rules_make_exactly_what_they_want_and_leave_what_others_made() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let by_hand = bench.give_user(ada, "compliance_officer", None).await;
    replace(&bench, ada, "okta", &[rule("viewer", None, "c:1")]).await;

    let two = [rule("viewer", None, "c:7"), rule("data_analyst", Some("department:finance"), "c:9")];
    let changes = replace(&bench, ada, "corp", &two).await;
    assert_eq!(changes, RuleChanges { created: 2, deleted: 0 });
    assert_eq!(replace(&bench, ada, "corp", &two).await, RuleChanges::default(), "again nothing");

    let held = bench.access.grants().list(Subject::User(ada)).await.unwrap();
    assert_eq!(held.len(), 4);
    let scoped = held.iter().find(|grant| grant.role == role("data_analyst")).unwrap();
    assert_eq!((scoped.mode, &scoped.scope), (Mode::Override, &Some(scope("department:finance"))));
    assert_eq!(scoped.origin, Origin::Rule("corp".parse().unwrap(), "c:9".to_owned()));

    assert_eq!(replace(&bench, ada, "corp", &two[..1]).await, RuleChanges { created: 0, deleted: 1 });
    assert_eq!(replace(&bench, ada, "corp", &[]).await, RuleChanges { created: 0, deleted: 1 });
    let held = bench.access.grants().list(Subject::User(ada)).await.unwrap();
    assert_eq!(held.len(), 2);
    assert!(held.contains(&by_hand));
    assert!(held.iter().any(|grant| grant.origin == Origin::Rule("okta".parse().unwrap(), "c:1".to_owned())));
    assert_eq!(bench.ground.events_of(EventKind::GrantCreated).await.len(), 4);
    assert_eq!(bench.ground.events_of(EventKind::GrantDeleted).await.len(), 2);
}

#[tokio::test]
async fn two_runs_of_a_source_at_the_same_time_make_one_grant() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let source: SourceId = "corp".parse().unwrap();
    let permit = bench.access.task_permit("sync", Some(source.clone()));
    let wanted = [rule("viewer", None, "c:1")];
    let grants = bench.access.grants();
    let (mut one, mut two) = (bench.ground.ledger.change(), bench.ground.ledger.change());
    grants.replace_rule_grants(&mut one, &permit, ada, &source, &wanted).await.unwrap();
    grants.replace_rule_grants(&mut two, &permit, ada, &source, &wanted).await.unwrap();
    one.commit_quietly(Housekeeping::SourceState).await.unwrap();
    let lost = two.commit_quietly(Housekeeping::SourceState).await;
    assert!(matches!(lost, Err(cleargate::store::Error::Conflict)));
    assert_eq!(grants.list(Subject::User(ada)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_deleted_holder_leaves_no_grant_behind() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[&[10]]);
    let staff = Subject::Group(group(10));
    bench.give(NewGrant::new(staff, role("viewer"))).await;
    bench.give(NewGrant::new(staff, role("data_analyst"))).await;
    bench.give_user(ada, "compliance_officer", None).await;
    assert_eq!(bench.access.standing(ada).await.unwrap().held.len(), 3);
    let mut change = bench.ground.ledger.change();
    assert_eq!(bench.access.grants().delete_of(&mut change, &bench.task(), staff).await.unwrap(), 2);
    change.commit_quietly(Housekeeping::SourceState).await.unwrap();
    assert_eq!(bench.access.grants().list(staff).await.unwrap(), []);
    let held = bench.access.standing(ada).await.unwrap().held;
    assert_eq!(held.iter().map(|held| held.grant.role.clone()).collect::<Vec<_>>(), [role("compliance_officer")]);
}

#[tokio::test]
async fn grants_of_one_holder_are_not_those_of_another_kind_with_the_same_id() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    bench.give(NewGrant::new(Subject::Group(Id::from_bytes(*ada.as_bytes())), role("system_administrator"))).await;
    assert_eq!(bench.access.grants().list(Subject::User(ada)).await.unwrap(), []);
    assert_eq!(bench.access.standing(ada).await.unwrap().held, []);
}

#[tokio::test]
async fn what_no_rule_gives_any_more_is_taken_and_nothing_else() {
    let bench = Bench::new("clearpoint-systems");
    let (ada, bob) = (bench.user(1, &[]), bench.user(2, &[]));
    let by_hand = bench.give_user(ada, "viewer", None).await;
    let scoped = rule("data_analyst", Some("department:finance"), "c:3");
    replace(&bench, ada, "corp", &[rule("viewer", None, "c:1"), scoped.clone()]).await;
    replace(&bench, ada, "okta", &[rule("viewer", None, "c:2")]).await;
    let many: Vec<RuleGrant> = (0..700).map(|number| rule("viewer", None, &format!("c:{number}"))).collect();
    replace(&bench, bob, "gone", &many).await;
    let grants = bench.access.grants();
    let okta: SourceId = "okta".parse().unwrap();
    let in_force = |source: &SourceId, role: &cleargate::model::RoleId, scope: Option<&cleargate::model::Scope>| {
        *source == okta || (role.as_str() == "data_analyst" && scope == scoped.scope.as_ref())
    };
    assert_eq!(grants.prune(&bench.task(), in_force).await.unwrap(), 701);
    assert_eq!(grants.prune(&bench.task(), in_force).await.unwrap(), 0, "again nothing");
    assert!(grants.list(Subject::User(bob)).await.unwrap().is_empty());
    let held = grants.list(Subject::User(ada)).await.unwrap();
    let mut origins: Vec<String> = held
        .iter()
        .map(|grant| match &grant.origin {
            Origin::Rule(source, _) => format!("{} of {source}", grant.role),
            Origin::ByHand(_) => format!("{} by hand", grant.role),
        })
        .collect();
    origins.sort();
    assert_eq!(origins, ["data_analyst of corp", "viewer by hand", "viewer of okta"]);
    assert!(held.contains(&by_hand));
    assert_eq!(bench.ground.events_of(EventKind::GrantDeleted).await.len(), 701);
}

#[tokio::test]
async fn of_many_grants_in_a_scope_one_of_each_kind_is_read() {
    let bench = Bench::new("clearpoint-strategy");
    let (north, grants) = (scope("scorecard:north"), bench.access.grants());
    for number in 1..=40 {
        let user = bench.user(number, &[]);
        bench.give_user(user, "browser", Some("scorecard:north")).await;
        bench.give_user(user, "browser", Some("scorecard:south")).await;
    }
    let ada = bench.user(41, &[]);
    let editor = bench.give_user(ada, "editor", Some("scorecard:north")).await;
    let added =
        NewGrant { mode: Mode::Add, ..NewGrant::new(Subject::User(ada), role("browser")).within(north.clone()) };
    bench.give(added).await;
    let kinds = async || {
        let kinds = grants.kinds_in_scope(&north).await.unwrap();
        kinds.into_iter().map(|grant| (grant.role.to_string(), grant.mode)).collect::<Vec<_>>()
    };
    let browser = |mode| ("browser".to_owned(), mode);
    let expected = [browser(Mode::Add), browser(Mode::Override), ("editor".to_owned(), Mode::Override)];
    assert_eq!(kinds().await, expected);
    grants.delete(&bench.task(), editor.id).await.unwrap();
    assert_eq!(kinds().await, expected[..2]);
}
