//! `/departments` and its like.

use cleargate::access::NewGrant;
use cleargate::audit::{Event, EventKind};
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Mode, Subject};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

#[tokio::test]
async fn a_department_is_made_shown_changed_and_deleted() {
    let ground = Ground::new().await;
    let root = ground.root();
    let body = json!({"name": "Operations Team", "slug": "operations", "description": "runs it"});
    let made = good(root.post("/api/v1/departments", body.clone()).await, StatusCode::CREATED);
    assert_eq!((&made["id"], &made["slug"]), (&json!("department:operations"), &json!("operations")));
    refused(&root.post("/api/v1/departments", body).await, 409, Some("slug"));
    let made = good(root.post("/api/v1/departments", json!({"name": "IT Systems Team"})).await, StatusCode::CREATED);
    assert_eq!(made["slug"], "it_systems_team");
    let moved = json!({"parent": "operations", "name": "IT"});
    let reply = root.patch("/api/v1/departments/it_systems_team", moved).await;
    assert_eq!(reply.headers["etag"], "\"2\"");
    assert_eq!(good(reply, StatusCode::OK)["parent"], "department:operations");
    let reply = root.delete("/api/v1/departments/operations").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("department:it_systems_team lie"), "{}", reply.text);
    let top = good(root.patch("/api/v1/departments/it_systems_team", json!({"parent": null})).await, StatusCode::OK);
    assert_eq!((&top["parent"], &top["name"]), (&Value::Null, &json!("IT")));
    let mut stale = ground.root();
    stale.headers.insert("if-match", "\"1\"".parse().unwrap());
    refused(&stale.patch("/api/v1/departments/it_systems_team", json!({"name": "x"})).await, 412, None);
    ground.user("ada", &[]).await;
    let held = json!({"user": "ada", "role": "browser", "scope": "department:it_systems_team"});
    let held = good(root.post("/api/v1/grants", held).await, StatusCode::CREATED);
    let reply = root.delete("/api/v1/departments/it_systems_team").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("1 grants hold in"), "{}", reply.text);
    good(root.delete(&format!("/api/v1/grants/{}", held["id"].as_str().unwrap())).await, StatusCode::OK);
    good(root.delete("/api/v1/departments/it_systems_team").await, StatusCode::OK);
    refused(&root.get("/api/v1/departments/it_systems_team").await, 404, None);
    let listed = good(root.get("/api/v1/departments").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_kind_has_its_list_and_pages() {
    let ground = Ground::new().await;
    let root = ground.root();
    for (path, kind) in
        [("companies", "company"), ("departments", "department"), ("projects", "project"), ("scorecards", "scorecard")]
    {
        for name in ["b", "a", "c"] {
            good(root.post(&format!("/api/v1/{path}"), json!({"name": name})).await, StatusCode::CREATED);
        }
        let first = good(root.get(&format!("/api/v1/{path}?limit=2")).await, StatusCode::OK);
        let slugs =
            |page: &Value| page["items"].as_array().unwrap().iter().map(|i| i["slug"].clone()).collect::<Vec<_>>();
        assert_eq!((slugs(&first), &first["next"]), (vec![json!("a"), json!("b")], &json!("b")));
        let rest = good(root.get(&format!("/api/v1/{path}?limit=2&cursor=b")).await, StatusCode::OK);
        assert_eq!((slugs(&rest), &rest["next"]), (vec![json!("c")], &Value::Null));
        let all = good(root.get(&format!("/api/v1/scopes?kind={kind}")).await, StatusCode::OK);
        assert_eq!(all["items"].as_array().unwrap().len(), 3);
        assert_eq!(good(root.get(&format!("/api/v1/scopes/{kind}:a")).await, StatusCode::OK)["name"], "a");
    }
}

/// The By Group type: a group, its members, and a role in one report only.
#[tokio::test]
async fn a_group_gives_access_down_to_a_single_element_or_report() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/scorecards", json!({"name": "Corporate", "slug": "corp"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/departments", json!({"name": "Sales", "slug": "sales"})).await, StatusCode::CREATED);
    let make = async |kind: &str, slug: &str, parent: Value| {
        let body = json!({"kind": kind, "slug": slug, "name": slug, "parent": parent});
        root.post("/api/v1/scopes", body).await
    };
    for (kind, slug) in [("report", "q1"), ("report", "q2"), ("element", "churn")] {
        let made = good(make(kind, slug, json!("corp")).await, StatusCode::CREATED);
        assert_eq!(made["parent"], "scorecard:corp");
    }
    // Each belongs to a scorecard and to nothing else.
    refused(&make("report", "q3", Value::Null).await, 422, Some("parent"));
    refused(&make("report", "q3", json!("report:q1")).await, 422, Some("parent"));
    refused(&make("report", "q3", json!("department:sales")).await, 422, Some("parent"));
    refused(&root.patch("/api/v1/scopes/report:q1", json!({"parent": null})).await, 422, Some("parent"));
    refused(&root.delete("/api/v1/scorecards/corp").await, 409, None);
    ground.user("ada", &["by_group"]).await;
    ground.user("grace", &["by_group"]).await;
    let group = json!({"name": "Quarter one", "users": ["ada"]});
    let group = good(root.post("/api/v1/groups", group).await, StatusCode::CREATED);
    let grant = json!({"group": group["id"], "role": "editor", "scope": "report:q1"});
    good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    // The same down to one element, for others.
    ground.user("eve", &["by_group"]).await;
    good(root.post("/api/v1/groups", json!({"name": "Churn", "users": ["eve"]})).await, StatusCode::CREATED);
    let grant = json!({"group": "Churn", "role": "updater", "scope": "element:churn"});
    good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let may = async |user: &str, scope: &str| {
        let path = format!("/api/v1/explain?user={user}&permission=pages:read&scope={scope}");
        good(root.get(&path).await, StatusCode::OK)["allowed"].as_bool().unwrap()
    };
    assert!(may("ada", "report:q1").await);
    for scope in ["report:q2", "element:churn", "scorecard:corp"] {
        assert!(!may("ada", scope).await, "{scope}");
    }
    assert!(!may("grace", "report:q1").await, "who is not in the group");
    assert!(may("eve", "element:churn").await && !may("ada", "element:churn").await);
    for scope in ["report:q1", "report:q2", "scorecard:corp"] {
        assert!(!may("eve", scope).await, "{scope}");
    }
    good(root.delete("/api/v1/groups/Churn/members?user=eve").await, StatusCode::OK);
    assert!(!may("eve", "element:churn").await, "who is in the group no more");
    // What is given in the scorecard reaches all that belongs to it.
    let grant = json!({"user": "grace", "role": "browser", "scope": "scorecard:corp"});
    good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    assert!(may("grace", "report:q1").await && may("grace", "element:churn").await);
}

