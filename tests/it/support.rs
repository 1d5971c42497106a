//! What tests share: each file has one subject.

pub mod http;
pub mod ledger;
