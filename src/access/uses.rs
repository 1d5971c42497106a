//! Which rights are used: of each person the last day on which a permission was asked for and given.
//!
//! A permit that was given is a use, and so is the yes that an application gets for its question. Questions about somebody
//! (explanations, searches, who can, what somebody may) are none, and what was denied is none.
//!
//! Of administrators of the machine and tokens of nobody it is kept what they use, all together.
//!
//! The first use of a day is noted in memory, every further one is a look; [`Access::keep_uses`] writes what is new, a row
//! for each person. Memory is bounded: what finds no room is passed over, after a look, and from then on it is known that
//! not everything was seen. A report that goes by this asks [`Uses::recorded_since`] first, so that nothing is called unused
//! that could have been used unseen; but what was noted since the last round is lost, unseen, where the daemon is killed.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use minicbor::{Decode, Encode};

use super::{Access, Catalogue, Error, Memberships};
use crate::audit::{Change, Housekeeping, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::model::{Actor, OrganisationId, Permission, Status, UserId};
use crate::store::{self, Stored, Table};

/// What each person used last when.
const USES: Table<UserId, Used> = Table::new(0x75, "uses of rights");
/// The last day on which anybody used a permission, by its text; and by a word of its own, which has no colon, what is known
/// of the record itself.
const DAYS: Table<str, u32> = Table::new(0x76, "days of rights");
/// The day on which recording began.
const SINCE: &str = "since";
/// The last day of which not everything was recorded.
const MISSED: &str = "missed";
/// Before the text of a permission that was used by nobody's rights but those of the machine, or of a token of nobody.
const OTHERS: &str = "!";

/// Parts of the memory, each with a lock of its own.
const SHARDS: usize = 16;
/// Most pairs of a person and a permission that a part remembers.
const MAX_PAIRS: usize = 16_384;
/// Most permissions that a part knows: those of every catalogue that was in force since the start.
const MAX_NAMES: usize = 8_192;
/// Rows of one commit.
const BATCH: usize = 200;
const SECONDS_A_DAY: i64 = 86_400;

/// The day of a moment, counted from 1970 in UTC.
pub(super) fn day_of(moment: Timestamp) -> u32 {
    u32::try_from(moment.as_seconds().div_euclid(SECONDS_A_DAY)).unwrap_or(0)
}

/// When a day begins.
fn beginning(day: u32) -> Timestamp {
    Timestamp::from_seconds(i64::from(day).saturating_mul(SECONDS_A_DAY))
}

/// The last day of use of each permission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Used {
    #[n(0)]
    days: BTreeMap<Permission, u32>,
}

/// What somebody, or anybody, used last when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastUses(BTreeMap<Permission, u32>);

impl LastUses {
    /// The permissions that were used on the day of `moment` or later.
    pub fn since(&self, moment: Timestamp) -> impl Iterator<Item = &Permission> {
        let first = day_of(moment);
        self.0.iter().filter(move |(_, day)| **day >= first).map(|(permission, _)| permission)
    }

    /// Whether a permission was used on the day of `moment` or later.
    pub fn has_since(&self, permission: &Permission, moment: Timestamp) -> bool {
        self.0.get(permission).is_some_and(|day| *day >= day_of(moment))
    }

    fn note(&mut self, permission: Permission, day: u32) {
        let kept = self.0.entry(permission).or_default();
        *kept = day.max(*kept);
    }
}

/// Says that what was used until now is not known, inside a change that takes up a store which was put back.
///
/// # Errors
/// `Store`.
pub fn interrupt_uses_in(
    change: &mut Change,
    organisation: OrganisationId,
    now: Timestamp,
) -> Result<(), store::Error> {
    change.put(&DAYS, organisation, MISSED, &day_of(now))
}

/// What one person did on one day.
struct Person {
    day: u32,
    /// Numbers of permissions.
    seen: Vec<u16>,
    /// Whether there is something that was not written yet.
    is_due: bool,
}

