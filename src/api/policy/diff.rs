//! `/policy:diff`: who would gain and lose what by another pack or other options, before they are in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::access::{
    self, Chosen, Difference, Differing, Fate, Options, Pack, Place, PolicyDiff, RoleBook, RoleChange, TestResult,
};
use crate::api::admit::Caller;
use crate::api::fields::{Fields, Params};
use crate::api::{Api, Error, render};
use crate::model::{RoleId, Scope, User, UserId};

/// Largest body, in bytes: a pack of 1 MiB as JSON text, and room for quotes.
pub(in crate::api) const MAX_BODY_BYTES: usize = 2 << 20;
/// What one must be allowed to read to be told who holds what.
const NEEDED: [&str; 4] = ["decisions:read", "grants:read", "roles:read", "users:read"];

/// `POST /policy:diff?limit=&cursor=` with `pack`, the name of one that comes with the program, or `text`, one of one's
/// own, and `options`. Without `options`, those in force count as far as the pack offers them. Nothing is changed.
pub(in crate::api) async fn diff(
    State(api): State<Api>,
    caller: Caller,
    mut params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let page = params.page::<UserId>()?;
    params.end()?;
    let (name, text) = (fields.text("pack")?, fields.text("text")?);
    let options = fields.words_by_key("options")?;
    fields.end()?;
    for permission in NEEDED {
        api.permit(&caller, permission, None).await?;
    }
    api.check_sees_all(&caller).await?;
    let access = &api.services.access;
    let in_force = access.pack();
    // One at a time: with large packs it is much work, and nobody is to slow down everybody by asking often.
    let turn = Arc::clone(&api.comparisons).lock_owned().await;
    let (asked, by) = (Arc::clone(&in_force), access.clone());
    // The turn goes along: who hangs up does not begin another beside this one.
    let compare = move || open(name, text, options, &asked).map(|pack| (by.compare(&pack), pack, turn));
    let compared = tokio::task::spawn_blocking(compare).await;
    let (compared, pack, _turn) = compared.map_err(|_| Error::Internal("a comparison of packs ended early"))??;
    let (people, next) = access.policy_differences(&compared, page.after, page.limit).await?;
    let next = next.map(|user| user.to_string());
    if page.after.is_some() {
        // What follows the first page is people only: the rest was told with it.
        let users = api.named(&people).await?;
        return Ok(render::answer(StatusCode::OK, &json!({"users": users, "next": next})));
    }
    let diff = access.policy_diff(&compared).await?;
    let tests = access.tests_broken_by(&compared.book).await?;
    let body = json!({
        "before": told_pack(&in_force),
        "after": told_pack(&pack),
        "roles": diff.roles.iter().map(told_role).collect::<Vec<_>>(),
        "mappings": api.orphaned(&compared.book),
        "problems": new_problems(access, compared.problems),
        "tests": tests.iter().map(told_test).collect::<Vec<_>>(),
        "administrators": api.administrators(&diff).await?,
        "people": {"concerned": diff.people, "gaining": diff.gaining, "losing": diff.losing, "complete": diff.is_complete},
        "users": api.named(&people).await?,
        "next": next,
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// The pack that is asked for. A path is not taken: the daemon's files are not for whoever asks.
fn open(
    name: Option<String>,
    text: Option<String>,
    options: Option<BTreeMap<String, String>>,
    in_force: &Pack,
) -> Result<Pack, Error> {
    let (field, name, text) = match (name, text) {
        (Some(_), Some(_)) => return Err(Error::invalid("text", "and `pack` are two packs; give one")),
        (None, None) => return Err(Error::invalid("pack", "is required, or the text of one")),
        (Some(name), None) if Pack::built_in().any(|known| known == name) => ("pack", name, None),
        (Some(name), None) => {
            let hint = crate::model::near::hint(&name, Pack::built_in());
            return Err(Error::invalid("pack", format!("`{name}` does not come with the program{hint}")));
        }
        (None, Some(text)) => ("text", "text".to_owned(), Some(text)),
    };
    let read = |options: &Options| match &text {
        Some(text) => Pack::parse(&name, text, options),
        None => Pack::open(&name, options),
    };
    let refused = |field: &'static str| {
        move |error: access::Error| match error {
            access::Error::Pack { problems, .. } => {
                Error::invalid(field, format!("cannot be used: {}", problems.join("; ")))
            }
            other => Error::from(other),
        }
    };
    if let Some(options) = options {
        let place = |value: String| Chosen { value, place: Some("options".to_owned()) };
        let options = options.into_iter().map(|(name, value)| (name, place(value))).collect();
        return read(&options).map_err(refused(field));
    }
    let pack = read(&Options::new()).map_err(refused(field))?;
    let kept = in_force.options().iter().filter(|(name, _)| pack.options().contains_key(*name));
    let kept: Options = kept.map(|(name, value)| (name.clone(), Chosen::from(value.as_str()))).collect();
    if kept.is_empty() { Ok(pack) } else { read(&kept).map_err(refused("options")) }
}

/// What would be wrong with roles of administrators' own, and is not.
fn new_problems(access: &crate::access::Access, problems: BTreeMap<RoleId, String>) -> Vec<Value> {
    let is_new = |(id, problem): &(RoleId, String)| access.role_problem(id).as_ref() != Some(problem);
    let told = |(id, problem): (RoleId, String)| json!({"role": id.to_string(), "problem": problem});
    problems.into_iter().filter(is_new).map(told).collect()
}

fn told_pack(pack: &Pack) -> Value {
    json!({"pack": pack.name(), "title": pack.title(), "options": pack.options()})
}

fn told_test(test: &TestResult) -> Value {
    json!({"name": test.name, "position": test.position, "why": test.failures.join("; ")})
}

fn rights(list: &[Differing]) -> Vec<Value> {
    let told = |d: &Differing| json!({"permission": d.permission.to_string(), "if_owner": d.if_owner});
    list.iter().map(told).collect()
}

fn told_role(change: &RoleChange) -> Value {
    let texts = |list: &[crate::model::Permission]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "id": change.id.to_string(),
        "name": change.name,
        "change": match change.fate {
            Fate::Added => "added",
            Fate::Changed => "changed",
            Fate::Removed => "removed",
        },
        "gained": rights(&change.gained),
        "lost": rights(&change.lost),
        "denied": texts(&change.denied),
        "undenied": texts(&change.undenied),
        "grants": change.grants,
        "complete": change.is_complete,
    })
}

