//! Stored grants: who was given which role, where, for how long and why.
//!
//! A grant is a row below its holder, so that one read finds what somebody holds; an index leads from the id to the
//! holder, and a kept count per holder tells without a read which of a user's groups hold anything at all.

mod index;
mod prune;

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::custom::is_still_there;
use super::scopes::SCOPES;
use super::{
    Error, GroupPath, MAX_SCOPES, Permit, Restored, RoleBook, RoleEntry, RoleKind, Run, ScopeRecord, ScopeTree,
};
use crate::access::policy::Held;
use crate::audit::{Change, Event, EventKind, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::model::{Grant, GrantId, Id, Mode, OrganisationId, Origin, RoleId, Scope, SourceId, Subject, UserId};
use crate::secret::{IdSource, sha256};
use crate::store::{self, Key, KeyWriter, Range, Row, Seen, Store, Stored, Table, decode};

pub(in crate::access) use index::count_in_scope;

/// Grants by holder.
pub(super) const GRANTS: Table<(Holder, GrantId), Grant> = Table::new(0x20, "grants");
/// The holder of a grant.
const HOLDERS: Table<GrantId, Subject> = Table::new(0x21, "grant holders");
/// How many grants a holder has; a kept counter.
const COUNTS: Table<Holder, i64> = Table::new(0x22, "grant counts");

/// Most grants that one user or group may hold.
pub const MAX_GRANTS: usize = 1000;

/// How many grants one read brings.
const PAGE: usize = 500;

/// A holder as part of a key.
pub(super) struct Holder(pub(super) Subject);

impl Holder {
    const GROUP: u8 = 0;
    const USER: u8 = 1;
}

/// Whether a stored count is not zero, or unreadable: worth the read.
fn is_some(stored: &Stored) -> bool {
    stored.value.iter().any(|byte| *byte != 0)
}

impl Key for Holder {
    fn write(&self, out: &mut KeyWriter) {
        match &self.0 {
            Subject::Group(id) => {
                out.fixed(&[Self::GROUP]);
                out.fixed(id.as_bytes());
            }
            Subject::User(id) => {
                out.fixed(&[Self::USER]);
                out.fixed(id.as_bytes());
            }
        }
    }
}

/// A grant that an administrator makes.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Who gets it.
    pub subject: Subject,
    /// What.
    pub role: RoleId,
    /// Where; `None` is organisation-wide.
    pub scope: Option<Scope>,
    /// How it relates to wider grants; has no effect without a scope.
    pub mode: Mode,
    /// The administrator's reason, at most 500 characters; may be empty.
    pub reason: String,
    /// Not before.
    pub starts: Option<Timestamp>,
    /// Not at or after.
    pub ends: Option<Timestamp>,
}

impl NewGrant {
    /// A role for somebody, organisation-wide, from now on.
    pub fn new(subject: Subject, role: RoleId) -> Self {
        Self { subject, role, scope: None, mode: Mode::Add, reason: String::new(), starts: None, ends: None }
    }

    /// The same within a scope, where it overrides wider grants.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self.mode = Mode::Override;
        self
    }
}

/// A grant that a mapping rule calls for. Within a scope it overrides wider grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGrant {
    /// What.
    pub role: RoleId,
    /// Where; `None` is organisation-wide.
    pub scope: Option<Scope>,
    /// The rule's place in the configuration: `cleargate.toml:31`.
    pub position: String,
}

/// How many grants a source's rules gained and lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleChanges {
    /// Made.
    pub created: usize,
    /// Removed.
    pub deleted: usize,
}

/// What has to be done so that the rule grants of a source are the wanted ones.
#[derive(Debug, PartialEq, Eq)]
struct Plan<'a> {
    create: Vec<&'a RuleGrant>,
    delete: Vec<&'a Grant>,
}

