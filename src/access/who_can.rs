//! Who may do something: the decision asked for everybody for whom it could be yes.
//!
//! Who holds a role that gives the permission, by hand or by rule, alone or through groups, is a candidate; nobody else
//! can be allowed. Candidates come in the order of their ids out of the indexes, and each is decided by the same function
//! that enforces. People with the same groups and no grants of their own are decided once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::policy::{Held, Prepared, Verdict, decide};
use super::{Access, Error, Question, RoleBook, ScopeTree, Standing};
use crate::clock::Timestamp;
use crate::model::{Grant, GrantId, GroupId, RoleId, Scope, Status, Subject, UserId};
use crate::store;

/// Candidates that are decided at a time, and rows of one read.
const BATCH: usize = 500;
/// Deepest nesting of groups that is followed; that of the directory.
const MAX_NESTING: usize = 32;

/// An answer of the directory.
pub type Told<'a, T> = BoxFuture<'a, Result<T, store::Error>>;

/// Who is in which group, for many people at once. The directory implements it.
pub trait Census: Send + Sync {
    /// The groups that are directly in a group.
    fn nested(&self, group: GroupId) -> Told<'_, Vec<GroupId>>;
    /// The groups that a group is directly in.
    fn above(&self, group: GroupId) -> Told<'_, Vec<GroupId>>;
    /// The users directly in a group in the order of their ids, after `after`, at most `limit`.
    fn users_in(&self, group: GroupId, after: Option<UserId>, limit: usize) -> Told<'_, Vec<UserId>>;
    /// The groups that each of these users is directly in; the users are in the order of their ids.
    fn groups_of_users<'a>(&'a self, users: &'a [UserId]) -> Told<'a, Vec<Vec<GroupId>>>;
    /// Where these accounts stand; `None` for one that there is not.
    fn statuses<'a>(&'a self, users: &'a [UserId]) -> Told<'a, Vec<Option<Status>>>;
}

/// Somebody who may, and the grant that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Able {
    /// Who.
    pub user: UserId,
    /// The grant.
    pub grant: GrantId,
    /// The granted role.
    pub role: RoleId,
    /// Where it holds; `None` is organisation-wide.
    pub scope: Option<Scope>,
    /// Empty when it was given to the user; else from the user's direct group to the one that holds it.
    pub groups: Vec<GroupId>,
}

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

/// One question to many people.
struct Search<'a> {
    access: &'a Access,
    census: &'a dyn Census,
    question: &'a Question<'a>,
    roles: Arc<RoleBook>,
    scopes: Arc<ScopeTree>,
    now: Timestamp,
    /// The way up from each group that was met, nearest first, itself at the front.
    above: HashMap<GroupId, Arc<[Vec<GroupId>]>>,
    /// What each group that was met holds.
    grants: HashMap<GroupId, Arc<[Grant]>>,
    /// The decision by groups alone, by the groups that somebody is directly in.
    decided: HashMap<Vec<GroupId>, Option<Held>>,
}

impl Access {
    /// Everybody who may do this now, in the order of their ids, after `after`, at most `limit`. Fewer than `limit` means
    /// that there are no more.
    ///
    /// # Errors
    /// `Invalid` naming `permission` when it is in no catalogue; `Store`.
    pub async fn who_can(
        &self,
        question: &Question<'_>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Able>, Error> {
        let (roles, scopes) = (self.roles(), self.scopes().tree());
        let Some(permission) = roles.permission_number(question.permission) else {
            return Err(unknown(question, &roles));
        };
        let Some(census) = self.census() else {
            let reason = "this directory does not tell who is in it".to_owned();
            return Err(store::Error::Unavailable { reason }.into());
        };
        let giving: Vec<RoleId> = roles.speaking(permission, question.is_owner).cloned().collect();
        let now = self.now();
        let (above, grants, decided) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut search =
            Search { access: self, census: &*census, question, roles, scopes, now, above, grants, decided };
        let mut streams = search.streams(giving, after).await?;
        let mut heap = BinaryHeap::new();
        for number in 0..streams.len() {
            search.advance(&mut streams, number, &mut heap).await?;
        }
        let mut able = Vec::new();
        let mut batch = Vec::with_capacity(BATCH);
        while able.len() < limit {
            let next = heap.pop();
            if let Some(Reverse((user, number))) = next {
                if batch.last() != Some(&user) {
                    batch.push(user);
                }
                search.advance(&mut streams, number, &mut heap).await?;
            }
            if batch.len() >= BATCH || next.is_none() {
                // The newest stays back while it may come again from another stream.
                let newest = next.and_then(|_| batch.pop());
                search.judge(&batch, &mut able).await?;
                batch.clear();
                batch.extend(newest);
                tokio::task::yield_now().await;
            }
            if next.is_none() {
                break;
            }
        }
        able.truncate(limit);
        Ok(able)
    }
}

