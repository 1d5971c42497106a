//! Users in the order of an attribute as a SCIM list has it (RFC 7644 section 3.4.2.3): by its value, then by creation;
//! whoever has none comes last, and the other way round all of it is turned. Rows that are there already tell the order;
//! of attributes that not everybody has, rows of [`Facet::Blank`] tell who has none. A page costs what it shows, however many
//! there are.

use super::facets::{Blank, Facet, FacetValue, cut};
use super::index::sorting_email;
use super::tables::{FACETS, USER_EMAILS, USER_LINKS, USER_NAMES, USERS};
use super::walk::{Rows, Whose};
use super::{Directory, Error, MAX_PAGE};
use crate::model::{Kept, KeptValue, SourceId, User, UserId, fold};
use crate::store::{self, Direction, Key, KeyWriter, Row};

/// Most bytes of a folded text that decide its place in an order.
pub const MAX_ORDERED_BYTES: usize = super::facets::MAX_TEXT;

/// An attribute by which users can be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserOrder {
    /// When it was last changed.
    Changed,
    /// When it was made.
    Created,
    /// The department (RFC 7643 section 4.3).
    Department,
    /// The name to show, where the account has one of its own.
    DisplayName,
    /// The primary e-mail address, else the first.
    Email,
    /// The id that a source knows it by.
    ExternalId,
    /// The family name.
    FamilyName,
    /// The id, which is the order of creation.
    Id,
    /// The login name.
    UserName,
}

/// A value in an order: the text in its folded form, an exact one as it is, or a time's eight bytes as keys have them; and
/// whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// The value; empty where nobody has one.
    pub value: Vec<u8>,
    /// Whose.
    pub id: UserId,
}

/// How a row's key goes on behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The id alone, which is no value.
    Blank,
    /// The id, whose text is the value.
    Id,
    /// The text alone.
    Text,
    /// The text, then the id.
    TextAndId,
    /// The time, then the id.
    TimeAndId,
}

/// One part of an order: those who have a value, or those who have none.
#[derive(Clone, Debug)]
pub struct Stretch {
    order: UserOrder,
    rows: Rows,
    form: Form,
}

/// Some users of a stretch.
#[derive(Clone, Debug, Default)]
pub struct Leg {
    /// Where each stands, in order.
    pub users: Vec<(Stand, User<Kept>)>,
    /// The rows that were read for them.
    pub read: usize,
    /// Behind what the stretch goes on; `None` at its end.
    pub next: Option<Stand>,
}

impl UserOrder {
    /// Who has no value; `None` where everybody has one.
    const fn blank(self) -> Option<Blank> {
        match self {
            Self::Department => Some(Blank::Department),
            Self::DisplayName => Some(Blank::DisplayName),
            Self::Email => Some(Blank::Email),
            Self::FamilyName => Some(Blank::FamilyName),
            Self::Changed | Self::Created | Self::ExternalId | Self::Id | Self::UserName => None,
        }
    }

    /// The facet that is in this order.
    const fn facet(self) -> Option<Facet> {
        match self {
            Self::Changed => Some(Facet::Changed),
            Self::Created => Some(Facet::Created),
            Self::Department => Some(Facet::Department),
            Self::DisplayName => Some(Facet::DisplayName),
            Self::FamilyName => Some(Facet::FamilyName),
            Self::Email | Self::ExternalId | Self::Id | Self::UserName => None,
        }
    }

    /// Whether texts are in its rows as a whole, however long they are.
    pub const fn is_uncut(self) -> bool {
        matches!(self, Self::Email | Self::ExternalId | Self::UserName)
    }
}

impl Stretch {
    /// Whether it is of those who have a value.
    pub fn is_valued(&self) -> bool {
        self.form != Form::Blank
    }

    /// Whether each row stands for somebody: so many rows, so many users.
    pub fn is_exact(&self) -> bool {
        !self.is_valued() && self.rows.table == FACETS.name()
            || self.is_valued() && !matches!(self.order, UserOrder::DisplayName | UserOrder::Email)
    }

    /// What a row's key goes on with behind its prefix; `None` when the value is none of this order.
    fn position(&self, stand: &Stand) -> Option<Vec<u8>> {
        let mut out = KeyWriter::default();
        match self.form {
            Form::Blank | Form::Id => stand.id.write(&mut out),
            Form::Text => out.text(std::str::from_utf8(&stand.value).ok()?),
            Form::TextAndId => {
                out.text(std::str::from_utf8(&stand.value).ok()?);
                stand.id.write(&mut out);
            }
            Form::TimeAndId => {
                out.fixed(&<[u8; 8]>::try_from(stand.value.as_slice()).ok()?);
                stand.id.write(&mut out);
            }
        }
        Some(out.into_bytes())
    }

    /// Where a row stands.
    fn stand(&self, row: &Row) -> Result<Stand, Error> {
        let id = self.rows.id(row)?;
        let rest = row.0.get(self.rows.prefix.len()..).unwrap_or_default();
        let before_id = rest.split_last_chunk::<16>().map(|(before, _)| before);
        let value = match self.form {
            Form::Blank => Some(Vec::new()),
            Form::Id => Some(id.to_string().into_bytes()),
            Form::Text => Some(store::written_text(rest)),
            Form::TextAndId => before_id.map(store::written_text),
            Form::TimeAndId => before_id.map(<[u8]>::to_vec),
        };
        let corrupt = || store::Error::Corrupt { table: self.rows.table, reason: "a key without its parts".to_owned() };
        Ok(Stand { value: value.ok_or_else(corrupt)?, id })
    }

