//! A small LDAP directory on loopback: bind, search with paging, StartTLS or LDAPS. Content is given by the caller and
//! can be replaced while it runs.
//!
//! It stands in for a real directory in the demonstration, and for a broken or hostile one in tests: [`Fault`] says
//! how it misbehaves. Passwords are kept and compared in the clear; this is no directory for anybody's data.

mod answer;
mod record;
mod search;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::ldap::ber;
use crate::ldap::message::Message;
use crate::tasks::Tasks;

use answer::Reply;
pub use record::Record;

/// Longest question that is read, in bytes.
const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// How the connections are protected.
#[derive(Clone)]
pub enum Encryption {
    /// Not at all.
    None,
    /// TLS from the first byte.
    Ldaps(Arc<ServerConfig>),
    /// TLS after StartTLS; without it nobody may bind.
    StartTls(Arc<ServerConfig>),
}

/// One way to misbehave. All but `InjectInStartTls` show in searches only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers a bind with success and a control that says that the password must be changed.
    ChangeInBind,
    /// Answers a bind with this result code.
    CodeInBind(i32),
    /// Ends the second page with this result code.
    CodeInSecondPage(i32),
    /// Closes the connection instead of answering a bind.
    CutInBind,
    /// Closes the connection in the middle of the second page.
    CutInSecondPage,
    /// Leaves the paging control out of every answer, so that the first page looks like everything.
    DropPaging,
    /// Finds nothing and calls it success.
    Empty,
    /// Claims a message of 2 GiB.
    HugeLength,
    /// Sends an answer in the clear behind the one to StartTLS.
    InjectInStartTls,
    /// Claims a value longer than the message around it.
    LengthPastEnd,
    /// Sends an entry nested this deep.
    Nested(usize),
    /// Announces that it goes down, then closes the connection.
    Notice,
    /// Sends a name that is not UTF-8.
    NotUtf8,
    /// Cuts `member` to its first value, and gives no other to whoever asks for them.
    Range,
    /// Changes each entry whenever it is read.
    Restless,
    /// Does not answer.
    Silent,
    /// Answers a question that nobody asked.
    WrongMessageId,
}

/// The directory. Cloning shares it.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

struct Shared {
    records: RwLock<Arc<Vec<Record>>>,
    fault: Mutex<Option<Fault>>,
    values_at_once: AtomicUsize,
    changes: AtomicUsize,
    binds: AtomicUsize,
    searches: AtomicUsize,
}

impl Directory {
    /// A directory that holds these records.
    pub fn new(records: Vec<Record>) -> Self {
        Self(Arc::new(Shared {
            records: RwLock::new(Arc::new(records)),
            fault: Mutex::new(None),
            values_at_once: AtomicUsize::new(usize::MAX),
            changes: AtomicUsize::new(1),
            binds: AtomicUsize::new(0),
            searches: AtomicUsize::new(0),
        }))
    }

    /// Listens on a free port of loopback until `tasks` are told to stop.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(&self, tasks: &Tasks, encryption: Encryption) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (directory, children, mut stopping) = (self.clone(), tasks.clone(), tasks.stopping());
        tasks.spawn("sandbox:directory", async move {
            loop {
                tokio::select! {
                    () = stopping.wait() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => directory.attend(&children, stream, encryption.clone()),
                        Err(error) => debug!(%error, "sandbox directory: no connection"),
                    },
                }
            }
        });
        Ok(address)
    }

    fn attend(&self, tasks: &Tasks, stream: TcpStream, encryption: Encryption) {
        let (directory, mut stopping) = (self.clone(), tasks.stopping());
        tasks.spawn("sandbox:directory connection", async move {
            tokio::select! {
                () = stopping.wait() => {}
                ended = directory.converse(stream, encryption) => if let Err(error) = ended {
                    debug!(%error, "sandbox directory: connection ended");
                },
            }
        });
    }

    /// Replaces everything that the directory holds.
    pub fn set_records(&self, records: Vec<Record>) {
        self.0.changes.fetch_add(1, Ordering::SeqCst);
        *self.0.records.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(records);
    }

    /// What the directory holds.
    pub fn records(&self) -> Arc<Vec<Record>> {
        Arc::clone(&self.0.records.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Misbehaves from now on, or no more.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *self.fault_slot() = fault;
    }

    /// Gives at most so many values of an attribute at once and the others by ranges, as Active Directory does (MS-ADTS section
    /// 3.1.1.3.1.3.3).
    pub fn set_values_at_once(&self, most: usize) {
        self.0.values_at_once.store(most.max(1), Ordering::SeqCst);
    }

    /// How many binds were asked for.
    pub fn binds(&self) -> usize {
        self.0.binds.load(Ordering::SeqCst)
    }

    /// How many searches were asked for, each page counted.
    pub fn searches(&self) -> usize {
        self.0.searches.load(Ordering::SeqCst)
    }

    fn fault(&self) -> Option<Fault> {
        *self.fault_slot()
    }

    fn fault_slot(&self) -> MutexGuard<'_, Option<Fault>> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn converse(&self, stream: TcpStream, encryption: Encryption) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match encryption {
            Encryption::None => self.answer_all(stream, true).await.map(|_| ()),
            Encryption::Ldaps(config) => {
                let stream = TlsAcceptor::from(config).accept(stream).await?;
                self.answer_all(stream, true).await.map(|_| ())
            }
            Encryption::StartTls(config) => match self.answer_all(stream, false).await? {
                Some(stream) => {
                    let stream = TlsAcceptor::from(config).accept(stream).await?;
                    self.answer_all(stream, true).await.map(|_| ())
                }
                None => Ok(()),
            },
        }
    }

    /// Answers until the end; gives the stream back when it is to be encrypted.
    async fn answer_all<S>(&self, mut stream: S, is_protected: bool) -> io::Result<Option<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut session = answer::Session::new(self.clone(), is_protected);
        let mut buffer = Vec::new();
        while let Some(frame) = read_frame(&mut stream, &mut buffer).await? {
            let message = Message::parse(&frame).map_err(io::Error::other)?;
            match session.answer(&message).map_err(io::Error::other)? {
                Reply::Answers(bytes) => stream.write_all(&bytes).await?,
                Reply::AnswersThenClose(bytes) => {
                    stream.write_all(&bytes).await?;
                    stream.shutdown().await?;
                    return Ok(None);
                }
                Reply::Close => return Ok(None),
                Reply::Encrypt(bytes) => {
                    stream.write_all(&bytes).await?;
                    return Ok(Some(stream));
                }
                Reply::Nothing => {}
            }
            stream.flush().await?;
        }
        Ok(None)
    }
}

/// The next whole question, `None` when the other side has closed.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(size) = ber::frame_size(buffer, MAX_FRAME_BYTES).map_err(io::Error::other)?
            && size <= buffer.len()
        {
            let rest = buffer.split_off(size);
            let frame = std::mem::replace(buffer, rest);
            ber::check_nesting(&frame, MAX_FRAME_BYTES / ber::BYTES_PER_ELEMENT).map_err(io::Error::other)?;
            return Ok(Some(frame));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
