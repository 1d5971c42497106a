//! Group commit: callers queue their batches, one thread drains the queue into one durable transaction after the other.
//! Knows nothing of the storage below it.

use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::{Batch, Committed};
use crate::store::Error;

/// Batches that may wait before callers have to.
const MAX_WAITING: usize = 1024;
/// Most batches of one transaction.
const MAX_GROUP: usize = 512;
/// A group is not made longer once it has this many entries.
const MAX_GROUP_ENTRIES: usize = 100_000;

/// What the thread does with the storage.
pub(super) trait Storage: Send + Sync + 'static {
    /// Commits batches in one transaction; one result for each. The outer error is that of all.
    fn commit(&self, batches: &[Batch]) -> Result<Vec<Result<Committed, Error>>, Error>;
    /// Deletes expired rows.
    fn sweep(&self, limit: usize) -> Result<u64, Error>;
    /// Opens the storage again.
    fn reopen(&self) -> Result<(), Error>;
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

enum Job {
    Commit(Batch, Reply<Committed>),
    Reopen(Reply<()>),
    Sweep(usize, Reply<u64>),
}

/// The way to the writing thread, which ends when this is dropped.
pub(super) struct Queue {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system's, when it has no thread to give.
    pub fn start(storage: std::sync::Arc<dyn Storage>) -> std::io::Result<Self> {
        let (jobs, receiver) = mpsc::channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || work(&*storage, receiver))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Commits a batch with whoever else waits.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        self.ask(|reply| Job::Commit(batch, reply)).await
    }

    /// Deletes expired rows between two groups.
    pub async fn sweep(&self, limit: usize) -> Result<u64, Error> {
        self.ask(|reply| Job::Sweep(limit, reply)).await
    }

    /// Opens the storage again between two groups.
    pub async fn reopen(&self) -> Result<(), Error> {
        self.ask(Job::Reopen).await
    }

    /// Whether the thread still works.
    pub fn is_alive(&self) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| !jobs.is_closed())
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writing thread had stopped by a panic");
        }
    }
}

fn stopped() -> Error {
    Error::Unavailable { reason: "the writing thread has stopped".to_owned() }
}

fn work(storage: &dyn Storage, mut jobs: mpsc::Receiver<Job>) {
    let mut next = jobs.blocking_recv();
    while let Some(job) = next.take() {
        match job {
            Job::Commit(batch, reply) => {
                let (mut batches, mut replies) = (vec![batch], vec![reply]);
                next = fill(&mut jobs, &mut batches, &mut replies);
                answer(storage.commit(&batches), replies);
            }
            Job::Reopen(reply) => tell(reply, storage.reopen()),
            Job::Sweep(limit, reply) => tell(reply, storage.sweep(limit)),
        }
        if next.is_none() {
            next = jobs.blocking_recv();
        }
    }
}

/// Takes what waits into the group; returns the job that ended it.
fn fill(jobs: &mut mpsc::Receiver<Job>, batches: &mut Vec<Batch>, replies: &mut Vec<Reply<Committed>>) -> Option<Job> {
    let entries = |batch: &Batch| batch.checks.len() + batch.writes.len() + batch.events.len();
    let mut total: usize = batches.iter().map(entries).sum();
    while batches.len() < MAX_GROUP && total < MAX_GROUP_ENTRIES {
        match jobs.try_recv() {
            Ok(Job::Commit(batch, reply)) => {
                total += entries(&batch);
                batches.push(batch);
                replies.push(reply);
            }
            Ok(other) => return Some(other),
            Err(_) => return None,
        }
    }
    None
}

fn answer(results: Result<Vec<Result<Committed, Error>>, Error>, replies: Vec<Reply<Committed>>) {
    match results {
        Ok(results) => replies.into_iter().zip(results).for_each(|(reply, result)| tell(reply, result)),
        Err(error) => replies.into_iter().for_each(|reply| tell(reply, Err(error.clone()))),
    }
}

/// A caller that has gone away does not hear of it; what it asked for is done all the same.
fn tell<T>(reply: Reply<T>, result: Result<T, Error>) {
    drop(reply.send(result));
}
