//! `[[schema]]` and `[[resource_type]]`: what an installation adds to the schemas of RFC 7643.

mod attribute;

use std::sync::Arc;

use super::section::{Section, list, nearest};
use crate::model::schema::{ENTERPRISE_USER, Extension, GROUP, ResourceType, Schema, Schemas, USER};

/// Most schemas of a configuration.
pub const MAX_SCHEMAS: usize = 32;
/// Most resource types of a configuration.
pub const MAX_RESOURCE_TYPES: usize = 16;
/// Longest URN, name or description, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// Resource types that every server has, or whose name would mislead.
const TAKEN_TYPES: [&str; 5] = ["Group", "ResourceType", "Schema", "ServiceProviderConfig", "User"];
/// Endpoints that mean something already.
const TAKEN_ENDPOINTS: [&str; 8] =
    ["Bulk", "Groups", "Me", "ResourceTypes", "Schemas", "ServiceProviderConfig", "Users", "serviceConfiguration"];

/// What a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It extends groups.
    Group,
    /// A resource type of the configuration names it.
    Type,
    /// It extends users.
    User,
}

/// A schema as it was written.
struct Written<'r> {
    section: Section<'r>,
    id: String,
    used: Use,
    is_named: bool,
    /// Nothing when something in it is wrong, which was reported.
    extension: Option<Extension>,
}

/// Reads both lists and says everything that is wrong with them.
pub(super) fn resolve(root: &Section<'_>) -> Schemas {
    let mut written = Vec::new();
    let sections = root.tables("schema");
    if sections.len() > MAX_SCHEMAS {
        root.error("schema", &format!("may be written at most {MAX_SCHEMAS} times"), None);
    }
    for section in sections {
        let Some(id) = section.peek("id").map(str::to_owned) else {
            // Reports that it is missing, and what else is wrong.
            drop(schema(&section, ""));
            continue;
        };
        check_urn(&section, &id, &written);
        let (extension, used) = schema(&section, &id);
        written.push(Written { section, id, used, is_named: false, extension });
    }
    let types = resource_types(root, &mut written);
    for schema in written.iter().filter(|schema| schema.used == Use::Type && !schema.is_named) {
        let help = "write `extends = \"User\"` or `extends = \"Group\"`, or name it in a `[[resource_type]]`";
        schema.section.error("id", "is used by nothing", Some(help.to_owned()));
    }
    let of = |used: Use| written.iter().filter(move |schema| schema.used == used);
    let extensions = |used: Use| of(used).filter_map(|schema| schema.extension.clone()).collect();
    Schemas { user: extensions(Use::User), group: extensions(Use::Group), types }
}

fn schema(section: &Section<'_>, id: &str) -> (Option<Extension>, Use) {
    let written: Option<String> = section.required("id");
    let name = text(section, "name").unwrap_or_else(|| id.rsplit(':').next().unwrap_or(id).to_owned());
    let description = text(section, "description").unwrap_or_default();
    let extends: Option<String> = section.optional("extends");
    let required = section.or("required", false);
    let used =
        extends.and_then(|extends| section.word("extends", &extends, &[("Group", Use::Group), ("User", Use::User)]));
    if required && !section.has("extends") {
        let help = "write it where a `[[resource_type]]` names the extension";
        section.error("required", "has a meaning only with `extends`", Some(help.to_owned()));
    }
    let attributes = attribute::resolve(section);
    let extension = written.zip(attributes).map(|(id, attributes)| Extension {
        schema: Arc::new(Schema::new(id, name, description, attributes)),
        required,
    });
    (extension, used.unwrap_or(Use::Type))
}

/// Text of bounded length.
fn text(section: &Section<'_>, name: &'static str) -> Option<String> {
    let text: String = section.optional(name)?;
    if text.len() > MAX_TEXT_BYTES {
        section.error(name, &format!("must have at most {MAX_TEXT_BYTES} bytes"), None);
    }
    Some(text)
}

/// Whether the text is a URN (RFC 8141) of the letters that paths of filters can hold.
fn is_urn(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let parts: Vec<&str> = text.split(':').collect();
    let starts_well = parts.first().is_some_and(|urn| urn.eq_ignore_ascii_case("urn"));
    starts_well && parts.len() >= 3 && parts.iter().all(|part| !part.is_empty()) && text.chars().all(fits)
}

