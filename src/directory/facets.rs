//! What people are listed, searched and sorted by besides their names: one row for each such value of a user, and for some
//! that a user has not, written in the change that writes the user.
//!
//! A store of a release before these rows gets them by [`Directory::fill_facets`], once, in commits of some hundred
//! users; until that has ended no list relies on them. Rows that a later release added are filled by themselves, so that
//! the others go on to serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minicbor::{Decode, Encode};
use tracing::{info, warn};

use super::index::sorting_email;
use super::tables::{FACETS, FACETS_FILLED, TOTALS, USERS};
use super::users::suffix_id;
use super::{Directory, Error};
use crate::audit::{Change, Housekeeping};
use crate::clock::Timestamp;
use crate::model::{Scope, Status, User, UserId, Value, fold};
use crate::store::{self, Key, KeyWriter, Range};
use crate::tasks::Stopping;

/// The extension with a person's department (RFC 7643 section 4.3).
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// Longest text of a row, in bytes; a longer one is cut, and who shares so much stands in the order of creation.
pub(super) const MAX_TEXT: usize = 256;
/// Users whose rows are written in one commit of the fill.
const BATCH: usize = 250;
/// Users after which the fill tells how far it is.
const TOLD: u64 = 100_000;

/// By what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facet {
    Status,
    Created,
    Changed,
    DisplayName,
    FamilyName,
    Department,
    /// The slug of a company that it belongs to; of these somebody may have several.
    Company,
    /// What it has no value of, by [`Blank::name`].
    Blank,
}

/// What somebody may have no value of, though lists are sorted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blank {
    Department,
    DisplayName,
    Email,
    FamilyName,
}

impl Blank {
    const ALL: [Self; 4] = [Self::Department, Self::DisplayName, Self::Email, Self::FamilyName];

    /// The text in its rows.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::DisplayName => "displayname",
            Self::Email => "email",
            Self::FamilyName => "familyname",
        }
    }

    fn row(self) -> FacetValue {
        FacetValue::Text(self.name().to_owned())
    }

    fn is_of(self, user: &User) -> bool {
        match self {
            Self::Department => value(Facet::Department, user).is_none(),
            Self::DisplayName => text(user.attributes.0.get("displayName")).is_none(),
            Self::Email => user.attributes.0.get("emails").and_then(sorting_email).is_none(),
            Self::FamilyName => value(Facet::FamilyName, user).is_none(),
        }
    }
}

impl Facet {
    const fn tag(self) -> u8 {
        match self {
            Self::Status => 0,
            Self::Created => 1,
            Self::Changed => 2,
            Self::DisplayName => 3,
            Self::FamilyName => 4,
            Self::Department => 5,
            Self::Company => 6,
            Self::Blank => 7,
        }
    }
}

impl Key for Facet {
    fn write(&self, out: &mut KeyWriter) {
        out.fixed(&[self.tag()]);
    }
}

/// The value in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FacetValue {
    Status(Status),
    Text(String),
    Time(Timestamp),
}

impl FacetValue {
    /// A text as indexes have it: folded and not too long.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(cut(fold(text).as_str()).to_owned())
    }
}

impl Key for FacetValue {
    fn write(&self, out: &mut KeyWriter) {
        match self {
            Self::Status(status) => out.fixed(&[match status {
                Status::Active => 0,
                Status::Invited => 1,
                Status::Inactive => 2,
                Status::Tombstone => 3,
            }]),
            Self::Text(text) => text.write(out),
            Self::Time(time) => time.write(out),
        }
    }
}

/// The start of a folded text, at most as much as rows have of it.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

fn text(value: Option<&Value>) -> Option<FacetValue> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(FacetValue::text)
}

/// One row's key.
pub(super) type FacetKey = (Facet, FacetValue, UserId);

