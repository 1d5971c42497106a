//! `/reports`, `/users/{user}/provenance` and what people see of their own access.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, LINK};
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::sight::Sight;
use super::{Api, Error, render};
use crate::clock::Timestamp;
use crate::model::{Actor, PersonId, TokenId, UserId};
use crate::report::{self, DEFAULT_DAYS, Feed, FeedKind, MAX_DAYS, Reports, SeenPlaces, Sheet};

/// The reports there are, and what each takes.
const REPORTS: [(&str, &[&str]); 8] = [
    ("access", &["users:read", "grants:read"]),
    ("employees", &["people:read", "users:read"]),
    ("inactive", &["users:read"]),
    ("posture", &["users:read", "grants:read", "tokens:read"]),
    ("seats", &[super::seats::TO_READ]),
    ("sources", &["sources:read"]),
    ("tokens", &["users:read", "tokens:read"]),
    ("users", &["users:read", "grants:read"]),
];

/// Those that tell of the organisation as a whole, and not of people one by one.
const WHOLE: [&str; 2] = ["posture", "sources"];

impl From<report::Error> for Error {
    fn from(error: report::Error) -> Self {
        match error {
            report::Error::Access(error) => error.into(),
            report::Error::Credential(error) => error.into(),
            report::Error::Directory(error) => error.into(),
            report::Error::Lockout(error) => error.into(),
            report::Error::Session(error) => error.into(),
            report::Error::Store(error) => error.into(),
            report::Error::Token(error) => error.into(),
        }
    }
}

/// `GET /reports/{name}?format=json|csv&days=&user=&limit=&cursor=`. Of CSV the address of the next page is in `Link`.
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    mut params: Params,
) -> Result<Response, Error> {
    let (name, permissions) =
        *REPORTS.iter().find(|(known, _)| *known == name).ok_or(Error::NotFound { what: "report" })?;
    for permission in permissions {
        api.permit(&caller, permission, None).await?;
    }
    let is_csv = match params.take("format")?.as_deref() {
        None | Some("json") => false,
        Some("csv") if name != "posture" => true,
        Some(_) if name == "posture" => return Err(Error::invalid("format", "must be json for this report")),
        Some(_) => return Err(Error::invalid("format", "must be json or csv")),
    };
    let sight = Arc::new(api.sight(&caller).await?);
    if WHOLE.contains(&name) || (name == "tokens" && !params.has("user")) {
        api.check_sees_all(&caller).await?;
    }
    let (seen_places, sees) = (seen_places(&sight), Arc::clone(&sight));
    let reports = Reports { seen: Arc::new(move |user| sight.sees_user(user)), seen_places, ..api.reports() };
    let asked = params.without_cursor();
    let mut sheet = match name {
        "access" => {
            let page = api.page::<UserId>(&caller, name, &mut params)?;
            params.end()?;
            reports.access(page.after, page.limit).await?
        }
        "employees" => {
            let page = api.page::<PersonId>(&caller, name, &mut params)?;
            params.end()?;
            reports.employees(page.after, page.limit, |person| sees.sees_person(person)).await?
        }
        "inactive" => {
            let (days, page) = (days(&mut params)?, api.page::<UserId>(&caller, name, &mut params)?);
            params.end()?;
            reports.inactive(page.after, page.limit, days).await?
        }
        "posture" => {
            let days = days(&mut params)?;
            params.end()?;
            let _turn = api.postures.lock().await;
            return Ok(render::answer(StatusCode::OK, &reports.posture(days).await?.to_json()));
        }
        "seats" => {
            let _all_on_one_page = api.page::<UserId>(&caller, name, &mut params)?;
            params.end()?;
            api.seat_sheet().await?
        }
        "sources" => {
            let _all_on_one_page = api.page::<UserId>(&caller, name, &mut params)?;
            params.end()?;
            reports.sources(&api.feeds()).await?
        }
        "tokens" => {
            let (days, user, page) =
                (days(&mut params)?, params.take("user")?, api.page::<TokenId>(&caller, name, &mut params)?);
            params.end()?;
            let user = match user {
                Some(user) => Some(api.user(&caller, &user).await?.id),
                None => None,
            };
            reports.tokens(page.after, page.limit, days, user).await?
        }
        _ => {
            let page = api.page::<UserId>(&caller, name, &mut params)?;
            params.end()?;
            reports.users(page.after, page.limit).await?
        }
    };
    sheet.next = api.next(&caller, name, sheet.next.take())?;
    Ok(if is_csv { csv(name, &sheet, &asked) } else { render::answer(StatusCode::OK, &sheet.to_json()) })
}

