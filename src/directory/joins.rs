//! Mapping rules that put people into groups: who signs in through a connector is in the groups of ours that its rules
//! name, for as long as the rules say so.
//!
//! A rule names a group that is kept by hand and has no rule of its own; a source's groups are the source's. What a rule
//! brought is a row of membership as any other, with the connector as its source, and a row here that tells by which rule.
//! Where somebody else puts the person into the group too, the membership is theirs from then on, and no rule takes it.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use super::membership::Member;
use super::rules::{Rules, Taking};
use super::tables::{GROUPS, JOINS, MEMBER_OF, MEMBERS, OWNED_GROUP_NAMES, RULE_TURNS};
use super::{Directory, Error};
use crate::access::Permit;
use crate::audit::{Change, EventKind, Housekeeping};
use crate::filter::{Filter, NoSchema};
use crate::model::{Group, GroupId, GroupRef, Keeping, Membership, SourceId, User, UserId};
use crate::store::{self, Range};

/// Rows read at a time: so few that the engine reads them without a change of thread.
const PAGE: usize = 500;

/// One rule: where it holds at a sign-in, the person is in the group.
#[derive(Clone, Debug)]
pub struct JoinRule {
    /// The connector whose people it is about.
    pub source: SourceId,
    /// The condition on what the connector vouched for.
    pub when: Filter,
    /// The group.
    pub group: GroupRef,
    /// What later sign-ins make of it.
    pub keeping: Keeping,
    /// Where the rule stands: `cleargate.toml:31`.
    pub position: String,
}

/// Who was brought into a group, by which connector's rule.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Joined {
    #[n(0)]
    user: UserId,
    #[n(1)]
    connector: SourceId,
    #[n(2)]
    group: GroupId,
    /// Where the rule stood.
    #[n(3)]
    position: String,
}

impl Joined {
    fn key(&self) -> (UserId, SourceId, GroupId) {
        (self.user, self.connector.clone(), self.group)
    }
}

impl Rules {
    /// The rules that put people into groups, in the order of the file.
    pub fn joins(&self) -> impl Iterator<Item = &JoinRule> {
        self.joins.iter()
    }

    /// The rules that put whom a connector describes by `record` into a group; `is_first` tells whether the sign-in makes
    /// or first links the account.
    pub fn joining(&self, source: &SourceId, record: &Map<String, Value>, is_first: bool) -> Vec<&JoinRule> {
        let counts = |rule: &&JoinRule| rule.source == *source && (is_first || rule.keeping != Keeping::First);
        self.joins.iter().filter(counts).filter(|rule| rule.when.matches(record, &NoSchema)).collect()
    }

    /// Whether a later sign-in leaves alone that a rule of the connector put somebody into the group. Where the file has
    /// changed since, a rule about the same group stands for the one that was at `position`.
    fn keeps_in(&self, source: &SourceId, group: &Group, position: &str) -> bool {
        let same = |rule: &&JoinRule| rule.source == *source && rule.group.means(group);
        match self.joins.iter().filter(same).find(|rule| rule.position == position) {
            Some(rule) => rule.keeping != Keeping::Full,
            None => self.joins.iter().filter(same).any(|rule| rule.keeping != Keeping::Full),
        }
    }
}

impl Directory {
    /// Makes the memberships that a connector's rules give what this sign-in says, in the caller's change. `attributes`
    /// is what the connector vouched for; `is_first` tells whether it makes or first links the account.
    ///
    /// A rule about a group that there is not, that a source keeps or whose members follow from a rule gives nothing. How
    /// many groups somebody is in is not counted: there are no more rules than the configuration has.
    pub(crate) async fn stage_sign_in_joins(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: &User,
        connector: &SourceId,
        attributes: &Map<String, Value>,
        is_first: bool,
    ) -> Result<(), Error> {
        if !self.rules.joins().any(|rule| rule.source == *connector) {
            // What rules gave that are gone from the file went when the gateway started.
            return Ok(());
        }
        let mut wanted: BTreeMap<GroupId, (Group, &str)> = BTreeMap::new();
        for rule in self.rules.joining(connector, attributes, is_first) {
            if let Some(group) = self.group_to_join(change, &rule.group).await? {
                wanted.entry(group.id).or_insert((group, &rule.position));
            }
        }
        let known = self.joined(user.id, Some(connector)).await?;
        for joined in known.iter().filter(|joined| !wanted.contains_key(&joined.group)) {
            let group = change.find(&GROUPS, self.organisation, &joined.group).await?;
            let is_kept =
                group.is_some_and(|group| self.rules.keeps_in(connector, &group, &joined.position) && is_open(&group));
            if !is_kept {
                self.stage_unjoin(change, permit, joined).await?;
            }
        }
        for (group, position) in wanted.into_values() {
            let joined =
                Joined { user: user.id, connector: connector.clone(), group: group.id, position: position.to_owned() };
            self.stage_joined(change, permit, group, &joined).await?;
        }
        Ok(())
    }

