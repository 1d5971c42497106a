//! `PATCH /users/{user}`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::profile::Wish;
use crate::access::{Overlay, Permit, Run};
use crate::api::admit::Caller;
use crate::api::fields::{Fields, Params};
use crate::api::protect::is_oneself;
use crate::api::{Api, Error, render};
use crate::audit::{Change, Event, EventKind, Housekeeping};
use crate::credential::{Demands, Prepared};
use crate::directory::SourceRecord;
use crate::model::{Companies, Status, Subject, User};
use crate::notify::{Notice, Recipient};

/// `PATCH /users/{id or name}?force=&dry_run=`: members that are given replace, others stay. A password ends the user's sessions.
pub(in crate::api) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
    mut params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let is_forced = params.parsed::<bool>("force")?.unwrap_or(false);
    let run = params.run()?;
    let revision = render::if_match(&headers)?;
    let (requires_factor, requires_sso) = (fields.flag("requires_factor")?, fields.flag("requires_sso")?);
    let mut wish = Wish::take(&mut fields)?;
    fields.end()?;
    let mut permit = api.permit(&caller, "users:update", None).await?;
    let user = api.user(&caller, &user).await?;
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
    let is_kept = api.services.credentials.find(user.id).await?.is_some();
    let has_password = user.status == Status::Invited || is_kept;
    let is_mailed = api.services.outbox.is_open() && has_password;
    if must_change.is_some() || (wish.renames() && is_mailed) {
        // Who says where letters go to could ask for a link to choose a password.
        permit = api.permit(&caller, "passwords:update", None).await?;
    }
    if must_change.is_some() && !is_kept {
        return Err(no_password());
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
    let password = match &wish.password {
        Some(password) => {
            let named = User { user_name: record.user_name, attributes: record.attributes, ..user.clone() };
            let must_change = wish.must_change_password.unwrap_or(false);
            Some(api.services.credentials.prepare_for(&named, password, must_change).await?)
        }
        None => None,
    };
    // What the companies were made of, and what was held against the rules of groups, must be what is changed.
    let is_held = companies.is_some() || moves.are_possible;
    let is_edited = wish.edits() || revision.is_some();
    let revision = revision.or(is_held.then_some(user.revision));
    let edit = Edit { wish, is_edited, revision, companies, requires_factor, requires_sso, password, must_change };
    let user = api.write_edit(&permit, &user, &edit, run).await?;
    let body = Value::Object(api.rendered(&caller, &user).await?);
    Ok(render::versioned(StatusCode::OK, &body, user.revision))
}

/// `POST /users/{user}:demand`: `requires_factor`, `requires_sso`; what is left out stays. The answer tells what is demanded of
/// the user by name.
pub(super) async fn demand(api: &Api, caller: &Caller, name: &str, mut fields: Fields) -> Result<Response, Error> {
    let permit = api.permit(caller, "users:update", None).await?;
    let (factor, sso) = (fields.flag("requires_factor")?, fields.flag("requires_sso")?);
    let is_dry = fields.flag("dry_run")?.unwrap_or(false);
    fields.end()?;
    let user = api.user(caller, name).await?;
    let is_own = is_oneself(caller, user.id);
    if is_own && (factor == Some(false) || sso == Some(false)) {
        let detail = "what is demanded of you is for somebody else to lift".to_owned();
        return Err(Error::Forbidden { detail });
    }
    api.check_rank(caller, user.id).await?;
    let factors = &api.services.factors;
    let before = factors.demands(user.id).await?;
    let demands = Demands { factor: factor.unwrap_or(before.factor), sso: sso.unwrap_or(before.sso) };
    let changed = match is_dry {
        true => demands != before,
        false => factors.demand(&permit, &user, factor, sso).await?,
    };
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

/// What is to be different of an account, all of it checked.
struct Edit {
    wish: Wish,
    /// Whether anything of the account itself is asked for.
    is_edited: bool,
    revision: Option<u64>,
    companies: Option<Companies>,
    requires_factor: Option<bool>,
    requires_sso: Option<bool>,
    password: Option<Prepared>,
    /// Whether another password has to be chosen, where none is set.
    must_change: Option<bool>,
}

fn no_password() -> Error {
    let detail = "the account has no password that is kept here".to_owned();
    Error::Conflict { field: Some("must_change_password".into()), detail }
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

    /// Writes all that is asked for in one change, with its events, or nothing of it, or only tries to.
    async fn write_edit(&self, permit: &Permit, user: &User, edit: &Edit, run: Run) -> Result<User, Error> {
        let services = &self.services;
        services
            .ledger
            .retry(|mut change| async move {
                let mut events = Vec::new();
                let mut user = services.directory.user_in(&mut change, user.id).await?;
                if edit.is_edited {
                    let apply = |_: &User, record: &mut SourceRecord| edit.wish.apply(record);
                    let (revision, companies) = (edit.revision, edit.companies.as_ref());
                    let directory = &services.directory;
                    let staged =
                        directory.change_account_in(&mut change, permit, (user.id, revision), companies, apply).await?;
                    user = staged.user;
                    events.extend(staged.event);
                }
                let (factor, sso) = (edit.requires_factor, edit.requires_sso);
                if factor.is_some() || sso.is_some() {
                    events.extend(services.factors.demand_in(&mut change, permit, &user, factor, sso).await?);
                }
                if let Some(password) = &edit.password {
                    events.extend(self.stage_password(&mut change, permit, &user, password).await?);
                }
                if let Some(must_change) = edit.must_change {
                    // Whoever must is signed out everywhere, so that nothing else works before.
                    let event = services.credentials.demand_change_in(&mut change, permit, &user, must_change).await?;
                    let event = event.ok_or_else(no_password)?;
                    let ended = if must_change { services.sessions.end_all(&mut change, user.id).await? } else { 0 };
                    events.push(event.detail("sessions_ended", ended));
                }
                match events.pop() {
                    _ if run == Run::DryRun => {}
                    Some(last) => {
                        events.into_iter().for_each(|event| change.also(event));
                        change.commit(last).await?;
                    }
                    None if change.is_empty() => {}
                    None => {
                        change.commit_quietly(Housekeeping::SourceState).await?;
                    }
                }
                Ok::<_, Error>(user)
            })
            .await
    }

    /// Puts another password into a change, with the end of every session of the user.
    async fn stage_password(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: &User,
        password: &Prepared,
    ) -> Result<[Event; 2], Error> {
        let services = &self.services;
        let set = services.credentials.set_in(change, permit, user, password)?;
        services.lockout.forget_attempts_in(change, user.id);
        let ended = services.sessions.end_all(change, user.id).await?;
        let event = permit.event(services.clock.now(), EventKind::SessionEnded);
        let event = event.on("user", user.id, &user.user_name).detail("reason", "password set");
        services.outbox.tell_in(change, user, Notice::PasswordSet, permit.circumstance()).await?;
        Ok([set, event.detail("sessions", ended)])
    }
}
