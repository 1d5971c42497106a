//! Failures as problem details (RFC 9457).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::access::Explanation;
use crate::error::Chain;
use crate::limit::Retry;
use crate::model::Group;
use crate::store::{self, Retryable};
use crate::{access, credential, directory, lockout, login, session, sync, tokens, transfer};

/// Why a call did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Several things have this name.
    #[error("more than one {what} has this name; use the id")]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
    },
    /// Too much to do at the moment.
    #[error("too much to do; try again later")]
    Busy {
        /// When.
        retry_after: Duration,
    },
    /// The configuration on disk cannot be used; the old one is in force.
    #[error("{}", problems.join("\n"))]
    Configuration {
        /// Every problem.
        problems: Vec<String>,
    },
    /// Something has that name already, or belongs to somebody else.
    #[error("{detail}")]
    Conflict {
        /// The field, when it is one.
        field: Option<String>,
        /// What is in the way.
        detail: String,
    },
    /// An index that the answer needs is being made.
    #[error("{0}")]
    Filling(String),
    /// The caller may not do this.
    #[error("{detail}")]
    Forbidden {
        /// Why, and what would be needed.
        detail: String,
    },
    /// The caller may do this after showing a second factor again.
    #[error("{detail}")]
    StaleFactor {
        /// Why.
        detail: String,
        /// Within which time it must have been shown, in seconds.
        max_age_s: u64,
    },
    /// A page of another site sent this, or nothing says that it did not.
    #[error("a session changes something only from the gateway's own pages")]
    Foreign,
    /// A defect of the program.
    #[error("{0}")]
    Internal(&'static str),
    /// A field is not acceptable.
    #[error("{field} {reason}")]
    Invalid {
        /// Which.
        field: String,
        /// What is wrong, as the rest of a sentence that starts with the field.
        reason: String,
    },
    /// Several fields are not acceptable.
    #[error("{}", fields.iter().map(|(field, reason)| format!("{field} {reason}")).collect::<Vec<_>>().join("; "))]
    InvalidFields {
        /// Which, and what is wrong with each; two at least.
        fields: Vec<(String, String)>,
    },
    /// The plan does not have it.
    #[error("{detail}")]
    Plan {
        /// What, and which plan has it.
        detail: String,
    },
    /// There is no seat left.
    #[error("{detail}")]
    SeatLimit {
        /// How many there are, and how many it takes.
        detail: String,
    },
    /// The request is not in a form that can be read.
    #[error("{0}")]
    Malformed(String),
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// What.
        what: &'static str,
    },
    /// Rows of a list are not acceptable; nothing was written.
    #[error("{} of the rows cannot be taken; nothing was written", rows_of(problems))]
    Rows {
        /// What is wrong, by row.
        problems: Vec<RowProblem>,
    },
    /// Somebody changed it meanwhile.
    #[error("it has changed meanwhile: revision {current} is current")]
    Revision {
        /// The revision.
        current: u64,
    },
    /// The store does not answer, or not as it should.
    #[error("the store is not available; try again")]
    Store(#[source] store::Error),
    /// Too many calls.
    #[error("too many requests")]
    TooMany(Retry),
    /// No credentials, or none that are good.
    #[error("a session or a management token is needed")]
    Unauthorized,
}

/// What is wrong with one row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    /// Which, from 1.
    pub row: usize,
    /// The column, when it is one.
    pub field: Option<String>,
    /// What is wrong, as the rest of a sentence that starts with the column or the row.
    pub detail: String,
}

impl RowProblem {
    pub(super) fn render(&self) -> serde_json::Value {
        json!({"row": self.row, "field": self.field, "detail": self.detail})
    }
}

fn rows_of(problems: &[RowProblem]) -> usize {
    problems.iter().map(|problem| problem.row).collect::<std::collections::BTreeSet<_>>().len()
}

impl Error {
    pub(super) fn invalid(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::Invalid { field: field.to_owned(), reason: reason.to_string() }
    }

    /// The refusal of these fields, where there are any.
    pub(super) fn of_fields(mut fields: Vec<(String, String)>) -> Result<(), Self> {
        match fields.len() {
            0 => Ok(()),
            1 => Err(fields.remove(0)).map_err(|(field, reason)| Self::Invalid { field, reason }),
            _ => Err(Self::InvalidFields { fields }),
        }
    }

