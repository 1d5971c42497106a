//! Bodies with limits: requests by size and time, answers noted until their last byte.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, Sleep};

use super::activity::Busy;
use super::admission::{Admission, Place};

type BoxError = Box<dyn Error + Send + Sync>;

/// Why the body of an answer was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It broke off, or is no HTTP.
    #[error(transparent)]
    Broken(BoxError),
    /// There was more than may be read.
    #[error("it is larger than what may be read")]
    TooLarge,
}

/// All of an answer's body, of at most so many bytes. How long that takes is for the caller to bound.
///
/// # Errors
/// [`Unread`]; what came before is dropped.
pub async fn read_whole<B>(body: B, max_bytes: usize) -> Result<Bytes, Unread>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    let whole = Limited::new(body, max_bytes)
        .collect()
        .await
        .map_err(|error| if error.is::<LengthLimitError>() { Unread::TooLarge } else { Unread::Broken(error) })?;
    Ok(whole.to_bytes())
}

/// Shared with whoever answers, to tell why a body could not be read.
#[derive(Clone, Default)]
pub(super) struct Tripped(Arc<AtomicU8>);

/// Why a request's body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// There are too many whose body is not there yet.
    Crowded,
    Large,
    Slow,
}

impl Tripped {
    pub(super) fn cause(&self) -> Option<Cause> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Cause::Large),
            2 => Some(Cause::Slow),
            _ => Some(Cause::Crowded),
        }
    }

    pub(super) fn set(&self, cause: Cause) {
        let number = match cause {
            Cause::Large => 1,
            Cause::Slow => 2,
            Cause::Crowded => 3,
        };
        self.0.store(number, Ordering::Relaxed);
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

/// The body is not waited for, or not any longer.
#[derive(Debug)]
struct NotThere;

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body did not arrive in time")
    }
}

impl Error for NotThere {}

/// A request body that must be complete within a time, which runs from the request's header. While somebody waits for it, it
/// holds a place among those that are awaited.
pub(super) struct Timed<B> {
    body: B,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    tripped: Tripped,
    awaited: Admission,
    address: Option<IpAddr>,
    place: Option<Place>,
}

impl<B> Timed<B> {
    pub(super) fn new(body: B, limit: Duration, tripped: Tripped, awaited: Admission, address: Option<IpAddr>) -> Self {
        Self { body, deadline: Instant::now() + limit, sleep: None, tripped, awaited, address, place: None }
    }

    fn give_up(&mut self, cause: Cause) -> BoxError {
        self.tripped.set(cause);
        self.place = None;
        Box::new(NotThere)
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
        if self.place.is_none() {
            match self.awaited.enter(self.address) {
                Ok(place) => self.place = Some(place),
                Err(_) => return Poll::Ready(Some(Err(self.give_up(Cause::Crowded)))),
            }
        }
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(self.give_up(Cause::Slow)))),
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

/// Most bytes of an answer that are given to an HTTP/2 stream at once.
const MAX_PIECE_BYTES: usize = 16 * 1024;

/// An answer's body; its request is in flight until it is written.
///
/// An HTTP/2 stream takes a piece as soon as its peer has room for a byte, keeps the rest of it, and asks for the next one. So
/// pieces are small, and the last byte of each part goes by itself: it is taken when the peer has had all before it, and as long
/// as it is not, the request is in flight and its time runs.
pub(super) struct Outgoing {
    body: Body,
    busy: Busy,
    rest: Bytes,
}

impl Outgoing {
    pub(super) fn new(body: Body, busy: Busy) -> Self {
        Self { body, busy, rest: Bytes::new() }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let but_one = self.rest.len().saturating_sub(1).max(1);
        Frame::data(self.rest.split_to(self.rest.len().min(but_one).min(MAX_PIECE_BYTES)))
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.busy.is_of_many() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            self.busy.asked(polled.is_ready());
            return polled;
        }
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            // The piece before the last one has found room.
            self.busy.asked(polled.is_ready());
            match polled {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        } else {
            self.busy.asked(true);
        }
        Poll::Ready(Some(Ok(self.piece())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
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
