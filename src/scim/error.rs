//! What goes wrong, and how it is said (RFC 7644 section 3.12).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::bulk;
use crate::directory;
use crate::error::Chain;
use crate::filter;
use crate::limit::Retry;
use crate::model::SourceId;
use crate::store::{self, Retryable};

/// The media type of every answer, without parameters.
pub const MEDIA_TYPE: &str = "application/scim+json";
/// The schema of an error's body.
pub const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// When a client is to ask again whose connection is paused, in seconds: soon after somebody will have looked.
const PAUSED_RETRY_S: u16 = 300;

/// Why a request is not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bodies of other bulk requests take all the memory that there is for them.
    #[error("too many large bulk requests are worked on; send this one again")]
    Crowded,
    /// The directory refuses or fails.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// A cursor of ours that was not used in time (RFC 9865 section 2.1).
    #[error("the cursor has expired; begin again with an empty `cursor`")]
    ExpiredCursor,
    /// The connection may not do it.
    #[error("the connection may not do that")]
    Forbidden,
    /// A filter on an endpoint that takes none (RFC 7644 section 4).
    #[error("this endpoint takes no filter")]
    FilterForbidden,
    /// A page by cursor of no or too many resources (RFC 9865 section 2.1).
    #[error("`count` must be a whole number from 1 to {}", super::query::MAX_COUNT)]
    InvalidCount,
    /// A cursor that is not ours, or not for this caller and query (RFC 9865 section 2.1).
    #[error("{0}")]
    InvalidCursor(String),
    /// There is no seat left. Not 409: clients take that for an account that is there already, and look for it.
    #[error("{0}; an administrator has to free a seat, or raise `seats.limit`")]
    SeatLimit(String),
    /// The filter does not parse, or compares what cannot be compared.
    #[error("{0}")]
    InvalidFilter(String),
    /// The path does not parse, or names nothing in the schema.
    #[error("{0}")]
    InvalidPath(String),
    /// The body is no JSON, or not of the message's form.
    #[error("{0}")]
    InvalidSyntax(String),
    /// The address names a version of the protocol that is not served (RFC 7644 section 3.13).
    #[error("this version of the protocol is not served; addresses begin with /scim/v2")]
    InvalidVersion,
    /// A value is of the wrong type, empty or missing.
    #[error("{0}")]
    InvalidValue(String),
    /// The body is of another media type.
    #[error("the body must be {MEDIA_TYPE} or application/json, without Content-Encoding")]
    MediaType,
    /// The endpoint does not know the method.
    #[error("this address takes {allowed} only")]
    Method {
        /// The methods that it does, as in `Allow`.
        allowed: &'static str,
    },
    /// A read-only or required attribute would be changed or removed.
    #[error("{0}")]
    Mutability(String),
    /// The path's filter selects nothing.
    #[error("{0}")]
    NoTarget(String),
    /// The token stands for no person, who alone is somebody at `/Me` (RFC 7644 section 3.11).
    #[error("the token stands for a connection, which is nobody; /Me is for personal tokens (cgp_…)")]
    Nobody,
    /// The address names no version of the protocol.
    #[error("there is nothing at this address; addresses begin with /scim/v2")]
    NoVersion,
    /// There is nothing at that address.
    #[error("there is nothing at this address")]
    NotFound,
    /// A person would change what is not theirs to change.
    #[error("/Me is read only: a person's attributes are changed by their source, or by an administrator")]
    OwnReadOnly,
    /// The version is not the one that the client expects.
    #[error("the resource has another version than If-Match names")]
    Precondition,
    /// The answer would have come after the client has given up.
    #[error("the request took too long; ask for less at once")]
    TookTooLong,
    /// The body is over its limit, or a bulk request has too many operations (RFC 7644 section 3.7.4).
    #[error(
        "too large: a body may have {body} bytes; that of a bulk request {bulk} (maxPayloadSize), with {operations} operations (maxOperations)",
        body = 1024 * 1024, bulk = bulk::MAX_BODY_BYTES, operations = bulk::MAX_OPERATIONS
    )]
    TooLarge,
    /// A bulk request has more operations than the connection's rate ever lets pass at once.
    #[error("the rate of this connection allows {most} operations at once; send them in several requests")]
    TooManyOperations {
        /// How many it allows.
        most: u32,
    },
    /// More would have to be read than one request may cost.
    #[error(
        "too many resources would have to be read; narrow the filter by id, userName, externalId, emails, displayName, name.familyName, \
         department, groups, meta.created or meta.lastModified, sort by one of these, or walk by cursor without sortBy"
    )]
    TooMany,
    /// The groups of one answer would show more members, or its users more groups, than it may.
    #[error(
        "too many memberships would be shown; ask with excludedAttributes=members or groups, or for fewer resources by count"
    )]
    TooManyMembers,
    /// Too many requests.
    #[error(transparent)]
    TooManyRequests(#[from] Retry),
    /// No token, or one that is not valid here.
    #[error("a valid bearer token is needed")]
    Unauthorized,
    /// The service cannot answer now.
    #[error("the service is not available")]
    Unavailable,
    /// An operation refers to what another one of the same request did not create.
    #[error("{0}")]
    Unresolved(String),
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Directory(error) if error.is_lost_race())
    }
}

impl From<filter::Error> for Error {
    fn from(error: filter::Error) -> Self {
        Self::InvalidFilter(error.to_string())
    }
}

/// The parts of an error that the client sees.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `scimType` (RFC 7644 table 9).
    pub scim_type: Option<&'static str>,
    /// For people.
    pub detail: String,
}

