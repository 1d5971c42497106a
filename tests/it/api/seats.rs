//! Seats and plans: how many people may have a licensed role, and what a plan has.

use std::time::Duration;

use cleargate::access::NewGrant;
use cleargate::audit::{Event, EventKind};
use cleargate::config::{self, Credentials};
use cleargate::gateway;
use cleargate::model::Subject;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};

const THREE: &str = "[seats]\nlimit = 3\n";

async fn seats(ground: &Ground) -> Value {
    good(ground.root().get("/api/v1/seats").await, StatusCode::OK)
}

async fn used(ground: &Ground) -> u64 {
    seats(ground).await["used"].as_u64().unwrap()
}

/// Checks that a reply says that there is no seat left.
#[track_caller]
fn full(reply: &crate::support::gateway::Reply) {
    refused(reply, 409, None);
    assert_eq!(reply.json()["code"], "seat_limit", "{}", reply.text);
}

async fn create(ground: &Ground, name: &str, role: &str) -> crate::support::gateway::Reply {
    ground.root().post("/api/v1/users", json!({"userName": name, "role": role})).await
}

#[tokio::test]
async fn licensed_types_count_up_to_the_limit_and_browsers_without_limit() {
    let ground = Ground::with(THREE).await;
    for (name, role) in [("a", "editor"), ("b", "updater"), ("c", "editor")] {
        good(create(&ground, name, role).await, StatusCode::CREATED);
    }
    full(&create(&ground, "d", "editor").await);
    refused(&ground.root().get("/api/v1/users/d").await, 404, None);
    for name in ["e", "f"] {
        good(create(&ground, name, "browser").await, StatusCode::CREATED);
    }
    good(create(&ground, "g", "no_access").await, StatusCode::CREATED);
    let told = seats(&ground).await;
    assert_eq!((&told["used"], &told["limit"], &told["over"]), (&json!(3), &json!(3), &json!(false)));
    let of = |role: &str| told["types"].as_array().unwrap().iter().find(|t| t["role"] == role).cloned();
    assert_eq!(of("editor").unwrap()["seats"], 2);
    assert_eq!(
        (of("browser").unwrap()["people"].clone(), of("browser").unwrap()["seats"].clone()),
        (json!(2), json!(0))
    );
    assert_eq!(of("no_access"), None, "who has no access has no type");
    // A role that takes a seat is a seat; one that was taken already is none.
    full(&ground.root().post("/api/v1/grants", json!({"user": "e", "role": "updater"})).await);
    good(ground.root().post("/api/v1/grants", json!({"user": "b", "role": "editor"})).await, StatusCode::CREATED);
    let told = seats(&ground).await;
    assert_eq!((&told["used"], &told["types"][1]["role"]), (&json!(3), &json!("editor")));
}

#[tokio::test]
async fn who_is_inactive_takes_none_and_none_left_keeps_from_being_activated() {
    let ground = Ground::with("[seats]\nlimit = 1\n").await;
    good(create(&ground, "ada", "editor").await, StatusCode::CREATED);
    let active = async |name: &str, active: bool| {
        ground.root().patch(&format!("/api/v1/users/{name}"), json!({"active": active})).await
    };
    good(active("ada", false).await, StatusCode::OK);
    assert_eq!(used(&ground).await, 0);
    good(create(&ground, "grace", "editor").await, StatusCode::CREATED);
    full(&active("ada", true).await);
    // What is no matter of seats goes on at the limit.
    good(ground.root().patch("/api/v1/users/ada", json!({"displayName": "Ada"})).await, StatusCode::OK);
    let path = "/api/v1/users/grace?confirm=grace&force=true";
    good(ground.root().delete(path).await, StatusCode::OK);
    good(active("ada", true).await, StatusCode::OK);
    assert_eq!(used(&ground).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_at_once_exactly_as_many_are_made_as_there_are_seats() {
    let ground = Ground::with("[seats]\nlimit = 7\n").await;
    let mut running = tokio::task::JoinSet::new();
    for number in 0..50 {
        let root = ground.root();
        running.spawn(async move {
            let body = json!({"userName": format!("user{number}"), "role": "editor"});
            root.post("/api/v1/users", body).await.status
        });
    }
    let statuses = running.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::CREATED).count(), 7, "{statuses:?}");
    assert!(statuses.iter().all(|status| [StatusCode::CREATED, StatusCode::CONFLICT].contains(status)));
    assert_eq!(used(&ground).await, 7);
}

