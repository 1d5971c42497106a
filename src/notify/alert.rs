//! Word to administrators that the brake has paused a connection: once for each pause, whoever looks and however often.

use super::{Letter, Outbox, Recipient};
use crate::audit::Housekeeping;
use crate::clock::Timestamp;
use crate::model::{SourceId, User};
use crate::store::{self, Table};

/// The pause of each connection of which was told last, by its beginning.
const TOLD: Table<SourceId, Timestamp> = Table::new(0x82, "pauses told of");
/// Its tag and name.
pub(super) const TABLE: (u8, &str) = (0x82, TOLD.name());
/// Most administrators who are told of one pause.
pub const MAX_ALERTED: usize = 20;

impl Outbox {
    /// Whether nobody was told yet that a connection is paused since then, though mail can be sent.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn is_news(&self, connection: &SourceId, since: Timestamp) -> Result<bool, store::Error> {
        if !self.is_open() {
            return Ok(false);
        }
        Ok(self.0.services.ledger.store().find(&TOLD, self.0.organisation, connection).await? != Some(since))
    }

    /// Tells these administrators that a connection is paused since then, the first [`MAX_ALERTED`] who have an address; in
    /// one commit with the note that they are told. Nobody where they were told before; where no mail of theirs could be
    /// posted nothing is noted, and the next look tries again. Tells how many mails were posted.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn alert(
        &self,
        connection: &SourceId,
        since: Timestamp,
        administrators: &[User],
    ) -> Result<usize, store::Error> {
        let inner = &*self.0;
        inner
            .services
            .ledger
            .retry(|mut change| async move {
                let told = change.find(&TOLD, inner.organisation, connection).await?;
                if !self.is_open() || told == Some(since) {
                    return Ok(0);
                }
                change.put(&TOLD, inner.organisation, connection, &since)?;
                let letter = Letter::Paused { connection: connection.clone(), since };
                let (mut tried, mut posted) = (0, 0);
                for to in administrators.iter().filter_map(Recipient::of).take(MAX_ALERTED) {
                    tried += 1;
                    posted += usize::from(self.post_in(&mut change, &to, &letter).await?);
                }
                if posted == 0 && tried > 0 {
                    return Ok(0);
                }
                change.commit_quietly(Housekeeping::Mail).await?;
                Ok(posted)
            })
            .await
    }
}
