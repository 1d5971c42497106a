//! What a leaver holds, and the end of it: `GET /users/{user}/holdings`, `POST /users/{user}:offboard`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::change::record_of;
use crate::access::{Overlay, Question};
use crate::api::admit::Caller;
use crate::api::fields::Fields;
use crate::api::{Api, Error, render};
use crate::directory::Member;
use crate::model::{Status, Subject, TokenId, TokenKind, User};
use crate::tokens::Token;

/// What is told of a leaver, and the right that it takes to see it.
const PARTS: [(&str, &str); 5] = [
    ("grants", "grants:read"),
    ("groups", "groups:read"),
    ("sessions", "sessions:read"),
    ("supervised", "users:read"),
    ("tokens", "tokens:read"),
];

/// Most tokens that are looked through for those to make anew.
const MAX_TOKENS: usize = 1_000;
/// Most people under a supervisor, and tokens to make anew, that are shown.
const MAX_SHOWN: usize = 100;

/// `GET /users/{id or name}/holdings`.
pub(in crate::api) async fn holdings(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Error> {
    for (_, permission) in PARTS {
        api.permit(&caller, permission, None).await?;
    }
    let user = api.user(&caller, &user).await?;
    let tokens = api.tokens_of(user.id).await?;
    Ok(render::answer(StatusCode::OK, &api.held_by(&caller, &user, &tokens).await?))
}

/// `POST /users/{id or name}:offboard`: `dry_run`, `hand_over`. The account is made inactive, its sessions end, and its tokens are
/// revoked, in one commit; what it owns stays its own.
pub(in crate::api) async fn act(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    if let Some(name) = user.strip_suffix(":logout") {
        return crate::api::sessions::log_out(&api, &caller, name, fields).await;
    }
    if let Some(name) = user.strip_suffix(":reset-password") {
        return super::change::reset_link(&api, &caller, name, fields).await;
    }
    if let Some(name) = user.strip_suffix(":demand") {
        return super::change::demand(&api, &caller, name, fields).await;
    }
    let what = "address; `POST /users/{user}:demand`, `:offboard`, `:logout` and `:reset-password` are some";
    let verb = Error::NotFound { what };
    let permit = api.permit(&caller, "users:update", None).await?;
    let Some(name) = user.strip_suffix(":offboard") else { return Err(verb) };
    let is_dry = fields.flag("dry_run")?.unwrap_or(false);
    let kept = fields.list("hand_over")?;
    fields.end()?;
    let user = api.user(&caller, name).await?;
    api.check_rank(&caller, user.id).await?;
    api.check_own_end(&caller, &user, "off-board")?;
    let tokens = api.tokens_of(user.id).await?;
    if !tokens.is_empty() {
        api.permit(&caller, "tokens:delete", None).await?;
    }
    let handed = api.handed_over(&caller, &tokens, &kept).await?;
    let rotate = api.shared_tokens(&caller, &user, &handed).await?;
    let overlay = Overlay { status: vec![(user.id, Some(Status::Inactive))], ..Overlay::default() };
    let permit = api.weigh(permit, &overlay, false).await?;
    let mut held = api.held_by(&caller, &user, &tokens).await?;
    if !is_dry {
        let (services, tokens, handed) = (&api.services, &tokens, &handed);
        let permit = &permit;
        services
            .ledger
            .retry(|mut change| async move {
                let before = services.directory.user_in(&mut change, user.id).await?;
                let mut record = record_of(&before);
                record.active = Some(false);
                let staged = services.directory.stage_user(&mut change, permit, Some(&before), &record).await?;
                staged.event.into_iter().for_each(|event| change.also(event.detail("reason", "off-boarding")));
                for token in tokens {
                    let ended = match handed.contains(&token.id) {
                        true => services.tokens.hand_over_in(&mut change, permit, token.id).await?,
                        false => services.tokens.revoke_in(&mut change, permit, token.id).await?,
                    };
                    ended.into_iter().for_each(|event| change.also(event));
                }
                if !change.is_empty() {
                    change.commit_told().await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    drop(permit);
    let acting = api.acting(&caller).await?;
    if let Some(members) = held.as_object_mut() {
        // Who may end an account need not see all that hangs on it.
        for (part, permission) in PARTS {
            let permission = permission.parse().map_err(|_| Error::Internal("a permission that is none"))?;
            if !acting.may(&Question::new(&permission)) {
                members.remove(part);
            }
        }
        let handed: Vec<String> = handed.iter().map(ToString::to_string).collect();
        members.insert("handed_over".to_owned(), json!(handed));
        members.insert("rotate".to_owned(), rotate.iter().map(render::token).collect());
        members.insert("dry_run".to_owned(), is_dry.into());
        members.insert("ended".to_owned(), json!(["account", "sessions", "tokens"]));
        members.insert("kept".to_owned(), json!(["grants", "groups", "supervised"]));
    }
    Ok(render::answer(StatusCode::OK, &held))
}

impl Api {
    /// The tokens that are to be the caller's from now on: those of connections, which the caller could make itself.
    async fn handed_over(&self, caller: &Caller, tokens: &[Token], ids: &[String]) -> Result<Vec<TokenId>, Error> {
        let mut handed = Vec::with_capacity(ids.len());
        for text in ids {
            let token = tokens.iter().find(|token| token.id.to_string() == *text);
            match token.map(|token| (token.id, &token.kind)) {
                Some((id, TokenKind::Client(source) | TokenKind::Scim(source))) => {
                    self.permit(caller, "tokens:create", None).await?;
                    // Nobody learns its text by that.
                    self.check_connection(caller, source, Some(self.services.clock.now())).await?;
                    handed.push(id);
                }
                Some((_, TokenKind::Management(..))) => {
                    let reason = format!("names `{text}`, which ends with the account; make another one");
                    return Err(Error::invalid("hand_over", reason));
                }
                None => {
                    let reason = format!("names `{text}`, which is no token that the user made");
                    return Err(Error::invalid("hand_over", reason));
                }
            }
        }
        Ok(handed)
    }

    /// The tokens of nobody and of connections that a leaver could have seen, to be made anew: those that are handed over,
    /// and, of somebody who may make tokens, all that are shared. The first hundred, to who may read tokens.
    async fn shared_tokens(&self, caller: &Caller, user: &User, handed: &[TokenId]) -> Result<Vec<Token>, Error> {
        let create = "tokens:create".parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let read = "tokens:read".parse().map_err(|_| Error::Internal("a permission that is none"))?;
        if !self.acting(caller).await?.may(&Question::new(&read)) {
            return Ok(Vec::new());
        }
        let could = self.services.access.explain(user.id, &Question::new(&create), None).await?.allowed;
        let own = format!("user:{}", user.id);
        let is_shared = |token: &Token| match &token.kind {
            TokenKind::Client(_) | TokenKind::Scim(_) => true,
            TokenKind::Management(_, holder, maker) => holder.is_none() && maker.is_none(),
        };
        let found = self.services.tokens.list(None, MAX_TOKENS).await?.into_iter();
        let seen = |token: &Token| handed.contains(&token.id) || (could && is_shared(token) && token.created_by != own);
        let sight = self.sight(caller).await?;
        let mut shown = Vec::new();
        for token in found.filter(seen) {
            if shown.len() < MAX_SHOWN && self.sees_token(&sight, &token).await? {
                shown.push(token);
            }
        }
        Ok(shown)
    }

    /// What hangs on an account, as far as the caller sees it.
    async fn held_by(&self, caller: &Caller, user: &User, tokens: &[Token]) -> Result<Value, Error> {
        let (services, sight) = (&self.services, self.sight(caller).await?);
        let mut grants = services.access.grants().list(Subject::User(user.id)).await?;
        grants.retain(|grant| grant.scope.as_ref().is_none_or(|scope| sight.sees_scope(scope)));
        let rows = services.directory.groups_of(Member::User(user.id)).await?;
        let ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
        let mut groups = services.directory.groups_by_id(&ids).await?;
        groups.retain(|group| sight.sees_group(group));
        let source = |id| rows.iter().find(|(group, _)| *group == id).and_then(|(_, row)| row.source.as_ref());
        let groups = groups.iter().map(|group| {
            json!({
                "id": group.id.to_string(),
                "name": group.name.as_str(),
                "source": source(group.id).map(ToString::to_string),
            })
        });
        let sessions = services.sessions.list(user.id).await?;
        let supervised = services.directory.supervised_by(user.id, None, MAX_SHOWN).await?;
        let mut supervised: Vec<User> = services.directory.users_by_id(&supervised).await?;
        supervised.retain(|user| sight.sees_user(user));
        let mut shown = Vec::with_capacity(tokens.len());
        for token in tokens {
            if self.sees_token(&sight, token).await? {
                shown.push(render::token(token));
            }
        }
        Ok(json!({
            "user": render::brief(user),
            "active": user.status == Status::Active,
            "grants": grants.iter().map(render::grant).collect::<Vec<_>>(),
            "groups": groups.collect::<Vec<_>>(),
            "tokens": shown,
            "sessions": sessions.iter().map(render::session).collect::<Vec<_>>(),
            "supervised": supervised.iter().map(render::brief).collect::<Vec<_>>(),
        }))
    }
}
