//! `/network-rules`: from where people and tokens may sign in and act.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::access::{Bound, NetworkRules};
use crate::model::{Network, User, UserId};

/// The networks of each rule.
type Lists = BTreeMap<Bound, Vec<Network>>;

/// `GET /network-rules`: the lists, and under `rules` each with who changed it when.
pub(super) async fn show(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    api.permit(&caller, "network:read", None).await?;
    api.check_sees_all(&caller).await?;
    api.network_answer(&*api.services.access.network_rules().await?).await
}

/// `PUT /network-rules`: `organization` as a list, `roles` and `users` as lists by role and by user; what is left out has no
/// rule any more. `revision` is the one that was seen; `override` takes a list that shuts the caller out.
pub(super) async fn set(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let permit = api.permit(&caller, "network:update", None).await?;
    api.check_sees_all(&caller).await?;
    let is_forced = fields.flag("override")?.unwrap_or(false);
    let revision = match fields.take("revision") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or_else(|| Error::invalid("revision", "must be a number"))?),
    };
    let lists = api.network_lists(&caller, &mut fields).await?;
    fields.end()?;
    let seen = api.check_bounds(&caller, &lists).await?;
    if !is_forced {
        api.check_own_address(&caller, &lists).await?;
    }
    let rules = api.services.access.set_network_rules(&permit, revision.or(Some(seen)), &lists).await?;
    api.network_answer(&rules).await
}

/// The networks of a list; what is wrong is told with its place.
fn networks(place: &str, list: Option<Value>, problems: &mut Vec<(String, String)>) -> Vec<Network> {
    let values = match list {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(values)) => values,
        Some(_) => {
            problems.push((place.to_owned(), "must be a list of networks".to_owned()));
            return Vec::new();
        }
    };
    let mut found: Vec<Network> = Vec::with_capacity(values.len());
    for (number, value) in values.iter().enumerate() {
        match value.as_str().ok_or_else(|| "must be text".to_owned()).and_then(Network::read) {
            Ok(network) if found.contains(&network) => {}
            Ok(network) => found.push(network),
            Err(reason) => problems.push((format!("{place}[{number}]"), reason)),
        }
    }
    found
}

fn members(fields: &mut Fields, name: &str) -> Result<Map<String, Value>, Error> {
    match fields.take(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(Error::invalid(name, "must be an object of lists")),
    }
}

impl Api {
    /// The lists of a body. A role or a user that there is not is refused, unless it has a rule already.
    async fn network_lists(&self, caller: &Caller, fields: &mut Fields) -> Result<Lists, Error> {
        let before = self.services.access.network_rules().await?;
        let has = |wanted: &Bound| before.iter().any(|(bound, _)| bound == wanted);
        let (mut lists, mut problems) = (Lists::new(), Vec::new());
        lists.insert(Bound::Organisation, networks("organization", fields.take("organization"), &mut problems));
        let roles = self.services.access.roles();
        for (name, list) in members(fields, "roles")? {
            let place = format!("roles.{name}");
            let list = networks(&place, Some(list), &mut problems);
            match name.parse().map(Bound::Role) {
                Ok(bound) if has(&bound) => drop(lists.insert(bound, list)),
                Ok(Bound::Role(role)) if roles.find(&role).is_some() => drop(lists.insert(Bound::Role(role), list)),
                Ok(Bound::Role(role)) => problems.push((place, format!("is no role{}", roles.hint(&role)))),
                _ => problems.push((place, "is no role".to_owned())),
            }
        }
        for (name, list) in members(fields, "users")? {
            let place = format!("users.{name}");
            let list = networks(&place, Some(list), &mut problems);
            match (name.parse().map(Bound::User), self.user(caller, &name).await) {
                (Ok(bound), _) if has(&bound) => drop(lists.insert(bound, list)),
                (_, Ok(user)) => drop(lists.insert(Bound::User(user.id), list)),
                (_, Err(Error::NotFound { .. })) => problems.push((place, "is no user".to_owned())),
                (_, Err(error)) => return Err(error),
            }
        }
        Error::of_fields(problems)?;
        Ok(lists)
    }

