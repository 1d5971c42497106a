//! Groups as resources (RFC 7643 section 4.2).

use serde_json::{Map, Value, json};

use super::{Facts, Field, Kind, Needed, Place, collect, framed};
use crate::directory::{Error as DirectoryError, GroupDraft, Member};
use crate::model::{Attributes, Group, GroupName, SourceId};
use crate::scim::Error;
use crate::scim::body::Resource;

/// The group's fields without members. Only its owner sees its `externalId`.
pub fn fields<'a>(group: &'a Group, source: Option<&SourceId>) -> impl Iterator<Item = (&'a str, Field<'a>)> {
    let external_id = group.external_id.as_deref().filter(|_| group.owner.as_ref() == source);
    let external_id = external_id.map(|id| ("externalId", Field::Text(id)));
    let name = ("displayName", Field::Text(group.name.as_str()));
    let others = group.attributes.0.iter().map(|(name, value)| (name.as_str(), Field::Stored(value)));
    external_id.into_iter().chain([name]).chain(others)
}

/// The group as a canonical resource, without members.
pub fn canonical(group: &Group, source: &SourceId) -> Resource {
    collect(fields(group, Some(source)))
}

/// What `id` and `meta` say of the group.
pub fn facts(group: &Group) -> Facts {
    Facts {
        kind: Kind::Group,
        id: group.id.to_string(),
        created: group.created,
        changed: group.changed,
        revision: group.revision,
    }
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

/// The resource with what a filter looks at, and with its members where they were read.
pub fn picture(
    place: Place<'_>,
    source: &SourceId,
    group: &Group,
    members: &[Shown],
    needed: &Needed,
) -> Map<String, Value> {
    let mut attributes = collect(fields(group, Some(source)).filter(|(name, _)| needed.has(name)));
    if !members.is_empty() {
        attributes.insert("members".to_owned(), members.iter().map(|shown| member(place, shown)).collect());
    }
    framed(place, &facts(group), attributes, &[], needed)
}