    /// Takes somebody out of the groups into which rules of a connector put them that takes its word back, in the caller's
    /// change, and tells how many those were.
    pub(crate) async fn stage_joins_taken(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: UserId,
        connector: &SourceId,
        taking: Taking,
    ) -> Result<usize, Error> {
        let mut left = 0;
        for joined in self.joined(user, Some(connector)).await? {
            let group = change.find(&GROUPS, self.organisation, &joined.group).await?;
            let key = (joined.group, Member::User(user));
            let since = change.find(&MEMBERS, self.organisation, &key).await?.map(|row| row.since);
            let is_kept = group.is_some_and(|group| self.rules.keeps_in(connector, &group, &joined.position));
            let stays = match taking {
                Taking::Unsaid => is_kept,
                Taking::Kept { until } => !is_kept || since.is_some_and(|since| since > until),
                Taking::Everything => false,
            };
            if !stays {
                left += usize::from(self.stage_unjoin(change, permit, &joined).await?);
            }
        }
        Ok(left)
    }

    /// Forgets by which rules a user who is being deleted was put into groups.
    pub(super) async fn stage_joins_forgotten(&self, change: &mut Change, user: UserId) -> Result<(), Error> {
        for joined in self.joined(user, None).await? {
            change.delete(&JOINS, self.organisation, &joined.key());
        }
        Ok(())
    }

    /// Makes a membership that a rule brought the one of who puts the member into the group besides. Says whether it was
    /// one.
    pub(super) async fn stage_adopted(
        &self,
        change: &mut Change,
        (group, member): (GroupId, Member),
        row: Membership,
        source: Option<&SourceId>,
    ) -> Result<bool, Error> {
        let (Member::User(user), Some(connector)) = (member, row.source.clone()) else { return Ok(false) };
        if Some(&connector) == source {
            return Ok(false);
        }
        let key = (user, connector, group);
        if change.find(&JOINS, self.organisation, &key).await?.is_none() {
            return Ok(false);
        }
        change.delete(&JOINS, self.organisation, &key);
        self.put_source(change, group, member, row, source)?;
        Ok(true)
    }