fn unknown(question: &Question<'_>, roles: &RoleBook) -> Error {
    let near = roles.catalogue().nearest(&question.permission.to_string());
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Error::Invalid { field: "permission", reason: format!("`{}` does not exist{hint}", question.permission) }
}

impl Search<'_> {
    /// Every way to a role that gives it: directly, and through each group that has it, alone or by the groups above.
    async fn streams(&self, giving: Vec<RoleId>, after: Option<UserId>) -> Result<Vec<Stream>, Error> {
        let mut groups = BTreeSet::new();
        for role in &giving {
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
        let sources = giving.into_iter().map(Source::Role).chain(groups.into_iter().map(Source::Group));
        let stream = |source| Stream { source, waiting: VecDeque::new(), last: after, is_read: false };
        Ok(sources.map(stream).collect())
    }

    /// Puts the next candidate of a stream into the heap.
    async fn advance(
        &self,
        streams: &mut [Stream],
        number: usize,
        heap: &mut BinaryHeap<Reverse<(UserId, usize)>>,
    ) -> Result<(), Error> {
        let Some(stream) = streams.get_mut(number) else { return Ok(()) };
        if stream.waiting.is_empty() && !stream.is_read {
            let page = match &stream.source {
                Source::Role(role) => self.access.grants().users_with(role, stream.last, BATCH).await?,
                Source::Group(group) => self.census.users_in(*group, stream.last, BATCH).await?,
            };
            stream.is_read = page.len() < BATCH;
            stream.last = page.last().copied().or(stream.last);
            stream.waiting.extend(page);
        }
        heap.extend(stream.waiting.pop_front().map(|user| Reverse((user, number))));
        Ok(())
    }

    /// Decides for each of these, and keeps those who may.
    async fn judge(&mut self, users: &[UserId], able: &mut Vec<Able>) -> Result<(), Error> {
        let holding = self.access.grants().holding(users).await?;
        let groups = self.census.groups_of_users(users).await?;
        let mut found: Vec<(UserId, Held)> = Vec::new();
        for ((user, holds), direct) in users.iter().zip(holding).zip(groups) {
            let held = if holds {
                let own = self.access.grants().list(Subject::User(*user)).await?;
                let own = own.into_iter().map(|grant| Held { grant, groups: Vec::new() }).collect();
                self.decide(own, &direct).await?
            } else if let Some(decided) = self.decided.get(&direct) {
                decided.clone()
            } else {
                let decided = self.decide(Vec::new(), &direct).await?;
                self.decided.insert(direct, decided.clone());
                decided
            };
            found.extend(held.map(|held| (*user, held)));
        }
        let ids: Vec<UserId> = found.iter().map(|(user, _)| *user).collect();
        let statuses = self.census.statuses(&ids).await?;
        let active = found.into_iter().zip(statuses).filter(|(_, status)| *status == Some(Status::Active));
        able.extend(active.map(|((user, held), _)| {
            let Held { grant: Grant { id, role, scope, .. }, groups } = held;
            Able { user, grant: id, role, scope, groups }
        }));
        Ok(())
    }

    /// The grant by which somebody with these may, if their account is active.
    async fn decide(&mut self, own: Vec<Held>, direct: &[GroupId]) -> Result<Option<Held>, Error> {
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
        let standing = Standing { status: Status::Active, held, limit: None };
        let prepared = Prepared::new(standing, Arc::clone(&self.roles), Arc::clone(&self.scopes));
        Ok(match decide(self.question, &prepared, self.now).verdict {
            Verdict::Allowed(finding) => Some(finding.held.clone()),
            Verdict::Denied(_) => None,
        })
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
