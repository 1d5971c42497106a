//! What a connection is doing, and until when it may go on doing it.
//!
//! hyper's own header timer runs between requests too, so that an idle connection and a header that trickles in could
//! not have different deadlines. Here bytes and requests are noted, and one deadline follows from them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::{AbortHandle, abortable};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ListenerLimits;

tokio::task_local! {
    /// Ends the HTTP/2 stream that is worked on.
    static STREAM: AbortHandle;
}

/// Runs the streams of an HTTP/2 connection so that each can be ended by itself.
#[derive(Clone)]
pub(super) struct Streams;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (stream, handle) = abortable(stream);
        TokioExecutor::new().execute(STREAM.scope(handle, stream));
    }
}

/// Notes of one connection, shared by its stream, its requests and its driver. Times are milliseconds since `start`.
pub(super) struct Activity {
    start: Instant,
    by_head: bool,
    progress: AtomicU64,
    /// Whether the answer of a connection that has one at a time waits for us to go on with it.
    is_ours: AtomicBool,
    /// The requests in flight of an HTTP/2 connection.
    answers: Mutex<Vec<Answer>>,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    in_flight: AtomicUsize,
    served: AtomicU32,
}

/// The answer to a request in flight on an HTTP/2 connection.
struct Answer {
    number: u32,
    /// When it was asked for last; [`NONE`] while it waits for us to go on with it.
    since: u64,
    stream: Option<AbortHandle>,
}

/// What a connection's deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a request's header.
    Header,
    /// Between requests.
    Idle,
    /// A request is served: neither side has moved a byte for too long, or on HTTP/2 nobody has taken one of the answers.
    Stalled,
}

/// No header has begun.
const NONE: u64 = u64::MAX;

impl Activity {
    /// Notes for a connection that begins now. `http2` connections move bytes without requests (pings), so their bytes
    /// do not begin a header, and say nothing of how its answers get on.
    pub(super) fn new(http2: bool) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            by_head: !http2,
            progress: AtomicU64::new(0),
            is_ours: AtomicBool::new(false),
            answers: Mutex::default(),
            head_since: AtomicU64::new(NONE),
            idle_since: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            served: AtomicU32::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(NONE - 1)
    }

    /// Bytes went in or out.
    fn moved(&self, read: bool) {
        let now = self.now();
        self.progress.store(now, Ordering::Relaxed);
        let between = self.in_flight.load(Ordering::Relaxed) == 0;
        if read && self.by_head && between && self.head_since.load(Ordering::Relaxed) == NONE {
            self.head_since.store(now, Ordering::Relaxed);
        }
    }

    /// A request's header is complete. The request lasts until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let number = self.served.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(NONE, Ordering::Relaxed);
        let now = self.now();
        self.progress.store(now, Ordering::Relaxed);
        if !self.by_head {
            self.answers().push(Answer { number, since: now, stream: None });
        }
        Busy { activity: Arc::clone(self), number }
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests began.
    pub(super) fn served(&self) -> u32 {
        self.served.load(Ordering::Relaxed)
    }

    /// Until when the connection may go on as it is.
    pub(super) fn deadline(&self, limits: &ListenerLimits) -> (Phase, Instant) {
        let at = |since: u64, limit: Duration| self.start + Duration::from_millis(since) + limit;
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            let since = match self.by_head {
                true if self.is_ours.load(Ordering::Relaxed) => NONE,
                true => self.progress.load(Ordering::Relaxed),
                false => self.answers().iter().map(|answer| answer.since).min().unwrap_or(NONE),
            };
            // Nobody is late who waits for us: that time begins when we have gone on.
            let since = if since == NONE { self.now() } else { since };
            return (Phase::Stalled, at(since, stall(limits)));
        }
        match self.head_since.load(Ordering::Relaxed) {
            NONE if self.served() == 0 => (Phase::Header, at(0, limits.header)),
            NONE => (Phase::Idle, at(self.idle_since.load(Ordering::Relaxed), limits.idle)),
            since => (Phase::Header, at(since, limits.header)),
        }
    }
}

impl Activity {
    /// Ends the streams of an HTTP/2 connection whose answers nobody has taken in time, where others go on: what they have
    /// of them is not theirs to lose. Says whether there are others.
    pub(super) fn end_late(&self, limits: &ListenerLimits) -> bool {
        let (now, stall) = (self.now(), u64::try_from(stall(limits).as_millis()).unwrap_or(NONE));
        let is_late = |answer: &Answer| answer.since != NONE && answer.since.saturating_add(stall) <= now;
        let mut answers = self.answers();
        if answers.iter().all(is_late) {
            return false;
        }
        for answer in answers.iter_mut().filter(|answer| is_late(answer)) {
            let Some(stream) = &answer.stream else { return false };
            stream.abort();
            // It goes at its next turn.
            answer.since = now;
        }
        true
    }
}

