//! `/policy`: the tests of the policy, and what another pack would change.

mod diff;

pub(super) use diff::{MAX_BODY_BYTES, diff};

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::access::Overlay;
use crate::config::{Asked, PolicyTest};

fn render_test(test: &PolicyTest) -> Value {
    let texts = |asked: &[Asked]| asked.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "name": test.name,
        "as": test.subject.to_string(),
        "accept": texts(&test.accept),
        "deny": texts(&test.deny),
        "position": test.position,
    })
}

/// `GET /policy/tests`: the tests as they are written, all on one page.
pub(super) async fn tests(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    api.permit(&caller, "decisions:read", None).await?;
    let tests = api.services.access.tests();
    Ok(render::page(tests.iter().map(render_test).collect(), None))
}

/// `POST /policy/tests`: runs them; `items` has each with `held` and its `failures`.
pub(super) async fn run_tests(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    fields: Fields,
) -> Result<Response, Error> {
    api.permit(&caller, "decisions:read", None).await?;
    params.end()?;
    fields.end()?;
    let results = api.services.access.run_tests(&Overlay::default()).await?;
    let failed = results.iter().filter(|result| !result.held).count();
    let body = json!({"run": results.len(), "failed": failed, "items": results});
    Ok(render::answer(StatusCode::OK, &body))
}
