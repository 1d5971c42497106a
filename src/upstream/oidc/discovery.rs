//! The provider's description of itself (OpenID Connect Discovery 1.0 sections 3 and 4).

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, AuthType, AuthUrl, IssuerUrl, ProviderMetadata, TokenUrl};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::issuers::Issuers;
use super::keys::VerifyingKey;
use super::{clean, refused, unavailable};
use crate::error::Chain;
use crate::http::outbound::{self, Outbound, Provenance};
use crate::upstream::Error;

/// What is used of the description.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    /// The issuer as it is configured.
    pub issuer: IssuerUrl,
    /// Whose tokens are taken.
    pub issuers: Issuers,
    pub authorization_endpoint: AuthUrl,
    pub token_endpoint: TokenUrl,
    pub userinfo_endpoint: Option<Url>,
    pub jwks_uri: Url,
    /// Where a browser is sent to sign somebody out (RP-Initiated Logout 1.0 section 2.1).
    pub end_session_endpoint: Option<Url>,
    /// How a client with a secret authenticates at the token endpoint; `None` when we know none of its ways.
    pub client_auth: Option<AuthType>,
    /// Whether a client with a key of its own may authenticate by it.
    pub takes_keys: bool,
    /// Whether every answer names its issuer (RFC 9207 section 3).
    pub sends_issuer: bool,
    /// Whether the scope `groups` is offered, which no standard has.
    pub offers_groups: bool,
}

/// The members of RFC 9207 and of logout that the library does not know.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extra {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    end_session_endpoint: Option<Url>,
}

impl AdditionalProviderMetadata for Extra {}

type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    VerifyingKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Fetches and checks the description of `issuer`.
///
/// # Errors
/// `Unavailable` when it cannot be had; `Refused` when it is not this issuer's or points where it must not.
pub(super) async fn fetch(outbound: &Outbound, issuer: &IssuerUrl, tenants: &[String]) -> Result<Provider, Error> {
    let address = address(issuer)?;
    let document = get_json(outbound, &address, &Provenance::Administrator, "discovery document").await?;
    let provider = parse(document, issuer, tenants)?;
    // A description that leads where nobody may be asked must not take the place of a good one.
    let asked = [(provider.token_endpoint.url(), "token endpoint"), (&provider.jwks_uri, "key set")];
    let person = provider.userinfo_endpoint.iter().map(|endpoint| (endpoint, "UserInfo"));
    for (endpoint, what) in asked.into_iter().chain(person) {
        outbound.may_ask(endpoint, &provider.provenance()).map_err(|e| not_sent(e, what))?;
    }
    Ok(provider)
}

/// Where the description of `issuer` is.
pub(super) fn address(issuer: &IssuerUrl) -> Result<Url, Error> {
    let address = format!("{}/.well-known/openid-configuration", issuer.as_str().trim_end_matches('/'));
    address.parse().map_err(|e| unavailable(format!("`{address}` is no address: {e}")))
}

/// Checks a description (Discovery section 4.3: its issuer is exactly the one that was asked, or the template of which
/// the one that was asked is a case, where tenants are allowed).
pub(super) fn parse(document: Map<String, Value>, issuer: &IssuerUrl, tenants: &[String]) -> Result<Provider, Error> {
    let named = document.get("issuer").and_then(Value::as_str).unwrap_or_default().to_owned();
    let issuers = Issuers::new(&named, issuer, tenants)?;
    let metadata: Metadata = serde_json::from_value(Value::Object(document)).map_err(|e| {
        refused("discovery", format!("the discovery document is incomplete: {}", clean(&e.to_string())))
    })?;
    let Some(token_endpoint) = metadata.token_endpoint().cloned() else {
        return Err(refused("discovery", "the provider has no token endpoint"));
    };
    let provider = Provider {
        issuer: issuer.clone(),
        issuers,
        authorization_endpoint: metadata.authorization_endpoint().clone(),
        token_endpoint,
        userinfo_endpoint: metadata.userinfo_endpoint().map(|endpoint| endpoint.url().clone()),
        jwks_uri: metadata.jwks_uri().url().clone(),
        end_session_endpoint: metadata.additional_metadata().end_session_endpoint.clone(),
        client_auth: client_auth(metadata.token_endpoint_auth_methods_supported()),
        takes_keys: metadata
            .token_endpoint_auth_methods_supported()
            .is_none_or(|offered| offered.contains(&CoreClientAuthMethod::PrivateKeyJwt)),
        sends_issuer: metadata.additional_metadata().authorization_response_iss_parameter_supported,
        offers_groups: metadata
            .scopes_supported()
            .is_some_and(|offered| offered.iter().any(|scope| scope.as_str() == "groups")),
    };
    provider.check_schemes()?;
    Ok(provider)
}

/// `client_secret_basic` is what a provider speaks that says nothing (Discovery section 3).
fn client_auth(offered: Option<&Vec<CoreClientAuthMethod>>) -> Option<AuthType> {
    let Some(offered) = offered else { return Some(AuthType::BasicAuth) };
    if offered.contains(&CoreClientAuthMethod::ClientSecretBasic) {
        Some(AuthType::BasicAuth)
    } else if offered.contains(&CoreClientAuthMethod::ClientSecretPost) {
        Some(AuthType::RequestBody)
    } else {
        None
    }
}

