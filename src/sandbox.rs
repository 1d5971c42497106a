//! The small directory and identity providers that `cleargate demo` plays against. Never part of `serve`.

pub mod directory;
pub mod openid;
pub mod saml;
