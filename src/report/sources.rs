//! The report `sources`: what each source brought last, with which result, and what it owns.

use serde_json::Value;

use super::sheet::time;
use super::{Error, Reports, Sheet};
use crate::audit::{Filter, Outcome};
use crate::clock::Timestamp;
use crate::directory::Kind;
use crate::model::SourceId;

const SOURCES: &[&str] = &["source", "kind", "last", "result", "last_change", "users", "groups", "paused_since", "why"];

/// How a source brings what it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// A directory is pulled.
    Ldap,
    /// A connection provisions.
    Scim,
}

/// A source, and what is known of its last run or request since the daemon was started.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The source.
    pub id: SourceId,
    /// How it brings things.
    pub kind: FeedKind,
    /// When it last ran or asked, and what came of it.
    pub last: Option<(Timestamp, String)>,
}

impl Reports {
    /// One row for each of these sources. What a start of the daemon made it forget is taken from the ledger, which knows
    /// only of runs that changed something or were refused, among its last entries.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn sources(&self, feeds: &[Feed]) -> Result<Sheet, Error> {
        let mut rows = Vec::with_capacity(feeds.len());
        for feed in feeds {
            rows.push(self.source_row(feed).await?);
        }
        Ok(Sheet { columns: SOURCES, rows, next: None })
    }

    async fn source_row(&self, feed: &Feed) -> Result<Vec<Value>, Error> {
        let (filter, kind) = match feed.kind {
            FeedKind::Ldap => {
                let (action, target) = (Some("sync.*".to_owned()), Some(format!("source:{}", feed.id)));
                (Filter { action, target, ..Filter::default() }, "ldap")
            }
            FeedKind::Scim => (Filter { actor: Some(format!("connection:{}", feed.id)), ..Filter::default() }, "scim"),
        };
        let page = self.ledger.list(&filter, None, 1).await?;
        let event = page.entries.first().map(|entry| &entry.event);
        let told = event.map(|event| {
            let reason = event.details.iter().find(|(name, _)| name == "reason").map(|(_, reason)| reason.as_str());
            let result = match (event.outcome, reason) {
                (Outcome::Succeeded, _) => format!("{} succeeded", event.kind.name()),
                (_, Some(reason)) => format!("{} {}: {reason}", event.kind.name(), event.outcome.name()),
                (_, None) => format!("{} {}", event.kind.name(), event.outcome.name()),
            };
            (event.at, result)
        });
        let (last, result) = feed.last.clone().or_else(|| told.clone()).unzip();
        let changed = event.filter(|event| event.outcome == Outcome::Succeeded).map(|event| event.at);
        let users = self.directory.count_owned(&feed.id, Kind::Users).await?;
        let groups = self.directory.count_owned(&feed.id, Kind::Groups).await?;
        let paused = self.directory.brake(&feed.id).await?.paused;
        Ok(vec![
            feed.id.to_string().into(),
            kind.into(),
            time(last),
            result.into(),
            time(changed),
            users.into(),
            groups.into(),
            time(paused.as_ref().map(|pause| pause.since)),
            paused.map(|pause| pause.what).into(),
        ])
    }
}
