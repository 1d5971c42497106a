//! The table of routes, and the router made from it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{Method, StatusCode};

use super::{Authzen, Error, Gate, MAX_BODY_BYTES, evaluate, metadata, search};
use crate::http::{Access, Rate, Route, problem};

pub(super) const EVALUATION: &str = "/access/v1/evaluation";
pub(super) const EVALUATIONS: &str = "/access/v1/evaluations";
pub(super) const SUBJECTS: &str = "/access/v1/search/subject";
pub(super) const RESOURCES: &str = "/access/v1/search/resource";
pub(super) const ACTIONS: &str = "/access/v1/search/action";
pub(super) const METADATA: &str = "/.well-known/authzen-configuration";
/// Whatever else is below the surface's place, so that every answer there has its form.
const REST: &str = "/access/{*rest}";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Every route of the surface.
pub fn table() -> Vec<Route<Authzen>> {
    const API: Rate = Rate::Api;
    const POST: Method = Method::POST;
    // A session may ask about itself; the handlers ask for the permission to ask about others.
    const CALLERS: Access = Access::Session;
    let mut routes = vec![
        Route::new(POST, EVALUATION, CALLERS, API, evaluate::one),
        Route::new(POST, EVALUATIONS, CALLERS, API, evaluate::many),
        Route::new(POST, SUBJECTS, CALLERS, API, search::subjects),
        Route::new(POST, RESOURCES, CALLERS, API, search::resources),
        Route::new(POST, ACTIONS, CALLERS, API, search::actions),
    ];
    routes = routes.into_iter().map(|route| route.with_body_bytes(MAX_BODY_BYTES)).collect();
    routes.push(Route::new(Method::GET, METADATA, Access::Public, Rate::Page, metadata::show));
    routes
}

/// The surface behind its gate.
pub fn router(authzen: Authzen) -> Router {
    let gate = Arc::new(Gate::new(&authzen));
    crate::http::router(table(), authzen, gate)
        .route(REST, axum::routing::any(|| async { Error::NotFound.into_response() }))
        .layer(middleware::from_fn(finish))
}

/// Answers with the request id that the client gave (section 10.1.3), unchanged, whatever becomes of the request. What no
/// handler answered gets a body of the surface's form.
async fn finish(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !response.headers().contains_key(CONTENT_TYPE) {
        let (mut parts, _) = response.into_parts();
        let (told, body) = problem(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here").into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.extend(told.headers);
        response = Response::from_parts(parts, body);
    }
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