/// The value of a facet that every user has, and that of others where there is one; the first where there are several.
pub(super) fn value(facet: Facet, user: &User) -> Option<FacetValue> {
    let attributes = &user.attributes.0;
    match facet {
        Facet::Blank => Blank::ALL.into_iter().find(|blank| blank.is_of(user)).map(Blank::row),
        Facet::Status => Some(FacetValue::Status(user.status)),
        Facet::Created => Some(FacetValue::Time(user.created)),
        Facet::Changed => Some(FacetValue::Time(user.changed)),
        Facet::DisplayName => Some(FacetValue::text(&user.display_name())),
        Facet::FamilyName => text(attributes.get("name").and_then(|name| name.get("familyName"))),
        Facet::Department => text(attributes.get(ENTERPRISE).and_then(|extension| extension.get("department"))),
        Facet::Company => user.companies().first().map(|company| FacetValue::text(company.slug())),
    }
}

/// Rows that are filled together, since one release brought them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    /// Status, times, names, department.
    First,
    /// Companies.
    Companies,
    /// What somebody has no value of.
    Blanks,
}

impl Batch {
    const ALL: [Self; 3] = [Self::First, Self::Companies, Self::Blanks];

    /// The row that tells how far the fill is.
    const fn progress(self) -> &'static str {
        match self {
            Self::First => "users",
            Self::Companies => "companies",
            Self::Blanks => "blanks",
        }
    }

    const fn of(facet: Facet) -> Self {
        match facet {
            Facet::Blank => Self::Blanks,
            Facet::Company => Self::Companies,
            _ => Self::First,
        }
    }

    fn rows(self, user: &User) -> Vec<FacetKey> {
        const FIRST: [Facet; 6] =
            [Facet::Status, Facet::Created, Facet::Changed, Facet::DisplayName, Facet::FamilyName, Facet::Department];
        match self {
            Self::First => FIRST.into_iter().filter_map(|facet| Some((facet, value(facet, user)?, user.id))).collect(),
            Self::Companies => {
                let of = |company: &Scope| (Facet::Company, FacetValue::text(company.slug()), user.id);
                user.companies().iter().map(of).collect()
            }
            Self::Blanks => {
                let blanks = Blank::ALL.into_iter().filter(|blank| blank.is_of(user));
                blanks.map(|blank| (Facet::Blank, blank.row(), user.id)).collect()
            }
        }
    }
}

fn rows(user: &User) -> Vec<FacetKey> {
    Batch::ALL.into_iter().flat_map(|batch| batch.rows(user)).collect()
}

/// How far the fill is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Filled {
    /// The last user whose rows are there.
    #[n(0)]
    after: Option<UserId>,
    /// Whether those of all users are.
    #[n(1)]
    is_done: bool,
}

/// Whether every user has the rows. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Facets {
    first: Arc<AtomicBool>,
    companies: Arc<AtomicBool>,
    blanks: Arc<AtomicBool>,
}

impl Facets {
    /// Whether everybody who has this facet is in its rows.
    pub(super) fn are_complete(&self, facet: Facet) -> bool {
        self.flag(Batch::of(facet)).load(Ordering::Acquire)
    }

    const fn flag(&self, batch: Batch) -> &Arc<AtomicBool> {
        match batch {
            Batch::First => &self.first,
            Batch::Companies => &self.companies,
            Batch::Blanks => &self.blanks,
        }
    }
}

