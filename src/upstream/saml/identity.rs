//! From what a provider says about a person to the identity that the gateway knows: which attribute is the name, the
//! address, the groups.

use std::collections::BTreeMap;

use super::assertion::{Attribute, Statement};
use super::logout::Known;
use super::{refused, tree};
use crate::clock::Timestamp;
use crate::session::AtUpstream;
use crate::upstream::{Assertion, Error, OneTime};

const EMAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const PERSISTENT_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const TRANSIENT_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// What Entra ID sends instead of the groups when there are more than 150.
const GROUPS_LINK: &str = "http://schemas.microsoft.com/claims/groups.link";

/// Which attributes mean what, by `Name` or `FriendlyName`, exactly as the provider writes them. Of each list, the
/// first that was sent is used.
#[derive(Clone, Debug)]
pub struct AttributeNames {
    /// The login name. Empty: the name identifier where it is readable, else the usual attributes. When set, one of
    /// them must be sent.
    pub user_name: Vec<String>,
    /// The e-mail address.
    pub email: Vec<String>,
    /// The name to show.
    pub display_name: Vec<String>,
    /// The groups.
    pub groups: Vec<String>,
    /// The stable id, used only when the name identifier is transient and so says nothing about who it is.
    pub subject: Vec<String>,
}

impl Default for AttributeNames {
    /// The names that Okta, Entra ID, AD FS, Google, Keycloak, pysaml2, Shibboleth and SimpleSAMLphp use by default.
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            user_name: Vec::new(),
            email: list(&[
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
                "email",
                "mail",
                "urn:oid:0.9.2342.19200300.100.1.3",
                "urn:oid:1.2.840.113549.1.9.1.1",
                "emailAddress",
                "user.email",
            ]),
            display_name: list(&[
                "http://schemas.microsoft.com/identity/claims/displayname",
                "displayName",
                "urn:oid:2.16.840.1.113730.3.1.241",
                "cn",
                "urn:oid:2.5.4.3",
                "displayname",
            ]),
            groups: list(&[
                "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
                "http://schemas.xmlsoap.org/claims/Group",
                "groups",
                "group",
                "memberOf",
                "urn:oid:1.3.6.1.4.1.5923.1.5.1.1",
                "eduPersonAffiliation",
                "urn:oid:1.3.6.1.4.1.5923.1.1.1.1",
            ]),
            subject: list(&[
                "urn:oasis:names:tc:SAML:attribute:pairwise-id",
                "urn:oasis:names:tc:SAML:attribute:subject-id",
                "urn:oid:1.3.6.1.4.1.5923.1.1.1.13",
                "urn:oid:1.3.6.1.4.1.5923.1.1.1.6",
                "eduPersonPrincipalName",
            ]),
        }
    }
}

