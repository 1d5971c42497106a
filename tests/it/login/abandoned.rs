//! Answers whose sender does not wait: what is refused is recorded and used up all the same, whatever refuses it.

use std::time::Duration;

use axum::body::Body;
use cleargate::audit::{Event, EventKind};
use cleargate::http::{ClientAddress, RequestId};
use cleargate::store;
use futures_util::FutureExt;
use http::{Method, Request, StatusCode, header};
use tower::ServiceExt;

use super::provider::{Stage, send_to};

const CONNECTOR: &str = r#"
policy.pack = "clearpoint-systems"
[[saml]]
id = "entra"
metadata = { file = "entra.xml" }
domains = ["example.org"]
idp_initiated = true
"#;
const ADA: &str = "ada@example.org";

async fn refusals(stage: &Stage) -> Vec<Event> {
    let rows = stage.gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == EventKind::AssertionRefused).collect()
}

#[tokio::test]
async fn a_refusal_is_recorded_though_the_sender_has_hung_up() {
    let stage = Stage::with(CONNECTOR, &["entra"]).await;
    let mut browser = stage.gateway.visitor();
    let mut form = stage.answer_of("entra", &mut browser, ADA, &[]).await;
    let good = form.clone();
    form[0].1.insert_str(40, "AAAA");
    let line: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/saml/entra/acs")
        .header(header::COOKIE, line.join("; "))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    request.extensions_mut().insert(ClientAddress(browser.address));
    request.extensions_mut().insert(RequestId("test-request".to_owned()));
    let answer = stage.gateway.gateway.public_router().oneshot(request);
    assert!(answer.now_or_never().is_none(), "it waits for the ledger, and nobody waits for it");
    let tasks = stage.gateway.gateway.tasks();
    tasks.stop();
    tasks.join(Duration::from_secs(10)).await;
    assert_eq!(refusals(&stage).await.len(), 1);
    let reply = send_to("entra", &mut browser, &good).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "the ticket is used up");
}

#[tokio::test]
async fn what_was_refused_once_is_good_for_nothing_later() {
    let stage = Stage::with(CONNECTOR, &["entra"]).await;
    let ada = stage.gateway.user(ADA, None).await;
    let directory = stage.gateway.gateway.directory();
    directory.set_active(&stage.gateway.task(), ada.id, false).await.unwrap();
    let mut browser = stage.gateway.visitor();
    let start = browser.get("/login/entra?return_to=/").await;
    let form = stage.unasked("entra", &start, ADA);
    assert_eq!(send_to("entra", &mut browser, &form[..1]).await.status, StatusCode::FORBIDDEN);
    directory.set_active(&stage.gateway.task(), ada.id, true).await.unwrap();
    assert_eq!(send_to("entra", &mut browser, &form[..1]).await.status, StatusCode::FORBIDDEN);
    let rule = |event: &Event| event.details.iter().find(|(name, _)| name == "rule").unwrap().1.clone();
    let rules: Vec<String> = refusals(&stage).await.iter().map(rule).collect();
    assert_eq!(rules, ["inactive", "replay"]);
    let fresh = stage.unasked("entra", &start, ADA);
    assert_eq!(send_to("entra", &mut browser, &fresh[..1]).await.status, StatusCode::SEE_OTHER);
}
