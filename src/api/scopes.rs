//! `/departments`, `/companies`, `/scorecards`, `/projects`, and `/scopes` for every kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::access::{COMPANY, NewScope, Overlay, Permit, Question, Run, ScopeEdit, ScopeRecord, ScopeTree};
use crate::directory::{self, UserIndex};
use crate::model::{Kept, Permission, RoleId, Scope, User};

/// How often a change of the tree is weighed anew because others changed it meanwhile.
const MAX_WEIGHINGS: usize = 8;
/// Most accounts of a department among which it is looked for one that is kept by hand.
const MAX_STAFF: usize = 50_000;

/// A kind of scope that has addresses of its own.
pub(super) trait Kind: Send + Sync + 'static {
    /// The kind, as in `department:finance`.
    const NAME: &'static str;
}

/// Departments, a tree.
pub(super) enum Department {}
/// Companies.
pub(super) enum Company {}
/// Scorecards.
pub(super) enum Scorecard {}
/// Projects.
pub(super) enum Project {}

impl Kind for Department {
    const NAME: &'static str = "department";
}
impl Kind for Company {
    const NAME: &'static str = "company";
}
impl Kind for Scorecard {
    const NAME: &'static str = "scorecard";
}
impl Kind for Project {
    const NAME: &'static str = "project";
}

/// The permission to do something to scopes of a kind: `departments:read`; kinds of packs are `scopes`.
pub(super) fn permission(kind: &str, action: &str) -> String {
    let resource = match kind {
        "company" => "companies",
        "department" => "departments",
        "project" => "projects",
        "scorecard" => "scorecards",
        _ => "scopes",
    };
    format!("{resource}:{action}")
}

/// The scope of a path. A text that can be none is one that is not there.
pub(super) fn named(kind: &str, slug: &str) -> Result<Scope, Error> {
    format!("{kind}:{slug}").parse().map_err(|_| Error::NotFound { what: "scope" })
}

pub(super) fn render(record: &ScopeRecord) -> Value {
    json!({
        "id": record.scope.to_string(),
        "kind": record.scope.kind(),
        "slug": record.scope.slug(),
        "name": record.name,
        "description": record.description,
        "parent": record.parent.as_ref().map(ToString::to_string),
        "source": record.source.as_ref().map(ToString::to_string),
        "created": record.created.to_string(),
        "changed": record.changed.to_string(),
        "revision": record.revision,
    })
}

impl Api {
    /// A page of the scopes of a kind that the caller may read: all of them, or those below which it reads.
    async fn page_of(&self, caller: &Caller, kind: &str, mut params: Params) -> Result<Response, Error> {
        let page = params.page::<String>()?;
        params.end()?;
        let text = permission(kind, "read");
        let read: Permission = text.parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let acting = self.acting(caller).await?;
        let everywhere = acting.may(&Question::new(&read));
        let (tree, sight) = (self.services.access.scopes().tree(), self.sight(caller).await?);
        if everywhere || acting.may_somewhere(&read) {
            self.services.access.note_use(&caller.actor, &read);
        }
        let (mut items, mut last) = (Vec::new(), None);
        for record in tree.list(kind, page.after.as_deref(), usize::MAX) {
            let question = Question::new(&read).within(Some(&record.scope));
            if sight.sees_scope(&record.scope) && acting.may(&question) {
                if items.len() == page.limit {
                    return Ok(render::page(items, last));
                }
                items.push(render(record));
                last = Some(record.scope.slug().to_owned());
            }
        }
        if items.is_empty() && !everywhere {
            self.permit(caller, &text, None).await?;
        }
        Ok(render::page(items, None))
    }

