//! Ways in for fuzzing, with the feature `fuzzing` only: the targets in `fuzz/` call them with whatever bytes they make
//! up. Each panics where something does not hold that must hold for every input.

use serde_json::{Map, Value, json};

use super::body::{self, Resource};
use super::resource::Kind;
use super::schema::{Catalogue, Shape};
use super::{json as reader, patch};
use crate::filter::{Facts, Filter, MAX_BYTES, NoSchema, Path};

/// Most results of a repeated PATCH that are looked at.
const ROUNDS: usize = 3;

/// A filter on the first line, and perhaps an object behind it. What parses prints as a text that parses to the same
/// filter, and compares with any object without an error.
pub fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let catalogue = Catalogue::standard();
    let shape = catalogue.shape(Kind::User);
    let object = reader::parse_object(rest.as_bytes()).unwrap_or_else(|_| sample());
    for filter in [line.parse::<Filter>(), Filter::lenient(line)].into_iter().flatten() {
        let printed = filter.to_string();
        if printed.len() <= MAX_BYTES {
            let again = printed.parse::<Filter>();
            assert!(again.as_ref() == Ok(&filter), "{printed} parses to {again:?}");
        }
        evaluate(&filter, &object, &shape);
        evaluate(&filter, &object, &NoSchema);
    }
}

/// A filter and its opposite are never both true, nor both false.
fn evaluate(filter: &Filter, object: &Map<String, Value>, facts: &dyn Facts) {
    let opposite = Filter::Not(Box::new(filter.clone()));
    assert!(filter.matches(object, facts) != opposite.matches(object, facts), "{filter}");
}

/// A path of PATCH. What parses prints as a text that parses to the same path, and is looked up in every schema.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let catalogue = Catalogue::standard();
    for path in [text.parse::<Path>(), Path::lenient(text)].into_iter().flatten() {
        let printed = path.to_string();
        if printed.len() <= MAX_BYTES {
            let again = printed.parse::<Path>();
            assert!(again.as_ref() == Ok(&path), "{printed} parses to {again:?}");
        }
        for kind in catalogue.kinds() {
            catalogue.shape(kind).resolve(&path.attribute);
        }
    }
}

/// The body of a PATCH, for a user and for a group. What is applied gives a canonical resource, which JSON keeps as it
/// is, and a second time gives one again.
pub fn patch(bytes: &[u8]) {
    let Ok(body) = reader::parse_object(bytes) else { return };
    let catalogue = Catalogue::standard();
    let users = catalogue.shape(Kind::User);
    if let Ok((steps, _)) = patch::parse(&users, &body).and_then(patch::password) {
        let mut resource = sample();
        for _ in 0..ROUNDS {
            let Ok(after) = patch::apply(&users, &resource, &steps) else { break };
            check(&users, &after);
            resource = after;
        }
    }
    let groups = catalogue.shape(Kind::Group);
    if let Ok((steps, _)) = patch::parse(&groups, &body).and_then(patch::members) {
        let team = Map::from_iter([("displayName".to_owned(), json!("team"))]);
        if let Ok(after) = patch::apply(&groups, &team, &steps) {
            check(&groups, &after);
        }
    }
}

fn check(shape: &Shape<'_>, resource: &Resource) {
    let mut body = resource.clone();
    body.insert("schemas".to_owned(), json!([shape.core.id]));
    let canonical = body::resource(shape, &body);
    assert!(canonical.as_ref().is_ok_and(|canonical| canonical == resource), "{resource:?} is not canonical");
    let text = Value::Object(resource.clone()).to_string();
    let read = reader::parse_object(text.as_bytes());
    assert!(read.is_ok_and(|read| read == *resource), "{text} is not kept");
}

/// A user with something of every form.
fn sample() -> Resource {
    let sample = json!({
        "userName": "ada", "active": true, "title": "Dr", "externalId": "1",
        "name": {"givenName": "Ada", "familyName": "L"},
        "emails": [{"value": "a@w", "type": "work", "primary": true}, {"value": "a@h", "type": "home"}],
        "roles": [{"value": "x"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R", "manager": {"value": "2"}},
    });
    match sample {
        Value::Object(sample) => sample,
        _ => Resource::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// What once was worth keeping stays good, without the engine that found it.
    #[test]
    fn everything_in_the_corpus_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for name in ["filter", "path", "patch"] {
            let target = match name {
                "filter" => super::filter,
                "path" => super::path,
                _ => super::patch,
            };
            let inputs: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!((20..=50).contains(&inputs.len()), "{name} has {} inputs", inputs.len());
            for input in inputs {
                target(&fs::read(&input).unwrap());
            }
        }
    }
}
