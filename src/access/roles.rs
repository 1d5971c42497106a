//! The roles that exist, their includes resolved once, and the catalogue of permissions that roles are made of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Error;
use crate::model::{Permission, Role, RoleId, near};

/// Every permission that exists, by resource. What is not in it is refused, in roles and in questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<String, BTreeSet<String>>);

impl Catalogue {
    /// Adds a permission; one with `*` names nothing and is ignored.
    pub fn insert(&mut self, permission: &Permission) {
        if permission.is_concrete() {
            let actions = self.0.entry(permission.resource().to_owned()).or_default();
            actions.insert(permission.action().to_owned());
        }
    }

    /// Whether this very permission exists; one with `*` on a side does not.
    pub fn contains(&self, permission: &Permission) -> bool {
        self.0.get(permission.resource()).is_some_and(|actions| actions.contains(permission.action()))
    }

    /// Whether a permission of a role, possibly with `*`, means anything that exists.
    pub fn knows(&self, permission: &Permission) -> bool {
        let knows = |actions: &BTreeSet<String>| permission.action() == "*" || actions.contains(permission.action());
        match permission.resource() {
            "*" => self.0.values().any(knows),
            resource => self.0.get(resource).is_some_and(knows),
        }
    }

    /// The permission that is written most like this one, where one is.
    pub fn nearest(&self, text: &str) -> Option<Permission> {
        let known: Vec<String> = self.iter().map(|permission| permission.to_string()).collect();
        near::nearest(text, known.iter().map(String::as_str)).and_then(|near| near.parse().ok())
    }

    /// Every permission, sorted.
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().flat_map(|(resource, actions)| {
            // Only parts of parsed permissions are ever inserted, so every pair parses.
            actions.iter().filter_map(move |action| format!("{resource}:{action}").parse().ok())
        })
    }
}

/// Whether a role is one of the pack's roles or a flag set beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    /// Made by an administrator of this organisation.
    Custom,
    /// A checkbox beside the role.
    Flag,
    /// A role of the pack.
    Role,
}

/// A role and what the pack says about giving it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleEntry {
    /// The role as written.
    pub role: Role,
    /// What it is.
    pub kind: RoleKind,
    /// Can be given within a scope only.
    pub is_scoped_only: bool,
    /// The heading under which a flag is shown.
    pub heading: Option<String>,
    /// Depends on a feature that is off: gives nothing and is not offered.
    pub is_hidden: bool,
    /// How many licenses an active holder counts for; 0 for whoever does not count. A flag counts for none.
    pub seat: u32,
    /// What people see as their level of access, where it is not the name.
    pub badge: Option<String>,
    /// What user interfaces show to its holders: handed out as it is, and never looked into.
    pub ui_profile: BTreeMap<String, String>,
}

impl RoleEntry {
    /// A role that may be given anywhere.
    pub fn new(role: Role, kind: RoleKind) -> Self {
        let seat = u32::from(kind != RoleKind::Flag);
        let ui_profile = BTreeMap::new();
        Self { role, kind, is_scoped_only: false, heading: None, is_hidden: false, seat, badge: None, ui_profile }
    }

    /// What people see as their level of access: `Scorecard Admin`.
    pub fn badge(&self) -> &str {
        self.badge.as_deref().unwrap_or(&self.role.name)
    }
}

/// What one role of an include tree says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// From the granted role to the one that says it.
    pub includes: Vec<RoleId>,
    pub permissions: Vec<Permission>,
    pub denies: Vec<Permission>,
    pub if_owner: Vec<Permission>,
}

/// All roles by id.
#[derive(Clone, Debug, Default)]
pub struct RoleBook {
    catalogue: Catalogue,
    entries: BTreeMap<RoleId, RoleEntry>,
    resolved: BTreeMap<RoleId, Vec<Piece>>,
}

impl RoleBook {
    /// A book of these roles.
    ///
    /// # Errors
    /// `Invalid` with field `permissions`, `denies`, `if_owner` or `includes` when a role names what does not exist,
    /// `includes` too when roles include each other in a circle, `id` when two roles share one.
    pub fn new(catalogue: Catalogue, entries: Vec<RoleEntry>) -> Result<Self, Error> {
        let mut book = Self { catalogue, ..Self::default() };
        for entry in entries {
            book.check(&entry.role)?;
            let id = entry.role.id.clone();
            if book.entries.insert(id.clone(), entry).is_some() {
                return Err(Error::Invalid { field: "id", reason: format!("`{id}` is used by two roles") });
            }
        }
        if let Some(circle) = circle(&book.entries) {
            let shown = circle.iter().map(RoleId::as_str).collect::<Vec<_>>().join(" → ");
            return Err(Error::Invalid { field: "includes", reason: format!("go in a circle: {shown}") });
        }
        book.resolve()?;
        Ok(book)
    }

    /// Every permission that exists.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// A role by id.
    pub fn find(&self, id: &RoleId) -> Option<&RoleEntry> {
        self.entries.get(id)
    }

    /// The end of a sentence about a role that there is not: the one that is written most like it, where one is.
    pub fn hint(&self, id: &RoleId) -> String {
        let given = self.entries.values().filter(|entry| !entry.is_hidden);
        near::hint(id.as_str(), given.map(|entry| entry.role.id.as_str()))
    }

    /// Every role, by id.
    pub fn iter(&self) -> impl Iterator<Item = &RoleEntry> {
        self.entries.values()
    }

