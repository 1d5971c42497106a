//! The page on which people see where they are signed in, and end it.

use std::time::Duration;

use http::StatusCode;

use crate::support::gateway::{TestGateway, Visitor};

const PASSWORD: &str = "violet anchor under seven bridges";
const PAGE: &str = "/account/sessions";

async fn signed_in(gateway: &TestGateway, name: &str) -> Visitor {
    // Sessions are listed in the order in which they were opened, to the millisecond.
    gateway.advance(Duration::from_secs(1));
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(name, PASSWORD).await.status, StatusCode::SEE_OTHER);
    browser
}

async fn is_signed_in(browser: &mut Visitor) -> bool {
    browser.get("/").await.status == StatusCode::OK
}

/// The ids on the page, in its order.
fn ids(page: &str) -> Vec<String> {
    let marker = "name=\"id\" value=\"";
    page.split(marker).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn people_end_one_of_their_sessions_all_others_and_this_one() {
    let gateway = TestGateway::new().await;
    gateway.user("ada@example.org", Some(PASSWORD)).await;
    gateway.user("grace@example.org", Some(PASSWORD)).await;
    let mut here = signed_in(&gateway, "ada@example.org").await;
    let mut other = signed_in(&gateway, "ada@example.org").await;
    let mut third = signed_in(&gateway, "ada@example.org").await;
    let mut grace = signed_in(&gateway, "grace@example.org").await;
    let page = here.get(PAGE).await;
    assert_eq!(page.text.matches("This browser").count(), 1, "{}", page.text);
    assert!(page.text.contains("From 198.51.100.7, by password"), "{}", page.text);
    let sessions = ids(&page.text);
    assert_eq!(sessions.len(), 3, "grace's is not among them");
    let csrf = page.field("csrf");
    let reply = here.post("/account/sessions/end", &[("csrf", &csrf), ("id", &sessions[1])]).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, PAGE));
    assert!(!is_signed_in(&mut other).await && is_signed_in(&mut third).await && is_signed_in(&mut here).await);
    here.post("/account/sessions/end-others", &[("csrf", &csrf)]).await;
    assert!(!is_signed_in(&mut third).await && is_signed_in(&mut here).await && is_signed_in(&mut grace).await);
    let reply = here.post("/account/sessions/end", &[("csrf", &csrf), ("id", &sessions[0])]).await;
    assert_eq!(reply.location(), "/login");
    assert!(!here.cookies.contains_key("cleargate") && !is_signed_in(&mut here).await);
}

#[tokio::test]
async fn nobody_ends_anothers_session_or_by_a_forged_form() {
    let gateway = TestGateway::new().await;
    gateway.user("ada@example.org", Some(PASSWORD)).await;
    gateway.user("grace@example.org", Some(PASSWORD)).await;
    let mut ada = signed_in(&gateway, "ada@example.org").await;
    let mut again = signed_in(&gateway, "ada@example.org").await;
    let mut grace = signed_in(&gateway, "grace@example.org").await;
    let page = ada.get(PAGE).await;
    let (theirs, csrf) = (ids(&grace.get(PAGE).await.text).remove(0), page.field("csrf"));
    ada.post("/account/sessions/end", &[("csrf", &csrf), ("id", &theirs)]).await;
    assert!(is_signed_in(&mut grace).await);
    let own = ids(&page.text);
    let foreign = grace.get(PAGE).await.field("csrf");
    for csrf in ["", "x", foreign.as_str()] {
        let reply = ada.post("/account/sessions/end-others", &[("csrf", csrf)]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        let reply = ada.post("/account/sessions/end", &[("csrf", csrf), ("id", &own[1])]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
    }
    ada.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let reply = ada.post("/account/sessions/end-others", &[("csrf", &csrf)]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(is_signed_in(&mut again).await);
    let mut nobody = gateway.visitor();
    assert_eq!(nobody.get(PAGE).await.location(), "/login?return_to=%2Faccount%2Fsessions");
    let reply = nobody.post("/account/sessions/end-others", &[("csrf", &csrf)]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert!(is_signed_in(&mut again).await);
}
