//! Records out of the directory as resources, with no more rows read than the answer or the filter needs.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::projection::Projection;
use super::resource::{Kind, Needed, group, object, user};
use super::{Error, Scim};
use crate::directory::Member;
use crate::filter::{AttributePath, Comparison, Filter, Operator};
use crate::model::{Group, GroupId, Kept, Object, ObjectId, SourceId, User, UserId};

/// Most groups that the users of one answer show together.
pub(super) const MAX_SHOWN_GROUPS: usize = 100_000;

/// A record of any kind.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Group(Group),
    Object(Kind, Object),
    User(User),
    /// A user of whom nothing but the answer is made.
    Kept(User<Kept>),
}

impl Record {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Group(_) => Kind::Group,
            Self::Object(kind, _) => *kind,
            Self::Kept(_) | Self::User(_) => Kind::User,
        }
    }

    pub(super) fn revision(&self) -> u64 {
        match self {
            Self::Group(group) => group.revision,
            Self::Object(_, object) => object.revision,
            Self::User(user) => user.revision,
            Self::Kept(user) => user.revision,
        }
    }

    pub(super) fn id(&self) -> String {
        match self {
            Self::Group(group) => group.id.to_string(),
            Self::Object(_, object) => object.id.to_string(),
            Self::User(user) => user.id.to_string(),
            Self::Kept(user) => user.id.to_string(),
        }
    }
}

/// Which membership rows belong to a picture of a record: a group's members, a user's groups.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// All of them.
    All,
    /// None.
    None,
    /// Those of these ids: what a filter compares with, and no others.
    Of(BTreeSet<String>),
}

impl Rows {
    /// Those that an answer shows.
    pub(super) fn shown(projection: &Projection<'_>, kind: Kind) -> Self {
        if rows_attribute(kind).is_some_and(|name| projection.shows(name)) { Self::All } else { Self::None }
    }

    /// Those that a filter looks at. Equality with a member's id does not need the others, so that asking whether
    /// somebody is in a group costs the same for groups of every size.
    pub(super) fn compared(filter: Option<&Filter>, kind: Kind) -> Self {
        let mut ids = BTreeSet::new();
        let (Some(filter), Some(name)) = (filter, rows_attribute(kind)) else { return Self::None };
        if kind == Kind::User && names_version(filter) {
            return Self::All;
        }
        match collect_ids(filter, name, &mut ids) {
            false => Self::All,
            true if ids.is_empty() => Self::None,
            true => Self::Of(ids),
        }
    }
}

/// Whether a filter looks at the version, in which a user's groups are.
fn names_version(filter: &Filter) -> bool {
    let mut is_named = false;
    let mut visit = |path: &AttributePath, _: Comparison<'_>| {
        let is_version = path.sub.as_ref().is_some_and(|sub| sub.eq_ignore_ascii_case("version"));
        is_named |= is_version && path.name.eq_ignore_ascii_case("meta");
        Ok::<(), Infallible>(())
    };
    match filter.visit(&mut visit) {
        Ok(()) => is_named,
        Err(never) => match never {},
    }
}

/// Puts the ids into `ids` whose rows settle the filter; whether there are such.
fn collect_ids(filter: &Filter, name: &str, ids: &mut BTreeSet<String>) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().all(|part| collect_ids(part, name, ids)),
        Filter::Not(inner) => collect_ids(inner, name, ids),
        Filter::Compare { path, .. } | Filter::Element { path, .. } | Filter::Present(path)
            if !path.name.eq_ignore_ascii_case(name) =>
        {
            true
        }
        Filter::Compare { path, operator: Operator::Equal, value: Value::String(id) } => {
            let is_value = path.sub.as_ref().is_none_or(|sub| sub.eq_ignore_ascii_case("value"));
            if is_value {
                ids.insert(id.clone());
            }
            is_value
        }
        Filter::Element { path, filter } if path.sub.is_none() => match element_ids(filter) {
            Some(found) => {
                ids.extend(found);
                true
            }
            None => false,
        },
        Filter::Compare { .. } | Filter::Element { .. } | Filter::Present(_) => false,
    }
}

