//! Providers of many organisations: the tenants of Entra ID behind one issuer, and Google's hosted domain.

use std::sync::OnceLock;

use cleargate::sandbox::openid::Endpoint;
use cleargate::upstream::{AssertedIdentity, Error, RedirectConnector};
use serde_json::{Value, json};

use super::stage::{Scenery, Spoil, Stage, rule};

const OURS: &str = "11111111-2222-3333-4444-555555555555";
const THEIRS: &str = "99999999-2222-3333-4444-555555555555";

/// How a sign-in at a provider of many tenants differs from a good one.
struct Case {
    /// What follows the provider's address in `iss`.
    issuer: String,
    tid: Option<&'static str>,
    /// The `issuer` of its key, or what follows the provider's address in it.
    key: Option<&'static str>,
}

impl Default for Case {
    fn default() -> Self {
        Self { issuer: format!("/{OURS}/v2.0"), tid: Some(OURS), key: None }
    }
}

async fn sign_in(case: Case) -> Result<AssertedIdentity, Error> {
    let Case { issuer, tid, key } = case;
    let known = OnceLock::new();
    let spoil = Spoil::documents(move |endpoint, document| {
        if endpoint == Endpoint::Discovery {
            let base = document["issuer"].as_str().unwrap().to_owned();
            known.get_or_init(|| base.clone());
            document["issuer"] = json!(format!("{base}/{{tenantid}}/v2.0"));
            document["authorization_response_iss_parameter_supported"] = json!(false);
        } else if let Some(key) = key {
            let base = if key.starts_with('/') { known.get().unwrap() } else { "" };
            document["keys"][0]["issuer"] = json!(format!("{base}{key}"));
        }
    })
    .and_claims(move |claims| {
        let base = claims["iss"].as_str().unwrap().to_owned();
        let whole = if issuer.starts_with('/') { format!("{base}{issuer}") } else { issuer.clone() };
        claims.insert("iss".into(), json!(whole));
        tid.map(|tid| claims.insert("tid".into(), json!(tid)));
    });
    let settings = Box::new(|settings: &mut cleargate::upstream::oidc::OidcSettings| {
        settings.issuer = format!("{}/organizations/v2.0", settings.issuer);
        settings.tenants = vec![OURS.to_owned()];
    });
    let stage = Stage::open(Scenery { spoil, settings, ..Scenery::default() }).await;
    stage.sign_in_with(|answer| answer.fields.retain(|(name, _)| name != "iss")).await
}

#[tokio::test]
async fn people_of_an_allowed_tenant_come_in_under_a_name_that_is_theirs_alone() {
    for key in [None, Some("/{tenantid}/v2.0"), Some("/11111111-2222-3333-4444-555555555555/v2.0")] {
        let identity = sign_in(Case { key, ..Case::default() }).await.unwrap();
        assert_eq!(identity.subject(), format!("{OURS}/248289761001"));
        assert_eq!(identity.at_upstream().unwrap().subject, identity.subject());
    }
}

#[tokio::test]
async fn other_tenants_and_issuers_are_refused() {
    let issuer = |issuer: &str| Case { issuer: issuer.to_owned(), ..Case::default() };
    for (case, expected) in [
        (Case { issuer: format!("/{THEIRS}/v2.0"), tid: Some(THEIRS), ..Case::default() }, "tenant"),
        (Case { issuer: format!("/{THEIRS}/v2.0"), ..Case::default() }, "tenant"),
        (Case { tid: Some(THEIRS), ..Case::default() }, "tenant"),
        (Case { tid: None, ..Case::default() }, "tenant"),
        (issuer("/organizations/v2.0"), "tenant"),
        (issuer("/{tenantid}/v2.0"), "issuer"),
        (issuer("/"), "issuer"),
        (issuer(&format!("/{OURS}/v2.0/")), "issuer"),
        (issuer(&format!("/{OURS}/x/v2.0")), "issuer"),
        (issuer(&format!("https://evil.example/{OURS}/v2.0")), "issuer"),
    ] {
        let told = format!("{} {:?}", case.issuer, case.tid);
        assert_eq!(rule(sign_in(case).await), expected, "{told}");
    }
}

#[tokio::test]
async fn a_key_signs_for_the_issuer_that_it_names() {
    for key in ["https://evil.example/{tenantid}/v2.0", "/99999999-2222-3333-4444-555555555555/v2.0", "/{tenantid}"] {
        assert_eq!(rule(sign_in(Case { key: Some(key), ..Case::default() }).await), "key", "{key}");
    }
    // The same holds where there is one tenant only.
    let spoil = Spoil::document(Endpoint::Keys, |document| {
        document["keys"][0]["issuer"] = json!("https://evil.example");
    });
    assert_eq!(rule(Stage::spoiled(spoil).await.sign_in().await), "key");
}

#[tokio::test]
async fn a_template_needs_tenants_and_tenants_need_a_template() {
    let template = |document: &mut Value| {
        let base = document["issuer"].as_str().unwrap().to_owned();
        document["issuer"] = json!(format!("{base}/{{tenantid}}"));
    };
    let stage = Stage::spoiled(Spoil::document(Endpoint::Discovery, template)).await;
    assert_eq!(rule(stage.sign_in().await), "issuer");
    let settings = Box::new(|settings: &mut cleargate::upstream::oidc::OidcSettings| {
        settings.tenants = vec![OURS.to_owned()];
    });
    let stage = Stage::open(Scenery { settings, ..Scenery::default() }).await;
    assert_eq!(rule(stage.sign_in().await), "issuer");
}

async fn hosted(spoil: Spoil) -> Result<AssertedIdentity, Error> {
    let settings = Box::new(|settings: &mut cleargate::upstream::oidc::OidcSettings| {
        settings.hosted_domain = Some("example.com".to_owned());
    });
    let stage = Stage::open(Scenery { spoil, settings, ..Scenery::default() }).await;
    let start = stage.connector.start().await.unwrap();
    assert!(start.location.contains("hd=example.com"), "{}", start.location);
    stage.sign_in().await
}

#[tokio::test]
async fn only_people_of_the_hosted_domain_come_in() {
    assert!(hosted(Spoil::claim("hd", json!("Example.com"))).await.is_ok());
    for other in [json!("evil.example"), json!("example.com.evil.example"), json!(["example.com"]), json!(true)] {
        assert_eq!(rule(hosted(Spoil::claim("hd", other)).await), "hosted_domain");
    }
    // An address in the domain is not membership of it, and what nobody signed does not count.
    assert_eq!(rule(hosted(Spoil::default()).await), "hosted_domain");
    let told = Spoil::document(Endpoint::UserInfo, |document| document["hd"] = json!("example.com"))
        .and_claims(|claims| drop(claims.remove("email")));
    assert_eq!(rule(hosted(told).await), "hosted_domain");
}
