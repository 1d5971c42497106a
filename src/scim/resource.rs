//! The resource types and how the directory's records look as resources.

pub mod group;
pub mod user;

use serde_json::{Map, Value, json};

use super::etag;
use super::schema::{ENTERPRISE_USER, GROUP, Schema, Shape, USER};
use crate::clock::Timestamp;

static USER_EXTENSIONS: &[&Schema] = &[&ENTERPRISE_USER];

/// A resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Groups.
    Group,
    /// Users.
    User,
}

impl Kind {
    /// Every resource type, in the order in which a search over all lists them.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "Group",
            Self::User => "User",
        }
    }

    /// The endpoint, without a slash.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::Group => "Groups",
            Self::User => "Users",
        }
    }

    /// The schemas.
    pub const fn shape(self) -> Shape {
        match self {
            Self::Group => Shape { core: &GROUP, extensions: &[] },
            Self::User => Shape { core: &USER, extensions: USER_EXTENSIONS },
        }
    }
}

/// What lies at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Several operations in one request; not offered.
    Bulk,
    /// The authenticated subject's own resource; a connection has none.
    Me,
    /// Resources of a type.
    Resources(Kind),
    /// The resource types.
    ResourceTypes,
    /// The schemas.
    Schemas,
    /// What the server offers.
    ServiceProviderConfig,
}

impl Endpoint {
    /// The endpoint of this name, in any case; Entra ID's reference client writes some in lower case, and one by an
    /// older name.
    pub fn find(name: &str) -> Option<Self> {
        const NAMES: [(&str, Endpoint); 8] = [
            ("Bulk", Endpoint::Bulk),
            ("Groups", Endpoint::Resources(Kind::Group)),
            ("Me", Endpoint::Me),
            ("ResourceTypes", Endpoint::ResourceTypes),
            ("Schemas", Endpoint::Schemas),
            ("ServiceProviderConfig", Endpoint::ServiceProviderConfig),
            ("serviceConfiguration", Endpoint::ServiceProviderConfig),
            ("Users", Endpoint::Resources(Kind::User)),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, endpoint)| *endpoint)
    }
}

/// The address of a resource: `https://host/scim/v2/Users/…`.
pub fn location(base: &str, kind: Kind, id: &str) -> String {
    format!("{base}/{}/{id}", kind.endpoint())
}

/// What `meta` says.
struct Facts<'a> {
    kind: Kind,
    id: &'a str,
    created: Timestamp,
    changed: Timestamp,
    revision: u64,
}

/// `schemas` and `id` before, `meta` behind the attributes.
fn framed(base: &str, facts: &Facts<'_>, attributes: Map<String, Value>) -> Map<String, Value> {
    let shape = facts.kind.shape();
    let used = shape.extensions.iter().filter(|schema| attributes.contains_key(schema.id));
    let schemas: Vec<&str> = std::iter::once(shape.core.id).chain(used.map(|schema| schema.id)).collect();
    let mut out = Map::new();
    out.insert("schemas".to_owned(), json!(schemas));
    out.insert("id".to_owned(), json!(facts.id));
    out.extend(attributes);
    let meta = json!({
        "resourceType": facts.kind.name(),
        "created": facts.created.to_string(),
        "lastModified": facts.changed.to_string(),
        "location": location(base, facts.kind, facts.id),
        "version": etag::version(facts.revision),
    });
    out.insert("meta".to_owned(), meta);
    out
}
