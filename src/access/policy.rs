//! The decision: pure, from values to a value that carries its reasons.
//!
//! In order: status; is the permission known; which grants hold now and cover the target, by their scope or one above
//! it; the deepest scope with an `override` grant replaces what all shallower levels allow, the organisation included,
//! never what they deny; roles with their includes and owner conditions; a deny at any level wins, else any allow, else
//! deny; the token's limit cuts.
//!
//! A standing is [`Prepared`] once, for one role book and one scope tree: permissions, roles and scopes become numbers.
//! [`decide`] then looks at each grant once and allocates nothing. An explanation weighs the same grants by the same
//! function again, and looks up the words only then.

use std::sync::Arc;
use std::time::Duration;

use super::roles::{ALLOWS, ALLOWS_OWNER, DENIES, RoleBook};
use super::scopes::{Chain, ScopeTree};
use crate::clock::Timestamp;
use crate::model::{FactorRule, Grant, GroupId, Mode, Permission, Presence, RoleId, Scope, Status};

/// May the actor do `permission` in `scope`?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is to be done; with `*` on a side it is refused as unknown.
    pub permission: &'a Permission,
    /// Where; `None` asks for the organisation as a whole.
    pub scope: Option<&'a Scope>,
    /// Whether the actor owns the object.
    pub is_owner: bool,
}

impl<'a> Question<'a> {
    /// A question about the organisation as a whole, of somebody who does not own the object.
    pub fn new(permission: &'a Permission) -> Self {
        Self { permission, scope: None, is_owner: false }
    }

    /// The same question within a scope.
    #[must_use]
    pub fn within(mut self, scope: Option<&'a Scope>) -> Self {
        self.scope = scope;
        self
    }

    /// The same question of somebody who owns the object, or does not.
    #[must_use]
    pub fn owned(mut self, is_owner: bool) -> Self {
        self.is_owner = is_owner;
        self
    }
}

/// A grant and how the actor came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The grant.
    pub grant: Grant,
    /// Empty when it was given to the user; else from the user's direct group to the group that holds it.
    pub groups: Vec<GroupId>,
}

/// What an actor brings to the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where the account stands.
    pub status: Status,
    /// Every grant, direct and through groups, whatever its scope and time.
    pub held: Vec<Held>,
    /// What the token may do at most; `None` without a token.
    pub limit: Option<Vec<Permission>>,
}

/// A grant as numbers of one role book and one scope tree.
#[derive(Clone, Copy, Debug)]
struct Slot {
    starts: Timestamp,
    ends: Timestamp,
    /// The role in the book; `None` when it is not defined.
    role: Option<usize>,
    /// The scope, its level from the organisation (0) down.
    place: u32,
    level: u8,
    overrides: bool,
    /// Within which time a second factor must have been shown for what the role allows.
    within: Option<Duration>,
}

/// A standing made ready for many questions.
#[derive(Clone, Debug)]
pub struct Prepared {
    standing: Standing,
    roles: Arc<RoleBook>,
    scopes: Arc<ScopeTree>,
    /// One for each grant held, in order.
    slots: Vec<Slot>,
    /// Scopes of grants that have no record. Their numbers follow those of the tree.
    strangers: Vec<Scope>,
}

impl Prepared {
    /// The standing by these roles and scopes.
    pub fn new(standing: Standing, roles: Arc<RoleBook>, scopes: Arc<ScopeTree>) -> Self {
        let mut prepared = Self { standing, roles, scopes, slots: Vec::new(), strangers: Vec::new() };
        let mut slots = Vec::with_capacity(prepared.standing.held.len());
        for held in &prepared.standing.held {
            let Grant { role, scope, mode, starts, ends, .. } = &held.grant;
            let (place, level) = match scope {
                None => (0, 0),
                Some(scope) => place(scope, &prepared.scopes, &mut prepared.strangers),
            };
            let role = prepared.roles.number(role);
            let within = role.and_then(|role| prepared.roles.factor_rule(role).within_s).map(Duration::from_secs);
            slots.push(Slot {
                starts: starts.unwrap_or(Timestamp::from_millis(i64::MIN)),
                ends: ends.unwrap_or(NEVER),
                role,
                place,
                level,
                overrides: *mode == Mode::Override,
                within,
            });
        }
        prepared.slots = slots;
        prepared
    }

