//! Test sign-ins: a page that tells everything, for whoever has the link, in the browser that followed it, once; and
//! nothing else comes of it, whatever is done with what it leads to.

use std::time::Duration;

use cleargate::audit::{Event, EventKind, Outcome};
use cleargate::store;
use http::StatusCode;

use super::oidc;
use super::provider::{Stage, send_to};
use crate::support::gateway::{Reply, TestGateway, Visitor};

const CONNECTOR: &str = r#"
policy.pack = "clearpoint-systems"
[[saml]]
id = "entra"
metadata = { file = "entra.xml" }
domains = ["example.org"]
[[mapping]]
from = "entra"
when = 'groups eq "staff"'
grant = { role = "viewer" }
"#;
const ADA: &str = "ada@example.org";

async fn stage() -> Stage {
    Stage::with(CONNECTOR, &["entra"]).await
}

/// A link that an administrator made.
async fn link(gateway: &TestGateway, connector: &str) -> String {
    let made = gateway.gateway.login().test_link(&gateway.task(), &connector.parse().unwrap(), true).await.unwrap();
    made.unwrap().path.expose().to_owned()
}

/// Follows a link: the page that asks, and its button.
async fn follow(browser: &mut Visitor, link: &str) -> Reply {
    let asked = browser.get(link).await;
    assert_eq!(asked.status, StatusCode::OK);
    let (token, csrf) = (asked.field("token"), asked.field("csrf"));
    browser.post("/login/trial", &[("token", &token), ("csrf", &csrf)]).await
}

/// A test under way: the form that comes back, unsent.
async fn begun(stage: &Stage, browser: &mut Visitor, email: &str, groups: &[&str]) -> Vec<(String, String)> {
    let link = link(&stage.gateway, "entra").await;
    let start = follow(browser, &link).await;
    stage.answer_to("entra", &start, email, groups)
}

async fn events(gateway: &TestGateway, kind: EventKind) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

/// Nobody is signed in in this browser, no account was made and no session.
async fn nothing_came_of_it(stage: &Stage, browser: &mut Visitor) {
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert!(stage.find(ADA).await.is_none_or(|user| user.links.is_empty()));
    assert_eq!(events(&stage.gateway, EventKind::SessionCreated).await.len(), 0);
    assert_eq!(events(&stage.gateway, EventKind::GrantCreated).await.len(), 0);
}

#[tokio::test]
async fn a_test_shows_everything_and_signs_nobody_in() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let form = begun(&stage, &mut browser, ADA, &["staff", "others"]).await;
    let shown = send_to("entra", &mut browser, &form).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    for text in [
        "would work",
        "Nobody was signed in",
        "signed by a key of the provider",
        "make a new account",
        "Not looked at",
        "viewer",
        "staff, others",
    ] {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    assert!(!shown.text.contains("✗"), "{}", shown.text);
    let attributes = shown.text.split("What was received").nth(1).unwrap();
    assert!(attributes.contains("ad…@example.org") && !attributes.contains(ADA), "values are shortened: {attributes}");
    nothing_came_of_it(&stage, &mut browser).await;
    assert!(stage.find(ADA).await.is_none());

    let [made] = &events(&stage.gateway, EventKind::TestBegun).await[..] else { panic!("one event") };
    let [ended] = &events(&stage.gateway, EventKind::TestEnded).await[..] else { panic!("one event") };
    assert_eq!((made.target.as_str(), ended.target.as_str()), ("connector:entra", "connector:entra"));
    assert!(ended.details.contains(&("by".to_owned(), made.actor.clone())), "{ended:?}");
    assert_eq!(ended.outcome, Outcome::Succeeded);
    let id = "entra".parse().unwrap();
    let kept = stage.gateway.gateway.login().attempts(&id, &|_| true, None, 10).unwrap().0;
    assert!(kept.is_empty(), "a test is no attempt to sign in");
}

#[tokio::test]
async fn a_test_tells_of_the_account_that_is_there_and_of_what_would_refuse_it() {
    let stage = stage().await;
    let ada = stage.gateway.user(ADA, None).await;
    let mut browser = stage.gateway.visitor();
    let form = begun(&stage, &mut browser, ADA, &["staff"]).await;
    let shown = send_to("entra", &mut browser, &form).await;
    assert!(shown.text.contains("Would link the account") && shown.text.contains("would work"), "{}", shown.text);
    nothing_came_of_it(&stage, &mut browser).await;

    stage.gateway.gateway.directory().set_active(&stage.gateway.task(), ada.id, false).await.unwrap();
    let form = begun(&stage, &mut browser, ADA, &["staff"]).await;
    let shown = send_to("entra", &mut browser, &form).await;
    assert!(shown.text.contains("inactive: the account is not active"), "{}", shown.text);
    stage.gateway.user("root@other.example", None).await;
    let form = begun(&stage, &mut browser, "root@other.example", &[]).await;
    let shown = send_to("entra", &mut browser, &form).await;
    assert!(
        shown.text.contains("would be refused") && shown.text.contains("not trusted to sign in to it"),
        "{}",
        shown.text
    );
    nothing_came_of_it(&stage, &mut browser).await;
    let ended = events(&stage.gateway, EventKind::TestEnded).await;
    let rules =
        ended.iter().map(|event| event.details.iter().find(|(name, _)| name == "rule").map(|(_, rule)| rule.as_str()));
    assert_eq!(rules.collect::<Vec<_>>(), [None, Some("inactive"), Some("link")]);
}

