//! Membership: rows in both directions, and the closure over nested groups.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::tables::{GROUPS, MEMBER_COUNTS, MEMBER_OF, MEMBER_OF_COUNTS, MEMBERS, USERS};
use super::{Directory, Error, MAX_NESTING, MAX_PAGE};
use crate::access::Permit;
use crate::audit::Change;
use crate::model::{Actor, Group, GroupId, MAX_DISPLAY_BYTES, Membership, SourceId, Subject, UserId};
use crate::store::{self, Key, KeyWriter, Range};

/// Rows read first: so few that the engine reads them without a change of thread, and more than most groups have.
const FIRST: usize = 500;
/// Rows read at a time while a large membership is walked.
const WALK: usize = 5_000;
/// Most rows that one walk reads.
const MAX_WALK: usize = 500_000;

/// Most groups that one member is directly in, and as many again into which its own source puts it: every decision about
/// somebody reads them. A logon to Windows bears about as many.
pub const MAX_GROUPS_OF_MEMBER: u64 = 1_024;

/// What can be in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A nested group.
    Group(GroupId),
    /// A user.
    User(UserId),
}

impl From<Member> for Subject {
    fn from(member: Member) -> Self {
        match member {
            Member::Group(id) => Self::Group(id),
            Member::User(id) => Self::User(id),
        }
    }
}

impl Key for Member {
    fn write(&self, out: &mut KeyWriter) {
        match self {
            Self::Group(id) => {
                out.fixed(&[1]);
                id.write(out);
            }
            Self::User(id) => {
                out.fixed(&[2]);
                id.write(out);
            }
        }
    }
}

/// `user:ID` or `group:ID`.
impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(id) => write!(f, "group:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
        }
    }
}

impl std::str::FromStr for Member {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let member = match text.split_once(':') {
            Some(("group", id)) => id.parse().ok().map(Self::Group),
            Some(("user", id)) => id.parse().ok().map(Self::User),
            _ => None,
        };
        member.ok_or("must be user:ID or group:ID")
    }
}

impl Member {
    pub(super) fn of_key(key: &[u8]) -> Result<Self, Error> {
        match key.last_chunk::<17>() {
            Some([1, id @ ..]) => Ok(Self::Group(GroupId::from_bytes(*id))),
            Some([2, id @ ..]) => Ok(Self::User(UserId::from_bytes(*id))),
            _ => {
                let reason = "a key without a member at its end".to_owned();
                Err(store::Error::Corrupt { table: MEMBERS.name(), reason }.into())
            }
        }
    }
}

/// What a change does to a group's members, net of its order: a member is in, out, or untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    replaces_all: bool,
    wanted: BTreeMap<Member, Wish>,
}

/// What becomes of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It is in, and shown as this where something is said.
    In { display: Option<String> },
    /// It is out.
    Out,
    /// It is shown as this where it is in, and whoever is not in stays out.
    Shown { display: String },
}

/// What came of adding a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    Added,
    /// It was there and is shown as something else now, or is no mapping rule's any more.
    Renamed,
    Unchanged,
}

impl MemberChange {
    /// Adds a member.
    pub fn add(&mut self, member: Member) {
        self.add_shown(member, None);
    }

    /// Adds a member that is shown as `display`; `None` leaves what a member is shown as. More than
    /// [`MAX_DISPLAY_BYTES`] are not kept.
    pub fn add_shown(&mut self, member: Member, display: Option<String>) {
        let display = display.filter(|text| may_be_shown(text)).or_else(|| match self.wanted.remove(&member) {
            Some(Wish::In { display }) => display,
            Some(Wish::Shown { display }) => Some(display),
            Some(Wish::Out) | None => None,
        });
        self.wanted.insert(member, Wish::In { display });
    }

    /// Shows a member as `display`, if it is in: it puts nobody into the group. More than [`MAX_DISPLAY_BYTES`] change
    /// nothing.
    pub fn show(&mut self, member: Member, display: String) {
        if !may_be_shown(&display) {
            return;
        }
        match self.wanted.get_mut(&member) {
            Some(Wish::In { display: known }) => *known = Some(display),
            Some(Wish::Shown { display: known }) => *known = display,
            Some(Wish::Out) => {}
            None if self.replaces_all => {}
            None => drop(self.wanted.insert(member, Wish::Shown { display })),
        }
    }

