//! Users: looking them up, and applying what was planned.

use super::brake::{Kind, Removal};
use super::connections::taken_over;
use super::membership::Member;
use super::realms::with_realm;
use super::reconcile::{Authority, SourceRecord, UserPlan, is_of_unknown_origin, plan};
use super::tables::{MEMBER_OF_COUNTS, TOMBSTONES, TOTALS, USER_EMAILS, USER_LINKS, USER_NAMES, USER_SUBJECTS, USERS};
use super::{Directory, Error, MAX_PAGE};
use crate::access::{Permit, Run};
use crate::audit::{Change, Event, EventKind, Housekeeping};
use crate::config::TakesOver;
use crate::model::{Actor, Kept, SourceId, Status, Subject, User, UserId, UserName, fold};
use crate::store::{self, Range, Row};

/// What a change of one user will be once its transaction is committed.
#[derive(Debug)]
pub struct Staged {
    /// The user as it will be.
    pub user: User,
    /// What happened; `None` when nothing did.
    pub event: Option<Event>,
}

impl Authority {
    /// The authority that a permit carries, without what settings add to it.
    pub fn of(permit: &Permit) -> Self {
        match (permit.actor(), permit.source()) {
            (Actor::Connection { .. }, Some(source)) => {
                Self::Provisioning { source: source.clone(), exclusive: false, takes_over: TakesOver::default() }
            }
            (Actor::System { .. }, Some(source)) => {
                Self::Provisioning { source: source.clone(), exclusive: true, takes_over: TakesOver::default() }
            }
            (Actor::Anonymous, Some(source)) => Self::SignIn(source.clone()),
            _ => Self::Administrator,
        }
    }
}

