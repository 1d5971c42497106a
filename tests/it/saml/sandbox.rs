//! The sandbox provider's pages, through to an accepted identity.

use axum::body::Body;
use axum::http::{Request as HttpRequest, Response, StatusCode, header};
use cleargate::sandbox::saml::router;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn ask(request: HttpRequest<Body>) -> (StatusCode, String) {
    let response: Response<Body> = router(RSA.clone()).oneshot(request).await.expect("infallible");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn get(path: &str) -> HttpRequest<Body> {
    HttpRequest::get(path).body(Body::empty()).expect("a request")
}

fn post(fields: &[(&str, &str)]) -> HttpRequest<Body> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    HttpRequest::post("/sso")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .expect("a request")
}

fn local() -> Stage {
    let mut settings = settings(&RSA.metadata());
    settings.public_url = "http://127.0.0.1:4000".to_owned();
    Stage::with(RSA.clone(), settings)
}

fn value(page: &str, name: &str) -> String {
    let input = part(page, &format!("name=\"{name}\" value=\""), "\">");
    input[input.find("value=\"").expect("it") + 7..input.len() - 2].to_owned()
}

fn query(location: &str) -> &str {
    location.split_once('?').expect("a query").1
}

#[tokio::test]
async fn somebody_picks_a_person_and_is_signed_in() {
    let stage = local();
    let start = stage.connector.start().await.expect("a start");
    let (status, page) = ask(get(&format!("/sso?{}", query(&start.location)))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("Sandbox") && page.contains("Ada Lovelace") && page.contains("127.0.0.1:4000"));
    let fields = [
        ("SAMLRequest", value(&page, "SAMLRequest")),
        ("RelayState", value(&page, "RelayState")),
        ("person", "ada@example.org".to_owned()),
    ];
    let (status, page) = ask(post(&fields.each_ref().map(|(name, value)| (*name, value.as_str())))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("action=\"http://127.0.0.1:4000/saml/corp/acs\""));
    assert_eq!(value(&page, "RelayState"), start.handle);
    let answer = Answer { fields: vec![("SAMLResponse".to_owned(), value(&page, "SAMLResponse"))] };
    let identity = stage.connector.finish(&start.pending, &answer).await.expect("accepted");
    assert_eq!(identity.subject(), "ada@example.org");
}

#[tokio::test]
async fn services_elsewhere_strangers_and_junk_get_no_answer() {
    let elsewhere = Stage::new(RSA.clone());
    let start = elsewhere.connector.start().await.expect("a start");
    let (status, page) = ask(get(&format!("/sso?{}", query(&start.location)))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("this machine only"));

    let start = local().connector.start().await.expect("a start");
    let parameter = form_urlencoded::parse(query(&start.location).as_bytes()).next().expect("a request").1.into_owned();
    let (status, _) = ask(post(&[("SAMLRequest", &parameter), ("person", "root@example.org")])).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for junk in ["", "!", "AAAA", "PHg+"] {
        let (status, _) = ask(post(&[("SAMLRequest", junk), ("person", "ada@example.org")])).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{junk}");
    }
}

#[tokio::test]
async fn what_it_shows_of_a_request_is_escaped() {
    let stage = local();
    let start = stage.connector.start().await.expect("a start");
    let (_, page) =
        ask(get(&format!("/sso?{}", swap(query(&start.location), "RelayState=", "RelayState=%22%3E%3Cscript%3E"))))
            .await;
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"));
}

#[tokio::test]
async fn its_metadata_is_served() {
    let (status, document) = ask(get("/metadata")).await;
    assert_eq!((status, document), (StatusCode::OK, RSA.metadata()));
}
