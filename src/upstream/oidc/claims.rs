//! From claims to an identity (OpenID Connect Core section 5.1), and the claims that the UserInfo endpoint adds
//! (section 5.3).

use std::collections::BTreeMap;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use openidconnect::AccessToken;
use serde_json::{Map, Value};
use url::Url;

use super::asking::{Asking, Endpoint};
use super::discovery::{Provider, check_json};
use super::verify::VerifiedClaims;
use super::{json, refused};
use crate::http::outbound::Provenance;
use crate::model::UserName;
use crate::upstream::{Assertion, Error};

/// The claim that names those which a provider keeps elsewhere (OpenID Connect Core section 5.6.2).
const ELSEWHERE: &str = "_claim_names";
/// What Entra ID says in its place where the token travels in an address.
const HAS_GROUPS: &str = "hasgroups";
/// What is asked for at the address for groups: all, not those for security only (Microsoft Graph, `getMemberObjects`).
const GROUPS_QUESTION: &str = r#"{"securityEnabledOnly":false}"#;
/// Claims of the protocol, which say nothing about the person.
const PROTOCOL: [&str; 17] = [
    ELSEWHERE,
    "_claim_sources",
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "exp",
    HAS_GROUPS,
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "sid",
];

/// Which claims mean what.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The claim of the login name; `None` is the verified e-mail address, else `preferred_username`, else `sub`.
    pub user_name: Option<String>,
    pub email: String,
    pub display_name: String,
    pub groups: String,
}

/// Whether the ID token leaves open what the UserInfo endpoint may know.
pub(super) fn is_thin(claims: &VerifiedClaims, names: &Names) -> bool {
    !claims.has(&names.email) || !claims.has(&names.groups)
}

/// Asks the UserInfo endpoint about the person of `claims`.
///
/// # Errors
/// `Refused` when it speaks of somebody else; `Unavailable` when it does not answer: groups that cannot be had are not
/// groups that are not there.
pub(super) async fn fetch_more(
    asking: &Asking<'_>,
    provider: &Provider,
    endpoint: &Url,
    access_token: &AccessToken,
    claims: &VerifiedClaims,
) -> Result<Map<String, Value>, Error> {
    const WHAT: &str = Endpoint::UserInfo.name();
    let (headers, place) = (bearer(access_token)?, (endpoint, &provider.provenance()));
    let response = asking.send(Endpoint::UserInfo, http::Method::GET, place, headers, bytes::Bytes::new()).await?;
    check_json(&response, WHAT)?;
    let more =
        json::parse_object(&response.body).map_err(|e| refused("userinfo", format!("the {WHAT}'s answer: {e}")))?;
    match more.get("sub").and_then(Value::as_str) {
        Some(subject) if subject == claims.subject() => Ok(more),
        _ => Err(refused("userinfo", format!("the {WHAT} speaks of somebody else than the ID token"))),
    }
}

/// Adds what the signed claims do not say. What they say stays.
pub(super) fn merge(claims: VerifiedClaims, more: Map<String, Value>) -> Map<String, Value> {
    let mut merged = claims.into_inner();
    // Whether an address is verified is said by whoever names the address.
    let names_address = merged.contains_key("email") && merged.get("email") != more.get("email");
    for (name, value) in more {
        // Which claims are kept elsewhere has to be known, so that none of them counts as said.
        if name == ELSEWHERE {
            match (merged.get_mut(ELSEWHERE), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value @ Value::Object(_)) => drop(merged.insert(name, value)),
                _ => {}
            }
            continue;
        }
        let is_said = merged.contains_key(&name) || (name == "email_verified" && names_address);
        if !is_said && !PROTOCOL.contains(&name.as_str()) {
            merged.insert(name, value);
        }
    }
    merged
}

/// The identity that verified claims describe.
///
/// # Errors
/// `Refused` by `user_name` or `groups` when those claims cannot be used.
pub(super) fn assertion(claims: &Map<String, Value>, names: &Names) -> Result<Assertion, Error> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let subject = text("sub").ok_or_else(|| refused("subject", "there is no `sub`"))?.to_owned();
    let email = text(&names.email).filter(|address| is_address(address)).map(str::to_owned);
    let is_true = |value: &Value| *value == Value::Bool(true) || value.as_str() == Some("true");
    // `email_verified` is about `email`, whatever other claim the address was taken from.
    let is_vouched_for = email.is_some() && email.as_deref() == text("email");
    let email_is_verified = is_vouched_for && claims.get("email_verified").is_some_and(is_true);
    let user_name = match &names.user_name {
        Some(claim) => {
            text(claim).ok_or_else(|| refused("user_name", format!("there is no claim `{claim}`")))?.to_owned()
        }
        None => match (&email, text("preferred_username")) {
            (Some(address), _) if email_is_verified => address.clone(),
            (_, Some(preferred)) => preferred.to_owned(),
            _ => subject.clone(),
        },
    };
    if let Err(e) = user_name.parse::<UserName>() {
        return Err(refused("user_name", format!("the login name {e}")));
    }
    Ok(Assertion {
        subject,
        user_name,
        email,
        email_is_verified,
        display_name: display_name(text(&names.display_name), text("given_name"), text("family_name")),
        groups: groups(claims, &names.groups)?,
        attributes: attributes(claims),
        claim: None,
        upstream_session: text("sid").map(str::to_owned),
        at_upstream: None,
    })
}

