//! Where somebody is signed in, and the end of it by themselves: one session, or all but the one that asks.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode};

use super::account::NotOwn;
use super::pages::sessions as page_of;
use super::pages::words;
use super::routes::{page, redirect, visit};
use super::steps::STALE;
use super::{Error, Login, PASSWORD, ReturnTo, SignedIn};
use crate::audit::{Event, EventKind};
use crate::http::{Access, Rate, Route, Takes};
use crate::model::{SessionId, Words};
use crate::session;
use crate::upstream::Answer;

/// Where the page is.
const PLACE: &str = "/account/sessions";
/// Where to sign in so as to come back to it.
const SIGN_IN: &str = "/login?return_to=%2Faccount%2Fsessions";

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, "/account/sessions", Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, "/account/sessions/end", Access::Public, Rate::Page, end).takes(Takes::Nothing),
        Route::new(HttpMethod::POST, "/account/sessions/end-others", Access::Public, Rate::Page, end_others)
            .takes(Takes::Nothing),
    ]
}

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match login.present(&parts).await {
        Ok(Some(signed_in)) => login.sessions_page(&signed_in, &parts, StatusCode::OK, None).await,
        Ok(None) => redirect(SIGN_IN, []),
        Err(error) => login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
    }
}

async fn end(State(login): State<Login>, request: Request) -> Response {
    let (parts, answer, signed_in) = match login.sessions_form(request).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let Ok(id) = answer.single("id").unwrap_or_default().parse::<SessionId>() else { return redirect(PLACE, []) };
    match login.end_own(&signed_in, id, &parts).await {
        Ok(()) if id == signed_in.session.id => redirect("/login", [login.browser.forget_header()]),
        Ok(()) => redirect(PLACE, []),
        Err(error) => login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
    }
}

async fn end_others(State(login): State<Login>, request: Request) -> Response {
    let (parts, _, signed_in) = match login.sessions_form(request).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    match login.end_own_others(&signed_in, &parts).await {
        Ok(()) => redirect(PLACE, []),
        Err(error) => login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
    }
}

impl Login {
    /// A form of this page, or what to answer instead.
    async fn sessions_form(&self, request: Request) -> Result<(Parts, Answer, SignedIn), Box<Response>> {
        match self.own_form(request, SIGN_IN, PASSWORD).await {
            Ok(own) => Ok(own),
            Err(NotOwn::Answered(response)) => Err(response),
            Err(NotOwn::Stale(own)) => {
                Err(Box::new(self.sessions_page(&own.1, &own.0, StatusCode::FORBIDDEN, Some(STALE)).await))
            }
        }
    }

    async fn sessions_page(
        &self,
        signed_in: &SignedIn,
        parts: &Parts,
        status: StatusCode,
        problem: Option<Words>,
    ) -> Response {
        let sessions = match self.services.sessions.list(signed_in.user.id).await {
            Ok(sessions) => sessions,
            Err(error) => return self.failure(&error.into(), PASSWORD, parts, &ReturnTo::home()),
        };
        let shown = sessions.into_iter().map(|session| page_of::Shown {
            id: session.id.to_string(),
            method: words::method(session.method),
            address: session.address.unwrap_or_else(|| words::THIS_MACHINE.text().to_owned()),
            user_agent: session.user_agent.unwrap_or_else(|| words::NAMELESS.text().to_owned()),
            since: session.created.to_string(),
            last_seen: session.last_seen.to_string(),
            is_this: session.id == signed_in.session.id,
        });
        let csrf = self.own_csrf(parts);
        page(status, page_of::own(&shown.collect::<Vec<_>>(), &csrf, problem))
    }

    /// Ends a session of somebody's own; one of another's is as absent as one that has ended.
    async fn end_own(&self, signed_in: &SignedIn, id: SessionId, parts: &Parts) -> Result<(), Error> {
        let sessions = &self.services.sessions;
        if !sessions.list(signed_in.user.id).await?.iter().any(|session| session.id == id) {
            return Ok(());
        }
        let (actor, visit) = (signed_in.actor(), visit(parts));
        let event = |now| Event::new(now, EventKind::SessionEnded, &actor).within(&visit.circumstance);
        match sessions.end_with(id, event).await {
            Ok(_) | Err(session::Error::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn end_own_others(&self, signed_in: &SignedIn, parts: &Parts) -> Result<(), Error> {
        let (services, visit) = (&self.services, &visit(parts));
        services
            .ledger
            .retry(|mut change| async move {
                let user = &signed_in.user;
                let ended = services.sessions.end_others(&mut change, user.id, signed_in.session.id).await?;
                let event = Event::new(services.clock.now(), EventKind::SessionEnded, &signed_in.actor())
                    .within(&visit.circumstance)
                    .on("user", user.id, &user.user_name)
                    .detail("sessions_ended", ended);
                change.commit(event).await?;
                Ok(())
            })
            .await
    }
}
