//! Looks at a provider as a sign-in would use it, and at answers that somebody captured: for whoever sets one up.

use std::sync::Arc;

use super::request::Binding;
use super::{IdpMetadata, SamlConnector, decode, gate, time, tree};
use crate::clock::Timestamp;
use crate::upstream::trial::{Stage, judged};
use crate::upstream::{AssertedIdentity, Checks, Error, Trial, TriedIdentity};

/// What was passed once the hashed bytes are there. An envelope's signature comes before what is in it is opened, an
/// assertion's after that.
const VERIFIED: &[&str] = &["answer", "status", "encryption", "signature"];

/// The stages of an answer and the rules that refuse there. Times are looked at in many places, what a response says before
/// what its assertion says.
pub(super) const STAGES: [Stage; 12] = [
    Stage {
        what: "answer",
        rules: &["size", "encoding", "xml", "shape", "namespace", "id", "version", "characters", "unavailable"],
        after: &[],
    },
    Stage { what: "status", rules: &["declined"], after: &["answer"] },
    Stage { what: "encryption", rules: &["encrypted"], after: &["answer", "status"] },
    Stage {
        what: "signature",
        rules: &["signature", "algorithm", "reference", "transform", "digest", "second-opinion"],
        after: &["answer", "status"],
    },
    Stage { what: "issuer", rules: &["issuer"], after: VERIFIED },
    Stage { what: "destination", rules: &["destination"], after: VERIFIED },
    Stage {
        what: "request",
        rules: &["in-response-to"],
        after: &["answer", "status", "encryption", "signature", "destination"],
    },
    Stage { what: "time", rules: &["time"], after: VERIFIED },
    Stage {
        what: "recipient",
        rules: &["recipient", "confirmation"],
        after: &["answer", "status", "encryption", "signature", "issuer", "destination"],
    },
    Stage {
        what: "audience",
        rules: &["audience", "conditions"],
        after: &["answer", "status", "encryption", "signature", "issuer", "destination", "request", "recipient"],
    },
    Stage {
        what: "authentication",
        rules: &["authentication", "context"],
        after: &[
            "answer",
            "status",
            "encryption",
            "signature",
            "issuer",
            "destination",
            "request",
            "recipient",
            "audience",
        ],
    },
    Stage {
        what: "mapping",
        rules: &["subject", "attributes", "groups", "user_name"],
        after: &[
            "answer",
            "status",
            "encryption",
            "signature",
            "issuer",
            "destination",
            "request",
            "time",
            "recipient",
            "audience",
            "authentication",
        ],
    },
];

impl SamlConnector {
    /// Looks at everything that needs no person: the metadata in use, our keys, and whether a request can be made.
    pub(super) fn examine_metadata(&self) -> Checks {
        let (idp, now, mut checks) = (self.idp(), self.clock.now(), Checks::default());
        let ours = format!("entity id {}, answers to {} (POST)", self.addresses.metadata, self.addresses.consumer);
        checks.pass("register", ours);
        checks.pass("entity", idp.entity_id());
        for certificate in idp.certificates() {
            let print = certificate.fingerprint.get(..16).unwrap_or(&certificate.fingerprint);
            checks.certificate(&format!("the provider's {print}"), certificate.expires, now);
        }
        for own in self.options.keys.uses() {
            let print = own.fingerprint.get(..16).unwrap_or(&own.fingerprint);
            checks.certificate(&format!("{} {print}", own.usage), own.expires, now);
        }
        match idp.valid_until() {
            Some(end) if end <= now => checks.fail("validity", format!("the metadata ended at {end}")),
            Some(end) => checks.pass("validity", format!("until {end}")),
            None => checks.pass("validity", "the metadata does not end"),
        }
        self.examine_addresses(&idp, &mut checks);
        let begun = self.begin(None);
        checks.judge("request", begun.map(|_| "a sign-in can begin".to_owned()).map_err(|error| error.to_string()));
        checks
    }

