//! Resources as the bytes of an answer. What an answer does not show is neither copied nor written; what it shows whole
//! goes from the record straight into the answer.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Error;
use super::discovery::LIST_SCHEMA;
use super::etag::Version;
use super::projection::{Projection, Shown};
use super::read::{Record, Related};
use super::resource::{Facts, Field, Kind, Place, group, object, user};
use super::schema::{Attribute, Schema, Shape};
use crate::directory::Member;
use crate::model::{Group, SourceId};

/// Bytes that a resource mostly needs.
const TYPICAL_BYTES: usize = 1024;

/// Writes resources of one kind for one answer.
#[derive(Clone, Copy)]
pub(super) struct Renderer<'a> {
    pub(super) place: Place<'a>,
    pub(super) shape: Shape<'a>,
    /// Whose `externalId` is shown.
    pub(super) source: Option<&'a SourceId>,
    pub(super) projection: &'a Projection<'a>,
}

/// What stands around the resources of a list (RFC 7644 section 3.4.2, RFC 9865 section 2).
pub(super) struct Around<'a> {
    pub(super) total: Option<usize>,
    pub(super) start: Option<usize>,
    pub(super) shown: usize,
    pub(super) next: Option<&'a str>,
}

impl Around<'_> {
    /// The list up to its first resource. Resources follow, separated by commas, then [`Around::END`].
    pub(super) fn begin(&self) -> Vec<u8> {
        let mut out = String::with_capacity(256 + self.shown * TYPICAL_BYTES);
        out.push_str("{\"schemas\":[\"");
        out.push_str(LIST_SCHEMA);
        out.push_str("\"]");
        let mut number = |name: &str, number: Option<usize>| {
            if let Some(number) = number {
                out.push_str(name);
                out.push_str(&number.to_string());
            }
        };
        number(",\"totalResults\":", self.total);
        number(",\"startIndex\":", self.start);
        number(",\"itemsPerPage\":", Some(self.shown));
        if let Some(cursor) = self.next {
            // A cursor has letters, digits, `-` and `_` only.
            out.push_str(",\"nextCursor\":\"");
            out.push_str(cursor);
            out.push('"');
        }
        out.push_str(",\"Resources\":[");
        out.into_bytes()
    }

    /// What ends a list.
    pub(super) const END: &'static [u8] = b"]}";
}

