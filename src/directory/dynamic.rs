//! Dynamic groups: who is in one follows from a rule about people's attributes, in the filter grammar of RFC 7644.
//!
//! Memberships are rows as everywhere. Whoever writes a person writes the rows that follow in the same commit, and reads
//! the epoch of the rules in it, so that a change of a rule and a write of a person never miss each other. When a rule
//! changes, `fill` makes the rows of everybody else what the rule says; until it is done, writes of people look at each
//! row instead of trusting it. A rule sees attributes and the login name only: nothing that follows from membership.

mod fill;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, watch};

use super::membership::Member;
use super::reconcile::SourceRecord;
use super::tables::{DYNAMICS, MEMBER_COUNTS, MEMBERS, RULE_EPOCH};
use super::users::suffix_id;
use super::{Directory, Error};
use crate::access::Permit;
use crate::audit::{Change, EventKind};
use crate::filter::{AttributePath, Filter, NoSchema};
use crate::model::{Attributes, Group, GroupId, SourceId, User, UserId, UserName};
use crate::store::{self, Range};

pub use fill::Preview;

/// Most dynamic groups: each write of a person evaluates the rules of all.
pub const MAX_DYNAMIC_GROUPS: usize = 200;
/// The row of the epoch.
const EPOCH: &str = "rules";
/// What the rows of memberships name as their source.
const BY_RULE: &str = "rule";
/// What no rule may name: what would follow from memberships, and what is no attribute.
const DERIVED: [&str; 11] = [
    "active",
    "companies",
    "entitlements",
    "externalId",
    "groups",
    "id",
    "meta",
    "password",
    "roles",
    "schemas",
    "status",
];
/// The schemas of RFC 7643 itself.
const CORE: &str = "urn:ietf:params:scim:schemas:core:";

/// A rule: whose attributes meet it is in the group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRule(Filter);

impl GroupRule {
    fn matches(&self, record: &Map<String, Value>) -> bool {
        self.0.matches(record, &NoSchema)
    }
}

impl fmt::Display for GroupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for GroupRule {
    type Err = String;

    /// The error says what is wrong and at which character.
    fn from_str(text: &str) -> Result<Self, String> {
        let filter: Filter = text.parse().map_err(|error: crate::filter::Error| error.to_string())?;
        filter.visit(&mut |path, _| refuse_derived(text, path))?;
        // What is kept is the canonical text, which may be the longer one.
        filter.to_string().parse::<Filter>().map_err(|error| error.to_string())?;
        Ok(Self(filter))
    }
}

fn refuse_derived(text: &str, path: &AttributePath) -> Result<(), String> {
    let is_core =
        path.urn.as_ref().is_none_or(|urn| urn.get(..CORE.len()).is_some_and(|u| u.eq_ignore_ascii_case(CORE)));
    if !is_core || !DERIVED.iter().any(|derived| path.name.eq_ignore_ascii_case(derived)) {
        return Ok(());
    }
    let position = position(text, &path.name);
    Err(format!(
        "names `{}` at position {position}, which is no attribute of people: a rule sees attributes and userName, \
         nothing that follows from memberships",
        path.name
    ))
}