#[tokio::test]
async fn groups_give_types_and_a_type_may_have_a_limit_of_its_own() {
    let ground = Ground::with("[seats]\n[[seats.type]]\nrole = \"editor\"\nlimit = 1\n").await;
    for name in ["a", "b", "c"] {
        good(ground.root().post("/api/v1/users", json!({"userName": name})).await, StatusCode::CREATED);
    }
    let group = good(
        ground.root().post("/api/v1/groups", json!({"name": "Editors", "users": ["a"]})).await,
        StatusCode::CREATED,
    );
    let id = group["id"].as_str().unwrap();
    let outer =
        good(ground.root().post("/api/v1/groups", json!({"name": "All", "groups": [id]})).await, StatusCode::CREATED);
    good(
        ground.root().post("/api/v1/grants", json!({"group": outer["id"], "role": "editor"})).await,
        StatusCode::CREATED,
    );
    assert_eq!(used(&ground).await, 1);
    let members = format!("/api/v1/groups/{id}/members");
    full(&ground.root().post(&members, json!({"users": ["b"]})).await);
    full(&ground.root().post("/api/v1/grants", json!({"user": "b", "role": "editor"})).await);
    good(ground.root().post("/api/v1/grants", json!({"user": "b", "role": "updater"})).await, StatusCode::CREATED);
    good(
        ground
            .root()
            .send(http::Method::DELETE, &format!("{members}?user=a"), "application/json", axum::body::Body::empty())
            .await,
        StatusCode::OK,
    );
    good(ground.root().post(&members, json!({"users": ["c"]})).await, StatusCode::CREATED.min(StatusCode::OK));
    let told = seats(&ground).await;
    assert_eq!(told["used"], 2, "{told}");
}

#[tokio::test]
async fn what_sources_bring_is_not_held_up_and_is_told_and_a_wrong_count_is_corrected() {
    let ground = Ground::with("[seats]\nlimit = 1\n").await;
    for name in ["a", "b"] {
        // Not by the management surface: as a rule or a sync would.
        let user = ground.user(name, &[]).await;
        let access = ground.test.gateway.access();
        let grant = NewGrant::new(Subject::User(user.id), "editor".parse().unwrap());
        access.grants().create(&ground.test.task(), &access.roles(), grant).await.unwrap();
    }
    let told = seats(&ground).await;
    assert_eq!((&told["used"], &told["over"]), (&json!(2), &json!(true)));
    let again = good(ground.root().post("/api/v1/seats:recount", json!({})).await, StatusCode::OK);
    assert_eq!(again["corrected"], 0, "what is kept is what is counted");
}

#[tokio::test]
async fn seats_and_plan_are_for_who_has_to_do_with_billing() {
    let ground = Ground::with(THREE).await;
    let clerk = ground.service(&["billing:read"]).await;
    good(clerk.get("/api/v1/seats").await, StatusCode::OK);
    good(clerk.get("/api/v1/reports/seats").await, StatusCode::OK);
    refused(&clerk.get("/api/v1/users").await, 403, None);
    refused(&clerk.post("/api/v1/seats:recount", json!({})).await, 403, None);
    let other = ground.service(&["users:read", "grants:read"]).await;
    refused(&other.get("/api/v1/seats").await, 403, None);
    refused(&other.get("/api/v1/reports/seats").await, 403, None);
    let plain = Ground::new().await;
    assert_eq!(seats(&plain).await, json!({"plan": "enterprise", "counted": false}));
}

#[tokio::test]
async fn the_professional_plan_has_no_roles_of_ones_own_and_no_single_sign_on() {
    let ground = Ground::with("plan = \"professional\"").await;
    let body = json!({"name": "Report Builder", "permissions": ["pages:read"]});
    for (path, body) in [("/api/v1/roles", body), ("/api/v1/roles/editor:duplicate", json!({"name": "Other"}))] {
        let reply = ground.root().post(path, body).await;
        refused(&reply, 403, None);
        assert_eq!(reply.json()["code"], "plan");
        assert!(reply.json()["detail"].as_str().unwrap().contains("`enterprise` has"), "{}", reply.text);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    let oidc = "[[oidc]]\nid = \"google\"\nissuer = \"https://accounts.example\"\nclient_id = \"x\"\nclient_secret = { file = \"./secret\" }\n";
    let saml = "[[saml]]\nid = \"entra\"\nmetadata = { url = \"https://idp.example/metadata\" }\n";
    let problems = |plan: &str, saml: &str| {
        std::fs::write(&path, format!("public_url = \"http://127.0.0.1:8080\"\n{plan}\n{oidc}{saml}")).unwrap();
        gateway::check(&config::load(&path, &Credentials::None).unwrap())
    };
    assert_eq!(problems("plan = \"enterprise\"", ""), []);
    // What nobody restricts has everything.
    assert_eq!(problems("", ""), []);
    let unrestricted = Ground::new().await.root();
    let own = json!({"name": "Own", "permissions": ["pages:read"]});
    good(unrestricted.post("/api/v1/roles", own).await, StatusCode::CREATED);
    let beyond = |plan: &str| -> Vec<(String, String)> {
        problems(plan, saml).into_iter().filter(|(_, reason)| reason.contains("`professional` does not have")).collect()
    };
    let found = beyond("plan = \"professional\"");
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["saml.entra", "oidc.google"]);
    assert!(found.iter().all(|(_, reason)| reason.contains("`enterprise`")), "{found:?}");
    assert_eq!(beyond(""), []);
}