impl Provider {
    /// Who wrote the addresses in this description.
    pub(super) fn provenance(&self) -> Provenance {
        Provenance::document_of(self.issuer.url())
    }

    /// A description that was read over TLS must not lead out of it.
    fn check_schemes(&self) -> Result<(), Error> {
        let endpoints = [self.authorization_endpoint.url(), self.token_endpoint.url(), &self.jwks_uri];
        let optional = self.userinfo_endpoint.iter().chain(&self.end_session_endpoint);
        for endpoint in endpoints.into_iter().chain(optional) {
            let is_fine = match endpoint.scheme() {
                "https" => true,
                "http" => self.issuer.url().scheme() == "http",
                _ => false,
            };
            if !is_fine {
                return Err(refused("discovery", format!("`{}` is no https address", clean(endpoint.as_str()))));
            }
        }
        Ok(())
    }
}

/// Reads a JSON object; `what` is its name in messages.
pub(super) async fn get_json(
    outbound: &Outbound,
    url: &Url,
    provenance: &Provenance,
    what: &str,
) -> Result<Map<String, Value>, Error> {
    let response = outbound.get(url, provenance, "application/json").await.map_err(|e| not_sent(e, what))?;
    read_json(&response, what)
}

/// The JSON object of an answer.
pub(super) fn read_json(response: &outbound::Response, what: &str) -> Result<Map<String, Value>, Error> {
    check_json(response, what)?;
    super::json::parse_object(&response.body).map_err(|reason| unavailable(format!("the {what} is broken: {reason}")))
}

/// A successful answer that says it is JSON, or does not say what it is.
pub(super) fn check_json(response: &outbound::Response, what: &str) -> Result<(), Error> {
    if response.status != ::http::StatusCode::OK {
        return Err(unavailable(format!("the {what} was answered with {}", response.status)));
    }
    let Some(media_type) = response.headers.get(::http::header::CONTENT_TYPE) else { return Ok(()) };
    let media_type = media_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    if media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json")) {
        Ok(())
    } else {
        Err(unavailable(format!("the {what} is `{}` and not JSON", clean(&media_type))))
    }
}

/// A request that brought no response.
pub(super) fn not_sent(error: outbound::Error, what: &str) -> Error {
    match error {
        outbound::Error::Forbidden { .. } => refused("host", format!("the {what}: {error}")),
        other => unavailable(format!("the {what}: {}", Chain(&other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(change: impl FnOnce(&mut Map<String, Value>), issuer: &str) -> Result<Provider, String> {
        let mut document = json!({
            "issuer": "https://idp.example/a", "authorization_endpoint": "https://idp.example/a/authorize",
            "token_endpoint": "https://idp.example/a/token", "jwks_uri": "https://idp.example/a/jwks",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "XX999"],
        });
        change(document.as_object_mut().expect("an object"));
        let issuer = IssuerUrl::new(issuer.to_owned()).expect("an address");
        let Value::Object(document) = document else { unreachable!() };
        parse(document, &issuer, &[]).map_err(|e| e.to_string())
    }

    #[test]
    fn the_issuer_is_compared_as_text() {
        assert!(check(|_| (), "https://idp.example/a").is_ok());
        for other in
            ["https://idp.example/a/", "https://idp.example/A", "https://idp.example:443/a", "http://idp.example/a"]
        {
            let error = check(|_| (), other).expect_err(other);
            assert!(error.contains("refused: issuer"), "{error}");
        }
    }

    #[test]
    fn a_template_for_many_tenants_is_refused_in_words() {
        let template = |document: &mut Map<String, Value>| {
            document.insert("issuer".into(), json!("https://idp.example/{tenantid}"));
        };
        let error = check(template, "https://idp.example/a").expect_err("a template");
        assert!(error.contains("many tenants"), "{error}");
    }

    #[test]
    fn endpoints_outside_tls_are_refused() {
        for name in
            ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"]
        {
            for address in ["http://idp.example/x", "file:///etc/passwd", "javascript:alert(1)"] {
                let change = |document: &mut Map<String, Value>| drop(document.insert(name.into(), json!(address)));
                let error = check(change, "https://idp.example/a").expect_err(address);
                assert!(error.contains("refused: discovery"), "{error}");
            }
        }
    }

    #[test]
    fn the_client_authenticates_the_way_the_provider_offers() {
        for (offered, expected) in [
            (json!(["client_secret_post", "client_secret_basic"]), Some("BasicAuth")),
            (json!(["client_secret_post", "private_key_jwt"]), Some("RequestBody")),
            (json!(["private_key_jwt"]), None),
        ] {
            let change = |document: &mut Map<String, Value>| {
                document.insert("token_endpoint_auth_methods_supported".into(), offered.clone());
            };
            let provider = check(change, "https://idp.example/a").expect("a provider");
            assert_eq!(provider.client_auth.map(|way| format!("{way:?}")).as_deref(), expected, "{offered}");
        }
        let silent = check(|_| (), "https://idp.example/a").expect("a provider");
        assert!(matches!(silent.client_auth, Some(AuthType::BasicAuth)));
    }
}
