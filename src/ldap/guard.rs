//! What stands between the server and the protocol library.
//!
//! The library's decoder recurses without limit, waits for ever on a length that cannot come, and stops the program's
//! task on a shape that it does not expect. So no byte of the server reaches it before the whole message has passed
//! the checks here: size, nesting, shape, and that it answers a question that is open.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use super::message::{ABANDON_REQUEST, EXTENDED_RESPONSE, Message, UNBIND_REQUEST};
use super::{Error, ber, cleaned, quoted};

/// Bytes read from the server at a time.
const CHUNK: usize = 64 * 1024;

/// Carries messages between `server` and `library` until either side ends or breaks a rule.
///
/// Gives `Ok` when a side has closed between two messages. When the server did, everything that it sent before has
/// been handed to the library.
pub(super) async fn carry(
    server: impl AsyncRead + AsyncWrite + Send,
    library: UnixStream,
    max_frame_bytes: usize,
) -> Result<(), Error> {
    let (from_server, to_server) = tokio::io::split(server);
    let (from_library, to_library) = library.into_split();
    let open = OpenQuestions::default();
    tokio::select! {
        ended = answers(from_server, to_library, &open, max_frame_bytes) => ended,
        ended = questions(from_library, to_server, &open) => ended,
    }
}

/// The ids of questions that still wait for an answer.
#[derive(Default)]
struct OpenQuestions(Mutex<HashSet<i32>>);

impl OpenQuestions {
    fn ask(&self, message: &Message<'_>) {
        if !matches!(message.operation.tag, ABANDON_REQUEST | UNBIND_REQUEST) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(message.id);
        }
    }

    /// Whether a question with this answer's id is open; closes it when this is its last answer.
    fn settle(&self, message: &Message<'_>) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if message.is_followed() { open.contains(&message.id) } else { open.remove(&message.id) }
    }
}

async fn answers(
    mut server: impl AsyncRead + Unpin,
    mut library: impl AsyncWrite + Unpin,
    open: &OpenQuestions,
    max_frame_bytes: usize,
) -> Result<(), Error> {
    let mut buffer = BytesMut::with_capacity(CHUNK);
    loop {
        buffer.reserve(CHUNK);
        let count = server.read_buf(&mut buffer).await.map_err(|error| lost(&error))?;
        if count == 0 {
            return if buffer.is_empty() { Ok(()) } else { Err(refused("a message cut in the middle")) };
        }
        let checked = check_all(&buffer, open, max_frame_bytes)?;
        if let Some(frames) = buffer.get(..checked) {
            library.write_all(frames).await.map_err(|error| lost(&error))?;
        }
        buffer.advance(checked);
    }
}

/// Checks the whole messages at the beginning of `bytes` and gives their length.
fn check_all(bytes: &[u8], open: &OpenQuestions, max_frame_bytes: usize) -> Result<usize, Error> {
    let mut checked = 0;
    while let Some(rest) = bytes.get(checked..)
        && let Some(size) = ber::frame_size(rest, max_frame_bytes).map_err(refused)?
        && let Some(frame) = rest.get(..size)
    {
        check(frame, open, max_frame_bytes / ber::BYTES_PER_ELEMENT)?;
        checked += size;
    }
    Ok(checked)
}

fn check(frame: &[u8], open: &OpenQuestions, max_elements: usize) -> Result<(), Error> {
    ber::check_nesting(frame, max_elements).map_err(refused)?;
    let message = Message::parse(frame).map_err(refused)?;
    message.check_answer().map_err(refused)?;
    if message.id == 0 && message.operation.tag == EXTENDED_RESPONSE {
        let (code, text) = message.result().map_err(refused)?;
        let reason = format!("the server ends the connection with code {code}{}", quoted(&cleaned(text)));
        return Err(Error::Unavailable { reason });
    }
    if !open.settle(&message) {
        return Err(refused(format_args!("an answer to message {}, which asks nothing", message.id)));
    }
    Ok(())
}

async fn questions(
    mut library: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    open: &OpenQuestions,
) -> Result<(), Error> {
    let mut buffer = BytesMut::with_capacity(CHUNK);
    loop {
        buffer.reserve(CHUNK);
        if library.read_buf(&mut buffer).await.map_err(|error| lost(&error))? == 0 {
            server.shutdown().await.map_err(|error| lost(&error))?;
            return Ok(());
        }
        while let Some(size) = ber::frame_size(&buffer, usize::MAX).map_err(refused)? {
            let Some(frame) = buffer.get(..size) else { break };
            open.ask(&Message::parse(frame).map_err(refused)?);
            server.write_all(frame).await.map_err(|error| lost(&error))?;
            buffer.advance(size);
        }
        server.flush().await.map_err(|error| lost(&error))?;
    }
}

fn refused(reason: impl std::fmt::Display) -> Error {
    Error::Protocol { reason: reason.to_string() }
}

fn lost(error: &std::io::Error) -> Error {
    Error::Unavailable { reason: format!("the connection broke: {error}") }
}

#[cfg(test)]
mod tests;
