//! What the access decision asks of the directory.

use std::collections::{BTreeSet, VecDeque};

use futures_util::future::BoxFuture;
use minicbor::Decode;

use super::tables::{MEMBER_OF, MEMBERS, USERS};
use super::{Directory, Error, MAX_NESTING, Member};
use crate::access::{self, Census, GroupPath, Memberships, Told};
use crate::model::{GroupId, Status, UserId};
use crate::store::{self, Range, Seen, decode};

/// Of a user's record the status, at its number there.
#[derive(Decode)]
#[cbor(map)]
pub(super) struct StatusOnly {
    #[n(3)]
    pub(super) status: Status,
}

impl Directory {
    /// The groups of a user as [`Directory::group_paths`] tells them, with the marks of their rows.
    async fn group_paths_seen(&self, user: UserId, seen: &mut Seen) -> Result<Vec<GroupPath>, Error> {
        let mut known = BTreeSet::new();
        let mut paths: Vec<GroupPath> = Vec::new();
        let mut queue: VecDeque<(Member, Vec<GroupId>)> = VecDeque::from([(Member::User(user), Vec::new())]);
        while let Some((member, path)) = queue.pop_front() {
            if path.len() >= MAX_NESTING {
                continue;
            }
            seen.take(self.store().engine().marks(), &MEMBER_OF.prefix(self.organisation, &member));
            for group in self.group_ids_of(member).await? {
                if known.insert(group) {
                    let mut way = path.clone();
                    way.push(group);
                    paths.push(GroupPath(way.clone()));
                    queue.push_back((Member::Group(group), way));
                }
            }
        }
        Ok(paths)
    }

    async fn member_seen(&self, user: UserId, seen: &mut Seen) -> Result<Option<access::Member>, Error> {
        let key = USERS.key(self.organisation, &user);
        seen.take(self.store().engine().marks(), &key);
        let Some(stored) = self.store().engine().get(&key).await? else { return Ok(None) };
        let StatusOnly { status } = decode(USERS.name(), &stored.value)?;
        let groups = self.group_paths_seen(user, seen).await?;
        Ok(Some(access::Member { status, groups }))
    }
}

pub(super) fn of_directory(error: Error) -> store::Error {
    match error {
        Error::Store(error) => error,
        other => store::Error::Unavailable { reason: other.to_string() },
    }
}

impl Memberships for Directory {
    fn standing(&self, user: UserId) -> BoxFuture<'_, Result<Option<access::Member>, store::Error>> {
        Box::pin(async move { self.member_seen(user, &mut Seen::default()).await.map_err(of_directory) })
    }

    fn standing_seen<'a>(
        &'a self,
        user: UserId,
        seen: &'a mut Seen,
    ) -> BoxFuture<'a, Result<Option<access::Member>, store::Error>> {
        Box::pin(async move { self.member_seen(user, seen).await.map_err(of_directory) })
    }
}

/// Most rows of one read.
const PAGE: usize = 500;
/// Fewest rows of one read where most of them are not asked for.
const SHORT: usize = 16;

impl Directory {
    async fn nested_in(&self, group: GroupId) -> Result<Vec<GroupId>, Error> {
        let mut after = None;
        let mut nested = Vec::new();
        loop {
            // Groups come before users.
            let page = self.members(group, after, PAGE).await?;
            let groups = page.iter().filter_map(|member| if let Member::Group(id) = member { Some(*id) } else { None });
            let before = nested.len();
            nested.extend(groups);
            after = page.last().copied();
            if nested.len() - before < PAGE {
                return Ok(nested);
            }
        }
    }
}

impl Directory {
    /// The groups that each of these users is directly in. Where users stand close together, one read brings those of
    /// many; where others lie between, reads get short and start at the next one that is asked for.
    async fn groups_of_many(&self, users: &[UserId]) -> Result<Vec<Vec<GroupId>>, store::Error> {
        let mut told = vec![Vec::new(); users.len()];
        let (Some(first), Some(last)) = (users.first(), users.last()) else { return Ok(told) };
        let prefix = |user: &UserId| MEMBER_OF.prefix(self.organisation, &Member::User(*user));
        let mut range = Range::prefix(prefix(last), PAGE);
        range.start = prefix(first);
        let mut at = 0;
        loop {
            let rows = self.store().range(range.clone()).await?;
            let mut used = 0;
            for (key, _) in &rows {
                let (user, group) = membership(key)?;
                at += users.iter().skip(at).take_while(|asked| **asked < user).count();
                if users.get(at) == Some(&user) {
                    told.get_mut(at).into_iter().for_each(|groups| groups.push(group));
                    used += 1;
                }
            }
            let Some((key, _)) = rows.last().filter(|_| rows.len() >= range.limit) else { return Ok(told) };
            let next = users.get(at).map(prefix).filter(|next| next > key);
            range = range.after(key);
            range.start = next.unwrap_or(range.start);
            range.limit = if used * 2 >= rows.len() { range.limit * 2 } else { range.limit / 2 }.clamp(SHORT, PAGE);
        }
    }
}

/// User and group of a row's key.
fn membership(key: &[u8]) -> Result<(UserId, GroupId), store::Error> {
    let ids = key.last_chunk::<32>().map(|ids| (ids.first_chunk::<16>(), ids.last_chunk::<16>()));
    match ids {
        Some((Some(user), Some(group))) => Ok((UserId::from_bytes(*user), GroupId::from_bytes(*group))),
        _ => {
            let reason = "a key without a user and a group".to_owned();
            Err(store::Error::Corrupt { table: MEMBER_OF.name(), reason })
        }
    }
}

impl Census for Directory {
    fn nested(&self, group: GroupId) -> Told<'_, Vec<GroupId>> {
        Box::pin(async move { self.nested_in(group).await.map_err(of_directory) })
    }

    fn above(&self, group: GroupId) -> Told<'_, Vec<GroupId>> {
        Box::pin(async move { self.group_ids_of(Member::Group(group)).await.map_err(of_directory) })
    }

    fn users_in(&self, group: GroupId, after: Option<UserId>, limit: usize) -> Told<'_, Vec<UserId>> {
        Box::pin(async move {
            // Before the first user come the groups that are in it: a user's key is past all of theirs.
            let first = UserId::from_bytes([0; 16]);
            let mut range = Range::prefix(MEMBERS.prefix(self.organisation, &group), limit);
            let from = MEMBERS.key(self.organisation, &(group, Member::User(after.unwrap_or(first))));
            match after {
                Some(_) => range = range.after(&from),
                None => range.start = from,
            }
            let rows = self.store().range(range).await?;
            let user = |key: &[u8]| -> Result<UserId, store::Error> {
                let bytes = MEMBERS.suffix(key)?;
                Ok(UserId::from_bytes(bytes))
            };
            rows.iter().map(|(key, _)| user(key)).collect()
        })
    }

    fn groups_of_users<'a>(&'a self, users: &'a [UserId]) -> Told<'a, Vec<Vec<GroupId>>> {
        Box::pin(self.groups_of_many(users))
    }

    fn statuses<'a>(&'a self, users: &'a [UserId]) -> Told<'a, Vec<Option<Status>>> {
        Box::pin(async move {
            let keys: Vec<Vec<u8>> = users.iter().map(|user| USERS.key(self.organisation, user)).collect();
            let found = self.store().engine().multi_get(&keys).await?;
            let status =
                |stored: store::Stored| decode::<StatusOnly>(USERS.name(), &stored.value).map(|read| read.status);
            found.into_iter().map(|stored| stored.map(status).transpose()).collect()
        })
    }
}