/// Of which groups and scopes a report tells somebody; `None` is all.
fn seen_places(sight: &Arc<Sight>) -> Option<SeenPlaces> {
    let (groups, scopes) = (Arc::clone(sight), Arc::clone(sight));
    sight.is_limited().then(|| SeenPlaces {
        group: Arc::new(move |group| groups.sees_group(group)),
        scope: Arc::new(move |scope| scopes.sees_scope(scope)),
    })
}

fn days(params: &mut Params) -> Result<u32, Error> {
    match params.parsed::<u32>("days")? {
        None => Ok(DEFAULT_DAYS),
        Some(days) if (1..=MAX_DAYS).contains(&days) => Ok(days),
        Some(_) => Err(Error::invalid("days", format!("must be 1 to {MAX_DAYS}"))),
    }
}

fn csv(name: &str, sheet: &Sheet, asked: &str) -> Response {
    let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    let mut response = (StatusCode::OK, [(CONTENT_TYPE, kind)], sheet.to_csv()).into_response();
    // Both are made of our own words and ids.
    if let Ok(file) = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, file);
    }
    let next = sheet
        .next
        .as_ref()
        .map(|next| format!("</api/v1/reports/{name}?format=csv{asked}&cursor={next}>; rel=\"next\""));
    if let Some(Ok(link)) = next.map(HeaderValue::try_from) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// `GET /users/{user}/provenance`: which source, rule or person brought each attribute, membership and grant, and when.
pub(super) async fn provenance(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Error> {
    api.permit(&caller, "users:read", None).await?;
    api.permit(&caller, "grants:read", None).await?;
    let user = api.user(&caller, &user).await?;
    let sight = Arc::new(api.sight(&caller).await?);
    let reports = Reports { seen_places: seen_places(&sight), ..api.reports() };
    Ok(render::answer(StatusCode::OK, &reports.provenance(&user).await?))
}

/// `GET /me/access`: what the caller holds, since when, why and by whom.
pub(super) async fn own_access(State(api): State<Api>, caller: Caller) -> Result<Response, Error> {
    let id = api.oneself(&caller).await?;
    let user = api.services.directory.find_user(id).await?.ok_or(Error::Unauthorized)?;
    let sheet = api.reports().access_of_one(&user).await?;
    Ok(render::answer(StatusCode::OK, &sheet.to_json()))
}

/// `GET /me/history?limit=&cursor=`: what was given to the caller and taken away, newest first. A page may be empty
/// although there is more.
pub(super) async fn own_history(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let page = params.page::<u64>()?;
    params.end()?;
    let id = api.oneself(&caller).await?;
    let (items, next) = api.reports().history(id, page.after, page.limit).await?;
    Ok(render::page(items, next.map(|position| position.to_string())))
}

impl Api {
    fn reports(&self) -> Reports {
        let services = &self.services;
        Reports {
            access: services.access.clone(),
            clock: services.clock.clone(),
            credentials: services.credentials.clone(),
            directory: services.directory.clone(),
            ledger: services.ledger.clone(),
            lockout: services.lockout.clone(),
            // Who asks about one user has been let see them.
            seen: Arc::new(|_| true),
            seen_places: None,
            sessions: services.sessions.clone(),
            tokens: services.tokens.clone(),
        }
    }

    /// Whose browser or token this is; nobody's has nothing of its own, and whoever may not sign in is nobody.
    pub(super) async fn oneself(&self, caller: &Caller) -> Result<UserId, Error> {
        let id = match (&caller.signed_in, &caller.actor) {
            (Some(signed_in), _) => signed_in.user.id,
            (None, Actor::Token { user: Some(user), .. }) => *user,
            _ => return Err(Error::NotFound { what: "user: this is nobody's session or token" }),
        };
        if self.services.access.may_sign_in(id).await? { Ok(id) } else { Err(Error::Unauthorized) }
    }

    /// The configured sources, and what is known of each one's last run or request.
    fn feeds(&self) -> Vec<Feed> {
        let services = &self.services;
        let pulled = services.syncs.iter().map(|(id, sync)| {
            let last = sync.last().map(|run| match run.result {
                Ok(counts) => (run.at, format!("succeeded: {counts}")),
                Err(reason) => (run.at, format!("stopped: {reason}")),
            });
            Feed { id: id.clone(), kind: FeedKind::Ldap, last }
        });
        let provisioned = services.connections.iter().map(|id| {
            let newest =
                services.requests.page(id, &|_, _| true, None, 1).and_then(|(items, _)| items.into_iter().next());
            Feed { id: id.clone(), kind: FeedKind::Scim, last: newest.as_ref().and_then(asked) }
        });
        pulled.chain(provisioned).collect()
    }
}

/// When a kept request came, and what it was answered.
fn asked(request: &Value) -> Option<(Timestamp, String)> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let status = request.get("status").unwrap_or(&json!(null)).clone();
    let at = text("at")?.parse().ok()?;
    Some((at, format!("{} {} answered {status}", text("method")?, text("path")?)))
}
