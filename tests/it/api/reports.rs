//! `/reports`, where things come from, and what people see of their own access.

use std::time::Duration;

use cleargate::access::NewGrant;
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, Subject};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Between what is to be listed in the order in which it was made.
const SECOND: Duration = Duration::from_secs(1);
const REPORTS: [&str; 7] = ["access", "employees", "inactive", "posture", "sources", "tokens", "users"];

async fn report(client: &Client, query: &str) -> Value {
    good(client.get(&format!("/api/v1/reports/{query}")).await, StatusCode::OK)
}

/// The only row where a column has this value.
#[track_caller]
fn row<'v>(sheet: &'v Value, column: &str, value: &str) -> &'v Value {
    let rows: Vec<&Value> = sheet["items"].as_array().unwrap().iter().filter(|row| row[column] == value).collect();
    assert_eq!(rows.len(), 1, "{column} {value}: {sheet:#}");
    rows[0]
}

fn all<'v>(sheet: &'v Value, column: &str) -> Vec<&'v str> {
    sheet["items"].as_array().unwrap().iter().map(|row| row[column].as_str().unwrap()).collect()
}

#[tokio::test]
async fn users_are_told_with_roles_direct_and_by_group_password_and_last_sign_in() {
    let ground = Ground::new().await;
    let root = ground.root();
    ground.user("ada", &["editor"]).await;
    ground.test.advance(SECOND);
    ground.test.user("grace", None).await;
    good(root.post("/api/v1/groups", json!({"name": "Readers", "users": ["ada"]})).await, StatusCode::CREATED);
    let grant = json!({"group": "Readers", "role": "browser", "scope": null});
    good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    ground.sign_in("ada").await;
    let signed_in = ground.test.clock.clock().now().to_string();
    ground.test.advance(30 * DAY);
    let first = report(&root, "users?limit=1").await;
    let ada = row(&first, "user", "ada");
    assert_eq!(ada["roles"], json!(["editor"]));
    assert_eq!(ada["roles_by_group"], json!(["browser by Readers"]));
    assert_eq!((&ada["has_password"], &ada["status"]), (&json!(true), &json!("active")));
    assert_eq!(ada["last_sign_in"], json!(signed_in), "known although the session has ended: {ada}");
    let rest = report(&root, &format!("users?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
    let grace = row(&rest, "user", "grace");
    assert_eq!(
        (&grace["has_password"], &grace["last_sign_in"], &grace["roles"]),
        (&json!(false), &Value::Null, &json!([]))
    );
    refused(&root.get("/api/v1/reports/users?cursor=x").await, 422, Some("cursor"));
}

#[tokio::test]
async fn access_is_told_with_since_when_why_by_whom_and_until_when() {
    let ground = Ground::new().await;
    ground.test.place(&["department:finance"]).await;
    let root = ground.root();
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    ground.test.advance(SECOND);
    ground.user("ada", &[]).await;
    let grant = json!({"user": "ada", "role": "editor", "scope": "department:finance", "reason": "covers for Grace",
                       "ends": "2026-12-01T00:00:00Z"});
    let made = good(boss.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups", json!({"name": "Readers"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/grants", json!({"group": "Readers", "role": "browser"})).await, StatusCode::CREATED);
    ground.test.advance(DAY);
    good(root.post("/api/v1/groups/Readers/members", json!({"users": ["ada"]})).await, StatusCode::OK);

    let sheet = report(&root, "access").await;
    let by_hand = row(&sheet, "grant", made["id"].as_str().unwrap());
    for (column, value) in [
        ("user", json!("ada")),
        ("role", json!("editor")),
        ("scope", json!("department:finance")),
        ("through", json!([])),
        ("since", json!("2026-11-22T08:00:01.000Z")),
        ("origin", json!("by hand")),
        ("by", json!("boss")),
        ("reason", json!("covers for Grace")),
        ("ends", json!("2026-12-01T00:00:00.000Z")),
        ("state", json!("holds")),
    ] {
        assert_eq!(by_hand[column], value, "{column}: {by_hand:#}");
    }
    let by_group = row(&sheet, "role", "browser");
    assert_eq!(by_group["through"], json!(["Readers"]));
    assert_eq!(by_group["granted"], json!("2026-11-22T08:00:01.000Z"));
    assert_eq!(by_group["since"], json!("2026-11-23T08:00:01.000Z"), "from when ada was in the group: {by_group:#}");
    assert_eq!(by_group["by"], json!("local:0"));

    ground.test.advance(30 * DAY);
    assert_eq!(row(&report(&root, "access").await, "role", "editor")["state"], "has ended");
    good(root.patch("/api/v1/users/ada", json!({"active": false})).await, StatusCode::OK);
    assert_eq!(row(&report(&root, "access").await, "role", "browser")["state"], "the account is inactive");
    // A page ends with a user, and the next goes on after them.
    let first = report(&root, "access?limit=1").await;
    let rest = report(&root, &format!("access?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((all(&first, "user"), all(&rest, "user")), (vec!["boss"], vec!["ada", "ada"]));
    assert_eq!(rest["next"], Value::Null);
}

#[tokio::test]
async fn who_has_gone_quiet_is_told_and_who_signed_in_is_not() {
    let ground = Ground::new().await;
    let root = ground.root();
    for name in ["old", "used", "gone"] {
        ground.user(name, &[]).await;
        ground.test.advance(SECOND);
    }
    good(root.patch("/api/v1/users/gone", json!({"active": false})).await, StatusCode::OK);
    ground.test.advance(50 * DAY);
    ground.sign_in("used").await;
    ground.test.advance(50 * DAY);
    ground.user("new", &[]).await;
    let sheet = report(&root, "inactive").await;
    assert_eq!(all(&sheet, "user"), ["old", "gone"], "{sheet:#}");
    assert_eq!(row(&sheet, "user", "old")["why"], "no sign-in is known");
    assert_eq!(row(&sheet, "user", "gone")["why"], "deactivated");
    let sheet = report(&root, "inactive?days=30").await;
    assert_eq!(row(&sheet, "user", "used")["why"], "no sign-in for 30 days");
    let first = report(&root, "inactive?days=30&limit=2").await;
    let rest = report(&root, &format!("inactive?days=30&limit=2&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!([all(&first, "user"), all(&rest, "user")].concat(), ["old", "used", "gone"]);
    for days in ["0", "3651", "-1", "x"] {
        refused(&root.get(&format!("/api/v1/reports/inactive?days={days}")).await, 422, Some("days"));
    }
}

#[tokio::test]
async fn tokens_of_leavers_and_stale_ones_are_told_and_severe_where_they_still_work() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let root = ground.root();
    ground.user("second", &["administrator"]).await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let shared = good(boss.post("/api/v1/tokens", json!({"connection": "okta"})).await, StatusCode::CREATED);
    let own = json!({"name": "scripts", "scope": "read"});
    let own = good(boss.post("/api/v1/tokens", own).await, StatusCode::CREATED);
    let machine = json!({"name": "machine", "scope": "users:read", "expires": "400d"});
    good(root.post("/api/v1/tokens", machine).await, StatusCode::CREATED);
    assert_eq!(report(&root, "tokens").await["items"], json!([]), "all are fresh and of who is here");
    assert_eq!(report(&root, "posture").await["severe"], 0);

    good(root.patch("/api/v1/users/boss", json!({"active": false})).await, StatusCode::OK);
    let sheet = report(&root, "tokens").await;
    let (shared, own) =
        (row(&sheet, "id", shared["id"].as_str().unwrap()), row(&sheet, "id", own["id"].as_str().unwrap()));
    assert_eq!((&shared["works"], &own["works"]), (&json!(true), &json!(false)), "{sheet:#}");
    assert!(shared["why"][0].as_str().unwrap().contains("who made it is not active"), "{shared:#}");
    assert_eq!((&own["maker"], &shared["created_by"]), (&json!("boss"), &json!("boss")));
    let posture = report(&root, "posture").await;
    assert_eq!(posture["severe"], 1, "{posture:#}");
    assert_eq!(
        (&posture["findings"][0]["check"], &posture["findings"][0]["count"]),
        (&json!("leavers-tokens"), &json!(1))
    );

    assert_eq!(report(&root, "tokens?user=boss").await["items"].as_array().unwrap().len(), 2);
    assert_eq!(report(&root, "tokens?user=second").await["items"], json!([]));
    refused(&root.get("/api/v1/reports/tokens?user=nobody").await, 404, None);
    ground.test.advance(91 * DAY);
    let sheet = report(&root, "tokens").await;
    assert_eq!(row(&sheet, "name", "machine")["why"], json!(["not used for 90 days"]));
    let sheet = report(&root, "tokens?days=310").await;
    assert_eq!(row(&sheet, "name", "machine")["why"], json!(["ends within 310 days"]));
    ground.test.advance(310 * DAY);
    assert_eq!(row(&report(&root, "tokens").await, "name", "machine")["works"], false);
}

#[tokio::test]
async fn sources_are_told_with_their_last_result_and_what_they_own() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"idle\"").await;
    let okta = ground.test.connection("okta").await;
    let record = crate::support::gateway::record("ada");
    ground.test.gateway.directory().create_user(&okta, &record).await.unwrap();
    let sheet = report(&ground.root(), "sources").await;
    let okta = row(&sheet, "source", "okta");
    assert_eq!((&okta["kind"], &okta["users"], &okta["groups"]), (&json!("scim"), &json!(1), &json!(0)));
    assert_eq!((&okta["result"], &okta["last"]), (&json!("user.create succeeded"), &json!("2026-11-22T08:00:00.000Z")));
    let idle = row(&sheet, "source", "idle");
    assert_eq!((&idle["last"], &idle["result"], &idle["users"]), (&Value::Null, &Value::Null, &json!(0)));
}

/// The cells of a line, as a reader of RFC 4180 finds them.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut is_quoted, mut chars) = (Vec::new(), String::new(), false, line.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

#[tokio::test]
async fn csv_has_the_same_rows_and_nothing_that_a_spreadsheet_runs() {
    let ground = Ground::new().await;
    let root = ground.root();
    let names =
        ["=HYPERLINK(\"https://evil.example\",\"x\")", "+1+1", "-2+3", "@SUM(A1:A9)", "a;=1+1", "plain, \"quoted\""];
    for (number, name) in names.iter().enumerate() {
        let body = json!({"userName": format!("u{number}"), "name": name});
        good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
        ground.test.advance(SECOND);
        let grant = json!({"user": format!("u{number}"), "role": "browser", "reason": name});
        good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    }
    for query in ["users?format=csv", "access?format=csv"] {
        let reply = root.get(&format!("/api/v1/reports/{query}")).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.headers["content-type"], "text/csv; charset=utf-8; header=present");
        assert!(reply.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\""));
        let lines: Vec<&str> = reply.text.trim_end().split("\r\n").collect();
        let width = cells(lines[0]).len();
        let rows: Vec<Vec<String>> = lines.iter().map(|line| cells(line)).collect();
        assert!(rows.len() > names.len(), "{}", reply.text);
        for cell in rows.iter().inspect(|row| assert_eq!(row.len(), width, "{row:?}")).flatten() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            assert!(cell.split(';').all(|part| !part.trim_start().starts_with('=')), "{cell}");
        }
        assert!(rows.iter().flatten().any(|cell| cell == "'@SUM(A1:A9)"), "{}", reply.text);
        assert!(rows.iter().flatten().any(|cell| cell == "plain, \"quoted\""), "{}", reply.text);
    }
    let reply = root.get("/api/v1/reports/users?format=csv&limit=2").await;
    let link = reply.headers["link"].to_str().unwrap();
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    assert!(link.ends_with("; rel=\"next\""), "{link}");
    let second = root.get(next).await;
    assert_eq!((second.text.lines().count(), second.status), (3, StatusCode::OK), "{}", second.text);
    assert!(!second.text.contains("\"u1\"") && second.text.contains("\"u2\""), "{}", second.text);
    // The others have the columns of their rows, too.
    for name in ["employees", "inactive", "seats", "sources", "tokens"] {
        let reply = root.get(&format!("/api/v1/reports/{name}?format=csv")).await;
        assert_eq!(reply.headers["content-type"], "text/csv; charset=utf-8; header=present", "{name}");
        let disposition = format!("attachment; filename=\"{name}.csv\"");
        assert_eq!(reply.headers["content-disposition"], disposition.as_str());
        let told = report(&root, name).await;
        let rows = told["items"].as_array().unwrap();
        let lines: Vec<Vec<String>> = reply.text.trim_end().split("\r\n").map(cells).collect();
        assert_eq!(lines.len(), rows.len() + 1, "{name}: {}", reply.text);
        for row in rows {
            let columns: std::collections::BTreeSet<&String> = row.as_object().unwrap().keys().collect();
            assert_eq!(lines[0].iter().collect::<std::collections::BTreeSet<_>>(), columns, "{name}");
        }
    }
    refused(&root.get("/api/v1/reports/users?format=xlsx").await, 422, Some("format"));
    refused(&root.get("/api/v1/reports/posture?format=csv").await, 422, Some("format"));
}

