//! Background work: the one place that starts tasks, so that each has a name, is told to stop and is waited for.
//!
//! A task ends when its future does. [`Tasks::stop`] only tells: a task that holds a [`Stopping`] ends what it is at,
//! and [`Tasks::join`] cuts those that are still there at its deadline. A panic ends its own task and is logged.

use std::any::Any;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::{debug, error, warn};

/// All tasks of one program. Cloning shares them.
#[derive(Clone)]
pub struct Tasks(Arc<Shared>);

struct Shared {
    running: Mutex<HashMap<u64, Entry>>,
    next: AtomicU64,
    stop: watch::Sender<bool>,
    count: watch::Sender<usize>,
}

struct Entry {
    name: Cow<'static, str>,
    abort: Option<AbortHandle>,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            running: Mutex::default(),
            next: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            count: watch::Sender::new(0),
        }))
    }

    /// Starts `work` on the current runtime. `name` says in the log what it is (`sync:corp`); several tasks may share one.
    ///
    /// Work started after [`Tasks::stop`] runs too; it sees at once that it is to stop.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, work: F) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let finished = self.0.enter(id, name.clone());
        let work = async move {
            let _finished = finished;
            caught(&name, work).await;
        };
        #[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
        let abort = tokio::spawn(work).abort_handle();
        if let Some(entry) = self.0.running().get_mut(&id) {
            entry.abort = Some(abort.clone());
        }
        Task(abort)
    }

    /// Runs `work` each `period` until told to stop, the first time after one period. A run that takes longer than the
    /// period delays the next one; runs never overlap. A run in progress is finished before stopping. A panic ends its
    /// run only.
    pub fn every<F, W>(&self, name: impl Into<Cow<'static, str>>, period: Duration, mut work: F) -> Task
    where
        F: FnMut() -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let mut stopping = self.stopping();
        let name = name.into();
        let label = name.clone();
        self.spawn(name, async move {
            loop {
                tokio::select! {
                    () = stopping.wait() => return,
                    () = tokio::time::sleep(period) => caught(&label, work()).await,
                }
            }
        })
    }

    /// What a task waits on to learn that it is to stop.
    pub fn stopping(&self) -> Stopping {
        Stopping(self.0.stop.subscribe())
    }

    /// Tells all tasks to stop. Telling twice is telling once.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// How many tasks are there.
    pub fn count(&self) -> usize {
        *self.0.count.borrow()
    }

    /// Tells all tasks to stop and waits until they have, at most for `deadline`; then cuts the rest.
    /// Gives the names of those that had to be cut.
    pub async fn join(&self, deadline: Duration) -> Vec<String> {
        self.stop();
        let mut count = self.0.count.subscribe();
        if tokio::time::timeout(deadline, count.wait_for(|count| *count == 0)).await.is_ok() {
            debug!("all tasks ended");
            return Vec::new();
        }
        let mut cut: Vec<String> = Vec::new();
        for entry in self.0.running().values() {
            cut.push(entry.name.clone().into_owned());
            if let Some(abort) = &entry.abort {
                abort.abort();
            }
        }
        cut.sort();
        warn!(tasks.cut = cut.len(), "tasks did not end within {deadline:?} and were cut: {}", cut.join(", "));
        cut
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({})", self.count())
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, id: u64, name: Cow<'static, str>) -> Finished {
        let mut running = self.running();
        running.insert(id, Entry { name, abort: None });
        self.count.send_replace(running.len());
        Finished { shared: Arc::clone(self), id }
    }
}

/// Takes its task off the list, also when the task is cut.
struct Finished {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Finished {
    fn drop(&mut self) {
        let mut running = self.shared.running();
        running.remove(&self.id);
        self.shared.count.send_replace(running.len());
    }
}

/// One started task. Dropping it lets the task go on.
#[derive(Debug)]
pub struct Task(AbortHandle);

impl Task {
    /// Cuts the task at its next await.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether it has ended, by itself or cut.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

/// Tells one task that it is to stop.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Returns when the program is to stop; also when all [`Tasks`] are gone. May be awaited again and again.
    pub async fn wait(&mut self) {
        // An error says that nobody is left to tell.
        if self.0.wait_for(|stop| *stop).await.is_err() {
            debug!("the tasks' owner is gone");
        }
    }

    /// Whether the program is to stop.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }
}

/// Runs `work` and logs its panic.
async fn caught(name: &str, work: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
        error!(task.name = %name, "task `{name}` panicked: {}", panic_text(panic.as_ref()));
    }
}

/// The message of a panic, for one log line.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_task_that_listens_ends_by_itself() {
        let tasks = Tasks::new();
        let mut stopping = tasks.stopping();
        let (ended, saw_end) = oneshot::channel();
        tasks.spawn("listens", async move {
            stopping.wait().await;
            ended.send(()).unwrap();
        });
        assert_eq!(tasks.count(), 1);
        assert_eq!(tasks.join(Duration::from_secs(5)).await, Vec::<String>::new());
        saw_end.await.unwrap();
        assert_eq!(tasks.count(), 0);
    }

    #[tokio::test]
    async fn a_task_that_does_not_listen_is_cut_at_the_deadline_and_named() {
        let tasks = Tasks::new();
        let (held, dropped) = oneshot::channel::<()>();
        tasks.spawn("deaf", async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        assert_eq!(tasks.join(Duration::from_millis(20)).await, ["deaf"]);
        assert!(dropped.await.is_err(), "its values are dropped");
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
        let tasks = Tasks::new();
        tasks.spawn("falls", async { panic!("on purpose") });
        let (sent, received) = oneshot::channel();
        tasks.spawn("stands", async move { sent.send(7).unwrap() });
        assert_eq!(received.await, Ok(7));
        assert!(tasks.join(Duration::from_secs(5)).await.is_empty());
    }

    #[tokio::test]
    async fn periodic_work_runs_until_told_to_stop() {
        let tasks = Tasks::new();
        let (send, mut runs) = tokio::sync::mpsc::unbounded_channel();
        tasks.every("beats", Duration::from_millis(1), move || {
            let send = send.clone();
            async move {
                send.send(()).unwrap();
                panic!("a run that falls does not end the next");
            }
        });
        for _ in 0..3 {
            runs.recv().await.unwrap();
        }
        assert!(tasks.join(Duration::from_secs(5)).await.is_empty());
        while runs.recv().await.is_some() {}
    }

    #[tokio::test]
    async fn work_started_while_stopping_sees_it() {
        let tasks = Tasks::new();
        tasks.stop();
        let stopping = tasks.stopping();
        assert!(stopping.is_set());
        tasks.spawn("late", async move { stopping.clone().wait().await });
        assert!(tasks.join(Duration::from_secs(5)).await.is_empty());
    }
}
