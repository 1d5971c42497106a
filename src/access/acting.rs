//! An actor made ready for many decisions: who it is, what bounds it, the roles, the scopes and the moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::explain::{Explanation, Level, effective};
use super::policy::{Held, Prepared, Question, decide_shown};
use super::rank::can_take_away;
use super::{RoleBook, ScopeTree};
use crate::clock::Timestamp;
use crate::model::{Grant, Permission, Presence, Scope};

/// Most later moments at which an actor is looked at: at each of them every right that it gives is asked for.
const MAX_MOMENTS: usize = 64;
/// Most looks at a grant that asking for one right may take at all of these together.
const MAX_LOOKS: usize = 1 << 17;

/// What an actor may rests on this.
#[derive(Clone, Debug)]
pub(super) enum Ground {
    /// An administrator of the machine, or the daemon: everything that there is.
    Everything(&'static str),
    /// Nothing, for this reason.
    Nothing(&'static str, &'static str),
    /// What a token says, which is nobody's.
    Token,
    /// What all of these people may: whom a token acts for and who made it, or the one who is signed in.
    People(Vec<Arc<Prepared>>),
}

/// An actor at one moment. Many questions to it cost one reading of its standing.
#[derive(Clone, Debug)]
pub struct Acting {
    pub(super) ground: Ground,
    /// What its token may do at most; `None` without a token.
    pub(super) limit: Option<Vec<Permission>>,
    /// What its session has shown; `None` where no role asks for it. A token shows no second factor.
    pub(super) shown: Option<Presence>,
    pub(super) roles: Arc<RoleBook>,
    pub(super) scopes: Arc<ScopeTree>,
    pub(super) now: Timestamp,
}

impl Acting {
    /// Whether the answer is yes. It is that of [`Acting::explain`], without its words.
    pub fn may(&self, question: &Question<'_>) -> bool {
        match &self.ground {
            Ground::People(people) => people.iter().all(|prepared| self.lets(prepared, question)),
            Ground::Nothing(..) => false,
            _ if self.roles.permission_number(question.permission).is_none() => false,
            Ground::Everything(_) => true,
            Ground::Token => self.lets_through(question.permission),
        }
    }

    /// Whether one of the people that bound the actor may, within what its token lets through.
    pub(super) fn lets(&self, prepared: &Prepared, question: &Question<'_>) -> bool {
        decide_shown(question, prepared, self.limit.as_deref(), self.shown, self.now).is_allowed()
    }

    /// The people that bound the actor: none of an administrator of the machine, of a task, of a token that is nobody's.
    pub(super) fn people(&self) -> &[Arc<Prepared>] {
        if let Ground::People(people) = &self.ground { people } else { &[] }
    }

    /// Where, in the question's scope and below it, the answer is no: in the scope itself, or where the actor's own grants
    /// make another answer. What is given in a scope reaches all of it, so who gives needs a yes everywhere.
    pub fn lacks<'a>(&'a self, question: &Question<'a>) -> Option<Option<&'a Scope>> {
        if !self.may(question) {
            return Some(question.scope);
        }
        let mut places = self.places_below(question.scope).into_iter();
        places.find(|place| !self.may(&question.within(Some(place)))).map(Some)
    }

    /// The actor as it will be at each later moment, before one or ever, at which something of its own begins or ends: what it
    /// gives for so long it must have at all of them. Second factors are not asked for there. Where these are more moments than
    /// are looked at, it is the actor as it surely is at all of them.
    pub fn later(&self, ends: Option<Timestamp>) -> Vec<Self> {
        let held = self.people().iter().flat_map(|prepared| &prepared.standing().held);
        let moments: BTreeSet<Timestamp> = held.flat_map(|held| self.moments(held, ends)).collect();
        if moments.len() > MAX_MOMENTS || moments.len().saturating_mul(self.looks()) > MAX_LOOKS {
            return vec![self.surely(ends)];
        }
        moments.into_iter().map(|now| Self { now, shown: None, ..self.clone() }).collect()
    }

