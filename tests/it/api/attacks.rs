//! Ways up, and ways to lock others out, that somebody thought of.

use cleargate::access::{NewScope, Scopes};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

const SYSTEMS: &str = "policy.pack = \"clearpoint-systems\"";

async fn make(client: &Client, body: Value) -> Value {
    good(client.post("/api/v1/roles", body).await, StatusCode::CREATED)
}

/// Somebody who may do these things, and is signed in.
async fn somebody(ground: &Ground, name: &str, permissions: &[&str]) -> Client {
    make(&ground.root(), json!({"name": format!("Of {name}"), "permissions": permissions})).await;
    ground.browser(name, &[&format!("of_{name}")]).await.1
}

async fn may(ground: &Ground, user: &str, permission: &str) -> bool {
    let path = format!("/api/v1/explain?user={user}&permission={permission}");
    good(ground.root().get(&path).await, StatusCode::OK)["allowed"].as_bool().unwrap()
}

#[tokio::test]
async fn no_edit_of_one_role_makes_another_fall_out_of_the_book() {
    let ground = Ground::with(SYSTEMS).await;
    ground.user("root", &["system_administrator"]).await;
    let rights = ["roles:create", "roles:update", "roles:read", "grants:create"];
    let mallory = somebody(&ground, "mallory", &rights).await;
    make(&mallory, json!({"name": "a", "permissions": []})).await;
    make(&mallory, json!({"name": "b", "permissions": [], "includes": ["a"]})).await;
    good(mallory.post("/api/v1/grants", json!({"user": "root", "role": "b"})).await, StatusCode::CREATED);
    let mut many = Vec::new();
    for number in 0..63 {
        many.push(format!("r{number}"));
        make(&mallory, json!({"name": many.last(), "permissions": []})).await;
    }
    let reply = mallory.patch("/api/v1/roles/a", json!({"includes": many})).await;
    refused(&reply, 422, Some("includes"));
    assert!(reply.text.contains("`b`"), "{}", reply.text);
    assert!(may(&ground, "root", "users:update").await);
    good(mallory.patch("/api/v1/roles/a", json!({"includes": many[..62]})).await, StatusCode::OK);
    assert!(may(&ground, "root", "users:update").await);
}

#[tokio::test]
async fn nobody_denies_something_to_others_by_a_role_they_hold() {
    let ground = Ground::with(SYSTEMS).await;
    ground.user("root", &["system_administrator"]).await;
    let rights = ["roles:create", "roles:update", "roles:read", "grants:create", "grants:delete", "users:update"];
    let mallory = somebody(&ground, "mallory", &rights).await;
    make(&mallory, json!({"name": "trap", "permissions": []})).await;
    let denies = json!({"denies": ["users:update", "grants:create", "roles:update"]});
    // Nobody holds it: it is a role like any other.
    good(mallory.patch("/api/v1/roles/trap?dry_run=true", denies.clone()).await, StatusCode::OK);
    good(mallory.post("/api/v1/grants", json!({"user": "root", "role": "trap"})).await, StatusCode::CREATED);
    refused(&mallory.patch("/api/v1/roles/trap", denies.clone()).await, 403, None);
    assert!(may(&ground, "root", "users:update").await);
    good(ground.root().patch("/api/v1/roles/trap", denies).await, StatusCode::OK);
    assert!(!may(&ground, "root", "users:update").await);
}

#[tokio::test]
async fn what_was_written_while_its_writer_went_away_is_in_force_at_the_next_decision() {
    let ground = Ground::with(SYSTEMS).await;
    ground.test.place(&["department:finance"]).await;
    ground.user("ada", &[]).await;
    let body = json!({"user": "ada", "role": "viewer", "scope": "department:finance"});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    let explain = "/api/v1/explain?user=ada&permission=reports:read&scope=department:payroll";
    refused(&ground.root().get(explain).await, 422, Some("scope"));
    // Another hand on the same store: nothing tells the gateway's own tree.
    let access = ground.test.gateway.access();
    let ledger = ground.test.gateway.ledger().clone();
    let other = Scopes::new(
        ledger,
        ground.test.clock.clock(),
        cleargate::model::OrganisationId::DEFAULT,
        &[],
        &Default::default(),
    );
    other.load().await.unwrap();
    let new = NewScope {
        scope: "department:payroll".parse().unwrap(),
        name: "Payroll".to_owned(),
        description: String::new(),
        parent: Some("department:finance".parse().unwrap()),
    };
    other.create(&ground.test.task(), new).await.unwrap();
    assert_eq!(access.scopes().tree().len(), 1, "it does not know yet");
    assert_eq!(good(ground.root().get(explain).await, StatusCode::OK)["allowed"], true);
}

