//! The level of access on the pages of the gateway itself.

use cleargate::access::NewGrant;
use cleargate::model::Subject;
use http::StatusCode;

use crate::support::gateway::TestGateway;

const PASSWORD: &str = "violet anchor under seven bridges";
/// Every page of somebody who is signed in.
const PAGES: [&str; 6] =
    ["/", "/account/devices", "/account/factors", "/account/password", "/account/sessions", "/logout"];

async fn user(gateway: &TestGateway, name: &str, roles: &[&str]) {
    let user = gateway.user(name, Some(PASSWORD)).await;
    let access = gateway.gateway.access();
    for role in roles {
        let grant = NewGrant::new(Subject::User(user.id), role.parse().unwrap());
        access.grants().create(&gateway.task(), &access.roles(), grant).await.unwrap();
    }
}

#[tokio::test]
async fn every_page_of_who_is_signed_in_shows_the_level_of_access_and_no_other_page_does() {
    let gateway = TestGateway::new().await;
    for (role, badge) in [
        ("browser", "Browser"),
        ("updater", "Updater"),
        ("editor", "Editor"),
        ("administrator", "Administrator"),
        ("by_scorecard", "By Scorecard"),
        ("by_group", "Group Access"),
    ] {
        user(&gateway, role, &[role]).await;
        let mut browser = gateway.visitor();
        assert_eq!(browser.sign_in(role, PASSWORD).await.status, StatusCode::SEE_OTHER);
        for page in PAGES {
            let reply = browser.get(page).await;
            assert_eq!(reply.status, StatusCode::OK, "{page}");
            // Below the page itself, where a screen reader finds it as what it is.
            let footer = format!("</main><footer class=\"level\">Level of access: <strong>{badge}</strong></footer>");
            assert!(reply.text.contains(&footer), "{role} at {page}: {}", reply.text);
        }
        browser.cookies.insert("cleargate-language".to_owned(), "de".to_owned());
        assert!(browser.get("/").await.text.contains(&format!("Zugriffsstufe: <strong>{badge}</strong>")));
        let csrf = browser.get("/logout").await.field("csrf");
        let out = browser.post("/logout", &[("csrf", &csrf)]).await;
        for page in [out, browser.get("/login").await, gateway.visitor().get("/login").await] {
            assert!(!page.text.contains("<footer"), "{}", page.text);
        }
    }
    // Below everything else, at the left: the grid's rows fill the page, and it stands at the start of its own.
    let style = gateway.visitor().get("/login/style.css").await.text;
    let rule = style.lines().find(|line| line.starts_with(".level ")).unwrap();
    assert!(rule.contains("justify-self: start") && style.contains("grid-template-rows: 1fr"), "{rule}");
    user(&gateway, "nothing", &[]).await;
    let mut browser = gateway.visitor();
    browser.sign_in("nothing", PASSWORD).await;
    for page in PAGES {
        assert!(!browser.get(page).await.text.contains("<footer"), "{page}");
    }
}
