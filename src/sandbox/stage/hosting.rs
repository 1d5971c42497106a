//! Puts the sandbox providers on ports of loopback that the system chooses. A provider must know its own address before
//! it can be built, so the port comes first.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use crate::http::{self, Bind, ListenerSettings};
use crate::sandbox::Failed;
use crate::tasks::Tasks;

/// A port that listens and has nothing to show yet.
pub(super) struct Place {
    /// `http://127.0.0.1:PORT`.
    pub(super) base: String,
    router: Arc<OnceLock<Router>>,
}

impl Place {
    pub(super) fn open(name: &'static str, tasks: &Tasks) -> Result<Self, Failed> {
        let slot = Arc::new(OnceLock::<Router>::new());
        let shown = Arc::clone(&slot);
        let answer = move |request: Request| {
            let router = shown.get().cloned();
            async move { forward(router, request).await }
        };
        let settings = ListenerSettings::new(name, Bind::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let bound = http::serve(settings, Router::new().fallback(answer), tasks);
        let bound = bound.map_err(|error| Failed::while_doing(format!("starting the {name}"), &error))?;
        Ok(Self { base: bound.url, router: slot })
    }

    /// Shows this from now on.
    pub(super) fn show(&self, router: Router) -> Result<(), Failed> {
        self.router.set(router).map_err(|_| Failed::new("a place shows one thing only"))
    }
}

async fn forward(router: Option<Router>, request: Request) -> Response {
    match router {
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(router) => router.oneshot(request).await.unwrap_or_else(|never| match never {}),
    }
}
