//! Sign-in by OpenID Connect: the relying party (OpenID Connect Core 1.0, code flow with PKCE).
//!
//! The library builds addresses and requests and verifies tokens; what it leaves open is done around it: keys and
//! descriptions that are cached and survive a broken provider, limits of every request, clock skew, RFC 9207, forms of
//! claims. A provider that is down does not stop the gateway: it is asked when somebody signs in, and asked again later.
//!
//! It refuses tokens that are unsigned or signed by a shared secret, issuers that are templates for many tenants, and
//! addresses in a provider's description that lead to other hosts, unless the administrator allows them.

mod asking;
mod cached;
mod claims;
mod client_key;
mod demands;
mod discovery;
mod examine;
mod issuers;
mod json;
mod keys;
mod logout;
mod signed;
mod token;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use minicbor::{Decode, Encode};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
    CoreTokenResponse,
};
use openidconnect::{
    AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EmptyAdditionalClaims, EndpointNotSet, EndpointSet,
    IssuerUrl, JsonWebKeySet, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse,
};
use url::{Host, Url};

use self::asking::{Asking, Breakers};
use self::cached::{Cached, Policy};
pub use self::client_key::{ClientAlgorithm, ClientKey};
pub use self::demands::{Demands, Prompt};
use self::discovery::Provider;
use self::keys::VerifyingKey;
pub(super) use self::signed::{SignedToken, Signers, moment, object};
use self::verify::{Expected, Unverified, VerifiedClaims};
use super::{Answer, AssertedIdentity, Checks, Delivery, Error, LogoutMessage, RedirectConnector, Start};
use crate::clock::{Clock, Timestamp};
use crate::http::outbound::Outbound;
use crate::model::{SourceId, is_unseen};
use crate::secret::{IdSource, Secret};
use crate::session::AtUpstream;

/// An hour fresh, a day usable, half a minute between fetches for a key that is not known, five seconds after failed ones.
const CACHE: Policy = Policy {
    fresh: Duration::from_secs(3600),
    stale: Duration::from_secs(24 * 3600),
    cool_down: Duration::from_secs(30),
    retry: Duration::from_secs(5),
};
/// Longest authorization code, in bytes.
const MAX_CODE_BYTES: usize = 4096;
/// Longest text of a provider that is repeated in errors, in characters.
const MAX_REASON_CHARS: usize = 300;

/// The library's client with the two endpoints that are used.
type RelyingParty = Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    VerifyingKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    CoreTokenResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// A provider as the administrator describes it.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The connector's id; part of the redirect address.
    pub id: SourceId,
    /// The issuer, exactly as the provider writes it, 1 to 1024 bytes; https, or http on loopback.
    pub issuer: String,
    /// Our name at the provider.
    pub client_id: String,
    /// Our secret at the provider; `None` for a public client, which PKCE alone protects.
    pub client_secret: Option<Secret>,
    /// Our key at the provider, in the place of a secret (`private_key_jwt`, Core section 9).
    pub client_key: Option<Arc<ClientKey>>,
    /// The tenants whose tokens are taken, where the issuer is one of a template for many; empty: there is no template.
    pub tenants: Vec<String>,
    /// What the claim `hd` must say: the domain of the organisation at Google.
    pub hosted_domain: Option<String>,
    /// Where groups are asked for that are too many for the token, in the form of Microsoft Graph's `getMemberObjects`;
    /// `None`: such a sign-in is refused.
    pub groups_endpoint: Option<Url>,
    /// What is asked for besides `openid`. `None`: `profile email`, and `groups` of a provider whose discovery document
    /// offers it; there are providers that refuse a scope they do not know.
    pub scopes: Option<Vec<String>>,
    /// The claim that becomes the login name. `None`: the e-mail address if the provider verified it, else
    /// `preferred_username`, else `sub`.
    pub user_name_claim: Option<String>,
    /// The claim with the e-mail address. What `email_verified` says is about `email`, and about another claim only
    /// where it says the same.
    pub email_claim: String,
    /// The claim with the name to show; `given_name` and `family_name` where there is none.
    pub display_name_claim: String,
    /// The claim with the groups: a list of texts.
    pub groups_claim: String,
    /// What is demanded besides who somebody is.
    pub demands: Demands,
    /// Whether who signs out here is taken to the provider to sign out there, if it has an address for that.
    pub logout: bool,
    /// Whether the provider ends sessions by a frame in the browser (Front-Channel Logout 1.0).
    pub front_channel: bool,
    /// Our own address, without path or with the path that we are served under.
    pub public_url: Url,
    /// How far the provider's clock may be off.
    pub skew: Duration,
    /// How long everything may take together that a sign-in asks of the provider.
    pub patience: Duration,
}

