//! What the event of a change of an account tells of its profile: each part that is different, with what it was and what
//! it is. It tells no value that a schema keeps from everybody, and none of an extension that no schema knows any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::User;
use crate::model::schema::{Attribute, ENTERPRISE_USER, Schema, Schemas};

/// Longest text of a value that an event tells, in characters.
const MAX_TOLD: usize = 200;
/// Most parts of a profile whose values one event tells; of the others it tells the attribute alone.
const MAX_PARTS: usize = 32;

/// A part of a profile, with what it was and what it is.
type Edit = (String, Option<String>, Option<String>);

/// The schemas that say which values of configured extensions may be told. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling(Arc<[Arc<Schema>]>);

impl Telling {
    /// With these extensions of users.
    pub(super) fn of(schemas: &Schemas) -> Self {
        Self(schemas.user.iter().map(|extension| Arc::clone(&extension.schema)).collect())
    }

    /// What of a profile is different, in the order of the names, at most [`MAX_PARTS`]: members of a complex attribute
    /// by `name.givenName`, those of an extension by their own name, and with its URN where something else has that.
    pub(super) fn edits(&self, before: &User, after: &User) -> Vec<Edit> {
        let (old, new) = (&before.attributes.0, &after.attributes.0);
        if old == new {
            return Vec::new();
        }
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let mut edits = Vec::new();
        for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
            let (was, is) = (self.parts(name, old.get(name)), self.parts(name, new.get(name)));
            let parts: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for part in parts.into_iter().filter(|part| was.get(*part) != is.get(*part)) {
                let is_plain = !name.contains(':') || !is_taken(part, name, [old, new]);
                let label = if is_plain { part.clone() } else { format!("{name}:{part}") };
                edits.push((label, was.get(part).map(|text| cut(text)), is.get(part).map(|text| cut(text))));
            }
        }
        edits.sort();
        edits.truncate(MAX_PARTS);
        edits
    }

    /// The texts of one attribute at the top of a profile, or of one extension.
    fn parts(&self, name: &str, value: Option<&Value>) -> BTreeMap<String, String> {
        let mut parts = BTreeMap::new();
        let is_extension = name.contains(':');
        match value {
            Some(Value::Object(members)) => {
                for (member, value) in members.iter().filter(|(member, _)| !self.hides(name, member, None)) {
                    let part = if is_extension { member.clone() } else { format!("{name}.{member}") };
                    parts.insert(part, told(value, &|sub| self.hides(name, member, Some(sub))));
                }
            }
            Some(value) if !is_extension && !name.eq_ignore_ascii_case("password") => {
                parts.insert(name.to_owned(), told(value, &|_| false));
            }
            _ => {}
        }
        parts
    }

    /// Whether a value below `name` is told nobody. What RFC 7643 defines is told, except passwords.
    fn hides(&self, name: &str, member: &str, sub: Option<&str>) -> bool {
        if !name.contains(':') || name.eq_ignore_ascii_case(ENTERPRISE_USER) {
            return name.eq_ignore_ascii_case("password");
        }
        let schema = self.0.iter().find(|schema| schema.is(name));
        let Some(attribute) = schema.and_then(|schema| schema.attribute(member)) else { return true };
        let is_hidden_part = |sub| attribute.sub(sub).is_none_or(Attribute::is_hidden);
        attribute.is_hidden() || sub.is_some_and(is_hidden_part)
    }
}

/// Whether a member of the extension `urn` is called as something else of the profile.
fn is_taken(member: &str, urn: &str, profiles: [&Map<String, Value>; 2]) -> bool {
    profiles.into_iter().flatten().filter(|(name, _)| *name != urn).any(|(name, value)| match value {
        Value::Object(members) if name.contains(':') => members.contains_key(member),
        _ => name.eq_ignore_ascii_case(member),
    })
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TOLD).collect()
}

