//! Other people's programs that the tests run against.

pub mod scim_suites;
pub mod slapd;
