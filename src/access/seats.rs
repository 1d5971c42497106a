//! Seats: how many people have which type of license.
//!
//! Somebody's type is the role that gives most of those that they hold in the whole organisation, their own before those of
//! groups; how many seats it takes, the role says. Who is not active has none, and nobody who is kept from signing in.
//!
//! The seat of each person is a row, the sums are kept counters. A commit that writes an account, a grant or a membership
//! notes in the same commit whose seat is due; [`Access::settle_seats`] looks at these again. Whoever takes a seat by the
//! management surface holds the turn, settles, looks at the sums and writes: so the last seat is taken once. What
//! sources bring is not held up here; more seats than the limit are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minicbor::{Decode, Encode};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::candidates::Candidates;
use super::grants::{GRANTS, Holder};
use super::policy::Held;
use super::{Access, Census, Error, Overlay, Permit, RoleBook, RoleKind, Subjects};
use crate::audit::{EventKind, Follow, Housekeeping, Ledger};
use crate::clock::Timestamp;
use crate::model::{GroupId, OrganisationId, Permission, RoleId, Status, Subject, UserId};
use crate::store::{self, Range, Table, Write};

/// Seats by user.
const SEATS: Table<UserId, Seat> = Table::new(0x1e, "seats");
/// Whose seat is to be looked at again; a group stands for everybody in it.
const DUE: Table<Holder, ()> = Table::new(0x2b, "seats due");
/// Kept sums: `seats`, `seats ROLE`, `people ROLE`.
const SUMS: Table<str, i64> = Table::new(0x2a, "seat sums");

/// Seats that are looked at in one commit.
const BATCH: usize = 200;
/// Most people whose seats one change may concern, where there is a limit.
const MAX_PEOPLE: usize = 20_000;

/// What one person takes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Seat {
    /// The type.
    #[n(0)]
    role: RoleId,
    /// How many seats it takes; 0 of a type that is not licensed.
    #[n(1)]
    seats: u32,
}

/// How many there may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeatLimits {
    /// Seats in all.
    pub total: Option<u64>,
    /// Seats of a role.
    pub types: BTreeMap<RoleId, u64>,
}

/// How many of one type there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatCount {
    /// The type.
    pub role: RoleId,
    /// Active people of it.
    pub people: u64,
    /// Seats that they take.
    pub seats: u64,
    /// How many there may be.
    pub limit: Option<u64>,
}

/// The seats of the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatReport {
    /// Seats taken.
    pub used: u64,
    /// How many there may be.
    pub limit: Option<u64>,
    /// By type.
    pub types: Vec<SeatCount>,
}

impl SeatReport {
    /// Whether there are more than there may be.
    pub fn is_over(&self) -> bool {
        let over = |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used > limit);
        over(self.used, self.limit) || self.types.iter().any(|count| over(count.seats, count.limit))
    }
}

/// Kept until what takes a seat is written.
#[derive(Debug)]
pub struct SeatClaim {
    _turn: OwnedMutexGuard<()>,
}

/// The counting of one organisation.
#[derive(Clone)]
pub(super) struct Counting {
    limits: Arc<SeatLimits>,
    claims: Arc<Mutex<()>>,
    settling: Arc<Mutex<()>>,
}

/// Whose seat a commit makes due, by the keys of its rows.
struct Watch {
    organisation: OrganisationId,
    users: Vec<u8>,
    member_of: Vec<u8>,
    grants: Vec<u8>,
}

impl Watch {
    fn concerned(&self, key: &[u8]) -> Option<Subject> {
        let user = |rest: &[u8]| Some(Subject::User(UserId::from_bytes(*rest.first_chunk::<16>()?)));
        let group = |rest: &[u8]| Some(Subject::Group(GroupId::from_bytes(*rest.first_chunk::<16>()?)));
        if let Some(rest) = key.strip_prefix(self.users.as_slice()) {
            return user(rest);
        }
        let (is_grant, rest) = match key.strip_prefix(self.grants.as_slice()) {
            Some(rest) => (true, rest),
            None => (false, key.strip_prefix(self.member_of.as_slice())?),
        };
        let (kind, rest) = rest.split_first()?;
        match (is_grant, kind) {
            (true, 0) | (false, 1) => group(rest),
            (true, 1) | (false, 2) => user(rest),
            _ => None,
        }
    }
}

