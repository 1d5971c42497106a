//! In which language a page is answered: the one that was chosen, else what the browser asks for.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method as HttpMethod, header};

use super::browser::cookie_value;
use super::pages::words;
use super::return_to::has_secret;
use super::routes::{query, redirect};
use super::{Login, ReturnTo};
use crate::http::{Access, Rate, Route};
use crate::model::Language;

/// The cookie of a language that somebody chose. It is no secret and leads nowhere.
pub(super) const COOKIE: &str = "cleargate-language";

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![Route::new(HttpMethod::GET, "/login/language", Access::Public, Rate::Page, choose)]
}

/// Answers a request in its reader's language.
pub(super) async fn speak(request: Request, next: Next) -> Response {
    // What a provider sends somebody to is there once, and names what it was for.
    let is_answer = ["/oidc/", "/saml/"].iter().any(|start| request.uri().path().starts_with(start));
    let is_shown_again = request.method() == HttpMethod::GET && !is_answer;
    let path = request.uri().path_and_query().filter(|_| is_shown_again).map(PathAndQuery::as_str);
    let here = if path.is_some_and(has_secret) { None } else { Some(ReturnTo::page(path)) };
    words::spoken(wanted(request.headers()), here, next.run(request)).await
}

fn wanted(headers: &HeaderMap) -> Language {
    let chosen = cookie_value(headers, COOKIE).and_then(|tag| Language::of_tag(&tag));
    let asked = || Language::preferred(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?);
    chosen.or_else(asked).unwrap_or_default()
}

/// `GET /login/language?to=de&return_to=/…`: keeps a choice of language and shows the page again in it.
async fn choose(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = query(&parts);
    let page = ReturnTo::page(query.single("return_to").ok());
    let chosen = query.single("to").ok().and_then(Language::of_tag);
    redirect(page.as_str(), [chosen.and_then(|language| login.browser.language_header(language))])
}
