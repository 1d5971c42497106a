//! Groups that are too many for a token: refused, or asked for where the administrator says.

use axum::Router;
use axum::routing::post;
use cleargate::upstream::oidc::OidcSettings;
use cleargate::upstream::{AssertedIdentity, Error};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::stage::{Scenery, Spoil, Stage, accept, rule, unavailable};

/// The ID token of somebody whose groups are elsewhere; UserInfo does not know them either.
fn overage() -> Spoil {
    use cleargate::sandbox::openid::Endpoint;
    Spoil::document(Endpoint::UserInfo, |document| drop(document.as_object_mut().unwrap().remove("groups"))).and_claims(
        |claims| {
            claims.remove("groups");
            claims.insert("_claim_names".into(), json!({"groups": "src1"}));
            // An address in a token is nobody's that we know.
            claims.insert("_claim_sources".into(), json!({"src1": {"endpoint": "http://127.0.0.1:1/steal"}}));
        },
    )
}

/// Signs in where groups are asked for at an address that answers so.
async fn sign_in(spoil: Spoil, status: u16, answer: Value) -> Result<AssertedIdentity, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Url = format!("http://{}/me/groups", listener.local_addr().unwrap()).parse().unwrap();
    let handler = move |headers: HeaderMap, body: String| async move {
        let is_bearer = headers["authorization"].to_str().unwrap().starts_with("Bearer ");
        let question: Value = serde_json::from_str(&body).unwrap();
        assert!(
            is_bearer
                && question == json!({"securityEnabledOnly": false})
                && headers["content-type"] == "application/json"
        );
        let kind = [("content-type", "application/json")];
        (StatusCode::from_u16(status).unwrap(), kind, answer.to_string())
    };
    let mut server = JoinSet::new();
    server.spawn(accept(listener, Router::new().route("/me/groups", post(handler))));
    let settings = Box::new(move |settings: &mut OidcSettings| settings.groups_endpoint = Some(address.clone()));
    Stage::open(Scenery { spoil, settings, ..Scenery::default() }).await.sign_in().await
}

#[tokio::test]
async fn groups_that_are_elsewhere_are_refused_unless_there_is_an_address_for_them() {
    assert_eq!(rule(Stage::spoiled(overage()).await.sign_in().await), "groups");
    let identity = sign_in(overage(), 200, json!({"value": ["a", "b", "a"]})).await.unwrap();
    assert_eq!(identity.groups(), ["a", "b"]);
    let none = sign_in(overage(), 200, json!({"value": []})).await.unwrap();
    assert_eq!(none.groups(), [] as [&str; 0]);
}

#[tokio::test]
async fn who_is_said_to_have_groups_has_them_or_does_not_sign_in() {
    let said = || {
        overage().and_claims(|claims| {
            claims.remove("groups");
            claims.insert("hasgroups".into(), json!(true));
        })
    };
    assert_eq!(rule(Stage::spoiled(said()).await.sign_in().await), "groups");
    assert_eq!(sign_in(said(), 200, json!({"value": ["a"]})).await.unwrap().groups(), ["a"]);
}

#[tokio::test]
async fn groups_in_the_token_are_not_asked_for() {
    let identity = sign_in(Spoil::default(), 500, json!({})).await.unwrap();
    assert_eq!(identity.groups(), ["analysts", "ops"]);
}

#[tokio::test]
async fn half_an_answer_is_none() {
    for answer in [
        json!({}),
        json!({"value": null}),
        json!({"value": "a"}),
        json!({"value": ["a", 1]}),
        json!({"value": [{"id": "a"}]}),
        json!({"value": ["a"], "@odata.nextLink": "https://evil.example/"}),
        json!(["a"]),
    ] {
        assert_eq!(rule(sign_in(overage(), 200, answer.clone()).await), "groups", "{answer}");
    }
    for status in [403, 500] {
        assert!(unavailable(sign_in(overage(), status, json!({"value": ["a"]})).await).contains("groups"));
    }
    let much = json!({"value": vec!["x".repeat(1024); 1100]});
    assert!(unavailable(sign_in(overage(), 200, much).await).contains("groups"));
}