fn is_address(text: &str) -> bool {
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control()) && text.len() <= 254;
    is_plain
        && text.parse::<UserName>().is_ok()
        && matches!(text.rsplit_once('@'), Some((l, d)) if !l.is_empty() && !d.is_empty())
}

fn display_name(name: Option<&str>, given: Option<&str>, family: Option<&str>) -> Option<String> {
    let found = match (name, given, family) {
        (Some(name), _, _) => name.to_owned(),
        (None, Some(given), Some(family)) => format!("{given} {family}"),
        (None, Some(one), None) | (None, None, Some(one)) => one.to_owned(),
        (None, None, None) => return None,
    };
    Some(found).filter(|name| name.parse::<UserName>().is_ok())
}

/// Whether the provider says that there are groups, and does not name them.
pub(super) fn lacks_groups(claims: &Map<String, Value>, names: &Names) -> bool {
    claims.get(&names.groups).is_none() && has_groups_elsewhere(claims, &names.groups)
}

fn has_groups_elsewhere(claims: &Map<String, Value>, name: &str) -> bool {
    let is_named = claims.get(ELSEWHERE).is_some_and(|names| names.get(name).is_some());
    is_named || claims.get(HAS_GROUPS).is_some_and(|value| *value != Value::Bool(false) && *value != Value::Null)
}

/// Asks for the groups of the person where the administrator says that they are to be had, in one request.
///
/// # Errors
/// `Refused` when the answer is not all of them; `Unavailable` when there is none.
pub(super) async fn fetch_groups(
    asking: &Asking<'_>,
    endpoint: &Url,
    access_token: &AccessToken,
) -> Result<Value, Error> {
    const WHAT: &str = Endpoint::Groups.name();
    let mut headers = bearer(access_token)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let question = bytes::Bytes::from_static(GROUPS_QUESTION.as_bytes());
    let place = (endpoint, &Provenance::Administrator);
    let response = asking.send(Endpoint::Groups, http::Method::POST, place, headers, question).await?;
    check_json(&response, WHAT)?;
    let mut answer =
        json::parse_object(&response.body).map_err(|e| refused("groups", format!("the {WHAT}'s answer: {e}")))?;
    if answer.contains_key("@odata.nextLink") {
        return Err(refused("groups", format!("the {WHAT} does not tell all of them at once")));
    }
    match answer.remove("value") {
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => Ok(Value::Array(all)),
        _ => Err(refused("groups", format!("the {WHAT} answers with no list of texts"))),
    }
}

/// The headers of a request in the name of the person.
fn bearer(access_token: &AccessToken) -> Result<HeaderMap, Error> {
    let bearer = HeaderValue::from_str(&format!("Bearer {}", access_token.secret()));
    let mut bearer = bearer.map_err(|_| refused("shape", "the access token cannot be sent in a header"))?;
    bearer.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer), (ACCEPT, HeaderValue::from_static("application/json"))]))
}

/// The groups: a list of texts or one text. A reference to another place is refused, because the person would sign in
/// without the groups that they have.
fn groups(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, Error> {
    let is_elsewhere = has_groups_elsewhere(claims, name);
    match claims.get(name) {
        None if is_elsewhere => {
            Err(refused("groups", "the groups are too many for the token and have to be fetched elsewhere"))
        }
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(all)) => {
            let mut found: Vec<String> = Vec::with_capacity(all.len());
            for group in all {
                let group = group
                    .as_str()
                    .ok_or_else(|| refused("groups", format!("`{name}` has a member that is no text")))?;
                found.push(group.to_owned());
            }
            let mut seen = std::collections::HashSet::new();
            found.retain(|group| seen.insert(group.clone()));
            Ok(found)
        }
        Some(_) => Err(refused("groups", format!("`{name}` is no list of texts"))),
    }
}

fn attributes(claims: &Map<String, Value>) -> BTreeMap<String, Vec<String>> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let person = claims.iter().filter(|(name, _)| !PROTOCOL.contains(&name.as_str()));
    let listed = person.map(|(name, value)| match value {
        Value::Array(all) => (name.clone(), all.iter().filter_map(plain).collect::<Vec<_>>()),
        one => (name.clone(), plain(one).into_iter().collect()),
    });
    listed.filter(|(_, values)| !values.is_empty()).collect()
}
