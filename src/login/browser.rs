//! The browser's side: cookies in, cookies out, and who is behind them.

use std::collections::BTreeSet;
use std::sync::Arc;

use cookie::{Cookie, SameSite};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use url::Url;

use super::Error;
use crate::access::Access;
use crate::directory::Directory;
use crate::http::circumstance;
use crate::lockout::DEVICE_LIFETIME;
use crate::model::{Actor, Language, SourceId, Status, User};
use crate::secret::{IdSource, Secret};
use crate::session::{Method, SECRET_CHARACTERS, Session, Sessions};

/// Characters of a device's cookie: an id of 16 bytes, a dot, a keyed hash of 32.
const DEVICE_CHARACTERS: usize = 22 + 1 + 43;

/// Somebody who is signed in and whose account is active at this moment.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user: Arc<User>,
    /// By which session.
    pub session: Arc<Session>,
}

impl SignedIn {
    /// The actor.
    pub fn actor(&self) -> Actor {
        self.session.actor()
    }
}

/// Reads and writes our cookies.
#[derive(Clone)]
pub struct Browser {
    access: Access,
    /// The connectors that are configured: a session that another one vouched for is over.
    connectors: Arc<BTreeSet<SourceId>>,
    sessions: Sessions,
    directory: Directory,
    origin: String,
    is_secure: bool,
}

impl Browser {
    pub(super) fn new(
        access: Access,
        sessions: Sessions,
        directory: Directory,
        connectors: BTreeSet<SourceId>,
        public_url: &Url,
    ) -> Self {
        let is_secure = public_url.scheme() == "https";
        let connectors = Arc::new(connectors);
        Self { access, connectors, sessions, directory, origin: public_url.origin().ascii_serialization(), is_secure }
    }

