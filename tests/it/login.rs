//! The login flow through the whole gateway: passwords, lockout, sessions, providers, one-time links, forgery.

mod change;
mod ended;
mod factors;
mod language;
mod link;
mod matrix;
mod own_sessions;
mod passkeys;
mod password;
mod provider;
mod reset;
mod saml;
mod squatter;
