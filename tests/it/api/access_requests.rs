//! Access requests: asked for by people, decided by whoever could give it, worth nothing until then.

use std::time::Duration;

use cleargate::access::forget_requests_in;
use cleargate::audit::{Event, EventKind, Housekeeping};
use cleargate::model::{OrganisationId, User};
use cleargate::store;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};
use crate::support::mail::MailServer;

const OWN: &str = "/api/v1/me/access-requests";
const ALL: &str = "/api/v1/access-requests";
const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn ask(client: &Client, body: Value) -> String {
    let made = good(client.post(OWN, body).await, StatusCode::CREATED);
    made["id"].as_str().unwrap().to_owned()
}

fn decide(id: &str, verb: &str) -> String {
    format!("{ALL}/{id}/{verb}")
}

async fn listed(client: &Client, query: &str) -> Vec<Value> {
    good(client.get(&format!("{ALL}{query}")).await, StatusCode::OK)["items"].as_array().unwrap().clone()
}

async fn own(client: &Client) -> Vec<Value> {
    good(client.get(OWN).await, StatusCode::OK)["items"].as_array().unwrap().clone()
}

async fn grants(ground: &Ground, user: &User) -> Vec<Value> {
    let path = format!("/api/v1/grants?user={}", user.id);
    good(ground.root().get(&path).await, StatusCode::OK)["items"].as_array().unwrap().clone()
}

async fn events(ground: &Ground, kind: EventKind) -> Vec<Event> {
    let rows = ground.test.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

#[tokio::test]
async fn what_is_asked_for_is_given_by_who_could_give_it_and_by_nobody_else() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:finance", "scorecard:sales"]).await;
    let (user, ada) = ground.browser("ada", &[]).await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let (_, grace) = ground.browser("grace", &[]).await;
    let (_, head) = ground.browser("head", &[]).await;
    let scoped = json!({"user": "head", "role": "scorecard_administrator", "scope": "scorecard:finance"});
    good(ground.root().post("/api/v1/grants", scoped).await, StatusCode::CREATED);
    let weak = ground.service(&["grants:create", "grants:read"]).await;

    let until = "2027-01-01T00:00:00.000Z";
    let wish = json!({"role": "editor", "scope": "scorecard:finance", "reason": "month end", "until": until});
    let finance = ask(&ada, wish).await;
    let sales = ask(&ada, json!({"role": "editor", "scope": "scorecard:sales"})).await;
    let everything = ask(&ada, json!({"role": "administrator"})).await;
    assert_eq!(grants(&ground, &user).await, [] as [Value; 0], "asking gives nothing");

    // Everybody sees what they could give, and nothing else.
    let ids = |items: Vec<Value>| -> Vec<String> {
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(listed(&boss, "").await).len(), 3);
    assert_eq!(ids(listed(&head, "").await), std::slice::from_ref(&finance));
    assert_eq!(listed(&weak, "").await, [] as [Value; 0], "the role gives more than the token may");
    refused(&grace.get(ALL).await, 403, None);
    refused(&ada.get(ALL).await, 403, None);
    let refusals = events(&ground, EventKind::PermissionRefused).await.len();
    for id in [&sales, &everything] {
        for verb in ["approve", "refuse"] {
            refused(&head.post(&decide(id, verb), json!({})).await, 404, None);
            refused(&weak.post(&decide(id, verb), json!({})).await, 404, None);
        }
    }
    let tried = events(&ground, EventKind::PermissionRefused).await.split_off(refusals);
    assert_eq!(tried.len(), 8, "who tried to give what they may not is recorded, to look on is not");
    let shown = listed(&head, "?status=open").await.remove(0);
    assert_eq!((&shown["user"]["userName"], &shown["reason"]), (&json!("ada"), &json!("month end")));

    // It is the same grant as any other.
    let approved = good(head.post(&decide(&finance, "approve"), json!({})).await, StatusCode::OK);
    assert_eq!((&approved["status"], &approved["grant"]["role"]), (&json!("approved"), &json!("editor")));
    let held = grants(&ground, &user).await;
    assert_eq!((held.len(), &held[0]["ends"], &held[0]["scope"]), (1, &json!(until), &json!("scorecard:finance")));
    assert_eq!((&held[0]["mode"], &held[0]["origin"]), (&json!("add"), &approved["grant"]["origin"]));
    refused(&head.post(&decide(&finance, "approve"), json!({})).await, 409, None);
    refused(&boss.post(&decide(&finance, "refuse"), json!({})).await, 409, None);
    assert_eq!(grants(&ground, &user).await.len(), 1);
    let reason = json!({"reason": "ask sales first"});
    good(boss.post(&decide(&sales, "refuse"), reason).await, StatusCode::OK);
    good(ada.delete(&format!("{OWN}/{everything}")).await, StatusCode::OK);
    refused(&ada.delete(&format!("{OWN}/{everything}")).await, 409, None);
    refused(&boss.post(&decide(&everything, "approve"), json!({})).await, 409, None);

    let mine = own(&ada).await;
    let statuses: Vec<&str> = mine.iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["approved", "refused", "withdrawn"]);
    assert_eq!(mine[1]["answer"], "ask sales first");
    assert!(mine[0].get("decided_by").is_none());
    assert_eq!(own(&grace).await, [] as [Value; 0]);
    assert_eq!(ids(listed(&boss, "?status=refused").await), [sales]);
    refused(&boss.get(&format!("{ALL}?status=lost")).await, 422, Some("status"));

    for (kind, count) in [
        (EventKind::AccessAsked, 3),
        (EventKind::AccessApproved, 1),
        (EventKind::AccessRefused, 1),
        (EventKind::AccessWithdrawn, 1),
    ] {
        assert_eq!(events(&ground, kind).await.len(), count, "{}", kind.name());
    }
    let approval = events(&ground, EventKind::AccessApproved).await.remove(0);
    let detail = |name: &str| approval.details.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!(detail("grant"), approved["grant"]["id"].as_str().unwrap());
    assert_eq!(approval.target, format!("user:{}", user.id));
}

