//! A mail server of our own on loopback: it keeps what it takes, and behaves badly on demand.
//!
//! ```ignore
//! let server = MailServer::plain().await;
//! let gateway = TestGateway::with(&server.lines()).await;
//! …
//! assert_eq!(server.mails()[0].to, ["ada@example.org"]);
//! ```

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The name and password that the server knows.
pub const USER: (&str, &str) = ("cleargate", "a password of the mail server");

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    StartTls,
    Tls,
}

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes everything.
    Takes,
    /// Answers a command, by its first word, with this line.
    Answers(&'static str, &'static str),
    /// Says nothing at a command.
    HangsAt(&'static str),
    /// Takes the mail and is gone before it says so.
    GoneAfterData,
    /// Sends a line without an end in place of its greeting.
    Endless,
    /// Sends more together with its word to begin with TLS.
    Injects,
    /// Does not offer TLS.
    Bare,
}

/// A mail as the server got it.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Header and body as they came.
    pub data: String,
    pub encrypted: bool,
    pub user: Option<String>,
}

struct Shared {
    mails: Mutex<Vec<Mail>>,
    /// Every line that clients sent outside of mails.
    lines: Mutex<Vec<String>>,
    manner: Mutex<Manner>,
    kind: Kind,
    tls: TlsAcceptor,
    taken: Notify,
}

/// The server; it ends with the test.
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Its certificate, PEM.
    pub authority: String,
}

impl MailServer {
    pub async fn plain() -> Self {
        Self::start(Kind::Plain).await
    }

    pub async fn start(kind: Kind) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let shared = Arc::new(Shared {
            mails: Mutex::default(),
            lines: Mutex::default(),
            manner: Mutex::new(Manner::Takes),
            kind,
            tls: TlsAcceptor::from(Arc::new(config)),
            taken: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, shared, authority: made.cert.pem() }
    }

    /// `[mail]` of a gateway that sends by this server; what is encrypted needs `mail-ca.pem` and `mail-password` beside
    /// the configuration.
    pub fn lines(&self) -> String {
        let (security, more) = match self.shared.kind {
            Kind::Plain => ("none", String::new()),
            Kind::StartTls => ("starttls", signed_in()),
            Kind::Tls => ("tls", signed_in()),
        };
        let port = self.address.port();
        format!(
            "[mail]\nserver = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\n\
             from = \"Sign-in <sso@example.com>\"\nreply_to = \"help@example.com\"\ntimeout = \"5s\"\n{more}\n"
        )
    }

    /// The files that `lines` names.
    pub fn files(&self) -> [(&str, &str); 2] {
        [("mail-ca.pem", &self.authority), ("mail-password", USER.1)]
    }

    pub fn behaves(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// What it took so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().unwrap().clone()
    }

    /// The first mail to an address, once it is there.
    pub async fn mail_to(&self, address: &str) -> Mail {
        let found = || self.mails().into_iter().find(|mail| mail.to == [address]);
        let waited = async {
            loop {
                let taken = self.shared.taken.notified();
                if let Some(mail) = found() {
                    return mail;
                }
                taken.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waited).await.expect("no mail came")
    }

    /// Every line outside of mails.
    pub fn heard(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }
}

fn signed_in() -> String {
    format!("ca = \"mail-ca.pem\"\nuser = \"{}\"\npassword = {{ file = \"mail-password\" }}", USER.0)
}

impl Mail {
    /// A header's value.
    pub fn header(&self, name: &str) -> String {
        let head = self.data.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{}:", name.to_lowercase())));
        line.map(|line| line[name.len() + 1..].trim().to_owned()).unwrap_or_default()
    }

    /// The part that is text.
    pub fn text(&self) -> String {
        self.part("text/plain")
    }

    /// The part that is HTML.
    pub fn html(&self) -> String {
        self.part("text/html")
    }

    /// The one link of the text, without its origin.
    pub fn path(&self) -> String {
        let text = self.text();
        let start = text.find("http").unwrap_or_else(|| panic!("no link in {text}"));
        let link = text[start..].split_whitespace().next().unwrap();
        let path = link.split_once("://").unwrap().1;
        path[path.find('/').unwrap()..].to_owned()
    }

