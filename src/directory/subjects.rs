//! The users and groups that policy tests name, over what a change would make of memberships.

use std::collections::{BTreeSet, VecDeque};

use futures_util::future::BoxFuture;

use super::standing::of_directory;
use super::{Directory, Error, MAX_NESTING, MAX_PAGE, Member};
use crate::access::{self, Census, Found, GroupPath, Overlay, Seeing, Subjects};
use crate::config::TestSubject;
use crate::model::{GroupId, Kept, Realm, Status, Subject, User, UserId, fold};
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
            found.map_err(of_directory)
        })
    }

    fn member<'a>(
        &'a self,
        user: UserId,
        overlay: &'a Overlay,
    ) -> BoxFuture<'a, Result<Option<access::Member>, store::Error>> {
        Box::pin(async move { self.member_over(user, overlay).await.map_err(of_directory) })
    }

    fn administers(&self, user: UserId) -> BoxFuture<'_, Result<bool, store::Error>> {
        Box::pin(async move {
            let users: Vec<User<Kept>> = self.users_by_id(&[user]).await.map_err(of_directory)?;
            // Who is about to be made is of the staff, as long as nobody says otherwise.
            Ok(users.first().is_none_or(|user| user.realm() == Realm::Staff))
        })
    }

    fn has_limited(&self) -> BoxFuture<'_, Result<bool, store::Error>> {
        Box::pin(async move { Ok(self.count_limited().await.map_err(of_directory)? > 0) })
    }

    fn sees_all(&self, user: UserId) -> BoxFuture<'_, Result<bool, store::Error>> {
        Box::pin(async move {
            let companies = self.companies_of(user).await.map_err(of_directory)?;
            Ok(companies.is_some_and(|companies| companies.sees_all))
        })
    }

    fn seeing_all(&self, after: Option<UserId>) -> BoxFuture<'_, Result<Seeing, store::Error>> {
        Box::pin(async move {
            let users: Vec<User<Kept>> = self.list_users(after, MAX_PAGE).await.map_err(of_directory)?;
            let last = users.last().map(|user| user.id).filter(|_| users.len() >= MAX_PAGE);
            let seeing = users.iter().filter(|user| user.status == Status::Active && user.sees_all());
            Ok((seeing.map(|user| user.id).collect(), last))
        })
    }
}

fn user_of(subject: Subject) -> Option<UserId> {
    if let Subject::User(id) = subject { Some(id) } else { None }
}

fn group_of(subject: Subject) -> Option<GroupId> {
    if let Subject::Group(id) = subject { Some(id) } else { None }
}

/// Who would be called this.
fn called<T>(name: &str, overlay: &Overlay, of_kind: impl Fn(Subject) -> Option<T>) -> Option<T> {
    let name = fold(name);
    overlay.named.iter().filter(|(_, called)| *called == name).find_map(|(subject, _)| of_kind(*subject))
}

/// Whether somebody would go on being called as is stored.
fn stays_called(subject: Subject, overlay: &Overlay) -> bool {
    overlay.named.iter().all(|(renamed, _)| *renamed != subject)
}

impl Directory {
    async fn tested_user(&self, name: &str, overlay: &Overlay) -> Result<Found, Error> {
        let stored = self.find_user_id(name).await?;
        let Some(user) =
            called(name, overlay, user_of).or(stored.filter(|id| stays_called(Subject::User(*id), overlay)))
        else {
            return Ok(Found::Nobody(format!("there is no user `{name}`")));
        };
        Ok(match self.member_over(user, overlay).await? {
            Some(access::Member { status, groups }) => Found::User(user, status, groups),
            None => Found::Nobody(format!("there is no user `{name}`")),
        })
    }

    /// Status and groups of a user over what a change would make of them.
    async fn member_over(&self, user: UserId, overlay: &Overlay) -> Result<Option<access::Member>, Error> {
        let changed = overlay.status.iter().find(|(id, _)| *id == user).map(|(_, status)| *status);
        let status = match changed {
            Some(status) => status,
            None => self.statuses(&[user]).await?.into_iter().next().flatten(),
        };
        let Some(status) = status else { return Ok(None) };
        let groups = self.paths_with(Member::User(user), Vec::new(), overlay).await?;
        Ok(Some(access::Member { status, groups }))
    }

    async fn tested_group(&self, name: &str, overlay: &Overlay) -> Result<Found, Error> {
        let stored = match name.parse() {
            Ok(id) => self.find_group(id).await?.into_iter().map(|group| group.id).collect(),
            Err(_) => {
                let named = self.find_groups_by_name(name).await?.into_iter().map(|group| group.id);
                let mut ids: Vec<GroupId> = named.filter(|id| stays_called(Subject::Group(*id), overlay)).collect();
                ids.extend(called(name, overlay, group_of));
                ids
            }
        };
        let named: BTreeSet<GroupId> = stored.into_iter().filter(|id| !overlay.gone.contains(id)).collect();
        match (named.first().copied(), named.len()) {
            (None, _) => Ok(Found::Nobody(format!("there is no group `{name}`"))),
            (Some(group), 1) => {
                let first = vec![group];
                let mut groups = vec![GroupPath(first.clone())];
                groups.extend(self.paths_with(Member::Group(group), first, overlay).await?);
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