    async fn make_scope(
        &self,
        caller: &Caller,
        kind: &str,
        params: Params,
        mut fields: Fields,
    ) -> Result<Response, Error> {
        let run = params.run()?;
        let (name, slug) = (fields.text("name")?, fields.text("slug")?);
        let parent = self.parent(kind, fields.text("parent")?)?;
        let description = fields.text("description")?.unwrap_or_default();
        fields.end()?;
        let permit = self.permit(caller, &permission(kind, "create"), parent.as_ref()).await?;
        let name = name.ok_or_else(|| Error::invalid("name", "is required"))?;
        let slug = match slug {
            Some(slug) => slug,
            None => slug_of(&name).ok_or_else(|| Error::invalid("name", "gives no slug; give `slug` too"))?,
        };
        let scope = format!("{kind}:{slug}")
            .parse()
            .map_err(|_| Error::invalid("slug", "must be lower-case letters, digits, - and _, at most 64"))?;
        self.check_place(caller, &scope, parent.as_ref()).await?;
        if self.services.access.scopes().tree().find(&scope).is_none() {
            // What was given a company while it was taken away is nobody's who makes one of that name later.
            self.check_unnamed(&scope, "take another slug").await?;
        }
        if parent.is_some() && !self.services.access.grants().in_scope(&scope, 1).await?.is_empty() {
            // Whatever stands below a place is subject to who rules there: what is held already is not drawn below it.
            self.permit(caller, &permission(kind, "create"), None).await?;
        }
        let permit = self.weigh_place(permit, &scope, parent.as_ref()).await?;
        let new = NewScope { scope, name, description, parent };
        let record = self.services.access.scopes().create_or_try(&permit, new, run).await?;
        let status = if run == Run::DryRun { StatusCode::OK } else { StatusCode::CREATED };
        Ok(render::versioned(status, &render(&record), record.revision))
    }

    /// Refuses what would tell of companies that the caller has not: to make one again, and to make one below.
    async fn check_place(&self, caller: &Caller, scope: &Scope, parent: Option<&Scope>) -> Result<(), Error> {
        let sight = self.sight(caller).await?;
        let tree = self.services.access.scopes().tree();
        if !sight.is_limited() {
            return Ok(());
        }
        let is_there = |parent: &&Scope| tree.find(parent).is_some() && sight.sees_scope(parent);
        if let Some(parent) = parent.filter(|parent| !is_there(parent)) {
            return Err(sight.unknown_scope("parent", parent));
        }
        if !sight.sees_scope(scope) && tree.find(scope).is_some() {
            let detail = format!("`{scope}` cannot be taken; take another slug");
            return Err(Error::Conflict { field: Some("slug".to_owned()), detail });
        }
        Ok(())
    }

    /// Weighs a scope at a place, where it is not yet.
    async fn weigh_place(&self, permit: Permit, scope: &Scope, parent: Option<&Scope>) -> Result<Permit, Error> {
        self.weigh_tree(permit, |tree| tree.placed(scope, parent)).await
    }

    /// Weighs a change of the tree against the tree that it will be made in: somebody else may have changed it while this
    /// change waited for its turn.
    async fn weigh_tree(&self, permit: Permit, change: impl Fn(&ScopeTree) -> ScopeTree) -> Result<Permit, Error> {
        let scopes = self.services.access.scopes();
        for _ in 0..MAX_WEIGHINGS {
            let tree = scopes.tree();
            let overlay = Overlay { scopes: Some(Arc::new(change(&tree))), ..Overlay::default() };
            let weighed = self.weigh(permit.clone(), &overlay, false).await?;
            if Arc::ptr_eq(&tree, &scopes.tree()) {
                return Ok(weighed);
            }
        }
        let detail = "the scopes are being changed by others; try again".to_owned();
        Err(Error::Conflict { field: None, detail })
    }