impl OidcSettings {
    /// The usual settings: scopes by what the provider offers, standard claims, groups in `groups`, 60 s of skew, 15 s of
    /// patience, no secret.
    pub fn new(id: SourceId, issuer: &str, client_id: &str, public_url: Url) -> Self {
        Self {
            id,
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: None,
            client_key: None,
            tenants: Vec::new(),
            hosted_domain: None,
            groups_endpoint: None,
            scopes: None,
            user_name_claim: None,
            email_claim: "email".into(),
            display_name_claim: "name".into(),
            groups_claim: "groups".into(),
            demands: Demands::default(),
            logout: false,
            front_channel: false,
            public_url,
            skew: Duration::from_secs(60),
            patience: asking::PATIENCE,
        }
    }

    /// The address that is registered at the provider: `{public_url}/oidc/{id}/callback`.
    pub fn redirect_uri(&self) -> String {
        self.address("callback")
    }

    /// Where the provider brings people back whom it has signed out: `{public_url}/oidc/{id}/logged-out`.
    pub fn logged_out_uri(&self) -> String {
        self.address("logged-out")
    }

    fn address(&self, name: &str) -> String {
        format!("{}/oidc/{}/{name}", self.public_url.as_str().trim_end_matches('/'), self.id.as_str())
    }
}

/// The settings cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {reason}")]
pub struct SettingsError {
    /// Which setting.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// A configured provider.
pub struct OidcConnector {
    settings: OidcSettings,
    issuer: IssuerUrl,
    redirect: RedirectUrl,
    names: claims::Names,
    outbound: Outbound,
    clock: Clock,
    ids: IdSource,
    provider: Cached<Provider>,
    keys: Cached<Vec<VerifyingKey>>,
    breakers: Breakers,
}

/// What is remembered between start and end of a sign-in.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Pending {
    #[n(0)]
    nonce: String,
    #[n(1)]
    verifier: String,
    #[n(2)]
    started_at: Timestamp,
}

impl OidcConnector {
    /// Makes a connector. Nothing is asked yet.
    ///
    /// # Errors
    /// When a setting has the wrong form.
    pub fn new(settings: OidcSettings, outbound: Outbound, clock: Clock, ids: IdSource) -> Result<Self, SettingsError> {
        let issuer = parse_issuer(&settings.issuer)?;
        if settings.client_id.is_empty() {
            return Err(SettingsError { field: "client_id", reason: "must not be empty".into() });
        }
        let redirect = RedirectUrl::new(settings.redirect_uri())
            .map_err(|e| SettingsError { field: "public_url", reason: format!("gives no redirect address: {e}") })?;
        let names = claims::Names {
            user_name: settings.user_name_claim.clone(),
            email: settings.email_claim.clone(),
            display_name: settings.display_name_claim.clone(),
            groups: settings.groups_claim.clone(),
        };
        let provider = Cached::new("discovery document", CACHE, clock.clone());
        let keys = Cached::new("key set", CACHE, clock.clone());
        let breakers = Breakers::new(&clock);
        Ok(Self { settings, issuer, redirect, names, outbound, clock, ids, provider, keys, breakers })
    }

