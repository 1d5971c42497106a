//! Argon2id on threads of its own: cores minus one, each with one block of memory that it keeps, behind a queue that
//! holds about a second of work. They give way to other threads. What does not fit is told to come back; a caller that has
//! gone is passed over.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Error;
use super::phc::{Cost, OUTPUT_BYTES, SALT_BYTES};
use crate::clock::{Clock, Timestamp};
use crate::http::Metrics;

/// How long a password may wait for a thread.
const DEADLINE: Duration = Duration::from_secs(2);
/// What one thread hashes in a second at least: measured 55 MiB-passes of 19 MiB twice, in KiB-passes.
const KIB_PASSES_PER_SECOND: u64 = 55 * 19 * 1024 * 2;

/// How much less of a core that others want too: a third of the usual share.
const NICE: i32 = 5;

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Machines: directory binds, hashing anew. Served when nobody waits in the other lane.
    Background,
    /// A person at a sign-in page.
    Interactive,
}

struct Job {
    cost: Cost,
    salt: [u8; SALT_BYTES],
    password: Zeroizing<String>,
    queued: Timestamp,
    answer: oneshot::Sender<Result<[u8; OUTPUT_BYTES], Error>>,
}

#[derive(Default)]
struct Waiting {
    interactive: VecDeque<Job>,
    background: VecDeque<Job>,
    is_closed: bool,
}

impl Waiting {
    fn depth(&self) -> usize {
        self.interactive.len() + self.background.len()
    }
}

struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    capacity: usize,
    clock: Clock,
    metrics: OnceLock<Metrics>,
}

/// Closes the queue when the last handle goes; the threads end after the hash that they are at.
struct Closer(Arc<Queue>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

/// The threads that hash. Cloning shares them.
#[derive(Clone)]
pub struct Hasher {
    queue: Arc<Queue>,
    _closer: Arc<Closer>,
    cost: Cost,
}

impl Hasher {
    /// Starts threads, one less than there are cores and at least one, for hashes of this cost.
    ///
    /// # Errors
    /// `Corrupt` when the cost is out of bounds or the system gives no thread.
    pub fn start(cost: Cost, clock: Clock) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_threads(cost, clock, cores.saturating_sub(1).max(1))
    }

    /// The same with a given number of threads.
    ///
    /// # Errors
    /// As `start`.
    pub fn with_threads(cost: Cost, clock: Clock, threads: usize) -> Result<Self, Error> {
        if !cost.is_sane() {
            return Err(Error::Corrupt { reason: "the costs are out of bounds".to_owned() });
        }
        let work = u64::from(cost.memory_kib) * u64::from(cost.passes);
        let per_second = usize::try_from((KIB_PASSES_PER_SECOND / work).max(1)).unwrap_or(usize::MAX);
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            // Small hashes are for tests; no queue needs to be longer than this.
            capacity: per_second.saturating_mul(threads).min(10_000),
            clock,
            metrics: OnceLock::new(),
        });
        let closer = Arc::new(Closer(Arc::clone(&queue)));
        for index in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("hash-{index}"))
                .spawn(move || run(&queue))
                .map_err(|error| Error::Corrupt { reason: error.to_string() })?;
        }
        Ok(Self { queue, _closer: closer, cost })
    }

    /// The same, which counts how long passwords wait; the first to ask is told.
    #[must_use]
    pub fn telling(self, metrics: Metrics) -> Self {
        self.queue.metrics.get_or_init(|| metrics);
        self
    }

    /// The cost of new hashes.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// How many passwords wait for a thread.
    pub fn depth(&self) -> usize {
        self.queue.lock().depth()
    }

    /// Most passwords that may wait: about a second of work.
    pub fn capacity(&self) -> usize {
        self.queue.capacity
    }

    /// The hash of a password. Dropping the future takes the password out of the queue.
    ///
    /// # Errors
    /// `Busy` when the queue is full or the wait was too long, `Corrupt` when there is no memory.
    pub(super) async fn hash(
        &self,
        lane: Lane,
        cost: Cost,
        salt: [u8; SALT_BYTES],
        password: Zeroizing<String>,
    ) -> Result<[u8; OUTPUT_BYTES], Error> {
        let (answer, wait) = oneshot::channel();
        let job = Job { cost, salt, password, queued: self.queue.clock.now(), answer };
        if !self.queue.push(lane, job) {
            return Err(BUSY);
        }
        wait.await.unwrap_or(Err(BUSY))
    }
}

const BUSY: Error = Error::Busy { retry_after: Duration::from_secs(1) };

impl Queue {
    /// No guard is held while anything can fail, so a poisoned lock still guards a whole queue.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room. People may use all of it, machines half.
    fn push(&self, lane: Lane, job: Job) -> bool {
        let mut waiting = self.lock();
        let room = match lane {
            Lane::Background => self.capacity.div_ceil(2),
            Lane::Interactive => self.capacity,
        };
        if waiting.depth() >= room {
            // Whoever has gone makes room for the next.
            waiting.interactive.retain(|job| !job.answer.is_closed());
            waiting.background.retain(|job| !job.answer.is_closed());
            if waiting.depth() >= room {
                return false;
            }
        }
        let line = match lane {
            Lane::Background => &mut waiting.background,
            Lane::Interactive => &mut waiting.interactive,
        };
        line.push_back(job);
        drop(waiting);
        self.changed.notify_one();
        true
    }

    /// The next job, `None` when the queue is closed.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            let job = waiting.interactive.pop_front().or_else(|| waiting.background.pop_front());
            if job.is_some() {
                return job;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One thread: takes jobs until the queue closes, and keeps its memory from one to the next.
fn run(queue: &Queue) {
    yield_to_others();
    let mut memory: Vec<Block> = Vec::new();
    while let Some(job) = queue.next() {
        if job.answer.is_closed() {
            continue;
        }
        let waited = queue.clock.now().since(job.queued);
        if let Some(metrics) = queue.metrics.get() {
            metrics.password_waited(waited);
        }
        let result =
            if waited >= DEADLINE { Err(BUSY) } else { compute(job.cost, &job.salt, &job.password, &mut memory) };
        // The caller may have gone meanwhile; then nobody wants the answer.
        drop(job.answer.send(result));
    }
}

/// Makes the requests of who is signed in go before the passwords of who wants in, where both want a core: a flood of
/// sign-ins must not slow the checks of sessions. Linux counts the priority by thread.
fn yield_to_others() {
    let lowered = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    if let Err(error) = lowered {
        tracing::debug!(%error, "threads that hash passwords keep the usual priority");
    }
}

/// Hashes on this thread, with memory that is kept from one to the next.
pub(super) fn compute(
    cost: Cost,
    salt: &[u8],
    password: &str,
    memory: &mut Vec<Block>,
) -> Result<[u8; OUTPUT_BYTES], Error> {
    let corrupt = |error: argon2::Error| Error::Corrupt { reason: error.to_string() };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(OUTPUT_BYTES)).map_err(corrupt)?;
    let blocks = params.block_count();
    if let Some(missing) = blocks.checked_sub(memory.len()).filter(|missing| *missing > 0) {
        memory.try_reserve_exact(missing).map_err(|error| Error::Corrupt { reason: error.to_string() })?;
        memory.resize(blocks, Block::default());
    }
    let mut output = [0; OUTPUT_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, memory.as_mut_slice())
        .map_err(corrupt)?;
    Ok(output)
}

#[cfg(test)]
mod tests;
