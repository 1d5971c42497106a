//! `/tokens`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::clock::Timestamp;
use crate::config::parse_duration;
use crate::model::{Actor, Permission, SourceId, TokenId, TokenKind, UserId};
use crate::tokens::Token;

/// Words for usual limits.
const WORDS: [(&str, &[&str]); 3] = [
    ("admin", &["*:*"]),
    (
        "configure",
        &[
            "integrations:create",
            "integrations:read",
            "integrations:update",
            "workflows:create",
            "workflows:read",
            "workflows:update",
        ],
    ),
    ("read", &["*:read"]),
];

/// `GET /tokens?connection=&limit=&cursor=`, without their texts. A page of one connection may hold fewer than asked
/// although there are more.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let connection: Option<SourceId> = params.parsed("connection")?;
    let page = params.page::<TokenId>()?;
    params.end()?;
    api.permit(&caller, "tokens:read", None).await?;
    let is_shown = |token: &&Token| match (&connection, &token.kind) {
        (None, _) => true,
        (Some(wanted), TokenKind::Client(source) | TokenKind::Scim(source)) => source == wanted,
        (Some(_), TokenKind::Management(..)) => false,
    };
    let tokens = api.services.tokens.list(page.after, page.limit).await?;
    let next = tokens.last().filter(|_| tokens.len() == page.limit).map(|token| token.id.to_string());
    let sight = api.sight(&caller).await?;
    let mut items = Vec::with_capacity(tokens.len());
    for token in tokens.iter().filter(is_shown) {
        if api.sees_token(&sight, token).await? {
            items.push(render::token(token));
        }
    }
    Ok(render::page(items, next))
}

/// `POST /tokens`: `connection`, or `name` with `scope` (a word, or permissions) and perhaps `user`; `expires_at` as a
/// time, or `expires` as a time or how long from now. The answer has `token`, this once; with `kind` "client" of a
/// connection it has `client_id` and `client_secret`.
pub(super) async fn create(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let connection: Option<SourceId> = fields.parsed("connection")?;
    let is_client = match fields.text("kind")?.as_deref() {
        None => false,
        Some("client") if connection.is_some() => true,
        Some("scim") if connection.is_some() => false,
        Some("management") if connection.is_none() => false,
        Some(_) => {
            return Err(Error::invalid("kind", "must be client or scim with a connection, management without one"));
        }
    };
    let name = fields.text("name")?;
    let scope = fields.words("scope")?;
    let user = fields.text("user")?;
    let at: Option<Timestamp> = fields.parsed("expires_at")?;
    let expires = fields.text("expires")?;
    fields.end()?;
    let permit = api.permit(&caller, "tokens:create", None).await?;
    let expires = match (at, expires) {
        (Some(_), Some(_)) => return Err(Error::invalid("expires", "and expires_at exclude each other")),
        (at, None) => at,
        (None, Some(text)) => Some(api.moment(&text)?),
    };
    let (name, kind) = match connection {
        Some(connection) if scope.is_none() && user.is_none() => {
            if !api.services.connections.contains(&connection) {
                return Err(Error::invalid(
                    "connection",
                    format!("`{connection}` is no [[scim]] of the configuration"),
                ));
            }
            api.check_connection(&caller, &connection).await?;
            let name = name.unwrap_or_else(|| connection.to_string());
            (name, if is_client { TokenKind::Client(connection) } else { TokenKind::Scim(connection) })
        }
        Some(_) => return Err(Error::invalid("connection", "goes with neither scope nor user")),
        None => {
            let name = name.ok_or_else(|| Error::invalid("name", "is required"))?;
            (name, api.management(&caller, scope, user).await?)
        }
    };
    let (secret, token) = api.services.tokens.create(&permit, &name, kind, expires).await?;
    let mut body = render::token(&token);
    if let Some(members) = body.as_object_mut() {
        if is_client {
            members.insert("client_id".to_owned(), token.id.to_string().into());
            members.insert("client_secret".to_owned(), secret.expose().into());
        } else {
            members.insert("token".to_owned(), secret.expose().into());
        }
    }
    Ok(render::answer(StatusCode::CREATED, &body))
}

/// `DELETE /tokens/{id}`.
pub(super) async fn revoke(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Error> {
    let permit = api.permit(&caller, "tokens:delete", None).await?;
    let id: TokenId = id.parse().map_err(|_| Error::NotFound { what: "token" })?;
    let sight = api.sight(&caller).await?;
    if sight.is_limited() && !api.sees_token(&sight, &api.services.tokens.load(id).await?).await? {
        return Err(Error::NotFound { what: "token" });
    }
    let token = api.services.tokens.revoke(&permit, id).await?;
    Ok(render::answer(StatusCode::OK, &render::token(&token)))
}

impl Api {
    /// `90d` from now, or an RFC 3339 time.
    fn moment(&self, text: &str) -> Result<Timestamp, Error> {
        match parse_duration(text) {
            Some(duration) => Ok(self.services.clock.now().plus(duration)),
            None => text
                .parse()
                .map_err(|_| Error::invalid("expires", "must be a time such as 90d or 2027-01-01T00:00:00Z")),
        }
    }

    async fn management(
        &self,
        caller: &Caller,
        scope: Option<Vec<String>>,
        user: Option<String>,
    ) -> Result<TokenKind, Error> {
        let words = scope.filter(|words| !words.is_empty()).ok_or_else(|| Error::invalid("scope", "is required"))?;
        let mut limit = Vec::new();
        for word in &words {
            match WORDS.iter().find(|(name, _)| name == word) {
                Some((_, permissions)) => {
                    for permission in *permissions {
                        limit.push(permission.parse().map_err(|_| Error::Internal("a permission that is none"))?);
                    }
                }
                None => limit.push(self.known(word)?),
            }
        }
        limit.sort();
        limit.dedup();
        let maker = maker(caller)?;
        let Some(user) = user else {
            self.check_limit(caller, &limit).await?;
            return Ok(TokenKind::Management(limit, None, maker));
        };
        let user = self.user(caller, &user).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::invalid("user", "does not exist"),
            other => other,
        })?;
        self.check_rank(caller, user.id).await?;
        Ok(TokenKind::Management(limit, Some(user.id), maker.filter(|maker| *maker != user.id)))
    }

    fn known(&self, word: &str) -> Result<Permission, Error> {
        let permission: Permission =
            word.parse().map_err(|error| Error::invalid("scope", format!("has `{word}`, which {error}")))?;
        if self.services.access.roles().catalogue().knows(&permission) {
            return Ok(permission);
        }
        Err(Error::invalid("scope", format!("has `{word}`, which is no permission of the policy pack")))
    }
}

/// Whose rights bound what this caller makes, from now on; nobody's where the machine itself does.
fn maker(caller: &Caller) -> Result<Option<UserId>, Error> {
    match &caller.actor {
        Actor::User { id, .. } => Ok(Some(*id)),
        Actor::Token { user: Some(_), maker: Some(_), .. } => {
            let detail = "this token acts for somebody else than its maker; use one of your own".to_owned();
            Err(Error::Forbidden { detail })
        }
        Actor::Token { user, maker, .. } => Ok(user.or(*maker)),
        _ => Ok(None),
    }
}