/// Where a name stands outside quotes, counted in characters from 1.
fn position(text: &str, name: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut last = ' ';
    for (count, (at, c)) in text.char_indices().enumerate() {
        let rest = text.get(at..).unwrap_or_default();
        let is_here = rest.get(..name.len()).is_some_and(|here| here.eq_ignore_ascii_case(name));
        let ends = rest.get(name.len()..).and_then(|rest| rest.chars().next()).is_none_or(|next| !is_word(next));
        if !is_quoted && is_here && ends && !is_word(last) {
            return count.saturating_add(1);
        }
        match c {
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        last = c;
    }
    1
}

/// How far the members of a group follow its rule.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Filling {
    /// The rule in force, as its group has it.
    #[n(0)]
    rule: String,
    #[n(1)]
    stage: Stage,
    /// The last one who was looked at in this stage.
    #[n(2)]
    after: Option<UserId>,
    /// The epoch that began it.
    #[n(3)]
    since: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
enum Stage {
    /// Everybody's row is what the rule says.
    #[n(0)]
    Settled,
    /// Who is in it and should not be.
    #[n(1)]
    Leavers,
    /// Who should be in it and is not.
    #[n(2)]
    Joiners,
}

/// A rule ready to be asked.
struct Compiled {
    group: GroupId,
    rule: GroupRule,
    is_settled: bool,
}

type Rules = Arc<[Compiled]>;

/// The rules in memory, and who fills groups. Cloning shares them.
#[derive(Clone)]
pub(super) struct Dynamics(Arc<Inner>);

struct Inner {
    /// The rules of an epoch.
    rules: RwLock<Option<(u64, Rules)>>,
    /// Counts what was filled, for who waits.
    progress: watch::Sender<u64>,
    /// Held by who fills.
    turn: Mutex<()>,
}

impl Default for Dynamics {
    fn default() -> Self {
        let progress = watch::Sender::new(0);
        Self(Arc::new(Inner { rules: RwLock::default(), progress, turn: Mutex::default() }))
    }
}

/// The groups into and out of which a change of attributes moves somebody.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// Whose rule is met after it only.
    pub entered: Vec<Group>,
    /// Whose rule is met before it only.
    pub left: Vec<Group>,
    /// Whether there are rules at all, so that another change of the account may add to this one.
    pub are_possible: bool,
}

impl Directory {
    /// Gives a group another rule, or none, by which its members stay as they are and are kept by hand. Its members follow
    /// once [`Directory::fill_groups`] is done.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Owned`; `Invalid` when it has members that were put in by hand, or there are too many
    /// such groups; `Store`.
    pub async fn rule_group(
        &self,
        permit: &Permit,
        id: GroupId,
        revision: Option<u64>,
        rule: Option<&GroupRule>,
    ) -> Result<Group, Error> {
        permit.demand_weighed()?;
        let rule = rule.map(ToString::to_string);
        let rule = rule.as_ref();
        self.ledger
            .retry(|mut change| async move {
                let before = self.group_in(&mut change, id, permit, revision).await?;
                if before.rule.as_ref() == rule {
                    return Ok(before);
                }
                if before.rule.is_none() {
                    change.hold(&MEMBER_COUNTS, self.organisation, &id).await?;
                    let members = self.count_members(id).await?;
                    if members > 0 {
                        let reason =
                            format!("is for a group without members, and this one has {members}; take them out first");
                        return Err(Error::Invalid { field: "rule".to_owned(), reason });
                    }
                }
                let mut after = Group { rule: rule.cloned(), changed: self.clock.now(), ..before.clone() };
                after.revision = before.revision.saturating_add(1);
                self.stage_rule(&mut change, id, rule.map(String::as_str)).await?;
                change.put(&super::tables::GROUPS, self.organisation, &id, &after)?;
                let mut event = permit.event(after.changed, EventKind::GroupChanged).on("group", id, &after.name);
                if let Some(before) = &before.rule {
                    event = event.detail("rule_before", before);
                }
                event = event.detail("rule", rule.map_or("none", String::as_str));
                change.commit(event).await?;
                Ok(after)
            })
            .await
    }

    /// Puts another rule of a group, or none, in force with the caller's commit.
    pub(super) async fn stage_rule(&self, change: &mut Change, id: GroupId, rule: Option<&str>) -> Result<(), Error> {
        let epoch = change.find(&RULE_EPOCH, self.organisation, EPOCH).await?.unwrap_or(0).saturating_add(1);
        match rule {
            Some(rule) => {
                let is_new = change.find(&DYNAMICS, self.organisation, &id).await?.is_none();
                if is_new && self.dynamic_groups(change).await?.len() >= MAX_DYNAMIC_GROUPS {
                    let reason = format!("may be that of at most {MAX_DYNAMIC_GROUPS} groups");
                    return Err(Error::Invalid { field: "rule".to_owned(), reason });
                }
                let filling = Filling { rule: rule.to_owned(), stage: Stage::Leavers, after: None, since: epoch };
                change.put(&DYNAMICS, self.organisation, &id, &filling)?;
            }
            None => change.delete(&DYNAMICS, self.organisation, &id),
        }
        change.put(&RULE_EPOCH, self.organisation, EPOCH, &epoch)?;
        Ok(())
    }

