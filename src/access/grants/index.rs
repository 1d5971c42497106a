//! Grants by role and by scope: indexes beside the rows, and kept counts of both. Two of the indexes have the grants of
//! one kind next to each other, so that of very many a single one is read.

use super::{COUNTS, GRANTS, Grants, Holder, PAGE, is_some};
use crate::access::Error;
use crate::access::scopes::EPOCHS;
use crate::audit::{Change, Housekeeping};
use crate::model::{Grant, GrantId, GroupId, Mode, OrganisationId, RoleId, Scope, Subject, UserId};
use crate::store::{self, Range, Store, Table, decode};

/// Grants by role.
const BY_ROLE: Table<(RoleId, (Holder, GrantId)), ()> = Table::new(0x26, "grants by role");
/// Grants by the scope in which they are given.
const BY_SCOPE: Table<(Scope, (Holder, GrantId)), ()> = Table::new(0x27, "grants by scope");
/// How many grants a role or a scope has, by `role ID` or `scope KIND:SLUG`; kept counters.
const USES: Table<String, i64> = Table::new(0x28, "grant uses");

/// Grants of a role by the place where they are given; the place is empty for the whole organisation.
const BY_PLACE: Table<(RoleId, String, (Holder, GrantId)), ()> = Table::new(0x88, "grants of a role by place");
/// Grants in a scope by what they give and how.
const BY_KIND: Table<(Scope, Kind, (Holder, GrantId)), ()> = Table::new(0x89, "grants in a scope by kind");

/// What a grant gives and how it relates to wider ones: `add` or `override`.
type Kind = (RoleId, String);

/// The epoch of the indexes: 2 once the grants of releases before are in all of them, 1 where a release before put them
/// into those that it knew.
const FILLED: &str = "grant indexes";
const EPOCH: u64 = 2;

fn use_of_role(role: &RoleId) -> String {
    format!("role {role}")
}

fn use_of_scope(scope: &Scope) -> String {
    format!("scope {scope}")
}

/// The count of those of a role or a scope that are next to each other by place or kind: all of them, but where another
/// release wrote some.
fn grouped(of: &str) -> String {
    format!("grouped {of}")
}

fn place_of(grant: &Grant) -> String {
    grant.scope.as_ref().map_or_else(String::new, Scope::to_string)
}

fn kind_of(grant: &Grant) -> Kind {
    let mode = match grant.mode {
        Mode::Add => "add",
        Mode::Override => "override",
    };
    (grant.role.clone(), mode.to_owned())
}

/// How many grants hold in this very scope, as part of a change that fails when one comes or goes before its commit.
///
/// # Errors
/// `Corrupt`, `Unavailable`.
pub(in crate::access) async fn count_in_scope(
    change: &mut Change,
    store: &Store,
    organisation: OrganisationId,
    scope: &Scope,
) -> Result<u64, store::Error> {
    count(change, store, organisation, &use_of_scope(scope)).await
}

async fn count(
    change: &mut Change,
    store: &Store,
    organisation: OrganisationId,
    name: &String,
) -> Result<u64, store::Error> {
    // Held first: a value that is newer than what is held fails the commit.
    change.hold(&USES, organisation, name).await?;
    let count = store::counter(store, &USES.key(organisation, name)).await?;
    u64::try_from(count).map_err(|_| store::Error::Corrupt { table: USES.name(), reason: format!("{name} is {count}") })
}

/// Who holds the grant of an index row, and its id.
fn holder_of(table: &'static str, key: &[u8]) -> Result<(Subject, GrantId), store::Error> {
    let (holder, id) = key.last_chunk::<33>().and_then(|tail| tail.split_last_chunk::<16>()).unzip();
    let subject = match (holder.and_then(|holder| holder.split_first()), id) {
        (Some((0, group)), Some(id)) => {
            group.try_into().ok().map(|group| (Subject::Group(GroupId::from_bytes(group)), *id))
        }
        (Some((1, user)), Some(id)) => user.try_into().ok().map(|user| (Subject::User(UserId::from_bytes(user)), *id)),
        _ => None,
    };
    let (subject, id) = subject
        .ok_or_else(|| store::Error::Corrupt { table, reason: "a key without a holder and a grant".to_owned() })?;
    Ok((subject, GrantId::from_bytes(id)))
}

impl Grants {
    /// The grants of a role, whoever holds them, groups first, in a stable order; at most `limit`.
    ///
    /// # Errors
    /// `Store`.
    pub async fn of_role(&self, role: &RoleId, limit: usize) -> Result<Vec<Grant>, Error> {
        self.indexed(BY_ROLE.name(), BY_ROLE.prefix(self.organisation, role), None, limit).await
    }

