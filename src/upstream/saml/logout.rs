//! Single logout by the front channel (saml-profiles-2.0-os section 4.4): requests and answers, theirs and ours.
//!
//! Who signs people out of our sessions is verified like who signs them in: the gate, the table of structure, a
//! signature that must be there, and only what it covers is read. Ours are always signed, so that without a key of ours
//! there is no single logout.

use std::io::Read;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::DeflateDecoder;
use minicbor::{Decode, Encode};
use roxmltree::{Document, Node};

use super::own::OwnKey;
use super::request::{Message, escaped, quoted, random_id};
use super::tree::{self, ASSERTION, Content, DSIG, MANY, PROTOCOL, attribute, child, children, required, text};
use super::{IdpMetadata, SamlConnector, assertion, gate, refused, signature, time};
use crate::clock::Timestamp;
use crate::session::AtUpstream;
use crate::upstream::{Answer, Delivery, Departure, Error, LogoutAnswer, LogoutMessage, LogoutRequest, OneTime, Start};

/// How old a message about logout may be.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// Most sessions that a request names.
const MAX_SESSIONS: usize = 64;
/// Longest handle of theirs that goes back with our answer, in bytes; the standard allows 80.
const MAX_RELAY_STATE_BYTES: usize = 1024;

/// How the provider names somebody who has signed in, for our request for logout.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Known {
    #[n(0)]
    pub(super) name: String,
    #[n(1)]
    pub(super) format: Option<String>,
    #[n(2)]
    pub(super) qualifier: Option<String>,
    #[n(3)]
    pub(super) our_qualifier: Option<String>,
    #[n(4)]
    pub(super) session: Option<String>,
}

/// The table of structure of both messages.
fn content(namespace: &str, name: &str) -> Option<Content> {
    use Content::{Elements, Text};
    match (namespace, name) {
        (PROTOCOL, "LogoutRequest") => Some(Elements(&[
            (ASSERTION, "Issuer", 1),
            (DSIG, "Signature", 1),
            (ASSERTION, "NameID", 1),
            (PROTOCOL, "SessionIndex", MANY),
        ])),
        (PROTOCOL, "LogoutResponse") => {
            Some(Elements(&[(ASSERTION, "Issuer", 1), (DSIG, "Signature", 1), (PROTOCOL, "Status", 1)]))
        }
        (PROTOCOL, "SessionIndex") => Some(Text),
        _ => tree::response_content(namespace, name),
    }
}

/// Whether a document has the structure of one of both messages.
#[cfg(feature = "fuzzing")]
pub(super) fn has_place(document: &Document<'_>) -> bool {
    ["LogoutRequest", "LogoutResponse"].into_iter().any(|name| tree::check(document, name, content).is_ok())
}

/// A message as it came, decoded and not looked at.
struct Received {
    /// The root element that it must have.
    root: &'static str,
    message: Vec<u8>,
    relay_state: Option<String>,
    /// What the Redirect binding signs beside the message: method, signed letters, signature.
    detached: Option<(String, Vec<u8>, String)>,
}

impl SamlConnector {
    /// Where the provider sends people about logout, if it may.
    pub(super) fn logout_address(&self) -> Option<&str> {
        (!self.options.keys.signing.is_empty()).then_some(self.addresses.logout.as_str())
    }

    fn logout_key(&self) -> Result<&OwnKey, Error> {
        let unavailable =
            || Error::Unavailable { reason: "single logout needs `signing` with a key of ours".to_owned() };
        self.options.keys.signing.first().ok_or_else(unavailable)
    }

