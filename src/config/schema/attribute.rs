//! `[[schema.attribute]]` and `[[schema.attribute.sub_attribute]]` with every characteristic of RFC 7643 section 7.

use super::super::section::Section;
use crate::model::schema::{Attribute, Mutability, Returned, Text, Type, Uniqueness};

/// Most attributes of a schema.
pub const MAX_ATTRIBUTES: usize = 100;
/// Most sub-attributes of an attribute.
pub const MAX_SUB_ATTRIBUTES: usize = 32;
/// Most canonical values of an attribute, and most types of a reference.
pub const MAX_CANONICAL_VALUES: usize = 100;
/// Longest name of an attribute, resource type or endpoint, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Names that every resource uses for something else (RFC 7643 section 3.1).
const RESERVED: [&str; 4] = ["externalId", "id", "meta", "schemas"];

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Attribute,
    SubAttribute,
}

/// The attributes of a schema; `None` when one is wrong, which was reported.
pub(super) fn resolve(section: &Section<'_>) -> Option<Vec<Attribute>> {
    let sections = section.tables("attribute");
    if sections.is_empty() {
        let help = "write `[[schema.attribute]]` below it".to_owned();
        section.error("attribute", "is missing: a schema has one or more", Some(help));
        return None;
    }
    all(section, "attribute", sections, MAX_ATTRIBUTES, Level::Attribute)
}

fn all(
    parent: &Section<'_>,
    key: &'static str,
    sections: Vec<Section<'_>>,
    most: usize,
    level: Level,
) -> Option<Vec<Attribute>> {
    if sections.len() > most {
        parent.error(key, &format!("may be written at most {most} times"), None);
    }
    let (mut attributes, mut names) = (Some(Vec::new()), Vec::<(String, String)>::new());
    for section in sections {
        let found = attribute(&section, level);
        if let Some(name) = section.peek("name") {
            match names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((known, place)) => {
                    let reason = format!("is `{known}` at {place} too; names differ in more than case");
                    section.error("name", &reason, Some("take another name, or one of them away".to_owned()));
                }
                None => names.push((name.to_owned(), section.place())),
            }
        }
        attributes = attributes.zip(found).map(|(mut attributes, found)| {
            attributes.push(found);
            attributes
        });
    }
    attributes
}

fn attribute(section: &Section<'_>, level: Level) -> Option<Attribute> {
    let name: Option<String> = section.required("name");
    if let Some(name) = &name {
        check_name(section, name, level);
    }
    let kind = section.choice("type", Type::String, &Type::NAMES);
    let description: Option<String> = section.optional("description");
    let mutability = section.choice("mutability", Mutability::ReadWrite, &Mutability::NAMES);
    let returned = section.choice("returned", Returned::Default, &Returned::NAMES);
    let returned =
        if mutability == Mutability::WriteOnly && !section.has("returned") { Returned::Never } else { returned };
    let case_exact: Option<bool> = section.optional("case_exact");
    let mut attribute = Attribute {
        multi_valued: section.or("multi_valued", false),
        required: section.or("required", false),
        mutability,
        returned,
        uniqueness: section.choice("uniqueness", Uniqueness::None, &Uniqueness::NAMES),
        canonical: texts(section, "canonical_values"),
        references: texts(section, "reference_types"),
        ..Attribute::new(name.clone().unwrap_or_default(), kind, description.unwrap_or_default())
    };
    attribute.case_exact = case_exact.unwrap_or(attribute.case_exact);
    let mut is_whole = true;
    if level == Level::Attribute {
        let inner = section.tables("sub_attribute");
        if kind == Type::Complex || inner.is_empty() {
            let subs = all(section, "sub_attribute", inner, MAX_SUB_ATTRIBUTES, Level::SubAttribute);
            is_whole = subs.is_some();
            attribute.subs = subs.unwrap_or_default();
        } else {
            let help = "write `type = \"complex\"`, or take the sub-attributes away".to_owned();
            let reason = format!("belongs to complex attributes; this one is {}", article(kind));
            section.error("sub_attribute", &reason, Some(help));
            // They are read, so that their own keys are not unknown.
            drop(all(section, "sub_attribute", inner, MAX_SUB_ATTRIBUTES, Level::SubAttribute));
        }
    }
    check(section, &attribute, level);
    if attribute.kind == Type::Reference && attribute.references.is_empty() {
        attribute.references.push("external".into());
    }
    (name.is_some() && is_whole).then_some(attribute)
}

fn texts(section: &Section<'_>, key: &'static str) -> Vec<Text> {
    let texts: Vec<String> = section.list(key, Vec::new());
    if texts.len() > MAX_CANONICAL_VALUES {
        section.error(key, &format!("may have at most {MAX_CANONICAL_VALUES} entries"), None);
    }
    texts.into_iter().map(Text::from).collect()
}

/// RFC 7643 section 2.1, and a length.
fn check_name(section: &Section<'_>, name: &str, level: Level) {
    let bare = if level == Level::SubAttribute { name.strip_prefix('$').unwrap_or(name) } else { name };
    let fits = bare.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= MAX_NAME_BYTES
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !fits {
        let help = "a letter, then letters, digits, `-` and `_`, such as `badgeNumber`".to_owned();
        section.error("name", "is no name of an attribute", Some(help));
    }
    if level == Level::Attribute
        && let Some(reserved) = RESERVED.iter().find(|reserved| reserved.eq_ignore_ascii_case(name))
    {
        let reason = format!("is `{reserved}`, which every resource has for something else");
        section.error("name", &reason, Some("take another name".to_owned()));
    }
}

/// What does not go together.
fn check(section: &Section<'_>, attribute: &Attribute, level: Level) {
    let refuse = |key: &str, reason: &str, help: &str| section.error(key, reason, Some(help.to_owned()));
    if attribute.kind == Type::Complex && level == Level::SubAttribute {
        refuse("type", "is complex within a complex attribute", "give the parts names of their own, one level up");
    } else if attribute.kind == Type::Complex && attribute.subs.is_empty() && !section.has("sub_attribute") {
        refuse("type", "is complex without parts", "write `[[schema.attribute.sub_attribute]]` below it");
    }
    if attribute.mutability == Mutability::WriteOnly && attribute.returned != Returned::Never {
        refuse("returned", "must be `never`, because nobody may read it", "take it away, or change `mutability`");
    }
    if attribute.is_read_only() && attribute.required {
        refuse("required", "asks clients for what they may not write", "take it away, or change `mutability`");
    }
    if attribute.uniqueness != Uniqueness::None && matches!(attribute.kind, Type::Boolean | Type::Complex) {
        let help = "write it at a sub-attribute, or take it away";
        refuse("uniqueness", &format!("is not for {} attributes", attribute.kind.name()), help);
    }
    if !attribute.canonical.is_empty() && !matches!(attribute.kind, Type::String | Type::Reference) {
        let help = "take them away, or write `type = \"string\"`";
        refuse("canonical_values", &format!("is not for {} attributes", attribute.kind.name()), help);
    }
    if !attribute.references.is_empty() && attribute.kind != Type::Reference {
        let help = "take it away, or write `type = \"reference\"`";
        refuse("reference_types", "is for references", help);
    }
}

fn article(kind: Type) -> String {
    let name = kind.name();
    if name.starts_with(['i']) { format!("an {name}") } else { format!("a {name}") }
}