    /// What the actor brings.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The roles it is prepared for.
    pub fn roles(&self) -> &Arc<RoleBook> {
        &self.roles
    }

    /// The scopes it is prepared for.
    pub fn scopes(&self) -> &Arc<ScopeTree> {
        &self.scopes
    }

    /// Whether a role that is held now, wherever, demands a second factor of its holders.
    pub fn requires_factor(&self, now: Timestamp) -> bool {
        let demands = |role: usize| self.roles.factor_rule(role).required;
        self.slots.iter().any(|slot| slot.moment(now).is_none() && slot.role.is_some_and(demands))
    }

    /// Whether a role that is held now, wherever, demands single sign-on of its holders.
    pub fn requires_sso(&self, now: Timestamp) -> bool {
        let demands = |role: usize| self.roles.factor_rule(role).requires_sso();
        self.slots.iter().any(|slot| slot.moment(now).is_none() && slot.role.is_some_and(demands))
    }

    /// What covers the place of a question.
    fn chain(&self, scope: Option<&Scope>) -> Chain {
        let Some(scope) = scope else { return Chain::ORGANISATION };
        match self.scopes.number(scope) {
            Some(number) => self.scopes.chain(number),
            None => Chain::alone(stranger(scope, &self.scopes, &self.strangers)),
        }
    }

    /// The level of the deepest scope that overrides in a place.
    fn floor(&self, chain: &Chain, now: Timestamp) -> u8 {
        let overriding = self.slots.iter().filter(|slot| slot.overrides && slot.covers(chain));
        overriding.filter(|slot| slot.moment(now).is_none()).map(|slot| slot.level).max().unwrap_or(0)
    }

    fn ask(&self, question: &Question<'_>, permission: usize, shown: Option<Presence>, now: Timestamp) -> Ask {
        let chain = self.chain(question.scope);
        Ask { permission, is_owner: question.is_owner, floor: self.floor(&chain, now), chain, shown, now }
    }

    /// The grants that count at a place now: those that cover it and are not replaced there.
    pub(super) fn counting(&self, scope: Option<&Scope>, now: Timestamp) -> impl Iterator<Item = &Held> {
        let chain = self.chain(scope);
        let floor = self.floor(&chain, now);
        let counts = move |slot: &Slot| slot.moment(now).is_none() && slot.covers(&chain) && slot.level >= floor;
        self.slots.iter().zip(&self.standing.held).filter(move |(slot, _)| counts(slot)).map(|(_, held)| held)
    }
}

/// The last moment, which no grant reaches.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Number and level of a grant's scope. One without record stands alone, directly below the organisation.
fn place(scope: &Scope, scopes: &ScopeTree, strangers: &mut Vec<Scope>) -> (u32, u8) {
    match scopes.number(scope) {
        Some(number) => (number, scopes.level_of(number)),
        None => {
            if !strangers.contains(scope) {
                strangers.push(scope.clone());
            }
            (stranger(scope, scopes, strangers).unwrap_or(Chain::NOWHERE), 1)
        }
    }
}

fn stranger(scope: &Scope, scopes: &ScopeTree, strangers: &[Scope]) -> Option<u32> {
    let position = strangers.iter().position(|stranger| stranger == scope)?;
    u32::try_from(scopes.len().checked_add(position)?).ok()
}

/// A question as numbers, and where it is replaced.
#[derive(Clone, Copy, Debug)]
struct Ask {
    permission: usize,
    is_owner: bool,
    chain: Chain,
    now: Timestamp,
    /// What the session has shown; `None` where nobody asks for it.
    shown: Option<Presence>,
    /// The level of the deepest scope that overrides: what is allowed above it does not count.
    floor: u8,
}