    /// A parent as it is written: `KIND:SLUG`, or a slug of the kind below which it must lie.
    fn parent(&self, kind: &str, text: Option<String>) -> Result<Option<Scope>, Error> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let above = self.services.access.scopes().kind_above(kind);
        let full = if text.contains(':') { text } else { format!("{above}:{text}") };
        full.parse().map(Some).map_err(|error| Error::invalid("parent", error))
    }

    /// A company that the caller has not is not there.
    pub(super) async fn check_scope_seen(&self, caller: &Caller, scope: &Scope) -> Result<(), Error> {
        if self.sight(caller).await?.sees_scope(scope) { Ok(()) } else { Err(Error::NotFound { what: "scope" }) }
    }

    async fn one_scope(&self, caller: &Caller, scope: &Scope) -> Result<Response, Error> {
        self.permit(caller, &permission(scope.kind(), "read"), Some(scope)).await?;
        self.check_scope_seen(caller, scope).await?;
        let tree = self.services.access.scopes().tree();
        let record = tree.find(scope).ok_or(Error::NotFound { what: "scope" })?;
        Ok(render::versioned(StatusCode::OK, &render(record), record.revision))
    }

    async fn change_scope(
        &self,
        caller: &Caller,
        scope: &Scope,
        (headers, params): (&HeaderMap, Params),
        mut fields: Fields,
    ) -> Result<Response, Error> {
        let run = params.run()?;
        let revision = render::if_match(headers)?;
        let (name, description) = (fields.text("name")?, fields.text("description")?);
        let parent = if fields.has("parent") { Some(self.parent(scope.kind(), fields.text("parent")?)?) } else { None };
        fields.end()?;
        let update = permission(scope.kind(), "update");
        let mut permit = self.permit(caller, &update, Some(scope)).await?;
        self.check_scope_seen(caller, scope).await?;
        let access = &self.services.access;
        let (mut revision, mut parent) = (revision, parent);
        if let Some(to) = &parent {
            let tree = access.scopes().tree();
            let before = tree.find(scope).ok_or(Error::NotFound { what: "scope" })?;
            if before.parent == *to {
                // Where it is: nothing that has to be looked at, whatever else happens meanwhile.
                parent = None;
            } else {
                if let Some(to) = to {
                    self.check_place(caller, scope, Some(to)).await?;
                }
                self.permit(caller, &update, before.parent.as_ref()).await?;
                self.permit(caller, &update, to.as_ref()).await?;
                self.check_move(caller, scope, to.as_ref()).await?;
                permit = self.weigh_place(permit, scope, to.as_ref()).await?;
                // What was looked at is what is moved.
                revision = revision.or(Some(before.revision));
            }
        }
        let record = access
            .scopes()
            .change_or_try(&permit, scope, revision, ScopeEdit { name, description, parent }, run)
            .await?;
        Ok(render::versioned(StatusCode::OK, &render(&record), record.revision))
    }

    /// Refuses to take a company away, or to make one, while something belongs to it: whoever made one of that name later would
    /// see it.
    async fn check_unnamed(&self, scope: &Scope, remedy: &str) -> Result<(), Error> {
        if scope.kind() != COMPANY {
            return Ok(());
        }
        let Some(what) = self.services.directory.belongs_to(scope).await? else { return Ok(()) };
        let detail = format!("{what} belong to `{scope}` still; {remedy}");
        Err(Error::Conflict { field: None, detail })
    }

    /// Refuses to take a department away while accounts that are kept by hand are in it, whether they say so by its slug or, as
    /// releases before stored it, by its name. What a source says of its people is the source's to change.
    async fn check_unstaffed(&self, caller: &Caller, scope: &Scope) -> Result<(), Error> {
        if scope.kind() != "department" {
            return Ok(());
        }
        let tree = self.services.access.scopes().tree();
        let Some(record) = tree.find(scope) else { return Ok(()) };
        let (slug, name) = (scope.slug(), record.name.as_str());
        let texts = [Some(slug), Some(name).filter(|name| !name.eq_ignore_ascii_case(slug))];
        let (mut people, mut looked_at) = (BTreeSet::new(), 0_usize);
        // To the end of the page on which one is found, so that there is a count of few.
        let mut is_all = true;
        for text in texts.into_iter().flatten() {
            let (index, mut after) = (UserIndex::Department, None);
            while is_all {
                let page: Vec<User<Kept>> =
                    self.services.directory.users_of(index, text, None, after, directory::MAX_PAGE).await?;
                people.extend(page.iter().filter(|user| user.owner.is_none()).map(|user| user.id));
                looked_at = looked_at.saturating_add(page.len());
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                is_all = looked_at < MAX_STAFF && (people.is_empty() || page.len() < directory::MAX_PAGE);
            }
        }
        let told = match people.len() {
            0 if is_all => return Ok(()),
            0 => {
                let detail = "too many accounts belong to it; their source has to move them first".to_owned();
                return Err(Error::Conflict { field: None, detail });
            }
            // Those of other companies are not counted for who does not see them.
            _ if self.sight(caller).await?.is_limited() => "accounts that are kept by hand belong".to_owned(),
            count if !is_all => format!("{count} accounts or more belong"),
            1 => "1 account belongs".to_owned(),
            count => format!("{count} accounts belong"),
        };
        Err(Error::Conflict { field: None, detail: format!("{told} to it; give them another department first") })
    }

    async fn remove_scope(
        &self,
        caller: &Caller,
        scope: &Scope,
        (headers, params): (&HeaderMap, Params),
    ) -> Result<Response, Error> {
        let run = params.run()?;
        let revision = render::if_match(headers)?;
        let permit = self.permit(caller, &permission(scope.kind(), "delete"), Some(scope)).await?;
        self.check_scope_seen(caller, scope).await?;
        self.check_unplacing(caller, scope).await?;
        self.check_unnamed(scope, "give them other companies first").await?;
        self.check_unstaffed(caller, scope).await?;
        let permit = self.weigh_tree(permit, |tree| tree.without(scope)).await?;
        let record = self.services.access.scopes().delete_or_try(&permit, scope, revision, run).await?;
        Ok(render::answer(StatusCode::OK, &render(&record)))
    }
}

