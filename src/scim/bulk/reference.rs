//! References to what other operations create (RFC 7644 section 3.7.2): `bulkId:x` as a value, at the end of an
//! address (`../Users/bulkId:x`), in the path of an operation (`/Groups/bulkId:x`), and in quotes in a path of PATCH
//! (`members[value eq "bulkId:x"]`).

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::Operation;
use crate::scim::Error;

const PREFIX: &str = "bulkId:";

/// What names stand for: the ids of the resources that were created.
pub(super) type Ids = HashMap<String, String>;

/// The names that an operation refers to.
///
/// # Errors
/// `InvalidValue` for a name that `is_known` does not know.
pub(super) fn names(operation: &Operation, is_known: &dyn Fn(&str) -> bool) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    let mut unknown: Option<String> = None;
    let mut note = |name: &str, is_certain: bool| {
        if is_known(name) {
            found.insert(name.to_owned());
        } else if is_certain {
            unknown.get_or_insert_with(|| name.to_owned());
        }
        None
    };
    for name in operation.path.split('/').filter_map(|part| part.strip_prefix(PREFIX)) {
        note(name, true);
    }
    if let Some(data) = &operation.data {
        rewritten_map(data, &mut note);
    }
    match unknown {
        Some(name) => Err(Error::InvalidValue(format!("no operation of this request creates `bulkId:{name}`"))),
        None => Ok(found),
    }
}

/// A path with ids in place of names.
pub(super) fn path(path: &str, ids: &Ids) -> String {
    let id = |part: &str| part.strip_prefix(PREFIX).and_then(|name| ids.get(name)).cloned();
    path.split('/').map(|part| id(part).unwrap_or_else(|| part.to_owned())).collect::<Vec<_>>().join("/")
}

/// A body with ids in place of names.
pub(super) fn data(data: &Map<String, Value>, ids: &Ids) -> Map<String, Value> {
    rewritten_map(data, &mut |name, _| ids.get(name).cloned())
}

/// The attributes of a body that refer to none but `ids`, with ids in place of names; and the others as they are.
/// `is_known` tells what is a name.
pub(super) fn split(
    data: &Map<String, Value>,
    ids: &Ids,
    is_known: &dyn Fn(&str) -> bool,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut now, mut later) = (Map::new(), Map::new());
    for (key, value) in data {
        let mut is_open = false;
        let with_ids = rewritten(key, value, &mut |name, _| {
            is_open |= is_known(name) && !ids.contains_key(name);
            ids.get(name).cloned()
        });
        if is_open {
            later.insert(key.clone(), value.clone());
        } else {
            now.insert(key.clone(), with_ids);
        }
    }
    (now, later)
}

/// Called with every name, and whether it is certain that the text is meant as one; gives the id where there is one.
type Lookup<'a> = dyn FnMut(&str, bool) -> Option<String> + 'a;

fn rewritten_map(map: &Map<String, Value>, lookup: &mut Lookup<'_>) -> Map<String, Value> {
    map.iter().map(|(key, value)| (key.clone(), rewritten(key, value, lookup))).collect()
}

fn rewritten(key: &str, value: &Value, lookup: &mut Lookup<'_>) -> Value {
    match value {
        Value::Array(values) => values.iter().map(|value| rewritten(key, value, lookup)).collect(),
        Value::Object(map) => Value::Object(rewritten_map(map, lookup)),
        Value::String(text) if key.eq_ignore_ascii_case("path") && text.contains('"') => {
            Value::String(rewritten_path(text, lookup))
        }
        Value::String(text) => Value::String(rewritten_text(text, lookup).unwrap_or_else(|| text.clone())),
        other => other.clone(),
    }
}

fn rewritten_text(text: &str, lookup: &mut Lookup<'_>) -> Option<String> {
    if let Some(name) = text.strip_prefix(PREFIX) {
        return lookup(name, true);
    }
    let (address, last) = text.rsplit_once('/')?;
    // An address may end like this by chance.
    let id = lookup(last.strip_prefix(PREFIX)?, false)?;
    Some(format!("{address}/{id}"))
}

/// A path of PATCH, in which names stand between quotes.
fn rewritten_path(text: &str, lookup: &mut Lookup<'_>) -> String {
    let part = |(index, part): (usize, &str)| {
        let name = part.strip_prefix(PREFIX).filter(|_| index % 2 == 1);
        name.and_then(|name| lookup(name, true)).unwrap_or_else(|| part.to_owned())
    };
    text.split('"').enumerate().map(part).collect::<Vec<_>>().join("\"")
}
