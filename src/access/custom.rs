//! Roles that administrators make: kept in the store, joined with those of the pack into the one book that decides.
//!
//! Every write raises one epoch, which every write checks: so two writers cannot make a circle together, and no older
//! book replaces a newer one. The book is renewed before a write is answered. The pack's own roles are read only.
//!
//! It refuses unknown permissions and roles, circles, names that the pack's rule refuses, to delete what is held or
//! included, and, with `escalation`, whatever would give or take what its author does not have.

mod draft;
mod join;
mod restore;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use minicbor::{Decode, Encode};

use super::roles::slug;
use super::scopes::EPOCHS;
use super::{Access, Error, Overlay, Pack, Permit, RoleBook, RoleEntry, RoleKind, Written};
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{OrganisationId, Role, RoleId};
use crate::store::{self, Range, Table, decode};
pub use draft::CustomRole;
use join::join;

/// Roles by id.
pub(in crate::access) const ROLES: Table<RoleId, StoredRole> = Table::new(0x24, "roles");
pub(in crate::access) const EPOCH: &str = "roles";

/// Most parts that all roles together are made of: of each, itself and what it includes on the way.
const MAX_ALL_PARTS: usize = 5_000;
/// Most roles that an organisation makes: all are kept in memory, and the book is built anew by every change.
pub const MAX_CUSTOM_ROLES: usize = 500;

/// A role that an administrator made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoredRole {
    /// The role as written.
    #[n(0)]
    pub role: Role,
    /// Words for user interfaces.
    #[n(1)]
    pub ui_profile: BTreeMap<String, String>,
    /// Whether it can be given within a scope only.
    #[n(2)]
    pub is_scoped_only: bool,
    /// When it was made.
    #[n(3)]
    pub created: Timestamp,
    /// When it was last changed.
    #[n(4)]
    pub changed: Timestamp,
    /// Counts its changes, from 1.
    #[n(5)]
    pub revision: u64,
    /// Who made it, as events name them.
    #[n(6)]
    pub maker: String,
}

impl StoredRole {
    /// It as a role of the book.
    pub fn as_entry(&self) -> RoleEntry {
        let place = format!("made by {} at {}", self.maker, self.created);
        RoleEntry {
            written: Written { place, rules: Vec::new() },
            is_scoped_only: self.is_scoped_only,
            ui_profile: self.ui_profile.clone(),
            ..RoleEntry::new(self.role.clone(), RoleKind::Custom)
        }
    }
}

/// The roles that administrators made, by id.
pub type StoredRoles = BTreeMap<RoleId, Arc<StoredRole>>;

/// What the book in force is made of.
#[derive(Clone)]
pub(super) struct Shelf {
    pack: Arc<Pack>,
    epoch: u64,
    stored: Arc<StoredRoles>,
    book: Arc<RoleBook>,
    problems: Arc<BTreeMap<RoleId, String>>,
}

impl Shelf {
    pub(super) fn new(pack: Pack) -> Self {
        Self::of(Arc::new(pack), 0, Arc::default())
    }

    fn of(pack: Arc<Pack>, epoch: u64, stored: Arc<StoredRoles>) -> Self {
        let (book, problems) = join(pack.roles(), &stored);
        Self { pack, epoch, stored, book: Arc::new(book), problems: Arc::new(problems) }
    }
}

/// Whether a write is made or only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is made.
    Commit,
    /// Everything is checked and nothing is written.
    DryRun,
}

/// What a write does to one role.
struct Plan {
    before: Option<Arc<StoredRole>>,
    after: Option<StoredRole>,
}

impl Access {
    /// The policy pack in force.
    pub fn pack(&self) -> Arc<Pack> {
        self.shelf().pack
    }

