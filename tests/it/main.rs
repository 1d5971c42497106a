//! One binary for all tests of behaviour; its folders mirror `src`.

#![allow(missing_docs, reason = "tests are sentences")]
#![allow(
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod access;
mod api;
mod architecture;
mod audit;
mod authzen;
mod cli;
mod config;
mod credential;
mod demo;
mod directory;
mod docs;
mod durability;
mod filter;
mod guides;
mod http;
mod ldap;
mod limit;
mod lockout;
mod login;
mod notify;
mod oidc;
mod peers;
mod restore;
mod saml;
mod scim;
mod session;
mod store;
mod support;
mod sync;
mod tokens;
