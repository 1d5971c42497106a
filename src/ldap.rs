//! LDAP client (RFC 4511): connect, bind, read. It writes nothing to a directory and follows no referral.
//!
//! The server is not trusted to be well: every byte it sends passes the module `guard` before a decoder sees it, a search is
//! complete or an error, and every wait has an end. `client` is the only file that knows the protocol library.
//!
//! TLS is the rule: LDAPS or StartTLS with a verified certificate. Plain connections need an explicit setting.

pub mod ber;
mod client;
pub mod entry;
pub mod filter;
mod guard;
pub mod message;
pub mod name;
pub mod schema;
mod tls;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::secret::Secret;

pub use client::{Connection, Scope, bind_as};
pub use entry::{Entry, StableId};
pub use filter::Filter;
pub use name::Dn;
pub use schema::{Place, Schema, Tree};

/// Why the directory server was of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with an error code (RFC 4511 appendix A).
    #[error("the server answered {operation} with code {code} ({}){}", code_name(*.code), quoted(.text))]
    Answered {
        /// What was asked.
        operation: &'static str,
        /// The result code.
        code: u32,
        /// The server's diagnostic text, cleaned of control characters.
        text: String,
    },
    /// The bind was refused.
    #[error("the bind was refused")]
    Bind(#[source] Refusal),
    /// A search did not come to its end; what came is thrown away.
    #[error("the result is not complete: {reason}")]
    Incomplete {
        /// How that shows.
        reason: String,
    },
    /// The settings cannot be used.
    #[error("`{field}` {reason}")]
    Invalid {
        /// Which setting.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer in time. The connection is of no further use.
    #[error("no end of {operation} after {} s", .after.as_secs())]
    Late {
        /// What was asked.
        operation: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The server broke the protocol. The connection is of no further use.
    #[error("the server broke the protocol: {reason}")]
    Protocol {
        /// How.
        reason: String,
    },
    /// No server can be reached, or the connection has ended.
    #[error("{reason}")]
    Unavailable {
        /// Which servers were tried and what each said.
        reason: String,
    },
}

/// Why a directory did not accept a name and password. Expiry is told only after the right password, by Active
/// Directory and by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account is disabled (Active Directory 533) or has ended (701).
    #[error("the account is disabled or has ended")]
    Disabled,
    /// The password is right and has expired (532), or must be changed first (773). Other servers accept the bind then and
    /// say in a control that it is good for nothing else.
    #[error("the password has expired or must be changed")]
    Expired,
    /// The account is locked (775; 389 Directory Server answers with code 19). Comes with right and with wrong passwords.
    #[error("the account is locked by the directory")]
    Locked,
    /// Not from here or not now (530, 531), or refused by the server's policy (codes 50 and 53).
    #[error("the directory's policy does not allow it")]
    Policy,
    /// Wrong name or password.
    #[error("wrong name or password")]
    Wrong,
}

/// Why a person's bind gave no proof.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The directory could not be asked.
    #[error(transparent)]
    Failed(#[from] Error),
    /// The directory said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The password was sent, and no answer came, in time or at all, or one that says neither yes nor no: the directory
    /// may have counted it.
    #[error(transparent)]
    Unanswered(Error),
}

/// How a connection to a server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `ldap://`: StartTLS, or plain when that is allowed.
    Ldap,
    /// `ldaps://`: TLS from the first byte.
    Ldaps,
}

/// The address of a directory server: `ldaps://dc1.corp.example`, `ldap://10.0.0.5:3389`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How it is protected.
    pub scheme: Scheme,
    /// Name or address; the name that its certificate must carry.
    pub host: String,
    /// Port; 389 and 636 by default.
    pub port: u16,
}