    /// Puts another pack in force, for every decision from now on; roles that administrators made stay.
    pub fn replace_pack(&self, pack: Pack) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        *shelf = Shelf::of(Arc::new(pack), shelf.epoch, Arc::clone(&shelf.stored));
        self.replace_roles(shelf.book.as_ref().clone());
    }

    /// The book that another pack would make of the roles that administrators made.
    pub fn book_under(&self, pack: &Pack) -> RoleBook {
        self.join_under(pack).0
    }

    /// The same, and what is wrong with which of these under it.
    pub(super) fn join_under(&self, pack: &Pack) -> (RoleBook, BTreeMap<RoleId, String>) {
        join(pack.roles(), &self.shelf().stored)
    }

    /// The roles that administrators made.
    pub fn stored_roles(&self) -> Arc<StoredRoles> {
        self.shelf().stored
    }

    /// Why a role that an administrator made is not in force as it is written; the pack in force is why.
    pub fn role_problem(&self, id: &RoleId) -> Option<String> {
        self.shelf().problems.get(id).cloned()
    }

    /// Reads the roles that administrators made and puts them in force, unless newer ones are.
    ///
    /// # Errors
    /// `Store`.
    pub async fn load_roles(&self) -> Result<(), Error> {
        let (store, organisation) = (self.ledger.store(), self.organisation);
        let mut epoch = store.find(&EPOCHS, organisation, EPOCH).await?.unwrap_or(0);
        loop {
            let range = Range::prefix(ROLES.prefix(organisation, &()), MAX_CUSTOM_ROLES.saturating_mul(2));
            let mut stored = StoredRoles::new();
            for (_, row) in store.range(range).await? {
                let role: StoredRole = decode(ROLES.name(), &row.value)?;
                stored.insert(role.role.id.clone(), Arc::new(role));
            }
            // One state only when no change came between.
            let after = store.find(&EPOCHS, organisation, EPOCH).await?.unwrap_or(0);
            if after == epoch {
                self.settle(epoch, Arc::new(stored));
                return Ok(());
            }
            epoch = after;
        }
    }

    /// The same, when newer ones are stored.
    pub(in crate::access) async fn catch_up_roles(&self) -> Result<(), Error> {
        let epoch = self.ledger.store().find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
        if self.shelf().epoch < epoch { self.load_roles().await } else { Ok(()) }
    }

    fn shelf(&self) -> Shelf {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts stored roles in force, unless newer ones are.
    fn settle(&self, epoch: u64, stored: Arc<StoredRoles>) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        if epoch > shelf.epoch {
            *shelf = Shelf::of(Arc::clone(&shelf.pack), epoch, stored);
            self.replace_roles(shelf.book.as_ref().clone());
            for (id, problem) in &*shelf.problems {
                tracing::warn!("the role `{id}` is not in force as it is written: {problem}");
            }
        }
    }

    /// Makes a role. Its id follows from its name.
    ///
    /// # Errors
    /// `Invalid` by the field that is wrong; `Conflict` when the name is taken; `Denied` when it would give what the
    /// actor does not have in the whole organisation; `Store`.
    pub async fn create_role(&self, permit: &Permit, draft: &CustomRole, run: Run) -> Result<StoredRole, Error> {
        let plan = |shelf: &Shelf| {
            let id = draft.id(&shelf.pack)?;
            if shelf.book.find(&id).is_some() || shelf.stored.contains_key(&id) {
                let detail = format!("there is a role `{id}` already; choose another name");
                return Err(Error::Conflict { field: Some("name"), detail });
            }
            if shelf.stored.len() >= MAX_CUSTOM_ROLES {
                let detail =
                    format!("there are {MAX_CUSTOM_ROLES} roles of your own already, and there may be no more");
                return Err(Error::Conflict { field: None, detail });
            }
            let now = self.clock.now();
            let role = StoredRole {
                role: draft.role(id, &shelf.book)?,
                ui_profile: draft.profile()?,
                is_scoped_only: draft.scoped_only,
                created: now,
                changed: now,
                revision: 1,
                maker: permit.actor().to_string(),
            };
            Ok(Some(Plan { before: None, after: Some(role) }))
        };
        self.write(permit, run, plan).await?.ok_or(Error::NotFound { what: "role" })
    }

    /// Makes a copy of a role, the pack's too, under another name.
    ///
    /// # Errors
    /// `NotFound`; as [`Access::create_role`].
    pub async fn duplicate_role(
        &self,
        permit: &Permit,
        id: &RoleId,
        name: String,
        description: Option<String>,
        run: Run,
    ) -> Result<StoredRole, Error> {
        let roles = self.roles();
        let entry = roles.find(id).filter(|entry| !entry.is_hidden).ok_or(Error::NotFound { what: "role" })?;
        let copy = CustomRole { name, ..CustomRole::of(entry) };
        let copy = CustomRole { description: description.unwrap_or_else(|| copy.description.clone()), ..copy };
        self.create_role(permit, &copy, run).await
    }

    /// Changes a role that an administrator made: `edit` gets it as it is and leaves it as it should be; it may run more
    /// than once. The id stays, whatever the name becomes. `revision` is the one that the caller has seen, where it
    /// matters.
    ///
    /// # Errors
    /// `NotFound`, `Revision`; `Conflict` for a role of the pack, and where the actor would lose rights; `Invalid` by
    /// field; `Denied` when it gives or takes what the actor does not have wherever the role is held; `Store`.
    pub async fn change_role(
        &self,
        permit: &Permit,
        id: &RoleId,
        revision: Option<u64>,
        edit: impl Fn(&mut CustomRole) + Sync,
        run: Run,
    ) -> Result<StoredRole, Error> {
        let plan = |shelf: &Shelf| {
            let before = own(shelf, id, revision)?;
            let mut draft = CustomRole::of(&before.as_entry());
            edit(&mut draft);
            if draft.name != before.role.name {
                draft.id(&shelf.pack)?;
            }
            let after = StoredRole {
                role: draft.role(id.clone(), &shelf.book)?,
                ui_profile: draft.profile()?,
                is_scoped_only: draft.scoped_only,
                ..before.as_ref().clone()
            };
            if after == **before {
                return Ok(None);
            }
            let changed = self.clock.now();
            let after = StoredRole { changed, revision: before.revision.saturating_add(1), ..after };
            Ok(Some(Plan { before: Some(Arc::clone(before)), after: Some(after) }))
        };
        match self.write(permit, run, plan).await? {
            Some(role) => Ok(role),
            None => Ok(own(&self.shelf(), id, None)?.as_ref().clone()),
        }
    }

    /// Deletes a role that nobody holds and no other one includes.
    ///
    /// # Errors
    /// `NotFound`, `Revision`; `Conflict` telling who holds or includes it, and for a role of the pack; `Store`.
    pub async fn delete_role(
        &self,
        permit: &Permit,
        id: &RoleId,
        revision: Option<u64>,
        run: Run,
    ) -> Result<StoredRole, Error> {
        let plan = |shelf: &Shelf| {
            let before = own(shelf, id, revision)?;
            let includes = |role: &&Arc<StoredRole>| role.role.includes.contains(id);
            let including: Vec<String> =
                shelf.stored.values().filter(includes).map(|role| format!("`{}`", role.role.id)).collect();
            if !including.is_empty() {
                let detail = format!("`{id}` is included by {}; take it out of there first", including.join(", "));
                return Err(Error::Conflict { field: None, detail });
            }
            Ok(Some(Plan { before: Some(Arc::clone(before)), after: None }))
        };
        self.write(permit, run, plan).await?.ok_or(Error::NotFound { what: "role" })
    }

    /// Plans, checks, commits and puts in force; the role as it is then, or as it was before it went. `None` when there
    /// is nothing to do.
    async fn write(
        &self,
        permit: &Permit,
        run: Run,
        plan: impl Fn(&Shelf) -> Result<Option<Plan>, Error> + Sync,
    ) -> Result<Option<StoredRole>, Error> {
        let (access, plan) = (self, &plan);
        let written = self
            .ledger
            .retry(|mut change| async move {
                let epoch = change.find(&EPOCHS, access.organisation, EPOCH).await?.unwrap_or(0);
                if access.shelf().epoch < epoch {
                    access.load_roles().await?;
                }
                let shelf = access.shelf();
                if shelf.epoch != epoch {
                    return Err(Error::Store(store::Error::Conflict));
                }
                let Some(Plan { before, after }) = plan(&shelf)? else { return Ok(None) };
                let Some(role) = after.as_ref().or(before.as_deref()).cloned() else { return Ok(None) };
                let id = &role.role.id;
                let mut stored = shelf.stored.as_ref().clone();
                match &after {
                    Some(after) => stored.insert(id.clone(), Arc::new(after.clone())),
                    None => stored.remove(id),
                };
                let next = Shelf::of(Arc::clone(&shelf.pack), epoch.saturating_add(1), Arc::new(stored));
                check_all_stay(id, &shelf, &next)?;
                check_parts(&shelf, &next)?;
                if after.is_none() {
                    access.check_unheld(&mut change, id).await?;
                }
                access.check_role_change(&mut change, permit, id, &shelf.book, &next.book).await?;
                let overlay = Overlay { roles: Some(Arc::clone(&next.book)), ..Overlay::default() };
                let weighed = access.weigh(permit.clone(), &overlay, false).await?;
                if run == Run::DryRun {
                    return Ok(Some((role, None, weighed)));
                }
                match &after {
                    Some(after) => change.put(&ROLES, access.organisation, id, after)?,
                    None => change.delete(&ROLES, access.organisation, id),
                }
                change.put(&EPOCHS, access.organisation, EPOCH, &next.epoch)?;
                change.commit(event(permit, access.clock.now(), before.as_deref(), after.as_ref(), id)).await?;
                Ok(Some((role, Some(next), weighed)))
            })
            .await?;
        // Whoever waits for the turn reads the roles as they are after this change.
        let Some((role, next, _turn)) = written else { return Ok(None) };
        if let Some(next) = next {
            self.settle(next.epoch, next.stored);
        }
        Ok(Some(role))
    }

    async fn check_unheld(&self, change: &mut Change, id: &RoleId) -> Result<(), Error> {
        let held = self.grants.count_of_role(change, id).await?;
        if held == 0 {
            return Ok(());
        }
        let grants = if held == 1 { "1 grant gives".to_owned() } else { format!("{held} grants give") };
        Err(Error::Conflict { field: None, detail: format!("{grants} `{id}`; end them first") })
    }
}

