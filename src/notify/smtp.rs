//! The mail server: one connection, one mail after the other (RFC 5321).

use std::io;
use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use tokio::net::TcpStream;

use super::letter::Written;
use super::line::Line;
use crate::clock::Timestamp;
use crate::config::{Mail, MailSecurity};
use crate::error::Chain;

/// Longest answer of a server that is told on, in characters.
const MAX_TOLD: usize = 200;
/// Longest address, in bytes (RFC 5321 section 4.5.3.1.3, without its brackets).
const MAX_ADDRESS: usize = 254;

/// A step on the way of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The server is found, answers and greets.
    Connect,
    /// The connection is encrypted, and the server is who it says.
    Encrypt,
    /// The server knows us.
    SignIn,
    /// The server takes the mail.
    Deliver,
}

impl Step {
    /// The word for people and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Encrypt => "encrypt",
            Self::SignIn => "sign in",
            Self::Deliver => "deliver",
        }
    }
}

/// Why a mail was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", step.name())]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) reason: String,
    /// The server will never take this mail.
    pub(super) is_final: bool,
}

/// Whether a text is one address to which mail can go.
pub(super) fn parse_address(text: &str) -> Option<Address> {
    let address: Address = text.trim().parse().ok()?;
    (text.len() <= MAX_ADDRESS && !text.contains(char::is_control)).then_some(address)
}

/// What can be wrong with `[mail]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`mail.{key}` {reason}")]
pub struct Unusable {
    /// The key within the section.
    pub key: &'static str,
    /// What is wrong, as the rest of a sentence.
    pub reason: String,
}

/// The way to the mail server.
pub(super) struct Post {
    server: String,
    port: u16,
    security: MailSecurity,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    hello: ClientId,
    host: String,
    pub(super) timeout: Duration,
}

/// An open connection that takes mails.
pub(super) struct Connection(AsyncSmtpConnection);

impl Post {
    /// The way that a configuration describes; `host` is what we call ourselves.
    pub(super) fn new(mail: &Mail, host: &str) -> Result<Self, Unusable> {
        let wrong = |key, reason: &str| Unusable { key, reason: reason.to_owned() };
        let mailbox = |key, text: &str| {
            let example = "must be an address such as \"Sign-in <sso@example.com>\"";
            let parsed: Result<Mailbox, _> = text.parse();
            parsed.ok().filter(|_| !text.contains(char::is_control)).ok_or_else(|| wrong(key, example))
        };
        let from = mailbox("from", &mail.from)?;
        let reply_to = mail.reply_to.as_deref().map(|text| mailbox("reply_to", text)).transpose()?;
        let tls = match mail.security {
            MailSecurity::None => None,
            MailSecurity::StartTls | MailSecurity::Tls => Some(encryption(mail)?),
        };
        let login =
            mail.login.as_ref().map(|login| Credentials::new(login.user.clone(), login.password.expose().to_owned()));
        Ok(Self {
            server: mail.server.clone(),
            port: mail.port,
            security: mail.security,
            tls,
            login,
            from,
            reply_to,
            hello: client_id(host),
            host: host.to_owned(),
            timeout: mail.timeout,
        })
    }

    /// The mail as it is sent. `id` makes its name, by which servers know one that they get twice.
    pub(super) fn compose(
        &self,
        to: &Address,
        written: &Written,
        id: impl std::fmt::Display,
        at: Timestamp,
    ) -> Option<Message> {
        let millis = u64::try_from(at.as_millis()).unwrap_or(0);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(&written.subject)
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .message_id(Some(format!("<{id}@{}>", self.host)));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        let parts = MultiPart::alternative_plain_html(written.text.clone(), written.html.clone());
        let mut message = builder.multipart(parts).ok()?;
        // Programs that answer for people who are away leave it alone (RFC 3834 section 5).
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Some(message)
    }

    /// Whether this way has a step.
    pub(super) fn takes(&self, step: Step) -> bool {
        match step {
            Step::Connect | Step::Deliver => true,
            Step::Encrypt => self.tls.is_some(),
            Step::SignIn => self.login.is_some(),
        }
    }

    /// Opens a connection: found, encrypted, signed in. Tells each step that was taken.
    pub(super) async fn connect(&self, told: &mut Vec<Step>) -> Result<Connection, Failure> {
        let mut connection = match (self.security, &self.tls) {
            (MailSecurity::Tls, Some(tls)) => {
                let server = (self.server.as_str(), self.port);
                let wait = Some(self.timeout);
                let opened = AsyncSmtpConnection::connect_tokio1(server, wait, &self.hello, Some(tls.clone()), None);
                let opened = opened.await.map_err(|error| {
                    let step = if is_of_encryption(&error) { Step::Encrypt } else { Step::Connect };
                    failed(step, &error)
                })?;
                told.extend([Step::Connect, Step::Encrypt]);
                opened
            }
            (_, tls) => {
                let reached = |error: io::Error| Failure {
                    step: Step::Connect,
                    reason: told_on(&error.to_string()),
                    is_final: false,
                };
                let stream = TcpStream::connect((self.server.as_str(), self.port)).await.map_err(reached)?;
                let line = Box::new(Line::new(stream));
                let opened = AsyncSmtpConnection::connect_with_transport(line, &self.hello).await;
                let mut opened = opened.map_err(|error| failed(Step::Connect, &error))?;
                told.push(Step::Connect);
                if let Some(tls) = tls {
                    let encrypted = opened.starttls(tls.clone(), &self.hello).await;
                    encrypted.map_err(|error| failed(Step::Encrypt, &error))?;
                    told.push(Step::Encrypt);
                }
                opened
            }
        };
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let signed_in = connection.auth(&mechanisms, login).await;
            // What the server says to a refused password may repeat it.
            signed_in.map_err(|error| Failure {
                step: Step::SignIn,
                reason: match error.status() {
                    Some(code) => format!("the server refuses the user or the password ({code})"),
                    None => "the server does not let us sign in by user and password".to_owned(),
                },
                is_final: false,
            })?;
            told.push(Step::SignIn);
        }
        Ok(Connection(connection))
    }
}

