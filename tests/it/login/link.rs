use std::time::Duration;

use http::StatusCode;

use crate::support::gateway::TestGateway;

async fn link(gateway: &TestGateway) -> String {
    let user = gateway.user("root@example.org", None).await;
    gateway.gateway.login().one_time_link(&gateway.task(), &user).await.unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_link_signs_in_once_and_only_by_its_button() {
    let gateway = TestGateway::new().await;
    let link = link(&gateway).await;
    let mut browser = gateway.visitor();
    let page = browser.get(&link).await;
    assert_eq!(browser.get("/").await.location(), "/login", "looking at the page must not sign in");
    let (token, csrf) = (page.field("token"), page.field("csrf"));
    let fields = [("token", token.as_str()), ("csrf", csrf.as_str())];
    assert_eq!(browser.post("/login/link", &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let mut again = gateway.visitor();
    let csrf = again.get(&link).await.field("csrf");
    let reply = again.post("/login/link", &[("token", &token), ("csrf", &csrf)]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_link_ends_after_fifteen_minutes_and_a_wrong_one_is_nothing() {
    let gateway = TestGateway::new().await;
    let link = link(&gateway).await;
    gateway.advance(Duration::from_secs(15 * 60));
    for path in [link, format!("/login/link?token={}", "c".repeat(43)), "/login/link?token=short".to_owned()] {
        let mut browser = gateway.visitor();
        let page = browser.get(&path).await;
        let fields = [("token", page.field("token")), ("csrf", page.field("csrf"))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(browser.post("/login/link", &fields).await.status, StatusCode::FORBIDDEN);
        assert_eq!(browser.get("/").await.location(), "/login");
    }
}
