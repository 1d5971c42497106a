//! The resource types and how the directory's records look as resources.

pub mod group;
pub mod object;
pub mod user;

use serde_json::{Map, Value, json};

use super::etag;
use super::schema::Catalogue;
use crate::clock::Timestamp;

/// A resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Groups.
    Group,
    /// Resources of a configured type, by its number in the catalogue.
    Object(usize),
    /// Users.
    User,
}

/// What lies at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Several operations in one request.
    Bulk,
    /// The resource of the person for whom a token acts.
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
    pub fn find(catalogue: &Catalogue, name: &str) -> Option<Self> {
        const NAMES: [(&str, Endpoint); 6] = [
            ("Bulk", Endpoint::Bulk),
            ("Me", Endpoint::Me),
            ("ResourceTypes", Endpoint::ResourceTypes),
            ("Schemas", Endpoint::Schemas),
            ("ServiceProviderConfig", Endpoint::ServiceProviderConfig),
            ("serviceConfiguration", Endpoint::ServiceProviderConfig),
        ];
        let of_type = |kind: &Kind| catalogue.of(*kind).endpoint.eq_ignore_ascii_case(name);
        let others = || NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, endpoint)| *endpoint);
        catalogue.kinds().find(of_type).map(Endpoint::Resources).or_else(others)
    }
}

/// Where resources are, and what they are made of.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The address of the surface: `https://host/scim/v2`.
    pub base: &'a str,
    /// What the server knows.
    pub catalogue: &'a Catalogue,
}

impl Place<'_> {
    /// The address of a resource: `https://host/scim/v2/Users/…`.
    pub fn location(self, kind: Kind, id: &str) -> String {
        format!("{}/{}/{id}", self.base, self.catalogue.of(kind).endpoint)
    }
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
fn framed(place: Place<'_>, facts: &Facts<'_>, attributes: Map<String, Value>) -> Map<String, Value> {
    let of = place.catalogue.of(facts.kind);
    let extensions = of.extensions.iter().map(|extension| &*extension.schema.id);
    let used = extensions.filter(|id| attributes.contains_key(*id));
    let schemas: Vec<&str> = std::iter::once(&*of.core.id).chain(used).collect();
    let mut out = Map::new();
    out.insert("schemas".to_owned(), json!(schemas));
    out.insert("id".to_owned(), json!(facts.id));
    out.extend(attributes);
    let meta = json!({
        "resourceType": of.name,
        "created": facts.created.to_string(),
        "lastModified": facts.changed.to_string(),
        "location": place.location(facts.kind, facts.id),
        "version": etag::version(facts.revision),
    });
    out.insert("meta".to_owned(), meta);
    out
}