#[derive(Default)]
struct Shard {
    numbers: HashMap<Permission, u16>,
    names: Vec<Permission>,
    people: HashMap<UserId, Person>,
    /// Whose row is to be written.
    due: Vec<UserId>,
    pairs: usize,
}

/// What a look tells of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It is noted already.
    Known,
    /// There is no room for it.
    Full,
    /// It is to be noted.
    New,
}

impl Shard {
    /// Looks for a use. Who finds everything full does not wait for who writes.
    fn look(&self, user: UserId, permission: &Permission, day: u32) -> Look {
        let is_full = self.pairs >= MAX_PAIRS;
        let number = self.numbers.get(permission);
        match (self.people.get(&user), number) {
            (Some(person), Some(number)) if person.day >= day && person.seen.contains(number) => Look::Known,
            (_, None) if self.names.len() >= MAX_NAMES => Look::Full,
            // Of somebody of a day before, room is made.
            (Some(person), _) if is_full && person.day >= day => Look::Full,
            (None, _) if is_full => Look::Full,
            _ => Look::New,
        }
    }

    /// Notes a use; `false` where there is no room.
    fn note(&mut self, user: UserId, permission: &Permission, day: u32) -> bool {
        let Some(number) = self.number(permission) else { return false };
        let is_full = self.pairs >= MAX_PAIRS;
        let person = match self.people.entry(user) {
            Entry::Vacant(_) if is_full => return false,
            Entry::Vacant(place) => place.insert(Person { day, seen: Vec::new(), is_due: false }),
            Entry::Occupied(place) => place.into_mut(),
        };
        if person.day < day {
            person.day = day;
            // What waits to be written is taken along: it counts as used a minute later than it was.
            if !person.is_due {
                self.pairs = self.pairs.saturating_sub(person.seen.len());
                person.seen.clear();
            }
        }
        if person.seen.contains(&number) {
            return true;
        }
        if self.pairs >= MAX_PAIRS {
            return false;
        }
        person.seen.push(number);
        self.pairs = self.pairs.saturating_add(1);
        if !person.is_due {
            person.is_due = true;
            self.due.push(user);
        }
        true
    }

    fn number(&mut self, permission: &Permission) -> Option<u16> {
        if let Some(number) = self.numbers.get(permission) {
            return Some(*number);
        }
        let number = u16::try_from(self.names.len()).ok().filter(|_| self.names.len() < MAX_NAMES)?;
        self.names.push(permission.clone());
        self.numbers.insert(permission.clone(), number);
        Some(number)
    }

    fn named(&self, person: &Person) -> Vec<Permission> {
        person.seen.iter().filter_map(|number| self.names.get(usize::from(*number)).cloned()).collect()
    }

    /// What is to be written, which from now on counts as written.
    fn take(&mut self) -> Vec<Due> {
        let users = std::mem::take(&mut self.due);
        let mut due = Vec::with_capacity(users.len());
        for user in users {
            if let Some(person) = self.people.get_mut(&user) {
                person.is_due = false;
            }
            if let Some(person) = self.people.get(&user) {
                due.push(Due { user, day: person.day, permissions: self.named(person) });
            }
        }
        due
    }

    /// The last day on which anybody who is remembered used each permission, by its number.
    fn days(&self) -> Vec<Option<u32>> {
        let mut days = vec![None; self.names.len()];
        for person in self.people.values() {
            for number in &person.seen {
                if let Some(day) = days.get_mut(usize::from(*number)) {
                    *day = Some(person.day).max(*day);
                }
            }
        }
        days
    }

    /// The same of one permission.
    fn day(&self, permission: &Permission) -> Option<u32> {
        let number = self.numbers.get(permission)?;
        self.people.values().filter(|person| person.seen.contains(number)).map(|person| person.day).max()
    }

