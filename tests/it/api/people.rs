//! People apart from accounts.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

#[tokio::test]
async fn a_person_needs_two_names_and_gets_a_number() {
    let ground = Ground::new().await;
    let root = ground.root();
    let reply = root.post("/api/v1/people", json!({"email": "x@example.com"})).await;
    refused(&reply, 422, Some("first_name"));
    let errors = reply.json()["errors"].clone();
    assert_eq!((&errors[0]["field"], &errors[1]["field"]), (&json!("first_name"), &json!("last_name")));
    good(root.post("/api/v1/companies", json!({"name": "Acme North"})).await, StatusCode::CREATED);
    let body = json!({"first_name": "Ada", "last_name": "Lovelace", "companies": ["acme_north", "company:acme_north"]});
    let ada = good(root.post("/api/v1/people", body).await, StatusCode::CREATED);
    assert_eq!((&ada["employee_number"], &ada["companies"]), (&json!("1"), &json!(["acme_north"])));
    assert_eq!(ada["user"], Value::Null, "a person need not have an account");
    let body = json!({"first_name": "Alan", "last_name": "Turing", "employee_number": "2"});
    good(root.post("/api/v1/people", body).await, StatusCode::CREATED);
    let third = json!({"first_name": "Grace", "last_name": "Hopper"});
    let third = good(root.post("/api/v1/people", third).await, StatusCode::CREATED);
    assert_eq!(third["employee_number"], "3", "a number that is taken is passed over");
    let twice = json!({"first_name": "A", "last_name": "B", "employee_number": "2"});
    refused(&root.post("/api/v1/people", twice).await, 409, Some("employee_number"));
    let wrong = json!({"first_name": "A", "last_name": "B", "companies": ["acme_nort"]});
    let reply = root.post("/api/v1/people", wrong).await;
    refused(&reply, 422, Some("companies"));
    assert!(reply.text.contains("acme_north"), "{}", reply.text);
    let page = good(root.get("/api/v1/people?limit=2").await, StatusCode::OK);
    let rest = format!("/api/v1/people?limit=2&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(good(root.get(&rest).await, StatusCode::OK)["items"].as_array().unwrap().len(), 1);
    for body in [json!({"first_name": ""}), json!({"first_name": " "})] {
        refused(&root.patch("/api/v1/people/3", body).await, 422, Some("first_name"));
    }
    refused(&root.patch("/api/v1/people/3", json!({"last_name": ""})).await, 422, Some("last_name"));
    let clerk = ground.service(&["people:read"]).await;
    refused(&clerk.post("/api/v1/people", json!({"first_name": "A", "last_name": "B"})).await, 403, None);
}

#[tokio::test]
async fn an_account_is_one_persons_and_keeps_the_person_from_being_deleted() {
    let ground = Ground::new().await;
    let root = ground.root();
    for (first, last) in [("Ada", "Lovelace"), ("Alan", "Turing")] {
        let body = json!({"first_name": first, "last_name": last, "email": format!("{first}@example.com")});
        good(root.post("/api/v1/people", body).await, StatusCode::CREATED);
    }
    refused(&root.post("/api/v1/users", json!({"userName": "ada", "employee": "9"})).await, 422, Some("employee"));
    let user = good(root.post("/api/v1/users", json!({"userName": "ada", "employee": "1"})).await, StatusCode::CREATED);
    assert_eq!((&user["displayName"], &user["email"]), (&json!("Ada Lovelace"), &json!("Ada@example.com")));
    refused(&root.post("/api/v1/users", json!({"userName": "ada2", "employee": "1"})).await, 409, Some("employee"));
    refused(&root.get("/api/v1/users/ada2").await, 404, None);
    assert_eq!(good(root.get("/api/v1/people/1").await, StatusCode::OK)["user"]["userName"], "ada");
    refused(&root.delete("/api/v1/people/1").await, 409, Some("user"));
    good(root.delete("/api/v1/people/2").await, StatusCode::OK);
    refused(&root.get("/api/v1/people/2").await, 404, None);
    good(root.delete("/api/v1/users/ada?confirm=ada").await, StatusCode::OK);
    assert_eq!(good(root.get("/api/v1/people/1").await, StatusCode::OK)["user"], Value::Null);
    good(root.delete("/api/v1/people/1").await, StatusCode::OK);
}

#[tokio::test]
async fn a_new_name_is_in_new_events_only_and_leaves_the_login_name() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/people", json!({"first_name": "Ada", "last_name": "Byron"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/users", json!({"userName": "abyron", "employee": "1"})).await, StatusCode::CREATED);
    let changed = root.patch("/api/v1/people/1", json!({"last_name": "Lovelace"})).await;
    assert_eq!(good(changed, StatusCode::OK)["displayName"], "Ada Lovelace");
    let logs = good(root.get("/api/v1/audit-logs?action=person.*").await, StatusCode::OK);
    let names: Vec<&str> =
        logs["logs"].as_array().unwrap().iter().map(|log| log["resource_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Ada Lovelace", "Ada Byron", "Ada Byron"], "newest first");
    assert_eq!(good(root.get("/api/v1/users/abyron").await, StatusCode::OK)["userName"], "abyron");
    let stale = root.with_header("if-match", "\"1\"").patch("/api/v1/people/1", json!({"last_name": "King"})).await;
    refused(&stale, 412, None);
}