    /// Whether a row is the one by which its user is sorted: a name to show may be made of others, and of several addresses
    /// one counts.
    fn is_meant(&self, stand: &Stand, user: &User<Kept>, source: &SourceId) -> bool {
        let kept = |name: &str| user.attributes.get(name).map(KeptValue::to_value);
        match (self.form, self.order) {
            (Form::Blank, UserOrder::ExternalId) => user.external_id(source).is_none(),
            (Form::Blank, _) => true,
            (_, UserOrder::DisplayName) => {
                kept("displayName").is_some_and(|name| name.as_str().is_some_and(|name| !name.is_empty()))
            }
            (_, UserOrder::Email) => {
                let emails = kept("emails");
                emails
                    .as_ref()
                    .and_then(sorting_email)
                    .is_some_and(|email| fold(email).as_str().as_bytes() == stand.value)
            }
            _ => true,
        }
    }
}

/// A text as it decides a place: no more of it than rows have.
pub fn cut_for_order(text: &str) -> &str {
    cut(text)
}

impl Directory {
    /// Everybody in the order of an attribute, as one or two stretches of which one follows the other. External ids are those
    /// of `source`. `None` while the rows that it needs are being made.
    pub fn users_in_order(&self, order: UserOrder, source: &SourceId, is_descending: bool) -> Option<Vec<Stretch>> {
        let is_complete = |facet: Option<Facet>| facet.is_none_or(|facet| self.facets.are_complete(facet));
        if !is_complete(order.facet()) || !is_complete(order.blank().map(|_| Facet::Blank)) {
            return None;
        }
        let organisation = self.organisation;
        let stretch = |rows: Rows, form| Stretch { order, rows, form };
        let everybody = || Rows::all(USERS.name(), USERS.prefix(organisation, &()), Whose::Key);
        let valued = match order {
            UserOrder::Changed
            | UserOrder::Created
            | UserOrder::Department
            | UserOrder::DisplayName
            | UserOrder::FamilyName => None,
            UserOrder::Email => {
                let rows = Rows::all(USER_EMAILS.name(), USER_EMAILS.prefix(organisation, &()), Whose::Key);
                Some(stretch(rows, Form::TextAndId))
            }
            UserOrder::ExternalId => {
                let rows = Rows::all(USER_LINKS.name(), USER_LINKS.prefix(organisation, source), Whose::Key);
                Some(stretch(rows, Form::TextAndId))
            }
            UserOrder::Id => Some(stretch(everybody(), Form::Id)),
            UserOrder::UserName => {
                let rows = Rows::all(USER_NAMES.name(), USER_NAMES.prefix(organisation, &()), Whose::Value);
                Some(stretch(rows, Form::Text))
            }
        };
        let of_facet = |facet| {
            let is_time = matches!(facet, Facet::Changed | Facet::Created);
            stretch(self.rows_of_facet(facet), if is_time { Form::TimeAndId } else { Form::TextAndId })
        };
        let valued = valued.or_else(|| order.facet().map(of_facet))?;
        let blank = match order.blank() {
            Some(blank) => {
                let prefix = FACETS.prefix(organisation, &(Facet::Blank, FacetValue::Text(blank.name().to_owned())));
                Some(stretch(Rows::all(FACETS.name(), prefix, Whose::Key), Form::Blank))
            }
            None => (order == UserOrder::ExternalId).then(|| stretch(everybody(), Form::Blank)),
        };
        let mut stretches: Vec<Stretch> = std::iter::once(valued).chain(blank).collect();
        if is_descending {
            stretches.reverse();
            stretches.iter_mut().for_each(|stretch| stretch.rows.direction = Direction::Descending);
        }
        Some(stretches)
    }

    /// The next users of a stretch behind `after`, or behind the first `skip` rows, of at most `limit` and [`MAX_PAGE`] rows.
    /// Whoever is gone is left out.
    ///
    /// # Errors
    /// `Invalid` for a place that is none of this order; `Store`.
    pub async fn walk_stretch(
        &self,
        stretch: &Stretch,
        source: &SourceId,
        after: Option<&Stand>,
        (skip, limit): (usize, usize),
    ) -> Result<Leg, Error> {
        let limit = limit.min(MAX_PAGE);
        let no_place = || Error::Invalid { field: "after".to_owned(), reason: "no place of this order".to_owned() };
        let after = after.map(|stand| stretch.position(stand).ok_or_else(no_place)).transpose()?;
        let Some(range) = stretch.rows.range(after.as_deref(), limit) else { return Ok(Leg::default()) };
        let rows = self.store().range(range.skipping(skip)).await?;
        let stands = rows.iter().map(|row| stretch.stand(row)).collect::<Result<Vec<Stand>, Error>>()?;
        let next = stands.last().filter(|_| rows.len() >= limit).cloned();
        let ids: Vec<UserId> = stands.iter().map(|stand| stand.id).collect();
        let mut found = self.users_by_id::<Kept>(&ids).await?.into_iter().peekable();
        let mut users = Vec::with_capacity(stands.len());
        for stand in stands {
            if let Some(user) = found.next_if(|user| user.id == stand.id)
                && stretch.is_meant(&stand, &user, source)
            {
                users.push((stand, user));
            }
        }
        Ok(Leg { users, read: rows.len(), next })
    }
}
