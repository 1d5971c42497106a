//! `[[scim]]` and `[[ldap]]`: who fills the directory.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::form::{Percent, Quota};
use super::section::{Section, check_url, list, nearest};
use crate::model::{REALMS, Realm, SourceId};
use crate::secret::Secret;

/// The word for what administrators keep, in `takes_over`.
pub(super) const BY_HAND: &str = "by-hand";

/// `[[scim]]`: a provisioning connection; its tokens are made by `cleargate token create --connection ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scim {
    /// The id, unique among all sources and connectors.
    pub id: SourceId,
    /// The name to show; the id by default.
    pub name: String,
    /// Requests of all its tokens together; `limits.scim` by default.
    pub rate: Quota,
    /// Whose users and groups it may change, and owns from then on; nobody's by default.
    pub takes_over: TakesOver,
    /// How many users, and how many groups, it may deactivate or delete within an hour before it is paused.
    pub brake: Guard,
    /// What becomes of the passwords that it sends; ignored by default.
    pub passwords: Passwords,
    /// Whether its last requests are kept in memory for administrators to look at; default yes.
    pub log: bool,
    /// Whose accounts it makes; default those of staff.
    pub realm: Realm,
}

/// What a connection may take over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakesOver {
    /// What these sources own.
    pub sources: Vec<SourceId>,
    /// `by-hand`: what administrators keep.
    pub by_hand: bool,
}

/// What becomes of passwords that a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// `ignore`: they are dropped; clients send random ones to everybody.
    Ignore,
    /// `set`: they are set, whatever the policy for passwords says of them.
    Set,
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

/// How much a sync, or a connection within an hour, may take away before it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The share of known people or groups that may be removed or deactivated; default 5 %.
    pub removals: Percent,
    /// Removals up to this number are always allowed, so that small sources can shrink; default 10.
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
    /// The account to read with; the gateway does not start without one.
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
    /// Most wrong passwords of one account that are carried to the directory within `bind_window`, 1 to 100; by default 4,
    /// or `lockout.attempts` where that is less.
    pub bind_attempts: Option<u32>,
    /// How long a wrong password counts for that; 1 min to 30 d, default 30 min, as most directories count.
    pub bind_window: Duration,
    /// Where people are.
    pub people: LdapQuery,
    /// Where groups are.
    pub groups: LdapQuery,
    /// Whose accounts it makes; default those of staff.
    pub realm: Realm,
}

impl Scim {
    /// `owners` are the ids of all sources that own what they bring, `rate` is `limits.scim`.
    pub(super) fn resolve(section: &Section<'_>, owners: &[&str], rate: Quota) -> Option<Self> {
        let id = section.required::<SourceId>("id");
        let name = section.optional("name");
        let rate = section.optional("rate").unwrap_or(rate);
        let takes_over = TakesOver::resolve(section, owners);
        let brake = Guard::resolve(&section.table("brake"));
        let words = [("ignore", Passwords::Ignore), ("set", Passwords::Set)];
        let passwords = section.choice("passwords", Passwords::Ignore, &words);
        let log = section.or("log", true);
        let realm = section.choice("realm", Realm::Staff, &REALMS);
        let id = id?;
        let name = name.unwrap_or_else(|| id.to_string());
        Some(Self { id, name, rate, takes_over, brake, passwords, log, realm })
    }
}

impl TakesOver {
    fn resolve(section: &Section<'_>, owners: &[&str]) -> Self {
        let mut takes_over = Self::default();
        for source in section.list::<SourceId>("takes_over", Vec::new()) {
            if source.as_str() == BY_HAND {
                takes_over.by_hand = true;
            } else if section.peek("id") == Some(source.as_str()) {
                section.error("takes_over", "names the connection itself, which changes its own anyway", None);
            } else if owners.contains(&source.as_str()) {
                takes_over.sources.push(source);
            } else {
                let known = || owners.iter().copied().filter(|id| section.peek("id") != Some(*id)).chain([BY_HAND]);
                let help = nearest(source.as_str(), known()).map(|near| format!("did you mean `{near}`?"));
                let reason = format!("names `{source}`, which owns nothing; there is {}", list(known()));
                section.error("takes_over", &reason, help);
            }
        }
        takes_over
    }
}

