//! Scopes: the places below the organisation where a grant may hold, as records and as the tree that they make.
//!
//! A scope is known by its kind and slug, which never change; its name may. It may lie below another one of its kind, or,
//! where the policy pack says so, always below one of another kind, as an element below its scorecard: what is given above
//! holds below. Every write raises one epoch, which every write checks: so two writers cannot make
//! a circle together, and no older tree replaces a newer one. The tree in memory is renewed before a write is answered.
//!
//! It refuses unknown kinds and parents, circles, trees that are too deep, and to delete what is still in use.

mod tree;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use minicbor::{Decode, Encode};

use super::grants::count_in_scope;
use super::{Error, Permit, Restored, Run};
use crate::audit::{Change, Event, EventKind, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::model::{OrganisationId, Scope, SourceId, near};
use crate::store::{self, Range, Table, decode};

pub(in crate::access) use tree::Chain;
pub use tree::ScopeTree;

/// Scopes by kind and slug.
pub(in crate::access) const SCOPES: Table<(String, String), ScopeRecord> = Table::new(0x23, "scopes");
/// How many changes the scopes, the roles and the indexes of grants have seen.
pub(in crate::access) const EPOCHS: Table<str, u64> = Table::new(0x25, "access epochs");
const EPOCH: &str = "scopes";

/// The keys of the rows that every change of scopes, of roles and of network rules raises.
pub(in crate::access) fn epoch_keys(organisation: OrganisationId) -> [Vec<u8>; 3] {
    let networks = super::network::epoch_key(organisation);
    [EPOCHS.key(organisation, EPOCH), EPOCHS.key(organisation, super::custom::EPOCH), networks]
}

/// The kinds of every organisation; a pack may add some.
const KINDS: [&str; 4] = ["company", "department", "project", "scorecard"];
/// Whether every organisation has scopes of this kind.
pub(in crate::access) fn is_common(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Most scopes of an organisation: the tree of all is kept in memory and built anew by every change.
pub const MAX_SCOPES: usize = 10_000;
/// Longest way from the organisation to a scope, the scope itself counted.
pub const MAX_DEPTH: usize = 32;
/// Most characters of a scope's name.
const MAX_NAME: usize = 128;
/// Most characters of a scope's description.
const MAX_DESCRIPTION: usize = 500;
/// Rows of one read.
const PAGE: usize = 1000;

/// What is kept of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeRecord {
    /// Kind and slug, for ever.
    #[n(0)]
    pub scope: Scope,
    /// The name to show.
    #[n(1)]
    pub name: String,
    /// What it is for; may be empty.
    #[n(2)]
    pub description: String,
    /// The scope below which it lies.
    #[n(3)]
    pub parent: Option<Scope>,
    /// The source that keeps it; `None` when it is kept by hand.
    #[n(4)]
    pub source: Option<SourceId>,
    /// When it was made.
    #[n(5)]
    pub created: Timestamp,
    /// When it was last changed.
    #[n(6)]
    pub changed: Timestamp,
    /// Counts its changes, from 1.
    #[n(7)]
    pub revision: u64,
}

/// A scope to make.
#[derive(Clone, Debug)]
pub struct NewScope {
    /// Kind and slug.
    pub scope: Scope,
    /// The name to show, 1 to 128 characters.
    pub name: String,
    /// At most 500 characters; may be empty.
    pub description: String,
    /// Below which one.
    pub parent: Option<Scope>,
}

/// What is to be different; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ScopeEdit {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another place: below a scope, or, with `Some(None)`, directly below the organisation.
    pub parent: Option<Option<Scope>>,
}

/// The scopes of one organisation. Cloning shares them.
#[derive(Clone)]
pub struct Scopes {
    ledger: Ledger,
    clock: Clock,
    organisation: OrganisationId,
    /// The kinds, each with the kind below which its scopes lie, where that is another one.
    kinds: Arc<BTreeMap<String, Option<String>>>,
    tree: Arc<RwLock<Arc<ScopeTree>>>,
}