    /// Removes a member; one that is not there is no error.
    pub fn remove(&mut self, member: Member) {
        self.wanted.insert(member, Wish::Out);
    }

    /// Removes everybody; members added afterwards are the only ones.
    pub fn clear(&mut self) {
        self.replaces_all = true;
        self.wanted.clear();
    }

    /// Whether a member is in after it, where that follows from it alone.
    pub fn settles(&self, member: Member) -> Option<bool> {
        match self.wanted.get(&member) {
            Some(Wish::In { .. }) => Some(true),
            Some(Wish::Out) => Some(false),
            Some(Wish::Shown { .. }) | None => self.replaces_all.then_some(false),
        }
    }

    /// Whether it only takes everybody out.
    pub(super) fn empties(&self) -> bool {
        self.replaces_all && !self.wanted.values().any(|wish| matches!(wish, Wish::In { .. }))
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        !self.replaces_all && self.wanted.is_empty()
    }

    pub(super) fn replaces_all(&self) -> bool {
        self.replaces_all
    }

    pub(super) fn wanted(&self) -> &BTreeMap<Member, Wish> {
        &self.wanted
    }
}

fn may_be_shown(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_DISPLAY_BYTES
}

/// Rows that a change is about to write, over which the closure is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlay<'a> {
    pub(super) group: GroupId,
    pub(super) added: &'a [Member],
    pub(super) removed: &'a [Member],
}

impl Directory {
    /// Direct members of a group in a stable order, after `after`, at most `limit` and [`MAX_PAGE`].
    ///
    /// # Errors
    /// `Store`.
    pub async fn members(&self, group: GroupId, after: Option<Member>, limit: usize) -> Result<Vec<Member>, Error> {
        self.member_rows(group, after, limit.min(MAX_PAGE), &|member, _| Ok(member)).await
    }

    /// The same with the rows, which tell since when and by which source.
    ///
    /// # Errors
    /// `Store`.
    pub async fn member_page(
        &self,
        group: GroupId,
        after: Option<Member>,
        limit: usize,
    ) -> Result<Vec<(Member, Membership)>, Error> {
        let read = |member, value: &[u8]| Ok((member, store::decode(MEMBERS.name(), value)?));
        self.member_rows(group, after, limit.min(MAX_PAGE), &read).await
    }

    pub(super) async fn member_rows<T>(
        &self,
        group: GroupId,
        after: Option<Member>,
        limit: usize,
        read: &(impl Fn(Member, &[u8]) -> Result<T, Error> + Sync),
    ) -> Result<Vec<T>, Error> {
        let mut range = Range::prefix(MEMBERS.prefix(self.organisation, &group), limit);
        if let Some(after) = after {
            range = range.after(&MEMBERS.key(self.organisation, &(group, after)));
        }
        let rows = self.store().range(range).await?;
        rows.iter().map(|(key, stored)| read(Member::of_key(key)?, &stored.value)).collect()
    }

    /// Every direct member of a group.
    ///
    /// # Errors
    /// `Store`; `Invalid` above 500,000 members.
    pub async fn all_members(&self, group: GroupId) -> Result<Vec<Member>, Error> {
        self.every_member(group, |member, _| Ok(member), |member| *member).await
    }

    /// Every direct member of a group with its row: dearer than [`Directory::all_members`], which looks at keys only.
    ///
    /// # Errors
    /// `Store`; `Invalid` above 500,000 members.
    pub async fn memberships(&self, group: GroupId) -> Result<Vec<(Member, Membership)>, Error> {
        let read = |member, value: &[u8]| Ok((member, store::decode(MEMBERS.name(), value)?));
        self.every_member(group, read, |(member, _)| *member).await
    }

    async fn every_member<T>(
        &self,
        group: GroupId,
        read: impl Fn(Member, &[u8]) -> Result<T, Error> + Sync,
        member_of: impl Fn(&T) -> Member,
    ) -> Result<Vec<T>, Error> {
        let mut members: Vec<T> = Vec::new();
        let mut limit = FIRST;
        loop {
            let page = self.member_rows(group, members.last().map(&member_of), limit, &read).await?;
            let is_last = page.len() < limit;
            limit = WALK;
            members.extend(page);
            if is_last {
                return Ok(members);
            }
            if members.len() >= MAX_WALK {
                let reason = format!("has more than {MAX_WALK} members");
                return Err(Error::Invalid { field: "members".to_owned(), reason });
            }
        }
    }

