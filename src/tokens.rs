//! Tokens for provisioning and automation.
