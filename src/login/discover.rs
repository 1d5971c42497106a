//! Which provider somebody is sent to, by the name that they type before anything else.
//!
//! Only the configuration decides, nobody is looked up: a name that no rule is about leads to the form for passwords,
//! whether or not there is an account of that name, and by the same work. Connectors that have rules are on no list, so
//! that the page does not tell whose people come here. The form for passwords can always be asked for, so that accounts
//! for emergencies get to it whatever the rules say.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};

use super::pages::{self, Choice};
use super::return_to::ReturnTo;
use super::routes::{MAX_FORM_BYTES, form, page, query, redirect, reference};
use super::{Connector, Login};
use crate::config::MailRoute;
use crate::http::{Access, Rate, Route, Takes, circumstance, problem};
use crate::limit::Subject;
use crate::model::{SourceId, Words, is_unseen};
use crate::session::Method;
use crate::upstream::Answer;

/// Longest name that is handed on to a provider, in bytes.
const MAX_HINT_BYTES: usize = 320;

/// Who is sent where. One rule may have several connectors: then there is a choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes(BTreeMap<MailRoute, BTreeSet<SourceId>>);

impl Routes {
    pub(super) fn of(connectors: &BTreeMap<SourceId, Connector>) -> Self {
        let mut rules: BTreeMap<MailRoute, BTreeSet<SourceId>> = BTreeMap::new();
        for (id, connector) in connectors {
            for rule in &connector.routes {
                rules.entry(rule.clone()).or_default().insert(id.clone());
            }
        }
        Self(rules)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The connectors for a name as it was typed; a rule for the very address goes before that of its domain.
    fn find(&self, name: &str) -> Option<&BTreeSet<SourceId>> {
        MailRoute::of_typed(name)?.iter().find_map(|candidate| self.0.get(candidate))
    }
}

impl Connector {
    /// Whether a name may be told to the provider. An OpenID provider gets what was typed or written in a link; a parameter that
    /// no standard has is for the addresses of its own people alone, so that no link tells it about somebody else.
    pub(super) fn may_be_told(&self, name: &str) -> bool {
        let is_theirs = |candidates: [MailRoute; 2]| candidates.iter().any(|rule| self.routes.contains(rule));
        self.method != Method::Saml || (name.contains('@') && MailRoute::of_typed(name).is_some_and(is_theirs))
    }
}

/// A name that may be handed on: short, and without what does not show.
pub(super) fn hint(text: Option<&str>) -> Option<&str> {
    let is_fit = |text: &&str| !text.is_empty() && text.len() <= MAX_HINT_BYTES && !text.chars().any(is_unseen);
    text.map(str::trim).filter(is_fit)
}

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, "/login", Access::Public, Rate::Page, choose),
        Route::new(HttpMethod::POST, "/login", Access::Public, Rate::SignIn, choose_by_name).takes(Takes::Nothing),
    ]
}

impl Login {
    /// The ways that the page lists: those that nobody is sent to by a name.
    pub(super) fn choices(&self) -> Vec<Choice> {
        let listed = self.connectors.iter().filter(|(_, connector)| connector.routes.is_empty());
        listed.map(|(id, connector)| Choice { id: id.clone(), label: connector.label.clone() }).collect()
    }