impl Follow for Watch {
    fn follow(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<Vec<Write>, store::Error> {
        let due: BTreeSet<Vec<u8>> = keys
            .filter_map(|key| self.concerned(key))
            .map(|subject| DUE.key(self.organisation, &Holder(subject)))
            .collect();
        let value = store::encode(DUE.name(), &())?;
        Ok(due.into_iter().map(|key| Write::Put { key, value: value.clone(), expires: None }).collect())
    }
}

/// What somebody active takes who holds these.
fn seat(held: &[Held], book: &RoleBook, now: Timestamp) -> Option<Seat> {
    let sign_in: Permission = "account:sign-in".parse().ok()?;
    let mut most: Option<(bool, usize, &RoleId, u32)> = None;
    for Held { grant, groups } in held {
        let holds = grant.starts.is_none_or(|starts| starts <= now) && grant.ends.is_none_or(|ends| ends > now);
        if grant.scope.is_some() || !holds {
            continue;
        }
        // Who holds what is not defined is denied everything.
        let entry = book.find(&grant.role)?;
        if book.denied(&grant.role).any(|denied| denied == sign_in) {
            return None;
        }
        if entry.kind == RoleKind::Flag {
            continue;
        }
        let rights = book.rights(&grant.role).map_or(0, Iterator::count);
        most = most.max(Some((groups.is_empty(), rights, &entry.role.id, entry.seat)));
    }
    most.map(|(_, _, role, seats)| Seat { role: role.clone(), seats })
}

impl Access {
    /// The same with seats counted, up to these limits. `users` and `member_of` are how the keys of accounts, and of what
    /// somebody is a member of, begin.
    #[must_use]
    pub fn with_seats(mut self, limits: SeatLimits, users: Vec<u8>, member_of: Vec<u8>) -> Self {
        let grants = GRANTS.prefix(self.organisation, &());
        let watch = Watch { organisation: self.organisation, users, member_of, grants };
        Ledger::follow(&self.ledger, Arc::new(watch));
        let counting = Counting { limits: Arc::new(limits), claims: Arc::default(), settling: Arc::default() };
        self.counting = Some(counting);
        self
    }

    /// The seats as they are counted; `None` when nobody counts.
    ///
    /// # Errors
    /// `Store`.
    pub async fn seats(&self) -> Result<Option<SeatReport>, Error> {
        let Some(Counting { limits, .. }) = &self.counting else { return Ok(None) };
        self.settle_seats().await?;
        let mut types = Vec::new();
        for entry in self.roles().iter().filter(|entry| entry.kind != RoleKind::Flag) {
            let role = entry.role.id.clone();
            let (people, seats) =
                (self.sum(&format!("people {role}")).await?, self.sum(&format!("seats {role}")).await?);
            let limit = limits.types.get(&role).copied();
            if people > 0 || limit.is_some() {
                types.push(SeatCount { role, people, seats, limit });
            }
        }
        Ok(Some(SeatReport { used: self.sum("seats").await?, limit: limits.total, types }))
    }

    async fn sum(&self, name: &str) -> Result<u64, store::Error> {
        let sum = store::counter(self.ledger.store(), &SUMS.key(self.organisation, name)).await?;
        Ok(u64::try_from(sum).unwrap_or(0))
    }

    /// Looks again at everybody whose seat is due.
    ///
    /// # Errors
    /// `Store`.
    pub async fn settle_seats(&self) -> Result<(), Error> {
        let Some(counting) = &self.counting else { return Ok(()) };
        let _turn = counting.settling.lock().await;
        self.settle_due().await
    }

