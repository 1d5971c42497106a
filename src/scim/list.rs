//! Lists and searches: by index where the filter allows it, else by a walk that has a limit.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::discovery::LIST_SCHEMA;
use super::query::{self, Query, Sort};
use super::read::{Record, Rows, possible_members};
use super::resource::Kind;
use super::schema::{Shape, Target};
use super::{Error, Scim};
use crate::directory::Member;
use crate::filter::{self, Filter};
use crate::model::{GroupId, SourceId, UserId};

/// Records read at a time.
const BATCH: usize = 1000;
/// Most records that one request may read.
const MAX_READ: usize = 50_000;
/// Most records that an index entry stands for.
const MAX_INDEXED: usize = 1000;

impl Scim {
    /// `GET /{endpoint}`, `POST /{endpoint}/.search` and, over all kinds, `POST /.search`.
    pub(super) async fn list(&self, source: &SourceId, kinds: &[Kind], query: &Query) -> Result<Value, Error> {
        let shapes: Vec<Shape<'_>> = kinds.iter().map(|kind| self.catalogue.shape(*kind)).collect();
        if let Some(filter) = &query.filter {
            query::check_filter(&shapes, filter)?;
        }
        if let Some(sort) = &query.sort {
            query::check_sort(&shapes, sort)?;
        }
        let page = match (&query.filter, &query.sort) {
            (None, None) => self.page_of_all(kinds, query).await?,
            _ => self.page_of_matches(source, kinds, query).await?,
        };
        let mut resources = Vec::with_capacity(page.records.len());
        for record in &page.records {
            let (kind, shape) = (record.kind(), self.catalogue.shape(record.kind()));
            let projection = query.projection(&shape);
            let picture = self.picture(source, record, &Rows::shown(&projection, kind)).await?;
            resources.push(Value::Object(projection.apply(&shape, picture)));
        }
        Ok(json!({
            "schemas": [LIST_SCHEMA],
            "totalResults": page.total,
            "startIndex": query.start,
            "itemsPerPage": resources.len(),
            "Resources": resources,
        }))
    }

    /// Everything in the order of creation: totals are kept, and only the page is decoded.
    async fn page_of_all(&self, kinds: &[Kind], query: &Query) -> Result<Page, Error> {
        let mut page = Page::of(query);
        for kind in kinds {
            let (before, here) = (page.total, self.count(*kind).await?);
            page.total = before.saturating_add(here);
            let skip = page.start.saturating_sub(before);
            if page.has_room() && skip < here {
                let room = page.count - page.records.len();
                page.records.extend(match kind {
                    Kind::Group => groups(self.directory.list_groups_from(skip, room).await?),
                    Kind::User => users(self.directory.list_users_from(skip, room).await?),
                });
            }
        }
        Ok(page)
    }

