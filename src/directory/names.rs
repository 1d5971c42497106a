//! The policy pack's rule for login names: what a name that is given by hand must be, whether it may be changed, and
//! whether a name that was somebody's may become somebody else's. Sources name their people as they like; what they
//! give up is remembered all the same.

use std::sync::{Arc, PoisonError, RwLock};

use super::reconcile::Authority;
use super::tables::{GROUPS, OWNED_GROUP_NAMES, USED_NAMES, USER_NAMES};
use super::{Directory, Error};
use crate::access::{LoginRule, Permit};
use crate::audit::Change;
use crate::model::{Group, SourceId, User};

/// Marks a group that is a user record too, among its attributes; only where no source keeps the group.
pub const RECORD_MARK: &str = "isGroup";

/// Whether a group is a user record too, so that its name is one of theirs.
pub fn is_record(group: &Group) -> bool {
    group.owner.is_none() && group.attributes.0.get(RECORD_MARK).and_then(serde_json::Value::as_bool) == Some(true)
}

/// The rule in force. Cloning shares it.
#[derive(Clone, Default)]
pub struct NameRule(Arc<RwLock<LoginRule>>);

impl NameRule {
    /// The rule.
    pub fn current(&self) -> LoginRule {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another rule in force, for every name that is given from now on.
    pub fn replace(&self, rule: LoginRule) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rule;
    }
}

impl Directory {
    /// The rule for login names that are given by hand.
    pub fn name_rule(&self) -> &NameRule {
        &self.names
    }

    /// Checks the name that an account gets, where an administrator gives it, and remembers the one that it loses.
    pub(super) async fn stage_name(
        &self,
        change: &mut Change,
        before: Option<&User>,
        after: &User,
        authority: &Authority,
    ) -> Result<(), Error> {
        let name = after.user_name.folded();
        if before.is_some_and(|before| before.user_name.folded() == name) {
            return Ok(());
        }
        let rule = self.names.current();
        if *authority == Authority::Administrator {
            let invalid = |reason: String| Error::Invalid { field: "userName".to_owned(), reason };
            if before.is_some() && !rule.allows_rename {
                let hint = "cannot be changed: deactivate the account and make a new one under the new name";
                return Err(invalid(hint.to_owned()));
            }
            if let Some(problem) = rule.problem(after.user_name.as_str()) {
                return Err(invalid(problem));
            }
            self.check_unused(change, after).await?;
        }
        let named = change.find(&OWNED_GROUP_NAMES, self.organisation, &(String::new(), name)).await?;
        if let Some(id) = named
            && change.find(&GROUPS, self.organisation, &id).await?.is_some_and(|group| is_record(&group))
        {
            let value = after.user_name.to_string();
            return Err(Error::Conflict { field: "userName".into(), value });
        }
        before.map_or(Ok(()), |before| self.remember_name(change, before))
    }

    /// Refuses a name that was somebody else's, where such a name is not given again.
    async fn check_unused(&self, change: &mut Change, user: &User) -> Result<(), Error> {
        if self.names.current().allows_reuse {
            return Ok(());
        }
        let used = change.find(&USED_NAMES, self.organisation, &user.user_name.folded()).await?;
        if used.is_some_and(|id| id != user.id) {
            let value = format!("`{}` was somebody else's, and is not given again", user.user_name);
            return Err(Error::Conflict { field: "userName".into(), value });
        }
        Ok(())
    }

    /// Checks the name of an account that is put back as it was exported, and remembers the one that it loses by that.
    pub(super) async fn stage_restored_name(
        &self,
        change: &mut Change,
        before: Option<&User>,
        after: &User,
    ) -> Result<(), Error> {
        if before.is_some_and(|before| before.user_name.folded() == after.user_name.folded()) {
            return Ok(());
        }
        self.check_unused(change, after).await?;
        before.map_or(Ok(()), |before| self.remember_name(change, before))
    }

    /// The same for a group: one that is a user record has the name of no account.
    pub(super) async fn check_record_name(&self, change: &mut Change, group: &Group) -> Result<(), Error> {
        if is_record(group) && change.find(&USER_NAMES, self.organisation, &group.name.folded()).await?.is_some() {
            return Err(Error::Conflict { field: "userName".into(), value: group.name.to_string() });
        }
        Ok(())
    }

    /// Refuses a provisioning client a name that a group of somebody else has: clients look a group up by its name alone
    /// before they make one, would take the other for theirs, and stop where they find two. Directories that are read,
    /// and administrators, who see whose a group is, may have groups of one name. Of two at once both may be made.
    pub(super) async fn check_foreign_name(
        &self,
        permit: &Permit,
        group: &Group,
        before: Option<&Group>,
    ) -> Result<(), Error> {
        let is_client = matches!(self.authority(permit), Authority::Provisioning { exclusive: false, .. });
        if !is_client || before.is_some_and(|before| before.name.folded() == group.name.folded()) {
            return Ok(());
        }
        let named = self.find_groups_by_name(group.name.as_str()).await?;
        match named.iter().find(|other| other.id != group.id && other.owner != group.owner) {
            Some(other) => {
                let owner = other.owner.as_ref().map_or("the organization itself", SourceId::as_str);
                let value = format!("{}, a group of {owner}", group.name);
                Err(Error::Conflict { field: "displayName".into(), value })
            }
            None => Ok(()),
        }
    }

    /// Remembers the name of an account that gives it up, where it is not to be given again.
    pub(super) fn remember_name(&self, change: &mut Change, user: &User) -> Result<(), Error> {
        if !self.names.current().allows_reuse {
            change.put(&USED_NAMES, self.organisation, &user.user_name.folded(), &user.id)?;
        }
        Ok(())
    }
}
