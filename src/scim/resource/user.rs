//! Users as resources (RFC 7643 section 4.1).

use serde_json::{Map, Value, json};

use super::{Facts, Kind, Place, framed};
use crate::directory::{SourceRecord, parse_user_name};
use crate::model::{Attributes, Group, SourceId, Status, User};
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

/// The user as a canonical resource, as `source` sees it.
pub fn canonical(user: &User, source: &SourceId) -> Resource {
    with_external_id(user, user.external_id(source))
}

fn with_external_id(user: &User, external_id: Option<&str>) -> Resource {
    let mut out = Resource::new();
    if let Some(id) = external_id {
        out.insert("externalId".to_owned(), json!(id));
    }
    out.insert("userName".to_owned(), json!(user.user_name.as_str()));
    // An `active` that was taken away is kept as null among the attributes of a disabled user.
    if user.attributes.0.get("active") != Some(&Value::Null) || user.status != Status::Inactive {
        out.insert("active".to_owned(), json!(user.status != Status::Inactive));
    }
    out.extend(user.attributes.0.iter().filter(|(name, _)| *name != "active").map(|(n, v)| (n.clone(), v.clone())));
    out
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

/// The resource as it is answered, with the groups that the user is directly in where they were read.
pub fn render(place: Place<'_>, source: &SourceId, user: &User, groups: Option<&[Group]>) -> Map<String, Value> {
    rendered(place, canonical(user, source), user, groups)
}

/// The same as the person sees it: with the `externalId` of the source that owns the account.
pub fn render_own(place: Place<'_>, user: &User, groups: Option<&[Group]>) -> Map<String, Value> {
    let external_id = user.owner.as_ref().and_then(|owner| user.external_id(owner));
    rendered(place, with_external_id(user, external_id), user, groups)
}

fn rendered(place: Place<'_>, mut attributes: Resource, user: &User, groups: Option<&[Group]>) -> Map<String, Value> {
    if let Some(groups) = groups.filter(|groups| !groups.is_empty()) {
        let value = |group: &Group| {
            let id = group.id.to_string();
            let reference = place.location(Kind::Group, &id);
            json!({"value": id, "$ref": reference, "display": group.name.as_str(), "type": "direct"})
        };
        attributes.insert("groups".to_owned(), groups.iter().map(value).collect());
    }
    let id = user.id.to_string();
    let facts =
        Facts { kind: Kind::User, id: &id, created: user.created, changed: user.changed, revision: user.revision };
    framed(place, &facts, attributes)
}
