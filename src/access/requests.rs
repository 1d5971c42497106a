//! Access requests: somebody asks for a role, and whoever may give it gives it or says no.
//!
//! A request gives nothing. Approving one makes the grant by the same way as any other, in the same commit, by the rights of
//! who approves. What is asked for need not exist: whoever may not read roles learns nothing from the answer. Requests end by
//! themselves after a month, with the account, and by being withdrawn; what was decided is kept for a while to look back at.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::policy::Question;
use super::{Access, Acting, Error, NewGrant, Permit};
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{Actor, Circumstance, Grant, GrantId, Id, Mode, OrganisationId, RoleId, Scope, Subject, UserId};
use crate::store::{self, Range, Row, Table, decode};

/// Marks [`AccessRequestId`].
#[derive(Debug)]
pub enum AccessRequestKind {}
/// Id of an access request.
pub type AccessRequestId = Id<AccessRequestKind>;

/// Requests, in the order in which they were made.
const REQUESTS: Table<AccessRequestId, AccessRequest> = Table::new(0x77, "access requests");
/// What each person asked for lately.
const ASKED: Table<UserId, Asked> = Table::new(0x78, "access requests of people");

/// Most requests of one person that wait at a time.
pub const MAX_OPEN_REQUESTS: usize = 10;
/// Most requests that one person makes within a day, withdrawn ones counted.
pub const MAX_REQUESTS_A_DAY: usize = 20;
/// Most requests of one person that are remembered, those that wait among them.
const MAX_REMEMBERED: usize = 50;
/// Most characters of a reason.
const MAX_REASON: usize = 500;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a request waits.
const LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a request is kept, from when it was made.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AccessRequestState {
    /// It waits.
    #[n(0)]
    Open,
    /// The role was given.
    #[n(1)]
    Approved,
    /// Somebody said no.
    #[n(2)]
    Refused,
    /// The one who asked took it back.
    #[n(3)]
    Withdrawn,
}

/// A request as kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AccessRequest {
    /// Who asks.
    #[n(0)]
    pub user: UserId,
    /// For what; there may be no such role.
    #[n(1)]
    pub role: RoleId,
    /// Where; in the whole organisation without one.
    #[n(2)]
    pub scope: Option<Scope>,
    /// Why, as they say; may be empty.
    #[n(3)]
    pub reason: String,
    /// Until when they want it; for good without one.
    #[n(4)]
    pub until: Option<Timestamp>,
    /// When it was made.
    #[n(5)]
    pub created: Timestamp,
    /// How far it has come.
    #[n(6)]
    pub state: AccessRequestState,
    /// When it was decided or withdrawn.
    #[n(7)]
    pub decided: Option<Timestamp>,
    /// Who did that, as [`Actor`] prints.
    #[n(8)]
    pub decided_by: Option<String>,
    /// Why it was refused.
    #[n(9)]
    pub answer: Option<String>,
    /// The grant that came of it.
    #[n(10)]
    pub grant: Option<GrantId>,
}

impl AccessRequest {
    /// Until when it waits.
    pub fn expires(&self) -> Timestamp {
        self.created.plus(LASTS)
    }

    /// `open`, `expired`, `approved`, `refused` or `withdrawn`.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.state {
            AccessRequestState::Open if now >= self.expires() => "expired",
            AccessRequestState::Open => "open",
            AccessRequestState::Approved => "approved",
            AccessRequestState::Refused => "refused",
            AccessRequestState::Withdrawn => "withdrawn",
        }
    }

    /// Refuses one that does not wait any more.
    ///
    /// # Errors
    /// `Conflict`, with what became of it.
    pub fn check_open(&self, now: Timestamp) -> Result<(), Error> {
        match self.status(now) {
            "open" => Ok(()),
            status => Err(Error::Conflict { field: None, detail: format!("the request is {status}") }),
        }
    }

    /// The grant that it asks for.
    pub fn wanted(&self) -> NewGrant {
        NewGrant {
            subject: Subject::User(self.user),
            role: self.role.clone(),
            scope: self.scope.clone(),
            mode: Mode::Add,
            reason: self.reason.clone(),
            starts: None,
            ends: self.until,
        }
    }
}

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which role.
    pub role: RoleId,
    /// Where; in the whole organisation without one.
    pub scope: Option<Scope>,
    /// Why, at most 500 characters; may be empty.
    pub reason: String,
    /// Until when; for good without one.
    pub until: Option<Timestamp>,
}

