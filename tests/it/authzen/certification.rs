//! The scenario of the certification of AuthZEN 1.0: alice and bob, two records, read, write and delete.

use serde_json::{Value, json};

use super::{Asker, EVALUATION, EVALUATIONS, Ground, person, question, refused};

/// Alice writes what is not archived and removes to the bin; bob reads, and writes what is archived.
async fn scenario() -> (Ground, Asker) {
    let ground = Ground::new().await;
    ground.user("alice", &["writer", "remover", "reader@status:archived"]).await;
    ground.user("bob", &["reader", "archivist+status:archived"]).await;
    ground.user("carol", &[]).await;
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    (ground, asker)
}

fn active() -> Value {
    json!({"type": "record", "id": "record-1"})
}

fn archived() -> Value {
    json!({"type": "record", "id": "record-2", "properties": {"scope": "status:archived"}})
}

#[tokio::test]
async fn basic_every_row_of_the_scenario_is_decided() {
    let (_ground, asker) = scenario().await;
    for (user, action, resource, expected) in [
        ("alice", "read", active(), true),
        ("alice", "write", active(), true),
        ("bob", "read", active(), true),
        ("bob", "write", active(), false),
        ("alice", "write", archived(), false),
        ("bob", "write", archived(), true),
        ("alice", "delete", active(), true),
        ("alice", "delete_for_good", active(), false),
    ] {
        for _ in 0..2 {
            let asked = question(user, action, resource.clone());
            assert_eq!(asker.decides(asked.clone()).await, expected, "{asked}");
        }
    }
}

#[tokio::test]
async fn basic_context_properties_and_unknown_members_change_nothing() {
    let (_ground, asker) = scenario().await;
    let mut asked = question("alice", "read", active());
    asked["context"] = json!({"time": "1985-10-26T01:22-07:00", "ip": "10.10.0.1", "other": {"deep": [1, null]}});
    asked["unknown"] = json!(null);
    asked["subject"]["properties"] = json!({"role": "manager", "unknown": null});
    asked["subject"]["extra"] = json!(1);
    asked["resource"]["properties"] = json!({"status": "active", "owner": "bob"});
    asked["action"]["properties"] = json!({"method": "GET"});
    assert!(asker.decides(asked).await);
}

#[tokio::test]
async fn basic_what_is_unknown_is_no_with_a_reason() {
    let (_ground, asker) = scenario().await;
    for (asked, decided_by) in [
        (question("dave", "read", active()), "unknown-subject"),
        (question("", "read", active()), "unknown-subject"),
        (question("alice", "fly", active()), "unknown-permission"),
        (question("alice", "Read all!", active()), "unknown-permission"),
        (question("alice", "*", active()), "unknown-permission"),
        (question("alice", "read", json!({"type": "spaceship", "id": "1"})), "unknown-permission"),
        (question("alice", "read", json!({"type": "", "id": ""})), "unknown-permission"),
        (question("carol", "read", active()), "nothing-allows"),
    ] {
        let answer = asker.ask(EVALUATION, asked.clone()).await;
        assert_eq!(answer["decision"], false, "{asked}");
        assert_eq!(answer["context"]["reasons"]["decided_by"], decided_by, "{asked}");
    }
    let mut robot = question("alice", "read", active());
    robot["subject"]["type"] = json!("robot");
    assert!(!asker.decides(robot).await);
}

#[tokio::test]
async fn basic_the_answer_tells_the_explanation() {
    let (_ground, asker) = scenario().await;
    let answer = asker.ask(EVALUATION, question("alice", "write", archived())).await;
    let reasons = &answer["context"]["reasons"];
    assert_eq!(reasons["allowed"], false);
    assert_eq!(reasons["permission"], "record:write");
    assert_eq!(reasons["scope"], "status:archived");
    assert_eq!(reasons["decided_by"], "replaced");
    assert_eq!(reasons["steps"].as_array().unwrap().len(), 3);
    assert!(reasons["reason"].as_str().unwrap().contains("status:archived"), "{reasons}");
}