    /// Checks that the caller reaches as far as whomever a list that differs binds, or bound: who is shut out loses what
    /// they have, and who is let in by it has it elsewhere too. Gives the revision of the lists that it compared with.
    async fn check_bounds(&self, caller: &Caller, lists: &Lists) -> Result<u64, Error> {
        let before = self.services.access.network_rules().await?;
        let seen = before.revision();
        let before: Lists = before.iter().map(|(bound, rule)| (bound.clone(), rule.networks.clone())).collect();
        let networks = |lists: &Lists, bound: &Bound| -> BTreeSet<String> {
            lists.get(bound).into_iter().flatten().map(ToString::to_string).collect()
        };
        let bounds: BTreeSet<&Bound> = before.keys().chain(lists.keys()).collect();
        for bound in bounds.into_iter().filter(|bound| networks(&before, bound) != networks(lists, bound)) {
            match bound {
                Bound::Organisation => self.check_everything(caller, &self.acting(caller).await?).await?,
                Bound::Role(role) => self.check_reach_of_role(caller, role).await?,
                Bound::User(user) => match self.check_rank(caller, *user).await {
                    // Whom there is not any more, a list does not bind.
                    Err(Error::NotFound { .. }) => {}
                    checked => checked?,
                },
            }
        }
        Ok(seen)
    }

    /// Refuses lists by which the caller could not act from where they are.
    pub(super) async fn check_own_address(&self, caller: &Caller, lists: &Lists) -> Result<(), Error> {
        let Some(address) = caller.circumstance.address else { return Ok(()) };
        let access = &self.services.access;
        let rules = NetworkRules::imagined(lists, self.services.clock.now());
        let Some(bound) = access.actor_shut_out_by(&rules, &caller.actor, Some(address)).await? else { return Ok(()) };
        let field = match bound {
            Bound::Organisation => "organization",
            Bound::Role(_) => "roles",
            Bound::User(_) => "users",
        };
        let detail = format!(
            "you come from {address}, which is in none of the networks of {bound}: you would be shut out at once; add your \
             own network, or say `override` (`force` of an import) when that is what you want"
        );
        Err(Error::Conflict { field: Some(field.to_owned()), detail })
    }

    async fn network_answer(&self, rules: &NetworkRules) -> Result<Response, Error> {
        let ids: Vec<UserId> = rules
            .iter()
            .filter_map(|(bound, _)| if let Bound::User(user) = bound { Some(*user) } else { None })
            .collect();
        let people: Vec<User> = self.services.directory.users_by_id(&ids).await?;
        let (mut organization, mut roles, mut users) = (json!([]), Map::new(), Map::new());
        let mut told = Vec::new();
        for (bound, rule) in rules.iter() {
            let list: Value = rule.networks.iter().map(ToString::to_string).collect();
            let mut shown = json!({
                "for": bound.to_string(),
                "networks": list.clone(),
                "changed": rule.changed.to_string(),
                "by": rule.by,
            });
            match bound {
                Bound::Organisation => organization = list,
                Bound::Role(role) => drop(roles.insert(role.to_string(), list)),
                Bound::User(id) => {
                    users.insert(id.to_string(), list);
                    let brief = people.iter().find(|user| user.id == *id).map(render::brief);
                    if let (Some(members), Some(brief)) = (shown.as_object_mut(), brief) {
                        members.insert("user".to_owned(), brief);
                    }
                }
            }
            told.push(shown);
        }
        let body = json!({
            "organization": organization,
            "roles": roles,
            "users": users,
            "revision": rules.revision(),
            "rules": told,
        });
        Ok(render::answer(StatusCode::OK, &body))
    }
}
