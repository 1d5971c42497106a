//! Builds what the configuration names: connectors to sign in by, directories to pull from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Error, Foundation};
use crate::access::Access;
use crate::audit::Ledger;
use crate::config::{self, Config, OidcAlgorithm, OidcKey, OidcPrompt, SamlMetadata, SamlRequests, Tls};
use crate::directory::Directory;
use crate::error::Chain;
use crate::http::outbound::{Outbound, OutboundSettings};
use crate::login::Connector;
use crate::model::{OrganisationId, SourceId};
use crate::notify::{self, Outbox};
use crate::secret::MacKey;
use crate::session::Method;
use crate::sync::{Source, Sync};
use crate::upstream::bind::Bind;
use crate::upstream::oidc::{ClientAlgorithm, ClientKey, Demands, OidcConnector, OidcSettings, Prompt};
use crate::upstream::saml::{
    AttributeNames, Binding, FetchedSaml, FetchedSettings, IdpMetadata, MetadataPlace as Place, Openers, Options,
    OwnKey, OwnKeys, Reading, SamlConnector, Settings, Signers,
};
use crate::upstream::signals::{Transmitter, TransmitterSettings};
use crate::upstream::{Health, PasswordConnector};

/// Most bytes of what an OpenID provider sends.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// The way out for mail.
pub(super) fn outbox(
    config: &Config,
    foundation: &Foundation,
    ledger: &Ledger,
    master: &MacKey,
) -> Result<Outbox, Error> {
    let Foundation { clock, ids, metrics, .. } = foundation.clone();
    let services = notify::Services { clock, ids, ledger: ledger.clone(), metrics };
    let (mail, contact) = (config.mail.as_ref(), config.contact.as_deref());
    Outbox::new(services, OrganisationId::DEFAULT, master, mail, &config.public_url, contact)
        .map_err(|error| Error::configuration(format!("mail.{}", error.key), error.reason))
}

/// What in `[mail]` cannot be used.
pub(super) fn check_mail(config: &Config) -> Result<(), notify::Unusable> {
    config.mail.as_ref().map_or(Ok(()), notify::check)
}

pub(super) fn connectors(
    config: &Config,
    foundation: &Foundation,
    ledger: &Ledger,
) -> Result<BTreeMap<SourceId, Connector>, Error> {
    let mut connectors = BTreeMap::new();
    let openers = Workers::default();
    for saml in &config.saml {
        connectors.insert(saml.id.clone(), saml_connector(config, saml, foundation, ledger, &openers)?);
    }
    for oidc in &config.oidc {
        connectors.insert(oidc.id.clone(), oidc_connector(config, oidc, foundation)?);
    }
    Ok(connectors)
}

/// One of them; `None` when there is none of this id.
pub(super) fn connector(
    config: &Config,
    id: &SourceId,
    foundation: &Foundation,
    ledger: &Ledger,
) -> Result<Option<Connector>, Error> {
    let saml = config.saml.iter().find(|saml| saml.id == *id);
    let oidc = config.oidc.iter().find(|oidc| oidc.id == *id);
    match (saml, oidc) {
        (Some(saml), _) => saml_connector(config, saml, foundation, ledger, &Workers::default()).map(Some),
        (_, Some(oidc)) => oidc_connector(config, oidc, foundation).map(Some),
        (None, None) => Ok(None),
    }
}

fn outbound(config: &Config, key: &str, ca: Option<&Path>, most: usize) -> Result<Outbound, Error> {
    let ca_pem = match ca {
        None => None,
        Some(path) => {
            let read = std::fs::read(path);
            Some(read.map_err(|error| Error::configuration(format!("{key}.ca"), format!("cannot be read: {error}")))?)
        }
    };
    let allow = config.outbound.allow.iter().map(ToString::to_string).collect();
    let settings = OutboundSettings { ca_pem, allow, max_response_bytes: most, ..OutboundSettings::default() };
    Outbound::new(settings).map_err(|error| Error::configuration(format!("{key}.ca"), error))
}

fn domains(domains: &[config::Domain]) -> Vec<String> {
    domains.iter().map(|domain| domain.as_str().to_owned()).collect()
}

/// Our keys at a provider, or which of them cannot be used.
fn own_keys(saml: &config::Saml) -> Result<OwnKeys, Error> {
    let read = |name: &str, pairs: &[Tls]| -> Result<Vec<OwnKey>, Error> {
        let key = |number: usize| format!("saml.{}.{name}[{number}]", saml.id);
        pairs.iter().enumerate().map(|(number, pair)| own_key(&key(number), pair)).collect()
    };
    let keys = OwnKeys { signing: read("signing", &saml.signing)?, decryption: read("decryption", &saml.decryption)? };
    if let Some(number) = keys.decryption.iter().position(|key| !key.is_rsa()) {
        let key = format!("saml.{}.decryption[{number}]", saml.id);
        return Err(Error::configuration(key, "is no RSA key; nothing else is encrypted to"));
    }
    Ok(keys)
}

