//! `/me/access-requests` and `/access-requests`: people ask for a role, and whoever may give it decides.
//!
//! Who asks learns nothing about what there is: to somebody who may not read roles, one that there is and one that there is
//! not are the same request. Who decides sees only what they could give, of people whom they see, and never their own.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::sight::Sight;
use super::{Api, Error, render};
use crate::access::{AccessRequest, AccessRequestId, Acting, Permit, Question, Wish};
use crate::model::{Actor, Circumstance, Id, Permission, Presence, RoleId, Scope, Status, User, UserId};
use crate::notify::{Notice, Recipient};

/// Most requests that a page looks at: what each would give is held against what the caller has.
const MAX_LOOKED_AT: usize = 100;
/// Most people who are told by mail that somebody asks.
const MAX_TOLD: usize = 5;
/// People who may give something who are looked at together to find them, and how often.
const DECIDERS_AT_ONCE: usize = 20;
const MAX_PAGES_OF_DECIDERS: usize = 3;
/// What a request can be.
const STATUSES: [&str; 5] = ["open", "expired", "approved", "refused", "withdrawn"];

/// `GET /me/access-requests`: the caller's own, oldest first; all that are remembered, on one page.
pub(super) async fn own(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let _all_on_one_page = params.page::<AccessRequestId>()?;
    params.end()?;
    let id = api.oneself(&caller).await?;
    let found = api.services.access.requests_of(id).await?;
    Ok(render::page(found.iter().map(|(id, request)| api.show_request(*id, request)).collect(), None))
}

/// `POST /me/access-requests`: `role`, `scope`, `reason`, `until`.
pub(super) async fn ask(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let user = api.asking(&caller).await?;
    let role: RoleId = fields.parsed("role")?.ok_or_else(|| Error::invalid("role", "is required"))?;
    let scope: Option<Scope> = fields.parsed("scope")?;
    let reason = fields.text("reason")?.unwrap_or_default();
    let until = fields.parsed("until")?;
    fields.end()?;
    let wish = Wish { role, scope, reason, until };
    api.check_wish(&caller, &wish).await?;
    let (services, by, wish) = (&api.services, (&caller.actor, &caller.circumstance), &wish);
    let api_ref = &api;
    let asked = services.ledger.retry(|mut change| async move {
        // What is asked for while the account ends, or passes on, is nobody else's wish.
        services.hold(&mut change, by.0).await?;
        let (id, request, event) = services.access.ask_in(&mut change, by, user, wish).await?;
        for decider in api_ref.deciders(&request).await? {
            let from = Circumstance::default();
            services.outbox.tell_in(&mut change, &decider, Notice::AccessAsked, &from).await?;
        }
        change.commit(event).await?;
        Ok::<_, Error>((id, request))
    });
    let (id, request) = asked.await?;
    Ok(render::answer(StatusCode::CREATED, &api.show_request(id, &request)))
}

/// `DELETE /me/access-requests/{id}`: takes it back.
pub(super) async fn withdraw(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    if caller.signed_in.is_none() {
        return Err(absent());
    }
    let (user, id) = (api.oneself(&caller).await?, id.parse().map_err(|_| absent())?);
    let request = api.services.access.withdraw_request(&caller.actor, &caller.circumstance, user, id).await?;
    Ok(render::answer(StatusCode::OK, &api.show_request(id, &request)))
}

/// `GET /access-requests?status=&limit=&cursor=`, in the order in which they were made: those that the caller could decide. A
/// page may be empty although there is more.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let acting = api.deciding(&caller).await?;
    let status = params.take("status")?;
    let page = api.page::<AccessRequestId>(&caller, "access-requests", &mut params)?;
    let limit = page.limit.min(MAX_LOOKED_AT);
    params.end()?;
    if status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
        return Err(Error::invalid("status", format!("must be one of {}", STATUSES.join(", "))));
    }
    let found = api.services.access.requests(page.after, limit).await?;
    let next = if found.len() < limit { None } else { found.last().map(|(id, _)| *id) };
    let next = api.next(&caller, "access-requests", next)?;
    let ids: Vec<UserId> = found.iter().map(|(_, request)| request.user).collect();
    let users: Vec<User> = api.services.directory.users_by_id(&ids).await?;
    let (sight, now) = (api.sight(&caller).await?, api.services.clock.now());
    let mut shown = Vec::new();
    for (id, request) in &found {
        if status.as_deref().is_some_and(|status| status != request.status(now)) || is_own(&caller.actor, request.user)
        {
            continue;
        }
        let user = users.iter().find(|user| user.id == request.user);
        if let Some(user) = user.filter(|user| api.could_decide(&acting, &sight, user, request)) {
            shown.push(api.show_to_decide(*id, request, user));
        }
        tokio::task::yield_now().await;
    }
    Ok(render::page(shown, next))
}