    async fn settle_due(&self) -> Result<(), Error> {
        loop {
            let range = Range::prefix(DUE.prefix(self.organisation, &()), BATCH);
            let rows = self.ledger.store().range(range).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut users = Vec::new();
            for (key, _) in &rows {
                match key.last_chunk::<17>().map(|tail| tail.split_first()) {
                    Some(Some((1, id))) => users.extend(id.first_chunk::<16>().map(|id| UserId::from_bytes(*id))),
                    Some(Some((0, id))) => {
                        if let Some(id) = id.first_chunk::<16>() {
                            self.settle_group(GroupId::from_bytes(*id)).await?;
                        }
                    }
                    _ => {
                        let reason = "a key without a holder".to_owned();
                        return Err(store::Error::Corrupt { table: DUE.name(), reason }.into());
                    }
                }
            }
            self.settle_users(&users).await?;
            tokio::task::yield_now().await;
        }
    }

    /// Makes the rows of these people what they should be; how many were not.
    async fn settle_users(&self, users: &[UserId]) -> Result<u64, Error> {
        self.ledger
            .retry(|mut change| async move {
                let mut changed = 0;
                for user in users {
                    let due = Holder(Subject::User(*user));
                    // Read before the standing: what is written from now on makes it due again, and this commit fail.
                    let is_due = change.find(&DUE, self.organisation, &due).await?.is_some();
                    let before = change.find(&SEATS, self.organisation, user).await?;
                    let after = self.seat_of(*user).await?;
                    if is_due {
                        change.delete(&DUE, self.organisation, &due);
                    }
                    if before == after {
                        continue;
                    }
                    changed += 1;
                    for (seat, sign) in [(&before, -1), (&after, 1)] {
                        let Some(Seat { role, seats }) = seat else { continue };
                        let seats = i64::from(*seats) * sign;
                        change.add(&SUMS, self.organisation, "seats", seats);
                        change.add(&SUMS, self.organisation, &*format!("seats {role}"), seats);
                        change.add(&SUMS, self.organisation, &*format!("people {role}"), sign);
                    }
                    match &after {
                        Some(seat) => change.put(&SEATS, self.organisation, user, seat)?,
                        None => change.delete(&SEATS, self.organisation, user),
                    }
                }
                if !change.is_empty() {
                    change.commit_quietly(Housekeeping::Seats).await?;
                }
                Ok::<_, Error>(changed)
            })
            .await
    }

