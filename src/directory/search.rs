//! Searches of users by index: which attribute has one, with which index a search begins, and a page of whom it finds.
//! Every page costs what it shows, however deep it is. What is found may still not meet the filter that it was looked up
//! for.

use super::facets::{Facet, FacetValue, cut};
use super::membership::Member;
use super::tables::{FACETS, MEMBERS, REPORTS, USER_EMAILS, USER_LINKS, USER_NAMES, USERS};
use super::walk::{Rows, UserWalk, Way, Whose};
use super::{Directory, Error, MAX_PAGE};
use crate::clock::Timestamp;
use crate::filter::Operator;
use crate::model::{GroupId, RoleId, Scope, SourceId, Status, User, UserId, fold};
use crate::store::{Direction, Key, KeyWriter, Range};

/// Most users whom a search by index may find that are sorted by another one in memory.
const MAX_SORTED: usize = 500;

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
    /// The name to show.
    DisplayName,
    /// The family name.
    FamilyName,
    /// The supervisor's id.
    Supervisor,
    /// The id of a group that they are directly in.
    Membership,
    /// A role that was given to them themselves.
    Role,
    /// The department.
    Department,
    /// The slug of a company that they belong to.
    Company,
    /// When the account was made.
    Created,
    /// When it was last changed.
    Changed,
    /// `active`, `inactive` or `invited`.
    Status,
}

/// By what a list of users is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserSort {
    /// When it was last changed.
    Changed,
    /// When the account was made.
    Created,
    /// The name to show.
    DisplayName,
    /// Active ones, invited ones, inactive ones.
    Status,
    /// The login name.
    UserName,
}

impl UserSort {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Changed, Self::Created, Self::DisplayName, Self::Status, Self::UserName];

    /// The name in a query.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Created => "created",
            Self::DisplayName => "displayName",
            Self::Status => "status",
            Self::UserName => "userName",
        }
    }

    /// The name of a walk in this order; one that goes down ends with a minus.
    const fn walk(self, is_descending: bool) -> &'static str {
        match (self, is_descending) {
            (Self::Changed, false) => "changed+",
            (Self::Changed, true) => "changed-",
            (Self::Created, false) => "created+",
            (Self::Created, true) => "created-",
            (Self::DisplayName, false) => "displayName+",
            (Self::DisplayName, true) => "displayName-",
            (Self::Status, false) => "status+",
            (Self::Status, true) => "status-",
            (Self::UserName, false) => "userName+",
            (Self::UserName, true) => "userName-",
        }
    }

    /// The facet whose rows are in this order; login names have a table of their own.
    pub(super) const fn facet(self) -> Option<Facet> {
        match self {
            Self::Changed => Some(Facet::Changed),
            Self::Created => Some(Facet::Created),
            Self::DisplayName => Some(Facet::DisplayName),
            Self::Status => Some(Facet::Status),
            Self::UserName => None,
        }
    }

    const fn index(self) -> UserIndex {
        match self {
            Self::Changed => UserIndex::Changed,
            Self::Created => UserIndex::Created,
            Self::DisplayName => UserIndex::DisplayName,
            Self::Status => UserIndex::Status,
            Self::UserName => UserIndex::UserName,
        }
    }
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

    /// The facet whose rows are this index, which may not be complete yet.
    const fn facet(self) -> Option<Facet> {
        match self {
            Self::Changed => Some(Facet::Changed),
            Self::Company => Some(Facet::Company),
            Self::Created => Some(Facet::Created),
            Self::Department => Some(Facet::Department),
            Self::DisplayName => Some(Facet::DisplayName),
            Self::FamilyName => Some(Facet::FamilyName),
            Self::Status => Some(Facet::Status),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Changed => "by changed",
            Self::Company => "by company",
            Self::Created => "by created",
            Self::Department => "by department",
            Self::DisplayName => "by displayName",
            Self::Email => "by email",
            Self::ExternalId => "by externalId",
            Self::FamilyName => "by familyName",
            Self::Id => "by id",
            Self::Membership => "by group",
            Self::Role => "by role",
            Self::Status => "by status",
            Self::Supervisor => "by supervisor",
            Self::UserName => "by userName",
        }
    }
}

/// One condition that everybody meets who is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// On what.
    pub index: UserIndex,
    /// How.
    pub operator: Operator,
    /// With what. Groups, supervisors and users by id, status by its word, times as RFC 3339.
    pub value: String,
    /// Whose external id it is; without one it is nobody's.
    pub source: Option<SourceId>,
}

impl Term {
    /// How much is left of everybody, least first: what is equal, what begins so, a range of times, a status.
    fn rank(&self) -> (u8, UserIndex) {
        let class = match (self.index, self.operator) {
            (UserIndex::Status, _) => 3,
            (_, Operator::Equal) => 0,
            (_, Operator::StartsWith) => 1,
            _ => 2,
        };
        (class, self.index)
    }
}

