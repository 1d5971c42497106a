//! Staff and members, who are apart; and user records that are groups.

use cleargate::model::{Realm, TokenKind};
use http::StatusCode;
use serde_json::json;

use super::{Ground, PASSWORD, good, refused};

#[tokio::test]
async fn creating_a_staff_user_makes_no_member_login() {
    let ground = Ground::new().await;
    let root = ground.root();
    let staff =
        good(root.post("/api/v1/users", json!({"userName": "ada", "role": "editor"})).await, StatusCode::CREATED);
    assert_eq!(staff["realm"], "staff");
    refused(&root.post("/api/v1/users", json!({"userName": "Ada", "realm": "member"})).await, 409, Some("userName"));
    let all = good(root.get("/api/v1/users").await, StatusCode::OK);
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "one account, in one realm");
    let member = json!({"userName": "mia", "email": "mia@example.org", "realm": "member"});
    assert_eq!(good(root.post("/api/v1/users", member).await, StatusCode::CREATED)["realm"], "member");
    let found = good(root.get("/api/v1/users?filter=realm%20eq%20%22member%22").await, StatusCode::OK);
    assert_eq!((&found["items"][0]["userName"], found["items"].as_array().unwrap().len()), (&json!("mia"), 1));
    refused(&root.post("/api/v1/users", json!({"userName": "x", "realm": "guest"})).await, 422, Some("realm"));
    // The realm is said once.
    refused(&root.patch("/api/v1/users/mia", json!({"realm": "staff"})).await, 422, Some("realm"));
    let rows = json!([{"first_name": "Max", "last_name": "M", "email": "max@example.org"}]);
    let body = json!({"rows": rows, "role": "browser", "realm": "member"});
    good(root.post("/api/v1/users:bulk", body).await, StatusCode::CREATED);
    assert_eq!(good(root.get("/api/v1/users/max@example.org").await, StatusCode::OK)["realm"], "member");
}

#[tokio::test]
async fn members_administer_nothing_whatever_they_hold() {
    let ground = Ground::new().await;
    let body = json!({"userName": "mia", "realm": "member", "role": "administrator", "password": PASSWORD,
                      "must_change_password": false});
    good(ground.root().post("/api/v1/users", body).await, StatusCode::CREATED);
    let mia = ground.sign_in("mia").await;
    let own = good(mia.get("/api/v1/me").await, StatusCode::OK);
    assert_eq!(
        (&own["user"]["realm"], own["permissions"].to_string().contains("users:read")),
        (&json!("member"), true)
    );
    for path in ["/api/v1/users", "/api/v1/groups", "/api/v1/audit-logs", "/api/v1/export", "/api/v1/status"] {
        refused(&mia.get(path).await, 403, None);
    }
    refused(&mia.post("/api/v1/grants", json!({"user": "mia", "role": "editor"})).await, 403, None);
    let user = ground.test.gateway.directory().find_user_by_name("mia").await.unwrap().unwrap();
    let kind = TokenKind::Management(vec!["users:read".parse().unwrap()], Some(user.id), None);
    let tokens = ground.test.gateway.tokens();
    let (secret, _) = tokens.create(&ground.test.task(), "hers", kind, None).await.unwrap();
    refused(&ground.bearer(secret.expose()).get("/api/v1/users").await, 403, None);
    good(ground.bearer(secret.expose()).get("/api/v1/me").await, StatusCode::OK);
    // So she is not the one who is left when the last administrator goes.
    ground.user("boss", &["administrator"]).await;
    refused(&ground.root().patch("/api/v1/users/boss", json!({"active": false})).await, 409, None);
}

