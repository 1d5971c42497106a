//! Opening the way to a server: TCP, then TLS at once or after StartTLS. No bind is sent before this has succeeded.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::message::{EXTENDED_RESPONSE, Message, start_tls_request};
use super::{Error, LdapSettings, Scheme, Server, ber, cleaned};

/// A stream to a server, plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The message id of our StartTLS request; the answer is read here, so that later ids may start at 1 again.
const START_TLS_ID: i32 = 1;
/// Longest answer to StartTLS, in bytes.
const MAX_START_TLS_ANSWER: usize = 16 * 1024;

/// Opens a protected way to `server`, or a plain one when the settings say so.
pub(super) async fn open(settings: &LdapSettings, server: &Server) -> Result<Box<dyn Stream>, Error> {
    let is_plain = server.scheme == Scheme::Ldap && !settings.start_tls;
    if is_plain && !settings.allow_plain {
        let reason = format!("must use TLS, or plain connections must be allowed explicitly: {server}");
        return Err(Error::Invalid { field: "servers", reason });
    }
    let address = (server.host.as_str(), server.port);
    let connecting = timeout(settings.connect_timeout, TcpStream::connect(address)).await;
    let stream = connecting
        .map_err(|_| unavailable(server, &"no connection in time"))?
        .map_err(|error| unavailable(server, &error))?;
    stream.set_nodelay(true).map_err(|error| unavailable(server, &error))?;
    if is_plain {
        return Ok(Box::new(stream));
    }
    let (config, name) = (client_config(settings)?, server_name(server)?);
    let protect = async {
        let stream = match server.scheme {
            Scheme::Ldap => start_tls(stream).await?,
            Scheme::Ldaps => stream,
        };
        let tls = TlsConnector::from(config).connect(name, stream).await;
        tls.map_err(|error| unavailable(server, &format_args!("TLS: {error}")))
    };
    match timeout(settings.operation_timeout, protect).await {
        Ok(stream) => Ok(Box::new(stream?)),
        Err(_) => Err(Error::Late { operation: "the TLS handshake", after: settings.operation_timeout }),
    }
}

fn unavailable(server: &Server, reason: &dyn std::fmt::Display) -> Error {
    Error::Unavailable { reason: format!("{server}: {reason}") }
}

fn server_name(server: &Server) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(server.host.clone())
        .map_err(|_| Error::Invalid { field: "servers", reason: format!("must name a host: {server}") })
}

/// The trust for the servers' certificates: the configured authorities only, or the machine's.
fn client_config(settings: &LdapSettings) -> Result<Arc<ClientConfig>, Error> {
    let invalid = |reason: String| Error::Invalid { field: "ca", reason };
    let mut roots = RootCertStore::empty();
    match &settings.ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| invalid(format!("is no PEM file: {error}")))?;
                roots.add(certificate).map_err(|error| invalid(format!("has an unusable certificate: {error}")))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(invalid("has no certificate, and no server can be trusted".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(format!("cannot be used: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Asks for TLS (RFC 4511 section 4.14). Bytes that come before the handshake in the clear are refused, because an
/// attacker could have put them there.
async fn start_tls(mut stream: TcpStream) -> Result<TcpStream, Error> {
    let broken = |error: ber::Error| Error::Protocol { reason: format!("the answer to StartTLS: {error}") };
    let lost =
        |error: std::io::Error| Error::Unavailable { reason: format!("the connection broke in StartTLS: {error}") };
    stream.write_all(&start_tls_request(START_TLS_ID)).await.map_err(lost)?;
    let mut answer = Vec::new();
    let size = loop {
        match ber::frame_size(&answer, MAX_START_TLS_ANSWER).map_err(broken)? {
            Some(size) if size <= answer.len() => break size,
            _ => {}
        }
        if stream.read_buf(&mut answer).await.map_err(lost)? == 0 {
            return Err(Error::Unavailable { reason: "the server closed the connection in StartTLS".to_owned() });
        }
    };
    if answer.len() != size {
        return Err(Error::Protocol { reason: "bytes in the clear after the answer to StartTLS".to_owned() });
    }
    let message = Message::parse(&answer).map_err(broken)?;
    message.check_answer().map_err(broken)?;
    if message.id != START_TLS_ID || message.operation.tag != EXTENDED_RESPONSE {
        return Err(Error::Protocol { reason: "another answer than the one to StartTLS".to_owned() });
    }
    match message.result().map_err(broken)? {
        (0, _) => Ok(stream),
        (code, text) => Err(Error::Answered {
            operation: "StartTLS",
            code: u32::try_from(code).unwrap_or_default(),
            text: cleaned(text),
        }),
    }
}
