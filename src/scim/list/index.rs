//! The records that an index finds for a filter.

use super::{MAX_READ, groups, kept, objects};
use crate::directory::UserIndex;
use crate::filter::{self, Filter};
use crate::model::{GroupId, Kept, SourceId, User};
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
            (Index::ExternalId, Kind::Object(_)) => {
                objects(kind, directory.find_objects_by_external_id(self.name(kind), source, value).await?)
            }
            (Index::ExternalId, Kind::Group) => groups(directory.find_groups_by_external_id(source, value).await?),
            (Index::DisplayName, _) => groups(directory.find_groups_by_name(value).await?),
            (Index::Membership, Kind::Group) => {
                let mut ids: Vec<GroupId> = Vec::new();
                for member in possible_members(value) {
                    ids.extend(directory.groups_of(member).await?.into_iter().map(|(id, _)| id));
                }
                groups(directory.groups_by_id(&ids).await?)
            }
            (Index::Of(index), _) => match self.users_of(source, index, value).await? {
                Some(users) => users,
                None => return Ok(None),
            },
            (Index::ExternalId | Index::Membership, Kind::User) | (Index::Membership, Kind::Object(_)) => {
                return Ok(None);
            }
        }))
    }

    /// The users whom an index finds, or `None` when they are too many for it: a walk finds all of them, or says that it
    /// cannot.
    async fn users_of(&self, source: &SourceId, index: UserIndex, value: &str) -> Result<Option<Vec<Record>>, Error> {
        let most = if index == UserIndex::Membership { MAX_READ } else { MAX_INDEXED };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let users: Vec<User<Kept>> =
                self.directory.users_of(index, value, Some(source), after, MAX_INDEXED).await?;
            after = users.last().map(|user| user.id);
            let is_last = users.len() < MAX_INDEXED;
            found.extend(users);
            if is_last {
                return Ok(Some(kept(found)));
            }
            if found.len() > most || index != UserIndex::Membership {
                return Ok((index == UserIndex::Membership).then(|| kept(found)));
            }
        }
    }
}

/// Indexes, the most selective first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Index {
    Id,
    /// One of users.
    Of(UserIndex),
    ExternalId,
    DisplayName,
    Membership,
}

impl Index {
    fn of(kind: Kind, target: Target<'_>) -> Option<Self> {
        let Target::Attribute { extension: None, attribute, sub } = target else { return None };
        let part = sub.map(|sub| &*sub.name);
        match (kind, &*attribute.name, part) {
            (_, "id", None) => Some(Self::Id),
            (Kind::User, name, part) => UserIndex::of(name, part).map(Self::Of),
            (_, "externalId", None) => Some(Self::ExternalId),
            (Kind::Group, "displayName", None) => Some(Self::DisplayName),
            (Kind::Group, "members", None | Some("value")) => Some(Self::Membership),
            _ => None,
        }
    }
}