impl Ldap {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        const DAY: Duration = Duration::from_secs(86_400);
        let id = section.required::<SourceId>("id");
        let name = section.optional("name");
        let start_tls = section.or("start_tls", false);
        let servers = servers(section, start_tls);
        let base = section.required::<String>("base");
        if let Some(base) = &base
            && !is_dn(base)
        {
            section.error("base", "must be a distinguished name such as \"dc=corp,dc=example\"", None);
        }
        let ca = section.file("ca");
        let bind = LdapBind::resolve(&section.table("bind"));
        let presets = [
            ("389ds", LdapPreset::Ds389),
            ("active-directory", LdapPreset::ActiveDirectory),
            ("openldap", LdapPreset::OpenLdap),
        ];
        let preset = section.choice("preset", LdapPreset::OpenLdap, &presets);
        let every = section.between("every", Duration::from_secs(300), Duration::from_secs(10), 7 * DAY);
        let guard = Guard::resolve(&section.table("guard"));
        let login = section.or("login", false);
        let bind_attempts: Option<u32> = section.optional("bind_attempts");
        if bind_attempts.is_some_and(|attempts| !(1..=100).contains(&attempts)) {
            section.error("bind_attempts", "must be from 1 to 100, and less than what locks an account there", None);
        }
        let bind_window =
            section.between("bind_window", Duration::from_secs(30 * 60), Duration::from_secs(60), 30 * DAY);
        let people = LdapQuery::resolve(&section.table("people"));
        let groups = LdapQuery::resolve(&section.table("groups"));
        let realm = section.choice("realm", Realm::Staff, &REALMS);
        let id = id?;
        let name = name.unwrap_or_else(|| id.to_string());
        let base = base?;
        Some(Self {
            id,
            name,
            servers,
            ca,
            start_tls,
            bind,
            base,
            preset,
            every,
            guard,
            login,
            bind_attempts,
            bind_window,
            people,
            groups,
            realm,
        })
    }
}

fn servers(section: &Section<'_>, start_tls: bool) -> Vec<Url> {
    let texts: Vec<String> = section.list("servers", Vec::new());
    if section.is_empty_list("servers") {
        section.error("servers", "must name at least one server", None);
    } else if !section.has("servers") {
        section.missing("servers", "must be a list such as [\"ldaps://dc1.corp.example\"]");
    }
    let mut urls = Vec::new();
    for text in texts {
        // StartTLS makes a plain connection as good as `ldaps`, so that the rule about loopback does not hold then.
        let url = match check_url(&text, "ldaps", "ldap") {
            Err(_) if start_tls && check_url(&text, "ldap", "").is_ok() => check_url(&text, "ldap", ""),
            url => url,
        };
        match url {
            Ok(url) if !matches!(url.path(), "" | "/") || url.query().is_some() => {
                section.error("servers", "must have nothing after host and port", None);
            }
            Ok(url) if start_tls && url.scheme() == "ldaps" => {
                section.error("start_tls", "does not go with ldaps://, which is TLS from the start", None);
            }
            Ok(url) => urls.push(url),
            Err(reason) => {
                let help = "or set `start_tls = true`";
                let plain = text.starts_with("ldap://").then(|| help.to_owned());
                section.error("servers", &reason, plain);
            }
        }
    }
    urls
}

/// Whether it looks like RFC 4514: components with a name and a value.
fn is_dn(text: &str) -> bool {
    text.split(',')
        .any(|part| part.split_once('=').is_some_and(|(name, value)| !name.trim().is_empty() && !value.is_empty()))
}

impl LdapBind {
    fn resolve(section: &Section<'_>) -> Option<Self> {
        let dn = section.optional("dn");
        let password = section.secret("password");
        if section.is_present() {
            if !section.has("dn") {
                section.missing("dn", "must be the name of the account that reads the directory");
            }
            if !section.has("password") {
                section.missing("password", "must be `{ file = \"…\" }` or `{ credential = \"…\" }`");
            }
        }
        Some(Self { dn: dn?, password: password? })
    }
}

impl Guard {
    fn resolve(section: &Section<'_>) -> Self {
        // A department may leave in one night; half a company does not.
        Self { removals: section.or("removals", Percent::whole(5)), at_least: section.or("at_least", 10) }
    }
}

impl LdapQuery {
    fn resolve(section: &Section<'_>) -> Self {
        let base: Option<String> = section.optional("base");
        if base.as_deref().is_some_and(|base| !is_dn(base)) {
            section.error("base", "must be a distinguished name such as \"ou=people,dc=corp,dc=example\"", None);
        }
        let filter: Option<String> = section.optional("filter");
        if filter.as_deref().is_some_and(|filter| !filter.starts_with('(') || !filter.ends_with(')')) {
            section.error("filter", "must be an LDAP filter in parentheses, such as \"(objectClass=person)\"", None);
        }
        Self { base, filter }
    }
}
