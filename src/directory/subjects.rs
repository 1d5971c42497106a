//! The users and groups that policy tests name, over what a change would make of memberships.

use std::collections::{BTreeSet, VecDeque};

use futures_util::future::BoxFuture;

use super::{Directory, Error, MAX_NESTING, Member};
use crate::access::{Found, GroupPath, Overlay, Subjects};
use crate::config::TestSubject;
use crate::model::{GroupId, Status, Subject, UserId};
use crate::store;

impl Subjects for Directory {
    fn find<'a>(
        &'a self,
        subject: &'a TestSubject,
        overlay: &'a Overlay,
    ) -> BoxFuture<'a, Result<Found, store::Error>> {
        Box::pin(async move {
            let found = match subject {
                TestSubject::Role(role) => Ok(Found::Nobody(format!("`{role}` is a role"))),
                TestSubject::User(name) => self.tested_user(name, overlay).await,
                TestSubject::Group(name) => self.tested_group(name, overlay).await,
            };
            found.map_err(|error: Error| match error {
                Error::Store(error) => error,
                other => store::Error::Unavailable { reason: other.to_string() },
            })
        })
    }
}

impl Directory {
    async fn tested_user(&self, name: &str, overlay: &Overlay) -> Result<Found, Error> {
        let missing = || Found::Nobody(format!("there is no user `{name}`"));
        let Some(user) = self.find_user_by_name(name).await? else { return Ok(missing()) };
        let changed: Option<(UserId, Option<Status>)> = overlay.status.iter().find(|(id, _)| *id == user.id).copied();
        let Some(status) = changed.map_or(Some(user.status), |(_, status)| status) else { return Ok(missing()) };
        let groups = self.paths_with(Member::User(user.id), Vec::new(), overlay).await?;
        Ok(Found::User(user.id, status, groups))
    }

    async fn tested_group(&self, name: &str, overlay: &Overlay) -> Result<Found, Error> {
        let mut named = match name.parse() {
            Ok(id) => self.find_group(id).await?.into_iter().collect(),
            Err(_) => self.find_groups_by_name(name).await?,
        };
        named.retain(|group| !overlay.gone.contains(&group.id));
        match named.as_slice() {
            [] => Ok(Found::Nobody(format!("there is no group `{name}`"))),
            [group] => {
                let first = vec![group.id];
                let mut groups = vec![GroupPath(first.clone())];
                groups.extend(self.paths_with(Member::Group(group.id), first, overlay).await?);
                Ok(Found::Group(groups))
            }
            _ => Ok(Found::Nobody(format!("several groups are called `{name}`; the test must name the id"))),
        }
    }

    /// The groups in which a member would be, by shortest paths that begin with `way`.
    async fn paths_with(&self, start: Member, way: Vec<GroupId>, overlay: &Overlay) -> Result<Vec<GroupPath>, Error> {
        let mut seen: BTreeSet<GroupId> = way.iter().copied().collect();
        let mut paths = Vec::new();
        let mut queue = VecDeque::from([(start, way)]);
        while let Some((member, way)) = queue.pop_front() {
            if way.len() >= MAX_NESTING {
                continue;
            }
            let subject = match member {
                Member::Group(id) => Subject::Group(id),
                Member::User(id) => Subject::User(id),
            };
            let stored = self.groups_of(member).await?.into_iter().map(|(group, _)| group);
            let stays = |group: &GroupId| !overlay.left.contains(&(subject, *group));
            let joined = overlay.joined.iter().filter(|(who, _)| *who == subject).map(|(_, group)| *group);
            let parents: Vec<GroupId> = stored.filter(stays).chain(joined).collect();
            for group in parents.into_iter().filter(|group| !overlay.gone.contains(group)) {
                if seen.insert(group) {
                    let mut longer = way.clone();
                    longer.push(group);
                    paths.push(GroupPath(longer.clone()));
                    queue.push_back((Member::Group(group), longer));
                }
            }
        }
        Ok(paths)
    }
}