    /// Takes back what was not written, to write it with what came since; `false` where there is no room for all of it. Of
    /// who was forgotten meanwhile nothing comes back.
    fn give_back(&mut self, due: &Due) -> bool {
        let Some(person) = self.people.get_mut(&due.user) else { return true };
        if !person.is_due {
            person.is_due = true;
            self.due.push(due.user);
        }
        for permission in &due.permissions {
            let Some(number) = self.numbers.get(permission).filter(|number| !person.seen.contains(number)) else {
                continue;
            };
            if self.pairs >= MAX_PAIRS {
                return false;
            }
            person.seen.push(*number);
            self.pairs = self.pairs.saturating_add(1);
        }
        true
    }

    fn forget(&mut self, user: UserId) {
        if let Some(person) = self.people.remove(&user) {
            self.pairs = self.pairs.saturating_sub(person.seen.len());
        }
    }

    /// Forgets who was not seen today, and where that leaves too little room everybody whose row is written.
    fn tidy(&mut self, today: u32) {
        self.people.retain(|_, person| person.is_due || person.day >= today);
        let pairs = |people: &HashMap<UserId, Person>| people.values().map(|person| person.seen.len()).sum();
        self.pairs = pairs(&self.people);
        if self.pairs > MAX_PAIRS / 2 {
            self.people.retain(|_, person| person.is_due);
            self.pairs = pairs(&self.people);
        }
    }
}

/// What one person did and no row tells yet.
struct Due {
    user: UserId,
    day: u32,
    permissions: Vec<Permission>,
}

/// What those who are nobody used last when, and whether that is still to be written.
#[derive(Default)]
struct Others(BTreeMap<Permission, (u32, bool)>);

impl Others {
    fn knows(&self, permission: &Permission, day: u32) -> bool {
        self.0.get(permission).is_some_and(|(last, _)| *last >= day)
    }

    /// Notes a use; `false` where there is no room.
    fn note(&mut self, permission: &Permission, day: u32) -> bool {
        if self.0.len() >= MAX_NAMES && !self.0.contains_key(permission) {
            return false;
        }
        self.0.insert(permission.clone(), (day, true));
        true
    }
}

struct Shared {
    ledger: Ledger,
    clock: Clock,
    organisation: OrganisationId,
    shards: Vec<RwLock<Shard>>,
    others: RwLock<Others>,
    /// How many uses found no room since that was last written down.
    missed: AtomicU64,
    /// One round at a time.
    round: tokio::sync::Mutex<()>,
}

/// The uses of rights in one organisation. Cloning shares them.
#[derive(Clone)]
pub struct Uses(Arc<Shared>);

impl Uses {
    /// The uses behind this ledger.
    pub fn new(ledger: Ledger, clock: Clock, organisation: OrganisationId) -> Self {
        let shards = std::iter::repeat_with(RwLock::default).take(SHARDS).collect();
        let (missed, round) = (AtomicU64::new(0), tokio::sync::Mutex::new(()));
        let others = RwLock::default();
        Self(Arc::new(Shared { ledger, clock, organisation, shards, others, missed, round }))
    }

    fn shard(&self, user: UserId) -> Option<&RwLock<Shard>> {
        let [.., last] = user.as_bytes();
        self.0.shards.get(usize::from(*last) % SHARDS)
    }

