//! Groups: looking them up and changing them together with their membership rows.

mod tried;

use std::collections::BTreeSet;

use super::brake::{Kind, Removal};
use super::companies::with_companies;
use super::connections::taken_over;
use super::dynamic::GroupRule;
use super::membership::{Join, Member, MemberChange, Overlay, Wish};
use super::tables::{
    GROUP_LINKS, GROUP_NAMES, GROUP_SLUGS, GROUPS, MEMBER_COUNTS, MEMBER_OF_COUNTS, OWNED_GROUP_NAMES, TOTALS, USERS,
};
use super::users::suffix_id;
use super::{Directory, Error, MAX_PAGE};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind};
use crate::model::{
    Attributes, FoldedName, Group, GroupId, GroupName, OrganisationId, Scope, SourceId, Subject, User, UserId, fold,
};
use crate::store::{self, Range, Retryable};

/// Most member ids that one event lists.
pub(super) const MAX_LISTED: usize = 20;
/// Most users whose rule grants one change of a group re-evaluates.
const MAX_REEVALUATED: usize = 50_000;
/// Most members who leave in one commit where a group is emptied or deleted: each is some entries of it, more where roles
/// go along. A larger group takes several commits.
const LEAVES_PER_COMMIT: usize = 5_000;

/// A group as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupDraft {
    /// `displayName`.
    pub name: GroupName,
    /// The source's id for it.
    pub external_id: Option<String>,
    /// Everything else by name.
    pub attributes: Attributes,
    /// What to do to its members.
    pub members: MemberChange,
}