#[tokio::test]
async fn what_makes_no_scope_is_told_by_its_field() {
    let ground = Ground::new().await;
    ground.test.place(&["department:finance", "department:payroll < department:finance"]).await;
    let root = ground.root();
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "***"}), "name"),
        (json!({"name": "x", "slug": "Not A Slug"}), "slug"),
        (json!({"name": "x", "parent": "financ"}), "parent"),
        (json!({"name": "x", "parent": "company:acme"}), "parent"),
        (json!({"name": "x", "color": "red"}), "color"),
    ] {
        refused(&root.post("/api/v1/departments", body).await, 422, Some(field));
    }
    let near = root.post("/api/v1/departments", json!({"name": "x", "parent": "financ"})).await;
    assert!(near.text.contains("did you mean `department:finance`?"), "{}", near.text);
    let circle = root.patch("/api/v1/departments/finance", json!({"parent": "payroll"})).await;
    refused(&circle, 422, Some("parent"));
    refused(&root.delete("/api/v1/departments/finance").await, 409, None);
    refused(&root.get("/api/v1/departments/NOT%20ONE").await, 404, None);
    refused(&root.get("/api/v1/scopes?kind=departmant").await, 422, Some("kind"));
    let unknown = json!({"user": "root", "role": "editor", "scope": "department:finanze"});
    ground.user("root", &[]).await;
    let reply = root.post("/api/v1/grants", unknown).await;
    refused(&reply, 422, Some("scope"));
    assert!(reply.text.contains("did you mean `department:finance`?"), "{}", reply.text);
}

