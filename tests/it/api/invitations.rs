//! Invitations: made by administrators, mailed or handed over, accepted once by their owners.

use std::time::Duration;

use cleargate::audit::{Event, EventKind};
use cleargate::store;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};
use crate::support::gateway::{Reply, Visitor};
use crate::support::mail::MailServer;

const CHOSEN: &str = "nine lanterns along a quiet harbour";

/// Invites, and gives the path of the link that is told.
async fn invite(client: &Client, body: Value) -> (Value, String) {
    let told = good(client.post("/api/v1/invitations", body).await, StatusCode::CREATED);
    let path = told["link"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned();
    (told, path)
}

/// Accepts a link with a name and a password.
pub(super) async fn accept(visitor: &mut Visitor, path: &str, name: &str, password: &str) -> Reply {
    let page = visitor.get(path).await;
    if page.status != StatusCode::OK {
        return page;
    }
    let (token, csrf) = (page.field("token"), page.field("csrf"));
    let fields = [("token", token.as_str()), ("csrf", &csrf), ("name", name), ("new", password), ("again", password)];
    visitor.post("/login/invitation", &fields).await
}

async fn events(ground: &Ground, kind: EventKind) -> Vec<Event> {
    let rows = ground.test.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

async fn account(ground: &Ground, name: &str) -> Value {
    good(ground.root().get(&format!("/api/v1/users/{name}")).await, StatusCode::OK)
}

#[tokio::test]
async fn who_is_invited_by_mail_accepts_once_and_is_in_with_role_and_password() {
    let server = MailServer::plain().await;
    let ground = Ground::with(&server.lines()).await;
    good(ground.root().post("/api/v1/departments", json!({"name": "Operations"})).await, StatusCode::CREATED);
    good(ground.root().post("/api/v1/groups", json!({"name": "Analysts"})).await, StatusCode::CREATED);
    let body = json!({"email": "ada@example.org", "name": "Ada", "department": "operations",
        "access_groups": ["analysts"], "role": "editor", "language": "de"});
    let told = good(ground.root().post("/api/v1/invitations", body).await, StatusCode::CREATED);
    assert_eq!((&told["link"], &told["sent"], &told["status"]), (&Value::Null, &json!(true), &json!("open")));
    let waits = account(&ground, "ada@example.org").await;
    assert_eq!((&waits["status"], &waits["displayName"]), (&json!("invited"), &json!("Ada")));
    ground.test.gateway.outbox().round(None).await.unwrap();
    let mail = &server.mails()[0];
    assert_eq!(mail.to, ["ada@example.org"]);
    assert!(mail.text().contains("Einladung annehmen"), "{}", mail.text());
    let mut browser = ground.test.visitor();
    for _ in 0..2 {
        assert_eq!(browser.get(&mail.path()).await.status, StatusCode::OK, "a preview uses nothing up");
    }
    let reply = accept(&mut browser, &mail.path(), " Ada Lovelace ", CHOSEN).await;
    assert_eq!(reply.location(), "/", "{}", reply.text);
    assert!(browser.get("/").await.text.contains("Ada Lovelace"));
    let shown = account(&ground, "ada@example.org").await;
    assert_eq!((&shown["status"], &shown["displayName"]), (&json!("active"), &json!("Ada Lovelace")));
    assert_eq!(shown["roles"], json!(["editor"]));
    assert_eq!((&shown["department"], &shown["groups"]), (&json!("operations"), &json!(["Analysts"])));
    assert_eq!(ground.test.visitor().sign_in("ada@example.org", CHOSEN).await.location(), "/");
    let listed = good(ground.root().get("/api/v1/invitations?status=accepted").await, StatusCode::OK);
    assert_eq!(listed["items"][0]["email"], "ada@example.org");
    assert_eq!(events(&ground, EventKind::InvitationAccepted).await.len(), 1);
    assert_eq!(accept(&mut ground.test.visitor(), &mail.path(), "", CHOSEN).await.status, StatusCode::FORBIDDEN);
    assert_eq!(events(&ground, EventKind::InvitationRefused).await.len(), 1);
}

#[tokio::test]
async fn used_old_revoked_replaced_and_invented_links_lead_to_one_page() {
    let ground = Ground::with("limits.sign_in = \"1000/1s\"\n[invitations]\nlasts = \"1d\"").await;
    let root = ground.root();
    let mut dead = Vec::new();
    let (_, used) = invite(&root, json!({"email": "used@example.org"})).await;
    assert_eq!(accept(&mut ground.test.visitor(), &used, "", CHOSEN).await.location(), "/");
    dead.push(used);
    let (told, revoked) = invite(&root, json!({"email": "revoked@example.org"})).await;
    good(root.delete(&format!("/api/v1/invitations/{}", told["id"].as_str().unwrap())).await, StatusCode::OK);
    dead.push(revoked);
    let (told, replaced) = invite(&root, json!({"email": "replaced@example.org"})).await;
    let path = format!("/api/v1/invitations/{}:resend", told["id"].as_str().unwrap());
    let again = good(root.post(&path, json!({})).await, StatusCode::OK);
    dead.push(replaced);
    let id = told["id"].as_str().unwrap();
    dead.push(format!("/login/invitation?token={id}.{}", "A".repeat(43)));
    dead.push(format!("/login/invitation?token={}.{}", "0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d", "A".repeat(43)));
    dead.push("/login/invitation?token=nothing".to_owned());
    dead.push("/login/invitation".to_owned());
    let (_, late) = invite(&root, json!({"email": "late@example.org"})).await;
    ground.test.advance(Duration::from_secs(24 * 60 * 60 - 1));
    let newest = again["link"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    assert_eq!(ground.test.visitor().get(newest).await.status, StatusCode::OK, "the newest link works until its end");
    ground.test.advance(Duration::from_secs(1));
    dead.push(late);
    let mut pages = Vec::new();
    for link in &dead {
        let reply = ground.test.visitor().get(link).await;
        // The link to the same page in another language has the address.
        let shown = reply.text.split("<ul class=\"languages\">").next().unwrap().to_owned();
        pages.push((reply.status, shown));
    }
    assert_eq!(pages[0].0, StatusCode::FORBIDDEN);
    assert!(pages.windows(2).all(|two| two[0] == two[1]), "{pages:?}");
    // Each try of one that there is, is recorded, with what became of it; of what was made up there is nothing to tell.
    let refused = events(&ground, EventKind::InvitationRefused).await;
    let mut tried: Vec<(&str, &str)> = refused
        .iter()
        .map(|event| {
            let status = event.details.iter().find(|(name, _)| name == "status").unwrap();
            (event.target_name.as_str(), status.1.as_str())
        })
        .collect();
    tried.sort_unstable();
    let expected = [
        ("late@example.org", "expired"),
        ("replaced@example.org", "expired"),
        ("replaced@example.org", "expired"),
        ("revoked@example.org", "revoked"),
        ("used@example.org", "accepted"),
    ];
    assert_eq!(tried, expected);
    let listed = good(root.get("/api/v1/invitations").await, StatusCode::OK);
    let mut statuses: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|i| i["status"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["accepted", "expired", "expired", "revoked"]);
}

#[tokio::test]
async fn what_is_taken_back_leaves_no_account_and_what_is_accepted_is_not_taken_back() {
    let ground = Ground::new().await;
    let root = ground.root();
    let (told, _) = invite(&root, json!({"email": "ada@example.org"})).await;
    let path = format!("/api/v1/invitations/{}", told["id"].as_str().unwrap());
    good(root.delete(&path).await, StatusCode::OK);
    refused(&root.get("/api/v1/users/ada@example.org").await, 404, None);
    refused(&root.delete(&path).await, 409, None);
    refused(&root.post(&format!("{path}:resend"), json!({})).await, 409, None);
    let (told, link) = invite(&root, json!({"email": "ada@example.org"})).await;
    accept(&mut ground.test.visitor(), &link, "", CHOSEN).await;
    let path = format!("/api/v1/invitations/{}", told["id"].as_str().unwrap());
    refused(&root.delete(&path).await, 409, None);
    assert_eq!(account(&ground, "ada@example.org").await["status"], "active");
}

#[tokio::test]
async fn nobody_invites_to_more_than_they_have_and_the_right_is_asked_again_at_acceptance() {
    let ground = Ground::new().await;
    let (boss, client) = ground.browser("boss", &["administrator"]).await;
    let (_, weak) = ground.browser("weak", &[]).await;
    refused(&weak.post("/api/v1/invitations", json!({"email": "x@example.org"})).await, 403, None);
    let service = ground.service(&["invitations:create", "invitations:update", "grants:create", "users:read"]).await;
    let body = json!({"email": "x@example.org", "role": "administrator"});
    refused(&service.post("/api/v1/invitations", body).await, 403, None);
    let (told, link) = invite(&client, json!({"email": "ada@example.org", "role": "administrator"})).await;
    let path = format!("/api/v1/invitations/{}:resend", told["id"].as_str().unwrap());
    refused(&service.post(&path, json!({})).await, 403, None);
    // The one who invited is no administrator any more.
    ground.user("other", &["administrator"]).await;
    let grants = ground.test.gateway.access().grants();
    let held = grants.list(cleargate::model::Subject::User(boss.id)).await.unwrap();
    grants.delete(&ground.test.task(), held[0].id).await.unwrap();
    let reply = accept(&mut ground.test.visitor(), &link, "", CHOSEN).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(account(&ground, "ada@example.org").await["status"], "invited");
    let refused = events(&ground, EventKind::InvitationRefused).await;
    assert!(refused[0].details.iter().any(|(name, value)| name == "rule" && value == "inviter"), "{refused:?}");
    // Who may vouches for it now.
    let again = good(ground.root().post(&path, json!({})).await, StatusCode::OK);
    let link = again["link"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    assert_eq!(accept(&mut ground.test.visitor(), link, "", CHOSEN).await.location(), "/");
}

#[tokio::test]
async fn of_two_who_accept_at_once_one_does() {
    let ground = Ground::new().await;
    let (_, link) = invite(&ground.root(), json!({"email": "ada@example.org"})).await;
    let (mut one, mut two) = (ground.test.visitor(), ground.test.visitor());
    let other = "violet anchor under seven bridges";
    let (first, second) = tokio::join!(accept(&mut one, &link, "", CHOSEN), accept(&mut two, &link, "", other));
    let mut statuses = [first.status, second.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::FORBIDDEN]);
    assert_eq!(events(&ground, EventKind::InvitationAccepted).await.len(), 1);
}

#[tokio::test]
async fn an_account_that_waits_lets_nobody_in_and_a_poor_password_uses_nothing_up() {
    let server = MailServer::plain().await;
    let ground = Ground::with(&format!("{}\n[factors]\nrequired = true", server.lines())).await;
    let (_, link) = invite(&ground.root(), json!({"email": "ada@example.org", "send": false})).await;
    let mut visitor = ground.test.visitor();
    let csrf = visitor.get("/login/forgot").await.field("csrf");
    visitor.post("/login/forgot", &[("username", "ada@example.org"), ("csrf", &csrf)]).await;
    assert_eq!(ground.test.gateway.login().answer_askings().await.unwrap(), 0);
    assert_eq!(visitor.sign_in("ada@example.org", CHOSEN).await.status, StatusCode::UNAUTHORIZED);
    let evil = "\"><script>alert(1)</script>\r\n";
    let reply = accept(&mut visitor, &link, evil, "short").await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!reply.text.contains("<script>alert"), "{}", reply.text);
    let page = visitor.get(&link).await;
    let fields = [("token", page.field("token")), ("csrf", "forged".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let more = [("name", ""), ("new", CHOSEN), ("again", CHOSEN)];
    let forged = visitor.post("/login/invitation", &[&fields[..], &more].concat()).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(accept(&mut visitor, &link, "", CHOSEN).await.location(), "/login/enrol", "what is demanded comes next");
    assert_eq!(visitor.get("/").await.location(), "/login", "and there is no session before");
}

#[tokio::test]
async fn an_invitation_takes_a_seat_when_it_is_accepted_if_there_is_one() {
    let ground = Ground::with("[seats]\nlimit = 1\n").await;
    let root = ground.root();
    let (_, first) = invite(&root, json!({"email": "ada@example.org", "role": "editor"})).await;
    let (_, second) = invite(&root, json!({"email": "grace@example.org", "role": "editor"})).await;
    assert_eq!(accept(&mut ground.test.visitor(), &first, "", CHOSEN).await.location(), "/");
    assert_eq!(accept(&mut ground.test.visitor(), &second, "", CHOSEN).await.status, StatusCode::FORBIDDEN);
    let third = root.post("/api/v1/invitations", json!({"email": "mary@example.org", "role": "editor"})).await;
    assert_eq!((third.status, third.json()["code"].clone()), (StatusCode::CONFLICT, json!("seat_limit")));
}

#[tokio::test]
async fn what_cannot_be_invited_is_named() {
    let ground = Ground::new().await;
    let root = ground.root();
    for (body, status, field) in [
        (json!({}), 422, Some("email")),
        (json!({"email": "no address"}), 422, Some("email")),
        (json!({"email": "ada@example.org\r\nBcc: eve@example.org"}), 422, Some("email")),
        (json!({"email": "ada@example.org", "role": "emperor"}), 422, Some("role")),
        (json!({"email": "ada@example.org", "password": CHOSEN}), 422, Some("password")),
        (json!({"email": "ada@example.org", "colour": "red"}), 422, Some("colour")),
        (json!({"email": "ada@example.org", "send": true}), 409, None),
    ] {
        refused(&root.post("/api/v1/invitations", body).await, status, field);
    }
    ground.user("ada@example.org", &[]).await;
    refused(&root.post("/api/v1/invitations", json!({"email": "ada@example.org"})).await, 409, Some("userName"));
}

#[tokio::test]
async fn what_the_account_was_given_meanwhile_is_more_than_the_inviter_may_hand_over() {
    let ground = Ground::new().await;
    let role = json!({"name": "Inviters", "permissions": ["invitations:*", "grants:create", "users:read"]});
    good(ground.root().post("/api/v1/roles", role).await, StatusCode::CREATED);
    let (_, mallory) = ground.browser("mallory", &["inviters"]).await;
    let (told, link) = invite(&mallory, json!({"email": "boss@example.org"})).await;
    let grant = json!({"user": "boss@example.org", "role": "administrator"});
    good(ground.root().post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let reply = accept(&mut ground.test.visitor(), &link, "", CHOSEN).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "whoever kept the link would be the administrator");
    assert_eq!(account(&ground, "boss@example.org").await["status"], "invited");
    let path = format!("/api/v1/invitations/{}:resend", told["id"].as_str().unwrap());
    let again = good(ground.root().post(&path, json!({})).await, StatusCode::OK);
    let newest = again["link"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned();
    let reply = accept(&mut ground.test.visitor(), &newest, "", CHOSEN).await;
    assert_eq!(reply.location(), "/", "who gave more may hand it over: {}", reply.text);
}

#[tokio::test]
async fn a_name_that_is_typed_moves_nobody_between_groups_by_rule() {
    let ground = Ground::new().await;
    let group = json!({"name": "Externals", "rule": "displayName co \"(external)\""});
    good(ground.root().post("/api/v1/groups", group).await, StatusCode::CREATED);
    let (_, link) = invite(&ground.root(), json!({"email": "eve@example.org", "name": "Eve (external)"})).await;
    let reply = accept(&mut ground.test.visitor(), &link, "Eve", CHOSEN).await;
    assert_eq!(reply.location(), "/", "{}", reply.text);
    let shown = account(&ground, "eve@example.org").await;
    assert_eq!(shown["displayName"], "Eve (external)");
    assert!(shown["groups"].to_string().contains("Externals"), "{shown}");
}

#[tokio::test]
async fn a_dead_link_leaves_no_more_in_the_ledger_than_sign_ins_do() {
    let ground = Ground::with("limits.sign_in = \"5/10m\"").await;
    let (told, _) = invite(&ground.root(), json!({"email": "ada@example.org"})).await;
    let link = format!("/login/invitation?token={}.{}", told["id"].as_str().unwrap(), "A".repeat(43));
    for _ in 0..20 {
        assert_eq!(ground.test.visitor().get(&link).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(events(&ground, EventKind::InvitationRefused).await.len(), 5);
}

#[tokio::test]
async fn another_address_takes_the_right_to_set_a_password_where_links_go_by_mail() {
    let server = MailServer::plain().await;
    let ground = Ground::with(&server.lines()).await;
    let role = json!({"name": "Clerks", "permissions": ["users:update", "users:read"]});
    good(ground.root().post("/api/v1/roles", role).await, StatusCode::CREATED);
    let (_, clerk) = ground.browser("clerk", &["clerks"]).await;
    let waiting = json!({"email": "waiting@example.org"});
    good(ground.root().post("/api/v1/invitations", waiting).await, StatusCode::CREATED);
    ground.browser("ada", &[]).await;
    for name in ["ada", "waiting@example.org"] {
        let path = format!("/api/v1/users/{name}");
        refused(&clerk.patch(&path, json!({"email": "me@evil.example"})).await, 403, None);
        good(clerk.patch(&path, json!({"displayName": "Dr"})).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_invitation_that_would_open_no_session_is_not_used_up() {
    let ground = Ground::new().await;
    let root = ground.root();
    let (_, link) = invite(&root, json!({"email": "ada@example.org"})).await;
    good(root.post("/api/v1/users/ada@example.org:demand", json!({"requires_sso": true})).await, StatusCode::OK);
    assert_eq!(accept(&mut ground.test.visitor(), &link, "", CHOSEN).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ground.test.visitor().get(&link).await.status, StatusCode::OK);
    let shown = account(&ground, "ada@example.org").await;
    assert_eq!((&shown["status"], &shown["has_password"]), (&json!("invited"), &json!(false)));
    good(root.post("/api/v1/users/ada@example.org:demand", json!({"requires_sso": false})).await, StatusCode::OK);
    assert_eq!(accept(&mut ground.test.visitor(), &link, "", CHOSEN).await.location(), "/");
}

#[tokio::test]
async fn a_link_is_made_again_five_times_in_an_hour_and_by_nobody_whose_link_could_not_be_accepted() {
    let ground = Ground::new().await;
    let root = ground.root();
    let (told, link) = invite(&root, json!({"email": "ada@example.org"})).await;
    let path = format!("/api/v1/invitations/{}:resend", told["id"].as_str().unwrap());
    // Who may make links again and not invite would replace a good link by one that is refused.
    let resender = ground.service(&["invitations:update"]).await;
    refused(&resender.post(&path, json!({})).await, 409, None);
    assert_eq!(ground.test.visitor().get(&link).await.status, StatusCode::OK, "the good one is still good");
    for _ in 0..5 {
        good(root.post(&path, json!({})).await, StatusCode::OK);
    }
    let reply = root.post(&path, json!({})).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("within the hour"), "{}", reply.text);
    ground.test.advance(Duration::from_secs(60 * 60));
    good(root.post(&path, json!({})).await, StatusCode::OK);
}