impl Error {
    /// What the client is told.
    pub fn answer(&self) -> Answer {
        let answer = |status, scim_type| Answer { status, scim_type, detail: self.to_string() };
        match self {
            Self::Directory(error) => directory_answer(error),
            Self::Forbidden | Self::FilterForbidden | Self::OwnReadOnly | Self::SeatLimit(_) => {
                answer(StatusCode::FORBIDDEN, None)
            }
            Self::ExpiredCursor => answer(StatusCode::BAD_REQUEST, Some("expiredCursor")),
            Self::InvalidCount => answer(StatusCode::BAD_REQUEST, Some("invalidCount")),
            Self::InvalidCursor(_) => answer(StatusCode::BAD_REQUEST, Some("invalidCursor")),
            Self::InvalidFilter(_) => answer(StatusCode::BAD_REQUEST, Some("invalidFilter")),
            Self::InvalidPath(_) => answer(StatusCode::BAD_REQUEST, Some("invalidPath")),
            Self::InvalidSyntax(_) => answer(StatusCode::BAD_REQUEST, Some("invalidSyntax")),
            Self::InvalidValue(_) => answer(StatusCode::BAD_REQUEST, Some("invalidValue")),
            Self::InvalidVersion => answer(StatusCode::BAD_REQUEST, Some("invalidVers")),
            Self::MediaType => answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
            Self::Method { .. } => answer(StatusCode::METHOD_NOT_ALLOWED, None),
            Self::Mutability(_) => answer(StatusCode::BAD_REQUEST, Some("mutability")),
            Self::NoTarget(_) => answer(StatusCode::BAD_REQUEST, Some("noTarget")),
            Self::Nobody | Self::NoVersion | Self::NotFound => answer(StatusCode::NOT_FOUND, None),
            Self::Precondition => answer(StatusCode::PRECONDITION_FAILED, None),
            Self::TooLarge | Self::TooManyOperations { .. } => answer(StatusCode::PAYLOAD_TOO_LARGE, None),
            Self::TooMany | Self::TooManyMembers => answer(StatusCode::BAD_REQUEST, Some("tooMany")),
            Self::TooManyRequests(_) => answer(StatusCode::TOO_MANY_REQUESTS, None),
            Self::Unauthorized => answer(StatusCode::UNAUTHORIZED, None),
            Self::Crowded | Self::TookTooLong | Self::Unavailable => answer(StatusCode::SERVICE_UNAVAILABLE, None),
            Self::Unresolved(_) => answer(StatusCode::CONFLICT, None),
        }
    }
}

fn directory_answer(error: &directory::Error) -> Answer {
    let answer = |status, scim_type, detail| Answer { status, scim_type, detail };
    match error {
        directory::Error::Conflict { .. } => answer(StatusCode::CONFLICT, Some("uniqueness"), error.to_string()),
        directory::Error::Disabled => answer(StatusCode::CONFLICT, None, error.to_string()),
        directory::Error::Filling { .. } => answer(StatusCode::SERVICE_UNAVAILABLE, None, error.to_string()),
        directory::Error::Invalid { .. } => answer(StatusCode::BAD_REQUEST, Some("invalidValue"), error.to_string()),
        directory::Error::NotFound { .. } => answer(StatusCode::NOT_FOUND, None, error.to_string()),
        directory::Error::Owned { owner } => {
            let owner = owner.as_ref().map_or("the organization itself", SourceId::as_str);
            answer(StatusCode::CONFLICT, None, format!("the resource belongs to {owner}, which alone may change it"))
        }
        directory::Error::Paused { connection, since } => {
            let detail = format!(
                "the connection is paused since {since}: it deactivated or deleted more than its limit within an hour; \
                 this request changed nothing. An administrator releases it with `cleargate scim release {connection}`"
            );
            answer(StatusCode::TOO_MANY_REQUESTS, None, detail)
        }
        directory::Error::OtherRealm { .. } | directory::Error::Retired | directory::Error::Ruled { .. } => {
            answer(StatusCode::CONFLICT, None, error.to_string())
        }
        directory::Error::Revision { .. } => {
            answer(StatusCode::PRECONDITION_FAILED, None, Error::Precondition.to_string())
        }
        // Not the resource is too large, but what one commit would have to change for it.
        directory::Error::Store(store::Error::TooLarge { what, .. }) if what.starts_with("a batch") => {
            let detail = "the request changes too many memberships, and roles that follow from them, at once; send it as \
                          several requests of at most 5,000 members each";
            answer(StatusCode::BAD_REQUEST, Some("tooMany"), detail.to_owned())
        }
        directory::Error::Store(store::Error::TooLarge { .. }) => {
            answer(StatusCode::PAYLOAD_TOO_LARGE, None, "the resource is too large to be kept".to_owned())
        }
        directory::Error::Store(
            store::Error::Conflict | store::Error::Corrupt { .. } | store::Error::Unavailable { .. },
        )
        | directory::Error::Unweighed(_) => {
            answer(StatusCode::SERVICE_UNAVAILABLE, None, Error::Unavailable.to_string())
        }
    }
}

impl Error {
    /// The body that says it.
    pub fn body(&self) -> Value {
        let Answer { status, scim_type, detail } = self.answer();
        let mut body = json!({"schemas": [ERROR_SCHEMA], "status": status.as_str(), "detail": detail});
        if let (Some(scim_type), Some(map)) = (scim_type, body.as_object_mut()) {
            map.insert("scimType".to_owned(), json!(scim_type));
        }
        body
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.answer().status;
        if status.is_server_error() {
            tracing::warn!(error = %Chain(&self), "a provisioning request failed");
        }
        let body = self.body().to_string();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"SCIM\""));
            }
            Self::TooManyRequests(retry) => retry.set_headers(headers),
            Self::Directory(directory::Error::Paused { .. }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(PAUSED_RETRY_S));
            }
            Self::Method { allowed } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            // Without it some clients wait for minutes.
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(5));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests;