fn own_key(key: &str, pair: &Tls) -> Result<OwnKey, Error> {
    let read = |path: &Path| {
        let reason = |error| Error::configuration(key, format!("{} cannot be read: {error}", path.display()));
        std::fs::read(path).map(zeroize::Zeroizing::new).map_err(reason)
    };
    OwnKey::from_pem(&read(&pair.certificate)?, &read(&pair.key)?)
        .map_err(|error| Error::configuration(key, format!("cannot be used: {error}")))
}

/// What the files of a provider say: our keys, and its metadata where that is one. What cannot be read is not judged.
///
/// # Errors
/// `Configuration` when a file is there and cannot be used.
pub(super) fn saml_files(saml: &config::Saml) -> Result<Health, Error> {
    let is_readable = |path: &Path| std::fs::File::open(path).is_ok();
    let pairs = [&saml.signing[..], &saml.decryption].concat();
    let mut health = Health::default();
    if pairs.iter().all(|pair| is_readable(&pair.certificate) && is_readable(&pair.key)) {
        health.certificates = own_keys(saml)?.uses();
    }
    let theirs = match &saml.metadata {
        SamlMetadata::File(path) if is_readable(path) => Some(read_metadata(saml, path)?),
        SamlMetadata::Document(document) => Some(pasted_metadata(saml, document)?),
        SamlMetadata::File(_) | SamlMetadata::Url(_) => None,
    };
    if let Some(theirs) = theirs {
        health.certificates.extend(theirs.uses());
        health.valid_until = theirs.valid_until();
    }
    Ok(health)
}

fn read_metadata(saml: &config::Saml, path: &Path) -> Result<IdpMetadata, Error> {
    let key = format!("saml.{}.metadata.file", saml.id);
    let reading = reading(saml)?;
    // One byte more than it may have is refused then.
    let most = u64::try_from(reading.max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut document = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut document))
        .map_err(|error| Error::configuration(&key, format!("{} cannot be read: {error}", path.display())))?;
    IdpMetadata::parse_as(&document, &reading).map_err(|error| Error::configuration(&key, error))
}

fn pasted_metadata(saml: &config::Saml, document: &str) -> Result<IdpMetadata, Error> {
    let unusable = |error| Error::configuration(format!("saml.{}.metadata.document", saml.id), error);
    IdpMetadata::parse_as(document.trim().as_bytes(), &reading(saml)?).map_err(unusable)
}

fn reading(saml: &config::Saml) -> Result<Reading, Error> {
    let max_bytes = usize::try_from(saml.metadata_bytes).unwrap_or(usize::MAX);
    let signers = saml.metadata_signed_by.as_deref().map(|path| {
        let unusable = |reason: String| Error::configuration(format!("saml.{}.metadata.signed_by", saml.id), reason);
        let pem = std::fs::read(path).map_err(|e| unusable(format!("{} cannot be read: {e}", path.display())))?;
        Signers::from_pem(&pem).map_err(|error| unusable(error.reason))
    });
    Ok(Reading { max_bytes, entity: saml.metadata_entity.clone(), signers: signers.transpose()? })
}

/// Threads for what takes long about a SAML answer, for all connectors together.
struct Workers {
    opening: Openers,
    verifying: Openers,
}

impl Default for Workers {
    fn default() -> Self {
        Self { opening: Openers::default(), verifying: Openers::for_verifiers() }
    }
}

fn saml_options(saml: &config::Saml, openers: &Workers) -> Result<Options, Error> {
    Ok(Options {
        keys: Arc::new(own_keys(saml)?),
        requests: match saml.requests {
            SamlRequests::Either => None,
            SamlRequests::Post => Some(Binding::Post),
            SamlRequests::Redirect => Some(Binding::Redirect),
        },
        force_authn: saml.force_authn,
        contexts: saml.authn_contexts.clone(),
        allow_cbc: saml.allow_cbc,
        unsolicited: saml.idp_initiated,
        login_hint: saml.login_hint.clone(),
        openers: openers.opening.clone(),
        verifiers: openers.verifying.clone(),
    })
}

/// The metadata of a provider.
enum Theirs {
    /// As it stands in the configuration.
    Pasted(Box<IdpMetadata>),
    /// Where it is read, again and again.
    At(Place),
}

impl Theirs {
    fn of(config: &Config, saml: &config::Saml) -> Result<Self, Error> {
        Ok(match &saml.metadata {
            SamlMetadata::Document(document) => Self::Pasted(Box::new(pasted_metadata(saml, document)?)),
            SamlMetadata::File(path) => Self::At(Place::File(path.clone())),
            SamlMetadata::Url(address) => {
                let most = reading(saml)?.max_bytes;
                let outbound = outbound(config, &format!("saml.{}", saml.id), saml.ca.as_deref(), most)?;
                Self::At(Place::Address(address.clone(), outbound))
            }
        })
    }
}