#[tokio::test]
async fn a_source_of_one_realm_reaches_no_account_of_the_other() {
    let lines = "[[scim]]\nid = \"shop\"\nrealm = \"member\"\ntakes_over = [\"by-hand\"]\n[[scim]]\nid = \"hr\"\ntakes_over = [\"by-hand\", \"shop\"]\n";
    let ground = Ground::with(lines).await;
    let directory = ground.test.gateway.directory();
    let (shop, hr) = (ground.test.connection("shop").await, ground.test.connection("hr").await);
    let made = directory.create_user(&shop, &crate::support::gateway::record("mia")).await.unwrap();
    assert_eq!((made.realm(), ground.user("ada", &[]).await.realm()), (Realm::Member, Realm::Staff));
    let ada = directory.find_user_by_name("ada").await.unwrap().unwrap();
    for (permit, user, expected) in [(&shop, &ada, "staff"), (&hr, &made, "member")] {
        let changed = directory
            .change_user::<cleargate::directory::Error>(permit, user.id, None, |_, draft| {
                draft.external_id = Some("7".to_owned());
                Ok(())
            })
            .await;
        assert!(changed.unwrap_err().to_string().contains(expected), "{}", user.user_name);
    }
    for (permit, user, expected) in [(&shop, &ada, "staff"), (&hr, &made, "member")] {
        let deleted = directory.delete_user(permit, user.id, None).await;
        assert!(deleted.unwrap_err().to_string().contains(expected), "{}", user.user_name);
        assert!(directory.find_user(user.id).await.unwrap().is_some());
    }
    // What its own source says goes on.
    let renamed = directory
        .change_user::<cleargate::directory::Error>(&shop, made.id, None, |_, draft| {
            draft.attributes.0.insert("displayName".to_owned(), "Mia".into());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!((renamed.display_name().as_str(), renamed.realm()), ("Mia", Realm::Member));
}

#[tokio::test]
async fn user_records_that_are_groups_are_groups_of_that_name_and_let_nobody_in() {
    let ground = Ground::with("policy.pack = \"clearvantage\"\npolicy.options.employees = \"optional\"").await;
    let root = ground.root();
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    let roles = good(root.get("/api/v1/roles").await, StatusCode::OK);
    let role = roles["items"].as_array().unwrap().iter().find(|role| role["kind"] != "flag").unwrap()["id"].clone();
    let record =
        json!({"userName": "BILLING", "is_group": true, "role": role, "companies": ["north"], "password": PASSWORD});
    let made = good(root.post("/api/v1/users", record.clone()).await, StatusCode::CREATED);
    assert_eq!(
        (&made["is_group"], &made["roles"], &made["companies"]),
        (&json!(true), &json!([role]), &json!(["north"]))
    );
    // Members come from each member's own list of groups.
    let member = json!({"userName": "ADA", "role": role, "access_groups": ["BILLING"], "companies": ["north"]});
    good(root.post("/api/v1/users", member).await, StatusCode::CREATED);
    let shown = good(root.get("/api/v1/users?is_group=true").await, StatusCode::OK);
    assert_eq!((&shown["items"][0]["userName"], &shown["items"][0]["members"]), (&json!("BILLING"), &json!(1)));
    assert_eq!(good(root.get("/api/v1/groups/BILLING").await, StatusCode::OK)["members"], 1);
    // It is no account: not in the list of users, and nobody signs in as it.
    let users = good(root.get("/api/v1/users").await, StatusCode::OK);
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "{users}");
    assert_eq!(ground.test.visitor().sign_in("BILLING", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    for (name, status, field) in [
        ("TWO WORDS", 422, "userName"),
        ("MUCHTOOLONGNAME", 422, "userName"),
        ("ADA", 409, "userName"),
        ("billing", 409, "userName"),
    ] {
        let mut record = record.clone();
        record["userName"] = json!(name);
        refused(&root.post("/api/v1/users", record).await, status, Some(field));
    }
    refused(&root.post("/api/v1/users", json!({"userName": "X", "is_group": true})).await, 422, Some("role"));
    // No account takes the name of a record, by whatever way it is made, nor a record that of an account.
    let taken = json!({"userName": "Billing", "role": role, "companies": ["north"]});
    refused(&root.post("/api/v1/users", taken).await, 409, Some("userName"));
    let (directory, sync) = (ground.test.gateway.directory(), ground.test.sync_permit("corp"));
    assert!(directory.create_user(&sync, &crate::support::gateway::record("billing")).await.is_err());
    let source = crate::support::gateway::record("PAYROLL");
    let (account, group) = tokio::join!(directory.create_user(&sync, &source), async {
        let mut record = record.clone();
        record["userName"] = json!("PAYROLL");
        root.post("/api/v1/users", record).await
    });
    assert_eq!(account.is_ok(), group.status == StatusCode::CONFLICT, "one of them: {}", group.text);
    // What a source writes into its groups makes none of them a record.
    let mut marked = cleargate::directory::GroupDraft {
        name: "Marked".parse().unwrap(),
        external_id: None,
        attributes: cleargate::model::Attributes::default(),
        members: cleargate::directory::MemberChange::default(),
    };
    marked.attributes.0.insert("isGroup".to_owned(), json!(true));
    directory.create_group(&sync, &marked).await.unwrap();
    let shown = good(root.get("/api/v1/users?is_group=true").await, StatusCode::OK);
    assert!(shown["items"].as_array().unwrap().iter().all(|item| item["userName"] != "Marked"), "{shown}");
    // What an account could have and a group cannot is not dropped: the role would hold everywhere.
    for (field, value) in [
        ("scopes", json!(["scorecard:a"])),
        ("access_groups", json!(["BILLING"])),
        ("realm", json!("member")),
        ("all_companies", json!(true)),
    ] {
        let mut record = json!({"userName": "WIDE", "is_group": true, "role": role});
        record[field] = value;
        refused(&root.post("/api/v1/users", record).await, 422, Some(field));
    }
    // Nobody gives by it more than they have.
    let clerk = ground.service(&["groups:create", "users:create"]).await;
    let mut other = record;
    other["userName"] = json!("OTHER");
    refused(&clerk.post("/api/v1/users", other).await, 403, None);
}
