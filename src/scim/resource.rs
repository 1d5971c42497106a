//! The resource types and how the directory's records look as resources.

pub mod group;
pub mod object;
pub mod user;

use std::convert::Infallible;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::etag;
use super::schema::Catalogue;
use crate::clock::Timestamp;
use crate::filter::{AttributePath, Comparison, Filter};
use crate::model::{Group, KeptValue};

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

/// What `id` and `meta` say.
pub struct Facts {
    /// The resource type.
    pub kind: Kind,
    /// The id.
    pub id: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
    /// Counts changes.
    pub revision: u64,
}

/// A value at the top of a resource, as the record has it.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// True or false.
    Flag(bool),
    /// As it stands in the record.
    Kept(KeptValue<'a>),
    /// Kept as it came.
    Stored(&'a Value),
    /// Text.
    Text(&'a str),
}

impl Field<'_> {
    /// The value by itself.
    pub fn to_value(self) -> Value {
        match self {
            Self::Flag(flag) => Value::Bool(flag),
            Self::Kept(value) => value.to_value(),
            Self::Stored(value) => value.clone(),
            Self::Text(text) => Value::from(text),
        }
    }
}

/// Which attributes at the top of a resource are needed, by name in any case; extensions by their URN.
#[derive(Clone, Debug, Default)]
pub struct Needed {
    names: Option<Vec<String>>,
}

impl Needed {
    /// Those that a filter and an order look at, and every extension. A URN is looked up among the `schemas`.
    pub fn by(filter: Option<&Filter>, sort: Option<&AttributePath>) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut note = |path: &AttributePath| {
            names.push(path.name.clone());
            names.extend(path.urn.as_ref().map(|_| "schemas".to_owned()));
        };
        sort.into_iter().for_each(&mut note);
        let mut visit = |path: &AttributePath, _: Comparison<'_>| {
            note(path);
            Ok::<(), Infallible>(())
        };
        match filter.map_or(Ok(()), |filter| filter.visit(&mut visit)) {
            Ok(()) => Self { names: Some(names) },
            Err(never) => match never {},
        }
    }

    fn has(&self, name: &str) -> bool {
        let is_named = |names: &Vec<String>| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        name.contains(':') || self.names.as_ref().is_none_or(is_named)
    }
}

/// The fields of a record as a resource.
fn collect<'a>(fields: impl Iterator<Item = (&'a str, Field<'a>)>) -> Map<String, Value> {
    fields.map(|(name, field)| (name.to_owned(), field.to_value())).collect()
}

impl Place<'_> {
    /// The schemas of a resource, told which attributes it has.
    pub fn schemas(&self, kind: Kind, has: impl Fn(&str) -> bool) -> Vec<&str> {
        let of = self.catalogue.of(kind);
        let extensions = of.extensions.iter().map(|extension| &*extension.schema.id);
        std::iter::once(&*of.core.id).chain(extensions.filter(|id| has(id))).collect()
    }
}

/// Adds `schemas`, `id` and `meta` where they are needed. `groups` are those of a user, which are in the version.
fn framed(
    place: Place<'_>,
    facts: &Facts,
    attributes: Map<String, Value>,
    groups: &[Arc<Group>],
    needed: &Needed,
) -> Map<String, Value> {
    let mut out = attributes;
    if needed.has("schemas") {
        out.insert("schemas".to_owned(), json!(place.schemas(facts.kind, |name| out.contains_key(name))));
    }
    if needed.has("id") {
        out.insert("id".to_owned(), json!(facts.id));
    }
    if !needed.has("meta") {
        return out;
    }
    let meta = json!({
        "resourceType": place.catalogue.of(facts.kind).name,
        "created": facts.created.to_string(),
        "lastModified": facts.changed.to_string(),
        "location": place.location(facts.kind, &facts.id),
        "version": etag::Version::new(facts.revision).with_groups(groups).to_string(),
    });
    out.insert("meta".to_owned(), meta);
    out
}
