//! `/api/v1/openapi.json`: every address with what it takes and answers, for programs (OpenAPI 3.1).
//!
//! Whoever adds a route adds an entry in `described`; a test tells which routes have none.

mod described;
mod shapes;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Api, render};
pub use described::described;

/// `GET /openapi.json`.
pub(super) async fn show(State(api): State<Api>) -> Response {
    let services = &api.services;
    let mut operations = described();
    operations.extend(services.others.iter().cloned());
    let mut shapes = shapes::shapes();
    shapes.extend(services.other_shapes.iter().map(|(name, shape)| (*name, shape.clone())));
    let document = crate::http::openapi::document("Cleargate", &services.public_url, &operations, shapes);
    render::answer(StatusCode::OK, &document)
}