    fn part(&self, kind: &str) -> String {
        let start = self.data.find(&format!("Content-Type: {kind}")).unwrap_or_else(|| panic!("no {kind}"));
        let (head, rest) = self.data[start..].split_once("\r\n\r\n").unwrap();
        let body = rest.split("\r\n--").next().unwrap();
        let encoding = head.lines().find_map(|line| line.strip_prefix("Content-Transfer-Encoding: ")).unwrap_or("7bit");
        match encoding.trim() {
            "base64" => String::from_utf8(BASE64_STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
            "quoted-printable" => quoted(body),
            _ => body.replace("\r\n", "\n"),
        }
    }
}

/// Text out of quoted-printable (RFC 2045 section 6.7).
fn quoted(body: &str) -> String {
    let joined = body.replace("=\r\n", "").replace("\r\n", "\n");
    let mut bytes = Vec::new();
    let mut rest = joined.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    if shared.kind == Kind::Tls {
        let Ok(stream) = shared.tls.accept(stream).await else { return };
        let _ = Talk::new(shared, true).run(&mut BufReader::new(stream), true).await;
        return;
    }
    let mut stream = BufReader::new(stream);
    let talk = Talk::new(Arc::clone(&shared), false);
    if let Ok(true) = talk.run(&mut stream, true).await {
        let Ok(stream) = shared.tls.accept(stream.into_inner()).await else { return };
        let _ = Talk::new(shared, true).run(&mut BufReader::new(stream), false).await;
    }
}

struct Talk {
    shared: Arc<Shared>,
    encrypted: bool,
    user: Option<String>,
    from: String,
    to: Vec<String>,
}

impl Talk {
    fn new(shared: Arc<Shared>, encrypted: bool) -> Self {
        Self { shared, encrypted, user: None, from: String::new(), to: Vec::new() }
    }

    /// Talks until the client ends it, or asks for TLS: `true` then.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        stream: &mut BufReader<S>,
        greets: bool,
    ) -> std::io::Result<bool> {
        let manner = *self.shared.manner.lock().unwrap();
        if manner == Manner::Endless {
            let junk = vec![b'x'; 64 << 10];
            loop {
                stream.write_all(&junk).await?;
            }
        }
        if greets {
            stream.write_all(b"220 mail.example ESMTP\r\n").await?;
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            self.shared.lines.lock().unwrap().push(line.trim_end().to_owned());
            let word = line.split([' ', ':', '\r']).next().unwrap().to_uppercase();
            match manner {
                Manner::Answers(at, answer) if at == word => {
                    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
                    continue;
                }
                Manner::HangsAt(at) if at == word => std::future::pending().await,
                _ => {}
            }
            match word.as_str() {
                "EHLO" => stream.write_all(self.greeting(manner).as_bytes()).await?,
                "STARTTLS" => {
                    let more = if manner == Manner::Injects { "250 mail.example\r\n235 ok\r\n250 ok\r\n" } else { "" };
                    stream.write_all(format!("220 go on\r\n{more}").as_bytes()).await?;
                    return Ok(true);
                }
                "AUTH" => {
                    let given = line.split_whitespace().nth(2).unwrap_or_default();
                    let given = String::from_utf8(BASE64_STANDARD.decode(given).unwrap_or_default()).unwrap();
                    let is_right = given == format!("\0{}\0{}", USER.0, USER.1);
                    self.user = is_right.then(|| USER.0.to_owned());
                    let answer = if is_right { "235 welcome" } else { "535 wrong" };
                    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
                }
                "MAIL" => {
                    self.from = between(&line);
                    stream.write_all(b"250 ok\r\n").await?;
                }
                "RCPT" => {
                    self.to.push(between(&line));
                    stream.write_all(b"250 ok\r\n").await?;
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    self.data(stream).await?;
                    if manner == Manner::GoneAfterData {
                        return Ok(false);
                    }
                    stream.write_all(b"250 taken\r\n").await?;
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    return Ok(false);
                }
                _ => stream.write_all(b"250 ok\r\n").await?,
            }
        }
    }

    fn greeting(&self, manner: Manner) -> String {
        let mut lines = vec!["250-mail.example"];
        if self.shared.kind == Kind::StartTls && !self.encrypted && manner != Manner::Bare {
            lines.push("250-STARTTLS");
        }
        if self.encrypted || manner == Manner::Bare {
            lines.push("250-AUTH PLAIN LOGIN");
        }
        lines.push("250 8BITMIME");
        format!("{}\r\n", lines.join("\r\n"))
    }

    async fn data<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> std::io::Result<()> {
        let mut data = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        let (from, to) = (std::mem::take(&mut self.from), std::mem::take(&mut self.to));
        let mail = Mail { from, to, data, encrypted: self.encrypted, user: self.user.clone() };
        self.shared.mails.lock().unwrap().push(mail);
        self.shared.taken.notify_waiters();
        Ok(())
    }
}

/// What is between the brackets.
fn between(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(address, _)| address).to_owned()
}