    /// The later moments, before one or ever, at which a grant begins or ends.
    fn moments(&self, held: &Held, ends: Option<Timestamp>) -> impl Iterator<Item = Timestamp> {
        let now = self.now;
        let moments = [held.grant.starts, held.grant.ends].into_iter().flatten();
        moments.filter(move |moment| *moment > now && ends.is_none_or(|ends| *moment < ends))
    }

    /// How many looks at a grant it takes at most to ask for one right everywhere.
    fn looks(&self) -> usize {
        let places = self.places_below(None).len().saturating_add(1);
        let looks = |prepared: &Arc<Prepared>| places.saturating_mul(prepared.standing().held.len());
        self.people().iter().map(looks).fold(0, usize::saturating_add)
    }

    /// The actor with what it has all the time, until a moment or ever: what begins or ends meanwhile gives it nothing, and
    /// where that could take something away, nothing is taken for certain.
    fn surely(&self, ends: Option<Timestamp>) -> Self {
        let sure = |prepared: &Arc<Prepared>| {
            let mut standing = prepared.standing().clone();
            let changes = |held: &Held| self.moments(held, ends).next().is_some();
            let takes_away = |held: &Held| {
                let Grant { role, scope, mode, .. } = &held.grant;
                can_take_away(role, scope.as_ref(), *mode, prepared.roles())
            };
            match standing.held.iter().any(|held| changes(held) && takes_away(held)) {
                true => standing.held.clear(),
                false => standing.held.retain(|held| !changes(held)),
            }
            Arc::new(Prepared::new(standing, Arc::clone(prepared.roles()), Arc::clone(prepared.scopes())))
        };
        let ground = Ground::People(self.people().iter().map(sure).collect());
        Self { ground, shown: None, ..self.clone() }
    }

    /// Whether the answer is yes in any of the scopes in which the actor itself was given something.
    pub fn may_somewhere(&self, permission: &Permission) -> bool {
        self.places_below(None).into_iter().any(|place| self.may(&Question::new(permission).within(Some(place))))
    }

    /// The scopes below one in which the actor itself was given something, each once.
    fn places_below(&self, scope: Option<&Scope>) -> BTreeSet<&Scope> {
        let held = self.people().iter().flat_map(|prepared| &prepared.standing().held);
        let places = held.filter_map(|held| held.grant.scope.as_ref());
        places.filter(|place| Some(*place) != scope && self.scopes.covers(scope, Some(place))).collect()
    }

    fn lets_through(&self, permission: &Permission) -> bool {
        self.limit.as_ref().is_none_or(|limit| limit.iter().any(|rule| rule.covers(permission)))
    }

    /// Why the actor may or may not.
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let plain = |allowed, by, reason| Explanation::plain(allowed, question, self.now, by, reason);
        match &self.ground {
            Ground::Nothing(by, reason) => plain(false, by, reason),
            Ground::People(people) => {
                let mut told = plain(false, "refused", "there is no such user");
                for prepared in people {
                    let decision = decide_shown(question, prepared, self.limit.as_deref(), self.shown, self.now);
                    told = Explanation::new(&decision, question, &self.roles, self.now);
                    if !told.allowed {
                        break;
                    }
                }
                told
            }
            _ if self.roles.permission_number(question.permission).is_none() => {
                plain(false, "unknown-permission", "there is no such permission")
            }
            Ground::Everything(reason) => plain(true, "local", reason),
            Ground::Token if self.lets_through(question.permission) => plain(true, "token", "the token is for this"),
            Ground::Token => plain(false, "beyond-limit", "the token is not for this"),
        }
    }

    /// Where the actor may what, by the grants of its last person; `None` when it is nobody's.
    pub(super) fn effective(&self) -> Option<Vec<Level>> {
        let Ground::People(people) = &self.ground else { return None };
        let mut levels = effective(people.last()?, self.now);
        for Level { scope, permissions, .. } in &mut levels {
            permissions.retain(|right| {
                self.may(&Question::new(&right.permission).within(scope.as_ref()).owned(right.if_owner))
            });
        }
        Some(levels)
    }

    /// The roles in force.
    pub fn roles(&self) -> &RoleBook {
        &self.roles
    }

    /// The scopes in force.
    pub fn scopes(&self) -> &ScopeTree {
        &self.scopes
    }

    /// The moment it is asked for.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

#[cfg(test)]
mod tests;
