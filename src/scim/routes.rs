//! The table of routes, and what each address does. Endpoints are found without regard to case, so they are parameters.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Path, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::call::{Call, Content};
use super::etag::Version;
use super::query::Query;
use super::resource::{Endpoint, Kind};
use super::{Error, MEDIA_TYPE, Scim, discovery, journal};
use crate::http::{Access, Admit, Rate, Route, router};

/// How long a request may take. Okta hangs up after a minute, and the listener answers then: whoever waits is told before,
/// in words of its protocol, and the request log has it.
const MAX_TIME: Duration = Duration::from_secs(50);

const COLLECTION: &str = "GET, POST";
const RESOURCE: &str = "GET, PUT, PATCH, DELETE";
const READ: &str = "GET";
const SEARCH: &str = "POST";

/// A resource as the answer to a write.
pub(super) struct Answered {
    /// The resource as JSON.
    pub(super) body: Vec<u8>,
    pub(super) location: String,
    pub(super) version: Version,
}

/// The same, new.
pub(super) struct Created(pub(super) Answered);

/// The answer to a PATCH.
pub(super) enum Patched {
    /// The resource as it is now.
    Shown(Answered),
    /// Its version alone: 204.
    Unshown { version: Version },
}

impl Answered {
    fn with_status(self, status: StatusCode) -> Response {
        let mut response = rendered(status, self.body);
        set(&mut response, header::ETAG, &self.version.to_string());
        set(&mut response, header::LOCATION, &self.location);
        response
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        self.with_status(StatusCode::OK)
    }
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        self.0.with_status(StatusCode::CREATED)
    }
}

impl IntoResponse for Patched {
    fn into_response(self) -> Response {
        match self {
            Self::Shown(answered) => answered.into_response(),
            Self::Unshown { version } => {
                let mut response = StatusCode::NO_CONTENT.into_response();
                set(&mut response, header::ETAG, &version.to_string());
                response
            }
        }
    }
}