/// Refuses a write by which a role falls out of the book, the written one or another: its holders would be denied
/// everything.
fn check_all_stay(written: &RoleId, before: &Shelf, after: &Shelf) -> Result<(), Error> {
    let is_fresh = |id: &RoleId| id == written || !before.problems.contains_key(id);
    let broken = after.problems.iter().find(|(id, _)| after.stored.contains_key(*id) && is_fresh(id));
    let Some((id, problem)) = broken else { return Ok(()) };
    let reason = if id == written { problem.clone() } else { format!("would, of the role `{id}`, {problem}") };
    Err(Error::Invalid { field: "includes", reason })
}

/// Refuses roles that together are made of too many parts: the book is in memory, and made anew by each write.
fn check_parts(before: &Shelf, after: &Shelf) -> Result<(), Error> {
    let parts = after.book.parts();
    if parts <= MAX_ALL_PARTS || parts <= before.book.parts() {
        return Ok(());
    }
    let reason = format!("make all roles together of {parts} parts, at most {MAX_ALL_PARTS}; include fewer");
    Err(Error::Invalid { field: "includes", reason })
}

/// Whether a role of the book has not been deleted since; the commit of the change fails when it is before.
pub(super) async fn is_still_there(
    change: &mut Change,
    organisation: OrganisationId,
    roles: &RoleBook,
    id: &RoleId,
) -> Result<bool, store::Error> {
    if roles.find(id).is_none_or(|entry| entry.kind != RoleKind::Custom) {
        return Ok(true);
    }
    Ok(change.find(&ROLES, organisation, id).await?.is_some())
}

