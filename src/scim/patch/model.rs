//! PATCH against a model: the same operations on the same resource, once by the real functions and once by the
//! plainest reading of RFC 7644 section 3.5.2 (and of what clients mean where they differ, as `docs/scim.md` says it).
//!
//! The model knows operations as they are meant, and writes them down in one of the spellings that clients use; it
//! shares no code with what it checks but JSON.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::scim::body;
use crate::scim::schema::PERSON;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// What an operation is about.
#[derive(Clone, Debug)]
enum Goal {
    /// An attribute of one simple value.
    Simple(&'static str),
    /// A complex attribute, or a part of it.
    Complex(&'static str, Option<&'static str>),
    /// A list as a whole, or a part of every element.
    List(&'static str, Option<&'static str>),
    /// Those elements of a list in which a part equals a text, or a part of those.
    Element(&'static str, (&'static str, String), Option<&'static str>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Spelling {
    /// `replace`, with a path.
    Standard,
    /// `replace`, with a path that begins with the schema's URN.
    Long,
    /// `Replace`, with a path.
    Entra,
    /// `replace` without a path; what would be the path is a key.
    Keyed,
}

#[derive(Clone, Debug)]
struct Wish {
    verb: Verb,
    goal: Goal,
    value: Value,
    spelling: Spelling,
}

struct Refused;

impl Goal {
    fn attribute(&self) -> &'static str {
        match self {
            Self::Simple(name) | Self::Complex(name, _) | Self::List(name, _) | Self::Element(name, _, _) => name,
        }
    }

    fn is_extended(&self) -> bool {
        matches!(self.attribute(), "department" | "manager")
    }

    fn path(&self) -> String {
        let sub = |sub: &Option<&str>| sub.map(|sub| format!(".{sub}")).unwrap_or_default();
        match self {
            Self::Simple(name) => (*name).to_owned(),
            Self::Complex(name, part) | Self::List(name, part) => format!("{name}{}", sub(part)),
            Self::Element(name, (key, text), part) => format!("{name}[{key} eq \"{text}\"]{}", sub(part)),
        }
    }
}

impl Wish {
    fn written(&self) -> Value {
        let path = match (self.goal.is_extended(), self.spelling) {
            (true, _) => format!("{ENTERPRISE}:{}", self.goal.path()),
            (false, Spelling::Long) => format!("{CORE}:{}", self.goal.path()),
            (false, _) => self.goal.path(),
        };
        let verb = match (self.verb, self.spelling) {
            (Verb::Add, Spelling::Entra) => "Add",
            (Verb::Add, _) => "add",
            (Verb::Remove, Spelling::Entra) => "Remove",
            (Verb::Remove, _) => "remove",
            (Verb::Replace, Spelling::Entra) => "Replace",
            (Verb::Replace, _) => "replace",
        };
        match (self.verb, self.spelling) {
            (Verb::Remove, _) => json!({"op": verb, "path": path}),
            (_, Spelling::Keyed) => json!({"op": verb, "value": {path: self.value}}),
            _ => json!({"op": verb, "path": path, "value": self.value}),
        }
    }

    /// Whether a replaced element that is absent is created.
    fn creates(&self) -> bool {
        self.verb == Verb::Add || matches!(self.spelling, Spelling::Entra | Spelling::Keyed)
    }

    fn perform(&self, resource: &mut Map<String, Value>) -> Result<(), Refused> {
        if !self.goal.is_extended() {
            return self.perform_in(resource);
        }
        let mut extension = match resource.remove(ENTERPRISE) {
            Some(Value::Object(extension)) => extension,
            _ => Map::new(),
        };
        self.perform_in(&mut extension)?;
        if !extension.is_empty() {
            resource.insert(ENTERPRISE.to_owned(), Value::Object(extension));
        }
        Ok(())
    }

    fn perform_in(&self, holder: &mut Map<String, Value>) -> Result<(), Refused> {
        let name = self.goal.attribute();
        let old = holder.remove(name);
        // Adding nothing changes nothing.
        let new = if self.verb == Verb::Add && self.value.is_null() {
            old
        } else {
            match &self.goal {
                Goal::Simple("userName") if self.verb == Verb::Remove => return Err(Refused),
                Goal::Simple(_) => (self.verb != Verb::Remove).then(|| self.value.clone()).filter(|v| !v.is_null()),
                Goal::Complex(_, part) => self.complex(old, *part),
                Goal::List(..) | Goal::Element(..) => {
                    let list = old.and_then(|old| old.as_array().cloned()).unwrap_or_default();
                    self.list(list)?.map(Value::Array)
                }
            }
        };
        if let Some(new) = new {
            holder.insert(name.to_owned(), new);
        }
        Ok(())
    }