impl Directory {
    /// The user with this id, `None` when there is none or it was deleted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, Error> {
        Ok(self.store().find(&USERS, self.organisation, &id).await?)
    }

    /// The same, with attributes that are only passed on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_kept_user(&self, id: UserId) -> Result<Option<User<Kept>>, Error> {
        match self.store().engine().get(&USERS.key(self.organisation, &id)).await? {
            Some(stored) => Ok(Some(store::decode(USERS.name(), &stored.value)?)),
            None => Ok(None),
        }
    }

    /// The user with this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn load_user(&self, id: UserId) -> Result<User, Error> {
        self.find_user(id).await?.ok_or_else(|| not_found(id))
    }

    /// The id of the user of this login name, in any spelling that folds to it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_user_id(&self, user_name: &str) -> Result<Option<UserId>, Error> {
        Ok(self.store().find(&USER_NAMES, self.organisation, &fold(user_name)).await?)
    }

    /// The user of this login name.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_user_by_name(&self, user_name: &str) -> Result<Option<User>, Error> {
        match self.find_user_id(user_name).await? {
            Some(id) => self.find_user(id).await,
            None => Ok(None),
        }
    }

    /// The user whom a directory or a connector knows under this stable id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_user_by_subject(&self, source: &SourceId, subject: &str) -> Result<Option<User>, Error> {
        let key = (source.clone(), subject.to_owned());
        match self.store().find(&USER_SUBJECTS, self.organisation, &key).await? {
            Some(id) => self.find_user(id).await,
            None => Ok(None),
        }
    }

    /// The users whom a provisioning source knows under this `externalId`, at most `limit`.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_users_by_external_id<A>(
        &self,
        source: &SourceId,
        external_id: &str,
        limit: usize,
    ) -> Result<Vec<User<A>>, Error>
    where
        A: for<'b> minicbor::Decode<'b, ()>,
    {
        let prefix = USER_LINKS.prefix(self.organisation, &(source.clone(), external_id.to_owned()));
        self.users_of_index(USER_LINKS.name(), prefix, limit).await
    }

    /// The users with this e-mail address, at most `limit`.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_users_by_email<A>(&self, email: &str, limit: usize) -> Result<Vec<User<A>>, Error>
    where
        A: for<'b> minicbor::Decode<'b, ()>,
    {
        let prefix = USER_EMAILS.prefix(self.organisation, &fold(email));
        self.users_of_index(USER_EMAILS.name(), prefix, limit).await
    }

    async fn users_of_index<A>(&self, table: &'static str, prefix: Vec<u8>, limit: usize) -> Result<Vec<User<A>>, Error>
    where
        A: for<'b> minicbor::Decode<'b, ()>,
    {
        let rows = self.store().range(Range::prefix(prefix, limit.min(MAX_PAGE))).await?;
        let ids = rows.iter().map(|(key, _)| suffix_id(table, key)).collect::<Result<Vec<UserId>, _>>()?;
        self.users_by_id(&ids).await
    }

    /// The users with these ids, in this order, deleted ones left out.
    ///
    /// # Errors
    /// `Store`.
    pub async fn users_by_id<A>(&self, ids: &[UserId]) -> Result<Vec<User<A>>, Error>
    where
        A: for<'b> minicbor::Decode<'b, ()>,
    {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| USERS.key(self.organisation, id)).collect();
        let found = self.store().engine().multi_get(&keys).await?;
        found.iter().flatten().map(|stored| Ok(store::decode(USERS.name(), &stored.value)?)).collect()
    }

    /// Users in the order of their creation, after `after`, at most `limit` and [`MAX_PAGE`], with their attributes held
    /// as the caller needs them.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_users<A>(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User<A>>, Error>
    where
        A: for<'b> minicbor::Decode<'b, ()>,
    {
        let mut range = Range::prefix(USERS.prefix(self.organisation, &()), limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&USERS.key(self.organisation, &after));
        }
        let rows = self.store().range(range).await?;
        rows.iter().map(|(_, stored)| Ok(store::decode(USERS.name(), &stored.value)?)).collect()
    }

    /// Users in the order of their creation, without the first `skip`, at most `limit` and [`MAX_PAGE`]. Those before are
    /// walked over but not decoded; attributes are only passed on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_users_from(&self, skip: usize, limit: usize) -> Result<Vec<User<Kept>>, Error> {
        let rows = self.rows_from(USERS.prefix(self.organisation, &()), "users", skip, limit).await?;
        rows.iter().map(|(_, stored)| Ok(store::decode(USERS.name(), &stored.value)?)).collect()
    }

    /// The rows of a table from a position on; `total` is the name of its kept total.
    pub(super) async fn rows_from(
        &self,
        prefix: Vec<u8>,
        total: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        let limit = limit.min(MAX_PAGE);
        let key = TOTALS.key(self.organisation, total);
        // Before the rows: what changes between the two makes what is remembered old, not wrong.
        let Some(version) = self.store().engine().get(&key).await?.map(|stored| stored.version) else {
            return Ok(self.store().range(Range::prefix(prefix, limit).skipping(skip)).await?);
        };
        let mut range = Range::prefix(prefix.clone(), limit);
        let mut left = skip;
        if let Some((position, before)) = self.pages.nearest(&prefix, version, skip) {
            range = range.after(&before);
            left -= position;
        }
        let rows = self.store().range(range.skipping(left)).await?;
        if let Some((last, _)) = rows.last() {
            self.pages.remember(&prefix, version, skip.saturating_add(rows.len()), last);
        }
        if let Some((first, _)) = rows.first().filter(|_| left > limit) {
            // So far is not walked twice for one page.
            let before = Range::prefix(prefix.clone(), 1).before(first).descending();
            if let Some((before, _)) = self.store().range(before).await?.first() {
                self.pages.remember(&prefix, version, skip, before);
            }
        }
        Ok(rows)
    }

    /// How many users there are; kept, not counted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_users(&self) -> Result<u64, Error> {
        self.total("users").await
    }

    pub(super) async fn total(&self, name: &str) -> Result<u64, Error> {
        let count = store::counter(self.store(), &TOTALS.key(self.organisation, name)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Creates a user.
    ///
    /// # Errors
    /// `Conflict` when the name or a unique external id is taken, `Invalid`, `Store`.
    pub async fn create_user(&self, permit: &Permit, record: &SourceRecord) -> Result<User, Error> {
        self.ledger
            .retry(|mut change| async move {
                let staged = self.create_user_in(&mut change, permit, record).await?;
                commit(change, staged).await
            })
            .await
    }

    /// The same inside a change of the caller's, who records the event.
    ///
    /// # Errors
    /// As [`Directory::create_user`].
    pub(crate) async fn create_user_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        record: &SourceRecord,
    ) -> Result<Staged, Error> {
        let staged = self.stage_user(change, permit, None, record).await?;
        self.stage_rules(change, permit, &staged.user).await?;
        Ok(staged)
    }

    /// The same for an account that waits until its owner accepts it.
    ///
    /// # Errors
    /// As [`Directory::create_user`].
    pub(crate) async fn invite_user_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        record: &SourceRecord,
    ) -> Result<Staged, Error> {
        self.check_running(change, permit).await?;
        let (authority, now) = (self.authority(permit), self.clock.now());
        let mut plan = plan(None, record, &authority, UserId::new(now, &self.ids), now)?;
        if let UserPlan::Create(user) = &mut plan {
            user.status = Status::Invited;
        }
        let staged = self.stage_plan(change, permit, None, plan).await?;
        self.stage_rules(change, permit, &staged.user).await?;
        Ok(staged)
    }

    /// Makes several users what their source says, in one commit with an event for each: the unit of a sync. A record
    /// without an id creates. Use at most a few hundred at a time.
    ///
    /// # Errors
    /// As [`Directory::create_user`] and [`Directory::change_user`]; then none of them is applied.
    pub async fn apply_users(
        &self,
        permit: &Permit,
        records: &[(Option<UserId>, SourceRecord)],
    ) -> Result<Vec<User>, Error> {
        self.ledger
            .retry(|mut change| async move {
                let mut users = Vec::with_capacity(records.len());
                for (id, record) in records {
                    let before = match id {
                        Some(id) => Some(self.user_in(&mut change, *id).await?),
                        None => None,
                    };
                    let staged = self.stage_user(&mut change, permit, before.as_ref(), record).await?;
                    if let Some(event) = staged.event {
                        change.also(event);
                        self.stage_rules(&mut change, permit, &staged.user).await?;
                    }
                    users.push(staged.user);
                }
                if !change.is_empty() {
                    change.commit_quietly(Housekeeping::SourceState).await?;
                }
                Ok(users)
            })
            .await
    }

    /// Enables or disables a user.
    ///
    /// # Errors
    /// `NotFound`, `Owned`, `Store`.
    pub async fn set_active(&self, permit: &Permit, id: UserId, is_active: bool) -> Result<User, Error> {
        self.change_user(permit, id, None, |_, record| {
            record.active = Some(is_active);
            Ok(())
        })
        .await
    }

    /// Deletes a user: the id stays taken, the name becomes free, memberships and rule grants go.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Owned`, `Store`.
    pub async fn delete_user(&self, permit: &Permit, id: UserId, revision: Option<u64>) -> Result<(), Error> {
        self.delete_user_or_try(permit, id, revision, Run::Commit).await
    }

    /// The same, or only tried.
    ///
    /// # Errors
    /// As [`Directory::delete_user`].
    pub async fn delete_user_or_try(
        &self,
        permit: &Permit,
        id: UserId,
        revision: Option<u64>,
        run: Run,
    ) -> Result<(), Error> {
        permit.demand_weighed()?;
        self.ledger
            .retry(|mut change| async move {
                self.check_running(&mut change, permit).await?;
                let before = self.user_in(&mut change, id).await?;
                check_revision(revision, before.revision)?;
                let authority = self.authority(permit);
                let is_own = authority.owner().is_none() || authority.owner() == before.owner.as_ref();
                if !is_own && !authority.takes_over(before.owner.as_ref()) {
                    return Err(Error::Owned { owner: before.owner });
                }
                self.check_realm(&authority, &before)?;
                self.stage_removal(&mut change, permit, Removal::Deleted(Kind::Users)).await?;
                self.take_turn(&mut change, id, [before.owner.as_ref(), None]).await?;
                // Nobody puts the account into a group that it is not taken out of here.
                change.hold(&MEMBER_OF_COUNTS, self.organisation, &Member::User(id)).await?;
                for (group, _) in self.groups_of(Member::User(id)).await? {
                    self.stage_leave_noted(&mut change, group, Member::User(id)).await?;
                }
                self.unindex(&mut change, &before)?;
                self.stage_unique(&mut change, "User", id, Some(&before.attributes), None).await?;
                self.retire(&mut change, &before)?;
                self.remember_name(&mut change, &before)?;
                self.stage_no_grants(&mut change, permit, Subject::User(id)).await?;
                self.stage_joins_forgotten(&mut change, id).await?;
                let unlinked = self.unlink_person(&mut change, permit, id).await?;
                unlinked.into_iter().for_each(|event| change.also(event));
                let ended = self.belongings.shut(&mut change, id).await?;
                self.belongings.forget(&mut change, id).await?;
                change.delete(&USERS, self.organisation, &id);
                change.delete(&MEMBER_OF_COUNTS, self.organisation, &Member::User(id));
                let tombstone = User { status: Status::Tombstone, changed: self.clock.now(), ..before.clone() };
                change.put(&TOMBSTONES, self.organisation, &id, &tombstone)?;
                change.add(&TOTALS, self.organisation, "users", -1);
                self.count_sight(&mut change, Some(&before), None);
                self.count_owner(&mut change, Kind::Users, before.owner.as_ref(), None);
                let event = permit.event(self.clock.now(), EventKind::UserDeleted).on("user", id, &before.user_name);
                let (by, is_by_hand) = (authority.owner(), before.is_by_hand());
                let event = taken_over(event, before.owner.as_ref(), by, is_by_hand);
                if run == Run::Commit {
                    change.commit(with_ended(event, ended)).await?;
                }
                Ok(())
            })
            .await
    }

    /// The user inside a change, so that the commit fails when it changes meanwhile.
    pub(crate) async fn user_in(&self, change: &mut Change, id: UserId) -> Result<User, Error> {
        change.find(&USERS, self.organisation, &id).await?.ok_or_else(|| not_found(id))
    }

    /// The user of a stable id inside a change.
    pub(crate) async fn user_of_subject_in(
        &self,
        change: &mut Change,
        source: &SourceId,
        subject: &str,
    ) -> Result<Option<User>, Error> {
        let key = (source.clone(), subject.to_owned());
        match change.find(&USER_SUBJECTS, self.organisation, &key).await? {
            Some(id) => Ok(change.find(&USERS, self.organisation, &id).await?),
            None => Ok(None),
        }
    }

    /// The user of a login name inside a change.
    pub(crate) async fn user_of_name_in(&self, change: &mut Change, user_name: &str) -> Result<Option<User>, Error> {
        match change.find(&USER_NAMES, self.organisation, &fold(user_name)).await? {
            Some(id) => Ok(change.find(&USERS, self.organisation, &id).await?),
            None => Ok(None),
        }
    }

    /// Plans one user's change and puts its writes into `change`; the caller records the event. A connection that is
    /// paused, or is by this change, gets `Paused`.
    pub(crate) async fn stage_user(
        &self,
        change: &mut Change,
        permit: &Permit,
        existing: Option<&User>,
        record: &SourceRecord,
    ) -> Result<Staged, Error> {
        self.check_running(change, permit).await?;
        let (authority, now) = (self.authority(permit), self.clock.now());
        if let (Authority::Provisioning { .. }, Some(user)) = (&authority, existing)
            && !authority.takes_over(None)
        {
            self.check_origin(user).await?;
        }
        if let Some(user) = existing {
            self.check_realm(&authority, user)?;
        }
        let plan = plan(existing, record, &authority, UserId::new(now, &self.ids), now)?;
        self.stage_plan(change, permit, existing, plan).await
    }

    /// The same for the first sign-in to an existing account by a connector that may link to it. Who signed in to it by
    /// others need not be the same person: of the other links only those of the account's owner and those that `stays`
    /// names are kept, and every session ends. Where a link is cut, second factors go too: who set them up need not be the
    /// same person either.
    pub(crate) async fn stage_first_link(
        &self,
        change: &mut Change,
        permit: &Permit,
        existing: &User,
        record: &SourceRecord,
        stays: impl Fn(&SourceId) -> bool,
    ) -> Result<Staged, Error> {
        let (authority, now) = (self.authority(permit), self.clock.now());
        self.check_realm(&authority, existing)?;
        let mut rid = existing.clone();
        rid.links.retain(|link| existing.owner.as_ref() == Some(&link.source) || stays(&link.source));
        let is_cut = rid.links.len() < existing.links.len();
        let mut plan = plan(Some(&rid), record, &authority, existing.id, now)?;
        // Links that are cut do not make it an account that never had any.
        if let UserPlan::Change { after, .. } = &mut plan
            && !existing.links.is_empty()
        {
            after.by_hand = existing.by_hand;
        }
        let mut staged = self.stage_plan(change, permit, Some(existing), plan).await?;
        let ended = if is_cut {
            self.belongings.hand_over(change, permit, existing).await?
        } else {
            self.belongings.shut(change, existing.id).await?
        };
        staged.event = staged.event.map(|event| with_ended(event, ended));
        Ok(staged)
    }

    async fn stage_plan(
        &self,
        change: &mut Change,
        permit: &Permit,
        existing: Option<&User>,
        plan: UserPlan,
    ) -> Result<Staged, Error> {
        let (authority, now) = (self.authority(permit), self.clock.now());
        match plan {
            UserPlan::Nothing => {
                let user = existing.cloned().ok_or_else(|| not_found(UserId::from_bytes([0; 16])))?;
                Ok(Staged { user, event: None })
            }
            UserPlan::Create(mut user) => {
                permit.demand_weighed()?;
                self.settle_realm(&authority, &mut user);
                self.revive(change, &mut user, &authority).await?;
                self.stage_name(change, None, &user, &authority).await?;
                self.index(change, &user, None, &authority).await?;
                change.put(&USERS, self.organisation, &user.id, &*user)?;
                self.stage_dynamics(change, permit, None, &user).await?;
                change.add(&TOTALS, self.organisation, "users", 1);
                self.count_owner(change, Kind::Users, None, user.owner.as_ref());
                let event = permit.event(now, EventKind::UserCreated).on("user", user.id, &user.user_name);
                let event = with_realm(event, &user);
                Ok(Staged { user: *user, event: Some(event) })
            }
            UserPlan::Change { after, kind, fields } => {
                if existing.is_none_or(|before| before.status != after.status || before.user_name != after.user_name) {
                    permit.demand_weighed()?;
                }
                if kind == EventKind::UserDeactivated {
                    self.stage_removal(change, permit, Removal::Deactivated).await?;
                }
                self.stage_name(change, existing, &after, &authority).await?;
                self.index(change, &after, existing, &authority).await?;
                change.put(&USERS, self.organisation, &after.id, &*after)?;
                self.stage_dynamics(change, permit, existing, &after).await?;
                let mut event =
                    permit.event(now, kind).on("user", after.id, &after.user_name).detail("fields", fields.join(","));
                if let Some(before) = existing {
                    self.take_turn(change, after.id, [before.owner.as_ref(), after.owner.as_ref()]).await?;
                    if before.user_name != after.user_name {
                        event = event.detail("before", &before.user_name);
                    }
                    for (part, old, new) in self.telling.edits(before, &after) {
                        if let Some(old) = old {
                            event = event.detail(&format!("{part} before"), old);
                        }
                        if let Some(new) = new {
                            event = event.detail(&format!("{part} after"), new);
                        }
                    }
                    event = self.stage_owner(change, permit, before, &after, event).await?;
                    event = self.stage_parting(change, permit, before, &after, event).await?;
                    // Of an account that a sign-in made nobody has verified the address before.
                    if after.owner.is_none() && (authority.source().is_none() || before.is_by_hand()) {
                        self.belongings.moved(change, before, &after, permit.circumstance()).await?;
                    }
                }
                Ok(Staged { user: *after, event: Some(event) })
            }
        }
    }

    /// What a change of owner brings with it: totals, the end of what rules of the old owner gave, a word in the event.
    async fn stage_owner(
        &self,
        change: &mut Change,
        permit: &Permit,
        before: &User,
        after: &User,
        event: Event,
    ) -> Result<Event, Error> {
        let (old, new) = (before.owner.as_ref(), after.owner.as_ref());
        self.count_owner(change, Kind::Users, old, new);
        if let Some(old) = old.filter(|_| old != new) {
            self.stage_no_rules(change, permit, after.id, old).await?;
        }
        Ok(taken_over(event, old, new, before.is_by_hand()))
    }

    /// What goes with a change of an account: the sessions of one that is not active any more or that a source takes
    /// over from nobody, and the roles that a connector gave whose link is gone.
    async fn stage_parting(
        &self,
        change: &mut Change,
        permit: &Permit,
        before: &User,
        after: &User,
        mut event: Event,
    ) -> Result<Event, Error> {
        let gone = before.links.iter().filter(|link| after.external_id(&link.source).is_none());
        for link in gone.filter(|link| before.owner.as_ref() != Some(&link.source)) {
            self.stage_no_rules(change, permit, after.id, &link.source).await?;
            event = event.detail("unlinked", &link.source);
        }
        let is_left = before.status == Status::Active && after.status != Status::Active;
        let is_claimed = before.owner.is_none() && after.owner.is_some();
        if is_claimed && !before.is_by_hand() {
            let ended = self.belongings.hand_over(change, permit, before).await?;
            event = with_ended(event, ended);
        } else if is_left || is_claimed {
            let ended = self.belongings.shut(change, after.id).await?;
            event = with_ended(event, ended);
        }
        Ok(event)
    }

    /// An account of which nothing tells whether an administrator made it counts as kept by hand when an administrator
    /// gave it a role.
    async fn check_origin(&self, user: &User) -> Result<(), Error> {
        if is_of_unknown_origin(user) && self.holds_grant_by_hand(user.id).await? {
            return Err(Error::Owned { owner: None });
        }
        Ok(())
    }
}