/// A browser of somebody with a role in a scope only.
async fn scoped(ground: &Ground, name: &str, role: &str, scope: &str) -> Client {
    let user = ground.user(name, &[]).await;
    let access = ground.test.gateway.access();
    let grant = NewGrant::new(Subject::User(user.id), role.parse().unwrap()).within(scope.parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), grant).await.unwrap();
    ground.sign_in(name).await
}

/// The login names of a page.
fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["user"]["userName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_can_lists_everybody_for_whom_the_decision_is_yes_and_nobody_else() {
    let ground = Ground::new().await;
    ground.test.place(&["department:a", "department:b < department:a"]).await;
    let access = ground.test.gateway.access();
    let give = async |subject: Subject, role: &str, place: Option<&str>, mode| {
        let new = NewGrant {
            scope: place.map(|p| p.parse().unwrap()),
            mode,
            ..NewGrant::new(subject, role.parse().unwrap())
        };
        access.grants().create(&ground.test.task(), &access.roles(), new).await.unwrap();
    };
    let mut users = Vec::new();
    for name in ["direct", "above", "nested", "denied", "replaced", "inactive", "reader", "nobody"] {
        users.push(ground.user(name, &[]).await);
    }
    let [direct, above, nested, denied, replaced, inactive, reader, _] = &users[..] else { panic!() };
    let directory = ground.test.gateway.directory();
    let group = async |name: &str, member: Member| {
        let mut members = MemberChange::default();
        members.add(member);
        let draft =
            GroupDraft { name: name.parse().unwrap(), external_id: None, attributes: Default::default(), members };
        directory.create_group(&ground.test.task(), &draft).await.unwrap()
    };
    let inner = group("inner", Member::User(nested.id)).await;
    let outer = group("outer", Member::Group(inner.id)).await;
    give(Subject::Group(outer.id), "editor", None, Mode::Add).await;
    give(Subject::User(direct.id), "editor", None, Mode::Add).await;
    give(Subject::User(direct.id), "updater", None, Mode::Add).await;
    give(Subject::User(above.id), "editor", Some("department:a"), Mode::Add).await;
    for user in [denied, replaced, inactive] {
        give(Subject::User(user.id), "editor", None, Mode::Add).await;
    }
    give(Subject::User(denied.id), "no_access", None, Mode::Add).await;
    give(Subject::User(replaced.id), "browser", Some("department:b"), Mode::Override).await;
    give(Subject::User(reader.id), "browser", None, Mode::Add).await;
    directory.set_active(&ground.test.task(), inactive.id, false).await.unwrap();

    let root = ground.root();
    let ask = async |query: &str| {
        good(root.get(&format!("/api/v1/who-can?permission=elements:create{query}")).await, StatusCode::OK)
    };
    // In the order of their ids.
    let sorted = |mut users: Vec<&cleargate::model::User>| {
        users.sort_by_key(|user| user.id);
        users.iter().map(|user| user.user_name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&ask("").await), sorted(vec![direct, nested, replaced]));
    let there = ask("&scope=department:b").await;
    let expected = sorted(vec![direct, above, nested]);
    assert_eq!(names(&there), expected);
    let of = |name: &str| &there["items"][expected.iter().position(|known| known == name).unwrap()];
    assert_eq!(of("above")["scope"], "department:a");
    assert_eq!(of("nested")["groups"].as_array().unwrap().len(), 2);
    // Page by page it is the same, and it is what explain says of each.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(&format!("&scope=department:b&limit=1{cursor}")).await;
        paged.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, expected);
    for user in &users {
        let name = user.user_name.as_str();
        let path = format!("/api/v1/explain?user={name}&permission=elements:create&scope=department:b");
        let explained = good(root.get(&path).await, StatusCode::OK);
        assert_eq!(explained["allowed"].as_bool().unwrap(), paged.iter().any(|able| able == name), "{name}");
    }
    let wrong = root.get("/api/v1/who-can?permission=elements:creat").await;
    refused(&wrong, 422, Some("permission"));
    assert!(wrong.text.contains("did you mean `elements:create`?"), "{}", wrong.text);
    refused(&root.get("/api/v1/who-can?permission=elements:create&scope=department:bb").await, 422, Some("scope"));
    refused(&root.get("/api/v1/who-can").await, 422, Some("permission"));
}

