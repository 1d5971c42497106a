//! The table of routes, and the router made from it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::Method;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

use super::admit::Gate;
use super::error::Problem;
use super::{
    Api, Error, access_requests, audit, backups, blocks, connectors, devices, explain, factors, grants, groups,
    history, invitations, locks, mail, me, network, openapi, people, placed, policy, reports, requests, roles, scopes,
    seats, sessions, sources, status, tokens, transfer, users,
};
use crate::http::{Access, PeerUid, Rate, RequestId, Route};

/// Every route of the surface.
pub fn table() -> Vec<Route<Api>> {
    let mut routes = of_people();
    routes.extend(of_scopes());
    routes.extend(of_reports());
    routes.extend(of_policy());
    routes
}

/// The routes of roles, and of the policy as a whole.
fn of_policy() -> Vec<Route<Api>> {
    use Access::Management;
    const API: Rate = Rate::Api;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    const PUT: Method = Method::PUT;
    vec![
        Route::new(GET, "/api/v1/network-rules", Management, API, network::show),
        Route::new(PUT, "/api/v1/network-rules", Management, API, network::set),
        Route::new(GET, "/api/v1/policy/tests", Management, API, policy::tests),
        Route::new(POST, "/api/v1/policy/tests", Management, API, policy::run_tests),
        Route::new(POST, "/api/v1/policy:diff", Management, API, policy::diff).with_body_bytes(policy::MAX_BODY_BYTES),
        Route::new(GET, "/api/v1/seats", Management, API, seats::show),
        Route::new(POST, "/api/v1/seats:recount", Management, API, seats::recount),
        Route::new(GET, "/api/v1/roles", Management, API, roles::list),
        Route::new(POST, "/api/v1/roles", Management, API, roles::create),
        Route::new(GET, "/api/v1/roles/matrix", Management, API, roles::matrix),
        Route::new(GET, "/api/v1/roles/permissions", Management, API, roles::permissions),
        Route::new(GET, "/api/v1/roles/{id}", Management, API, roles::show),
        // `:duplicate` is a part of the last segment.
        Route::new(POST, "/api/v1/roles/{id}", Management, API, roles::act),
        Route::new(PATCH, "/api/v1/roles/{id}", Management, API, roles::change),
        Route::new(DELETE, "/api/v1/roles/{id}", Management, API, roles::delete),
        Route::new(GET, "/api/v1/roles/{id}/holders", Management, API, roles::holders),
        Route::new(GET, "/api/v1/roles/{id}/history", Management, API, history::of_role),
    ]
}

