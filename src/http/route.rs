//! Routes as data. Each surface has one table of them; the router, the route listing and the coverage test are made
//! from it. A route without an access class and a rate class does not compile.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::future::BoxFuture;
use http::Method;
use http::request::Parts;

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
    handler: MethodRouter<S>,
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// A row. Methods other than those of RFC 9110 and RFC 5789 get no route.
    pub fn new<H: Handler<T, S>, T: 'static>(
        method: Method,
        path: &'static str,
        access: Access,
        rate: Rate,
        handler: H,
    ) -> Self {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        Self { method, path, access, rate, handler: on(filter, handler) }
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
}

/// Makes a surface's router from its table.
pub fn router<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>, state: S, admit: Arc<dyn Admit>) -> Router {
    routes
        .into_iter()
        .fold(Router::new(), |router, route| {
            let gate = Gate { access: route.access, rate: route.rate, admit: Arc::clone(&admit) };
            router.route(route.path, route.handler.layer(middleware::from_fn_with_state(gate, pass)))
        })
        .with_state(state)
}

#[derive(Clone)]
struct Gate {
    access: Access,
    rate: Rate,
    admit: Arc<dyn Admit>,
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match gate.admit.admit(gate.access, gate.rate, &mut parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(answer) => answer.into_response(),
    }
}
