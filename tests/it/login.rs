//! The login flow through the whole gateway: passwords, lockout, sessions, providers, one-time links, forgery.

mod beside_a_factor;
mod change;
mod counted;
mod devices;
mod ended;
mod enumeration;
mod factors;
mod killed;
mod language;
mod link;
mod matrix;
mod oidc;
mod own_sessions;
mod passkeys;
mod password;
mod provider;
mod reset;
mod saml;
mod secrets;
mod signals;
mod spared;
mod spray;
mod squatter;
mod sso_only;