impl Wish {
    fn check(&self, now: Timestamp) -> Result<(), Error> {
        check_reason(&self.reason)?;
        match self.until {
            Some(until) if until <= now => {
                Err(Error::Invalid { field: "until", reason: "must lie in the future".to_owned() })
            }
            _ => Ok(()),
        }
    }
}

fn check_reason(reason: &str) -> Result<(), Error> {
    if reason.chars().count() <= MAX_REASON {
        return Ok(());
    }
    Err(Error::Invalid { field: "reason", reason: format!("must have at most {MAX_REASON} characters") })
}

/// What somebody asked for lately: bounded, so that it is one row, which each request of theirs changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Asked {
    #[n(0)]
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Entry {
    #[n(0)]
    id: AccessRequestId,
    #[n(1)]
    role: RoleId,
    #[n(2)]
    scope: Option<Scope>,
    #[n(3)]
    created: Timestamp,
    /// Whether nothing was decided.
    #[n(4)]
    waits: bool,
}

impl Entry {
    fn is_open(&self, now: Timestamp) -> bool {
        self.waits && now < self.created.plus(LASTS)
    }
}

impl Asked {
    /// Refuses what would be too much, or the same again.
    fn check(&self, wish: &Wish, now: Timestamp) -> Result<(), Error> {
        let refused = |field, detail: String| Err(Error::Conflict { field, detail });
        let mut open = self.entries.iter().filter(|entry| entry.is_open(now));
        if open.any(|entry| entry.role == wish.role && entry.scope == wish.scope) {
            return refused(Some("role"), "you have asked for this, and it was not decided yet".to_owned());
        }
        if self.entries.iter().filter(|entry| entry.is_open(now)).count() >= MAX_OPEN_REQUESTS {
            let detail = format!("{MAX_OPEN_REQUESTS} of your requests wait; withdraw one of them first");
            return refused(None, detail);
        }
        let lately = self.entries.iter().filter(|entry| now.since(entry.created) < DAY).count();
        if lately >= MAX_REQUESTS_A_DAY {
            let detail = format!("you have asked {MAX_REQUESTS_A_DAY} times within a day; ask again tomorrow");
            return refused(None, detail);
        }
        Ok(())
    }

    /// Adds one; gives those for which there is no room any more.
    fn remember(&mut self, entry: Entry, now: Timestamp) -> Vec<AccessRequestId> {
        self.entries.retain(|entry| now < entry.created.plus(KEPT));
        self.entries.push(entry);
        let mut over = Vec::new();
        while self.entries.len() > MAX_REMEMBERED {
            let Some(oldest) = self.entries.iter().position(|entry| !entry.is_open(now)) else { break };
            over.push(self.entries.remove(oldest).id);
        }
        over
    }
}

impl Acting {
    /// Whether the actor could give this: [`Access::permit_grant`] asks the same, and records a no.
    pub fn could_give(&self, new: &NewGrant) -> bool {
        let (scope, later) = (new.scope.as_ref(), self.later(new.ends));
        let Some(mut rights) = self.roles().rights(&new.role) else { return false };
        rights.all(|(right, _)| {
            let question = Question::new(&right).within(scope);
            std::iter::once(self).chain(&later).all(|acting| acting.lacks(&question).is_none())
        })
    }
}

/// Removes what an account asked for, inside a change that ends the account or hands it over.
///
/// # Errors
/// `Store`.
pub async fn forget_requests_in(
    change: &mut Change,
    organisation: OrganisationId,
    user: UserId,
) -> Result<(), store::Error> {
    if let Some(asked) = change.find(&ASKED, organisation, &user).await? {
        for entry in &asked.entries {
            change.delete(&REQUESTS, organisation, &entry.id);
        }
        change.delete(&ASKED, organisation, &user);
    }
    Ok(())
}

