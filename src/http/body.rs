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
use super::admission::Place;

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

/// A request body that must be complete within a time. The time runs from the request's header. Until it is there it
/// holds a place among those that are awaited.
pub(super) struct Timed<B> {
    body: B,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    tripped: Tripped,
    place: Option<Place>,
}

impl<B> Timed<B> {
    pub(super) fn new(body: B, limit: Duration, tripped: Tripped, place: Place) -> Self {
        Self { body, deadline: Instant::now() + limit, sleep: None, tripped, place: Some(place) }
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
            if self.body.is_end_stream() || !matches!(frame, Some(Ok(_))) {
                self.place = None;
            }
            return Poll::Ready(frame);
        }
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.tripped.set(Cause::Slow);
                self.place = None;
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

/// Most bytes of an answer that are given to an HTTP/2 stream at once: what its peer does not take is kept by us.
const MAX_PIECE_BYTES: usize = 16 * 1024;

/// An answer's body; its request is in flight until it is written. On HTTP/2 it goes piece by piece, each when the peer has
/// room for more, and its end by itself: so it is known of each answer whether it is taken.
pub(super) struct Outgoing {
    body: Body,
    busy: Busy,
    rest: Bytes,
    has_begun: bool,
}

impl Outgoing {
    pub(super) fn new(body: Body, busy: Busy) -> Self {
        Self { body, busy, rest: Bytes::new(), has_begun: false }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        self.has_begun = true;
        Frame::data(self.rest.split_to(self.rest.len().min(MAX_PIECE_BYTES)))
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.busy.is_of_many() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        // The peer has room for more, so it has taken what there was before.
        self.busy.moved();
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        Poll::Ready(Some(Ok(self.piece())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.has_begun
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), u64::try_from(self.rest.len()).unwrap_or(u64::MAX));
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
