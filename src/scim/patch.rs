//! PATCH (RFC 7644 section 3.5.2) as a function from a canonical resource and a request to a canonical resource.
//!
//! [`parse`] checks everything that can be checked without the resource and gives [`Step`]s; [`apply()`] works on a copy,
//! so that a request takes effect as a whole or not at all. Members of groups are rows elsewhere: [`members`] takes
//! their steps out and says what they do to them.
//!
//! Two dialects are read at once. Standard: lower-case operations, typed values. Entra ID's older one: capitalized
//! operations, booleans as text, and `Replace` of an element that is absent creates it; the same with `replace` is an
//! error by section 3.5.2.3. In both, keys of a value without path may be paths themselves.

mod apply;
mod member;
mod secret;

use serde_json::{Map, Value};

use super::Error;
use super::schema::{Attribute, Mutability, Schema, Shape, Target, Type};
use crate::filter::{self, Filter, Path};

pub use apply::apply;
use member::selected;

pub use member::{MemberStep, NamedMember, members, named};
pub use secret::password;

/// The schema of the request.
pub const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Most operations of one request.
pub const MAX_OPERATIONS: usize = 1_000;
/// Most steps of one request, after those without path are taken apart.
pub const MAX_STEPS: usize = 10_000;

/// Most steps of one request that look for values by a filter; members that are named by their ids apart.
pub const MAX_SELECTIONS: usize = 100;

/// Most steps of one request over lists, each of which looks at every value of its list; members of groups apart.
pub const MAX_LIST_STEPS: usize = 1_000;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `add`
    Add,
    /// `remove`
    Remove,
    /// `replace`
    Replace,
}

/// What happens when a replaced element is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// It is an error.
    Standard,
    /// It is created.
    Entra,
}

/// One thing to do to one attribute.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    verb: Verb,
    dialect: Dialect,
    extension: Option<&'a Schema>,
    attribute: &'a Attribute,
    sub: Option<&'a Attribute>,
    filter: Option<Filter>,
    value: Option<Value>,
}

impl Step<'_> {
    /// Whether it goes through a list to find what its filter selects.
    fn searches(&self) -> bool {
        let is_named = || self.is_about_members() && self.filter.as_ref().is_some_and(|f| selected(f).is_some());
        self.filter.is_some() && !is_named()
    }

    /// Whether it goes through the values of a list, which members of a group are not.
    fn walks(&self) -> bool {
        self.attribute.multi_valued && !self.is_about_members()
    }

    /// Whether it is about a group's members, not about an extension's attribute of that name.
    fn is_about_members(&self) -> bool {
        self.extension.is_none() && self.attribute.name == "members"
    }
}

/// Reads a request's body.
///
/// # Errors
/// `InvalidSyntax`, `InvalidPath`, `InvalidFilter`, `InvalidValue`, `Mutability`, `NoTarget`.
pub fn parse<'a>(shape: &Shape<'a>, body: &Map<String, Value>) -> Result<Vec<Step<'a>>, Error> {
    let schemas = get(body, "schemas").and_then(Value::as_array);
    let names_patch = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(PATCH_SCHEMA));
    if !schemas.is_some_and(|schemas| schemas.iter().any(names_patch)) {
        return Err(Error::InvalidSyntax(format!("`schemas` must list {PATCH_SCHEMA}")));
    }
    let operations = get(body, "Operations").and_then(Value::as_array).filter(|list| !list.is_empty());
    let operations =
        operations.ok_or_else(|| Error::InvalidSyntax("`Operations` must list one operation or more".to_owned()))?;
    if operations.len() > MAX_OPERATIONS {
        let reason = format!("a request may have at most {MAX_OPERATIONS} operations; send the rest in another one");
        return Err(Error::InvalidSyntax(reason));
    }
    let mut steps = Vec::new();
    for operation in operations {
        let operation =
            operation.as_object().ok_or_else(|| Error::InvalidSyntax("an operation must be an object".to_owned()))?;
        read_operation(shape, operation, &mut steps)?;
        if steps.len() > MAX_STEPS {
            return Err(Error::InvalidSyntax(format!("a request may change at most {MAX_STEPS} attributes")));
        }
    }
    if steps.iter().filter(|step| step.searches()).count() > MAX_SELECTIONS {
        let reason = format!("a request may select values by a filter at most {MAX_SELECTIONS} times");
        return Err(Error::InvalidSyntax(reason));
    }
    if steps.iter().filter(|step| step.walks()).count() > MAX_LIST_STEPS {
        let reason = format!("a request may change lists at most {MAX_LIST_STEPS} times; send the rest in another one");
        return Err(Error::InvalidSyntax(reason));
    }
    Ok(steps)
}

