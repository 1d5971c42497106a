//! What every request of a listener passes, in one piece: layers of a router would each cost a boxed call.
//!
//! In this order: request id, header and host checks, client address, a place among the requests in flight, body and
//! request deadlines, the router, then the answer's headers and its count. A panic of a handler is answered 500.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use ::http::header::{CONNECTION, Entry, RETRY_AFTER};
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use http_body_util::Limited;
use hyper::body::{Body as _, Incoming};
use tower::Service;
use tracing::{Instrument, debug, error, info_span};

use super::activity::Activity;
use super::address::ClientAddress;
use super::admission::Admission;
use super::body::{Cause, Outgoing, Timed, Tripped};
use super::problem::Form;
use super::route::Pattern;
use super::{Hosts, ListenerLimits, Metrics, PeerUid, RequestId, address, headers, request_id};
use crate::model::Network;
use crate::tasks::panic_text;

/// What all connections of a listener share.
pub(super) struct Edge {
    pub(super) router: Router,
    pub(super) hosts: Hosts,
    pub(super) proxies: Vec<Network>,
    pub(super) limits: ListenerLimits,
    pub(super) metrics: Metrics,
    pub(super) in_flight: Admission,
    /// Requests whose body is not there yet.
    pub(super) uploads: Admission,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub(super) enum Peer {
    Tcp(IpAddr),
    Unix(Option<u32>),
}

/// The requests of one connection.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) edge: Arc<Edge>,
    pub(super) peer: Peer,
    pub(super) encrypted: bool,
    /// Random; the first half of the ids of its requests.
    pub(super) connection: u64,
    pub(super) activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = self.activity.begin();
        let number = self.activity.served();
        let this = self.clone();
        Box::pin(async move {
            busy.began();
            let (parts, body) = this.answer(number, request).await.into_parts();
            Ok(Response::from_parts(parts, Outgoing::new(body, busy)))
        })
    }
}

impl Requests {
    async fn answer(self, number: u32, request: Request<Incoming>) -> Response<Body> {
        let began = Instant::now();
        let (mut parts, body) = request.into_parts();
        let (method, version) = (parts.method.clone(), parts.version);
        let id = self.identify(&mut parts, number);
        let shown = id.header_value();
        let span = info_span!("request", request.id = %id.0);
        parts.extensions.insert(id);
        let mut response = match self.refusal(&parts) {
            None => self.serve(parts, body).instrument(span).await,
            Some(refusal) => refusal,
        };
        headers::harden(response.headers_mut(), self.encrypted);
        // A surface whose protocol gives the id to the client has answered with the client's.
        if let (Some(value), Entry::Vacant(vacant)) = (&shown, response.headers_mut().entry(request_id::HEADER)) {
            vacant.insert(value.clone());
        }
        if version < Version::HTTP_2 && number >= self.edge.limits.requests_per_connection {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let route = response.extensions().get::<Pattern>().map_or(Pattern::UNKNOWN, |pattern| pattern.0);
        let took = began.elapsed();
        self.edge.metrics.request(route, &method, response.status(), took);
        debug!(request.id = ?shown, "{method} {route} answered {} after {took:?}", response.status().as_u16());
        response
    }

    /// Says who asks, and under which id.
    fn identify(&self, parts: &mut Parts, number: u32) -> RequestId {
        let mut given = None;
        match self.peer {
            Peer::Tcp(peer) => {
                let proxies = &self.edge.proxies;
                if address::is_trusted(peer, proxies) {
                    given = RequestId::from_proxy(&parts.headers);
                }
                parts.extensions.insert(address::resolve(peer, &parts.headers, proxies));
            }
            Peer::Unix(Some(uid)) => {
                parts.extensions.insert(PeerUid(uid));
            }
            Peer::Unix(None) => {}
        }
        given.unwrap_or_else(|| RequestId::of(self.connection, number))
    }

    /// The answer to a request that is not to be served at all.
    fn refusal(&self, parts: &Parts) -> Option<Response<Body>> {
        let limits = &self.edge.limits;
        let form = Form::of(parts.uri.path());
        if parts.headers.len() > limits.header_fields {
            return Some(form.problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many header fields"));
        }
        if parts.method == Method::CONNECT || parts.method == Method::TRACE {
            return Some(form.problem(StatusCode::NOT_IMPLEMENTED, "this method is not served"));
        }
        match self.edge.hosts.check(parts) {
            Ok(()) => None,
            Err(StatusCode::MISDIRECTED_REQUEST) => {
                Some(form.problem(StatusCode::MISDIRECTED_REQUEST, "this server does not answer for that host"))
            }
            Err(status) => Some(form.problem(status, "exactly one valid Host is needed")),
        }
    }

    async fn serve(&self, parts: Parts, body: Incoming) -> Response<Body> {
        let address = parts.extensions.get::<ClientAddress>().map(|address| address.0);
        let form = Form::of(parts.uri.path());
        let Ok(_place) = self.edge.in_flight.enter(address) else {
            return self.shed(form, "too many requests at once");
        };
        let limits = &self.edge.limits;
        let tripped = Tripped::default();
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            let (body, awaited) = (Limited::new(body, limits.body_bytes), self.edge.uploads.clone());
            Body::new(Timed::new(body, limits.body, tripped.clone(), awaited, address))
        };
        let mut router = self.edge.router.clone();
        let work = router.call(Request::from_parts(parts, body));
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        // Most requests are done at the first poll; only the others need a timer.
        let first = poll_fn(|cx| std::task::Poll::Ready(work.as_mut().poll(cx))).await;
        let done = match first {
            std::task::Poll::Ready(done) => done,
            std::task::Poll::Pending => match tokio::time::timeout(limits.request, work).await {
                Ok(done) => done,
                Err(_) => {
                    debug!("the request took longer than {:?}", limits.request);
                    return form.problem(StatusCode::SERVICE_UNAVAILABLE, "the request took too long");
                }
            },
        };
        match done {
            Ok(Ok(response)) => match tripped.cause() {
                Some(Cause::Crowded) => self.shed(form, "too many requests whose body is not there yet"),
                Some(Cause::Slow) => form.problem(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
                Some(Cause::Large) if response.status() != StatusCode::PAYLOAD_TOO_LARGE => {
                    form.problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
                }
                _ => response,
            },
            Ok(Err(never)) => match never {},
            Err(panic) => {
                error!("a handler panicked: {}", panic_text(panic.as_ref()));
                form.problem(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong; the log knows the request id")
            }
        }
    }
}

impl Requests {
    fn shed(&self, form: Form, why: &str) -> Response<Body> {
        self.edge.metrics.load_shed();
        let mut response = form.problem(StatusCode::SERVICE_UNAVAILABLE, why);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}