impl Directory {
    /// The group with this id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_group(&self, id: GroupId) -> Result<Option<Group>, Error> {
        Ok(self.store().find(&GROUPS, self.organisation, &id).await?)
    }

    /// The group with this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn load_group(&self, id: GroupId) -> Result<Group, Error> {
        self.find_group(id).await?.ok_or_else(|| not_found(id))
    }

    /// The groups with these ids, in this order, deleted ones left out.
    ///
    /// # Errors
    /// `Store`.
    pub async fn groups_by_id(&self, ids: &[GroupId]) -> Result<Vec<Group>, Error> {
        Ok(self.store().find_many(&GROUPS, self.organisation, ids).await?.into_iter().flatten().collect())
    }

    /// The groups of this name, in any spelling that folds to it; different owners may use one name.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_groups_by_name(&self, name: &str) -> Result<Vec<Group>, Error> {
        let prefix = GROUP_NAMES.prefix(self.organisation, &fold(name));
        self.groups_of_index(GROUP_NAMES.name(), prefix).await
    }

    /// The groups whose names have this slug (`data_analysts`), those of older stores only where the slug's words are the
    /// name's.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_groups_by_slug(&self, slug: &str) -> Result<Vec<Group>, Error> {
        let prefix = GROUP_SLUGS.prefix(self.organisation, &slug.to_owned());
        let mut found = self.groups_of_index(GROUP_SLUGS.name(), prefix).await?;
        // Groups of a release before have no row of their slug.
        found.extend(self.find_groups_by_name(&slug.replace('_', " ")).await?);
        found.sort_by_key(|group| group.id);
        found.dedup_by_key(|group| group.id);
        Ok(found)
    }

    /// The groups that a source knows under this id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_groups_by_external_id(&self, source: &SourceId, external_id: &str) -> Result<Vec<Group>, Error> {
        let prefix = GROUP_LINKS.prefix(self.organisation, &(source.clone(), external_id.to_owned()));
        self.groups_of_index(GROUP_LINKS.name(), prefix).await
    }

    async fn groups_of_index(&self, table: &'static str, prefix: Vec<u8>) -> Result<Vec<Group>, Error> {
        let rows = self.store().range(Range::prefix(prefix, MAX_PAGE)).await?;
        let ids = rows.iter().map(|(key, _)| suffix_id(table, key)).collect::<Result<Vec<GroupId>, _>>()?;
        self.groups_by_id(&ids).await
    }

    /// Groups in the order of their creation, after `after`, at most `limit` and [`MAX_PAGE`].
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_groups(&self, after: Option<GroupId>, limit: usize) -> Result<Vec<Group>, Error> {
        let mut range = Range::prefix(GROUPS.prefix(self.organisation, &()), limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&GROUPS.key(self.organisation, &after));
        }
        let rows = self.store().range(range).await?;
        rows.iter().map(|(_, stored)| Ok(store::decode(GROUPS.name(), &stored.value)?)).collect()
    }

    /// Groups in the order of their creation, without the first `skip`, at most `limit` and [`MAX_PAGE`].
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_groups_from(&self, skip: usize, limit: usize) -> Result<Vec<Group>, Error> {
        let rows = self.rows_from(GROUPS.prefix(self.organisation, &()), "groups", skip, limit).await?;
        rows.iter().map(|(_, stored)| Ok(store::decode(GROUPS.name(), &stored.value)?)).collect()
    }

    /// How many groups there are; kept, not counted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_groups(&self) -> Result<u64, Error> {
        self.total("groups").await
    }

    /// Creates a group with its first members.
    ///
    /// # Errors
    /// `Conflict` when its owner has a group of that name, `Invalid` for a member that does not exist, `Store`.
    pub async fn create_group(&self, permit: &Permit, draft: &GroupDraft) -> Result<Group, Error> {
        self.create_group_of(permit, draft, &[]).await
    }

    /// The same for a group that belongs to these companies.
    ///
    /// # Errors
    /// As [`Directory::create_group`].
    pub async fn create_group_of(
        &self,
        permit: &Permit,
        draft: &GroupDraft,
        companies: &[Scope],
    ) -> Result<Group, Error> {
        self.create_group_by(permit, draft, companies, None).await
    }

    /// The same for a group whose members follow from a rule; then the draft names none. Its members are there once
    /// [`Directory::fill_groups`] is done.
    ///
    /// # Errors
    /// As [`Directory::create_group`]; `Invalid` where there are too many such groups.
    pub async fn create_group_by(
        &self,
        permit: &Permit,
        draft: &GroupDraft,
        companies: &[Scope],
        rule: Option<&GroupRule>,
    ) -> Result<Group, Error> {
        self.ledger
            .retry(|mut change| async move {
                let (group, event) = self.create_group_in(&mut change, permit, draft, companies, rule).await?;
                change.commit(event).await?;
                Ok(group)
            })
            .await
    }

    /// The same inside a change of the caller's, who records the event.
    ///
    /// # Errors
    /// As [`Directory::create_group_by`].
    pub(crate) async fn create_group_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        draft: &GroupDraft,
        companies: &[Scope],
        rule: Option<&GroupRule>,
    ) -> Result<(Group, Event), Error> {
        permit.demand_weighed()?;
        self.check_running(change, permit).await?;
        let (authority, now) = (self.authority(permit), self.clock.now());
        let group = Group {
            id: GroupId::new(now, &self.ids),
            organisation: OrganisationId::DEFAULT,
            name: draft.name.clone(),
            owner: authority.owner().cloned(),
            external_id: draft.external_id.clone(),
            attributes: draft.attributes.clone(),
            created: now,
            changed: now,
            revision: 1,
            companies: (!companies.is_empty()).then(|| companies.to_vec()),
            rule: rule.map(ToString::to_string),
        };
        check_unruled(&group, &draft.members)?;
        self.check_foreign_name(permit, &group, None).await?;
        self.index_group(change, &group, None).await?;
        if let Some(rule) = &group.rule {
            self.stage_rule(change, group.id, Some(rule)).await?;
        }
        change.put(&GROUPS, self.organisation, &group.id, &group)?;
        change.add(&TOTALS, self.organisation, "groups", 1);
        self.count_owner(change, Kind::Groups, None, group.owner.as_ref());
        let moved = self.stage_members(change, permit, &group, &draft.members).await?;
        self.reevaluate(change, permit, &group, None, &moved).await?;
        let event = permit.event(now, EventKind::GroupCreated).on("group", group.id, &group.name);
        let event = with_companies(event, &[], companies);
        let event = match &group.rule {
            Some(rule) => event.detail("rule", rule),
            None => event,
        };
        Ok((group, moved.describe(event)))
    }

    /// Changes a group: `edit` gets it as it stands and a draft to leave as it should be; it may run more than once.
    /// Costs what the members that it names cost, unless it replaces them all. Where it does nothing but empty a group of more
    /// than 5,000 members, they leave in several commits, each with an event; when one fails, those before it stay.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Conflict`, `Owned`, `Invalid`, `Store`, and what `edit` returns.
    pub async fn change_group<E>(
        &self,
        permit: &Permit,
        id: GroupId,
        revision: Option<u64>,
        edit: impl Fn(&Group, &mut GroupDraft) -> Result<(), E> + Sync,
    ) -> Result<Group, E>
    where
        E: From<Error> + Retryable,
    {
        let edit = &edit;
        let mut revision = revision;
        loop {
            let progress: Progress = self
                .ledger
                .retry(|mut change| async move {
                    let before = self.group_in(&mut change, id, permit, revision).await?;
                    let untouched = draft_of(&before, self.authority(permit).owner());
                    let mut draft = untouched.clone();
                    edit(&before, &mut draft)?;
                    let members = std::mem::take(&mut draft.members);
                    let is_own = before.owner.as_ref() == self.authority(permit).owner();
                    let is_emptied = members.empties() && is_own && draft == untouched && before.rule.is_none();
                    let leaves = if is_emptied { self.leaves(id).await? } else { None };
                    draft.members = members;
                    Ok::<Progress, E>(match leaves {
                        Some(leaves) => Progress::Thinned(self.thin_out(change, permit, before, leaves).await?),
                        None => Progress::Done(self.apply_group(change, permit, before, draft).await?.into()),
                    })
                })
                .await?;
            match progress {
                Progress::Done(group) => return Ok(*group),
                // Whoever named a version named the one before our own commits.
                Progress::Thinned(current) => revision = revision.map(|_| current),
            }
        }
    }

    /// Those who leave a group in a commit of their own before the last; none of a group that is small enough for one.
    async fn leaves(&self, group: GroupId) -> Result<Option<Vec<Member>>, Error> {
        if usize::try_from(self.count_members(group).await?).is_ok_and(|count| count <= LEAVES_PER_COMMIT) {
            return Ok(None);
        }
        let leaves = self.member_rows(group, None, LEAVES_PER_COMMIT, &|member, _| Ok(member)).await?;
        Ok((leaves.len() == LEAVES_PER_COMMIT).then_some(leaves))
    }

    /// Takes these out of a group in a commit of its own, and tells the group's revision after it.
    async fn thin_out(
        &self,
        mut change: Change,
        permit: &Permit,
        before: Group,
        leaves: Vec<Member>,
    ) -> Result<u64, Error> {
        permit.demand_weighed()?;
        let mut members = MemberChange::default();
        leaves.into_iter().for_each(|member| members.remove(member));
        let moved = self.stage_members(&mut change, permit, &before, &members).await?;
        let (changed, revision) = (self.clock.now(), before.revision.saturating_add(1));
        let after = Group { changed, revision, ..before };
        change.put(&GROUPS, self.organisation, &after.id, &after)?;
        self.reevaluate(&mut change, permit, &after, None, &moved).await?;
        let event = permit.event(changed, EventKind::MembershipChanged).on("group", after.id, &after.name);
        change.commit(moved.describe(event)).await?;
        Ok(revision)
    }

    async fn apply_group(
        &self,
        mut change: Change,
        permit: &Permit,
        before: Group,
        draft: GroupDraft,
    ) -> Result<Group, Error> {
        let (group, event) = self.stage_group(&mut change, permit, before, draft).await?;
        if let Some(event) = event {
            change.commit(event).await?;
        }
        Ok(group)
    }

    /// Puts a member into a group inside a change of the caller's, who records the event; none when it is there.
    ///
    /// # Errors
    /// `NotFound`, `Owned`, `Invalid`, `Store`.
    pub(crate) async fn join_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: GroupId,
        member: Member,
    ) -> Result<Option<Event>, Error> {
        let before = self.group_in(change, group, permit, None).await?;
        let mut draft = draft_of(&before, self.authority(permit).owner());
        draft.members.add(member);
        Ok(self.stage_group(change, permit, before, draft).await?.1)
    }

    /// Puts the difference between a group and its draft into a change, and tells what it will be and what happened.
    async fn stage_group(
        &self,
        change: &mut Change,
        permit: &Permit,
        before: Group,
        draft: GroupDraft,
    ) -> Result<(Group, Option<Event>), Error> {
        check_unruled(&before, &draft.members)?;
        let mut after = Group {
            name: draft.name,
            owner: self.authority(permit).owner().cloned(),
            external_id: draft.external_id,
            attributes: draft.attributes,
            ..before.clone()
        };
        let moved = self.stage_members(change, permit, &after, &draft.members).await?;
        let is_renamed = after != before;
        if !is_renamed && moved.is_empty() {
            return Ok((before, None));
        }
        permit.demand_weighed()?;
        after.changed = self.clock.now();
        after.revision = before.revision.saturating_add(1);
        if is_renamed {
            self.check_foreign_name(permit, &after, Some(&before)).await?;
            self.index_group(change, &after, Some(&before)).await?;
        }
        change.put(&GROUPS, self.organisation, &after.id, &after)?;
        if is_renamed {
            self.count_owner(change, Kind::Groups, before.owner.as_ref(), after.owner.as_ref());
        }
        let mut reach = moved.clone();
        if is_renamed && self.are_told_apart(&before, &after) {
            // Whoever was in it and whoever is in it now.
            reach.touched = self.all_members(after.id).await?;
            reach.touched.extend_from_slice(&moved.added);
        }
        // The old owner's rules see it no longer.
        self.reevaluate(change, permit, &after, before.owner.as_ref(), &reach).await?;
        let kind = if is_renamed { EventKind::GroupChanged } else { EventKind::MembershipChanged };
        let event = permit.event(after.changed, kind).on("group", after.id, &after.name);
        let event = if before.name == after.name { event } else { event.detail("before", &before.name) };
        let event = taken_over(event, before.owner.as_ref(), after.owner.as_ref(), true);
        let event = moved.describe(event);
        Ok((after, Some(event)))
    }

    /// Deletes a group and its membership rows. Of more than 5,000 members all but the last leave in commits before, each
    /// with an event; the brake counts the removal with the first of them, so that it is before anything else.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Owned`, `Store`.
    pub async fn delete_group(&self, permit: &Permit, id: GroupId, revision: Option<u64>) -> Result<(), Error> {
        permit.demand_weighed()?;
        let (mut revision, mut is_counted) = (revision, false);
        while let Some(current) = self.thin_out_deleted(permit, id, revision, is_counted).await? {
            (revision, is_counted) = (revision.map(|_| current), true);
        }
        self.ledger
            .retry(|mut change| async move {
                let before = self.group_in(&mut change, id, permit, revision).await?;
                if !is_counted {
                    self.stage_removal(&mut change, permit, Removal::Deleted(Kind::Groups)).await?;
                }
                if before.rule.is_some() {
                    // Whom the rule brings in meanwhile is counted here.
                    change.hold(&MEMBER_COUNTS, self.organisation, &id).await?;
                    self.stage_rule(&mut change, id, None).await?;
                }
                let mut everybody = MemberChange::default();
                everybody.clear();
                let moved = self.stage_members(&mut change, permit, &before, &everybody).await?;
                for (parent, _) in self.groups_of(Member::Group(id)).await? {
                    self.stage_leave_noted(&mut change, parent, Member::Group(id)).await?;
                }
                self.unindex_group(&mut change, &before);
                self.stage_unique(&mut change, "Group", id, Some(&before.attributes), None).await?;
                self.stage_no_grants(&mut change, permit, Subject::Group(id)).await?;
                change.delete(&GROUPS, self.organisation, &id);
                change.delete(&MEMBER_COUNTS, self.organisation, &id);
                change.delete(&MEMBER_OF_COUNTS, self.organisation, &Member::Group(id));
                change.add(&TOTALS, self.organisation, "groups", -1);
                self.count_owner(&mut change, Kind::Groups, before.owner.as_ref(), None);
                self.reevaluate(&mut change, permit, &before, None, &moved).await?;
                let event = permit.event(self.clock.now(), EventKind::GroupDeleted).on("group", id, &before.name);
                let event = taken_over(event, before.owner.as_ref(), self.authority(permit).owner(), true);
                change.commit(moved.describe(event)).await?;
                Ok(())
            })
            .await
    }

    /// Takes some out of a group that is to be deleted, and tells its revision after it; none of a group that is small
    /// enough to be deleted in one commit.
    async fn thin_out_deleted(
        &self,
        permit: &Permit,
        id: GroupId,
        revision: Option<u64>,
        is_counted: bool,
    ) -> Result<Option<u64>, Error> {
        self.ledger
            .retry(|mut change| async move {
                let Some(leaves) = self.leaves(id).await? else { return Ok(None) };
                let before = self.group_in(&mut change, id, permit, revision).await?;
                // Whom a rule brings in would come back.
                if before.rule.is_some() {
                    return Ok(None);
                }
                if !is_counted {
                    self.stage_removal(&mut change, permit, Removal::Deleted(Kind::Groups)).await?;
                }
                self.thin_out(change, permit, before, leaves).await.map(Some)
            })
            .await
    }

    pub(super) async fn group_in(
        &self,
        change: &mut Change,
        id: GroupId,
        permit: &Permit,
        revision: Option<u64>,
    ) -> Result<Group, Error> {
        self.check_running(change, permit).await?;
        let group = change.find(&GROUPS, self.organisation, &id).await?.ok_or_else(|| not_found(id))?;
        if revision.is_some_and(|seen| seen != group.revision) {
            return Err(Error::Revision { current: group.revision });
        }
        let authority = self.authority(permit);
        if group.owner.as_ref() != authority.owner() && !authority.takes_over(group.owner.as_ref()) {
            return Err(Error::Owned { owner: group.owner });
        }
        match &group.rule {
            // No source takes such a group over.
            Some(rule) if authority.owner().is_some() => Err(Error::Ruled { rule: rule.clone() }),
            _ => Ok(group),
        }
    }

    pub(super) async fn index_group(
        &self,
        change: &mut Change,
        after: &Group,
        before: Option<&Group>,
    ) -> Result<(), Error> {
        let name = after.name.folded();
        if before.is_none_or(|b| b.name.folded() != name || b.owner != after.owner) {
            let owned = owned_name(after, name.clone());
            if change.find(&OWNED_GROUP_NAMES, self.organisation, &owned).await?.is_some_and(|id| id != after.id) {
                return Err(Error::Conflict { field: "displayName".into(), value: after.name.to_string() });
            }
            self.check_record_name(change, after).await?;
            change.put(&OWNED_GROUP_NAMES, self.organisation, &owned, &after.id)?;
            change.put(&GROUP_NAMES, self.organisation, &(name.clone(), after.id), &())?;
            if let Some(before) = before {
                let old = before.name.folded();
                if old != name {
                    change.delete(&GROUP_NAMES, self.organisation, &(old.clone(), before.id));
                }
                change.delete(&OWNED_GROUP_NAMES, self.organisation, &owned_name(before, old));
            }
        }
        let (old, new) = (before.and_then(|before| before.name.slug()), after.name.slug());
        if let Some(gone) = old.filter(|old| Some(old) != new.as_ref()) {
            change.delete(&GROUP_SLUGS, self.organisation, &(gone, after.id));
        }
        if let Some(slug) = new {
            change.put(&GROUP_SLUGS, self.organisation, &(slug, after.id), &())?;
        }
        let link = |group: &Group| Some((group.owner.clone()?, group.external_id.clone()?, group.id));
        let (old, new) = (before.and_then(link), link(after));
        if old != new {
            if let Some(gone) = old {
                change.delete(&GROUP_LINKS, self.organisation, &gone);
            }
            if let Some(new) = new {
                change.put(&GROUP_LINKS, self.organisation, &new, &())?;
            }
        }
        let old = before.map(|before| &before.attributes);
        self.stage_unique(change, "Group", after.id, old, Some(&after.attributes)).await
    }

    fn unindex_group(&self, change: &mut Change, group: &Group) {
        let name = group.name.folded();
        change.delete(&GROUP_NAMES, self.organisation, &(name.clone(), group.id));
        change.delete(&OWNED_GROUP_NAMES, self.organisation, &owned_name(group, name));
        if let Some(slug) = group.name.slug() {
            change.delete(&GROUP_SLUGS, self.organisation, &(slug, group.id));
        }
        if let (Some(owner), Some(external_id)) = (&group.owner, &group.external_id) {
            change.delete(&GROUP_LINKS, self.organisation, &(owner.clone(), external_id.clone(), group.id));
        }
    }

    async fn stage_members(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: &Group,
        members: &MemberChange,
    ) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        if members.replaces_all() {
            for member in self.all_members(group.id).await? {
                let stays = matches!(members.wanted().get(&member), Some(Wish::In { .. }));
                if !stays && self.stage_leave(change, group.id, member).await? {
                    moved.removed.push(member);
                }
            }
        }
        for (member, wish) in members.wanted() {
            match wish {
                Wish::In { display } => {
                    self.check_circle(change, permit, group, *member).await?;
                    self.check_member(change, group.id, *member).await?;
                    match self.stage_join(change, group.id, *member, permit.source(), display.as_deref()).await? {
                        Join::Added => moved.added.push(*member),
                        Join::Renamed => moved.renamed += 1,
                        Join::Unchanged => {}
                    }
                }
                Wish::Out if self.stage_leave(change, group.id, *member).await? => moved.removed.push(*member),
                Wish::Out => {}
                Wish::Shown { display } => {
                    moved.renamed += usize::from(self.stage_shown(change, group.id, *member, display).await?);
                }
            }
        }
        moved.touched = moved.added.iter().chain(&moved.removed).copied().collect();
        Ok(moved)
    }

    async fn check_member(&self, change: &mut Change, group: GroupId, member: Member) -> Result<(), Error> {
        let exists = match member {
            Member::User(id) => change.find(&USERS, self.organisation, &id).await?.is_some(),
            Member::Group(id) => id != group && change.find(&GROUPS, self.organisation, &id).await?.is_some(),
        };
        if exists {
            return Ok(());
        }
        let (kind, id) = match member {
            Member::User(id) => ("user", id.to_string()),
            Member::Group(id) => ("group", id.to_string()),
        };
        Err(Error::Invalid { field: "members".to_owned(), reason: format!("names no {kind} that exists: {id}") })
    }

    /// Makes the rule grants of everybody whom a change of membership touches what they must be after it: of the people
    /// of each source, for it may be another source's group in which this one is nested.
    async fn reevaluate(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: &Group,
        former: Option<&SourceId>,
        moved: &Moved,
    ) -> Result<(), Error> {
        if moved.touched.is_empty() || self.rules.is_empty() {
            return Ok(());
        }
        let owners = self.owners_above(group, former).await?;
        if owners.is_empty() {
            return Ok(());
        }
        let users = self.users_below(change, &moved.touched).await?;
        if users.len() > MAX_REEVALUATED {
            let reason = format!("would change the roles of more than {MAX_REEVALUATED} users at once");
            return Err(Error::Invalid { field: "members".to_owned(), reason });
        }
        let overlay = Overlay { group: group.id, added: &moved.added, removed: &moved.removed };
        let ids: Vec<UserId> = users.into_iter().collect();
        for user in &ids {
            self.take_turn(change, *user, [owners.first(), None]).await?;
        }
        let is_concerned = |user: &&User| user.owner.as_ref().is_some_and(|owner| owners.contains(owner));
        for user in self.users_by_id(&ids).await?.iter().filter(is_concerned) {
            self.stage_rules_over(change, permit, user, Some(overlay), Some(group)).await?;
        }
        Ok(())
    }

    /// The sources that have rules and own, or owned, the group or one in which it is nested:
    /// rules look at no others' groups.
    pub(super) async fn owners_above(
        &self,
        group: &Group,
        former: Option<&SourceId>,
    ) -> Result<BTreeSet<SourceId>, Error> {
        let mut above = self.groups_above(group.id).await?;
        above.push(group.clone());
        let owners = above.into_iter().filter_map(|group| group.owner).chain(former.cloned());
        Ok(owners.filter(|owner| self.rules.any_for(owner)).collect())
    }
}

