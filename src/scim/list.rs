//! Lists and searches: by index where the filter allows it, else by a walk that has a limit.
//!
//! A page is asked for by number (RFC 7644 section 3.4.2.4) or by cursor (RFC 9865). A walk by cursors goes on from the
//! place of the last resource shown, so that nobody is lost or shown twice while others come and go.

mod index;
mod ordered;
mod selection;

use super::cursor::{Binding, Position};
use super::query::{self, Query};
use super::read::{MAX_SHOWN_GROUPS, Record, Rows};
use super::render::{Around, comma};
use super::resource::{Kind, Needed};
use super::schema::Shape;
use super::{Error, Scim};
use crate::directory::UserWalk;
use crate::filter::{Filter, Operator, is_same_text};
use crate::model::{GroupId, Kept, ObjectId, SourceId, User, UserId};
pub(super) use selection::{Mark, Place};
use selection::{Order, Selection, Window};

/// Records read at a time.
const BATCH: usize = 1000;
/// Most records that one request may read.
const MAX_READ: usize = 50_000;
/// Most members that the groups of one answer show together.
const MAX_SHOWN_MEMBERS: u64 = 50_000;
/// Most memberships that one request may look at to filter and sort.
const MAX_ROWS: u64 = 250_000;
/// Memberships that are looked at before others have their turn.
const ROWS_AT_A_TIME: u64 = 5_000;

impl Scim {
    /// `GET /{endpoint}`, `POST /{endpoint}/.search` and, over all kinds, `POST /.search`.
    pub(super) async fn list(&self, source: &SourceId, kinds: &[Kind], query: &Query) -> Result<Vec<u8>, Error> {
        let shapes: Vec<Shape<'_>> = kinds.iter().map(|kind| self.catalogue.shape(*kind)).collect();
        if let Some(filter) = &query.filter {
            query::check_filter(&shapes, filter)?;
        }
        if let Some(sort) = &query.sort {
            sort.check(&shapes)?;
        }
        // A page by number has no cursor to bind.
        let binding = || self.binding(source, kinds, query);
        let begin = match &query.page {
            query::Page::Index(start) => Begin::Index(start.saturating_sub(1)),
            query::Page::Cursor(None) => Begin::Walk,
            query::Page::Cursor(Some(text)) => Begin::Resume(self.cursors.read(&binding(), text)?),
        };
        let page = match (&query.filter, &query.sort, &begin) {
            (None, None, Begin::Index(skip)) => self.page_of_all(kinds, *skip, query.count).await?,
            (None, None, _) => self.page_after(kinds, begin.after(), query.count).await?,
            _ => self.page_of_matches(source, kinds, query, &begin).await?,
        };
        let next = page.next.as_ref().map(|next| self.cursors.issue(&binding(), next)).transpose()?;
        let start = match &query.page {
            query::Page::Cursor(_) => None,
            query::Page::Index(start) => Some(*start),
        };
        let around = Around { total: page.total, start, shown: page.records.len(), next: next.as_deref() };
        let (mut out, mut members_shown, mut groups_shown) = (around.begin(), 0_u64, 0_usize);
        // A page has its resources kind by kind unless it is sorted.
        for records in page.records.chunk_by(|a, b| a.kind() == b.kind()) {
            let Some(kind) = records.first().map(Record::kind) else { continue };
            let projection = query.projection(&self.catalogue.shape(kind));
            let rows = Rows::shown(&projection, kind);
            members_shown = members_shown.saturating_add(self.members_shown(records, &rows).await?);
            if members_shown > MAX_SHOWN_MEMBERS {
                return Err(Error::TooManyMembers);
            }
            let related = self.related(records, &rows).await?;
            groups_shown = related.iter().fold(groups_shown, |sum, related| sum.saturating_add(related.groups().len()));
            if groups_shown > MAX_SHOWN_GROUPS {
                return Err(Error::TooManyMembers);
            }
            let renderer = self.renderer(source, kind, &projection);
            for (record, related) in records.iter().zip(&related) {
                comma(&mut out);
                renderer.write(&mut out, record, related, None)?;
            }
        }
        out.extend_from_slice(Around::END);
        Ok(out)
    }

