//! Links on which somebody chooses a password.

use std::time::Duration;

use cleargate::audit::{Event, EventKind};
use cleargate::model::Attributes;
use cleargate::secret::Secret;
use cleargate::store;
use http::StatusCode;

use crate::support::gateway::{Reply, TestGateway, Visitor, record};
use crate::support::mail::MailServer;

const OLD: &str = "violet anchor under seven bridges";
const NEW: &str = "nine lanterns along a quiet harbour";

async fn gateway() -> TestGateway {
    let gateway = TestGateway::with("[lockout]\npreset = \"clearvantage\"").await;
    gateway.user("ada@example.org", Some(OLD)).await;
    gateway
}

async fn link(gateway: &TestGateway) -> String {
    let ada = gateway.gateway.directory().find_user_by_name("ada@example.org").await.unwrap().unwrap();
    gateway.gateway.login().reset_link(&gateway.task(), &ada, None).await.unwrap().path.expose().to_owned()
}

async fn follow(browser: &mut Visitor, link: &str) -> Reply {
    let page = browser.get(link).await;
    let fields = [("token", page.field("token")), ("csrf", page.field("csrf"))];
    browser.post("/login/reset", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await
}

async fn choose(browser: &mut Visitor, password: &str) -> Reply {
    let csrf = browser.get("/login/change-password").await.field("csrf");
    let fields = [("new", password), ("again", password), ("csrf", csrf.as_str())];
    browser.post("/login/change-password", &fields).await
}

#[tokio::test]
async fn a_link_lets_its_owner_choose_a_password_once_and_ends_locks_and_sessions() {
    let gateway = gateway().await;
    let mut open = gateway.visitor();
    open.sign_in("ada@example.org", OLD).await;
    for _ in 0..3 {
        gateway.visitor().sign_in("ada@example.org", "wrong").await;
    }
    let link = link(&gateway).await;
    let mut browser = gateway.visitor();
    assert_eq!(follow(&mut browser, &link).await.location(), "/login/change-password");
    assert_eq!(browser.get("/").await.location(), "/login", "the link alone opens no session");
    assert_eq!(choose(&mut browser, "short").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(choose(&mut browser, NEW).await.location(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(open.get("/").await.location(), "/login");
    assert_eq!(gateway.visitor().sign_in("ada@example.org", NEW).await.location(), "/");
    assert_eq!(follow(&mut gateway.visitor(), &link).await.status, StatusCode::FORBIDDEN);
}

/// Gives Ada this address.
async fn moved(gateway: &TestGateway, address: &str) {
    let directory = gateway.gateway.directory();
    let ada = directory.find_user_by_name("ada@example.org").await.unwrap().unwrap();
    let emails = serde_json::json!({"emails": [{"value": address, "primary": true}]});
    let task = gateway.task();
    let changed = directory.change_user::<cleargate::directory::Error>(&task, ada.id, None, |_, draft| {
        draft.attributes = Attributes(emails.as_object().unwrap().clone());
        Ok(())
    });
    changed.await.unwrap();
}

#[tokio::test]
async fn a_link_is_void_once_mail_goes_to_another_address() {
    let gateway = gateway().await;
    moved(&gateway, "ada@read-by-others.example").await;
    let (one, other) = (link(&gateway).await, link(&gateway).await);
    moved(&gateway, "Ada@Read-By-Others.example").await;
    assert_eq!(follow(&mut gateway.visitor(), &one).await.location(), "/login/change-password", "that is the same");
    moved(&gateway, "ada@example.org").await;
    assert_eq!(follow(&mut gateway.visitor(), &other).await.status, StatusCode::FORBIDDEN);
    let fresh = link(&gateway).await;
    assert_eq!(follow(&mut gateway.visitor(), &fresh).await.location(), "/login/change-password");
}

#[tokio::test]
async fn a_link_is_void_after_an_hour_and_after_another_password_was_set() {
    let gateway = gateway().await;
    let late = link(&gateway).await;
    gateway.advance(Duration::from_secs(60 * 60));
    assert_eq!(follow(&mut gateway.visitor(), &late).await.status, StatusCode::FORBIDDEN);
    let early = link(&gateway).await;
    gateway.advance(Duration::from_secs(1));
    let ada = gateway.gateway.directory().find_user_by_name("ada@example.org").await.unwrap().unwrap();
    let password = Secret::new("seven otters in a wooden boat".to_owned());
    gateway.gateway.credentials().set(&gateway.task(), &ada, &password, false).await.unwrap();
    assert_eq!(follow(&mut gateway.visitor(), &early).await.status, StatusCode::FORBIDDEN);
}

/// A gateway with mail, and Ada who has a password.
async fn mailing() -> (TestGateway, MailServer) {
    let server = MailServer::plain().await;
    let lines = format!("{}\n[lockout]\npreset = \"clearvantage\"", server.lines());
    let gateway = TestGateway::with(&lines).await;
    gateway.user("ada@example.org", Some(OLD)).await;
    (gateway, server)
}

async fn ask(browser: &mut Visitor, name: &str) -> Reply {
    let csrf = browser.get("/login/forgot").await.field("csrf");
    browser.post("/login/forgot", &[("username", name), ("csrf", &csrf)]).await
}

/// What the daemon does every two seconds.
async fn settle(gateway: &TestGateway) -> usize {
    let posted = gateway.gateway.login().answer_askings().await.unwrap();
    gateway.gateway.outbox().round(None).await.unwrap();
    posted
}

async fn events(gateway: &TestGateway, kind: EventKind) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

#[tokio::test]
async fn who_forgot_a_password_gets_a_link_by_mail_and_chooses_another() {
    let (gateway, server) = mailing().await;
    let mut open = gateway.visitor();
    open.sign_in("ada@example.org", OLD).await;
    let mut browser = gateway.visitor();
    assert!(browser.get("/login").await.text.contains("href=\"/login/forgot\""));
    assert_eq!(ask(&mut browser, " Ada@Example.org ").await.status, StatusCode::OK);
    assert!(server.mails().is_empty(), "not while somebody waits for the page");
    assert_eq!(settle(&gateway).await, 1);
    let link = server.mails()[0].path();
    assert!(link.starts_with("/login/reset?token="), "{link}");
    for _ in 0..2 {
        assert_eq!(gateway.visitor().get(&link).await.status, StatusCode::OK, "a preview uses nothing up");
    }
    assert_eq!(follow(&mut browser, &link).await.location(), "/login/change-password");
    assert_eq!(choose(&mut browser, NEW).await.location(), "/");
    assert_eq!(open.get("/").await.location(), "/login", "what was open has ended");
    settle(&gateway).await;
    assert_eq!(server.mails()[1].header("Subject"), "Your password was set anew");
    assert_eq!(events(&gateway, EventKind::ResetAsked).await.len(), 1);
}

#[tokio::test]
async fn whoever_asks_gets_the_same_answer_for_the_same_work() {
    let (gateway, server) = mailing().await;
    let off = gateway.user("off@example.org", Some(OLD)).await;
    gateway.gateway.directory().set_active(&gateway.task(), off.id, false).await.unwrap();
    gateway.user("nothing@example.org", None).await;
    gateway.user("plain", Some(OLD)).await;
    let long = "x".repeat(4000);
    let mut seen = Vec::new();
    let rows = async || {
        let range = store::Range::prefix(Vec::new(), 10_000);
        let rows = gateway.gateway.ledger().store().range(range).await.unwrap();
        rows.iter().map(|(key, row)| key.len() + row.value.len()).sum::<usize>()
    };
    for name in
        ["ada@example.org", "off@example.org", "nothing@example.org", "plain", "nobody@example.org", "", "\0", &long]
    {
        let (before, mut browser) = (rows().await, gateway.visitor());
        let logged = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap().len();
        let reply = ask(&mut browser, name).await;
        assert_eq!(gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap().len(), logged);
        let mut headers: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        seen.push((reply.status, reply.text, headers, rows().await - before));
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:?}");
    settle(&gateway).await;
    let mails = server.mails();
    assert_eq!(mails.iter().map(|mail| mail.to[0].as_str()).collect::<Vec<_>>(), ["ada@example.org"]);
    let refused = events(&gateway, EventKind::ResetAsked).await;
    assert_eq!(refused.len(), 4, "of accounts that there are: {refused:?}");
}

#[tokio::test]
async fn an_account_gets_three_links_in_an_hour_and_an_address_asks_for_ten() {
    let (gateway, server) = mailing().await;
    for _ in 0..5 {
        ask(&mut gateway.visitor(), "ada@example.org").await;
    }
    settle(&gateway).await;
    assert_eq!(server.mails().len(), 3);
    gateway.advance(Duration::from_secs(60 * 60));
    for number in 0..12 {
        gateway.user(&format!("user{number}@example.org"), Some(OLD)).await;
        ask(&mut gateway.visitor(), &format!("user{number}@example.org")).await;
    }
    settle(&gateway).await;
    assert_eq!(server.mails().len(), 3 + 10);
}

#[tokio::test]
async fn of_two_who_follow_one_link_at_once_one_gets_in() {
    let (gateway, server) = mailing().await;
    ask(&mut gateway.visitor(), "ada@example.org").await;
    settle(&gateway).await;
    let link = server.mails()[0].path();
    let (mut one, mut two) = (gateway.visitor(), gateway.visitor());
    let (first, second) = tokio::join!(follow(&mut one, &link), follow(&mut two, &link));
    let mut statuses = [first.status, second.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::FORBIDDEN]);
}

#[tokio::test]
async fn a_link_ends_with_half_an_hour_with_another_password_and_between_its_two_pages_too() {
    let (gateway, server) = mailing().await;
    for _ in 0..3 {
        ask(&mut gateway.visitor(), "ada@example.org").await;
    }
    settle(&gateway).await;
    let links: Vec<String> = server.mails().iter().map(|mail| mail.path()).collect();
    let mut slow = gateway.visitor();
    assert_eq!(follow(&mut slow, &links[0]).await.status, StatusCode::SEE_OTHER);
    let mut quick = gateway.visitor();
    follow(&mut quick, &links[1]).await;
    assert_eq!(choose(&mut quick, NEW).await.location(), "/");
    assert_eq!(choose(&mut slow, "seven otters in a wooden boat").await.status, StatusCode::FORBIDDEN);
    assert_eq!(follow(&mut gateway.visitor(), &links[2]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.visitor().sign_in("ada@example.org", NEW).await.location(), "/");
    gateway.advance(Duration::from_secs(60 * 60));
    ask(&mut gateway.visitor(), "ada@example.org").await;
    settle(&gateway).await;
    let late = server.mails().iter().rev().find(|mail| mail.text().contains("http")).unwrap().path();
    gateway.advance(Duration::from_secs(30 * 60));
    assert_eq!(follow(&mut gateway.visitor(), &late).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn one_address_of_several_accounts_gets_a_link_for_each() {
    let (gateway, server) = mailing().await;
    for name in ["first", "second"] {
        let mut person = record(name);
        person.attributes.0.insert("emails".to_owned(), serde_json::json!([{"value": "both@example.org"}]));
        let user = gateway.gateway.directory().create_user(&gateway.task(), &person).await.unwrap();
        let password = Secret::new(OLD.to_owned());
        gateway.gateway.credentials().set(&gateway.task(), &user, &password, false).await.unwrap();
    }
    ask(&mut gateway.visitor(), "both@example.org").await;
    assert_eq!(settle(&gateway).await, 2);
    let texts: String = server.mails().iter().map(|mail| mail.text()).collect();
    assert!(texts.contains("Account: first") && texts.contains("Account: second"), "{texts}");
}

#[tokio::test]
async fn without_mail_the_page_says_whom_to_ask() {
    let gateway = TestGateway::with("contact = \"help@example.org\"").await;
    gateway.user("ada@example.org", Some(OLD)).await;
    let page = gateway.visitor().get("/login/forgot").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains("help@example.org"), "{}", page.text);
    assert!(!gateway.visitor().get("/login").await.text.contains("/login/forgot"));
}

#[tokio::test]
async fn a_form_of_another_site_asks_for_nothing() {
    let (gateway, _server) = mailing().await;
    let fields = [("username", "ada@example.org"), ("csrf", "forged")];
    assert_eq!(gateway.visitor().post("/login/forgot", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(settle(&gateway).await, 0);
}