#[tokio::test]
async fn a_client_of_scim_is_told_that_no_seat_is_left_and_takes_no_account_for_one_that_is_there() {
    let lines = "[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"okta\"\nwhen = 'title eq \"Editor\"'\n\
                 grant = { role = \"editor\" }\n[seats]\nlimit = 1\n";
    let daemon = crate::support::daemon::Daemon::serving(lines).await;
    let token = daemon.scim_token("okta").await;
    let create = async |name: &str, active: bool| {
        let schema = "urn:ietf:params:scim:schemas:core:2.0:User";
        let body = json!({"schemas": [schema], "userName": name, "title": "Editor", "active": active});
        daemon.client().post("/scim/v2/Users").bearer(&token).json(&body).send().await
    };
    assert_eq!(create("ada", true).await.status, 201);
    let refused = create("grace", true).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("1 of 1 seats are taken"), "{}", refused.text());
    let waiting = create("grace", false).await;
    assert_eq!(waiting.status, 201, "who is not active takes none: {}", waiting.text());
    let path = format!("/scim/v2/Users/{}", waiting.json()["id"].as_str().unwrap());
    let operation = json!([{"op": "replace", "path": "active", "value": true}]);
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operation});
    let refused = daemon.client().patch(&path).bearer(&token).json(&body).send().await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(daemon.run(&["doctor", "--seats"]).await["corrected"], 0);
}

#[tokio::test]
async fn more_seats_than_there_may_be_are_told_when_it_begins_and_measured_as_long_as_it_lasts() {
    let ground = Ground::with("[seats]\nlimit = 1\n[[seats.type]]\nrole = \"editor\"\nlimit = 1").await;
    let watch = ground.test.gateway.seat_watch();
    let told = async || {
        let rows = ground.test.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
        let events = rows.iter().map(|row| cleargate::store::decode::<Event>("log", &row.body).unwrap());
        events.filter(|event| event.kind == EventKind::SeatsExceeded).count()
    };
    let figures = || ground.test.gateway.metrics().render();
    ground.user("ada", &["editor"]).await;
    watch.look().await.unwrap();
    assert_eq!(told().await, 0);
    assert!(figures().contains("cleargate_seats_used{type=\"*\"} 1"), "{}", figures());
    // As a source brings somebody: nobody is held up, and it is told, of all seats and of the type's.
    let bob = ground.user("bob", &["editor"]).await;
    for _ in 0..3 {
        watch.look().await.unwrap();
    }
    assert_eq!(told().await, 2);
    assert!(figures().contains("cleargate_seats_used{type=\"editor\"} 2"), "{}", figures());
    assert!(figures().contains("cleargate_seats_limit{type=\"editor\"} 1"), "{}", figures());
    assert_eq!(seats(&ground).await["over"], true);
    let flap = async |quiet: u64| {
        good(ground.root().patch("/api/v1/users/bob", json!({"active": false})).await, StatusCode::OK);
        watch.look().await.unwrap();
        ground.test.advance(Duration::from_secs(quiet));
        watch.look().await.unwrap();
        ground.test.gateway.directory().set_active(&ground.test.task(), bob.id, true).await.unwrap();
        watch.look().await.unwrap();
    };
    for _ in 0..5 {
        flap(60).await;
    }
    assert_eq!(told().await, 2, "a count that goes to and fro is told of once");
    flap(60 * 60).await;
    assert_eq!(told().await, 4, "it began again");
}

#[tokio::test]
async fn a_try_of_many_accounts_is_refused_where_the_accounts_would_be() {
    let ground = Ground::with("[seats]\nlimit = 2\n").await;
    let root = ground.root();
    let rows = |count: usize| -> Value {
        (0..count).map(|n| json!({"first_name": "A", "last_name": "B", "email": format!("a{n}@example.com")})).collect()
    };
    for is_dry in [true, false] {
        let body = json!({"role": "editor", "rows": rows(3), "dry_run": is_dry});
        full(&root.post("/api/v1/users:bulk", body).await);
    }
    let tried = json!({"role": "editor", "rows": rows(2), "dry_run": true});
    assert_eq!(good(root.post("/api/v1/users:bulk", tried).await, StatusCode::OK)["good"], 2);
    assert_eq!(used(&ground).await, 0);
}
