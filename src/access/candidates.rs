//! Everybody whom some roles concern: who holds one of them, by hand or by rule, alone or through groups. They come in
//! the order of their ids out of the indexes, each once, some hundred at a time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use super::policy::Held;
use super::{Access, Census, Error};
use crate::model::{Grant, GroupId, RoleId, Subject, UserId};
use crate::store;

/// Candidates that are given at a time, and rows of one read.
pub(super) const BATCH: usize = 500;
/// Deepest nesting of groups that is followed; that of the directory.
const MAX_NESTING: usize = 32;

/// Where candidates come from, each in the order of their ids.
enum Source {
    Role(RoleId),
    Group(GroupId),
}

struct Stream {
    source: Source,
    waiting: VecDeque<UserId>,
    /// The last one that was read; `None` at the beginning.
    last: Option<UserId>,
    is_read: bool,
}

/// A walk over the people whom some roles concern.
pub(super) struct Candidates<'a> {
    access: &'a Access,
    census: Arc<dyn Census>,
    streams: Vec<Stream>,
    heap: BinaryHeap<Reverse<(UserId, usize)>>,
    /// The newest of the last batch, while it could come again from another stream.
    back: Option<UserId>,
    /// The way up from each group that was met, nearest first, itself at the front.
    above: HashMap<GroupId, Arc<[Vec<GroupId>]>>,
    /// What each group that was met holds.
    grants: HashMap<GroupId, Arc<[Grant]>>,
}

impl<'a> Candidates<'a> {
    /// Who holds one of these roles, after somebody.
    ///
    /// # Errors
    /// `Store`.
    pub async fn of(access: &'a Access, roles: Vec<RoleId>, after: Option<UserId>) -> Result<Self, Error> {
        let Some(census) = access.census() else {
            let reason = "this directory does not tell who is in it".to_owned();
            return Err(store::Error::Unavailable { reason }.into());
        };
        let (above, grants) = (HashMap::new(), HashMap::new());
        let (streams, heap) = (Vec::new(), BinaryHeap::new());
        let mut candidates = Self { access, census, streams, heap, back: None, above, grants };
        candidates.streams = candidates.streams(roles, after).await?;
        for number in 0..candidates.streams.len() {
            candidates.advance(number).await?;
        }
        Ok(candidates)
    }

    /// The next of them; empty when there are no more.
    ///
    /// # Errors
    /// `Store`.
    pub async fn next(&mut self) -> Result<Vec<UserId>, Error> {
        let mut batch: Vec<UserId> = self.back.take().into_iter().collect();
        while let Some(Reverse((user, number))) = self.heap.pop() {
            if batch.last() != Some(&user) {
                batch.push(user);
            }
            self.advance(number).await?;
            if batch.len() > BATCH {
                self.back = batch.pop();
                break;
            }
        }
        // Many people are much work for one turn.
        tokio::task::yield_now().await;
        Ok(batch)
    }

    /// Who is in which group.
    pub fn census(&self) -> &Arc<dyn Census> {
        &self.census
    }

    /// Every way to one of the roles: directly, and through each group that has it, alone or by the groups above.
    async fn streams(&self, roles: Vec<RoleId>, after: Option<UserId>) -> Result<Vec<Stream>, Error> {
        let mut groups = BTreeSet::new();
        for role in &roles {
            groups.extend(self.access.grants().groups_with(role).await?);
        }
        let mut queue: VecDeque<(GroupId, usize)> = groups.iter().map(|group| (*group, 1)).collect();
        while let Some((group, depth)) = queue.pop_front() {
            if depth >= MAX_NESTING {
                continue;
            }
            for nested in self.census.nested(group).await? {
                if groups.insert(nested) {
                    queue.push_back((nested, depth + 1));
                }
            }
        }
        let sources = roles.into_iter().map(Source::Role).chain(groups.into_iter().map(Source::Group));
        let stream = |source| Stream { source, waiting: VecDeque::new(), last: after, is_read: false };
        Ok(sources.map(stream).collect())
    }

    /// Puts the next candidate of a stream into the heap.
    async fn advance(&mut self, number: usize) -> Result<(), Error> {
        let Some(stream) = self.streams.get_mut(number) else { return Ok(()) };
        if stream.waiting.is_empty() && !stream.is_read {
            let page = match &stream.source {
                Source::Role(role) => self.access.grants().users_with(role, stream.last, BATCH).await?,
                Source::Group(group) => self.census.users_in(*group, stream.last, BATCH).await?,
            };
            stream.is_read = page.len() < BATCH;
            stream.last = page.last().copied().or(stream.last);
            stream.waiting.extend(page);
        }
        self.heap.extend(stream.waiting.pop_front().map(|user| Reverse((user, number))));
        Ok(())
    }

    /// What each of these users holds themselves, and the groups that they are directly in. Whoever holds nothing
    /// themselves has `None`, so that people with the same groups can be decided once.
    ///
    /// # Errors
    /// `Store`.
    pub async fn own(&self, users: &[UserId]) -> Result<Vec<(Option<Vec<Held>>, Vec<GroupId>)>, Error> {
        let holding = self.access.grants().holding(users).await?;
        let groups = self.census.groups_of_users(users).await?;
        let mut own = Vec::with_capacity(users.len());
        for ((user, holds), direct) in users.iter().zip(holding).zip(groups) {
            let held = if holds {
                let grants = self.access.grants().list(Subject::User(*user)).await?;
                Some(grants.into_iter().map(|grant| Held { grant, groups: Vec::new() }).collect())
            } else {
                None
            };
            own.push((held, direct));
        }
        Ok(own)
    }

    /// What somebody holds who has these grants and is directly in these groups.
    ///
    /// # Errors
    /// `Store`.
    pub async fn held(&mut self, own: Vec<Held>, direct: &[GroupId]) -> Result<Vec<Held>, Error> {
        let mut held = own;
        let mut known = BTreeSet::new();
        for group in direct {
            for way in self.ways(*group).await?.iter() {
                let Some(last) = way.last() else { continue };
                if known.insert(*last) {
                    let grants = self.grants_of(*last).await?;
                    held.extend(grants.iter().map(|grant| Held { grant: grant.clone(), groups: way.clone() }));
                }
            }
        }
        Ok(held)
    }

    /// From a group to each above it, the group itself first.
    async fn ways(&mut self, group: GroupId) -> Result<Arc<[Vec<GroupId>]>, Error> {
        if let Some(ways) = self.above.get(&group) {
            return Ok(Arc::clone(ways));
        }
        let mut ways = vec![vec![group]];
        let mut known = BTreeSet::from([group]);
        let mut queue = VecDeque::from([vec![group]]);
        while let Some(way) = queue.pop_front() {
            let Some(last) = way.last().copied().filter(|_| way.len() < MAX_NESTING) else { continue };
            for above in self.census.above(last).await? {
                if known.insert(above) {
                    let mut next = way.clone();
                    next.push(above);
                    ways.push(next.clone());
                    queue.push_back(next);
                }
            }
        }
        let ways: Arc<[Vec<GroupId>]> = ways.into();
        self.above.insert(group, Arc::clone(&ways));
        Ok(ways)
    }

    async fn grants_of(&mut self, group: GroupId) -> Result<Arc<[Grant]>, Error> {
        if let Some(grants) = self.grants.get(&group) {
            return Ok(Arc::clone(grants));
        }
        let grants: Arc<[Grant]> = self.access.grants().list(Subject::Group(group)).await?.into();
        self.grants.insert(group, Arc::clone(&grants));
        Ok(grants)
    }
}
