//! `/invitations`: accounts that wait for their owners.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::users::Wanted;
use super::{Api, Error, render};
use crate::access::Overlay;
use crate::login::{self, Invitation, InvitationId, InvitationLink, Invited, Promised};
use crate::model::{Status, User};
use crate::notify::Recipient;

/// `POST /invitations`: `email`, the fields of a profile, `role`, `scopes`, `access_groups`, `send`. Makes an account that
/// waits, and mails its link; where no mail is sent, or with `send` false, tells the link this once.
pub(super) async fn create(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    api.permit(&caller, "invitations:create", None).await?;
    let send = fields.flag("send")?;
    let wanted = Wanted::take(&mut fields)?;
    fields.end()?;
    let email = wanted.invited_address()?;
    let is_sent = send.unwrap_or(api.services.outbox.is_open());
    if is_sent && !api.services.outbox.is_open() {
        let detail = "no mail is sent: the configuration has no [mail]".to_owned();
        return Err(Error::Conflict { field: None, detail });
    }
    let (permits, mut plan) = api.plan_account(&caller, wanted, "invitations:create").await?;
    plan.is_invited = true;
    let (permits, plan, email, services) = (&permits, &plan, email.as_str(), &api.services);
    let api_ref = &api;
    let (user, link) = services
        .ledger
        .retry(|mut change| async move {
            let user = api_ref.stage_account(&mut change, permits, plan).await?;
            let to = Recipient::at(email, &user).ok_or_else(|| Error::invalid("email", "is no address for mail"))?;
            let roles = plan.grants.iter();
            let roles = roles.map(|grant| Promised { role: grant.role.clone(), scope: grant.scope.clone() }).collect();
            let groups = plan.groups.iter().map(|group| group.id).collect();
            let invited = Invited { user: &user, email, roles, groups };
            let to = is_sent.then_some(&to);
            let link = services.login.invite_in(&mut change, &permits.create, &invited, to).await?;
            change.commit_told().await?;
            Ok::<_, Error>((user, link))
        })
        .await?;
    Ok(api.told_link(StatusCode::CREATED, &link, Some(&user)))
}

/// `GET /invitations?status=&limit=&cursor=`, in the order in which they were made.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let status = params.take("status")?;
    let page = api.page::<InvitationId>(&caller, "invitations", &mut params)?;
    params.end()?;
    if let Some(status) = &status
        && !["open", "expired", "accepted", "revoked"].contains(&status.as_str())
    {
        return Err(Error::invalid("status", "must be open, expired, accepted or revoked"));
    }
    api.permit(&caller, "invitations:read", None).await?;
    let found = api.services.login.invitations(page.after, page.limit).await?;
    let next = if found.len() < page.limit { None } else { found.last().map(|(id, _)| *id) };
    let next = api.next(&caller, "invitations", next)?;
    let ids: Vec<_> = found.iter().map(|(_, invitation)| invitation.user).collect();
    let users: Vec<User> = api.services.directory.users_by_id(&ids).await?;
    let sight = api.sight(&caller).await?;
    let now = api.services.clock.now();
    let mut shown = Vec::new();
    for (id, invitation) in &found {
        let user = users.iter().find(|user| user.id == invitation.user);
        let is_seen = user.map_or(!sight.is_limited(), |user| sight.sees_user(user));
        if is_seen && status.as_deref().is_none_or(|wanted| wanted == invitation.status(now)) {
            shown.push(api.show_invitation(*id, invitation));
        }
    }
    Ok(render::page(shown, next))
}

