//! Searches of users by index: which attribute has one, and a page of whom it finds, in the order of creation. Every
//! page costs what it shows, however deep it is. What is found may still not meet the filter that it was looked up for.

use super::membership::Member;
use super::tables::{MEMBERS, REPORTS, USER_EMAILS, USER_LINKS};
use super::users::suffix_id;
use super::{Directory, Error, MAX_PAGE};
use crate::model::{GroupId, SourceId, User, UserId, fold};
use crate::store::{Key, Range, Table};

/// Indexes of users, the most selective first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserIndex {
    /// The id.
    Id,
    /// The login name.
    UserName,
    /// A source's id.
    ExternalId,
    /// An e-mail address.
    Email,
    /// The supervisor's id.
    Supervisor,
    /// The id of a group that they are directly in.
    Membership,
}

impl UserIndex {
    /// The index over an attribute by its name and that of its part (RFC 7643 sections 3.1 and 4.1).
    pub fn of(attribute: &str, part: Option<&str>) -> Option<Self> {
        match (attribute, part) {
            ("id", None) => Some(Self::Id),
            ("externalId", None) => Some(Self::ExternalId),
            ("userName", None) => Some(Self::UserName),
            ("emails", None | Some("value")) => Some(Self::Email),
            ("groups", None | Some("value")) => Some(Self::Membership),
            _ => None,
        }
    }
}

impl Directory {
    /// Users whom an index finds for a value, in the order of their creation, after `after`, at most `limit` and
    /// [`MAX_PAGE`]. External ids are those of `source`; without one they find nobody.
    ///
    /// # Errors
    /// `Store`.
    pub async fn users_of<A>(
        &self,
        index: UserIndex,
        value: &str,
        source: Option<&SourceId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User<A>>, Error>
    where
        A: for<'b> minicbor::Decode<'b, ()>,
    {
        let ids = match (index, source) {
            (UserIndex::Id, _) => value.parse().ok().into_iter().collect(),
            (UserIndex::UserName, _) => self.find_user_id(value).await?.into_iter().collect(),
            (UserIndex::ExternalId, None) => Vec::new(),
            (UserIndex::ExternalId, Some(source)) => {
                let key = |id| (source.clone(), value.to_owned(), id);
                let prefix = USER_LINKS.prefix(self.organisation, &(source.clone(), value.to_owned()));
                self.ids_of(&USER_LINKS, prefix, after.map(key), limit).await?
            }
            (UserIndex::Email, _) => {
                let email = fold(value);
                let prefix = USER_EMAILS.prefix(self.organisation, &email);
                self.ids_of(&USER_EMAILS, prefix, after.map(|id| (email, id)), limit).await?
            }
            (UserIndex::Supervisor, _) => match value.parse() {
                Ok(supervisor) => {
                    let prefix = REPORTS.prefix(self.organisation, &supervisor);
                    self.ids_of(&REPORTS, prefix, after.map(|id| (supervisor, id)), limit).await?
                }
                Err(_) => Vec::new(),
            },
            (UserIndex::Membership, _) => match value.parse::<GroupId>() {
                Ok(group) => {
                    let prefix = MEMBERS.prefix(self.organisation, &group);
                    // Nested groups come before users, and no user has the smallest id.
                    let after = after.unwrap_or_else(|| UserId::from_bytes([0; 16]));
                    self.ids_of(&MEMBERS, prefix, Some((group, Member::User(after))), limit).await?
                }
                Err(_) => Vec::new(),
            },
        };
        let behind = |id: &UserId| after.is_none_or(|after| *id > after);
        let ids: Vec<UserId> = ids.into_iter().filter(behind).collect();
        self.users_by_id(&ids).await
    }

    async fn ids_of<K: Key, V>(
        &self,
        table: &Table<K, V>,
        prefix: Vec<u8>,
        after: Option<K>,
        limit: usize,
    ) -> Result<Vec<UserId>, Error> {
        let mut range = Range::prefix(prefix, limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&table.key(self.organisation, &after));
        }
        let rows = self.store().range(range).await?;
        rows.iter().map(|(key, _)| suffix_id(table.name(), key)).collect()
    }
}
