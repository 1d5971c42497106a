//! What tests share: each file has one subject.

pub mod authenticator;
pub mod bench;
pub mod browser;
pub mod daemon;
pub mod gateway;
pub mod golden;
pub mod http;
pub mod ledger;
pub mod mail;
pub mod peer;
pub mod port;
pub mod security_key;