#[tokio::test]
async fn ordinary_accounts_and_administrators_of_a_scope_get_no_report() {
    let ground = Ground::new().await;
    ground.test.place(&["department:finance"]).await;
    let (_, ordinary) = ground.browser("ada", &["editor"]).await;
    let local = ground.user("local", &[]).await;
    let access = ground.test.gateway.access();
    let new = NewGrant::new(Subject::User(local.id), "administrator".parse().unwrap());
    let new = new.within("department:finance".parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), new).await.unwrap();
    let scoped = ground.sign_in("local").await;
    // A token for one thing gets what takes that, and no more.
    let reader = ground.service(&["users:read"]).await;
    for name in REPORTS {
        let path = format!("/api/v1/reports/{name}");
        refused(&ordinary.get(&path).await, 403, None);
        refused(&scoped.get(&path).await, 403, None);
        let reply = reader.get(&path).await;
        assert_eq!(reply.status == StatusCode::OK, name == "inactive", "{name}: {}", reply.text);
        good(ground.root().get(&path).await, StatusCode::OK);
    }
    for client in [&ordinary, &scoped, &reader] {
        refused(&client.get("/api/v1/users/local/provenance").await, 403, None);
        refused(&client.get("/api/v1/users/nobody/provenance").await, 403, None);
    }
    refused(&ground.root().get("/api/v1/reports/everything").await, 404, None);
    refused(&ground.root().get("/api/v1/users/nobody/provenance").await, 404, None);
    refused(&ground.root().get("/api/v1/reports/users?color=red").await, 422, Some("color"));
}

