//! The provider's three addresses: `GET /metadata`, `GET /sso` with the people to choose from, `POST /sso` with the
//! choice, answered by a form that posts itself to the service.

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Router};
use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

use super::{Error, Idp, Person, Request};

/// What a service sends the browser with.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(rename = "SAMLRequest")]
    request: String,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// Who was chosen; the rest as it was asked.
#[derive(Debug, Deserialize)]
struct Chosen {
    #[serde(rename = "SAMLRequest")]
    request: String,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
    person: String,
}

/// The provider as a service, for a listener on loopback.
pub fn router(idp: Idp) -> Router {
    Router::new().route("/metadata", get(metadata)).route("/sso", get(choose).post(answer)).with_state(idp)
}

async fn metadata(State(idp): State<Idp>) -> Response {
    ([(header::CONTENT_TYPE, "application/samlmetadata+xml")], idp.metadata()).into_response()
}

async fn choose(State(idp): State<Idp>, Query(asked): Query<Asked>) -> Response {
    match Request::parse(&asked.request).and_then(local) {
        Ok(request) => shown(&people(&idp, &request, &asked)),
        Err(error) => refuse(&error),
    }
}

async fn answer(State(idp): State<Idp>, Form(chosen): Form<Chosen>) -> Response {
    let request = match Request::parse(&chosen.request).and_then(local) {
        Ok(request) => request,
        Err(error) => return refuse(&error),
    };
    let Some(person) = idp.people().iter().find(|person| person.email == chosen.person) else {
        return refuse(&Error::Request { reason: "there is no such person".to_owned() });
    };
    match idp.respond(&request, person) {
        Ok(response) => shown(&form(&request, &response, chosen.relay_state.as_deref())),
        Err(error) => refuse(&error),
    }
}

fn local(request: Request) -> Result<Request, Error> {
    if request.is_local() {
        return Ok(request);
    }
    Err(Error::Request { reason: "this sandbox answers services on this machine only".to_owned() })
}

/// The page, with leave for the one line of script that sends the answer on.
fn shown(markup: &Markup) -> Response {
    let policy = "default-src 'none'; script-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(markup.clone().into_string())).into_response()
}

fn refuse(error: &Error) -> Response {
    let page = page(html! { p { (error.to_string()) } });
    (StatusCode::BAD_REQUEST, Html(page.into_string())).into_response()
}

fn people(idp: &Idp, request: &Request, asked: &Asked) -> Markup {
    page(html! {
        p { "Sign in to " code { (request.issuer) } " as" }
        form method="post" action="sso" {
            input type="hidden" name="SAMLRequest" value=(asked.request);
            @if let Some(relay_state) = &asked.relay_state {
                input type="hidden" name="RelayState" value=(relay_state);
            }
            @for person in idp.people() { (choice(person)) }
        }
    })
}

fn choice(person: &Person) -> Markup {
    html! {
        p {
            button type="submit" name="person" value=(person.email) { (person.name) }
            " " (person.email) " · " (person.groups.join(", "))
        }
    }
}

fn form(request: &Request, response: &str, relay_state: Option<&str>) -> Markup {
    page(html! {
        form method="post" action=(request.consumer) {
            input type="hidden" name="SAMLResponse" value=(BASE64_STANDARD.encode(response));
            @if let Some(relay_state) = relay_state {
                input type="hidden" name="RelayState" value=(relay_state);
            }
            p { button type="submit" { "Continue" } }
        }
        script { (PreEscaped("document.forms[0].submit()")) }
    })
}

fn page(content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Sandbox identity provider (SAML)" }
            }
            body {
                h1 { "Sandbox identity provider (SAML)" }
                p { "A part of the demonstration: it asks for no password. Never use it for anything else." }
                (content)
            }
        }
    }
}
