//! Bodies and query parameters, taken field by field; what nobody took is refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde_json::{Map, Value};

use super::Error;
use crate::access::Run;
use crate::http::parse_json;
use crate::model::near;

/// The members of a body's object.
pub(super) struct Fields {
    members: Map<String, Value>,
    /// What was asked for: what there could be.
    known: BTreeSet<String>,
}

impl Fields {
    const fn new(members: Map<String, Value>) -> Self {
        Self { members, known: BTreeSet::new() }
    }

    fn pull(&mut self, name: &str) -> Option<Value> {
        self.known.insert(name.to_owned());
        self.members.remove(name)
    }

    /// The text under `name`; null and absence are one.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.pull(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::invalid(name, "must be text")),
        }
    }

    /// The text under `name` as a value of its type.
    pub(super) fn parsed<T: FromStr<Err: ToString>>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let parse = |text: String| text.parse().map_err(|error: T::Err| Error::invalid(name, error.to_string()));
        self.text(name)?.map(parse).transpose()
    }

    /// The boolean under `name`.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.pull(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Error::invalid(name, "must be true or false")),
        }
    }

    /// The texts under `name`: a list, or one text whose words are separated by commas or blanks.
    pub(super) fn words(&mut self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let value = match self.pull(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => {
                let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                return Ok(Some(words.map(str::to_owned).collect()));
            }
            Some(value) => value,
        };
        texts(name, value).map(Some)
    }

    /// The texts of the list under `name`, when there is one.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Error> {
        match self.pull(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => texts(name, value).map(Some),
        }
    }

    /// The texts of the object under `name`, by their keys.
    pub(super) fn words_by_key(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        let refuse = || Error::invalid(name, "must be an object of texts");
        let members = match self.pull(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(refuse()),
        };
        let text = |(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            _ => Err(refuse()),
        };
        members.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// The texts of the list under `name`.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<String>, Error> {
        match self.pull(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => texts(name, value),
        }
    }

    /// Whatever is under `name`.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.pull(name)
    }

    /// Adds a text to the list under `name`.
    pub(super) fn push(&mut self, name: &str, text: String) -> Result<(), Error> {
        let mut texts = self.list(name)?;
        texts.push(text);
        self.set(name, texts.into());
        Ok(())
    }

    /// Sets a member.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    /// Whether `name` is there, as null too.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The same, where an empty list says something else than none.
    pub(super) fn optional_list(&mut self, name: &str) -> Result<Option<Vec<String>>, Error> {
        match self.pull(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => texts(name, value).map(Some),
        }
    }

    /// Refuses what nobody took.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(unknown(name, &self.known)),
        }
    }
}

/// Refuses what nobody asked for, with the nearest of what was.
fn unknown(name: &str, known: &BTreeSet<String>) -> Error {
    let hint = near::hint(name, known.iter().map(String::as_str));
    Error::invalid(name, format!("is not known here{hint}"))
}

fn texts(name: &str, value: Value) -> Result<Vec<String>, Error> {
    let refuse = || Error::invalid(name, "must be a list of texts");
    let Value::Array(values) = value else { return Err(refuse()) };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(refuse()),
    };
    values.into_iter().map(text).collect()
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Error;

    /// An empty body is an empty object.
    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|_| Error::Malformed("the body cannot be read".to_owned()))?;
        if bytes.is_empty() {
            return Ok(Self::new(Map::new()));
        }
        // A form of another site cannot have this type, so that it is asked for.
        if !is_json {
            return Err(Error::Malformed("the body must be application/json".to_owned()));
        }
        match parse_json(&bytes) {
            Ok(Value::Object(members)) => Ok(Self::new(members)),
            Ok(_) => Err(Error::Malformed("the body must be a JSON object".to_owned())),
            Err(error) => Err(Error::Malformed(format!("the body is not acceptable JSON: {error}"))),
        }
    }
}

/// The parameters of the query.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    /// What was asked for: what there could be.
    known: BTreeSet<String>,
}

/// A page that is asked for.
pub(super) struct PageOf<T> {
    /// The item after which it begins.
    pub(super) after: Option<T>,
    /// Most items.
    pub(super) limit: usize,
}

/// Items of a page when nobody says.
const DEFAULT_LIMIT: usize = 100;
/// Most items of a page.
const MAX_LIMIT: usize = 500;

impl Params {
    /// The value of `name`; an empty one counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, Error> {
        let place = |params: &[(String, String)]| params.iter().position(|(other, _)| other == name);
        self.known.insert(name.to_owned());
        let Some(first) = place(&self.pairs) else { return Ok(None) };
        let (_, value) = self.pairs.remove(first);
        match place(&self.pairs) {
            Some(_) => Err(Error::invalid(name, "is given twice")),
            None => Ok(Some(value).filter(|value| !value.is_empty())),
        }
    }

    /// Whether there is a value of `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(other, value)| other == name && !value.is_empty())
    }

    /// The value of `name` as a value of its type.
    pub(super) fn parsed<T: FromStr<Err: ToString>>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let parse = |text: String| text.parse().map_err(|error: T::Err| Error::invalid(name, error.to_string()));
        self.take(name)?.map(parse).transpose()
    }

    /// What is asked for but a cursor, as it goes on in an address.
    pub(super) fn without_cursor(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs.iter().filter(|(name, _)| name != "cursor"));
        let query = query.finish();
        if query.is_empty() { query } else { format!("&{query}") }
    }

    /// The same of a list whose cursors are sealed; `open` gives what is in one.
    pub(super) fn page_behind<T: FromStr>(
        &mut self,
        open: impl FnOnce(&str) -> Result<String, Error>,
    ) -> Result<PageOf<T>, Error> {
        let limit: usize = self.parsed("limit")?.unwrap_or(DEFAULT_LIMIT);
        let after = match self.take("cursor")? {
            Some(text) => {
                let place = open(&text)?;
                Some(place.parse().map_err(|_| Error::invalid("cursor", "is none of ours"))?)
            }
            None => None,
        };
        Ok(PageOf { after, limit: limit.clamp(1, MAX_LIMIT) })
    }

    /// `limit` and `cursor`.
    pub(super) fn page<T: FromStr>(&mut self) -> Result<PageOf<T>, Error> {
        let limit: usize = self.parsed("limit")?.unwrap_or(DEFAULT_LIMIT);
        let after = self.take("cursor")?;
        let after =
            after.map(|text| text.parse().map_err(|_| Error::invalid("cursor", "is none of ours"))).transpose()?;
        Ok(PageOf { after, limit: limit.clamp(1, MAX_LIMIT) })
    }

    /// Whether the call only tries, `?dry_run=true`; refuses what nobody took.
    pub(super) fn run(mut self) -> Result<Run, Error> {
        let run = match self.take("dry_run")?.as_deref() {
            None | Some("false") => Run::Commit,
            Some("true") => Run::DryRun,
            Some(_) => return Err(Error::invalid("dry_run", "must be true or false")),
        };
        self.end()?;
        Ok(run)
    }

    /// Refuses what nobody took.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(unknown(name, &self.known)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Self { pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(), known: BTreeSet::new() })
    }
}