impl Connection {
    /// Sends one mail. After a failure the connection is of no use.
    pub(super) async fn deliver(&mut self, message: &Message) -> Result<(), Failure> {
        let envelope: &Envelope = message.envelope();
        match self.0.send(envelope, &message.formatted()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(Step::Deliver, &error)),
        }
    }

    /// Says goodbye. A server that does not say so in time has taken the mails all the same.
    pub(super) async fn close(mut self, within: Duration) {
        tokio::time::timeout(within, self.0.abort()).await.unwrap_or_default();
    }
}

fn encryption(mail: &Mail) -> Result<TlsParameters, Unusable> {
    let wrong = |reason: String| Unusable { key: "ca", reason };
    let mut builder = TlsParameters::builder(mail.server.clone());
    if let Some(path) = &mail.ca {
        let pem = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let authorities = Certificate::from_pem(&pem).map_err(|_| wrong("has no certificate in PEM".to_owned()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authorities);
    }
    builder.build().map_err(|error| wrong(format!("cannot be used: {}", Chain(&error))))
}

/// Our name in the greeting: a domain, or the address in brackets (RFC 5321 section 4.1.3).
fn client_id(host: &str) -> ClientId {
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(std::net::IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(std::net::IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}

/// Only what the server says of this one mail is final; what it says to us may be mended.
fn failed(step: Step, error: &lettre::transport::smtp::Error) -> Failure {
    let said = Chain(error).to_string();
    let code = error.status().filter(|_| error.is_permanent()).map(u16::from);
    let is_of_mail = error.is_client() || code.is_some_and(|code| is_of_mail(code, &said));
    Failure { step, reason: told_on(&said), is_final: step == Step::Deliver && is_of_mail }
}

/// Whether a refusal is of this one mail: of its recipient (X.1.0 to X.1.6, X.2), its content (X.6) or its size (X.3.4) by
/// RFC 3463, and where no such code is told, by the replies to a recipient (RFC 5321 section 4.2.3). Whatever else is
/// refused is us: our sender, our right to send, our rate.
fn is_of_mail(code: u16, said: &str) -> bool {
    let enhanced = said.split_ascii_whitespace().find_map(|word| {
        let mut parts = word.trim_matches(|c: char| !c.is_ascii_digit()).split('.');
        let numbers = [parts.next()?.parse::<u16>().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?];
        (numbers[0] == 5 && parts.next().is_none()).then_some((numbers[1], numbers[2]))
    });
    match enhanced {
        Some((1, detail)) => detail <= 6,
        Some((2 | 6, _) | (3, 4)) => true,
        Some(_) => false,
        None => matches!(code, 550..=553),
    }
}

/// Whether a connection failed for what TLS says of it.
fn is_of_encryption(error: &lettre::transport::smtp::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    error.is_tls()
}

/// What somebody else's server said, in one line.
fn told_on(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_the_mail_itself_is_final() {
        for (code, said, is_final) in [
            (550, "permanent error (550): 5.1.1 no such user", true),
            (550, "permanent error (550): no such user", true),
            (552, "5.2.2 mailbox full", true),
            (552, "5.3.4 message too big", true),
            (554, "5.6.0 bad content", true),
            (530, "authentication required", false),
            (535, "5.7.8 bad credentials", false),
            (550, "5.1.8 bad sender's system address", false),
            (550, "5.7.1 relaying denied", false),
            (554, "transaction failed", false),
            (554, "rejected from [192.0.2.1] 10.0.0.1", false),
            (521, "this host takes no mail", false),
        ] {
            assert_eq!(is_of_mail(code, said), is_final, "{code} {said}");
        }
    }

    #[test]
    fn an_address_is_one_address_and_brings_no_header_with_it() {
        for good in ["ada@example.org", "ada+x@sub.example.org", " ada@example.org ", "\"a b\"@example.org"] {
            assert!(parse_address(good).is_some(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(300));
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example.org,eve@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org\nRCPT TO:<eve@example.org>",
            "Ada <ada@example.org>",
            "ada@exa mple.org",
            "ada\0@example.org",
            &long,
        ] {
            assert!(parse_address(bad).is_none(), "{bad:?}");
        }
    }
}