/// Attributes that are a login name where the name identifier is not.
const USUAL_USER_NAMES: [&str; 6] = [
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "urn:oid:0.9.2342.19200300.100.1.1",
    "uid",
    "username",
    "userName",
    "login",
];
const GIVEN_NAMES: [&str; 5] = [
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
    "urn:oid:2.5.4.42",
    "givenName",
    "firstName",
    "first_name",
];
const SURNAMES: [&str; 5] =
    ["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "urn:oid:2.5.4.4", "sn", "lastName", "last_name"];

/// Fills the parts of an identity.
///
/// # Errors
/// `Refused` with rule `subject` when nothing stable names the person, `attributes` when a configured one is missing,
/// `groups` when the provider did not send them all, `characters` when a name holds what does not show.
pub(super) fn read(
    statement: Statement,
    names: &AttributeNames,
    domains: &[String],
    claim_until: Timestamp,
) -> Result<Assertion, Error> {
    let sent = Sent(&statement.attributes);
    if sent.values(&[GROUPS_LINK]).is_some() {
        let reason = "the provider sent a link instead of the groups; let it send the groups assigned to the service";
        return Err(refused("groups", reason));
    }
    let subject = subject(&statement, sent, names)?;
    let user_name = user_name(&statement, sent, names, &subject)?;
    let email = match sent.first(&names.email) {
        Some(email) => Some(email),
        None if statement.name_id_format == EMAIL_FORMAT => Some(statement.name_id.as_str()),
        None => None,
    };
    let email = email.filter(|email| is_address(email)).map(str::to_owned);
    let email_is_verified = email.as_deref().is_some_and(|email| in_domains(email, domains));
    let groups = sent.values(&names.groups).unwrap_or_default();
    for name in [&subject, &user_name].into_iter().chain(&email).chain(&groups) {
        tree::check_name(name, "name")?;
    }
    Ok(Assertion {
        at_upstream: Some(at_upstream(&statement)?),
        email,
        email_is_verified,
        display_name: display_name(sent, names),
        groups,
        subject,
        user_name,
        claim: Some(OneTime { id: statement.id, until: claim_until }),
        upstream_session: statement.session_index,
        attributes: by_name(statement.attributes),
    })
}

/// By what the provider knows the person when they sign out, here or there.
fn at_upstream(statement: &Statement) -> Result<AtUpstream, Error> {
    let (qualifier, our_qualifier) = statement.qualifiers.clone();
    let known = Known {
        name: statement.name_id.clone(),
        format: Some(statement.name_id_format.clone()).filter(|format| !format.is_empty()),
        qualifier,
        our_qualifier,
        session: statement.session_index.clone(),
    };
    let sign_out = minicbor::to_vec(known)
        .map_err(|error| Error::Unavailable { reason: format!("the sign-in cannot be kept: {error}") })?;
    Ok(AtUpstream { subject: statement.name_id.clone(), issued: statement.issued, sign_out })
}

fn subject(statement: &Statement, sent: Sent<'_>, names: &AttributeNames) -> Result<String, Error> {
    if statement.name_id_format != TRANSIENT_FORMAT {
        return Ok(statement.name_id.clone());
    }
    let stable = sent.first(&names.subject);
    let reason = "the name identifier is transient and no attribute names the person; let the provider send another";
    stable.map(str::to_owned).ok_or_else(|| refused("subject", reason))
}

fn user_name(statement: &Statement, sent: Sent<'_>, names: &AttributeNames, subject: &str) -> Result<String, Error> {
    if !names.user_name.is_empty() {
        let reason = || format!("none of the attributes for the user name was sent: {}", names.user_name.join(", "));
        return sent.first(&names.user_name).map(str::to_owned).ok_or_else(|| refused("attributes", reason()));
    }
    let is_opaque = matches!(statement.name_id_format.as_str(), PERSISTENT_FORMAT | TRANSIENT_FORMAT);
    let usual = if is_opaque { sent.first(&USUAL_USER_NAMES) } else { None };
    Ok(usual.unwrap_or(subject).to_owned())
}

fn display_name(sent: Sent<'_>, names: &AttributeNames) -> Option<String> {
    if let Some(name) = sent.first(&names.display_name) {
        return Some(name.to_owned());
    }
    let parts: Vec<&str> = [sent.first(&GIVEN_NAMES), sent.first(&SURNAMES)].into_iter().flatten().collect();
    if parts.is_empty() { None } else { Some(parts.join(" ")) }
}

/// One `@` with something on both sides; more is not known about an address.
fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

fn in_domains(email: &str, domains: &[String]) -> bool {
    email.split_once('@').is_some_and(|(_, domain)| domains.iter().any(|known| known.eq_ignore_ascii_case(domain)))
}

/// Attributes of one name become one.
fn by_name(attributes: Vec<Attribute>) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for attribute in attributes {
        map.entry(attribute.name).or_default().extend(attribute.values);
    }
    map
}

/// The attributes that were sent.
#[derive(Clone, Copy)]
struct Sent<'a>(&'a [Attribute]);

impl<'a> Sent<'a> {
    /// The values of the first name of the list that was sent, without empty ones.
    fn values(self, names: &[impl AsRef<str>]) -> Option<Vec<String>> {
        names.iter().find_map(|name| {
            let values: Vec<String> = self.of(name.as_ref()).map(str::to_owned).collect();
            if values.is_empty() { None } else { Some(values) }
        })
    }

    /// The first value of the first name of the list that was sent.
    fn first(self, names: &[impl AsRef<str>]) -> Option<&'a str> {
        names.iter().find_map(|name| self.of(name.as_ref()).next())
    }

    fn of<'n>(self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let named = self.0.iter().filter(move |a| a.name == name || a.friendly_name.as_deref() == Some(name));
        named.flat_map(|attribute| attribute.values.iter().map(String::as_str)).filter(|value| !value.is_empty())
    }
}
