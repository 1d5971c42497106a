//! `[mail]`: the server that takes mail, and in whose name it is sent.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use crate::secret::Secret;

/// How the connection to the mail server is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// `none`: not at all; only to this machine.
    None,
    /// `starttls`, the default: encrypted before anything is told (RFC 3207), or nothing is told.
    StartTls,
    /// `tls`: encrypted from the start (RFC 8314 section 3).
    Tls,
}

/// Who we are to the mail server.
#[derive(Clone, Debug)]
pub struct MailLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The host: a name or an address.
    pub server: String,
    /// The port; by default 587, with `tls` 465, with `none` 25.
    pub port: u16,
    /// How the connection is kept from others.
    pub security: MailSecurity,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Who we are there; nobody by default.
    pub login: Option<MailLogin>,
    /// In whose name mail is sent: `Sign-in <sso@example.com>`.
    pub from: String,
    /// Where answers go; by default to the sender.
    pub reply_to: Option<String>,
    /// How long one mail may take, connection included; 5 s to 5 min, default 30 s.
    pub timeout: Duration,
    /// Most mails in a minute; default 120.
    pub per_minute: u32,
    /// Whether people are told that somebody gave them a role or ended one of theirs; default true.
    pub tell_access: bool,
}

impl Mail {
    /// The section, `None` where it is not written or lacks what it needs.
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let (server, from): (Option<String>, Option<String>) = if section.is_present() {
            (section.required("server"), section.required("from"))
        } else {
            (section.optional("server"), section.optional("from"))
        };
        let words = [("none", MailSecurity::None), ("starttls", MailSecurity::StartTls), ("tls", MailSecurity::Tls)];
        let security = section.choice("security", MailSecurity::StartTls, &words);
        let usual = match security {
            MailSecurity::None => 25,
            MailSecurity::StartTls => 587,
            MailSecurity::Tls => 465,
        };
        let port = section.between("port", usual, 1, u32::from(u16::MAX));
        let ca = section.file("ca");
        let login = login(section);
        let reply_to = section.optional("reply_to");
        let second = Duration::from_secs(1);
        let timeout = section.between("timeout", 30 * second, 5 * second, 300 * second);
        let per_minute = section.between("per_minute", 120, 1, 10_000);
        let tell_access = section.or("tell_access", true);
        let (server, from) = (server?, from?);
        if server.contains(['/', '@', ' ']) {
            section.error("server", "must be a host such as \"smtp.example.com\"; the port has a key of its own", None);
        }
        if security == MailSecurity::None && !is_loopback(&server) {
            let help = "write `security = \"starttls\"` or `security = \"tls\"`".to_owned();
            section.error("security", "must not be \"none\" to another machine: mail has secrets in it", Some(help));
        }
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        Some(Self { server, port, security, ca, login, from, reply_to, timeout, per_minute, tell_access })
    }
}

fn login(section: &Section<'_>) -> Option<MailLogin> {
    let user: Option<String> = section.optional("user");
    let password = section.secret("password");
    if section.has("user") && !section.has("password") {
        section.missing("password", "must be `{ file = \"…\" }` or `{ credential = \"…\" }`");
    }
    if section.has("password") && !section.has("user") {
        section.missing("user", "must be the name that goes with the password");
    }
    Some(MailLogin { user: user?, password: password? })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
