//! Resources of configured types (RFC 7643 section 6): their attributes are those of their schemas, and nothing follows
//! from them.

use serde_json::{Map, Value, json};

use super::{Facts, Kind, Place, framed};
use crate::directory::ObjectDraft;
use crate::model::{Attributes, Object, SourceId};
use crate::scim::body::Resource;

/// The object as a canonical resource. Only its owner sees its `externalId`.
pub fn canonical(object: &Object, source: &SourceId) -> Resource {
    let mut out = Resource::new();
    if let Some(id) = object.external_id.as_ref().filter(|_| object.owner.as_ref() == Some(source)) {
        out.insert("externalId".to_owned(), json!(id));
    }
    out.extend(object.attributes.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    out
}

/// What the directory is told of a canonical resource.
pub fn draft_of(mut resource: Resource) -> ObjectDraft {
    let external_id = resource.remove("externalId").and_then(|id| id.as_str().map(str::to_owned));
    ObjectDraft { external_id: external_id.filter(|id| !id.is_empty()), attributes: Attributes(resource) }
}

/// The resource as it is answered.
pub fn render(place: Place<'_>, kind: Kind, source: &SourceId, object: &Object) -> Map<String, Value> {
    let id = object.id.to_string();
    let facts = Facts { kind, id: &id, created: object.created, changed: object.changed, revision: object.revision };
    framed(place, &facts, canonical(object, source))
}