/// `DELETE /invitations/{id}`: takes it back. The account that waited is deleted.
pub(super) async fn revoke(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Error> {
    let permit = api.permit(&caller, "invitations:delete", None).await?;
    let (id, invitation, user) = api.invitation(&caller, &id).await?;
    let revoked = api.services.login.revoke_invitation(&permit, id).await?;
    let Some(revoked) = revoked else { return Err(settled(&invitation, api.services.clock.now())) };
    // An account that a source has taken over meanwhile is the source's.
    if let Some(user) = user.filter(|user| user.status == Status::Invited && user.owner.is_none()) {
        let overlay = Overlay { status: vec![(user.id, None)], ..Overlay::default() };
        let permit = api.weigh(permit, &overlay, false).await?;
        api.services.directory.delete_user(&permit, user.id, Some(user.revision)).await?;
    }
    Ok(render::answer(StatusCode::OK, &api.show_invitation(id, &revoked)))
}

/// `POST /invitations/{id}:resend`: `send`. Another link, in place of the one before.
pub(super) async fn act(
    State(api): State<Api>,
    caller: Caller,
    Path(text): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "invitations:update", None).await?;
    let Some(id) = text.strip_suffix(":resend") else {
        return Err(Error::NotFound { what: "address; `POST /invitations/{id}:resend` is one" });
    };
    let send = fields.flag("send")?;
    fields.end()?;
    let (id, invitation, user) = api.invitation(&caller, id).await?;
    let user = user.filter(|user| user.status == Status::Invited);
    let Some(user) = user else { return Err(settled(&invitation, api.services.clock.now())) };
    let to = if send.unwrap_or(api.services.outbox.is_open()) {
        api.recipient(&user)?;
        Recipient::at(&invitation.email, &user)
    } else {
        None
    };
    let link = api.services.login.invite_again(&permit, id, to.as_ref()).await;
    let link = link.map_err(|error| match error {
        login::Error::Refused { reason, .. } => Error::Conflict { field: None, detail: reason },
        other => other.into(),
    })?;
    let Some(link) = link else { return Err(settled(&invitation, api.services.clock.now())) };
    Ok(api.told_link(StatusCode::OK, &link, Some(&user)))
}

fn settled(invitation: &Invitation, now: crate::clock::Timestamp) -> Error {
    let detail = match invitation.status(now) {
        "open" | "expired" => "the account does not wait any more".to_owned(),
        status => format!("the invitation is {status}"),
    };
    Error::Conflict { field: None, detail }
}

impl Api {
    /// The invitation of an id with its account, of whom the caller sees all and has all.
    async fn invitation(&self, caller: &Caller, text: &str) -> Result<(InvitationId, Invitation, Option<User>), Error> {
        let absent = || Error::NotFound { what: "invitation" };
        let id: InvitationId = text.parse().map_err(|_| absent())?;
        let invitation = self.services.login.find_invitation(id).await?.ok_or_else(absent)?;
        let user = self.services.directory.find_user(invitation.user).await?;
        if let Some(user) = &user {
            if !self.sight(caller).await?.sees_user(user) {
                return Err(absent());
            }
            self.check_rank(caller, user.id).await?;
        }
        Ok((id, invitation, user))
    }

    fn show_invitation(&self, id: InvitationId, invitation: &Invitation) -> Value {
        let roles = invitation.roles.iter().map(|promised| {
            json!({"role": promised.role.as_str(), "scope": promised.scope.as_ref().map(ToString::to_string)})
        });
        json!({
            "id": id.to_string(),
            "email": invitation.email,
            "user": {"id": invitation.user.to_string(), "userName": invitation.user_name},
            "roles": roles.collect::<Vec<_>>(),
            "invited_by": invitation.invited_by,
            "created": invitation.created.to_string(),
            "expires": invitation.until.to_string(),
            "status": invitation.status(self.services.clock.now()),
            "links": invitation.links,
        })
    }

    /// An invitation with its link, where that was not mailed.
    fn told_link(&self, status: StatusCode, link: &InvitationLink, user: Option<&User>) -> Response {
        let mut body = self.show_invitation(link.id, &link.invitation);
        if let Some(members) = body.as_object_mut() {
            let shown = (!link.is_posted).then(|| format!("{}{}", self.services.public_url, link.path.expose()));
            members.insert("link".to_owned(), shown.into());
            members.insert("sent".to_owned(), link.is_posted.into());
            members.extend(user.map(|user| ("user".to_owned(), render::brief(user))));
        }
        render::answer(status, &body)
    }
}