/// The differences between the grants of `source`'s rules among `existing` and those wanted. Grants of other origins
/// are not looked at.
fn plan<'a>(existing: &'a [Grant], source: &SourceId, wanted: &'a [RuleGrant]) -> Plan<'a> {
    let is_wanted = |grant: &Grant, position: &str, rule: &RuleGrant| {
        rule.role == grant.role && rule.scope == grant.scope && rule.position == position
    };
    let ours: Vec<(&Grant, &str)> = existing
        .iter()
        .filter_map(|grant| match &grant.origin {
            Origin::Rule(of, position) if of == source => Some((grant, position.as_str())),
            Origin::Rule(..) | Origin::ByHand(_) => None,
        })
        .collect();
    let missing = |rule: &&RuleGrant| !ours.iter().any(|(grant, position)| is_wanted(grant, position, rule));
    let mut create: Vec<&RuleGrant> = Vec::new();
    for rule in wanted.iter().filter(missing) {
        if !create.contains(&rule) {
            create.push(rule);
        }
    }
    let lost = |(grant, position): &(&Grant, &str)| !wanted.iter().any(|rule| is_wanted(grant, position, rule));
    Plan { create, delete: ours.iter().filter(|ours| lost(ours)).map(|(grant, _)| *grant).collect() }
}