    /// Takes everybody out of groups into which no rule in force puts them: the rule is gone from the configuration, or
    /// the group is not what it names any more. Whether a condition holds for the person is not asked. Some hundred at a
    /// time; gives how many left.
    ///
    /// # Errors
    /// `Store`; what was committed before stays, and doing it again goes on.
    pub async fn prune_joins(&self, permit: &Permit) -> Result<usize, Error> {
        let mut range = Range::prefix(JOINS.prefix(self.organisation, &()), PAGE);
        let mut left = 0;
        loop {
            let rows = self.store().range(range.clone()).await?;
            for (_, stored) in &rows {
                let joined: Joined = store::decode(JOINS.name(), &stored.value)?;
                let is_stale = match self.find_group(joined.group).await?.filter(is_open) {
                    Some(group) => {
                        !self.rules.joins().any(|rule| rule.source == joined.connector && rule.group.means(&group))
                    }
                    None => true,
                };
                if is_stale {
                    left += usize::from(self.unjoin(permit, &joined).await?);
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE => range = range.after(key),
                _ => return Ok(left),
            }
        }
    }

    /// The rules that name a group into which they put nobody: there is none that is kept by hand and has no rule.
    ///
    /// # Errors
    /// `Store`.
    pub async fn idle_joins(&self) -> Result<Vec<&JoinRule>, Error> {
        let mut idle = Vec::new();
        let mut change = self.ledger.change();
        for rule in self.rules.joins() {
            if self.group_to_join(&mut change, &rule.group).await?.is_none() {
                idle.push(rule);
            }
        }
        Ok(idle)
    }

    async fn unjoin(&self, permit: &Permit, joined: &Joined) -> Result<bool, Error> {
        self.ledger
            .retry(|mut change| async move {
                let is_out = self.stage_unjoin(&mut change, permit, joined).await?;
                change.commit_quietly(Housekeeping::SourceState).await?;
                Ok(is_out)
            })
            .await
    }

    /// The group that a rule means, if people may be put into it.
    async fn group_to_join(&self, change: &mut Change, named: &GroupRef) -> Result<Option<Group>, Error> {
        let id = match named {
            GroupRef::Id(id) => Some(*id),
            GroupRef::Name(name) => {
                change.find(&OWNED_GROUP_NAMES, self.organisation, &(String::new(), name.folded())).await?
            }
        };
        let Some(id) = id else { return Ok(None) };
        Ok(change.find(&GROUPS, self.organisation, &id).await?.filter(is_open))
    }

    /// What rules brought somebody into, of one connector or of all.
    async fn joined(&self, user: UserId, connector: Option<&SourceId>) -> Result<Vec<Joined>, Error> {
        let prefix = match connector {
            Some(connector) => JOINS.prefix(self.organisation, &(user, connector.clone())),
            None => JOINS.prefix(self.organisation, &user),
        };
        let (mut range, mut found) = (Range::prefix(prefix, PAGE), Vec::new());
        loop {
            let rows = self.store().range(range.clone()).await?;
            for (_, stored) in &rows {
                found.push(store::decode(JOINS.name(), &stored.value)?);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == PAGE => range = range.after(last),
                _ => return Ok(found),
            }
        }
    }

    /// Puts somebody into a group by a rule, unless they are in it. Where they are by a rule, of this connector or another,
    /// that it is this one too is noted; where people put them there, nothing is.
    async fn stage_joined(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: Group,
        joined: &Joined,
    ) -> Result<(), Error> {
        let (member, key) = (Member::User(joined.user), joined.key());
        let row = change.find(&MEMBERS, self.organisation, &(group.id, member)).await?;
        if let Some(source) = row.as_ref().map(|row| row.source.clone()) {
            let Some(source) = source else { return Ok(()) };
            let holder = (joined.user, source, group.id);
            let is_by_rule = holder == key || change.find(&JOINS, self.organisation, &holder).await?.is_some();
            if !is_by_rule || change.find(&JOINS, self.organisation, &key).await?.as_ref() == Some(joined) {
                return Ok(());
            }
        }
        change.hold(&RULE_TURNS, self.organisation, &joined.user).await?;
        change.add(&RULE_TURNS, self.organisation, &joined.user, 1);
        change.put(&JOINS, self.organisation, &key, joined)?;
        if row.is_some() {
            return Ok(());
        }
        // What people do was held against what the group gives.
        permit.demand_weighed()?;
        self.put_membership(change, group.id, member, Some(&joined.connector), None)?;
        self.stage_moved(change, permit, group, joined, true).await
    }

    /// Takes somebody out of a group again, where the membership is still the rule's and no other connector's rule says the
    /// same. Says whether they left.
    async fn stage_unjoin(&self, change: &mut Change, permit: &Permit, joined: &Joined) -> Result<bool, Error> {
        let (member, key) = (Member::User(joined.user), joined.key());
        change.hold(&RULE_TURNS, self.organisation, &joined.user).await?;
        if change.find(&JOINS, self.organisation, &key).await?.is_none() {
            return Ok(false);
        }
        change.add(&RULE_TURNS, self.organisation, &joined.user, 1);
        change.delete(&JOINS, self.organisation, &key);
        let row = change.find(&MEMBERS, self.organisation, &(joined.group, member)).await?;
        let Some(row) = row.filter(|row| row.source.as_ref() == Some(&joined.connector)) else { return Ok(false) };
        for other in self.joined(joined.user, None).await?.into_iter().filter(|other| other.group == joined.group) {
            if change.find(&JOINS, self.organisation, &other.key()).await?.is_some() {
                self.put_source(change, joined.group, member, row, Some(&other.connector))?;
                return Ok(false);
            }
        }
        permit.demand_weighed()?;
        self.stage_leave(change, joined.group, member).await?;
        if let Some(group) = change.find(&GROUPS, self.organisation, &joined.group).await? {
            self.stage_moved(change, permit, group, joined, false).await?;
        }
        Ok(true)
    }

    /// Makes a membership that of another source.
    fn put_source(
        &self,
        change: &mut Change,
        group: GroupId,
        member: Member,
        row: Membership,
        source: Option<&SourceId>,
    ) -> Result<(), Error> {
        let row = Membership { source: source.cloned(), ..row };
        change.put(&MEMBERS, self.organisation, &(group, member), &row)?;
        change.put(&MEMBER_OF, self.organisation, &(member, group), &Membership { display: None, ..row })?;
        Ok(())
    }

    /// The group's version, what other rules give for it, and the event.
    async fn stage_moved(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: Group,
        joined: &Joined,
        is_in: bool,
    ) -> Result<(), Error> {
        let (now, member, word) =
            (self.clock.now(), Member::User(joined.user), if is_in { "added" } else { "removed" });
        let group = Group { changed: now, revision: group.revision.saturating_add(1), ..group };
        change.put(&GROUPS, self.organisation, &group.id, &group)?;
        self.follow(change, permit, group.id, &[(member, is_in)]).await?;
        let event = permit.event(now, EventKind::MembershipChanged).on("group", group.id, &group.name);
        let event = event.detail(word, member).detail(&format!("{word}_count"), 1);
        change.also(event.detail("connector", &joined.connector).detail("rule", &joined.position));
        Ok(())
    }
}

/// Whether rules may put people into a group: nobody else says who is in it but people.
fn is_open(group: &Group) -> bool {
    group.owner.is_none() && group.rule.is_none()
}
