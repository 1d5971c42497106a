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

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as Cell, PoisonError};

use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::access::{self, Access, Permit};
use crate::audit::{EventKind, Ledger, Outcome as EventOutcome};
use crate::clock::{Clock, Timestamp};
use crate::directory::{self, Directory, Member};
use crate::error::Chain;
use crate::model::{GroupId, SourceId, Subject};
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
    #[error("stopped {}: {}. {}", before_what(*.deactivated), .reasons.join("; "), guard::ADVICE)]
    Refused {
        /// Every limit that it breaks.
        reasons: Vec<String>,
        /// People who were made inactive all the same, because no limit of people is broken.
        deactivated: usize,
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

fn before_what(deactivated: usize) -> String {
    match deactivated {
        0 => "before any change".to_owned(),
        number => format!("before any change but the end of {number} people who are gone or disabled"),
    }
}

/// Grants that cannot be read are the store's failure.
fn unreadable(error: access::Error) -> Error {
    match error {
        access::Error::Store(error) => Error::Store(error),
        other => Error::Untrusted { reason: format!("what groups hold cannot be read: {}", Chain(&other)) },
    }
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
    /// `Ldap`, `Untrusted` and `Refused` before any change, but that of a plan whose people are within the limits
    /// those who are gone or disabled become inactive all the same; `Directory` and `Store` possibly after some batches, which
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
                let event = match &error {
                    Error::Refused { deactivated, .. } if *deactivated > 0 => event.detail("deactivated", deactivated),
                    _ => event,
                };
                self.ledger.record(event.detail("reason", Chain(&error))).await?;
                Err(error)
            }
        }
    }

    async fn run_as(&self, permit: &Permit) -> Result<Outcome, Error> {
        let snapshot = self.source.fetch(self.clock.now()).await?;
        let (plan, existing) = self.compare(&snapshot).await?;
        let rules = self.directory.rules();
        let held = self.held(&plan, &existing).await?;
        let effect = guard::Effect::of(&self.source.id, rules, &existing, &snapshot, &plan, &held);
        let reasons = effect.check(&self.source.limits);
        if !reasons.is_empty() {
            // Whatever is the matter with groups and roles, who is gone must not stay because of it.
            let is_about_people = !effect.check_people(&self.source.limits).is_empty();
            let deactivated = if is_about_people { 0 } else { apply::leavers(&self.directory, permit, &plan).await? };
            return Err(Error::Refused { reasons, deactivated });
        }
        let unresolved_members = snapshot.unresolved_members;
        let (counts, skipped) = apply::apply(&self.directory, permit, plan, &existing).await?;
        Ok(Outcome { counts, skipped, unresolved_members })
    }

    /// Of the groups that `plan` deletes, those that hold what an administrator gave them, or are in a group that is not
    /// the source's: both would be gone for good.
    async fn held(&self, plan: &Plan, existing: &Existing) -> Result<BTreeSet<GroupId>, Error> {
        let (own, now) = (existing.groups_by_id(), self.clock.now());
        let mut held = BTreeSet::new();
        for (group, _) in &plan.deleted_groups {
            let parents = self.directory.groups_of(Member::Group(*group)).await?;
            let grants = self.access.grants().list(Subject::Group(*group)).await.map_err(unreadable)?;
            let is_given = grants.iter().any(|grant| grant.ends.is_none_or(|ends| ends > now));
            if is_given || parents.iter().any(|(parent, _)| !own.contains_key(parent)) {
                held.insert(*group);
            }
        }
        Ok(held)
    }

    async fn compare(&self, snapshot: &Snapshot) -> Result<(Plan, Existing), Error> {
        let existing = Existing::load(&self.directory, &self.source.id).await?;
        let plan = plan::plan(&self.source.id, snapshot, &existing);
        Ok((plan, existing))
    }
}
