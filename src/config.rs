//! The configuration: what the administrator wrote ([`File`]) and what the program uses ([`Config`]).
//!
//! `cleargate.toml` and the files of `conf.d` beside it are merged in name order: tables key by key, a later value
//! replaces an earlier one, `[[…]]` lists grow. Every problem of every file is found in one run, each with its place,
//! what was expected there and the nearest valid key. Nothing here opens a connection, and no secret is ever written
//! in the file: it names a file or a systemd credential. Defaults are written once, where their section is resolved.

mod document;
mod factors;
mod form;
mod limits;
mod listen;
mod lockout;
mod mail;
mod mapping;
mod password;
mod policy;
mod problem;
mod resolve;
mod schema;
mod seats;
mod secrets;
mod section;
mod service;
mod sign_in;
mod signals;
mod source;
mod store;
mod test;
mod upstream;

use std::path::{Path, PathBuf};

pub use document::{File, Source};
pub use factors::Factors;
pub use form::{Domain, HostPort, MailRoute, Percent, Quota, parse_duration};
pub use limits::{Invitations, Limits, Session, Tokens};
pub use listen::{Listen, Tls};
pub use lockout::{Lockout, LockoutPreset};
pub use mail::{Mail, MailLogin, MailSecurity};
pub use mapping::{Gives, MappedGrant, Mapping};
pub use password::{CharacterClass, Hashing, Password, PasswordPreset};
pub use policy::{Pack, PackOption, Policy};
pub use problem::{Position, Problem, Severity};
pub use resolve::{resolve, schema};
pub use schema::{MAX_RESOURCE_TYPES, MAX_SCHEMAS};
pub use seats::{Plan, Seats};
pub use secrets::{Credentials, MasterKey, NotAKey, parse_master_key};
pub use section::Known;
pub use service::{Audit, Log, LogFormat, Notify, Outbound};
pub use sign_in::SignIn;
pub use signals::{SignalPoll, Signals};
pub use source::{Guard, Ldap, LdapBind, LdapPreset, LdapQuery, Passwords, Scim, TakesOver};
pub use store::Store;
pub use test::{Asked, AskedError, PolicyTest, TestSubject};
pub use upstream::{
    MAX_METADATA_BYTES, Oidc, OidcAlgorithm, OidcClaims, OidcKey, OidcPrompt, Saml, SamlAttributes, SamlMetadata,
    SamlRequests,
};
use url::Url;

use crate::model::schema::Schemas;

/// The configuration as used: complete, typed, checked. Services get their own section by value.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address people and providers use, an origin without path: `https://sso.example.com`. Plain HTTP only to
    /// loopback.
    pub public_url: Url,
    /// Whom people ask who are refused something: a name, an e-mail address or an address of a page.
    pub contact: Option<String>,
    /// Roles and permissions.
    pub policy: Policy,
    /// What was bought.
    pub plan: Plan,
    /// How many may have licensed roles; `None` when nobody counts.
    pub seats: Option<Seats>,
    /// Listeners.
    pub listen: Listen,
    /// The embedded store.
    pub store: Store,
    /// Provisioning connections.
    pub scim: Vec<Scim>,
    /// Schemas and resource types beside those of RFC 7643.
    pub schemas: Schemas,
    /// Directories that are pulled, and bound to at sign-in.
    pub ldap: Vec<Ldap>,
    /// SAML identity providers.
    pub saml: Vec<Saml>,
    /// OpenID providers.
    pub oidc: Vec<Oidc>,
    /// Rules from external groups to roles, in the order of the files.
    pub mappings: Vec<Mapping>,
    /// What must and what must not be allowed, in the order of the files.
    pub tests: Vec<PolicyTest>,
    /// What wrong passwords lead to.
    pub lockout: Lockout,
    /// What a password must be and how it is hashed.
    pub password: Password,
    /// Who must have a second factor.
    pub factors: Factors,
    /// By what people may sign in.
    pub sign_in: SignIn,
    /// How long a session lasts.
    pub session: Session,
    /// How long an invitation lasts.
    pub invitations: Invitations,
    /// How long a token lasts.
    pub tokens: Tokens,
    /// Request rates.
    pub limits: Limits,
    /// The ledger.
    pub audit: Audit,
    /// The way out for mail; `None` when there is none.
    pub mail: Option<Mail>,
    /// Channels for messages.
    pub notify: Vec<Notify>,
    /// Where the program may connect to on its own.
    pub outbound: Outbound,
    /// What is logged.
    pub log: Log,
    /// What is allowed but deserves a look: deviations from a standard, settings without effect in this release.
    pub warnings: Vec<Problem>,
}

/// Reads, merges and checks the file at `path` and `conf.d/*.toml` beside it.
///
/// Secrets are read here. Relative paths are relative to the folder of `path`.
///
/// # Errors
/// Every problem of all files, in the order of the files; never empty.
pub fn load(path: &Path, credentials: &Credentials) -> Result<Config, Vec<Problem>> {
    let file = File::read(path)?;
    resolve(&file, credentials)
}

/// Where the configuration is when nobody says otherwise.
pub fn default_path() -> PathBuf {
    PathBuf::from("/etc/cleargate/cleargate.toml")
}
