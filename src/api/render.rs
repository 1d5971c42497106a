//! Domain values as JSON.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH};
use serde_json::{Value, json};

use super::Error;
use crate::clock::Timestamp;
use crate::model::{Grant, Group, Mode, Origin, Permission, Scope, Status, Subject, TokenKind, User};
use crate::session::Session;
use crate::tokens::Token;

/// The extension that holds a person's department (RFC 7643 section 4.3).
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// An answer of JSON.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// An answer of JSON with the revision of what it shows.
pub(super) fn versioned(status: StatusCode, body: &Value, revision: u64) -> Response {
    let mut response = answer(status, body);
    if let Ok(tag) = HeaderValue::try_from(format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The revision that the caller has seen (RFC 9110 section 13.1.1); `*` asks for any.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or("").trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix("W/").unwrap_or(text);
    let revision = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    revision.map(Some).ok_or_else(|| Error::Malformed("If-Match must be one entity tag of ours".to_owned()))
}

/// A page: items, and the cursor of the next one if there is more.
pub(super) fn page(items: Vec<Value>, next: Option<String>) -> Response {
    answer(StatusCode::OK, &json!({"items": items, "next": next}))
}

pub(super) fn time(moment: Option<Timestamp>) -> Value {
    moment.map_or(Value::Null, |moment| moment.to_string().into())
}

pub(super) const fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
        Status::Invited => "invited",
        Status::Tombstone => "tombstone",
    }
}

/// A user by name, for what belongs to one.
pub(super) fn brief(user: &User) -> Value {
    json!({"id": user.id.to_string(), "userName": user.user_name.as_str(), "displayName": user.display_name()})
}

pub(super) fn user(user: &User) -> Value {
    let attributes = &user.attributes.0;
    let extension = |name: &str| attributes.get(ENTERPRISE).and_then(|extension| extension.get(name));
    let name = |part: &str| attributes.get("name").and_then(|name| name.get(part));
    let first = |list: &str| attributes.get(list).and_then(|values| values.get(0)?.get("value"));
    json!({
        "id": user.id.to_string(),
        "userName": user.user_name.as_str(),
        "displayName": user.display_name(),
        "first_name": name("givenName"),
        "last_name": name("familyName"),
        "email": user.email(),
        "department": extension("department"),
        "supervisor": extension("manager").and_then(|manager| manager.get("value")),
        "language": attributes.get("preferredLanguage"),
        "phone": first("phoneNumbers"),
        "photo": first("photos"),
        "timezone": attributes.get("timezone"),
        "realm": user.realm().name(),
        "status": status(user.status),
        "active": user.status == Status::Active,
        "source": user.owner.as_ref().map(ToString::to_string),
        "companies": user.companies().iter().map(Scope::slug).collect::<Vec<_>>(),
        "all_companies": user.sees_all(),
        "created": user.created.to_string(),
        "changed": user.changed.to_string(),
        "revision": user.revision,
    })
}

pub(super) fn group(group: &Group, members: u64) -> Value {
    json!({
        "id": group.id.to_string(),
        "name": group.name.as_str(),
        "slug": group.name.slug(),
        "source": group.owner.as_ref().map(ToString::to_string),
        "members": members,
        "rule": group.rule,
        "companies": group.companies().iter().map(Scope::slug).collect::<Vec<_>>(),
        "created": group.created.to_string(),
        "changed": group.changed.to_string(),
        "revision": group.revision,
    })
}

pub(super) fn grant(grant: &Grant) -> Value {
    let (user, group) = match grant.subject {
        Subject::User(id) => (Some(id.to_string()), None),
        Subject::Group(id) => (None, Some(id.to_string())),
    };
    let origin = match &grant.origin {
        Origin::ByHand(reason) if reason.is_empty() => "by hand".to_owned(),
        Origin::ByHand(reason) => format!("by hand: {reason}"),
        Origin::Rule(source, position) => format!("rule of {source} at {position}"),
    };
    let mode = match grant.mode {
        Mode::Add => "add",
        Mode::Override => "override",
    };
    json!({
        "id": grant.id.to_string(),
        "user": user,
        "group": group,
        "role": grant.role.to_string(),
        "scope": grant.scope.as_ref().map(ToString::to_string),
        "mode": mode,
        "origin": origin,
        "starts": time(grant.starts),
        "ends": time(grant.ends),
        "created": time(grant.made),
        "created_by": grant.maker,
    })
}

pub(super) fn token(token: &Token) -> Value {
    let kind = match &token.kind {
        TokenKind::Client(_) => "client",
        TokenKind::Management(..) => "management",
        TokenKind::Scim(_) => "scim",
    };
    let (connection, scope, user) = match &token.kind {
        TokenKind::Client(source) | TokenKind::Scim(source) => (Some(source.to_string()), None, None),
        TokenKind::Management(limit, user, _) => {
            let limit: Vec<String> = limit.iter().map(Permission::to_string).collect();
            (None, Some(limit), user.map(|user| user.to_string()))
        }
    };
    json!({
        "id": token.id.to_string(),
        "name": token.name,
        "kind": kind,
        "connection": connection,
        "scope": scope,
        "user": user,
        "created": token.created.to_string(),
        "created_by": token.created_by,
        "expires_at": time(token.expires),
        "last_used": time(token.last_used),
        "replaced_by": token.replaced_by.map(|id| id.to_string()),
    })
}

/// A session; its secret is never shown.
pub(super) fn session(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "method": session.method.name(),
        "connector": session.connector.to_string(),
        "address": session.address,
        "user_agent": session.user_agent,
        "level": session.presence.level.name(),
        "factor_at": time(session.presence.factor_at),
        "created": session.created.to_string(),
        "last_seen": session.last_seen.to_string(),
        "idle_until": session.idle_until.to_string(),
        "ends": session.ends.to_string(),
    })
}
