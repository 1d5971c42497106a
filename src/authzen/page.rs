//! Pages of searches (section 8.2): where a search goes on, in a text that only this installation makes.
//!
//! Nothing is kept for a search. The text carries the limit and the last result that was passed, and a keyed hash over
//! them, the caller and the question; for another caller, another question or another limit it is refused.

use std::time::Duration;

use minicbor::{Decode, Encode};
use serde_json::Value;

use super::Error;
use super::asked::object;
use crate::clock::{Clock, Timestamp};
pub(super) use crate::http::Binding;
use crate::http::{open_cursor, seal_cursor};
use crate::secret::MacKey;

/// How long a token holds; each page brings a new one.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// Results of a page when nobody says.
const DEFAULT_LIMIT: usize = 100;
/// Most results of a page.
const MAX_LIMIT: usize = 500;

/// Makes and reads the tokens of searches.
#[derive(Clone, Debug)]
pub struct Pages {
    key: MacKey,
    clock: Clock,
}

/// A page that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// The result after which it begins.
    pub(super) after: Option<String>,
    /// Most results.
    pub(super) limit: usize,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Payload {
    #[n(0)]
    issued: Timestamp,
    #[n(1)]
    limit: u64,
    #[n(2)]
    after: String,
}

impl Pages {
    /// The tokens of an installation; `master` is its key.
    pub fn new(master: &MacKey, clock: Clock) -> Self {
        Self { key: master.derive("authzen page 1"), clock }
    }

    /// The page that `page` of a request asks for; the first one without.
    pub(super) fn read(&self, binding: &Binding, page: Option<&Value>) -> Result<Page, Error> {
        let Some(page) = page else { return Ok(Page { after: None, limit: DEFAULT_LIMIT }) };
        let members = object("page", Some(page))?;
        if members.contains_key("properties") {
            object("page.properties", members.get("properties"))?;
        }
        let limit = match members.get("limit") {
            None => None,
            Some(value) => {
                let limit = value
                    .as_u64()
                    .ok_or_else(|| Error::malformed("page.limit", "must be a whole number, not negative"))?;
                Some(usize::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT))
            }
        };
        match members.get("token") {
            None => Ok(Page { after: None, limit: limit.unwrap_or(DEFAULT_LIMIT) }),
            Some(Value::String(token)) => {
                let found = self.open(binding, token)?;
                if limit.is_some_and(|limit| limit != found.limit) {
                    return Err(Error::malformed("page.limit", "must be the one of the first page"));
                }
                Ok(found)
            }
            Some(_) => Err(Error::malformed("page.token", "must be text")),
        }
    }

    fn open(&self, binding: &Binding, token: &str) -> Result<Page, Error> {
        let foreign = || Error::malformed("page.token", "was not given to this caller for this search, or is too old");
        let payload = open_cursor(&self.key, binding, token).ok_or_else(foreign)?;
        let payload: Payload = minicbor::decode(&payload).map_err(|_| foreign())?;
        if self.clock.now().since(payload.issued) > TIMEOUT {
            return Err(foreign());
        }
        let limit = usize::try_from(payload.limit).map_err(|_| foreign())?;
        Ok(Page { after: Some(payload.after).filter(|after| !after.is_empty()), limit })
    }

    /// The token of the page after the result `after`, empty for the first one. Letters, digits, `-` and `_`.
    pub(super) fn issue(&self, binding: &Binding, limit: usize, after: &str) -> Result<String, Error> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let payload = Payload { issued: self.clock.now(), limit, after: after.to_owned() };
        let payload = minicbor::to_vec(payload).map_err(|_| Error::Internal("a token that cannot be written"))?;
        Ok(seal_cursor(&self.key, binding, &payload))
    }
}

#[cfg(test)]
mod tests;