    /// Begins the logout of somebody at the provider; `None` where it takes no requests for that.
    pub(super) fn begin_logout(&self, at: &AtUpstream) -> Result<Option<Start>, Error> {
        let idp = self.current_idp()?;
        let (Some(service), Ok(key)) = (idp.logout(), self.logout_key()) else { return Ok(None) };
        let known: Known = minicbor::decode(&at.sign_out)
            .map_err(|error| Error::Unavailable { reason: format!("what was kept of the sign-in: {error}") })?;
        let (id, handle) = (random_id(&self.ids), self.ids.token().expose().to_owned());
        let optional = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" {name}=\"{}\"", quoted(value))).unwrap_or_default()
        };
        let index = |index: &String| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escaped(index));
        let body = format!(
            "<saml:NameID{}{}{}>{}</saml:NameID>{}",
            optional("Format", &known.format),
            optional("NameQualifier", &known.qualifier),
            optional("SPNameQualifier", &known.our_qualifier),
            escaped(&known.name),
            known.session.as_ref().map(index).unwrap_or_default(),
        );
        let document = self.render("LogoutRequest", &id, service.requests.as_str(), "", &body);
        let message = Message {
            field: "SAMLRequest",
            id: &id,
            document: &document,
            destination: &service.requests,
            relay_state: Some(&handle),
        };
        let Departure { location, fields } = message.send(service.binding, Some(key))?;
        Ok(Some(Start { location, fields, handle, pending: id.into_bytes() }))
    }

    /// Our answer to a request for logout.
    pub(super) fn confirm_logout(&self, request: &LogoutRequest) -> Result<Departure, Error> {
        let idp = self.current_idp()?;
        let unavailable = || Error::Unavailable { reason: "the provider has no address for our answer".to_owned() };
        let service = idp.logout().ok_or_else(unavailable)?;
        let id = random_id(&self.ids);
        let answers = format!(" InResponseTo=\"{}\"", quoted(&request.claim.id));
        let status = format!("<samlp:Status><samlp:StatusCode Value=\"{}\"/></samlp:Status>", assertion::SUCCESS);
        let document = self.render("LogoutResponse", &id, service.answers.as_str(), &answers, &status);
        let message = Message {
            field: "SAMLResponse",
            id: &id,
            document: &document,
            destination: &service.answers,
            relay_state: request.relay_state.as_deref(),
        };
        message.send(service.binding, Some(self.logout_key()?))
    }

    fn render(&self, name: &str, id: &str, destination: &str, more: &str, body: &str) -> String {
        format!(
            "<samlp:{name} xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\"{more}><saml:Issuer>{}</saml:Issuer>{body}</samlp:{name}>",
            self.clock.now(),
            quoted(destination),
            escaped(&self.addresses.metadata),
        )
    }

    /// Reads what came to our address for logout.
    ///
    /// # Errors
    /// `Refused` with the rules of responses.
    pub(super) fn accept_logout(&self, delivery: Delivery<'_>) -> Result<LogoutMessage, Error> {
        let idp = self.current_idp()?;
        let received = Received::read(delivery)?;
        let text = gate::check(&received.message, gate::MESSAGE)?;
        let document = tree::parse(text)?;
        tree::check(&document, received.root, content)?;
        let hashed = received.verify(&document, &idp)?;
        let hashed = hashed.as_deref().map(tree::parse).transpose()?;
        let root = hashed.as_ref().unwrap_or(&document).root_element();
        let issued = self.check_logout(root, &idp)?;
        if received.root == "LogoutRequest" {
            return self.read_request(root, issued, received.relay_state).map(LogoutMessage::Request);
        }
        Ok(LogoutMessage::Answer(LogoutAnswer {
            request: attribute(root, "InResponseTo")?.to_owned(),
            handle: received.relay_state.unwrap_or_default(),
            is_complete: is_complete(root)?,
        }))
    }

    /// Who made it, for whom, and when.
    fn check_logout(&self, root: Node<'_, '_>, idp: &IdpMetadata) -> Result<Timestamp, Error> {
        assertion::check_version(root)?;
        assertion::check_issuer(required(root, ASSERTION, "Issuer")?, idp.entity_id())?;
        if attribute(root, "Destination")? != self.addresses.logout {
            return Err(refused("destination", "it is not meant for our address for logout"));
        }
        let (now, skew) = (self.clock.now(), self.clock_skew);
        let issued = time::parse(attribute(root, "IssueInstant")?)?;
        if issued > now.plus(skew) || issued < now.minus(MAX_AGE + skew) {
            return Err(refused("time", format!("issued at {issued}, long ago or in the future")));
        }
        let end = tree::optional_attribute(root, "NotOnOrAfter").map(time::parse).transpose()?;
        match end {
            Some(end) if now >= end.plus(skew) => Err(refused("time", format!("it ended at {end}"))),
            _ => Ok(issued),
        }
    }

    fn read_request(
        &self,
        root: Node<'_, '_>,
        issued: Timestamp,
        relay_state: Option<String>,
    ) -> Result<LogoutRequest, Error> {
        let indexes = children(root, PROTOCOL, "SessionIndex").map(|index| text(index).map(str::to_owned));
        let sessions = indexes.collect::<Result<Vec<_>, _>>()?;
        if sessions.len() > MAX_SESSIONS || sessions.iter().any(String::is_empty) {
            return Err(refused("size", format!("it names more than {MAX_SESSIONS} sessions, or one without a name")));
        }
        if relay_state.as_ref().is_some_and(|state| state.len() > MAX_RELAY_STATE_BYTES) {
            return Err(refused("size", format!("a RelayState of more than {MAX_RELAY_STATE_BYTES} bytes")));
        }
        let until = issued.plus(MAX_AGE + 2 * self.clock_skew);
        Ok(LogoutRequest {
            subject: Some(text(required(root, ASSERTION, "NameID")?)?.to_owned()),
            sessions,
            issued,
            claim: OneTime { id: attribute(root, "ID")?.to_owned(), until },
            relay_state,
        })
    }
}

