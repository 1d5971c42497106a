//! What filters see of an account: as much of it as they ask for.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::filter::Filter;
use crate::model::{Group, User};

/// Which attributes a filter looks at.
pub(super) struct Looked {
    names: BTreeSet<String>,
    /// Whether it may mean an attribute of an extension.
    into_extensions: bool,
}

impl Looked {
    /// What a filter looks at; `shown` tells whether this surface shows every user with an attribute of that name.
    pub(super) fn at(filter: &Filter, shown: impl Fn(&str) -> bool) -> Self {
        let mut looked = Self { names: BTreeSet::new(), into_extensions: false };
        let visited = filter.visit(&mut |path, _| {
            looked.into_extensions |= path.urn.is_some() || !shown(&path.name);
            looked.names.insert(path.name.to_ascii_lowercase());
            Ok::<(), ()>(())
        });
        looked.into_extensions |= visited.is_err();
        looked
    }

    /// Whether it looks at an attribute.
    pub(super) fn names(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }

    /// Attributes by their RFC 7643 names, and `shown`, what this surface shows of the user besides. What it shows as
    /// absent is absent, whatever an extension has under that name.
    pub(super) fn picture(&self, user: &User, shown: &Value, groups: &[Group], roles: &[String]) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, value) in &user.attributes.0 {
            if if name.contains(':') { self.into_extensions } else { self.names(name) } {
                object.insert(name.clone(), value.clone());
            }
        }
        for name in ["emails", "name"].into_iter().filter(|name| self.names(name)) {
            object.entry(name).or_insert(Value::Null);
        }
        for (name, value) in shown.as_object().into_iter().flatten().filter(|(name, _)| self.names(name)) {
            object.insert(name.clone(), value.clone());
        }
        if let Some(id) = user.owner.as_ref().and_then(|owner| user.external_id(owner)) {
            object.insert("externalId".to_owned(), id.into());
        }
        if !groups.is_empty() {
            let shown =
                groups.iter().map(|group| json!({"value": group.id.to_string(), "display": group.name.as_str()}));
            object.insert("groups".to_owned(), shown.collect());
        }
        if self.names("role") {
            object.insert("role".to_owned(), roles.to_vec().into());
        }
        object
    }
}
