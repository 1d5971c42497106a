//! A certificate authority for one run: the public listener and the directory show its certificates.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::clock::Timestamp;
use crate::sandbox::Failed;
use crate::secret::Secret;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long its certificates are valid, in days.
const DAYS: u32 = 30;

/// The authority. Its key is gone with it.
pub(super) struct Authority {
    /// Its certificate, which clients are to trust, in PEM.
    pub(super) certificate: String,
    issuer: Issuer<'static, KeyPair>,
    now: Timestamp,
}

/// A certificate with its chain and key, in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: Secret,
}

impl Authority {
    pub(super) fn new(now: Timestamp) -> Result<Self, Failed> {
        let failed = |error: rcgen::Error| Failed::while_doing("making a certificate authority", &error);
        let mut parameters = parameters(Vec::new(), "Cleargate demo authority", now)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = parameters.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(parameters, key), now })
    }

    /// A certificate for a server on this machine.
    pub(super) fn issue(&self) -> Result<Pair, Failed> {
        let failed = |error: rcgen::Error| Failed::while_doing("making a certificate", &error);
        let names = ["127.0.0.1", "localhost"].map(str::to_owned).to_vec();
        let mut parameters = parameters(names, "127.0.0.1", self.now)?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(failed)?;
        let chain = format!("{}{}", certificate.pem(), self.certificate);
        Ok(Pair { certificate: chain, key: Secret::new(key.serialize_pem()) })
    }
}

fn parameters(names: Vec<String>, name: &str, now: Timestamp) -> Result<CertificateParams, Failed> {
    let made = CertificateParams::new(names);
    let mut parameters = made.map_err(|error| Failed::while_doing("naming a certificate", &error))?;
    let (from, until) = (date(now.minus(DAY))?, date(now.plus(DAY.saturating_mul(DAYS)))?);
    parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}

/// Year, month and day of a moment in UTC.
fn date(moment: Timestamp) -> Result<(i32, u8, u8), Failed> {
    let failed = |error: &(dyn std::error::Error + 'static)| Failed::while_doing("dating a certificate", error);
    let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).map_err(|error| failed(&error))?;
    let day = moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    let number = |part: i8| u8::try_from(part).map_err(|error| failed(&error));
    Ok((day.year().into(), number(day.month())?, number(day.day())?))
}

impl Pair {
    /// What a server needs that shows this certificate.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, Failed> {
        let failed = |error: &(dyn std::error::Error + 'static)| Failed::while_doing("preparing TLS", error);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes()).map_err(|error| failed(&error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_single_cert(chain.map_err(|error| failed(&error))?, key)
            .map_err(|error| failed(&error))?;
        Ok(Arc::new(config))
    }
}
