//! Several operations in one request (RFC 7644 section 3.7): [`Request`] reads it, `run` does one operation after the
//! other through the same functions as a request of its own, and each has its own result.
//!
//! Operations may refer to what others create (`bulkId:x`), also to what stands behind them and in circles. It refuses
//! what is no write of a resource: reading, searching, discovery, and bulk requests within bulk requests.

mod reference;
mod run;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::{Error, Scim};
use crate::http::Rate;
use crate::limit::{Excess, Subject};
use crate::model::SourceId;
use crate::scim::call::{Call, Content, broke_off};
use crate::scim::patch::PATCH_SCHEMA;

/// The schema of the request.
const REQUEST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The schema of the answer.
const RESPONSE_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// Most operations of one request (`maxOperations`).
pub const MAX_OPERATIONS: usize = 1_000;
/// Most references that the operations of one request have together; what waits for what is looked at again and again.
const MAX_REFERENCES: usize = 10_000;
/// Most bytes of one request's body (`maxPayloadSize`): 8 MiB.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Most bulk requests that are done at once, over all connections.
pub const MAX_AT_ONCE: usize = 8;
/// Most bulk requests of one connection that are read and done at once; its others wait with their bodies unread. Half of what
/// is done at once, so that none keeps the others from theirs.
const MAX_OF_CONNECTION: usize = 4;

/// Most bytes of bodies of bulk requests that are in memory at once, over all connections: as many as those have that are done
/// at once.
const MAX_BYTES_AT_ONCE: usize = MAX_AT_ONCE * MAX_BODY_BYTES;
/// Most bytes that they take when they are parsed, over all connections. A body of a great many tiny values takes fifty times
/// what it has, one of people or members ten to twenty times.
const MAX_PARSED_BYTES: usize = 512 * 1024 * 1024;
/// What a value takes in a list or an object that grows by doubling, at most, and what a list and an object take besides.
const VALUE_BYTES: usize = 256;
const LIST_BYTES: usize = 320;
const OBJECT_BYTES: usize = 640;

/// One request among several.
#[derive(Debug)]
struct Operation {
    method: Method,
    bulk_id: Option<String>,
    /// Below the base address: `/Users`, `/Users/{id}`.
    path: String,
    /// `If-Match`, in the form of an entity tag.
    version: Option<String>,
    data: Option<Map<String, Value>>,
}

/// A place of the list: the operation, or what is wrong with it; and what its result repeats in any case.
#[derive(Debug)]
struct Entry {
    method: Option<String>,
    bulk_id: Option<String>,
    operation: Result<Operation, Error>,
}

/// What became of an operation.
#[derive(Clone, Debug)]
struct Outcome {
    status: StatusCode,
    location: Option<String>,
    version: Option<String>,
    /// The error; what succeeds has none.
    response: Option<Value>,
}

/// A bulk request as it was sent.
#[derive(Debug)]
struct Request {
    /// After so many errors nothing further is done.
    fail_on_errors: Option<usize>,
    entries: Vec<Entry>,
    /// Which entry creates what a `bulkId` stands for.
    creators: HashMap<String, usize>,
}

/// How many bulk requests there may be at once.
#[derive(Debug)]
pub(super) struct Turns {
    all: Semaphore,
    /// The bytes that bodies may still take.
    room: Semaphore,
    /// The same when they are parsed.
    parsed: Semaphore,
    /// By connection; there are no more than are configured.
    connections: Mutex<HashMap<SourceId, Arc<Semaphore>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Semaphore::new(MAX_AT_ONCE),
            room: Semaphore::new(MAX_BYTES_AT_ONCE),
            parsed: Semaphore::new(MAX_PARSED_BYTES),
            connections: Mutex::default(),
        }
    }
}

impl Turns {
    fn of(&self, source: &SourceId) -> Arc<Semaphore> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let own = connections.entry(source.clone()).or_insert_with(|| Arc::new(Semaphore::new(MAX_OF_CONNECTION)));
        Arc::clone(own)
    }
}

impl Scim {
    /// `POST /Bulk`.
    pub(super) async fn bulk(&self, call: &Call, body: Content) -> Result<Value, Error> {
        self.bulk_until(call, body, Instant::now() + run::MAX_TIME).await
    }

