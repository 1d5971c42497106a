//! A browser without a screen: keeps cookies, reads forms, follows a redirect when told to. It signs people in the way
//! they do it themselves, through pages and providers.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::{Origin, Url};

use super::Failed;
use crate::http::outbound::{Outbound, Provenance, Response};

/// One person's browser.
#[derive(Debug)]
pub struct Browser {
    outbound: Outbound,
    cookies: Vec<(Origin, BTreeMap<String, String>)>,
}

/// What the browser shows.
#[derive(Debug)]
pub struct Page {
    url: Url,
    /// The status.
    pub status: u16,
    headers: HeaderMap,
    /// The text.
    pub text: String,
}

/// What a SAML provider's page is about to send.
#[derive(Clone, Debug)]
pub struct SamlAnswer {
    /// The response in base64.
    pub response: String,
    /// What the gateway gave along.
    pub relay_state: String,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, cookies: Vec::new() }
    }

    /// Opens an address.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn open(&mut self, url: &Url) -> Result<Page, Failed> {
        self.send(Method::GET, url, HeaderMap::new(), String::new()).await
    }

    /// Sends a form.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn submit(&mut self, url: &Url, fields: &[(&str, &str)]) -> Result<Page, Failed> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.send(Method::POST, url, headers, form).await
    }

    async fn send(&mut self, method: Method, url: &Url, mut headers: HeaderMap, form: String) -> Result<Page, Failed> {
        let asked = format!("{method} {}", url.path());
        let failed = |error: &(dyn std::error::Error + 'static)| Failed::while_doing(&asked, error);
        let origin = url.origin();
        let kept = self.cookies.iter().find(|(known, _)| *known == origin);
        let line: Vec<String> = kept
            .iter()
            .flat_map(|(_, cookies)| cookies.iter())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !line.is_empty() {
            headers.insert(COOKIE, HeaderValue::try_from(line.join("; ")).map_err(|error| failed(&error))?);
        }
        let sent = self.outbound.send(method, url, &Provenance::Administrator, headers, form.into()).await;
        let Response { status, headers, body } = sent.map_err(|error| failed(&error))?;
        self.keep(&origin, &headers);
        let text = String::from_utf8_lossy(&body).into_owned();
        Ok(Page { url: url.clone(), status: status.as_u16(), headers, text })
    }

    fn keep(&mut self, origin: &Origin, headers: &HeaderMap) {
        if !self.cookies.iter().any(|(known, _)| known == origin) {
            self.cookies.push((origin.clone(), BTreeMap::new()));
        }
        let Some((_, cookies)) = self.cookies.iter_mut().find(|(known, _)| known == origin) else { return };
        let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for cookie in set.filter_map(|text| cookie::Cookie::parse(text.to_owned()).ok()) {
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                cookies.remove(cookie.name());
            } else {
                cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }

    /// Fills in the sign-in form of the gateway at `home`.
    ///
    /// # Errors
    /// When the form is not there. A refusal is a page.
    pub async fn sign_in_by_password(&mut self, home: &Url, name: &str, password: &str) -> Result<Page, Failed> {
        let page = self.open(&at(home, "/login?return_to=/")?).await?.expect(200)?;
        let csrf = page.field("csrf")?;
        let fields = [("username", name), ("password", password), ("csrf", csrf.as_str()), ("return_to", "/")];
        self.submit(&at(home, "/login/password")?, &fields).await
    }

    /// Goes to a SAML provider and picks a person there; gives what the provider's page would send back.
    ///
    /// # Errors
    /// When a page on the way is not as it must be.
    pub async fn ask_saml(&mut self, home: &Url, connector: &str, person: &str) -> Result<SamlAnswer, Failed> {
        let begun = self.open(&at(home, &format!("/login/{connector}?return_to=/"))?).await?;
        let there = begun.next()?;
        let choice = self.open(&there).await?.expect(200)?;
        let (request, state) = (choice.field("SAMLRequest")?, choice.field("RelayState")?);
        let mut service = there.clone();
        service.set_query(None);
        let fields = [("SAMLRequest", request.as_str()), ("RelayState", state.as_str()), ("person", person)];
        let answer = self.submit(&service, &fields).await?.expect(200)?;
        Ok(SamlAnswer { response: answer.field("SAMLResponse")?, relay_state: answer.field("RelayState")? })
    }

    /// Brings a provider's answer to the gateway.
    ///
    /// # Errors
    /// When there is no answer. A refusal is a page.
    pub async fn bring_saml(&mut self, home: &Url, connector: &str, answer: &SamlAnswer) -> Result<Page, Failed> {
        let fields = [("SAMLResponse", answer.response.as_str()), ("RelayState", answer.relay_state.as_str())];
        self.submit(&at(home, &format!("/saml/{connector}/acs"))?, &fields).await
    }

    /// Signs in by an OpenID provider as `person`; gives the page that the gateway ends with.
    ///
    /// # Errors
    /// When a page on the way is not as it must be. A refusal is a page.
    pub async fn sign_in_by_openid(&mut self, home: &Url, connector: &str, person: &str) -> Result<Page, Failed> {
        let begun = self.open(&at(home, &format!("/login/{connector}?return_to=/"))?).await?;
        let mut there = begun.next()?;
        there.query_pairs_mut().append_pair("login_hint", person);
        let back = self.open(&there).await?.next()?;
        self.open(&back).await
    }

    /// Who the gateway says is signed in.
    ///
    /// # Errors
    /// When nobody is.
    pub async fn who(&mut self, home: &Url) -> Result<Value, Failed> {
        let page = self.open(&at(home, "/api/v1/me")?).await?.expect(200)?;
        serde_json::from_str(&page.text).map_err(|error| Failed::while_doing("GET /api/v1/me", &error))
    }
}

/// An address of the gateway.
fn at(home: &Url, path: &str) -> Result<Url, Failed> {
    home.join(path).map_err(|error| Failed::while_doing(path, &error))
}

impl Page {
    /// This page, if its status is this one.
    ///
    /// # Errors
    /// When it is another one.
    pub fn expect(self, status: u16) -> Result<Self, Failed> {
        if self.status == status {
            return Ok(self);
        }
        let text: String = self.text.chars().take(400).collect();
        Err(Failed::new(format!("{} answered {} instead of {status}: {text}", self.url.path(), self.status)))
    }

    /// Where the page leads to by itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn next(&self) -> Result<Url, Failed> {
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| self.url.join(location).ok());
        let path = self.url.path();
        next.ok_or_else(|| Failed::new(format!("{path} leads nowhere, it answered {}: {}", self.status, self.text)))
    }

    /// The value of a hidden field.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn field(&self, name: &str) -> Result<String, Failed> {
        let start = format!("name=\"{name}\" value=\"");
        let value = self.text.split_once(&start).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value);
        let absent = || Failed::new(format!("the page {} has no field `{name}`", self.url.path()));
        Ok(unescaped(value.ok_or_else(absent)?))
    }

    /// The reference of a refusal, by which the ledger is searched.
    ///
    /// # Errors
    /// When the page is no refusal: not 401, 403 or without a reference.
    pub fn refusal(&self) -> Result<String, Failed> {
        let reference = self.text.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>"));
        match (self.status, reference) {
            (401 | 403, Some((reference, _))) => Ok(unescaped(reference)),
            _ => Err(Failed::new(format!("{} answered {} instead of refusing", self.url.path(), self.status))),
        }
    }
}

/// The text of an attribute.
fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