    /// Everything in the order of creation: totals are kept, and only the page is decoded.
    async fn page_of_all(&self, kinds: &[Kind], skip: usize, count: usize) -> Result<Page, Error> {
        let (mut records, mut total) = (Vec::new(), 0usize);
        for kind in kinds {
            let (before, here) = (total, self.count(*kind).await?);
            total = before.saturating_add(here);
            let skip = skip.saturating_sub(before);
            if records.len() < count && skip < here {
                let room = count - records.len();
                records.extend(match kind {
                    Kind::Group => groups(self.directory.list_groups_from(skip, room).await?),
                    Kind::Object(_) => {
                        objects(*kind, self.directory.list_objects_from(self.name(*kind), skip, room).await?)
                    }
                    Kind::User => kept(self.directory.list_users_from(skip, room).await?),
                });
            }
        }
        Ok(Page { records, total: Some(total), next: None })
    }

    /// Everything in the order of creation, from behind a place on.
    async fn page_after(&self, kinds: &[Kind], after: Option<&Mark>, count: usize) -> Result<Page, Error> {
        let (mut records, mut last, mut total) = (Vec::new(), None, 0usize);
        let mut has_more = false;
        for (number, kind) in (0u8..).zip(kinds) {
            total = total.saturating_add(self.count(*kind).await?);
            let mut place = after.map(|mark| mark.place);
            if place.is_some_and(|place| place.kind > number) {
                continue;
            }
            place = place.filter(|place| place.kind == number);
            while !has_more {
                // One more than is shown tells whether there is another page.
                let wanted = (count - records.len() + 1).min(BATCH);
                let batch = self.batch(*kind, place.as_ref(), wanted).await?;
                let is_last = batch.len() < wanted;
                for record in batch {
                    if records.len() == count {
                        has_more = true;
                        break;
                    }
                    place = Some(place_of(number, &record));
                    last = place;
                    records.push(record);
                }
                if is_last {
                    break;
                }
            }
        }
        let total = Some(total);
        let next = last.filter(|_| has_more).map(|place| Position { after: Mark { key: None, place }, total: None });
        Ok(Page { records, total, next })
    }

    async fn page_of_matches(
        &self,
        source: &SourceId,
        kinds: &[Kind],
        query: &Query,
        begin: &Begin,
    ) -> Result<Page, Error> {
        if query.filter.is_none()
            && let Some(page) = self.page_in_order(source, kinds, query, begin).await?
        {
            return Ok(page);
        }
        let mut matches = Matches::new(query, begin);
        for (number, kind) in (0u8..).zip(kinds) {
            let needs = Needs::of(query, *kind, self.catalogue.shape(*kind), number);
            let found = match &query.filter {
                Some(filter) => self.indexed(source, *kind, filter).await?,
                None => None,
            };
            match found {
                Some(mut records) => {
                    records.sort_by_key(|record| place_of(number, record));
                    self.take_matches(source, query, &needs, records, &mut matches).await?;
                }
                None => match self.narrowed(kinds, query).await? {
                    Some(way) => self.take_narrowed(source, query, &needs, &way, &mut matches).await?,
                    None => match self.page_in_order(source, kinds, query, begin).await? {
                        Some(page) => return Ok(page),
                        None => self.walk(source, query, *kind, &needs, &mut matches).await?,
                    },
                },
            }
            if matches.is_done {
                break;
            }
        }
        let Found { marks, total, next } = matches.finish();
        Ok(Page { records: self.records(kinds, marks).await?, total, next })
    }

