//! The roles that exist, their includes resolved once, and the catalogue of permissions that roles are made of.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::Error;
use crate::config::parse_duration;
use crate::model::{FactorRule, Permission, Role, RoleId, near};

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
    /// The user types beside which it can be given, roles that are held in the whole organisation; empty for all.
    pub only_beside: Vec<RoleId>,
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
    /// Where it is written, for explanations.
    pub written: Written,
}

/// Where a role and each of its rules are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// `clearvantage.toml:31`, or `made by user:0192… at 2026-11-22T10:00:00Z`; empty when nothing is known.
    pub place: String,
    /// Whether a rule denies, the rule and its place.
    pub rules: Vec<(bool, Permission, String)>,
}

impl Written {
    /// The place of a rule, else that of the role; `None` when neither is known.
    pub fn of(&self, rule: &Permission, denies: bool) -> Option<&str> {
        let own = self.rules.iter().find(|(other, written, _)| *other == denies && written == rule);
        Some(own.map_or(self.place.as_str(), |(.., place)| place)).filter(|place| !place.is_empty())
    }
}

impl RoleEntry {
    /// A role that may be given anywhere.
    pub fn new(role: Role, kind: RoleKind) -> Self {
        let seat = u32::from(kind != RoleKind::Flag);
        Self {
            role,
            kind,
            is_scoped_only: false,
            only_beside: Vec::new(),
            heading: None,
            is_hidden: false,
            seat,
            badge: None,
            ui_profile: BTreeMap::new(),
            written: Written::default(),
        }
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
    pub permissions: Arc<[Permission]>,
    pub denies: Arc<[Permission]>,
    pub if_owner: Arc<[Permission]>,
    /// What it says of each permission, by number.
    says: Arc<[u8]>,
}

/// A role allows a permission.
pub(super) const ALLOWS: u8 = 1;
/// It allows it to the owner of the object.
pub(super) const ALLOWS_OWNER: u8 = 2;
/// It denies it.
pub(super) const DENIES: u8 = 4;

impl Piece {
    /// The list that speaks so.
    pub fn list(&self, says: u8) -> &[Permission] {
        match says {
            DENIES => &self.denies,
            ALLOWS_OWNER => &self.if_owner,
            _ => &self.permissions,
        }
    }
}

/// What a time within which a factor must have been shown has to be.
pub(super) const FACTOR_WITHIN: &str = "must be a time from 1m to 30d, such as 10m";

/// Reads such a time, in seconds; `None` for any other text.
pub(super) fn factor_within(text: &str) -> Option<u64> {
    let seconds = parse_duration(text)?.as_secs();
    (60..=30 * 86_400).contains(&seconds).then_some(seconds)
}

/// All roles by id.
#[derive(Clone, Debug, Default)]
pub struct RoleBook {
    catalogue: Catalogue,
    entries: BTreeMap<RoleId, RoleEntry>,
    resolved: BTreeMap<RoleId, Vec<Piece>>,
    numbers: Numbers,
}

/// Permissions and roles as numbers, and what each role says of each permission, its includes counted in.
#[derive(Clone, Debug, Default)]
struct Numbers {
    /// The catalogue, sorted: a permission's number is its position.
    permissions: Vec<Permission>,
    of_permissions: HashMap<Permission, usize>,
    /// A role's number is its position by id.
    of_roles: HashMap<RoleId, usize>,
    /// A row for each permission, in it a byte for each role.
    says: Vec<u8>,
    /// What each role asks of second factors, its includes counted in.
    factors: Vec<FactorRule>,
}

impl Numbers {
    fn of_permissions(catalogue: &Catalogue) -> Self {
        let permissions: Vec<Permission> = catalogue.iter().collect();
        let of_permissions =
            permissions.iter().enumerate().map(|(number, permission)| (permission.clone(), number)).collect();
        Self { permissions, of_permissions, ..Self::default() }
    }

    /// What these lists say of each permission.
    fn says(&self, lists: [(&[Permission], u8); 3]) -> Vec<u8> {
        let mut says = vec![0; self.permissions.len()];
        for (rules, word) in lists {
            for rule in rules {
                match self.of_permissions.get(rule) {
                    Some(number) => says.get_mut(*number).into_iter().for_each(|said| *said |= word),
                    None => {
                        let covered = says.iter_mut().zip(&self.permissions).filter(|(_, asked)| rule.covers(asked));
                        covered.for_each(|(said, _)| *said |= word);
                    }
                }
            }
        }
        says
    }

    /// Numbers the roles and joins what their pieces say.
    fn number_roles(&mut self, resolved: &BTreeMap<RoleId, Vec<Piece>>) {
        self.of_roles = resolved.keys().enumerate().map(|(number, id)| (id.clone(), number)).collect();
        let mut says = vec![0; self.permissions.len().saturating_mul(resolved.len())];
        for (role, pieces) in resolved.values().enumerate() {
            for piece in pieces {
                let column = says.iter_mut().skip(role).step_by(resolved.len().max(1));
                column.zip(piece.says.iter()).for_each(|(said, word)| *said |= word);
            }
        }
        self.says = says;
    }
}

impl RoleBook {
    /// A book of these roles.
    ///
    /// # Errors
    /// `Invalid` with field `permissions`, `denies`, `if_owner` or `includes` when a role names what does not exist,
    /// `includes` too when roles include each other in a circle, `id` when two roles share one.
    pub fn new(catalogue: Catalogue, entries: Vec<RoleEntry>) -> Result<Self, Error> {
        let numbers = Numbers::of_permissions(&catalogue);
        let mut book = Self { catalogue, numbers, ..Self::default() };
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
            .any(|piece| piece.permissions.iter().chain(piece.if_owner.iter()).any(|rule| rule.covers(permission)))
    }

