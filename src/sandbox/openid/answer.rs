//! The sandbox provider over HTTP.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{Asked, Endpoint, Grant, Provider, page, person_claims};
use crate::secret::{Secret, sha256};

/// The provider's routes, to be served under its issuer's path.
pub fn router(provider: Provider) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/authorize", get(authorize))
        .route("/jwks", get(keys))
        .route("/token", post(token))
        .route("/userinfo", get(user_info))
        .with_state(provider)
}

/// Query or form fields, decoded.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn answer(status: StatusCode, headers: &[(HeaderName, &str)], body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    answer(status, &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.to_string())
}

fn refusal(status: StatusCode, error: &str) -> Response {
    json_answer(status, &json!({ "error": error }))
}

async fn discovery(State(provider): State<Provider>) -> Response {
    provider.0.tamper.answer(Endpoint::Discovery, json_answer(StatusCode::OK, &provider.description()))
}

async fn keys(State(provider): State<Provider>) -> Response {
    provider.0.tamper.answer(Endpoint::Keys, json_answer(StatusCode::OK, &provider.key_set()))
}

/// Core section 3.1.2: the page, or, with a `login_hint` that names a person, the way back at once.
async fn authorize(State(provider): State<Provider>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let fields = Fields::parse(query.as_bytes());
    provider.0.tamper.answer(Endpoint::Authorize, authorized(&provider, &query, &fields))
}

fn authorized(provider: &Provider, query: &str, fields: &Fields) -> Response {
    let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    let client = &provider.0.client;
    let registered = |uri: &&str| client.redirect_uris.iter().any(|known| known == uri);
    let Some(redirect_uri) = fields.find("redirect_uri").filter(registered) else {
        return answer(StatusCode::BAD_REQUEST, &plain, "This redirect address is not registered here.\n".into());
    };
    if fields.find("client_id") != Some(client.id.as_str()) {
        return answer(StatusCode::BAD_REQUEST, &plain, "This client is not registered here.\n".into());
    }
    let Ok(mut target) = Url::parse(redirect_uri) else {
        return answer(StatusCode::BAD_REQUEST, &plain, "This redirect address is no address.\n".into());
    };
    let state = fields.find("state").unwrap_or_default();
    let is_code = fields.find("response_type") == Some("code");
    let challenge = fields.find("code_challenge").filter(|_| fields.find("code_challenge_method") == Some("S256"));
    let has_openid = fields.find("scope").is_some_and(|scope| scope.split(' ').any(|one| one == "openid"));
    let (true, Some(challenge), true) = (is_code, challenge, has_openid) else {
        target.query_pairs_mut().append_pair("error", "invalid_request").append_pair("state", state);
        target.query_pairs_mut().append_pair("iss", &provider.0.issuer);
        return redirect(&target);
    };
    let Some(person) = fields.find("login_hint").and_then(|hint| provider.person(hint)) else {
        let link = |sub: &str| {
            let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "login_hint");
            let next = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .append_pair("login_hint", sub)
                .finish();
            format!("?{next}")
        };
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
            (CACHE_CONTROL, "no-store"),
        ];
        return answer(StatusCode::OK, &headers, page::choose(provider.people(), link).into_string());
    };
    let asked = Asked {
        nonce: fields.find("nonce").map(str::to_owned),
        signed_in: fields.find("max_age").map(|_| provider.0.clock.now()),
        context: fields.find("acr_values").and_then(|all| all.split(' ').next()).map(str::to_owned),
    };
    let code = provider.grant(person, redirect_uri.to_owned(), challenge.to_owned(), asked);
    target.query_pairs_mut().append_pair("code", &code).append_pair("state", state);
    target.query_pairs_mut().append_pair("iss", &provider.0.issuer);
    redirect(&target)
}

fn redirect(target: &Url) -> Response {
    answer(StatusCode::SEE_OTHER, &[(LOCATION, target.as_str()), (CACHE_CONTROL, "no-store")], String::new())
}

async fn token(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> Response {
    provider.0.tamper.answer(Endpoint::Token, redeemed(&provider, &headers, &Fields::parse(&body)))
}

/// Core section 3.1.3.2.
fn redeemed(provider: &Provider, headers: &HeaderMap, form: &Fields) -> Response {
    if !is_client(provider, headers, form) {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if form.find("grant_type") != Some("authorization_code") {
        return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let grant = form.find("code").and_then(|code| provider.redeem(code)).filter(|grant| fits(grant, form));
    let Some(grant) = grant else { return refusal(StatusCode::BAD_REQUEST, "invalid_grant") };
    let Some(person) = provider.person(&grant.sub) else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let access_token = provider.access_token(&person.sub);
    match provider.id_token(person, &grant.asked, &access_token) {
        Ok(id_token) => json_answer(
            StatusCode::OK,
            &json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token }),
        ),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    }
}

/// The code was given for this redirect address and this PKCE challenge (RFC 7636 section 4.6).
fn fits(grant: &Grant, form: &Fields) -> bool {
    let verifier = form.find("code_verifier").unwrap_or_default();
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    form.find("redirect_uri") == Some(grant.redirect_uri.as_str()) && Secret::new(challenge).matches(&grant.challenge)
}

/// RFC 6749 section 2.3.1: header or form, never both; a public client names itself in the form.
fn is_client(provider: &Provider, headers: &HeaderMap, form: &Fields) -> bool {
    let client = &provider.0.client;
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (id, secret) = match header.and_then(|value| value.strip_prefix("Basic ")) {
        Some(basic) => {
            let decoded = BASE64_STANDARD.decode(basic).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some((id, secret)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) else { return false };
            let decode = |text: &str| {
                form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned())
            };
            if form.find("client_secret").is_some() {
                return false;
            }
            (decode(id), decode(secret))
        }
        None => (form.find("client_id").map(str::to_owned), form.find("client_secret").map(str::to_owned)),
    };
    let knows_secret = match (&client.secret, secret) {
        (Some(known), Some(given)) => known.matches(&given),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    id.as_deref() == Some(client.id.as_str()) && knows_secret
}

/// Core section 5.3.
async fn user_info(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let person = header.and_then(|value| value.strip_prefix("Bearer ")).and_then(|token| provider.bearer(token));
    let response = match person {
        Some(person) => json_answer(StatusCode::OK, &Value::Object(person_claims(person))),
        None => refusal(StatusCode::UNAUTHORIZED, "invalid_token"),
    };
    provider.0.tamper.answer(Endpoint::UserInfo, response)
}
