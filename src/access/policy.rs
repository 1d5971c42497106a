//! The decision: pure, from values to a value that carries its reasons.
//!
//! In order: status; is the permission known; which grants hold now and cover the target; the most specific scope with
//! an `override` grant replaces what wider levels allow, never what they deny; roles with their includes and owner
//! conditions; a deny at any level wins, else any allow, else deny; the token's limit cuts.

use super::roles::{Piece, RoleBook};
use crate::clock::Timestamp;
use crate::model::{Grant, GroupId, Mode, Permission, RoleId, Scope, Status};

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

/// The words of a role that spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding<'a> {
    /// By which grant.
    pub held: &'a Held,
    /// From the granted role through its includes to the role that says it.
    pub includes: &'a [RoleId],
    /// The permission that it says, possibly with `*`.
    pub rule: &'a Permission,
}

/// What became of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial<'a> {
    /// The token's limit does not reach this far.
    BeyondLimit,
    /// A role denies it.
    DeniedBy(Finding<'a>),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Yes, by this.
    Allowed(Finding<'a>),
    /// No, because of this.
    Denied(Denial<'a>),
}

/// The outcome and how it came about.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Yes or no, and the reason that decided.
    pub verdict: Verdict<'a>,
    /// Every grant that was looked at, in the order held. Empty when status or catalogue decided.
    pub weighed: Vec<(&'a Held, Weight<'a>)>,
    /// The scope whose `override` grant replaced the wider level.
    pub replaced_by: Option<&'a Scope>,
}

impl Decision<'_> {
    /// Whether the answer is yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allowed(_))
    }

    fn refused(denial: Denial<'_>) -> Decision<'_> {
        Decision { verdict: Verdict::Denied(denial), weighed: Vec::new(), replaced_by: None }
    }
}

/// Decides. Cost grows with the actor's grants and the size of their roles, with nothing else.
pub fn decide<'a>(
    question: &Question<'_>,
    standing: &'a Standing,
    roles: &'a RoleBook,
    now: Timestamp,
) -> Decision<'a> {
    if standing.status != Status::Active {
        return Decision::refused(Denial::NotActive(standing.status));
    }
    if !roles.catalogue().contains(question.permission) {
        return Decision::refused(Denial::UnknownPermission);
    }
    let replaced_by = standing.held.iter().find(|held| replaces(held, question, now));
    let replaced_by = replaced_by.and_then(|held| held.grant.scope.as_ref());
    let weigh = |held: &'a Held| (held, weigh(held, question, roles, now, replaced_by.is_some()));
    let weighed: Vec<_> = standing.held.iter().map(weigh).collect();
    let verdict = verdict(&weighed, question.permission, standing.limit.as_deref());
    Decision { verdict, weighed, replaced_by }
}

fn replaces(held: &Held, question: &Question<'_>, now: Timestamp) -> bool {
    held.grant.mode == Mode::Override
        && held.grant.scope.is_some()
        && covers(held.grant.scope.as_ref(), question.scope)
        && moment(&held.grant, now).is_none()
}

/// Whether a grant in `mine` reaches `target`. Without a scope it reaches everything.
fn covers(mine: Option<&Scope>, target: Option<&Scope>) -> bool {
    mine.is_none() || mine == target
}

/// Why a grant does not hold at `now`, `None` when it does.
fn moment<'a>(grant: &Grant, now: Timestamp) -> Option<Weight<'a>> {
    if grant.starts.is_some_and(|starts| now < starts) {
        return Some(Weight::NotYet);
    }
    grant.ends.is_some_and(|ends| now >= ends).then_some(Weight::Ended)
}

fn weigh<'a>(
    held: &'a Held,
    question: &Question<'_>,
    roles: &'a RoleBook,
    now: Timestamp,
    is_replaced: bool,
) -> Weight<'a> {
    if let Some(weight) = moment(&held.grant, now) {
        return weight;
    }
    if !covers(held.grant.scope.as_ref(), question.scope) {
        return Weight::Elsewhere;
    }
    let Some(pieces) = roles.pieces(&held.grant.role) else { return Weight::Undefined };
    let find = |part: fn(&Piece) -> &[Permission]| -> Option<Finding<'a>> {
        pieces.iter().find_map(|piece| {
            let rule = part(piece).iter().find(|rule| rule.covers(question.permission))?;
            Some(Finding { held, includes: &piece.includes, rule })
        })
    };
    if let Some(finding) = find(|piece| &piece.denies) {
        return Weight::Denies(finding);
    }
    let allows = find(|piece| &piece.permissions);
    let owner = if allows.is_none() { find(|piece| &piece.if_owner) } else { None };
    match (allows, owner) {
        (Some(finding), _) if is_replaced && held.grant.scope.is_none() => Weight::Replaced(finding),
        (Some(finding), _) => Weight::Allows(finding),
        (None, Some(finding)) if !question.is_owner => Weight::AllowsOwner(finding),
        (None, Some(finding)) if is_replaced && held.grant.scope.is_none() => Weight::Replaced(finding),
        (None, Some(finding)) => Weight::Allows(finding),
        (None, None) => Weight::Silent,
    }
}

fn verdict<'a>(
    weighed: &[(&'a Held, Weight<'a>)],
    permission: &Permission,
    limit: Option<&[Permission]>,
) -> Verdict<'a> {
    let first = |choose: fn(&Weight<'a>) -> Option<Finding<'a>>| weighed.iter().find_map(|(_, weight)| choose(weight));
    if let Some((held, _)) = weighed.iter().find(|(_, weight)| matches!(weight, Weight::Undefined)) {
        return Verdict::Denied(Denial::UndefinedRole(held));
    }
    if let Some(finding) = first(|weight| if let Weight::Denies(finding) = weight { Some(*finding) } else { None }) {
        return Verdict::Denied(Denial::DeniedBy(finding));
    }
    if let Some(finding) = first(|weight| if let Weight::Allows(finding) = weight { Some(*finding) } else { None }) {
        let within = limit.is_none_or(|limit| limit.iter().any(|rule| rule.covers(permission)));
        return if within { Verdict::Allowed(finding) } else { Verdict::Denied(Denial::BeyondLimit) };
    }
    if let Some(finding) = first(|weight| if let Weight::Replaced(finding) = weight { Some(*finding) } else { None }) {
        return Verdict::Denied(Denial::Replaced(finding));
    }
    let owner = first(|weight| if let Weight::AllowsOwner(finding) = weight { Some(*finding) } else { None });
    Verdict::Denied(owner.map_or(Denial::NothingAllows, Denial::NotOwner))
}

#[cfg(test)]
mod tests;
