//! Writing groups (RFC 7644 sections 3.3, 3.5 and 3.6). Members are rows: a request costs what the members cost that
//! it names, whatever the size of the group.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::body::Manner;
use super::call::Call;
use super::etag::Version;
use super::patch::{self, MemberStep, NamedMember};
use super::read::{Record, Rows, possible_members};
use super::resource::{Kind, group};
use super::routes::{Answered, Created, Patched};
use super::{Error, Scim, body};
use crate::directory::{GroupDraft, Member, MemberChange};
use crate::filter::Filter;
use crate::model::{Group, GroupId, Kept, UserId};

/// Up to this many members, the answer to a PATCH shows the group; above it is empty (204), so that adding somebody to
/// a large group does not list the whole group.
const MAX_SHOWN_MEMBERS: u64 = 100;

/// Up to this many members leave a group when its members are replaced by some of whom none exists.
const MAX_EMPTIED_BY_STRANGERS: u64 = 10;

/// Most members that one request's value filters look at, each counted once for each filter.
const MAX_EXAMINED: usize = 500_000;

impl Scim {
    /// `POST /Groups`.
    pub(super) async fn create_group(&self, call: &Call, body: &Map<String, Value>) -> Result<Created, Error> {
        let permit = self.permit(call).await?;
        let (body, members) = split_members(body)?;
        let mut draft = group::draft_of(body::resource(&self.catalogue.shape(Kind::Group), &body)?)?;
        let steps: Vec<MemberStep> = members.map(MemberStep::Add).into_iter().collect();
        draft.members = self.member_change(None, &steps).await?;
        let group = self.directory.create_group(&permit, &draft).await?;
        let rows = Rows::shown(&call.projection(&self.catalogue, Kind::Group), Kind::Group);
        self.answered(call, Record::Group(group), rows).await.map(Created)
    }

    /// `PUT /Groups/{id}`. A body that does not name members leaves them alone.
    pub(super) async fn replace_group(
        &self,
        call: &Call,
        id: &str,
        body: &Map<String, Value>,
    ) -> Result<Answered, Error> {
        let (body, members) = split_members(body)?;
        let shape = self.catalogue.shape(Kind::Group);
        let resource = body::canonical(&shape, &body)?;
        let steps: Vec<MemberStep> = members.map(MemberStep::Replace).into_iter().collect();
        let change = |before: &Group, draft: &mut GroupDraft| {
            let before = group::canonical(before, &call.source);
            group::update(draft, body::settle(&shape, &before, resource.clone(), Manner::Put)?)
        };
        let group = self.change_group(call, id, &steps, change).await?;
        let rows = Rows::shown(&call.projection(&self.catalogue, Kind::Group), Kind::Group);
        self.answered(call, Record::Group(group), rows).await
    }

    /// `PATCH /Groups/{id}`: the group, or its version alone where the group is too large to be shown, or the client names
    /// members by bare ids: Microsoft's reference client does, and takes no body for it, which other clients insist on.
    pub(super) async fn patch_group(&self, call: &Call, id: &str, body: &Map<String, Value>) -> Result<Patched, Error> {
        let shape = self.catalogue.shape(Kind::Group);
        let (steps, members) = patch::members(patch::parse(&shape, body)?)?;
        let change = |before: &Group, draft: &mut GroupDraft| {
            if steps.is_empty() {
                return Ok(());
            }
            group::update(draft, patch::apply(&shape, &group::canonical(before, &call.source), &steps)?)
        };
        let group = self.change_group(call, id, &members, change).await?;
        let projection = call.projection(&self.catalogue, Kind::Group);
        let rows = Rows::shown(&projection, Kind::Group);
        let is_terse = members.iter().any(MemberStep::is_bare) && !projection.is_asked();
        let is_large = matches!(rows, Rows::All) && self.directory.count_members(group.id).await? > MAX_SHOWN_MEMBERS;
        if is_terse || is_large {
            return Ok(Patched::Unshown { version: Version::new(group.revision) });
        }
        self.answered(call, Record::Group(group), rows).await.map(Patched::Shown)
    }

