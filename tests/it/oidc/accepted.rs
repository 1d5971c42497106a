//! Sign-ins that are right, and what they say about the person.

use std::sync::Arc;

use cleargate::sandbox::openid::{Endpoint, SigningKey};
use cleargate::upstream::RedirectConnector;
use serde_json::{Value, json};

use super::stage::{KEY, Scenery, Spoil, Stage, rule};

#[tokio::test]
async fn a_person_signs_in() {
    let stage = Stage::honest().await;
    let identity = stage.sign_in().await.unwrap();
    assert_eq!(identity.connector(), stage.connector.id());
    assert_eq!(identity.subject(), "248289761001");
    assert_eq!(identity.user_name(), "ada@example.com");
    assert_eq!((identity.email(), identity.email_is_verified()), (Some("ada@example.com"), true));
    assert_eq!(identity.display_name(), Some("Ada Lovelace"));
    assert_eq!(identity.groups(), ["analysts", "ops"]);
    assert_eq!(identity.upstream_session(), Some("sandbox-248289761001"));
    assert_eq!(identity.attributes()["preferred_username"], ["ada@example.com"]);
    assert_eq!(identity.attributes()["groups"], ["analysts", "ops"]);
    for protocol in ["iss", "aud", "nonce", "exp", "at_hash", "sid"] {
        assert!(!identity.attributes().contains_key(protocol), "{protocol}");
    }
    assert!(stage.connector.probe().await.is_ok());
}

