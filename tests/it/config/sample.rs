//! The sample shows every key with its default, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use cleargate::config::schema;

use super::{print, read};

const SAMPLE: &str = include_str!("../../../systemd/cleargate.toml");

/// The sample with its commented settings switched on; examples only where asked for.
fn uncommented(with_examples: bool) -> String {
    let is_setting = |text: &str| {
        let name = text.split(['=', ' ']).next().unwrap_or("");
        text.starts_with('[')
            || (text.contains('=')
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c)))
    };
    let line = |line: &str| match line.strip_prefix("# example: ") {
        Some(example) if with_examples => example.to_owned(),
        Some(_) => String::new(),
        None => line.strip_prefix('#').filter(|text| is_setting(text)).unwrap_or(line).to_owned(),
    };
    SAMPLE.lines().map(|text| line(text) + "\n").collect()
}

/// Every key of a text, lists of tables as `ldap[]`, with its value as TOML. Tables that the schema knows no keys in
/// are values.
fn keys(text: &str, known: &BTreeSet<String>) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &toml::Value, known: &BTreeSet<String>, keys: &mut BTreeMap<String, String>) {
        let is_inner = |path: &str| known.iter().any(|key| key.starts_with(&format!("{path}.")));
        match value {
            toml::Value::Table(table) if path.is_empty() || is_inner(path) => {
                for (name, value) in table {
                    let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&key, value, known, keys);
                }
            }
            toml::Value::Array(values) if is_inner(&format!("{path}[]")) => {
                values.iter().for_each(|value| walk(&format!("{path}[]"), value, known, keys));
            }
            value => {
                keys.insert(path.to_owned(), write(value));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk("", &toml::Value::Table(text.parse().unwrap()), known, &mut found);
    found
}

fn write(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("{text:?}"),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Array(values) => format!("[{}]", values.iter().map(write).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}

/// The keys that hold values, and their defaults.
fn known() -> BTreeMap<String, Option<String>> {
    let all = schema();
    let holds_keys = |key: &str| {
        all.iter().any(|other| other.key.starts_with(&format!("{key}.")) || other.key.starts_with(&format!("{key}[]")))
    };
    all.iter().filter(|known| !holds_keys(&known.key)).map(|known| (known.key.clone(), known.default.clone())).collect()
}

#[test]
fn the_sample_loads_as_it_is() {
    let config = read(SAMPLE).map_err(|problems| print(&problems)).unwrap();
    assert!(config.warnings.is_empty() && config.ldap.is_empty());
}

#[test]
fn the_sample_shows_every_key_and_no_other() {
    let names: BTreeSet<String> = known().into_keys().collect();
    let shown: BTreeSet<String> = keys(&uncommented(true), &names).into_keys().collect();
    assert_eq!(shown, names);
}

#[test]
fn what_the_sample_shows_as_a_default_is_the_default() {
    let known = known();
    let names: BTreeSet<String> = known.keys().cloned().collect();
    let shown = keys(&uncommented(false), &names);
    for (key, default) in &known {
        match default {
            // The sample says how it differs: a made-up list of servers is no default.
            Some(default) if key != "ldap[].servers" => assert_eq!(shown.get(key), Some(default), "{key}"),
            _ => {}
        }
    }
    assert!(known.values().flatten().count() > 30, "{known:?}");
}
