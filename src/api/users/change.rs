//! `PATCH /users/{user}`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::profile::Wish;
use crate::access::{Overlay, Permit};
use crate::api::admit::Caller;
use crate::api::fields::{Fields, Params};
use crate::api::protect::is_oneself;
use crate::api::{Api, Error, render};
use crate::audit::EventKind;
use crate::directory::SourceRecord;
use crate::model::{Status, Subject, User};
use crate::notify::{Notice, Recipient};
use crate::secret::Secret;

/// `PATCH /users/{id or name}`: members that are given replace, others stay. A password ends the user's sessions.
pub(in crate::api) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
    mut params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let is_forced = params.parsed::<bool>("force")?.unwrap_or(false);
    params.end()?;
    let revision = render::if_match(&headers)?;
    let (requires_factor, requires_sso) = (fields.flag("requires_factor")?, fields.flag("requires_sso")?);
    let mut wish = Wish::take(&mut fields)?;
    fields.end()?;
    let mut permit = api.permit(&caller, "users:update", None).await?;
    let mut user = api.user(&caller, &user).await?;
    api.settle(&caller, &mut wish).await?;
    let is_own = is_oneself(&caller, user.id);
    if is_own && (requires_factor == Some(false) || requires_sso == Some(false)) {
        let detail = "what is demanded of you is for somebody else to lift".to_owned();
        return Err(Error::Forbidden { detail });
    }
    let must_change = wish.must_change_password.filter(|_| wish.password.is_none());
    let demands = requires_factor.is_some() || requires_sso.is_some();
    if demands || wish.renames() || wish.active.is_some() || wish.password.is_some() || must_change.is_some() {
        api.check_rank(&caller, user.id).await?;
    }
    if !wish.companies.is_empty() {
        api.check_reach_of(&caller, user.id).await?;
    }
    let companies = api.sight(&caller).await?.of_account(&wish.companies, Some(&user))?;
    let is_narrowed = companies.as_ref().is_some_and(|companies| !companies.sees_all) && user.sees_all();
    if wish.active == Some(false) {
        api.check_own_end(&caller, &user, "deactivate")?;
    }
    let mut record = record_of(&user);
    wish.apply(&mut record)?;
    if let Some(password) = &wish.password {
        permit = api.permit(&caller, "passwords:update", None).await?;
        let has_factor = api.services.credentials.has_factor(user.id).await?;
        api.check_password(record.user_name.as_str(), &record, password, has_factor)?;
    }
    let has_password = user.status == Status::Invited || api.services.credentials.find(user.id).await?.is_some();
    let is_mailed = api.services.outbox.is_open() && has_password;
    if must_change.is_some() || (wish.renames() && is_mailed) {
        // Who says where letters go to could ask for a link to choose a password.
        permit = api.permit(&caller, "passwords:update", None).await?;
    }
    let moves = api.services.directory.moves(Some(&user), &record).await?;
    let moved = api.check_moves(&caller, user.id, &moves).await?;
    let is_moved = !moved.joined.is_empty() || !moved.left.is_empty();
    if wish.renames() || wish.active.is_some() || is_narrowed || is_moved {
        let status = wish.active.map(|active| (user.id, Some(if active { Status::Active } else { Status::Inactive })));
        let named = wish.renames().then(|| (Subject::User(user.id), record.user_name.folded()));
        let (status, named) = (status.into_iter().collect(), named.into_iter().collect());
        let sight = is_narrowed.then_some((user.id, false)).into_iter().collect();
        permit = api.weigh(permit, &Overlay { sight, status, named, ..moved }, is_forced).await?;
    }
    if wish.edits() || revision.is_some() {
        // What the companies were made of, and what was held against the rules of groups, must be what is changed.
        let is_held = companies.is_some() || moves.are_possible;
        let revision = revision.or(is_held.then_some(user.revision));
        let edit = |_: &User, record: &mut SourceRecord| wish.apply(record);
        let directory = &api.services.directory;
        user = directory.change_account(&permit, user.id, revision, companies.as_ref(), edit).await?;
    }
    if demands {
        api.services.factors.demand(&permit, &user, requires_factor, requires_sso).await?;
    }
    if let Some(password) = &wish.password {
        api.reset_password(&permit, &user, password, wish.must_change_password.unwrap_or(false)).await?;
    }
    if let Some(must_change) = must_change {
        api.demand_change(&permit, &user, must_change).await?;
    }
    let body = Value::Object(api.rendered(&caller, &user).await?);
    Ok(render::versioned(StatusCode::OK, &body, user.revision))
}

