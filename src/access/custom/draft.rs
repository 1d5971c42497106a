//! A role as an administrator writes it, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::slug;
use crate::access::roles::{FACTOR_WITHIN, factor_within};
use crate::access::{Error, Pack, RoleBook, RoleEntry};
use crate::model::{FactorRule, Permission, Role, RoleId};

/// Most entries of one list of a role.
const MAX_RULES: usize = 500;
/// Most roles that one names as included.
const MAX_INCLUDES: usize = 64;
/// Most characters of a description.
const MAX_DESCRIPTION: usize = 500;
/// Most words for user interfaces; longest key, longest value, in characters.
const MAX_PROFILE: (usize, usize, usize) = (64, 64, 2000);

/// A custom role as an administrator writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomRole {
    /// The name to show, by the pack's rule; its slug becomes the id.
    pub name: String,
    /// What it is for, at most 500 characters.
    #[serde(default)]
    pub description: String,
    /// What it allows, from the catalogue.
    pub permissions: Vec<String>,
    /// What it takes away, whatever else allows it.
    #[serde(default)]
    pub denies: Vec<String>,
    /// Roles whose permissions and denies it has too.
    #[serde(default)]
    pub includes: Vec<String>,
    /// What it allows to the owner of the object only.
    #[serde(default)]
    pub if_owner: Vec<String>,
    /// Words for user interfaces, handed out as they are.
    #[serde(default)]
    pub ui_profile: BTreeMap<String, String>,
    /// Whether it can be given within a scope only.
    #[serde(default)]
    pub scoped_only: bool,
    /// Whether every holder must have a second factor.
    #[serde(default)]
    pub requires_factor: bool,
    /// Whether every holder must sign in by single sign-on.
    #[serde(default)]
    pub requires_sso: bool,
    /// What it allows holds only in a session in which a second factor was shown within this time, 1 minute to 30 days:
    /// `10m`.
    #[serde(default)]
    pub factor_within: Option<String>,
}

impl CustomRole {
    /// A role as its author would have written it.
    pub(super) fn of(entry: &RoleEntry) -> Self {
        let texts = |rules: &[Permission]| rules.iter().map(Permission::to_string).collect();
        Self {
            name: entry.role.name.clone(),
            description: entry.role.description.clone(),
            permissions: texts(&entry.role.permissions),
            denies: texts(&entry.role.denies),
            includes: entry.role.includes.iter().map(RoleId::to_string).collect(),
            if_owner: texts(&entry.role.if_owner),
            ui_profile: entry.ui_profile.clone(),
            scoped_only: entry.is_scoped_only,
            requires_factor: entry.role.factor.is_some_and(|rule| rule.required),
            requires_sso: entry.role.factor.is_some_and(|rule| rule.requires_sso()),
            factor_within: entry.role.factor.and_then(|rule| rule.within()),
        }
    }

    /// The id that follows from its name, by the pack's rule for names.
    ///
    /// # Errors
    /// `Invalid` naming `name`.
    pub(in crate::access) fn id(&self, pack: &Pack) -> Result<RoleId, Error> {
        let invalid = |reason: String| Error::Invalid { field: "name", reason };
        if let Some(problem) = pack.role_name_rule().problem(&self.name) {
            return Err(invalid(problem));
        }
        slug(&self.name).ok_or_else(|| invalid("must contain a letter or a digit and be short".to_owned()))
    }

    /// It as a role of this book's catalogue, which includes roles of this book.
    ///
    /// # Errors
    /// `Invalid` by field, with the value that is wrong and the nearest known one.
    pub(in crate::access) fn role(&self, id: RoleId, book: &RoleBook) -> Result<Role, Error> {
        if self.description.chars().count() > MAX_DESCRIPTION {
            let reason = format!("must have at most {MAX_DESCRIPTION} characters");
            return Err(Error::Invalid { field: "description", reason });
        }
        Ok(Role {
            name: self.name.clone(),
            description: self.description.clone(),
            permissions: permissions("permissions", &self.permissions, book)?,
            denies: permissions("denies", &self.denies, book)?,
            includes: includes(&self.includes, &id, book)?,
            if_owner: permissions("if_owner", &self.if_owner, book)?,
            factor: self.factor_rule()?,
            id,
        })
    }

    fn factor_rule(&self) -> Result<Option<FactorRule>, Error> {
        let read = |text: &String| {
            let invalid = || Error::Invalid { field: "factor_within", reason: FACTOR_WITHIN.to_owned() };
            factor_within(text).ok_or_else(invalid)
        };
        let within_s = self.factor_within.as_ref().map(read).transpose()?;
        let rule = FactorRule { required: self.requires_factor, within_s, sso: self.requires_sso.then_some(true) };
        Ok((rule != FactorRule::default()).then_some(rule))
    }

    /// The words for user interfaces.
    ///
    /// # Errors
    /// `Invalid` naming `ui_profile`.
    pub(super) fn profile(&self) -> Result<BTreeMap<String, String>, Error> {
        let (entries, key, value) = MAX_PROFILE;
        let is_long = |(k, v): (&String, &String)| k.chars().count() > key || v.chars().count() > value;
        if self.ui_profile.len() > entries || self.ui_profile.iter().any(is_long) {
            let reason = format!(
                "has at most {entries} entries, keys of at most {key} and values of at most {value} characters"
            );
            return Err(Error::Invalid { field: "ui_profile", reason });
        }
        Ok(self.ui_profile.clone())
    }
}

fn permissions(field: &'static str, texts: &[String], book: &RoleBook) -> Result<Vec<Permission>, Error> {
    let invalid = |reason: String| Error::Invalid { field, reason };
    if texts.len() > MAX_RULES {
        return Err(invalid(format!("must have at most {MAX_RULES} entries")));
    }
    let (mut seen, mut rules) = (BTreeSet::new(), Vec::new());
    for text in texts {
        let rule: Permission = text.parse().map_err(|error| invalid(format!("has `{text}`, which {error}")))?;
        if !book.catalogue().knows(&rule) {
            let near = book.catalogue().nearest(text);
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(invalid(format!("has `{text}`, which is not in the catalogue{hint}")));
        }
        if seen.insert(rule.clone()) {
            rules.push(rule);
        }
    }
    Ok(rules)
}

fn includes(texts: &[String], id: &RoleId, book: &RoleBook) -> Result<Vec<RoleId>, Error> {
    let invalid = |reason: String| Error::Invalid { field: "includes", reason };
    if texts.len() > MAX_INCLUDES {
        return Err(invalid(format!("must have at most {MAX_INCLUDES} entries")));
    }
    let mut roles: Vec<RoleId> = Vec::new();
    for text in texts {
        let role: RoleId = text.parse().map_err(|error| invalid(format!("has `{text}`, which {error}")))?;
        // Whether a role may include itself is the circle's matter.
        let is_known = role == *id || book.find(&role).is_some_and(|entry| !entry.is_hidden);
        if !is_known {
            return Err(invalid(format!("has `{role}`, which does not exist{}", book.hint(&role))));
        }
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}
