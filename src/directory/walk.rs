//! Walks over users in the order of an index: each page begins behind the key at which the last one ended, so that a deep
//! page costs what the first one does.

use std::collections::BTreeSet;

use super::facets::{self, Facet};
use super::search::UserSort;
use super::tables::{FACETS, USER_EMAILS, USER_NAMES, USERS};
use super::{Directory, Error, MAX_PAGE};
use crate::model::{User, UserId};
use crate::store::{self, Direction, KeyWriter, Range, Row};

/// Where a row tells whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The last 16 bytes of the key.
    Key,
    /// The 16 bytes before the last 16 of the key; somebody's rows follow each other.
    KeyBeforeLast,
    /// The value.
    Value,
}

/// Rows of one table that lead to users.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) table: &'static str,
    /// What every key begins with; a position is the rest.
    pub(super) prefix: Vec<u8>,
    /// First key that belongs.
    pub(super) start: Vec<u8>,
    /// First key that does not.
    pub(super) end: Vec<u8>,
    pub(super) direction: Direction,
    pub(super) whose: Whose,
    /// Whether several rows that are apart may lead to one user: then the first one counts.
    pub(super) is_of_emails: bool,
}

impl Rows {
    /// All rows of a prefix, in the order of their keys.
    pub(super) fn all(table: &'static str, prefix: Vec<u8>, whose: Whose) -> Self {
        let Range { start, end, .. } = Range::prefix(prefix.clone(), 0);
        Self { table, prefix, start, end, direction: Direction::Ascending, whose, is_of_emails: false }
    }

    /// Those whose key goes on with `next`.
    pub(super) fn below(mut self, next: KeyWriter) -> Self {
        let key = [self.prefix.clone(), next.into_bytes()].concat();
        let Range { start, end, .. } = Range::prefix(key, 0);
        (self.start, self.end) = (start, end);
        self
    }

    /// The range behind a position; `None` when nothing is left.
    pub(super) fn range(&self, after: Option<&[u8]>, limit: usize) -> Option<Range> {
        let (mut start, mut end) = (self.start.clone(), self.end.clone());
        if let Some(after) = after {
            let mut key = [&self.prefix, after].concat();
            match self.direction {
                Direction::Ascending => {
                    key.push(0);
                    start = start.max(key);
                }
                Direction::Descending => end = end.min(key),
            }
        }
        let range = Range { start, end, skip: 0, limit, direction: self.direction };
        (range.start < range.end).then_some(range)
    }

    pub(super) fn id(&self, (key, stored): &Row) -> Result<UserId, Error> {
        let id = match self.whose {
            Whose::Key => key.last_chunk::<16>().copied(),
            Whose::KeyBeforeLast => {
                key.last_chunk::<32>().and_then(|tail| tail.split_first_chunk::<16>()).map(|(id, _)| *id)
            }
            Whose::Value => return Ok(store::decode(self.table, &stored.value)?),
        };
        let reason = || "a key without an id at its end".to_owned();
        let corrupt = || store::Error::Corrupt { table: self.table, reason: reason() };
        Ok(id.map(UserId::from_bytes).ok_or_else(corrupt)?)
    }

    /// What a page that ends with this row goes on behind.
    fn position(&self, key: &[u8]) -> Vec<u8> {
        let mut position = key.get(self.prefix.len()..).unwrap_or_default().to_vec();
        if self.whose == Whose::KeyBeforeLast {
            // Past every row of that user.
            let kept = position.len().saturating_sub(16);
            position.truncate(kept);
            position.extend([0xff; 16]);
        }
        position
    }
}

/// Users on the way of a list.
#[derive(Clone, Debug)]
pub struct UserWalk {
    /// What the order of positions is, for whoever keeps one.
    pub(super) name: &'static str,
    pub(super) way: Way,
}

#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Along an index.
    Rows(Rows),
    /// Along several at once whose positions are ids, in the order of creation; who is on many counts once.
    Merged(Vec<Rows>),
    /// So few that they were read at once, with their positions, in order.
    Few(Vec<(Vec<u8>, User)>),
}

/// Some users of a walk.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Each with the position behind which the walk goes on.
    pub users: Vec<(Vec<u8>, User)>,
    /// Where the walk goes on after all of them; `None` at its end.
    pub next: Option<Vec<u8>>,
}

