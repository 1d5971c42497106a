//! Pages in the language of who reads them.

use http::{HeaderValue, StatusCode, header};

use crate::support::gateway::{Reply, TestGateway, Visitor};

const PASSWORD: &str = "violet anchor under seven bridges";

fn german(gateway: &TestGateway) -> Visitor {
    let mut visitor = gateway.visitor();
    visitor.headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("fr, de-AT;q=0.9, en;q=0.5"));
    visitor
}

fn language(page: &Reply) -> (&str, bool, bool) {
    let named = page.headers.get(header::CONTENT_LANGUAGE).map_or("", |value| value.to_str().unwrap());
    (named, page.text.contains("<html lang=\"de\">"), page.text.contains("<h1>Anmelden</h1>"))
}

#[tokio::test]
async fn a_page_is_in_the_language_that_the_browser_asks_for() {
    let gateway = TestGateway::new().await;
    assert_eq!(language(&german(&gateway).get("/login").await), ("de", true, true));
    assert_eq!(language(&gateway.visitor().get("/login").await), ("en", false, false));
}

#[tokio::test]
async fn what_somebody_chose_holds_before_what_the_browser_asks_for_and_leads_back_to_the_page() {
    let gateway = TestGateway::new().await;
    let mut visitor = german(&gateway);
    let page = visitor.get("/login?return_to=%2Fconsole").await;
    let link = page.text.split("href=\"").find(|rest| rest.starts_with("/login/language?")).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let reply = visitor.get(&link).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/login?return_to=%2Fconsole"));
    assert_eq!(language(&visitor.get("/login").await), ("en", false, false));
    visitor.get("/login/language?to=de").await;
    assert_eq!(language(&visitor.get("/login").await), ("de", true, true));
    for other in ["/login/language?to=tlh", "/login/language", "/login/language?to=de&to=en"] {
        assert_eq!(visitor.get(other).await.location(), "/", "{other}");
        assert_eq!(visitor.cookies["cleargate-language"], "de", "{other}");
    }
}

#[tokio::test]
async fn the_choice_of_a_language_leads_nowhere_else() {
    let gateway = TestGateway::new().await;
    for place in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("to", "de")
            .append_pair("return_to", place)
            .finish();
        assert_eq!(gateway.visitor().get(&format!("/login/language?{query}")).await.location(), "/", "{place}");
    }
}

#[tokio::test]
async fn failures_and_rules_are_told_in_the_readers_language_too() {
    let gateway = TestGateway::new().await;
    gateway.user("ada@example.org", Some(PASSWORD)).await;
    let mut ada = german(&gateway);
    let failed = ada.sign_in("ada@example.org", "not this one, surely").await;
    assert_eq!(failed.status, StatusCode::UNAUTHORIZED);
    assert!(failed.text.contains("Die Anmeldung hat nicht geklappt."), "{}", failed.text);
    assert_eq!(ada.sign_in("ada@example.org", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let page = ada.get("/account/password").await;
    assert!(page.text.contains("Es muss mindestens 15 Zeichen haben."), "{}", page.text);
    let csrf = page.field("csrf");
    let form = [("old", PASSWORD), ("new", "kurz"), ("again", "kurz"), ("csrf", &csrf)];
    let refused = ada.post("/account/password", &form).await;
    assert!(refused.text.contains("Das Passwort muss mindestens 15 Zeichen haben."), "{}", refused.text);
}