#[tokio::test]
async fn who_is_employed_and_has_no_account_is_in_reports_and_owns_what_is_assigned_to_them() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    for (first, last) in [("Ada", "Lovelace"), ("Grace", "Hopper")] {
        let body = json!({"first_name": first, "last_name": last, "companies": ["north"]});
        good(root.post("/api/v1/people", body).await, StatusCode::CREATED);
        ground.test.advance(std::time::Duration::from_secs(1));
    }
    let ada = json!({"userName": "ada", "role": "updater", "employee": "1"});
    good(root.post("/api/v1/users", ada).await, StatusCode::CREATED);
    // A login name that looks like an employee is none.
    let posing = json!({"userName": "employee:2", "role": "updater"});
    good(root.post("/api/v1/users", posing).await, StatusCode::CREATED);
    let sheet = good(root.get("/api/v1/reports/employees").await, StatusCode::OK);
    let told = |at: usize| {
        let row = &sheet["items"][at];
        ["employee_number", "first_name", "last_name", "companies", "user", "status"].map(|name| row[name].clone())
    };
    assert_eq!(
        told(0).to_vec(),
        [json!("1"), json!("Ada"), json!("Lovelace"), json!(["north"]), json!("ada"), json!("active")]
    );
    let none = [json!("2"), json!("Grace"), json!("Hopper"), json!(["north"]), Value::Null, Value::Null];
    assert_eq!(told(1).to_vec(), none);
    let text = root.get("/api/v1/reports/employees?format=csv").await.text;
    assert!(text.lines().count() == 3 && text.contains("Hopper"), "{text}");
    let first = good(root.get("/api/v1/reports/employees?limit=1").await, StatusCode::OK);
    let rest = format!("/api/v1/reports/employees?limit=1&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(good(root.get(&rest).await, StatusCode::OK)["items"][0]["last_name"], "Hopper");
    for permissions in [&["users:read"][..], &["people:read"]] {
        refused(&ground.service(permissions).await.get("/api/v1/reports/employees").await, 403, None);
    }

    let asker = ground.service(&["decisions:read", "users:read"]).await;
    let asker = Client { router: cleargate::authzen::router(ground.test.gateway.authzen()), ..asker };
    let resource = |owner: &str| json!({"type": "measures", "id": "7", "properties": {"owner": owner}});
    let may = async |who: &str, owner: &str| {
        let question = json!({"subject": {"type": "user", "id": who}, "action": {"name": "update"},
            "resource": resource(owner)});
        good(asker.post("/access/v1/evaluation", question).await, StatusCode::OK)["decision"].clone()
    };
    for (who, owner, allowed) in [
        ("ada", "employee:1", true),
        ("ada", "employee:2", false),
        ("ada", "employee:", false),
        ("ada", "employee:9", false),
        ("employee:2", "employee:2", false),
        ("employee:2", "employee:1", false),
    ] {
        assert_eq!(may(who, owner).await, allowed, "{who} of {owner}");
    }
    let question =
        json!({"subject": {"type": "user"}, "action": {"name": "update"}, "resource": resource("employee:1")});
    let found = good(asker.post("/access/v1/search/subject", question).await, StatusCode::OK);
    assert_eq!(found["results"], json!([{"type": "user", "id": "ada"}]));
    // What was assigned is theirs as soon as they have an account.
    let grace = json!({"userName": "grace", "role": "updater", "employee": "2"});
    good(root.post("/api/v1/users", grace).await, StatusCode::CREATED);
    assert_eq!(may("grace", "employee:2").await, true);
}
