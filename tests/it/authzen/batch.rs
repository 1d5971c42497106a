//! Limits of batches and what they refuse as a whole.

use cleargate::authzen::{MAX_BODY_BYTES, MAX_EVALUATIONS};
use serde_json::{Value, json};

use super::{EVALUATIONS, Ground, person, question, refused};

#[tokio::test]
async fn an_unknown_semantic_is_refused_and_never_taken_for_another() {
    let ground = Ground::new().await;
    let asker = ground.application(&["decisions:read"]).await;
    for options in [
        json!({"evaluations_semantic": "deny_first"}),
        json!({"evaluations_semantic": ""}),
        json!({"evaluations_semantic": null}),
        json!({"evaluations_semantic": 1}),
        json!([]),
        json!(null),
    ] {
        let mut asked = question("ada", "read", json!({"type": "record", "id": "1"}));
        asked["evaluations"] = json!([{}]);
        asked["options"] = options;
        assert!(refused(&asker.post(EVALUATIONS, &asked).await, 400).contains("`options"), "{asked}");
    }
    for entries in [json!({}), json!("x"), json!(null), json!(1)] {
        let mut asked = question("ada", "read", json!({"type": "record", "id": "1"}));
        asked["evaluations"] = entries;
        assert!(refused(&asker.post(EVALUATIONS, &asked).await, 400).contains("`evaluations`"), "{asked}");
    }
}

#[tokio::test]
async fn as_many_entries_as_the_limit_are_answered_and_one_more_is_refused() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["decisions:read"]).await;
    let asked = |count: usize| {
        let entries: Vec<Value> =
            (0..count).map(|n| json!({"resource": {"type": "record", "id": n.to_string()}})).collect();
        json!({"subject": person("ada"), "action": {"name": "read"}, "evaluations": entries})
    };
    let answers = asker.batch(asked(MAX_EVALUATIONS)).await;
    assert_eq!(answers, vec![true; MAX_EVALUATIONS]);
    assert!(refused(&asker.post(EVALUATIONS, &asked(MAX_EVALUATIONS + 1)).await, 400).contains("1000"));
    let mut large = asked(1);
    large["context"] = json!({"padding": "x".repeat(MAX_BODY_BYTES)});
    refused(&asker.post(EVALUATIONS, &large).await, 413);
}

#[tokio::test]
async fn an_entry_that_the_caller_may_not_ask_is_a_no_and_one_refusal_is_recorded() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["audit:read"]).await;
    let place =
        |n: usize| json!({"resource": {"type": "record", "id": "1", "properties": {"scope": format!("status:s{n}")}}});
    let asked = json!({"subject": person("ada"), "action": {"name": "read"},
        "evaluations": (0..20).map(place).collect::<Vec<_>>()});
    let answer = asker.ask(EVALUATIONS, asked).await;
    for entry in answer["evaluations"].as_array().unwrap() {
        assert_eq!((&entry["decision"], &entry["context"]["error"]["status"]), (&json!(false), &json!(403)));
        assert_eq!(entry["context"].get("reasons"), None);
    }
    let refusals = ground.test.gateway.ledger().tail(100).await.unwrap().entries;
    let refusals = refusals.iter().filter(|entry| entry.to_json()["action"] == "permission.refuse").count();
    assert_eq!(refusals, 1);
}