fn is_complete(root: Node<'_, '_>) -> Result<bool, Error> {
    let status = required(root, PROTOCOL, "Status")?;
    let code = required(status, PROTOCOL, "StatusCode")?;
    Ok(attribute(code, "Value")? == assertion::SUCCESS && child(code, PROTOCOL, "StatusCode").is_none())
}

impl Received {
    fn read(delivery: Delivery<'_>) -> Result<Self, Error> {
        match delivery {
            Delivery::BackChannel(_) => Err(refused("shape", "SAML has no logout tokens")),
            Delivery::Form(form) => Self::read_form(form),
            Delivery::Query(query) => Self::read_query(query),
        }
    }

    fn read_form(form: &Answer) -> Result<Self, Error> {
        let (root, field) = match (form.optional("SAMLRequest")?, form.optional("SAMLResponse")?) {
            (Some(field), None) => ("LogoutRequest", field),
            (None, Some(field)) => ("LogoutResponse", field),
            _ => return Err(refused("shape", "it is neither one request nor one response")),
        };
        let relay_state = form.optional("RelayState")?.map(str::to_owned);
        Ok(Self { root, message: super::decode(field)?, relay_state, detached: None })
    }

    fn read_query(query: &str) -> Result<Self, Error> {
        let raw = |name: &str| -> Result<Option<&str>, Error> {
            let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(n, _)| *n == name);
            match (found.next(), found.next()) {
                (found, None) => Ok(found.map(|(_, value)| value)),
                (_, Some(_)) => Err(refused("shape", format!("more than one `{name}`"))),
            }
        };
        let decoded = |raw: &str| {
            form_urlencoded::parse(format!("v={raw}").as_bytes())
                .next()
                .map(|(_, v)| v.into_owned())
                .unwrap_or_default()
        };
        let (root, name, field) = match (raw("SAMLRequest")?, raw("SAMLResponse")?) {
            (Some(field), None) => ("LogoutRequest", "SAMLRequest", field),
            (None, Some(field)) => ("LogoutResponse", "SAMLResponse", field),
            _ => return Err(refused("shape", "it is neither one request nor one response")),
        };
        let (Some(method), Some(signature)) = (raw("SigAlg")?, raw("Signature")?) else {
            return Err(refused("signature", "the address carries no signature"));
        };
        let state = raw("RelayState")?;
        let state_pair = state.map(|state| format!("&RelayState={state}")).unwrap_or_default();
        let signed = format!("{name}={field}{state_pair}&SigAlg={method}").into_bytes();
        Ok(Self {
            root,
            message: inflate(&decoded(field))?,
            relay_state: state.map(decoded),
            detached: Some((decoded(method), signed, decoded(signature))),
        })
    }

    /// Verifies the one signature; gives the bytes that it covers where those are not the message itself.
    fn verify(&self, document: &Document<'_>, idp: &IdpMetadata) -> Result<Option<String>, Error> {
        let Some((method, signed, value)) = &self.detached else {
            return signature::verify_message(document, idp.keys()).map(Some);
        };
        if child(document.root_element(), DSIG, "Signature").is_some() {
            return Err(refused("shape", "a message in an address is signed there, not within"));
        }
        signature::verify_query(method, signed, value, idp.keys())?;
        Ok(None)
    }
}

/// The message of the Redirect binding, of at most the gate's size.
fn inflate(field: &str) -> Result<Vec<u8>, Error> {
    let packed = BASE64_STANDARD.decode(field).map_err(|error| refused("encoding", format!("not base64: {error}")))?;
    let most = u64::try_from(gate::MESSAGE.max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut message = Vec::new();
    DeflateDecoder::new(packed.as_slice())
        .take(most)
        .read_to_end(&mut message)
        .map_err(|error| refused("encoding", format!("not deflated: {error}")))?;
    Ok(message)
}
