//! Directories that are pulled: people and groups of an LDAP server become users and groups, in one direction.
//!
//! A run fetches everything into a [`Snapshot`], or nothing. A pure function makes a [`Plan`] of the difference to what
//! the source brought before; a [`guard`] stops a plan that takes away too much; only then is it applied,
//! in bounded batches. A run without differences writes nothing.
//!
//! People who are gone become inactive; they are not deleted. What the source did not bring is never touched. A person
//! whose entry cannot be used keeps the state of the last run and is reported. Roles follow from the mapping rules.

mod apply;
mod existing;
pub mod guard;
mod mapping;
mod membership;
mod plan;
mod snapshot;
mod source;

use std::sync::{Arc, Mutex as Cell, PoisonError};

use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::access::{Access, Permit};
use crate::audit::{EventKind, Ledger, Outcome as EventOutcome};
use crate::clock::{Clock, Timestamp};
use crate::directory::{self, Directory};
use crate::error::Chain;
use crate::model::SourceId;
use crate::{ldap, store};

pub use existing::{Existing, KnownGroup};
pub use guard::Limits;
pub use mapping::fold_names;
pub use plan::{Counts, GroupStep, PersonStep, Plan, Skipped};
pub use snapshot::{FoundGroup, MemberRef, Person, Snapshot};
pub use source::Source;

/// Why a run changed nothing, or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory of users and groups refused or failed; batches before that are applied, the next run goes on.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The settings of the source cannot be used.
    #[error("the source cannot be used: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The LDAP server could not be read to the end.
    #[error("the directory server could not be read")]
    Ldap(#[from] ldap::Error),
    /// The plan takes away too much.
    #[error("stopped before any change: {}. {}", .reasons.join("; "), guard::ADVICE)]
    Refused {
        /// Every limit that it breaks.
        reasons: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was read does not look like the whole directory.
    #[error("what was read cannot be trusted: {reason}")]
    Untrusted {
        /// Why not.
        reason: String,
    },
}

/// What a run did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How much of each.
    pub counts: Counts,
    /// People and groups that were left as they are, with the reason.
    pub skipped: Vec<Skipped>,
    /// Members that are no people or groups of the source.
    pub unresolved_members: usize,
}

/// How a run ended. Kept in memory: a run without differences writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// When.
    pub at: Timestamp,
    /// What it did, or why it stopped.
    pub result: Result<Counts, String>,
}

/// One source's sync. Cloning shares it; runs of one source follow each other.
#[derive(Clone)]
pub struct Sync {
    source: Arc<Source>,
    directory: Directory,
    access: Access,
    ledger: Ledger,
    clock: Clock,
    running: Arc<Mutex<()>>,
    last: Arc<Cell<Option<LastRun>>>,
}

impl Sync {
    /// A sync of `source` into `directory`.
    pub fn new(source: Source, directory: Directory, access: Access, ledger: Ledger, clock: Clock) -> Self {
        Self {
            source: Arc::new(source),
            directory,
            access,
            ledger,
            clock,
            running: Arc::default(),
            last: Arc::default(),
        }
    }

    /// The source's id.
    pub fn id(&self) -> &SourceId {
        &self.source.id
    }

    /// How the last run since the start of the daemon ended.
    pub fn last(&self) -> Option<LastRun> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, result: Result<Counts, String>) {
        let run = LastRun { at: self.clock.now(), result };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }

    /// Reads the source and tells what a run would do, without doing it. The guard is not asked.
    ///
    /// # Errors
    /// As [`Sync::run`], but `Refused`.
    pub async fn plan(&self) -> Result<(Plan, Outcome), Error> {
        let snapshot = self.source.fetch(self.clock.now()).await?;
        let (plan, _) = self.compare(&snapshot).await?;
        let outcome = Outcome {
            counts: plan.counts,
            skipped: plan.skipped.clone(),
            unresolved_members: snapshot.unresolved_members,
        };
        Ok((plan, outcome))
    }

    /// Makes users and groups what the source says.
    ///
    /// What was done is one event, unless it was nothing; what was refused or failed is one too.
    ///
    /// # Errors
    /// `Ldap`, `Untrusted` and `Refused` before any change; `Directory` and `Store` possibly after some batches, which
    /// the next run completes.
    pub async fn run(&self) -> Result<Outcome, Error> {
        let _one_at_a_time = self.running.lock().await;
        let permit = self.access.task_permit(&format!("sync:{}", self.source.id), Some(self.source.id.clone()));
        match self.run_as(&permit).await {
            Ok(outcome) => {
                self.note(Ok(outcome.counts));
                if outcome.counts.changes() > 0 {
                    let event = permit.event(self.clock.now(), EventKind::SyncApplied);
                    let event = event.on("source", &self.source.id, &self.source.id);
                    self.ledger.record(outcome.counts.describe(event)).await?;
                    info!(source.id = %self.source.id, "LDAP sync of `{}`: {}", self.source.id, outcome.counts);
                }
                Ok(outcome)
            }
            Err(error) => {
                self.note(Err(Chain(&error).to_string()));
                warn!(source.id = %self.source.id, error = %Chain(&error), "LDAP sync of `{}` stopped", self.source.id);
                let how = match &error {
                    Error::Refused { .. } | Error::Untrusted { .. } => EventOutcome::Denied,
                    _ => EventOutcome::Failed,
                };
                let event = permit.event(self.clock.now(), EventKind::SyncRefused).outcome(how);
                let event = event.on("source", &self.source.id, &self.source.id);
                self.ledger.record(event.detail("reason", Chain(&error))).await?;
                Err(error)
            }
        }
    }

    async fn run_as(&self, permit: &Permit) -> Result<Outcome, Error> {
        let snapshot = self.source.fetch(self.clock.now()).await?;
        let (plan, existing) = self.compare(&snapshot).await?;
        let rules = self.directory.rules();
        let effect = guard::Effect::of(&self.source.id, rules, &existing, &snapshot, &plan);
        let reasons = effect.check(&self.source.limits);
        if !reasons.is_empty() {
            return Err(Error::Refused { reasons });
        }
        let unresolved_members = snapshot.unresolved_members;
        let (counts, skipped) = apply::apply(&self.directory, permit, plan, &existing).await?;
        Ok(Outcome { counts, skipped, unresolved_members })
    }

    async fn compare(&self, snapshot: &Snapshot) -> Result<(Plan, Existing), Error> {
        let existing = Existing::load(&self.directory, &self.source.id).await?;
        let plan = plan::plan(&self.source.id, snapshot, &existing);
        Ok((plan, existing))
    }
}
