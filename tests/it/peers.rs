//! Other people's programs that the tests run against.

pub mod browser;
pub mod oidc;
pub mod openapi;
pub mod providers;
pub mod saml;
pub mod scim_suites;
pub mod simplesaml;
pub mod slapd;