/// How far a change of a group came.
enum Progress {
    Done(Box<Group>),
    /// Some have left; the group has this revision.
    Thinned(u64),
}

/// Who moved.
#[derive(Clone, Debug, Default)]
struct Moved {
    added: Vec<Member>,
    removed: Vec<Member>,
    touched: Vec<Member>,
    /// How many stay and are shown as something else.
    renamed: usize,
}

impl Moved {
    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.renamed == 0
    }

    fn describe(&self, event: Event) -> Event {
        let list = |members: &[Member]| {
            let ids = members.iter().take(MAX_LISTED).map(|member| match member {
                Member::Group(id) => format!("group:{id}"),
                Member::User(id) => format!("user:{id}"),
            });
            ids.collect::<Vec<_>>().join(" ")
        };
        let event = match self.renamed {
            0 => event,
            count => event.detail("renamed_count", count),
        };
        [("added", &self.added), ("removed", &self.removed)]
            .into_iter()
            .filter(|(_, m)| !m.is_empty())
            .fold(event, |event, (name, members)| {
                event.detail(name, list(members)).detail(&format!("{name}_count"), members.len())
            })
    }
}

/// The draft that leaves a group as it is. A group's external id is its owner's word.
fn draft_of(group: &Group, owner: Option<&SourceId>) -> GroupDraft {
    GroupDraft {
        name: group.name.clone(),
        external_id: group.external_id.clone().filter(|_| group.owner.as_ref() == owner),
        attributes: group.attributes.clone(),
        members: MemberChange::default(),
    }
}

/// Refuses to name members of a group whose members follow from a rule.
fn check_unruled(group: &Group, members: &MemberChange) -> Result<(), Error> {
    match &group.rule {
        Some(rule) if !members.is_empty() => Err(Error::Ruled { rule: rule.clone() }),
        _ => Ok(()),
    }
}

fn owned_name(group: &Group, name: FoldedName) -> (String, FoldedName) {
    (group.owner.as_ref().map(|owner| owner.as_str().to_owned()).unwrap_or_default(), name)
}

fn not_found(id: GroupId) -> Error {
    Error::NotFound { what: "group", id: id.to_string() }
}