impl UserWalk {
    /// By what the walk goes; a position holds for walks of the same name only.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl Directory {
    /// The next users of a walk, behind `after`, at most `limit` and [`MAX_PAGE`]; perhaps fewer although there are more.
    ///
    /// # Errors
    /// `Store`.
    pub async fn walk_users(&self, walk: &UserWalk, after: Option<&[u8]>, limit: usize) -> Result<Found, Error> {
        let limit = limit.min(MAX_PAGE);
        match &walk.way {
            Way::Rows(rows) => self.walk_rows(rows, after, limit).await,
            Way::Merged(all) => self.walk_merged(all, after, limit).await,
            Way::Few(users) => {
                let is_descending = walk.name.ends_with('-');
                let is_behind = |position: &[u8]| {
                    after.is_none_or(|after| if is_descending { position < after } else { position > after })
                };
                let mut behind = users.iter().filter(|(position, _)| is_behind(position));
                let users: Vec<(Vec<u8>, User)> = behind.by_ref().take(limit).cloned().collect();
                let next = behind.next().and_then(|_| users.last().map(|(position, _)| position.clone()));
                Ok(Found { users, next })
            }
        }
    }

    async fn walk_rows(&self, rows: &Rows, after: Option<&[u8]>, limit: usize) -> Result<Found, Error> {
        let Some(range) = rows.range(after, limit) else { return Ok(Found::default()) };
        let found = self.store().range(range).await?;
        let next = found.last().filter(|_| found.len() >= limit).map(|(key, _)| rows.position(key));
        if rows.table == USERS.name() {
            let decode = |(key, stored): &Row| Ok((rows.position(key), store::decode(rows.table, &stored.value)?));
            return Ok(Found { users: found.iter().map(decode).collect::<Result<_, Error>>()?, next });
        }
        let mut ids: Vec<(UserId, &[u8])> = Vec::with_capacity(found.len());
        for row in &found {
            let id = rows.id(row)?;
            if ids.last().is_none_or(|(last, _)| *last != id) {
                ids.push((id, &row.0));
            }
        }
        let keys: Vec<Vec<u8>> = ids.iter().map(|(id, _)| USERS.key(self.organisation, id)).collect();
        let stored = self.store().engine().multi_get(&keys).await?;
        let mut users = Vec::with_capacity(ids.len());
        // Who is gone between the two reads is left out.
        for ((_, key), stored) in ids.iter().zip(&stored) {
            let Some(stored) = stored else { continue };
            let user: User = store::decode(USERS.name(), &stored.value)?;
            if !rows.is_of_emails || self.is_first_email(rows, key, &user) {
                users.push((rows.position(key), user));
            }
        }
        Ok(Found { users, next })
    }

    async fn walk_merged(&self, all: &[Rows], after: Option<&[u8]>, limit: usize) -> Result<Found, Error> {
        let (mut ids, mut is_last) = (BTreeSet::new(), true);
        for rows in all {
            let Some(range) = rows.range(after, limit) else { continue };
            let found = self.store().range(range).await?;
            is_last &= found.len() < limit;
            for row in &found {
                ids.insert(rows.id(row)?);
            }
        }
        // Of each index the first were read: of all together as many are right.
        is_last &= ids.len() <= limit;
        let ids: Vec<UserId> = ids.into_iter().take(limit).collect();
        let next = ids.last().filter(|_| !is_last).map(|id| id.as_bytes().to_vec());
        let users = self.users_by_id(&ids).await?;
        Ok(Found { users: users.into_iter().map(|user: User| (user.id.as_bytes().to_vec(), user)).collect(), next })
    }

    /// Whether no other address of the user stands before this row in its walk.
    fn is_first_email(&self, rows: &Rows, key: &[u8], user: &User) -> bool {
        let emails = super::index::emails(user).into_iter();
        let mut keys = emails.map(|email| USER_EMAILS.key(self.organisation, &(email, user.id)));
        let first = keys.find(|key| *key >= rows.start && *key < rows.end);
        first.is_none_or(|first| first == key)
    }

    /// Where a user stands in the order of a sorted list.
    pub(super) fn position(&self, sort: UserSort, user: &User) -> Vec<u8> {
        let (key, prefix) = match sort.facet() {
            None => {
                let key = USER_NAMES.key(self.organisation, &user.user_name.folded());
                (key, USER_NAMES.prefix(self.organisation, &()))
            }
            Some(facet) => {
                let prefix = FACETS.prefix(self.organisation, &facet);
                match facets::value(facet, user) {
                    Some(value) => (FACETS.key(self.organisation, &(facet, value, user.id)), prefix),
                    None => (Vec::new(), prefix),
                }
            }
        };
        key.get(prefix.len()..).unwrap_or_default().to_vec()
    }

    /// Every user in the order of a sorted list.
    pub(super) fn rows_by(&self, sort: UserSort) -> Rows {
        match sort.facet() {
            None => Rows::all(USER_NAMES.name(), USER_NAMES.prefix(self.organisation, &()), Whose::Value),
            Some(facet) => self.rows_of_facet(facet),
        }
    }

    /// Every user who has a facet, in its order.
    pub(super) fn rows_of_facet(&self, facet: Facet) -> Rows {
        Rows::all(FACETS.name(), FACETS.prefix(self.organisation, &facet), Whose::Key)
    }
}
