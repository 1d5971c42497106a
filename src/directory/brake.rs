//! The mass-change brake of provisioning connections: a connection that deactivates or deletes more than its limit
//! within an hour is paused until an administrator releases it.
//!
//! The count is a row that every removal writes in its own commit, so that two at once cannot both be the last that is
//! allowed; the pause is a row that every write of a connection reads, so that no write slips past it. A user who is
//! enabled again stays counted: what a connection does, not where it ends, is what is limited. Directory syncs have a
//! guard of their own, which sees a whole run before anything is applied.

use minicbor::{Decode, Encode};

use super::tables::{OWNED, PAUSES, REMOVALS, TOTALS};
use super::{Directory, Error, MAX_PAGE};
use crate::access::Permit;
use crate::audit::{Change, EventKind, Housekeeping, Outcome};
use crate::clock::Timestamp;
use crate::config::{Guard, Percent};
use crate::model::{Actor, Kept, SourceId};
use crate::store;

/// The time in which removals add up, in minutes.
const WINDOW_MINUTES: i64 = 60;
const MINUTE_MS: i64 = 60_000;
/// The total that says that owners were counted.
const COUNTED: &str = "owners counted";
/// The same of a configured resource type, whose name follows.
const RESOURCES_COUNTED: &str = "owners of resources counted";
/// The brake of a connection whose settings say nothing.
const DEFAULT: Guard = Guard { removals: Percent::whole(5), at_least: 10 };

/// What a connection owns and removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Groups, when they are deleted.
    Groups,
    /// Resources of configured types, all together, when they are deleted.
    Resources,
    /// Users, when they are deactivated or deleted.
    Users,
}

impl Kind {
    /// `groups`, `resources` or `users`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Resources => "resources",
            Self::Users => "users",
        }
    }
}

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Deactivated,
    Deleted(Kind),
}

/// How near a connection is to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many it owns.
    pub owned: u64,
    /// How many it has removed within the last hour, counted in whole minutes.
    pub removed: u64,
    /// How many it may remove within an hour.
    pub limit: u64,
}

/// Where a connection's brake stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brake {
    /// Since when the connection is paused, and for what.
    pub paused: Option<Pause>,
    /// Users.
    pub users: Load,
    /// Groups.
    pub groups: Load,
    /// Resources of configured types.
    pub resources: Load,
}

/// A connection that was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Pause {
    /// Since when.
    #[n(0)]
    pub since: Timestamp,
    /// [`Kind::name`] of what it would have removed too many of.
    #[n(1)]
    pub what: String,
    /// How many it had removed within the hour.
    #[n(2)]
    pub removed: u64,
    /// How many were allowed.
    #[n(3)]
    pub limit: u64,
}

/// The removals of one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Minute {
    /// Minutes since 1970.
    #[n(0)]
    minute: i64,
    /// Deactivated or deleted.
    #[n(1)]
    removed: u64,
    /// Of them, deleted: no longer among what the connection owns.
    #[n(2)]
    deleted: u64,
}

/// The removals of the last hour by minute, oldest first; at most 61 of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Removals {
    #[n(0)]
    users: Vec<Minute>,
    #[n(1)]
    groups: Vec<Minute>,
    /// Absent in rows of before they were counted.
    #[n(2)]
    resources: Option<Vec<Minute>>,
}

impl Removals {
    fn of(&self, kind: Kind) -> &[Minute] {
        match kind {
            Kind::Groups => &self.groups,
            Kind::Resources => self.resources.as_deref().unwrap_or_default(),
            Kind::Users => &self.users,
        }
    }

    /// Those that still count at `now`.
    fn recent(mut self, now: Timestamp) -> Self {
        let minute = minute_of(now);
        for list in [&mut self.users, &mut self.groups].into_iter().chain(&mut self.resources) {
            list.retain(|entry| minute.saturating_sub(entry.minute) <= WINDOW_MINUTES);
        }
        self.resources = self.resources.filter(|list| !list.is_empty());
        self
    }

    fn add(&mut self, removal: Removal, now: Timestamp) {
        let (list, deleted) = match removal {
            Removal::Deactivated => (&mut self.users, 0),
            Removal::Deleted(Kind::Users) => (&mut self.users, 1),
            Removal::Deleted(Kind::Groups) => (&mut self.groups, 1),
            Removal::Deleted(Kind::Resources) => (self.resources.get_or_insert_default(), 1),
        };
        let minute = minute_of(now);
        match list.last_mut().filter(|last| last.minute == minute) {
            Some(last) => {
                last.removed = last.removed.saturating_add(1);
                last.deleted = last.deleted.saturating_add(deleted);
            }
            None => list.push(Minute { minute, removed: 1, deleted }),
        }
    }

    /// What was deleted within the hour counts among what is owned, so that the limit does not shrink on the way.
    fn load(&self, kind: Kind, owned: u64, guard: &Guard) -> Load {
        let sum = |part: fn(&Minute) -> u64| self.of(kind).iter().map(part).fold(0, u64::saturating_add);
        let before = owned.saturating_add(sum(|entry| entry.deleted));
        let limit = guard.removals.of(before).max(u64::from(guard.at_least));
        Load { owned, removed: sum(|entry| entry.removed), limit }
    }
}

