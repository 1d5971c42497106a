//! A person: somebody the organisation knows, with an account or without.

use minicbor::{Decode, Encode};

use super::{Id, Scope, UserId};
use crate::clock::Timestamp;

/// Id of a person, internal and never reused.
pub type PersonId = Id<Person>;

/// Somebody the organisation knows. May have an account, and need not.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Person {
    /// Internal id.
    #[n(0)]
    pub id: PersonId,
    /// The number by which the organisation knows the person, 1 to 64 characters; unique.
    #[n(1)]
    pub number: String,
    /// First name.
    #[n(2)]
    pub first_name: String,
    /// Last name.
    #[n(3)]
    pub last_name: String,
    /// E-mail address.
    #[n(4)]
    pub email: Option<String>,
    /// The person's account.
    #[n(5)]
    pub user: Option<UserId>,
    /// The companies that the person belongs to.
    #[n(6)]
    pub companies: Vec<Scope>,
    /// When the record was made.
    #[n(7)]
    pub created: Timestamp,
    /// When it was last changed.
    #[n(8)]
    pub changed: Timestamp,
    /// Counts changes, from 1; the ETag.
    #[n(9)]
    pub revision: u64,
}

impl Person {
    /// First and last name, as events tell them.
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}