    /// The permissions of the catalogue that `id` gives, and whether to the owner only; its denies are not looked at.
    /// `None` when it is not defined.
    pub fn rights<'a>(&'a self, id: &RoleId) -> Option<impl Iterator<Item = (Permission, bool)> + use<'a>> {
        let role = self.number(id)?;
        Some(self.numbers.permissions.iter().enumerate().filter_map(move |(number, permission)| {
            let says = self.says(role, number);
            (says & (ALLOWS | ALLOWS_OWNER) != 0).then(|| (permission.clone(), says & ALLOWS == 0))
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

    /// Whether `id`, or what it includes, takes `permission` away.
    pub fn denies(&self, id: &RoleId, permission: &Permission) -> bool {
        self.denied(id).any(|denied| denied == *permission)
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

    /// What one role says by itself, as part of another that includes it or of none. A hidden role gives nothing, but what
    /// it takes away stays taken.
    fn alone(&self, entry: &RoleEntry) -> Piece {
        let role = &entry.role;
        let given = |rules: &[Permission]| if entry.is_hidden { Arc::default() } else { Arc::from(rules) };
        let (permissions, if_owner) = (given(&role.permissions), given(&role.if_owner));
        let lists = [(&*permissions, ALLOWS), (&*if_owner, ALLOWS_OWNER), (&*role.denies, DENIES)];
        let says = self.numbers.says(lists).into();
        Piece { includes: Vec::new(), permissions, denies: role.denies.as_slice().into(), if_owner, says }
    }

    /// Of how many parts all roles together are made.
    pub(super) fn parts(&self) -> usize {
        self.resolved.values().map(Vec::len).sum()
    }

    fn resolve(&mut self) -> Result<(), Error> {
        // A role that many include is kept once.
        let alone: BTreeMap<&RoleId, Piece> = self.entries.iter().map(|(id, entry)| (id, self.alone(entry))).collect();
        for id in self.entries.keys() {
            let mut pieces = Vec::new();
            let mut seen = BTreeSet::from([id]);
            let mut queue = VecDeque::from([(id, vec![id.clone()])]);
            while let Some((at, includes)) = queue.pop_front() {
                let (Some(RoleEntry { role, .. }), Some(piece)) = (self.entries.get(at), alone.get(at)) else {
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
                pieces.push(Piece { includes, ..piece.clone() });
            }
            self.resolved.insert(id.clone(), pieces);
        }
        self.numbers.number_roles(&self.resolved);
        let asked = |pieces: &Vec<Piece>| {
            let roles = pieces.iter().filter_map(|piece| self.entries.get(piece.includes.last()?));
            roles.filter_map(|entry| entry.role.factor).fold(FactorRule::default(), FactorRule::and)
        };
        self.numbers.factors = self.resolved.values().map(asked).collect();
        Ok(())
    }

    /// The permissions of the catalogue, sorted: the position of one is its number.
    pub(super) fn permissions(&self) -> &[Permission] {
        &self.numbers.permissions
    }

    /// The number of a permission; none for one that is not in the catalogue, or has a `*`.
    pub(super) fn permission_number(&self, permission: &Permission) -> Option<usize> {
        self.numbers.of_permissions.get(permission).copied()
    }

    /// The number of a role.
    pub(super) fn number(&self, role: &RoleId) -> Option<usize> {
        self.numbers.of_roles.get(role).copied()
    }

    /// What a role, by number, and those that it includes ask of second factors.
    pub(super) fn factor_rule(&self, role: usize) -> FactorRule {
        self.numbers.factors.get(role).copied().unwrap_or_default()
    }

    /// What each role, by number, says of a permission.
    pub(super) fn row(&self, permission: usize) -> &[u8] {
        let width = self.resolved.len();
        let start = permission.saturating_mul(width);
        self.numbers.says.get(start..start.saturating_add(width)).unwrap_or_default()
    }

    /// The roles that give a permission, to the owner too if so, and do not deny it themselves.
    pub(super) fn speaking(&self, permission: usize, is_owner: bool) -> impl Iterator<Item = &RoleId> {
        let gives = if is_owner { ALLOWS | ALLOWS_OWNER } else { ALLOWS };
        let says = move |says: u8| says & gives != 0 && says & DENIES == 0;
        self.resolved.keys().zip(self.row(permission)).filter(move |(_, said)| says(**said)).map(|(id, _)| id)
    }

    /// What one role says of a permission.
    pub(super) fn says(&self, role: usize, permission: usize) -> u8 {
        self.row(permission).get(role).copied().unwrap_or(0)
    }

    /// The first part of a role that says this of a permission.
    pub(super) fn piece(&self, role: &RoleId, permission: usize, says: u8) -> Option<&Piece> {
        self.pieces(role)?.iter().find(|piece| piece.says.get(permission).is_some_and(|said| said & says != 0))
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
