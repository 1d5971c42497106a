//! A connection before it is encrypted: what comes over it is bounded, and comes line by line.
//!
//! Whoever sits between can send anything. A line without end must not fill the memory, and what is sent together with the
//! server's word to begin with TLS must not be taken for what the server says after it (RFC 3207 section 6): here it goes
//! into the handshake, which then fails.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes that a server may send in one connection.
const MAX_RECEIVED: usize = 256 << 10;
/// Bytes read at a time.
const CHUNK: usize = 4096;

/// A connection whose peer is nobody yet.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    /// What was read and not handed on.
    held: Vec<u8>,
    left: usize,
}

impl Line {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, held: Vec::new(), left: MAX_RECEIVED }
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if line.held.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut line.stream).poll_read(cx, &mut read))?;
            let got = read.filled();
            match line.left.checked_sub(got.len()) {
                Some(left) => line.left = left,
                None => return Poll::Ready(Err(io::Error::other("the mail server sends too much"))),
            }
            line.held.extend_from_slice(got);
        }
        let end = line.held.iter().position(|byte| *byte == b'\n').map_or(line.held.len(), |at| at + 1);
        let count = end.min(out.remaining());
        out.put_slice(line.held.get(..count).unwrap_or_default());
        line.held.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
