//! What tests share: each file has one subject.

pub mod bench;
pub mod http;
pub mod ledger;
