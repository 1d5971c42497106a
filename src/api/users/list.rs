//! `GET /users`: along an index where filter or order allow it, else by a walk that has a limit.
//!
//! What the index does not tell is looked at account by account, at most [`MAX_READ`] of them for one page; the list then
//! goes on by its cursor.

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use super::picture::Looked;
use crate::api::admit::Caller;
use crate::api::fields::Params;
use crate::api::render::ENTERPRISE;
use crate::api::sight::Sight;
use crate::api::{Api, Error, render};
use crate::directory::{Member, Term, UserIndex, UserSort, UserWalk};
use crate::filter::{AttributePath, Filter, NoSchema, Operator, comparisons};
use crate::http::Binding;
use crate::model::{Group, SourceId, Subject, User, UserId};

/// Most accounts that one page reads.
const MAX_READ: usize = 10_000;
/// Most accounts read at a time.
const CHUNK: usize = 500;
/// The schema of users (RFC 7643 section 4.1).
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// Attributes that have an index, by their names here and in RFC 7643.
const INDEXED: [(&str, UserIndex); 20] = [
    ("id", UserIndex::Id),
    ("userName", UserIndex::UserName),
    ("externalId", UserIndex::ExternalId),
    ("email", UserIndex::Email),
    ("emails", UserIndex::Email),
    ("emails.value", UserIndex::Email),
    ("displayName", UserIndex::DisplayName),
    ("last_name", UserIndex::FamilyName),
    ("name.familyName", UserIndex::FamilyName),
    ("supervisor", UserIndex::Supervisor),
    ("groups", UserIndex::Membership),
    ("groups.value", UserIndex::Membership),
    ("groups.display", UserIndex::Membership),
    ("role", UserIndex::Role),
    ("department", UserIndex::Department),
    ("companies", UserIndex::Company),
    ("created", UserIndex::Created),
    ("changed", UserIndex::Changed),
    ("status", UserIndex::Status),
    ("active", UserIndex::Status),
];

/// How a list is to be.
struct Wish {
    filter: Option<Filter>,
    sort: Option<(UserSort, bool)>,
    limit: usize,
    cursor: Option<String>,
    /// Only who is signed in.
    is_signed_in: bool,
    no_access: NoAccess,
}

/// What becomes of people whose role keeps them from signing in, such as "No Access".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoAccess {
    Include,
    Exclude,
    Only,
}

impl NoAccess {
    const ALL: [(&str, Self); 3] = [("include", Self::Include), ("exclude", Self::Exclude), ("only", Self::Only)];

    fn read(word: Option<&str>) -> Result<Self, Error> {
        let Some(word) = word else { return Ok(Self::Include) };
        let found = Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, wish)| wish);
        found.ok_or_else(|| Error::unknown("no_access", word, Self::ALL.into_iter().map(|(name, _)| name)))
    }
}

impl Wish {
    fn read(mut params: Params) -> Result<Self, Error> {
        let filter: Option<Filter> = params.parsed("filter")?;
        let sort = match params.take("sort")? {
            None => None,
            Some(word) => Some(sort_named(&word)?),
        };
        let is_descending = match params.take("order")?.as_deref() {
            None | Some("asc") => false,
            Some("desc") if sort.is_some() => true,
            Some("desc") => return Err(Error::invalid("order", "needs `sort`")),
            Some(_) => return Err(Error::invalid("order", "must be asc or desc")),
        };
        let is_signed_in = match params.take("signed_in")?.as_deref() {
            None => false,
            Some("true") if sort.is_none() => true,
            Some("true") => return Err(Error::invalid("sort", "does not go with `signed_in`")),
            Some(_) => return Err(Error::invalid("signed_in", "must be true, or left out")),
        };
        let no_access = NoAccess::read(params.take("no_access")?.as_deref())?;
        let page = params.page::<String>()?;
        params.end()?;
        let sort = sort.map(|sort| (sort, is_descending));
        Ok(Self { filter, sort, limit: page.limit, cursor: page.after, is_signed_in, no_access })
    }

    /// What its cursors hold for.
    fn binding(&self, caller: &Caller, way: &str) -> Binding {
        let filter = self.filter.as_ref().map(ToString::to_string).unwrap_or_default();
        let no_access = match self.no_access {
            NoAccess::Include => "",
            NoAccess::Exclude => "without-no-access",
            NoAccess::Only => "no-access",
        };
        Binding::of(&["users", &caller.actor.to_string(), &filter, way, no_access])
    }
}