    /// The page that asks for a name before anything else.
    fn name_page(&self, status: StatusCode, parts: &Parts, return_to: &ReturnTo, problem: Option<Words>) -> Response {
        let secret = self.browser.login_secret_or_new(&parts.headers, &self.services.ids);
        let view = pages::discover::View {
            choices: &self.choices(),
            csrf: &self.csrf(&secret),
            return_to: return_to.as_str(),
            problem,
            reference: &reference(parts),
            has_passkeys: self.party.is_some(),
        };
        let mut response = page(status, pages::discover::ask(&view));
        if let Some(cookie) = self.browser.login_header(&secret) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Counts a hint at its address as a sign-in; the answer where there are too many.
    fn count_hint(&self, parts: &Parts) -> Result<(), Box<Response>> {
        // A request without an address comes over a socket of the machine itself.
        let Some(address) = circumstance(parts).address else { return Ok(()) };
        self.services.limits.check(Rate::SignIn, Subject::Address(address)).map_err(|retry| {
            self.services.metrics.ratelimited(retry.limiter);
            Box::new(retry.response())
        })
    }

    /// The page on which somebody takes one of the connectors of their domain.
    fn choice_page(&self, ids: &BTreeSet<SourceId>, name: &str, return_to: &ReturnTo) -> Response {
        let choice = |id: &SourceId| {
            let connector = self.connectors.get(id)?;
            Some(Choice { id: id.clone(), label: connector.label.clone() })
        };
        let choices: Vec<Choice> = ids.iter().filter_map(choice).collect();
        page(StatusCode::OK, pages::discover::choose(&choices, name, return_to.as_str()))
    }
}

/// `/login/ID` with what goes with it.
fn onward(id: &SourceId, return_to: &ReturnTo, hint: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("return_to", return_to.as_str());
    if let Some(hint) = hint {
        query.append_pair("login_hint", hint);
    }
    format!("/login/{id}?{}", query.finish())
}

fn at_most_once<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.optional(name).ok().flatten()
}

/// `GET /login?return_to=&login_hint=&connector=&with=`: `login_hint` skips the page for a name that a rule is about,
/// `connector` in any case, `with=password` leads to the form for passwords. A hint that decides is counted as the form for it
/// is: by the answer a rule can be found out.
async fn choose(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = query(&parts);
    let return_to = ReturnTo::parse(at_most_once(&query, "return_to"));
    let hint = hint(at_most_once(&query, "login_hint"));
    let wanted = at_most_once(&query, "connector").and_then(|id| id.parse::<SourceId>().ok());
    if let Some(id) = wanted.filter(|id| login.connectors.contains_key(id)) {
        return redirect(&onward(&id, &return_to, hint), []);
    }
    if hint.is_some()
        && let Err(response) = login.count_hint(&parts)
    {
        return *response;
    }
    let wants_password = at_most_once(&query, "with") == Some("password");
    let found = hint.filter(|_| !wants_password).and_then(|hint| login.routes.find(hint));
    match (found, hint) {
        (Some(ids), Some(hint)) => match (ids.first(), ids.len()) {
            (Some(only), 1) => redirect(&onward(only, &return_to, Some(hint)), []),
            _ => login.choice_page(ids, hint, &return_to),
        },
        (None, None) if !login.routes.is_empty() && !wants_password => {
            login.name_page(StatusCode::OK, &parts, &return_to, None)
        }
        _ => login.sign_in_page(StatusCode::OK, &parts, &return_to, None, hint),
    }
}

/// `POST /login`: a name, before it is known where its owner signs in.
async fn choose_by_name(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let return_to = ReturnTo::parse(at_most_once(&form, "return_to"));
    let (Ok(name), Ok(csrf)) = (form.single("username"), form.single("csrf")) else {
        return problem(StatusCode::BAD_REQUEST, "the form needs `username` and `csrf`, once each");
    };
    let is_ours = login.is_csrf(csrf, login.browser.login_secret(&parts.headers));
    if !is_ours || !login.browser.is_not_foreign(&parts.headers) {
        return login.name_page(StatusCode::FORBIDDEN, &parts, &return_to, Some(super::steps::STALE));
    }
    let hint = hint(Some(name));
    let found = hint.and_then(|hint| login.routes.find(hint));
    match (found, hint) {
        (Some(ids), Some(hint)) => match (ids.first(), ids.len()) {
            (Some(only), 1) => login.leave(only, &return_to, Some(hint), &parts).await,
            _ => login.choice_page(ids, hint, &return_to),
        },
        _ => login.sign_in_page(StatusCode::OK, &parts, &return_to, None, hint),
    }
}