/// 304, for whoever reads has this version.
pub(super) fn not_modified(version: Version) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    set(&mut response, header::ETAG, &version.to_string());
    response
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn json(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

fn rendered(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

/// Every route of the surface.
pub fn table() -> Vec<Route<Arc<Scim>>> {
    const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let mut table = Vec::new();
    for method in METHODS {
        // Entra ID's reference client puts a slash before its query. Who pastes a base address with a slash at its end has
        // two of them behind it.
        for path in ["/scim/v2/{endpoint}", "/scim/v2/{endpoint}/", "/scim/v2//{endpoint}", "/scim/v2//{endpoint}/"] {
            table.push(Route::new(method.clone(), path, Access::Scim, Rate::Scim, collection));
        }
        for path in [
            "/scim/v2/{endpoint}/{id}",
            "/scim/v2/{endpoint}/{id}/",
            "/scim/v2//{endpoint}/{id}",
            "/scim/v2//{endpoint}/{id}/",
        ] {
            table.push(Route::new(method.clone(), path, Access::Scim, Rate::Scim, resource));
        }
        // Some clients put an address of ours, such as a member's `$ref`, behind the base address.
        table.push(Route::new(method.clone(), "/scim/v2/{scheme}//{*rest}", Access::Scim, Rate::Scim, pasted));
        for path in [
            "/scim/v2/Me",
            "/scim/v2/Me/",
            "/scim/v2/me",
            "/scim/v2/me/",
            "/scim/v2//Me",
            "/scim/v2//Me/",
            "/scim/v2//me",
            "/scim/v2//me/",
        ] {
            table.push(Route::new(method.clone(), path, Access::Session, Rate::Scim, super::me::me));
        }
        for path in ["/scim/v2/Bulk", "/scim/v2/Bulk/", "/scim/v2//Bulk", "/scim/v2//Bulk/"] {
            let route = Route::new(method.clone(), path, Access::Scim, Rate::Scim, bulk);
            table.push(route.with_body_bytes(super::bulk::MAX_BODY_BYTES));
        }
        for path in ["/scim/v2", "/scim/v2/", "/scim/v2/{endpoint}/{id}/{*rest}"] {
            table.push(Route::new(method.clone(), path, Access::Scim, Rate::Scim, nowhere));
        }
        for path in ["/scim", "/scim/", "/scim/{*rest}"] {
            table.push(Route::new(method.clone(), path, Access::Scim, Rate::Scim, other_version));
        }
    }
    table
}

/// The surface's router. Every address below `/scim` is answered here, errors included.
pub fn routes(scim: Scim, admit: Arc<dyn Admit>) -> Router {
    let (kept, catalogue) = (scim.journal.clone(), Arc::clone(&scim.catalogue));
    let router = router(table(), Arc::new(scim), admit).method_not_allowed_fallback(wrong_method);
    match kept {
        Some(kept) => {
            kept.learn(&catalogue);
            router.layer(middleware::from_fn_with_state(kept, journal::keep))
        }
        None => router,
    }
}

/// The answer, or that it would come too late.
async fn in_time(work: impl Future<Output = Result<Response, Error>>) -> Result<Response, Error> {
    within(MAX_TIME, work).await
}

async fn within(most: Duration, work: impl Future<Output = Result<Response, Error>>) -> Result<Response, Error> {
    let mut work = pin!(work);
    // Most requests are done at the first poll; only the others need a timer.
    match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        Poll::Ready(answer) => answer,
        Poll::Pending => tokio::time::timeout(most, work).await.unwrap_or(Err(Error::TookTooLong)),
    }
}

async fn wrong_method() -> Error {
    Error::Method { allowed: "GET, POST, PUT, PATCH, DELETE" }
}

async fn nowhere() -> Error {
    Error::NotFound
}

/// What lies beside `/scim/v2`: another version of the protocol, or none (RFC 7644 section 3.13).
async fn other_version(address: OriginalUri) -> Error {
    let mut parts = address.path().split('/').filter(|part| !part.is_empty()).skip(1);
    match parts.next().and_then(|part| part.strip_prefix(['v', 'V'])) {
        // What no route of ours is like.
        Some("2") => Error::NotFound,
        Some(version) if version.starts_with(|first: char| first.is_ascii_digit()) => Error::InvalidVersion,
        _ => Error::NoVersion,
    }
}

async fn bulk(State(scim): State<Arc<Scim>>, call: Call, body: Body) -> Response {
    let answer = in_time(at_bulk(&scim, &call, Content::Raw(body))).await.into_response();
    scim.note(&call, "Bulk", None, &answer);
    answer
}

async fn at_bulk(scim: &Scim, call: &Call, body: Content) -> Result<Response, Error> {
    if call.method != Method::POST {
        return Err(Error::Method { allowed: SEARCH });
    }
    Ok(json(StatusCode::OK, &scim.bulk(call, body).await?))
}

async fn collection(
    State(scim): State<Arc<Scim>>,
    path: Result<Path<String>, PathRejection>,
    call: Call,
    body: Body,
) -> Response {
    // What cannot be read as text names nothing.
    let endpoint = path.map(|Path(endpoint)| endpoint).unwrap_or_default();
    let body = Content::Raw(body);
    let answer = match Endpoint::find(&scim.catalogue, &endpoint) {
        Some(Endpoint::Bulk) => in_time(at_bulk(&scim, &call, body)).await,
        _ => in_time(at_collection(&scim, &endpoint, &call, body)).await,
    };
    let answer = answer.into_response();
    scim.note(&call, &endpoint, None, &answer);
    answer
}

/// What lies at `/{endpoint}`, bulk requests apart.
pub(super) async fn at_collection(scim: &Scim, endpoint: &str, call: &Call, body: Content) -> Result<Response, Error> {
    if endpoint.eq_ignore_ascii_case(".search") {
        return scim.search(&scim.catalogue.kinds().collect::<Vec<_>>(), call, body).await;
    }
    match Endpoint::find(&scim.catalogue, endpoint).ok_or(Error::NotFound)? {
        Endpoint::Bulk => Err(Error::NotFound),
        // In another spelling than the routes; whom it is for does not come here.
        Endpoint::Me => Err(Error::Nobody),
        Endpoint::Resources(kind) => match call.method {
            Method::GET => {
                let query = Query::of_url(call.query.as_deref())?;
                Ok(rendered(StatusCode::OK, scim.list(&call.source, &[kind], &query).await?))
            }
            Method::POST => {
                let body = call.object(body).await?;
                let created = match kind {
                    Kind::Group => scim.create_group(call, &body).await?,
                    Kind::Object(_) => scim.create_object(call, kind, &body).await?,
                    Kind::User => scim.create_user(call, &body).await?,
                };
                Ok(created.into_response())
            }
            _ => Err(Error::Method { allowed: COLLECTION }),
        },
        Endpoint::ServiceProviderConfig => {
            read_only(call)?;
            let (sets, most) = (scim.sets_passwords(&call.source), scim.most_operations(&call.source));
            Ok(json(StatusCode::OK, &discovery::service_provider_config(&scim.base, sets, most)))
        }
        Endpoint::ResourceTypes => {
            read_only(call)?;
            no_filter(call)?;
            Ok(json(StatusCode::OK, &discovery::resource_types(scim.place())))
        }
        Endpoint::Schemas => {
            read_only(call)?;
            no_filter(call)?;
            Ok(json(StatusCode::OK, &discovery::schemas(scim.place())))
        }
    }
}

async fn resource(
    State(scim): State<Arc<Scim>>,
    path: Result<Path<(String, String)>, PathRejection>,
    call: Call,
    body: Body,
) -> Response {
    let (endpoint, id) = path.map(|Path(parts)| parts).unwrap_or_default();
    let answer = in_time(at_resource(&scim, &endpoint, &id, &call, Content::Raw(body))).await.into_response();
    scim.note(&call, &endpoint, Some(&id), &answer);
    answer
}

/// An address of this surface behind its own base address: what stands there itself.
async fn pasted(
    state: State<Arc<Scim>>,
    path: Result<Path<(String, String)>, PathRejection>,
    call: Call,
    body: Body,
) -> Response {
    let (scheme, rest) = path.map(|Path(parts)| parts).unwrap_or_default();
    let address = format!("{scheme}//{rest}");
    let own =
        address.strip_prefix(&*state.base).and_then(|own| own.strip_prefix('/')).and_then(|own| own.split_once('/'));
    match own {
        Some((endpoint, id)) => resource(state, Ok(Path((endpoint.to_owned(), id.to_owned()))), call, body).await,
        None => Error::NotFound.into_response(),
    }
}

/// What lies at `/{endpoint}/{id}`.
pub(super) async fn at_resource(
    scim: &Scim,
    endpoint: &str,
    id: &str,
    call: &Call,
    body: Content,
) -> Result<Response, Error> {
    let kind = match Endpoint::find(&scim.catalogue, endpoint).ok_or(Error::NotFound)? {
        Endpoint::Resources(kind) => kind,
        Endpoint::Bulk => return Err(Error::NotFound),
        Endpoint::Me => return Err(Error::NotFound),
        endpoint => {
            read_only(call)?;
            let found = match endpoint {
                Endpoint::ResourceTypes => discovery::resource_type(scim.place(), id)?,
                Endpoint::Schemas => discovery::schema(scim.place(), id)?,
                _ => return Err(Error::NotFound),
            };
            return Ok(json(StatusCode::OK, &found));
        }
    };
    if id.eq_ignore_ascii_case(".search") {
        return scim.search(&[kind], call, body).await;
    }
    match call.method {
        Method::GET => scim.read(kind, id, call).await,
        Method::PUT => {
            let body = call.object(body).await?;
            let answered = match kind {
                Kind::Group => scim.replace_group(call, id, &body).await?,
                Kind::Object(_) => scim.replace_object(call, kind, id, &body).await?,
                Kind::User => scim.replace_user(call, id, &body).await?,
            };
            Ok(answered.into_response())
        }
        Method::PATCH => {
            let body = call.object(body).await?;
            let answered = match kind {
                Kind::Group => scim.patch_group(call, id, &body).await?,
                Kind::Object(_) => Patched::Shown(scim.patch_object(call, kind, id, &body).await?),
                Kind::User => Patched::Shown(scim.patch_user(call, id, &body).await?),
            };
            Ok(answered.into_response())
        }
        Method::DELETE => {
            match kind {
                Kind::Group => scim.delete_group(call, id).await?,
                Kind::Object(_) => scim.delete_object(call, kind, id).await?,
                Kind::User => scim.delete_user(call, id).await?,
            }
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Error::Method { allowed: RESOURCE }),
    }
}

fn read_only(call: &Call) -> Result<(), Error> {
    if call.method == Method::GET { Ok(()) } else { Err(Error::Method { allowed: READ }) }
}

/// RFC 7644 section 4: discovery takes no filter. A filter that is ignored would look like one that matched.
fn no_filter(call: &Call) -> Result<(), Error> {
    let query = call.query.as_deref().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key.eq_ignore_ascii_case("filter")) {
        return Err(Error::FilterForbidden);
    }
    Ok(())
}