impl FromStr for Server {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::Invalid { field: "servers", reason: format!("{reason}: {text}") };
        let url = url::Url::parse(text).map_err(|_| invalid("must be ldap:// or ldaps:// addresses"))?;
        let (scheme, port) = match url.scheme() {
            "ldap" => (Scheme::Ldap, 389),
            "ldaps" => (Scheme::Ldaps, 636),
            _ => return Err(invalid("must start with ldap:// or ldaps://")),
        };
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !bare || !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(invalid("must be scheme, host and port only"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| invalid("must name a host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { scheme, host, port: url.port().unwrap_or(port) })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Ldap => "ldap",
            Scheme::Ldaps => "ldaps",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// How to reach a directory and as whom.
#[derive(Clone, Debug)]
pub struct LdapSettings {
    /// Servers in the order in which they are tried.
    pub servers: Vec<Server>,
    /// Certificates in PEM that sign the servers' ones; `None` means the machine's own.
    pub ca_pem: Option<String>,
    /// Whether `ldap://` servers are asked for TLS (RFC 4511 section 4.14).
    pub start_tls: bool,
    /// Whether `ldap://` servers are used without TLS.
    pub allow_plain: bool,
    /// The service account's DN.
    pub bind_dn: String,
    /// The service account's password.
    pub bind_password: Secret,
    /// Entries asked for in one page; Active Directory gives at most 1,000.
    pub page_size: u16,
    /// Most entries of one search.
    pub max_entries: usize,
    /// Most bytes of values of one search.
    pub max_result_bytes: usize,
    /// Most bytes of one message, at most [`MAX_FRAME_BYTES`].
    pub max_frame_bytes: usize,
    /// Limit of a TCP connection's opening; the next server is tried after it.
    pub connect_timeout: Duration,
    /// Limit of a TLS handshake, of a bind and of each page of a search.
    pub operation_timeout: Duration,
    /// Limit of one whole search.
    pub search_timeout: Duration,
}

/// The largest message that any setting allows.
pub const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;

impl LdapSettings {
    /// Settings with StartTLS and the usual limits.
    pub fn new(servers: Vec<Server>, bind_dn: String, bind_password: Secret) -> Self {
        Self {
            servers,
            ca_pem: None,
            start_tls: true,
            allow_plain: false,
            bind_dn,
            bind_password,
            page_size: 1000,
            max_entries: 2_000_000,
            max_result_bytes: 1024 * 1024 * 1024,
            max_frame_bytes: 16 * 1024 * 1024,
            connect_timeout: Duration::from_secs(2),
            operation_timeout: Duration::from_secs(30),
            search_timeout: Duration::from_secs(600),
        }
    }
}

/// The name of a result code, for people.
fn code_name(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "a critical extension is not available",
        13 => "confidentiality required",
        16 => "no such attribute",
        19 => "constraint violation",
        32 => "no such object",
        34 => "invalid DN",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        80 => "other",
        _ => "unknown",
    }
}

/// A diagnostic text as the tail of a message.
fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// At most 200 characters of a server's text without control characters.
fn cleaned(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_addresses_read_and_print() {
        for (text, printed) in [
            ("ldaps://dc1.corp.example", "ldaps://dc1.corp.example:636"),
            ("ldap://10.0.0.5", "ldap://10.0.0.5:389"),
            ("ldap://10.0.0.5:3389/", "ldap://10.0.0.5:3389"),
            ("ldaps://[::1]:6360", "ldaps://[::1]:6360"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), printed);
        }
        for wrong in
            ["", "dc1.corp.example", "https://dc1", "ldap://", "ldaps://u:p@dc1", "ldaps://dc1/dc=x", "ldap://dc1?cn"]
        {
            assert!(wrong.parse::<Server>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_settings_do_not_print_the_password() {
        let settings = LdapSettings::new(Vec::new(), "cn=sync".into(), Secret::new("hunter2".into()));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_server_text_is_cut_and_cleaned() {
        assert_eq!(cleaned("80090308: \u{0}\r\nx\u{1b}[2J"), "80090308:    x [2J");
        assert_eq!(cleaned(&"a".repeat(1000)).len(), 200);
    }
}
