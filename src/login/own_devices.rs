//! The browsers that an account knows, as their owner sees them, and to forget one.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode};

use super::account::NotOwn;
use super::pages::devices as page_of;
use super::routes::{page, redirect, visit};
use super::steps::STALE;
use super::{Login, PASSWORD, ReturnTo, SignedIn};
use crate::audit::{Event, EventKind};
use crate::http::{Access, Rate, Route, Takes};
use crate::lockout::DeviceId;
use crate::model::Words;

/// Where the page is.
const PLACE: &str = "/account/devices";
/// Where to sign in so as to come back to it.
const SIGN_IN: &str = "/login?return_to=%2Faccount%2Fdevices";

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, PLACE, Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, "/account/devices/forget", Access::Public, Rate::Page, forget)
            .takes(Takes::Nothing),
    ]
}

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match login.present(&parts).await {
        Ok(Some(signed_in)) => login.devices_page(&signed_in, &parts, StatusCode::OK, None).await,
        Ok(None) => redirect(SIGN_IN, []),
        Err(error) => login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
    }
}

async fn forget(State(login): State<Login>, request: Request) -> Response {
    let (parts, answer, signed_in) = match login.own_form(request, SIGN_IN, PASSWORD).await {
        Ok(own) => own,
        Err(NotOwn::Answered(response)) => return *response,
        Err(NotOwn::Stale(own)) => {
            return login.devices_page(&own.1, &own.0, StatusCode::FORBIDDEN, Some(STALE)).await;
        }
    };
    // Of somebody else's devices nothing is found, and what is no id is none of one's own.
    let Ok(id) = answer.single("id").unwrap_or_default().parse::<DeviceId>() else { return redirect(PLACE, []) };
    let (user, actor, visit) = (&signed_in.user, signed_in.actor(), visit(&parts));
    let event = |now| Event::new(now, EventKind::DevicesForgotten, &actor).within(&visit.circumstance);
    match login.services.lockout.forget_devices((user.id, &user.user_name), Some(id), event).await {
        Ok(_) => redirect(PLACE, []),
        Err(error) => login.failure(&error.into(), PASSWORD, &parts, &ReturnTo::home()),
    }
}

impl Login {
    async fn devices_page(
        &self,
        signed_in: &SignedIn,
        parts: &Parts,
        status: StatusCode,
        problem: Option<Words>,
    ) -> Response {
        let devices = match self.services.lockout.devices(signed_in.user.id).await {
            Ok(devices) => devices,
            Err(error) => return self.failure(&error.into(), PASSWORD, parts, &ReturnTo::home()),
        };
        let here = visit(parts).device;
        let shown = devices.into_iter().rev().map(|device| page_of::Shown {
            id: device.id.to_string(),
            user_agent: device.user_agent,
            since: device.since.to_string(),
            last_used: device.last_used.to_string(),
            is_this: Some(device.id) == here,
        });
        page(status, page_of::own(&shown.collect::<Vec<_>>(), &self.own_csrf(parts), problem))
    }
}