    /// A failure of the directory about one group among several.
    pub(super) fn of_group(error: directory::Error, group: &Group) -> Self {
        match error {
            directory::Error::Owned { owner } => {
                let owner = owner.as_ref().map_or("the organization itself", |owner| owner.as_str());
                let detail = format!("the members of `{}` are kept by {owner}; change them there", group.name);
                Self::Conflict { field: None, detail }
            }
            other => other.into(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Ambiguous { .. } | Self::Conflict { .. } | Self::SeatLimit { .. } => StatusCode::CONFLICT,
            Self::Busy { .. } | Self::Filling(_) | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Configuration { .. } | Self::Invalid { .. } | Self::InvalidFields { .. } | Self::Rows { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Forbidden { .. } | Self::Foreign | Self::Plan { .. } | Self::StaleFactor { .. } => {
                StatusCode::FORBIDDEN
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Revision { .. } => StatusCode::PRECONDITION_FAILED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. } => Some(field),
            Self::InvalidFields { fields } => fields.first().map(|(field, _)| field.as_str()),
            Self::Rows { .. } => Some("rows"),
            Self::Conflict { field, .. } => field.as_deref(),
            _ => None,
        }
    }

    /// One word for programs, where the status does not say it.
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Plan { .. } => Some("plan"),
            Self::SeatLimit { .. } => Some("seat_limit"),
            _ => None,
        }
    }

    /// What is wrong, field by field or row by row.
    fn errors(&self) -> Vec<serde_json::Value> {
        match self {
            Self::Rows { problems } => problems.iter().map(RowProblem::render).collect(),
            other => {
                let show = |(field, detail): (String, String)| json!({"field": field, "detail": detail});
                other.fields().into_iter().map(show).collect()
            }
        }
    }

    /// Every field that is wrong, with what is wrong.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Invalid { field, reason } => vec![(field.clone(), reason.clone())],
            Self::InvalidFields { fields } => fields.clone(),
            _ => Vec::new(),
        }
    }

    /// What the answer says; the field has its own member.
    fn detail(&self) -> String {
        match self {
            Self::Invalid { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Self::TooMany(retry) = self {
            retry.set_headers(&mut headers);
        }
        if let Self::Filling(_) = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(FILLING_RETRY_S));
        }
        if let Self::Busy { retry_after } = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
        }
        if let Self::StaleFactor { max_age_s, .. } = self
            && let Ok(challenge) =
                HeaderValue::from_str(&format!("Bearer error=\"{INSUFFICIENT}\", max_age={max_age_s}"))
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if matches!(self, Self::Unauthorized) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers
    }
}

/// What the answer's body will be made of, once the id of the request is known.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: String,
    pub(super) field: Option<String>,
    pub(super) errors: Vec<serde_json::Value>,
    /// Whether the caller may not do this, and somebody could let them.
    pub(super) is_forbidden: bool,
    /// Whom to ask.
    pub(super) contact: Option<String>,
    /// Within which time a second factor must have been shown, in seconds, where that is what is missing.
    pub(super) max_age_s: Option<u64>,
    pub(super) code: Option<&'static str>,
}

/// When to ask again for what needs an index that is being made, in seconds.
const FILLING_RETRY_S: u64 = 30;
/// What OAuth 2.0 calls the want of a recent second factor (RFC 9470 section 3).
const INSUFFICIENT: &str = "insufficient_user_authentication";

impl Problem {
    /// What the plumbing refused.
    pub(super) fn of(status: StatusCode, detail: String) -> Self {
        Self {
            status,
            detail,
            field: None,
            errors: Vec::new(),
            is_forbidden: false,
            contact: None,
            max_age_s: None,
            code: None,
        }
    }

    /// Tells whom to ask, where somebody could let the caller.
    pub(super) fn ask(&mut self, contact: &str) {
        if self.is_forbidden {
            self.detail.push_str(&format!(". Ask {contact}"));
            self.contact = Some(contact.to_owned());
        }
    }

