//! Applying steps to a canonical resource.

use serde_json::{Map, Value};

use super::{Dialect, Step, Verb};
use crate::filter::{self, Filter, Operator};
use crate::scim::Error;
use crate::scim::body::{self, Manner, Resource, size};
use crate::scim::schema::{Attribute, Mutability, Shape, Type};

/// The resource after all steps; `before` itself is left alone.
///
/// # Errors
/// `InvalidValue`, `Mutability`, `NoTarget`.
pub fn apply(shape: &Shape<'_>, before: &Resource, steps: &[Step<'_>]) -> Result<Resource, Error> {
    let mut resource = before.clone();
    let mut work = Work::default();
    for step in steps {
        match step.extension {
            None => step.apply(shape, &mut resource, &mut work)?,
            Some(schema) => {
                let mut inner = match resource.remove(&*schema.id) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                let result = step.apply(shape, &mut inner, &mut work);
                if !inner.is_empty() {
                    resource.insert(schema.id.to_string(), Value::Object(inner));
                }
                result?;
            }
        }
    }
    body::settle(shape, before, resource, Manner::Patch)
}

/// Most values that the steps of one request compare with those of a list.
const MAX_COMPARED: usize = 1_000_000;

/// What the steps of one request have cost.
#[derive(Default)]
struct Work {
    compared: usize,
}

impl Work {
    /// Counts so many values that are each compared with so many others.
    fn compare(&mut self, attribute: &Attribute, these: usize, others: usize) -> Result<(), Error> {
        self.compared = self.compared.saturating_add(these.saturating_mul(others));
        if self.compared <= MAX_COMPARED {
            return Ok(());
        }
        let reason = format!("too many values of `{}` to be compared; send them in several requests", attribute.name);
        Err(Error::InvalidValue(reason))
    }
}