    /// Asks the provider for its description and keys, as the first sign-in would: for checks of the configuration.
    ///
    /// # Errors
    /// What a sign-in would end with.
    pub async fn probe(&self) -> Result<(), Error> {
        let provider = self.provider().await?;
        self.client(&provider)?;
        self.keys(&provider, |_| true).await.map(drop)
    }

    async fn provider(&self) -> Result<Arc<Provider>, Error> {
        let fetch = async {
            let provider = discovery::fetch(&self.outbound, &self.issuer, &self.settings.tenants).await?;
            // One that we cannot use must not take the place of a good one.
            self.client(&provider)?;
            Ok(provider)
        };
        self.provider.find(|_| true, fetch).await
    }

    async fn keys(
        &self,
        provider: &Provider,
        is_enough: impl Fn(&Vec<VerifyingKey>) -> bool,
    ) -> Result<Arc<Vec<VerifyingKey>>, Error> {
        let fetch = async {
            const WHAT: &str = "key set";
            let document =
                discovery::get_json(&self.outbound, &provider.jwks_uri, &provider.provenance(), WHAT).await?;
            keys::parse_set(&document).map_err(|reason| unavailable(format!("the {WHAT} is broken: {reason}")))
        };
        self.keys.find(is_enough, fetch).await
    }

    fn client(&self, provider: &Provider) -> Result<RelyingParty, Error> {
        let id = ClientId::new(self.settings.client_id.clone());
        let client = Client::new(id, provider.issuer.clone(), JsonWebKeySet::default())
            .set_auth_uri(provider.authorization_endpoint.clone())
            .set_token_uri(provider.token_endpoint.clone())
            .set_redirect_uri(self.redirect.clone());
        Ok(match &self.settings.client_secret {
            Some(secret) => client
                .set_client_secret(ClientSecret::new(secret.expose().to_owned()))
                .set_auth_type(token::client_auth(provider)?),
            None => client,
        })
    }

    fn scopes(&self, provider: &Provider) -> Vec<String> {
        match &self.settings.scopes {
            Some(scopes) => scopes.clone(),
            None if provider.offers_groups => ["profile", "email", "groups"].map(str::to_owned).to_vec(),
            None => ["profile", "email"].map(str::to_owned).to_vec(),
        }
    }

