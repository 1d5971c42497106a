//! Where private keys of ours work for strangers, and a second verifier that can be cut off by nobody: opening one encrypted
//! assertion can cost dozens of milliseconds, which must not be taken from the threads that answer everybody.
//!
//! A few at a time, on other threads; a few more wait for a moment; whoever comes then is told to come back. A request whose
//! sender has gone keeps its place until the work on it has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::upstream::Error;

/// How many may wait for each that works.
const WAITING_FOR_EACH: usize = 32;
/// The same of what takes half a millisecond.
const VERIFIERS_FOR_EACH: usize = 1024;
/// How long one waits.
const DEADLINE: Duration = Duration::from_secs(2);

/// The places for this work. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Openers {
    working: Arc<Semaphore>,
    /// Who works and who waits.
    present: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _working: OwnedSemaphorePermit,
    _present: OwnedSemaphorePermit,
}

impl Default for Openers {
    /// Half as many as there are cores, and one at least.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let working = (cores / 2).max(1);
        Self::new(working, working.saturating_mul(WAITING_FOR_EACH))
    }
}

impl Openers {
    /// For the second verifier, which takes much less: as many as there are cores, and more that wait.
    pub fn for_verifiers() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new(cores, cores.saturating_mul(VERIFIERS_FOR_EACH))
    }

    /// As many that work at a time, and as many that wait for them.
    pub fn new(working: usize, waiting: usize) -> Self {
        let present = Arc::new(Semaphore::new(working.saturating_add(waiting)));
        Self { working: Arc::new(Semaphore::new(working)), present }
    }

    /// A place to work.
    ///
    /// # Errors
    /// `Busy` when too many wait already, or the wait was too long.
    pub async fn enter(&self) -> Result<Place, Error> {
        let present = Arc::clone(&self.present).try_acquire_owned().map_err(|_| Error::Busy)?;
        let working = tokio::time::timeout(DEADLINE, Arc::clone(&self.working).acquire_owned()).await;
        let working = working.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        Ok(Place { _working: working, _present: present })
    }

    /// Does a piece of work in a place of its own.
    ///
    /// # Errors
    /// `Busy` as [`Openers::enter`].
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let place = self.enter().await?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        // It ends early only when the whole program does.
        done.await.map_err(|_| Error::Busy)
    }
}
