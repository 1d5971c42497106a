//! Everything that the play needs: a folder with certificates, secrets and a configuration, the sandbox directory and
//! providers, and a gateway that was started from that configuration and nothing else.

mod authority;
pub mod cast;
mod hosting;
pub mod settings;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::Failed;
use super::browser::Browser;
use super::client::Client;
use super::directory::{Directory, Encryption};
use super::openid::{self, KnownClient, Provider, SigningKey, Tamper};
use super::play::Step;
use super::saml::{self, Idp, IdpKey, KeyKind};
use crate::access::NewGrant;
use crate::config::{self, Config, Credentials};
use crate::directory::SourceRecord;
use crate::gateway::{Foundation, Gateway, Listening};
use crate::http::outbound::{Outbound, OutboundSettings};
use crate::model::{Attributes, Subject, TokenKind, User};
use crate::secret::Secret;
use authority::Authority;
use hosting::Place;
use settings::{CLIENT_ID, OKTA, PARTNERS, Places};

/// Most time for what is in flight when the demonstration ends.
const DRAIN: Duration = Duration::from_secs(20);

/// The stage.
pub struct Stage {
    foundation: Foundation,
    gateway: Gateway,
    listening: Listening,
    directory: Directory,
    outbound: Outbound,
    folder: PathBuf,
    /// The gateway's public address.
    pub url: Url,
    /// The SAML provider's address.
    pub saml: String,
    /// The OpenID provider's address.
    pub openid: String,
    /// The token of the provisioning connection.
    pub scim_token: Secret,
    /// A token that may do everything.
    pub admin_token: Secret,
    /// The password of everybody who has one.
    pub password: Secret,
    reader: Secret,
}

impl Stage {
    /// Sets up everything in `folder`, which exists and is nobody else's. `broken` spoils what that step needs.
    ///
    /// # Errors
    /// Whatever keeps the gateway or the sandbox from starting.
    pub async fn open(folder: &Path, foundation: Foundation, broken: Option<Step>) -> Result<Self, Failed> {
        let ids = foundation.ids.clone();
        let (password, reader, client_secret) = (passphrase(&foundation), ids.token(), ids.token());
        let authority = Authority::new(foundation.clock.now())?;
        let (public, private) = (authority.issue()?, authority.issue()?);
        for (name, text) in [
            ("ca.pem", authority.certificate.as_str()),
            ("tls.pem", public.certificate.as_str()),
            ("tls.key", public.key.expose()),
            ("corp.password", reader.expose()),
            ("partners.secret", client_secret.expose()),
        ] {
            write(&folder.join(name), text)?;
        }
        let directory = Directory::new(records(cast::company(password.expose(), reader.expose()))?);
        let directory_port = directory.start(&foundation.tasks, Encryption::Ldaps(private.server_config()?)).await;
        let directory_port = directory_port.map_err(|error| Failed::while_doing("starting the directory", &error))?;
        // The address must be in the configuration before the gateway can listen on it: kept until then.
        let kept = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let kept = kept.map_err(|error| Failed::while_doing("looking for a free port", &error))?;
        let port = kept.local_addr().map_err(|error| Failed::while_doing("looking for a free port", &error))?.port();
        let saml = show_saml(&foundation, broken)?;
        let callback = format!("https://127.0.0.1:{port}/oidc/{PARTNERS}/callback");
        let openid = show_openid(&foundation, client_secret, callback, broken)?;
        let places = Places { folder, port, directory_port: directory_port.port(), saml: &saml, openid: &openid };
        write(&folder.join("cleargate.toml"), &settings::text(&places, broken))?;
        let config = load(&folder.join("cleargate.toml"))?;
        let url = config.public_url.clone();
        let gateway = Gateway::open(config, foundation.clone()).await;
        let gateway = gateway.map_err(|error| Failed::while_doing("opening the gateway", &error))?;
        drop(kept);
        let listening = gateway.listen().map_err(|error| Failed::while_doing("starting the listeners", &error))?;
        let trusting = OutboundSettings { ca_pem: Some(authority.certificate.into_bytes()), ..Default::default() };
        let outbound = Outbound::new(trusting).map_err(|error| Failed::while_doing("making a client", &error))?;
        let (scim_token, admin_token) = tokens(&gateway).await?;
        people(&gateway, &password, broken).await?;
        let folder = folder.to_owned();
        Ok(Self {
            foundation,
            gateway,
            listening,
            directory,
            outbound,
            folder,
            url,
            saml,
            openid,
            scim_token,
            admin_token,
            password,
            reader,
        })
    }

