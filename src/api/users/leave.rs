//! What a leaver holds, and the end of it: `GET /users/{user}/holdings`, `POST /users/{user}:offboard`.

use std::collections::BTreeSet;

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
use crate::model::{Status, Subject, User};
use crate::tokens::Token;

/// What is told of a leaver, and the right that it takes to see it.
const PARTS: [(&str, &str); 5] = [
    ("grants", "grants:read"),
    ("groups", "groups:read"),
    ("sessions", "sessions:read"),
    ("supervised", "users:read"),
    ("tokens", "tokens:read"),
];

/// Most people under a supervisor that are shown.
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
    Ok(render::answer(StatusCode::OK, &api.held_by(&user, &tokens).await?))
}

/// `POST /users/{id or name}:offboard`: `dry_run`. The account is made inactive, its sessions end, and its tokens are
/// revoked, in one commit; what it owns stays its own.
pub(in crate::api) async fn act(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    let verb = Error::NotFound { what: "address; `POST /users/{user}:offboard` is one" };
    let permit = api.permit(&caller, "users:update", None).await?;
    let Some(name) = user.strip_suffix(":offboard") else { return Err(verb) };
    let is_dry = fields.flag("dry_run")?.unwrap_or(false);
    fields.end()?;
    let user = api.user(&caller, name).await?;
    api.check_rank(&caller, user.id).await?;
    api.check_own_end(&caller, &user, "off-board")?;
    let tokens = api.tokens_of(user.id).await?;
    if !tokens.is_empty() {
        api.permit(&caller, "tokens:delete", None).await?;
    }
    let guard = api.check_last_sight(&caller, &BTreeSet::from([user.id]), false).await?;
    let overlay = Overlay { status: vec![(user.id, Some(Status::Inactive))], ..Overlay::default() };
    let permit = api.weigh(permit, &overlay, false).await?;
    let mut held = api.held_by(&user, &tokens).await?;
    if !is_dry {
        let (services, tokens) = (&api.services, &tokens);
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
                    let revoked = services.tokens.revoke_in(&mut change, permit, token.id).await?;
                    revoked.into_iter().for_each(|event| change.also(event));
                }
                if !change.is_empty() {
                    change.commit_told().await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    drop(permit);
    drop(guard);
    let acting = api.acting(&caller).await?;
    if let Some(members) = held.as_object_mut() {
        // Who may end an account need not see all that hangs on it.
        for (part, permission) in PARTS {
            let permission = permission.parse().map_err(|_| Error::Internal("a permission that is none"))?;
            if !acting.may(&Question::new(&permission)) {
                members.remove(part);
            }
        }
        members.insert("dry_run".to_owned(), is_dry.into());
        members.insert("ended".to_owned(), json!(["account", "sessions", "tokens"]));
        members.insert("kept".to_owned(), json!(["grants", "groups", "supervised"]));
    }
    Ok(render::answer(StatusCode::OK, &held))
}

impl Api {
    async fn held_by(&self, user: &User, tokens: &[Token]) -> Result<Value, Error> {
        let services = &self.services;
        let grants = services.access.grants().list(Subject::User(user.id)).await?;
        let rows = services.directory.groups_of(Member::User(user.id)).await?;
        let ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
        let groups = services.directory.groups_by_id(&ids).await?;
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
        let supervised: Vec<User> = services.directory.users_by_id(&supervised).await?;
        Ok(json!({
            "user": render::brief(user),
            "active": user.status == Status::Active,
            "grants": grants.iter().map(render::grant).collect::<Vec<_>>(),
            "groups": groups.collect::<Vec<_>>(),
            "tokens": tokens.iter().map(render::token).collect::<Vec<_>>(),
            "sessions": sessions.iter().map(render::session).collect::<Vec<_>>(),
            "supervised": supervised.iter().map(render::brief).collect::<Vec<_>>(),
        }))
    }
}