fn minute_of(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(MINUTE_MS)
}

impl Removal {
    fn kind(self) -> Kind {
        match self {
            Self::Deactivated => Kind::Users,
            Self::Deleted(kind) => kind,
        }
    }
}

/// The connection that writes, `None` for everybody whom the brake is not for.
fn connection(permit: &Permit) -> Option<&SourceId> {
    permit.source().filter(|_| matches!(permit.actor(), Actor::Connection { .. }))
}

impl Directory {
    /// Where the brake of a connection stands.
    ///
    /// # Errors
    /// `Store`.
    pub async fn brake(&self, source: &SourceId) -> Result<Brake, Error> {
        let paused = self.store().find(&PAUSES, self.organisation, source).await?;
        let removals = self.store().find(&REMOVALS, self.organisation, source).await?.unwrap_or_default();
        let removals = removals.recent(self.clock.now());
        let users = self.load_of(source, &removals, Kind::Users).await?;
        let groups = self.load_of(source, &removals, Kind::Groups).await?;
        let resources = self.load_of(source, &removals, Kind::Resources).await?;
        Ok(Brake { paused, users, groups, resources })
    }

    async fn load_of(&self, source: &SourceId, removals: &Removals, kind: Kind) -> Result<Load, Error> {
        let guard = self.connections.find(source).map_or(DEFAULT, |connection| connection.brake);
        Ok(removals.load(kind, self.count_owned(source, kind).await?, &guard))
    }