impl Renderer<'_> {
    /// The resource by itself.
    ///
    /// # Errors
    /// As [`Renderer::write`].
    pub(super) fn bytes(&self, record: &Record, related: &Related, version: Version) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(TYPICAL_BYTES);
        self.write(&mut out, record, related, Some(version))?;
        Ok(out)
    }

    /// Appends the resource, a JSON object: `schemas` and `id`, its attributes, `meta`. Its version follows from what is
    /// related, where the caller has not made it.
    ///
    /// # Errors
    /// `Unavailable` when a value cannot be written, which no value brings about.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        record: &Record,
        related: &Related,
        version: Option<Version>,
    ) -> Result<(), Error> {
        let facts = match record {
            Record::Group(group) => group::facts(group),
            Record::Kept(user) => user::facts(user),
            Record::Object(kind, object) => object::facts(*kind, object),
            Record::User(user) => user::facts(user),
        };
        let has = |name: &str| match record {
            Record::Group(group) => group.attributes.0.contains_key(name),
            Record::Kept(user) => user.attributes.get(name).is_some(),
            Record::Object(_, object) => object.attributes.0.contains_key(name),
            Record::User(user) => user.attributes.0.contains_key(name),
        };
        out.push(b'{');
        self.own(out, "schemas", |out| put(out, &self.place.schemas(facts.kind, has)))?;
        self.own(out, "id", |out| put(out, &facts.id))?;
        match record {
            Record::Group(group) => self.fields(out, group::fields(group, self.source))?,
            Record::Object(_, object) => self.fields(out, object::fields(object, self.source))?,
            Record::Kept(user) => self.fields(out, user::kept_fields(user, self.source))?,
            Record::User(user) => self.fields(out, user::fields(user, self.source))?,
        }
        match related {
            Related::Groups(groups) if !groups.is_empty() => self.own(out, "groups", |out| self.groups(out, groups))?,
            Related::Members(members) if !members.is_empty() => {
                self.own(out, "members", |out| self.members(out, members))?;
            }
            Related::Groups(_) | Related::Members(_) | Related::Nothing => {}
        }
        let version = || version.unwrap_or_else(|| Version::new(facts.revision).with_groups(related.groups()));
        self.own(out, "meta", |out| self.meta(out, &facts, version()))?;
        out.push(b'}');
        Ok(())
    }

    fn fields<'f>(&self, out: &mut Vec<u8>, fields: impl Iterator<Item = (&'f str, Field<'f>)>) -> Result<(), Error> {
        for (name, field) in fields {
            match (self.shape.extension(name), field) {
                (None, field) => self.own(out, name, |out| write_field(out, field))?,
                (Some(schema), Field::Kept(value)) => {
                    let inner = value.entries().map(|(name, value)| (name, Field::Kept(value)));
                    self.extension(out, schema, name, inner)?;
                }
                (Some(schema), Field::Stored(Value::Object(inner))) => {
                    let inner = inner.iter().map(|(name, value)| (name.as_str(), Field::Stored(value)));
                    self.extension(out, schema, name, inner)?;
                }
                (Some(_), _) => {}
            }
        }
        Ok(())
    }

    /// What an extension adds, below its URN; nothing where nothing of it is shown.
    fn extension<'f>(
        &self,
        out: &mut Vec<u8>,
        schema: &Schema,
        urn: &str,
        fields: impl Iterator<Item = (&'f str, Field<'f>)>,
    ) -> Result<(), Error> {
        let before = out.len();
        key(out, urn);
        out.push(b'{');
        let opened = out.len();
        for (name, field) in fields {
            if let Some(attribute) = schema.attribute(name) {
                self.attribute(out, Some(schema), attribute, name, |out| write_field(out, field))?;
            }
        }
        if out.len() == opened {
            out.truncate(before);
        } else {
            out.push(b'}');
        }
        Ok(())
    }

    /// An attribute at the top of the resource; what no schema knows is not shown.
    fn own(
        &self,
        out: &mut Vec<u8>,
        name: &str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.shape.own(name) {
            Some(attribute) => self.attribute(out, None, attribute, name, write),
            None => Ok(()),
        }
    }

    fn attribute(
        &self,
        out: &mut Vec<u8>,
        extension: Option<&Schema>,
        attribute: &Attribute,
        name: &str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.projection.shown(extension, attribute) {
            Shown::Not => Ok(()),
            Shown::Whole => {
                key(out, name);
                write(out)
            }
            Shown::Part => {
                let mut whole = Vec::new();
                write(&mut whole)?;
                let whole = serde_json::from_slice(&whole).map_err(|_| Error::Unavailable)?;
                if let Some(part) = self.projection.part_of(extension, attribute, whole) {
                    key(out, name);
                    put(out, &part)?;
                }
                Ok(())
            }
        }
    }

    fn meta(&self, out: &mut Vec<u8>, facts: &Facts, version: Version) -> Result<(), Error> {
        out.push(b'{');
        pair(out, "resourceType", &self.place.catalogue.of(facts.kind).name)?;
        pair(out, "created", &facts.created.to_string())?;
        pair(out, "lastModified", &facts.changed.to_string())?;
        pair(out, "location", &self.place.location(facts.kind, &facts.id))?;
        pair(out, "version", &version.to_string())?;
        out.push(b'}');
        Ok(())
    }

    fn groups(&self, out: &mut Vec<u8>, groups: &[Arc<Group>]) -> Result<(), Error> {
        out.push(b'[');
        for group in groups {
            comma(out);
            out.push(b'{');
            let id = group.id.to_string();
            pair(out, "value", &id)?;
            pair(out, "$ref", &self.place.location(Kind::Group, &id))?;
            pair(out, "display", group.name.as_str())?;
            pair(out, "type", "direct")?;
            out.push(b'}');
        }
        out.push(b']');
        Ok(())
    }

    fn members(&self, out: &mut Vec<u8>, members: &[group::Shown]) -> Result<(), Error> {
        out.push(b'[');
        for (member, display) in members {
            let (kind, id) = match member {
                Member::Group(id) => (Kind::Group, id.to_string()),
                Member::User(id) => (Kind::User, id.to_string()),
            };
            comma(out);
            out.push(b'{');
            pair(out, "value", &id)?;
            pair(out, "$ref", &self.place.location(kind, &id))?;
            pair(out, "type", &self.place.catalogue.of(kind).name)?;
            if let Some(display) = display {
                pair(out, "display", display)?;
            }
            out.push(b'}');
        }
        out.push(b']');
        Ok(())
    }
}

/// A value as JSON.
fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    serde_json::to_writer(out, value).map_err(|_| Error::Unavailable)
}

fn write_field(out: &mut Vec<u8>, field: Field<'_>) -> Result<(), Error> {
    match field {
        Field::Flag(flag) => put(out, &flag),
        Field::Kept(value) => value.write_json(out).map_err(|_| Error::Unavailable),
        Field::Stored(value) => put(out, value),
        Field::Text(text) => put(out, text),
    }
}

/// Separates what follows from what stands before it in an object or a list, if anything does.
pub(super) fn comma(out: &mut Vec<u8>) {
    // No value ends with an opening bracket.
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
}

/// Begins a member. Its name is a schema's or a URN's, in which nothing has to be escaped.
fn key(out: &mut Vec<u8>, name: &str) {
    comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn pair(out: &mut Vec<u8>, name: &str, text: &str) -> Result<(), Error> {
    key(out, name);
    put(out, text)
}

#[cfg(test)]
mod tests;
