//! `/tokens`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, Services, render};
use crate::audit::Change;
use crate::clock::Timestamp;
use crate::config::parse_duration;
use crate::model::{Actor, Permission, SourceId, TokenId, TokenKind, UserId};
use crate::secret::Secret;
use crate::tokens::{Rotated, Token};

/// How long both texts are good when nobody says.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(86_400);

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
    let list = &connection.as_ref().map_or_else(|| "tokens".to_owned(), |source| format!("tokens of {source}"));
    let page = api.page::<TokenId>(&caller, list, &mut params)?;
    params.end()?;
    api.permit(&caller, "tokens:read", None).await?;
    let is_shown = |token: &&Token| match (&connection, &token.kind) {
        (None, _) => true,
        (Some(wanted), TokenKind::Client(source) | TokenKind::Scim(source)) => source == wanted,
        (Some(_), TokenKind::Management(..)) => false,
    };
    let tokens = api.services.tokens.list(page.after, page.limit).await?;
    let next = tokens.last().filter(|_| tokens.len() == page.limit).map(|token| token.id);
    let next = api.next(&caller, list, next)?;
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
/// time, or `expires` as a time, how long from now, or `never`; without either, as long as the configuration says. The answer has `token`, this once; with `kind` "client" of a
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
    // A client that cannot renew its token is cut off with all its people on the day it ends: that is asked for, or not done.
    let lasts = api.services.token_lasts.filter(|_| connection.is_none());
    let usual = lasts.map(|lasts| api.services.clock.now().plus(lasts));
    let named = api.expiry(at, expires.as_deref())?;
    let (name, kind) = match connection {
        Some(connection) if scope.is_none() && user.is_none() => {
            if !api.services.connections.contains(&connection) {
                return Err(Error::invalid(
                    "connection",
                    format!("`{connection}` is no [[scim]] of the configuration"),
                ));
            }
            api.check_connection(&caller, &connection, named.flatten()).await?;
            let name = name.unwrap_or_else(|| connection.to_string());
            (name, if is_client { TokenKind::Client(connection) } else { TokenKind::Scim(connection) })
        }
        Some(_) => return Err(Error::invalid("connection", "goes with neither scope nor user")),
        None => {
            let name = name.ok_or_else(|| Error::invalid("name", "is required"))?;
            (name, api.management(&caller, scope, user).await?)
        }
    };
    let (services, permit, name, kind, actor) = (&api.services, &permit, &name, &kind, &caller.actor);
    let (secret, token) = services
        .ledger
        .retry(|mut change| async move {
            services.hold(&mut change, actor).await?;
            let made = services.tokens.create_in(&mut change, permit, name, kind.clone(), (named, usual)).await;
            let (secret, token, event) = made.map_err(|error| as_asked(error, at))?;
            change.commit(event).await?;
            Ok::<_, Error>((secret, token))
        })
        .await?;
    Ok(render::answer(StatusCode::CREATED, &shown_once(&token, &secret)))
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

/// `POST /tokens/{id}:rotate`: `overlap`, how long the old text stays good, and `expires` or `expires_at` as at `POST
/// /tokens`; without either the new one lasts as long as the old one was made for. The caller may make such a token, and is
/// the maker of the new one.
pub(super) async fn act(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "tokens:create", None).await?;
    api.permit(&caller, "tokens:delete", None).await?;
    let verb = Error::NotFound { what: "address; `POST /tokens/{id}:rotate` is one" };
    let id = id.strip_suffix(":rotate").ok_or(verb)?;
    let overlap = match fields.text("overlap")?.as_deref() {
        None => DEFAULT_OVERLAP,
        Some("0") => Duration::ZERO,
        Some(text) => {
            parse_duration(text).ok_or_else(|| Error::invalid("overlap", "must be a time such as 24h, at most 30d"))?
        }
    };
    let at: Option<Timestamp> = fields.parsed("expires_at")?;
    let expires = fields.text("expires")?;
    fields.end()?;
    let lasts = api.expiry(at, expires.as_deref())?;
    let id: TokenId = id.parse().map_err(|_| Error::NotFound { what: "token" })?;
    let old = api.services.tokens.load(id).await?;
    let sight = api.sight(&caller).await?;
    if sight.is_limited() && !api.sees_token(&sight, &old).await? {
        return Err(Error::NotFound { what: "token" });
    }
    let kind = old.kind;
    // Without a word it lasts as long as the old one was made for, which may be for good.
    api.check_kind(&caller, &kind, lasts.flatten()).await?;
    let maker = if matches!(kind, TokenKind::Management(..)) { maker(&caller)? } else { None };
    let (services, permit, actor) = (&api.services, &permit, &caller.actor);
    let Rotated { secret, token, old } = services
        .ledger
        .retry(|mut change| async move {
            services.hold(&mut change, actor).await?;
            let times = (overlap, lasts);
            let rotated = services.tokens.rotate_in(&mut change, permit, id, times, maker).await;
            let (rotated, event) = rotated.map_err(|error| as_asked(error, at))?;
            change.commit(event).await?;
            Ok::<_, Error>(rotated)
        })
        .await?;
    let mut body = shown_once(&token, &secret);
    if let Some(members) = body.as_object_mut() {
        members.insert("replaces".to_owned(), render::token(&old));
    }
    Ok(render::answer(StatusCode::CREATED, &body))
}

