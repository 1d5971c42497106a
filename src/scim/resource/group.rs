//! Groups as resources (RFC 7643 section 4.2).

use serde_json::{Map, Value, json};

use super::{Facts, Kind, Place, framed};
use crate::directory::{Error as DirectoryError, GroupDraft, Member};
use crate::model::{Attributes, Group, GroupName, SourceId};
use crate::scim::Error;
use crate::scim::body::Resource;

/// The group as a canonical resource, without members. Only its owner sees its `externalId`.
pub fn canonical(group: &Group, source: &SourceId) -> Resource {
    let mut out = Resource::new();
    if let Some(id) = group.external_id.as_ref().filter(|_| group.owner.as_ref() == Some(source)) {
        out.insert("externalId".to_owned(), json!(id));
    }
    out.insert("displayName".to_owned(), json!(group.name.as_str()));
    out.extend(group.attributes.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    out
}

/// Makes `draft` what a canonical resource says; its members are left alone.
///
/// # Errors
/// `Directory(Invalid)` when the name is none.
pub fn update(draft: &mut GroupDraft, resource: Resource) -> Result<(), Error> {
    let parts = draft_of(resource)?;
    draft.name = parts.name;
    draft.external_id = parts.external_id;
    draft.attributes = parts.attributes;
    Ok(())
}

/// The draft of a canonical resource, without members.
///
/// # Errors
/// As [`update`].
pub fn draft_of(mut resource: Resource) -> Result<GroupDraft, Error> {
    let mut take_text = |name: &str| resource.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    let name = take_text("displayName").unwrap_or_default();
    let external_id = take_text("externalId").filter(|id| !id.is_empty());
    let name: GroupName = name.parse().map_err(|error: crate::model::NameError| DirectoryError::Invalid {
        field: "displayName".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(GroupDraft { name, external_id, attributes: Attributes(resource), members: Default::default() })
}

/// A member and what its row says it is shown as.
pub type Shown = (Member, Option<String>);

/// A member as a value of `members`.
pub fn member(place: Place<'_>, (member, display): &Shown) -> Value {
    let (kind, id) = match member {
        Member::Group(id) => (Kind::Group, id.to_string()),
        Member::User(id) => (Kind::User, id.to_string()),
    };
    let mut value = json!({"value": id, "$ref": place.location(kind, &id), "type": place.catalogue.of(kind).name});
    if let (Some(display), Some(map)) = (display, value.as_object_mut()) {
        map.insert("display".to_owned(), json!(display));
    }
    value
}

/// The resource as it is answered, with its members where they were read.
pub fn render(place: Place<'_>, source: &SourceId, group: &Group, members: Option<&[Shown]>) -> Map<String, Value> {
    let mut attributes = canonical(group, source);
    if let Some(members) = members.filter(|members| !members.is_empty()) {
        attributes.insert("members".to_owned(), members.iter().map(|shown| member(place, shown)).collect());
    }
    let id = group.id.to_string();
    let facts =
        Facts { kind: Kind::Group, id: &id, created: group.created, changed: group.changed, revision: group.revision };
    framed(place, &facts, attributes)
}