#[tokio::test]
async fn tokens_by_elliptic_curve_and_by_pss_are_accepted() {
    for key in [SigningKey::es256("ec").unwrap(), SigningKey::ps256("pss").unwrap()] {
        let name = key.algorithm();
        let stage = Stage::open(Scenery { key: Arc::new(key), ..Scenery::default() }).await;
        assert!(stage.sign_in().await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_token_that_names_no_key_is_tried_with_each() {
    let nameless = Spoil::header(|header| drop(header.remove("kid")));
    let stage = Stage::spoiled(nameless).await;
    stage.provider.rotate(Arc::new(SigningKey::es256("ec").unwrap()));
    stage.provider.rotate(Arc::new(SigningKey::rs256("second").unwrap()));
    assert!(stage.sign_in().await.is_ok());
}

#[tokio::test]
async fn two_keys_of_one_id_are_both_tried() {
    let stage = Stage::honest().await;
    stage.provider.rotate(Arc::new(SigningKey::rs256("first").unwrap()));
    assert!(stage.sign_in().await.is_ok());
}

#[tokio::test]
async fn the_secret_is_posted_when_the_provider_takes_no_header() {
    let spoil = Spoil::document(Endpoint::Discovery, |document| {
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    });
    assert!(Stage::spoiled(spoil).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_public_client_needs_no_secret() {
    assert!(Stage::open(Scenery { secret: None, ..Scenery::default() }).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_wrong_secret_is_declined() {
    let wrong = |settings: &mut cleargate::upstream::oidc::OidcSettings| {
        settings.client_secret = Some(cleargate::secret::Secret::new("wrong".into()));
    };
    let stage = Stage::open(Scenery { settings: Box::new(wrong), ..Scenery::default() }).await;
    let outcome = stage.sign_in().await;
    assert!(matches!(outcome, Err(cleargate::upstream::Error::Declined { .. })), "{outcome:?}");
}

#[tokio::test]
async fn user_info_fills_what_the_token_leaves_open() {
    let spoil = Spoil::claims(|claims| {
        for name in ["groups", "email", "email_verified", "name", "preferred_username"] {
            claims.remove(name);
        }
    });
    let identity = Stage::spoiled(spoil).await.sign_in().await.unwrap();
    assert_eq!(identity.groups(), ["analysts", "ops"]);
    assert_eq!((identity.email(), identity.email_is_verified()), (Some("ada@example.com"), true));
    assert_eq!(identity.display_name(), Some("Ada Lovelace"));
}

#[tokio::test]
async fn user_info_is_not_asked_when_the_token_says_everything() {
    let (spoil, asked) = Spoil::default().counting(Endpoint::UserInfo);
    assert!(Stage::spoiled(spoil).await.sign_in().await.is_ok());
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_login_name_is_a_verified_address_else_a_preferred_name_else_the_subject() {
    let cases: [(Value, Value, Value, &str); 6] = [
        (json!("a@x.example"), json!(true), json!("ada"), "a@x.example"),
        (json!("a@x.example"), json!("true"), json!("ada"), "a@x.example"),
        (json!("a@x.example"), json!(false), json!("ada"), "ada"),
        (json!("no address"), json!(true), json!("ada"), "ada"),
        (json!(""), json!(true), json!("ada"), "ada"),
        (json!("a@x.example"), json!(false), json!(""), "248289761001"),
    ];
    for (email, is_verified, preferred, expected) in cases {
        let spoil = Spoil::claims(move |claims| {
            claims.insert("email".into(), email.clone());
            claims.insert("email_verified".into(), is_verified.clone());
            claims.insert("preferred_username".into(), preferred.clone());
        });
        let identity = Stage::spoiled(spoil).await.sign_in().await.unwrap();
        assert_eq!(identity.user_name(), expected);
    }
}

#[tokio::test]
async fn the_login_name_and_the_groups_come_from_the_claims_that_are_configured() {
    let open = |spoil| {
        let settings = |settings: &mut cleargate::upstream::oidc::OidcSettings| {
            settings.user_name_claim = Some("upn".into());
            settings.groups_claim = "roles".into();
        };
        Stage::open(Scenery { spoil, settings: Box::new(settings), ..Scenery::default() })
    };
    let spoil = Spoil::claims(|claims| {
        claims.insert("upn".into(), json!("ada@corp"));
        claims.insert("roles".into(), json!("one"));
    });
    let identity = open(spoil).await.sign_in().await.unwrap();
    assert_eq!((identity.user_name(), identity.groups()), ("ada@corp", &["one".to_owned()][..]));
    assert_eq!(rule(open(Spoil::default()).await.sign_in().await), "user_name");
}

#[tokio::test]
async fn the_address_and_the_name_to_show_come_from_the_claims_that_are_configured() {
    let settings = |settings: &mut cleargate::upstream::oidc::OidcSettings| {
        settings.email_claim = "mail".into();
        settings.display_name_claim = "nickname".into();
    };
    // What is said to be verified is the address in `email`, and no other.
    for (mail, is_verified, name) in
        [("ada@corp.example", false, "ada@corp.example"), ("ada@example.com", true, "ada@example.com")]
    {
        let spoil = Spoil::claims(move |claims| {
            claims.insert("mail".into(), json!(mail));
            claims.insert("nickname".into(), json!("The Countess"));
            claims.insert("preferred_username".into(), json!(name));
        });
        let scenery = Scenery { spoil, settings: Box::new(settings), ..Scenery::default() };
        let identity = Stage::open(scenery).await.sign_in().await.unwrap();
        assert_eq!((identity.email(), identity.email_is_verified()), (Some(mail), is_verified));
        assert_eq!((identity.user_name(), identity.display_name()), (name, Some("The Countess")));
    }
}

#[tokio::test]
async fn a_group_that_is_named_twice_is_one_group() {
    let spoil = Spoil::claim("groups", json!(["b", "a", "b"]));
    assert_eq!(Stage::spoiled(spoil).await.sign_in().await.unwrap().groups(), ["b", "a"]);
}

#[tokio::test]
async fn many_sign_ins_at_once_share_one_fetch_of_each_document() {
    let (spoil, asked) = Spoil::default().counting(Endpoint::Discovery);
    let stage = Stage::spoiled(spoil).await;
    let outcomes = futures_util::future::join_all((0..10).map(|_| stage.sign_in())).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_that_prints_shows_the_secret() {
    let stage = Stage::honest().await;
    assert!(!format!("{:?}", stage.connector).contains(super::stage::CLIENT_SECRET));
    assert_eq!(KEY.algorithm(), "RS256");
}
