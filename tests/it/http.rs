//! HTTP plumbing.

mod outbound;