    /// Notes that somebody used a permission.
    pub(super) fn note(&self, user: UserId, permission: &Permission, now: Timestamp) {
        let day = day_of(now);
        let Some(shard) = self.shard(user) else { return };
        let look = shard.read().unwrap_or_else(PoisonError::into_inner).look(user, permission, day);
        let is_noted = match look {
            Look::Known => true,
            Look::Full => false,
            Look::New => shard.write().unwrap_or_else(PoisonError::into_inner).note(user, permission, day),
        };
        if !is_noted {
            self.0.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that an administrator of the machine, or a token of nobody, used a permission.
    fn note_other(&self, permission: &Permission, now: Timestamp) {
        let day = day_of(now);
        if self.0.others.read().unwrap_or_else(PoisonError::into_inner).knows(permission, day) {
            return;
        }
        if !self.0.others.write().unwrap_or_else(PoisonError::into_inner).note(permission, day) {
            self.0.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets what somebody used, inside a change that hands the account over.
    pub fn forget_in(&self, change: &mut Change, user: UserId) {
        self.forget(user);
        self.delete_in(change, user);
    }

    /// Deletes what was written of somebody, inside a change that ends the account. What waits is passed over when it is to be
    /// written, and not before: the change may be one that is only tried, or may fail.
    pub fn delete_in(&self, change: &mut Change, user: UserId) {
        change.delete(&USES, self.0.organisation, &user);
    }

    fn forget(&self, user: UserId) {
        if let Some(shard) = self.shard(user) {
            shard.write().unwrap_or_else(PoisonError::into_inner).forget(user);
        }
    }

    /// Says once that recording begins.
    pub(super) async fn begin(&self) -> Result<(), store::Error> {
        let today = day_of(self.0.clock.now());
        let begun = self.0.ledger.retry(|mut change| async move {
            if change.find(&DAYS, self.0.organisation, SINCE).await?.is_none() {
                change.put(&DAYS, self.0.organisation, SINCE, &today)?;
                change.commit_quietly(Housekeeping::LastSeen).await?;
            }
            Ok(())
        });
        begun.await
    }

    /// Since when every use was recorded: the day after the one on which that began, or after the last of which something
    /// was missed. `None` where it never began.
    ///
    /// # Errors
    /// `Store`.
    pub async fn recorded_since(&self) -> Result<Option<Timestamp>, store::Error> {
        let store = self.0.ledger.store();
        let Some(since) = store.find(&DAYS, self.0.organisation, SINCE).await? else { return Ok(None) };
        let missed = match self.0.missed.load(Ordering::Relaxed) {
            0 => store.find(&DAYS, self.0.organisation, MISSED).await?,
            _ => Some(day_of(self.0.clock.now())),
        };
        let last = missed.map_or(since, |missed| missed.max(since));
        Ok(Some(beginning(last.saturating_add(1))))
    }

    /// What people used last when, in their order; what was not written yet is counted in.
    ///
    /// # Errors
    /// `Store`.
    pub async fn of_people(&self, users: &[UserId]) -> Result<Vec<LastUses>, store::Error> {
        let found = self.0.ledger.store().find_many(&USES, self.0.organisation, users).await?;
        let mut told = Vec::with_capacity(users.len());
        for (user, used) in users.iter().zip(found) {
            let mut last = LastUses(used.unwrap_or_default().days);
            if let Some(shard) = self.shard(*user) {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(person) = shard.people.get(user) {
                    shard.named(person).into_iter().for_each(|permission| last.note(permission, person.day));
                }
            }
            told.push(last);
        }
        Ok(told)
    }

    /// The days that are written of these names, in their order.
    async fn find_days(&self, names: &[String]) -> Result<Vec<Option<u32>>, store::Error> {
        let keys: Vec<Vec<u8>> = names.iter().map(|name| DAYS.key(self.0.organisation, name.as_str())).collect();
        let found = self.0.ledger.store().engine().multi_get(&keys).await?;
        let read = |found: Stored| store::decode(DAYS.name(), &found.value);
        found.into_iter().map(|found| found.map(read).transpose()).collect()
    }

    /// What anybody used last when of the permissions of a catalogue, people who are gone counted in.
    ///
    /// # Errors
    /// `Store`.
    pub async fn of_anybody(&self, catalogue: &Catalogue) -> Result<LastUses, store::Error> {
        let permissions: Vec<Permission> = catalogue.iter().collect();
        let names: Vec<String> = permissions.iter().map(ToString::to_string).collect();
        let found = self.find_days(&names).await?;
        let mut last = LastUses::default();
        for (permission, day) in permissions.into_iter().zip(found) {
            day.into_iter().for_each(|day| last.note(permission.clone(), day));
        }
        for shard in &self.0.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            for (permission, day) in shard.names.iter().zip(shard.days()) {
                day.into_iter().for_each(|day| last.note(permission.clone(), day));
            }
        }
        Ok(last)
    }

    /// When the day began on which a permission was last used by whomsoever, administrators of the machine and tokens of
    /// nobody among them. `None` where it never was.
    ///
    /// # Errors
    /// `Store`.
    pub async fn last(&self, permission: &Permission) -> Result<Option<Timestamp>, store::Error> {
        let names = [permission.to_string(), format!("{OTHERS}{permission}")];
        let found = self.find_days(&names).await?;
        let kept = found.into_iter().flatten().max();
        let noted = self.0.shards.iter().filter_map(|shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.day(permission)
        });
        let noted = noted.max();
        let others = self.0.others.read().unwrap_or_else(PoisonError::into_inner);
        let others = others.0.get(permission).map(|(day, _)| *day);
        Ok([kept, noted, others].into_iter().flatten().max().map(beginning))
    }

    /// Writes what is new. What could not be written waits for the next round.
    async fn keep(&self, catalogue: &Catalogue, memberships: &dyn Memberships) -> Result<usize, store::Error> {
        let _round = self.0.round.lock().await;
        let today = day_of(self.0.clock.now());
        let mut kept: Result<usize, store::Error> = Ok(0);
        for shard in &self.0.shards {
            kept = match kept {
                Ok(kept) => self.keep_part(shard, catalogue, memberships).await.map(|more| kept.saturating_add(more)),
                failed @ Err(_) => failed,
            };
            shard.write().unwrap_or_else(PoisonError::into_inner).tidy(today);
        }
        let kept = kept?;
        self.keep_others(catalogue).await?;
        self.tell_missed(today).await?;
        Ok(kept)
    }

    /// Makes room where nothing can be written.
    async fn tidy(&self) {
        let _round = self.0.round.lock().await;
        let today = day_of(self.0.clock.now());
        for shard in &self.0.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).tidy(today);
        }
    }