fn sort_named(word: &str) -> Result<UserSort, Error> {
    let found = UserSort::ALL.into_iter().find(|sort| sort.name().eq_ignore_ascii_case(word));
    found.ok_or_else(|| Error::unknown("sort", word, UserSort::ALL.into_iter().map(UserSort::name)))
}

/// `GET /users?scope=` and `GET /users?is_group=true` are lists of their own; else `GET /users?filter=&sort=&order=&signed_in=&no_access=&limit=&cursor=`. A page with a filter, or for who is limited to
/// companies, may hold fewer than asked although there are more.
pub(in crate::api) async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    if params.has("scope") {
        return api.users_within(&caller, params).await;
    }
    if params.has("is_group") {
        return api.group_records(&caller, params).await;
    }
    let wish = Wish::read(params)?;
    api.permit(&caller, "users:read", None).await?;
    let (mut items, next) =
        if wish.is_signed_in { api.signed_in(&caller, &wish).await? } else { api.walk(&caller, &wish).await? };
    api.add_signed_in(&caller, &mut items).await?;
    Ok(render::page(items.into_iter().map(|(_, shown)| shown).collect(), next))
}

/// Users as they are shown, and where to go on.
type Page = (Vec<(UserId, Value)>, Option<String>);

impl Api {
    /// A page along the index that fits.
    async fn walk(&self, caller: &Caller, wish: &Wish) -> Result<Page, Error> {
        let terms = match &wish.filter {
            Some(filter) => self.terms(caller, filter).await?,
            None => Vec::new(),
        };
        let directory = &self.services.directory;
        let sight = self.sight(caller).await?;
        let walk: UserWalk = directory.way_to_users(&terms, wish.sort, sight.within().as_ref()).await?;
        let binding = wish.binding(caller, walk.name());
        let cursors = &self.services.cursors;
        let mut after = wish.cursor.as_deref().map(|text| cursors.read(&binding, text)).transpose()?;
        // One more than is shown tells whether there is another page.
        let (mut items, mut read, mut wanted) = (Vec::new(), 0, wish.limit.saturating_add(1).min(CHUNK));
        loop {
            let found = directory.walk_users(&walk, after.as_deref(), wanted).await?;
            for (position, user) in found.users {
                if items.len() == wish.limit {
                    return Ok((items, after.map(|after| cursors.issue(&binding, &after)).transpose()?));
                }
                read += 1;
                items.extend(self.meant(&sight, wish, &user).await?);
                after = Some(position);
            }
            let Some(next) = found.next else { return Ok((items, None)) };
            after = Some(next);
            if read >= MAX_READ {
                return Ok((items, after.map(|after| cursors.issue(&binding, &after)).transpose()?));
            }
            wanted = wanted.saturating_mul(2).min(CHUNK);
            tokio::task::yield_now().await;
        }
    }

    /// A page of who is signed in, in the order of creation: along the sessions.
    async fn signed_in(&self, caller: &Caller, wish: &Wish) -> Result<Page, Error> {
        self.permit(caller, "sessions:read", None).await?;
        let binding = wish.binding(caller, "signed-in");
        let cursors = &self.services.cursors;
        let after = wish.cursor.as_deref().map(|text| cursors.read(&binding, text)).transpose()?;
        let after = after.and_then(|bytes| bytes.try_into().ok()).map(UserId::from_bytes);
        let (ids, next) = self.services.sessions.users_signed_in(after, wish.limit).await?;
        let sight = self.sight(caller).await?;
        let mut items = Vec::with_capacity(ids.len());
        for user in &self.services.directory.users_by_id::<crate::model::Attributes>(&ids).await? {
            items.extend(self.meant(&sight, wish, user).await?);
        }
        items.sort_by_key(|(id, _)| *id);
        Ok((items, next.map(|next| cursors.issue(&binding, next.as_bytes())).transpose()?))
    }