/// A value as a text: of an object its `value`, and its other members behind it.
fn told(value: &Value, hides: &dyn Fn(&str) -> bool) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(|item| told(item, hides)).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let shown: BTreeMap<&String, &Value> = members.iter().filter(|(name, _)| !hides(name)).collect();
            let is_value = |name: &str| name.eq_ignore_ascii_case("value");
            let main = shown.iter().find(|(name, _)| is_value(name)).map(|(_, value)| told(value, hides));
            let others = shown.iter().filter(|(name, _)| !is_value(name));
            let others: Vec<String> = others.map(|(name, value)| format!("{name} {}", told(value, hides))).collect();
            match main {
                Some(main) if others.is_empty() => main,
                Some(main) => format!("{main} ({})", others.join(", ")),
                None => others.join(", "),
            }
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::model::schema::{Extension, Mutability, Returned, Type};
    use crate::model::{Attributes, OrganisationId, Status, UserId};

    const BADGE: &str = "urn:example:params:scim:schemas:extension:2.0:Badge";

    /// The extension of badges: `pin` may only be written, `code` is in no answer, of `card` the `track` is in none.
    fn badges() -> Telling {
        let text = |name: &'static str| Attribute::new(name, Type::String, "");
        let pin = Attribute { mutability: Mutability::WriteOnly, returned: Returned::Never, ..text("pin") };
        let code = Attribute { returned: Returned::Never, ..text("code") };
        let track = Attribute { returned: Returned::Never, ..text("track") };
        let card = Attribute { multi_valued: true, subs: vec![text("value"), track], ..text("card") };
        let schema = Schema::new(BADGE, "Badge", "", vec![pin, code, card, text("number"), text("title")]);
        let extension = Extension { schema: Arc::new(schema), required: false };
        Telling::of(&Schemas { user: vec![extension], ..Schemas::default() })
    }

    fn user(attributes: Value) -> User {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        User {
            id: UserId::from_bytes([7; 16]),
            organisation: OrganisationId::DEFAULT,
            user_name: "ada".parse().unwrap(),
            status: Status::Active,
            owner: None,
            links: Vec::new(),
            attributes: Attributes(attributes),
            created: Timestamp::default(),
            changed: Timestamp::default(),
            revision: 1,
            by_hand: None,
            disabled_by_hand: None,
            companies: None,
            realm: None,
        }
    }

    /// What is told, each as `part: before > after`.
    fn edits(telling: &Telling, before: Value, after: Value) -> Vec<String> {
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let edits = telling.edits(&user(before), &user(after)).into_iter();
        edits.map(|(part, old, new)| format!("{part}: {} > {}", text(old), text(new))).collect()
    }

    #[test]
    fn each_part_that_differs_is_told_and_no_other() {
        let before = json!({"title": "Countess", "name": {"givenName": "Ada", "familyName": "L"}, "nickName": "A",
            ENTERPRISE_USER: {"department": "Engines", "manager": {"value": "7"}}});
        let after = json!({"title": "Analyst", "name": {"familyName": "L", "givenName": "Augusta"}, "timezone": "UTC",
            ENTERPRISE_USER: {"manager": {"value": "7"}, "department": "Looms"}});
        assert_eq!(
            edits(&Telling::default(), before.clone(), after),
            [
                "department: Engines > Looms",
                "name.givenName: Ada > Augusta",
                "nickName: A > -",
                "timezone: - > UTC",
                "title: Countess > Analyst",
            ]
        );
        assert!(edits(&Telling::default(), before.clone(), before).is_empty());
    }

    #[test]
    fn what_a_schema_keeps_from_everybody_is_in_no_event() {
        let card = |track: &str, value: &str| json!([{"value": value, "track": track}]);
        let before = json!({"password": "hunter2", BADGE: {"pin": "1234", "code": "77", "number": "5", "card": card("t1", "c1")}});
        let after = json!({"password": "hunter3", BADGE: {"PIN": "4321", "code": "78", "number": "6", "card": card("t2", "c2")}});
        assert_eq!(edits(&badges(), before.clone(), after.clone()), ["card: c1 > c2", "number: 5 > 6"]);
        let unseen = json!({BADGE: {"pin": "4321", "code": "78", "number": "5", "card": card("t2", "c1")}});
        let seen = json!({BADGE: {"pin": "1234", "code": "77", "number": "5", "card": card("t1", "c1")}});
        assert!(edits(&badges(), seen, unseen).is_empty(), "a part of which nothing else differs");
        assert!(edits(&Telling::default(), before, after).is_empty(), "the schema was taken out of the configuration");
    }

    #[test]
    fn names_that_two_have_are_told_with_their_extension() {
        let profile = |core: &str, enterprise: &str, badge: &str| json!({"title": core, ENTERPRISE_USER: {"number": enterprise}, BADGE: {"number": badge, "title": badge}});
        assert_eq!(
            edits(&badges(), profile("a", "b", "c"), profile("d", "e", "f")),
            [
                "title: a > d".to_owned(),
                format!("{BADGE}:number: c > f"),
                format!("{BADGE}:title: c > f"),
                format!("{ENTERPRISE_USER}:number: b > e"),
            ]
        );
        let changed = edits(&badges(), profile("a", "b", "c"), profile("a", "b", "f"));
        assert_eq!(changed, [format!("{BADGE}:number: c > f"), format!("{BADGE}:title: c > f")], "the others stay");
    }

    #[test]
    fn whatever_changes_of_an_element_of_a_list_is_told() {
        let emails = |kind: &str, primary: bool| json!({"emails": [{"value": "a@x", "type": kind, "primary": primary}, {"value": "b@x"}]});
        assert_eq!(
            edits(&Telling::default(), emails("work", true), emails("home", true)),
            ["emails: a@x (primary true, type work), b@x > a@x (primary true, type home), b@x"]
        );
        assert_eq!(edits(&Telling::default(), emails("work", true), emails("work", false)).len(), 1);
    }

    #[test]
    fn an_event_tells_so_many_parts_and_so_much_of_each() {
        let profile = |text: &str| Value::Object((0..40).map(|n| (format!("part{n:02}"), json!(text))).collect());
        let found = badges().edits(&user(profile("a")), &user(profile(&"é".repeat(300))));
        assert_eq!((found.len(), found[0].0.as_str()), (MAX_PARTS, "part00"));
        assert!(found.iter().all(|(_, _, new)| new.as_ref().unwrap().chars().count() == MAX_TOLD));
    }
}