    /// The session cookie's name; the prefix binds it to this host over TLS (RFC 6265bis section 4.1.3.2).
    pub const fn session_cookie(&self) -> &'static str {
        if self.is_secure { "__Host-cleargate" } else { "cleargate" }
    }

    const fn login_cookie(&self) -> &'static str {
        if self.is_secure { "__Host-cleargate-login" } else { "cleargate-login" }
    }

    const fn step_cookie(&self) -> &'static str {
        if self.is_secure { "__Host-cleargate-step" } else { "cleargate-step" }
    }

    const fn device_cookie(&self) -> &'static str {
        if self.is_secure { "__Host-cleargate-device" } else { "cleargate-device" }
    }

    /// Whether a request that changes something comes from our own pages: `Origin` and `Sec-Fetch-Site` must not say
    /// otherwise, and one of them must be there.
    pub fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).map(HeaderValue::as_bytes);
        let site = text(header::HeaderName::from_static("sec-fetch-site"));
        match text(header::ORIGIN) {
            Some(origin) => {
                origin == self.origin.as_bytes() && site.is_none_or(|s| s == b"same-origin" || s == b"none")
            }
            None => site == Some(b"same-origin"),
        }
    }

    /// Whether nothing in the headers says that another site's page sent this form. Weaker than
    /// [`Browser::is_same_origin`]: for forms that carry an anti-forgery value besides.
    ///
    /// Our pages ask browsers for no referrer, and a form sent from such a page has the origin `null` (Fetch, "append a
    /// request `Origin` header"), whoever's it is.
    pub fn is_not_foreign(&self, headers: &HeaderMap) -> bool {
        let is_own = |origin: &HeaderValue| origin.as_bytes() == self.origin.as_bytes() || origin == "null";
        let own = headers.get(header::ORIGIN).is_none_or(is_own);
        own && headers.get("sec-fetch-site").is_none_or(|site| site != "cross-site" && site != "same-site")
    }

    /// The session secret that a request carries.
    pub fn session_secret(&self, headers: &HeaderMap) -> Option<Secret> {
        self.secret(headers, self.session_cookie())
    }

    pub(super) fn login_secret(&self, headers: &HeaderMap) -> Option<Secret> {
        self.secret(headers, self.login_cookie())
    }

    /// The secret of the sign-in that is under way.
    pub(super) fn step_secret(&self, headers: &HeaderMap) -> Option<Secret> {
        self.secret(headers, self.step_cookie())
    }

    /// What the browser shows of whether it is known.
    pub(super) fn device(&self, headers: &HeaderMap) -> Option<Secret> {
        Self::cookie_of(headers, self.device_cookie(), DEVICE_CHARACTERS)
    }

    /// The value of a cookie of ours: present once, with the one length. Anything else is as good as none.
    fn secret(&self, headers: &HeaderMap, name: &str) -> Option<Secret> {
        Self::cookie_of(headers, name, SECRET_CHARACTERS)
    }

    fn cookie_of(headers: &HeaderMap, name: &str, length: usize) -> Option<Secret> {
        let value = cookie_value(headers, name)?;
        (value.len() == length).then(|| Secret::new(value))
    }

    /// Whether an actor may act from where a request comes from.
    ///
    /// # Errors
    /// `Unavailable`: the caller must treat it as a no, with 503.
    pub(super) async fn admits(&self, actor: &Actor, parts: &Parts) -> Result<bool, Error> {
        let admitted = self.access.admits(actor, &circumstance(parts)).await;
        admitted.map_err(|error| Error::Unavailable(error.to_string()))
    }

    /// Who is behind a request. A user who is not active is nobody, whatever the session says, and so is one who comes from
    /// where a network rule lets nobody in,
    /// and one whose connector is not configured any more.
    ///
    /// # Errors
    /// `Store`: the caller must treat it as nobody, with 503.
    pub async fn signed_in(&self, parts: &Parts) -> Result<Option<SignedIn>, Error> {
        let Some(secret) = self.session_secret(&parts.headers) else { return Ok(None) };
        let Some(session) = self.sessions.check(&secret).await? else { return Ok(None) };
        let is_vouched_for = matches!(session.method, Method::LdapBind | Method::OpenIdConnect | Method::Saml);
        if is_vouched_for && !self.connectors.contains(&session.connector) {
            return Ok(None);
        }
        let user = self.directory.find_ready_user(session.user).await?;
        let Some(user) = user.filter(|user| user.status == Status::Active) else { return Ok(None) };
        Ok(self.admits(&session.actor(), parts).await?.then_some(SignedIn { user, session }))
    }

    pub(super) fn session_header(&self, secret: &Secret) -> Option<HeaderValue> {
        let cookie = self.cookie(self.session_cookie(), secret.expose(), SameSite::Lax);
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    /// The pre-login cookie. Providers answer by a cross-site POST, on which a `Lax` cookie would stay away; without TLS,
    /// which is loopback only, `None` is not allowed and providers on loopback are the same site.
    pub(super) fn login_header(&self, secret: &Secret) -> Option<HeaderValue> {
        let same_site = if self.is_secure { SameSite::None } else { SameSite::Lax };
        let mut cookie = self.cookie(self.login_cookie(), secret.expose(), same_site);
        let lifetime = i64::try_from(super::ticket::LIFETIME.as_secs()).unwrap_or(600);
        cookie.set_max_age(cookie::time::Duration::seconds(lifetime));
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    /// The cookie of a sign-in under way.
    pub(super) fn step_header(&self, secret: &Secret) -> Option<HeaderValue> {
        let mut cookie = self.cookie(self.step_cookie(), secret.expose(), SameSite::Lax);
        let lifetime = i64::try_from(super::pending::LIFETIME.as_secs()).unwrap_or(600);
        cookie.set_max_age(cookie::time::Duration::seconds(lifetime));
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    /// The cookie that keeps the choice of a language for a year.
    pub(super) fn language_header(&self, language: Language) -> Option<HeaderValue> {
        let mut cookie = self.cookie(super::language::COOKIE, language.tag(), SameSite::Lax);
        cookie.set_max_age(cookie::time::Duration::days(365));
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    /// The cookie by which a browser is known: it goes with requests from our own pages only.
    pub(super) fn device_header(&self, value: &Secret) -> Option<HeaderValue> {
        let mut cookie = self.cookie(self.device_cookie(), value.expose(), SameSite::Strict);
        let lifetime = i64::try_from(DEVICE_LIFETIME.as_secs()).unwrap_or(i64::MAX);
        cookie.set_max_age(cookie::time::Duration::seconds(lifetime));
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    /// The header that removes the session cookie.
    pub(super) fn forget_header(&self) -> Option<HeaderValue> {
        self.forget(self.session_cookie())
    }

    /// The header that removes the cookie of a sign-in under way.
    pub(super) fn forget_step_header(&self) -> Option<HeaderValue> {
        self.forget(self.step_cookie())
    }

    fn forget(&self, name: &str) -> Option<HeaderValue> {
        let mut cookie = self.cookie(name, "", SameSite::Lax);
        cookie.set_max_age(cookie::time::Duration::ZERO);
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    fn cookie<'a>(&self, name: &'a str, value: &'a str, same_site: SameSite) -> Cookie<'a> {
        Cookie::build((name, value)).path("/").http_only(true).secure(self.is_secure).same_site(same_site).build()
    }

    /// The browser's pre-login secret, kept when it has one so that two tabs do not spoil each other.
    pub(super) fn login_secret_or_new(&self, headers: &HeaderMap, ids: &IdSource) -> Secret {
        self.login_secret(headers).unwrap_or_else(|| ids.token())
    }
}

/// The value of a cookie that is there once; one that is there twice says nothing.
pub(super) fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| Cookie::split_parse(value.to_owned()).filter_map(Result::ok))
        .filter(|cookie| cookie.name() == name);
    let cookie = found.next()?;
    found.next().is_none().then(|| cookie.value().to_owned())
}
