//! One connection from its first byte to its end: hyper does the protocol, this file the deadlines and the drain.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::ListenerLimits;
use super::activity::{Noted, Phase, Streams};
use super::edge::Requests;
use crate::tasks::Stopping;

/// How long a peer that is told to close may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Most bytes that wait to be sent on one HTTP/2 stream.
const SEND_BUFFER: usize = 64 * 1024;

/// Serves `stream` until it ends, its deadline passes or the program stops.
pub(super) async fn serve<S>(stream: S, requests: Requests, http2: bool, stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = requests.edge.limits.clone();
    let io = TokioIo::new(Noted::new(stream, std::sync::Arc::clone(&requests.activity)));
    if http2 {
        let connection = second(&limits).serve_connection(io, requests.clone());
        drive(connection, &requests, &limits, stopping).await;
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(64 * 1024))
            .serve_connection(io, requests.clone());
        drive(connection, &requests, &limits, stopping).await;
    }
}

/// HTTP/2 with bounds on everything a peer may ask us to keep.
fn second(limits: &ListenerLimits) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.resets)
        .max_local_error_reset_streams(limits.resets)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping);
    builder
}

async fn drive<C>(connection: C, requests: &Requests, limits: &ListenerLimits, mut stopping: Stopping)
where
    C: GracefulConnection,
    C::Error: std::fmt::Debug,
{
    let activity = &requests.activity;
    let mut connection = pin!(connection);
    let mut stop = pin!(stopping.wait());
    let mut alarm = pin!(sleep_until(activity.deadline(limits).1.into()));
    // Once the connection is told to close: until when it may live at most.
    let mut last: Option<Instant> = None;
    poll_fn(|cx| {
        if last.is_none() && stop.as_mut().poll(cx).is_ready() {
            connection.as_mut().graceful_shutdown();
            last = Some(Instant::now() + limits.drain);
        }
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    debug!("a connection broke: {error:?}");
                }
                return Poll::Ready(());
            }
            if last.is_none() && activity.served() >= limits.requests_per_connection {
                connection.as_mut().graceful_shutdown();
                last = Some(Instant::now() + limits.request + limits.idle);
                continue;
            }
            let (phase, until) = activity.deadline(limits);
            let until = last.map_or(until.into(), |last| last.min(until.into()));
            if until < alarm.deadline() {
                alarm.as_mut().reset(until);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() < until {
                alarm.as_mut().reset(until);
                continue;
            }
            if phase == Phase::Stalled && last.is_none() && activity.end_late(limits) {
                debug!("an answer that nobody takes was ended");
                continue;
            }
            if phase == Phase::Idle && last.is_none() {
                connection.as_mut().graceful_shutdown();
                last = Some(until + FAREWELL);
                alarm.as_mut().reset(until + FAREWELL);
                continue;
            }
            debug!("a connection was cut ({phase:?})");
            return Poll::Ready(());
        }
    })
    .await;
}
