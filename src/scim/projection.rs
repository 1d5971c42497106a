//! Which attributes an answer shows: `attributes` and `excludedAttributes` (RFC 7644 section 3.9) together with each
//! attribute's `returned` (RFC 7643 section 7).

use serde_json::{Map, Value};

use super::schema::{Attribute, Returned, Schema, Shape, Target};
use crate::filter::Path;

/// Most names that are looked at.
const MAX_NAMES: usize = 200;

/// What a request asks to see.
#[derive(Clone, Debug, Default)]
pub struct Projection<'a> {
    included: Option<Vec<Target<'a>>>,
    excluded: Vec<Target<'a>>,
}

/// How much of an attribute an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Not,
    /// What [`Projection::part_of`] leaves of it.
    Part,
    /// All of it.
    Whole,
}

impl<'a> Projection<'a> {
    /// Reads the names of both parameters; names that no schema knows are passed over.
    pub fn new(shape: &Shape<'a>, attributes: Option<&[String]>, excluded: Option<&[String]>) -> Self {
        let resolve = |names: &[String]| names.iter().take(MAX_NAMES).filter_map(|name| target(shape, name)).collect();
        Self { included: attributes.map(resolve), excluded: excluded.map(resolve).unwrap_or_default() }
    }

    /// Whether the request says what it wants to see.
    pub fn is_asked(&self) -> bool {
        self.included.is_some() || !self.excluded.is_empty()
    }

    /// How much of an attribute that a resource has an answer shows, before its value is looked at.
    pub fn shown(&self, extension: Option<&Schema>, attribute: &Attribute) -> Shown {
        let has_rules = attribute.subs.iter().any(|sub| sub.returned != Returned::Default);
        let all = if has_rules { Shown::Part } else { Shown::Whole };
        match attribute.returned {
            Returned::Always if !has_rules => return Shown::Whole,
            Returned::Never => return Shown::Not,
            Returned::Request if self.included.is_none() => return Shown::Not,
            Returned::Always | Returned::Default | Returned::Request => {}
        }
        if !self.is_asked() {
            return all;
        }
        let included = self.included.as_ref().map(|included| selection(included, extension, attribute));
        match (included, selection(&self.excluded, extension, attribute)) {
            _ if attribute.returned == Returned::Always => Shown::Part,
            (Some(Selection::Nothing), _) | (_, Selection::Everything) => Shown::Not,
            (None | Some(Selection::Everything), Selection::Nothing) => all,
            _ => Shown::Part,
        }
    }

    /// What an answer shows of an attribute's value.
    pub fn part_of(&self, extension: Option<&Schema>, attribute: &Attribute, value: Value) -> Option<Value> {
        self.part(extension, attribute, value)
    }

    /// Whether an answer shows anything of a core attribute that is returned by default: what it does not show need not
    /// be read.
    pub fn shows(&self, name: &str) -> bool {
        let is_meant = |target: &Target<'_>| match target {
            Target::Attribute { extension: None, attribute, .. } => attribute.name == name,
            Target::Attribute { .. } | Target::Extension(_) => false,
        };
        self.included.as_ref().is_none_or(|list| list.iter().any(is_meant))
            && !self.excluded.iter().any(|target| is_meant(target) && is_whole(target))
    }

    fn part(&self, extension: Option<&Schema>, attribute: &Attribute, value: Value) -> Option<Value> {
        let is_always = attribute.returned == Returned::Always;
        let included = self.included.as_ref().map(|included| selection(included, extension, attribute));
        let excluded = selection(&self.excluded, extension, attribute);
        match attribute.returned {
            Returned::Always => {}
            Returned::Never => return None,
            // Only an answer that is asked for it by name shows it.
            Returned::Request if included.is_none() => return None,
            Returned::Default | Returned::Request => {
                if matches!(included, Some(Selection::Nothing)) || matches!(excluded, Selection::Everything) {
                    return None;
                }
            }
        }
        let is_named = |selection: &Selection<'_>, name: &str| match selection {
            Selection::Subs(names) => Some(names.iter().any(|known| known.eq_ignore_ascii_case(name))),
            Selection::Everything | Selection::Nothing => None,
        };
        let named = |name: &str| included.as_ref().and_then(|included| is_named(included, name));
        let has_rules = attribute.subs.iter().any(|sub| sub.returned != Returned::Default);
        let shows = |name: &str| {
            let sub = if has_rules { attribute.sub(name) } else { None };
            match sub.map_or(Returned::Default, |sub| sub.returned) {
                Returned::Always => true,
                Returned::Never => false,
                Returned::Request => named(name) == Some(true),
                Returned::Default => {
                    is_always || (named(name).unwrap_or(true) && !is_named(&excluded, name).unwrap_or(false))
                }
            }
        };
        let is_cut = matches!(included, Some(Selection::Subs(_))) || matches!(excluded, Selection::Subs(_));
        if has_rules || (is_cut && !is_always) { keep(value, &shows) } else { Some(value) }
    }
}

fn target<'a>(shape: &Shape<'a>, name: &str) -> Option<Target<'a>> {
    // Some clients send a whole value path; its attribute is what they want to see.
    let path: Path = name.parse().ok()?;
    let mut attribute = path.attribute;
    attribute.sub = path.sub;
    shape.resolve(&attribute)
}

fn is_whole(target: &Target<'_>) -> bool {
    matches!(target, Target::Attribute { sub: None, .. } | Target::Extension(_))
}

/// What of one attribute a list of names means.
enum Selection<'a> {
    Everything,
    Nothing,
    Subs(Vec<&'a str>),
}

fn selection<'a>(targets: &[Target<'a>], extension: Option<&Schema>, attribute: &Attribute) -> Selection<'a> {
    let mut subs = Vec::new();
    for target in targets {
        match target {
            Target::Extension(schema) if extension.is_some_and(|e| e.id == schema.id) => return Selection::Everything,
            Target::Attribute { extension: of, attribute: named, sub }
                if named.name == attribute.name && of.map(|s| &s.id) == extension.map(|s| &s.id) =>
            {
                match sub {
                    None => return Selection::Everything,
                    Some(sub) => subs.push(&*sub.name),
                }
            }
            Target::Extension(_) | Target::Attribute { .. } => {}
        }
    }
    if subs.is_empty() { Selection::Nothing } else { Selection::Subs(subs) }
}

/// The sub-attributes that `wanted` names, of an object or of each element; `None` when nothing is left.
fn keep(value: Value, wanted: &dyn Fn(&str) -> bool) -> Option<Value> {
    match value {
        Value::Object(map) => {
            let map: Map<String, Value> = map.into_iter().filter(|(name, _)| wanted(name)).collect();
            (!map.is_empty()).then_some(Value::Object(map))
        }
        Value::Array(values) => {
            let values: Vec<Value> = values.into_iter().filter_map(|value| keep(value, wanted)).collect();
            (!values.is_empty()).then_some(Value::Array(values))
        }
        other => Some(other),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::apply;