    async fn change_group(
        &self,
        call: &Call,
        id: &str,
        members: &[MemberStep],
        edit: impl Fn(&Group, &mut GroupDraft) -> Result<(), Error> + Sync,
    ) -> Result<Group, Error> {
        let permit = self.permit(call).await?;
        let group = id.parse().map_err(|_| Error::NotFound)?;
        let (permit, edit) = (&permit, &edit);
        // After the conditions, and anew when somebody else has written meanwhile: it follows from who is in the group.
        let write = |revision| async move {
            let members = self.member_change(Some(group), members).await?;
            let edit = |before: &Group, draft: &mut GroupDraft| {
                edit(before, draft)?;
                draft.members = members.clone();
                Ok::<(), Error>(())
            };
            self.directory.change_group(permit, group, revision, edit).await
        };
        self.conditionally(call, Kind::Group, id, write).await
    }

    /// `DELETE /Groups/{id}`.
    pub(super) async fn delete_group(&self, call: &Call, id: &str) -> Result<(), Error> {
        let permit = self.permit(call).await?;
        let (directory, permit, group) = (&self.directory, &permit, id.parse().map_err(|_| Error::NotFound)?);
        let write = |revision| async move { Ok(directory.delete_group(permit, group, revision).await?) };
        self.conditionally(call, Kind::Group, id, write).await
    }

    /// What the steps come to. Members that do not exist are passed over: a client that pushes somebody whom it was
    /// told to deprovision would otherwise never get its other changes through.
    async fn member_change(&self, group: Option<GroupId>, steps: &[MemberStep]) -> Result<MemberChange, Error> {
        let named = steps.iter().flat_map(|step| match step {
            MemberStep::Add(members) | MemberStep::Replace(members) | MemberStep::Swap { added: members, .. } => {
                members.as_slice()
            }
            MemberStep::Clear | MemberStep::Remove(_) | MemberStep::RemoveWhere(_) | MemberStep::Rename { .. } => &[],
        });
        let known = self.existing_members(named.map(|member| &member.id)).await?;
        let mut change = MemberChange::default();
        let mut added: Vec<group::Shown> = Vec::new();
        let (mut stored, mut examined): (Option<Vec<group::Shown>>, usize) = (None, 0);
        for step in steps {
            match step {
                MemberStep::Add(members) | MemberStep::Replace(members) => {
                    if matches!(step, MemberStep::Replace(_)) {
                        self.check_replaced(group, members, &known).await?;
                        change.clear();
                    }
                    for named in members {
                        let Some(member) = known.get(named.id.as_str()) else { continue };
                        change.add_shown(*member, named.display.clone());
                        added.push((*member, named.display.clone()));
                    }
                }
                MemberStep::Clear => change.clear(),
                MemberStep::Remove(ids) => {
                    ids.iter().flat_map(|id| possible_members(id)).for_each(|member| change.remove(member));
                }
                MemberStep::Swap { gone, added: members, creates } => {
                    let mut selected = Vec::new();
                    for member in gone.iter().flat_map(|id| possible_members(id)) {
                        if self.is_member(group, &change, member).await? {
                            selected.push(member);
                        }
                    }
                    if selected.is_empty() && !creates {
                        return Err(Error::NoTarget(format!("the group has no member {}", gone.join(" or "))));
                    }
                    selected.into_iter().for_each(|member| change.remove(member));
                    for named in members {
                        let Some(member) = known.get(named.id.as_str()) else { continue };
                        change.add_shown(*member, named.display.clone());
                        added.push((*member, named.display.clone()));
                    }
                }
                MemberStep::Rename { ids, display } => {
                    let mut is_found = false;
                    for member in ids.iter().flat_map(|id| possible_members(id)) {
                        if self.is_member(group, &change, member).await? {
                            change.show(member, display.clone());
                            is_found = true;
                        }
                    }
                    if !is_found {
                        return Err(Error::NoTarget(format!("the group has no member {}", ids.join(" or "))));
                    }
                }
                MemberStep::RemoveWhere(filter) => {
                    let stored = match (&mut stored, group) {
                        (Some(stored), _) => stored,
                        (none, Some(group)) => none.insert(self.shown_members(group).await?),
                        (none, None) => none.insert(Vec::new()),
                    };
                    examined = examined.saturating_add(stored.len()).saturating_add(added.len());
                    if examined > MAX_EXAMINED {
                        let reason = "too many members to look through; name those that leave by `value eq`";
                        return Err(Error::InvalidFilter(reason.to_owned()));
                    }
                    let candidates = stored.iter().chain(&added);
                    candidates.filter(|m| self.is_selected(m, filter)).for_each(|(m, _)| change.remove(*m));
                }
            }
        }
        Ok(change)
    }