fn with_ended(event: Event, sessions: usize) -> Event {
    if sessions == 0 { event } else { event.detail("sessions", sessions) }
}

/// The record that stands for a user as it is, for the authority of `permit`.
pub(super) fn record_of(user: &User, permit: &Permit) -> SourceRecord {
    SourceRecord {
        external_id: Authority::of(permit).source().and_then(|source| user.external_id(source)).map(str::to_owned),
        user_name: user.user_name.clone(),
        active: None,
        attributes: user.attributes.clone(),
    }
}

/// Commits what was staged; nothing staged is nothing written.
pub(super) async fn commit(change: Change, staged: Staged) -> Result<User, Error> {
    match staged.event {
        Some(event) => change.commit(event).await.map(|_| ())?,
        None if change.is_empty() => {}
        None => change.commit_quietly(Housekeeping::SourceState).await.map(|_| ())?,
    }
    Ok(staged.user)
}

pub(super) fn check_revision(seen: Option<u64>, current: u64) -> Result<(), Error> {
    match seen {
        Some(seen) if seen != current => Err(Error::Revision { current }),
        _ => Ok(()),
    }
}

fn not_found(id: UserId) -> Error {
    Error::NotFound { what: "user", id: id.to_string() }
}

/// The id at the end of an index key.
pub(super) fn suffix_id<K>(table: &'static str, key: &[u8]) -> Result<crate::model::Id<K>, Error> {
    let bytes = key.last_chunk::<16>().copied();
    let corrupt = || store::Error::Corrupt { table, reason: "a key without an id at its end".to_owned() };
    Ok(bytes.map(crate::model::Id::from_bytes).ok_or_else(corrupt)?)
}

/// Parses a login name, with the error that surfaces show.
///
/// # Errors
/// `Invalid`.
pub fn parse_user_name(text: &str) -> Result<UserName, Error> {
    text.parse().map_err(|error| Error::invalid("userName", &error))
}