#[tokio::test]
async fn basic_what_is_no_question_is_refused() {
    let (_ground, asker) = scenario().await;
    let whole = question("alice", "read", active());
    let without = |path: &[&str]| {
        let mut asked = whole.clone();
        let parent = path[..path.len() - 1].iter().fold(&mut asked, |value, name| &mut value[*name]);
        parent.as_object_mut().unwrap().remove(path[path.len() - 1]).unwrap();
        asked
    };
    let with = |path: &[&str], value: Value| {
        let mut asked = whole.clone();
        *path.iter().fold(&mut asked, |value, name| &mut value[*name]) = value;
        asked
    };
    for (asked, named) in [
        (without(&["subject"]), "`subject`"),
        (without(&["action"]), "`action`"),
        (without(&["resource"]), "`resource`"),
        (without(&["subject", "type"]), "`subject.type`"),
        (without(&["subject", "id"]), "`subject.id`"),
        (without(&["action", "name"]), "`action.name`"),
        (without(&["resource", "type"]), "`resource.type`"),
        (without(&["resource", "id"]), "`resource.id`"),
        (with(&["subject"], json!("alice")), "`subject`"),
        (with(&["subject"], json!(null)), "`subject`"),
        (with(&["subject", "id"], json!(7)), "`subject.id`"),
        (with(&["action", "name"], json!(123)), "`action.name`"),
        (with(&["resource"], json!([])), "`resource`"),
        (with(&["context"], json!(null)), "`context`"),
        (with(&["context"], json!([])), "`context`"),
        (with(&["context"], json!({"time": "soon"})), "`context.time`"),
        (with(&["context"], json!({"ip": 7})), "`context.ip`"),
        (with(&["subject", "properties"], json!(null)), "`subject.properties`"),
        (with(&["action", "properties"], json!([])), "`action.properties`"),
        (with(&["resource", "properties"], json!("x")), "`resource.properties`"),
        (with(&["resource", "properties"], json!({"scope": "archived"})), "`resource.properties.scope`"),
        (with(&["resource", "properties"], json!({"owner": 7})), "`resource.properties.owner`"),
        (with(&["subject", "id"], json!("a".repeat(1_025))), "`subject.id`"),
    ] {
        let detail = refused(&asker.post(EVALUATION, &asked).await, 400);
        assert!(detail.contains(named), "{asked}: {detail}");
    }
}

#[tokio::test]
async fn batch_the_scenario_is_decided_in_order() {
    let (_ground, asker) = scenario().await;
    let actions = |names: &[&str]| -> Value { names.iter().map(|name| json!({"action": {"name": name}})).collect() };
    let bob = |names: &[&str], semantic: &str| {
        json!({"subject": person("bob"), "resource": active(), "evaluations": actions(names),
               "options": {"evaluations_semantic": semantic, "unknown": 1}})
    };
    assert_eq!(asker.batch(bob(&["read", "write"], "execute_all")).await, [true, false]);
    assert_eq!(asker.batch(bob(&["read", "write", "read"], "deny_on_first_deny")).await, [true, false]);
    assert_eq!(asker.batch(bob(&["read", "read"], "deny_on_first_deny")).await, [true, true]);
    assert_eq!(asker.batch(bob(&["write", "read", "write"], "permit_on_first_permit")).await, [false, true]);
    assert_eq!(asker.batch(bob(&["write", "write"], "permit_on_first_permit")).await, [false, false]);
    let resources = json!({"subject": person("alice"), "action": {"name": "write"},
        "evaluations": [{"resource": active()}, {"resource": archived()}]});
    assert_eq!(asker.batch(resources).await, [true, false]);
    let people = json!({"action": {"name": "write"}, "resource": archived(),
        "evaluations": [{"subject": person("alice")}, {"subject": person("bob")}, {"subject": person("bob")}]});
    assert_eq!(asker.batch(people).await, [false, true, true]);
    let over = json!({"subject": person("bob"), "action": {"name": "write"}, "resource": active(),
        "evaluations": [{"action": {"name": "read"}}, {}]});
    assert_eq!(asker.batch(over).await, [true, false]);
}

#[tokio::test]
async fn batch_a_member_of_an_entry_replaces_the_default_as_a_whole() {
    let (_ground, asker) = scenario().await;
    // The default is incomplete on purpose, which does not matter where every entry has its own.
    let complete = json!({"subject": person("alice"), "action": {"name": "write"}, "resource": {"type": "record"},
        "evaluations": [{"resource": active()}, {"resource": archived()}]});
    assert_eq!(asker.batch(complete).await, [true, false]);
    // Nothing of the default's properties is left, and nothing of its type is taken over.
    let mut partial = json!({"subject": person("alice"), "action": {"name": "write"}, "resource": archived(),
        "evaluations": [{}, {"resource": active()}, {"resource": {"id": "record-1"}}]});
    let answer = asker.ask(EVALUATIONS, partial.clone()).await;
    assert_eq!(answer["evaluations"][0]["decision"], false);
    assert_eq!(answer["evaluations"][1]["decision"], true);
    assert_eq!(answer["evaluations"][2]["context"]["error"]["status"], 400);
    // The same of the circumstances: a moment before the grants began is not mixed with an address.
    partial["context"] = json!({"time": "soon"});
    partial["evaluations"] = json!([{"resource": active(), "context": {"ip": "10.0.0.1"}}, {"resource": active()}]);
    let answer = asker.ask(EVALUATIONS, partial).await;
    assert_eq!(answer["evaluations"][0]["decision"], true);
    assert_eq!(answer["evaluations"][1]["context"]["error"]["status"], 400);
}