impl Scopes {
    /// The scopes of `organisation` behind this ledger, of the kinds that every organisation has and of these, of which
    /// `below` says which lie below scopes of another kind. None is known before [`Scopes::load`].
    pub fn new(
        ledger: Ledger,
        clock: Clock,
        organisation: OrganisationId,
        kinds: &[String],
        below: &BTreeMap<String, String>,
    ) -> Self {
        let kinds = KINDS.into_iter().map(str::to_owned).chain(kinds.iter().cloned());
        let kinds = kinds.map(|kind| (kind.clone(), below.get(&kind).cloned())).collect();
        Self { ledger, clock, organisation, kinds: Arc::new(kinds), tree: Arc::default() }
    }

    /// The kinds of scope, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// The kind of what a scope of this kind may lie below.
    pub fn kind_above<'a>(&'a self, kind: &'a str) -> &'a str {
        self.kinds.get(kind).and_then(Option::as_deref).unwrap_or(kind)
    }

    /// The tree in force.
    pub fn tree(&self) -> Arc<ScopeTree> {
        Arc::clone(&self.tree.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the tree from the store and puts it in force, unless a newer one is.
    ///
    /// # Errors
    /// `Store`.
    pub async fn load(&self) -> Result<(), Error> {
        let store = self.ledger.store();
        let mut epoch = store.find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
        loop {
            let mut records = Vec::new();
            let mut range = Range::prefix(SCOPES.prefix(self.organisation, &()), PAGE);
            loop {
                let rows = store.range(range.clone()).await?;
                for (_, stored) in &rows {
                    records.push(Arc::new(decode::<ScopeRecord>(SCOPES.name(), &stored.value)?));
                }
                match rows.last() {
                    Some((key, _)) if rows.len() >= PAGE => range = range.after(key),
                    _ => break,
                }
            }
            // What was read in pieces is one state only when no change came between.
            let after = store.find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
            if after == epoch {
                self.install(ScopeTree::new(epoch, records));
                return Ok(());
            }
            epoch = after;
        }
    }

    /// The same, when a newer one is stored.
    ///
    /// # Errors
    /// `Store`.
    pub(in crate::access) async fn catch_up(&self) -> Result<(), Error> {
        let epoch = self.ledger.store().find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
        if self.tree().epoch() < epoch { self.load().await } else { Ok(()) }
    }

    /// Puts a tree in force, unless a newer one is.
    fn install(&self, tree: ScopeTree) {
        let mut inforce = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        if tree.epoch() > inforce.epoch() {
            *inforce = Arc::new(tree);
        }
    }

    /// The tree that a change starts from; its commit fails when anybody else changes a scope before.
    async fn start(&self, change: &mut Change) -> Result<Arc<ScopeTree>, Error> {
        let epoch = change.find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
        if self.tree().epoch() < epoch {
            self.load().await?;
        }
        let tree = self.tree();
        if tree.epoch() == epoch { Ok(tree) } else { Err(store::Error::Conflict.into()) }
    }

    /// Writes what `next` is made of and raises the epoch.
    fn stage(
        &self,
        change: &mut Change,
        scope: &Scope,
        record: Option<&ScopeRecord>,
        next: &ScopeTree,
    ) -> Result<(), Error> {
        let key = (scope.kind().to_owned(), scope.slug().to_owned());
        match record {
            Some(record) => change.put(&SCOPES, self.organisation, &key, record)?,
            None => change.delete(&SCOPES, self.organisation, &key),
        }
        change.put(&EPOCHS, self.organisation, EPOCH, &next.epoch())?;
        Ok(())
    }

    /// Makes a scope.
    ///
    /// # Errors
    /// `Invalid` naming `kind`, `slug`, `name`, `description` or `parent`; `Conflict` when it is there; `Store`.
    pub async fn create(&self, permit: &Permit, new: NewScope) -> Result<ScopeRecord, Error> {
        self.create_or_try(permit, new, Run::Commit).await
    }

    /// The same, or only tried.
    ///
    /// # Errors
    /// As [`Scopes::create`].
    pub async fn create_or_try(&self, permit: &Permit, new: NewScope, run: Run) -> Result<ScopeRecord, Error> {
        permit.demand_weighed()?;
        self.check_kind(new.scope.kind())?;
        check_texts(&new.name, &new.description)?;
        let new = &new;
        let (record, next) = self
            .ledger
            .retry(|mut change| async move {
                let tree = self.start(&mut change).await?;
                if let Some(there) = tree.find(&new.scope) {
                    let detail = format!("`{}` is there already: {}", new.scope, there.name);
                    return Err(Error::Conflict { field: Some("slug"), detail });
                }
                if tree.len() >= MAX_SCOPES {
                    let detail = format!("there are {MAX_SCOPES} scopes already, and there may be no more");
                    return Err(Error::Conflict { field: None, detail });
                }
                self.check_parent(&tree, &new.scope, new.parent.as_ref())?;
                let now = self.clock.now();
                let record = ScopeRecord {
                    scope: new.scope.clone(),
                    name: new.name.trim().to_owned(),
                    description: new.description.clone(),
                    parent: new.parent.clone(),
                    source: permit.source().cloned(),
                    created: now,
                    changed: now,
                    revision: 1,
                };
                let next = tree.with(record.clone());
                self.stage(&mut change, &record.scope, Some(&record), &next)?;
                let event = place(event(permit, now, EventKind::ScopeCreated, &record), "parent", &record.parent);
                if run == Run::DryRun {
                    return Ok((record, None));
                }
                change.commit(event).await?;
                Ok::<_, Error>((record, Some(next)))
            })
            .await?;
        next.into_iter().for_each(|next| self.install(next));
        Ok(record)
    }

    /// Changes a scope's name, description or place. `revision` is the one that the caller has seen, where it matters.
    ///
    /// # Errors
    /// `NotFound`, `Revision`; `Invalid` naming `name`, `description` or `parent`, which shows the circle that a move
    /// would make; `Store`.
    pub async fn change(
        &self,
        permit: &Permit,
        scope: &Scope,
        revision: Option<u64>,
        edit: ScopeEdit,
    ) -> Result<ScopeRecord, Error> {
        self.change_or_try(permit, scope, revision, edit, Run::Commit).await
    }

    /// The same, or only tried.
    ///
    /// # Errors
    /// As [`Scopes::change`].
    pub async fn change_or_try(
        &self,
        permit: &Permit,
        scope: &Scope,
        revision: Option<u64>,
        edit: ScopeEdit,
        run: Run,
    ) -> Result<ScopeRecord, Error> {
        let edit = &edit;
        let (record, next) = self
            .ledger
            .retry(|mut change| async move {
                let tree = self.start(&mut change).await?;
                let before = seen(&tree, scope, revision)?;
                let now = self.clock.now();
                let after = ScopeRecord {
                    name: edit.name.as_deref().map_or_else(|| before.name.clone(), |name| name.trim().to_owned()),
                    description: edit.description.clone().unwrap_or_else(|| before.description.clone()),
                    parent: edit.parent.clone().unwrap_or_else(|| before.parent.clone()),
                    changed: now,
                    revision: before.revision.saturating_add(1),
                    ..before.clone()
                };
                check_texts(&after.name, &after.description)?;
                if after.parent != before.parent {
                    permit.demand_weighed()?;
                    self.check_parent(&tree, scope, after.parent.as_ref())?;
                }
                if (&after.name, &after.description, &after.parent)
                    == (&before.name, &before.description, &before.parent)
                {
                    return Ok((before.clone(), None));
                }
                let next = tree.with(after.clone());
                self.stage(&mut change, scope, Some(&after), &next)?;
                if run == Run::DryRun {
                    return Ok((after, None));
                }
                change.commit(changed(event(permit, now, EventKind::ScopeChanged, before), before, &after)).await?;
                Ok::<_, Error>((after, Some(next)))
            })
            .await?;
        if let Some(next) = next {
            self.install(next);
        }
        Ok(record)
    }

    /// Deletes a scope that nothing lies below and nothing is granted in.
    ///
    /// # Errors
    /// `NotFound`, `Revision`; `Conflict` telling what is still there; `Store`.
    pub async fn delete(&self, permit: &Permit, scope: &Scope, revision: Option<u64>) -> Result<ScopeRecord, Error> {
        self.delete_or_try(permit, scope, revision, Run::Commit).await
    }

    /// The same, or only tried.
    ///
    /// # Errors
    /// As [`Scopes::delete`].
    pub async fn delete_or_try(
        &self,
        permit: &Permit,
        scope: &Scope,
        revision: Option<u64>,
        run: Run,
    ) -> Result<ScopeRecord, Error> {
        permit.demand_weighed()?;
        let (record, next) = self
            .ledger
            .retry(|mut change| async move {
                let tree = self.start(&mut change).await?;
                let record = seen(&tree, scope, revision)?.clone();
                let below = tree.children(scope).count();
                if let Some(first) = tree.children(scope).next() {
                    let more = if below > 1 { format!(" and {} more", below - 1) } else { String::new() };
                    let detail = format!("{first}{more} lie below {scope}; move or delete what lies below first");
                    return Err(Error::Conflict { field: None, detail });
                }
                let grants = count_in_scope(&mut change, self.ledger.store(), self.organisation, scope).await?;
                if grants > 0 {
                    let detail = format!("{grants} grants hold in {scope}; end them first");
                    return Err(Error::Conflict { field: None, detail });
                }
                if run == Run::DryRun {
                    return Ok((record, None));
                }
                let next = tree.without(scope);
                self.stage(&mut change, scope, None, &next)?;
                change.commit(event(permit, self.clock.now(), EventKind::ScopeDeleted, &record)).await?;
                Ok::<_, Error>((record, Some(next)))
            })
            .await?;
        next.into_iter().for_each(|next| self.install(next));
        Ok(record)
    }
}

impl Scopes {
    /// Puts scopes back as they were exported, all in one commit; what is there and not among them stays.
    ///
    /// # Errors
    /// `Invalid` naming `kind`, `name`, `description` or `parent`, `Conflict` for too many, `Store`; then none is put back.
    pub async fn restore(&self, permit: &Permit, records: &[ScopeRecord]) -> Result<Vec<Restored>, Error> {
        permit.demand_weighed()?;
        let (restored, next) = self
            .ledger
            .retry(|mut change| async move {
                let tree = self.start(&mut change).await?;
                let (restored, next) = self.merge(&tree, records)?;
                let count = |wanted| restored.iter().filter(|restored| **restored == wanted).count();
                if count(Restored::Same) == restored.len() {
                    return Ok((restored, None));
                }
                for record in records {
                    self.stage(&mut change, &record.scope, Some(record), &next)?;
                }
                let event = permit.event(self.clock.now(), EventKind::ImportApplied);
                let told = format!("{} created, {} changed", count(Restored::Created), count(Restored::Changed));
                change.commit(event.detail("scope", told)).await?;
                Ok::<_, Error>((restored, Some(next)))
            })
            .await?;
        if let Some(next) = next {
            self.install(next);
        }
        Ok(restored)
    }

    /// What [`Scopes::restore`] would do, and the tree that there would be.
    ///
    /// # Errors
    /// As there.
    pub fn plan_restore(&self, records: &[ScopeRecord]) -> Result<(Vec<Restored>, ScopeTree), Error> {
        self.merge(&self.tree(), records)
    }

    fn merge(&self, tree: &ScopeTree, records: &[ScopeRecord]) -> Result<(Vec<Restored>, ScopeTree), Error> {
        let restored = records.iter().map(|record| match tree.find(&record.scope) {
            None => Restored::Created,
            Some(before) if before == record => Restored::Same,
            Some(_) => Restored::Changed,
        });
        let restored: Vec<Restored> = restored.collect();
        let next = tree.with_all(records);
        if next.len() > MAX_SCOPES {
            let detail = format!("there would be {} scopes, and there may be {MAX_SCOPES}", next.len());
            return Err(Error::Conflict { field: None, detail });
        }
        for record in records {
            self.check_kind(record.scope.kind())?;
            check_texts(&record.name, &record.description)?;
            let parent = record.parent.as_ref();
            let is_far = |parent: &Scope| next.above(&record.scope).next() != Some(parent);
            if let Some(parent) =
                parent.filter(|parent| parent.kind() != self.kind_above(record.scope.kind()) || is_far(parent))
            {
                let reason = format!("`{parent}` of `{}` does not exist, or leads in a circle", record.scope);
                return Err(Error::Invalid { field: "parent", reason });
            }
        }
        Ok((restored, next))
    }

    fn check_parent(&self, tree: &ScopeTree, scope: &Scope, parent: Option<&Scope>) -> Result<(), Error> {
        check_parent(tree, scope, parent, self.kind_above(scope.kind()))
    }

    fn check_kind(&self, kind: &str) -> Result<(), Error> {
        if self.kinds.contains_key(kind) {
            return Ok(());
        }
        let hint = near::hint(kind, self.kinds());
        let reason = format!("`{kind}` is none; there are {}{hint}", near::list(self.kinds()));
        Err(Error::Invalid { field: "kind", reason })
    }
}

fn seen<'a>(tree: &'a ScopeTree, scope: &Scope, revision: Option<u64>) -> Result<&'a ScopeRecord, Error> {
    let record = tree.find(scope).ok_or(Error::NotFound { what: "scope" })?;
    match revision {
        Some(seen) if seen != record.revision => Err(Error::Revision { current: record.revision }),
        _ => Ok(record),
    }
}