#[tokio::test]
async fn nobody_decides_their_own_request() {
    let ground = Ground::new().await;
    let (user, boss) = ground.browser("boss", &["administrator"]).await;
    let id = ask(&boss, json!({"role": "editor"})).await;
    assert_eq!(listed(&boss, "").await, [] as [Value; 0]);
    let made = json!({"name": "job", "scope": "admin"});
    let token = good(boss.post("/api/v1/tokens", made).await, StatusCode::CREATED);
    let token = ground.bearer(token["token"].as_str().unwrap());
    let for_boss = json!({"name": "job", "scope": "admin", "user": "boss"});
    let other = good(ground.root().post("/api/v1/tokens", for_boss).await, StatusCode::CREATED);
    let other = ground.bearer(other["token"].as_str().unwrap());
    for caller in [&boss, &token, &other] {
        refused(&caller.post(&decide(&id, "approve"), json!({})).await, 403, None);
        refused(&caller.post(&decide(&id, "refuse"), json!({})).await, 403, None);
    }
    assert_eq!(grants(&ground, &user).await.len(), 1);
    let (_, second) = ground.browser("second", &["administrator"]).await;
    good(second.post(&decide(&id, "approve"), json!({})).await, StatusCode::OK);
    assert_eq!(grants(&ground, &user).await.len(), 2);
    // Nobody asks for somebody else: people ask in a session of their own, which only its own pages use.
    for caller in [&token, &other, &ground.root()] {
        refused(&caller.post(OWN, json!({"role": "editor"})).await, 403, None);
    }
    refused(&boss.with_header("sec-fetch-site", "cross-site").post(OWN, json!({"role": "browser"})).await, 403, None);
}