#[tokio::test]
async fn batch_without_entries_is_a_single_evaluation() {
    let (_ground, asker) = scenario().await;
    for entries in [None, Some(json!([]))] {
        let mut asked = question("alice", "read", active());
        asked.as_object_mut().unwrap().extend(entries.map(|entries| ("evaluations".to_owned(), entries)));
        let answer = asker.ask(EVALUATIONS, asked.clone()).await;
        assert_eq!((answer["decision"].as_bool(), answer.get("evaluations")), (Some(true), None));
        asked.as_object_mut().unwrap().remove("resource");
        refused(&asker.post(EVALUATIONS, &asked).await, 400);
    }
}

#[tokio::test]
async fn batch_an_entry_that_is_no_question_is_a_no_of_its_own() {
    let (_ground, asker) = scenario().await;
    let asked = json!({"subject": person("alice"), "action": {"name": "read"},
        "evaluations": [{"resource": active()}, {}, null, {"resource": active(), "subject": null}]});
    let answer = asker.ask(EVALUATIONS, asked.clone()).await;
    let entries = answer["evaluations"].as_array().unwrap();
    assert_eq!(entries[0]["decision"], true);
    for entry in &entries[1..] {
        assert_eq!((&entry["decision"], &entry["context"]["error"]["status"]), (&json!(false), &json!(400)));
    }
    let alone = json!({"action": {"name": "read"}, "evaluations": [{"resource": active()}]});
    assert_eq!(asker.batch(alone).await, [false]);
    let mut stops = asked;
    stops["options"] = json!({"evaluations_semantic": "deny_on_first_deny"});
    assert_eq!(asker.batch(stops).await, [true, false], "an error is a deny");
}

#[tokio::test]
async fn search_the_scenario_is_found() {
    let (_ground, asker) = scenario().await;
    let who = |action: &str, resource: Value| json!({"subject": {"type": "user"}, "action": {"name": action}, "resource": resource});
    assert_eq!(asker.finds("subject", who("read", active())).await, ["alice", "bob"]);
    assert_eq!(asker.finds("subject", who("write", active())).await, ["alice"]);
    assert_eq!(asker.finds("subject", who("write", archived())).await, ["bob"]);
    let place = |user: &str, action: &str| question(user, action, json!({"type": "record"}));
    assert_eq!(asker.finds("resource", place("alice", "read")).await, ["*", "status:archived"]);
    assert_eq!(asker.finds("resource", place("alice", "write")).await, ["*"]);
    assert_eq!(asker.finds("resource", place("bob", "write")).await, ["status:archived"]);
    let what = |user: &str, resource: Value| json!({"subject": person(user), "resource": resource});
    assert_eq!(asker.finds("action", what("alice", active())).await, ["delete", "read", "write"]);
    assert_eq!(asker.finds("action", what("bob", archived())).await, ["read", "write"]);
}

#[tokio::test]
async fn search_every_result_is_permitted_when_it_is_asked_about() {
    let (_ground, asker) = scenario().await;
    for user in ["alice", "bob"] {
        for action in ["read", "write", "delete"] {
            let places = asker.finds("resource", question(user, action, json!({"type": "record"}))).await;
            for place in &places {
                let resource = json!({"type": "record", "id": place});
                assert!(asker.decides(question(user, action, resource.clone())).await, "{user} {action} {place}");
                let who = json!({"subject": {"type": "user"}, "action": {"name": action}, "resource": resource});
                assert!(asker.finds("subject", who).await.contains(&user.to_owned()));
                let what = json!({"subject": person(user), "resource": resource});
                assert!(asker.finds("action", what).await.contains(&action.to_owned()));
            }
        }
    }
}

#[tokio::test]
async fn discovery_names_the_configured_addresses_whoever_asks() {
    let (ground, asker) = scenario().await;
    for path in [EVALUATION, EVALUATIONS] {
        refused(&ground.bearer("wrong").post(path, &question("alice", "read", active())).await, 401);
    }
    for asker in [asker, ground.bearer("wrong").with_header("host", "elsewhere.example")] {
        let reply = asker.send(http::Method::GET, "/.well-known/authzen-configuration", None, "").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.headers["cache-control"], "public, max-age=3600");
        assert_eq!(
            reply.json(),
            json!({
                "policy_decision_point": "http://127.0.0.1:8080",
                "access_evaluation_endpoint": "http://127.0.0.1:8080/access/v1/evaluation",
                "access_evaluations_endpoint": "http://127.0.0.1:8080/access/v1/evaluations",
                "search_subject_endpoint": "http://127.0.0.1:8080/access/v1/search/subject",
                "search_resource_endpoint": "http://127.0.0.1:8080/access/v1/search/resource",
                "search_action_endpoint": "http://127.0.0.1:8080/access/v1/search/action",
            })
        );
    }
}