    /// The body.
    pub(super) fn render(&self, request_id: Option<&str>) -> serde_json::Value {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(members) = body.as_object_mut() {
            members.extend(self.contact.as_ref().map(|contact| ("contact".to_owned(), contact.as_str().into())));
            if let Some(max_age_s) = self.max_age_s {
                members.insert("error".to_owned(), INSUFFICIENT.into());
                members.insert("max_age".to_owned(), max_age_s.into());
                members.insert("step_up".to_owned(), "/login/step-up".into());
            }
            members.extend(self.field.as_ref().map(|field| ("field".to_owned(), field.as_str().into())));
            members.extend(self.code.map(|code| ("code".to_owned(), code.into())));
            if !self.errors.is_empty() {
                members.insert("errors".to_owned(), self.errors.clone().into());
            }
            members.extend(request_id.map(|id| ("request_id".to_owned(), id.into())));
        }
        body
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(error) => tracing::warn!(error = %Chain(error), "a management call could not be answered"),
            Self::Internal(_) => tracing::error!("a management call failed: {self}"),
            _ => {}
        }
        let problem = Problem {
            status: self.status(),
            detail: self.detail(),
            field: self.field().map(str::to_owned),
            errors: self.errors(),
            is_forbidden: matches!(self, Self::Forbidden { .. }),
            contact: None,
            max_age_s: if let Self::StaleFactor { max_age_s, .. } = &self { Some(*max_age_s) } else { None },
            code: self.code(),
        };
        let mut response = (problem.status, self.headers()).into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

const UNWEIGHED: &str = "a change of who may do what was not weighed before it was made";

impl From<access::Error> for Error {
    fn from(error: access::Error) -> Self {
        match error {
            access::Error::Anonymous => Self::Unauthorized,
            access::Error::Conflict { field, detail } => Self::Conflict { field: field.map(str::to_owned), detail },
            access::Error::Denied(explanation) => {
                let detail = denial(&explanation);
                match explanation.factor_within_s {
                    Some(max_age_s) => Self::StaleFactor { detail, max_age_s },
                    None => Self::Forbidden { detail },
                }
            }
            access::Error::Invalid { field, reason } => Self::invalid(field, reason),
            access::Error::NotFound { what } => Self::NotFound { what },
            access::Error::Pack { .. } => Self::Internal("the policy pack was read again"),
            access::Error::Revision { current } => Self::Revision { current },
            access::Error::SeatLimit { detail } => Self::SeatLimit { detail },
            access::Error::Store(error) => Self::Store(error),
            access::Error::Unweighed(_) => Self::Internal(UNWEIGHED),
        }
    }
}

/// Why, without what the caller could not find out about itself.
fn denial(explanation: &Explanation) -> String {
    let place = explanation.scope.as_ref().map(|scope| format!(" in {scope}")).unwrap_or_default();
    format!("{}{place} is not permitted: {}", explanation.permission, explanation.reason)
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        let detail = error.to_string();
        match error {
            directory::Error::Conflict { field, .. } => Self::Conflict { field: Some(field.to_string()), detail },
            directory::Error::Filling { .. } => Self::Filling(detail),
            directory::Error::Invalid { field, reason } => Self::Invalid { field, reason },
            directory::Error::NotFound { what, .. } => Self::NotFound { what },
            directory::Error::Disabled
            | directory::Error::OtherRealm { .. }
            | directory::Error::Owned { .. }
            | directory::Error::Paused { .. }
            | directory::Error::Retired
            | directory::Error::Ruled { .. } => Self::Conflict { field: None, detail },
            directory::Error::Revision { current } => Self::Revision { current },
            directory::Error::Store(error) => Self::Store(error),
            directory::Error::Unweighed(_) => Self::Internal(UNWEIGHED),
        }
    }
}

impl From<credential::Error> for Error {
    fn from(error: credential::Error) -> Self {
        match error {
            credential::Error::Busy { retry_after } => Self::Busy { retry_after },
            credential::Error::Invalid { unmet } => {
                let unmet: Vec<String> = unmet.iter().map(ToString::to_string).collect();
                Self::invalid("password", unmet.join("; "))
            }
            credential::Error::Corrupt { .. } => Self::Internal("a stored password cannot be read"),
            credential::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<lockout::Error> for Error {
    fn from(error: lockout::Error) -> Self {
        match error {
            lockout::Error::Busy => Self::Busy { retry_after: Duration::from_secs(1) },
            lockout::Error::Locked { .. } => Self::Conflict { field: None, detail: error.to_string() },
            lockout::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<login::Error> for Error {
    fn from(error: login::Error) -> Self {
        match error {
            login::Error::Busy { retry_after_s } => Self::Busy { retry_after: Duration::from_secs(retry_after_s) },
            login::Error::Refused { .. } | login::Error::Unavailable(_) => Self::Unauthorized,
            login::Error::Store(error) => Self::Store(error),
            login::Error::TooMany(retry) => Self::TooMany(retry),
        }
    }
}

impl From<login::Turned> for Error {
    fn from(turned: login::Turned) -> Self {
        match turned {
            login::Turned::Foreign => Self::Foreign,
            login::Turned::SignIn(error) => error.into(),
            login::Turned::Store(error) => Self::Store(error),
            login::Turned::TooMany(retry) => Self::TooMany(retry),
            login::Turned::Unauthorized => Self::Unauthorized,
        }
    }
}

impl From<session::Error> for Error {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::NotFound => Self::NotFound { what: "session" },
            session::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<tokens::Error> for Error {
    fn from(error: tokens::Error) -> Self {
        match error {
            tokens::Error::Invalid { field, reason } => Self::invalid(field, reason),
            tokens::Error::NotFound => Self::NotFound { what: "token" },
            over @ tokens::Error::Over(_) => Self::Conflict { field: None, detail: over.to_string() },
            tokens::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<transfer::Error> for Error {
    fn from(error: transfer::Error) -> Self {
        match error {
            transfer::Error::Access(error) => error.into(),
            transfer::Error::Directory(error) => error.into(),
            transfer::Error::Document { problems } => Self::invalid("document", problems.join("; ")),
            transfer::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<sync::Error> for Error {
    fn from(error: sync::Error) -> Self {
        match error {
            sync::Error::Directory(error) => error.into(),
            sync::Error::Store(error) => Self::Store(error),
            other => Self::Conflict { field: None, detail: Chain(&other).to_string() },
        }
    }
}