/// The id of a rule's grant follows from what it is, so that two runs at the same time make one grant, not two.
fn rule_grant_id(user: UserId, source: &SourceId, rule: &RuleGrant) -> GrantId {
    let mut text = KeyWriter::default();
    user.write(&mut text);
    (source.clone(), rule.role.clone(), rule.position.clone()).write(&mut text);
    if let Some(scope) = &rule.scope {
        scope.write(&mut text);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(sha256(&text.into_bytes()).split_at(16).0);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Id::from_bytes(bytes)
}

/// The grants of one organisation. Cloning shares the store.
#[derive(Clone)]
pub struct Grants {
    ledger: Ledger,
    clock: Clock,
    ids: IdSource,
    organisation: OrganisationId,
}

impl Grants {
    /// The grants of `organisation` behind this ledger.
    pub fn new(ledger: Ledger, clock: Clock, ids: IdSource, organisation: OrganisationId) -> Self {
        Self { ledger, clock, ids, organisation }
    }

    pub(in crate::access) fn ids(&self) -> &IdSource {
        &self.ids
    }

    pub(in crate::access) fn organisation(&self) -> OrganisationId {
        self.organisation
    }

    /// Makes a grant by hand. That the subject exists is the caller's to know; that the actor may give this much is
    /// what [`Access::permit_grant`](super::Access::permit_grant) has checked.
    ///
    /// # Errors
    /// `Invalid` naming `role`, `scope`, `ends`, `reason` or `subject`; `Unweighed`; `Store`.
    pub async fn create(&self, permit: &Permit, roles: &RoleBook, new: NewGrant) -> Result<Grant, Error> {
        self.create_or_try(permit, roles, new, Run::Commit).await
    }

    /// The same, or only tried.
    ///
    /// # Errors
    /// As [`Grants::create`].
    pub async fn create_or_try(
        &self,
        permit: &Permit,
        roles: &RoleBook,
        new: NewGrant,
        run: Run,
    ) -> Result<Grant, Error> {
        let (grants, new) = (self, &new);
        self.ledger
            .retry(|mut change| async move {
                let (grant, event) = grants.create_in(&mut change, permit, roles, new).await?;
                if run == Run::Commit {
                    change.commit(event).await?;
                }
                Ok(grant)
            })
            .await
    }

    /// The same inside a change of the caller's, who commits it with the event that this gives.
    ///
    /// # Errors
    /// As [`Grants::create`].
    pub async fn create_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        roles: &RoleBook,
        new: &NewGrant,
    ) -> Result<(Grant, Event), Error> {
        permit.demand_weighed()?;
        let now = self.clock.now();
        check(new, roles, now)?;
        let grant = Grant {
            id: Id::new(now, &self.ids),
            subject: new.subject,
            role: new.role.clone(),
            scope: new.scope.clone(),
            mode: new.mode,
            origin: Origin::ByHand(new.reason.clone()),
            starts: new.starts,
            ends: new.ends,
            made: Some(now),
            maker: Some(permit.actor().to_string()),
        };
        let held = self.list(grant.subject).await?;
        if let Subject::User(_) = grant.subject {
            check_type(&grant, &held, roles, now)?;
        }
        if held.len() >= MAX_GRANTS {
            let reason = format!("holds {MAX_GRANTS} grants already; use a group or a wider role");
            return Err(Error::Invalid { field: "subject", reason });
        }
        if let Some(scope) = &grant.scope {
            self.check_scope(change, scope).await?;
        }
        if !is_still_there(change, self.organisation, roles, &grant.role).await? {
            let reason = format!("`{}` does not exist", grant.role);
            return Err(Error::Invalid { field: "role", reason });
        }
        self.put(change, &grant)?;
        let event = event(permit, now, EventKind::GrantCreated, &grant);
        Ok((grant, event))
    }

    /// Deletes a grant made by hand or by a rule; a rule's comes back with the next run of its source.
    ///
    /// # Errors
    /// `NotFound` when there is none, also for the second of two calls; `Unweighed`; `Store`.
    pub async fn delete(&self, permit: &Permit, id: GrantId) -> Result<Grant, Error> {
        self.delete_or_try(permit, id, Run::Commit).await
    }

    /// The same, or only tried.
    ///
    /// # Errors
    /// As [`Grants::delete`].
    pub async fn delete_or_try(&self, permit: &Permit, id: GrantId, run: Run) -> Result<Grant, Error> {
        self.ledger
            .retry(|mut change| async move {
                let (grant, event) = self.delete_in(&mut change, permit, id).await?;
                if run == Run::Commit {
                    change.commit(event).await?;
                }
                Ok(grant)
            })
            .await
    }

    /// The same inside a change of the caller's, who commits it with the event that this gives.
    ///
    /// # Errors
    /// As [`Grants::delete`].
    pub async fn delete_in(&self, change: &mut Change, permit: &Permit, id: GrantId) -> Result<(Grant, Event), Error> {
        permit.demand_weighed()?;
        let missing = Error::NotFound { what: "grant" };
        let Some(subject) = change.find(&HOLDERS, self.organisation, &id).await? else { return Err(missing) };
        let key = (Holder(subject), id);
        let Some(grant) = change.find(&GRANTS, self.organisation, &key).await? else { return Err(missing) };
        self.remove(change, &grant);
        let event = event(permit, self.clock.now(), EventKind::GrantDeleted, &grant);
        Ok((grant, event))
    }

    /// A grant by id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find(&self, id: GrantId) -> Result<Option<Grant>, Error> {
        let store = self.ledger.store();
        match store.find(&HOLDERS, self.organisation, &id).await? {
            Some(subject) => Ok(store.find(&GRANTS, self.organisation, &(Holder(subject), id)).await?),
            None => Ok(None),
        }
    }

    /// What one user or group holds, whatever its time, oldest id first. At most `MAX_GRANTS` and what rules add.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self, subject: Subject) -> Result<Vec<Grant>, Error> {
        Ok(read(self.ledger.store(), self.organisation, subject).await?)
    }

    /// Makes the grants that rules of `source` give to `user` exactly the `wanted` ones, inside a change of the
    /// caller's, with one event for each. Grants of other origins stay. Doing it again changes nothing.
    ///
    /// # Errors
    /// `Store`.
    pub async fn replace_rule_grants(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: UserId,
        source: &SourceId,
        wanted: &[RuleGrant],
    ) -> Result<RuleChanges, Error> {
        self.replace_rule_grants_but(change, permit, user, source, wanted, |_, _| false).await
    }

    /// The same, but for grants that are not wanted and stay: those of which, and of whose rule's position, `stays` says so.
    ///
    /// # Errors
    /// `Store`.
    pub async fn replace_rule_grants_but(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: UserId,
        source: &SourceId,
        wanted: &[RuleGrant],
        stays: impl Fn(&Grant, &str) -> bool,
    ) -> Result<RuleChanges, Error> {
        let now = self.clock.now();
        let existing = self.list(Subject::User(user)).await?;
        let plan = plan(&existing, source, wanted);
        let mut changes = RuleChanges::default();
        let goes = |grant: &&Grant| match &grant.origin {
            Origin::Rule(_, position) => !stays(grant, position),
            Origin::ByHand(_) => false,
        };
        for grant in plan.delete.into_iter().filter(goes) {
            let key = (Holder(grant.subject), grant.id);
            // Read again within the change, so that a race with somebody else is seen.
            if change.find(&GRANTS, self.organisation, &key).await?.is_some() {
                self.remove(change, grant);
                change.also(event(permit, now, EventKind::GrantDeleted, grant));
                changes.deleted += 1;
            }
        }
        for rule in plan.create {
            let grant = Grant {
                id: rule_grant_id(user, source, rule),
                subject: Subject::User(user),
                role: rule.role.clone(),
                scope: rule.scope.clone(),
                mode: if rule.scope.is_some() { Mode::Override } else { Mode::Add },
                origin: Origin::Rule(source.clone(), rule.position.clone()),
                starts: None,
                ends: None,
                made: Some(now),
                maker: Some(permit.actor().to_string()),
            };
            let key = (Holder(grant.subject), grant.id);
            if change.find(&GRANTS, self.organisation, &key).await?.is_none() {
                self.put(change, &grant)?;
                change.also(event(permit, now, EventKind::GrantCreated, &grant));
                changes.created += 1;
            }
        }
        Ok(changes)
    }

    /// Removes everything that a user or group holds, inside a change of the caller's that deletes the holder.
    ///
    /// # Errors
    /// `Store`.
    pub async fn delete_of(&self, change: &mut Change, permit: &Permit, subject: Subject) -> Result<usize, Error> {
        let now = self.clock.now();
        let mut deleted = 0;
        for grant in self.list(subject).await? {
            if change.find(&GRANTS, self.organisation, &(Holder(subject), grant.id)).await?.is_some() {
                self.remove(change, &grant);
                change.also(event(permit, now, EventKind::GrantDeleted, &grant));
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Every grant that a user has, directly and through these groups: one read for the user, one that asks which of
    /// the groups hold anything, and one for each that does, all of a step at the same time.
    ///
    /// # Errors
    /// `Store`.
    pub(super) async fn held(
        &self,
        user: UserId,
        groups: &[GroupPath],
        seen: &mut Seen,
    ) -> Result<Vec<Held>, store::Error> {
        let store = self.ledger.store();
        let holders = groups.iter().filter_map(|path| path.0.last()).map(|group| Subject::Group(*group));
        for holder in holders.chain([Subject::User(user)]) {
            // A grant that comes or goes writes below its holder, so that the count needs no mark of its own.
            seen.take(store.engine().marks(), &GRANTS.prefix(self.organisation, &Holder(holder)));
        }
        let direct = read(store, self.organisation, Subject::User(user)).await?;
        let mut held: Vec<Held> = direct.into_iter().map(|grant| Held { grant, groups: Vec::new() }).collect();
        let groups: Vec<(Subject, &GroupPath)> =
            groups.iter().filter_map(|path| Some((Subject::Group(*path.0.last()?), path))).collect();
        if groups.is_empty() {
            return Ok(held);
        }
        let key = |subject: &Subject| COUNTS.key(self.organisation, &Holder(*subject));
        let keys: Vec<Vec<u8>> = groups.iter().map(|(subject, _)| key(subject)).collect();
        let counts = store.engine().multi_get(&keys).await?;
        let holding = groups.into_iter().zip(counts).filter(|(_, count)| count.as_ref().is_some_and(is_some));
        let reads = holding.map(|((subject, path), _)| async move {
            let grants = read(store, self.organisation, subject).await?;
            Ok::<_, store::Error>(grants.into_iter().map(|grant| Held { grant, groups: path.0.clone() }))
        });
        held.extend(try_join_all(reads).await?.into_iter().flatten());
        Ok(held)
    }

    /// Refuses a scope that there is not, inside a change that fails when the scope goes before its commit.
    async fn check_scope(&self, change: &mut Change, scope: &Scope) -> Result<(), Error> {
        let key = (scope.kind().to_owned(), scope.slug().to_owned());
        if change.find(&SCOPES, self.organisation, &key).await?.is_some() {
            return Ok(());
        }
        let range = Range::prefix(SCOPES.prefix(self.organisation, &()), MAX_SCOPES);
        let rows = self.ledger.store().range(range).await?;
        let records = rows.iter().map(|(_, stored)| decode::<ScopeRecord>(SCOPES.name(), &stored.value).map(Arc::new));
        let tree = ScopeTree::new(0, records.collect::<Result<Vec<_>, _>>()?);
        let reason = format!("`{scope}` does not exist{}", tree.hint(scope));
        Err(Error::Invalid { field: "scope", reason })
    }

    /// Puts a grant back as it was exported, as part of a change of the caller's, who knows that its holder exists.
    ///
    /// # Errors
    /// `Invalid` when its role does not exist, or its id is that of a grant of somebody else; `Store`.
    pub async fn restore(&self, change: &mut Change, roles: &RoleBook, grant: &Grant) -> Result<Restored, Error> {
        let holder = change.find(&HOLDERS, self.organisation, &grant.id).await?;
        if holder.is_some_and(|holder| holder != grant.subject) {
            return Err(Error::Invalid { field: "id", reason: format!("`{}` is a grant of somebody else", grant.id) });
        }
        let before = change.find(&GRANTS, self.organisation, &(Holder(grant.subject), grant.id)).await?;
        if before.as_ref() == Some(grant) {
            return Ok(Restored::Same);
        }
        let Some(entry) = roles.find(&grant.role) else {
            let reason = format!("`{}` does not exist{}", grant.role, roles.hint(&grant.role));
            return Err(Error::Invalid { field: "role", reason });
        };
        if entry.is_scoped_only && grant.scope.is_none() {
            let reason = format!("is required: `{}` can be given within a scope only", grant.role);
            return Err(Error::Invalid { field: "scope", reason });
        }
        if let Some(before) = &before {
            self.remove(change, before);
        }
        self.put(change, grant)?;
        Ok(if before.is_some() { Restored::Changed } else { Restored::Created })
    }

    /// The event of a grant that was put back: whoever did that gave it, whoever the grant says that made it.
    pub fn restored(&self, permit: &Permit, grant: &Grant) -> crate::audit::Event {
        event(permit, self.clock.now(), EventKind::GrantCreated, grant).detail("by", "import")
    }

    fn put(&self, change: &mut Change, grant: &Grant) -> Result<(), store::Error> {
        change.put(&GRANTS, self.organisation, &(Holder(grant.subject), grant.id), grant)?;
        change.put(&HOLDERS, self.organisation, &grant.id, &grant.subject)?;
        change.add(&COUNTS, self.organisation, &Holder(grant.subject), 1);
        self.index(change, grant)
    }

    fn remove(&self, change: &mut Change, grant: &Grant) {
        change.delete(&GRANTS, self.organisation, &(Holder(grant.subject), grant.id));
        change.delete(&HOLDERS, self.organisation, &grant.id);
        change.add(&COUNTS, self.organisation, &Holder(grant.subject), -1);
        self.unindex(change, grant);
    }
}

fn check(new: &NewGrant, roles: &RoleBook, now: Timestamp) -> Result<(), Error> {
    let invalid = |field, reason: String| Err(Error::Invalid { field, reason });
    let Some(entry) = roles.find(&new.role).filter(|entry| !entry.is_hidden) else {
        return invalid("role", format!("`{}` does not exist{}", new.role, roles.hint(&new.role)));
    };
    if entry.is_scoped_only && new.scope.is_none() {
        return invalid("scope", format!("is required: `{}` can be given within a scope only", new.role));
    }
    if new.reason.chars().count() > 500 {
        return invalid("reason", "must have at most 500 characters".to_owned());
    }
    match new.ends {
        Some(ends) if ends <= now => invalid("ends", "must lie in the future".to_owned()),
        Some(ends) if new.starts.is_some_and(|starts| starts >= ends) => {
            invalid("ends", "must be after the start".to_owned())
        }
        _ => Ok(()),
    }
}

/// Refuses a role that goes with some user types only, such as Scorecard Administrator with By Scorecard, to somebody of
/// another one, and another type to who has such a role. A user's type are the pack's roles that they hold themselves in the whole
/// organisation; who holds roles in scopes only has none that could stand against it. A type that gives nothing, such as No
/// Access, is always taken.
fn check_type(new: &Grant, held: &[Grant], roles: &RoleBook, now: Timestamp) -> Result<(), Error> {
    let type_of = |grant: &Grant| {
        let is_type = |entry: &&RoleEntry| grant.scope.is_none() && entry.kind == RoleKind::Role;
        roles.find(&grant.role).filter(is_type)
    };
    let bound = |grant: &Grant| roles.find(&grant.role).filter(|entry| !entry.only_beside.is_empty());
    let stands_against = |bound: &RoleEntry, other: &RoleEntry| {
        other.role.id != bound.role.id && !bound.only_beside.contains(&other.role.id)
    };
    let names = |bound: &RoleEntry| {
        let name = |id: &RoleId| roles.find(id).map_or_else(|| id.to_string(), |entry| entry.role.name.clone());
        bound.only_beside.iter().map(name).collect::<Vec<_>>().join(" or ")
    };
    let gives_nothing =
        |entry: &RoleEntry| roles.rights(&entry.role.id).is_none_or(|mut rights| rights.next().is_none());
    for other in held.iter().filter(|grant| grant.ends.is_none_or(|ends| now < ends)) {
        if let (Some(bound), Some(held)) = (bound(new), type_of(other))
            && stands_against(bound, held)
        {
            let (role, types, is) = (&bound.role.name, names(bound), &held.role.name);
            let reason = format!("{role} is for users of the type {types}, and the type of this one is {is}");
            return Err(Error::Invalid { field: "role", reason });
        }
        if let (Some(wanted), Some(bound)) = (type_of(new), bound(other))
            && stands_against(bound, wanted)
            && !gives_nothing(wanted)
        {
            let (role, types, is) = (&bound.role.name, names(bound), &wanted.role.name);
            let reason = format!("{is} is no type of who is {role}, which is for users of the type {types}");
            return Err(Error::Invalid { field: "role", reason });
        }
    }
    Ok(())
}

/// All grants of a holder: to leave one out could leave out a deny.
async fn read(store: &Store, organisation: OrganisationId, subject: Subject) -> Result<Vec<Grant>, store::Error> {
    let mut range = Range::prefix(GRANTS.prefix(organisation, &Holder(subject)), PAGE);
    let mut grants = Vec::new();
    loop {
        let rows: Vec<Row> = store.range(range.clone()).await?;
        for (_, stored) in &rows {
            grants.push(decode(GRANTS.name(), &stored.value)?);
        }
        match rows.last() {
            Some((key, _)) if rows.len() >= PAGE => range = range.after(key),
            _ => return Ok(grants),
        }
    }
}

fn event(permit: &Permit, at: Timestamp, kind: EventKind, grant: &Grant) -> crate::audit::Event {
    let (word, holder) = match grant.subject {
        Subject::Group(id) => ("group", id.to_string()),
        Subject::User(id) => ("user", id.to_string()),
    };
    let scope = grant.scope.as_ref().map_or_else(|| "organisation".to_owned(), Scope::to_string);
    let event = permit.event(at, kind).on(word, holder, &grant.role);
    let event = event.detail("grant", grant.id).detail("role", &grant.role).detail("scope", scope);
    let event = match &grant.origin {
        Origin::ByHand(reason) => event.detail("reason", reason),
        Origin::Rule(source, position) => event.detail("source", source).detail("rule", position),
    };
    match grant.ends {
        Some(ends) => event.detail("ends", ends),
        None => event,
    }
}

#[cfg(test)]
mod tests;
