//! The exchange of a code for tokens (OpenID Connect Core section 3.1.3, RFC 6749 section 5, RFC 7636 section 4.5).
//!
//! The library writes the request and reads the answer; in between the answer passes [`check_answer`], which refuses
//! what the library would let through.

use ::http::Method;
use ::http::header::{CONTENT_TYPE, HeaderValue};
use futures_util::future::BoxFuture;
use openidconnect::core::CoreErrorResponseType;
use openidconnect::{
    AccessToken, AsyncHttpClient, AuthType, AuthorizationCode, HttpRequest, HttpResponse, OAuth2TokenResponse,
    PkceCodeVerifier, RequestTokenError, StandardErrorResponse, TokenResponse,
};

use super::asking::{Asking, Endpoint};
use super::discovery::{Provider, check_json};
use super::verify::{self, Unverified};
use super::{RelyingParty, clean, json, refused, unavailable};
use crate::upstream::Error;

/// How an assertion of a client says what it is (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the provider gave for the code.
pub(super) struct Tokens {
    pub access_token: AccessToken,
    pub id_token: Unverified,
}

/// Exchanges `code`; `assertion` says by a key of ours who we are.
///
/// # Errors
/// `Declined` when the provider refuses the code or us; `Refused` when its answer is not acceptable; `Unavailable`
/// when there is none.
pub(super) async fn exchange(
    client: RelyingParty,
    provider: &Provider,
    asking: &Asking<'_>,
    code: AuthorizationCode,
    verifier: PkceCodeVerifier,
    assertion: Option<String>,
) -> Result<Tokens, Error> {
    let courier = Courier { asking, provider };
    let mut request = client.exchange_code(code).set_pkce_verifier(verifier);
    if let Some(assertion) = assertion {
        request = request.add_extra_param("client_assertion_type", ASSERTION_TYPE);
        request = request.add_extra_param("client_assertion", assertion);
    }
    let answer = request.request_async(&courier).await;
    let answer = answer.map_err(exchange_failed)?;
    let id_token = answer.id_token().ok_or_else(|| refused("shape", "there is no ID token"))?;
    Ok(Tokens { access_token: answer.access_token().clone(), id_token: verify::read(&id_token.to_string())? })
}

/// How a client with a secret authenticates at `provider`.
///
/// # Errors
/// `Refused` when the provider takes none of the ways that we have.
pub(super) fn client_auth(provider: &Provider) -> Result<AuthType, Error> {
    provider.client_auth.clone().ok_or_else(|| {
        refused("client_auth", "the provider takes neither `client_secret_basic` nor `client_secret_post`")
    })
}

fn exchange_failed(error: RequestTokenError<Undelivered, StandardErrorResponse<CoreErrorResponseType>>) -> Error {
    match error {
        RequestTokenError::Request(Undelivered(error)) => error,
        RequestTokenError::ServerResponse(answer) => Error::Declined { reason: clean(&answer.to_string()) },
        RequestTokenError::Parse(error, _) => {
            refused("shape", format!("the token endpoint's answer: {}", clean(&error.to_string())))
        }
        RequestTokenError::Other(reason) => unavailable(format!("the token endpoint: {}", clean(&reason))),
    }
}

/// Carries the library's requests to the token endpoint by our own client.
struct Courier<'a> {
    asking: &'a Asking<'a>,
    provider: &'a Provider,
}

/// Why the library gets no answer to read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Undelivered(Error);

impl<'c> AsyncHttpClient<'c> for Courier<'_> {
    type Error = Undelivered;
    type Future = BoxFuture<'c, Result<HttpResponse, Undelivered>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            let place = (self.provider.token_endpoint.url(), &self.provider.provenance());
            let sent = self.asking.send(Endpoint::Token, Method::POST, place, head.headers, body.into());
            let response = sent.await.map_err(Undelivered)?;
            if response.status == ::http::StatusCode::OK {
                check_json(&response, "token endpoint's answer").map_err(Undelivered)?;
                check_answer(&response.body).map_err(Undelivered)?;
            } else if !response.status.is_client_error() {
                let reason = format!("the token endpoint answered with {}", response.status);
                return Err(Undelivered(unavailable(reason)));
            }
            let mut answer = HttpResponse::new(response.body.to_vec());
            *answer.status_mut() = response.status;
            *answer.headers_mut() = response.headers;
            Ok(answer)
        })
    }
}

/// The answer has the form of RFC 6749 section 5.1 with a bearer token and an ID token that can be read in one way.
fn check_answer(body: &[u8]) -> Result<(), Error> {
    let answer = json::parse_object(body).map_err(|e| refused("shape", format!("the token endpoint's answer: {e}")))?;
    let member = |name: &str| answer.get(name).and_then(serde_json::Value::as_str);
    if member("access_token").is_none_or(str::is_empty) {
        return Err(refused("shape", "there is no access token"));
    }
    if !member("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
        return Err(refused("token_type", "the access token is no bearer token"));
    }
    match member("id_token") {
        Some(token) => verify::read(token).map(drop),
        None => Err(refused("shape", "there is no ID token")),
    }
}