#[tokio::test]
async fn a_failed_check_shows_its_true_cause_to_a_test_only() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let altered = |form: &[(String, String)]| {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let message = String::from_utf8(BASE64_STANDARD.decode(&form[0].1).unwrap()).unwrap();
        let message = message.replace(ADA, "eve@example.org");
        vec![(form[0].0.clone(), BASE64_STANDARD.encode(message)), form[1].clone()]
    };
    let form = begun(&stage, &mut browser, ADA, &["staff"]).await;
    let shown = send_to("entra", &mut browser, &altered(&form)).await;
    assert_eq!(shown.status, StatusCode::OK);
    let cause = shown.text.split("✗ failed: ").nth(1).expect("a failed check");
    assert!(cause.starts_with("</strong>it is signed by a key of the provider"), "{cause}");
    assert!(shown.text.contains("not reached") && !shown.text.contains("eve@example.org"), "{}", shown.text);
    nothing_came_of_it(&stage, &mut browser).await;

    let form = stage.answer_of("entra", &mut browser, ADA, &["staff"]).await;
    let refused = send_to("entra", &mut browser, &altered(&form)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!refused.text.contains("signature") && !refused.text.contains("digest"), "{}", refused.text);
}

#[tokio::test]
async fn a_test_is_of_one_browser_once_and_for_ten_minutes() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let form = begun(&stage, &mut browser, ADA, &["staff"]).await;
    let mut stranger = stage.gateway.visitor();
    assert_eq!(send_to("entra", &mut stranger, &form).await.status, StatusCode::FORBIDDEN, "without a cookie");
    stranger.get("/login").await;
    assert_eq!(send_to("entra", &mut stranger, &form).await.status, StatusCode::FORBIDDEN, "another browser");
    assert_eq!(send_to("entra", &mut browser, &form).await.status, StatusCode::OK, "which does not use it up");
    let again = send_to("entra", &mut browser, &form).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "a second time");
    assert!(!again.text.contains("Checks"), "{}", again.text);

    let form = begun(&stage, &mut browser, ADA, &["staff"]).await;
    stage.gateway.advance(Duration::from_secs(600));
    assert_eq!(send_to("entra", &mut browser, &form).await.status, StatusCode::FORBIDDEN, "too late");
    nothing_came_of_it(&stage, &mut browser).await;
    nothing_came_of_it(&stage, &mut stranger).await;
}

#[tokio::test]
async fn a_link_is_followed_once_within_ten_minutes_and_by_a_button_of_ours() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let once = link(&stage.gateway, "entra").await;
    for _ in 0..3 {
        assert_eq!(browser.get(&once).await.status, StatusCode::OK, "looking at it does not use it up");
    }
    let token = once.split("token=").nth(1).unwrap();
    let forged = browser.post("/login/trial", &[("token", token), ("csrf", "AAAA")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(follow(&mut browser, &once).await.status, StatusCode::SEE_OTHER);
    let gone = follow(&mut browser, &once).await;
    assert_eq!(gone.status, StatusCode::FORBIDDEN);
    let late = link(&stage.gateway, "entra").await;
    stage.gateway.advance(Duration::from_secs(600));
    let too_old = follow(&mut browser, &late).await;
    let never = follow(&mut browser, &format!("/login/trial?token={}", "A".repeat(43))).await;
    assert_eq!((too_old.status, &too_old.text), (gone.status, &gone.text), "both look the same");
    assert_eq!((never.status, &never.text), (gone.status, &gone.text), "and so does one that never was");
    let unknown =
        stage.gateway.gateway.login().test_link(&stage.gateway.task(), &"nobody".parse().unwrap(), true).await;
    assert!(unknown.unwrap().is_none());
}

#[tokio::test]
async fn what_a_test_brought_back_opens_no_session_by_any_other_way() {
    let lines = CONNECTOR.replace("domains =", "idp_initiated = true\ndomains =");
    let stage = Stage::with(&lines, &["entra"]).await;
    let mut browser = stage.gateway.visitor();
    let form = begun(&stage, &mut browser, ADA, &["staff"]).await;
    // As a sign-in that the provider began, as one under the handle of another sign-in, and under no connector.
    assert_eq!(send_to("entra", &mut browser, &form[..1]).await.status, StatusCode::FORBIDDEN);
    let ordinary = stage.answer_of("entra", &mut browser, ADA, &["staff"]).await;
    let mixed = vec![form[0].clone(), ordinary[1].clone()];
    assert_eq!(send_to("entra", &mut browser, &mixed).await.status, StatusCode::FORBIDDEN);
    nothing_came_of_it(&stage, &mut browser).await;
    // The answer to a sign-in under the handle of a test is a test that failed.
    let swapped = vec![ordinary[0].clone(), form[1].clone()];
    let shown = send_to("entra", &mut browser, &swapped).await;
    assert!(shown.status == StatusCode::OK && shown.text.contains("would be refused"), "{}", shown.text);
    nothing_came_of_it(&stage, &mut browser).await;
    // After all of that both still are what they were.
    let form = begun(&stage, &mut browser, ADA, &["staff"]).await;
    assert!(send_to("entra", &mut browser, &form).await.text.contains("would work"));
    assert_eq!(send_to("entra", &mut browser, &form).await.status, StatusCode::FORBIDDEN, "used up, and no sign-in");
    nothing_came_of_it(&stage, &mut browser).await;
    let reply = stage.sign_in_by("entra", &mut browser, ADA, &["staff"]).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);
}