#[tokio::test]
async fn who_administers_one_scorecard_sees_and_changes_that_one() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:a", "scorecard:b"]).await;
    let boss = scoped(&ground, "boss", "administrator", "scorecard:a").await;
    let listed = good(boss.get("/api/v1/scorecards").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    good(boss.get("/api/v1/scorecards/a").await, StatusCode::OK);
    good(boss.patch("/api/v1/scorecards/a", json!({"name": "A"})).await, StatusCode::OK);
    refused(&boss.get("/api/v1/scorecards/b").await, 403, None);
    refused(&boss.get("/api/v1/scorecards/unmade").await, 403, None);
    refused(&boss.patch("/api/v1/scorecards/b", json!({"name": "B"})).await, 403, None);
    // Neither into what it does not administer nor out of where it is.
    refused(&boss.patch("/api/v1/scorecards/a", json!({"parent": "b"})).await, 403, None);
    refused(&boss.post("/api/v1/scorecards", json!({"name": "new"})).await, 403, None);
    refused(
        &boss.send(Method::DELETE, "/api/v1/scorecards/b", "application/json", axum::body::Body::empty()).await,
        403,
        None,
    );
}

#[tokio::test]
async fn a_role_in_one_department_replaces_what_the_user_has_elsewhere() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    ground.test.place(&["department:finance", "department:payroll < department:finance"]).await;
    let root = ground.root();
    ground.user("ada", &["system_administrator"]).await;
    let body = json!({"department": "finance", "role": "data_analyst", "scope": "department_only"});
    let made = good(root.post("/api/v1/users/ada/departments", body).await, StatusCode::CREATED);
    assert_eq!((&made["scope"], &made["mode"]), (&json!("department:finance"), &json!("override")));
    assert_eq!(made["created_by"], "local:0");
    for (permission, place, allowed) in [
        ("users:delete", "", true),
        ("users:delete", "&scope=department:finance", false),
        ("users:delete", "&scope=department:payroll", false),
        ("reports:read", "&scope=department:payroll", true),
    ] {
        let path = format!("/api/v1/explain?user=ada&permission={permission}{place}");
        let told = good(root.get(&path).await, StatusCode::OK);
        assert_eq!(told["allowed"], allowed, "{permission}{place}");
        if !allowed {
            assert_eq!((&told["decided_by"], &told["replaced_by"]), (&json!("replaced"), &json!("department:finance")));
        }
    }
    for department in ["finance", "payroll"] {
        let shown = good(root.get(&format!("/api/v1/departments/{department}/users/ada")).await, StatusCode::OK);
        assert_eq!((&shown["role"], &shown["source"]), (&json!("data_analyst"), &json!("by hand")), "{shown}");
        let permissions = shown["permissions"].as_array().unwrap();
        assert!(permissions.contains(&json!("reports:read")) && !permissions.contains(&json!("users:delete")));
    }
    let listed = good(root.get("/api/v1/departments/finance/users").await, StatusCode::OK);
    assert_eq!(listed["items"][0]["name"], "ada");
    assert_eq!(good(root.get("/api/v1/grants?scope=department:finance").await, StatusCode::OK), listed);
    assert_eq!(good(root.get("/api/v1/departments/payroll/users").await, StatusCode::OK)["items"], json!([]));
    for (body, field) in [
        (json!({"department": "finanze", "role": "viewer"}), "department"),
        (json!({"department": "company:x", "role": "viewer"}), "department"),
        (json!({"role": "viewer"}), "department"),
        (json!({"department": "finance"}), "role"),
        (json!({"department": "finance", "role": "viever"}), "role"),
        (json!({"department": "finance", "role": "viewer", "scope": "everywhere"}), "scope"),
        (json!({"department": "finance", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
    ] {
        refused(&root.post("/api/v1/users/ada/departments", body).await, 422, Some(field));
    }
    // For a while only.
    let body = json!({"department": "payroll", "role": "viewer", "expires_at": "2026-11-23T00:00:00Z"});
    good(root.post("/api/v1/users/ada/departments", body).await, StatusCode::CREATED);
    let path = "/api/v1/explain?user=ada&permission=data:export&scope=department:payroll";
    assert_eq!(good(root.get(path).await, StatusCode::OK)["allowed"], false);
    let later = format!("{path}&at=2026-11-23T00:00:00Z");
    assert_eq!(good(root.get(&later).await, StatusCode::OK)["allowed"], true);
}

#[tokio::test]
async fn who_may_give_in_one_scorecard_gives_and_lists_there_and_nowhere_else() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:a", "scorecard:deep < scorecard:a", "scorecard:b"]).await;
    ground.user("clerk", &[]).await;
    let boss = scoped(&ground, "boss", "scorecard_administrator", "scorecard:a").await;
    let give = |role: &str| json!({"user": "clerk", "role": role});
    good(boss.post("/api/v1/scorecards/a/users", give("browser")).await, StatusCode::CREATED);
    good(boss.post("/api/v1/scorecards/deep/users", give("browser")).await, StatusCode::CREATED);
    refused(&boss.post("/api/v1/scorecards/a/users", give("administrator")).await, 403, None);
    refused(&boss.post("/api/v1/scorecards/b/users", give("browser")).await, 403, None);
    refused(&boss.post("/api/v1/grants", give("browser")).await, 403, None);
    // Nothing that is the whole account's.
    for (path, body) in [
        ("/api/v1/users", json!({"userName": "new"})),
        ("/api/v1/groups", json!({"name": "New"})),
        ("/api/v1/roles", json!({"name": "New", "permissions": []})),
        ("/api/v1/scorecards", json!({"name": "New"})),
        ("/api/v1/tokens", json!({"name": "new", "scope": "read"})),
        ("/api/v1/users/clerk/departments", json!({"department": "a", "role": "browser"})),
    ] {
        refused(&boss.post(path, body).await, 403, None);
    }
    for path in ["/api/v1/users", "/api/v1/network-rules", "/api/v1/tokens", "/api/v1/audit-logs", "/api/v1/status"] {
        refused(&boss.get(path).await, 403, None);
    }
    let listed = good(boss.get("/api/v1/scorecards/a/users").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    refused(&boss.get("/api/v1/scorecards/b/users").await, 403, None);
    refused(&boss.get("/api/v1/grants?scope=scorecard:b").await, 403, None);
    // Of somebody's grants, the ones where the caller may look.
    ground.grant(&ground.test.gateway.directory().find_user_by_name("clerk").await.unwrap().unwrap(), "updater").await;
    let seen = good(boss.get("/api/v1/grants?user=clerk").await, StatusCode::OK);
    assert_eq!(seen["items"].as_array().unwrap().len(), 2, "{seen}");
    let grant = seen["items"][0]["id"].as_str().unwrap();
    good(boss.delete(&format!("/api/v1/grants/{grant}")).await, StatusCode::OK);
    // Page by page.
    let first = good(ground.root().get("/api/v1/grants?scope=scorecard:a&limit=1").await, StatusCode::OK);
    let next = first["next"].as_str().unwrap();
    let rest =
        good(ground.root().get(&format!("/api/v1/grants?scope=scorecard:a&cursor={next}")).await, StatusCode::OK);
    assert!(rest["items"].as_array().unwrap().iter().all(|item| item["id"] != first["items"][0]["id"]));
    refused(&ground.root().get("/api/v1/grants?scope=scorecard:a&cursor=x").await, 422, Some("cursor"));
}

#[tokio::test]
async fn nobody_gives_below_a_place_what_is_taken_from_them_there() {
    let ground = Ground::new().await;
    ground.test.place(&["department:a", "department:b < department:a"]).await;
    let (boss, browser) = ground.browser("boss", &["administrator"]).await;
    ground.user("friend", &[]).await;
    let access = ground.test.gateway.access();
    let limit =
        NewGrant::new(Subject::User(boss.id), "browser".parse().unwrap()).within("department:b".parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), limit).await.unwrap();
    for place in [json!(null), json!("department:a"), json!("department:b")] {
        let body = json!({"user": "friend", "role": "administrator", "scope": place});
        refused(&browser.post("/api/v1/grants", body).await, 403, None);
    }
    let body = json!({"user": "friend", "role": "browser", "scope": "department:a"});
    good(browser.post("/api/v1/grants", body).await, StatusCode::CREATED);
    // Nor by moving a place below one where something is given.
    ground.test.place(&["department:c"]).await;
    let own = NewGrant::new(Subject::User(boss.id), "editor".parse().unwrap()).within("department:c".parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), own).await.unwrap();
    refused(&browser.patch("/api/v1/departments/b", json!({"parent": "c"})).await, 403, None);
}