    /// Matches by reading one record after the other.
    async fn walk(
        &self,
        source: &SourceId,
        query: &Query,
        kind: Kind,
        needs: &Needs<'_>,
        matches: &mut Matches,
    ) -> Result<(), Error> {
        let Some(mut after) = matches.start_of(needs.number) else { return Ok(()) };
        loop {
            let batch = self.batch(kind, after.as_ref(), BATCH).await?;
            let is_last = batch.len() < BATCH;
            after = batch.last().map(|record| place_of(needs.number, record));
            self.take_matches(source, query, needs, batch, matches).await?;
            if is_last || matches.is_done {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Matches among those to whom an index leads, in any order.
    async fn take_narrowed(
        &self,
        source: &SourceId,
        query: &Query,
        needs: &Needs<'_>,
        way: &UserWalk,
        matches: &mut Matches,
    ) -> Result<(), Error> {
        matches.is_unordered = true;
        let mut after = None;
        loop {
            let found = self.directory.walk_users(way, after.as_deref(), BATCH).await?;
            let records = found.users.into_iter().map(|(_, user)| Record::User(user)).collect();
            self.take_matches(source, query, needs, records, matches).await?;
            let Some(next) = found.next else { return Ok(()) };
            after = Some(next);
            tokio::task::yield_now().await;
        }
    }

    async fn take_matches(
        &self,
        source: &SourceId,
        query: &Query,
        needs: &Needs<'_>,
        records: Vec<Record>,
        matches: &mut Matches,
    ) -> Result<(), Error> {
        matches.charge(records.len())?;
        for record in records {
            let place = place_of(needs.number, &record);
            if let Some(is_wanted) = is_named(query, &record) {
                if is_wanted {
                    matches.offer(Mark { key: None, place }, record);
                }
            } else {
                if matches!(needs.rows, Rows::All) {
                    let rows = self.count_rows(&record).await?;
                    if !matches.charge_rows(rows)? {
                        break;
                    }
                    if matches.is_turn_over() {
                        tokio::task::yield_now().await;
                    }
                }
                let picture = self.picture(source, &record, &needs.rows, &needs.attributes).await?;
                if query.filter.as_ref().is_none_or(|filter| filter.matches(&picture, &needs.shape)) {
                    let key = query.sort.as_ref().and_then(|sort| sort.key(&needs.shape, &picture));
                    matches.offer(Mark { key, place }, record);
                }
            }
            if matches.has_passed(place) {
                break;
            }
        }
        Ok(())
    }

    /// The records of a page. Those that were not kept on the way are read again; whoever is gone meanwhile is left out.
    async fn records(&self, kinds: &[Kind], marks: Vec<(Mark, Option<Record>)>) -> Result<Vec<Record>, Error> {
        let mut records = Vec::with_capacity(marks.len());
        for (Mark { place, .. }, record) in marks {
            let record = match (record, kinds.get(usize::from(place.kind))) {
                (Some(record), _) => Some(record),
                (None, Some(Kind::Group)) => {
                    self.directory.find_group(GroupId::from_bytes(place.id)).await?.map(Record::Group)
                }
                (None, Some(kind @ Kind::Object(_))) => {
                    let found = self.directory.find_object(self.name(*kind), ObjectId::from_bytes(place.id)).await?;
                    found.map(|object| Record::Object(*kind, object))
                }
                (None, Some(Kind::User)) => {
                    self.directory.find_kept_user(UserId::from_bytes(place.id)).await?.map(Record::Kept)
                }
                (None, None) => None,
            };
            records.extend(record);
        }
        Ok(records)
    }

    /// The name of a kind's resource type.
    fn name(&self, kind: Kind) -> &str {
        &self.catalogue.of(kind).name
    }

    async fn count(&self, kind: Kind) -> Result<usize, Error> {
        let count = match kind {
            Kind::Group => self.directory.count_groups().await?,
            Kind::Object(_) => self.directory.count_objects(self.name(kind)).await?,
            Kind::User => self.directory.count_users().await?,
        };
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn batch(&self, kind: Kind, after: Option<&Place>, limit: usize) -> Result<Vec<Record>, Error> {
        let after = after.map(|place| place.id);
        Ok(match kind {
            Kind::Group => groups(self.directory.list_groups(after.map(GroupId::from_bytes), limit).await?),
            Kind::Object(_) => {
                let after = after.map(ObjectId::from_bytes);
                objects(kind, self.directory.list_objects(self.name(kind), after, limit).await?)
            }
            Kind::User => kept(self.directory.list_users(after.map(UserId::from_bytes), limit).await?),
        })
    }

    /// The caller and everything that decides which resources follow which. What is shown of them, and how many at a
    /// time, may change from page to page.
    fn binding(&self, source: &SourceId, kinds: &[Kind], query: &Query) -> Binding {
        let filter = query.filter.as_ref().map(|filter| format!("filter {filter}")).unwrap_or_default();
        let sort = query.sort.as_ref().map(|sort| format!("sort {} {}", sort.descending, sort.by)).unwrap_or_default();
        let mut parts = vec![source.as_str(), filter.as_str(), sort.as_str()];
        parts.extend(kinds.iter().map(|kind| &*self.catalogue.of(*kind).name));
        Binding::of(&parts)
    }
}

/// Whether a user has the login name that is all the query asks for: what clients ask most, told without a picture of the
/// user. `None` for every other question.
fn is_named(query: &Query, record: &Record) -> Option<bool> {
    let (None, Some(Filter::Compare { path, operator: Operator::Equal, value })) = (&query.sort, &query.filter) else {
        return None;
    };
    let (Record::Kept(user), None, Some(wanted)) = (record, &path.urn, value.as_str()) else { return None };
    path.is("userName").then(|| is_same_text(user.user_name.as_str(), wanted))
}

fn groups(groups: Vec<crate::model::Group>) -> Vec<Record> {
    groups.into_iter().map(Record::Group).collect()
}

fn objects(kind: Kind, objects: Vec<crate::model::Object>) -> Vec<Record> {
    objects.into_iter().map(|object| Record::Object(kind, object)).collect()
}

fn kept(users: Vec<User<Kept>>) -> Vec<Record> {
    users.into_iter().map(Record::Kept).collect()
}

fn place_of(number: u8, record: &Record) -> Place {
    let id = match record {
        Record::Group(group) => *group.id.as_bytes(),
        Record::Object(_, object) => *object.id.as_bytes(),
        Record::Kept(User { id, .. }) | Record::User(User { id, .. }) => *id.as_bytes(),
    };
    Place { kind: number, id }
}

/// Where a page begins.
enum Begin {
    /// Behind so many results.
    Index(usize),
    /// At the first page of a walk by cursors.
    Walk,
    /// Where a cursor stands.
    Resume(Position),
}

impl Begin {
    fn after(&self) -> Option<&Mark> {
        match self {
            Self::Index(_) | Self::Walk => None,
            Self::Resume(position) => Some(&position.after),
        }
    }
}

/// What an answer is made of.
struct Page {
    records: Vec<Record>,
    /// How many results there are in all, where that is known.
    total: Option<usize>,
    next: Option<Position>,
}

/// What has to be known of a record to filter and sort it.
struct Needs<'a> {
    rows: Rows,
    attributes: Needed,
    shape: Shape<'a>,
    /// Which of the kinds that are listed.
    number: u8,
}

impl<'a> Needs<'a> {
    fn of(query: &Query, kind: Kind, shape: Shape<'a>, number: u8) -> Self {
        let by_rows = query
            .sort
            .as_ref()
            .is_some_and(|sort| ["groups", "members"].iter().any(|name| sort.by.name.eq_ignore_ascii_case(name)));
        let rows = if by_rows { Rows::All } else { Rows::compared(query.filter.as_ref(), kind) };
        let attributes = Needed::by(query.filter.as_ref(), query.sort.as_ref().map(|sort| &sort.by));
        Self { rows, attributes, shape, number }
    }
}

/// What a page needs of a search.
struct Found {
    marks: Vec<(Mark, Option<Record>)>,
    total: Option<usize>,
    next: Option<Position>,
}

/// Matches on their way to a page.
struct Matches {
    selection: Selection<Option<Record>>,
    /// Whether the page is one of a walk by cursors.
    by_cursor: bool,
    /// Whether the list is in the order of creation, so that it is known where the next page begins.
    in_order: bool,
    /// Where a walk in the order of creation goes on.
    after: Option<Place>,
    /// The total that was counted at the walk's first page.
    counted: Option<usize>,
    /// Whether the total is counted by this request.
    counts: bool,
    read: usize,
    /// Memberships that were looked at, and those of them since others had their turn.
    rows: u64,
    rows_at_once: u64,
    /// Whether they come in another order than that of creation, so that the last of them has to be seen.
    is_unordered: bool,
    passed: Option<Place>,
    /// Whether nothing more has to be read.
    is_done: bool,
    /// Whether the limit of records ended the search before its end.
    is_cut: bool,
}

impl Matches {
    fn new(query: &Query, begin: &Begin) -> Self {
        let order = match &query.sort {
            None => Order::Created,
            Some(sort) if sort.descending => Order::Descending,
            Some(_) => Order::Ascending,
        };
        let (window, counted) = match begin {
            Begin::Index(skip) => (Window::From(*skip), None),
            Begin::Walk => (Window::From(0), None),
            Begin::Resume(position) => (Window::After(position.after.clone()), position.total),
        };
        let in_order = order == Order::Created;
        Self {
            selection: Selection::new(order, window, query.count),
            by_cursor: !matches!(begin, Begin::Index(_)),
            in_order,
            after: begin.after().filter(|_| in_order).map(|mark| mark.place),
            counted,
            // The pages that follow the first are told what it counted.
            counts: !(in_order && matches!(begin, Begin::Resume(_))),
            read: 0,
            rows: 0,
            rows_at_once: 0,
            is_unordered: false,
            passed: None,
            is_done: false,
            is_cut: false,
        }
    }

    /// Behind which place a walk over a kind begins; `None` when the kind lies behind already.
    fn start_of(&self, number: u8) -> Option<Option<Place>> {
        match self.after {
            Some(after) if after.kind > number => None,
            after => Some(after.filter(|after| after.kind == number)),
        }
    }

    /// Counts what is read.
    fn charge(&mut self, records: usize) -> Result<(), Error> {
        self.read = self.read.saturating_add(records);
        if self.read <= MAX_READ { Ok(()) } else { self.cut() }
    }

    /// Counts the memberships of one record before they are looked at, and tells whether this request may.
    fn charge_rows(&mut self, rows: u64) -> Result<bool, Error> {
        self.rows = self.rows.saturating_add(rows);
        self.rows_at_once = self.rows_at_once.saturating_add(rows);
        if self.rows <= MAX_ROWS {
            return Ok(true);
        }
        self.cut().map(|()| false)
    }

    fn is_turn_over(&mut self) -> bool {
        let is_over = self.rows_at_once >= ROWS_AT_A_TIME;
        if is_over {
            self.rows_at_once = 0;
        }
        is_over
    }

    /// Ends a walk by cursors where it stands, for it goes on with the next request; everything else needs to see all of it.
    fn cut(&mut self) -> Result<(), Error> {
        if self.by_cursor && self.in_order && self.passed.is_some() {
            self.is_cut = true;
            self.is_done = true;
            return Ok(());
        }
        Err(Error::TooMany)
    }

    fn offer(&mut self, mark: Mark, record: Record) {
        let record = (self.selection.most() <= query::MAX_COUNT).then_some(record);
        self.selection.offer(mark, record);
    }

    /// Notes that a record was looked at, and tells whether the page has all it needs.
    fn has_passed(&mut self, place: Place) -> bool {
        if self.is_unordered {
            return false;
        }
        self.passed = Some(place);
        self.is_done |= !self.counts && self.selection.has_more();
        self.is_done
    }

    fn finish(self) -> Found {
        let has_more = self.selection.has_more();
        let total = match (self.counts, self.is_cut) {
            (true, true) => None,
            (true, false) => Some(self.selection.total()),
            (false, _) => self.counted,
        };
        let marks = self.selection.page();
        let after = match (has_more, self.is_cut) {
            _ if !self.by_cursor => None,
            (true, _) => marks.last().map(|(mark, _)| mark.clone()),
            (false, true) => self.passed.map(|place| Mark { key: None, place }),
            (false, false) => None,
        };
        Found { marks, total, next: after.map(|after| Position { after, total }) }
    }
}

#[cfg(test)]
mod tests;
