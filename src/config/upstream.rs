//! `[[saml]]` and `[[oidc]]`: who proves an identity.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::factors;
use super::form::{Domain, MailRoute};
use super::listen::Tls;
use super::section::{Section, Size, check_url};
use super::signals::Signals;
use crate::model::{REALMS, Realm, SourceId};
use crate::secret::Secret;

/// Where a SAML identity provider's metadata is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SamlMetadata {
    /// The document itself.
    Document(String),
    /// A file, read again when it has changed.
    File(PathBuf),
    /// An address over TLS, or plain HTTP to loopback; fetched again from time to time.
    Url(Url),
}

/// Which SAML attributes carry what; `None` means that the usual names are recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SamlAttributes {
    /// The login name; the `NameID` when the attribute is absent.
    pub user_name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Group names, one value each.
    pub groups: Option<String>,
}

/// How requests travel to a SAML identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamlRequests {
    /// By the Redirect binding where the provider's metadata has an address for it, else by POST.
    Either,
    /// In a form that the browser posts.
    Post,
    /// In the query of an address.
    Redirect,
}

/// Most keys of ours of one use.
pub const MAX_SAML_KEYS: usize = 4;
/// Most ways to authenticate that are asked for.
pub const MAX_CONTEXTS: usize = 8;
/// Largest metadata document that can be allowed.
pub const MAX_METADATA_BYTES: u64 = 16 << 20;

/// `[[saml]]`: a SAML identity provider.
#[derive(Clone, Debug)]
pub struct Saml {
    /// The id, unique among all sources and connectors; part of our addresses.
    pub id: SourceId,
    /// The name on the sign-in page; the id by default.
    pub name: String,
    /// Its metadata.
    pub metadata: SamlMetadata,
    /// Most bytes of the metadata, default 1 MiB.
    pub metadata_bytes: u64,
    /// Which entity of a document that describes several.
    pub metadata_entity: Option<String>,
    /// PEM file with the certificates of which one must have signed the metadata; its signature is not looked at by default.
    pub metadata_signed_by: Option<PathBuf>,
    /// How much its clock may differ from ours, default 1 minute, at most 5.
    pub clock_skew: Duration,
    /// Certificates and keys of ours that sign requests, the one that signs first; none by default.
    pub signing: Vec<Tls>,
    /// Certificates and keys of ours to which assertions are encrypted, the one that is published first; none by default.
    pub decryption: Vec<Tls>,
    /// Whether assertions encrypted by AES-CBC are taken; default no.
    pub allow_cbc: bool,
    /// How requests travel, default either way.
    pub requests: SamlRequests,
    /// Whether people have to sign in there anew each time; default no.
    pub force_authn: bool,
    /// The ways to authenticate of which one is demanded; none by default: any.
    pub authn_contexts: Vec<String>,
    /// Whether sign-ins that the provider begins are taken; default no.
    pub idp_initiated: bool,
    /// The parameter of its address in which the name goes on that somebody typed; `None`: it does not.
    pub login_hint: Option<String>,
    /// PEM file with the authorities to trust when metadata is fetched; the system's by default.
    pub ca: Option<PathBuf>,
    /// The e-mail domains whose people it vouches for.
    pub domains: Vec<Domain>,
    /// The domains and addresses whose people the sign-in page sends there, after asking for a name; none by default: the
    /// page lists it.
    pub route: Vec<MailRoute>,
    /// Whether a sign-in whose verified e-mail address is in one of `domains` may be linked to an account that exists;
    /// default yes. Never for other domains.
    pub link_existing: bool,
    /// Attribute names.
    pub attributes: SamlAttributes,
    /// Whether it asks for second factors itself, so that none is asked for here: `factors = "trusted"`; default no.
    pub trusts_factors: bool,
    /// What it tells of its people after they have signed in; nothing is taken by default.
    pub signals: Option<Signals>,
    /// Whose accounts it makes and signs in to; default those of staff.
    pub realm: Realm,
}