impl Access {
    /// Asks for a role on behalf of a user, inside a change that the caller commits with the event; it also holds there what
    /// tells that the user is still who asks.
    ///
    /// # Errors
    /// `Invalid` naming `reason` or `until`; `Conflict` for what they have, have asked for, or too much; `Store`.
    pub async fn ask_in(
        &self,
        change: &mut Change,
        (actor, from): (&Actor, &Circumstance),
        user: UserId,
        wish: &Wish,
    ) -> Result<(AccessRequestId, AccessRequest, Event), Error> {
        let (now, organisation) = (self.now(), self.organisation);
        wish.check(now)?;
        let has = |grant: &Grant| {
            let lasts = grant.ends.is_none_or(|ends| wish.until.is_some_and(|until| until <= ends));
            let holds = grant.starts.is_none_or(|starts| starts <= now);
            grant.role == wish.role && grant.scope == wish.scope && lasts && holds
        };
        if self.prepared(user).await?.standing().held.iter().any(|held| has(&held.grant)) {
            return Err(Error::Conflict { field: Some("role"), detail: "you have this already".to_owned() });
        }
        let id = AccessRequestId::new(now, self.grants.ids());
        let request = AccessRequest {
            user,
            role: wish.role.clone(),
            scope: wish.scope.clone(),
            reason: wish.reason.clone(),
            until: wish.until,
            created: now,
            state: AccessRequestState::Open,
            decided: None,
            decided_by: None,
            answer: None,
            grant: None,
        };
        let mut asked = change.find(&ASKED, organisation, &user).await?.unwrap_or_default();
        asked.check(wish, now)?;
        let (role, scope) = (wish.role.clone(), wish.scope.clone());
        for over in asked.remember(Entry { id, role, scope, created: now, waits: true }, now) {
            change.delete(&REQUESTS, organisation, &over);
        }
        let until = Some(now.plus(KEPT));
        change.put_until(&ASKED, organisation, &user, &asked, until)?;
        change.put_until(&REQUESTS, organisation, &id, &request, until)?;
        let permit = Permit::new(actor.clone(), from.clone(), None);
        let event = told(&permit, EventKind::AccessAsked, now, id, &request);
        Ok((id, request, event))
    }

