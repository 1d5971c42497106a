//! What a connection is doing, and until when it may go on doing it.
//!
//! hyper's own header timer runs between requests too, so that an idle connection and a header that trickles in could
//! not have different deadlines. Here bytes and requests are noted, and one deadline follows from them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ListenerLimits;

/// Notes of one connection, shared by its stream, its requests and its driver. Times are milliseconds since `start`.
pub(super) struct Activity {
    start: Instant,
    by_head: bool,
    progress: AtomicU64,
    /// Of each request in flight on an HTTP/2 connection by its number: when its answer was asked for last.
    answers: Mutex<Vec<(u32, u64)>>,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    in_flight: AtomicUsize,
    served: AtomicU32,
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
            self.answers().push((number, now));
        }
        Busy { activity: Arc::clone(self), number }
    }

    fn answers(&self) -> MutexGuard<'_, Vec<(u32, u64)>> {
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
            let stall = limits.request.saturating_add(limits.idle);
            let progress = self.progress.load(Ordering::Relaxed);
            let since = if self.by_head { None } else { self.answers().iter().map(|(_, since)| *since).min() };
            return (Phase::Stalled, at(since.unwrap_or(progress), stall));
        }
        match self.head_since.load(Ordering::Relaxed) {
            NONE if self.served() == 0 => (Phase::Header, at(0, limits.header)),
            NONE => (Phase::Idle, at(self.idle_since.load(Ordering::Relaxed), limits.idle)),
            since => (Phase::Header, at(since, limits.header)),
        }
    }
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

    /// More of the answer is asked for: what there was before is on its way.
    pub(super) fn moved(&self) {
        let now = self.activity.now();
        for answer in self.activity.answers().iter_mut().filter(|(number, _)| *number == self.number) {
            answer.1 = now;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.activity.by_head {
            self.activity.answers().retain(|(number, _)| *number != self.number);
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
        activity.answers().iter_mut().filter(|(number, _)| *number == other.number).for_each(|answer| answer.1 += 9);
        activity.moved(true);
        assert_eq!(activity.deadline(&limits), (Phase::Stalled, until));
        drop(stuck);
        assert!(activity.deadline(&limits).1 > until, "the other one has its own time");
        drop(other);
        assert_eq!(activity.deadline(&limits).0, Phase::Idle);
        assert!(activity.answers().is_empty());
    }
}
