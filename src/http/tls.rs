//! The certificate of a listener: read and checked at start, replaced while connections go on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::info;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Error;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// A certificate chain with its key, read from two PEM files. Cloning shares it: what one reloads, all serve.
#[derive(Clone)]
pub struct Certificates(Arc<Shared>);

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(RwLock<Loaded>);

#[derive(Clone, Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    expires: Timestamp,
}

impl Certificates {
    /// Reads both files: `certificate` holds the chain with the server's own certificate first, `key` its private key
    /// (PKCS #8, SEC 1 or PKCS #1).
    ///
    /// # Errors
    /// `Certificate` when a file cannot be read or holds no PEM of its kind, when key and certificate do not belong
    /// together, or when the certificate is not valid at `now`.
    pub fn open(certificate: &Path, key: &Path, now: Timestamp) -> Result<Self, Error> {
        let loaded = load(certificate, key, now)?;
        Ok(Self(Arc::new(Shared {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: Arc::new(Current(RwLock::new(loaded))),
        })))
    }

    /// Reads the files again. New connections get the new certificate, those that are open go on.
    ///
    /// # Errors
    /// As [`Certificates::open`]; the certificate in use stays.
    pub fn reload(&self, now: Timestamp) -> Result<(), Error> {
        let loaded = load(&self.0.certificate, &self.0.key, now)?;
        info!("certificate `{}` is in use, valid until {}", self.0.certificate.display(), loaded.expires);
        *self.0.current.0.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// When the certificate in use ends to be valid.
    pub fn expires(&self) -> Timestamp {
        self.0.current.0.read().unwrap_or_else(PoisonError::into_inner).expires
    }

    /// TLS 1.3 and 1.2 with the protocols HTTP/2 and HTTP/1.1.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&self.0.current);
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| self.refused(&error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn refused(&self, reason: &str) -> Error {
        refused(&self.0.certificate, reason)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.0.certificate.display())
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::Certificate { path: path.to_owned(), reason: reason.to_owned() }
}

fn load(certificate: &Path, key: &Path, now: Timestamp) -> Result<Loaded, Error> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| refused(path, &format!("cannot be read: {error}")));
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(certificate, &format!("is no PEM certificate: {error}")))?;
    let Some(own) = chain.first() else {
        return Err(refused(certificate, "holds no certificate"));
    };
    let expires = check_validity(own, now).map_err(|reason| refused(certificate, &reason))?;
    let private = PrivateKeyDer::from_pem_slice(&zeroize::Zeroizing::new(read(key)?))
        .map_err(|_| refused(key, "holds no private key in PEM"))?;
    let provider: CryptoProvider = aws_lc_rs::default_provider();
    let loaded = CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            refused(key, &format!("does not belong to certificate `{}`", certificate.display()))
        }
        other => refused(key, &format!("cannot be used: {other}")),
    })?;
    Ok(Loaded { key: Arc::new(loaded), expires })
}

fn check_validity(certificate: &CertificateDer<'_>, now: Timestamp) -> Result<Timestamp, String> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|error| format!("is no X.509 certificate: {error}"))?;
    let validity = parsed.validity();
    let (from, until) = (
        Timestamp::from_seconds(validity.not_before.timestamp()),
        Timestamp::from_seconds(validity.not_after.timestamp()),
    );
    if now < from {
        return Err(format!("is not valid before {from}"));
    }
    if now > until {
        return Err(format!("expired at {until}"));
    }
    Ok(until)
}

/// A certificate that signs itself, for development and tests.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// The certificate in PEM; clients trust it as their root.
    pub certificate: String,
    /// Its private key in PEM, PKCS #8.
    pub key: Secret,
}

impl SelfSigned {
    /// A certificate for `names` (host names and addresses), valid from the day before `now` for `days` days, with a
    /// P-256 key. Days are whole days in UTC.
    ///
    /// # Errors
    /// `Certificate` when a name cannot stand in a certificate.
    pub fn new(names: &[&str], now: Timestamp, days: u32) -> Result<Self, Error> {
        let fail = |error: &dyn fmt::Display| refused(Path::new("(self-signed)"), &error.to_string());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names.clone()).map_err(|error| fail(&error))?;
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        let (from, until) = date(now.minus(day))
            .zip(date(now.plus(day.saturating_mul(days))))
            .ok_or_else(|| fail(&"its time is out of range"))?;
        parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let name = names.first().map_or("localhost", String::as_str);
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = rcgen::KeyPair::generate().map_err(|error| fail(&error))?;
        let certificate = parameters.self_signed(&key).map_err(|error| fail(&error))?;
        Ok(Self { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) })
    }
}

/// Year, month and day in UTC.
fn date(moment: Timestamp) -> Option<(i32, u8, u8)> {
    let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).ok()?;
    let day = moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    Some((day.year().into(), u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?))
}