/// Which claims carry what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcClaims {
    /// The login name; `None`: the e-mail address if the provider verified it, else `preferred_username`, else `sub`.
    pub user_name: Option<String>,
    /// The e-mail address, default `email`. Another counts as verified only where `email` says the same.
    pub email: String,
    /// The name to show, default `name`.
    pub display_name: String,
    /// Group names, default `groups`.
    pub groups: String,
}

/// What our key at an OpenID provider signs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidcAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// RSA with PKCS #1 version 1.5 and SHA-256.
    Rs256,
}

/// Our key at an OpenID provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcKey {
    /// The file with the private key, PKCS #8 in PEM.
    pub key: PathBuf,
    /// By what it signs, default ES256.
    pub algorithm: OidcAlgorithm,
    /// What the provider calls it.
    pub id: Option<String>,
    /// The file with its certificate, where the provider knows it by that.
    pub certificate: Option<PathBuf>,
}

/// What an OpenID provider is asked to show people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidcPrompt {
    /// What it tells about them, to be agreed to.
    Consent,
    /// Its form for signing in, whether or not they are signed in there.
    Login,
    /// Their accounts there, of which they take one.
    SelectAccount,
}

/// Longest time that people may be signed in at an OpenID provider where that is bounded.
pub const LONGEST_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Most rules that send people to one provider.
pub const MAX_ROUTES: usize = 1_000;

/// Who is sent to a provider by name.
fn routes(section: &Section<'_>) -> Vec<MailRoute> {
    let routes = section.list("route", Vec::new());
    if routes.len() > MAX_ROUTES {
        section.error("route", &format!("may have at most {MAX_ROUTES} entries"), None);
    }
    routes
}

/// The word for no parameter.
const NO_PARAMETER: &str = "none";
/// Longest name of a parameter, in bytes.
const MAX_PARAMETER_BYTES: usize = 64;
/// The parameters that the Redirect binding has itself (saml-bindings-2.0-os section 3.4).
const OF_THE_BINDING: [&str; 6] = ["RelayState", "SAMLEncoding", "SAMLRequest", "SAMLResponse", "SigAlg", "Signature"];

/// In which parameter a name goes on.
fn login_hint(section: &Section<'_>) -> Option<String> {
    let name = section.or("login_hint", "login_hint".to_owned());
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if name.len() > MAX_PARAMETER_BYTES || !is_plain(&name) || OF_THE_BINDING.contains(&name.as_str()) {
        let help = format!("letters, digits, `_` and `-`, at most {MAX_PARAMETER_BYTES}, or `{NO_PARAMETER}`");
        section.error("login_hint", "is no name for a parameter of the provider's address", Some(help));
    }
    Some(name).filter(|name| name != NO_PARAMETER)
}

/// Most tenants of one provider.
pub const MAX_TENANTS: usize = 100;

