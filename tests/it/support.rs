//! What tests share: each file has one subject.

pub mod bench;
pub mod gateway;
pub mod golden;
pub mod http;
pub mod ledger;