/// `POST /access-requests/{id}/approve`: makes the grant, as `POST /grants` does.
pub(super) async fn approve(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Error> {
    let acting = api.deciding(&caller).await?;
    fields.end()?;
    let (id, request, user) = api.to_decide(&caller, &acting, &id).await?;
    if user.status != Status::Active {
        let detail = format!("`{}` is not active; enable the account first, or refuse", user.user_name);
        return Err(Error::Conflict { field: None, detail });
    }
    // Before it is weighed what would come of it.
    request.check_open(api.services.clock.now())?;
    let permit = api.permit_giving(&caller, &request.wanted()).await?;
    let (services, permit, asker) = (&api.services, &permit, &user);
    let approved = services.ledger.retry(|mut change| async move {
        let (request, grant, event) = services.access.approve_in(&mut change, permit, id).await?;
        let from = Circumstance::default();
        services.outbox.tell_in(&mut change, asker, Notice::AccessApproved, &from).await?;
        change.commit(event).await?;
        Ok::<_, Error>((request, grant))
    });
    let (request, grant) = approved.await?;
    let mut body = api.show_to_decide(id, &request, &user);
    if let Some(members) = body.as_object_mut() {
        members.insert("grant".to_owned(), render::grant(&grant));
    }
    Ok(render::answer(StatusCode::OK, &body))
}

/// `POST /access-requests/{id}/refuse`: `reason`, which the one who asked sees.
pub(super) async fn refuse(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    let acting = api.deciding(&caller).await?;
    let reason = fields.text("reason")?.unwrap_or_default();
    fields.end()?;
    let (id, request, user) = api.to_decide(&caller, &acting, &id).await?;
    let permit = api.permit_deciding(&caller, &request).await?;
    let (services, permit, asker, reason) = (&api.services, &permit, &user, reason.as_str());
    let refused = services.ledger.retry(|mut change| async move {
        let (request, event) = services.access.refuse_in(&mut change, permit, id, reason).await?;
        let from = Circumstance::default();
        services.outbox.tell_in(&mut change, asker, Notice::AccessRefused, &from).await?;
        change.commit(event).await?;
        Ok::<_, Error>(request)
    });
    let request = refused.await?;
    Ok(render::answer(StatusCode::OK, &api.show_to_decide(id, &request, &user)))
}

fn absent() -> Error {
    Error::NotFound { what: "access request" }
}

/// Whether the caller sees who asks, and where.
fn sees_request(sight: &Sight, user: &User, request: &AccessRequest) -> bool {
    sight.sees_user(user) && request.scope.as_ref().is_none_or(|scope| sight.sees_scope(scope))
}

/// Whether the actor is, acts for, or acts by the rights of, whoever asks.
pub(super) fn is_own(actor: &Actor, user: UserId) -> bool {
    match actor {
        Actor::User { id, .. } => *id == user,
        Actor::Token { user: holder, maker, .. } => [holder, maker].into_iter().any(|own| *own == Some(user)),
        Actor::Anonymous | Actor::Connection { .. } | Actor::Local { .. } | Actor::System { .. } => false,
    }
}

impl Api {
    /// Who asks: somebody who sits at a browser.
    async fn asking(&self, caller: &Caller) -> Result<UserId, Error> {
        if caller.signed_in.is_none() {
            let detail = "people ask for themselves, in a session of their own".to_owned();
            return Err(Error::Forbidden { detail });
        }
        self.oneself(caller).await
    }

    /// Tells who may read roles, or the scopes of a kind, that there is none of this name.
    async fn check_wish(&self, caller: &Caller, wish: &Wish) -> Result<(), Error> {
        let acting = self.acting(caller).await?;
        let may = |text: &str| text.parse::<Permission>().is_ok_and(|read| acting.may(&Question::new(&read)));
        if may("roles:read") {
            self.known_role("role", &wish.role)?;
        }
        match &wish.scope {
            Some(scope) if may(&super::scopes::permission(scope.kind(), "read")) => {
                let sight = self.sight(caller).await?;
                let is_there = self.services.access.scopes().tree().find(scope).is_some();
                if is_there && sight.sees_scope(scope) { Ok(()) } else { Err(sight.unknown_scope("scope", scope)) }
            }
            _ => Ok(()),
        }
    }

    /// The caller, who may give roles somewhere.
    async fn deciding(&self, caller: &Caller) -> Result<Acting, Error> {
        let create: Permission = "grants:create".parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let acting = self.acting(caller).await?;
        if !acting.may(&Question::new(&create)) && !acting.may_somewhere(&create) {
            self.permit(caller, "grants:create", None).await?;
        }
        Ok(acting)
    }

    fn knows(&self, role: &RoleId) -> bool {
        self.services.access.roles().find(role).is_some_and(|entry| !entry.is_hidden)
    }

    /// Whether the caller sees who asks and where, and could give it; what does not exist, whether it could give anything there.
    fn could_decide(&self, acting: &Acting, sight: &Sight, user: &User, request: &AccessRequest) -> bool {
        let scope = request.scope.as_ref();
        let may = |text: &str| {
            text.parse::<Permission>().is_ok_and(|create| acting.may(&Question::new(&create).within(scope)))
        };
        sees_request(sight, user, request)
            && may("grants:create")
            && (!self.knows(&request.role) || acting.could_give(&request.wanted()))
    }

    /// Some of those who could decide a request and have an address, to be told by mail that somebody asks. Looked for in the
    /// same way whether there is what is asked for or not.
    async fn deciders(&self, request: &AccessRequest) -> Result<Vec<User>, Error> {
        let mut deciders = Vec::new();
        let services = &self.services;
        let Some(asker) = services.directory.find_user(request.user).await?.filter(|_| services.outbox.is_open())
        else {
            return Ok(deciders);
        };
        let create: Permission = "grants:create".parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let (question, now, mut after) =
            (Question::new(&create).within(request.scope.as_ref()), services.clock.now(), None);
        for _ in 0..MAX_PAGES_OF_DECIDERS {
            let (able, next) = services.access.who_can(&question, after, DECIDERS_AT_ONCE).await?;
            let able: Vec<UserId> = able.into_iter().map(|able| able.user).filter(|id| *id != request.user).collect();
            let users: Vec<User> = services.directory.users_by_id(&able).await?;
            for user in users.into_iter().filter(|user| Recipient::of(user).is_some()) {
                // As they would be if they sat down to decide.
                let actor = Actor::User { id: user.id, session: Id::from_bytes([0; 16]), presence: Presence::two(now) };
                let (acting, sight) = (services.access.acting(&actor).await?, self.sight_of(&actor).await?);
                if self.could_decide(&acting, &sight, &asker, request) {
                    deciders.push(user);
                }
                if deciders.len() == MAX_TOLD {
                    return Ok(deciders);
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        Ok(deciders)
    }

    /// What [`Api::could_decide`] asks of rights, to decide by it, or to have it recorded that somebody tried.
    async fn permit_deciding(&self, caller: &Caller, request: &AccessRequest) -> Result<Permit, Error> {
        if self.knows(&request.role) {
            let access = &self.services.access;
            return Ok(access.permit_grant(&caller.actor, &request.wanted(), caller.circumstance.clone()).await?);
        }
        // What does not exist is nobody's to give.
        self.permit(caller, "grants:create", request.scope.as_ref()).await
    }

    /// A request of somebody else that the caller could decide. Nobody decides their own. Who tries to decide what they see, and
    /// could not give, is told as little as who does not see it, and it is recorded.
    async fn to_decide(
        &self,
        caller: &Caller,
        acting: &Acting,
        text: &str,
    ) -> Result<(AccessRequestId, AccessRequest, User), Error> {
        let id: AccessRequestId = text.parse().map_err(|_| absent())?;
        let request = self.services.access.find_request(id).await?.ok_or_else(absent)?;
        if is_own(&caller.actor, request.user) {
            let detail = "this is your own request; somebody else has to decide it".to_owned();
            return Err(Error::Forbidden { detail });
        }
        let user = self.services.directory.find_user(request.user).await?.ok_or_else(absent)?;
        let sight = self.sight(caller).await?;
        if !self.could_decide(acting, &sight, &user, &request) {
            if sees_request(&sight, &user, &request)
                && let Err(error @ Error::Store(_)) = self.permit_deciding(caller, &request).await
            {
                return Err(error);
            }
            return Err(absent());
        }
        Ok((id, request, user))
    }

    fn show_request(&self, id: AccessRequestId, request: &AccessRequest) -> Value {
        json!({
            "id": id.to_string(),
            "role": request.role.as_str(),
            "scope": request.scope.as_ref().map(ToString::to_string),
            "reason": request.reason,
            "until": render::time(request.until),
            "created": request.created.to_string(),
            "expires": request.expires().to_string(),
            "status": request.status(self.services.clock.now()),
            "decided": render::time(request.decided),
            "answer": request.answer,
        })
    }

    /// The same for who decides: whose it is, whether there is such a role, and who decided.
    fn show_to_decide(&self, id: AccessRequestId, request: &AccessRequest, user: &User) -> Value {
        let mut body = self.show_request(id, request);
        if let Some(members) = body.as_object_mut() {
            members.insert("user".to_owned(), render::brief(user));
            members.insert("known".to_owned(), self.knows(&request.role).into());
            members.insert("decided_by".to_owned(), request.decided_by.clone().into());
        }
        body
    }
}
