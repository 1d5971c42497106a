//! Who holds something within a scope: whom the scope's administrators may see in lists.

use std::collections::BTreeSet;

use super::{Access, Error};
use crate::model::{GrantId, GroupId, Scope, Subject, UserId};

/// Most people and groups that are told together.
const MAX_HOLDERS: usize = 20_000;
/// Grants of one read.
const PAGE: usize = 500;

/// Who holds something within a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// People, by their own grants and by those of groups that they are in, nested ones included.
    pub users: BTreeSet<UserId>,
    /// Groups that hold grants themselves.
    pub groups: BTreeSet<GroupId>,
}

impl Access {
    /// The users and groups that hold a grant in a scope or in one below it, one that has not ended. What is held in the whole organisation, or
    /// above the scope, counts not: it is for others to see.
    ///
    /// # Errors
    /// `Conflict` when they are too many for one list; `Store`.
    pub async fn holders_within(&self, scope: &Scope) -> Result<Holders, Error> {
        let (tree, now) = (self.scopes().tree(), self.now());
        let mut holders = Holders::default();
        let places = tree.at_or_below(scope).filter(|place| *place != scope).chain([scope]);
        for place in places {
            let mut after: Option<(Subject, GrantId)> = None;
            loop {
                let page = self.grants().in_scope_after(place, after, PAGE).await?;
                let held = page.iter().filter(|grant| grant.ends.is_none_or(|ends| ends > now));
                for grant in held {
                    match grant.subject {
                        Subject::User(user) => holders.users.insert(user),
                        Subject::Group(group) => holders.groups.insert(group),
                    };
                }
                check_size(&holders)?;
                match page.last() {
                    Some(last) if page.len() == PAGE => after = Some((last.subject, last.id)),
                    _ => break,
                }
            }
        }
        Ok(holders)
    }

    /// The same with everybody in the groups, nested ones included.
    ///
    /// # Errors
    /// As [`Access::holders_within`].
    pub async fn people_within(&self, scope: &Scope) -> Result<Holders, Error> {
        let mut holders = self.holders_within(scope).await?;
        let groups = holders.groups.iter().copied().collect();
        holders.users.extend(self.users_below(groups, MAX_HOLDERS).await?.ok_or_else(too_many)?);
        check_size(&holders)?;
        Ok(holders)
    }
}

fn check_size(holders: &Holders) -> Result<(), Error> {
    let size = holders.users.len().saturating_add(holders.groups.len());
    if size <= MAX_HOLDERS { Ok(()) } else { Err(too_many()) }
}

fn too_many() -> Error {
    let detail = format!("more than {MAX_HOLDERS} people and groups hold something there; ask for a scope below it");
    Error::Conflict { field: None, detail }
}