/// The routes of departments, companies, scorecards, projects, and of every kind.
fn of_scopes() -> Vec<Route<Api>> {
    use Access::Management;
    use scopes::{Company, Department, Project, Scorecard};
    const API: Rate = Rate::Api;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    vec![
        Route::new(GET, "/api/v1/companies", Management, API, scopes::list::<Company>),
        Route::new(POST, "/api/v1/companies", Management, API, scopes::create::<Company>),
        Route::new(GET, "/api/v1/companies/{slug}", Management, API, scopes::show::<Company>),
        Route::new(PATCH, "/api/v1/companies/{slug}", Management, API, scopes::change::<Company>),
        Route::new(DELETE, "/api/v1/companies/{slug}", Management, API, scopes::delete::<Company>),
        Route::new(GET, "/api/v1/companies/{slug}/users", Management, API, placed::list::<Company>),
        Route::new(POST, "/api/v1/companies/{slug}/users", Management, API, placed::give::<Company>),
        Route::new(GET, "/api/v1/companies/{slug}/users/{user}", Management, API, placed::show::<Company>),
        Route::new(GET, "/api/v1/departments", Management, API, scopes::list::<Department>),
        Route::new(POST, "/api/v1/departments", Management, API, scopes::create::<Department>),
        Route::new(GET, "/api/v1/departments/{slug}", Management, API, scopes::show::<Department>),
        Route::new(PATCH, "/api/v1/departments/{slug}", Management, API, scopes::change::<Department>),
        Route::new(DELETE, "/api/v1/departments/{slug}", Management, API, scopes::delete::<Department>),
        Route::new(GET, "/api/v1/departments/{slug}/users", Management, API, placed::list::<Department>),
        Route::new(POST, "/api/v1/departments/{slug}/users", Management, API, placed::give::<Department>),
        Route::new(GET, "/api/v1/departments/{slug}/users/{user}", Management, API, placed::show::<Department>),
        Route::new(GET, "/api/v1/projects", Management, API, scopes::list::<Project>),
        Route::new(POST, "/api/v1/projects", Management, API, scopes::create::<Project>),
        Route::new(GET, "/api/v1/projects/{slug}", Management, API, scopes::show::<Project>),
        Route::new(PATCH, "/api/v1/projects/{slug}", Management, API, scopes::change::<Project>),
        Route::new(DELETE, "/api/v1/projects/{slug}", Management, API, scopes::delete::<Project>),
        Route::new(GET, "/api/v1/projects/{slug}/users", Management, API, placed::list::<Project>),
        Route::new(POST, "/api/v1/projects/{slug}/users", Management, API, placed::give::<Project>),
        Route::new(GET, "/api/v1/projects/{slug}/users/{user}", Management, API, placed::show::<Project>),
        Route::new(GET, "/api/v1/scorecards", Management, API, scopes::list::<Scorecard>),
        Route::new(POST, "/api/v1/scorecards", Management, API, scopes::create::<Scorecard>),
        Route::new(GET, "/api/v1/scorecards/{slug}", Management, API, scopes::show::<Scorecard>),
        Route::new(PATCH, "/api/v1/scorecards/{slug}", Management, API, scopes::change::<Scorecard>),
        Route::new(DELETE, "/api/v1/scorecards/{slug}", Management, API, scopes::delete::<Scorecard>),
        Route::new(GET, "/api/v1/scorecards/{slug}/users", Management, API, placed::list::<Scorecard>),
        Route::new(POST, "/api/v1/scorecards/{slug}/users", Management, API, placed::give::<Scorecard>),
        Route::new(GET, "/api/v1/scorecards/{slug}/users/{user}", Management, API, placed::show::<Scorecard>),
        Route::new(GET, "/api/v1/scopes", Management, API, scopes::list_any),
        Route::new(POST, "/api/v1/scopes", Management, API, scopes::create_any),
        Route::new(GET, "/api/v1/scopes/{scope}", Management, API, scopes::show_any),
        Route::new(GET, "/api/v1/scopes/{scope}/history", Management, API, history::of_scope),
        Route::new(PATCH, "/api/v1/scopes/{scope}", Management, API, scopes::change_any),
        Route::new(DELETE, "/api/v1/scopes/{scope}", Management, API, scopes::delete_any),
    ]
}

