//! `/access/v1/search/{subject,resource,action}` (section 8): who, where and what, each found by asking the decision.
//!
//! Subjects are users, by login name. Resources are the scopes where something may be done, `*` being the organisation as
//! a whole. Actions are those of the policy pack's catalogue for the type. What is unknown finds nothing.

use std::collections::{BTreeMap, HashSet};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::admit::{Caller, Rights};
use super::asked::{Body, Context, Part, Resource, Subject, action};
use super::evaluate::USER;
use super::page::{Binding, Page};
use super::{Authzen, Error};
use crate::access::{self, Question};
use crate::model::{Permission, Scope, User, UserId};

/// Users or scopes that are looked at for one page; it may then hold fewer than asked, and says where to go on.
const MAX_WALK: usize = 1_000;
/// Users that are read at once.
const CHUNK: usize = 100;
/// The resource that stands for the organisation as a whole.
const ORGANISATION: &str = "*";

/// What of a search decides about its results: the caller, what is searched, and the members that are looked at.
fn binding(kind: &str, caller: &Caller, members: &Map<String, Value>) -> Binding {
    let mut texts = vec![kind.to_owned(), caller.actor.to_string()];
    for part in ["subject", "action", "resource", "context"] {
        let mut value = members.get(part).cloned().unwrap_or(Value::Null);
        match (part == kind, &mut value) {
            // A search for actions has none.
            (true, action) if part == "action" => *action = Value::Null,
            // The id of what is asked for is not looked at.
            (true, Value::Object(entity)) => drop(entity.remove("id")),
            _ => {}
        }
        texts.push(value.to_string());
    }
    Binding::of(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

impl Authzen {
    /// A page of results, and where to go on: empty at the end.
    fn results(
        &self,
        binding: &Binding,
        page: &Page,
        found: Vec<Value>,
        last: Option<&str>,
    ) -> Result<Response, Error> {
        let next = match last {
            Some(last) => self.0.pages.issue(binding, page.limit, last)?,
            None => String::new(),
        };
        let body = json!({"page": {"next_token": next, "count": found.len()}, "results": found});
        Ok(([(CONTENT_TYPE, "application/json")], body.to_string()).into_response())
    }

    /// Whether a user may, by the decision that evaluations ask.
    async fn may(
        &self,
        user: &User,
        permission: &Permission,
        scope: Option<&Scope>,
        resource: &Resource,
        context: Context,
    ) -> Result<bool, Error> {
        let question = Question::new(permission).within(scope).owned(self.owns(user, resource).await?);
        match self.0.access.explain_from(user.id, &question, context.at, context.ip).await {
            Ok(explanation) => Ok(explanation.allowed),
            Err(access::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The user that a search is about, once the caller may ask; none for whoever is unknown.
    async fn about(
        &self,
        rights: &mut Rights<'_>,
        subject: &Subject,
        scope: Option<&Scope>,
    ) -> Result<Option<User>, Error> {
        let user = if subject.kind == USER { self.find(&subject.id).await? } else { None };
        let user = rights.seen(user).await?;
        rights.about(user.as_ref().map(|user| user.id), scope).await?;
        Ok(user)
    }
}

/// The page of sorted results that comes after the token's, and the last one on it if there are more.
fn cut(page: &Page, all: Vec<String>) -> (Vec<String>, Option<String>) {
    let mut rest: Vec<String> =
        all.into_iter().filter(|one| page.after.as_ref().is_none_or(|after| one > after)).collect();
    let is_more = rest.len() > page.limit;
    rest.truncate(page.limit);
    let last = is_more.then(|| rest.last().cloned().or_else(|| page.after.clone()).unwrap_or_default());
    (rest, last)
}

impl Authzen {
    /// A page of those who may now, found by what was granted instead of by looking at everybody.
    async fn able(
        &self,
        rights: &mut Rights<'_>,
        (binding, page): (&Binding, &Page),
        permission: &Permission,
        scope: Option<&Scope>,
    ) -> Result<Response, Error> {
        let after: Option<UserId> = page.after.as_ref().and_then(|text| text.parse().ok());
        let question = Question::new(permission).within(scope);
        let (able, next) = self.0.access.who_can(&question, after, page.limit).await?;
        let ids: Vec<UserId> = able.iter().map(|able| able.user).collect();
        let mut users: Vec<User> = self.0.directory.users_by_id(&ids).await?;
        let bounds = rights.bounds().await?.clone();
        users.retain(|user| rights.is_own(user.id) || bounds.sees(user.companies()));
        let named = ids.iter().filter_map(|id| users.iter().find(|user| user.id == *id));
        let found = named.map(|user| json!({"type": USER, "id": user.user_name.as_str()})).collect();
        self.results(binding, page, found, next.map(|user| user.to_string()).as_deref())
    }
}

/// `POST /access/v1/search/subject`: the users who may, in the order in which they were made.
pub(super) async fn subjects(State(authzen): State<Authzen>, caller: Caller, body: Body) -> Result<Response, Error> {
    let members = body.0;
    let subject = Subject::read(members.get("subject"), Part::For)?;
    let action = action(members.get("action"))?;
    let resource = Resource::read(members.get("resource"), Part::About)?;
    let context = Context::read(members.get("context"))?;
    let binding = binding("subject", &caller, &members);
    let page = authzen.0.pages.read(&binding, members.get("page"))?;
    let mut rights = Rights::new(&authzen, &caller);
    rights.check("decisions:read", resource.scope.as_ref()).await?;
    rights.check("users:read", resource.scope.as_ref()).await?;
    let permission = format!("{}:{action}", resource.kind).parse::<Permission>();
    let known = permission.ok().filter(|permission| authzen.0.access.roles().catalogue().contains(permission));
    let (Some(permission), USER) = (known, subject.kind.as_str()) else {
        return authzen.results(&binding, &page, Vec::new(), None);
    };
    if page.limit > 0 && !resource.has_owner() && context.at.is_none() && context.ip.is_none() {
        return authzen.able(&mut rights, (&binding, &page), &permission, resource.scope.as_ref()).await;
    }
    let bounds = rights.bounds().await?.clone();
    let mut after: Option<UserId> = page.after.as_ref().and_then(|text| text.parse().ok());
    let (mut found, mut walked) = (Vec::new(), 0);
    while found.len() < page.limit && walked < MAX_WALK {
        let users: Vec<User> = authzen.0.directory.list_users(after, CHUNK).await?;
        for user in &users {
            after = Some(user.id);
            walked += 1;
            let is_seen = rights.is_own(user.id) || bounds.sees(user.companies());
            if is_seen && authzen.may(user, &permission, resource.scope.as_ref(), &resource, context).await? {
                found.push(json!({"type": USER, "id": user.user_name.as_str()}));
            }
            if found.len() == page.limit {
                break;
            }
        }
        if users.len() < CHUNK && found.len() < page.limit {
            return authzen.results(&binding, &page, found, None);
        }
    }
    let next: Vec<User> = authzen.0.directory.list_users(after, 1).await?;
    let last = (!next.is_empty()).then(|| after.map(|id| id.to_string()).unwrap_or_default());
    authzen.results(&binding, &page, found, last.as_deref())
}

/// `POST /access/v1/search/resource`: the scopes in which the subject may.
pub(super) async fn resources(State(authzen): State<Authzen>, caller: Caller, body: Body) -> Result<Response, Error> {
    let members = body.0;
    let subject = Subject::read(members.get("subject"), Part::About)?;
    let action = action(members.get("action"))?;
    let resource = Resource::read(members.get("resource"), Part::For)?;
    let context = Context::read(members.get("context"))?;
    let binding = binding("resource", &caller, &members);
    let page = authzen.0.pages.read(&binding, members.get("page"))?;
    let mut rights = Rights::new(&authzen, &caller);
    let user = authzen.about(&mut rights, &subject, resource.scope.as_ref()).await?;
    let permission = format!("{}:{action}", resource.kind).parse::<Permission>();
    let (Some(user), Ok(permission)) = (user, permission) else {
        return authzen.results(&binding, &page, Vec::new(), None);
    };
    let (mut found, mut walked, mut last) = (Vec::new(), 0, page.after.clone().unwrap_or_default());
    let places = authzen.places(&mut rights, &user, &resource).await?;
    let rest = places.into_iter().filter(|(id, _)| page.after.as_ref().is_none_or(|after| id > after));
    for (id, scope) in rest {
        if found.len() == page.limit || walked == MAX_WALK {
            return authzen.results(&binding, &page, found, Some(&last));
        }
        walked += 1;
        if authzen.may(&user, &permission, scope.as_ref(), &resource, context).await? {
            found.push(json!({"type": resource.kind, "id": id}));
        }
        last = id;
    }
    authzen.results(&binding, &page, found, None)
}

impl Authzen {
    /// Where somebody could be permitted something, by the id that results have: the organisation, every scope that there
    /// is and every one that a grant of theirs names; only the one that the request names, if it names one. Who asks about
    /// themselves, and may not read decisions everywhere, is shown no scope but those of their own grants and below.
    async fn places(
        &self,
        rights: &mut Rights<'_>,
        user: &User,
        resource: &Resource,
    ) -> Result<BTreeMap<String, Option<Scope>>, Error> {
        if let Some(scope) = &resource.scope {
            return Ok(BTreeMap::from([(scope.to_string(), Some(scope.clone()))]));
        }
        let standing = match self.0.access.standing(user.id).await {
            Ok(standing) => standing,
            Err(access::Error::NotFound { .. }) => return Ok(BTreeMap::new()),
            Err(error) => return Err(error.into()),
        };
        let scopes = self.0.access.scopes();
        let tree = scopes.tree();
        let recorded = scopes.kinds().flat_map(|kind| tree.list(kind, None, usize::MAX)).map(|record| &record.scope);
        let named = standing.held.iter().filter_map(|held| held.grant.scope.as_ref());
        let sees_all = rights.reads_everywhere().await?;
        let own: HashSet<&Scope> = named.clone().collect();
        let is_theirs = |scope: &Scope| own.contains(scope) || tree.above(scope).any(|above| own.contains(above));
        let bounds = rights.bounds().await?;
        let recorded = recorded.filter(|scope| (sees_all && bounds.sees_scope(scope)) || is_theirs(scope));
        let mut places: BTreeMap<String, Option<Scope>> =
            recorded.chain(named).map(|scope| (scope.to_string(), Some(scope.clone()))).collect();
        places.insert(ORGANISATION.to_owned(), None);
        Ok(places)
    }
}

/// `POST /access/v1/search/action`: what the subject may do to the resource.
pub(super) async fn actions(State(authzen): State<Authzen>, caller: Caller, body: Body) -> Result<Response, Error> {
    let members = body.0;
    let subject = Subject::read(members.get("subject"), Part::About)?;
    let resource = Resource::read(members.get("resource"), Part::About)?;
    let context = Context::read(members.get("context"))?;
    let binding = binding("action", &caller, &members);
    let page = authzen.0.pages.read(&binding, members.get("page"))?;
    let mut rights = Rights::new(&authzen, &caller);
    let Some(user) = authzen.about(&mut rights, &subject, resource.scope.as_ref()).await? else {
        return authzen.results(&binding, &page, Vec::new(), None);
    };
    let roles = authzen.0.access.roles();
    let mut found = Vec::new();
    for permission in roles.catalogue().iter().filter(|permission| permission.resource() == resource.kind) {
        if authzen.may(&user, &permission, resource.scope.as_ref(), &resource, context).await? {
            found.push(permission.action().to_owned());
        }
    }
    found.sort_unstable();
    let (found, last) = cut(&page, found);
    let found = found.into_iter().map(|name| json!({"name": name})).collect();
    authzen.results(&binding, &page, found, last.as_deref())
}