/// `[[oidc]]`: an OpenID provider.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The id, unique among all sources and connectors; part of our addresses.
    pub id: SourceId,
    /// The name on the sign-in page; the id by default.
    pub name: String,
    /// The issuer exactly as written, because it is compared by character; a URL over TLS, or plain HTTP to loopback,
    /// without query and fragment.
    pub issuer: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there; a public client, which PKCE protects, has none.
    pub client_secret: Option<Secret>,
    /// Our key there, in the place of a secret.
    pub client_key: Option<OidcKey>,
    /// The tenants whose people may sign in, where the issuer stands for many; none by default.
    pub tenants: Vec<String>,
    /// The organisation at Google that people must be of.
    pub hosted_domain: Option<Domain>,
    /// Where groups are asked for that are too many for the token; by default such sign-ins are refused.
    pub groups_endpoint: Option<Url>,
    /// Scopes to ask for, `openid` always among them. `None`: `openid profile email`, and `groups` if the provider says
    /// that it has it.
    pub scopes: Option<Vec<String>>,
    /// Whether people have to sign in there anew each time; default no.
    pub force_authn: bool,
    /// How long ago people may have signed in there, 1 minute to 30 days; any time by default.
    pub max_age: Option<Duration>,
    /// The ways to authenticate of which one is demanded (`acr`); none by default: any.
    pub authn_contexts: Vec<String>,
    /// How much its clock may differ from ours, default 1 minute, at most 5.
    pub clock_skew: Duration,
    /// What it is asked to show people; nothing by default.
    pub prompt: Option<OidcPrompt>,
    /// Whether who signs out here is signed out there too; default no, because our address must be registered for that.
    pub logout: bool,
    /// Whether it ends sessions by a frame in the browser; default no, because that is not signed.
    pub frontchannel_logout: bool,
    /// Claim names.
    pub claims: OidcClaims,
    /// PEM file with the authorities to trust; the system's by default.
    pub ca: Option<PathBuf>,
    /// The e-mail domains whose people it vouches for.
    pub domains: Vec<Domain>,
    /// The domains and addresses whose people the sign-in page sends there, after asking for a name; none by default: the
    /// page lists it.
    pub route: Vec<MailRoute>,
    /// Whether a sign-in whose verified e-mail address is in one of `domains` may be linked to an account that exists;
    /// default yes. Never for other domains.
    pub link_existing: bool,
    /// Whether it asks for second factors itself, so that none is asked for here: `factors = "trusted"`; default no.
    pub trusts_factors: bool,
    /// What it tells of its people after they have signed in; nothing is taken by default.
    pub signals: Option<Signals>,
    /// Whose accounts it makes and signs in to; default those of staff.
    pub realm: Realm,
}

impl SamlMetadata {
    fn resolve(section: &Section<'_>) -> Option<Self> {
        let url = section.url("url", "https", "http");
        let file = section.file("file");
        let document = section.optional::<String>("document");
        let given: Vec<&'static str> = ["url", "file", "document"].into_iter().filter(|key| section.has(key)).collect();
        match given.as_slice() {
            [first, others @ ..] if !others.is_empty() => {
                section.error(first, &format!("and `{}` exclude each other", others.join("`, `")), None);
                None
            }
            [] if section.is_present() => {
                section.missing("url", "or `file` must say where the metadata is, or `document` be the metadata");
                None
            }
            _ => url.map(Self::Url).or(file.map(Self::File)).or(document.map(Self::Document)),
        }
    }
}

impl SamlAttributes {
    fn resolve(section: &Section<'_>) -> Self {
        Self {
            user_name: section.optional("user_name"),
            email: section.optional("email"),
            display_name: section.optional("display_name"),
            groups: section.optional("groups"),
        }
    }
}

impl Saml {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let id = section.required::<SourceId>("id");
        let name = section.optional("name");
        let place = section.table("metadata");
        let metadata = SamlMetadata::resolve(&place);
        let metadata_bytes = place.between("max_size", Size(1 << 20), Size(64 << 10), Size(MAX_METADATA_BYTES)).0;
        let metadata_entity = place.optional("entity_id");
        let metadata_signed_by = place.file("signed_by");
        drop(place);
        if !section.has("metadata") {
            section.missing(
                "metadata",
                "must be `{ url = \"https://…\" }`, `{ file = \"…\" }` or `{ document = '''…''' }`",
            );
        }
        let ca = section.file("ca");
        let domains = section.list("domains", Vec::new());
        let route = routes(section);
        let link_existing = section.or("link_existing", true);
        let trusts_factors = factors::trusts(section);
        let realm = section.choice("realm", Realm::Staff, &REALMS);
        let attributes = SamlAttributes::resolve(&section.table("attributes"));
        let clock_skew = clock_skew(section);
        let (signing, decryption) = (keys(section, "signing"), keys(section, "decryption"));
        let allow_cbc = section.or("allow_cbc", false);
        let requests = section.choice("requests", SamlRequests::Either, &REQUESTS);
        let force_authn = section.or("force_authn", false);
        let authn_contexts = contexts(section);
        let idp_initiated = section.or("idp_initiated", false);
        let login_hint = login_hint(section);
        let signals = Signals::resolve(&section.table("signals"), None);
        let id = id?;
        let name = name.unwrap_or_else(|| id.to_string());
        Some(Self {
            id,
            name,
            metadata: metadata?,
            metadata_bytes,
            metadata_entity,
            metadata_signed_by,
            clock_skew,
            signing,
            decryption,
            allow_cbc,
            requests,
            force_authn,
            authn_contexts,
            idp_initiated,
            login_hint,
            ca,
            domains,
            route,
            link_existing,
            attributes,
            trusts_factors,
            signals,
            realm,
        })
    }
}

