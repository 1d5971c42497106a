//! What a source brought before, as the directory holds it now.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::{Directory, Error, MAX_PAGE, Member};
use crate::model::{Group, GroupId, SourceId, Status, User, UserId};

/// A source's people and groups in the directory, by the source's ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Existing {
    /// People that the source knows.
    pub people: BTreeMap<String, User>,
    /// Groups that the source owns.
    pub groups: BTreeMap<String, KnownGroup>,
}

/// A group with its direct members.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownGroup {
    /// The group.
    pub group: Group,
    /// Its members.
    pub members: BTreeSet<Member>,
}

impl Existing {
    /// Reads the whole directory page by page.
    pub(super) async fn load(directory: &Directory, source: &SourceId) -> Result<Self, Error> {
        let mut existing = Self::default();
        let mut after = None;
        loop {
            let page = directory.list_users(after, MAX_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for user in page {
                if let Some(id) = user.external_id(source).map(str::to_owned) {
                    existing.people.insert(id, user);
                }
            }
        }
        let mut after = None;
        loop {
            let page = directory.list_groups(after, MAX_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for group in page.into_iter().filter(|group| group.owner.as_ref() == Some(source)) {
                if let Some(id) = group.external_id.clone() {
                    let members = directory.all_members(group.id).await?.into_iter().collect();
                    existing.groups.insert(id, KnownGroup { group, members });
                }
            }
        }
        Ok(existing)
    }

    /// People whom the source owns and who may sign in.
    pub(super) fn active<'a>(&'a self, source: &'a SourceId) -> impl Iterator<Item = (&'a String, &'a User)> {
        let is_ours = move |user: &User| user.owner.as_ref() == Some(source) && user.status == Status::Active;
        self.people.iter().filter(move |(_, user)| is_ours(user))
    }

    /// People whom the source owns and made inactive itself.
    pub(super) fn inactive<'a>(&'a self, source: &'a SourceId) -> impl Iterator<Item = &'a User> {
        let is_ours = move |user: &&User| user.owner.as_ref() == Some(source) && user.status == Status::Inactive;
        self.people.values().filter(is_ours).filter(|user| user.disabled_by_hand != Some(true))
    }

    /// The source's id of each user.
    pub(super) fn people_by_id(&self) -> BTreeMap<UserId, &str> {
        self.people.iter().map(|(external_id, user)| (user.id, external_id.as_str())).collect()
    }

    /// The source's id of each group.
    pub(super) fn groups_by_id(&self) -> BTreeMap<GroupId, &str> {
        self.groups.iter().map(|(external_id, known)| (known.group.id, external_id.as_str())).collect()
    }
}