impl Scim {
    /// Counts an answer for the connection's metrics.
    pub(super) fn note(&self, call: &Call, endpoint: &str, id: Option<&str>, answer: &Response) {
        let Some(metrics) = &self.metrics else { return };
        // Rates are checked before: what is refused here is the write of a connection that is paused.
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            metrics.scim_paused(call.source.as_str(), true);
        }
        let resource = match Endpoint::find(&self.catalogue, endpoint) {
            Some(Endpoint::Bulk) => "bulk",
            Some(Endpoint::Resources(Kind::Group)) => "Group",
            // Names of configured types are not known when labels are made.
            Some(Endpoint::Resources(Kind::Object(_))) => "custom",
            Some(Endpoint::Resources(Kind::User)) => "User",
            Some(_) => "discovery",
            None => "other",
        };
        let is_search = [Some(endpoint), id].iter().flatten().any(|part| part.eq_ignore_ascii_case(".search"));
        let op = match (&call.method, id) {
            _ if is_search => "search",
            (&Method::GET, Some(_)) => "read",
            (&Method::GET, None) => "list",
            (&Method::POST, _) if resource == "bulk" => "bulk",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "replace",
            (&Method::PATCH, _) => "patch",
            _ => "delete",
        };
        metrics.scim_request(call.source.as_str(), resource, op, answer.status());
    }

    async fn search(&self, kinds: &[Kind], call: &Call, body: Content) -> Result<Response, Error> {
        if call.method != Method::POST {
            return Err(Error::Method { allowed: SEARCH });
        }
        let query = Query::of_body(&call.object(body).await?)?;
        Ok(rendered(StatusCode::OK, self.list(&call.source, kinds, &query).await?))
    }

    /// `GET /{endpoint}/{id}` (RFC 7644 section 3.4.1).
    async fn read(&self, kind: Kind, id: &str, call: &Call) -> Result<Response, Error> {
        let record = self.load(kind, id).await?;
        call.conditions.check_read(record.revision())?;
        let projection = call.projection(&self.catalogue, kind);
        self.shown(self.renderer(&call.source, kind, &projection), &record, &call.conditions).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_answered_before_the_client_hangs_up() {
        let late = within(Duration::from_millis(1), std::future::pending());
        let response = late.await.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let soon = in_time(async {
            tokio::task::yield_now().await;
            Ok(StatusCode::OK.into_response())
        });
        assert_eq!(soon.await.into_response().status(), StatusCode::OK);
        assert!(MAX_TIME < crate::http::ListenerLimits::default().request, "the listener has not answered by then");
    }
}
