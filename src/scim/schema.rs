//! Schemas as data (RFC 7643 sections 4, 5 and 8.7.1): one table of attributes with every characteristic, from which
//! validation, PATCH, projection, filtering and the `/Schemas` answers are made.

mod discover;
mod tables;

use std::sync::Arc;

use super::resource::Kind;
use crate::filter::{self, AttributePath, Fact, Facts};
pub use crate::model::schema::{Attribute, Extension, Mutability, ResourceType, Returned, Schema, Schemas, Type};

pub use discover::describe;

/// Every schema and resource type that this server knows.
#[derive(Clone, Debug)]
pub struct Catalogue {
    common: Schema,
    group: ResourceType,
    user: ResourceType,
    objects: Vec<ResourceType>,
}

impl Catalogue {
    /// What RFC 7643 defines: users with the enterprise extension, and groups.
    pub fn standard() -> Self {
        let resource_type = |name, endpoint, core: Schema, extensions| ResourceType {
            name,
            endpoint,
            description: core.description.clone(),
            core: Arc::new(core),
            extensions,
        };
        let enterprise = Extension { schema: Arc::new(tables::enterprise_user()), required: false };
        Self {
            common: tables::common(),
            group: resource_type("Group".into(), "Groups".into(), tables::group(), Vec::new()),
            user: resource_type("User".into(), "Users".into(), tables::user(), vec![enterprise]),
            objects: Vec::new(),
        }
    }

    /// The same with what an installation adds.
    pub fn with(schemas: &Schemas) -> Self {
        let mut catalogue = Self::standard();
        catalogue.group.extensions.extend(schemas.group.iter().cloned());
        catalogue.user.extensions.extend(schemas.user.iter().cloned());
        catalogue.objects.clone_from(&schemas.types);
        catalogue
    }

    /// The resource types, in the order in which a search over all lists them.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        [Kind::User, Kind::Group].into_iter().chain((0..self.objects.len()).map(Kind::Object))
    }

    /// The resource type of a kind.
    pub fn of(&self, kind: Kind) -> &ResourceType {
        match kind {
            Kind::Group => &self.group,
            // There is no other: kinds come out of the catalogue.
            Kind::Object(number) => self.objects.get(number).unwrap_or(&self.group),
            Kind::User => &self.user,
        }
    }

    /// The schemas of a kind.
    pub fn shape(&self, kind: Kind) -> Shape<'_> {
        let of = self.of(kind);
        Shape { core: &of.core, extensions: &of.extensions, common: &self.common }
    }

    /// Every schema, each once; not the common attributes, which are no schema of their own.
    pub fn schemas(&self) -> Vec<&Schema> {
        let mut schemas: Vec<&Schema> = Vec::new();
        for kind in self.kinds() {
            let of = self.of(kind);
            for schema in std::iter::once(&of.core).chain(of.extensions.iter().map(|extension| &extension.schema)) {
                if !schemas.iter().any(|known| known.is(&schema.id)) {
                    schemas.push(schema);
                }
            }
        }
        schemas
    }
}

/// The schemas of one resource type: its own and those that extend it.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The resource type's own schema.
    pub core: &'a Schema,
    /// Extensions; their attributes are below their URN.
    pub extensions: &'a [Extension],
    /// What every resource has.
    common: &'a Schema,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// An attribute.
    Attribute {
        /// The extension that has it; `None` for the core schema and the common attributes.
        extension: Option<&'a Schema>,
        /// Which.
        attribute: &'a Attribute,
        /// Which part of it.
        sub: Option<&'a Attribute>,
    },
    /// Everything that an extension adds.
    Extension(&'a Schema),
}

impl<'a> Target<'a> {
    /// The attribute or sub-attribute itself, none for a whole extension.
    pub fn leaf(&self) -> Option<&'a Attribute> {
        match self {
            Self::Attribute { attribute, sub, .. } => Some(sub.unwrap_or(attribute)),
            Self::Extension(_) => None,
        }
    }

    /// Whether clients may not write it, or what it is a part of.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Attribute { attribute, sub, .. } => {
                attribute.is_read_only() || sub.is_some_and(Attribute::is_read_only)
            }
            Self::Extension(_) => false,
        }
    }
}

impl<'a> Shape<'a> {
    /// What `path` stands for, `None` when no schema knows it. A name without URN is the core schema's, a common
    /// attribute, or else an extension's: clients write `manager` for the enterprise extension's.
    pub fn resolve(&self, path: &AttributePath) -> Option<Target<'a>> {
        let (extension, attribute) = match &path.urn {
            None => self.attribute(&path.name)?,
            Some(urn) if self.core.is(urn) => (None, self.own(&path.name)?),
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
            // A list of plain values is searched as if each were an object with a value.
            Some(name) if attribute.kind != Type::Complex && name.eq_ignore_ascii_case("value") => {
                attribute.multi_valued.then_some(None)?
            }
            Some(name) => Some(attribute.sub(name)?),
        };
        Some(Target::Attribute { extension, attribute, sub })
    }

    /// Whether a name without URN is also that of something that is never shown: a filter by it would look at that wherever
    /// the other has no value.
    pub fn hides(&self, path: &AttributePath) -> bool {
        let schemas = self.extensions.iter().map(|extension| &*extension.schema).chain([self.core]);
        path.urn.is_none()
            && schemas.filter_map(|schema| schema.attribute(&path.name)).any(|attribute| {
                let sub = path.sub.as_ref().and_then(|name| attribute.sub(name));
                attribute.returned == Returned::Never || sub.is_some_and(|sub| sub.returned == Returned::Never)
            })
    }

    /// The extension of this URN, in any case.
    pub fn extension(&self, urn: &str) -> Option<&'a Schema> {
        self.extensions.iter().map(|extension| &*extension.schema).find(|schema| schema.is(urn))
    }

    /// The attribute of this name at the top of a resource, in any case: the core schema's, or a common one.
    pub fn own(&self, name: &str) -> Option<&'a Attribute> {
        self.core.attribute(name).or_else(|| self.common.attribute(name))
    }

    fn attribute(&self, name: &str) -> Option<(Option<&'a Schema>, &'a Attribute)> {
        if let Some(attribute) = self.own(name) {
            return Some((None, attribute));
        }
        let mut schemas = self.extensions.iter().map(|extension| &*extension.schema);
        schemas.find_map(|schema| Some((Some(schema), schema.attribute(name)?)))
    }
}

impl Facts for Shape<'_> {
    fn fact(&self, urn: Option<&str>, name: &str, sub: Option<&str>) -> Fact {
        let schema = urn.and_then(|urn| self.extension(urn));
        let attribute = match schema {
            Some(schema) => schema.attribute(name),
            None => self.attribute(name).map(|(_, attribute)| attribute),
        };
        let leaf = match (attribute, sub) {
            (Some(attribute), Some(sub)) if attribute.kind == Type::Complex => attribute.sub(sub),
            (Some(attribute), None) if attribute.kind == Type::Complex => attribute.sub("value"),
            (attribute, _) => attribute,
        };
        leaf.map_or(Fact { kind: filter::Kind::Any, case_exact: false }, fact)
    }
}

fn fact(attribute: &Attribute) -> Fact {
    let kind = if attribute.kind == Type::DateTime { filter::Kind::DateTime } else { filter::Kind::Text };
    Fact { kind, case_exact: attribute.case_exact }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::{PERSON, TEAM};
