//! The login flow through the whole gateway: passwords, lockout, sessions, one-time links, forgery.

mod link;
mod password;
