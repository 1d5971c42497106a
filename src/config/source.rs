//! `[[scim]]` and `[[ldap]]`: who fills the directory.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::form::Percent;
use crate::model::SourceId;
use crate::secret::Secret;

/// `[[scim]]`: a provisioning connection; its tokens are made by `cleargate token create --connection ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scim {
    /// The id, unique among all sources and connectors.
    pub id: SourceId,
    /// The name to show; the id by default.
    pub name: String,
}

/// Which attributes, classes and operational ids a directory server uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdapPreset {
    /// `389ds`: 389 Directory Server, FreeIPA.
    Ds389,
    /// `active-directory`.
    ActiveDirectory,
    /// `openldap`, the default.
    OpenLdap,
}

/// The account that reads the directory.
#[derive(Clone, Debug)]
pub struct LdapBind {
    /// Its name, RFC 4514.
    pub dn: String,
    /// Its password.
    pub password: Secret,
}

/// How much a sync may take away before it stops and asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The share of known people or groups that one sync may remove or deactivate; default 5 %.
    pub removals: Percent,
    /// Removals up to this number are always allowed, so that small directories can shrink; default 10.
    pub at_least: u32,
}

/// Where people or groups are looked for, when the preset's answer is not right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LdapQuery {
    /// The subtree; `base` of the source by default.
    pub base: Option<String>,
    /// An RFC 4515 filter; the preset's by default.
    pub filter: Option<String>,
}

/// `[[ldap]]`: a directory that is pulled.
#[derive(Clone, Debug)]
pub struct Ldap {
    /// The id, unique among all sources and connectors.
    pub id: SourceId,
    /// The name to show; the id by default.
    pub name: String,
    /// `ldaps://host[:port]` or `ldap://host[:port]`, tried in order; at least one. `ldap` needs `start_tls` unless the
    /// host is loopback.
    pub servers: Vec<Url>,
    /// PEM file with the authorities to trust; the system's by default.
    pub ca: Option<PathBuf>,
    /// Whether `ldap://` connections are upgraded before anything is sent (RFC 4511 section 4.14).
    pub start_tls: bool,
    /// The account to read with; anonymous without.
    pub bind: Option<LdapBind>,
    /// The subtree everything is in, RFC 4514.
    pub base: String,
    /// The kind of server.
    pub preset: LdapPreset,
    /// Time between two syncs, 10 s to 7 d; default 5 min.
    pub every: Duration,
    /// The brake.
    pub guard: Guard,
    /// Whether its people may sign in with their directory password; default no.
    pub login: bool,
    /// Where people are.
    pub people: LdapQuery,
    /// Where groups are.
    pub groups: LdapQuery,
}