    /// A file of the stage's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The address of health and metrics.
    pub fn operations(&self) -> &str {
        &self.listening.operations.url
    }

    /// An address of the gateway.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.as_str().trim_end_matches('/'))
    }

    /// A browser of somebody who trusts the stage's authority.
    pub fn browser(&self) -> Browser {
        Browser::new(self.outbound.clone())
    }

    /// The provisioning client.
    ///
    /// # Errors
    /// When its address is none.
    pub fn provisioner(&self) -> Result<Client, Failed> {
        self.client("/scim/v2", &self.scim_token, "application/scim+json")
    }

    /// The administrator's automation.
    ///
    /// # Errors
    /// When its address is none.
    pub fn automation(&self) -> Result<Client, Failed> {
        self.client("/api/v1", &self.admin_token, "application/json")
    }

    fn client(&self, path: &str, token: &Secret, content_type: &'static str) -> Result<Client, Failed> {
        let base = Url::parse(&self.at(path)).map_err(|error| Failed::while_doing("addressing the gateway", &error))?;
        Ok(Client::new(self.outbound.clone(), base, token.clone(), content_type))
    }

    /// The sandbox directory.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Lets the company in the directory change: three come, one goes.
    ///
    /// # Errors
    /// When a name is none, which a test would find.
    pub fn change_company(&self) -> Result<(), Failed> {
        self.directory.set_records(records(cast::company_later(self.password.expose(), self.reader.expose()))?);
        Ok(())
    }

    /// The gateway, for what happens on the machine itself.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// A link that signs the administrator in once, absolute.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn admin_link(&self) -> Result<Secret, Failed> {
        let failed = |error: &(dyn std::error::Error + 'static)| Failed::while_doing("making a one-time link", error);
        let found = self.gateway.directory().find_user_by_name(cast::ADMIN).await.map_err(|error| failed(&error))?;
        let admin = found.ok_or_else(|| Failed::new("the administrator is not there"))?;
        let permit = self.gateway.access().task_permit("demo", None);
        let link = self.gateway.login().one_time_link(&permit, &admin).await.map_err(|error| failed(&error))?;
        Ok(Secret::new(self.at(link.expose())))
    }

    /// Ends everything; what is in flight gets its time.
    pub async fn close(self) {
        let cut = self.foundation.tasks.join(DRAIN).await;
        if !cut.is_empty() {
            tracing::warn!("cut while stopping: {}", cut.join(", "));
        }
    }
}

/// Twenty characters that nobody guesses and everybody can copy.
fn passphrase(foundation: &Foundation) -> Secret {
    Secret::new(format!("try-{}", foundation.ids.token().expose().chars().take(16).collect::<String>()))
}

fn records<T, E: std::error::Error + 'static>(made: Result<T, E>) -> Result<T, Failed> {
    made.map_err(|error| Failed::while_doing("filling the directory", &error))
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    let failed = |error: std::io::Error| Failed::while_doing(format!("writing {}", path.display()), &error);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn load(path: &Path) -> Result<Config, Failed> {
    config::load(path, &Credentials::None).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failed::new(format!("the configuration has problems: {}", texts.join("; ")))
    })
}

