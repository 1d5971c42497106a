//! Who may do something: the decision asked for everybody for whom it could be yes.
//!
//! Who holds a role that gives the permission, by hand or by rule, alone or through groups, is a candidate; nobody else
//! can be allowed. Candidates come in the order of their ids out of the indexes, and each is decided by the same function
//! that enforces. People with the same groups and no grants of their own are decided once.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::candidates::Candidates;
use super::policy::{Held, Prepared, Verdict, decide};
use super::{Access, Error, Question, RoleBook, ScopeTree, Standing};
use crate::clock::Timestamp;
use crate::model::{Grant, GrantId, GroupId, RoleId, Scope, Status, UserId};
use crate::store;

/// Most candidates that one call decides.
const MAX_CANDIDATES: usize = 5_000;

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

/// One question to many people.
struct Search<'a> {
    question: &'a Question<'a>,
    roles: Arc<RoleBook>,
    scopes: Arc<ScopeTree>,
    now: Timestamp,
    candidates: Candidates<'a>,
    /// The decision by groups alone, by the groups that somebody is directly in.
    decided: HashMap<Vec<GroupId>, Option<Held>>,
}

impl Access {
    /// Everybody who may do this now, in the order of their ids, after `after`, at most `limit`, and after whom to go on
    /// where there may be more. A call decides a bounded number of candidates, so that it may find fewer, or nobody.
    ///
    /// # Errors
    /// `Invalid` naming `permission` when it is in no catalogue; `Store`.
    pub async fn who_can(
        &self,
        question: &Question<'_>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<(Vec<Able>, Option<UserId>), Error> {
        self.who_could(question, self.roles(), after, limit).await
    }

    /// The same, were these the roles in force.
    ///
    /// # Errors
    /// As [`Access::who_can`].
    pub(super) async fn who_could(
        &self,
        question: &Question<'_>,
        roles: Arc<RoleBook>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<(Vec<Able>, Option<UserId>), Error> {
        let Some(permission) = roles.permission_number(question.permission) else {
            return Err(unknown(question, &roles));
        };
        let giving: Vec<RoleId> = roles.speaking(permission, question.is_owner).cloned().collect();
        let (scopes, now) = (self.scopes().tree(), self.now());
        let candidates = Candidates::of(self, giving, after).await?;
        let mut search = Search { question, roles, scopes, now, candidates, decided: HashMap::new() };
        let (mut able, mut judged) = (Vec::new(), 0);
        while able.len() < limit {
            let batch = search.candidates.next().await?;
            let Some(last) = batch.last().copied() else { return Ok((able, None)) };
            search.judge(&batch, &mut able).await?;
            judged += batch.len();
            if judged >= MAX_CANDIDATES && able.len() < limit {
                return Ok((able, Some(last)));
            }
        }
        able.truncate(limit);
        let last = able.last().map(|able| able.user);
        Ok((able, last))
    }
}

fn unknown(question: &Question<'_>, roles: &RoleBook) -> Error {
    let near = roles.catalogue().nearest(&question.permission.to_string());
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Error::Invalid { field: "permission", reason: format!("`{}` does not exist{hint}", question.permission) }
}

impl Search<'_> {
    /// Decides for each of these, and keeps those who may.
    async fn judge(&mut self, users: &[UserId], able: &mut Vec<Able>) -> Result<(), Error> {
        let own = self.candidates.own(users).await?;
        let mut found: Vec<(UserId, Held)> = Vec::new();
        for (user, (own, direct)) in users.iter().zip(own) {
            let held = match own {
                Some(own) => self.decide(own, &direct).await?,
                None => match self.decided.get(&direct) {
                    Some(decided) => decided.clone(),
                    None => {
                        let decided = self.decide(Vec::new(), &direct).await?;
                        self.decided.insert(direct, decided.clone());
                        decided
                    }
                },
            };
            found.extend(held.map(|held| (*user, held)));
        }
        let ids: Vec<UserId> = found.iter().map(|(user, _)| *user).collect();
        let statuses = self.candidates.census().statuses(&ids).await?;
        let active = found.into_iter().zip(statuses).filter(|(_, status)| *status == Some(Status::Active));
        able.extend(active.map(|((user, held), _)| {
            let Held { grant: Grant { id, role, scope, .. }, groups } = held;
            Able { user, grant: id, role, scope, groups }
        }));
        Ok(())
    }

    /// The grant by which somebody with these may, if their account is active.
    async fn decide(&mut self, own: Vec<Held>, direct: &[GroupId]) -> Result<Option<Held>, Error> {
        let held = self.candidates.held(own, direct).await?;
        let standing = Standing { status: Status::Active, held, limit: None };
        let prepared = Prepared::new(standing, Arc::clone(&self.roles), Arc::clone(&self.scopes));
        Ok(match decide(self.question, &prepared, self.now).verdict {
            Verdict::Allowed(finding) => Some(finding.held.clone()),
            Verdict::Denied(_) => None,
        })
    }
}