    /// A user as shown, where the caller sees them and the filter means them.
    async fn meant(&self, sight: &Sight, wish: &Wish, user: &User) -> Result<Option<(UserId, Value)>, Error> {
        if !sight.sees_user(user) {
            return Ok(None);
        }
        if wish.no_access != NoAccess::Include {
            let is_kept_out = self.services.access.is_kept_out(user.id).await?;
            if is_kept_out != (wish.no_access == NoAccess::Only) {
                return Ok(None);
            }
        }
        let shown = sight.user(user);
        let Some(filter) = &wish.filter else { return Ok(Some((user.id, shown))) };
        let looked = Looked::at(filter, is_shown);
        let groups = if looked.names("groups") { self.direct_groups(sight, user.id).await? } else { Vec::new() };
        let roles = if looked.names("role") { self.direct_roles(sight, user.id).await? } else { Vec::new() };
        let is_meant = filter.matches(&looked.picture(user, &shown, &groups, &roles), &NoSchema);
        Ok(is_meant.then_some((user.id, shown)))
    }
}

/// Whether every user is shown with an attribute of this name, if only as absent.
fn is_shown(name: &str) -> bool {
    const SHOWN: [&str; 25] = [
        "id",
        "userName",
        "displayName",
        "first_name",
        "last_name",
        "email",
        "department",
        "supervisor",
        "language",
        "phone",
        "photo",
        "timezone",
        "realm",
        "status",
        "active",
        "companies",
        "all_companies",
        "source",
        "created",
        "changed",
        "revision",
        "emails",
        "name",
        "groups",
        "role",
    ];
    SHOWN.iter().any(|shown| shown.eq_ignore_ascii_case(name))
}

/// The index over what a filter names.
fn index_of(path: &AttributePath) -> Option<UserIndex> {
    let is_own = match &path.urn {
        None => true,
        Some(urn) if urn.eq_ignore_ascii_case(ENTERPRISE) => path.is("department"),
        // Of the schema's own only what is not called otherwise here.
        Some(urn) => urn.eq_ignore_ascii_case(CORE) && !path.is("department"),
    };
    let named = INDEXED.iter().filter(|_| is_own).find(|(name, _)| path.is(name));
    named.map(|(_, index)| *index)
}

impl Api {
    /// What indexes can do for a filter.
    async fn terms(&self, caller: &Caller, filter: &Filter) -> Result<Vec<Term>, Error> {
        let compared = comparisons(filter);
        let source = compared.iter().find(|(path, operator, _)| path.is("source") && *operator == Operator::Equal);
        let source: Option<SourceId> =
            source.and_then(|(_, _, value)| value.as_str()).and_then(|source| source.parse().ok());
        let mut terms = Vec::new();
        for (path, operator, value) in &compared {
            let Some(index) = index_of(path) else { continue };
            let value = match (value.as_str(), value.as_bool()) {
                (Some(text), _) if !path.is("active") => text.to_owned(),
                (_, Some(true)) if path.is("active") => "active".to_owned(),
                _ => continue,
            };
            let mut term = Term { index, operator: *operator, value, source: source.clone() };
            if path.is("groups.display") {
                term.value = match self.group(caller, &term.value).await {
                    Ok(group) => group.id.to_string(),
                    Err(Error::NotFound { .. }) => term.value,
                    // Several groups of the name: the walk sees all of them.
                    Err(Error::Ambiguous { .. }) => continue,
                    Err(error) => return Err(error),
                };
            }
            terms.push(term);
        }
        Ok(terms)
    }

    async fn direct_groups(&self, sight: &Sight, user: UserId) -> Result<Vec<Group>, Error> {
        let ids = self.services.directory.group_ids_of(Member::User(user)).await?;
        let mut groups = self.services.directory.groups_by_id(&ids).await?;
        // What is not seen is not found either.
        groups.retain(|group| sight.sees_group(group));
        Ok(groups)
    }

    /// The roles that were given to a user and not to a group and hold now, as an answer about the user shows them.
    pub(super) async fn direct_roles(&self, sight: &Sight, user: UserId) -> Result<Vec<String>, Error> {
        let grants = self.services.access.grants().list(Subject::User(user)).await?;
        let now = self.services.clock.now();
        let seen = grants.iter().filter(|grant| grant.scope.as_ref().is_none_or(|scope| sight.sees_scope(scope)));
        let mut roles: Vec<String> =
            seen.filter(|grant| grant.holds_at(now)).map(|grant| grant.role.to_string()).collect();
        roles.sort();
        roles.dedup();
        Ok(roles)
    }
}