fn check_urn(section: &Section<'_>, id: &str, written: &[Written<'_>]) {
    if !is_urn(id) || id.len() > MAX_TEXT_BYTES {
        let help = "such as `urn:example:params:scim:schemas:extension:2.0:Badge`; letters, digits, `.`, `-`, `_`, `:`";
        section.error("id", "must be a URN", Some(help.to_owned()));
        return;
    }
    if let Some(known) = [USER, GROUP, ENTERPRISE_USER].into_iter().find(|known| known.eq_ignore_ascii_case(id)) {
        let help = "what it defines is always there; give the schema a URN of your own".to_owned();
        section.error("id", &format!("is `{known}`, which RFC 7643 defines"), Some(help));
    }
    if let Some(first) = written.iter().find(|first| first.id.eq_ignore_ascii_case(id)) {
        let place = first.section.place();
        section.error("id", &format!("is taken at {place}"), Some("write all its attributes there".to_owned()));
    }
    // `urn:a:b:c` would be the attribute `c` of `urn:a:b`.
    let begins = |long: &str, short: &str| {
        let rest = long.get(short.len()..).filter(|rest| rest.starts_with(':') && !rest[1..].contains(':'));
        rest.is_some() && long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
    };
    let others = written.iter().map(|schema| schema.id.as_str()).chain([USER, GROUP, ENTERPRISE_USER]);
    if let Some(other) = others.into_iter().find(|other| begins(id, other) || begins(other, id)) {
        let help = "paths could not tell a schema from an attribute; end it with another word".to_owned();
        section.error("id", &format!("differs from `{other}` by one part at its end"), Some(help));
    }
}

fn resource_types(root: &Section<'_>, written: &mut [Written<'_>]) -> Vec<ResourceType> {
    let sections = root.tables("resource_type");
    if sections.len() > MAX_RESOURCE_TYPES {
        root.error("resource_type", &format!("may be written at most {MAX_RESOURCE_TYPES} times"), None);
    }
    let (mut types, mut names, mut endpoints) = (Vec::new(), Vec::new(), Vec::new());
    for section in &sections {
        let name = word(section, "name", &TAKEN_TYPES, &mut names);
        let endpoint = word(section, "endpoint", &TAKEN_ENDPOINTS, &mut endpoints);
        let description = text(section, "description");
        let core: Option<String> = section.required("schema");
        let core = core.and_then(|urn| named(section, "schema", &urn, written));
        let mut extensions: Vec<Extension> = Vec::new();
        let mut is_whole = true;
        for inner in section.tables("extensions") {
            let required = inner.or("required", false);
            let Some(urn) = inner.required::<String>("schema") else { continue };
            let extension = named(&inner, "schema", &urn, written);
            let is_double = extensions.iter().any(|known| known.schema.is(&urn));
            if is_double || core.as_ref().is_some_and(|core| core.schema.is(&urn)) {
                inner.error("schema", "is named already", Some("take one of them away".to_owned()));
            }
            is_whole &= extension.is_some();
            extensions.extend(extension.map(|extension| Extension { required, ..extension }));
        }
        let (Some(name), Some(endpoint), Some(core), true) = (name, endpoint, core, is_whole) else { continue };
        let description = description.map_or_else(|| core.schema.description.clone(), Into::into);
        types.push(ResourceType { name, endpoint, description, core: core.schema, extensions });
    }
    types
}

/// The schema of this URN, among those that are for resource types.
fn named(section: &Section<'_>, key: &str, urn: &str, written: &mut [Written<'_>]) -> Option<Extension> {
    let known: Vec<String> = written.iter().filter(|s| s.used == Use::Type).map(|s| s.id.clone()).collect();
    match written.iter_mut().find(|schema| schema.id.eq_ignore_ascii_case(urn)) {
        Some(schema) if schema.used == Use::Type => {
            schema.is_named = true;
            schema.extension.clone()
        }
        Some(schema) => {
            let help = format!("take `extends` away at {}", schema.section.place());
            section.error(key, "is a schema that extends users or groups", Some(help));
            None
        }
        None if known.is_empty() => {
            let help = "write a `[[schema]]` with this `id` and without `extends`".to_owned();
            section.error(key, "names no schema", Some(help));
            None
        }
        None => {
            let near = nearest(urn, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            let all = list(known.iter().map(String::as_str));
            section.error(key, &format!("names no schema; there is {all}"), near);
            None
        }
    }
}

/// A name of letters and digits that nothing else has, a slash before it aside.
fn word(
    section: &Section<'_>,
    key: &'static str,
    taken: &[&str],
    seen: &mut Vec<(String, String)>,
) -> Option<crate::model::schema::Text> {
    let text: String = section.required(key)?;
    let word = if key == "endpoint" { text.strip_prefix('/').unwrap_or(&text) } else { &text };
    let fits = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.len() <= attribute::MAX_NAME_BYTES
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !fits {
        let example = if key == "endpoint" { "\"/Devices\"" } else { "\"Device\"" };
        let reason = format!("must be a word of letters, digits, `-` and `_`, such as {example}");
        section.error(key, &reason, None);
        return None;
    }
    if let Some(known) = taken.iter().find(|known| known.eq_ignore_ascii_case(word)) {
        section.error(key, &format!("is `{known}`, which means something already"), Some("take another".to_owned()));
    }
    match seen.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) {
        Some((_, place)) => section.error(key, &format!("is taken at {place}"), Some("take another".to_owned())),
        None => seen.push((word.to_owned(), section.place())),
    }
    Some(word.to_owned().into())
}
