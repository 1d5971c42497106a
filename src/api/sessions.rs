//! `/sessions`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::access::Question;
use crate::audit::EventKind;
use crate::model::{SessionId, Subject, User, UserId};
use crate::session::Session;

/// `GET /sessions?user=&limit=&cursor=`: everybody's, or one user's on one page.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let user = params.take("user")?;
    let page = api.page::<SessionId>(&caller, "sessions", &mut params)?;
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
    Ok(render::page(shown.collect(), api.next(&caller, "sessions", next)?))
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

/// `GET /me/sessions`: one's own, oldest first; `current` is the one that asks.
pub(super) async fn own(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    let user = api.oneself(&caller).await?;
    let current = caller.signed_in.as_ref().map(|signed_in| signed_in.session.id);
    let shown = api.services.sessions.list(user).await?.into_iter().map(|session| {
        let mut shown = render::session(&session);
        if let Some(members) = shown.as_object_mut() {
            members.insert("current".to_owned(), (Some(session.id) == current).into());
        }
        shown
    });
    Ok(render::page(shown.collect(), None))
}

/// `POST /users/{user}:logout`: every session of the user is refused from the next request on.
pub(super) async fn log_out(api: &Api, caller: &Caller, user: &str, fields: Fields) -> Result<Response, Error> {
    let permit = api.permit(caller, "sessions:delete", None).await?;
    fields.end()?;
    let user = &api.user(caller, user).await?;
    let (services, permit) = (&api.services, &permit);
    let ended = services
        .ledger
        .retry(|mut change| async move {
            let ended = services.sessions.end_all(&mut change, user.id).await?;
            let event = permit.event(services.clock.now(), EventKind::SessionEnded);
            change.commit(event.on("user", user.id, &user.user_name).detail("sessions_ended", ended)).await?;
            Ok::<_, Error>(ended)
        })
        .await?;
    Ok(render::answer(StatusCode::OK, &json!({"user": render::brief(user), "ended": ended})))
}

/// `POST /sessions:end-all`: everybody's, the caller's own among them.
pub(super) async fn end_all(State(api): State<Api>, caller: Caller, fields: Fields) -> Result<Response, Error> {
    let permit = api.permit(&caller, "sessions:delete", None).await?;
    api.check_sees_all(&caller).await?;
    fields.end()?;
    api.services.sessions.end_everybody(|now| permit.event(now, EventKind::SessionsEnded)).await?;
    Ok(render::answer(StatusCode::OK, &json!({"ended": true})))
}

impl Api {
    /// Adds to users whether they are signed in, how often and by which connectors, where the caller may see sessions.
    pub(super) async fn add_signed_in(&self, caller: &Caller, shown: &mut [(UserId, Value)]) -> Result<(), Error> {
        let permission = "sessions:read".parse().map_err(|_| Error::Internal("a permission that is none"))?;
        if shown.is_empty() || !self.acting(caller).await?.may(&Question::new(&permission)) {
            return Ok(());
        }
        let users: Vec<UserId> = shown.iter().map(|(user, _)| *user).collect();
        let sessions = self.services.sessions.list_of(&users).await?;
        for ((_, shown), sessions) in shown.iter_mut().zip(sessions) {
            let mut connectors: Vec<String> = sessions.iter().map(|session| session.connector.to_string()).collect();
            connectors.sort();
            connectors.dedup();
            if let Some(members) = shown.as_object_mut() {
                members.insert("signed_in".to_owned(), (!sessions.is_empty()).into());
                members.insert("sessions".to_owned(), sessions.len().into());
                members.insert("connectors".to_owned(), connectors.into());
            }
        }
        Ok(())
    }
}
