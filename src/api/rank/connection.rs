//! What a connection can come to: it makes and changes people and groups of its own, which mapping rules, rules of groups and
//! whoever gives roles turn into rights. Nobody speaks for one that comes to more than they have.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::{Acting, Question, Reach, Reached, RoleBook, can_take_away};
use crate::api::admit::Caller;
use crate::api::{Api, Error};
use crate::clock::Timestamp;
use crate::directory::Member;
use crate::model::{Grant, GroupId, Mode, Permission, RoleId, SourceId, Subject, User, UserId};

/// Most grants and members that are looked through for what the people and groups of a connection hold. Of a connection of
/// which there are more to look through only who has everything makes a token.
const MAX_LOOKED_AT: usize = 50_000;
/// Grants and members that are read at a time.
const AT_ONCE: usize = 500;

/// What a connection has to do with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    /// Nothing.
    None,
    /// Some of its people are in it, put there by others.
    People,
    /// It says who is in it, or in a group below it.
    Members,
}

/// A search for what a connection's people and groups hold.
struct Look<'a> {
    connection: &'a SourceId,
    /// How much more may be read.
    left: usize,
    groups: BTreeMap<GroupId, Share>,
}

/// There is more than may be read.
struct TooMuch;

impl Look<'_> {
    fn spend(&mut self, rows: usize) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(rows).ok_or(TooMuch)?;
        Ok(())
    }
}

impl Api {
    /// Checks that the caller has what a connection can come to: it makes and changes people and groups, and mapping
    /// rules and rules of groups turn those into roles. One that takes over accounts reaches whatever roles those have.
    /// What it does with people and groups for as long as the connection's token is good, which `ends`, or does not; and
    /// roles for good, as they stay when the token ends.
    pub(in crate::api) async fn check_connection(
        &self,
        caller: &Caller,
        connection: &SourceId,
        ends: Option<Timestamp>,
    ) -> Result<(), Error> {
        // What a connection brings belongs to no company.
        self.check_sees_all(caller).await?;
        let until = self.acting_until(caller, ends).await?;
        // Of one that ends at once nobody learns the text.
        let is_learned = ends.is_none_or(|ends| ends > self.services.clock.now());
        let for_good = if is_learned { self.acting_until(caller, None).await? } else { until.clone() };
        if self.services.directory.takes_over(connection) {
            return self.check_everything_as(caller, &until).await;
        }
        let roles = self.services.access.roles();
        let is_about_people = |permission: &Permission| matches!(permission.resource(), "users" | "groups");
        let people: Vec<Permission> = roles.catalogue().iter().filter(is_about_people).collect();
        for acting in &until {
            for permission in &people {
                let right = Reached { permission: permission.clone(), scope: None, if_owner: false };
                self.check_right(caller, acting, right).await?;
            }
        }
        for (role, scope) in self.services.directory.rules().given_by(connection) {
            for acting in &for_good {
                self.check_reach(caller, acting, &Reach::of_role(role, scope, &roles), None).await?;
            }
        }
        // It writes the attributes from which membership of these follows.
        for group in self.services.directory.ruled_groups().await? {
            self.check_entering(caller, &group, Member::Group(group.id)).await?;
        }
        self.check_held_by(caller, &for_good, connection).await
    }

