//! How a connector's provider stands: what ends soon, when its document was read, and what is wrong with it.

use std::time::Duration;

use crate::clock::Timestamp;

/// How long before its end a certificate is told of.
pub const WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A certificate that a connector depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateUse {
    /// Whose and what for: `provider signing`, `our signing`, `our decryption`.
    pub usage: &'static str,
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// How a connector's provider stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The certificates in use.
    pub certificates: Vec<CertificateUse>,
    /// When the provider's document was read last, where it has an address.
    pub read: Option<Timestamp>,
    /// Until when the document may be used, if it says so.
    pub valid_until: Option<Timestamp>,
    /// Why the document could not be read or used when it was tried last.
    pub problem: Option<String>,
}

impl Health {
    /// The certificates that end within 30 days, or have ended.
    pub fn ending(&self, now: Timestamp) -> impl Iterator<Item = &CertificateUse> {
        let soon = now.plus(WARNING);
        self.certificates.iter().filter(move |certificate| certificate.expires <= soon)
    }
}