impl Step<'_> {
    fn apply(&self, shape: &Shape<'_>, container: &mut Map<String, Value>, work: &mut Work) -> Result<(), Error> {
        let name = &*self.attribute.name;
        let old = container.remove(name);
        let size = old.as_ref().map_or(0, size::of);
        let new = if self.attribute.multi_valued {
            let list = match old {
                Some(Value::Array(list)) => list,
                Some(other) => vec![other],
                None => Vec::new(),
            };
            self.list(shape, list, work)?
        } else {
            self.single(old)?
        };
        if let Some(new) = new {
            size::check_step(self.attribute, size, size::of(&new))?;
            container.insert(name.to_owned(), new);
        }
        Ok(())
    }

    fn value(&self) -> &Value {
        self.value.as_ref().unwrap_or(&Value::Null)
    }

    /// An attribute of one value, simple or complex. Sub-attributes that the value does not name stay as they are,
    /// for `replace` as for `add` (section 3.5.2.3).
    fn single(&self, old: Option<Value>) -> Result<Option<Value>, Error> {
        match (self.verb, self.sub) {
            (Verb::Remove, None) => Ok(None),
            (Verb::Remove, Some(sub)) => Ok(old.and_then(|old| without(old, &sub.name))),
            (Verb::Add | Verb::Replace, None) => {
                let new = body::single(self.attribute, self.value())?;
                // An object of which nothing is known says nothing, but an empty reference takes one away.
                let is_silent = |map: &Map<String, Value>| !map.iter().any(|(name, value)| self.knows(name, value));
                if new.is_none() && self.value().as_object().is_some_and(is_silent) {
                    return Ok(old);
                }
                Ok(new.map(|new| merged(old.unwrap_or(Value::Null), new)))
            }
            (Verb::Add | Verb::Replace, Some(sub)) => {
                self.with_sub(sub, old.unwrap_or_else(|| Value::Object(Map::new())))
            }
        }
    }

    /// Whether a part of a complex value says something.
    fn knows(&self, name: &str, value: &Value) -> bool {
        !value.is_null() && self.attribute.sub(name).is_some_and(|sub| !sub.is_read_only())
    }

    /// `element` with the sub-attribute set; `None` when nothing is left of it.
    fn with_sub(&self, sub: &Attribute, element: Value) -> Result<Option<Value>, Error> {
        Ok(set_part(sub, body::part(self.attribute, sub, self.value())?, element))
    }

    fn list(&self, shape: &Shape<'_>, mut list: Vec<Value>, work: &mut Work) -> Result<Option<Value>, Error> {
        let mut touched = Vec::new();
        match (&self.filter, self.sub, self.verb) {
            (None, None, Verb::Add) => self.add_values(&mut list, &mut touched, work)?,
            (None, None, Verb::Replace) => return body::value_of(self.attribute, self.value()),
            (None, None, Verb::Remove) => match self.value.as_ref().filter(|value| !value.is_null()) {
                None => list.clear(),
                Some(values) => self.remove_values(&mut list, values, work)?,
            },
            (None, Some(_), verb) => {
                if list.is_empty() && verb != Verb::Remove {
                    list.push(Value::Object(Map::new()));
                }
                let all = (0..list.len()).collect();
                self.change_elements(&mut list, all, &mut touched)?;
            }
            (Some(filter), _, verb) => {
                let mut selected = self.select(shape, filter, &list);
                let may_create = verb == Verb::Add || self.dialect == Dialect::Entra;
                if selected.is_empty() && verb != Verb::Remove {
                    if !may_create {
                        return Err(no_target(self.attribute, filter));
                    }
                    selected.push(list.len());
                    list.push(self.implied(filter)?);
                }
                self.change_elements(&mut list, selected, &mut touched)?;
            }
        }
        settle_primary(self.attribute, &mut list, &touched)?;
        list.retain(filter::is_present);
        body::finish_list(self.attribute, list)
    }

    /// `add` to a whole list: a value that is there already (same type and value) is brought up to date instead.
    fn add_values(&self, list: &mut Vec<Value>, touched: &mut Vec<usize>, work: &mut Work) -> Result<(), Error> {
        let Some(Value::Array(added)) = body::value_of(self.attribute, self.value())? else { return Ok(()) };
        work.compare(self.attribute, added.len(), list.len().saturating_add(added.len()))?;
        for new in added {
            let same = |old: &Value| is_same_element(self.attribute, old, &new);
            match list.iter().position(same) {
                Some(index) => {
                    if let Some(old) = list.get_mut(index) {
                        *old = merged(old.take(), new);
                    }
                    touched.push(index);
                }
                None => {
                    touched.push(list.len());
                    list.push(new);
                }
            }
        }
        Ok(())
    }

    /// `remove` with values: those and no others. By the RFC it would empty the list, which no client means.
    fn remove_values(&self, list: &mut Vec<Value>, values: &Value, work: &mut Work) -> Result<(), Error> {
        let Some(Value::Array(gone)) = body::value_of(self.attribute, values)? else { return Ok(()) };
        work.compare(self.attribute, gone.len(), list.len())?;
        list.retain(|old| !gone.iter().any(|gone| is_within(self.attribute, gone, old)));
        Ok(())
    }

    fn select(&self, shape: &Shape<'_>, filter: &Filter, list: &[Value]) -> Vec<usize> {
        let path = filter::AttributePath {
            urn: self.extension.map(|schema| schema.id.to_string()),
            name: self.attribute.name.to_string(),
            sub: None,
        };
        let element = Filter::Element { path, filter: Box::new(filter.clone()) };
        let holds = |value: &Value| {
            let inner = Map::from_iter([(self.attribute.name.to_string(), Value::Array(vec![value.clone()]))]);
            let whole = match self.extension {
                Some(schema) => Map::from_iter([(schema.id.to_string(), Value::Object(inner))]),
                None => inner,
            };
            element.matches(&whole, shape)
        };
        list.iter().enumerate().filter(|(_, value)| holds(value)).map(|(index, _)| index).collect()
    }

    fn change_elements(&self, list: &mut [Value], selected: Vec<usize>, touched: &mut Vec<usize>) -> Result<(), Error> {
        let whole = match (self.verb, self.sub) {
            (Verb::Add | Verb::Replace, None) => body::single(self.attribute, self.value())?,
            (Verb::Add | Verb::Replace, Some(sub)) => body::part(self.attribute, sub, self.value())?,
            (Verb::Remove, _) => None,
        };
        // Each of them gets a copy: that there is room for all is seen before the first.
        let size = whole.as_ref().map_or(0, size::of).saturating_mul(selected.len());
        size::check_step(self.attribute, 0, size)?;
        let is_watched = self.attribute.subs.iter().any(|sub| sub.mutability == Mutability::Immutable);
        for index in selected {
            let Some(slot) = list.get_mut(index) else { continue };
            let old = slot.take();
            let kept = if is_watched { old.clone() } else { Value::Null };
            let new = match (self.verb, self.sub) {
                (Verb::Remove, None) => None,
                (Verb::Remove, Some(sub)) => without(old, &sub.name),
                (Verb::Add | Verb::Replace, Some(sub)) => set_part(sub, whole.clone(), old),
                (Verb::Add, None) => Some(match &whole {
                    Some(new) => merged(old, new.clone()),
                    None => old,
                }),
                // The element is replaced as a whole, but stays the one that the path selects.
                (Verb::Replace, None) => match (&whole, &self.filter) {
                    (Some(new), Some(filter)) => Some(merged(self.implied(filter).unwrap_or(Value::Null), new.clone())),
                    (new, _) => new.clone(),
                },
            };
            if let Some(new) = &new {
                body::check_element(self.attribute, &kept, new)?;
                touched.push(index);
            }
            *slot = new.unwrap_or(Value::Null);
        }
        Ok(())
    }

    /// What an element must be to meet `filter`, where that is certain: equalities joined by `and`.
    fn implied(&self, filter: &Filter) -> Result<Value, Error> {
        let is_equality = |part: &Filter| matches!(part, Filter::Compare { operator: Operator::Equal, .. });
        let is_certain = match filter {
            Filter::And(parts) => parts.iter().all(is_equality),
            other => is_equality(other),
        };
        if !is_certain {
            return Err(no_target(self.attribute, filter));
        }
        if self.attribute.kind != Type::Complex {
            let equalities = filter::equalities(filter);
            let value = equalities.first().map(|(_, value)| body::single(self.attribute, value)).transpose()?;
            return value.flatten().ok_or_else(|| no_target(self.attribute, filter));
        }
        let mut element = Map::new();
        for (path, value) in filter::equalities(filter) {
            if let Some(sub) = self.attribute.sub(&path.name)
                && let Some(value) = body::single(sub, value)?
            {
                element.insert(sub.name.to_string(), value);
            }
        }
        Ok(Value::Object(element))
    }
}