/// Signs with a key that its metadata does not show.
fn show_saml(foundation: &Foundation, broken: Option<Step>) -> Result<String, Failed> {
    let failed = |error: saml::Error| Failed::while_doing("starting the SAML provider", &error);
    let place = Place::open("sandbox SAML provider", &foundation.tasks)?;
    let idp = || -> Result<Idp, saml::Error> {
        let key = IdpKey::generate(KeyKind::EcdsaP256, "sandbox")?;
        Ok(Idp::new(&place.base, cast::workforce(), key, foundation.clock.clone(), foundation.ids.clone()))
    };
    let honest = idp().map_err(failed)?;
    if broken == Some(Step::Saml) {
        let metadata = honest.metadata();
        let shown = axum::Router::new().route("/metadata", axum::routing::get(move || async move { metadata }));
        place.show(shown.fallback_service(saml::router(idp().map_err(failed)?)))?;
    } else {
        place.show(saml::router(honest))?;
    }
    Ok(place.base)
}

/// Puts another nonce into every ID token.
struct OtherNonce;

impl Tamper for OtherNonce {
    fn claims(&self, claims: &mut Map<String, Value>) {
        claims.insert("nonce".to_owned(), json!("of somebody else"));
    }
}

fn show_openid(
    foundation: &Foundation,
    secret: Secret,
    callback: String,
    broken: Option<Step>,
) -> Result<String, Failed> {
    let place = Place::open("sandbox OpenID provider", &foundation.tasks)?;
    let key = SigningKey::rs256("sandbox").map_err(|error| Failed::while_doing("making a key", &error))?;
    let client = KnownClient { id: CLIENT_ID.to_owned(), secret: Some(secret), redirect_uris: vec![callback] };
    let (clock, ids) = (foundation.clock.clone(), foundation.ids.clone());
    let provider = Provider::new(&place.base, Arc::new(key), client, cast::partners(), clock, ids);
    let provider = if broken == Some(Step::OpenId) { provider.tampered(OtherNonce) } else { provider };
    place.show(openid::router(provider))?;
    Ok(place.base)
}

/// The tokens of the provisioning connection and of the administrator.
async fn tokens(gateway: &Gateway) -> Result<(Secret, Secret), Failed> {
    let permit = gateway.access().task_permit("demo", None);
    let connection = parsed(OKTA)?;
    let scim = gateway.tokens().create(&permit, OKTA, TokenKind::Scim(connection), None).await;
    let everything = TokenKind::Management(vec![parsed("*:*")?], None, None);
    let admin = gateway.tokens().create(&permit, "demo", everything, None).await;
    match (scim, admin) {
        (Ok((scim, _)), Ok((admin, _))) => Ok((scim, admin)),
        (Err(error), _) | (_, Err(error)) => Err(Failed::while_doing("making a token", &error)),
    }
}

/// The accounts that the gateway itself keeps, made by the administrator of the machine.
async fn people(gateway: &Gateway, password: &Secret, broken: Option<Step>) -> Result<(), Failed> {
    let permit = gateway.access().task_permit("demo", None);
    for (name, shown, role) in [
        (cast::ADMIN, "Alex Admin", Some("system_administrator")),
        (cast::QUINN, "Quinn Hale", Some("viewer")),
        (cast::LEE, "Lee Park", None),
    ] {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failed::while_doing(format!("making the account {name}"), error)
        };
        let mut attributes = Attributes::default();
        attributes.0.insert("displayName".to_owned(), shown.into());
        let record = SourceRecord { external_id: None, user_name: parsed(name)?, active: Some(true), attributes };
        let user: User = gateway.directory().create_user(&permit, &record).await.map_err(|error| failed(&error))?;
        let other = Secret::new(format!("not {}", password.expose()));
        let secret = if name == cast::QUINN && broken == Some(Step::Password) { &other } else { password };
        gateway.credentials().set(&permit, &user, secret, false).await.map_err(|error| failed(&error))?;
        if let Some(role) = role {
            let grant = NewGrant::new(Subject::User(user.id), parsed(role)?);
            let given = gateway.access().grants().create(&permit, &gateway.access().roles(), grant).await;
            given.map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

/// A name that is written in this program.
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Failed>
where
    T::Err: std::error::Error + 'static,
{
    text.parse().map_err(|error| Failed::while_doing(format!("reading `{text}`"), &error))
}
