//! `/access/v1/evaluation` and `/access/v1/evaluations` (sections 6 and 7).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::admit::{Caller, Rights};
use super::asked::{Body, Context, Part, Resource, Subject, action, object};
use super::{Authzen, Error, MAX_EVALUATIONS};
use crate::access::{self, Explanation, Question};
use crate::model::{Permission, User};

/// What became of a grant that holds somewhere else.
const ELSEWHERE: &str = "elsewhere";

/// The type of the only subjects that there are.
pub(super) const USER: &str = "user";

/// The members that an evaluation is made of.
const MEMBERS: [&str; 4] = ["subject", "action", "resource", "context"];

/// One question.
struct Asked {
    subject: Subject,
    action: String,
    resource: Resource,
    context: Context,
}

impl Asked {
    fn read<'a>(member: impl Fn(&str) -> Option<&'a Value>) -> Result<Self, Error> {
        Ok(Self {
            subject: Subject::read(member("subject"), Part::About)?,
            action: action(member("action"))?,
            resource: Resource::read(member("resource"), Part::About)?,
            context: Context::read(member("context"))?,
        })
    }
}

/// How far the answer goes into detail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// With what became of every grant.
    Full,
    /// The decision and its reason: many of them are one answer.
    Short,
}

/// The answers to one request; who is asked about again is not looked up again.
struct Answers<'a> {
    authzen: &'a Authzen,
    rights: Rights<'a>,
    users: BTreeMap<String, Option<User>>,
}

impl<'a> Answers<'a> {
    fn new(authzen: &'a Authzen, caller: &'a Caller) -> Self {
        Self { authzen, rights: Rights::new(authzen, caller), users: BTreeMap::new() }
    }

    async fn find(&mut self, subject: &Subject) -> Result<Option<User>, Error> {
        if subject.kind != USER {
            return Ok(None);
        }
        if let Some(user) = self.users.get(&subject.id) {
            return Ok(user.clone());
        }
        let user = self.authzen.find(&subject.id).await?;
        let user = self.rights.seen(user).await?;
        self.users.insert(subject.id.clone(), user.clone());
        Ok(user)
    }

    /// The decision: whether, and why.
    async fn decide(&mut self, asked: &Asked, detail: Detail) -> Result<(bool, Value), Error> {
        let user = self.find(&asked.subject).await?;
        self.rights.about(user.as_ref().map(|user| user.id), asked.resource.scope.as_ref()).await?;
        let Some(user) = user else { return Ok(unknown("unknown-subject", "there is no such user")) };
        let Ok(permission) = format!("{}:{}", asked.resource.kind, asked.action).parse::<Permission>() else {
            return Ok(unknown("unknown-permission", "there is no such permission"));
        };
        let is_owner = self.authzen.owns(&user, &asked.resource).await?;
        let question = Question::new(&permission).within(asked.resource.scope.as_ref()).owned(is_owner);
        let mut explanation =
            match self.authzen.0.access.explain_from(user.id, &question, asked.context.at, asked.context.ip).await {
                Ok(explanation) => explanation,
                // Deleted meanwhile.
                Err(access::Error::NotFound { .. }) => return Ok(unknown("unknown-subject", "there is no such user")),
                Err(error) => return Err(error.into()),
            };
        if explanation.allowed && self.rights.is_use(user.id) {
            self.authzen.0.access.note_use_by(user.id, &permission, explanation.at);
        }
        if detail == Detail::Short {
            explanation.steps.clear();
        }
        if !explanation.steps.is_empty() && !self.rights.is_own(user.id) && !self.rights.reads_everywhere().await? {
            explanation.steps.retain(|step| step.outcome != ELSEWHERE);
        }
        self.authzen.0.directory.name_explanation(user.id, &mut explanation).await?;
        Ok((explanation.allowed, json!({"reasons": told(&explanation)})))
    }
}

/// An explanation whose groups are names: an application knows none of our ids.
fn told(explanation: &Explanation) -> Value {
    let mut told = json!(explanation);
    let steps = told.get_mut("steps").and_then(Value::as_array_mut);
    for (shown, step) in steps.into_iter().flatten().zip(&explanation.steps) {
        if let Some(shown) = shown.as_object_mut().filter(|_| !step.held.through.is_empty()) {
            let names = step.held.through.iter().map(|through| Value::from(through.group.as_str()));
            shown.insert("groups".to_owned(), names.collect());
        }
    }
    told
}

