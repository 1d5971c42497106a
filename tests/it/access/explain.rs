//! What is told is what is enforced.

use std::time::Duration;

use cleargate::access::{Error, NewGrant, Question};
use cleargate::model::{Circumstance, Id, Mode, Subject};

use super::{Bench, group, permission, role, scope, signed_in};

#[tokio::test]
async fn every_way_to_a_verdict_is_told_in_words_and_as_data() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[&[10, 20]]);
    let finance = scope("department:finance");
    bench.give(NewGrant::new(Subject::Group(group(20)), role("data_analyst"))).await;
    bench.give_user(ada, "viewer", Some("department:finance")).await;
    let ask = permission("reports:read");
    let told = bench.access.explain(ada, &Question::new(&ask), None).await.unwrap();
    assert!(told.allowed);
    assert_eq!(told.decided_by, "allowed");
    assert!(told.reason.contains("role data_analyst, through group") && told.reason.ends_with("by including viewer"));
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json["permission"], "reports:read");
    assert_eq!(json["at"], "2027-01-15T08:00:00.000Z");
    let step = json["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "allows").unwrap();
    assert_eq!(step["includes"], serde_json::json!(["data_analyst", "viewer"]));
    assert_eq!(step["groups"].as_array().unwrap().len(), 2);
    assert_eq!(step["rule"], "reports:read");
    let (place, line) = step["rule_at"].as_str().unwrap().split_once(".toml:").unwrap();
    let pack = std::fs::read_to_string(format!("src/access/packs/{place}.toml")).unwrap();
    let line = pack.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
    assert!(line.contains("reports:read") || line.contains("reports:*"), "{line}");
    assert!(told.reason.contains(&format!("which says reports:read ({place}.toml:")), "{}", told.reason);
    assert_eq!((json["level"].as_str(), json.get("remedy")), (Some("organisation"), None));
    assert!(json["steps"].as_array().unwrap().iter().any(|step| step["outcome"] == "elsewhere"));

    let ask = permission("data:export");
    let told = bench.access.explain(ada, &Question::new(&ask).within(Some(&finance)), None).await.unwrap();
    assert_eq!((told.allowed, told.decided_by), (false, "replaced"));
    assert!(told.reason.contains("overrides in department:finance"), "{}", told.reason);
    assert_eq!(told.level.as_deref(), Some("organisation"), "where the grant is that would allow it");
    assert!(told.remedy.as_deref().unwrap().contains("in department:finance"), "{:?}", told.remedy);
    assert_eq!(told.needed, [role("data_analyst"), role("system_administrator")]);
    let text = format!("{told:#}");
    assert!(text.starts_with("data:export in department:finance is refused: "), "{text}");
    assert!(text.contains("one of these roles would give it: data_analyst, system_administrator"), "{text}");
}

#[tokio::test]
async fn another_moment_gets_the_answer_of_that_moment() {
    let bench = Bench::new("clearpoint-systems");
    let ada = bench.user(1, &[]);
    let now = bench.ground.clock.clock().now();
    let (start, end) = (now.plus(Duration::from_secs(60)), now.plus(Duration::from_secs(120)));
    let new = NewGrant::new(Subject::User(ada), role("viewer"));
    bench.give(NewGrant { starts: Some(start), ends: Some(end), ..new }).await;
    let ask = permission("reports:read");
    let question = Question::new(&ask);
    for (at, allowed, outcome) in [
        (None, false, "not-yet"),
        (Some(start), true, "allows"),
        (Some(end), false, "ended"),
        (Some(end.minus(Duration::from_millis(1))), true, "allows"),
    ] {
        let told = bench.access.explain(ada, &question, at).await.unwrap();
        assert_eq!((told.allowed, told.steps[0].outcome), (allowed, outcome), "{at:?}");
    }
}

#[tokio::test]
async fn what_is_told_of_nobody_is_that_there_is_nobody() {
    let bench = Bench::new("clearpoint-systems");
    let ask = permission("reports:read");
    let nobody = Id::from_bytes([60; 16]);
    let told = bench.access.explain(nobody, &Question::new(&ask), None).await;
    assert!(matches!(told, Err(Error::NotFound { what: "user" })));
    assert!(matches!(bench.access.effective(nobody).await, Err(Error::NotFound { what: "user" })));
}

#[tokio::test]
async fn effective_rights_are_exactly_what_is_permitted_at_every_level() {
    let bench = Bench::new("clearpoint-strategy");
    let ada = bench.user(1, &[&[10]]);
    bench.give_user(ada, "updater", None).await;
    bench.give_user(ada, "editor", Some("scorecard:a")).await;
    bench.give_user(ada, "browser", Some("scorecard:b")).await;
    let added = NewGrant::new(Subject::Group(group(10)), role("editor")).within(scope("scorecard:c"));
    bench.give(NewGrant { mode: Mode::Add, ..added }).await;
    let levels = bench.access.effective(ada).await.unwrap();
    let scopes: Vec<_> = levels.iter().map(|level| level.scope.as_ref().map(ToString::to_string)).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(scopes, [None, some("scorecard:a"), some("scorecard:b"), some("scorecard:c")]);
    for level in &levels {
        for asked in bench.pack.roles().catalogue().iter() {
            let right = level.permissions.iter().find(|right| right.permission == asked);
            for is_owner in [false, true] {
                let question = Question::new(&asked).within(level.scope.as_ref()).owned(is_owner);
                let permit = bench.access.permit_for(&signed_in(ada), &question, Circumstance::default()).await;
                let told = right.is_some_and(|right| is_owner || !right.if_owner);
                assert_eq!(permit.is_ok(), told, "{asked} in {:?}, owner: {is_owner}", level.scope);
            }
        }
    }
    let roles = |index: usize| levels[index].roles.iter().map(|held| held.role.as_str()).collect::<Vec<_>>();
    assert_eq!((roles(0), roles(1), roles(2)), (vec!["updater"], vec!["editor"], vec!["browser"]));
    assert_eq!(roles(3), ["updater", "editor"]);
    let own =
        levels[0].permissions.iter().find(|right| right.permission == permission("update-fields:update")).unwrap();
    assert!(own.if_owner);
    let json = serde_json::to_value(&levels[1]).unwrap();
    assert_eq!((&json["scope"], &json["roles"][0]["mode"]), (&"scorecard:a".into(), &"override".into()));
}