fn saml_connector(
    config: &Config,
    saml: &config::Saml,
    foundation: &Foundation,
    ledger: &Ledger,
    openers: &Workers,
) -> Result<Connector, Error> {
    let public_url = config.public_url.as_str().trim_end_matches('/').to_owned();
    let mut attributes = AttributeNames::default();
    let given = [
        (&mut attributes.user_name, &saml.attributes.user_name),
        (&mut attributes.email, &saml.attributes.email),
        (&mut attributes.display_name, &saml.attributes.display_name),
        (&mut attributes.groups, &saml.attributes.groups),
    ];
    for (list, name) in given {
        if let Some(name) = name {
            *list = vec![name.clone()];
        }
    }
    let Foundation { clock, ids, .. } = foundation;
    let id = saml.id.clone();
    let trusted = domains(&saml.domains);
    let (options, clock_skew) = (saml_options(saml, openers)?, saml.clock_skew);
    let reading = reading(saml)?;
    let domains = trusted.clone();
    let redirect: Arc<dyn crate::upstream::RedirectConnector> = match Theirs::of(config, saml)? {
        Theirs::Pasted(idp) => {
            let settings = Settings { id, public_url, idp: *idp, clock_skew, attributes, domains, options };
            Arc::new(SamlConnector::new(settings, clock.clone(), ids.clone()))
        }
        Theirs::At(place) => {
            let settings = FetchedSettings { id, public_url, place, clock_skew, attributes, domains, options, reading };
            let connector = FetchedSaml::new(settings, ledger.clone(), clock.clone(), ids.clone());
            if let SamlMetadata::File(path) = &saml.metadata {
                connector.begin_with(|| read_metadata(saml, path))?;
            }
            Arc::new(connector)
        }
    };
    let linked = if saml.link_existing { trusted.clone() } else { Vec::new() };
    let told = Told { kind: "saml", id: &saml.id, ca: saml.ca.as_deref(), domains: &trusted, issuer: None, clock_skew };
    let signals = saml.signals.as_ref().map(|signals| transmitter(config, &told, signals, foundation)).transpose()?;
    Ok(Connector {
        redirect,
        label: saml.name.clone(),
        method: Method::Saml,
        declares: trusted,
        domains: linked,
        routes: saml.route.clone(),
        trusts_factors: saml.trusts_factors,
        signals,
    })
}

/// The connector of whose people signals tell.
struct Told<'a> {
    kind: &'static str,
    id: &'a SourceId,
    ca: Option<&'a Path>,
    domains: &'a [String],
    /// Whose its people are, where the configuration says it.
    issuer: Option<&'a str>,
    clock_skew: Duration,
}

/// Who tells signals about the people of a connector.
fn transmitter(
    config: &Config,
    connector: &Told<'_>,
    signals: &config::Signals,
    foundation: &Foundation,
) -> Result<Arc<Transmitter>, Error> {
    let Told { kind, id, ca, domains, issuer, clock_skew } = connector;
    let key = format!("{kind}.{id}.signals");
    let outbound = outbound(config, &format!("{kind}.{id}"), *ca, MAX_DOCUMENT_BYTES)?;
    let address = format!("{}/signals/{id}", config.public_url.as_str().trim_end_matches('/'));
    let own = issuer.iter().map(|issuer| (*issuer).to_owned()).chain([signals.issuer.clone()]);
    let settings = TransmitterSettings {
        id: (*id).clone(),
        issuer: signals.issuer.clone(),
        audience: if signals.audience.is_empty() { vec![address] } else { signals.audience.clone() },
        jwks: signals.jwks.clone(),
        subject_issuers: own.chain(signals.subject_issuers.iter().cloned()).collect(),
        domains: domains.to_vec(),
        push_token: signals.push_token.clone(),
        poll: signals.poll.as_ref().map(|poll| (poll.address.clone(), poll.token.clone())),
        every: signals.poll.as_ref().map(|poll| poll.every).unwrap_or_default(),
        max_age: signals.max_age,
        skew: *clock_skew,
    };
    let transmitter = Transmitter::new(settings, outbound, foundation.clock.clone());
    let transmitter = transmitter.map_err(|error| Error::configuration(format!("{key}.issuer"), error))?;
    Ok(Arc::new(transmitter))
}