fn told_place(place: &Place) -> Value {
    let scope = place.scope.as_ref().map(Scope::to_string);
    json!({"scope": scope, "gained": rights(&place.gained), "lost": rights(&place.lost)})
}

impl Api {
    /// Differences with the names of the people; somebody who is gone meanwhile is left out.
    async fn named(&self, people: &[Difference]) -> Result<Vec<Value>, Error> {
        let ids: Vec<UserId> = people.iter().map(|difference| difference.user).collect();
        let users: Vec<User> = self.services.directory.users_by_id(&ids).await?;
        let users: BTreeMap<UserId, User> = users.into_iter().map(|user| (user.id, user)).collect();
        let told = |difference: &Difference| {
            let user = users.get(&difference.user)?;
            let places: Vec<Value> = difference.places.iter().map(told_place).collect();
            Some(json!({"user": render::brief(user), "places": places, "complete": difference.is_complete}))
        };
        Ok(people.iter().filter_map(told).collect())
    }

    async fn administrators(&self, diff: &PolicyDiff) -> Result<Value, Error> {
        let directory = &self.services.directory;
        let gained: Vec<User> = directory.users_by_id(&diff.new_administrators).await?;
        let lost: Vec<User> = directory.users_by_id(&diff.former_administrators).await?;
        let briefs = |users: &[User]| users.iter().map(render::brief).collect::<Vec<_>>();
        Ok(json!({"gained": briefs(&gained), "lost": briefs(&lost), "none_left": diff.leaves_nobody}))
    }

    /// The mapping rules whose role would not be there any more.
    fn orphaned(&self, book: &Arc<RoleBook>) -> Vec<Value> {
        let rules = self.services.directory.rules();
        let is_gone = |rule: &&crate::directory::Rule| book.find(&rule.role).is_none();
        let told = |rule: &crate::directory::Rule| json!({"position": rule.position, "role": rule.role.to_string()});
        rules.iter().filter(is_gone).map(told).collect()
    }
}