/// The ids one of which every row has that a condition in brackets selects; `None` where others may be selected too.
fn element_ids(filter: &Filter) -> Option<BTreeSet<String>> {
    match filter {
        Filter::Compare { path, operator: Operator::Equal, value: Value::String(id) } if path.is("value") => {
            Some(BTreeSet::from([id.clone()]))
        }
        Filter::And(parts) => parts.iter().find_map(element_ids),
        Filter::Or(parts) => {
            let found = parts.iter().map(element_ids).collect::<Option<Vec<_>>>()?;
            Some(found.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// The membership rows of one record.
#[derive(Clone, Debug)]
pub(super) enum Related {
    /// The groups that a user is directly in.
    Groups(Vec<Arc<Group>>),
    /// The members of a group, and what they are shown as.
    Members(Vec<group::Shown>),
    /// None were read.
    Nothing,
}

impl Related {
    pub(super) fn groups(&self) -> &[Arc<Group>] {
        match self {
            Self::Groups(groups) => groups,
            Self::Members(_) | Self::Nothing => &[],
        }
    }
}

/// The attribute that membership rows become.
fn rows_attribute(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Group => Some("members"),
        Kind::Object(_) => None,
        Kind::User => Some("groups"),
    }
}

impl Scim {
    /// The record of this id, `NotFound` when the text is no id.
    pub(super) async fn load(&self, kind: Kind, id: &str) -> Result<Record, Error> {
        self.find(kind, id).await?.ok_or(Error::NotFound)
    }

    pub(super) async fn find(&self, kind: Kind, id: &str) -> Result<Option<Record>, Error> {
        Ok(match kind {
            Kind::Group => match id.parse::<GroupId>() {
                Ok(id) => self.directory.find_group(id).await?.map(Record::Group),
                Err(_) => None,
            },
            Kind::Object(_) => match id.parse::<ObjectId>() {
                Ok(id) => {
                    let name = &*self.catalogue.of(kind).name;
                    self.directory.find_object(name, id).await?.map(|object| Record::Object(kind, object))
                }
                Err(_) => None,
            },
            Kind::User => match id.parse::<UserId>() {
                Ok(id) => self.directory.find_kept_user(id).await?.map(Record::Kept),
                Err(_) => None,
            },
        })
    }

    /// The record as a resource that a filter is matched with.
    pub(super) async fn picture(
        &self,
        source: &SourceId,
        record: &Record,
        rows: &Rows,
        needed: &Needed,
    ) -> Result<Map<String, Value>, Error> {
        let (place, related) = (self.place(), self.related(std::slice::from_ref(record), rows).await?.pop());
        let related = related.unwrap_or(Related::Nothing);
        Ok(match (record, &related) {
            (Record::Group(group), Related::Members(members)) => group::picture(place, source, group, members, needed),
            (Record::Group(group), _) => group::picture(place, source, group, &[], needed),
            (Record::Object(kind, object), _) => object::picture(place, *kind, source, object, needed),
            (Record::User(user), related) => {
                user::picture(place, user::facts(user), user::fields(user, Some(source)), related.groups(), needed)
            }
            (Record::Kept(user), related) => {
                user::picture(place, user::facts(user), user::kept_fields(user, Some(source)), related.groups(), needed)
            }
        })
    }

    /// The membership rows that belong to records, in their order. Groups that several users are in are read once.
    pub(super) async fn related(&self, records: &[Record], rows: &Rows) -> Result<Vec<Related>, Error> {
        let mut related = Vec::with_capacity(records.len());
        if matches!(rows, Rows::None) {
            related.resize_with(records.len(), || Related::Nothing);
            return Ok(related);
        }
        let (mut ids, mut all) = (Vec::with_capacity(records.len()), BTreeSet::new());
        let mut read = 0_usize;
        for record in records {
            let of = match record {
                Record::Group(_) | Record::Object(..) => Vec::new(),
                Record::Kept(User { id, .. }) | Record::User(User { id, .. }) => self.group_ids(*id, rows).await?,
            };
            read = read.saturating_add(of.len());
            if read > MAX_SHOWN_GROUPS {
                return Err(Error::TooManyMembers);
            }
            all.extend(of.iter().copied());
            ids.push(of);
        }
        let all: Vec<GroupId> = all.into_iter().collect();
        let groups = if all.is_empty() { Vec::new() } else { self.directory.groups_by_id(&all).await? };
        let groups: BTreeMap<GroupId, Arc<Group>> = groups.into_iter().map(|group| (group.id, group.into())).collect();
        for (record, ids) in records.iter().zip(ids) {
            related.push(match record {
                Record::Group(group) => Related::Members(self.members_of(group.id, rows).await?.unwrap_or_default()),
                Record::Object(..) => Related::Nothing,
                Record::Kept(_) | Record::User(_) => {
                    Related::Groups(ids.iter().filter_map(|id| groups.get(id).cloned()).collect())
                }
            });
        }
        Ok(related)
    }

    /// How many memberships a record has; kept, not counted.
    pub(super) async fn count_rows(&self, record: &Record) -> Result<u64, Error> {
        Ok(match record {
            Record::Group(group) => self.directory.count_members(group.id).await?,
            Record::Object(..) => 0,
            Record::Kept(User { id, .. }) | Record::User(User { id, .. }) => {
                self.directory.count_groups_of(Member::User(*id)).await?
            }
        })
    }

    /// How many members these records show with these rows; kept, not counted.
    pub(super) async fn members_shown(&self, records: &[Record], rows: &Rows) -> Result<u64, Error> {
        let mut shown = 0_u64;
        for record in records {
            if let (Record::Group(group), Rows::All) = (record, rows) {
                shown = shown.saturating_add(self.directory.count_members(group.id).await?);
            }
        }
        Ok(shown)
    }

    async fn members_of(&self, group: GroupId, rows: &Rows) -> Result<Option<Vec<group::Shown>>, Error> {
        match rows {
            Rows::None => Ok(None),
            Rows::All => Ok(Some(self.shown_members(group).await?)),
            Rows::Of(ids) => {
                let mut members = Vec::new();
                for member in ids.iter().flat_map(|id| possible_members(id)) {
                    if let Some(row) = self.directory.find_membership(group, member).await? {
                        members.push((member, row.display));
                    }
                }
                Ok(Some(members))
            }
        }
    }

    /// Every member, and what it is shown as.
    pub(super) async fn shown_members(&self, group: GroupId) -> Result<Vec<group::Shown>, Error> {
        let rows = self.directory.memberships(group).await?;
        Ok(rows.into_iter().map(|(member, row)| (member, row.display)).collect())
    }

    async fn group_ids(&self, user: UserId, rows: &Rows) -> Result<Vec<GroupId>, Error> {
        let mut ids = self.directory.group_ids_of(Member::User(user)).await?;
        if let Rows::Of(wanted) = rows {
            ids.retain(|id| wanted.contains(&id.to_string()));
        }
        Ok(ids)
    }
}

/// What an id may name: it does not tell whether it is a user's or a group's.
pub(super) fn possible_members(id: &str) -> Vec<Member> {
    let user = id.parse::<UserId>().ok().map(Member::User);
    let group = id.parse::<GroupId>().ok().map(Member::Group);
    user.into_iter().chain(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_reads_the_rows_that_it_compares_with_and_no_others() {
        for (filter, read) in [
            (r#"members[value eq "a"]"#, Some("a")),
            (r#"members[value eq "a" and type eq "User"]"#, Some("a")),
            (r#"members[value eq "a" or value eq "b"]"#, Some("a b")),
            (r#"id eq "g" and members[VALUE eq "a"]"#, Some("a")),
            (r#"not (members[value eq "a"]) or Members.value eq "b""#, Some("a b")),
            (r#"members eq "a" and displayName sw "x""#, Some("a")),
            (r#"displayName eq "x" and emails[type eq "work"]"#, Some("")),
            // Others may be meant here, so that all are looked at.
            (r#"members[value eq "a" or type eq "User"]"#, None),
            (r#"members[not (value eq "a")]"#, None),
            (r#"members[value sw "a"]"#, None),
            (r#"members[value eq "a"] or members.display eq "b""#, None),
            (r#"members.value ne "a""#, None),
            (r#"not (members pr)"#, None),
        ] {
            let rows = Rows::compared(Some(&filter.parse().unwrap()), Kind::Group);
            match (rows, read) {
                (Rows::All, None) => {}
                (Rows::None, Some("")) => {}
                (Rows::Of(ids), Some(read)) => {
                    assert_eq!(ids.into_iter().collect::<Vec<_>>().join(" "), read, "{filter}");
                }
                (rows, _) => panic!("{filter} reads {rows:?}"),
            }
        }
        assert!(matches!(Rows::compared(None, Kind::Group), Rows::None));
    }
}
