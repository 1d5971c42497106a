//! HTTP plumbing without product knowledge: listener, TLS, limits, routes as data, outbound client.

pub mod outbound;
mod route;

pub use route::{Access, Admit, Rate, Route, router};
