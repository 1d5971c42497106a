//! Names of the groups and people that rows refer to, each read once for a page.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use crate::directory::Directory;
use crate::model::{GroupId, Status, User, UserId};

/// What is known of groups and people. What there is not any more has no name.
#[derive(Default)]
pub(super) struct Names {
    groups: BTreeMap<GroupId, Option<String>>,
    people: BTreeMap<UserId, Option<(String, Status)>>,
}

impl Names {
    /// Reads those groups that are not known yet.
    pub(super) async fn learn_groups(
        &mut self,
        directory: &Directory,
        ids: impl Iterator<Item = GroupId>,
    ) -> Result<(), Error> {
        let new: BTreeSet<GroupId> = ids.filter(|id| !self.groups.contains_key(id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let new: Vec<GroupId> = new.into_iter().collect();
        self.groups.extend(new.iter().map(|id| (*id, None)));
        for group in directory.groups_by_id(&new).await? {
            self.groups.insert(group.id, Some(group.name.as_str().to_owned()));
        }
        Ok(())
    }

    /// Reads those people that are not known yet.
    pub(super) async fn learn_people(
        &mut self,
        directory: &Directory,
        ids: impl Iterator<Item = UserId>,
    ) -> Result<(), Error> {
        let new: BTreeSet<UserId> = ids.filter(|id| !self.people.contains_key(id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let new: Vec<UserId> = new.into_iter().collect();
        self.people.extend(new.iter().map(|id| (*id, None)));
        let found: Vec<User> = directory.users_by_id(&new).await?;
        for user in found {
            self.people.insert(user.id, Some((user.user_name.as_str().to_owned(), user.status)));
        }
        Ok(())
    }

    /// A group's name, else its id.
    pub(super) fn group(&self, id: GroupId) -> String {
        self.groups.get(&id).and_then(Clone::clone).unwrap_or_else(|| id.to_string())
    }

    /// A person's login name, `None` for who was not read or is not there any more.
    pub(super) fn person(&self, id: UserId) -> Option<&str> {
        self.people.get(&id)?.as_ref().map(|(name, _)| name.as_str())
    }

    /// Whether a person who was read is active; who is not there any more is not.
    pub(super) fn is_active(&self, id: UserId) -> bool {
        matches!(self.people.get(&id), Some(Some((_, Status::Active))))
    }

    /// An actor as events print it, a user by name.
    pub(super) fn actor(&self, printed: &str) -> String {
        let name = user_of(printed).and_then(|id| self.person(id));
        name.map_or_else(|| printed.to_owned(), str::to_owned)
    }
}

/// The user that an actor as events print it is.
pub(super) fn user_of(printed: &str) -> Option<UserId> {
    printed.strip_prefix("user:")?.parse().ok()
}
