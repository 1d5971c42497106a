//! Pages of a sorted list of users that are read off an index, so that they cost what they show. What the index cannot tell
//! is sorted in memory.

use super::index::ENTERPRISE;
use super::{BATCH, Begin, MAX_READ, Mark, Needs, Page, Place};
use crate::directory::{Leg, MAX_ORDERED_BYTES, Stand, Stretch, UserOrder};
use crate::filter::AttributePath;
use crate::model::{Kept, SourceId, User, UserId};
use crate::scim::cursor::Position;
use crate::scim::query::Query;
use crate::scim::read::{Record, Rows};
use crate::scim::resource::Kind;
use crate::scim::schema::{Shape, Target};
use crate::scim::sort::SortKey;
use crate::scim::{Error, Scim};

/// The longest text that is surely whole: a longer one may have been cut before a letter of four bytes.
const MAX_WHOLE: usize = MAX_ORDERED_BYTES - 4;

/// The order of users that an index has for an attribute.
fn order_of(shape: &Shape<'_>, by: &AttributePath) -> Option<UserOrder> {
    let Target::Attribute { extension, attribute, sub } = shape.resolve(by)? else { return None };
    // Whoever lacks it would be sorted by what another extension calls the same.
    let has_it = shape.extensions.iter().filter(|extension| extension.schema.attribute(&attribute.name).is_some());
    if by.urn.is_none() && has_it.count() > usize::from(extension.is_some()) {
        return None;
    }
    match (extension, &*attribute.name, sub.map(|sub| &*sub.name)) {
        (None, "displayName", None) => Some(UserOrder::DisplayName),
        (None, "emails", None | Some("value")) => Some(UserOrder::Email),
        (None, "externalId", None) => Some(UserOrder::ExternalId),
        (None, "id", None) => Some(UserOrder::Id),
        (None, "meta", Some("created")) => Some(UserOrder::Created),
        (None, "meta", Some("lastModified")) => Some(UserOrder::Changed),
        (None, "name", Some("familyName")) => Some(UserOrder::FamilyName),
        (None, "userName", None) => Some(UserOrder::UserName),
        (Some(schema), "department", None) if schema.is(ENTERPRISE) => Some(UserOrder::Department),
        _ => None,
    }
}

/// What has come together of a page.
struct Taking {
    /// Results to pass over first.
    skip: usize,
    count: usize,
    is_by_cursor: bool,
    taken: Vec<(Mark, Record)>,
    has_more: bool,
    read: usize,
    /// The last row that was passed.
    passed: Option<Mark>,
    /// Whether the limit of what may be read ended the page.
    is_cut: bool,
}

impl Taking {
    /// Whether nothing more has to be read. Only a walk by cursor has to know whether there is another page.
    fn is_done(&self) -> bool {
        self.has_more || self.is_cut || (!self.is_by_cursor && self.taken.len() == self.count)
    }

    /// How many more results the page needs, and one that tells whether there is another page.
    fn wanted(&self) -> usize {
        self.skip.saturating_add(self.count - self.taken.len()).saturating_add(1)
    }

    fn offer(&mut self, mark: Mark, user: User<Kept>) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.taken.len() == self.count {
            self.has_more = true;
        } else {
            self.taken.push((mark, Record::Kept(user)));
        }
    }

    /// Where the next page begins, and what this one shows.
    fn finish(self) -> (Vec<Record>, Option<Mark>) {
        let last = match (self.has_more, self.is_cut) {
            (true, _) => self.taken.last().map(|(mark, _)| mark.clone()),
            (false, true) => self.passed,
            (false, false) => None,
        };
        (self.taken.into_iter().map(|(_, record)| record).collect(), last)
    }
}

impl Scim {
    /// A page of users in an order that an index has: of all, or of a walk by cursor with a filter over more than may be read
    /// at once. `None` when it takes another way.
    pub(super) async fn page_in_order(
        &self,
        source: &SourceId,
        kinds: &[Kind],
        query: &Query,
        begin: &Begin,
    ) -> Result<Option<Page>, Error> {
        let (Some(sort), [kind @ Kind::User]) = (&query.sort, kinds) else { return Ok(None) };
        let needs = Needs::of(query, *kind, self.catalogue.shape(*kind), 0);
        let Some(order) = order_of(&needs.shape, &sort.by) else { return Ok(None) };
        let total = self.count(*kind).await?;
        // A filter is to tell how many it finds, where that can be counted.
        let is_by_cursor = !matches!(begin, Begin::Index(_));
        let is_large = || total > MAX_READ && is_by_cursor && !matches!(needs.rows, Rows::All);
        if query.filter.is_some() && !is_large() {
            return Ok(None);
        }
        let Some(stretches) = self.directory.users_in_order(order, source, sort.descending) else { return Ok(None) };
        let skip = if let Begin::Index(skip) = begin { *skip } else { 0 };
        let mut taking = Taking {
            skip,
            count: query.count,
            is_by_cursor,
            taken: Vec::new(),
            has_more: false,
            read: 0,
            passed: None,
            is_cut: false,
        };
        if is_by_cursor || (query.count > 0 && skip < total) {
            let way = Way { order, source, query, needs: &needs, after: begin.after(), is_by_cursor };
            if !self.take_in_order(&way, &stretches, &mut taking).await? {
                return Ok(None);
            }
        }
        let (records, last) = taking.finish();
        let total = Some(total).filter(|_| query.filter.is_none());
        let next = last.filter(|_| is_by_cursor).map(|after| Position { after, total });
        Ok(Some(Page { records, total, next }))
    }