/// What became of one grant, without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Allows,
    AllowsOwner,
    Denies,
    Elsewhere,
    Ended,
    NeedsFactor,
    NotYet,
    Replaced,
    Silent,
    Undefined,
}

impl Slot {
    /// Why the grant does not hold at `now`, `None` when it does.
    fn moment(&self, now: Timestamp) -> Option<Outcome> {
        if now < self.starts {
            return Some(Outcome::NotYet);
        }
        (now >= self.ends && self.ends != NEVER).then_some(Outcome::Ended)
    }

    fn covers(&self, chain: &Chain) -> bool {
        chain.is_covered_by(self.place, self.level)
    }

    /// What becomes of the grant where its role says `says`. Enforcement and explanation both ask this.
    fn weigh(&self, ask: &Ask, says: impl FnOnce(usize) -> u8) -> Outcome {
        if let Some(outcome) = self.moment(ask.now) {
            return outcome;
        }
        if !self.covers(&ask.chain) {
            return Outcome::Elsewhere;
        }
        let Some(role) = self.role else { return Outcome::Undefined };
        let says = says(role);
        if says & DENIES != 0 {
            return Outcome::Denies;
        }
        let gives = says & ALLOWS != 0;
        if !gives && says & ALLOWS_OWNER == 0 {
            return Outcome::Silent;
        }
        if !gives && !ask.is_owner {
            return Outcome::AllowsOwner;
        }
        if self.level < ask.floor {
            return Outcome::Replaced;
        }
        if self.is_stale(ask) { Outcome::NeedsFactor } else { Outcome::Allows }
    }

    /// Whether the role asks for a second factor that was not shown, or too long ago.
    fn is_stale(&self, ask: &Ask) -> bool {
        let (Some(within), Some(shown)) = (self.within, ask.shown) else { return false };
        shown.factor_at.is_none_or(|at| ask.now.since(at) > within)
    }
}

/// A role that spoke, and by which grant. The words are looked up when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Finding<'a> {
    /// By which grant.
    pub held: &'a Held,
    roles: &'a RoleBook,
    permission: usize,
    /// Which of its lists spoke.
    says: u8,
}

impl<'a> Finding<'a> {
    /// From the granted role through its includes to the role that says it.
    pub fn includes(&self) -> &'a [RoleId] {
        self.roles.piece(&self.held.grant.role, self.permission, self.says).map_or(&[], |piece| &piece.includes)
    }

    /// The permission that it says, possibly with `*`.
    pub fn rule(&self) -> Option<&'a Permission> {
        let piece = self.roles.piece(&self.held.grant.role, self.permission, self.says)?;
        let asked = self.roles.permissions().get(self.permission)?;
        piece.list(self.says).iter().find(|rule| rule.covers(asked))
    }

    /// What the granted role asks of second factors.
    pub fn factor_rule(&self) -> FactorRule {
        let role = self.roles.number(&self.held.grant.role);
        role.map(|role| self.roles.factor_rule(role)).unwrap_or_default()
    }
}

