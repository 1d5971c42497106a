//! Routes as data. Each surface has one table of them; the router, the route listing and the coverage test are made
//! from it. A route without an access class and a rate class does not compile. What a route takes is bounded by its
//! class: a request that is larger, or coded otherwise than as it is, never reaches the handler.

use std::sync::Arc;

use ::http::header::CONTENT_ENCODING;
use ::http::request::Parts;
use ::http::{Method, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::future::BoxFuture;
use http_body::Body as _;

use super::body::{Capped, Cause, Tripped};
use super::problem;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Management: a session, a management token, or the admin socket. The handler asks for the permission.
    Management,
    /// Anybody, also without an identity: sign-in pages, metadata, discovery.
    Public,
    /// A provisioning token.
    Scim,
    /// Any signed-in user, for what is their own.
    Session,
}

/// Which rate limit a route counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Management calls, by token or address.
    Api,
    /// Pages and metadata, by address.
    Page,
    /// Provisioning, by token.
    Scim,
    /// Anything that takes a secret or an assertion, by address and by account.
    SignIn,
}

/// What a public route takes that could be guessed, so that a test can try it on every route that there is.
///
/// Each row that anybody may call and that is not merely read says one: `Route::new(…).takes(Takes::Password)`. A row
/// without fails `tests/it/login/secrets.rs`, and so does one that says `Password` or `Factor` and of which that test does
/// not know how to send a wrong one. Routes of the other access classes take a token or a session, which their surface's
/// [`Admit`] looks at before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A signature that is good once: a provider's word, the answer of a passkey. Nobody guesses one.
    Assertion,
    /// A code of a second factor: of an app, or for recovery. Counted by account, apart from passwords.
    Factor,
    /// Nothing: what it does is of the browser that asks, or of whoever is signed in.
    Nothing,
    /// A person's password. Counted by account before it is looked at.
    Password,
    /// A random secret of ours: a link, an invitation, a client's secret. It is too long to be guessed; addresses are
    /// counted.
    Random,
}

/// One row of a surface's table.
pub struct Route<S> {
    /// The method.
    pub method: Method,
    /// The path in axum's form: `/scim/v2/Users/{id}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Which limit it counts against.
    pub rate: Rate,
    /// Most bytes of a request's body.
    pub body_bytes: usize,
    /// Whether its handler answers bodies that are larger itself.
    answers_large: bool,
    /// What it takes that could be guessed; `None` where the row does not say.
    pub takes: Option<Takes>,
    handler: MethodRouter<S>,
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// A row. Methods other than those of RFC 9110 and RFC 5789 get no route. Bodies may have 1 MiB for provisioning,
    /// 16 KiB where a secret is taken, 256 KiB else.
    pub fn new<H: Handler<T, S>, T: 'static>(
        method: Method,
        path: &'static str,
        access: Access,
        rate: Rate,
        handler: H,
    ) -> Self {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        let body_bytes = match (access, rate) {
            (Access::Scim, _) | (_, Rate::Scim) => 1024 * 1024,
            (_, Rate::SignIn) => 16 * 1024,
            _ => 256 * 1024,
        };
        Self { method, path, access, rate, body_bytes, answers_large: false, takes: None, handler: on(filter, handler) }
    }

    /// The row, which takes this.
    #[must_use]
    pub fn takes(mut self, takes: Takes) -> Self {
        self.takes = Some(takes);
        self
    }

    /// The row with another bound on bodies, such as for SAML responses in base64. The listener's own bound stays.
    #[must_use]
    pub fn with_body_bytes(mut self, most: usize) -> Self {
        self.body_bytes = most;
        self
    }

    /// The row, whose handler answers a body that is too large itself: it asks the request's [`BodyBound`]. Where the length is
    /// told before, it gets no body at all; else one that breaks off at the bound.
    #[must_use]
    pub fn answering_large(mut self) -> Self {
        self.answers_large = true;
        self
    }
}

/// Decides before a handler runs: authenticates for the access class, counts against the rate class, and puts the
/// `model::Actor` into the request's extensions. Each surface has its own, because each answers errors in its own form.
pub trait Admit: Send + Sync + 'static {
    /// Lets the request pass or answers it.
    ///
    /// # Errors
    /// The finished answer: 401, 403, 429.
    fn admit<'a>(&'a self, access: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>>;

    /// Says in the surface's form why a body is not taken: 413 (too large) or 415 (coded). `detail` is a short clause.
    fn refuse(&self, status: StatusCode, detail: &str) -> Response {
        problem(status, detail)
    }
}

/// Makes a surface's router from its table.
pub fn router<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>, state: S, admit: Arc<dyn Admit>) -> Router {
    routes
        .into_iter()
        .fold(Router::new(), |router, route| {
            let gate = Gate {
                access: route.access,
                rate: route.rate,
                body_bytes: route.body_bytes,
                answers_large: route.answers_large,
                pattern: Pattern(route.path),
                admit: Arc::clone(&admit),
            };
            router.route(route.path, route.handler.layer(middleware::from_fn_with_state(gate, pass)))
        })
        .with_state(state)
}

/// The bound of a request's body, in the extensions of requests to routes that answer larger ones themselves.
#[derive(Clone)]
pub struct BodyBound(Tripped);

impl BodyBound {
    /// Whether there is more than may be read: asked when the body was read as far as it goes.
    pub fn is_exceeded(&self) -> bool {
        self.0.cause() == Some(Cause::Large)
    }
}

/// Which route answered, for the listener's metrics: in the extensions of the response.
#[derive(Clone, Copy)]
pub(super) struct Pattern(pub(super) &'static str);

impl Pattern {
    /// Paths that no table knows; they all count as one.
    pub(super) const UNKNOWN: &'static str = "unknown";
}

#[derive(Clone)]
struct Gate {
    access: Access,
    rate: Rate,
    body_bytes: usize,
    answers_large: bool,
    pattern: Pattern,
    admit: Arc<dyn Admit>,
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match gate.admit.admit(gate.access, gate.rate, &mut parts).await {
        Ok(()) => gate.bounded(parts, body, next).await,
        Err(answer) => answer,
    };
    response.extensions_mut().insert(gate.pattern);
    response
}

impl Gate {
    async fn bounded(&self, mut parts: Parts, body: Body, next: Next) -> Response {
        if parts
            .headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return self.admit.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bodies are taken without Content-Encoding");
        }
        if body.is_end_stream() {
            return next.run(Request::from_parts(parts, body)).await;
        }
        let too_large = || self.admit.refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
        let tripped = Tripped::default();
        if self.answers_large {
            parts.extensions.insert(BodyBound(tripped.clone()));
        }
        if body.size_hint().lower() > u64::try_from(self.body_bytes).unwrap_or(u64::MAX) {
            if !self.answers_large {
                return too_large();
            }
            tripped.set(Cause::Large);
            return next.run(Request::from_parts(parts, Body::empty())).await;
        }
        let body = Body::new(Capped::new(body, self.body_bytes, tripped.clone()));
        let response = next.run(Request::from_parts(parts, body)).await;
        match tripped.cause() {
            Some(Cause::Large) if !self.answers_large => too_large(),
            _ => response,
        }
    }
}
