//! Word to administrators of connections that the brake has paused.

use super::Gateway;
use crate::access::{self, Question};
use crate::directory::{self, Pause};
use crate::model::{Permission, SourceId, User, UserId};
use crate::notify::{MAX_ALERTED, Recipient};
use crate::store;

/// Who may let a connection go on.
const RELEASES: &str = "sources:update";
/// Most pages of candidates that are looked at to find them.
const MAX_PAGES: usize = 20;

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Who may release it could not be told.
    #[error("who may release a connection could not be told")]
    Access(#[from] access::Error),
    /// The directory does not answer.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Gateway {
    /// Looks at every connection, keeps the figures of those that are paused, and tells those who may release one by mail,
    /// once for each pause. Tells how many mails were posted.
    ///
    /// # Errors
    /// The first thing that kept from telling, once all were looked at; the next look tries again.
    pub async fn look_at_brakes(&self) -> Result<usize, Error> {
        let (mut posted, mut failed) = (0, Ok(()));
        for connection in &self.config.scim {
            match self.look_at_brake(&connection.id).await {
                Ok(told) => posted += told,
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed.map(|()| posted)
    }

    async fn look_at_brake(&self, connection: &SourceId) -> Result<usize, Error> {
        let brake = self.directory.brake(connection).await?;
        self.foundation.metrics.scim_paused(connection.as_str(), brake.paused.is_some());
        match brake.paused {
            Some(pause) => self.tell_of(connection, &pause).await,
            None => Ok(0),
        }
    }

    async fn tell_of(&self, connection: &SourceId, pause: &Pause) -> Result<usize, Error> {
        if !self.outbox.is_news(connection, pause.since).await? {
            return Ok(0);
        }
        let users = self.releasers().await?;
        let posted = self.outbox.alert(connection, pause.since, &users).await?;
        if posted == 0 {
            tracing::warn!("`{connection}` is paused, and nobody who may release it could be told by mail");
        }
        Ok(posted)
    }

    /// Some of those who may release a connection and have an address.
    async fn releasers(&self) -> Result<Vec<User>, Error> {
        let Ok(permission) = RELEASES.parse::<Permission>() else { return Ok(Vec::new()) };
        let (question, mut found, mut after) = (Question::new(&permission), Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let (able, next) = self.access.who_can(&question, after, MAX_ALERTED).await?;
            let able: Vec<UserId> = able.into_iter().map(|able| able.user).collect();
            let users = self.directory.users_by_id(&able).await?;
            found.extend(users.into_iter().filter(|user| Recipient::of(user).is_some()));
            after = next;
            if after.is_none() || found.len() >= MAX_ALERTED {
                break;
            }
        }
        Ok(found)
    }
}
