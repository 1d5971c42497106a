//! Nobody makes or edits a role so that it gives or takes what they do not have: a change of a role is a change of
//! every grant that gives it, or gives one that includes it, wherever that is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::policy::{Prepared, Question};
use super::{Access, Error, Permit, Reached, RoleBook};
use crate::audit::Change;
use crate::model::{Actor, Permission, RoleId, Scope};

/// What a role says of one permission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub gives: bool,
    pub gives_owners: bool,
    pub denies: bool,
}

impl Access {
    /// Checks that an actor has every right that a change of the role `id` gives or takes, and every right of a role that
    /// asks less of second factors and single sign-on than before, at each place where it, or a
    /// role that includes it, is held; in the whole organisation where nobody holds it. It needs them by grants that do not
    /// end, unless the role is only made or taken away and nobody holds it. The commit fails when a grant of one of these comes or goes before.
    ///
    /// # Errors
    /// `Denied`, with an event; `Conflict` when the actor itself would lose something; `Store`.
    pub(super) async fn check_role_change(
        &self,
        change: &mut Change,
        permit: &Permit,
        id: &RoleId,
        old: &RoleBook,
        new: &RoleBook,
    ) -> Result<(), Error> {
        let mut needed: BTreeMap<(Option<Scope>, Permission), bool> = BTreeMap::new();
        // What a rule that maps gives may be held any moment.
        let mut is_for_good = old.find(id).is_some() && new.find(id).is_some();
        for role in touched(id, old, new) {
            let places = self.places_of(change, &role).await?;
            is_for_good |= places.is_some();
            let was_undefined = old.find(&role).is_none() && places.is_some();
            let mut differences = differences(&role, old, new, was_undefined);
            if asks_less(&role, old, new) {
                // What is done with the role is as safe as the factors that it asks for: by rights that ask for them still.
                differences.extend(words(&role, old).into_keys().map(|permission| (permission, false)));
            }
            // Who holds it may have more rights than the one it takes, and without it could not defend them.
            if places.is_some() && denies_more(&role, old, new) {
                needed.extend(new.catalogue().iter().map(|permission| ((None, permission), false)));
            }
            for place in places.unwrap_or_else(|| BTreeSet::from([None])) {
                for (permission, if_owner) in &differences {
                    let entry = needed.entry((place.clone(), permission.clone())).or_insert(*if_owner);
                    *entry &= if_owner;
                }
            }
        }
        let reached = |((scope, permission), if_owner)| Reached { permission, scope, if_owner };
        let needed: Vec<Reached> = needed.into_iter().map(reached).collect();
        self.check_own_loss(permit, &needed, old, new).await?;
        self.require(permit, &needed, is_for_good).await
    }

    /// Where a role is held; `None` when it is not.
    async fn places_of(&self, change: &mut Change, role: &RoleId) -> Result<Option<BTreeSet<Option<Scope>>>, Error> {
        if self.grants.count_of_role(change, role).await? == 0 {
            return Ok(None);
        }
        let grants = self.grants.places_of_role(role).await?;
        Ok(Some(grants.into_iter().map(|grant| grant.scope).collect()))
    }

    /// Checks that an actor has all of these rights, with one look at what it holds; where they are for good, by what it
    /// holds without an end.
    ///
    /// # Errors
    /// `Denied`, with an event, by the first that it does not have; `Store`.
    async fn require(&self, permit: &Permit, rights: &[Reached], are_for_good: bool) -> Result<(), Error> {
        let acting = self.acting(permit.actor()).await?;
        let later = if are_for_good { acting.later(None) } else { Vec::new() };
        for acting in std::iter::once(&acting).chain(&later) {
            for Reached { permission, scope, if_owner } in rights {
                let question = Question::new(permission).within(scope.as_ref()).owned(*if_owner);
                if let Some(place) = acting.lacks(&question) {
                    let explanation = acting.explain(&question.within(place));
                    self.refuse(permit.actor(), permit.circumstance().clone(), explanation).await?;
                }
            }
        }
        Ok(())
    }