/// What became of one grant.
#[derive(Clone, Copy, Debug)]
pub enum Weight<'a> {
    /// It allows.
    Allows(Finding<'a>),
    /// It would allow the owner of the object.
    AllowsOwner(Finding<'a>),
    /// It denies.
    Denies(Finding<'a>),
    /// Its scope does not cover the target.
    Elsewhere,
    /// It has ended.
    Ended,
    /// It would allow, but its role asks for a second factor that was shown a short time ago.
    NeedsFactor(Finding<'a>),
    /// It has not started.
    NotYet,
    /// It would allow, but an `override` grant of a more specific scope replaces its level.
    Replaced(Finding<'a>),
    /// Its role says nothing of the permission.
    Silent,
    /// Its role is not defined, so what it denied is unknown.
    Undefined,
}

/// Why not.
#[derive(Clone, Copy, Debug)]
pub enum Denial<'a> {
    /// The token's limit does not reach this far.
    BeyondLimit,
    /// A role denies it.
    DeniedBy(Finding<'a>),
    /// It is allowed in a session only in which a second factor was shown a short time ago.
    NeedsFactor(Finding<'a>),
    /// The account is not active.
    NotActive(Status),
    /// It is allowed to the owner only.
    NotOwner(Finding<'a>),
    /// No grant gives it.
    NothingAllows,
    /// A wider grant would, but a more specific one replaces it.
    Replaced(Finding<'a>),
    /// A grant names a role that is not defined. What is missing must not give rights, and its denies are missing.
    UndefinedRole(&'a Held),
    /// The permission is in no catalogue.
    UnknownPermission,
}

/// The outcome.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// Yes, by this.
    Allowed(Finding<'a>),
    /// No, because of this.
    Denied(Denial<'a>),
}

/// The outcome and what tells how it came about.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Yes or no, and the reason that decided.
    pub verdict: Verdict<'a>,
    prepared: &'a Prepared,
    /// Absent when status or catalogue decided.
    ask: Option<Ask>,
}

impl<'a> Decision<'a> {
    /// Whether the answer is yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allowed(_))
    }

    /// Every grant that was looked at, in the order held, and what became of it. None when status or catalogue decided.
    pub fn weighed(&self) -> impl Iterator<Item = (&'a Held, Weight<'a>)> + use<'a> {
        let prepared = self.prepared;
        self.ask.into_iter().flat_map(move |ask| {
            let slots = prepared.slots.iter().zip(&prepared.standing.held);
            slots.map(move |(slot, held)| (held, prepared.told(&ask, slot, held)))
        })
    }

    /// The scope whose `override` grant replaced the wider levels.
    pub fn replaced_by(&self) -> Option<&'a Scope> {
        let ask = self.ask.filter(|ask| ask.floor > 0)?;
        let replaces = |slot: &Slot| {
            slot.overrides && slot.level == ask.floor && slot.moment(ask.now).is_none() && slot.covers(&ask.chain)
        };
        let position = self.prepared.slots.iter().position(replaces)?;
        self.prepared.standing.held.get(position)?.grant.scope.as_ref()
    }
}

impl Prepared {
    fn finding<'a>(&'a self, ask: &Ask, held: &'a Held, says: u8) -> Finding<'a> {
        Finding { held, roles: &self.roles, permission: ask.permission, says }
    }

    /// What one grant's role says, `ALLOWS` before `ALLOWS_OWNER`.
    fn giving(&self, ask: &Ask, slot: &Slot) -> u8 {
        let says = slot.role.map_or(0, |role| self.roles.says(role, ask.permission));
        if says & ALLOWS != 0 { ALLOWS } else { ALLOWS_OWNER }
    }

    /// The weight of one grant with its words.
    fn told<'a>(&'a self, ask: &Ask, slot: &Slot, held: &'a Held) -> Weight<'a> {
        let giving = || self.finding(ask, held, self.giving(ask, slot));
        match slot.weigh(ask, |role| self.roles.says(role, ask.permission)) {
            Outcome::Allows => Weight::Allows(giving()),
            Outcome::AllowsOwner => Weight::AllowsOwner(giving()),
            Outcome::Denies => Weight::Denies(self.finding(ask, held, DENIES)),
            Outcome::Elsewhere => Weight::Elsewhere,
            Outcome::Ended => Weight::Ended,
            Outcome::NeedsFactor => Weight::NeedsFactor(giving()),
            Outcome::NotYet => Weight::NotYet,
            Outcome::Replaced => Weight::Replaced(giving()),
            Outcome::Silent => Weight::Silent,
            Outcome::Undefined => Weight::Undefined,
        }
    }
}

/// The first grant of each outcome that can decide, by position.
#[derive(Clone, Copy, Debug, Default)]
struct Firsts {
    undefined: Option<usize>,
    denies: Option<usize>,
    allows: Option<usize>,
    stale: Option<usize>,
    replaced: Option<usize>,
    owner: Option<usize>,
}

/// Decides. Cost grows with the actor's grants and with nothing else; nothing is allocated.
pub fn decide<'a>(question: &Question<'_>, prepared: &'a Prepared, now: Timestamp) -> Decision<'a> {
    decide_within(question, prepared, prepared.standing.limit.as_deref(), now)
}

/// The same for what a token may do at most, in place of the standing's own limit.
pub fn decide_within<'a>(
    question: &Question<'_>,
    prepared: &'a Prepared,
    limit: Option<&[Permission]>,
    now: Timestamp,
) -> Decision<'a> {
    decide_shown(question, prepared, limit, None, now)
}

/// The same for somebody who acts by a session: what a role allows that asks for a recent second factor is allowed where
/// the session has seen one. Without a presence nobody asks for it.
pub fn decide_shown<'a>(
    question: &Question<'_>,
    prepared: &'a Prepared,
    limit: Option<&[Permission]>,
    shown: Option<Presence>,
    now: Timestamp,
) -> Decision<'a> {
    let refused = |denial| Decision { verdict: Verdict::Denied(denial), prepared, ask: None };
    if prepared.standing.status != Status::Active {
        return refused(Denial::NotActive(prepared.standing.status));
    }
    let Some(permission) = prepared.roles.permission_number(question.permission) else {
        return refused(Denial::UnknownPermission);
    };
    let ask = prepared.ask(question, permission, shown, now);
    let row = prepared.roles.row(permission);
    let mut first = Firsts::default();
    for (position, slot) in prepared.slots.iter().enumerate() {
        let place = match slot.weigh(&ask, |role| row.get(role).copied().unwrap_or(DENIES)) {
            Outcome::Allows => &mut first.allows,
            Outcome::AllowsOwner => &mut first.owner,
            Outcome::Denies => &mut first.denies,
            Outcome::NeedsFactor => &mut first.stale,
            Outcome::Replaced => &mut first.replaced,
            Outcome::Undefined => &mut first.undefined,
            Outcome::Elsewhere | Outcome::Ended | Outcome::NotYet | Outcome::Silent => continue,
        };
        if place.is_none() {
            *place = Some(position);
        }
    }
    Decision { verdict: verdict(&first, prepared, &ask, question, limit), prepared, ask: Some(ask) }
}

fn verdict<'a>(
    first: &Firsts,
    prepared: &'a Prepared,
    ask: &Ask,
    question: &Question<'_>,
    limit: Option<&[Permission]>,
) -> Verdict<'a> {
    let held = |position: Option<usize>| {
        let position = position?;
        Some((prepared.slots.get(position)?, prepared.standing.held.get(position)?))
    };
    let giving = |(slot, held): (&Slot, &'a Held)| prepared.finding(ask, held, prepared.giving(ask, slot));
    if let Some((_, held)) = held(first.undefined) {
        return Verdict::Denied(Denial::UndefinedRole(held));
    }
    if let Some((_, held)) = held(first.denies) {
        return Verdict::Denied(Denial::DeniedBy(prepared.finding(ask, held, DENIES)));
    }
    if let Some(allows) = held(first.allows) {
        let within = limit.is_none_or(|limit| limit.iter().any(|rule| rule.covers(question.permission)));
        return if within { Verdict::Allowed(giving(allows)) } else { Verdict::Denied(Denial::BeyondLimit) };
    }
    if let Some(stale) = held(first.stale) {
        return Verdict::Denied(Denial::NeedsFactor(giving(stale)));
    }
    if let Some(replaced) = held(first.replaced) {
        return Verdict::Denied(Denial::Replaced(giving(replaced)));
    }
    Verdict::Denied(held(first.owner).map_or(Denial::NothingAllows, |owner| Denial::NotOwner(giving(owner))))
}

#[cfg(test)]
mod tests;
