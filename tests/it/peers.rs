//! Other people's programs that the tests run against.

pub mod slapd;
