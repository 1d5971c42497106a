//! Cleargate: an identity gateway.

pub mod access;
pub mod api;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credential;
pub mod directory;
pub mod error;
pub mod filter;
pub mod gateway;
pub mod http;
pub mod ldap;
pub mod limit;
pub mod lockout;
pub mod login;
pub mod model;
pub mod sandbox;
pub mod scim;
pub mod secret;
pub mod session;
pub mod store;
pub mod sync;
pub mod tasks;
pub mod tokens;
pub mod upstream;