/// The role of this id that an administrator made, as the caller has seen it.
fn own<'a>(shelf: &'a Shelf, id: &RoleId, revision: Option<u64>) -> Result<&'a Arc<StoredRole>, Error> {
    let Some(role) = shelf.stored.get(id) else {
        let is_the_packs = shelf.book.find(id).is_some_and(|entry| !entry.is_hidden);
        let detail = format!("`{id}` is a role of the policy pack, which does not change; make a copy of it");
        return Err(if is_the_packs {
            Error::Conflict { field: None, detail }
        } else {
            Error::NotFound { what: "role" }
        });
    };
    match revision {
        Some(seen) if seen != role.revision => Err(Error::Revision { current: role.revision }),
        _ => Ok(role),
    }
}

/// What happened, with what was different before and is after.
fn event(
    permit: &Permit,
    at: Timestamp,
    before: Option<&StoredRole>,
    after: Option<&StoredRole>,
    id: &RoleId,
) -> Event {
    let kind = match (before, after) {
        (None, _) => EventKind::RoleCreated,
        (Some(_), Some(_)) => EventKind::RoleChanged,
        (Some(_), None) => EventKind::RoleDeleted,
    };
    let name = after.or(before).map(|role| role.role.name.clone()).unwrap_or_default();
    let mut event = permit.event(at, kind).on("role", id, name);
    let (before, after) = (before.map(parts), after.map(parts));
    for index in 0..PARTS.len() {
        let of = |parts: &Option<[String; PARTS.len()]>| parts.as_ref().and_then(|parts| parts.get(index)).cloned();
        let (old, new) = (of(&before).filter(|text| !text.is_empty()), of(&after).filter(|text| !text.is_empty()));
        let Some(name) = PARTS.get(index).filter(|_| old != new) else { continue };
        if let Some(old) = old {
            event = event.detail(&format!("{name} before"), old);
        }
        if let Some(new) = new {
            event = event.detail(&format!("{name} after"), new);
        }
    }
    event
}

const PARTS: [&str; 11] = [
    "name",
    "description",
    "permissions",
    "denies",
    "includes",
    "if_owner",
    "ui_profile",
    "scoped_only",
    "requires_factor",
    "factor_within",
    "requires_sso",
];

fn parts(role: &StoredRole) -> [String; PARTS.len()] {
    fn list<T: ToString>(items: &[T]) -> String {
        items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
    let Role { name, description, permissions, denies, includes, if_owner, .. } = &role.role;
    let profile: Vec<String> = role.ui_profile.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        name.clone(),
        description.clone(),
        list(permissions),
        list(denies),
        list(includes),
        list(if_owner),
        profile.join(" "),
        if role.is_scoped_only { "true".to_owned() } else { String::new() },
        role.role.factor.filter(|rule| rule.required).map(|_| "true".to_owned()).unwrap_or_default(),
        role.role.factor.and_then(|rule| rule.within()).unwrap_or_default(),
        role.role.factor.filter(|rule| rule.requires_sso()).map(|_| "true".to_owned()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests;