    /// Has the members of every dynamic group looked at anew, in the caller's commit, which wrote people or members without
    /// regard to the rules.
    ///
    /// # Errors
    /// `Store`.
    pub async fn stage_refill(&self, change: &mut Change) -> Result<(), Error> {
        let Some(epoch) = change.find(&RULE_EPOCH, self.organisation, EPOCH).await? else { return Ok(()) };
        let epoch = epoch.saturating_add(1);
        for id in self.dynamic_groups(change).await? {
            if let Some(filling) = change.find(&DYNAMICS, self.organisation, &id).await? {
                let filling = Filling { stage: Stage::Leavers, after: None, since: epoch, ..filling };
                change.put(&DYNAMICS, self.organisation, &id, &filling)?;
            }
        }
        change.put(&RULE_EPOCH, self.organisation, EPOCH, &epoch)?;
        Ok(())
    }

    /// The dynamic groups, those of the change included.
    async fn dynamic_groups(&self, change: &Change) -> Result<BTreeSet<GroupId>, Error> {
        let prefix = DYNAMICS.prefix(self.organisation, &());
        // A few more than there may be: an import is not stopped half-way by a plan that was made at another time.
        let rows = self.store().range(Range::prefix(prefix.clone(), super::MAX_PAGE)).await?;
        let mut ids = BTreeSet::new();
        for (key, _) in &rows {
            ids.insert(suffix_id(DYNAMICS.name(), key)?);
        }
        for (key, is_there) in change.pending(&prefix) {
            let id = suffix_id(DYNAMICS.name(), key)?;
            let _ = if is_there { ids.insert(id) } else { ids.remove(&id) };
        }
        Ok(ids)
    }

    /// Makes the memberships of a person what the rules say of the record as it will be, in the caller's change. Costs one
    /// read where there are no rules.
    pub(super) async fn stage_dynamics(
        &self,
        change: &mut Change,
        permit: &Permit,
        before: Option<&User>,
        after: &User,
    ) -> Result<(), Error> {
        let Some(epoch) = change.find(&RULE_EPOCH, self.organisation, EPOCH).await? else { return Ok(()) };
        let rules = self.rules_of(epoch).await?;
        if rules.is_empty() {
            return Ok(());
        }
        let new = record(&after.attributes, &after.user_name);
        let old = before.map(|before| record(&before.attributes, &before.user_name));
        let by_rule = by_rule()?;
        for compiled in rules.iter() {
            let was_in = old.as_ref().is_some_and(|old| compiled.rule.matches(old));
            let is_in = compiled.rule.matches(&new);
            if compiled.is_settled && is_in == was_in {
                continue;
            }
            if is_in != was_in {
                // What people do was held against what the group gives.
                permit.demand_weighed()?;
            }
            if self.stage_ruled(change, compiled.group, after.id, is_in, &by_rule).await?
                && let Some(group) = self.find_group(compiled.group).await?
            {
                let word = if is_in { "added" } else { "removed" };
                let event = permit.event(self.clock.now(), EventKind::MembershipChanged);
                let event = event.on("group", group.id, &group.name).detail(word, Member::User(after.id));
                change.also(event.detail(&format!("{word}_count"), 1).detail("rule", &compiled.rule));
            }
        }
        Ok(())
    }

    /// Puts somebody into a group by its rule, or out of it. Says whether that made a difference. It does not count how many
    /// groups somebody is in: a rule must not make it impossible to write a person.
    async fn stage_ruled(
        &self,
        change: &mut Change,
        group: GroupId,
        user: UserId,
        is_in: bool,
        by_rule: &SourceId,
    ) -> Result<bool, Error> {
        let member = Member::User(user);
        if !is_in {
            return self.stage_leave(change, group, member).await;
        }
        if change.find(&MEMBERS, self.organisation, &(group, member)).await?.is_some() {
            return Ok(false);
        }
        self.put_membership(change, group, member, Some(by_rule), None)?;
        Ok(true)
    }