fn no_target(attribute: &Attribute, filter: &Filter) -> Error {
    Error::NoTarget(format!("`{}` has no value with {filter}", attribute.name))
}

/// Where a value that was touched is primary, the others no longer are (section 3.5.2).
fn settle_primary(attribute: &Attribute, list: &mut [Value], touched: &[usize]) -> Result<(), Error> {
    let mut winners: Vec<usize> =
        touched.iter().copied().filter(|index| list.get(*index).is_some_and(body::is_primary)).collect();
    winners.sort_unstable();
    winners.dedup();
    match winners.as_slice() {
        [] => Ok(()),
        [winner] => {
            for (index, value) in list.iter_mut().enumerate() {
                if index != *winner
                    && body::is_primary(value)
                    && let Some(map) = value.as_object_mut()
                {
                    map.insert("primary".to_owned(), Value::Bool(false));
                }
            }
            Ok(())
        }
        _ => Err(Error::InvalidValue(format!("`{}` must have at most one primary value", attribute.name))),
    }
}

/// `old` with the parts of `new`; a reference does not survive the value that it was for.
fn merged(old: Value, new: Value) -> Value {
    match (old, new) {
        (Value::Object(mut old), Value::Object(new)) => {
            let is_redirected = new.get("value").is_some_and(|value| old.get("value") != Some(value));
            if is_redirected && !new.contains_key("$ref") {
                old.remove("$ref");
            }
            old.extend(new);
            Value::Object(old)
        }
        (_, new) => new,
    }
}

/// `element` with the sub-attribute set; `None` when nothing is left of it.
fn set_part(sub: &Attribute, value: Option<Value>, element: Value) -> Option<Value> {
    match value {
        Some(value) => Some(merged(element, Value::Object(Map::from_iter([(sub.name.to_string(), value)])))),
        None => without(element, &sub.name),
    }
}

fn without(value: Value, name: &str) -> Option<Value> {
    match value {
        Value::Object(mut map) => {
            map.remove(name);
            (!map.is_empty()).then_some(Value::Object(map))
        }
        other => Some(other),
    }
}

/// Whether two elements of a list are the same: by type and value where they have them (RFC 7643 section 2.4).
fn is_same_element(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    match (a.get("value"), b.get("value")) {
        (Some(_), Some(_)) => ["type", "value"].iter().all(|name| is_same_part(attribute, name, a, b)),
        _ => body::is_same(attribute, a, b),
    }
}

fn is_same_part(attribute: &Attribute, name: &str, a: &Value, b: &Value) -> bool {
    match (a.get(name), b.get(name)) {
        (Some(a), Some(b)) => attribute.sub(name).map_or(a == b, |sub| body::is_same(sub, a, b)),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Whether everything that `part` says is so in `whole`; by `value` alone where it has one.
fn is_within(attribute: &Attribute, part: &Value, whole: &Value) -> bool {
    let agrees = |name: &str| is_same_part(attribute, name, part, whole);
    match (part.get("value"), part.get("type")) {
        (Some(_), None) => agrees("value"),
        (Some(_), Some(_)) => agrees("value") && agrees("type"),
        (None, _) => match part.as_object() {
            Some(part) => part.keys().all(|name| agrees(name)),
            None => body::is_same(attribute, part, whole),
        },
    }
}
