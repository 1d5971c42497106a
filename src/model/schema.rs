//! Schemas as data (RFC 7643 sections 2, 6 and 7): attributes with every characteristic, and the resource types that
//! are made of them. Those of the RFC and those of the configuration are the same types; what enforces them stands in
//! the surfaces.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// A name or a description: written in the source, or read from the configuration.
pub type Text = Cow<'static, str>;

/// The type of an attribute (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Bytes in base64.
    Binary,
    /// True or false.
    Boolean,
    /// An object of sub-attributes.
    Complex,
    /// A time, RFC 3339.
    DateTime,
    /// A number.
    Decimal,
    /// A whole number.
    Integer,
    /// An address.
    Reference,
    /// Text.
    String,
}

/// Who may write an attribute (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Clients, once.
    Immutable,
    /// Nobody but the server.
    ReadOnly,
    /// Clients.
    ReadWrite,
    /// Clients, who never see it.
    WriteOnly,
}

/// When an attribute is in an answer (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Whatever the request asks for.
    Always,
    /// Unless the request asks for others.
    Default,
    /// In no answer.
    Never,
    /// When the request names it.
    Request,
}

/// Whether values are unique (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// Everywhere.
    Global,
    /// They need not be.
    None,
    /// Among the resources of this server.
    Server,
}

impl Type {
    /// Every type with its name in a schema.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("binary", Self::Binary),
        ("boolean", Self::Boolean),
        ("complex", Self::Complex),
        ("dateTime", Self::DateTime),
        ("decimal", Self::Decimal),
        ("integer", Self::Integer),
        ("reference", Self::Reference),
        ("string", Self::String),
    ];

    /// The name in a schema.
    pub fn name(self) -> &'static str {
        name_of(self, &Self::NAMES)
    }
}

impl Mutability {
    /// Every mutability with its name in a schema.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("immutable", Self::Immutable),
        ("readOnly", Self::ReadOnly),
        ("readWrite", Self::ReadWrite),
        ("writeOnly", Self::WriteOnly),
    ];

    /// The name in a schema.
    pub fn name(self) -> &'static str {
        name_of(self, &Self::NAMES)
    }
}

impl Returned {
    /// Every value with its name in a schema.
    pub const NAMES: [(&'static str, Self); 4] =
        [("always", Self::Always), ("default", Self::Default), ("never", Self::Never), ("request", Self::Request)];

    /// The name in a schema.
    pub fn name(self) -> &'static str {
        name_of(self, &Self::NAMES)
    }
}

impl Uniqueness {
    /// Every value with its name in a schema.
    pub const NAMES: [(&'static str, Self); 3] =
        [("global", Self::Global), ("none", Self::None), ("server", Self::Server)];

    /// The name in a schema.
    pub fn name(self) -> &'static str {
        name_of(self, &Self::NAMES)
    }
}

fn name_of<T: PartialEq>(value: T, names: &[(&'static str, T)]) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}

/// One attribute and its characteristics (RFC 7643 section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name, in the spelling of its schema.
    pub name: Text,
    /// The type; a complex one has `subs`.
    pub kind: Type,
    /// Whether it is a list.
    pub multi_valued: bool,
    /// For people.
    pub description: Text,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether upper and lower case differ.
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// When it is in an answer.
    pub returned: Returned,
    /// Whether values are unique.
    pub uniqueness: Uniqueness,
    /// Suggested values; others are taken too.
    pub canonical: Vec<Text>,
    /// What a reference points to.
    pub references: Vec<Text>,
    /// Sub-attributes.
    pub subs: Vec<Attribute>,
}

impl Attribute {
    /// An optional attribute of one value that clients may write and see.
    pub fn new(name: impl Into<Text>, kind: Type, description: impl Into<Text>) -> Self {
        Self {
            name: name.into(),
            kind,
            multi_valued: false,
            description: description.into(),
            required: false,
            case_exact: matches!(kind, Type::Reference | Type::Binary),
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical: Vec::new(),
            references: Vec::new(),
            subs: Vec::new(),
        }
    }

    /// The sub-attribute of this name, in any case.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        self.subs.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    /// Whether clients may not write it.
    pub fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }

    /// Whether its values are kept from everybody: no answer, no event and no journal tells them.
    pub fn is_hidden(&self) -> bool {
        self.mutability == Mutability::WriteOnly || self.returned == Returned::Never
    }
}

/// A schema: a URN and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The URN.
    pub id: Text,
    /// The name for people.
    pub name: Text,
    /// For people.
    pub description: Text,
    attributes: Vec<Attribute>,
    /// Where each attribute stands, by length of name and then alphabet, without regard to case: every request looks
    /// names up.
    order: Vec<usize>,
}

impl Schema {
    /// A schema of these attributes, which have names of their own.
    pub fn new(
        id: impl Into<Text>,
        name: impl Into<Text>,
        description: impl Into<Text>,
        attributes: Vec<Attribute>,
    ) -> Self {
        let mut order: Vec<usize> = (0..attributes.len()).collect();
        let name_at = |index: usize| attributes.get(index).map_or("", |attribute| attribute.name.as_ref());
        order.sort_by(|a, b| compare(name_at(*a), name_at(*b)));
        Self { id: id.into(), name: name.into(), description: description.into(), attributes, order }
    }

    /// Its attributes, in the order in which they are shown.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The attribute of this name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        let at = |index: &usize| self.attributes.get(*index);
        let found = self.order.binary_search_by(|index| at(index).map_or(Ordering::Less, |a| compare(&a.name, name)));
        at(self.order.get(found.ok()?)?)
    }

    /// Whether this is the schema of that URN, in any case.
    pub fn is(&self, urn: &str) -> bool {
        self.id.eq_ignore_ascii_case(urn)
    }
}

/// By length, then by letters without regard to case.
fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    a.len().cmp(&b.len()).then_with(|| {
        let (a, b) = (a.bytes().map(|c| c.to_ascii_lowercase()), b.bytes().map(|c| c.to_ascii_lowercase()));
        a.cmp(b)
    })
}

/// A schema that adds to a resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The schema; its attributes are below its URN.
    pub schema: Arc<Schema>,
    /// Whether each resource must have it.
    pub required: bool,
}

/// A resource type (RFC 7643 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// The name, in `meta.resourceType`.
    pub name: Text,
    /// The endpoint, without a slash.
    pub endpoint: Text,
    /// For people.
    pub description: Text,
    /// Its own schema.
    pub core: Arc<Schema>,
    /// What adds to it.
    pub extensions: Vec<Extension>,
}

/// The URN of users (RFC 7643 section 4.1).
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of groups (RFC 7643 section 4.2).
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The URN of what enterprises add to users (RFC 7643 section 4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What an installation adds to RFC 7643.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schemas {
    /// Extensions of users.
    pub user: Vec<Extension>,
    /// Extensions of groups.
    pub group: Vec<Extension>,
    /// Resource types.
    pub types: Vec<ResourceType>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_no_others() {
        let names = ["userName", "active", "name", "a", "nickname", "displayName"];
        let attributes = names.iter().map(|name| Attribute::new(*name, Type::String, "")).collect();
        let schema = Schema::new("urn:example:1", "Example", "", attributes);
        for name in names {
            assert_eq!(schema.attribute(&name.to_uppercase()).map(|a| a.name.as_ref()), Some(name));
        }
        for name in ["", "b", "username2", "nam", "zzzzzzzz", "\u{212a}"] {
            assert!(schema.attribute(name).is_none(), "{name}");
        }
        assert!(schema.is("URN:EXAMPLE:1") && !schema.is("urn:example:10"));
    }
}