/// The answer about what does not exist: no.
fn unknown(decided_by: &str, reason: &str) -> (bool, Value) {
    (false, json!({"reasons": {"allowed": false, "decided_by": decided_by, "reason": reason}}))
}

fn answer(body: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// `POST /access/v1/evaluation`.
pub(super) async fn one(State(authzen): State<Authzen>, caller: Caller, body: Body) -> Result<Response, Error> {
    single(&authzen, &caller, &body.0).await
}

async fn single(authzen: &Authzen, caller: &Caller, members: &Map<String, Value>) -> Result<Response, Error> {
    let asked = Asked::read(|name| members.get(name))?;
    let (decision, context) = Answers::new(authzen, caller).decide(&asked, Detail::Full).await?;
    Ok(answer(&json!({"decision": decision, "context": context})))
}

/// When a batch stops (section 7.1.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Semantic {
    DenyOnFirstDeny,
    ExecuteAll,
    PermitOnFirstPermit,
}

impl Semantic {
    /// An unknown one is refused: to take another in its place would change what the answer means.
    fn read(options: Option<&Value>) -> Result<Self, Error> {
        let Some(options) = options else { return Ok(Self::ExecuteAll) };
        match object("options", Some(options))?.get("evaluations_semantic") {
            None => Ok(Self::ExecuteAll),
            Some(Value::String(word)) if word == "execute_all" => Ok(Self::ExecuteAll),
            Some(Value::String(word)) if word == "deny_on_first_deny" => Ok(Self::DenyOnFirstDeny),
            Some(Value::String(word)) if word == "permit_on_first_permit" => Ok(Self::PermitOnFirstPermit),
            Some(_) => Err(Error::malformed(
                "options.evaluations_semantic",
                "must be `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`",
            )),
        }
    }

    const fn stops_at(self, decision: bool) -> bool {
        match self {
            Self::DenyOnFirstDeny => !decision,
            Self::ExecuteAll => false,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

/// `POST /access/v1/evaluations`. What an entry leaves out is taken whole from the top level. An entry that cannot be
/// answered is a "no" with its error; without entries the request is a single evaluation.
pub(super) async fn many(State(authzen): State<Authzen>, caller: Caller, body: Body) -> Result<Response, Error> {
    let members = body.0;
    let semantic = Semantic::read(members.get("options"))?;
    let entries = match members.get("evaluations") {
        None => return single(&authzen, &caller, &members).await,
        Some(Value::Array(entries)) if entries.is_empty() => return single(&authzen, &caller, &members).await,
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(Error::malformed("evaluations", "must be a list")),
    };
    if entries.len() > MAX_EVALUATIONS {
        return Err(Error::malformed("evaluations", format!("has more than {MAX_EVALUATIONS} entries")));
    }
    // Defaults may be incomplete where every entry brings its own, but not of another type.
    for name in MEMBERS.iter().filter(|name| members.contains_key(**name)) {
        object(name, members.get(*name))?;
    }
    let mut answers = Answers::new(&authzen, &caller);
    let mut given = Vec::with_capacity(entries.len());
    for entry in entries {
        let (decision, context) = match entry_of(&mut answers, entry, &members).await {
            Ok(answer) => answer,
            Err(error @ (Error::Forbidden(_) | Error::Malformed(_))) => {
                let error = json!({"status": error.status().as_u16(), "message": error.to_string()});
                (false, json!({"error": error}))
            }
            Err(error) => return Err(error),
        };
        given.push(json!({"decision": decision, "context": context}));
        if semantic.stops_at(decision) {
            break;
        }
    }
    Ok(answer(&json!({"evaluations": given})))
}

async fn entry_of(
    answers: &mut Answers<'_>,
    entry: &Value,
    defaults: &Map<String, Value>,
) -> Result<(bool, Value), Error> {
    let own = object("evaluations[]", Some(entry))?;
    let asked = Asked::read(|name| own.get(name).or_else(|| defaults.get(name)))?;
    answers.decide(&asked, Detail::Short).await
}