impl Directory {
    /// Writes the rows of a user as it will be, and takes away those that no longer hold.
    pub(super) fn stage_facets(
        &self,
        change: &mut Change,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<(), Error> {
        let (old, new) = (before.map(rows).unwrap_or_default(), after.map(rows).unwrap_or_default());
        for gone in old.iter().filter(|row| !new.contains(row)) {
            change.delete(&FACETS, self.organisation, gone);
        }
        for row in new.iter().filter(|row| !old.contains(row)) {
            change.put(&FACETS, self.organisation, row, &())?;
        }
        Ok(())
    }

    /// Finds out whether every user has the rows by which lists are filtered and sorted. In a store without users
    /// everybody has them from the start. Gives whether [`Directory::fill_facets`] has something to do.
    ///
    /// # Errors
    /// `Store`.
    pub async fn open_facets(&self) -> Result<bool, Error> {
        let mut is_left = false;
        for batch in Batch::ALL {
            let filled = self.store().find(&FACETS_FILLED, self.organisation, batch.progress()).await?;
            let is_done = match filled {
                Some(filled) => filled.is_done,
                None => {
                    let users = Range::prefix(USERS.prefix(self.organisation, &()), 1);
                    let is_empty = self.store().range(users).await?.is_empty();
                    if is_empty {
                        self.note_filled(batch, &Filled { after: None, is_done: true }).await?;
                    }
                    is_empty
                }
            };
            self.facets.flag(batch).store(is_done, Ordering::Release);
            is_left |= !is_done;
        }
        Ok(is_left)
    }

    /// Writes the rows of users that releases before have made, in commits of some hundred, and goes on where a run
    /// before was cut off. Gives of how many users.
    ///
    /// # Errors
    /// `Store`.
    pub async fn fill_facets(&self, stopping: &Stopping) -> Result<u64, Error> {
        let mut count = 0_u64;
        for batch in Batch::ALL {
            if !self.facets.flag(batch).load(Ordering::Acquire) {
                count = count.saturating_add(self.fill(batch, stopping).await?);
            }
        }
        Ok(count)
    }

    async fn fill(&self, batch: Batch, stopping: &Stopping) -> Result<u64, Error> {
        let progress = self.store().find(&FACETS_FILLED, self.organisation, batch.progress()).await?;
        let mut filled = progress.unwrap_or_default();
        let total = store::counter(self.store(), &TOTALS.key(self.organisation, "users")).await?;
        info!(users = total, "writing indexes by which people are listed; lists take the long way until then");
        let (mut count, mut told) = (0_u64, 0_u64);
        while !filled.is_done {
            if stopping.is_set() {
                return Ok(count);
            }
            let mut range = Range::prefix(USERS.prefix(self.organisation, &()), BATCH);
            if let Some(after) = filled.after {
                range = range.after(&USERS.key(self.organisation, &after));
            }
            let rows = self.store().range(range).await?;
            let ids = rows.iter().map(|(key, _)| suffix_id(USERS.name(), key)).collect::<Result<Vec<UserId>, _>>()?;
            filled = Filled { after: ids.last().copied().or(filled.after), is_done: ids.len() < BATCH };
            self.fill_batch(batch, &ids, &filled).await?;
            count = count.saturating_add(u64::try_from(ids.len()).unwrap_or(u64::MAX));
            if count.saturating_sub(told) >= TOLD {
                told = count;
                info!(users = count, of = total, "writing indexes by which people are listed");
            }
        }
        self.facets.flag(batch).store(true, Ordering::Release);
        info!(users = count, "indexes by which people are listed are complete");
        Ok(count)
    }

    async fn fill_batch(&self, batch: Batch, ids: &[UserId], filled: &Filled) -> Result<(), Error> {
        self.ledger
            .retry(|mut change| async move {
                for id in ids {
                    // Read within the change: who changes meanwhile is read again.
                    match change.find(&USERS, self.organisation, id).await {
                        Ok(Some(user)) => {
                            for row in batch.rows(&user) {
                                change.put(&FACETS, self.organisation, &row, &())?;
                            }
                        }
                        Ok(None) => {}
                        // One record that cannot be read leaves nobody else out of the lists.
                        Err(error @ store::Error::Corrupt { .. }) => warn!(user.id = %id, "left out of lists: {error}"),
                        Err(error) => return Err(error.into()),
                    }
                }
                change.put(&FACETS_FILLED, self.organisation, batch.progress(), filled)?;
                change.commit_quietly(Housekeeping::Index).await?;
                Ok::<_, Error>(())
            })
            .await
    }

    async fn note_filled(&self, batch: Batch, filled: &Filled) -> Result<(), Error> {
        let mut change = self.ledger.change();
        change.put(&FACETS_FILLED, self.organisation, batch.progress(), filled)?;
        change.commit_quietly(Housekeeping::Index).await?;
        Ok(())
    }
}
