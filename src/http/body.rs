//! Bodies with limits: requests by size and time, answers noted until their last byte.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{LengthLimitError, Limited};
use tokio::time::{Instant, Sleep};

use super::activity::Busy;

type BoxError = Box<dyn Error + Send + Sync>;

/// Shared with whoever answers, to tell why a body could not be read.
#[derive(Clone, Default)]
pub(super) struct Tripped(Arc<AtomicU8>);

/// Why a request's body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Large,
    Slow,
}

impl Tripped {
    pub(super) fn cause(&self) -> Option<Cause> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Cause::Large),
            _ => Some(Cause::Slow),
        }
    }

    fn set(&self, cause: Cause) {
        self.0.store(if cause == Cause::Large { 1 } else { 2 }, Ordering::Relaxed);
    }

    fn note(&self, error: &(dyn Error + 'static)) {
        let mut error = Some(error);
        while let Some(cause) = error {
            if cause.is::<LengthLimitError>() {
                return self.set(Cause::Large);
            }
            error = cause.source();
        }
    }
}

/// The body was not there in time.
#[derive(Debug)]
struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body did not arrive in time")
    }
}

impl Error for TooSlow {}

/// A request body that must be complete within a time. The time runs from the request's header.
pub(super) struct Timed<B> {
    body: B,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    tripped: Tripped,
}

impl<B> Timed<B> {
    pub(super) fn new(body: B, limit: Duration, tripped: Tripped) -> Self {
        Self { body, deadline: Instant::now() + limit, sleep: None, tripped }
    }
}

impl<B> HttpBody for Timed<B>
where
    B: HttpBody + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let frame = frame.map(|frame| frame.map_err(Into::into));
            if let Some(Err(error)) = &frame {
                self.tripped.note(error.as_ref());
            }
            return Poll::Ready(frame);
        }
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.tripped.set(Cause::Slow);
                Poll::Ready(Some(Err(Box::new(TooSlow))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request body of at most so many bytes; what is longer breaks off with [`LengthLimitError`], as axum's extractors
/// expect it.
pub(super) struct Capped {
    body: Limited<Body>,
    tripped: Tripped,
}

impl Capped {
    pub(super) fn new(body: Body, limit: usize, tripped: Tripped) -> Self {
        Self { body: Limited::new(body, limit), tripped }
    }
}

impl HttpBody for Capped {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(error))) = &polled {
            self.tripped.note(error.as_ref());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; its request is in flight until it is written.
pub(super) struct Outgoing {
    body: Body,
    _busy: Busy,
}

impl Outgoing {
    pub(super) fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
