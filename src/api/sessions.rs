//! `/sessions`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::model::{SessionId, Subject, User, UserId};
use crate::session::Session;

/// `GET /sessions?user=&limit=&cursor=`: everybody's, or one user's on one page.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let user = params.take("user")?;
    let page = params.page::<SessionId>()?;
    params.end()?;
    api.permit(&caller, "sessions:read", None).await?;
    if let Some(user) = user {
        let user = api.user(&caller, &user).await?;
        let sessions = api.services.sessions.list(user.id).await?;
        let shown = sessions.iter().map(|session| show(session, Some(&user)));
        return Ok(render::page(shown.collect(), None));
    }
    let (sessions, next) = api.services.sessions.list_all(page.after, page.limit).await?;
    let ids: Vec<UserId> = sessions.iter().map(|session| session.user).collect();
    let users: Vec<User> = api.services.directory.users_by_id(&ids).await?;
    let sight = api.sight(&caller).await?;
    let is_seen = |session: &&Session| {
        let user = users.iter().find(|user| user.id == session.user);
        user.map_or(!sight.is_limited(), |user| sight.sees_user(user))
    };
    let shown =
        sessions.iter().filter(is_seen).map(|session| show(session, users.iter().find(|user| user.id == session.user)));
    Ok(render::page(shown.collect(), next.map(|id| id.to_string())))
}

fn show(session: &Session, user: Option<&User>) -> Value {
    let mut shown = render::session(session);
    if let Some(members) = shown.as_object_mut() {
        let user = user.map_or_else(|| json!({"id": session.user.to_string()}), render::brief);
        members.insert("user".to_owned(), user);
    }
    shown
}

/// `DELETE /sessions/{id}`: at the next request it is gone. One's own needs no permission.
pub(super) async fn end(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Error> {
    let id: Result<SessionId, _> = id.parse();
    if let (Ok(id), Some(signed_in)) = (&id, &caller.signed_in) {
        let own = api.services.sessions.list(signed_in.user.id).await?;
        if own.iter().any(|session| session.id == *id) {
            let event = |now| {
                let mut event = crate::audit::Event::new(now, crate::audit::EventKind::SessionEnded, &caller.actor);
                event.request_id.clone_from(&caller.circumstance.request_id);
                event.from_address(caller.circumstance.address)
            };
            let session = api.services.sessions.end_with(*id, event).await?;
            return Ok(render::answer(StatusCode::OK, &render::session(&session)));
        }
    }
    let permit = api.permit(&caller, "sessions:delete", None).await?;
    let id = id.map_err(|_| Error::NotFound { what: "session" })?;
    let sight = api.sight(&caller).await?;
    if sight.is_limited() {
        let session = api.services.sessions.load(id).await?;
        if !api.sees_subject(&sight, Subject::User(session.user)).await? {
            return Err(Error::NotFound { what: "session" });
        }
    }
    let session = api.services.sessions.end(&permit, id).await?;
    Ok(render::answer(StatusCode::OK, &render::session(&session)))
}