/// Our key at an OpenID provider, or why it cannot be used.
fn client_key(section: &str, pair: &OidcKey) -> Result<ClientKey, Error> {
    let key = format!("{section}.client_key");
    let read = |path: &Path| {
        let reason = |error| Error::configuration(&key, format!("{} cannot be read: {error}", path.display()));
        std::fs::read(path).map(zeroize::Zeroizing::new).map_err(reason)
    };
    let algorithm = match pair.algorithm {
        OidcAlgorithm::Es256 => ClientAlgorithm::Es256,
        OidcAlgorithm::Ps256 => ClientAlgorithm::Ps256,
        OidcAlgorithm::Rs256 => ClientAlgorithm::Rs256,
    };
    let certificate = pair.certificate.as_deref().map(read).transpose()?;
    let certificate = certificate.as_ref().map(|pem| pem.as_slice());
    ClientKey::from_pem(&read(&pair.key)?, algorithm, pair.id.clone(), certificate)
        .map_err(|error| Error::configuration(&key, format!("cannot be used: {error}")))
}

/// What an OpenID provider is asked to make sure of.
fn demands(oidc: &config::Oidc) -> Demands {
    let prompt = oidc.prompt.map(|prompt| match prompt {
        OidcPrompt::Consent => Prompt::Consent,
        OidcPrompt::Login => Prompt::Login,
        OidcPrompt::SelectAccount => Prompt::SelectAccount,
    });
    Demands { is_anew: oidc.force_authn, max_age: oidc.max_age, contexts: oidc.authn_contexts.clone(), prompt }
}

fn oidc_connector(config: &Config, oidc: &config::Oidc, foundation: &Foundation) -> Result<Connector, Error> {
    let key = format!("oidc.{}", oidc.id);
    let outbound = outbound(config, &key, oidc.ca.as_deref(), MAX_DOCUMENT_BYTES)?;
    let mut settings = OidcSettings::new(oidc.id.clone(), &oidc.issuer, &oidc.client_id, config.public_url.clone());
    settings.client_secret.clone_from(&oidc.client_secret);
    settings.scopes.clone_from(&oidc.scopes);
    settings.user_name_claim.clone_from(&oidc.claims.user_name);
    settings.email_claim.clone_from(&oidc.claims.email);
    settings.display_name_claim.clone_from(&oidc.claims.display_name);
    settings.groups_claim.clone_from(&oidc.claims.groups);
    settings.client_key = oidc.client_key.as_ref().map(|pair| client_key(&key, pair)).transpose()?.map(Arc::new);
    settings.tenants.clone_from(&oidc.tenants);
    settings.hosted_domain = oidc.hosted_domain.as_ref().map(|domain| domain.as_str().to_owned());
    settings.groups_endpoint.clone_from(&oidc.groups_endpoint);
    settings.demands = demands(oidc);
    settings.logout = oidc.logout;
    settings.front_channel = oidc.frontchannel_logout;
    settings.skew = oidc.clock_skew;
    let connector = OidcConnector::new(settings, outbound, foundation.clock.clone(), foundation.ids.clone())
        .map_err(|error| Error::configuration(format!("{key}.{}", error.field), error.reason))?;
    let declares = domains(&oidc.domains);
    let linked = if oidc.link_existing { declares.clone() } else { Vec::new() };
    let told = Told {
        kind: "oidc",
        id: &oidc.id,
        ca: oidc.ca.as_deref(),
        domains: &declares,
        issuer: Some(&oidc.issuer),
        clock_skew: oidc.clock_skew,
    };
    let signals = oidc.signals.as_ref().map(|signals| transmitter(config, &told, signals, foundation)).transpose()?;
    let redirect = Arc::new(connector);
    Ok(Connector {
        redirect,
        label: oidc.name.clone(),
        method: Method::OpenIdConnect,
        declares,
        domains: linked,
        routes: oidc.route.clone(),
        trusts_factors: oidc.trusts_factors,
        signals,
    })
}

/// Directories that are pulled, by id.
pub type Syncs = BTreeMap<SourceId, Sync>;
/// Directories that check the passwords of their own people.
type Binds = BTreeMap<SourceId, Arc<dyn PasswordConnector>>;

pub(super) async fn directories(
    config: &Config,
    foundation: &Foundation,
    directory: &Directory,
    access: &Access,
    ledger: &Ledger,
) -> Result<(Syncs, Binds), Error> {
    let (mut syncs, mut binds) = (Syncs::new(), Binds::new());
    for section in &config.ldap {
        let id = section.id.clone();
        let source =
            Source::open(section).await.map_err(|error| Error::configuration(format!("ldap.{id}"), Chain(&error)))?;
        if section.login {
            let bind: Arc<dyn PasswordConnector> =
                Arc::new(Bind::new(id.clone(), source.tree.clone(), foundation.clock.clone()));
            binds.insert(id.clone(), bind);
        }
        let sync = Sync::new(source, directory.clone(), access.clone(), ledger.clone(), foundation.clock.clone());
        syncs.insert(id, sync);
    }
    Ok((syncs, binds))
}
