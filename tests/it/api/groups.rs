//! Groups kept by hand: who makes, fills and ends them, and who may not.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

async fn make(client: &Client, name: &str) -> Value {
    good(client.post("/api/v1/groups", json!({"name": name})).await, StatusCode::CREATED)
}

async fn members(ground: &Ground, group: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = format!("/api/v1/groups/{group}/members?limit=2");
    loop {
        let page = good(ground.root().get(&path).await, StatusCode::OK);
        let name = |item: &Value| item["userName"].as_str().or(item["name"].as_str()).unwrap().to_owned();
        found.extend(page["items"].as_array().unwrap().iter().map(name));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/groups/{group}/members?limit=2&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_group_is_made_renamed_filled_and_deleted_and_goes_by_its_slug() {
    let ground = Ground::new().await;
    let root = ground.root();
    for name in ["ada", "grace", "alan"] {
        ground.user(name, &[]).await;
    }
    make(&root, "Interns").await;
    let body = json!({"name": "Data Analysts (EU)", "users": ["ada", "grace"], "groups": ["interns"]});
    let group = good(root.post("/api/v1/groups", body).await, StatusCode::CREATED);
    assert_eq!((&group["slug"], &group["members"]), (&json!("data_analysts_eu"), &json!(3)));
    let mut all = members(&ground, "data_analysts_eu").await;
    assert_eq!(all[0], "Interns", "groups come first");
    all.sort();
    assert_eq!(all, ["Interns", "ada", "grace"]);
    let body = json!({"users": ["alan", "ada"], "dry_run": true});
    let plan = good(root.post("/api/v1/groups/data_analysts_eu/members", body).await, StatusCode::OK);
    assert_eq!((plan["added"].as_array().unwrap().len(), &plan["unchanged"]), (1, &json!(1)));
    assert_eq!(members(&ground, "data_analysts_eu").await.len(), 3, "a plan changes nothing");
    good(root.post("/api/v1/groups/data_analysts_eu/members", json!({"users": ["alan"]})).await, StatusCode::OK);
    good(root.delete("/api/v1/groups/data_analysts_eu/members?user=ada").await, StatusCode::OK);
    good(root.delete("/api/v1/groups/data_analysts_eu/members?group=interns").await, StatusCode::OK);
    let mut left = members(&ground, "data_analysts_eu").await;
    left.sort();
    assert_eq!(left, ["alan", "grace"]);
    let changed = root.patch("/api/v1/groups/data_analysts_eu", json!({"name": "Analysts"})).await;
    assert_eq!(good(changed, StatusCode::OK)["slug"], "analysts");
    refused(&root.get("/api/v1/groups/data_analysts_eu").await, 404, None);
    let user = json!({"userName": "eve", "access_groups": ["analysts"]});
    assert_eq!(good(root.post("/api/v1/users", user).await, StatusCode::CREATED)["groups"], json!(["Analysts"]));
    good(root.delete("/api/v1/groups/analysts").await, StatusCode::OK);
    refused(&root.get("/api/v1/groups/analysts").await, 404, None);
    assert_eq!(good(root.get("/api/v1/users/eve").await, StatusCode::OK)["groups"], json!([]));
}

#[tokio::test]
async fn names_are_taken_once_and_checked() {
    let ground = Ground::new().await;
    let root = ground.root();
    make(&root, "Ops").await;
    refused(&root.post("/api/v1/groups", json!({"name": "OPS"})).await, 409, Some("name"));
    refused(&root.post("/api/v1/groups", json!({})).await, 422, Some("name"));
    refused(&root.post("/api/v1/groups", json!({"name": "a\u{202e}b"})).await, 422, Some("name"));
    refused(&root.post("/api/v1/groups", json!({"name": "x", "users": ["nobody"]})).await, 422, Some("users"));
    refused(&root.post("/api/v1/groups", json!({"name": "x", "groups": ["opps"]})).await, 422, Some("groups"));
    refused(&root.post("/api/v1/groups/ops/members", json!({})).await, 422, Some("users"));
    refused(&root.get("/api/v1/groups/ops/members?cursor=x").await, 422, Some("cursor"));
    refused(&root.get("/api/v1/groups/x").await, 404, None);
}

#[tokio::test]
async fn a_circle_is_refused_and_shown_however_long() {
    let ground = Ground::new().await;
    let root = ground.root();
    for name in ["a", "b", "c"] {
        make(&root, name).await;
    }
    let nest = |inner: &str, outer: &str| {
        let (root, path) = (root.clone(), format!("/api/v1/groups/{outer}/members"));
        let body = json!({"groups": [inner]});
        async move { root.post(&path, body).await }
    };
    good(nest("a", "b").await, StatusCode::OK);
    good(nest("b", "c").await, StatusCode::OK);
    for (inner, outer, circle) in [("b", "a", "b → a → b"), ("c", "a", "c → a → b → c"), ("a", "a", "a → a")]
    {
        let reply = nest(inner, outer).await;
        refused(&reply, 422, Some("members"));
        assert!(reply.json()["detail"].as_str().unwrap().ends_with(circle), "{}", reply.text);
    }
    good(nest("a", "c").await, StatusCode::OK);
}

#[tokio::test]
async fn a_group_of_a_source_is_the_sources() {
    let ground = Ground::new().await;
    let permit = ground.test.connection("okta").await;
    let draft = cleargate::directory::GroupDraft {
        name: "Theirs".parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    ground.test.gateway.directory().create_group(&permit, &draft).await.unwrap();
    ground.user("ada", &[]).await;
    let root = ground.root();
    for reply in [
        root.patch("/api/v1/groups/theirs", json!({"name": "Ours"})).await,
        root.delete("/api/v1/groups/theirs?force=true").await,
        root.post("/api/v1/groups/theirs/members", json!({"users": ["ada"]})).await,
        root.delete("/api/v1/groups/theirs/members?user=ada").await,
    ] {
        refused(&reply, 409, None);
        assert!(reply.text.contains("okta"), "the owner is named: {}", reply.text);
    }
}

#[tokio::test]
async fn nobody_gives_by_a_group_what_they_may_not_give() {
    let ground = Ground::new().await;
    let root = ground.root();
    for name in ["Admins", "Desk", "Free"] {
        make(&root, name).await;
    }
    ground.user("ada", &[]).await;
    ground.user("boss", &["administrator"]).await;
    good(root.post("/api/v1/grants", json!({"group": "admins", "role": "administrator"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups/admins/members", json!({"groups": ["desk"]})).await, StatusCode::OK);
    let clerk = ground.service(&["users:*", "groups:*", "grants:create", "grants:delete"]).await;
    let enter = |group: &str, body: Value| {
        let (clerk, path) = (clerk.clone(), format!("/api/v1/groups/{group}/members"));
        async move { clerk.post(&path, body).await }
    };
    refused(&enter("admins", json!({"users": ["ada"]})).await, 403, None);
    refused(&enter("desk", json!({"users": ["ada"]})).await, 403, None);
    refused(&enter("desk", json!({"groups": ["free"]})).await, 403, None);
    good(enter("free", json!({"users": ["ada"]})).await, StatusCode::OK);
    let body = json!({"userName": "eve", "access_groups": ["desk"]});
    refused(&clerk.post("/api/v1/users", body).await, 403, None);
    // Nor does anybody take what they do not have.
    good(root.post("/api/v1/groups/desk/members", json!({"users": ["ada"]})).await, StatusCode::OK);
    refused(&clerk.delete("/api/v1/groups/desk/members?user=ada").await, 403, None);
    refused(&clerk.delete("/api/v1/groups/desk").await, 403, None);
    refused(&clerk.delete("/api/v1/groups/admins?force=true").await, 403, None);
    good(clerk.delete("/api/v1/groups/free").await, StatusCode::OK);
    // A group that takes rights away is a limit; who is limited does not leave it.
    make(&root, "Limited").await;
    good(root.post("/api/v1/grants", json!({"group": "limited", "role": "no_access"})).await, StatusCode::CREATED);
    refused(&enter("limited", json!({"users": ["boss"]})).await, 403, None);
}

#[tokio::test]
async fn a_group_that_holds_roles_goes_only_by_force() {
    let ground = Ground::new().await;
    let root = ground.root();
    make(&root, "Readers").await;
    ground.user("ada", &[]).await;
    good(root.post("/api/v1/groups/readers/members", json!({"users": ["ada"]})).await, StatusCode::OK);
    good(root.post("/api/v1/grants", json!({"group": "readers", "role": "browser"})).await, StatusCode::CREATED);
    let reply = root.delete("/api/v1/groups/readers").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("1 grants"), "{}", reply.text);
    good(root.delete("/api/v1/groups/readers?force=true").await, StatusCode::OK);
    let logs = good(root.get("/api/v1/audit-logs?action=group.delete").await, StatusCode::OK);
    assert_eq!(logs["logs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_administrator_stays_by_whatever_way_it_would_go() {
    let ground = Ground::new().await;
    let root = ground.root();
    let boss = ground.user("boss", &[]).await;
    make(&root, "Admins").await;
    make(&root, "Chiefs").await;
    let grant = json!({"group": "admins", "role": "administrator"});
    let grant = good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups/admins/members", json!({"groups": ["chiefs"]})).await, StatusCode::OK);
    good(root.post("/api/v1/groups/chiefs/members", json!({"users": ["boss"]})).await, StatusCode::OK);
    // One who is disabled, and one whose time has not come, are no administrators.
    ground.user("gone", &["administrator"]).await;
    good(root.patch("/api/v1/users/gone", json!({"active": false})).await, StatusCode::OK);
    let later = json!({"user": "gone", "role": "administrator", "starts": "2030-01-01T00:00:00Z"});
    good(root.post("/api/v1/grants", later).await, StatusCode::CREATED);
    let grant = format!("/api/v1/grants/{}", grant["id"].as_str().unwrap());
    let ways = [
        root.patch("/api/v1/users/boss", json!({"active": false})).await,
        root.delete("/api/v1/users/boss?confirm=boss").await,
        root.delete(&grant).await,
        root.delete("/api/v1/groups/chiefs/members?user=boss").await,
        root.delete("/api/v1/groups/admins/members?group=chiefs").await,
        root.delete("/api/v1/groups/chiefs").await,
    ];
    for reply in &ways {
        refused(reply, 409, None);
        assert!(reply.text.contains("make somebody else an administrator first"), "{}", reply.text);
    }
    refused(&root.delete("/api/v1/groups/admins").await, 409, None);
    // With another one, each of them goes; and the machine's administrator may insist.
    ground.user("heir", &["administrator"]).await;
    good(root.delete("/api/v1/groups/chiefs/members?user=boss").await, StatusCode::OK);
    refused(&root.patch("/api/v1/users/heir", json!({"active": false})).await, 409, None);
    let service = ground.service(&["*:*"]).await;
    refused(&service.patch("/api/v1/users/heir?force=true", json!({"active": false})).await, 409, None);
    good(root.patch("/api/v1/users/heir?force=true", json!({"active": false})).await, StatusCode::OK);
    // Where there is none, nothing is protected; and a source is never held up.
    good(root.patch("/api/v1/users/heir", json!({"active": true})).await, StatusCode::OK);
    ground.test.gateway.directory().set_active(&ground.test.task(), boss.id, false).await.unwrap();
    good(root.delete(&grant).await, StatusCode::OK);
}

#[tokio::test]
async fn two_who_disable_each_other_at_the_same_time_leave_one() {
    let ground = Ground::new().await;
    let (_, one) = ground.browser("one", &["administrator"]).await;
    let (_, two) = ground.browser("two", &["administrator"]).await;
    let off = json!({"active": false});
    let replies = tokio::join!(one.patch("/api/v1/users/two", off.clone()), two.patch("/api/v1/users/one", off));
    let done = [replies.0.status, replies.1.status].iter().filter(|status| status.is_success()).count();
    assert_eq!(done, 1, "{replies:?}");
}

#[tokio::test]
async fn nobody_leaves_or_deletes_the_group_by_which_they_administer() {
    let ground = Ground::new().await;
    let root = ground.root();
    ground.user("other", &["administrator"]).await;
    ground.user("boss", &[]).await;
    make(&root, "Admins").await;
    good(root.post("/api/v1/grants", json!({"group": "admins", "role": "administrator"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups/admins/members", json!({"users": ["boss"]})).await, StatusCode::OK);
    let boss = ground.sign_in("boss").await;
    for reply in [
        boss.delete("/api/v1/groups/admins/members?user=boss").await,
        boss.delete("/api/v1/groups/admins?force=true").await,
    ] {
        refused(&reply, 409, None);
        assert!(reply.text.contains("your own right"), "{}", reply.text);
    }
    good(ground.sign_in("other").await.delete("/api/v1/groups/admins/members?user=boss").await, StatusCode::OK);
}

#[tokio::test]
async fn groups_and_demands_are_only_tried_and_refused_as_they_would_be() {
    let ground = Ground::new().await;
    let root = ground.root();
    ground.user("ada", &[]).await;
    for name in ["Team", "Others"] {
        good(root.post("/api/v1/groups", json!({"name": name})).await, StatusCode::CREATED);
    }
    good(root.post("/api/v1/grants", json!({"group": "team", "role": "browser"})).await, StatusCode::CREATED);
    let commits = || ground.test.gateway.ledger().store().engine().health().transactions;
    let before = commits();
    let new = |name: &str| json!({"name": name, "users": ["ada"], "groups": ["team"], "dry_run": true});
    let tried = good(root.post("/api/v1/groups", new("New")).await, StatusCode::OK);
    assert_eq!((&tried["name"], &tried["members"]), (&json!("New"), &json!(2)));
    refused(&root.post("/api/v1/groups", new("Team")).await, 409, Some("name"));
    let name = |name: &str| json!({"name": name, "dry_run": true});
    assert_eq!(good(root.patch("/api/v1/groups/team", name("Best")).await, StatusCode::OK)["name"], "Best");
    refused(&root.patch("/api/v1/groups/team", name("others")).await, 409, Some("name"));
    refused(&root.delete("/api/v1/groups/team?dry_run=true").await, 409, None);
    good(root.delete("/api/v1/groups/team?dry_run=true&force=true").await, StatusCode::OK);
    let demand = json!({"requires_factor": true, "dry_run": true});
    let tried = good(root.post("/api/v1/users/ada:demand", demand.clone()).await, StatusCode::OK);
    assert_eq!((&tried["requires_factor"], &tried["changed"]), (&json!(true), &json!(true)));
    assert_eq!(commits(), before, "nothing was written");
    refused(&root.get("/api/v1/groups/new").await, 404, None);
    assert_eq!(good(root.get("/api/v1/groups/team").await, StatusCode::OK)["name"], "Team");
    assert_eq!(good(root.get("/api/v1/users/ada").await, StatusCode::OK)["requires_factor"], false);
    let clerk = ground.service(&["groups:read"]).await;
    refused(&clerk.delete("/api/v1/groups/team?dry_run=true").await, 403, None);
    refused(&clerk.post("/api/v1/users/ada:demand", demand).await, 403, None);
}

/// A request by which somebody stops being an administrator.
type Way = fn(&str) -> (Method, String, Value);

/// Each of the two is good by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_at_once_that_would_leave_no_administrator_one_is_refused() {
    let ground = Ground::with("limits.api = \"1000000/1s\"").await;
    let root = ground.root();
    for name in ["boss", "heir"] {
        ground.user(name, &[]).await;
    }
    // How each of them stops being one, and is one again.
    let ways: [Way; 4] = [
        |name| (Method::PATCH, format!("/api/v1/users/{name}"), json!({"active": false})),
        |name| (Method::DELETE, format!("/api/v1/groups/of-{name}/members?user={name}"), json!({})),
        |name| (Method::DELETE, format!("/api/v1/groups/of-{name}?force=true"), json!({})),
        |name| (Method::POST, "/api/v1/grants".to_owned(), json!({"user": name, "role": "no_access"})),
    ];
    // The machine's own administrator may insist; this one may not.
    let service = ground.service(&["*:*"]).await;
    let mut order = 0;
    for (one, other) in ways.iter().flat_map(|one| ways.iter().map(move |other| (one, other))) {
        for _ in 0..12 {
            for name in ["boss", "heir"] {
                good(root.patch(&format!("/api/v1/users/{name}"), json!({"active": true})).await, StatusCode::OK);
                let group = format!("of-{name}");
                if root.get(&format!("/api/v1/groups/{group}")).await.status == StatusCode::NOT_FOUND {
                    make(&root, &group).await;
                    let body = json!({"group": group, "role": "administrator"});
                    good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
                }
                let path = format!("/api/v1/groups/{group}/members");
                good(root.post(&path, json!({"users": [name]})).await, StatusCode::OK);
                let held = good(root.get(&format!("/api/v1/grants?user={name}")).await, StatusCode::OK);
                for grant in held["items"].as_array().unwrap() {
                    let path = format!("/api/v1/grants/{}", grant["id"].as_str().unwrap());
                    good(root.delete(&path).await, StatusCode::OK);
                }
            }
            order += 1;
            let (first, second) = if order % 2 == 0 { ("boss", "heir") } else { ("heir", "boss") };
            let ask = |(method, path, body): (Method, String, Value)| {
                let service = service.clone();
                tokio::spawn(
                    async move { service.send(method, &path, "application/json", body.to_string().into()).await },
                )
            };
            let (told, later) = tokio::join!(ask(one(first)), ask(other(second)));
            let (told, later) = (told.unwrap(), later.unwrap());
            let mut statuses = [told.status.is_success(), later.status.is_success()];
            statuses.sort_unstable();
            assert_eq!(statuses, [false, true], "{:?} and {:?}: {told:?} {later:?}", one(first), other(second));
            let lost = if told.status.is_success() { later } else { told };
            refused(&lost, 409, None);
            assert!(lost.text.contains("make somebody else an administrator first"), "{}", lost.text);
        }
    }
}

#[tokio::test]
async fn who_is_put_into_a_department_or_a_group_that_has_nothing_may_what_they_might_before() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    let root = ground.root();
    ground.test.place(&["department:finance", "department:payroll < department:finance"]).await;
    for name in ["ada", "grace"] {
        ground.user(name, &["viewer"]).await;
    }
    // Somebody else has rights there.
    let analyst = json!({"user": "grace", "role": "data_analyst", "scope": "department:finance", "mode": "add"});
    good(root.post("/api/v1/grants", analyst).await, StatusCode::CREATED);
    make(&root, "Data Analysts").await;
    let told = async || good(root.get("/api/v1/users/ada/permissions").await, StatusCode::OK);
    let here = async || {
        let shown = good(root.get("/api/v1/departments/finance/users/ada").await, StatusCode::OK);
        (shown["role"].clone(), shown["permissions"].clone())
    };
    let before = (told().await, here().await);
    for department in ["finance", "payroll"] {
        good(root.patch("/api/v1/users/ada", json!({"department": department})).await, StatusCode::OK);
        assert_eq!((told().await, here().await), before, "{department}");
    }
    good(root.post("/api/v1/groups/data_analysts/members", json!({"users": ["ada"]})).await, StatusCode::OK);
    assert_eq!((told().await, here().await), before, "a group of that name");
    // What a group may, a member may; a department never gives anything of its own.
    good(
        root.post("/api/v1/grants", json!({"group": "data_analysts", "role": "data_analyst"})).await,
        StatusCode::CREATED,
    );
    let after = told().await;
    assert_ne!(after, before.0);
    assert!(after["levels"][0]["permissions"].to_string().contains("data:export"), "{after}");
}
