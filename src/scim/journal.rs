//! The last requests of each connection, for administrators whose client hides what it was told.
//!
//! In memory, bounded in number and bytes, gone with the process. What must stay secret is blacked out before it is kept
//! (bodies) or before it is shown (addresses): values of attributes that no answer ever has, passwords before all, and
//! everything that looks like a token of ours. Of a successful read nothing but its address is kept, copied: a reference
//! would hold on to everything else that was read from the connection with it.

mod redact;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::schema::Catalogue;
use crate::clock::{Clock, Timestamp};
use crate::http::RequestId;
use crate::model::{SourceId, TokenId};
use redact::Secrets;

/// Requests that are kept of one connection.
const MAX_ENTRIES: usize = 1_000;
/// Bytes that are kept of one connection; older requests go when newer ones are large.
const MAX_BYTES: usize = 4 << 20;
/// What an entry costs besides its address and bodies.
const ENTRY_BYTES: usize = 256;
/// Largest answer whose text is looked at.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The requests of the connections that keep them. Cloning shares them.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    clock: Clock,
    secrets: OnceLock<Secrets>,
    rings: BTreeMap<SourceId, Mutex<Ring>>,
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    newest: u64,
}

#[derive(Clone)]
struct Entry {
    number: u64,
    at: Timestamp,
    request_id: Option<String>,
    method: Method,
    /// Path and query, as they were sent.
    address: Box<str>,
    status: StatusCode,
    took: Duration,
    token: TokenId,
    request: Option<String>,
    answer: Option<String>,
}

/// What the parts of the surface find out about a request on its way: in the request's extensions.
#[derive(Clone, Default)]
pub(super) struct Trace(Arc<Seen>);

#[derive(Default)]
struct Seen {
    connection: OnceLock<(SourceId, TokenId)>,
    body: OnceLock<String>,
    secrets: OnceLock<Secrets>,
}

impl Trace {
    /// Whose request it is.
    pub(super) fn is_of(&self, source: &SourceId, token: TokenId) {
        // A request has one gate.
        drop(self.0.connection.set((source.clone(), token)));
    }

    /// The request's body, as it was read.
    pub(super) fn has_body(&self, body: &Map<String, Value>) {
        if let Some(secrets) = self.0.secrets.get() {
            drop(self.0.body.set(secrets.object(body)));
        }
    }
}

impl Journal {
    /// Keeps the requests of these connections.
    pub fn new<'a>(connections: impl Iterator<Item = &'a SourceId>, clock: Clock) -> Self {
        let rings = connections.map(|id| (id.clone(), Mutex::default())).collect();
        Self(Arc::new(Inner { clock, secrets: OnceLock::new(), rings }))
    }

    /// Takes what must stay secret from the schemas in use. The first word counts: one gateway has one catalogue.
    pub(super) fn learn(&self, catalogue: &Catalogue) {
        self.0.secrets.get_or_init(|| Secrets::of(catalogue));
    }

    /// Requests of a connection, newest first, before the one of number `before`, at most `limit` of those for which
    /// `keep` holds; and the number to go on from when there are more. `None` when the connection's are not kept.
    pub fn page(
        &self,
        connection: &SourceId,
        keep: &dyn Fn(u16, Timestamp) -> bool,
        before: Option<u64>,
        limit: usize,
    ) -> Option<(Vec<Value>, Option<u64>)> {
        let ring = self.0.rings.get(connection)?.lock().unwrap_or_else(PoisonError::into_inner);
        let older = ring.entries.iter().rev().filter(|entry| before.is_none_or(|before| entry.number < before));
        let mut wanted = older.filter(|entry| keep(entry.status.as_u16(), entry.at));
        let entries: Vec<Entry> = wanted.by_ref().take(limit).cloned().collect();
        let next = wanted.next().and_then(|_| entries.last()).map(|last| last.number);
        drop(ring);
        Some((entries.iter().map(|entry| self.0.render(entry)).collect(), next))
    }

    fn push(&self, connection: &SourceId, mut entry: Entry) {
        let Some(ring) = self.0.rings.get(connection) else { return };
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.newest += 1;
        entry.number = ring.newest;
        ring.bytes += entry.bytes();
        ring.entries.push_back(entry);
        while ring.entries.len() > MAX_ENTRIES || ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.entries.pop_front() else { break };
            ring.bytes = ring.bytes.saturating_sub(oldest.bytes());
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        ENTRY_BYTES + self.address.len() + text(&self.request_id) + text(&self.request) + text(&self.answer)
    }
}

impl Inner {
    fn secrets(&self) -> &Secrets {
        self.secrets.get_or_init(|| Secrets::of(&Catalogue::standard()))
    }

    fn render(&self, entry: &Entry) -> Value {
        let (path, query) = match entry.address.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&*entry.address, None),
        };
        json!({
            "number": entry.number,
            "at": entry.at.to_string(),
            "request_id": entry.request_id,
            "method": entry.method.as_str(),
            "path": self.secrets().address(path, query),
            "status": entry.status.as_u16(),
            "duration_us": u64::try_from(entry.took.as_micros()).unwrap_or(u64::MAX),
            "token": entry.token.to_string(),
            "request": entry.request,
            "answer": entry.answer,
        })
    }
}

/// Passes a request on and keeps what came of it, if it was a connection's.
pub(super) async fn keep(State(journal): State<Journal>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let trace = Trace::default();
    drop(trace.0.secrets.set(journal.0.secrets().clone()));
    request.extensions_mut().insert(trace.clone());
    let method = request.method().clone();
    let address: Box<str> = request.uri().path_and_query().map_or("", |address| address.as_str()).into();
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let response = next.run(request).await;
    let Some((source, token)) = trace.0.connection.get().filter(|(source, _)| journal.0.rings.contains_key(source))
    else {
        return response;
    };
    let path = address.split('?').next().unwrap_or_default();
    let is_read = method.is_safe() || path.to_ascii_lowercase().ends_with("/.search");
    let (status, took) = (response.status(), began.elapsed());
    let (response, answer) = match is_read && status.is_success() {
        true => (response, None),
        false => journal.0.secrets().answer(response).await,
    };
    let entry = Entry {
        number: 0,
        at: journal.0.clock.now(),
        request_id,
        method,
        address,
        status,
        took,
        token: *token,
        request: trace.0.body.get().cloned(),
        answer,
    };
    journal.push(source, entry);
    response
}

impl Secrets {
    /// An answer of ours and what is kept of it; its body is in memory already.
    async fn answer(&self, response: Response) -> (Response, Option<String>) {
        let (parts, body) = response.into_parts();
        match to_bytes(body, usize::MAX).await {
            Ok(bytes) => {
                let kept = match bytes.len() {
                    0 => None,
                    1..=MAX_ANSWER_BYTES => serde_json::from_slice(&bytes).ok().map(|value: Value| self.value(&value)),
                    length => Some(format!("({length} bytes)")),
                };
                (Response::from_parts(parts, Body::from(bytes)), kept)
            }
            // What cannot be read could not have been sent either.
            Err(_) => (Response::from_parts(parts, Body::empty()), None),
        }
    }
}
