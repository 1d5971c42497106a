//! Steps about the members of a group.

use serde_json::Value;

use super::{Dialect, Step, Verb};
use crate::filter::{Filter, Operator};
use crate::scim::Error;

/// A member as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedMember {
    /// The id, as it was sent.
    pub id: String,
    /// `display`, or `displayName` as some write it.
    pub display: Option<String>,
    /// Whether it was an id alone, without an object around it.
    pub is_bare: bool,
}

/// What a request does to a group's members, in its order. Ids are as the client sent them.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberStep {
    /// Adds these.
    Add(Vec<NamedMember>),
    /// Removes everybody.
    Clear,
    /// Removes these.
    Remove(Vec<String>),
    /// Removes those that meet a condition on `value`, `type` or `$ref`.
    RemoveWhere(Filter),
    /// Shows those with these ids as this.
    Rename {
        /// Who.
        ids: Vec<String>,
        /// As what.
        display: String,
    },
    /// Makes these the only ones.
    Replace(Vec<NamedMember>),
    /// Puts these in the place of those with these ids.
    Swap {
        /// Who goes.
        gone: Vec<String>,
        /// Who comes.
        added: Vec<NamedMember>,
        /// Whether they come although none of the others is there.
        creates: bool,
    },
}

impl MemberStep {
    /// Whether it names a member by a bare id.
    pub fn is_bare(&self) -> bool {
        match self {
            Self::Add(members) | Self::Replace(members) | Self::Swap { added: members, .. } => {
                members.iter().any(|member| member.is_bare)
            }
            Self::Clear | Self::Remove(_) | Self::RemoveWhere(_) | Self::Rename { .. } => false,
        }
    }
}

/// Takes the steps about `members` out of a group's.
///
/// # Errors
/// `InvalidValue`, `Mutability`, `NoTarget`.
pub fn members(steps: Vec<Step<'_>>) -> Result<(Vec<Step<'_>>, Vec<MemberStep>), Error> {
    let (about_members, others): (Vec<Step<'_>>, Vec<Step<'_>>) = steps.into_iter().partition(Step::is_about_members);
    let found = about_members.into_iter().map(member_step).collect::<Result<Vec<_>, _>>()?;
    Ok((others, found))
}

fn member_step(step: Step<'_>) -> Result<MemberStep, Error> {
    let value = step.value.filter(|value| !value.is_null());
    if let Some(part) = step.sub {
        return rename(step.verb, &part.name, step.filter.as_ref(), value);
    }
    match (step.verb, step.filter, value) {
        (Verb::Add, None, value) => value.map_or(Ok(Vec::new()), |value| named(&value)).map(MemberStep::Add),
        (Verb::Replace, None, value) => value.map_or(Ok(Vec::new()), |value| named(&value)).map(MemberStep::Replace),
        (Verb::Remove, None, None) => Ok(MemberStep::Clear),
        // By the RFC this empties the group; clients that send values mean those.
        (Verb::Remove, None, Some(value)) => {
            Ok(MemberStep::Remove(named(&value)?.into_iter().map(|member| member.id).collect()))
        }
        (Verb::Remove, Some(filter), _) => {
            Ok(selected(&filter).map_or_else(|| MemberStep::RemoveWhere(filter.clone()), MemberStep::Remove))
        }
        (Verb::Add, Some(filter), value) => {
            let ids = by_value(&filter)?;
            let added = value.map_or(Ok(Vec::new()), |value| named(&value))?;
            // What is added to a member that is selected is about this member (section 3.5.2.1).
            if added.iter().any(|member| !ids.contains(&member.id)) {
                return Err(Error::NoTarget("the value names another member than the path".to_owned()));
            }
            Ok(MemberStep::Add(added))
        }
        (Verb::Replace, Some(filter), value) => {
            let gone = by_value(&filter)?;
            let added = value.map_or(Ok(Vec::new()), |value| named(&value))?;
            Ok(MemberStep::Swap { gone, added, creates: step.dialect == Dialect::Entra })
        }
    }
}

/// A step about a part of a member: the name that it is shown by, for its others are what it is.
fn rename(verb: Verb, part: &str, filter: Option<&Filter>, value: Option<Value>) -> Result<MemberStep, Error> {
    if verb == Verb::Remove {
        return Err(Error::Mutability(format!("`members.{part}` cannot be taken away; put another one in its place")));
    }
    let filter = filter.ok_or_else(|| Error::NoTarget(format!("`members.{part}` needs `[value eq …]`")))?;
    match value {
        Some(Value::String(display)) if !display.is_empty() => {
            Ok(MemberStep::Rename { ids: by_value(filter)?, display })
        }
        _ => Err(Error::InvalidValue(format!("`members.{part}` must be a string"))),
    }
}

fn by_value(filter: &Filter) -> Result<Vec<String>, Error> {
    selected(filter).ok_or_else(|| Error::NoTarget("members can be selected by value only".to_owned()))
}

/// Those in a list of members, a single member, or plain text that is an id.
///
/// # Errors
/// `InvalidValue`.
pub fn named(value: &Value) -> Result<Vec<NamedMember>, Error> {
    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    values.iter().filter(|value| !value.is_null()).map(named_one).collect()
}

fn named_one(member: &Value) -> Result<NamedMember, Error> {
    let text = |name: &str| {
        let entry = member.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        entry.1.as_str().filter(|text| !text.is_empty())
    };
    let found = member.as_str().or_else(|| text("value")).or_else(|| text("$ref")?.rsplit('/').next());
    let found = found.ok_or_else(|| Error::InvalidValue("a member must have a `value`, its id".to_owned()))?;
    let display = text("display").or_else(|| text("displayName"));
    Ok(NamedMember { id: found.to_owned(), display: display.map(str::to_owned), is_bare: member.is_string() })
}

/// The ids that `value eq "…"` selects, alone or joined by `or`.
pub(super) fn selected(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare { path, operator: Operator::Equal, value } if path.is("value") => {
            value.as_str().map(|id| vec![id.to_owned()])
        }
        Filter::Or(parts) => {
            let lists = parts.iter().map(selected).collect::<Option<Vec<_>>>()?;
            Some(lists.concat())
        }
        _ => None,
    }
}