    async fn seat_of(&self, user: UserId) -> Result<Option<Seat>, Error> {
        match self.prepared(user).await {
            Ok(prepared) if prepared.standing().status == Status::Active => {
                Ok(seat(&prepared.standing().held, prepared.roles(), self.now()))
            }
            Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn settle_group(&self, group: GroupId) -> Result<(), Error> {
        self.ledger
            .retry(|mut change| async move {
                let due = Holder(Subject::Group(group));
                if change.find(&DUE, self.organisation, &due).await?.is_none() {
                    return Ok(());
                }
                let users = self.users_below(vec![group], usize::MAX).await?.unwrap_or_default();
                let users: Vec<UserId> = users.into_iter().collect();
                for batch in users.chunks(BATCH) {
                    self.settle_users(batch).await?;
                }
                change.delete(&DUE, self.organisation, &due);
                change.commit_quietly(Housekeeping::Seats).await?;
                Ok::<_, Error>(())
            })
            .await
    }

    /// Everybody in groups, nested ones included, of which each is looked at once; `None` where there are more than `limit`
    /// people or groups.
    pub(super) async fn users_below(
        &self,
        mut waiting: Vec<GroupId>,
        limit: usize,
    ) -> Result<Option<BTreeSet<UserId>>, Error> {
        let Some(census) = self.census() else { return Ok(Some(BTreeSet::new())) };
        let census: &dyn Census = &*census;
        let (mut users, mut known) = (BTreeSet::new(), waiting.iter().copied().collect::<BTreeSet<_>>());
        while let Some(group) = waiting.pop() {
            let nested = census.nested(group).await?;
            waiting.extend(nested.into_iter().filter(|nested| known.insert(*nested)));
            if known.len() > limit {
                return Ok(None);
            }
            let mut after = None;
            loop {
                let page = census.users_in(group, after, BATCH).await?;
                after = page.last().copied();
                let is_last = page.len() < BATCH;
                users.extend(page);
                if users.len() > limit {
                    return Ok(None);
                }
                if is_last {
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(Some(users))
    }

    /// Counts everybody anew, and mends what is not right, with an event. How many rows were wrong.
    ///
    /// # Errors
    /// `Store`.
    pub async fn recount_seats(&self, permit: &Permit) -> Result<u64, Error> {
        let Some(counting) = &self.counting else { return Ok(0) };
        let _turn = counting.settling.lock().await;
        self.settle_due().await?;
        let mut wrong = 0;
        let everything = self.roles().iter().map(|entry| entry.role.id.clone()).collect();
        let mut candidates = Candidates::of(self, everything, None).await?;
        loop {
            let batch = candidates.next().await?;
            if batch.is_empty() {
                break;
            }
            for batch in batch.chunks(BATCH) {
                wrong += self.settle_users(batch).await?;
            }
        }
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        let mut range = Range::prefix(SEATS.prefix(self.organisation, &()), BATCH);
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            let mut users = Vec::with_capacity(rows.len());
            for (key, _) in &rows {
                users.extend(key.last_chunk::<16>().map(|id| UserId::from_bytes(*id)));
            }
            wrong += self.settle_users(&users).await?;
            for seat in self.ledger.store().find_many(&SEATS, self.organisation, &users).await?.into_iter().flatten() {
                *sums.entry("seats".to_owned()).or_default() += i64::from(seat.seats);
                *sums.entry(format!("seats {}", seat.role)).or_default() += i64::from(seat.seats);
                *sums.entry(format!("people {}", seat.role)).or_default() += 1;
            }
            match rows.last() {
                Some((key, _)) if rows.len() >= BATCH => range = range.after(key),
                _ => break,
            }
        }
        let roles = self.roles();
        let names = roles.iter().flat_map(|entry| ["seats", "people"].map(|word| format!("{word} {}", entry.role.id)));
        for name in names.chain(["seats".to_owned()]) {
            sums.entry(name).or_default();
        }
        wrong += self.mend_sums(permit, &sums, wrong).await?;
        Ok(wrong)
    }

    /// Makes the sums those of the rows, and tells of what was wrong.
    async fn mend_sums(&self, permit: &Permit, sums: &BTreeMap<String, i64>, rows: u64) -> Result<u64, Error> {
        self.ledger
            .retry(|mut change| async move {
                let mut wrong = 0;
                for (name, sum) in sums {
                    change.hold(&SUMS, self.organisation, name.as_str()).await?;
                    let kept = store::counter(self.ledger.store(), &SUMS.key(self.organisation, name.as_str())).await?;
                    if kept != *sum {
                        wrong += 1;
                        change.add(&SUMS, self.organisation, name.as_str(), sum.saturating_sub(kept));
                    }
                }
                if wrong > 0 || rows > 0 {
                    let event = permit.event(self.now(), EventKind::SeatsCorrected);
                    change.commit(event.detail("people", rows).detail("sums", wrong)).await?;
                }
                Ok::<_, Error>(wrong)
            })
            .await
    }

    /// Refuses a change by which more seats would be taken than there may be. What is returned is kept until the change is
    /// committed.
    ///
    /// # Errors
    /// `SeatLimit`; `Conflict` when it concerns too many people to look at; `Store`.
    pub async fn claim_seats(&self, overlay: &Overlay) -> Result<Option<SeatClaim>, Error> {
        let Some(Counting { limits, claims, .. }) = &self.counting else { return Ok(None) };
        let Some(subjects) = self.subjects.clone().filter(|_| **limits != SeatLimits::default()) else {
            return Ok(None);
        };
        // What leaves nobody with a seat waits for nobody. What somebody has now may not be counted yet.
        if !self.more_seats(&*subjects, overlay, false).await?.values().any(|more| *more > 0) {
            return Ok(None);
        }
        let turn = Arc::clone(claims).lock_owned().await;
        self.settle_seats().await?;
        let more = self.more_seats(&*subjects, overlay, true).await?;
        for (role, more) in more {
            let (limit, name, what) = match &role {
                None => (limits.total, "seats".to_owned(), "seats".to_owned()),
                Some(role) => (limits.types.get(role).copied(), format!("seats {role}"), format!("seats of `{role}`")),
            };
            let (Some(limit), Ok(more)) = (limit, u64::try_from(more)) else { continue };
            let used = self.sum(&name).await?;
            if more > 0 && used.saturating_add(more) > limit {
                let detail = format!("{used} of {limit} {what} are taken, and this takes {more} more");
                return Err(Error::SeatLimit { detail });
            }
        }
        Ok(Some(SeatClaim { _turn: turn }))
    }

    /// How many seats more a change takes, of each role and in all, or how many those whom it concerns have after it.
    async fn more_seats(
        &self,
        subjects: &dyn Subjects,
        overlay: &Overlay,
        is_difference: bool,
    ) -> Result<BTreeMap<Option<RoleId>, i64>, Error> {
        let roles = overlay.roles.clone().unwrap_or_else(|| self.roles());
        // Accounts that are not made yet are one user, by as many names as there will be of them.
        let is_new = |(subject, _): &&(Subject, _)| *subject == Subject::User(Overlay::nobody());
        let times = i64::try_from(overlay.named.iter().filter(is_new).count().max(1)).unwrap_or(i64::MAX);
        let mut more: BTreeMap<Option<RoleId>, i64> = BTreeMap::new();
        for user in self.concerned(overlay).await? {
            let member = subjects.member(user, overlay).await?.filter(|member| member.status == Status::Active);
            let before = match is_difference {
                true => self.ledger.store().find(&SEATS, self.organisation, &user).await?,
                false => None,
            };
            let after = match member {
                Some(member) => {
                    let standing = self.standing_over(user, Status::Active, &member.groups, overlay).await?;
                    seat(&standing.held, &roles, self.now())
                }
                None => None,
            };
            let times = if user == Overlay::nobody() { times } else { 1 };
            for (seat, sign) in [(before, -1), (after, 1)] {
                let Some(Seat { role, seats }) = seat else { continue };
                let seats = i64::from(seats).saturating_mul(sign).saturating_mul(times);
                for place in [Some(role), None] {
                    *more.entry(place).or_default() += seats;
                }
            }
        }
        Ok(more)
    }

    /// Whose seat a change may concern.
    async fn concerned(&self, overlay: &Overlay) -> Result<BTreeSet<UserId>, Error> {
        let mut subjects: Vec<Subject> = overlay.given.iter().map(|grant| grant.subject).collect();
        subjects.extend(overlay.joined.iter().chain(&overlay.left).map(|(subject, _)| *subject));
        subjects.extend(overlay.status.iter().map(|(user, _)| Subject::User(*user)));
        for id in &overlay.ended {
            subjects.extend(self.grants().find(*id).await?.map(|grant| grant.subject));
        }
        let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for subject in subjects {
            match subject {
                Subject::User(user) => users.insert(user),
                Subject::Group(group) => groups.insert(group),
            };
        }
        let below = self.users_below(groups.into_iter().collect(), MAX_PEOPLE).await?;
        let below = below.filter(|below| users.len().saturating_add(below.len()) <= MAX_PEOPLE);
        let Some(below) = below else {
            let detail = format!("this concerns the seats of more than {MAX_PEOPLE} people; do it in parts");
            return Err(Error::Conflict { field: None, detail });
        };
        users.extend(below);
        Ok(users)
    }
}