    /// Checks that the caller has what a connection's own groups and people hold, whoever gave it to them: it says who is in
    /// the groups, and names, addresses and switches off the people.
    async fn check_held_by(&self, caller: &Caller, callers: &[Acting], connection: &SourceId) -> Result<(), Error> {
        let roles = self.services.access.roles();
        let everything = Reach::of_everything(&roles);
        if callers.iter().all(|acting| reaches(acting, &everything)) {
            return Ok(());
        }
        let mut look = Look { connection, left: MAX_LOOKED_AT, groups: BTreeMap::new() };
        for entry in roles.iter() {
            if self.is_harmless(callers, &entry.role.id, &roles).await? {
                continue;
            }
            let Ok(held) = self.held_through(&mut look, &entry.role.id).await? else {
                return self.check_everything_as(caller, callers).await;
            };
            let mut seen = BTreeSet::new();
            for (grant, share) in held {
                let takes_away = can_take_away(&grant.role, grant.scope.as_ref(), grant.mode, &roles);
                if !seen.insert((grant.scope.clone(), takes_away, share)) {
                    // Another of its kind.
                    continue;
                }
                let reach = Reach::of_role(&grant.role, grant.scope.as_ref(), &roles);
                for acting in callers {
                    self.check_reach(caller, acting, &reach, None).await?;
                }
                if share == Share::Members {
                    self.check_taking(caller, grant.subject, &grant.role, grant.scope.as_ref(), grant.mode).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether a role is given in the whole organisation only, takes nothing away, and gives nothing that the caller has not.
    async fn is_harmless(&self, callers: &[Acting], role: &RoleId, roles: &RoleBook) -> Result<bool, Error> {
        let places = self.services.access.grants().places_of_role(role).await?;
        let is_narrow = places.iter().any(|grant| grant.scope.is_some());
        let takes_away = can_take_away(role, None, Mode::Add, roles);
        let reach = Reach::of_role(role, None, roles);
        Ok(places.is_empty() || (!is_narrow && !takes_away && callers.iter().all(|acting| reaches(acting, &reach))))
    }

    /// The grants of a role that people or groups of the connection hold.
    async fn held_through(
        &self,
        look: &mut Look<'_>,
        role: &RoleId,
    ) -> Result<Result<Vec<(Grant, Share)>, TooMuch>, Error> {
        let (mut held, mut after) = (Vec::new(), None);
        loop {
            let grants = self.services.access.grants().of_role_after(role, after, AT_ONCE).await?;
            let is_last = grants.len() < AT_ONCE;
            after = grants.last().map(|grant| (grant.subject, grant.id));
            if look.spend(grants.len()).is_err() {
                return Ok(Err(TooMuch));
            }
            let own = self.people_of(look.connection, grants.iter().filter_map(user_of)).await?;
            for grant in grants {
                let share = match grant.subject {
                    Subject::Group(group) => match self.share_of(look, group).await? {
                        Ok(share) => share,
                        Err(TooMuch) => return Ok(Err(TooMuch)),
                    },
                    Subject::User(user) if own.contains(&user) => Share::People,
                    Subject::User(_) => Share::None,
                };
                if share != Share::None {
                    held.push((grant, share));
                }
            }
            if is_last {
                return Ok(Ok(held));
            }
        }
    }

    /// What the connection has to do with a group that holds something.
    async fn share_of(&self, look: &mut Look<'_>, group: GroupId) -> Result<Result<Share, TooMuch>, Error> {
        if let Some(known) = look.groups.get(&group) {
            return Ok(Ok(*known));
        }
        let directory = &self.services.directory;
        let (mut share, mut seen, mut below) = (Share::None, BTreeSet::from([group]), vec![group]);
        'all: while let Some(one) = below.pop() {
            let Some(found) = directory.find_group(one).await? else { continue };
            if found.owner.as_ref() == Some(look.connection) {
                share = Share::Members;
                break 'all;
            }
            let mut after = None;
            loop {
                let members = directory.members(one, after, AT_ONCE).await?;
                let is_last = members.len() < AT_ONCE;
                after = members.last().copied();
                if look.spend(members.len()).is_err() {
                    return Ok(Err(TooMuch));
                }
                let users = members.iter().filter_map(|member| match member {
                    Member::Group(_) => None,
                    Member::User(id) => Some(*id),
                });
                if share == Share::None && !self.people_of(look.connection, users).await?.is_empty() {
                    share = Share::People;
                }
                below.extend(members.iter().filter_map(|member| match member {
                    Member::Group(id) if seen.insert(*id) => Some(*id),
                    _ => None,
                }));
                if is_last {
                    break;
                }
            }
        }
        look.groups.insert(group, share);
        Ok(Ok(share))
    }

    /// Those of these users who are a connection's.
    async fn people_of(
        &self,
        connection: &SourceId,
        ids: impl Iterator<Item = UserId>,
    ) -> Result<BTreeSet<UserId>, Error> {
        let ids: Vec<UserId> = ids.collect::<BTreeSet<_>>().into_iter().collect();
        let users: Vec<User> = self.services.directory.users_by_id(&ids).await?;
        let own = users.into_iter().filter(|user| user.owner.as_ref() == Some(connection));
        Ok(own.map(|user| user.id).collect())
    }

    async fn check_everything_as(&self, caller: &Caller, callers: &[Acting]) -> Result<(), Error> {
        for acting in callers {
            self.check_everything(caller, acting).await?;
        }
        Ok(())
    }
}

fn user_of(grant: &Grant) -> Option<UserId> {
    match grant.subject {
        Subject::Group(_) => None,
        Subject::User(user) => Some(user),
    }
}

/// Whether the answer is yes to all of these rights, and to all below them.
fn reaches(acting: &Acting, reach: &Reach) -> bool {
    let has = |right: &Reached| {
        let question = Question::new(&right.permission).within(right.scope.as_ref()).owned(right.if_owner);
        acting.lacks(&question).is_none()
    };
    !reach.has_undefined && reach.iter().all(|right| has(&right))
}