#[tokio::test]
async fn sending_the_page_of_a_test_again_signs_nobody_in_whatever_the_provider_may_begin() {
    let lines = CONNECTOR.replace("domains =", "idp_initiated = true\ndomains =");
    let stage = Stage::with(&lines, &["entra"]).await;
    let mut browser = stage.gateway.visitor();
    let start = follow(&mut browser, &link(&stage.gateway, "entra").await).await;
    let form = stage.unasked("entra", &start, ADA);
    let shown = send_to("entra", &mut browser, &form).await;
    assert!(shown.status == StatusCode::OK && shown.text.contains("would be refused"), "{}", shown.text);
    assert_eq!(send_to("entra", &mut browser, &form).await.status, StatusCode::FORBIDDEN);
    nothing_came_of_it(&stage, &mut browser).await;
}

fn detail<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Who may read neither accounts nor roles does not read them by a link, whatever account the answer is of.
#[tokio::test]
async fn a_link_shows_no_more_of_accounts_than_its_maker_may_read() {
    let stage = stage().await;
    stage.gateway.user("ada@example.org", None).await;
    let made = stage.gateway.gateway.login().test_link(&stage.gateway.task(), &"entra".parse().unwrap(), false).await;
    let path = made.unwrap().unwrap().path.expose().to_owned();
    let mut browser = stage.gateway.visitor();
    let start = follow(&mut browser, &path).await;
    let shown = send_to("entra", &mut browser, &stage.answer_to("entra", &start, ADA, &["staff"])).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(shown.text.contains("an account that exists") && shown.text.contains("Not shown"), "{}", shown.text);
    assert!(!shown.text.contains("viewer") && !shown.text.contains("<strong>ada@example.org"), "{}", shown.text);
    nothing_came_of_it(&stage, &mut browser).await;
}

/// The ledger tells who followed a link and from where, and of whom the answer was.
#[tokio::test]
async fn the_ledger_has_who_followed_a_link_and_of_whom_the_answer_was() {
    let stage = stage().await;
    let known = stage.gateway.user("ada@example.org", None).await;
    let mut browser = stage.gateway.visitor();
    let path = link(&stage.gateway, "entra").await;
    let start = follow(&mut browser, &path).await;
    let followed = events(&stage.gateway, EventKind::TestFollowed).await;
    assert_eq!((followed.len(), followed[0].target.as_str()), (1, "connector:entra"));
    assert!(followed[0].address.is_some() && detail(&followed[0], "by").is_some(), "{followed:?}");
    send_to("entra", &mut browser, &stage.answer_to("entra", &start, ADA, &["staff"])).await;
    let ended = events(&stage.gateway, EventKind::TestEnded).await;
    assert_eq!(detail(&ended[0], "asserted"), Some(ADA), "{ended:?}");
    assert_eq!(detail(&ended[0], "standing"), Some("would link"));
    assert_eq!(detail(&ended[0], "user"), Some(known.id.to_string().as_str()));
    // A link that was used is followed by nobody else.
    assert_eq!(follow(&mut browser, &path).await.status, StatusCode::FORBIDDEN);
    assert_eq!(events(&stage.gateway, EventKind::TestFollowed).await.len(), 1);
}

#[tokio::test]
async fn claims_of_an_openid_provider_are_tried_too_and_the_page_speaks_german() {
    let stage = oidc::Stage::new("").await;
    let mut browser = stage.gateway.visitor();
    browser.headers.insert("accept-language", "de".parse().unwrap());
    let path = link(&stage.gateway, "idp").await;
    let start = follow(&mut browser, &path).await;
    let back = stage.answer_to(&start, ADA).await;
    let shown = browser.get(&back).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    for text in
        ["Testanmeldung", "würde gelingen", "der Code wurde gegen ein Token getauscht", "Würde ein neues Konto anlegen"]
    {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN, "once");
    assert_eq!(events(&stage.gateway, EventKind::SessionCreated).await.len(), 0);
}
