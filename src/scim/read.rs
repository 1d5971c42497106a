//! Records out of the directory as resources, with no more rows read than the answer or the filter needs.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::projection::Projection;
use super::resource::{Kind, group, object, user};
use super::{Error, Scim};
use crate::directory::Member;
use crate::filter::{Filter, Operator};
use crate::model::{Group, GroupId, Object, ObjectId, SourceId, User, UserId};

/// A record of any kind.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Group(Group),
    Object(Kind, Object),
    User(User),
}

impl Record {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Group(_) => Kind::Group,
            Self::Object(kind, _) => *kind,
            Self::User(_) => Kind::User,
        }
    }

    pub(super) fn revision(&self) -> u64 {
        match self {
            Self::Group(group) => group.revision,
            Self::Object(_, object) => object.revision,
            Self::User(user) => user.revision,
        }
    }

    pub(super) fn id(&self) -> String {
        match self {
            Self::Group(group) => group.id.to_string(),
            Self::Object(_, object) => object.id.to_string(),
            Self::User(user) => user.id.to_string(),
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
        let result = filter.visit(&mut |path, comparison| {
            if !path.name.eq_ignore_ascii_case(name) {
                return Ok(());
            }
            let is_value = path.sub.as_ref().is_none_or(|sub| sub.eq_ignore_ascii_case("value"));
            match comparison {
                Some((Operator::Equal, Value::String(id))) if is_value => {
                    ids.insert(id.clone());
                    Ok(())
                }
                _ => Err(()),
            }
        });
        match result {
            Err(()) => Self::All,
            Ok(()) if ids.is_empty() => Self::None,
            Ok(()) => Self::Of(ids),
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
                Ok(id) => self.directory.find_user(id).await?.map(Record::User),
                Err(_) => None,
            },
        })
    }

    /// The record as a resource.
    pub(super) async fn picture(
        &self,
        source: &SourceId,
        record: &Record,
        rows: &Rows,
    ) -> Result<Map<String, Value>, Error> {
        match record {
            Record::Group(record) => {
                let members = self.members_of(record.id, rows).await?;
                Ok(group::render(self.place(), source, record, members.as_deref()))
            }
            Record::Object(kind, record) => Ok(object::render(self.place(), *kind, source, record)),
            Record::User(record) => {
                let groups = self.groups_of(record.id, rows).await?;
                Ok(user::render(self.place(), source, record, groups.as_deref()))
            }
        }
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

    pub(super) async fn groups_of(&self, user: UserId, rows: &Rows) -> Result<Option<Vec<Group>>, Error> {
        let ids: Vec<GroupId> = match rows {
            Rows::None => return Ok(None),
            Rows::All | Rows::Of(_) => {
                let all = self.directory.groups_of(Member::User(user)).await?;
                let is_meant = |id: &GroupId| match rows {
                    Rows::Of(ids) => ids.contains(&id.to_string()),
                    _ => true,
                };
                all.into_iter().map(|(id, _)| id).filter(is_meant).collect()
            }
        };
        if ids.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.directory.groups_by_id(&ids).await?))
    }
}

/// What an id may name: it does not tell whether it is a user's or a group's.
pub(super) fn possible_members(id: &str) -> Vec<Member> {
    let user = id.parse::<UserId>().ok().map(Member::User);
    let group = id.parse::<GroupId>().ok().map(Member::Group);
    user.into_iter().chain(group).collect()
}
