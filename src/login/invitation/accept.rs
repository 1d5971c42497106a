//! The page on which an invitation is accepted.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode};

use super::{INVITATIONS, Invitation, InvitationId};
use crate::audit::{Event, EventKind, Outcome};
use crate::credential::{self, Prepared};
use crate::directory::SourceRecord;
use crate::http::{Access, Rate, Route, Takes};
use crate::limit::Subject as Limited;
use crate::login::finish::{Finished, Visit};
use crate::login::pages::{self, words};
use crate::login::pending::{First, Pending};
use crate::login::routes::{MAX_FORM_BYTES, form, query, visit};
use crate::login::steps::{DIFFERENT, STALE};
use crate::login::{Error, LINK, Login, ReturnTo};
use crate::model::{Actor, OrganisationId, Status, User};
use crate::secret::Secret;
use crate::session::SECRET_CHARACTERS;

/// The address of the page.
const PATH: &str = "/login/invitation";
/// Most characters of a name that somebody gives themselves.
const MAX_NAME: usize = 200;

/// The rows of this part.
pub(in crate::login) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, PATH, Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, PATH, Access::Public, Rate::SignIn, accept).takes(Takes::Random),
    ]
}

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let token = query(&parts).optional("token").ok().flatten().unwrap_or_default().to_owned();
    match login.invited(&token).await {
        Ok((_, _, user)) => login.invitation_page(&parts, StatusCode::OK, (&token, &user.display_name(), &user), &[]),
        Err(error) => login.no_invitation(error, &token, &parts).await,
    }
}

async fn accept(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let (Ok(token), Ok(name), Ok(new), Ok(again), Ok(csrf)) =
        (form.single("token"), form.single("name"), form.single("new"), form.single("again"), form.single("csrf"))
    else {
        let text = "the form needs `token`, `name`, `new`, `again` and `csrf`, once each";
        return crate::http::problem(StatusCode::BAD_REQUEST, text);
    };
    let user = match login.invited(token).await {
        Ok((_, _, user)) => user,
        Err(error) => return login.no_invitation(error, token, &parts).await,
    };
    let is_ours = login.is_csrf(csrf, login.browser().login_secret(&parts.headers));
    if !is_ours || !login.browser().is_not_foreign(&parts.headers) {
        let stale = [STALE.text().to_owned()];
        return login.invitation_page(&parts, StatusCode::FORBIDDEN, (token, name, &user), &stale);
    }
    match login.try_accept(token, &user, name, [new, again], &visit(&parts)).await {
        Ok(Ok(finished)) => login.welcome(&finished),
        Ok(Err(problems)) => {
            login.invitation_page(&parts, StatusCode::UNPROCESSABLE_ENTITY, (token, name, &user), &problems)
        }
        Err(error) => login.no_invitation(error, token, &parts).await,
    }
}

/// The id and the secret of a token's text.
fn parts_of(token: &str) -> Option<(InvitationId, &str)> {
    let (id, secret) = token.split_once('.')?;
    (secret.len() == SECRET_CHARACTERS).then_some((id.parse().ok()?, secret))
}

fn absent() -> Error {
    Error::refused("invitation", "no such invitation, or it was accepted, taken back or replaced, or it is too old")
}

impl Login {
    /// The invitation of a link that may be accepted, with the account that waits.
    async fn invited(&self, token: &str) -> Result<(InvitationId, Invitation, User), Error> {
        let (id, secret) = parts_of(token).ok_or_else(absent)?;
        let invitation = self.find_invitation(id).await?.ok_or_else(absent)?;
        self.check_invitation(id, secret, &invitation)?;
        let user = self.services.directory.find_user(invitation.user).await?;
        let user = user.filter(|user| user.status == Status::Invited).ok_or_else(absent)?;
        Ok((id, invitation, user))
    }

    fn check_invitation(&self, id: InvitationId, secret: &str, invitation: &Invitation) -> Result<(), Error> {
        let is_right = self.invitation_key.verify(format!("{id}.{secret}").as_bytes(), &*invitation.hash);
        if is_right && invitation.is_open(self.services.clock.now()) { Ok(()) } else { Err(absent()) }
    }

    fn invitation_page(
        &self,
        parts: &Parts,
        status: StatusCode,
        (token, name, user): (&str, &str, &User),
        problems: &[String],
    ) -> Response {
        // A name that nobody gave yet is the login name.
        let name = if name == user.user_name.as_str() { "" } else { name };
        let rules = self.password_rules(false);
        self.with_login_cookie(&parts.headers, status, |csrf| {
            let view = pages::invitation::Accept {
                token,
                csrf,
                account: user.user_name.as_str(),
                name,
                rules: &rules,
                problems,
            };
            pages::invitation::accept(&view)
        })
    }