    /// Writes what is new in a part of the memory; of how many people.
    async fn keep_part(
        &self,
        shard: &RwLock<Shard>,
        catalogue: &Catalogue,
        memberships: &dyn Memberships,
    ) -> Result<usize, store::Error> {
        let due = shard.write().unwrap_or_else(PoisonError::into_inner).take();
        let mut batches = due.chunks(BATCH);
        while let Some(batch) = batches.next() {
            if let Err(error) = self.write(batch, catalogue, memberships).await {
                let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
                let rest = batch.iter().chain(batches.flatten());
                let lost = rest.filter(|due| !shard.give_back(due)).count();
                self.0.missed.fetch_add(u64::try_from(lost).unwrap_or(u64::MAX), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(due.len())
    }

    async fn keep_others(&self, catalogue: &Catalogue) -> Result<(), store::Error> {
        let due: Vec<(Permission, u32)> = {
            let others = self.0.others.read().unwrap_or_else(PoisonError::into_inner);
            let due = others.0.iter().filter(|(_, (_, is_due))| *is_due);
            due.map(|(permission, (day, _))| (permission.clone(), *day)).collect()
        };
        let known: Vec<&(Permission, u32)> = due.iter().filter(|(known, _)| catalogue.contains(known)).collect();
        for batch in known.chunks(BATCH) {
            let mut change = self.0.ledger.change();
            for (permission, day) in batch {
                change.put(&DAYS, self.0.organisation, &*format!("{OTHERS}{permission}"), day)?;
            }
            change.commit_quietly(Housekeeping::LastSeen).await?;
        }
        let mut others = self.0.others.write().unwrap_or_else(PoisonError::into_inner);
        for (permission, day) in &due {
            if let Some((last, is_due)) = others.0.get_mut(permission) {
                *is_due = last != day;
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        batch: &[Due],
        catalogue: &Catalogue,
        memberships: &dyn Memberships,
    ) -> Result<(), store::Error> {
        let (ledger, organisation) = (&self.0.ledger, self.0.organisation);
        let made = ledger.retry(|mut change| async move {
            let (mut made, mut days) = (Vec::new(), BTreeMap::new());
            for Due { user, day, permissions } in batch {
                let before = change.find(&USES, organisation, user).await?;
                let is_new = before.is_none();
                let mut last = LastUses(before.clone().unwrap_or_default().days);
                last.0.retain(|permission, _| catalogue.contains(permission));
                for permission in permissions.iter().filter(|permission| catalogue.contains(permission)) {
                    last.note(permission.clone(), *day);
                    let kept: &mut u32 = days.entry(permission.to_string()).or_default();
                    *kept = (*day).max(*kept);
                }
                let after = Used { days: last.0 };
                if before.as_ref() == Some(&after) || after.days.is_empty() {
                    continue;
                }
                if is_new {
                    if is_gone(memberships, *user).await? {
                        self.forget(*user);
                        continue;
                    }
                    made.push(*user);
                }
                change.put(&USES, organisation, user, &after)?;
            }
            for (permission, day) in &days {
                let kept = change.find(&DAYS, organisation, permission.as_str()).await?;
                if kept.is_none_or(|kept| kept < *day) {
                    change.put(&DAYS, organisation, permission.as_str(), day)?;
                }
            }
            if !change.is_empty() {
                change.commit_quietly(Housekeeping::LastSeen).await?;
            }
            Ok::<_, store::Error>(made)
        });
        // A row that was there is looked at by the commit. Of one that is new, the account may have gone meanwhile.
        for user in made.await? {
            if is_gone(memberships, user).await? {
                let mut change = ledger.change();
                self.forget_in(&mut change, user);
                change.commit_quietly(Housekeeping::LastSeen).await?;
            }
        }
        Ok(())
    }

    /// Writes down that not everything was seen today.
    async fn tell_missed(&self, today: u32) -> Result<(), store::Error> {
        let missed = self.0.missed.load(Ordering::Relaxed);
        if missed == 0 {
            return Ok(());
        }
        tracing::warn!(
            missed,
            "{missed} uses of rights were not recorded: more people act at once than are remembered"
        );
        let mut change = self.0.ledger.change();
        change.put(&DAYS, self.0.organisation, MISSED, &today)?;
        change.commit_quietly(Housekeeping::LastSeen).await?;
        self.0.missed.fetch_sub(missed, Ordering::Relaxed);
        Ok(())
    }
}

async fn is_gone(memberships: &dyn Memberships, user: UserId) -> Result<bool, store::Error> {
    Ok(memberships.standing(user).await?.is_none_or(|member| member.status == Status::Tombstone))
}

impl Access {
    /// The uses of rights.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Writes which rights were used since the last round; of how many people. Those that were not written wait.
    ///
    /// # Errors
    /// `Store`.
    pub async fn keep_uses(&self) -> Result<usize, Error> {
        if !self.ledger.store().engine().health().writable {
            self.uses.tidy().await;
            return Ok(0);
        }
        let roles = self.roles();
        Ok(self.uses.keep(roles.catalogue(), &*self.memberships).await?)
    }

    /// Notes that an actor used a permission that it was let use by [`Acting::may`](super::Acting::may), where that was no
    /// question but what the request needs: the one for whom it acts and the one by whose rights.
    pub fn note_use(&self, actor: &Actor, permission: &Permission) {
        self.note_use_at(actor, permission, self.now());
    }

    pub(super) fn note_use_at(&self, actor: &Actor, permission: &Permission, now: Timestamp) {
        let people = match actor {
            Actor::User { id, .. } => [Some(*id), None],
            Actor::Local { .. } | Actor::Token { user: None, maker: None, .. } => {
                return self.uses.note_other(permission, now);
            }
            Actor::Token { user, maker, .. } => [*user, *maker],
            Actor::Anonymous | Actor::Connection { .. } | Actor::System { .. } => return,
        };
        people.into_iter().flatten().for_each(|user| self.uses.note(user, permission, now));
    }

    /// Notes that somebody used a permission in an application, which was told yes for a moment of today.
    pub fn note_use_by(&self, user: UserId, permission: &Permission, at: Timestamp) {
        let now = self.now();
        if day_of(at) == day_of(now) {
            self.uses.note(user, permission, now);
        }
    }
}

#[cfg(test)]
mod tests;
