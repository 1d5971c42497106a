//! Forms larger than any message: refused as everything else is, and not read on.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use http::Method;

use super::*;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
/// What a form may have.
const MOST: usize = 512 * 1024;
const PIECE: usize = 4096;

/// A form without an end whose length nobody tells, and how many pieces of it were asked for.
fn endless() -> (Body, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let pieces = futures_util::stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(Bytes::from_static(&[b'a'; PIECE]))
    });
    (Body::from_stream(pieces), asked)
}

/// A form of so many bytes with these fields at its beginning.
fn form_of(bytes: usize, fields: &[(&str, &str)]) -> String {
    let mut form =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).append_pair("more", "").finish();
    form.push_str(&"a".repeat(bytes - form.len()));
    form
}

fn page_of(reply: &Reply) -> (StatusCode, String, String) {
    (reply.status, reply.text.clone(), format!("{:?}", reply.headers))
}

#[tokio::test]
async fn an_answer_in_a_form_that_is_too_large_ends_on_the_page_of_every_refusal() {
    let stage = Stage::new("").await;
    let mut browser = stage.gateway.visitor();
    let [response, handle] = stage.answer(&mut browser, &stage.idp, ADA).await;
    let field = BASE64_STANDARD.encode(&response);
    let fields = [("SAMLResponse", field.as_str()), ("RelayState", handle.as_str())];
    let forged = post(&mut stage.gateway.visitor(), &response.replace(ADA, "eve@example.org"), "x").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let (body, asked) = endless();
    let told = browser.send(Method::POST, "/saml/corp/acs", FORM, Body::from(form_of(MOST + 1, &fields))).await;
    let untold = browser.send(Method::POST, "/saml/corp/acs", FORM, body).await;
    for (number, reply) in [told, untold].iter().enumerate() {
        assert_eq!(page_of(reply), page_of(&forged), "{number}");
        assert!(reply.text.contains("<html"), "{}", reply.text);
    }
    assert!(asked.load(Ordering::SeqCst) <= MOST / PIECE + 2, "it is not read on");
    let refusals = stage.events(EventKind::AssertionRefused).await;
    assert_eq!(refusals.len(), 3);
    for refusal in &refusals[1..] {
        let detail =
            |name: &str| refusal.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((detail("rule"), detail("connector")), (Some("size"), Some("corp")), "{refusal:?}");
        assert!(detail("reason").is_some_and(|reason| reason.contains("524288")), "{refusal:?}");
    }
    // Nothing in them was looked at, the ticket neither, and the largest that may be is.
    let whole = Body::from(form_of(MOST, &fields));
    assert_eq!(browser.send(Method::POST, "/saml/corp/acs", FORM, whole).await.location(), "/");
    assert!(is_in(&mut browser).await);
    let (body, _) = endless();
    let nobody = browser.send(Method::POST, "/saml/nobody/acs", FORM, body).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_logout_in_a_form_that_is_too_large_is_refused_as_any_other_and_ends_nothing() {
    let stage = Stage::new(OWN).await;
    let (mut browser, index) = stage.signed_in(ADA).await;
    let request = stage.logout("_one", ADA, &[&index], START);
    let field = BASE64_STANDARD.encode(&request);
    let forged = stage.send_logout(&request.replace(ADA, "eve@example.org")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let (body, asked) = endless();
    let mut visitor = stage.gateway.visitor();
    let told = Body::from(form_of(MOST + 1, &[("SAMLRequest", &field)]));
    let told = visitor.send(Method::POST, "/saml/corp/slo", FORM, told).await;
    let untold = visitor.send(Method::POST, "/saml/corp/slo", FORM, body).await;
    for (number, reply) in [told, untold].iter().enumerate() {
        assert_eq!(page_of(reply), page_of(&forged), "{number}");
    }
    assert!(asked.load(Ordering::SeqCst) <= MOST / PIECE + 2, "it is not read on");
    assert_eq!(stage.events(EventKind::LogoutRefused).await.len(), 3);
    assert_eq!(stage.rule(EventKind::LogoutRefused).await, "size");
    assert!(is_in(&mut browser).await);
    assert!(stage.send_logout(&request).await.status != StatusCode::FORBIDDEN && !is_in(&mut browser).await);
}