fn get<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// How an operation was written, shared by the steps that come from it.
#[derive(Clone, Copy)]
struct Manner<'m, 'a> {
    shape: &'m Shape<'a>,
    verb: Verb,
    dialect: Dialect,
}

fn read_operation<'a>(
    shape: &Shape<'a>,
    operation: &Map<String, Value>,
    steps: &mut Vec<Step<'a>>,
) -> Result<(), Error> {
    let op = get(operation, "op").and_then(Value::as_str).unwrap_or_default();
    let verb = match op.to_ascii_lowercase().as_str() {
        "add" => Verb::Add,
        "remove" => Verb::Remove,
        "replace" => Verb::Replace,
        _ => return Err(Error::InvalidSyntax("`op` must be add, remove or replace".to_owned())),
    };
    let dialect = if op.starts_with(|c: char| c.is_ascii_uppercase()) { Dialect::Entra } else { Dialect::Standard };
    let manner = Manner { shape, verb, dialect };
    let value = get(operation, "value");
    match get(operation, "path") {
        None | Some(Value::Null) => read_pathless(manner, value, steps),
        Some(Value::String(text)) if text.trim().is_empty() => read_pathless(manner, value, steps),
        Some(Value::String(text)) => {
            let path = Path::lenient(text).map_err(|error: filter::Error| Error::InvalidPath(error.to_string()))?;
            if verb != Verb::Remove && value.is_none() {
                return Err(Error::InvalidValue(format!("`{text}` needs a value")));
            }
            read_path(manner, &path, value, steps)
        }
        Some(_) => Err(Error::InvalidPath("`path` must be a string".to_owned())),
    }
}