    fn examine_addresses(&self, idp: &Arc<IdpMetadata>, checks: &mut Checks) {
        let address = |binding: Binding, name: &str| Some(format!("{name} {}", idp.sign_in_address(binding)?));
        let known: Vec<String> =
            [address(Binding::Redirect, "redirect"), address(Binding::Post, "post")].into_iter().flatten().collect();
        let chosen = self.destination(idp);
        checks.judge("address", chosen.map(|_| known.join(", ")).map_err(|error| error.to_string()));
        match (idp.wants_signed_requests(), self.options.keys.signing.is_empty()) {
            (true, true) => {
                checks.fail("signing", "the provider demands signed requests; write `signing` with a key of yours")
            }
            (true, false) => checks.pass("signing", "the provider demands signed requests, and they are signed"),
            (false, false) => checks.pass("signing", "requests are signed, which the provider does not demand"),
            (false, true) => checks.pass("signing", "not demanded"),
        }
        match (self.options.keys.decryption.is_empty(), self.options.allow_cbc) {
            (true, _) => checks.pass("decryption", "no key: encrypted assertions are refused"),
            (false, false) => checks.pass("decryption", "by AES-GCM"),
            (false, true) => checks.doubt("decryption", "by AES-GCM, and by AES-CBC, which is weaker"),
        }
        checks.pass("algorithms", "signatures by RSA or ECDSA with SHA-256, SHA-384, SHA-512; SHA-1 is refused");
        match idp.logout() {
            Some(_) if self.options.keys.signing.is_empty() => {
                checks.doubt("logout", "the provider has an address for it; it needs `signing` with a key of yours");
            }
            Some(service) => checks.pass("logout", service.requests.as_str()),
            None => checks.pass("logout", "the provider has no address for it"),
        }
    }

    /// Reads a captured answer: XML, or its base64 as the form had it. Which request it answers is taken from itself, and
    /// the trial goes on at the moment of its making where it is too old by now.
    pub(super) async fn try_document(&self, document: &str) -> Trial {
        let message = match document.trim_start().starts_with('<') {
            true => Ok(document.as_bytes().to_vec()),
            false => decode(document.trim()),
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => return Trial { checks: judged(&STAGES, Err(&error)), identity: None },
        };
        let now = self.clock.now();
        let first = self.read_captured(&message, now).await;
        let is_of_time = matches!(first, Err(Error::Refused { rule: "time", .. }));
        let made = if is_of_time { issued(&message) } else { None };
        let Some(made) = made else {
            return Trial {
                checks: judged(&STAGES, first.as_ref().map(|_| ())),
                identity: first.ok().map(TriedIdentity::new),
            };
        };
        let second = self.read_captured(&message, made).await;
        let mut checks = Checks::default();
        if let Err(error) = &first {
            checks.fail("time", format!("now: {error}; what follows is as of {made}"));
        }
        checks.extend(judged(&STAGES, second.as_ref().map(|_| ())));
        Trial { checks, identity: second.ok().map(TriedIdentity::new) }
    }

    async fn read_captured(&self, message: &[u8], now: Timestamp) -> Result<AssertedIdentity, Error> {
        let text = gate::check(message, gate::MESSAGE)?;
        let document = tree::parse(text)?;
        let request = tree::optional_attribute(document.root_element(), "InResponseTo").map(str::to_owned);
        // As old as it may be where nobody asked.
        let requested = now.minus(super::MAX_UNSOLICITED_AGE);
        self.read_message(message, request.as_deref(), requested, now).await
    }
}

/// When a message says that it was made.
fn issued(message: &[u8]) -> Option<Timestamp> {
    let text = gate::check(message, gate::MESSAGE).ok()?;
    let document = tree::parse(text).ok()?;
    time::parse(tree::optional_attribute(document.root_element(), "IssueInstant")?).ok()
}
