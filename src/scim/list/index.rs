//! The records that an index finds for a filter.

use super::{MAX_READ, groups, kept, objects};
use crate::directory::Member;
use crate::filter::{self, Filter};
use crate::model::{GroupId, SourceId, UserId};
use crate::scim::read::{Record, possible_members};
use crate::scim::resource::Kind;
use crate::scim::schema::Target;
use crate::scim::{Error, Scim};

/// Most records that an index entry stands for.
const MAX_INDEXED: usize = 1000;

impl Scim {
    /// The records that an index finds for one of the filter's equalities; they may still not match. `None` when no
    /// equality has an index.
    pub(super) async fn indexed(
        &self,
        source: &SourceId,
        kind: Kind,
        filter: &Filter,
    ) -> Result<Option<Vec<Record>>, Error> {
        let shape = self.catalogue.shape(kind);
        let best = filter::equalities(filter)
            .into_iter()
            .filter_map(|(path, value)| Some((Index::of(kind, shape.resolve(&path)?)?, value.as_str()?)))
            .min_by_key(|(index, _)| *index);
        let Some((index, value)) = best else { return Ok(None) };
        let directory = &self.directory;
        Ok(Some(match (index, kind) {
            (Index::Id, _) => self.find(kind, value).await?.into_iter().collect(),
            (Index::UserName, _) => match directory.find_user_id(value).await? {
                Some(id) => directory.find_kept_user(id).await?.into_iter().map(Record::Kept).collect(),
                None => Vec::new(),
            },
            (Index::ExternalId, Kind::User) => {
                let found = directory.find_users_by_external_id(source, value, MAX_INDEXED).await?;
                // More may have it: a walk finds all of them, or says that it cannot.
                if found.len() >= MAX_INDEXED {
                    return Ok(None);
                }
                kept(found)
            }
            (Index::ExternalId, Kind::Object(_)) => {
                objects(kind, directory.find_objects_by_external_id(self.name(kind), source, value).await?)
            }
            (Index::ExternalId, Kind::Group) => groups(directory.find_groups_by_external_id(source, value).await?),
            (Index::Email, _) => {
                let found = directory.find_users_by_email(value, MAX_INDEXED).await?;
                if found.len() >= MAX_INDEXED {
                    return Ok(None);
                }
                kept(found)
            }
            (Index::DisplayName, _) => groups(directory.find_groups_by_name(value).await?),
            (Index::Membership, Kind::Group) => {
                let mut ids: Vec<GroupId> = Vec::new();
                for member in possible_members(value) {
                    ids.extend(directory.groups_of(member).await?.into_iter().map(|(id, _)| id));
                }
                groups(directory.groups_by_id(&ids).await?)
            }
            (Index::Membership, Kind::Object(_) | Kind::User) => {
                let members = match value.parse::<GroupId>() {
                    Ok(id) => directory.all_members(id).await?,
                    Err(_) => Vec::new(),
                };
                let is_user = |member: Member| match member {
                    Member::User(id) => Some(id),
                    Member::Group(_) => None,
                };
                let ids: Vec<UserId> = members.into_iter().filter_map(is_user).take(MAX_READ + 1).collect();
                kept(directory.users_by_id(&ids).await?)
            }
        }))
    }
}

/// Indexes, the most selective first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Index {
    Id,
    UserName,
    ExternalId,
    Email,
    DisplayName,
    Membership,
}

impl Index {
    fn of(kind: Kind, target: Target<'_>) -> Option<Self> {
        let Target::Attribute { extension: None, attribute, sub } = target else { return None };
        match (kind, &*attribute.name, sub.map(|sub| &*sub.name)) {
            (_, "id", None) => Some(Self::Id),
            (_, "externalId", None) => Some(Self::ExternalId),
            (Kind::User, "userName", None) => Some(Self::UserName),
            (Kind::User, "emails", None | Some("value")) => Some(Self::Email),
            (Kind::User, "groups", None | Some("value")) => Some(Self::Membership),
            (Kind::Group, "displayName", None) => Some(Self::DisplayName),
            (Kind::Group, "members", None | Some("value")) => Some(Self::Membership),
            _ => None,
        }
    }
}