    /// The same after a grant of this holder, for the next page.
    ///
    /// # Errors
    /// `Store`.
    pub async fn of_role_after(
        &self,
        role: &RoleId,
        after: Option<(Subject, GrantId)>,
        limit: usize,
    ) -> Result<Vec<Grant>, Error> {
        let after = after.map(|(subject, id)| BY_ROLE.key(self.organisation, &(role.clone(), (Holder(subject), id))));
        self.indexed(BY_ROLE.name(), BY_ROLE.prefix(self.organisation, role), after, limit).await
    }

    /// The grants in this very scope, whoever holds them, groups first, in a stable order; at most `limit`.
    ///
    /// # Errors
    /// `Store`.
    pub async fn in_scope(&self, scope: &Scope, limit: usize) -> Result<Vec<Grant>, Error> {
        self.indexed(BY_SCOPE.name(), BY_SCOPE.prefix(self.organisation, scope), None, limit).await
    }

    /// The same after a grant of this holder, for the next page.
    ///
    /// # Errors
    /// `Store`.
    pub async fn in_scope_after(
        &self,
        scope: &Scope,
        after: Option<(Subject, GrantId)>,
        limit: usize,
    ) -> Result<Vec<Grant>, Error> {
        let after = after.map(|(subject, id)| BY_SCOPE.key(self.organisation, &(scope.clone(), (Holder(subject), id))));
        self.indexed(BY_SCOPE.name(), BY_SCOPE.prefix(self.organisation, scope), after, limit).await
    }