/// How much the clock of a provider may differ from ours.
fn clock_skew(section: &Section<'_>) -> Duration {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    section.between("clock_skew", minutes(1), Duration::ZERO, minutes(5))
}

/// The ways to authenticate of which one is demanded.
fn contexts(section: &Section<'_>) -> Vec<String> {
    let contexts = section.list("authn_contexts", Vec::<String>::new());
    if contexts.len() > MAX_CONTEXTS {
        section.error("authn_contexts", &format!("may have at most {MAX_CONTEXTS} entries"), None);
    }
    contexts
}

const REQUESTS: [(&str, SamlRequests); 3] =
    [("either", SamlRequests::Either), ("post", SamlRequests::Post), ("redirect", SamlRequests::Redirect)];

/// Certificates of ours with their keys.
fn keys(section: &Section<'_>, name: &'static str) -> Vec<Tls> {
    let sections = section.tables(name);
    if sections.len() > MAX_SAML_KEYS {
        section.error(name, &format!("may be written at most {MAX_SAML_KEYS} times"), None);
    }
    sections.iter().filter_map(Tls::resolve).collect()
}

impl OidcClaims {
    fn resolve(section: &Section<'_>) -> Self {
        // OpenID Connect Core 1.0 section 5.1; `groups` is what most providers agree on without a standard.
        let claim = |name, default: &str| section.or(name, default.to_owned());
        Self {
            user_name: section.optional("user_name"),
            email: claim("email", "email"),
            display_name: claim("display_name", "name"),
            groups: claim("groups", "groups"),
        }
    }
}

impl Oidc {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let id = section.required::<SourceId>("id");
        let name = section.optional("name");
        let issuer = issuer(section);
        let client_id = section.required::<String>("client_id");
        let client_secret = section.secret("client_secret");
        let client_key = OidcKey::resolve(&section.table("client_key"));
        if section.has("client_secret") && section.has("client_key") {
            section.error("client_key", "and `client_secret` exclude each other", None);
        }
        let tenants = tenants(section);
        let hosted_domain = section.optional("hosted_domain");
        let groups_endpoint = section.url("groups_endpoint", "https", "http");
        let scopes = scopes(section);
        let claims = OidcClaims::resolve(&section.table("claims"));
        let force_authn = section.or("force_authn", false);
        let max_age = max_age(section);
        let authn_contexts = contexts(section);
        // OpenID Connect Core 1.0 section 3.1.2.1: they travel in one text, with spaces between them.
        if authn_contexts.iter().any(|context| context.contains(char::is_whitespace)) {
            section.error("authn_contexts", "must hold names without spaces", None);
        }
        let clock_skew = clock_skew(section);
        let prompt = section.choice("prompt", None, &PROMPTS);
        let logout = section.or("logout", false);
        let frontchannel_logout = section.or("frontchannel_logout", false);
        if frontchannel_logout && !tenants.is_empty() {
            section.error("frontchannel_logout", "and `tenants` exclude each other: a frame is of one issuer", None);
        }
        let ca = section.file("ca");
        let domains = section.list("domains", Vec::new());
        let route = routes(section);
        let link_existing = section.or("link_existing", true);
        let trusts_factors = factors::trusts(section);
        let signals = Signals::resolve(&section.table("signals"), issuer.as_deref());
        if section.has("signals") && !tenants.is_empty() {
            section.error("signals", "and `tenants` exclude each other: a signal is of one issuer", None);
        }
        let realm = section.choice("realm", Realm::Staff, &REALMS);
        let (id, issuer, client_id) = (id?, issuer?, client_id?);
        let name = name.unwrap_or_else(|| id.to_string());
        Some(Self {
            id,
            name,
            issuer,
            client_id,
            client_secret,
            client_key,
            tenants,
            hosted_domain,
            groups_endpoint,
            scopes,
            force_authn,
            max_age,
            authn_contexts,
            clock_skew,
            prompt,
            logout,
            frontchannel_logout,
            claims,
            ca,
            domains,
            route,
            link_existing,
            trusts_factors,
            signals,
            realm,
        })
    }
}

