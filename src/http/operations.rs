//! What machines ask about the program itself: alive, ready, metrics. On a listener of its own, never on the public one.

use std::sync::Arc;

use ::http::header::CONTENT_TYPE;
use ::http::request::Parts;
use ::http::{Method, StatusCode};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;

use super::{Access, Admit, Metrics, Rate, Route};

/// Says whether the program can serve.
pub trait Readiness: Send + Sync + 'static {
    /// Looks now: store, ledger, whatever requests need.
    ///
    /// # Errors
    /// Why not, in one line that operators read; without secrets.
    fn check(&self) -> BoxFuture<'_, Result<(), String>>;
}

#[derive(Clone)]
struct Operations {
    metrics: Metrics,
    ready: Arc<dyn Readiness>,
}

/// The routes `/healthz` (200 while the program answers at all), `/readyz` (200, or 503 with the reason) and `/metrics`
/// (OpenMetrics).
pub fn router(metrics: Metrics, ready: Arc<dyn Readiness>) -> Router {
    super::router(routes(), Operations { metrics, ready }, Arc::new(Open))
}

fn routes() -> Vec<Route<Operations>> {
    vec![
        Route::new(Method::GET, "/healthz", Access::Public, Rate::Page, health),
        Route::new(Method::GET, "/metrics", Access::Public, Rate::Page, metrics),
        Route::new(Method::GET, "/readyz", Access::Public, Rate::Page, readiness),
    ]
}

/// Who reaches the operations listener may ask it.
struct Open;

impl Admit for Open {
    fn admit<'a>(&'a self, _: Access, _: Rate, _: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

async fn health() -> &'static str {
    "ok\n"
}

async fn metrics(State(operations): State<Operations>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], operations.metrics.render()).into_response()
}

async fn readiness(State(operations): State<Operations>) -> Response {
    match operations.ready.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}
