//! That people signed in anew, not long ago, or in a way that was demanded: asked for, and looked for in the token.

use std::time::Duration;

use cleargate::upstream::oidc::{Demands, OidcSettings, Prompt};
use cleargate::upstream::{RedirectConnector, Verdict};
use serde_json::{Value, json};
use url::Url;

use super::stage::{NOW, Scenery, Spoil, Stage, rule};
use cleargate::sandbox::openid::Endpoint;

async fn demanding(demands: Demands, spoil: Spoil) -> Stage {
    let settings = Box::new(move |settings: &mut OidcSettings| settings.demands = demands.clone());
    Stage::open(Scenery { spoil, settings, ..Scenery::default() }).await
}

fn anew() -> Demands {
    Demands { is_anew: true, ..Demands::default() }
}

fn within(seconds: u64) -> Demands {
    Demands { max_age: Some(Duration::from_secs(seconds)), ..Demands::default() }
}

fn by(contexts: &[&str]) -> Demands {
    Demands { contexts: contexts.iter().map(|context| (*context).to_owned()).collect(), ..Demands::default() }
}

/// The parameters of a request that tell what is demanded.
async fn asked(demands: Demands) -> Vec<(String, String)> {
    let stage = demanding(demands, Spoil::default()).await;
    let location: Url = stage.connector.start().await.unwrap().location.parse().unwrap();
    let told = ["max_age", "acr_values", "prompt"];
    location.query_pairs().into_owned().filter(|(name, _)| told.contains(&name.as_str())).collect()
}

#[tokio::test]
async fn the_request_asks_for_what_is_demanded_and_for_nothing_else() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(asked(Demands::default()).await, []);
    assert_eq!(asked(anew()).await, pairs(&[("max_age", "0"), ("prompt", "login")]));
    assert_eq!(asked(within(3600)).await, pairs(&[("max_age", "3600")]));
    assert_eq!(asked(by(&["phr", "urn:mfa"])).await, pairs(&[("acr_values", "phr urn:mfa")]));
    let prompt = |prompt, is_anew| Demands { prompt: Some(prompt), is_anew, ..Demands::default() };
    assert_eq!(asked(prompt(Prompt::Login, false)).await, pairs(&[("prompt", "login")]));
    assert_eq!(asked(prompt(Prompt::Consent, false)).await, pairs(&[("prompt", "consent")]));
    let both = pairs(&[("max_age", "0"), ("prompt", "login select_account")]);
    assert_eq!(asked(prompt(Prompt::SelectAccount, true)).await, both);
}

#[tokio::test]
async fn a_provider_that_does_what_is_demanded_is_believed() {
    for demands in [anew(), within(60), by(&["phr", "other"])] {
        let stage = demanding(demands.clone(), Spoil::default()).await;
        let identity = stage.sign_in().await.unwrap_or_else(|error| panic!("{demands:?}: {error}"));
        assert!(!identity.attributes().contains_key("auth_time"), "it is of the protocol, not of the person");
    }
    let second = demanding(by(&["phr", "other"]), Spoil::claim("acr", json!("other"))).await;
    assert!(second.sign_in().await.is_ok(), "any of them will do");
}

/// The clocks may differ by a minute, and no more.
#[tokio::test]
async fn an_older_sign_in_at_the_provider_is_refused() {
    for (demands, signed_in, expected) in [
        (anew(), NOW - 60, None),
        (anew(), NOW - 61, Some("authentication")),
        (within(600), NOW - 660, None),
        (within(600), NOW - 661, Some("authentication")),
        (within(600), NOW + 60, None),
        (within(600), NOW + 61, Some("authentication")),
        (Demands::default(), 0, None),
        (Demands::default(), NOW + 61, Some("authentication")),
    ] {
        let stage = demanding(demands.clone(), Spoil::claim("auth_time", json!(signed_in))).await;
        let outcome = stage.sign_in().await;
        match expected {
            None => assert!(outcome.is_ok(), "{demands:?}, {}: {outcome:?}", signed_in - NOW),
            Some(expected) => assert_eq!(rule(outcome), expected, "{demands:?}, {}", signed_in - NOW),
        }
    }
}

/// Whoever reads what they are asked to agree to may take their time.
#[tokio::test]
async fn ages_are_counted_from_the_beginning_of_the_sign_in() {
    let stage = demanding(within(60), Spoil::claim("auth_time", json!(NOW - 60))).await;
    let start = stage.connector.start().await.unwrap();
    stage.clock.advance(Duration::from_secs(8 * 60));
    let answer = stage.visit(&start).await;
    assert!(stage.connector.finish(&start.pending, &answer).await.is_ok());
}

/// The browser carries the demand, and may leave it out: then the provider does not know of it.
#[tokio::test]
async fn a_demand_that_was_left_out_on_the_way_is_missed_in_the_token() {
    for (demands, left_out, expected) in [
        (anew(), "max_age", "authentication"),
        (within(600), "max_age", "authentication"),
        (by(&["phr"]), "acr_values", "context"),
    ] {
        let stage = demanding(demands, Spoil::default()).await;
        let mut start = stage.connector.start().await.unwrap();
        let mut url: Url = start.location.parse().unwrap();
        let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(name, _)| name != left_out).collect();
        url.query_pairs_mut().clear().extend_pairs(kept);
        start.location = url.into();
        let answer = stage.visit(&start).await;
        assert_eq!(rule(stage.connector.finish(&start.pending, &answer).await), expected, "{left_out}");
    }
}

/// What UserInfo says is said by whoever has the access token, of now: the token alone says how somebody signed in.
#[tokio::test]
async fn a_way_to_authenticate_is_read_from_the_token_only() {
    let told = |document: &mut Value| document["acr"] = json!("phr");
    let spoil = Spoil::document(Endpoint::UserInfo, told).and_claims(|claims| {
        for thin in ["acr", "email", "name", "groups"] {
            claims.remove(thin);
        }
    });
    assert_eq!(rule(demanding(by(&["phr"]), spoil).await.sign_in().await), "context");
}

#[tokio::test]
async fn an_examination_doubts_what_the_description_does_not_promise() {
    let demands = Demands { is_anew: true, contexts: vec!["phr".into(), "other".into()], ..Demands::default() };
    let promising = Spoil::document(Endpoint::Discovery, |document| {
        document["claims_supported"] = json!(["sub", "auth_time"]);
        document["acr_values_supported"] = json!(["phr"]);
    });
    for (spoil, expected) in [
        (Spoil::default(), vec![Verdict::Doubtful; 3]),
        (promising, vec![Verdict::Passed, Verdict::Passed, Verdict::Doubtful]),
    ] {
        let stage = demanding(demands.clone(), spoil).await;
        let checks = stage.connector.examine().await;
        let verdicts: Vec<Verdict> =
            checks.iter().filter(|check| check.what == "authentication").map(|check| check.verdict).collect();
        assert_eq!(verdicts, expected);
    }
}
