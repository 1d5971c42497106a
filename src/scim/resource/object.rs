//! Resources of configured types (RFC 7643 section 6): their attributes are those of their schemas, and nothing follows
//! from them.

use serde_json::{Map, Value};

use super::{Facts, Field, Kind, Needed, Place, collect, framed};
use crate::directory::ObjectDraft;
use crate::model::{Attributes, Object, SourceId};
use crate::scim::body::Resource;

/// The object's fields. Only its owner sees its `externalId`.
pub fn fields<'a>(object: &'a Object, source: Option<&SourceId>) -> impl Iterator<Item = (&'a str, Field<'a>)> {
    let external_id = object.external_id.as_deref().filter(|_| object.owner.as_ref() == source);
    let external_id = external_id.map(|id| ("externalId", Field::Text(id)));
    let others = object.attributes.0.iter().map(|(name, value)| (name.as_str(), Field::Stored(value)));
    external_id.into_iter().chain(others)
}

/// The object as a canonical resource.
pub fn canonical(object: &Object, source: &SourceId) -> Resource {
    collect(fields(object, Some(source)))
}

/// What `id` and `meta` say of the object.
pub fn facts(kind: Kind, object: &Object) -> Facts {
    Facts {
        kind,
        id: object.id.to_string(),
        created: object.created,
        changed: object.changed,
        revision: object.revision,
    }
}

/// What the directory is told of a canonical resource.
pub fn draft_of(mut resource: Resource) -> ObjectDraft {
    let external_id = resource.remove("externalId").and_then(|id| id.as_str().map(str::to_owned));
    ObjectDraft { external_id: external_id.filter(|id| !id.is_empty()), attributes: Attributes(resource) }
}

/// The resource with what a filter looks at.
pub fn picture(
    place: Place<'_>,
    kind: Kind,
    source: &SourceId,
    object: &Object,
    needed: &Needed,
) -> Map<String, Value> {
    let attributes = collect(fields(object, Some(source)).filter(|(name, _)| needed.has(name)));
    framed(place, &facts(kind, object), attributes, &[], needed)
}