    /// The same, which begins nothing from `ends` on: what comes before the operations, waiting for turns and reading the
    /// body, is a part of their time.
    async fn bulk_until(&self, call: &Call, body: Content, ends: Instant) -> Result<Value, Error> {
        let own = self.bulk_turns.of(&call.source);
        let _own = own.acquire().await.map_err(|_| Error::Unavailable)?;
        // Read before its turn comes: who sends slowly keeps nobody but themselves waiting.
        let (body, _room) = self.read_body(call, body).await?;
        let request = Request::read(body)?;
        let _turn = self.bulk_turns.all.acquire().await.map_err(|_| Error::Unavailable)?;
        self.count_operations(call, request.entries.len())?;
        let outcomes = run::Run::new(self, call, &request, ends)?.finish().await;
        let results = request.entries.iter().zip(outcomes).filter_map(|(entry, outcome)| Some(result(entry, outcome?)));
        Ok(json!({"schemas": [RESPONSE_SCHEMA], "Operations": results.collect::<Vec<_>>()}))
    }

    /// The body, and the room that it takes as long as it is worked on, as it came and parsed: what has come of it counts, so
    /// that who sends slowly takes no more than they have sent.
    async fn read_body(
        &self,
        call: &Call,
        body: Content,
    ) -> Result<(Map<String, Value>, Vec<SemaphorePermit<'_>>), Error> {
        let Content::Raw(mut body) = body else { return Ok((call.object(body).await?, Vec::new())) };
        call.check_media_type()?;
        let (mut bytes, mut room) = (Vec::new(), None::<SemaphorePermit<'_>>);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| broke_off())?.into_data() else { continue };
            let size = u32::try_from(data.len()).map_err(|_| Error::TooLarge)?;
            let more = self.bulk_turns.room.try_acquire_many(size).map_err(|_| Error::Crowded)?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        let size = parsed_bytes(&bytes);
        if size > MAX_PARSED_BYTES {
            return Err(Error::TooLarge);
        }
        let size = u32::try_from(size).map_err(|_| Error::TooLarge)?;
        let parsed = self.bulk_turns.parsed.try_acquire_many(size).map_err(|_| Error::Crowded)?;
        Ok((call.parse(&bytes)?, room.into_iter().chain([parsed]).collect()))
    }

    /// How many operations a request of this connection may have: no more than its rate lets pass at once.
    pub(super) fn most_operations(&self, source: &SourceId) -> usize {
        let burst = self.limits.as_ref().map(|limits| limits.burst(Rate::Scim, Subject::Connection(source.as_str())));
        burst.and_then(|burst| usize::try_from(burst).ok()).map_or(MAX_OPERATIONS, |burst| burst.min(MAX_OPERATIONS))
    }

    /// Counts each operation as a request of the connection; the gate has counted one for the request itself.
    fn count_operations(&self, call: &Call, operations: usize) -> Result<(), Error> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let more = u32::try_from(operations.saturating_sub(1)).unwrap_or(u32::MAX);
        limits.check_further(Rate::Scim, Subject::Connection(call.source.as_str()), more).map_err(|excess| match excess
        {
            Excess::Later(retry) => Error::TooManyRequests(retry),
            Excess::Never { most } => Error::TooManyOperations { most },
        })
    }
}

fn result(entry: &Entry, outcome: Outcome) -> Value {
    let mut result = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            result.insert(name.to_owned(), Value::String(value));
        }
    };
    put("method", entry.method.clone());
    put("bulkId", entry.bulk_id.clone());
    put("location", outcome.location);
    put("version", outcome.version);
    put("status", Some(outcome.status.as_str().to_owned()));
    if let Some(response) = outcome.response {
        result.insert("response".to_owned(), response);
    }
    Value::Object(result)
}