    fn complex(&self, old: Option<Value>, part: Option<&str>) -> Option<Value> {
        let mut map = old.and_then(|old| old.as_object().cloned()).unwrap_or_default();
        match (self.verb, part) {
            (Verb::Remove, None) => return None,
            (Verb::Remove, Some(part)) => drop(map.remove(part)),
            (_, None) if self.value.is_null() => return None,
            (_, None) if self.value == json!({"value": ""}) => return None,
            (_, None) => merge(&mut map, self.value.as_object().unwrap()),
            (_, Some(part)) if self.value.is_null() => drop(map.remove(part)),
            (_, Some(part)) => merge(&mut map, &Map::from_iter([(part.to_owned(), self.value.clone())])),
        }
        (!map.is_empty()).then_some(Value::Object(map))
    }

    fn list(&self, old: Vec<Value>) -> Result<Option<Vec<Value>>, Refused> {
        let mut list: Vec<Map<String, Value>> = old.iter().map(|value| value.as_object().unwrap().clone()).collect();
        let values = || self.value.as_array().map(|values| values.iter().map(|v| v.as_object().unwrap().clone()));
        let mut touched = Vec::new();
        match (&self.goal, self.verb) {
            (Goal::List(_, None), Verb::Remove) => list.clear(),
            (Goal::List(_, None), Verb::Replace) => {
                list = values().map(Iterator::collect).unwrap_or_default();
                if distinct(&list).1 {
                    return Err(Refused);
                }
            }
            (Goal::List(_, None), Verb::Add) => {
                let added: Vec<_> = values().map(Iterator::collect).unwrap_or_default();
                let (added, has_two) = distinct(&added);
                if has_two {
                    return Err(Refused);
                }
                for value in added {
                    let place = list.iter().position(|old| is_alike(old, &value)).unwrap_or(list.len());
                    match list.get_mut(place) {
                        Some(old) => merge(old, &value),
                        None => list.push(value),
                    }
                    touched.push(place);
                }
            }
            (Goal::List(_, Some(part)), _) => {
                if list.is_empty() && self.verb != Verb::Remove {
                    list.push(Map::new());
                }
                touched = (0..list.len()).collect();
                list.iter_mut().for_each(|element| self.part(element, part));
            }
            (Goal::Element(_, (key, text), part), _) => {
                let is_meant = |element: &Map<String, Value>| {
                    element.get(*key).and_then(Value::as_str).is_some_and(|has| has.eq_ignore_ascii_case(text))
                };
                touched = (0..list.len()).filter(|index| is_meant(&list[*index])).collect();
                if touched.is_empty() && self.verb != Verb::Remove {
                    if !self.creates() {
                        return Err(Refused);
                    }
                    touched.push(list.len());
                    list.push(Map::from_iter([((*key).to_owned(), json!(text))]));
                }
                for index in &touched {
                    let element = &mut list[*index];
                    match (part, self.verb, self.value.as_object()) {
                        (Some(part), _, _) => self.part(element, part),
                        (None, Verb::Remove, _) | (None, _, None) => element.clear(),
                        (None, Verb::Add, Some(value)) => merge(element, value),
                        (None, Verb::Replace, Some(value)) => {
                            *element = Map::from_iter([((*key).to_owned(), json!(text))]);
                            merge(element, value);
                        }
                    }
                }
            }
            _ => unreachable!("{self:?}"),
        }
        // One that is made primary takes that from the others.
        let winners: BTreeSet<usize> = touched.into_iter().filter(|index| is_primary(&list[*index])).collect();
        if winners.len() > 1 {
            return Err(Refused);
        }
        for (index, element) in list.iter_mut().enumerate() {
            if !winners.is_empty() && !winners.contains(&index) && is_primary(element) {
                element.insert("primary".to_owned(), json!(false));
            }
        }
        list.retain(|element| !element.is_empty());
        let (list, has_two) = distinct(&list);
        if has_two {
            return Err(Refused);
        }
        Ok((!list.is_empty()).then(|| list.into_iter().map(Value::Object).collect()))
    }

    fn part(&self, element: &mut Map<String, Value>, part: &str) {
        if self.verb == Verb::Remove || self.value.is_null() {
            element.remove(part);
        } else {
            merge(element, &Map::from_iter([(part.to_owned(), self.value.clone())]));
        }
    }
}

/// A value takes its reference along when it goes.
fn merge(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    if new.contains_key("value") && !new.contains_key("$ref") && old.get("value") != new.get("value") {
        old.remove("$ref");
    }
    old.extend(new.clone());
}

