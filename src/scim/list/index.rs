//! The records that an index finds for a filter.

use super::{MAX_READ, groups, kept, objects};
use crate::directory::{Term, UserIndex, UserWalk};
use crate::filter::{self, Filter};
use crate::model::{GroupId, Kept, SourceId, User};
use crate::scim::query::Query;
use crate::scim::read::{Record, possible_members};
use crate::scim::resource::Kind;
use crate::scim::schema::{Shape, Target};
use crate::scim::{Error, Scim};

/// The extension with the department (RFC 7643 section 4.3).
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
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

    /// The way to users by conditions of a filter that an index serves though they are no equalities of a rare value, such as
    /// who changed since a time. `None` when it leads to more than may be read at once, or for other kinds.
    pub(super) async fn narrowed(&self, kinds: &[Kind], query: &Query) -> Result<Option<UserWalk>, Error> {
        let (Some(filter), [kind @ Kind::User]) = (&query.filter, kinds) else { return Ok(None) };
        let shape = self.catalogue.shape(*kind);
        let mut terms = Vec::new();
        for (path, operator, value) in filter::comparisons(filter) {
            let Some(index) = shape.resolve(&path).and_then(|target| index_of_users(&shape, target)) else { continue };
            let value = match (index, value.as_str(), value.as_bool()) {
                // Who is active may be invited, which is another status.
                (UserIndex::Status, _, Some(false)) => "inactive".to_owned(),
                (UserIndex::Status, Some(text), _) if text.eq_ignore_ascii_case("false") => "inactive".to_owned(),
                (UserIndex::Status, _, _) => continue,
                (_, Some(text), _) => text.to_owned(),
                _ => continue,
            };
            terms.push(Term { index, operator, value, source: None });
        }
        if terms.is_empty() {
            return Ok(None);
        }
        let way = self.directory.way_to_users(&terms, None, None).await?;
        Ok(self.directory.leads_to_few(&way, MAX_READ).await?.then_some(way))
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

/// The index over an attribute of users that serves more than equality.
fn index_of_users(shape: &Shape<'_>, target: Target<'_>) -> Option<UserIndex> {
    let Target::Attribute { extension, attribute, sub } = target else { return None };
    // A name without URN is looked for in every extension of somebody who lacks it.
    let has_it = shape.extensions.iter().filter(|extension| extension.schema.attribute(&attribute.name).is_some());
    if has_it.count() > usize::from(extension.is_some()) {
        return None;
    }
    match (extension, &*attribute.name, sub.map(|sub| &*sub.name)) {
        (None, "active", None) => Some(UserIndex::Status),
        (None, "displayName", None) => Some(UserIndex::DisplayName),
        (None, "emails", None | Some("value")) => Some(UserIndex::Email),
        (None, "meta", Some("created")) => Some(UserIndex::Created),
        (None, "meta", Some("lastModified")) => Some(UserIndex::Changed),
        (None, "name", Some("familyName")) => Some(UserIndex::FamilyName),
        (None, "userName", None) => Some(UserIndex::UserName),
        (Some(schema), "department", None) if schema.is(ENTERPRISE) => Some(UserIndex::Department),
        _ => None,
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
