//! The accept loop: takes connections within the limits, shakes hands, hands over to the protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::activity::Activity;
use super::admission::{Admission, Place};
use super::edge::{Edge, Peer, Requests};
use super::socket::Socket;
use super::{Bind, ListenerSettings, address, connection};
use crate::tasks::{Stopping, Tasks};

/// Connections that the kernel keeps for us.
const BACKLOG: u32 = 1024;

/// How long to wait when the system has no more file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Why a listener does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or socket cannot be listened on: in use, not permitted, not there.
    #[error("cannot listen on {what}")]
    Bind {
        /// The address or the socket's path.
        what: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("`{}` {reason}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// A clause that continues the path.
        reason: String,
    },
    /// Plain HTTP would be spoken beyond this machine.
    #[error("plain HTTP is served on loopback addresses only, not on {address}; give it a certificate")]
    PlainBeyondLoopback {
        /// The address.
        address: SocketAddr,
    },
}

/// A listener that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its TCP address with the port that the system chose; `None` for a unix socket.
    pub address: Option<SocketAddr>,
    /// Its URL for people and tests: `https://127.0.0.1:8443`, `unix:/run/cleargate/admin.sock`.
    pub url: String,
}

/// Listens and serves `router` until the tasks are told to stop; then requests in flight get the drain time.
///
/// Must be called on a runtime. Returns as soon as connections are accepted.
///
/// # Errors
/// `Bind` when the address cannot be listened on, `PlainBeyondLoopback` when it would be plain HTTP on a network,
/// `Certificate` when TLS cannot be set up.
pub fn serve(settings: ListenerSettings, router: Router, tasks: &Tasks) -> Result<Bound, Error> {
    let acceptor = match &settings.tls {
        Some(certificates) => Some(TlsAcceptor::from(certificates.server_config()?)),
        None => None,
    };
    let (door, bound) = open(&settings)?;
    info!("`{}` listens on {}", settings.name, bound.url);
    let limits = settings.limits;
    let listener = Listener {
        name: settings.name,
        admission: Admission::new(limits.connections),
        edge: Arc::new(Edge {
            router,
            hosts: settings.hosts,
            proxies: settings.trusted_proxies,
            in_flight: Admission::new(limits.in_flight),
            uploads: Admission::new(limits.uploads),
            limits,
            metrics: settings.metrics,
        }),
        acceptor,
        ids: settings.ids,
        tasks: tasks.clone(),
    };
    tasks.spawn(format!("listen:{}", settings.name), listener.run(door, tasks.stopping()));
    Ok(bound)
}

enum Door {
    Tcp(TcpListener),
    Unix(Socket),
}

enum Caller {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

fn open(settings: &ListenerSettings) -> Result<(Door, Bound), Error> {
    match &settings.bind {
        Bind::Tcp(address) => {
            let encrypted = settings.tls.is_some();
            if !encrypted && !address.ip().to_canonical().is_loopback() {
                return Err(Error::PlainBeyondLoopback { address: *address });
            }
            let failed = |source| Error::Bind { what: address.to_string(), source };
            let listener = listen(*address).map_err(failed)?;
            let actual = listener.local_addr().map_err(failed)?;
            let url = format!("{}://{actual}", if encrypted { "https" } else { "http" });
            Ok((Door::Tcp(listener), Bound { address: Some(actual), url }))
        }
        Bind::Unix { path, mode } => {
            let socket = Socket::bind(path, *mode)?;
            Ok((Door::Unix(socket), Bound { address: None, url: format!("unix:{}", path.display()) }))
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Door {
    async fn accept(&self) -> io::Result<Caller> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Caller::Tcp(stream, peer.ip().to_canonical()))
            }
            Self::Unix(socket) => Ok(Caller::Unix(socket.listener.accept().await?.0)),
        }
    }
}

struct Listener {
    name: &'static str,
    admission: Admission,
    edge: Arc<Edge>,
    acceptor: Option<TlsAcceptor>,
    ids: crate::secret::IdSource,
    tasks: Tasks,
}

impl Listener {
    async fn run(self, door: Door, mut stopping: Stopping) {
        loop {
            tokio::select! {
                biased;
                () = stopping.wait() => break,
                accepted = door.accept() => match accepted {
                    Ok(caller) => self.take(caller),
                    Err(error) => self.rest(&error).await,
                },
            }
        }
        info!("`{}` takes no more connections", self.name);
    }

    /// A caller that hung up is nothing; a system without descriptors needs time.
    async fn rest(&self, error: &io::Error) {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        warn!("`{}` cannot accept: {error}", self.name);
        tokio::time::sleep(BREATH).await;
    }

    fn take(&self, caller: Caller) {
        let counted = match &caller {
            Caller::Tcp(_, peer) if !address::is_trusted(*peer, &self.edge.proxies) => Some(*peer),
            _ => None,
        };
        match self.admission.enter(counted) {
            Ok(place) => self.start(caller, place),
            Err(full) => {
                self.edge.metrics.connection_refused(full.name());
                debug!("`{}` is full: {full:?}", self.name);
            }
        }
    }

    fn start(&self, caller: Caller, place: Place) {
        let stopping = self.tasks.stopping();
        let requests = |peer: Peer, http2: bool, encrypted: bool| Requests {
            edge: Arc::clone(&self.edge),
            peer,
            encrypted,
            connection: u64::from_be_bytes(self.ids.bytes::<8>()),
            activity: Activity::new(http2),
        };
        match (caller, &self.acceptor) {
            (Caller::Unix(stream), _) => {
                let uid = stream.peer_cred().map(|peer| peer.uid()).ok();
                let requests = requests(Peer::Unix(uid), false, false);
                self.tasks.spawn("connection", async move {
                    let _place = place;
                    connection::serve(stream, requests, false, stopping).await;
                });
            }
            (Caller::Tcp(stream, peer), None) => {
                let requests = requests(Peer::Tcp(peer), false, false);
                self.tasks.spawn("connection", async move {
                    let _place = place;
                    prepare(&stream);
                    connection::serve(stream, requests, false, stopping).await;
                });
            }
            (Caller::Tcp(stream, peer), Some(acceptor)) => {
                let requests = requests(Peer::Tcp(peer), false, true);
                let (acceptor, limit) = (acceptor.clone(), self.edge.limits.handshake);
                self.tasks.spawn("connection", async move {
                    let _place = place;
                    prepare(&stream);
                    encrypted(stream, acceptor, limit, requests, stopping).await;
                });
            }
        }
    }
}

/// Small answers must not wait for an acknowledgement.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!("no TCP_NODELAY: {error}");
    }
}

async fn encrypted(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    limit: Duration,
    mut requests: Requests,
    mut stopping: Stopping,
) {
    let told = stopping.clone();
    let stream = tokio::select! {
        // A handshake holds nothing that a drain would have to wait for.
        () = stopping.wait() => return,
        shaken = tokio::time::timeout(limit, acceptor.accept(stream)) => match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return debug!("TLS handshake: {error}"),
            Err(_) => return debug!("a TLS handshake took longer than {limit:?}"),
        },
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    requests.activity = Activity::new(http2);
    connection::serve(stream, requests, http2, told).await;
}
