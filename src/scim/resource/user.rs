//! Users as resources (RFC 7643 section 4.1).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Facts, Field, Kind, Needed, Place, collect, framed};
use crate::directory::{self, SourceRecord, parse_user_name};
use crate::model::{Attributes, Group, Kept, KeptValue, SourceId, Status, User};
use crate::scim::Error;
use crate::scim::body::Resource;

/// What a resource without `active` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Somebody took `active` away: nobody may use an account of which nobody says that it is active.
    Disables,
    /// Nothing is said about it: it stays as it is.
    Keeps,
}

/// The user's fields, with the `externalId` of `source`.
pub fn fields<'a>(user: &'a User, source: Option<&SourceId>) -> impl Iterator<Item = (&'a str, Field<'a>)> {
    let has_no_active = || user.attributes.0.get("active") == Some(&Value::Null);
    let others = user.attributes.0.iter().map(|(name, value)| (name.as_str(), Field::Stored(value)));
    all_fields(user, source, has_no_active, others)
}

/// The same of a user whose attributes are passed on.
pub fn kept_fields<'a>(user: &'a User<Kept>, source: Option<&SourceId>) -> impl Iterator<Item = (&'a str, Field<'a>)> {
    let has_no_active = || user.attributes.get("active").is_some_and(KeptValue::is_null);
    let others = user.attributes.entries().map(|(name, value)| (name, Field::Kept(value)));
    all_fields(user, source, has_no_active, others)
}

fn all_fields<'a, A>(
    user: &'a User<A>,
    source: Option<&SourceId>,
    has_no_active: impl FnOnce() -> bool,
    others: impl Iterator<Item = (&'a str, Field<'a>)>,
) -> impl Iterator<Item = (&'a str, Field<'a>)> {
    let external_id = source.and_then(|source| user.external_id(source)).map(|id| ("externalId", Field::Text(id)));
    let user_name = ("userName", Field::Text(user.user_name.as_str()));
    // An `active` that was taken away is kept as null among the attributes of a disabled user.
    let is_active = user.status != Status::Inactive;
    let active = (is_active || !has_no_active()).then_some(("active", Field::Flag(is_active)));
    let others = others.filter(|(name, _)| *name != "active");
    external_id.into_iter().chain([user_name]).chain(active).chain(others)
}

/// The user as a canonical resource, as `source` sees it.
pub fn canonical(user: &User, source: &SourceId) -> Resource {
    collect(fields(user, Some(source)))
}

/// What `id` and `meta` say of the user.
pub fn facts<A>(user: &User<A>) -> Facts {
    Facts {
        kind: Kind::User,
        id: user.id.to_string(),
        created: user.created,
        changed: user.changed,
        revision: user.revision,
    }
}

/// Refuses a login name with blanks around it: it is looked up without them, so that whoever looks for the name finds nobody
/// and may not make it either. One that has been there as it is goes on.
///
/// # Errors
/// `Directory(Invalid)`.
pub fn check_name(record: &SourceRecord, before: Option<&User>) -> Result<(), Error> {
    let name = record.user_name.as_str();
    if name.trim() == name || before.is_some_and(|before| before.user_name == record.user_name) {
        return Ok(());
    }
    let reason = "must not begin or end with a blank".to_owned();
    Err(directory::Error::Invalid { field: "userName".to_owned(), reason }.into())
}

/// What the directory is told of a canonical resource. The password is dropped: clients send one that nobody knows even
/// where they do not synchronize passwords.
///
/// # Errors
/// `Directory(Invalid)` when the name is none.
pub fn record(mut resource: Resource, silence: Silence) -> Result<SourceRecord, Error> {
    let mut take_text = |name: &str| resource.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    let user_name = parse_user_name(&take_text("userName").unwrap_or_default())?;
    let external_id = take_text("externalId").filter(|id| !id.is_empty());
    let active = resource.remove("active").and_then(|value| value.as_bool());
    resource.remove("password");
    let active = match (active, silence) {
        (None, Silence::Disables) => {
            resource.insert("active".to_owned(), Value::Null);
            Some(false)
        }
        (active, _) => active,
    };
    Ok(SourceRecord { external_id, user_name, active, attributes: Attributes(resource) })
}

/// The resource with what a filter looks at, and with the groups that the user is directly in where they were
/// read.
pub fn picture<'a>(
    place: Place<'_>,
    facts: Facts,
    fields: impl Iterator<Item = (&'a str, Field<'a>)>,
    groups: &[Arc<Group>],
    needed: &Needed,
) -> Map<String, Value> {
    let mut attributes = collect(fields.filter(|(name, _)| needed.has(name)));
    if !groups.is_empty() {
        let value = |group: &Arc<Group>| {
            let id = group.id.to_string();
            let reference = place.location(Kind::Group, &id);
            json!({"value": id, "$ref": reference, "display": group.name.as_str(), "type": "direct"})
        };
        attributes.insert("groups".to_owned(), groups.iter().map(value).collect());
    }
    framed(place, &facts, attributes, groups, needed)
}