/// The routes of all else.
fn of_people() -> Vec<Route<Api>> {
    use Access::{Management, Session};
    const API: Rate = Rate::Api;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    vec![
        Route::new(GET, "/api/v1/audit-logs", Management, API, audit::list),
        Route::new(GET, "/api/v1/events", Management, API, audit::kinds),
        Route::new(POST, "/api/v1/audit-logs/verify", Management, API, audit::verify),
        Route::new(POST, "/api/v1/backup", Management, API, backups::make),
        Route::new(GET, "/api/v1/blocks", Management, API, blocks::list),
        Route::new(DELETE, "/api/v1/blocks", Management, API, blocks::release),
        // `:test` is a part of the last segment.
        Route::new(POST, "/api/v1/connectors/{id}", Management, API, connectors::act),
        Route::new(GET, "/api/v1/connectors/{id}/attempts", Management, API, connectors::attempts),
        Route::new(GET, "/api/v1/explain", Management, API, explain::explain),
        Route::new(GET, "/api/v1/export", Management, API, transfer::export),
        Route::new(GET, "/api/v1/grants", Management, API, grants::list),
        Route::new(POST, "/api/v1/grants", Management, API, grants::create),
        Route::new(DELETE, "/api/v1/grants/{id}", Management, API, grants::delete),
        Route::new(GET, "/api/v1/groups", Management, API, groups::list),
        Route::new(POST, "/api/v1/groups", Management, API, groups::create),
        Route::new(GET, "/api/v1/groups/{id}", Management, API, groups::show),
        Route::new(PATCH, "/api/v1/groups/{id}", Management, API, groups::change),
        Route::new(DELETE, "/api/v1/groups/{id}", Management, API, groups::delete),
        Route::new(GET, "/api/v1/groups/{id}/history", Management, API, history::of_group),
        Route::new(GET, "/api/v1/groups/{id}/members", Management, API, groups::list_members),
        Route::new(POST, "/api/v1/groups/{id}/members", Management, API, groups::add),
        Route::new(DELETE, "/api/v1/groups/{id}/members", Management, API, groups::remove),
        Route::new(POST, "/api/v1/import", Management, API, transfer::import)
            .with_body_bytes(crate::transfer::MAX_BYTES),
        Route::new(GET, "/api/v1/users/{user}/devices", Management, API, devices::list),
        Route::new(DELETE, "/api/v1/users/{user}/devices", Management, API, devices::forget),
        Route::new(GET, "/api/v1/invitations", Management, API, invitations::list),
        Route::new(POST, "/api/v1/invitations", Management, API, invitations::create),
        Route::new(DELETE, "/api/v1/invitations/{id}", Management, API, invitations::revoke),
        // `:resend` is a part of the last segment.
        Route::new(POST, "/api/v1/invitations/{id}", Management, API, invitations::act),
        Route::new(GET, "/api/v1/users/{user}/factors", Management, API, factors::show),
        Route::new(DELETE, "/api/v1/users/{user}/factors", Management, API, factors::remove),
        Route::new(GET, "/api/v1/locks", Management, API, locks::list),
        Route::new(DELETE, "/api/v1/locks/{user}", Management, API, locks::clear),
        Route::new(POST, "/api/v1/mail:test", Management, API, mail::test),
        Route::new(GET, "/api/v1/me", Session, API, me::me),
        Route::new(GET, "/api/v1/users/{user}/history", Management, API, history::of_user),
        Route::new(GET, "/api/v1/openapi.json", Session, API, openapi::show),
        Route::new(GET, "/api/v1/people", Management, API, people::list),
        Route::new(POST, "/api/v1/people", Management, API, people::create),
        Route::new(GET, "/api/v1/people/{id}", Management, API, people::find),
        Route::new(GET, "/api/v1/people/{id}/history", Management, API, history::of_person),
        Route::new(PATCH, "/api/v1/people/{id}", Management, API, people::change),
        Route::new(DELETE, "/api/v1/people/{id}", Management, API, people::delete),
        Route::new(POST, "/api/v1/reload", Management, API, status::reload),
        Route::new(GET, "/api/v1/sessions", Management, API, sessions::list),
        Route::new(DELETE, "/api/v1/sessions/{id}", Management, API, sessions::end),
        Route::new(POST, "/api/v1/sessions:end-all", Management, API, sessions::end_all),
        Route::new(GET, "/api/v1/sources", Management, API, sources::list),
        Route::new(GET, "/api/v1/sources/{id}", Management, API, sources::find),
        Route::new(POST, "/api/v1/sources/{id}/release", Management, API, sources::release),
        Route::new(GET, "/api/v1/sources/{id}/requests", Management, API, requests::list),
        Route::new(GET, "/api/v1/sources/{id}/sync", Management, API, sources::show),
        Route::new(POST, "/api/v1/sources/{id}/sync", Management, API, sources::run),
        Route::new(GET, "/api/v1/status", Management, API, status::status),
        Route::new(GET, "/api/v1/tokens", Management, API, tokens::list),
        Route::new(POST, "/api/v1/tokens", Management, API, tokens::create),
        // `:rotate` is a part of the last segment.
        Route::new(POST, "/api/v1/tokens/{id}", Management, API, tokens::act),
        Route::new(DELETE, "/api/v1/tokens/{id}", Management, API, tokens::revoke),
        Route::new(GET, "/api/v1/users", Management, API, users::list),
        Route::new(POST, "/api/v1/users", Management, API, users::create),
        Route::new(POST, "/api/v1/users/{user}", Management, API, users::act),
        Route::new(GET, "/api/v1/users/{user}/holdings", Management, API, users::holdings),
        Route::new(POST, "/api/v1/users:bulk", Management, API, users::bulk).with_body_bytes(users::MAX_BODY_BYTES),
        Route::new(GET, "/api/v1/users/{user}", Management, API, users::show),
        Route::new(PATCH, "/api/v1/users/{user}", Management, API, users::change),
        Route::new(DELETE, "/api/v1/users/{user}", Management, API, users::delete),
        Route::new(POST, "/api/v1/users/{user}/departments", Management, API, placed::assign),
        Route::new(GET, "/api/v1/users/{user}/permissions", Management, API, explain::permissions),
        Route::new(GET, "/api/v1/who-can", Management, API, explain::who_can),
    ]
}