const ALGORITHMS: [(&str, OidcAlgorithm); 3] =
    [("ES256", OidcAlgorithm::Es256), ("PS256", OidcAlgorithm::Ps256), ("RS256", OidcAlgorithm::Rs256)];

const PROMPTS: [(&str, Option<OidcPrompt>); 3] = [
    ("consent", Some(OidcPrompt::Consent)),
    ("login", Some(OidcPrompt::Login)),
    ("select_account", Some(OidcPrompt::SelectAccount)),
];

/// How long ago people may have signed in at the provider.
fn max_age(section: &Section<'_>) -> Option<Duration> {
    let age = section.optional::<Duration>("max_age")?;
    if section.has("force_authn") {
        section.error("max_age", "and `force_authn` exclude each other", None);
    }
    if age < Duration::from_secs(60) || age > LONGEST_MAX_AGE {
        let help = "write `force_authn = true` where people are to sign in anew each time";
        section.error("max_age", "must be from \"1m\" to \"30d\"", Some(help.to_owned()));
    }
    Some(age)
}

impl OidcKey {
    fn resolve(section: &Section<'_>) -> Option<Self> {
        let key = section.secret_file("key");
        let algorithm = match section.optional::<String>("algorithm") {
            None => OidcAlgorithm::Es256,
            Some(name) => ALGORITHMS.iter().find(|(known, _)| *known == name).map_or_else(
                || {
                    section.error("algorithm", "must be `ES256`, `PS256` or `RS256`", None);
                    OidcAlgorithm::Es256
                },
                |(_, algorithm)| *algorithm,
            ),
        };
        let id = section.optional("id");
        let certificate = section.file("certificate");
        if section.is_present() && !section.has("key") {
            section.missing("key", "must be `{ file = \"…\" }` or `{ credential = \"…\" }`");
        }
        Some(Self { key: key?, algorithm, id, certificate })
    }
}

/// Ids of tenants as tokens write them.
fn tenants(section: &Section<'_>) -> Vec<String> {
    let mut tenants = section.list("tenants", Vec::<String>::new());
    tenants.iter_mut().for_each(|tenant| tenant.make_ascii_lowercase());
    let is_id = |tenant: &String| {
        tenant.len() == 36
            && tenant.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    if !tenants.iter().all(is_id) {
        section.error("tenants", "must hold ids of tenants, such as `00000000-0000-0000-0000-000000000000`", None);
    }
    if tenants.len() > MAX_TENANTS {
        section.error("tenants", &format!("may have at most {MAX_TENANTS} entries"), None);
    }
    tenants
}

/// The scopes that are written, with `openid`; `None` when none are.
fn scopes(section: &Section<'_>) -> Option<Vec<String>> {
    let mut scopes = section.list("scopes", ["openid", "profile", "email"].map(str::to_owned).to_vec());
    if scopes.iter().any(|scope| !is_scope(scope)) {
        section.error("scopes", "must hold scope names without spaces", None);
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    section.has("scopes").then_some(scopes)
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn issuer(section: &Section<'_>) -> Option<String> {
    let issuer = section.required::<String>("issuer")?;
    let url = match check_url(&issuer, "https", "http") {
        Ok(url) => url,
        Err(reason) => {
            section.error("issuer", &reason, None);
            return None;
        }
    };
    if url.query().is_some() {
        section.error("issuer", "must not have a query", None);
    }
    if issuer.ends_with("/.well-known/openid-configuration") {
        let help = "leave out `/.well-known/openid-configuration`";
        section.error("issuer", "must be the issuer, not its discovery document", Some(help.to_owned()));
    }
    Some(issuer)
}