    /// What a user asked for lately, oldest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn requests_of(&self, user: UserId) -> Result<Vec<(AccessRequestId, AccessRequest)>, Error> {
        let store = self.ledger.store();
        let asked = store.find(&ASKED, self.organisation, &user).await?.unwrap_or_default();
        let ids: Vec<AccessRequestId> = asked.entries.iter().map(|entry| entry.id).collect();
        let found = store.find_many(&REQUESTS, self.organisation, &ids).await?;
        Ok(ids.into_iter().zip(found).filter_map(|(id, request)| Some((id, request?))).collect())
    }

    /// At most `limit` requests of everybody, in the order in which they were made, from after `after` on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn requests(
        &self,
        after: Option<AccessRequestId>,
        limit: usize,
    ) -> Result<Vec<(AccessRequestId, AccessRequest)>, Error> {
        let mut range = Range::prefix(REQUESTS.prefix(self.organisation, &()), limit);
        if let Some(after) = after {
            range = range.after(&REQUESTS.key(self.organisation, &after));
        }
        let rows = self.ledger.store().range(range).await?;
        let read = |(key, stored): &Row| {
            let id = AccessRequestId::from_bytes(REQUESTS.suffix(key)?);
            Ok((id, decode(REQUESTS.name(), &stored.value)?))
        };
        rows.iter().map(read).collect()
    }

    /// One request.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_request(&self, id: AccessRequestId) -> Result<Option<AccessRequest>, Error> {
        Ok(self.ledger.store().find(&REQUESTS, self.organisation, &id).await?)
    }

    /// Gives what a request asks for, with the permit that [`Access::permit_grant`] and [`Access::weigh`] gave for it, inside a
    /// change that the caller commits with the event: the grant and the end of the request are one commit.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for one that does not wait any more; as [`Grants::create`](crate::access::Grants::create).
    pub async fn approve_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        id: AccessRequestId,
    ) -> Result<(AccessRequest, Grant, Event), Error> {
        let mut request = self.open_request(change, id).await?;
        let (grant, given) = self.grants.create_in(change, permit, &self.roles(), &request.wanted()).await?;
        change.also(given);
        request.grant = Some(grant.id);
        let event = self.end_request(change, permit, id, &mut request, AccessRequestState::Approved).await?;
        let event = event.detail("grant", grant.id);
        Ok((request, grant, event))
    }

    /// Says no to a request, with the permit of who might have given what it asks for, inside a change that the caller commits
    /// with the event.
    ///
    /// # Errors
    /// `Invalid` naming `reason`; `NotFound`; `Conflict` for one that does not wait any more; `Store`.
    pub async fn refuse_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        id: AccessRequestId,
        reason: &str,
    ) -> Result<(AccessRequest, Event), Error> {
        check_reason(reason)?;
        let mut request = self.open_request(change, id).await?;
        request.answer = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        let event = self.end_request(change, permit, id, &mut request, AccessRequestState::Refused).await?;
        Ok((request, event.detail("answer", reason)))
    }

    /// Takes a user's own request back.
    ///
    /// # Errors
    /// `NotFound`, also for somebody else's; `Conflict` for one that does not wait any more; `Store`.
    pub async fn withdraw_request(
        &self,
        actor: &Actor,
        from: &Circumstance,
        user: UserId,
        id: AccessRequestId,
    ) -> Result<AccessRequest, Error> {
        let permit = &Permit::new(actor.clone(), from.clone(), None);
        self.ledger
            .retry(|mut change| async move {
                let found = change.find(&REQUESTS, self.organisation, &id).await?;
                if found.is_none_or(|request: AccessRequest| request.user != user) {
                    return Err(absent());
                }
                let mut request = self.open_request(&mut change, id).await?;
                let event =
                    self.end_request(&mut change, permit, id, &mut request, AccessRequestState::Withdrawn).await?;
                change.commit(event).await?;
                Ok(request)
            })
            .await
    }

    async fn open_request(&self, change: &mut Change, id: AccessRequestId) -> Result<AccessRequest, Error> {
        let request: AccessRequest = change.find(&REQUESTS, self.organisation, &id).await?.ok_or_else(absent)?;
        request.check_open(self.now())?;
        Ok(request)
    }

    /// Writes how a request ended.
    async fn end_request(
        &self,
        change: &mut Change,
        permit: &Permit,
        id: AccessRequestId,
        request: &mut AccessRequest,
        state: AccessRequestState,
    ) -> Result<Event, Error> {
        let now = self.now();
        request.state = state;
        request.decided = Some(now);
        request.decided_by = Some(permit.actor().to_string());
        let until = Some(request.created.plus(KEPT));
        change.put_until(&REQUESTS, self.organisation, &id, &*request, until)?;
        if let Some(mut asked) = change.find(&ASKED, self.organisation, &request.user).await? {
            let entry = asked.entries.iter_mut().find(|entry| entry.id == id);
            entry.into_iter().for_each(|entry| entry.waits = false);
            let newest = asked.entries.iter().map(|entry| entry.created).max().unwrap_or(now);
            change.put_until(&ASKED, self.organisation, &request.user, &asked, Some(newest.plus(KEPT)))?;
        }
        let kind = match state {
            AccessRequestState::Approved => EventKind::AccessApproved,
            AccessRequestState::Refused => EventKind::AccessRefused,
            AccessRequestState::Open | AccessRequestState::Withdrawn => EventKind::AccessWithdrawn,
        };
        Ok(told(permit, kind, now, id, request))
    }
}

fn absent() -> Error {
    Error::NotFound { what: "access request" }
}

fn told(permit: &Permit, kind: EventKind, at: Timestamp, id: AccessRequestId, request: &AccessRequest) -> Event {
    let scope = request.scope.as_ref().map_or_else(|| "organisation".to_owned(), Scope::to_string);
    let event = permit.event(at, kind).on("user", request.user, &request.role);
    let event = event.detail("request", id).detail("role", &request.role).detail("scope", scope);
    let event = event.detail("reason", &request.reason);
    match request.until {
        Some(until) => event.detail("ends", until),
        None => event,
    }
}

#[cfg(test)]
mod tests;