/// The routes of access requests and reports.
fn of_reports() -> Vec<Route<Api>> {
    use Access::{Management, Session};
    const API: Rate = Rate::Api;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    vec![
        Route::new(GET, "/api/v1/access-requests", Management, API, access_requests::list),
        Route::new(POST, "/api/v1/access-requests/{id}/approve", Management, API, access_requests::approve),
        Route::new(POST, "/api/v1/access-requests/{id}/refuse", Management, API, access_requests::refuse),
        Route::new(GET, "/api/v1/me/access-requests", Session, API, access_requests::own),
        Route::new(POST, "/api/v1/me/access-requests", Session, API, access_requests::ask),
        Route::new(DELETE, "/api/v1/me/access-requests/{id}", Session, API, access_requests::withdraw),
        Route::new(GET, "/api/v1/me/access", Session, API, reports::own_access),
        Route::new(GET, "/api/v1/me/history", Session, API, reports::own_history),
        Route::new(GET, "/api/v1/me/sessions", Session, API, sessions::own),
        Route::new(GET, "/api/v1/reports/{name}", Management, API, reports::show),
        Route::new(GET, "/api/v1/users/{user}/provenance", Management, API, reports::provenance),
    ]
}

/// Whatever else is below the surface's place, so that every answer there has its form.
const REST: &str = "/api/{*rest}";

/// The surface behind its gate.
pub fn router(api: Api) -> Router {
    let gate = Arc::new(Gate::new(&api));
    let missing = || async { Error::NotFound { what: "address" }.into_response() };
    let contact: Contact = Arc::new(api.services.contact.clone());
    let finish = middleware::from_fn_with_state(contact, finish);
    crate::http::router(table(), api, gate).route(REST, any(missing)).layer(finish)
}

/// The type of failures (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// Whom people ask.
type Contact = Arc<Option<String>>;

/// Gives failures their body, which names the request and to people whom to ask, and keeps answers out of caches.
async fn finish(State(contact): State<Contact>, request: Request, next: Next) -> Response {
    // Neither a program with a token nor an administrator on the machine.
    let is_browser = !request.headers().contains_key(AUTHORIZATION) && request.extensions().get::<PeerUid>().is_none();
    let request_id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let status = response.status();
    let is_told = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    // What the plumbing refused gets the same form: a path that is no UTF-8, a method that is not served.
    if (status.is_client_error() || status.is_server_error()) && !is_told {
        let detail = status.canonical_reason().unwrap_or("not served").to_ascii_lowercase();
        response.extensions_mut().get_or_insert_with(|| Problem::of(status, detail));
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        if let Some(contact) = contact.as_ref().as_ref().filter(|_| is_browser) {
            problem.ask(contact);
        }
        let body = problem.render(request_id.as_ref().map(|id| id.0.as_str()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        *response.body_mut() = Body::from(body.to_string());
    }
    response
}