    /// How many grants name a role, as part of a change that fails when one comes or goes before its commit.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_of_role(&self, change: &mut Change, role: &RoleId) -> Result<u64, Error> {
        Ok(count(change, self.ledger.store(), self.organisation, &use_of_role(role)).await?)
    }

    /// How many grants an actor made, as events name it, and whether all grants were looked at: there is no index by maker,
    /// so at most so many are read.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_made_by(&self, maker: &str, most: usize) -> Result<(usize, bool), Error> {
        let mut range = Range::prefix(GRANTS.prefix(self.organisation, &()), PAGE);
        let (mut made, mut read) = (0, 0_usize);
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            for (_, stored) in &rows {
                let grant: Grant = decode(GRANTS.name(), &stored.value)?;
                made += usize::from(grant.maker.as_deref() == Some(maker));
            }
            read = read.saturating_add(rows.len());
            match rows.last() {
                Some(_) if rows.len() >= PAGE && read >= most => return Ok((made, false)),
                Some((key, _)) if rows.len() >= PAGE => range = range.after(key),
                _ => return Ok((made, true)),
            }
        }
    }

    /// How many grants name a role, as it is counted now.
    ///
    /// # Errors
    /// `Store`.
    pub async fn uses_of_role(&self, role: &RoleId) -> Result<u64, Error> {
        let name = use_of_role(role);
        let count = store::counter(self.ledger.store(), &USES.key(self.organisation, &name)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// One grant of a role for each place where it is given: reads as many as there are places, however many hold it there.
    ///
    /// # Errors
    /// `Store`.
    pub async fn places_of_role(&self, role: &RoleId) -> Result<Vec<Grant>, Error> {
        if !self.is_grouped(&use_of_role(role)).await? {
            return self.of_role(role, usize::MAX).await;
        }
        let behind = |grant: &Grant| BY_PLACE.prefix(self.organisation, &(grant.role.clone(), place_of(grant)));
        self.one_of_each(BY_PLACE.name(), BY_PLACE.prefix(self.organisation, role), behind).await
    }

    /// One grant of each kind, a role and a mode, that is given in this very scope: reads as many as there are kinds, however
    /// many hold them.
    ///
    /// # Errors
    /// `Store`.
    pub async fn kinds_in_scope(&self, scope: &Scope) -> Result<Vec<Grant>, Error> {
        if !self.is_grouped(&use_of_scope(scope)).await? {
            return self.in_scope(scope, usize::MAX).await;
        }
        let behind = |grant: &Grant| BY_KIND.prefix(self.organisation, &(scope.clone(), kind_of(grant)));
        self.one_of_each(BY_KIND.name(), BY_KIND.prefix(self.organisation, scope), behind).await
    }

    /// Whether all grants of a role or a scope are next to each other by place or kind.
    async fn is_grouped(&self, of: &str) -> Result<bool, Error> {
        let store = self.ledger.store();
        let count = async |name: &String| store::counter(store, &USES.key(self.organisation, name)).await;
        Ok(count(&of.to_owned()).await? == count(&grouped(of)).await?)
    }

    /// The first grant of every run of index rows that begin alike: `behind` is how the rows of a grant's run begin.
    async fn one_of_each(
        &self,
        table: &'static str,
        prefix: Vec<u8>,
        behind: impl Fn(&Grant) -> Vec<u8>,
    ) -> Result<Vec<Grant>, Error> {
        let mut range = Range::prefix(prefix, 1);
        let mut grants = Vec::new();
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            let Some((key, _)) = rows.first() else { return Ok(grants) };
            let (subject, id) = holder_of(table, key)?;
            match self.ledger.store().find(&GRANTS, self.organisation, &(Holder(subject), id)).await? {
                Some(grant) => {
                    range.start = Range::prefix(behind(&grant), 0).end;
                    grants.push(grant);
                }
                // It ended between the two reads; others of its run may be there.
                None => range = range.after(key),
            }
        }
    }

    /// The groups that hold a role, by the index alone.
    pub(in crate::access) async fn groups_with(&self, role: &RoleId) -> Result<Vec<GroupId>, store::Error> {
        let mut prefix = BY_ROLE.prefix(self.organisation, role);
        prefix.push(Holder::GROUP);
        let mut range = Range::prefix(prefix, PAGE);
        let mut groups = Vec::new();
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            for (key, _) in &rows {
                if let (Subject::Group(group), _) = holder_of(BY_ROLE.name(), key)? {
                    groups.push(group);
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() >= PAGE => range = range.after(key),
                _ => break,
            }
        }
        groups.dedup();
        Ok(groups)
    }

    /// The users that hold a role themselves, by the index alone, in the order of their ids, after `after`, at most
    /// `limit`; fewer only when there are no more.
    pub(in crate::access) async fn users_with(
        &self,
        role: &RoleId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, store::Error> {
        let mut prefix = BY_ROLE.prefix(self.organisation, role);
        prefix.push(Holder::USER);
        let mut range = Range::prefix(prefix.clone(), limit);
        if let Some(after) = after {
            // Past every grant of that user.
            prefix.extend_from_slice(after.as_bytes());
            range.start = Range::prefix(prefix, 0).end;
        }
        let mut users: Vec<UserId> = Vec::new();
        while users.len() < limit {
            let rows = self.ledger.store().range(range.clone()).await?;
            for (key, _) in &rows {
                if let (Subject::User(user), _) = holder_of(BY_ROLE.name(), key)?
                    && users.last() != Some(&user)
                {
                    users.push(user);
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() >= range.limit => range = range.after(key),
                _ => break,
            }
        }
        users.truncate(limit);
        Ok(users)
    }

    /// The rows of users who hold a role themselves: the table's name and what every key begins with. The user's and the
    /// grant's id follow, 16 bytes each.
    pub fn rows_of_users_with(&self, role: &RoleId) -> (&'static str, Vec<u8>) {
        let mut prefix = BY_ROLE.prefix(self.organisation, role);
        prefix.push(Holder::USER);
        (BY_ROLE.name(), prefix)
    }

    /// Which of these users hold anything themselves.
    pub(in crate::access) async fn holding(&self, users: &[UserId]) -> Result<Vec<bool>, store::Error> {
        let key = |user: &UserId| COUNTS.key(self.organisation, &Holder(Subject::User(*user)));
        let keys: Vec<Vec<u8>> = users.iter().map(key).collect();
        let counts = self.ledger.store().engine().multi_get(&keys).await?;
        Ok(counts.iter().map(|count| count.as_ref().is_some_and(is_some)).collect())
    }

    async fn indexed(
        &self,
        table: &'static str,
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Grant>, Error> {
        let mut range = Range::prefix(prefix, limit.min(PAGE));
        if let Some(after) = after {
            range = range.after(&after);
        }
        let mut grants = Vec::new();
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            let mut keys = Vec::with_capacity(rows.len());
            for (key, _) in &rows {
                let (subject, id) = holder_of(table, key)?;
                keys.push((Holder(subject), id));
            }
            // One that ended between the two reads is not there any more.
            let found = self.ledger.store().find_many(&GRANTS, self.organisation, &keys).await?;
            grants.extend(found.into_iter().flatten());
            match rows.last() {
                Some((key, _)) if rows.len() >= range.limit && grants.len() < limit => {
                    range = range.after(key);
                    range.limit = (limit - grants.len()).min(PAGE);
                }
                _ => return Ok(grants),
            }
        }
    }

    pub(super) fn index(&self, change: &mut Change, grant: &Grant) -> Result<(), store::Error> {
        let row = || (Holder(grant.subject), grant.id);
        change.put(&BY_ROLE, self.organisation, &(grant.role.clone(), row()), &())?;
        change.add(&USES, self.organisation, &use_of_role(&grant.role), 1);
        if let Some(scope) = &grant.scope {
            change.put(&BY_SCOPE, self.organisation, &(scope.clone(), row()), &())?;
            change.add(&USES, self.organisation, &use_of_scope(scope), 1);
        }
        self.group(change, grant)
    }

    /// Puts a grant beside those of its kind.
    fn group(&self, change: &mut Change, grant: &Grant) -> Result<(), store::Error> {
        let row = || (Holder(grant.subject), grant.id);
        change.put(&BY_PLACE, self.organisation, &(grant.role.clone(), place_of(grant), row()), &())?;
        change.add(&USES, self.organisation, &grouped(&use_of_role(&grant.role)), 1);
        if let Some(scope) = &grant.scope {
            change.put(&BY_KIND, self.organisation, &(scope.clone(), kind_of(grant), row()), &())?;
            change.add(&USES, self.organisation, &grouped(&use_of_scope(scope)), 1);
        }
        Ok(())
    }

    pub(super) fn unindex(&self, change: &mut Change, grant: &Grant) {
        let row = || (Holder(grant.subject), grant.id);
        change.delete(&BY_ROLE, self.organisation, &(grant.role.clone(), row()));
        change.add(&USES, self.organisation, &use_of_role(&grant.role), -1);
        if let Some(scope) = &grant.scope {
            change.delete(&BY_SCOPE, self.organisation, &(scope.clone(), row()));
            change.add(&USES, self.organisation, &use_of_scope(scope), -1);
        }
        change.delete(&BY_PLACE, self.organisation, &(grant.role.clone(), place_of(grant), row()));
        change.add(&USES, self.organisation, &grouped(&use_of_role(&grant.role)), -1);
        if let Some(scope) = &grant.scope {
            change.delete(&BY_KIND, self.organisation, &(scope.clone(), kind_of(grant), row()));
            change.add(&USES, self.organisation, &grouped(&use_of_scope(scope)), -1);
        }
    }

    /// Puts the grants of releases before into the indexes, once, in commits of some hundred. What is there stays; a run
    /// that was cut off is taken up again. Gives how many it found missing.
    ///
    /// # Errors
    /// `Store`.
    pub async fn fill_indexes(&self) -> Result<usize, Error> {
        let store = self.ledger.store();
        if store.find(&EPOCHS, self.organisation, FILLED).await?.is_some_and(|epoch| epoch >= EPOCH) {
            return Ok(0);
        }
        let mut range = Range::prefix(GRANTS.prefix(self.organisation, &()), PAGE);
        let mut filled = 0;
        loop {
            let rows = store.range(range.clone()).await?;
            let grants: Vec<Grant> = rows
                .iter()
                .map(|(_, stored)| decode(GRANTS.name(), &stored.value))
                .collect::<Result<_, store::Error>>()?;
            filled += self.fill(&grants).await?;
            match rows.last() {
                Some((key, _)) if rows.len() >= PAGE => range = range.after(key),
                _ => break,
            }
        }
        self.ledger
            .retry(|mut change| async move {
                change.put(&EPOCHS, self.organisation, FILLED, &EPOCH)?;
                change.commit_quietly(Housekeeping::SourceState).await
            })
            .await?;
        Ok(filled)
    }

    async fn fill(&self, grants: &[Grant]) -> Result<usize, Error> {
        let filled = self
            .ledger
            .retry(|mut change| async move {
                let mut filled = 0;
                for grant in grants {
                    let key = (Holder(grant.subject), grant.id);
                    let by_role = (grant.role.clone(), (Holder(grant.subject), grant.id));
                    let by_place = (grant.role.clone(), place_of(grant), (Holder(grant.subject), grant.id));
                    // All read within the change: a grant that comes or goes meanwhile is counted once.
                    if change.find(&GRANTS, self.organisation, &key).await?.is_none() {
                        continue;
                    }
                    if change.find(&BY_ROLE, self.organisation, &by_role).await?.is_none() {
                        self.index(&mut change, grant)?;
                        filled += 1;
                    } else if change.find(&BY_PLACE, self.organisation, &by_place).await?.is_none() {
                        self.group(&mut change, grant)?;
                        filled += 1;
                    }
                }
                if filled > 0 {
                    change.commit_quietly(Housekeeping::SourceState).await?;
                }
                Ok::<_, store::Error>(filled)
            })
            .await?;
        Ok(filled)
    }
}