#[tokio::test]
async fn no_scopes_are_not_everywhere() {
    let ground = Ground::with(SYSTEMS).await;
    let body = json!({"userName": "ada", "role": "viewer", "scopes": []});
    refused(&ground.root().post("/api/v1/users", body).await, 422, Some("scopes"));
    let many: Vec<String> = (0..101).map(|number| format!("department:d{number}")).collect();
    let body = json!({"userName": "ada", "role": "viewer", "scopes": many});
    refused(&ground.root().post("/api/v1/users", body).await, 422, Some("scopes"));
    assert_eq!(ground.root().get("/api/v1/users/ada").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_name_that_is_the_slug_of_another_group_is_told_and_not_taken_for_it() {
    let ground = Ground::with(SYSTEMS).await;
    let root = ground.root();
    let mut ids = Vec::new();
    for name in ["Data Analysts", "data_analysts"] {
        let group = good(root.post("/api/v1/groups", json!({"name": name})).await, StatusCode::CREATED);
        ids.push(group["id"].as_str().unwrap().to_owned());
    }
    let reply = root.post("/api/v1/grants", json!({"group": "data_analysts", "role": "viewer"})).await;
    assert!(reply.status.is_client_error(), "{}", reply.text);
    let body = json!({"group": ids[0], "role": "viewer"});
    good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
}

#[tokio::test]
async fn who_may_not_give_what_a_group_holds_does_not_rename_it() {
    let ground = Ground::with(SYSTEMS).await;
    let root = ground.root();
    for name in ["Administrators", "Interns"] {
        good(root.post("/api/v1/groups", json!({"name": name})).await, StatusCode::CREATED);
    }
    good(
        root.post("/api/v1/grants", json!({"group": "administrators", "role": "system_administrator"})).await,
        StatusCode::CREATED,
    );
    let mallory = somebody(&ground, "mallory", &["groups:update", "groups:read"]).await;
    refused(&mallory.patch("/api/v1/groups/administrators", json!({"name": "Old"})).await, 403, None);
    good(mallory.patch("/api/v1/groups/interns", json!({"name": "Trainees"})).await, StatusCode::OK);
}

#[tokio::test]
async fn who_is_put_back_where_they_were_is_not_moved_and_who_moves_has_looked() {
    let ground = Ground::with(SYSTEMS).await;
    ground.test.place(&["department:p", "department:q", "department:x < department:p"]).await;
    let rights = ["departments:update", "departments:read"];
    make(&ground.root(), json!({"name": "Head", "permissions": rights})).await;
    let (_, head) = ground.browser("head", &[]).await;
    let body = json!({"user": "head", "role": "head", "scope": "department:x"});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    good(head.patch("/api/v1/departments/x", json!({"parent": "p", "name": "X"})).await, StatusCode::OK);
    refused(&head.patch("/api/v1/departments/x", json!({"parent": "q"})).await, 403, None);
    good(ground.root().patch("/api/v1/departments/x", json!({"parent": "q"})).await, StatusCode::OK);
    refused(&head.patch("/api/v1/departments/x", json!({"parent": "p"})).await, 403, None);
}

#[tokio::test]
async fn nobody_limits_themselves_by_accident() {
    let ground = Ground::new().await;
    let (_, root) = ground.browser("root", &["administrator"]).await;
    refused(&root.post("/api/v1/grants", json!({"user": "root", "role": "no_access"})).await, 409, None);
    assert!(may(&ground, "root", "users:update").await);
}

#[tokio::test]
async fn who_reads_a_department_is_told_of_nobody_who_is_not_placed_there() {
    let ground = Ground::with(SYSTEMS).await;
    ground.test.place(&["department:finance", "department:audit < department:finance", "department:sales"]).await;
    for (name, scope) in [("inside", "department:finance"), ("outside", "department:sales")] {
        ground.user(name, &["viewer"]).await;
        let body = json!({"user": name, "role": "viewer", "scope": scope});
        good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    }
    make(&ground.root(), json!({"name": "Head", "permissions": ["users:read", "departments:read"]})).await;
    let (_, head) = ground.browser("head", &[]).await;
    let body = json!({"user": "head", "role": "head", "scope": "department:finance"});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    for department in ["finance", "audit"] {
        let path = |user: &str| format!("/api/v1/departments/{department}/users/{user}");
        good(head.get(&path("inside")).await, StatusCode::OK);
        let (outside, nobody) = (head.get(&path("outside")).await, head.get(&path("nobody")).await);
        refused(&outside, 404, None);
        assert_eq!(outside.text, nobody.text, "neither is told from the other");
        good(ground.root().get(&path("outside")).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn no_scope_is_deleted_and_made_again_to_get_out_from_under_a_denial() {
    let ground = Ground::with(SYSTEMS).await;
    ground.test.place(&["department:g", "department:x < department:g", "department:q"]).await;
    make(&ground.root(), json!({"name": "Shut", "denies": ["data:export"]})).await;
    ground.user("ada", &["data_analyst"]).await;
    let body = json!({"user": "ada", "role": "shut", "scope": "department:g"});
    let shut = good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    make(&ground.root(), json!({"name": "Head", "permissions": ["departments:*"]})).await;
    let (_, head) = ground.browser("head", &[]).await;
    for scope in ["department:g", "department:q"] {
        let body = json!({"user": "head", "role": "head", "scope": scope});
        good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    }
    refused(&head.delete("/api/v1/departments/x").await, 403, None);
    refused(&head.patch("/api/v1/departments/x", json!({"parent": "q"})).await, 403, None);
    let shut = format!("/api/v1/grants/{}", shut["id"].as_str().unwrap());
    good(ground.root().delete(&shut).await, StatusCode::OK);
    good(head.delete("/api/v1/departments/x").await, StatusCode::OK);
}

#[tokio::test]
async fn all_roles_together_have_a_bound() {
    let ground = Ground::with(SYSTEMS).await;
    let root = ground.root();
    let mut base = Vec::new();
    for number in 0..62 {
        base.push(format!("r{number}"));
        make(&root, json!({"name": base.last(), "permissions": []})).await;
    }
    for number in 0..200 {
        let reply = root.post("/api/v1/roles", json!({"name": format!("all{number}"), "includes": base})).await;
        if reply.status != StatusCode::CREATED {
            refused(&reply, 422, Some("includes"));
            assert!(reply.text.contains("at most 5000") && (50..100).contains(&number), "{number} {}", reply.text);
            return;
        }
    }
    panic!("200 roles of 63 parts each");
}

#[tokio::test]
async fn who_can_is_answered_piece_by_piece_where_few_of_many_may() {
    let ground = Ground::with(SYSTEMS).await;
    let root = ground.root();
    make(&root, json!({"name": "Shut", "denies": ["reports:read"]})).await;
    good(root.post("/api/v1/groups", json!({"name": "Shut"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/grants", json!({"group": "Shut", "role": "shut"})).await, StatusCode::CREATED);
    let rows: Vec<Value> = (0..5_600)
        .map(|number| json!({"first_name": "A", "last_name": "B", "email": format!("u{number}@x.example")}))
        .collect();
    let body = json!({"rows": rows, "role": "viewer", "access_groups": ["Shut"]});
    good(root.post("/api/v1/users:bulk", body).await, StatusCode::CREATED);
    ground.user("last", &["viewer"]).await;
    let path = "/api/v1/who-can?permission=reports:read";
    let first = good(root.get(path).await, StatusCode::OK);
    let next = first["next"].as_str().expect("5,000 were looked at, and there may be more");
    let second = good(root.get(&format!("{path}&cursor={next}")).await, StatusCode::OK);
    let items = [&first, &second].map(|page| page["items"].as_array().unwrap().clone()).concat();
    assert_eq!((items.len(), &items[0]["user"]["userName"]), (1, &json!("last")));
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn the_next_page_of_a_report_asks_the_same() {
    let ground = Ground::new().await;
    for name in ["ada", "alan", "grace"] {
        ground.user(name, &[]).await;
    }
    let root = ground.root();
    let reply = root.get("/api/v1/reports/users?format=csv&limit=1").await;
    let link = reply.headers["link"].to_str().unwrap();
    assert!(link.contains("limit=1") && link.matches("format=csv").count() == 1, "{link}");
    let next = &link[link.find('<').unwrap() + 1..link.find('>').unwrap()];
    let next = root.get(next).await;
    assert_eq!((next.status, next.text.lines().count()), (StatusCode::OK, 2), "{}", next.text);
}

#[tokio::test]
async fn nobody_blinds_those_above_them_by_taking_their_companies() {
    let ground = Ground::with(SYSTEMS).await;
    good(ground.root().post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    ground.user("root", &["system_administrator"]).await;
    ground.user("ada", &["viewer"]).await;
    let mallory = somebody(&ground, "mallory", &["users:update", "users:read", "reports:read"]).await;
    for body in [
        json!({"companies": [], "all_companies": false}),
        json!({"companies": ["north"]}),
        json!({"all_companies": false, "companies": ["north"]}),
    ] {
        refused(&mallory.patch("/api/v1/users/root", body).await, 403, None);
    }
    let root = good(ground.root().get("/api/v1/users/root").await, StatusCode::OK);
    assert_eq!((&root["companies"], &root["all_companies"]), (&json!([]), &json!(true)));
    refused(&mallory.patch("/api/v1/users/ada", json!({"companies": ["north"]})).await, 403, None);
    // Of those who may no more, and of oneself.
    ground.user("eve", &[]).await;
    for name in ["eve", "mallory"] {
        let reply = mallory.patch(&format!("/api/v1/users/{name}"), json!({"companies": ["north"]})).await;
        good(reply, StatusCode::OK);
    }
    let own = good(mallory.get("/api/v1/users/mallory").await, StatusCode::OK);
    assert_eq!(own["companies"], json!(["north"]), "one's own sight is one's own to narrow");
}

/// A test of somebody who is not to send invoices, and the ground that it speaks of.
const DENIED: &str = r#"policy.pack = "clearpoint-systems"

[[test]]
name = "ada changes nobody"
as = "ada"
deny = ["users:update"]

[[test]]
name = "grace reads"
as = "grace"
accept = ["reports:read"]
"#;

#[tokio::test]
async fn what_begins_later_is_weighed_as_it_will_be() {
    let ground = Ground::with(DENIED).await;
    let root = ground.root();
    ground.user("ada", &[]).await;
    ground.user("grace", &["viewer"]).await;
    make(&root, json!({"name": "Shut", "denies": ["reports:read"]})).await;
    make(&root, json!({"name": "Idle", "denies": ["users:update"]})).await;
    let (soon, later) = ("2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z");
    assert!(ground.test.clock.clock().now() < soon.parse().unwrap(), "the moments are to come");
    let broken = |reply: &crate::support::gateway::Reply, test: &str| {
        refused(reply, 409, None);
        assert!(reply.text.contains(&format!("`{test}`")), "{}", reply.text);
    };
    let more = json!({"user": "ada", "role": "system_administrator", "starts": soon});
    broken(&root.post("/api/v1/grants", more.clone()).await, "ada changes nobody");
    let less = json!({"user": "grace", "role": "shut", "starts": soon});
    broken(&root.post("/api/v1/grants", less).await, "grace reads");
    // What hides it for a while ends before it does.
    let veil = json!({"user": "ada", "role": "idle", "ends": later});
    good(root.post("/api/v1/grants", veil).await, StatusCode::CREATED);
    broken(&root.post("/api/v1/grants", more).await, "ada changes nobody");
    let now = json!({"user": "ada", "role": "system_administrator"});
    broken(&root.post("/api/v1/grants", now).await, "ada changes nobody");
    let meanwhile = json!({"user": "ada", "role": "system_administrator", "starts": soon, "ends": later});
    good(root.post("/api/v1/grants", meanwhile).await, StatusCode::CREATED);
    // What is left for a while only does not stand for what is for good.
    let short = json!({"user": "grace", "role": "compliance_officer", "ends": soon});
    good(root.post("/api/v1/grants", short).await, StatusCode::CREATED);
    let grants = good(root.get("/api/v1/grants?user=grace").await, StatusCode::OK);
    let items = grants["items"].as_array().unwrap();
    let viewer = items.iter().find(|grant| grant["role"] == "viewer").unwrap()["id"].as_str().unwrap();
    broken(&root.delete(&format!("/api/v1/grants/{viewer}")).await, "grace reads");
}

#[tokio::test]
async fn nobody_ends_administration_on_a_later_day() {
    let ground = Ground::with(SYSTEMS).await;
    let root = ground.root();
    ground.user("chief", &["system_administrator"]).await;
    make(&root, json!({"name": "Shut", "denies": ["grants:create"]})).await;
    good(root.post("/api/v1/groups", json!({"name": "Shut", "users": ["chief"]})).await, StatusCode::CREATED);
    let soon = "2026-11-22T09:00:00Z";
    for whom in [("user", "chief"), ("group", "Shut")] {
        let body = json!({whom.0: whom.1, "role": "shut", "starts": soon});
        let reply = root.post("/api/v1/grants", body).await;
        refused(&reply, 409, None);
        assert!(reply.text.contains("without an end"), "{}", reply.text);
    }
    // Not from oneself either, though somebody else would be left.
    ground.user("second", &["system_administrator"]).await;
    let chief = ground.sign_in("chief").await;
    let body = json!({"group": "Shut", "role": "shut", "starts": soon});
    let reply = chief.post("/api/v1/grants", body.clone()).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("your own right"), "{}", reply.text);
    good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
}

/// At each moment at which something of the giver's own begins or ends, everything is looked at once more, where these are few.
#[tokio::test]
async fn who_is_given_very_many_things_for_a_time_still_gives_what_they_have_for_good() {
    let ground = Ground::with(SYSTEMS).await;
    ground.test.place(&["department:finance"]).await;
    let root = ground.root();
    ground.user("chief", &["system_administrator"]).await;
    ground.user("ada", &[]).await;
    let chief = ground.sign_in("chief").await;
    let mallory = somebody(&ground, "mallory", &["grants:create", "roles:read"]).await;
    good(root.post("/api/v1/grants", json!({"user": "mallory", "role": "viewer"})).await, StatusCode::CREATED);
    for minute in 0..65 {
        let ends = format!("2027-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let body = json!({"user": "chief", "role": "viewer", "ends": ends});
        good(mallory.post("/api/v1/grants", body).await, StatusCode::CREATED);
    }
    let give = async |role: &str, ends: Value| {
        let body = json!({"user": "ada", "role": role, "ends": ends});
        chief.post("/api/v1/grants?dry_run=true", body).await
    };
    good(give("system_administrator", Value::Null).await, StatusCode::OK);
    let flag = json!({"user": "chief", "role": "data_analyst", "ends": "2027-01-01T00:30:00Z"});
    good(root.post("/api/v1/grants", flag).await, StatusCode::CREATED);
    good(give("system_administrator", Value::Null).await, StatusCode::OK);
    // Where something that could take rights away begins or ends among them, nothing is certain.
    let over = json!({"user": "chief", "role": "viewer", "scope": "department:finance", "mode": "override",
                      "starts": "2027-01-01T00:30:00Z", "ends": "2027-01-01T00:31:00Z"});
    let over = good(root.post("/api/v1/grants", over).await, StatusCode::CREATED);
    refused(&give("viewer", Value::Null).await, 403, None);
    good(give("viewer", json!("2027-01-01T00:00:00Z")).await, StatusCode::OK);
    good(root.delete(&format!("/api/v1/grants/{}", over["id"].as_str().unwrap())).await, StatusCode::OK);
    good(give("system_administrator", Value::Null).await, StatusCode::OK);
    // And what one has for a time only is not given for longer.
    let body = json!({"user": "mallory", "role": "system_administrator", "ends": "2027-01-01T02:00:00Z"});
    good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
    for minute in 0..65 {
        let ends = format!("2027-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let body = json!({"user": "mallory", "role": "viewer", "ends": ends});
        good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
    }
    let body = |ends: Value| json!({"user": "ada", "role": "system_administrator", "ends": ends});
    refused(&mallory.post("/api/v1/grants?dry_run=true", body(Value::Null)).await, 403, None);
    refused(&mallory.post("/api/v1/grants?dry_run=true", body(json!("2027-01-01T02:00:01Z"))).await, 403, None);
    good(mallory.post("/api/v1/grants?dry_run=true", body(json!("2027-01-01T02:00:00Z"))).await, StatusCode::OK);
}

/// A pack with so many permissions of which the role of this name gives these.
fn wide(count: usize, role: &str, rights: &str) -> String {
    let actions: Vec<String> = (0..count).map(|number| format!("\"act-{number}\"")).collect();
    format!(
        "title = \"Wide\"\n[catalogue]\nthings = [{}]\n[[role]]\nname = \"{role}\"\ndescription = \"\"\npermissions = [{rights}]\n",
        actions.join(", ")
    )
}

#[tokio::test]
async fn no_text_of_a_pack_is_more_work_than_it_is_worth() {
    let ground = Ground::with(SYSTEMS).await;
    let compare = async |text: String| ground.root().post("/api/v1/policy:diff", json!({"text": text})).await;
    for (text, told) in [
        (format!("title = \"A\"\n#{}", "x".repeat(1024 * 1024)), "more than 1048576"),
        (wide(2_001, "Viewer", ""), "2001 permissions, more than 2000"),
        (
            format!("title = \"A\"\n{}", "[[role]]\nname = \"A\"\ndescription = \"\"\n".repeat(501)),
            "501 roles and flags, more than 500",
        ),
        (format!("title = \"A\"\n[catalogue]\n{} = [\"a\"]\n", "r".repeat(300)), "at most 256 bytes"),
    ] {
        let reply = compare(text).await;
        refused(&reply, 422, Some("text"));
        assert!(reply.text.contains(told), "{told}: {}", reply.text);
    }
    let options: serde_json::Map<String, Value> = (0..101).map(|n| (format!("o{n}"), json!("x"))).collect();
    let body = json!({"pack": "clearvantage", "options": options});
    refused(&ground.root().post("/api/v1/policy:diff", body).await, 422, Some("pack"));
    // Many names that do not exist are not each compared with all that do.
    let unknown: Vec<String> = (0..40_000).map(|number| format!("\"things:akt-{number}\"")).collect();
    let reply = compare(wide(2_000, "Viewer", &unknown.join(", "))).await;
    refused(&reply, 422, Some("text"));
    let told = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(told.contains("is not looked for"), "{told}");
    assert_eq!(told.matches(" is not in the catalogue").count(), 99, "{told}");
    assert_eq!(told.matches("is `things:act-").count(), 20, "{told}");
}

#[tokio::test]
async fn what_a_pack_would_change_is_told_in_pieces_where_it_is_very_much() {
    let ground = Ground::with(SYSTEMS).await;
    for number in 0..15 {
        ground.user(&format!("u{number:02}"), &["viewer"]).await;
    }
    let body = json!({"text": wide(1_900, "Viewer", "\"*:*\"")});
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let reply = ground.root().post(&format!("/api/v1/policy:diff?limit=500{cursor}"), body.clone()).await;
        let page = good(reply, StatusCode::OK);
        for user in page["users"].as_array().unwrap() {
            seen.push(user["user"]["userName"].as_str().unwrap().to_owned());
            assert_eq!(user["complete"], true);
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), pages), (15, 2), "20,000 rights are a page");
}

#[tokio::test]
async fn nobody_shuts_out_the_last_who_sees_all_companies_on_a_by_way() {
    let ground = Ground::with(SYSTEMS).await;
    let root = ground.root();
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    ground.user("limited", &["system_administrator"]).await;
    ground.user("last", &[]).await;
    good(root.patch("/api/v1/users/limited", json!({"companies": ["north"]})).await, StatusCode::OK);
    make(&root, json!({"name": "Shut", "denies": ["account:sign-in"]})).await;
    make(&root, json!({"name": "Harmless", "permissions": ["reports:read"]})).await;
    for name in ["Inner", "Outer", "Held"] {
        good(root.post("/api/v1/groups", json!({"name": name})).await, StatusCode::CREATED);
    }
    for (group, role) in [("Outer", "shut"), ("Held", "harmless")] {
        good(root.post("/api/v1/grants", json!({"group": group, "role": role})).await, StatusCode::CREATED);
    }
    for group in ["Inner", "Held"] {
        let path = format!("/api/v1/groups/{group}/members");
        let reply = root.post(&path, json!({"users": ["last"]})).await;
        assert!(reply.status.is_success(), "{}", reply.text);
    }
    let seen = |reply: crate::support::gateway::Reply| {
        refused(&reply, 409, None);
        assert!(reply.text.contains("sees all companies"), "{}", reply.text);
    };
    seen(root.post("/api/v1/grants", json!({"group": "Inner", "role": "shut"})).await);
    seen(root.post("/api/v1/groups/Outer/members", json!({"users": ["last"]})).await);
    seen(root.post("/api/v1/groups/Outer/members", json!({"groups": ["Inner"]})).await);
    seen(root.patch("/api/v1/roles/harmless", json!({"denies": ["account:sign-in"]})).await);
    let later = json!({"user": "last", "role": "shut", "starts": "2026-11-23T00:00:00Z"});
    seen(root.post("/api/v1/grants", later.clone()).await);
    // Somebody else sees all: then it is nobody's concern.
    ground.user("other", &[]).await;
    good(root.post("/api/v1/grants", later).await, StatusCode::CREATED);
}