    /// How many users, groups or other resources a source owns; kept, not counted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_owned(&self, source: &SourceId, kind: Kind) -> Result<u64, Error> {
        let key = OWNED.key(self.organisation, &(source.clone(), kind.name().to_owned()));
        Ok(u64::try_from(store::counter(self.store(), &key).await?).unwrap_or(0))
    }

    /// Counts what each source owns, once in the life of a store: one that was filled before totals were kept has none.
    /// `types` are the names of the configured resource types.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_owned_once(&self, types: &[String]) -> Result<(), Error> {
        self.count_people_once().await?;
        for resource_type in types {
            self.count_resources_once(resource_type).await?;
        }
        Ok(())
    }

    async fn count_resources_once(&self, resource_type: &str) -> Result<(), Error> {
        let mark = format!("{RESOURCES_COUNTED}:{resource_type}");
        if self.total(&mark).await? > 0 {
            return Ok(());
        }
        let mut change = self.ledger.change();
        let mut after = None;
        loop {
            let page = self.list_objects(resource_type, after, MAX_PAGE).await?;
            page.iter().for_each(|one| self.count_owner(&mut change, Kind::Resources, None, one.owner.as_ref()));
            after = page.last().map(|object| object.id);
            if page.len() < MAX_PAGE {
                break;
            }
        }
        change.add(&TOTALS, self.organisation, &*mark, 1);
        change.commit_quietly(Housekeeping::SourceState).await?;
        Ok(())
    }

    async fn count_people_once(&self) -> Result<(), Error> {
        if self.total(COUNTED).await? > 0 {
            return Ok(());
        }
        let mut change = self.ledger.change();
        let mut after = None;
        loop {
            let page = self.list_users::<Kept>(after, MAX_PAGE).await?;
            page.iter().for_each(|user| self.count_owner(&mut change, Kind::Users, None, user.owner.as_ref()));
            after = page.last().map(|user| user.id);
            if page.len() < MAX_PAGE {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = self.list_groups(after, MAX_PAGE).await?;
            page.iter().for_each(|group| self.count_owner(&mut change, Kind::Groups, None, group.owner.as_ref()));
            after = page.last().map(|group| group.id);
            if page.len() < MAX_PAGE {
                break;
            }
        }
        change.add(&TOTALS, self.organisation, COUNTED, 1);
        change.commit_quietly(Housekeeping::SourceState).await?;
        Ok(())
    }

    /// Moves one user, group or resource from the total of an owner to that of another.
    pub(super) fn count_owner(
        &self,
        change: &mut Change,
        kind: Kind,
        before: Option<&SourceId>,
        after: Option<&SourceId>,
    ) {
        if before == after {
            return;
        }
        for (owner, delta) in [(before, -1), (after, 1)] {
            if let Some(owner) = owner {
                change.add(&OWNED, self.organisation, &(owner.clone(), kind.name().to_owned()), delta);
            }
        }
    }

    /// Refuses whatever a paused connection would write. The pause is part of what the commit checks.
    pub(super) async fn check_running(&self, change: &mut Change, permit: &Permit) -> Result<(), Error> {
        let Some(source) = connection(permit) else { return Ok(()) };
        match change.find(&PAUSES, self.organisation, source).await? {
            Some(pause) => Err(Error::Paused { connection: source.clone(), since: pause.since }),
            None => Ok(()),
        }
    }

    /// Counts a removal by a connection in the caller's change. One that is over the limit pauses the connection, in a
    /// commit of its own, and fails: nothing of the caller's change is to be committed then.
    pub(super) async fn stage_removal(
        &self,
        change: &mut Change,
        permit: &Permit,
        removal: Removal,
    ) -> Result<(), Error> {
        let Some(source) = connection(permit) else { return Ok(()) };
        let now = self.clock.now();
        let stored = change.find(&REMOVALS, self.organisation, source).await?.unwrap_or_default();
        let mut removals = stored.recent(now);
        let load = self.load_of(source, &removals, removal.kind()).await?;
        if load.removed >= load.limit {
            return Err(self.pause(permit, source, removal.kind()).await?);
        }
        removals.add(removal, now);
        change.put(&REMOVALS, self.organisation, source, &removals)?;
        Ok(())
    }

    /// Pauses a connection and tells what its write is to be refused with. Asked again inside its own change, so that
    /// a release meanwhile is not undone; a lost race is the caller's to repeat.
    async fn pause(&self, permit: &Permit, source: &SourceId, kind: Kind) -> Result<Error, Error> {
        let now = self.clock.now();
        let mut change = self.ledger.change();
        if let Some(pause) = change.find(&PAUSES, self.organisation, source).await? {
            return Ok(Error::Paused { connection: source.clone(), since: pause.since });
        }
        let removals = change.find(&REMOVALS, self.organisation, source).await?.unwrap_or_default().recent(now);
        let load = self.load_of(source, &removals, kind).await?;
        if load.removed < load.limit {
            return Err(store::Error::Conflict.into());
        }
        let Load { owned, removed, limit } = load;
        let pause = Pause { since: now, what: kind.name().to_owned(), removed, limit };
        change.put(&PAUSES, self.organisation, source, &pause)?;
        let event = permit.event(now, EventKind::ConnectionPaused).outcome(Outcome::Denied);
        let event = event.on("source", source, source).detail("what", kind.name());
        let event = event.detail("removed", removed).detail("limit", limit).detail("owned", owned);
        change.commit(event).await?;
        tracing::warn!(
            connection.id = %source,
            "the connection `{source}` is paused: it removed {removed} {} within an hour, {limit} are allowed; look \
             at what it does, then `cleargate scim release {source}`",
            kind.name()
        );
        Ok(Error::Paused { connection: source.clone(), since: now })
    }

    /// Lets a connection write again and forgets what it removed. Says whether there was anything to release or forget.
    ///
    /// # Errors
    /// `Store`.
    pub async fn release(&self, permit: &Permit, source: &SourceId) -> Result<bool, Error> {
        self.ledger
            .retry(|mut change| async move {
                let now = self.clock.now();
                let pause = change.find(&PAUSES, self.organisation, source).await?;
                let removals = change.find(&REMOVALS, self.organisation, source).await?.unwrap_or_default().recent(now);
                if pause.is_none() && removals == Removals::default() {
                    return Ok(false);
                }
                change.delete(&PAUSES, self.organisation, source);
                change.delete(&REMOVALS, self.organisation, source);
                let event = permit.event(now, EventKind::ConnectionReleased).on("source", source, source);
                let count = |kind| removals.of(kind).iter().map(|entry| entry.removed).fold(0, u64::saturating_add);
                let event = event.detail("users", count(Kind::Users)).detail("groups", count(Kind::Groups));
                let event = event.detail("resources", count(Kind::Resources));
                let event = match pause {
                    Some(pause) => event.detail("paused_since", pause.since),
                    None => event,
                };
                change.commit(event).await?;
                Ok(true)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_seconds(minute * 60)
    }

    #[test]
    fn removals_count_for_an_hour_and_then_no_more() {
        let mut removals = Removals::default();
        removals.add(Removal::Deactivated, at(100));
        removals.add(Removal::Deleted(Kind::Users), at(100));
        removals.add(Removal::Deactivated, at(130));
        removals.add(Removal::Deleted(Kind::Groups), at(130));
        for (now, users, groups) in [(130, 3, 1), (160, 3, 1), (161, 1, 1), (190, 1, 1), (191, 0, 0)] {
            let recent = removals.clone().recent(at(now));
            let removed = |kind| recent.load(kind, 0, &DEFAULT).removed;
            assert_eq!((removed(Kind::Users), removed(Kind::Groups)), (users, groups), "at {now}");
        }
    }

    #[test]
    fn the_limit_is_a_share_of_what_was_owned_and_does_not_shrink_by_deleting() {
        let mut removals = Removals::default();
        assert_eq!(removals.load(Kind::Users, 100, &DEFAULT).limit, 10);
        assert_eq!(removals.load(Kind::Users, 1_000, &DEFAULT).limit, 50);
        for _ in 0..40 {
            removals.add(Removal::Deleted(Kind::Users), at(1));
        }
        assert_eq!(removals.load(Kind::Users, 960, &DEFAULT), Load { owned: 960, removed: 40, limit: 50 });
        assert_eq!(removals.load(Kind::Groups, 960, &DEFAULT).removed, 0);
        let none = Guard { removals: Percent::whole(0), at_least: 0 };
        assert_eq!(removals.load(Kind::Users, 960, &none).limit, 0);
    }
}