#[tokio::test]
async fn who_has_the_rights_for_a_time_gives_no_request_for_longer() {
    let ground = Ground::new().await;
    let (user, ada) = ground.browser("ada", &[]).await;
    let (_, deputy) = ground.browser("deputy", &[]).await;
    let given = json!({"user": "deputy", "role": "administrator", "ends": "2026-12-01T00:00:00Z"});
    good(ground.root().post("/api/v1/grants", given).await, StatusCode::CREATED);
    let longer = ask(&ada, json!({"role": "editor", "until": "2026-12-02T00:00:00Z"})).await;
    let for_good = ask(&ada, json!({"role": "updater"})).await;
    let shorter = ask(&ada, json!({"role": "browser", "until": "2026-12-01T00:00:00Z"})).await;
    let shown: Vec<String> =
        listed(&deputy, "").await.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, std::slice::from_ref(&shorter));
    for id in [&longer, &for_good] {
        refused(&deputy.post(&decide(id, "approve"), json!({})).await, 404, None);
    }
    assert_eq!(grants(&ground, &user).await, [] as [Value; 0]);
    good(deputy.post(&decide(&shorter, "approve"), json!({})).await, StatusCode::OK);
    assert_eq!(grants(&ground, &user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_while_an_account_passes_on_is_nobody_elses_wish() {
    let ground = Ground::new().await;
    let user = ground.user("ada", &[]).await;
    let (sessions, ledger) = (ground.test.gateway.sessions().clone(), ground.test.gateway.ledger().clone());
    for round in 0..100 {
        // So that nobody signs in too often.
        ground.test.advance(Duration::from_secs(10));
        let ada = ground.sign_in("ada").await;
        let ask = tokio::spawn(async move { ada.post(OWN, json!({"role": "editor"})).await });
        let (sessions, ledger) = (sessions.clone(), ledger.clone());
        let pass_on = tokio::spawn(async move {
            let sessions = &sessions;
            let passed = ledger.retry(|mut change| async move {
                forget_requests_in(&mut change, OrganisationId::DEFAULT, user.id).await?;
                sessions.end_all(&mut change, user.id).await.unwrap();
                change.commit_quietly(Housekeeping::LastSeen).await
            });
            passed.await.unwrap();
        });
        let (reply, passed) = tokio::join!(ask, pass_on);
        passed.unwrap();
        let reply = reply.unwrap();
        assert!(matches!(reply.status.as_u16(), 201 | 401), "{reply:?}");
        assert_eq!(ground.test.gateway.access().requests_of(user.id).await.unwrap(), [], "round {round}: {reply:?}");
    }
}

#[tokio::test]
async fn who_may_not_read_roles_learns_nothing_by_asking() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:finance"]).await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let there = good(ada.post(OWN, json!({"role": "editor", "scope": "scorecard:finance"})).await, StatusCode::CREATED);
    // Lists are in the order of time.
    ground.test.advance(Duration::from_millis(1));
    let nowhere = json!({"role": "edotir", "scope": "scorecard:fiannce"});
    let nowhere = good(ada.post(OWN, nowhere).await, StatusCode::CREATED);
    let names = |shown: &Value| shown.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(&nowhere));
    for (role, scope, field) in
        [("edotir", "scorecard:finance", "role"), ("editor", "scorecard:fiannce", "scope"), ("Editor!", "", "role")]
    {
        let mut body = json!({"role": role});
        if !scope.is_empty() {
            body["scope"] = json!(scope);
        }
        let reply = boss.post(OWN, body).await;
        refused(&reply, 422, Some(field));
        assert!(
            field == "scope" || role == "Editor!" || reply.text.contains("did you mean `editor`"),
            "{}",
            reply.text
        );
    }
    // Who decides is told; what does not exist cannot be given, only refused.
    let id = nowhere["id"].as_str().unwrap();
    let known: Vec<Value> = listed(&boss, "").await.iter().map(|item| item["known"].clone()).collect();
    assert_eq!(known, [json!(true), json!(false)]);
    refused(&boss.post(&decide(id, "approve"), json!({})).await, 422, Some("role"));
    assert_eq!(own(&ada).await[1]["status"], "open");
    good(boss.post(&decide(id, "refuse"), json!({"reason": "there is none"})).await, StatusCode::OK);
    assert_eq!(own(&ada).await[1]["status"], "refused");
}

