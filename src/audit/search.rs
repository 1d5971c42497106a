//! Reading the ledger: newest first, filtered, a page at a time, and each entry as JSON.

use serde_json::{Map, Value, json};

use super::{Event, Ledger, Outcome};
use crate::clock::Timestamp;
use crate::model::OrganisationId;
use crate::store::{Error, LogRow, decode};

/// Most entries of one page.
pub const MAX_PAGE: usize = 1_000;
/// Most entries that one page reads to find those that match; the cursor goes on from there.
const MAX_READ: u64 = 50_000;
/// Entries read at a time.
const CHUNK: u64 = 500;

/// An event and its place in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position, from 0, without gaps.
    pub position: u64,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// The entry as queries and exports show it: `id`, `timestamp` (RFC 3339, UTC), `user`, `action`, `resource`,
    /// `resource_name`, `ip_address`, `outcome` (`success`, `failure`, `denied`), `request_id`, `details` (an object),
    /// `organization`.
    pub fn to_json(&self) -> Value {
        let event = &self.event;
        let details: Map<String, Value> =
            event.details.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        json!({
            "id": self.position,
            "timestamp": event.at.to_string(),
            "user": event.actor,
            "action": event.kind.name(),
            "resource": event.target,
            "resource_name": event.target_name,
            "ip_address": event.address,
            "outcome": event.outcome.name(),
            "request_id": event.request_id,
            "details": details,
            "organization": event.organisation.unwrap_or(OrganisationId::DEFAULT).to_string(),
        })
    }
}

/// Which entries are wanted; an empty filter wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The kind's name, or the beginning of one before a star: `user.create`, `user.*`.
    pub action: Option<String>,
    /// Who, as entries show it, or the beginning before a star: `user:0192…`, `connection:*`.
    pub actor: Option<String>,
    /// On what, likewise: `group:0192…`, `user:*`.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Of these kinds, each a name or a beginning as in `action`; of every kind where there is none.
    pub kinds: Vec<String>,
    /// Of one organisation, with what releases before wrote, which knew one only; `None` is every organisation.
    pub organisation: Option<OrganisationId>,
}

impl Filter {
    /// Whether an event is wanted.
    pub fn matches(&self, event: &Event) -> bool {
        let is = |wanted: &str, actual: &str| match wanted.strip_suffix('*') {
            Some(beginning) => actual.starts_with(beginning),
            None => actual == wanted,
        };
        let fits = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|wanted| is(wanted, actual));
        let of = event.organisation.unwrap_or(OrganisationId::DEFAULT);
        fits(&self.action, event.kind.name())
            && fits(&self.actor, &event.actor)
            && fits(&self.target, &event.target)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| is(kind, event.kind.name())))
            && self.organisation.is_none_or(|organisation| organisation == of)
            && self.outcome.is_none_or(|outcome| outcome == event.outcome)
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }
}

/// A page of entries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What was found.
    pub entries: Vec<Entry>,
    /// Positions that were read and cannot be decoded: damaged, or written by a newer release.
    pub damaged: Vec<u64>,
    /// Pass it to go on; `None` at the ledger's beginning. A page may be empty and still have one, when much was read
    /// and nothing matched.
    pub next: Option<u64>,
}

impl Ledger {
    /// The newest entries, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn tail(&self, limit: usize) -> Result<Page, Error> {
        self.list(&Filter::default(), None, limit).await
    }

    /// At most `limit` (1,000 at most) entries that match, newest first, older than the position `before`.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self, filter: &Filter, before: Option<u64>, limit: usize) -> Result<Page, Error> {
        self.list_within(filter, before, limit, MAX_READ).await
    }

    /// The same of the `most` entries before that position only.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_within(
        &self,
        filter: &Filter,
        before: Option<u64>,
        limit: usize,
        most: u64,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut position = match before {
            Some(before) => before,
            None => self.end().await?,
        };
        let stop = position.saturating_sub(most.min(MAX_READ));
        let mut page = Page::default();
        while position > stop {
            let from = position.saturating_sub(CHUNK).max(stop);
            let count = usize::try_from(position - from).unwrap_or(0);
            let rows = self.store().engine().log(from, count).await?;
            for row in rows.iter().rev().filter(|row| row.sequence < position) {
                match entry(row) {
                    Ok(entry) if filter.matches(&entry.event) => page.entries.push(entry),
                    Ok(_) => {}
                    Err(_) => page.damaged.push(row.sequence),
                }
                if page.entries.len() == limit {
                    page.next = Some(row.sequence).filter(|next| *next > 0);
                    return Ok(page);
                }
            }
            position = from;
            tokio::task::yield_now().await;
        }
        page.next = Some(position).filter(|next| *next > 0);
        Ok(page)
    }

    /// The position that the next event will have, as the rows tell it: finding it needs no key.
    async fn end(&self) -> Result<u64, Error> {
        let is_empty_from = async |from| Ok::<_, Error>(self.store().engine().log(from, 1).await?.is_empty());
        let mut high = 1;
        while !is_empty_from(high - 1).await? {
            high = u64::saturating_mul(high, 2);
        }
        let (mut low, mut high) = (high / 2, high - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_empty_from(middle).await? { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }
}

fn entry(row: &LogRow) -> Result<Entry, Error> {
    Ok(Entry { position: row.sequence, event: decode("log", &row.body)? })
}