    async fn begin(&self, login_hint: Option<&str>) -> Result<Start, Error> {
        let provider = self.provider().await?;
        let (state, nonce, verifier) = (self.ids.token(), self.ids.token(), self.ids.token());
        let pending = Pending {
            nonce: nonce.expose().to_owned(),
            verifier: verifier.expose().to_owned(),
            started_at: self.clock.now(),
        };
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(pending.verifier.clone()));
        let handle = state.expose().to_owned();
        let scopes = self.scopes(&provider).into_iter().filter(|scope| scope != "openid");
        let client = self.client(&provider)?;
        let request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state.expose().to_owned()),
                move || Nonce::new(nonce.expose().to_owned()),
            )
            .add_scopes(scopes.map(Scope::new))
            .set_pkce_challenge(challenge);
        let mut request = self.settings.demands.asked(request);
        if let Some(domain) = &self.settings.hosted_domain {
            request = request.add_extra_param("hd", domain);
        }
        // Core section 3.1.2.1.
        if let Some(hint) = login_hint {
            request = request.add_extra_param("login_hint", hint);
        }
        let (location, _, _) = request.url();
        let pending = minicbor::to_vec(&pending).map_err(|e| unavailable(format!("nothing can be remembered: {e}")))?;
        Ok(Start { location: location.into(), fields: Vec::new(), handle, pending })
    }

    async fn end(&self, pending: &[u8], answer: &Answer) -> Result<AssertedIdentity, Error> {
        let pending: Pending = minicbor::decode(pending)
            .map_err(|_| refused("pending", "the beginning of this sign-in cannot be read"))?;
        let asking = Asking::new(&self.outbound, &self.breakers, self.settings.patience);
        let provider = asking.within("discovery document", self.provider()).await?;
        let code = AuthorizationCode::new(read_code(answer, &provider)?);
        let verifier = PkceCodeVerifier::new(pending.verifier);
        let client = self.client(&provider)?;
        let assertion = self.assertion(&provider)?;
        let tokens = token::exchange(client, &provider, &asking, code.clone(), verifier, assertion).await?;
        let by = provider.issuers.of(&tokens.id_token.claims)?;

        let expected = Expected {
            issuer: &by.url,
            client_id: &ClientId::new(self.settings.client_id.clone()),
            nonce: &Nonce::new(pending.nonce),
            access_token: &tokens.access_token,
            code: &code,
            started_at: pending.started_at,
            now: self.clock.now(),
            skew: self.settings.skew,
        };
        let sign_out = logout::known(&tokens.id_token.raw, self.settings.logout);
        let claims = asking.within("key set", self.verified(&provider, &tokens.id_token, &expected)).await?;
        let issued = claims.issued_at().unwrap_or(pending.started_at);
        self.settings.demands.check(&claims, pending.started_at, expected.now, self.settings.skew)?;
        self.check_hosted_domain(&claims)?;
        let mut claims = match &provider.userinfo_endpoint {
            Some(endpoint) if claims::is_thin(&claims, &self.names) => {
                let more = claims::fetch_more(&asking, &provider, endpoint, &tokens.access_token, &claims).await?;
                claims::merge(claims, more)
            }
            _ => claims.into_inner(),
        };
        if let Some(endpoint) = &self.settings.groups_endpoint
            && claims::lacks_groups(&claims, &self.names)
        {
            let groups = claims::fetch_groups(&asking, endpoint, &tokens.access_token).await?;
            claims.insert(self.names.groups.clone(), groups);
        }
        let mut assertion = claims::assertion(&claims, &self.names)?;
        assertion.subject = by.subject(assertion.subject);
        let subject = assertion.subject.clone();
        assertion.at_upstream = Some(AtUpstream { subject, issued, sign_out });
        Ok(AssertedIdentity::new(self.settings.id.clone(), assertion))
    }

    /// The claims of a token by the provider's keys.
    async fn verified(
        &self,
        provider: &Provider,
        token: &Unverified,
        expected: &Expected<'_>,
    ) -> Result<VerifiedClaims, Error> {
        self.by_keys(provider, token, expected.issuer, |keys| verify::verify(token, keys, expected)).await
    }

    /// What comes of looking at a token by the provider's keys, which are read again where none of the known ones has made
    /// it: there may be a new one, also under the name of an old one.
    async fn by_keys<T>(
        &self,
        provider: &Provider,
        token: &Unverified,
        issuer: &str,
        look: impl Fn(&[VerifyingKey]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (kid, algorithm) = (token.kid.as_deref(), &token.algorithm);
        let has_candidate = |keys: &Vec<VerifyingKey>| keys::candidates(keys, kid, algorithm, issuer).next().is_some();
        let keys = self.keys(provider, has_candidate).await?;
        let error = match look(&keys) {
            Err(error @ Error::Refused { rule: verify::SIGNATURE, .. }) => error,
            outcome => return outcome,
        };
        match self.keys(provider, |known| !std::ptr::eq(known, &*keys)).await {
            Ok(others) if !Arc::ptr_eq(&others, &keys) => look(&others),
            _ => Err(error),
        }
    }

    /// What says to the provider by our key who we are.
    fn assertion(&self, provider: &Provider) -> Result<Option<String>, Error> {
        let Some(key) = &self.settings.client_key else { return Ok(None) };
        if !provider.takes_keys {
            return Err(refused("client_auth", "the provider does not take `private_key_jwt`"));
        }
        let audience = provider.token_endpoint.as_str();
        key.assertion(&self.settings.client_id, audience, self.clock.now(), &self.ids).map(Some)
    }

    /// The person is of the organisation at Google, which `hd` alone tells: anybody has an address there.
    fn check_hosted_domain(&self, claims: &VerifiedClaims) -> Result<(), Error> {
        let Some(domain) = &self.settings.hosted_domain else { return Ok(()) };
        match claims.text("hd") {
            Some(hosted) if hosted.eq_ignore_ascii_case(domain) => Ok(()),
            Some(other) => Err(refused("hosted_domain", format!("the account is of `{}`", clean(other)))),
            None => Err(refused("hosted_domain", "the account is of no organisation")),
        }
    }
}

