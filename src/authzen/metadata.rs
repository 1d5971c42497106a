//! What a policy enforcement point reads first (section 9).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::json;

use super::{Authzen, routes};

/// `GET /.well-known/authzen-configuration`. Every address is made from the configured one, never from the request: what
/// is asked for under another name must not look like its answer.
pub(super) async fn show(State(authzen): State<Authzen>) -> Response {
    let base = &authzen.0.public_url;
    let body = json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": format!("{base}{}", routes::EVALUATION),
        "access_evaluations_endpoint": format!("{base}{}", routes::EVALUATIONS),
        "search_subject_endpoint": format!("{base}{}", routes::SUBJECTS),
        "search_resource_endpoint": format!("{base}{}", routes::RESOURCES),
        "search_action_endpoint": format!("{base}{}", routes::ACTIONS),
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, body.to_string()).into_response()
}