    /// Refuses a change by which whoever makes it loses a right: that is somebody else's to do.
    async fn check_own_loss(
        &self,
        permit: &Permit,
        rights: &[Reached],
        old: &RoleBook,
        new: &RoleBook,
    ) -> Result<(), Error> {
        if !matches!(permit.actor(), Actor::User { .. } | Actor::Token { .. }) {
            return Ok(());
        }
        let acting = self.acting(permit.actor()).await?;
        let (old, new) = (Arc::new(old.clone()), Arc::new(new.clone()));
        for prepared in acting.people() {
            let by = |book: &Arc<RoleBook>| {
                Prepared::new(prepared.standing().clone(), Arc::clone(book), Arc::clone(prepared.scopes()))
            };
            let (before, after) = (by(&old), by(&new));
            for Reached { permission, scope, if_owner } in rights {
                let question = Question::new(permission).within(scope.as_ref()).owned(*if_owner);
                let may = |prepared| acting.lets(prepared, &question);
                if may(&before) && !may(&after) {
                    let detail = format!("this would take {permission} from yourself; somebody else has to do it");
                    return Err(Error::Conflict { field: None, detail });
                }
            }
        }
        Ok(())
    }
}

/// The role and every one that includes it, before or after.
fn touched(id: &RoleId, old: &RoleBook, new: &RoleBook) -> BTreeSet<RoleId> {
    let mut touched = BTreeSet::from([id.clone()]);
    loop {
        let count = touched.len();
        for entry in old.iter().chain(new.iter()) {
            if entry.role.includes.iter().any(|include| touched.contains(include)) {
                touched.insert(entry.role.id.clone());
            }
        }
        if touched.len() == count {
            return touched;
        }
    }
}

/// The rights of which a role says something else than before, and whether what differs is the owner's only. All of
/// them where it was not defined and so denied everything.
fn differences(role: &RoleId, old: &RoleBook, new: &RoleBook, was_undefined: bool) -> Vec<(Permission, bool)> {
    let (before, after) = (words(role, old), words(role, new));
    let differs = |permission: Permission| {
        let word = |words: &BTreeMap<Permission, Word>| words.get(&permission).copied().unwrap_or_default();
        let (before, after) = (word(&before), word(&after));
        let if_owner = before.gives == after.gives && before.denies == after.denies && !was_undefined;
        (was_undefined || before != after).then_some((permission, if_owner))
    };
    new.catalogue().iter().filter_map(differs).collect()
}

/// Whether a role that there is asks less of second factors and of single sign-on than before, its includes counted in.
fn asks_less(role: &RoleId, old: &RoleBook, new: &RoleBook) -> bool {
    let rule = |book: &RoleBook| book.number(role).map(|number| book.factor_rule(number)).unwrap_or_default();
    let (before, after) = (rule(old), rule(new));
    let is_longer = before.within_s.is_some_and(|before| after.within_s.is_none_or(|after| after > before));
    is_longer || (before.required && !after.required) || (before.requires_sso() && !after.requires_sso())
}

/// Whether a role takes away what it did not take before.
fn denies_more(role: &RoleId, old: &RoleBook, new: &RoleBook) -> bool {
    let before: BTreeSet<Permission> = old.denied(role).collect();
    new.denied(role).any(|permission| !before.contains(&permission))
}

/// What a role says, its includes counted in, of each permission of which it says something.
pub(super) fn words(role: &RoleId, book: &RoleBook) -> BTreeMap<Permission, Word> {
    let mut words: BTreeMap<Permission, Word> = BTreeMap::new();
    for (permission, if_owner) in book.rights(role).into_iter().flatten() {
        let word = words.entry(permission).or_default();
        (word.gives, word.gives_owners) = (!if_owner, true);
    }
    for permission in book.denied(role) {
        words.entry(permission).or_default().denies = true;
    }
    words
}
