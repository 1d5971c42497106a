//! The one way to check a secret of a person: counted before it is looked at.

use super::{Error, Login};
use crate::error::Chain;
use crate::lockout::{self, Subject};
use crate::model::Circumstance;

impl Login {
    /// Counts an attempt, durably, then lets `check` look at what was presented. A refusal stays counted; what came to
    /// nothing, for want of time or of a directory, is taken back; a success forgets what failed before it.
    ///
    /// # Errors
    /// Those of `check`; `Refused` when the account is locked; `Busy`, `Store`.
    pub(super) async fn guarded<T>(
        &self,
        subject: Subject<'_>,
        circumstance: &Circumstance,
        check: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let lockout = &self.services.lockout;
        let attempt = lockout.reserve(subject, circumstance).await?;
        match check.await {
            Ok(shown) => match lockout.succeed(attempt).await {
                // It was right; the count then ends by itself.
                Ok(()) | Err(lockout::Error::Busy) => Ok(shown),
                Err(error) => Err(error.into()),
            },
            Err(error @ Error::Refused { .. }) => {
                let kind = attempt.kind();
                if lockout.fail(attempt).await?.is_some() {
                    self.services.metrics.locked(kind);
                }
                Err(error)
            }
            Err(error) => {
                // An attempt that cannot be taken back counts as failed: the safe side.
                if let Err(kept) = lockout.release(attempt).await {
                    tracing::warn!(error = %Chain(&kept), "an attempt that came to nothing stays counted");
                }
                Err(error)
            }
        }
    }
}
