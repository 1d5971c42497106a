//! Schemas as data (RFC 7643 sections 4, 5 and 8.7.1): one table of attributes with every characteristic, from which
//! validation, PATCH, projection, filtering and the `/Schemas` answers are made.

mod discover;
mod tables;

use crate::filter::{AttributePath, Fact, Facts, Kind};

pub use discover::describe;
pub use tables::{COMMON, ENTERPRISE_USER, GROUP, USER};

/// The type of an attribute (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Binary,
    Boolean,
    Complex,
    DateTime,
    Reference,
    String,
}

/// Who may write an attribute (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    Immutable,
    ReadOnly,
    ReadWrite,
    WriteOnly,
}

/// When an attribute is in an answer (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    Always,
    Default,
    Never,
}

/// Whether values are unique (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    None,
    Server,
}

/// One attribute and its characteristics (RFC 7643 section 7).
#[derive(Debug)]
pub struct Attribute {
    /// The name, in the spelling of the RFC.
    pub name: &'static str,
    /// The type; a complex one has `subs`.
    pub kind: Type,
    /// Whether it is a list.
    pub multi_valued: bool,
    /// For people.
    pub description: &'static str,
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
    pub canonical: &'static [&'static str],
    /// What a reference points to.
    pub references: &'static [&'static str],
    /// Sub-attributes.
    pub subs: &'static [Attribute],
}

impl Attribute {
    /// The sub-attribute of this name, in any case.
    pub fn sub(&self, name: &str) -> Option<&'static Attribute> {
        self.subs.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    /// Whether clients may not write it.
    pub fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }

    fn fact(&self) -> Fact {
        let kind = if self.kind == Type::DateTime { Kind::DateTime } else { Kind::Text };
        Fact { kind, case_exact: self.case_exact }
    }
}

/// A schema: a URN and its attributes.
#[derive(Debug)]
pub struct Schema {
    /// The URN.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// Its attributes, in the order in which they are rendered.
    pub attributes: &'static [Attribute],
}

impl Schema {
    /// The attribute of this name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// Whether this is the schema of that URN, in any case.
    pub fn is(&self, urn: &str) -> bool {
        self.id.eq_ignore_ascii_case(urn)
    }
}

/// The schemas of one resource type: its own and those that extend it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The resource type's own schema.
    pub core: &'static Schema,
    /// Extensions; their attributes are below their URN.
    pub extensions: &'static [&'static Schema],
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// An attribute.
    Attribute {
        /// The extension that has it; `None` for the core schema and the common attributes.
        extension: Option<&'static Schema>,
        /// Which.
        attribute: &'static Attribute,
        /// Which part of it.
        sub: Option<&'static Attribute>,
    },
    /// Everything that an extension adds.
    Extension(&'static Schema),
}

impl Target {
    /// The attribute or sub-attribute itself, none for a whole extension.
    pub fn leaf(&self) -> Option<&'static Attribute> {
        match self {
            Self::Attribute { attribute, sub, .. } => Some(sub.unwrap_or(attribute)),
            Self::Extension(_) => None,
        }
    }
}

impl Shape {
    /// What `path` stands for, `None` when no schema knows it. A name without URN is the core schema's, a common
    /// attribute, or else an extension's: clients write `manager` for the enterprise extension's.
    pub fn resolve(&self, path: &AttributePath) -> Option<Target> {
        let (extension, attribute) = match &path.urn {
            None => self.attribute(&path.name)?,
            Some(urn) if self.core.is(urn) => (None, attribute_of(self.core, &path.name)?),
            Some(urn) => match self.extension(urn) {
                Some(schema) => (Some(schema), schema.attribute(&path.name)?),
                // The URN of an extension reads as an attribute of what precedes its last colon.
                None if path.sub.is_none() => {
                    return self.extension(&format!("{urn}:{}", path.name)).map(Target::Extension);
                }
                None => return None,
            },
        };
        let sub = match &path.sub {
            None => None,
            Some(name) => Some(attribute.sub(name)?),
        };
        Some(Target::Attribute { extension, attribute, sub })
    }

    /// The extension of this URN, in any case.
    pub fn extension(&self, urn: &str) -> Option<&'static Schema> {
        self.extensions.iter().find(|schema| schema.is(urn)).copied()
    }

    fn attribute(&self, name: &str) -> Option<(Option<&'static Schema>, &'static Attribute)> {
        if let Some(attribute) = attribute_of(self.core, name) {
            return Some((None, attribute));
        }
        self.extensions.iter().find_map(|schema| Some((Some(*schema), schema.attribute(name)?)))
    }
}

fn attribute_of(core: &Schema, name: &str) -> Option<&'static Attribute> {
    core.attribute(name).or_else(|| COMMON.attribute(name))
}

impl Facts for Shape {
    fn fact(&self, urn: Option<&str>, name: &str, sub: Option<&str>) -> Fact {
        let schema = urn.and_then(|urn| self.extension(urn));
        let attribute = match schema {
            Some(schema) => schema.attribute(name),
            None => self.attribute(name).map(|(_, attribute)| attribute),
        };
        let leaf = match (attribute, sub) {
            (Some(attribute), Some(sub)) => attribute.sub(sub),
            (Some(attribute), None) if attribute.kind == Type::Complex => attribute.sub("value"),
            (attribute, _) => attribute,
        };
        leaf.map_or(Fact { kind: Kind::Any, case_exact: false }, Attribute::fact)
    }
}

#[cfg(test)]
mod tests;
