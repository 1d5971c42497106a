//! Asking a transmitter for its signals (RFC 8936).
//!
//! A token is acknowledged by the request after the commit of what it asked for. What was not acknowledged, because the
//! program ended or the transmitter did not hear, comes again, and has no effect the second time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::{Transmitter, code};
use crate::error::Chain;
use crate::http::outbound::{self, Provenance};
use crate::upstream::Error;
use crate::upstream::oidc::{object, unavailable};

/// Most tokens that are asked for at once.
const MOST: u32 = 50;
/// What is asked for, in messages.
const WHAT: &str = "poll for signals";

/// What is to be told to the transmitter with the next request.
#[derive(Debug, Default)]
pub(super) struct Answers {
    ack: BTreeSet<String>,
    /// Code and reason by id.
    errors: BTreeMap<String, (&'static str, String)>,
    /// Half as many tokens are asked for after an answer that was too large, as often as it was.
    halved: u32,
}

/// What came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Tokens by the ids that the transmitter gives them.
    pub sets: Vec<(String, String)>,
    /// Whether there are more.
    pub is_more: bool,
}

/// Whether it is what we said that a transmitter refuses, not that we ask, or that we ask now.
fn refuses_what_it_was_told(status: StatusCode) -> bool {
    let of_asking = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !of_asking.contains(&status)
}

impl Transmitter {
    /// Asks for tokens, telling what became of those before.
    ///
    /// # Errors
    /// `Unavailable`; what was to be told is told the next time.
    pub async fn poll(&self) -> Result<Polled, Error> {
        let Some((address, token)) = &self.settings.poll else { return Ok(Polled::default()) };
        let (ack, errors, most) = {
            let answers = self.answers();
            let most = MOST.checked_shr(answers.halved).unwrap_or(0).max(1);
            (answers.ack.clone(), answers.errors.clone(), most)
        };
        let told: BTreeMap<&str, Value> = errors
            .iter()
            .map(|(id, (code, reason))| (id.as_str(), json!({"err": code, "description": reason})))
            .collect();
        let body = json!({"maxEvents": most, "returnImmediately": true, "ack": ack, "setErrs": told}).to_string();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| unavailable("the token for polling does not fit into a header"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let sent =
            self.outbound.send(Method::POST, address, &Provenance::Administrator, headers, Bytes::from(body)).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                if matches!(error, outbound::Error::TooLarge { .. }) {
                    let mut answers = self.answers();
                    answers.halved = answers.halved.saturating_add(1).min(MOST.ilog2() + 1);
                }
                return Err(unavailable(format!("the {WHAT}: {}", Chain(&error))));
            }
        };
        if refuses_what_it_was_told(response.status) {
            self.tell_otherwise(&ack, &errors);
        }
        let document = object(&response, WHAT)?;
        let mut answers = self.answers();
        answers.halved = answers.halved.saturating_sub(1);
        answers.ack.retain(|id| !ack.contains(id));
        answers.errors.retain(|id, _| !errors.contains_key(id));
        drop(answers);
        let is_more = document.get("moreAvailable").and_then(Value::as_bool).unwrap_or(false);
        // Who sends more than was asked for sends the rest again.
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let sets = match document.get("sets") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(sets)) => {
                let sets = sets.iter().take(most);
                sets.map(|(id, token)| (id.clone(), token.as_str().unwrap_or_default().to_owned())).collect()
            }
            Some(_) => return Err(unavailable(format!("the {WHAT} was answered with `sets` that are none"))),
        };
        Ok(Polled { sets, is_more })
    }

    /// A transmitter that does not take what it is told must not be told it for ever, and hear nothing else: what was refused is
    /// acknowledged, and what was acknowledged is left to come again. The ledger has what became of each.
    fn tell_otherwise(&self, ack: &BTreeSet<String>, errors: &BTreeMap<String, (&'static str, String)>) {
        let mut answers = self.answers();
        if errors.is_empty() {
            answers.ack.retain(|id| !ack.contains(id));
            return;
        }
        answers.errors.retain(|id, _| !errors.contains_key(id));
        answers.ack.extend(errors.keys().cloned());
        tracing::warn!(connector.id = self.settings.id.as_str(), "the transmitter does not take `setErrs`");
    }

    /// Remembers what became of a token: done, or refused by a rule for a reason. Ids are as long as their transmitter made
    /// them, and as many as one answer held.
    pub fn settle(&self, id: &str, refusal: Option<(&str, &str)>) {
        let mut answers = self.answers();
        match refusal {
            None => drop(answers.ack.insert(id.to_owned())),
            Some((rule, reason)) => drop(answers.errors.insert(id.to_owned(), (code(rule), reason.to_owned()))),
        }
    }

    /// Whether something is to be told.
    pub fn owes(&self) -> bool {
        let answers = self.answers();
        !answers.ack.is_empty() || !answers.errors.is_empty()
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
