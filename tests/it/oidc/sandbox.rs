//! The sandbox provider itself: what people see, and what it does not let through.

use cleargate::http::outbound::{Outbound, Provenance, Response};
use cleargate::upstream::RedirectConnector;
use http::HeaderMap;
use url::Url;

use super::stage::{CLIENT_ID, CLIENT_SECRET, Scenery, Stage};

async fn get(browser: &Outbound, url: &Url) -> Response {
    browser.get(url, &Provenance::Administrator, "text/html").await.unwrap()
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

/// The address of a fresh sign-in, with one field changed; `None` removes it.
async fn location(stage: &Stage, name: &str, value: Option<&str>) -> Url {
    let url: Url = stage.connector.start().await.unwrap().location.parse().unwrap();
    let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(n, _)| n != name).collect();
    let mut changed = url;
    changed.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(value.map(|value| (name, value)));
    changed
}

#[tokio::test]
async fn the_page_says_what_it_is_and_lists_the_people() {
    let stage = Stage::honest().await;
    let url: Url = stage.connector.start().await.unwrap().location.parse().unwrap();
    let page = get(&stage.browser, &url).await;
    assert_eq!(page.status, 200);
    let html = text(&page);
    assert!(html.contains("SANDBOX") && html.contains("Ada Lovelace") && html.contains("ada@example.com"), "{html}");
    assert!(html.contains("Bob &lt;b&gt;&quot;&amp;") && !html.contains("<b>"), "{html}");
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
}

#[tokio::test]
async fn a_link_of_the_page_signs_in() {
    let stage = Stage::honest().await;
    let start = stage.connector.start().await.unwrap();
    let url: Url = start.location.parse().unwrap();
    let html = text(&get(&stage.browser, &url).await);
    let link = html.split("href=\"").nth(2).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let back = get(&stage.browser, &url.join(&link).unwrap()).await;
    let back: Url = back.headers["location"].to_str().unwrap().parse().unwrap();
    let answer = cleargate::upstream::Answer { fields: back.query_pairs().into_owned().collect() };
    assert_eq!(stage.connector.finish(&start.pending, &answer).await.unwrap().subject(), "7");
}

#[tokio::test]
async fn strangers_are_not_sent_anywhere() {
    let stage = Stage::honest().await;
    for (name, value) in [
        ("redirect_uri", Some("https://evil.example/oidc/idp/callback")),
        ("redirect_uri", Some("https://sso.example/oidc/idp/callback/../x")),
        ("redirect_uri", None),
        ("client_id", Some("somebody-else")),
        ("client_id", None),
    ] {
        let answer = get(&stage.browser, &location(&stage, name, value).await).await;
        assert_eq!(answer.status, 400, "{name} {value:?}");
        assert!(!answer.headers.contains_key("location"));
    }
}

#[tokio::test]
async fn a_request_without_pkce_or_openid_comes_back_as_an_error() {
    let stage = Stage::honest().await;
    for (name, value) in [
        ("code_challenge", None),
        ("code_challenge_method", Some("plain")),
        ("response_type", Some("token")),
        ("scope", Some("profile")),
    ] {
        let answer = get(&stage.browser, &location(&stage, name, value).await).await;
        let back = answer.headers["location"].to_str().unwrap();
        assert!(back.contains("error=invalid_request") && !back.contains("code="), "{name}: {back}");
    }
}

/// Asks the token endpoint directly.
async fn redeem(stage: &Stage, change: impl Fn(&mut Vec<(&'static str, String)>)) -> u16 {
    // The verifier of this test, and its challenge (RFC 7636 appendix B).
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let mut url = location(stage, "code_challenge", Some(challenge)).await;
    url.query_pairs_mut().append_pair("login_hint", "7");
    let back = get(&stage.browser, &url).await;
    let back: Url = back.headers["location"].to_str().unwrap().parse().unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let mut form = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code),
        ("redirect_uri", "https://sso.example/oidc/idp/callback".to_owned()),
        ("code_verifier", verifier.to_owned()),
        ("client_id", CLIENT_ID.to_owned()),
        ("client_secret", CLIENT_SECRET.to_owned()),
    ];
    change(&mut form);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let token = url.join("/token").unwrap();
    let sent = stage.browser.post_form(&token, &Provenance::Administrator, HeaderMap::new(), body.into()).await;
    sent.unwrap().status.as_u16()
}

fn set(form: &mut Vec<(&'static str, String)>, name: &'static str, value: &str) {
    form.retain(|(n, _)| *n != name);
    form.push((name, value.to_owned()));
}

#[tokio::test]
async fn a_code_is_bound_to_client_redirect_address_and_challenge() {
    let stage = Stage::honest().await;
    assert_eq!(redeem(&stage, |_| ()).await, 200);
    for (name, value, status) in [
        ("code_verifier", "another-verifier-another-verifier-another-verifier", 400),
        ("code_verifier", "", 400),
        ("redirect_uri", "https://sso.example/", 400),
        ("grant_type", "password", 400),
        ("client_secret", "wrong", 401),
        ("client_secret", "", 401),
        ("client_id", "somebody-else", 401),
    ] {
        assert_eq!(redeem(&stage, |form| set(form, name, value)).await, status, "{name}={value}");
    }
    let public = Stage::open(Scenery { secret: None, ..Scenery::default() }).await;
    assert_eq!(redeem(&public, |form| form.retain(|(name, _)| *name != "client_secret")).await, 200);
    assert_eq!(redeem(&public, |_| ()).await, 401, "a secret that is not known is no way in");
}

#[tokio::test]
async fn a_code_is_not_good_for_ever() {
    let stage = Stage::honest().await;
    let start = stage.connector.start().await.unwrap();
    let answer = stage.visit(&start).await;
    stage.clock.advance(std::time::Duration::from_secs(60));
    assert!(stage.connector.finish(&start.pending, &answer).await.is_err());
}
