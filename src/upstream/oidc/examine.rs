//! Looks at a provider as a sign-in would use it, and tells what would keep people out: for whoever sets one up.

use serde_json::{Map, Value};
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::discovery::{self, Provider};
use super::{OidcConnector, keys};
use crate::clock::Timestamp;
use crate::error::Chain;
use crate::http::outbound::Provenance;
use crate::upstream::trial::{Stage, check_clock};
use crate::upstream::{Checks, Error};

/// What was passed once there are tokens. Forms of claims are looked at before the signature, values after it, by the same
/// rules: when one refuses, nothing is certain of the others.
const WITH_TOKENS: &[&str] = &["provider", "answer", "status", "exchange"];
/// What was passed once the token was verified.
const VERIFIED: &[&str] =
    &["provider", "answer", "status", "exchange", "signature", "issuer", "audience", "request", "time"];
/// What was passed once how the person was authenticated was looked at.
const DEMANDED: &[&str] = &[
    "provider",
    "answer",
    "status",
    "exchange",
    "signature",
    "issuer",
    "audience",
    "request",
    "time",
    "authentication",
];

/// The stages of an answer and the rules that refuse there.
pub(super) const STAGES: [Stage; 12] = [
    Stage { what: "provider", rules: &["unavailable", "discovery", "host", "issuer", "tenant"], after: &[] },
    Stage {
        what: "answer",
        rules: &["shape", "response_issuer", "pending", "subject", "session"],
        after: &["provider"],
    },
    Stage { what: "status", rules: &["declined"], after: &["provider"] },
    Stage { what: "exchange", rules: &["client_auth", "token_type"], after: &["provider"] },
    Stage { what: "signature", rules: &["algorithm", "header", "key", "signature"], after: WITH_TOKENS },
    Stage { what: "issuer", rules: &[], after: WITH_TOKENS },
    Stage { what: "audience", rules: &["audience", "authorized_party"], after: WITH_TOKENS },
    Stage { what: "request", rules: &["nonce", "at_hash", "c_hash"], after: WITH_TOKENS },
    Stage { what: "time", rules: &["expiry", "issue_time", "not_before"], after: WITH_TOKENS },
    Stage { what: "authentication", rules: &["authentication", "context"], after: VERIFIED },
    Stage { what: "organisation", rules: &["hosted_domain"], after: DEMANDED },
    Stage { what: "mapping", rules: &["groups", "user_name", "userinfo", "attributes", "characters"], after: DEMANDED },
];

/// What is looked at after the description was read.
const AFTER_DISCOVERY: [&str; 8] =
    ["issuer", "endpoints", "client", "pkce", "algorithms", "keys", "certificates", "request"];

impl OidcConnector {
    /// Looks at everything that needs no person.
    pub(super) async fn examine_provider(&self) -> Checks {
        let mut checks = Checks::default();
        let redirect = self.settings.redirect_uri();
        checks.pass("register", format!("redirect address {redirect}, client id {}", self.settings.client_id));
        let Some((document, provider)) = self.examine_discovery(&mut checks).await else {
            checks.leave_open(&AFTER_DISCOVERY);
            return checks;
        };
        checks.pass("issuer", provider.issuer.as_str());
        let (authorize, token) = (&provider.authorization_endpoint, &provider.token_endpoint);
        checks.pass("endpoints", format!("{} and {}", authorize.as_str(), token.as_str()));
        checks.judge("client", self.check_client(&provider).map_err(|error| told(&error)));
        check_pkce(&mut checks, &document);
        check_algorithms(&mut checks, &document);
        self.settings.demands.examine(&mut checks, &document);
        self.examine_keys(&mut checks, &provider).await;
        let request = self.begin(None).await;
        checks.judge("request", request.map(|_| "a sign-in can begin".to_owned()).map_err(|error| told(&error)));
        checks
    }

    /// Fetches the description by the way of every sign-in, and reads it.
    async fn examine_discovery(&self, checks: &mut Checks) -> Option<(Map<String, Value>, Provider)> {
        let found = discovery::address(&self.issuer);
        let Ok(address) = found else {
            checks.judge("reachable", found.map(|_| String::new()).map_err(|error| told(&error)));
            return None;
        };
        let document =
            self.examine_document(checks, &address, &Provenance::Administrator, "discovery document").await?;
        match discovery::parse(document.clone(), &self.issuer, &self.settings.tenants) {
            Ok(provider) => {
                checks.pass("discovery", "complete");
                Some((document, provider))
            }
            Err(error) => {
                checks.fail("discovery", told(&error));
                None
            }
        }
    }