impl Services {
    /// Lets a change fail where the session or the token by which somebody acts ends before its commit: what is good for
    /// longer than they are is made before they end, and ends with them where they do, or it is not made.
    pub(super) async fn hold(&self, change: &mut Change, actor: &Actor) -> Result<(), Error> {
        let is_there = match actor {
            Actor::User { session, .. } => self.sessions.holds_in(change, *session).await?,
            Actor::Token { id, .. } => self.tokens.holds_in(change, *id).await?,
            Actor::Anonymous | Actor::Connection { .. } | Actor::Local { .. } | Actor::System { .. } => true,
        };
        if is_there { Ok(()) } else { Err(Error::Unauthorized) }
    }
}

/// What is not acceptable, by the name under which the moment was given.
fn as_asked(error: impl Into<Error>, at: Option<Timestamp>) -> Error {
    match error.into() {
        Error::Invalid { field, reason } if field == "expires" && at.is_some() => {
            Error::Invalid { field: "expires_at".to_owned(), reason }
        }
        other => other,
    }
}

/// A token with its text.
fn shown_once(token: &Token, secret: &Secret) -> Value {
    let mut body = render::token(token);
    if let Some(members) = body.as_object_mut() {
        if matches!(token.kind, TokenKind::Client(_)) {
            members.insert("client_id".to_owned(), token.id.to_string().into());
            members.insert("client_secret".to_owned(), secret.expose().into());
        } else {
            members.insert("token".to_owned(), secret.expose().into());
        }
    }
    body
}

impl Api {
    /// When a token is to expire: `None` when nobody says, `Some(None)` when never is said.
    fn expiry(&self, at: Option<Timestamp>, text: Option<&str>) -> Result<Option<Option<Timestamp>>, Error> {
        match (at, text) {
            (Some(_), Some(_)) => Err(Error::invalid("expires", "and expires_at exclude each other")),
            (Some(at), None) => Ok(Some(Some(at))),
            (None, Some("never")) => Ok(Some(None)),
            (None, Some(text)) => self.moment(text).map(Some).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Checks that the caller might make a token of this kind, whose text they are about to learn.
    async fn check_kind(&self, caller: &Caller, kind: &TokenKind, ends: Option<Timestamp>) -> Result<(), Error> {
        match kind {
            TokenKind::Client(connection) | TokenKind::Scim(connection) => {
                self.check_connection(caller, connection, ends).await
            }
            TokenKind::Management(limit, None, _) => self.check_limit(caller, limit).await,
            TokenKind::Management(_, Some(user), _) => {
                match self.check_rank(caller, *user).await {
                    // Of whom there is not, the token is good for nothing.
                    Err(Error::NotFound { .. }) => Ok(()),
                    checked => checked,
                }
            }
        }
    }

    /// `90d` from now, or an RFC 3339 time.
    fn moment(&self, text: &str) -> Result<Timestamp, Error> {
        match parse_duration(text) {
            Some(duration) => Ok(self.services.clock.now().plus(duration)),
            None => text
                .parse()
                .map_err(|_| Error::invalid("expires", "must be a time such as 90d or 2027-01-01T00:00:00Z, or never")),
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
        let near = self.services.access.roles().catalogue().nearest(word);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(Error::invalid("scope", format!("has `{word}`, which is no permission of the policy pack{hint}")))
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