    /// Goes along the stretches until the page is full; `false` when a text is too long for its place to be told.
    async fn take_in_order(&self, way: &Way<'_>, stretches: &[Stretch], taking: &mut Taking) -> Result<bool, Error> {
        let is_of_mark = |stretch: &Stretch| way.after.is_none_or(|mark| mark.key.is_some() == stretch.is_valued());
        let Some(first) = stretches.iter().position(is_of_mark) else { return Ok(false) };
        for (index, stretch) in stretches.iter().enumerate().skip(first) {
            let mut after = way.after.filter(|_| index == first).map(stand_of);
            if after.as_ref().is_some_and(|stand| way.is_too_long(stand)) {
                return Ok(false);
            }
            loop {
                let rows_to_skip = if stretches.len() == 1 && stretch.is_exact() && way.query.filter.is_none() {
                    std::mem::take(&mut taking.skip)
                } else {
                    0
                };
                let limits = (rows_to_skip, taking.wanted().min(BATCH));
                let leg = self.directory.walk_stretch(stretch, way.source, after.as_ref(), limits).await?;
                let next = leg.next.clone();
                if next.as_ref().is_some_and(|stand| way.is_too_long(stand))
                    || !self.take_leg(way, stretch, leg, taking).await?
                {
                    return Ok(false);
                }
                if taking.is_done() {
                    return Ok(true);
                }
                let Some(next) = next else { break };
                after = Some(next);
                tokio::task::yield_now().await;
            }
        }
        Ok(true)
    }

    async fn take_leg(&self, way: &Way<'_>, stretch: &Stretch, leg: Leg, taking: &mut Taking) -> Result<bool, Error> {
        taking.read = taking.read.saturating_add(leg.read);
        for (stand, user) in leg.users {
            if way.is_too_long(&stand) {
                return Ok(false);
            }
            let mark = way.mark(stretch, &stand);
            let record = Record::Kept(user);
            let is_match = match &way.query.filter {
                None => true,
                Some(filter) => {
                    let needs = way.needs;
                    let picture = self.picture(way.source, &record, &needs.rows, &needs.attributes).await?;
                    filter.matches(&picture, &needs.shape)
                }
            };
            if let (true, Record::Kept(user)) = (is_match, record) {
                taking.offer(mark, user);
            }
            if taking.is_done() {
                return Ok(true);
            }
        }
        if let Some(next) = &leg.next {
            taking.passed = Some(way.mark(stretch, next));
            if taking.read >= MAX_READ {
                if !way.is_by_cursor {
                    return Err(Error::TooMany);
                }
                taking.is_cut = true;
            }
        }
        Ok(true)
    }
}

/// What a page is made by.
struct Way<'a> {
    order: UserOrder,
    source: &'a SourceId,
    query: &'a Query,
    needs: &'a Needs<'a>,
    /// Behind what it begins.
    after: Option<&'a Mark>,
    is_by_cursor: bool,
}

impl Way<'_> {
    /// Whether lists that are sorted in memory, which look at a part of each text, may put a text elsewhere.
    fn is_too_long(&self, stand: &Stand) -> bool {
        self.order.is_uncut() && stand.value.len() > MAX_WHOLE
    }

    fn mark(&self, stretch: &Stretch, stand: &Stand) -> Mark {
        let is_time = matches!(self.order, UserOrder::Changed | UserOrder::Created);
        let key = stretch.is_valued().then(|| SortKey::of_index(is_time, &stand.value));
        Mark { key, place: Place { kind: 0, id: *stand.id.as_bytes() } }
    }
}

fn stand_of(mark: &Mark) -> Stand {
    let value = mark.key.as_ref().map(|key| key.value().to_vec()).unwrap_or_default();
    Stand { value, id: UserId::from_bytes(mark.place.id) }
}
