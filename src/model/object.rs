//! A resource of a type that the configuration defines.

use minicbor::{Decode, Encode};

use super::{Attributes, ObjectId, SourceId};
use crate::clock::Timestamp;

/// A resource that is neither a user nor a group.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Object {
    /// Internal id.
    #[n(0)]
    pub id: ObjectId,
    /// The name of its resource type.
    #[n(1)]
    pub resource_type: String,
    /// The source that owns it; `None` when it is kept by hand.
    #[n(2)]
    pub owner: Option<SourceId>,
    /// The owner's id for it, 1 to 512 bytes.
    #[n(3)]
    pub external_id: Option<String>,
    /// Everything else by the names of its schema, extensions by URN.
    #[n(4)]
    pub attributes: Attributes,
    /// When it was created.
    #[n(5)]
    pub created: Timestamp,
    /// When it was last changed.
    #[n(6)]
    pub changed: Timestamp,
    /// Counts changes, from 1; the ETag.
    #[n(7)]
    pub revision: u64,
}