    /// Fetches a document: whether it is there, over TLS, of what size and when by the provider's clock.
    async fn examine_document(
        &self,
        checks: &mut Checks,
        address: &Url,
        provenance: &Provenance,
        what: &'static str,
    ) -> Option<Map<String, Value>> {
        let response = match self.outbound.get(address, provenance, "application/json").await {
            Ok(response) => response,
            Err(error) => {
                checks.fail("reachable", format!("{address}: {}", Chain(&error)));
                return None;
            }
        };
        match discovery::read_json(&response, what) {
            Ok(document) => {
                checks.pass("reachable", format!("{what}, {} bytes, at {address}", response.body.len()));
                match address.scheme() {
                    "https" => checks.pass("tls", "the certificate is trusted"),
                    _ => checks.doubt("tls", "plain HTTP, which is for loopback only"),
                }
                check_clock(checks, &response.headers, self.clock.now(), self.settings.skew);
                Some(document)
            }
            Err(error) => {
                checks.fail("reachable", told(&error));
                None
            }
        }
    }

    async fn examine_keys(&self, checks: &mut Checks, provider: &Provider) {
        let document = self.examine_document(checks, &provider.jwks_uri, &provider.provenance(), "key set").await;
        let Some(document) = document else {
            checks.leave_open(&["keys"]);
            return;
        };
        match keys::parse_set(&document) {
            Ok(usable) => {
                let all = document.get("keys").and_then(Value::as_array).map_or(0, Vec::len);
                checks.pass("keys", format!("{} of {all} verify signatures", usable.len()));
            }
            Err(reason) => checks.fail("keys", reason),
        }
        for (name, expires) in certificates(&document) {
            checks.certificate(&format!("the certificate of the key {name}"), expires, self.clock.now());
        }
    }

    /// How we say who we are, and whether the provider takes that.
    fn check_client(&self, provider: &Provider) -> Result<String, Error> {
        self.client(provider)?;
        Ok(match (self.assertion(provider)?, &self.settings.client_secret) {
            (Some(_), _) => "by our key (`private_key_jwt`)".to_owned(),
            (None, Some(_)) => "by our secret; whether it is right shows at a sign-in only".to_owned(),
            (None, None) => "without a secret, by PKCE alone".to_owned(),
        })
    }
}

/// A check's text for what did not work.
fn told(error: &Error) -> String {
    match error {
        Error::Refused { rule, reason } => format!("{rule}: {reason}"),
        Error::Declined { reason } | Error::Unavailable { reason } | Error::Unanswered { reason } => reason.clone(),
        Error::Busy => error.to_string(),
    }
}

fn texts<'a>(document: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    Some(document.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

fn check_pkce(checks: &mut Checks, document: &Map<String, Value>) {
    match texts(document, "code_challenge_methods_supported") {
        Some(methods) if methods.contains(&"S256") => checks.pass("pkce", "S256"),
        // RFC 8414 section 2: who leaves it out says that there is none; many do not mean it.
        _ => checks.doubt("pkce", "the provider does not say that it takes S256; it is sent all the same"),
    }
}

fn check_algorithms(checks: &mut Checks, document: &Map<String, Value>) {
    let Some(offered) = texts(document, "id_token_signing_alg_values_supported") else {
        return checks.doubt("algorithms", "the provider does not say by what it signs");
    };
    let taken: Vec<&str> = offered.iter().copied().filter(|name| keys::allowed(name).is_some()).collect();
    match taken.is_empty() {
        true => checks
            .fail("algorithms", format!("it signs by nothing that is taken: {}", super::clean(&offered.join(", ")))),
        false => checks.pass("algorithms", taken.join(", ")),
    }
}

/// The certificates that keys bring (RFC 7517 section 4.7): the key's name, and when it ends.
fn certificates(document: &Map<String, Value>) -> Vec<(String, Timestamp)> {
    let keys = document.get("keys").and_then(Value::as_array).into_iter().flatten().take(16);
    let read = |key: &Value| {
        let der = BASE64_STANDARD.decode(key.pointer("/x5c/0")?.as_str()?).ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let name = key.get("kid").and_then(Value::as_str).unwrap_or("without a name");
        Some((super::clean(name), Timestamp::from_seconds(parsed.validity().not_after.timestamp())))
    };
    keys.filter_map(read).collect()
}