#[tokio::test]
async fn a_scopes_administrator_lists_who_holds_something_there_and_nobody_else() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:a", "scorecard:deep < scorecard:a", "scorecard:b"]).await;
    let root = ground.root();
    for name in ["direct", "below", "inside", "elsewhere", "everywhere", "nobody"] {
        ground.user(name, &[]).await;
    }
    let inner = json!({"name": "Inner", "users": ["inside"]});
    good(root.post("/api/v1/groups", inner).await, StatusCode::CREATED);
    for group in ["Holders", "Others"] {
        good(root.post("/api/v1/groups", json!({"name": group, "groups": ["Inner"]})).await, StatusCode::CREATED);
    }
    for grant in [
        json!({"user": "direct", "role": "browser", "scope": "scorecard:a"}),
        json!({"user": "below", "role": "browser", "scope": "scorecard:deep"}),
        json!({"group": "Holders", "role": "browser", "scope": "scorecard:a"}),
        json!({"user": "elsewhere", "role": "browser", "scope": "scorecard:b"}),
        json!({"group": "Others", "role": "browser", "scope": "scorecard:b"}),
        json!({"user": "everywhere", "role": "editor"}),
    ] {
        good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    }
    let role = json!({"name": "Keeper", "permissions": ["users:read", "groups:read"]});
    let role = good(root.post("/api/v1/roles", role).await, StatusCode::CREATED)["id"].as_str().unwrap().to_owned();
    let keeper = scoped(&ground, "keeper", &role, "scorecard:a").await;
    let listed = async |path: &str, field: &str| {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = good(keeper.get(&format!("{path}&limit=2{cursor}")).await, StatusCode::OK);
            let items = page["items"].as_array().unwrap();
            found.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        found.sort_unstable();
        found
    };
    assert_eq!(listed("/api/v1/users?scope=scorecard:a", "userName").await, ["below", "direct", "inside", "keeper"]);
    assert_eq!(listed("/api/v1/users?scope=scorecard:deep", "userName").await, ["below"]);
    assert_eq!(listed("/api/v1/groups?scope=scorecard:a", "name").await, ["Holders"]);
    // That they see no more of somebody is no refusal of anything that they asked.
    let refusals = async || {
        let rows = ground.test.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
        let events = rows.iter().map(|row| cleargate::store::decode::<Event>("log", &row.body).unwrap());
        events.filter(|event| event.kind == EventKind::PermissionRefused).count()
    };
    assert_eq!(refusals().await, 0);
    // Names, and nothing else of whom somebody may have put there to look at.
    let told = good(keeper.get("/api/v1/users?scope=scorecard:deep").await, StatusCode::OK);
    let told: Vec<&String> = told["items"][0].as_object().unwrap().keys().collect();
    assert_eq!(told, ["id", "userName", "displayName"]);
    let whole = good(root.get("/api/v1/users?scope=scorecard:deep").await, StatusCode::OK);
    assert!(whole["items"][0].get("email").is_some(), "{whole}");
    for path in
        ["/api/v1/users", "/api/v1/groups", "/api/v1/users?scope=scorecard:b", "/api/v1/groups?scope=scorecard:b"]
    {
        refused(&keeper.get(path).await, 403, None);
    }
    assert_eq!(refusals().await, 4, "these are");
    // A cursor goes on in the scope for which it was given.
    for (list, other) in [("users", "deep"), ("grants", "b")] {
        let first = good(root.get(&format!("/api/v1/{list}?scope=scorecard:a&limit=1")).await, StatusCode::OK);
        let next = first["next"].as_str().unwrap();
        let elsewhere = root.get(&format!("/api/v1/{list}?scope=scorecard:{other}&cursor={next}")).await;
        refused(&elsewhere, 422, Some("cursor"));
        good(root.get(&format!("/api/v1/{list}?scope=scorecard:a&cursor={next}")).await, StatusCode::OK);
    }
    // What is not shown is not asked about either.
    refused(&keeper.get("/api/v1/users?scope=scorecard:a&filter=active%20eq%20true").await, 422, Some("filter"));
    refused(&root.get("/api/v1/users?scope=scorecard:none").await, 422, Some("scope"));
    refused(&root.get("/api/v1/users?scope=nothing").await, 422, Some("scope"));
    // A grant that has ended shows nobody any more.
    let grants = good(root.get("/api/v1/grants?user=direct").await, StatusCode::OK);
    good(root.delete(&format!("/api/v1/grants/{}", grants["items"][0]["id"].as_str().unwrap())).await, StatusCode::OK);
    assert_eq!(listed("/api/v1/users?scope=scorecard:a", "userName").await, ["below", "inside", "keeper"]);
}