    /// How many direct members a group has; kept, not counted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_members(&self, group: GroupId) -> Result<u64, Error> {
        let count = store::counter(self.store(), &MEMBER_COUNTS.key(self.organisation, &group)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many groups a member is directly in; kept, not counted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_groups_of(&self, member: Member) -> Result<u64, Error> {
        let count = store::counter(self.store(), &MEMBER_OF_COUNTS.key(self.organisation, &member)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Whether a member is directly in a group, and why.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_membership(&self, group: GroupId, member: Member) -> Result<Option<Membership>, Error> {
        Ok(self.store().find(&MEMBERS, self.organisation, &(group, member)).await?)
    }

    /// The ids of the groups that a member is directly in, in a stable order.
    ///
    /// # Errors
    /// `Store`.
    pub async fn group_ids_of(&self, member: Member) -> Result<Vec<GroupId>, Error> {
        let mut range = Range::prefix(MEMBER_OF.prefix(self.organisation, &member), FIRST);
        let mut groups = Vec::new();
        loop {
            let rows = self.store().range(range.clone()).await?;
            for (key, _) in &rows {
                groups.push(super::users::suffix_id(MEMBER_OF.name(), key)?);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == FIRST => range = range.after(last),
                _ => return Ok(groups),
            }
        }
    }

    /// The groups that a member is directly in.
    ///
    /// # Errors
    /// `Store`.
    pub async fn groups_of(&self, member: Member) -> Result<Vec<(GroupId, Membership)>, Error> {
        let mut range = Range::prefix(MEMBER_OF.prefix(self.organisation, &member), FIRST);
        let mut groups = Vec::new();
        loop {
            let rows = self.store().range(range.clone()).await?;
            for (key, stored) in &rows {
                let id = super::users::suffix_id(MEMBER_OF.name(), key)?;
                groups.push((id, store::decode(MEMBER_OF.name(), &stored.value)?));
            }
            match rows.last() {
                Some((last, _)) if rows.len() == FIRST => range = range.after(last),
                _ => return Ok(groups),
            }
        }
    }

    /// Every group that a user is in, directly or through nested groups, with the way there: from the direct group to
    /// the one that is meant. Shortest ways; cycles end.
    ///
    /// # Errors
    /// `Store`.
    pub async fn group_paths(&self, user: UserId) -> Result<Vec<Vec<GroupId>>, Error> {
        self.group_paths_over(user, None, None).await
    }

    /// The same with rows that a change is about to write, which fails when a group on the way changes before its commit.
    pub(super) async fn group_paths_over(
        &self,
        user: UserId,
        overlay: Option<Overlay<'_>>,
        mut change: Option<&mut Change>,
    ) -> Result<Vec<Vec<GroupId>>, Error> {
        let mut seen = BTreeSet::new();
        let mut paths = Vec::new();
        let mut queue = VecDeque::from([(Member::User(user), Vec::new())]);
        while let Some((member, path)) = queue.pop_front() {
            if path.len() >= MAX_NESTING {
                continue;
            }
            for group in self.parents(member, overlay, change.as_deref()).await? {
                if seen.insert(group) {
                    if let Some(change) = change.as_deref_mut() {
                        change.hold(&GROUPS, self.organisation, &group).await?;
                    }
                    let mut way: Vec<GroupId> = path.clone();
                    way.push(group);
                    paths.push(way.clone());
                    queue.push_back((Member::Group(group), way));
                }
            }
        }
        Ok(paths)
    }

    /// The groups that a member is directly in, over the rows that the change has written already and those of the overlay.
    async fn parents(
        &self,
        member: Member,
        overlay: Option<Overlay<'_>>,
        change: Option<&Change>,
    ) -> Result<Vec<GroupId>, Error> {
        let mut groups: Vec<GroupId> = self.groups_of(member).await?.into_iter().map(|(id, _)| id).collect();
        if let Some(change) = change {
            for (key, is_in) in change.pending(&MEMBER_OF.prefix(self.organisation, &member)) {
                let group = super::users::suffix_id(MEMBER_OF.name(), key)?;
                groups.retain(|other| *other != group);
                groups.extend(is_in.then_some(group));
            }
        }
        if let Some(overlay) = overlay {
            if overlay.removed.contains(&member) {
                groups.retain(|group| *group != overlay.group);
            }
            if overlay.added.contains(&member) && !groups.contains(&overlay.group) {
                groups.push(overlay.group);
            }
        }
        Ok(groups)
    }

    /// Refuses to nest a group in one that is in it: by hand that is a mistake. Sources may have circles, which are walked
    /// once. The commit fails when a group on the way changes before.
    pub(super) async fn check_circle(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: &Group,
        member: Member,
    ) -> Result<(), Error> {
        let Member::Group(nested) = member else { return Ok(()) };
        if permit.source().is_some() || matches!(permit.actor(), Actor::System { .. }) {
            return Ok(());
        }
        let mut ways = VecDeque::from([vec![group.id]]);
        let mut seen = BTreeSet::from([group.id]);
        while let Some(way) = ways.pop_front() {
            let Some(last) = way.last().copied() else { continue };
            if last == nested {
                return Err(self.circle(&way).await?);
            }
            change.hold(&GROUPS, self.organisation, &last).await?;
            for above in self.group_ids_of(Member::Group(last)).await? {
                if seen.insert(above) {
                    ways.push_back(way.iter().copied().chain([above]).collect());
                }
            }
        }
        Ok(())
    }

    /// The refusal of a circle that would lead this way and from its end to its beginning.
    async fn circle(&self, way: &[GroupId]) -> Result<Error, Error> {
        let groups = self.groups_by_id(way).await?;
        let mut names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        // From the group that is to be nested, up to itself.
        names.insert(0, names.last().copied().unwrap_or_default());
        let reason = format!("would make a circle: {}", names.join(" → "));
        Ok(Error::Invalid { field: "members".to_owned(), reason })
    }

    /// Every group in which a group is, directly or through others, as it is stored.
    ///
    /// # Errors
    /// `Store`.
    pub async fn groups_above(&self, group: GroupId) -> Result<Vec<Group>, Error> {
        let mut seen = BTreeSet::from([group]);
        let mut level = vec![group];
        for _ in 0..MAX_NESTING {
            let mut next = Vec::new();
            for group in level {
                let parents = self.groups_of(Member::Group(group)).await?;
                next.extend(parents.into_iter().map(|(parent, _)| parent).filter(|parent| seen.insert(*parent)));
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        seen.remove(&group);
        self.groups_by_id(&seen.into_iter().collect::<Vec<_>>()).await
    }

    /// Every user at or below a member, as part of a change that fails when a group on the way changes before its commit.
    pub(super) async fn users_below(&self, change: &mut Change, members: &[Member]) -> Result<BTreeSet<UserId>, Error> {
        let mut users = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<Member> = members.iter().copied().collect();
        while let Some(member) = queue.pop_front() {
            match member {
                Member::User(id) => {
                    users.insert(id);
                }
                Member::Group(id) if seen.insert(id) => {
                    change.hold(&GROUPS, self.organisation, &id).await?;
                    // Who enters and leaves by a rule does not write the group.
                    change.hold(&MEMBER_COUNTS, self.organisation, &id).await?;
                    queue.extend(self.all_members(id).await?);
                }
                Member::Group(_) => {}
            }
        }
        Ok(users)
    }

    /// Puts a member into a group, both rows and the count, unless it is there; then it is at most shown as something
    /// else.
    pub(super) async fn stage_join(
        &self,
        change: &mut Change,
        group: GroupId,
        member: Member,
        source: Option<&SourceId>,
        display: Option<&str>,
    ) -> Result<Join, Error> {
        if let Some(row) = change.find(&MEMBERS, self.organisation, &(group, member)).await? {
            if self.stage_adopted(change, (group, member), row, source).await? {
                return Ok(Join::Renamed);
            }
            return match display {
                Some(display) if self.stage_shown(change, group, member, display).await? => Ok(Join::Renamed),
                _ => Ok(Join::Unchanged),
            };
        }
        let groups = store::counter(self.store(), &MEMBER_OF_COUNTS.key(self.organisation, &member)).await?;
        if u64::try_from(groups).is_ok_and(|groups| groups >= MAX_GROUPS_OF_MEMBER)
            && !self.has_own_place(change, member, source).await?
        {
            return Err(too_many_groups(member));
        }
        self.put_membership(change, group, member, source, display)?;
        self.touch(change, member).await?;
        Ok(Join::Added)
    }

    /// Shows a member as something else. Says whether it was there and shown otherwise.
    pub(super) async fn stage_shown(
        &self,
        change: &mut Change,
        group: GroupId,
        member: Member,
        display: &str,
    ) -> Result<bool, Error> {
        let known = change.find(&MEMBERS, self.organisation, &(group, member)).await?;
        let Some(mut row) = known.filter(|row| row.display.as_deref() != Some(display)) else { return Ok(false) };
        row.display = Some(display.to_owned());
        change.put(&MEMBERS, self.organisation, &(group, member), &row)?;
        Ok(true)
    }

    /// Whether a member may be put into one more group by the source that it is of, although it is in as many as there may be:
    /// what others have put it into takes none of the places of its own source.
    async fn has_own_place(
        &self,
        change: &mut Change,
        member: Member,
        source: Option<&SourceId>,
    ) -> Result<bool, Error> {
        let owner = match member {
            Member::User(id) => change.find(&USERS, self.organisation, &id).await?.map(|user| user.owner),
            Member::Group(id) => change.find(&GROUPS, self.organisation, &id).await?.map(|group| group.owner),
        };
        if owner.is_none_or(|owner| owner.as_ref() != source) {
            return Ok(false);
        }
        let rows = self.groups_of(member).await?;
        let own = rows.iter().filter(|(_, row)| row.source.as_ref() == source).count();
        Ok(u64::try_from(own).is_ok_and(|own| own < MAX_GROUPS_OF_MEMBER))
    }

    /// Writes both rows of a membership that is not there, and counts it.
    pub(super) fn put_membership(
        &self,
        change: &mut Change,
        group: GroupId,
        member: Member,
        source: Option<&SourceId>,
        display: Option<&str>,
    ) -> Result<(), Error> {
        let row = Membership { source: source.cloned(), since: self.clock.now(), display: None };
        change.put(&MEMBER_OF, self.organisation, &(member, group), &row)?;
        let row = Membership { display: display.map(str::to_owned), ..row };
        change.put(&MEMBERS, self.organisation, &(group, member), &row)?;
        change.add(&MEMBER_COUNTS, self.organisation, &group, 1);
        change.add(&MEMBER_OF_COUNTS, self.organisation, &member, 1);
        Ok(())
    }

    /// Takes a member out of a group. Says whether it was there.
    pub(super) async fn stage_leave(&self, change: &mut Change, group: GroupId, member: Member) -> Result<bool, Error> {
        if change.find(&MEMBERS, self.organisation, &(group, member)).await?.is_none() {
            return Ok(false);
        }
        change.delete(&MEMBERS, self.organisation, &(group, member));
        change.delete(&MEMBER_OF, self.organisation, &(member, group));
        change.add(&MEMBER_COUNTS, self.organisation, &group, -1);
        change.add(&MEMBER_OF_COUNTS, self.organisation, &member, -1);
        self.touch(change, member).await?;
        Ok(true)
    }

    /// The same for a group that is not written otherwise: its version changes with its members, except those of a rule.
    pub(super) async fn stage_leave_noted(
        &self,
        change: &mut Change,
        group: GroupId,
        member: Member,
    ) -> Result<(), Error> {
        if !self.stage_leave(change, group, member).await? {
            return Ok(());
        }
        if let Some(group) = change.find(&GROUPS, self.organisation, &group).await?.filter(|group| group.rule.is_none())
        {
            let (changed, revision) = (self.clock.now(), group.revision.saturating_add(1));
            change.put(&GROUPS, self.organisation, &group.id, &Group { changed, revision, ..group })?;
        }
        Ok(())
    }

    /// Writes the record of a nested group as it is: its members' roles follow from where it is, so that a change of its
    /// members must not be committed beside this one.
    async fn touch(&self, change: &mut Change, member: Member) -> Result<(), Error> {
        if let Member::Group(id) = member
            && let Some(group) = change.find(&GROUPS, self.organisation, &id).await?
        {
            change.put(&GROUPS, self.organisation, &id, &group)?;
        }
        Ok(())
    }
}

fn too_many_groups(member: Member) -> Error {
    let (kind, id) = match member {
        Member::Group(id) => ("group", id.to_string()),
        Member::User(id) => ("user", id.to_string()),
    };
    let reason = format!(
        "the {kind} {id} is directly in {MAX_GROUPS_OF_MEMBER} groups or more, and may not be put into another"
    );
    Error::Invalid { field: "members".to_owned(), reason }
}