fn is_primary(element: &Map<String, Value>) -> bool {
    element.get("primary") == Some(&json!(true))
}

/// Section 2.4 of RFC 7643: a pair of type and value stands once.
fn is_same(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one == other
        || (one.contains_key("value")
            && one.get("value") == other.get("value")
            && one.get("type").unwrap_or(&json!("")) == other.get("type").unwrap_or(&json!("")))
}

/// The same where upper and lower case do not differ (section 2.2): what is added to a value that is there.
fn is_alike(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let lower = |map: &Map<String, Value>| -> Map<String, Value> {
        let value = |value: &Value| value.as_str().map_or_else(|| value.clone(), |text| json!(text.to_lowercase()));
        map.iter().map(|(name, has)| (name.clone(), value(has))).collect()
    };
    is_same(&lower(one), &lower(other))
}

/// The values without repetitions, and whether two of them are primary.
fn distinct(list: &[Map<String, Value>]) -> (Vec<Map<String, Value>>, bool) {
    let mut out: Vec<Map<String, Value>> = Vec::new();
    for value in list {
        if !out.iter().any(|old| value.contains_key("value") && is_same(old, value)) {
            out.push(value.clone());
        }
    }
    let has_two = out.iter().filter(|value| is_primary(value)).count() > 1;
    (out, has_two)
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c d", "Zoë"]).prop_map(str::to_owned)
}

fn kind() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["work", "home", "Work"]).prop_map(str::to_owned)
}

fn perhaps<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(strategy)
}

fn object(parts: Vec<(&'static str, Option<Value>)>) -> Map<String, Value> {
    parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn element() -> impl Strategy<Value = Map<String, Value>> {
    (perhaps(word()), perhaps(kind()), perhaps(any::<bool>()), perhaps(word()))
        .prop_map(|(value, kind, primary, display)| {
            object(vec![
                ("value", value.map(Value::from)),
                ("type", kind.map(Value::from)),
                ("primary", primary.map(Value::from)),
                ("display", display.map(Value::from)),
            ])
        })
        .prop_map(|element| if element.is_empty() { object(vec![("value", Some(json!("a")))]) } else { element })
}

fn name() -> impl Strategy<Value = Map<String, Value>> {
    (perhaps(word()), perhaps(word())).prop_map(|(given, family)| {
        object(vec![("givenName", given.map(Value::from)), ("familyName", family.map(Value::from))])
    })
}

fn manager() -> impl Strategy<Value = Map<String, Value>> {
    (word(), perhaps(word())).prop_map(|(value, reference)| {
        object(vec![("value", Some(Value::from(value))), ("$ref", reference.map(Value::from))])
    })
}

/// A canonical resource.
fn resource() -> impl Strategy<Value = Map<String, Value>> {
    let list = || prop::collection::vec(element(), 0..4);
    (word(), perhaps(word()), perhaps(any::<bool>()), name(), (list(), list()), perhaps(word()), perhaps(manager()))
        .prop_map(|(user_name, title, active, name, (emails, phones), department, manager)| {
            let one_primary = |list: Vec<Map<String, Value>>| {
                let (mut list, _) = distinct(&list);
                let mut primary = list.iter_mut().filter(|element| is_primary(element)).skip(1);
                primary.by_ref().for_each(|element| drop(element.insert("primary".to_owned(), json!(false))));
                list
            };
            let extension =
                object(vec![("department", department.map(Value::from)), ("manager", manager.map(Value::from))]);
            let values = vec![
                ("userName", Some(Value::from(user_name))),
                ("title", title.map(Value::from)),
                ("active", active.map(Value::from)),
                ("name", Some(Value::from(name))),
                ("emails", Some(Value::from(one_primary(emails)))),
                ("phoneNumbers", Some(Value::from(one_primary(phones)))),
                (ENTERPRISE, Some(Value::from(extension))),
            ];
            let mut resource = object(values);
            resource.retain(|_, value| crate::filter::is_present(value));
            resource
        })
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![5 => word().prop_map(Value::from), 1 => Just(Value::Null)]
}

fn flag() -> impl Strategy<Value = Value> {
    prop_oneof![5 => any::<bool>().prop_map(Value::from), 1 => Just(Value::Null)]
}

fn list_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["emails", "phoneNumbers"])
}

fn part_of_element() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        text().prop_map(|value| ("value", value)),
        text().prop_map(|value| ("display", value)),
        prop_oneof![5 => kind().prop_map(Value::from), 1 => Just(Value::Null)].prop_map(|value| ("type", value)),
        flag().prop_map(|value| ("primary", value)),
    ]
}

