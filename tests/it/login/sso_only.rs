//! Single sign-on only: who must come by a provider comes by nothing else, and looks from outside like a wrong password.

use cleargate::access::NewGrant;
use cleargate::audit::{Event, EventKind};
use cleargate::model::Subject;
use cleargate::store;
use http::StatusCode;

use crate::support::authenticator::enrol;
use crate::support::gateway::TestGateway;

const ADA: &str = "ada@example.org";
const EVA: &str = "eva@example.org";
const GOOD: &str = "violet anchor under seven bridges";
const PACK: &str = r#"
title = "Test"
[[role]]
name = "Auditor"
description = "Reads people."
permissions = ["users:read"]
requires_sso = true
[[role]]
name = "Chief"
description = "Has what the auditor has."
includes = ["auditor"]
"#;

async fn events(gateway: &TestGateway, kind: EventKind) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

fn detail<'a>(event: &'a Event, name: &str) -> &'a str {
    event.details.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn whoever_must_use_single_sign_on_is_refused_as_if_the_password_were_wrong() {
    let gateway = TestGateway::with("[sign_in]\nrequire_sso = true\nbreak_glass = [\"EVA@example.org\"]").await;
    gateway.user(ADA, Some(GOOD)).await;
    gateway.user(EVA, Some(GOOD)).await;
    let mut replies = Vec::new();
    for password in [GOOD, "wrong"] {
        let mut browser = gateway.visitor();
        browser.cookies.insert("cleargate-login".to_owned(), "a".repeat(43));
        let reply = browser.sign_in(ADA, password).await;
        let names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        replies.push((reply.status, reply.text, names));
        assert!(!browser.cookies.contains_key("cleargate-device") && !browser.cookies.contains_key("cleargate-step"));
    }
    assert_eq!(replies[0], replies[1]);
    assert_eq!(replies[0].0, StatusCode::UNAUTHORIZED);
    let failed = events(&gateway, EventKind::SignInFailed).await;
    assert_eq!((detail(&failed[0], "rule"), detail(&failed[1], "rule")), ("require-sso", "wrong-password"));
    assert_eq!(detail(&failed[0], "reason"), "the configuration requires single sign-on");
    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    assert_eq!(gateway.gateway.sessions().list(ada.id).await.unwrap(), []);

    // The account for emergencies, in any spelling, and loudly.
    assert_eq!(gateway.visitor().sign_in(EVA, GOOD).await.location(), "/");
    let opened = events(&gateway, EventKind::SessionCreated).await;
    assert_eq!(detail(&opened[0], "break_glass"), "true");
}

#[tokio::test]
async fn a_link_is_no_way_around_it_either() {
    let gateway = TestGateway::with("[sign_in]\nrequire_sso = true\nbreak_glass = [\"eva@example.org\"]").await;
    for (name, passes) in [(ADA, false), (EVA, true)] {
        let user = gateway.user(name, None).await;
        let link = gateway.gateway.login().reset_link(&gateway.task(), &user, None).await.unwrap();
        let mut browser = gateway.visitor();
        let page = browser.get(link.path.expose()).await;
        let fields = [("token", page.field("token")), ("csrf", page.field("csrf"))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let reply = browser.post("/login/reset", &fields).await;
        assert_eq!(reply.location() == "/login/change-password", passes, "{name} {}", reply.text);
    }
}

#[tokio::test]
async fn a_role_or_an_administrator_demands_it_of_some() {
    let lines = "[policy]\npack = \"./pack.toml\"";
    let gateway = TestGateway::with_files(lines, &[("pack.toml", PACK)]).await;
    let (ada, eva) = (gateway.user(ADA, Some(GOOD)).await, gateway.user(EVA, Some(GOOD)).await);
    let gets_in = async |name: &str| gateway.visitor().sign_in(name, GOOD).await.location() == "/";
    assert!(gets_in(ADA).await && gets_in(EVA).await);

    let grant = NewGrant::new(Subject::User(ada.id), "chief".parse().unwrap());
    let given = gateway
        .gateway
        .access()
        .grants()
        .create(&gateway.task(), &gateway.gateway.access().roles(), grant)
        .await
        .unwrap();
    assert!(!gets_in(ADA).await && gets_in(EVA).await);
    gateway.gateway.access().grants().delete(&gateway.task(), given.id).await.unwrap();
    assert!(gets_in(ADA).await, "who no longer holds the role need not");

    let factors = gateway.gateway.factors();
    assert!(factors.demand(&gateway.task(), &eva, None, Some(true)).await.unwrap());
    assert!(!factors.demand(&gateway.task(), &eva, None, Some(true)).await.unwrap(), "nothing changes");
    assert!(gets_in(ADA).await && !gets_in(EVA).await);
    // The one demand is lifted without the other.
    assert!(factors.demand(&gateway.task(), &eva, Some(true), Some(false)).await.unwrap());
    assert!(factors.demands(eva.id).await.unwrap().factor);
    assert_eq!(gateway.visitor().sign_in(EVA, GOOD).await.location(), "/login/enrol");
    let reasons: Vec<String> =
        events(&gateway, EventKind::SignInFailed).await.iter().map(|e| detail(e, "reason").to_owned()).collect();
    assert_eq!(reasons, ["a role requires single sign-on", "an administrator requires single sign-on"]);
}

#[tokio::test]
async fn a_demand_that_comes_between_two_steps_stops_the_sign_in() {
    let gateway = TestGateway::new().await;
    let ada = gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    browser.sign_in(ADA, GOOD).await;
    let (app, _) = enrol(&gateway, &mut browser, GOOD).await;
    gateway.advance(std::time::Duration::from_secs(30));
    let mut second = gateway.visitor();
    assert_eq!(second.sign_in(ADA, GOOD).await.location(), "/login/factor");
    gateway.gateway.factors().demand(&gateway.task(), &ada, None, Some(true)).await.unwrap();
    let csrf = second.get("/login/factor").await.field("csrf");
    let reply = second.post("/login/factor", &[("code", &app.code(&gateway)), ("csrf", &csrf)]).await;
    assert_ne!(reply.location(), "/");
    assert_eq!(second.get("/").await.location(), "/login");
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "the session that is open goes on");
}
