//! The OpenID Connect relying party against a provider that runs in the test and lies as told.

mod accepted;
mod answer;
mod claims;
mod corpus;
mod demands;
mod documents;
mod exchange;
mod groups;
mod organisations;
mod sandbox;
mod signature;
pub(crate) mod stage;