    /// Where a change of the record would move somebody. For who is about to make it, to ask whether they may.
    ///
    /// # Errors
    /// `Store`.
    pub async fn moves(&self, before: Option<&User>, after: &SourceRecord) -> Result<Moves, Error> {
        let Some(epoch) = self.store().find(&RULE_EPOCH, self.organisation, EPOCH).await? else {
            return Ok(Moves::default());
        };
        let rules = self.rules_of(epoch).await?;
        let old = before.map(|before| record(&before.attributes, &before.user_name));
        let new = record(&after.attributes, &after.user_name);
        let (mut entered, mut left) = (Vec::new(), Vec::new());
        for compiled in rules.iter() {
            let was_in = old.as_ref().is_some_and(|old| compiled.rule.matches(old));
            match (was_in, compiled.rule.matches(&new)) {
                (false, true) => entered.push(compiled.group),
                (true, false) => left.push(compiled.group),
                _ => {}
            }
        }
        Ok(Moves {
            entered: self.groups_by_id(&entered).await?,
            left: self.groups_by_id(&left).await?,
            are_possible: !rules.is_empty(),
        })
    }

    /// Every group whose members follow from a rule.
    ///
    /// # Errors
    /// `Store`.
    pub async fn ruled_groups(&self) -> Result<Vec<Group>, Error> {
        let Some(epoch) = self.store().find(&RULE_EPOCH, self.organisation, EPOCH).await? else {
            return Ok(Vec::new());
        };
        let ids: Vec<GroupId> = self.rules_of(epoch).await?.iter().map(|compiled| compiled.group).collect();
        self.groups_by_id(&ids).await
    }

    /// The rules of an epoch, from memory where they are that.
    async fn rules_of(&self, epoch: u64) -> Result<Rules, Error> {
        let kept = self.dynamics.0.rules.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, rules)) = kept.filter(|(of, _)| *of == epoch) {
            return Ok(rules);
        }
        let prefix = DYNAMICS.prefix(self.organisation, &());
        let rows = self.store().range(Range::prefix(prefix, super::MAX_PAGE)).await?;
        let mut rules = Vec::with_capacity(rows.len());
        for (key, stored) in &rows {
            let filling: Filling = store::decode(DYNAMICS.name(), &stored.value)?;
            let group = suffix_id(DYNAMICS.name(), key)?;
            rules.push(Compiled { group, rule: filling.parsed()?, is_settled: filling.stage == Stage::Settled });
        }
        let rules: Rules = rules.into();
        // Where another epoch has begun meanwhile, these may be its rules.
        if self.store().find(&RULE_EPOCH, self.organisation, EPOCH).await? == Some(epoch) {
            let kept = Some((epoch, Arc::clone(&rules)));
            *self.dynamics.0.rules.write().unwrap_or_else(PoisonError::into_inner) = kept;
        }
        Ok(rules)
    }
}

impl Filling {
    fn parsed(&self) -> Result<GroupRule, Error> {
        let corrupt = |reason| store::Error::Corrupt { table: DYNAMICS.name(), reason };
        Ok(self.rule.parse().map_err(corrupt)?)
    }
}

/// What a rule sees of a person.
fn record(attributes: &Attributes, user_name: &UserName) -> Map<String, Value> {
    let mut record = attributes.0.clone();
    record.insert("userName".to_owned(), user_name.as_str().into());
    record
}

fn by_rule() -> Result<SourceId, Error> {
    BY_RULE.parse().map_err(|error| Error::invalid("source", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_names_what_follows_from_memberships_is_refused_with_its_place() {
        for (text, position) in [
            (r#"groups eq "Admins""#, 1),
            (r#"title eq "groups" and (ROLES pr)"#, 24),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:active eq true"#, 44),
            (r#"not (groups[value eq "x"])"#, 6),
            (r#"title eq "\"groups" or meta.created gt "2020-01-01T00:00:00Z""#, 24),
        ] {
            let refused = text.parse::<GroupRule>().unwrap_err();
            assert!(refused.contains(&format!("at position {position},")), "{text}: {refused}");
        }
        assert!("title eq".parse::<GroupRule>().unwrap_err().contains("position"));
    }

    #[test]
    fn attributes_of_people_are_named_as_in_filters() {
        for text in [
            r#"title eq "Engineer" and not (userType eq "Guest")"#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Sales""#,
            r#"urn:example:1.0:User:roles eq "x""#,
            r#"emails[type eq "work" and value ew "@example.com"]"#,
        ] {
            assert_eq!(text.parse::<GroupRule>().unwrap().to_string(), text);
        }
    }
}