/// Whom a list can have at all: who belongs to one of some companies, and one account besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// The companies.
    pub companies: Vec<Scope>,
    /// The account, whatever it belongs to.
    pub own: Option<UserId>,
}

/// What indexes of text have of a text: `None` when what a filter finds and what an index finds might differ.
fn indexed(text: &str) -> Option<String> {
    // Blanks around a value are no part of an index, and texts that are times are compared as times.
    let fenced = fold(&format!("|{text}|"));
    let folded = fenced.as_str().strip_prefix('|')?.strip_suffix('|')?.to_owned();
    let is_plain = !folded.is_empty() && folded.trim() == folded && text.parse::<Timestamp>().is_err();
    is_plain.then_some(folded)
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
            _ => match self.rows_equal(index, value, source) {
                Some(rows) => {
                    let mut range = Range { start: rows.start, end: rows.end, ..Range::prefix(Vec::new(), 0) };
                    range.limit = limit.min(MAX_PAGE);
                    if let Some(after) = after {
                        range = range.after(&[&rows.prefix, after.as_bytes().as_slice()].concat());
                    }
                    let found = self.store().range(range).await?;
                    found
                        .iter()
                        .map(|(key, _)| super::users::suffix_id(rows.table, key))
                        .collect::<Result<Vec<UserId>, _>>()?
                }
                None => Vec::new(),
            },
        };
        let behind = |id: &UserId| after.is_none_or(|after| *id > after);
        let ids: Vec<UserId> = ids.into_iter().filter(behind).collect();
        self.users_by_id(&ids).await
    }

    /// The rows of an index for one value; positions are ids, so that they are in the order of creation. `None` when
    /// nobody has such a value.
    fn rows_equal(&self, index: UserIndex, value: &str, source: Option<&SourceId>) -> Option<Rows> {
        let all = |table, prefix| Some(Rows::all(table, prefix, Whose::Key));
        let of_facet =
            |facet: Facet, value: FacetValue| all(FACETS.name(), FACETS.prefix(self.organisation, &(facet, value)));
        match index {
            UserIndex::Id => {
                let id: UserId = value.parse().ok()?;
                let rows = Rows::all(USERS.name(), USERS.prefix(self.organisation, &()), Whose::Key);
                Some(rows.below(written(&id)))
            }
            UserIndex::UserName => {
                let rows = Rows::all(USER_NAMES.name(), USER_NAMES.prefix(self.organisation, &()), Whose::Value);
                Some(rows.below(written(&fold(value))))
            }
            UserIndex::ExternalId => {
                let key = (source?.clone(), value.to_owned());
                all(USER_LINKS.name(), USER_LINKS.prefix(self.organisation, &key))
            }
            UserIndex::Email => all(USER_EMAILS.name(), USER_EMAILS.prefix(self.organisation, &fold(value))),
            UserIndex::Supervisor => {
                let supervisor: UserId = value.parse().ok()?;
                all(REPORTS.name(), REPORTS.prefix(self.organisation, &supervisor))
            }
            UserIndex::Membership => {
                let group: GroupId = value.parse().ok()?;
                // Nested groups come before users.
                let mut first = MEMBERS.key(self.organisation, &(group, Member::User(UserId::from_bytes([0; 16]))));
                first.truncate(first.len().saturating_sub(16));
                all(MEMBERS.name(), first)
            }
            UserIndex::Role => {
                let role: RoleId = fold(value).as_str().parse().ok()?;
                let (table, prefix) = self.grants.rows_of_users_with(&role);
                Some(Rows::all(table, prefix, Whose::KeyBeforeLast))
            }
            UserIndex::Status => of_facet(Facet::Status, FacetValue::Status(status(value)?)),
            UserIndex::Created => of_facet(Facet::Created, FacetValue::Time(value.parse().ok()?)),
            UserIndex::Changed => of_facet(Facet::Changed, FacetValue::Time(value.parse().ok()?)),
            UserIndex::Company => of_facet(Facet::Company, FacetValue::text(value)),
            UserIndex::Department => of_facet(Facet::Department, FacetValue::text(value)),
            UserIndex::DisplayName => of_facet(Facet::DisplayName, FacetValue::text(value)),
            UserIndex::FamilyName => of_facet(Facet::FamilyName, FacetValue::text(value)),
        }
    }

    /// Whether an index finds everybody who meets a condition.
    fn serves(&self, term: &Term) -> bool {
        use UserIndex as Index;
        if term.index.facet().is_some_and(|facet| !self.facets.are_complete(facet)) {
            return false;
        }
        match (term.index, term.operator) {
            (Index::ExternalId, Operator::Equal) => term.source.is_some(),
            (Index::Id | Index::Membership | Index::Role, Operator::Equal) => true,
            // Who tells a supervisor otherwise than by id is not in the index.
            (Index::Supervisor, Operator::Equal) => term.value.parse::<UserId>().is_ok(),
            (Index::Status, Operator::Equal) => status(&term.value).is_some(),
            (Index::Company, Operator::Equal) => indexed(&term.value).is_some(),
            (
                Index::UserName | Index::Email | Index::DisplayName | Index::FamilyName | Index::Department,
                Operator::Equal | Operator::StartsWith,
            ) => indexed(&term.value).is_some(),
            (Index::Created | Index::Changed, operator) => {
                (operator == Operator::Equal || operator.is_ordering()) && term.value.parse::<Timestamp>().is_ok()
            }
            _ => false,
        }
    }

    /// The rows for one condition, which its index serves. `None` when nobody can meet it.
    fn rows_of(&self, term: &Term) -> Option<Rows> {
        if term.operator == Operator::Equal {
            return self.rows_equal(term.index, &term.value, term.source.as_ref());
        }
        if let (UserIndex::Created | UserIndex::Changed, Some(facet)) = (term.index, term.index.facet()) {
            let mut rows = self.rows_of_facet(facet);
            let at: Timestamp = term.value.parse().ok()?;
            let Range { start, end, .. } =
                Range::prefix(FACETS.prefix(self.organisation, &(facet, FacetValue::Time(at))), 0);
            match term.operator {
                Operator::GreaterOrEqual => rows.start = start,
                Operator::GreaterThan => rows.start = end,
                Operator::LessOrEqual => rows.end = end,
                _ => rows.end = start,
            }
            return Some(rows);
        }
        let folded = indexed(&term.value)?;
        let mut beginning = KeyWriter::default();
        let organisation = self.organisation;
        Some(match (term.index, term.index.facet()) {
            (_, Some(facet)) => {
                beginning.beginning(cut(&folded));
                self.rows_of_facet(facet).below(beginning)
            }
            (UserIndex::Email, None) => {
                beginning.beginning(&folded);
                let rows = Rows::all(USER_EMAILS.name(), USER_EMAILS.prefix(organisation, &()), Whose::Key);
                Rows { is_of_emails: true, ..rows.below(beginning) }
            }
            (_, None) => {
                beginning.beginning(&folded);
                let rows = Rows::all(USER_NAMES.name(), USER_NAMES.prefix(organisation, &()), Whose::Value);
                rows.below(beginning)
            }
        })
    }

    /// The way over users who may meet all of some conditions: along the index that leaves the fewest of everybody, or in
    /// the order that is asked for, `true` for the one from its end. Without both it is the order of creation. `within`
    /// leaves nobody else to be met. Whoever meets the conditions is on it, others may be too.
    ///
    /// # Errors
    /// `Filling` for `sort` while the index that it needs is being made; `Store`.
    pub async fn way_to_users(
        &self,
        terms: &[Term],
        sort: Option<(UserSort, bool)>,
        within: Option<&Within>,
    ) -> Result<UserWalk, Error> {
        let served = || terms.iter().filter(|term| self.serves(term));
        let best = served().min_by_key(|term| term.rank());
        let within = within.filter(|_| self.facets.are_complete(Facet::Company)).map(|within| self.rows_within(within));
        let Some((sort, is_descending)) = sort else {
            return self.unsorted(best, terms, within).await;
        };
        if sort.facet().is_some_and(|facet| !self.facets.are_complete(facet)) {
            return Err(Error::Filling { field: "sort" });
        }
        let name = sort.walk(is_descending);
        let direction = if is_descending { Direction::Descending } else { Direction::Ascending };
        if let Some(best) = best.filter(|best| best.index != sort.index()) {
            let Some(rows) = self.rows_of(best) else { return Ok(UserWalk { name, way: Way::Few(Vec::new()) }) };
            if let Some(few) = self.few(vec![rows], sort, is_descending).await? {
                return Ok(UserWalk { name, way: Way::Few(few) });
            }
        }
        if let Some(within) = within
            && let Some(few) = self.few(within, sort, is_descending).await?
        {
            return Ok(UserWalk { name, way: Way::Few(few) });
        }
        let rows = self.narrowed(self.rows_by(sort), sort.index(), terms);
        Ok(UserWalk { name, way: Way::Rows(Rows { direction, ..rows }) })
    }

    /// Whether a way leads along an index to at most so many rows, of which some may lead to nobody.
    ///
    /// # Errors
    /// `Store`.
    pub async fn leads_to_few(&self, walk: &UserWalk, most: usize) -> Result<bool, Error> {
        match &walk.way {
            Way::Few(_) => Ok(true),
            Way::Rows(rows) if rows.table != USERS.name() => {
                let Some(range) = rows.range(None, 1) else { return Ok(true) };
                Ok(self.store().range(range.skipping(most)).await?.is_empty())
            }
            Way::Merged(_) | Way::Rows(_) => Ok(false),
        }
    }

    /// The way where no order is asked for.
    async fn unsorted(
        &self,
        best: Option<&Term>,
        terms: &[Term],
        within: Option<Vec<Rows>>,
    ) -> Result<UserWalk, Error> {
        let by_company = |within| UserWalk { name: "by companies", way: Way::Merged(within) };
        let Some(best) = best else {
            if let Some(within) = within {
                return Ok(by_company(within));
            }
            let rows = Rows::all(USERS.name(), USERS.prefix(self.organisation, &()), Whose::Key);
            return Ok(UserWalk { name: "by creation", way: Way::Rows(rows) });
        };
        // What is equal is in the order of creation, whatever else is in the order of its index.
        let name = best.index.name();
        let Some(rows) = self.rows_of(best) else { return Ok(UserWalk { name, way: Way::Few(Vec::new()) }) };
        let rows = self.narrowed(rows, best.index, terms);
        match within {
            Some(within) if self.keys(std::slice::from_ref(&rows)).await?.is_none() => Ok(by_company(within)),
            _ => Ok(UserWalk { name, way: Way::Rows(rows) }),
        }
    }

    /// The rows of everybody who belongs to one of some companies; positions are ids.
    fn rows_within(&self, within: &Within) -> Vec<Rows> {
        let company = |company: &Scope| self.rows_equal(UserIndex::Company, company.slug(), None);
        let own = within.own.and_then(|own| self.rows_equal(UserIndex::Id, &own.to_string(), None));
        within.companies.iter().filter_map(company).chain(own).collect()
    }

    /// The same rows without those outside of what other conditions on the same index leave.
    fn narrowed(&self, mut rows: Rows, index: UserIndex, terms: &[Term]) -> Rows {
        // Of what somebody has several of, each condition may be met by another one.
        if matches!(index, UserIndex::Company | UserIndex::Email | UserIndex::Membership | UserIndex::Role) {
            return rows;
        }
        for term in terms.iter().filter(|term| term.index == index && self.serves(term)) {
            if let Some(other) = self.rows_of(term) {
                rows.start = rows.start.max(other.start);
                rows.end = rows.end.min(other.end);
            }
        }
        rows
    }

    /// How many rows there are, where there are not too many to be sorted: the keys tell before anybody is read.
    async fn keys(&self, all: &[Rows]) -> Result<Option<usize>, Error> {
        let mut count = 0;
        for rows in all {
            let Some(range) = rows.range(None, MAX_SORTED + 1) else { continue };
            count += self.store().range(range).await?.len();
            if count > MAX_SORTED {
                return Ok(None);
            }
        }
        Ok(Some(count))
    }

    /// Everybody on a way with their position in an order, when they are few.
    async fn few(
        &self,
        mut rows: Vec<Rows>,
        sort: UserSort,
        is_descending: bool,
    ) -> Result<Option<Vec<(Vec<u8>, User)>>, Error> {
        if self.keys(&rows).await?.is_none() {
            return Ok(None);
        }
        let way = if rows.len() == 1 { rows.pop().map(Way::Rows) } else { Some(Way::Merged(rows)) };
        let Some(way) = way else { return Ok(Some(Vec::new())) };
        let found = self.walk_users(&UserWalk { name: "few", way }, None, MAX_SORTED + 1).await?;
        let place = |(_, user): (Vec<u8>, User)| (self.position(sort, &user), user);
        let mut users: Vec<(Vec<u8>, User)> = found.users.into_iter().map(place).collect();
        users.sort_by(|(a, _), (b, _)| if is_descending { b.cmp(a) } else { a.cmp(b) });
        Ok(Some(users))
    }
}

fn written(key: &impl Key) -> KeyWriter {
    let mut out = KeyWriter::default();
    key.write(&mut out);
    out
}

fn status(word: &str) -> Option<Status> {
    let known = [("active", Status::Active), ("inactive", Status::Inactive), ("invited", Status::Invited)];
    known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, status)| status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_up_only_where_index_and_filter_mean_the_same() {
        for (text, expected) in [
            ("Ada", Some("ada")),
            ("|Ada|", Some("|ada|")),
            ("\u{ff21}da L", Some("ada l")),
            (" ada", None),
            ("ada ", None),
            ("", None),
            ("\u{a8}x", None),
            ("2026-01-01T00:00:00Z", None),
        ] {
            assert_eq!(indexed(text).as_deref(), expected, "{text:?}");
        }
        let long = "ä".repeat(300);
        assert_eq!(cut(&long).len(), 256);
    }
}