impl RedirectConnector for OidcConnector {
    fn id(&self) -> &SourceId {
        &self.settings.id
    }

    fn start(&self) -> BoxFuture<'_, Result<Start, Error>> {
        Box::pin(self.begin(None))
    }

    fn start_for<'a>(&'a self, login_hint: &'a str) -> BoxFuture<'a, Result<Start, Error>> {
        Box::pin(self.begin(Some(login_hint)))
    }

    fn judge(&self, outcome: Result<(), &Error>) -> Checks {
        super::trial::judged(&examine::STAGES, outcome)
    }

    fn examine(&self) -> BoxFuture<'_, Checks> {
        Box::pin(self.examine_provider())
    }

    fn finish<'a>(&'a self, pending: &'a [u8], answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(self.end(pending, answer))
    }

    fn front_channel(&self) -> Option<&str> {
        self.settings.front_channel.then_some(self.settings.issuer.as_str())
    }

    fn has_logout(&self) -> bool {
        true
    }

    fn start_logout<'a>(&'a self, at: &'a AtUpstream) -> BoxFuture<'a, Result<Option<Start>, Error>> {
        Box::pin(self.begin_logout(at))
    }

    fn read_logout<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<LogoutMessage, Error>> {
        Box::pin(self.accept_logout(delivery))
    }
}

impl fmt::Debug for OidcConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcConnector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The code of an authorization response (Core section 3.1.2.5), after the checks of RFC 9207 section 2.4.
fn read_code(answer: &Answer, provider: &Provider) -> Result<String, Error> {
    match answer.optional("iss")? {
        Some(issuer) if !provider.issuers.accepts(issuer) => {
            return Err(refused("response_issuer", format!("the answer is of `{}`", clean(issuer))));
        }
        None if provider.sends_issuer => {
            return Err(refused(
                "response_issuer",
                "the answer does not name its issuer, as this provider always does",
            ));
        }
        _ => {}
    }
    let (code, error) = (answer.optional("code")?, answer.optional("error")?);
    match (code, error) {
        (Some(_), Some(_)) => Err(refused("shape", "the answer is both a success and an error")),
        (None, Some(error)) => {
            let description = answer.optional("error_description")?.unwrap_or_default();
            Err(Error::Declined { reason: clean(format!("{error} {description}").trim()) })
        }
        (Some(code), None) if (1..=MAX_CODE_BYTES).contains(&code.len()) => Ok(code.to_owned()),
        (Some(_), None) => Err(refused("shape", "the code is empty or too long")),
        (None, None) => Err(refused("shape", "the answer has no `code`")),
    }
}

fn parse_issuer(text: &str) -> Result<IssuerUrl, SettingsError> {
    let wrong = |reason: &str| SettingsError { field: "issuer", reason: reason.into() };
    if text.contains(['{', '}']) {
        return Err(wrong(
            "is a template for many tenants: write `common` or `organizations` in the place of the tenant, and `tenants`",
        ));
    }
    let issuer = IssuerUrl::new(text.to_owned()).map_err(|e| wrong(&format!("is no address: {e}")))?;
    let url = issuer.url();
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
        return Err(wrong("must be an https address, or http on loopback"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must have no query, fragment or credentials"));
    }
    if text.len() > 1024 {
        return Err(wrong("must have at most 1024 bytes"));
    }
    Ok(issuer)
}

pub(super) fn refused(rule: &'static str, reason: impl Into<String>) -> Error {
    Error::Refused { rule, reason: reason.into() }
}

pub(super) fn unavailable(reason: impl Into<String>) -> Error {
    Error::Unavailable { reason: reason.into() }
}

/// A text of the provider, fit for a log: without what does not show, cut.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !is_unseen(*c)).take(MAX_REASON_CHARS).collect()
}