/// `Finance Team` becomes `finance_team`, as the ids of roles do.
fn slug_of(name: &str) -> Option<String> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_");
    slug.parse::<RoleId>().ok().map(|_| slug)
}

/// `GET /departments?limit=&cursor=`, and the other kinds.
pub(super) async fn list<K: Kind>(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    api.page_of(&caller, K::NAME, params).await
}

/// `POST /departments`: `name`, `slug`, `parent`, `description`.
pub(super) async fn create<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    fields: Fields,
) -> Result<Response, Error> {
    api.make_scope(&caller, K::NAME, params, fields).await
}

/// `GET /departments/{slug}`.
pub(super) async fn show<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    Path(slug): Path<String>,
) -> Result<Response, Error> {
    api.one_scope(&caller, &named(K::NAME, &slug)?).await
}

/// `PATCH /departments/{slug}`: `name`, `description`, `parent` (null: directly below the organisation).
pub(super) async fn change<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    Path(slug): Path<String>,
    headers: HeaderMap,
    params: Params,
    fields: Fields,
) -> Result<Response, Error> {
    api.change_scope(&caller, &named(K::NAME, &slug)?, (&headers, params), fields).await
}

/// `DELETE /departments/{slug}`.
pub(super) async fn delete<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    Path(slug): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    api.remove_scope(&caller, &named(K::NAME, &slug)?, (&headers, params)).await
}

/// The kind of scopes that is asked for; one that there is not is told with the nearest.
fn known_kind(api: &Api, kind: Option<String>) -> Result<String, Error> {
    let kind = kind.ok_or_else(|| Error::invalid("kind", "is required"))?;
    let scopes = api.services.access.scopes();
    if scopes.kinds().any(|known| known == kind) {
        return Ok(kind);
    }
    let hint = crate::model::near::hint(&kind, scopes.kinds());
    Err(Error::invalid("kind", format!("`{kind}` is none{hint}")))
}

/// `GET /scopes?kind=&limit=&cursor=`.
pub(super) async fn list_any(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let kind = params.take("kind")?;
    let Ok(kind) = known_kind(&api, kind.clone()) else {
        api.permit(&caller, "scopes:read", None).await?;
        return known_kind(&api, kind).map(|_| render::page(Vec::new(), None));
    };
    api.page_of(&caller, &kind, params).await
}

/// `POST /scopes`: `kind`, `name`, `slug`, `parent`, `description`.
pub(super) async fn create_any(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let kind = fields.text("kind")?;
    let Ok(kind) = known_kind(&api, kind.clone()) else {
        api.permit(&caller, "scopes:create", None).await?;
        return known_kind(&api, kind).map(|_| render::page(Vec::new(), None));
    };
    api.make_scope(&caller, &kind, params, fields).await
}

/// The scope of a path as a whole, `department:finance`. What is none is not there, to who may look.
async fn whole(api: &Api, caller: &Caller, text: &str, action: &str) -> Result<Scope, Error> {
    match text.parse() {
        Ok(scope) => Ok(scope),
        Err(_) => {
            api.permit(caller, &permission("", action), None).await?;
            Err(Error::NotFound { what: "scope" })
        }
    }
}

/// `GET /scopes/{scope}`.
pub(super) async fn show_any(
    State(api): State<Api>,
    caller: Caller,
    Path(scope): Path<String>,
) -> Result<Response, Error> {
    let scope = whole(&api, &caller, &scope, "read").await?;
    api.one_scope(&caller, &scope).await
}

/// `PATCH /scopes/{scope}`.
pub(super) async fn change_any(
    State(api): State<Api>,
    caller: Caller,
    Path(scope): Path<String>,
    headers: HeaderMap,
    params: Params,
    fields: Fields,
) -> Result<Response, Error> {
    let scope = whole(&api, &caller, &scope, "update").await?;
    api.change_scope(&caller, &scope, (&headers, params), fields).await
}

/// `DELETE /scopes/{scope}`.
pub(super) async fn delete_any(
    State(api): State<Api>,
    caller: Caller,
    Path(scope): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    let scope = whole(&api, &caller, &scope, "delete").await?;
    api.remove_scope(&caller, &scope, (&headers, params)).await
}