    /// Whether holding `id` could mean having `permission`, to the owner only included; its denies are not looked at.
    pub fn gives(&self, id: &RoleId, permission: &Permission) -> bool {
        self.pieces(id)
            .unwrap_or_default()
            .iter()
            .any(|piece| piece.permissions.iter().chain(&piece.if_owner).any(|rule| rule.covers(permission)))
    }

    /// The permissions of the catalogue that `id` gives, and whether to the owner only; its denies are not looked at.
    /// `None` when it is not defined.
    pub fn rights<'a>(&'a self, id: &RoleId) -> Option<impl Iterator<Item = (Permission, bool)> + use<'a>> {
        let pieces = self.pieces(id)?;
        let covers = |rules: &[Permission], permission: &Permission| rules.iter().any(|rule| rule.covers(permission));
        Some(self.catalogue.iter().filter_map(move |permission| {
            let is_given = pieces.iter().any(|piece| covers(&piece.permissions, &permission));
            let is_owners = pieces.iter().any(|piece| covers(&piece.if_owner, &permission));
            (is_given || is_owners).then_some((permission, !is_given))
        }))
    }

    /// The permissions of the catalogue that `id`, or what it includes, takes away; none when it is not defined.
    pub(super) fn denied(&self, id: &RoleId) -> impl Iterator<Item = Permission> {
        let pieces = self.pieces(id).unwrap_or_default();
        let is_denied = |permission: &Permission| {
            pieces.iter().any(|piece| piece.denies.iter().any(|rule| rule.covers(permission)))
        };
        self.catalogue.iter().filter(is_denied)
    }

    /// Whether `id`, or what it includes, takes any right away; a role that is not defined may.
    pub fn denies_anything(&self, id: &RoleId) -> bool {
        self.pieces(id).is_none_or(|pieces| pieces.iter().any(|piece| !piece.denies.is_empty()))
    }

    /// The roles that, alone, would allow `permission` (possibly to the owner only), by id.
    pub fn giving<'a>(&'a self, permission: &'a Permission) -> impl Iterator<Item = &'a RoleId> {
        self.resolved.iter().filter_map(move |(id, pieces)| {
            let denies = |piece: &Piece| piece.denies.iter().any(|rule| rule.covers(permission));
            (self.gives(id, permission) && !pieces.iter().any(denies)).then_some(id)
        })
    }

    /// What a role says, itself first, then its includes from near to far.
    pub(super) fn pieces(&self, id: &RoleId) -> Option<&[Piece]> {
        self.resolved.get(id).map(Vec::as_slice)
    }

    fn check(&self, role: &Role) -> Result<(), Error> {
        for (field, rules) in
            [("permissions", &role.permissions), ("denies", &role.denies), ("if_owner", &role.if_owner)]
        {
            if let Some(unknown) = rules.iter().find(|rule| !self.catalogue.knows(rule)) {
                let reason = format!("of role `{}`: `{unknown}` is not in the catalogue", role.id);
                return Err(Error::Invalid { field, reason });
            }
        }
        Ok(())
    }

    fn resolve(&mut self) -> Result<(), Error> {
        for id in self.entries.keys() {
            let mut pieces = Vec::new();
            let mut seen = BTreeSet::from([id]);
            let mut queue = VecDeque::from([(id, vec![id.clone()])]);
            while let Some((at, includes)) = queue.pop_front() {
                let Some(RoleEntry { role, is_hidden, .. }) = self.entries.get(at) else {
                    let reason = format!("of role `{id}`: there is no role `{at}`");
                    return Err(Error::Invalid { field: "includes", reason });
                };
                for next in &role.includes {
                    // A role that was reached already, a cycle among them, says nothing new.
                    if seen.insert(next) {
                        let mut path = includes.clone();
                        path.push(next.clone());
                        queue.push_back((next, path));
                    }
                }
                // A hidden role gives nothing, but what it takes away stays taken.
                let given = |rules: &Vec<Permission>| if *is_hidden { Vec::new() } else { rules.clone() };
                pieces.push(Piece {
                    includes,
                    permissions: given(&role.permissions),
                    denies: role.denies.clone(),
                    if_owner: given(&role.if_owner),
                });
            }
            self.resolved.insert(id.clone(), pieces);
        }
        Ok(())
    }
}

/// `Integration Specialist` becomes `integration_specialist`; `None` when nothing is left or it is too long.
pub(super) fn slug(name: &str) -> Option<RoleId> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_").parse().ok()
}

/// Roles that include each other, from one back to itself: `a`, `b`, `a`. Roles that are not there include nothing.
pub(super) fn circle(entries: &BTreeMap<RoleId, RoleEntry>) -> Option<Vec<RoleId>> {
    let includes = |id: &RoleId| entries.get(id).map(|entry| entry.role.includes.as_slice()).unwrap_or_default();
    let mut done: BTreeSet<&RoleId> = BTreeSet::new();
    for start in entries.keys() {
        // The way to where the walk is, each role with how many of its includes have been looked at.
        let mut way: Vec<(&RoleId, usize)> = vec![(start, 0)];
        while let Some((at, next)) = way.last_mut() {
            let include = includes(at).get(*next);
            *next += 1;
            match include {
                None => {
                    done.insert(at);
                    way.pop();
                }
                Some(include) => {
                    if let Some(first) = way.iter().position(|(id, _)| *id == include) {
                        let round = way.iter().skip(first).map(|(id, _)| (*id).clone());
                        return Some(round.chain([include.clone()]).collect());
                    }
                    if !done.contains(include) {
                        way.push((include, 0));
                    }
                }
            }
        }
    }
    None
}