fn check_texts(name: &str, description: &str) -> Result<(), Error> {
    let invalid = |field, reason: String| Err(Error::Invalid { field, reason });
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return invalid("name", format!("must have 1 to {MAX_NAME} characters, none of them a control character"));
    }
    if description.chars().count() > MAX_DESCRIPTION {
        return invalid("description", format!("must have at most {MAX_DESCRIPTION} characters"));
    }
    Ok(())
}

/// Refuses a place that there is not, of another kind than `above`, below itself, or too deep.
fn check_parent(tree: &ScopeTree, scope: &Scope, parent: Option<&Scope>, above: &str) -> Result<(), Error> {
    let invalid = |reason: String| Err(Error::Invalid { field: "parent", reason });
    let Some(parent) = parent else {
        return match above == scope.kind() {
            true => Ok(()),
            false => invalid(format!("is required: `{scope}` lies below a {above}")),
        };
    };
    if parent.kind() != above {
        let other = if above == scope.kind() { String::new() } else { format!(", which lies below a {above}") };
        return invalid(format!("`{parent}` is of another kind than `{scope}`{other}"));
    }
    if parent == scope || tree.covers(Some(scope), Some(parent)) {
        let mut circle = vec![scope.to_string(), parent.to_string()];
        circle.extend(tree.above(parent).take_while(|above| *above != scope).map(Scope::to_string));
        circle.extend((parent != scope).then(|| scope.to_string()));
        return invalid(format!("would make a circle: {}", circle.join(" below ")));
    }
    if tree.find(parent).is_none() {
        return invalid(format!("`{parent}` does not exist{}", tree.hint(parent)));
    }
    let deepest = usize::from(tree.level(parent)) + 1 + usize::from(tree.height(scope));
    if deepest > MAX_DEPTH {
        return invalid(format!(
            "`{parent}` is too deep: there would be {deepest} levels, and {MAX_DEPTH} are possible"
        ));
    }
    Ok(())
}

fn event(permit: &Permit, at: Timestamp, kind: EventKind, record: &ScopeRecord) -> Event {
    permit.event(at, kind).on("scope", &record.scope, &record.name)
}

fn place(event: Event, name: &str, parent: &Option<Scope>) -> Event {
    match parent {
        Some(parent) => event.detail(name, parent),
        None => event.detail(name, "organisation"),
    }
}

fn changed(mut event: Event, before: &ScopeRecord, after: &ScopeRecord) -> Event {
    if before.name != after.name {
        event = event.detail("name", &after.name).detail("name before", &before.name);
    }
    if before.description != after.description {
        event = event.detail("description", &after.description).detail("description before", &before.description);
    }
    if before.parent != after.parent {
        event = place(place(event, "parent", &after.parent), "parent before", &before.parent);
    }
    event
}

#[cfg(test)]
mod tests;