#[tokio::test]
async fn requests_are_bounded_and_end() {
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &["browser"]).await;
    let root = ground.root();
    let first = ask(&ada, json!({"role": "editor"})).await;
    refused(&ada.post(OWN, json!({"role": "editor"})).await, 409, Some("role"));
    refused(&ada.post(OWN, json!({"role": "browser"})).await, 409, Some("role"));
    refused(&ada.post(OWN, json!({})).await, 422, Some("role"));
    refused(&ada.post(OWN, json!({"role": "updater", "reason": "x".repeat(501)})).await, 422, Some("reason"));
    refused(&ada.post(OWN, json!({"role": "updater", "until": "2026-11-22T07:59:59Z"})).await, 422, Some("until"));
    refused(&ada.post(OWN, json!({"role": "updater", "user": "boss"})).await, 422, Some("user"));
    let mut waiting = vec![first];
    for number in 1..10 {
        waiting.push(ask(&ada, json!({"role": format!("wanted-{number}")})).await);
    }
    refused(&ada.post(OWN, json!({"role": "updater"})).await, 409, None);
    // Withdrawing makes room, not more of it than for a day.
    for number in 0..10 {
        good(ada.delete(&format!("{OWN}/{}", waiting.remove(0))).await, StatusCode::OK);
        waiting.push(ask(&ada, json!({"role": format!("other-{number}")})).await);
    }
    good(ada.delete(&format!("{OWN}/{}", waiting.remove(0))).await, StatusCode::OK);
    let reply = ada.post(OWN, json!({"role": "updater"})).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("within a day"), "{}", reply.text);

    ground.test.advance(30 * DAY);
    let late = listed(&root, "?status=expired").await.remove(0);
    refused(&root.post(&decide(late["id"].as_str().unwrap(), "approve"), json!({})).await, 409, None);
    assert_eq!(listed(&root, "?status=open").await, [] as [Value; 0]);
    let ada = ground.sign_in("ada").await;
    let again = ask(&ada, json!({"role": "editor", "until": "2026-12-23T00:00:00Z"})).await;
    assert_eq!(own(&ada).await.len(), 21);
    // What was wanted until a moment that is over is not given.
    ground.test.advance(DAY);
    refused(&root.post(&decide(&again, "approve"), json!({})).await, 422, Some("ends"));
    ground.test.advance(89 * DAY);
    assert_eq!(listed(&root, "").await, [] as [Value; 0], "what is old is gone");
}

#[tokio::test]
async fn a_request_ends_with_its_account_and_waits_while_that_is_not_active() {
    let ground = Ground::new().await;
    let (user, ada) = ground.browser("ada", &[]).await;
    let (_, grace) = ground.browser("grace", &[]).await;
    let root = ground.root();
    let id = ask(&ada, json!({"role": "editor"})).await;
    refused(&grace.delete(&format!("{OWN}/{id}")).await, 404, None);
    good(root.patch("/api/v1/users/ada", json!({"active": false})).await, StatusCode::OK);
    refused(&root.post(&decide(&id, "approve"), json!({})).await, 409, None);
    refused(&ada.get(OWN).await, 401, None);
    good(root.delete("/api/v1/users/ada?confirm=ada").await, StatusCode::OK);
    refused(&root.post(&decide(&id, "approve"), json!({})).await, 404, None);
    assert_eq!(listed(&root, "").await, [] as [Value; 0]);
    assert_eq!(ground.test.gateway.access().requests_of(user.id).await.unwrap(), []);
}

#[tokio::test]
async fn an_approval_keeps_to_seats_and_tests_and_is_made_once() {
    let lines = "[seats]\nlimit = 1\n";
    let ground = Ground::with(lines).await;
    let root = ground.root();
    let (user, ada) = ground.browser("ada", &[]).await;
    ground.user("taken", &["editor"]).await;
    ground.test.gateway.access().settle_seats().await.unwrap();
    let id = ask(&ada, json!({"role": "editor"})).await;
    let reply = root.post(&decide(&id, "approve"), json!({})).await;
    assert_eq!((reply.status, reply.json()["code"].clone()), (StatusCode::CONFLICT, json!("seat_limit")));
    assert_eq!(own(&ada).await[0]["status"], "open");
    good(root.patch("/api/v1/users/taken", json!({"active": false})).await, StatusCode::OK);
    let path = decide(&id, "approve");
    let (one, two) = tokio::join!(root.post(&path, json!({})), root.post(&path, json!({})));
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    assert_eq!(grants(&ground, &user).await.len(), 1);
    assert_eq!(events(&ground, EventKind::AccessApproved).await.len(), 1);
}