    /// The one page for every invitation that cannot be accepted. That somebody tried one that there is, is recorded.
    async fn no_invitation(&self, error: Error, token: &str, parts: &Parts) -> Response {
        let Error::Refused { rule, reason } = &error else {
            return self.failure(&error, LINK, parts, &ReturnTo::home());
        };
        let known = match parts_of(token) {
            Some((id, _)) => self.find_invitation(id).await,
            None => Ok(None),
        };
        // Whoever had the link once may come as often as they like; what they leave in the ledger is bounded as sign-ins are.
        let address = visit(parts).circumstance.address;
        let is_told =
            address.is_none_or(|address| self.services.limits.check(Rate::SignIn, Limited::Address(address)).is_ok());
        let recorded = match known {
            Ok(Some(_)) if !is_told => Ok(()),
            Ok(Some(invitation)) => {
                let now = self.services.clock.now();
                let event = Event::new(now, EventKind::InvitationRefused, &Actor::Anonymous)
                    .outcome(Outcome::Denied)
                    .within(&visit(parts).circumstance)
                    .on("user", invitation.user, &invitation.user_name)
                    .detail("rule", rule)
                    .detail("status", invitation.status(now))
                    .detail("reason", reason);
                self.services.ledger.record(event).await.map(|_| ()).map_err(Error::from)
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        self.failure(&recorded.err().unwrap_or(error), LINK, parts, &ReturnTo::home())
    }

    async fn try_accept(
        &self,
        token: &str,
        user: &User,
        name: &str,
        [new, again]: [&str; 2],
        visit: &Visit,
    ) -> Result<Result<Finished, Vec<String>>, Error> {
        let new = Secret::new(new.to_owned());
        if !new.matches(again) {
            return Ok(Err(vec![DIFFERENT.text().to_owned()]));
        }
        let mut named = user.clone();
        let name: String = name.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        if !name.is_empty() {
            named.attributes.0.insert("displayName".to_owned(), name.as_str().into());
        }
        // A name that would move them between groups by rule is for somebody else to give.
        let (user_name, attributes) = (named.user_name.clone(), named.attributes.clone());
        let record = SourceRecord { external_id: None, user_name, active: Some(true), attributes };
        let moves = self.services.directory.moves(Some(user), &record).await?;
        if !moves.entered.is_empty() || !moves.left.is_empty() {
            named = user.clone();
        }
        let prepared = match self.services.credentials.prepare_for(&named, &new, false).await {
            Ok(prepared) => prepared,
            Err(credential::Error::Invalid { unmet }) => return Ok(Err(unmet.iter().map(words::lack).collect())),
            Err(error) => return Err(error.into()),
        };
        let pending = &self.pending(First::Link(user.id), "/");
        self.check_opening(pending, user, visit).await?;
        self.accept_invitation(token, &named, &prepared, visit).await?;
        let finished = self.services.ledger.retry(|change| self.advance(change, pending.clone(), visit)).await?;
        Ok(Ok(finished))
    }

    /// Refuses what would not open a session afterwards, so that the invitation is not used up for nothing.
    async fn check_opening(&self, pending: &Pending, user: &User, visit: &Visit) -> Result<(), Error> {
        let shut_out = self.services.access.shut_out(user.id, visit.circumstance.address, None).await;
        if let Some(bound) = shut_out.map_err(|error| Error::Unavailable(error.to_string()))? {
            return Err(Error::refused("network", format!("the address is in none of the networks of {bound}")));
        }
        self.check_sso(&mut self.services.ledger.change(), pending, user).await
    }

    /// The account is active and has its password, and the invitation is used up: one commit.
    async fn accept_invitation(
        &self,
        token: &str,
        named: &User,
        prepared: &Prepared,
        visit: &Visit,
    ) -> Result<(), Error> {
        let (id, secret) = parts_of(token).ok_or_else(absent)?;
        let services = &self.services;
        let invitation = self.find_invitation(id).await?.ok_or_else(absent)?;
        self.check_inviter(&invitation, &visit.circumstance).await?;
        let permit = &self.weighed_acceptance(named.id).await?;
        services
            .ledger
            .retry(|mut change| async move {
                let found = change.find(&INVITATIONS, OrganisationId::DEFAULT, &id).await?;
                let now: Invitation = found.ok_or_else(absent)?;
                self.check_invitation(id, secret, &now)?;
                let user = services.directory.user_in(&mut change, now.user).await?;
                if user.status != Status::Invited {
                    return Err(absent());
                }
                let mut attributes = user.attributes.clone();
                if let Some(name) = named.attributes.0.get("displayName") {
                    attributes.0.insert("displayName".to_owned(), name.clone());
                }
                let (invitation, account, from) = ((id, now), (&user, attributes), &visit.circumstance);
                let (active, event) = self.stage_acceptance(&mut change, permit, invitation, account, from).await?;
                let set = services.credentials.set_in(&mut change, permit, &active, prepared)?;
                change.also(set.by(user.id));
                change.commit(event).await?;
                Ok(())
            })
            .await
    }
}