/// `POST /users/{user}:demand`: `requires_factor`, `requires_sso`; what is left out stays. The answer tells what is demanded of
/// the user by name.
pub(super) async fn demand(api: &Api, caller: &Caller, name: &str, mut fields: Fields) -> Result<Response, Error> {
    let permit = api.permit(caller, "users:update", None).await?;
    let (factor, sso) = (fields.flag("requires_factor")?, fields.flag("requires_sso")?);
    fields.end()?;
    let user = api.user(caller, name).await?;
    let is_own = is_oneself(caller, user.id);
    if is_own && (factor == Some(false) || sso == Some(false)) {
        let detail = "what is demanded of you is for somebody else to lift".to_owned();
        return Err(Error::Forbidden { detail });
    }
    api.check_rank(caller, user.id).await?;
    let changed = api.services.factors.demand(&permit, &user, factor, sso).await?;
    let demands = api.services.factors.demands(user.id).await?;
    let body = json!({
        "user": render::brief(&user),
        "requires_factor": demands.factor,
        "requires_sso": demands.sso,
        "changed": changed,
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// `POST /users/{user}:reset-password`: `send`. A link on which its owner chooses another password, told this once, or
/// mailed and told to nobody else. Who makes one could sign in by it: it takes what setting a password takes.
pub(super) async fn reset_link(api: &Api, caller: &Caller, name: &str, mut fields: Fields) -> Result<Response, Error> {
    let permit = api.permit(caller, "passwords:update", None).await?;
    let is_sent = fields.flag("send")?.unwrap_or(false);
    fields.end()?;
    let user = api.user(caller, name).await?;
    api.check_rank(caller, user.id).await?;
    let refused = |detail: &str| Error::Conflict { field: None, detail: detail.to_owned() };
    if user.status != Status::Active {
        return Err(refused("the account is not active; activate it first"));
    }
    if !api.services.login.keeps_password(&user) {
        return Err(refused("the password of this account is kept by a directory; set it there"));
    }
    if let Some(by) = api.services.login.sso_demanded_by(&user).await? {
        return Err(refused(&format!("{by} requires single sign-on of this account: a password would not let it in")));
    }
    let to = if is_sent { Some(api.recipient(&user)?) } else { None };
    let link = api.services.login.reset_link(&permit, &user, to.as_ref()).await?;
    if is_sent && !link.is_posted {
        return Err(refused("too many mails wait; the link was not sent"));
    }
    let shown = (!link.is_posted).then(|| format!("{}{}", api.services.public_url, link.path.expose()));
    let body = json!({
        "user": render::brief(&user),
        "link": shown,
        "sent_to": to.as_ref().map(Recipient::address),
        "expires": link.until.to_string(),
    });
    Ok(render::answer(StatusCode::CREATED, &body))
}

/// The record that stands for a user as it is.
pub(super) fn record_of(user: &User) -> SourceRecord {
    SourceRecord {
        external_id: None,
        user_name: user.user_name.clone(),
        active: None,
        attributes: user.attributes.clone(),
    }
}

impl Api {
    /// Where mail to the owner of an account goes.
    pub(in crate::api) fn recipient(&self, user: &User) -> Result<Recipient, Error> {
        let refused = |detail: &str| Error::Conflict { field: None, detail: detail.to_owned() };
        if !self.services.outbox.is_open() {
            return Err(refused("no mail is sent: the configuration has no [mail]"));
        }
        Recipient::of(user).ok_or_else(|| refused("the account has no address to which mail can go"))
    }

    /// Has a user choose another password at the next sign-in, or no longer; who must is signed out everywhere, so that nothing
    /// else works before.
    async fn demand_change(&self, permit: &Permit, user: &User, must_change: bool) -> Result<(), Error> {
        let services = &self.services;
        services
            .ledger
            .retry(|mut change| async move {
                let user = &services.directory.user_in(&mut change, user.id).await?;
                let Some(event) = services.credentials.demand_change_in(&mut change, permit, user, must_change).await?
                else {
                    let detail = "the account has no password that is kept here".to_owned();
                    return Err(Error::Conflict { field: Some("must_change_password".into()), detail });
                };
                let ended = if must_change { services.sessions.end_all(&mut change, user.id).await? } else { 0 };
                change.commit(event.detail("sessions_ended", ended)).await?;
                Ok(())
            })
            .await
    }

    /// Sets another password and ends every session of the user, in one change.
    async fn reset_password(
        &self,
        permit: &Permit,
        user: &User,
        password: &Secret,
        must_change: bool,
    ) -> Result<(), Error> {
        let services = &self.services;
        let prepared = &services.credentials.prepare_for(user, password, must_change).await?;
        services
            .ledger
            .retry(|mut change| async move {
                // Somebody who is deleted meanwhile gets no password.
                let user = &services.directory.user_in(&mut change, user.id).await?;
                let set = services.credentials.set_in(&mut change, permit, user, prepared)?;
                change.also(set);
                services.lockout.forget_attempts_in(&mut change, user.id);
                let ended = services.sessions.end_all(&mut change, user.id).await?;
                let event = permit.event(services.clock.now(), EventKind::SessionEnded);
                let event = event.on("user", user.id, &user.user_name).detail("reason", "password set");
                services.outbox.tell_in(&mut change, user, Notice::PasswordSet, permit.circumstance()).await?;
                change.commit(event.detail("sessions", ended)).await?;
                Ok::<_, Error>(())
            })
            .await
    }
}