#[tokio::test]
async fn who_is_limited_to_companies_decides_for_whom_they_see() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    ground.user("chief", &["administrator"]).await;
    ground.user("north", &["administrator"]).await;
    good(root.patch("/api/v1/users/north", json!({"companies": ["north"]})).await, StatusCode::OK);
    let north = ground.sign_in("north").await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let (_, bob) = ground.browser("bob", &[]).await;
    good(root.patch("/api/v1/users/bob", json!({"companies": ["north"]})).await, StatusCode::OK);
    let hidden = ask(&ada, json!({"role": "editor"})).await;
    let seen = ask(&bob, json!({"role": "editor"})).await;
    let shown = listed(&north, "").await;
    assert_eq!((shown.len(), &shown[0]["id"]), (1, &json!(seen)));
    refused(&north.post(&decide(&hidden, "approve"), json!({})).await, 404, None);
    good(north.post(&decide(&seen, "approve"), json!({})).await, StatusCode::OK);
}

/// Sends what waits, and tells what came since the first `before` mails: to whom, and about what.
async fn delivered(ground: &Ground, server: &MailServer, before: usize) -> Vec<(String, String)> {
    ground.test.gateway.outbox().round(None).await.unwrap();
    let mails = server.mails().into_iter().skip(before);
    let mut told: Vec<_> = mails.map(|mail| (mail.to.concat(), mail.header("Subject"))).collect();
    told.sort();
    told
}

#[tokio::test]
async fn who_could_decide_is_told_by_mail_that_somebody_asks_and_who_asked_of_the_decision() {
    let server = MailServer::plain().await;
    let ground = Ground::with(&server.lines()).await;
    ground.test.place(&["scorecard:finance", "scorecard:sales"]).await;
    let (_, ada) = ground.browser("ada@example.org", &[]).await;
    let (_, boss) = ground.browser("boss@example.org", &["administrator"]).await;
    ground.user("no-address", &["administrator"]).await;
    ground.user("editor@example.org", &["editor"]).await;
    ground.user("head@example.org", &[]).await;
    let head = json!({"user": "head@example.org", "role": "scorecard_administrator", "scope": "scorecard:finance"});
    good(ground.root().post("/api/v1/grants", head).await, StatusCode::CREATED);
    let mut before = delivered(&ground, &server, 0).await.len();
    let to = |name: &str, subject: &str| (format!("{name}@example.org"), subject.to_owned());
    let (asked, given, not) = ("Somebody asks for a role", "You were given a role", "You were not given a role");
    let mut told = async || {
        let told = delivered(&ground, &server, before).await;
        before += told.len();
        told
    };

    let wish = json!({"role": "editor", "scope": "scorecard:finance", "reason": "see https://evil.example"});
    let first = ask(&ada, wish).await;
    assert_eq!(told().await, [to("boss", asked), to("head", asked)]);
    for mail in server.mails() {
        assert!(!mail.text().contains("evil") && !mail.text().contains("ada"), "{}", mail.text());
    }
    good(boss.post(&decide(&first, "refuse"), json!({"reason": "no"})).await, StatusCode::OK);
    assert_eq!(told().await, [to("ada", not)]);
    let everywhere = ask(&ada, json!({"role": "browser"})).await;
    assert_eq!(told().await, [to("boss", asked)], "who gives in one scorecard decides nothing elsewhere");
    good(boss.post(&decide(&everywhere, "approve"), json!({})).await, StatusCode::OK);
    assert_eq!(told().await, [to("ada", given)]);
    let unknown = ask(&ada, json!({"role": "emperor"})).await;
    assert_eq!(told().await, [to("boss", asked)], "what there is not is to be refused by somebody, too");
    good(ada.delete(&format!("{OWN}/{unknown}")).await, StatusCode::OK);
    assert_eq!(told().await, []);
    for number in 0..7 {
        ground.user(&format!("chief{number}@example.org"), &["administrator"]).await;
    }
    ask(&ada, json!({"role": "editor", "scope": "scorecard:sales"})).await;
    assert_eq!(told().await.len(), 5, "no more than so many, however many could");
}