    /// Refuses to empty a group by naming nobody who exists: the ids are of somewhere else.
    async fn check_replaced(
        &self,
        group: Option<GroupId>,
        named: &[NamedMember],
        known: &HashMap<String, Member>,
    ) -> Result<(), Error> {
        let (Some(group), false) = (group, named.is_empty()) else { return Ok(()) };
        if named.iter().any(|member| known.contains_key(member.id.as_str()))
            || self.directory.count_members(group).await? <= MAX_EMPTIED_BY_STRANGERS
        {
            return Ok(());
        }
        let reason =
            "none of the `members` exists, and all who are in the group would leave; send an empty list to empty it";
        Err(Error::InvalidValue(reason.to_owned()))
    }

    /// Whether a member is in the group after what the steps before come to.
    async fn is_member(&self, group: Option<GroupId>, change: &MemberChange, member: Member) -> Result<bool, Error> {
        Ok(match (change.settles(member), group) {
            (Some(is_in), _) => is_in,
            (None, Some(group)) => self.directory.find_membership(group, member).await?.is_some(),
            (None, None) => false,
        })
    }

    fn is_selected(&self, member: &group::Shown, filter: &Filter) -> bool {
        let value = group::member(self.place(), member);
        value.as_object().is_some_and(|object| filter.matches(object, &crate::filter::NoSchema))
    }

    /// The users and groups that exist among these ids.
    async fn existing_members<'a>(
        &self,
        ids: impl Iterator<Item = &'a String>,
    ) -> Result<HashMap<String, Member>, Error> {
        let ids: Vec<&String> = ids.collect();
        let users: Vec<UserId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let mut known = HashMap::new();
        for user in self.directory.users_by_id::<Kept>(&users).await? {
            known.insert(user.id.to_string(), Member::User(user.id));
        }
        let others: Vec<GroupId> =
            ids.iter().filter(|id| !known.contains_key(id.as_str())).filter_map(|id| id.parse().ok()).collect();
        for group in self.directory.groups_by_id(&others).await? {
            known.insert(group.id.to_string(), Member::Group(group.id));
        }
        let unknown = ids.iter().filter(|id| !known.contains_key(id.as_str())).count();
        if unknown > 0 {
            tracing::warn!(member.unknown = unknown, "a connection named {unknown} members that do not exist");
        }
        Ok(known)
    }
}

/// The members that a body names, `None` where it says nothing about them.
type Members = Option<Vec<NamedMember>>;

/// A body without `members`, and those: a group may have more of them than any other attribute has values.
fn split_members(body: &Map<String, Value>) -> Result<(Map<String, Value>, Members), Error> {
    let mut rest = Map::new();
    let mut members = None;
    for (key, value) in body {
        if !key.eq_ignore_ascii_case("members") {
            rest.insert(key.clone(), value.clone());
        } else if members.replace(value).is_some() {
            return Err(Error::InvalidSyntax("`members` stands twice, in different spellings".to_owned()));
        }
    }
    let named = members.filter(|value| !value.is_null()).map(patch::named).transpose()?;
    Ok((rest, named))
}
