//! Many people at once: looked through as a whole, written together.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, PASSWORD, good, refused};

const LIST: &str = "First\tLast\tE-mail\r\nAda\tLovelace\tada@example.com\r\nAlan\tTuring\t\"alan@example.com\"\r\n";

async fn count(ground: &Ground) -> usize {
    good(ground.root().get("/api/v1/users").await, StatusCode::OK)["items"].as_array().unwrap().len()
}

fn told(problems: &Value) -> Vec<(u64, &str)> {
    let show = |problem: &'_ Value| problem["row"].as_u64().unwrap();
    problems.as_array().unwrap().iter().map(|p| (show(p), p["field"].as_str().unwrap_or(""))).collect()
}

#[tokio::test]
async fn everybody_is_made_in_one_commit_with_a_password_to_be_changed() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/groups", json!({"name": "New"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/scorecards", json!({"name": "Sales"})).await, StatusCode::CREATED);
    let body = json!({
        "rows": LIST, "user_type": "updater", "scopes": ["scorecard:sales"], "access_groups": ["new"], "password": PASSWORD,
    });
    let commits = || ground.test.gateway.ledger().store().engine().health().transactions;
    let mut dry = body.clone();
    dry["dry_run"] = true.into();
    let before = commits();
    let plan = good(root.post("/api/v1/users:bulk", dry).await, StatusCode::OK);
    assert_eq!((&plan["rows"], &plan["good"], &plan["created"]), (&json!(2), &json!(2), &json!(0)));
    assert_eq!((commits() - before, count(&ground).await), (0, 0), "a dry run writes nothing");
    let made = good(root.post("/api/v1/users:bulk", body).await, StatusCode::CREATED);
    assert_eq!((&made["created"], commits() - before), (&json!(2), 1));
    let ada = good(root.get("/api/v1/users/ada@example.com").await, StatusCode::OK);
    assert_eq!((&ada["displayName"], &ada["must_change_password"]), (&json!("Ada Lovelace"), &json!(true)));
    assert_eq!((&ada["groups"], &ada["roles"]), (&json!(["New"]), &json!(["updater"])));
    let grants = good(root.get("/api/v1/grants?user=alan@example.com").await, StatusCode::OK);
    assert_eq!(grants["items"][0]["scope"], "scorecard:sales");
    assert!(!made.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn what_is_wrong_is_told_by_row_and_nothing_is_written() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(
        root.post("/api/v1/users", json!({"userName": "grace", "email": "Grace@navy.example"})).await,
        StatusCode::CREATED,
    );
    let rows = "Ada,Lovelace,ada@example.com\n\
                Ada,Again,ADA@example.com\n\
                Grace,Hopper,grace@navy.example\n\
                Bad,Address,nowhere\n\
                ,,x@example.com\n\
                Five,Columns,f@example.com,1,what\n";
    let body = json!({"rows": rows, "role": "browser"});
    let reply = root.post("/api/v1/users:bulk", body.clone()).await;
    refused(&reply, 422, Some("rows"));
    let expected = [(2, "email"), (3, "email"), (4, "email"), (5, "first_name"), (5, "last_name"), (6, "")];
    let mut problems = told(&reply.json()["errors"]).iter().map(|(r, f)| (*r, (*f).to_owned())).collect::<Vec<_>>();
    problems.sort();
    let mut wanted: Vec<(u64, String)> = expected.iter().map(|(r, f)| (*r, (*f).to_owned())).collect();
    wanted.sort();
    assert_eq!(problems, wanted, "{}", reply.text);
    assert!(reply.text.contains("row 1 already"), "{}", reply.text);
    assert_eq!(count(&ground).await, 1, "nothing was written");
    let made = good(root.post("/api/v1/users:bulk?partial=true", body.clone()).await, StatusCode::CREATED);
    assert_eq!((&made["created"], made["problems"].as_array().unwrap().len()), (&json!(1), 6));
    assert_eq!(count(&ground).await, 2);
    // Again, nobody is left to make.
    let again = good(root.post("/api/v1/users:bulk?partial=true", body).await, StatusCode::OK);
    assert_eq!(again["created"], 0);
}

#[tokio::test]
async fn what_is_for_all_is_checked_once_and_takes_its_rights() {
    let ground = Ground::new().await;
    let root = ground.root();
    let row = json!([{"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"}]);
    for (body, field) in [
        (json!({"rows": LIST}), "role"),
        (json!({"rows": LIST, "role": "nobody"}), "role"),
        (json!({"rows": "", "role": "browser"}), "rows"),
        (json!({"rows": 5, "role": "browser"}), "rows"),
        (json!({"rows": [{"name": "x"}], "role": "browser"}), "rows"),
        (json!({"rows": LIST, "role": "browser", "password": "short"}), "rows"),
        (json!({"rows": LIST, "role": "browser", "scopes": ["scorecard:none"]}), "scopes"),
        (json!({"rows": "a,b,c@x\n".repeat(10_001), "role": "browser"}), "rows"),
    ] {
        refused(&root.post("/api/v1/users:bulk", body).await, 422, Some(field));
    }
    let given = ["users:create", "grants:create", "pages:*", "favorites:*", "attachments:*"];
    let elements = ["action-items:read", "initiatives:read", "measures:read", "objectives:read"];
    let clerk = ground.service(&[&given[..], &elements].concat()).await;
    let body = |role: &str| json!({"rows": row, "role": role});
    refused(&clerk.post("/api/v1/users:bulk", body("administrator")).await, 403, None);
    refused(
        &clerk.post("/api/v1/users:bulk", json!({"rows": row, "role": "browser", "password": PASSWORD})).await,
        403,
        None,
    );
    assert_eq!(count(&ground).await, 0);
    good(clerk.post("/api/v1/users:bulk", body("browser")).await, StatusCode::CREATED);
}

#[tokio::test]
async fn ten_thousand_rows_are_looked_through() {
    let ground = Ground::new().await;
    let rows: String = (0..10_000).map(|n| format!("P{n},Family,p{n}@example.com\n")).collect();
    let body = json!({"rows": rows, "role": "browser", "dry_run": true});
    let plan = good(ground.root().post("/api/v1/users:bulk", body).await, StatusCode::OK);
    assert_eq!((&plan["good"], &plan["problems"]), (&json!(10_000), &json!([])));
}
