//! Who may do what: `policy` (pure), permits, grants, policy packs and explanations.

mod permit;

pub use permit::Permit;