#[tokio::test]
async fn a_department_with_people_in_it_stays() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/departments", json!({"name": "Field Operations"})).await, StatusCode::CREATED);
    let ada = json!({"userName": "ada", "department": "Field Operations"});
    let ada = good(root.post("/api/v1/users", ada).await, StatusCode::CREATED);
    assert_eq!(ada["department"], "field_operations");
    let found = root.get("/api/v1/users?filter=department%20eq%20%22field_operations%22").await.json();
    assert_eq!(found["items"][0]["userName"], "ada", "{found}");
    let reply = root.delete("/api/v1/departments/field_operations").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("1 account belongs to it"), "{}", reply.text);
    // How many there are in companies that somebody does not see is not told.
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    let (north, _) = ground.browser("north", &["administrator"]).await;
    ground.user("chief", &["administrator"]).await;
    good(root.patch("/api/v1/users/north", json!({"companies": ["north"]})).await, StatusCode::OK);
    let reply = ground.sign_in(&north.user_name.to_string()).await.delete("/api/v1/departments/field_operations").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("accounts that are kept by hand belong to it"), "{}", reply.text);
    good(root.patch("/api/v1/users/ada", json!({"department": ""})).await, StatusCode::OK);
    good(root.delete("/api/v1/departments/field_operations").await, StatusCode::OK);
}