fn condition() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![3 => kind().prop_map(|kind| ("type", kind)), 1 => word().prop_map(|word| ("value", word))]
}

/// A goal with a value that suits it.
fn target() -> impl Strategy<Value = (Goal, Value)> {
    let some_object = |map: Map<String, Value>| Value::Object(map);
    prop_oneof![
        text().prop_map(|value| (Goal::Simple("title"), value)),
        word().prop_map(|value| (Goal::Simple("userName"), Value::from(value))),
        flag().prop_map(|value| (Goal::Simple("active"), value)),
        text().prop_map(|value| (Goal::Simple("department"), value)),
        prop_oneof![5 => name().prop_map(some_object), 1 => Just(Value::Null)]
            .prop_map(|value| (Goal::Complex("name", None), value)),
        text().prop_map(|value| (Goal::Complex("name", Some("givenName")), value)),
        prop_oneof![5 => manager().prop_map(some_object), 1 => Just(Value::Null), 1 => Just(json!({"value": ""}))]
            .prop_map(|value| (Goal::Complex("manager", None), value)),
        text().prop_map(|value| (Goal::Complex("manager", Some("value")), value)),
        (list_name(), prop::collection::vec(element().prop_map(some_object), 0..3))
            .prop_map(|(list, values)| (Goal::List(list, None), Value::Array(values))),
        (list_name(), part_of_element()).prop_map(|(list, (part, value))| (Goal::List(list, Some(part)), value)),
        (list_name(), condition(), prop_oneof![5 => element().prop_map(some_object), 1 => Just(Value::Null)])
            .prop_map(|(list, condition, value)| (Goal::Element(list, condition, None), value)),
        (list_name(), condition(), part_of_element())
            .prop_map(|(list, condition, (part, value))| (Goal::Element(list, condition, Some(part)), value)),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let verb = prop::sample::select(vec![Verb::Add, Verb::Replace, Verb::Remove]);
    let spelling = prop::sample::select(vec![Spelling::Standard, Spelling::Long, Spelling::Entra, Spelling::Keyed]);
    (verb, target(), spelling).prop_map(|(verb, (goal, value), spelling)| Wish { verb, goal, value, spelling })
}

/// Booleans as text, as Entra ID's older dialect has them.
fn with_flags_as_text(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => Value::from(if *flag { "True" } else { "False" }),
        Value::Array(values) => values.iter().map(with_flags_as_text).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), with_flags_as_text(value))).collect(),
        other => other.clone(),
    }
}

fn real(before: &Map<String, Value>, operations: &[Value]) -> Result<Map<String, Value>, Error> {
    let body = Map::from_iter([
        ("schemas".to_owned(), json!([PATCH_SCHEMA])),
        ("Operations".to_owned(), Value::Array(operations.to_vec())),
    ]);
    apply(&PERSON, before, &parse(&PERSON, &body)?)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn operations_do_what_the_model_does(
        before in resource(),
        wishes in prop::collection::vec(wish(), 1..6),
        is_old in any::<bool>(),
    ) {
        let mut operations: Vec<Value> = wishes.iter().map(Wish::written).collect();
        if is_old {
            operations = operations.iter().map(with_flags_as_text).collect();
        }
        let mut expected = before.clone();
        let is_done = wishes.iter().try_for_each(|wish| wish.perform(&mut expected)).is_ok();
        let after = real(&before, &operations);
        match (&after, is_done) {
            (Ok(after), true) => prop_assert_eq!(after, &expected),
            (Err(_), false) => return Ok(()),
            (after, _) => prop_assert!(false, "the model says {}: {:?}", is_done, after.as_ref().map_err(ToString::to_string)),
        }
        let after = after.unwrap();
        // One after the other is the same as all at once.
        let mut stepwise = before.clone();
        for operation in &operations {
            stepwise = real(&stepwise, std::slice::from_ref(operation)).unwrap();
        }
        prop_assert_eq!(&stepwise, &after);
        // What comes out is canonical.
        let mut body = after.clone();
        body.insert("schemas".to_owned(), json!([CORE]));
        prop_assert_eq!(&body::resource(&PERSON, &body).unwrap(), &after);
    }

    /// An operation that selects by what it does not change may be sent again.
    #[test]
    fn what_was_done_is_not_done_again(before in resource(), wish in wish()) {
        let selects = matches!(&wish.goal, Goal::Element(_, (key, _), part) if part.is_none_or(|part| part == *key));
        if selects {
            return Ok(());
        }
        let operation = [wish.written()];
        if let Ok(once) = real(&before, &operation) {
            prop_assert_eq!(real(&once, &operation).unwrap(), once);
        }
    }
}