#[tokio::test]
async fn where_everything_about_somebody_comes_from_is_told() {
    let lines = "[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"okta\"\nwhen = 'userName sw \"carl\"'\n\
                 grant = { role = \"browser\" }";
    let ground = Ground::with(lines).await;
    let root = ground.root();
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    good(root.post("/api/v1/users", json!({"userName": "ada", "name": "Ada"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups", json!({"name": "Readers", "users": ["ada"]})).await, StatusCode::CREATED);
    ground.test.advance(SECOND);
    good(boss.patch("/api/v1/users/ada", json!({"name": "Ada Lovelace"})).await, StatusCode::OK);
    let told = good(root.get("/api/v1/users/ada/provenance").await, StatusCode::OK);
    let attribute = |told: &Value, name: &str| -> Value {
        let all = told["attributes"].as_array().unwrap();
        all.iter().find(|attribute| attribute["name"] == name).unwrap_or_else(|| panic!("{name}: {told:#}")).clone()
    };
    let name = attribute(&told, "displayName");
    assert_eq!((&name["by"], &name["at"]), (&json!("boss"), &json!("2026-11-22T08:00:01.000Z")), "{told:#}");
    assert_eq!((&name["event"], &name["known_by"]), (&json!("user.update"), &json!("the ledger")));
    let login = attribute(&told, "userName");
    assert_eq!((&login["by"], &login["event"]), (&json!("local:0"), &json!("user.create")));
    assert_eq!(told["record"]["kept_by"], "administrators");
    let membership = &told["memberships"][0];
    assert_eq!((&membership["group"], &membership["by"]), (&json!("Readers"), &json!("by hand")));
    assert_eq!(membership["since"], "2026-11-22T08:00:00.000Z");

    let okta = ground.test.connection("okta").await;
    let record = crate::support::gateway::record("carl");
    let carl = ground.test.gateway.directory().create_user(&okta, &record).await.unwrap();
    // The source puts him into a group, which an administrator nests in another one; a rule over people does too.
    let mut members = MemberChange::default();
    members.add(Member::User(carl.id));
    let name = "Sellers".parse().unwrap();
    let draft = GroupDraft { name, external_id: None, attributes: Attributes::default(), members };
    ground.test.gateway.directory().create_group(&okta, &draft).await.unwrap();
    good(root.post("/api/v1/groups", json!({"name": "Outer", "groups": ["Sellers"]})).await, StatusCode::CREATED);
    good(
        root.post("/api/v1/groups", json!({"name": "Ruled", "rule": "userName eq \"carl\""})).await,
        StatusCode::CREATED,
    );
    let told = good(root.get("/api/v1/users/carl/provenance").await, StatusCode::OK);
    assert_eq!((&told["record"]["owner"], &told["record"]["kept_by"]), (&json!("okta"), &json!("source okta")));
    assert_eq!(attribute(&told, "userName")["by"], "connection:okta");
    let mut memberships: Vec<(&str, &str, &str)> = told["memberships"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["group"].as_str().unwrap(), one["by"].as_str().unwrap(), one["since"].as_str().unwrap()))
        .collect();
    memberships.sort_unstable();
    let since = "2026-11-22T08:00:01.000Z";
    let expected =
        [("Outer", "nested groups", since), ("Ruled", "source rule", since), ("Sellers", "source okta", since)];
    assert_eq!(memberships, expected, "{told:#}");
    let grant = &told["grants"][0];
    assert_eq!((&grant["role"], &grant["origin"], &grant["since"]), (&json!("browser"), &json!("rule"), &json!(since)));
    assert!(grant["rule"].as_str().unwrap().starts_with("okta at cleargate.toml:"), "{grant}");
}

#[tokio::test]
async fn people_see_what_was_given_to_them_and_taken_and_nobody_elses() {
    let ground = Ground::new().await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let (_, grace) = ground.browser("grace", &[]).await;
    let grant = json!({"user": "ada", "role": "editor", "reason": "new duties"});
    let made = good(boss.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let held = good(ada.get("/api/v1/me/access").await, StatusCode::OK);
    let editor = row(&held, "role", "editor");
    assert_eq!(
        (&editor["by"], &editor["reason"], &editor["user"]),
        (&json!("boss"), &json!("new duties"), &json!("ada"))
    );
    good(boss.delete(&format!("/api/v1/grants/{}", made["id"].as_str().unwrap())).await, StatusCode::OK);
    let history = good(ada.get("/api/v1/me/history").await, StatusCode::OK);
    assert_eq!(all(&history, "action"), ["grant.delete", "grant.create"], "{history:#}");
    assert_eq!(all(&history, "by"), ["boss", "boss"]);
    assert_eq!(good(ada.get("/api/v1/me/access").await, StatusCode::OK)["items"], json!([]));
    for path in ["/api/v1/me/access", "/api/v1/me/history"] {
        assert_eq!(good(grace.get(path).await, StatusCode::OK)["items"], json!([]), "{path}");
        refused(&ground.root().get(path).await, 404, None);
        refused(&ground.nobody().get(path).await, 401, None);
    }
}

#[tokio::test]
async fn practice_is_looked_through() {
    let ground = Ground::new().await;
    ground.test.place(&["department:finance"]).await;
    let root = ground.root();
    let finding = |posture: &Value, check: &str| -> Option<Value> {
        posture["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check).cloned()
    };
    ground.user("ada", &["editor", "administrator"]).await;
    let posture = report(&root, "posture").await;
    let one = finding(&posture, "administrators").unwrap();
    assert_eq!((&one["severity"], &one["items"]), (&json!("warning"), &json!(["ada"])), "only one: {one}");
    assert!(finding(&posture, "wide-grants").is_none() && finding(&posture, "ended-grants").is_none(), "{posture:#}");
    assert!(finding(&posture, "idle-roles").unwrap()["items"].as_array().unwrap().contains(&json!("browser")));

    // By a group somebody administers too; an account that is not active does not.
    ground.user("grace", &[]).await;
    ground.user("left", &["administrator"]).await;
    good(root.post("/api/v1/groups", json!({"name": "Admins", "users": ["grace"]})).await, StatusCode::CREATED);
    good(root.post("/api/v1/grants", json!({"group": "Admins", "role": "administrator"})).await, StatusCode::CREATED);
    good(root.patch("/api/v1/users/left", json!({"active": false})).await, StatusCode::OK);
    let scoped = json!({"user": "grace", "role": "editor", "scope": "department:finance"});
    good(root.post("/api/v1/grants", scoped).await, StatusCode::CREATED);
    let short = json!({"user": "grace", "role": "browser", "ends": "2026-11-23T00:00:00Z"});
    good(root.post("/api/v1/grants", short).await, StatusCode::CREATED);
    ground.test.advance(2 * DAY);
    let posture = report(&root, "posture").await;
    let two = finding(&posture, "administrators").unwrap();
    assert_eq!((&two["severity"], &two["count"]), (&json!("note"), &json!(2)), "{two}");
    assert_eq!(finding(&posture, "leavers-rights").unwrap()["items"], json!(["left"]));
    assert_eq!(
        finding(&posture, "wide-grants").unwrap()["items"],
        json!(["editor: 1 organization-wide, 1 within scopes"])
    );
    assert_eq!(finding(&posture, "ended-grants").unwrap()["items"], json!(["browser: 1"]));
    assert!(finding(&posture, "idle-roles").unwrap()["items"].as_array().unwrap().contains(&json!("browser")));
}