impl Request {
    /// Reads a request. What is wrong with one operation is that operation's error.
    ///
    /// # Errors
    /// `InvalidSyntax`, `InvalidValue`, `TooLarge` for more than [`MAX_OPERATIONS`].
    fn read(mut body: Map<String, Value>) -> Result<Self, Error> {
        let schemas = take(&mut body, "schemas");
        let names_bulk = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(REQUEST_SCHEMA));
        if !schemas.is_some_and(|schemas| schemas.as_array().is_some_and(|list| list.iter().any(names_bulk))) {
            return Err(Error::InvalidSyntax(format!("`schemas` must list {REQUEST_SCHEMA}")));
        }
        let fail_on_errors = match take(&mut body, "failOnErrors") {
            None => None,
            Some(value) => Some(value.as_u64().filter(|count| *count > 0).ok_or_else(|| {
                Error::InvalidValue("`failOnErrors` must be a whole number of errors, 1 or more".to_owned())
            })?),
        };
        let Some(Value::Array(operations)) = take(&mut body, "Operations") else {
            return Err(Error::InvalidSyntax("`Operations` must be a list".to_owned()));
        };
        if operations.len() > MAX_OPERATIONS {
            return Err(Error::TooLarge);
        }
        let mut entries = Vec::with_capacity(operations.len());
        let mut creators = HashMap::new();
        for (index, operation) in operations.into_iter().enumerate() {
            let entry = Entry::read(operation)?;
            if let (Ok(Operation { method: Method::POST, .. }), Some(bulk_id)) = (&entry.operation, &entry.bulk_id)
                && creators.insert(bulk_id.clone(), index).is_some()
            {
                return Err(Error::InvalidValue(format!("two operations have the `bulkId` {bulk_id}")));
            }
            entries.push(entry);
        }
        let fail_on_errors = fail_on_errors.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        Ok(Self { fail_on_errors, entries, creators })
    }
}

impl Entry {
    fn read(entry: Value) -> Result<Self, Error> {
        let Value::Object(mut entry) = entry else {
            return Err(Error::InvalidSyntax("an operation must be an object".to_owned()));
        };
        let mut text = |name: &str| match take(&mut entry, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::InvalidSyntax(format!("`{name}` must be a string"))),
        };
        let (method, bulk_id, path, version) = (text("method")?, text("bulkId")?, text("path")?, text("version")?);
        let data = take(&mut entry, "data");
        let operation = Operation::read(method.as_deref(), bulk_id.clone(), path, version, data);
        Ok(Self { method, bulk_id, operation })
    }
}

impl Operation {
    fn read(
        method: Option<&str>,
        bulk_id: Option<String>,
        path: Option<String>,
        version: Option<String>,
        data: Option<Value>,
    ) -> Result<Self, Error> {
        let method = match method.unwrap_or_default().to_ascii_uppercase().as_str() {
            "DELETE" => Method::DELETE,
            "PATCH" => Method::PATCH,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            _ => return Err(Error::InvalidSyntax("`method` must be POST, PUT, PATCH or DELETE".to_owned())),
        };
        let path = path.ok_or_else(|| {
            Error::InvalidSyntax("`path` must be the address of a resource or of its type, such as /Users".to_owned())
        })?;
        let data = match data {
            _ if method == Method::DELETE => None,
            Some(Value::Object(data)) => Some(data),
            // The example of section 3.7.3 gives the operations of a PATCH alone.
            Some(Value::Array(operations)) if method == Method::PATCH => Some(patch_of(Value::Array(operations))),
            _ => return Err(Error::InvalidSyntax(format!("`data` must be the body that a {method} has"))),
        };
        Ok(Self { method, bulk_id, path, version, data })
    }
}

/// The body of a PATCH with these operations.
fn patch_of(operations: Value) -> Map<String, Value> {
    Map::from_iter([("schemas".to_owned(), json!([PATCH_SCHEMA])), ("Operations".to_owned(), operations)])
}

/// The value of this name, in any case; null is none.
fn take(map: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = map.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    map.swap_remove(&key).filter(|value| !value.is_null())
}

/// About what a body takes when it is parsed, rather more than less: its values are counted by what stands between them.
fn parsed_bytes(body: &[u8]) -> usize {
    let (mut size, mut is_text, mut is_escaped) = (body.len(), false, false);
    for byte in body {
        let more = match (byte, is_text) {
            (_, true) if is_escaped => {
                is_escaped = false;
                0
            }
            (b'\\', true) => {
                is_escaped = true;
                0
            }
            (b'"', _) => {
                is_text = !is_text;
                0
            }
            (b',', false) => VALUE_BYTES,
            (b'[', false) => LIST_BYTES,
            (b'{', false) => OBJECT_BYTES,
            _ => 0,
        };
        size = size.saturating_add(more);
    }
    size
}

#[cfg(test)]
mod tests;
