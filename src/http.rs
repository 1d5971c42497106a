//! HTTP plumbing without product knowledge: listener, TLS, limits, routes as data, metrics, outbound client.
//!
//! [`serve`] runs a router on a TCP address or a unix socket. Every request passes `edge` once, every connection has a
//! deadline for what it does, and plain HTTP is refused beyond loopback. A surface makes its router from a table of
//! [`Route`]s with [`router`].

mod activity;
mod address;
mod admission;
mod body;
mod connection;
mod cursor;
mod edge;
mod headers;
mod host;
mod json;
mod listener;
mod metrics;
pub mod openapi;
pub mod operations;
pub mod outbound;
mod problem;
mod request_id;
mod route;
mod settings;
mod socket;
mod tls;

pub use address::{ClientAddress, PeerUid, circumstance};
pub use admission::Most;
pub use body::{Unread, read_whole};
pub use cursor::{Binding, open_cursor, seal_cursor};
pub use host::Hosts;
pub use json::parse_json;
pub use listener::{Bound, Error, serve};
pub use metrics::{Attempt, Metrics};
pub use problem::problem;
pub use request_id::RequestId;
pub use route::{Access, Admit, BodyBound, Rate, Route, Takes, router};
pub use settings::{Bind, ListenerLimits, ListenerSettings};
pub use tls::{Certificates, SelfSigned};
