//! `/users/{user}/factors`: what a person has enrolled, and its removal by the help desk.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::protect::is_oneself;
use super::{Api, Error, render};
use crate::audit::EventKind;
use crate::credential::passkey::Passkey;
use crate::notify::Notice;

/// `GET /users/{user}/factors`: since when there is an app, which passkeys, how many recovery codes are left, and who
/// demands a factor.
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(user): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "users:read", None).await?;
    let user = api.user(&caller, &user).await?;
    let factors = &api.services.factors;
    let demands = factors.demands(user.id).await?;
    let enrolled = factors.enrolled(user.id).await?;
    let passkey = |passkey: &Passkey| {
        json!({
            "id": passkey.id.to_string(),
            "name": passkey.name,
            "created": render::time(Some(passkey.created)),
            "last_used": render::time(passkey.last_used),
            "backed_up": passkey.is_backed_up,
        })
    };
    let passkeys: Vec<Value> = factors.passkeys(user.id).await?.iter().map(passkey).collect();
    let body = json!({
        "user": render::brief(&user),
        "code": render::time(enrolled.code),
        "passkeys": passkeys,
        "recovery_codes": enrolled.recovery_codes,
        "recovery_codes_made": render::time(enrolled.recovery_made),
        "requires_factor": demands.factor,
        "requires_sso": demands.sso,
        "role_requires_factor": api.services.access.requires_factor(user.id).await?,
        "role_requires_sso": api.services.access.requires_sso(user.id).await?,
        "break_glass": api.services.login.breaks_glass(&user),
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// `DELETE /users/{user}/factors`: removes the app, the passkeys and the recovery codes and ends the sessions, for somebody
/// who has lost them. One's own are removed at `/account/factors`, with one of them.
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "passwords:delete", None).await?;
    let user = api.user(&caller, &user).await?;
    if is_oneself(&caller, user.id) {
        let detail = "your own second factor is removed at /account/factors, with a code of it or a passkey".to_owned();
        return Err(Error::Conflict { field: None, detail });
    }
    api.check_rank(&caller, user.id).await?;
    let (services, permit, user) = (&api.services, &permit, &user);
    let removed = services
        .ledger
        .retry(|mut change| async move {
            if !services.factors.remove_in(&mut change, user.id).await? {
                return Ok(false);
            }
            let ended = services.sessions.end_all(&mut change, user.id).await?;
            let event = permit.event(services.clock.now(), EventKind::FactorRemoved);
            let event = event.on("user", user.id, &user.user_name).detail("sessions_ended", ended);
            services.outbox.tell_in(&mut change, user, Notice::FactorRemoved, permit.circumstance()).await?;
            change.commit(event).await?;
            Ok::<_, Error>(true)
        })
        .await?;
    Ok(render::answer(StatusCode::OK, &json!({"user": render::brief(user), "removed": removed})))
}