fn read_pathless<'a>(manner: Manner<'_, 'a>, value: Option<&Value>, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
    if manner.verb == Verb::Remove {
        return Err(Error::NoTarget("a remove operation needs a path".to_owned()));
    }
    let Some(Value::Object(values)) = value else {
        return Err(Error::InvalidValue("an operation without path needs an object as its value".to_owned()));
    };
    // Only Entra ID writes paths as keys, and it means elements to be created where they are absent.
    let manner = Manner { dialect: Dialect::Entra, ..manner };
    for (key, value) in values {
        // As in a whole resource, what is unknown or read-only is passed over.
        let Ok(path) = Path::lenient(key) else { continue };
        match target(manner.shape, &path) {
            Some(found) if !found.is_read_only() => {
                read_path(manner, &path, Some(value), steps)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn target<'a>(shape: &Shape<'a>, path: &Path) -> Option<Target<'a>> {
    let mut attribute = path.attribute.clone();
    attribute.sub.clone_from(&path.sub);
    // So the RFC itself writes what a member is shown as (RFC 7644 section 3.5.2).
    if attribute.urn.is_none() && attribute.is("members.displayName") {
        attribute.sub = Some("display".to_owned());
    }
    shape.resolve(&attribute)
}

fn read_path<'a>(
    manner: Manner<'_, 'a>,
    path: &Path,
    value: Option<&Value>,
    steps: &mut Vec<Step<'a>>,
) -> Result<(), Error> {
    let Some(found) = target(manner.shape, path) else {
        // Entra ID sends each attribute of its mapping by a path: one that is not known here, as in a whole resource, must not
        // refuse the rest.
        return match manner.dialect {
            Dialect::Entra => Ok(()),
            Dialect::Standard => Err(Error::InvalidPath(format!("`{path}` is no attribute of this resource type"))),
        };
    };
    let is_read_only = found.is_read_only();
    let (extension, attribute, sub) = match found {
        Target::Extension(schema) => return read_extension(manner, schema, value, steps),
        Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
    };
    let leaf = sub.unwrap_or(attribute);
    if attribute.name == "schemas" && manner.verb != Verb::Remove {
        // Which schemas a resource uses follows from its attributes.
        return Ok(());
    }
    // A value that is set once is compared with what it was; which element of a list was which is not known then.
    let is_part_of_element = sub.is_some_and(|sub| sub.mutability == Mutability::Immutable) && attribute.multi_valued;
    if is_read_only || is_part_of_element {
        return Err(Error::Mutability(format!("`{path}` cannot be changed")));
    }
    // Some elements of a required list may go; whether one is left is seen at the end.
    let is_part = sub.is_none() && (path.filter.is_some() || value.is_some_and(|value| !value.is_null()));
    if leaf.required && manner.verb == Verb::Remove && !is_part {
        return Err(Error::Mutability(format!("`{path}` is required")));
    }
    if let Some(condition) = &path.filter {
        check_condition(attribute, condition)?;
    }
    if manner.verb == Verb::Add && value.is_some_and(Value::is_null) {
        // Null is no value (RFC 7643 section 2.5): adding it adds nothing, and takes nothing away.
        return Ok(());
    }
    steps.push(Step {
        verb: manner.verb,
        dialect: manner.dialect,
        extension,
        attribute,
        sub,
        filter: path.filter.clone(),
        value: value.cloned(),
    });
    Ok(())
}

/// An extension as a whole: its attributes one by one.
fn read_extension<'a>(
    manner: Manner<'_, 'a>,
    schema: &'a Schema,
    value: Option<&Value>,
    steps: &mut Vec<Step<'a>>,
) -> Result<(), Error> {
    let mut push = |attribute: &'a Attribute, verb: Verb, value: Option<&Value>| {
        steps.push(Step {
            verb,
            dialect: manner.dialect,
            extension: Some(schema),
            attribute,
            sub: None,
            filter: None,
            value: value.cloned(),
        });
    };
    let writable = schema.attributes().iter().filter(|attribute| !attribute.is_read_only());
    match value {
        _ if manner.verb == Verb::Remove => {
            writable.for_each(|attribute| push(attribute, Verb::Remove, None));
        }
        Some(Value::Null) => writable.for_each(|attribute| push(attribute, Verb::Remove, None)),
        Some(Value::Object(values)) => {
            for (key, value) in values {
                if let Some(attribute) = schema.attribute(key).filter(|attribute| !attribute.is_read_only()) {
                    push(attribute, manner.verb, Some(value));
                }
            }
        }
        _ => return Err(Error::InvalidValue(format!("`{}` must be an object", schema.id))),
    }
    Ok(())
}

fn check_condition(attribute: &Attribute, condition: &Filter) -> Result<(), Error> {
    if !attribute.multi_valued {
        return Err(Error::InvalidFilter(format!("`{}` is no list to select from", attribute.name)));
    }
    condition.visit(&mut |path, _| {
        let is_value = attribute.kind != Type::Complex && path.name.eq_ignore_ascii_case("value");
        if path.urn.is_none() && path.sub.is_none() && (is_value || attribute.sub(&path.name).is_some()) {
            return Ok(());
        }
        Err(Error::InvalidFilter(format!("`{path}` is no sub-attribute of `{}`", attribute.name)))
    })
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