    async fn page_of_matches(&self, source: &SourceId, kinds: &[Kind], query: &Query) -> Result<Page, Error> {
        let mut matches = Matches { page: Page::of(query), sorted: Vec::new(), read: 0 };
        for kind in kinds {
            let rows = Needs::of(query, *kind, self.catalogue.shape(*kind));
            let found = match &query.filter {
                Some(filter) => self.indexed(source, *kind, filter).await?,
                None => None,
            };
            match found {
                Some(records) => self.take_matches(source, query, &rows, records, &mut matches).await?,
                None => {
                    let mut after = None;
                    loop {
                        let batch = self.batch(*kind, after.as_ref(), BATCH).await?;
                        let is_last = batch.len() < BATCH;
                        after = batch.last().map(Cursor::of);
                        self.take_matches(source, query, &rows, batch, &mut matches).await?;
                        if is_last {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(matches.finish(query.sort.as_ref()))
    }

    async fn take_matches(
        &self,
        source: &SourceId,
        query: &Query,
        needs: &Needs<'_>,
        records: Vec<Record>,
        matches: &mut Matches,
    ) -> Result<(), Error> {
        matches.read = matches.read.saturating_add(records.len());
        if matches.read > MAX_READ {
            return Err(Error::TooMany);
        }
        for record in records {
            let picture = self.picture(source, &record, &needs.rows).await?;
            if query.filter.as_ref().is_none_or(|filter| filter.matches(&picture, &needs.shape)) {
                let key = query.sort.as_ref().map(|sort| query::sort_key(&needs.shape, sort, &picture));
                matches.push(record, key);
            }
        }
        Ok(())
    }

    async fn count(&self, kind: Kind) -> Result<usize, Error> {
        let count = match kind {
            Kind::Group => self.directory.count_groups().await?,
            Kind::User => self.directory.count_users().await?,
        };
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn batch(&self, kind: Kind, after: Option<&Cursor>, limit: usize) -> Result<Vec<Record>, Error> {
        Ok(match (kind, after) {
            (Kind::Group, Some(Cursor::Group(id))) => groups(self.directory.list_groups(Some(*id), limit).await?),
            (Kind::Group, _) => groups(self.directory.list_groups(None, limit).await?),
            (Kind::User, Some(Cursor::User(id))) => users(self.directory.list_users(Some(*id), limit).await?),
            (Kind::User, _) => users(self.directory.list_users(None, limit).await?),
        })
    }

    /// The records that an index finds for one of the filter's equalities; they may still not match. `None` when no
    /// equality has an index.
    async fn indexed(&self, source: &SourceId, kind: Kind, filter: &Filter) -> Result<Option<Vec<Record>>, Error> {
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
                Some(id) => directory.find_user(id).await?.into_iter().map(Record::User).collect(),
                None => Vec::new(),
            },
            (Index::ExternalId, Kind::User) => {
                users(directory.find_users_by_external_id(source, value, MAX_INDEXED).await?)
            }
            (Index::ExternalId, Kind::Group) => groups(directory.find_groups_by_external_id(source, value).await?),
            (Index::Email, _) => users(directory.find_users_by_email(value, MAX_INDEXED).await?),
            (Index::DisplayName, _) => groups(directory.find_groups_by_name(value).await?),
            (Index::Membership, Kind::Group) => {
                let mut ids: Vec<GroupId> = Vec::new();
                for member in possible_members(value) {
                    ids.extend(directory.groups_of(member).await?.into_iter().map(|(id, _)| id));
                }
                groups(directory.groups_by_id(&ids).await?)
            }
            (Index::Membership, Kind::User) => {
                let members = match value.parse::<GroupId>() {
                    Ok(id) => directory.all_members(id).await?,
                    Err(_) => Vec::new(),
                };
                let is_user = |member: Member| match member {
                    Member::User(id) => Some(id),
                    Member::Group(_) => None,
                };
                let ids: Vec<UserId> = members.into_iter().filter_map(is_user).take(MAX_READ).collect();
                users(directory.users_by_id(&ids).await?)
            }
        }))
    }
}

fn groups(groups: Vec<crate::model::Group>) -> Vec<Record> {
    groups.into_iter().map(Record::Group).collect()
}

fn users(users: Vec<crate::model::User>) -> Vec<Record> {
    users.into_iter().map(Record::User).collect()
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

/// Where a walk stands.
enum Cursor {
    Group(GroupId),
    User(UserId),
}

impl Cursor {
    fn of(record: &Record) -> Self {
        match record {
            Record::Group(group) => Self::Group(group.id),
            Record::User(user) => Self::User(user.id),
        }
    }
}

/// What has to be known of a record to filter and sort it.
struct Needs<'a> {
    rows: Rows,
    shape: Shape<'a>,
}

impl<'a> Needs<'a> {
    fn of(query: &Query, kind: Kind, shape: Shape<'a>) -> Self {
        let by_rows = query.sort.as_ref().is_some_and(|sort| sort.by.is("members") || sort.by.name == "groups");
        let rows = if by_rows { Rows::All } else { Rows::compared(query.filter.as_ref(), kind) };
        Self { rows, shape }
    }
}

/// The part of a result that is shown.
struct Page {
    /// Results before it.
    start: usize,
    count: usize,
    total: usize,
    records: Vec<Record>,
}

impl Page {
    fn of(query: &Query) -> Self {
        Self { start: query.start.saturating_sub(1), count: query.count, total: 0, records: Vec::new() }
    }

    fn has_room(&self) -> bool {
        self.records.len() < self.count
    }
}

/// Matches on their way to a page: those of the page only, or all of them where they have to be sorted.
struct Matches {
    page: Page,
    sorted: Vec<(Option<String>, Record)>,
    read: usize,
}

impl Matches {
    fn push(&mut self, record: Record, key: Option<Option<String>>) {
        match key {
            Some(key) => self.sorted.push((key, record)),
            None if self.page.total >= self.page.start && self.page.has_room() => self.page.records.push(record),
            None => {}
        }
        self.page.total += 1;
    }

    fn finish(mut self, sort: Option<&Sort>) -> Page {
        if let Some(sort) = sort {
            // The sort is stable, so that equal keys stay in the order of creation. What has no value comes last in
            // ascending order, first in descending (RFC 7644 section 3.4.2.3).
            let ascending = |a: &Option<String>, b: &Option<String>| match (a, b) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) => a.cmp(b),
            };
            self.sorted.sort_by(|(a, _), (b, _)| if sort.descending { ascending(b, a) } else { ascending(a, b) });
            let shown = self.sorted.into_iter().skip(self.page.start).take(self.page.count);
            self.page.records = shown.map(|(_, record)| record).collect();
        }
        self.page
    }
}