/// How long an answer may stand still.
fn stall(limits: &ListenerLimits) -> Duration {
    limits.request.saturating_add(limits.idle)
}

/// A request in flight.
pub(super) struct Busy {
    activity: Arc<Activity>,
    number: u32,
}

impl Busy {
    /// Whether there are other requests on its connection at the same time: that is HTTP/2.
    pub(super) fn is_of_many(&self) -> bool {
        !self.activity.by_head
    }

    /// The work on the request has begun; where it is that of an HTTP/2 stream, it can be ended.
    pub(super) fn began(&self) {
        if let Ok(stream) = STREAM.try_with(AbortHandle::clone) {
            self.note(|answer| answer.stream = Some(stream.clone()));
        }
    }

    /// More of the answer is asked for: what there was before is on its way. `is_there` says whether there is more already.
    pub(super) fn asked(&self, is_there: bool) {
        if self.activity.by_head {
            if self.activity.is_ours.swap(!is_there, Ordering::Relaxed) && is_there {
                self.activity.progress.store(self.activity.now(), Ordering::Relaxed);
            }
        } else {
            let since = if is_there { self.activity.now() } else { NONE };
            self.note(|answer| answer.since = since);
        }
    }

    fn note(&self, note: impl Fn(&mut Answer)) {
        self.activity.answers().iter_mut().filter(|answer| answer.number == self.number).for_each(note);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        match self.activity.by_head {
            true => self.activity.is_ours.store(false, Ordering::Relaxed),
            false => self.activity.answers().retain(|answer| answer.number != self.number),
        }
        self.activity.idle_since.store(self.activity.now(), Ordering::Relaxed);
        self.activity.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose bytes are noted.
pub(super) struct Noted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Noted<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.moved(true);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(polled, Poll::Ready(Ok(written)) if written > 0) {
            self.activity.moved(false);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if matches!(polled, Poll::Ready(Ok(written)) if written > 0) {
            self.activity.moved(false);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_follows_what_the_connection_does() {
        let limits = ListenerLimits::default();
        let activity = Activity::new(false);
        let phase = || activity.deadline(&limits).0;
        assert_eq!(phase(), Phase::Header, "the first byte is awaited");
        activity.moved(true);
        let first = activity.deadline(&limits).1;
        activity.moved(true);
        assert_eq!(activity.deadline(&limits), (Phase::Header, first), "a trickle does not move it");
        let request = activity.begin();
        assert_eq!(phase(), Phase::Stalled);
        activity.moved(true);
        drop(request);
        assert_eq!(phase(), Phase::Idle);
        activity.moved(false);
        assert_eq!(phase(), Phase::Idle, "what we write begins no header");
        activity.moved(true);
        assert_eq!(phase(), Phase::Header);
    }

    #[test]
    fn bytes_of_an_http2_connection_begin_no_header() {
        let limits = ListenerLimits::default();
        let activity = Activity::new(true);
        activity.moved(true);
        assert_eq!(activity.deadline(&limits).0, Phase::Header, "no request yet");
        drop(activity.begin());
        activity.moved(true);
        assert_eq!(activity.deadline(&limits).0, Phase::Idle, "a ping is no request");
    }

    #[test]
    fn an_answer_that_nobody_takes_ends_an_http2_connection_whatever_else_moves() {
        let limits = ListenerLimits::default();
        let activity = Activity::new(true);
        let (stuck, other) = (activity.begin(), activity.begin());
        let (phase, until) = activity.deadline(&limits);
        assert_eq!(phase, Phase::Stalled);
        // As if the other one went on later, and pings with it.
        other.note(|answer| answer.since += 9);
        activity.moved(true);
        assert_eq!(activity.deadline(&limits), (Phase::Stalled, until));
        drop(stuck);
        assert!(activity.deadline(&limits).1 > until, "the other one has its own time");
        drop(other);
        assert_eq!(activity.deadline(&limits).0, Phase::Idle);
        assert!(activity.answers().is_empty());
    }

    #[test]
    fn nobody_is_late_who_waits_for_more_of_an_answer_that_we_have_not_made() {
        let limits = ListenerLimits { request: Duration::ZERO, idle: Duration::ZERO, ..ListenerLimits::default() };
        for http2 in [false, true] {
            let activity = Activity::new(http2);
            let request = activity.begin();
            request.asked(false);
            activity.moved(true);
            let (phase, first) = activity.deadline(&limits);
            assert_eq!(phase, Phase::Stalled);
            let wait = || {
                let now = activity.now();
                while activity.now() == now {
                    std::hint::spin_loop();
                }
            };
            wait();
            assert!(activity.deadline(&limits).1 > first, "it moves on with time");
            request.asked(true);
            let until = activity.deadline(&limits).1;
            wait();
            assert_eq!(activity.deadline(&limits).1, until, "from now on it is theirs");
        }
    }
}
