//! Lists for who administers a scope and not the organisation: the people and groups that hold something in it.

use axum::response::Response;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::access::Question;
use crate::model::{GroupId, Scope, UserId};

/// Most that are read for a page of somebody who does not see all of them.
const CHUNK: usize = 500;

impl Api {
    /// `GET /users?scope=&limit=&cursor=`: everybody who holds something in a scope or below it, in the order of creation.
    pub(super) async fn users_within(&self, caller: &Caller, mut params: Params) -> Result<Response, Error> {
        let scope = scope_of(&mut params)?;
        let list = &format!("users within {scope}");
        let page = self.page::<UserId>(caller, list, &mut params)?;
        params.end()?;
        self.may_list(caller, "users:read", &scope).await?;
        let holders = self.services.access.people_within(&scope).await?;
        let sight = self.sight(caller).await?;
        // Who reads one place, and may have put people there, is told no more of them than grants tell.
        let reads_everywhere = self.reads_everywhere(caller, "users:read").await?;
        let behind = holders.users.into_iter().filter(|id| page.after.is_none_or(|after| *id > after));
        let mut items = Vec::new();
        for some in behind.collect::<Vec<_>>().chunks(CHUNK) {
            for user in &self.services.directory.users_by_id::<crate::model::Attributes>(some).await? {
                if !sight.sees_user(user) {
                    continue;
                }
                if items.len() == page.limit {
                    return self.told_page(caller, list, items);
                }
                let shown = if reads_everywhere { sight.user(user) } else { render::brief(user) };
                items.push((user.id.to_string(), shown));
            }
        }
        Ok(render::page(items.into_iter().map(|(_, shown)| shown).collect(), None))
    }

    /// `GET /groups?scope=&limit=&cursor=`: every group that holds something in a scope or below it.
    pub(super) async fn groups_within(&self, caller: &Caller, mut params: Params) -> Result<Response, Error> {
        let scope = scope_of(&mut params)?;
        let list = &format!("groups within {scope}");
        let page = self.page::<GroupId>(caller, list, &mut params)?;
        params.end()?;
        self.may_list(caller, "groups:read", &scope).await?;
        let holders = self.services.access.holders_within(&scope).await?;
        let sight = self.sight(caller).await?;
        let reads_everywhere = self.reads_everywhere(caller, "groups:read").await?;
        let behind = holders.groups.into_iter().filter(|id| page.after.is_none_or(|after| *id > after));
        let mut items = Vec::new();
        for some in behind.collect::<Vec<_>>().chunks(CHUNK) {
            for group in &self.services.directory.groups_by_id(some).await? {
                if !sight.sees_group(group) {
                    continue;
                }
                if items.len() == page.limit {
                    return self.told_page(caller, list, items);
                }
                let shown = if reads_everywhere {
                    self.told(&sight, group).await?
                } else {
                    json!({"id": group.id.to_string(), "name": group.name.as_str()})
                };
                items.push((group.id.to_string(), shown));
            }
        }
        Ok(render::page(items.into_iter().map(|(_, shown)| shown).collect(), None))
    }

    /// A page after which there is more, behind its last item.
    fn told_page(&self, caller: &Caller, list: &str, items: Vec<(String, Value)>) -> Result<Response, Error> {
        let next = self.next(caller, list, items.last().map(|(id, _)| id.clone()))?;
        Ok(render::page(items.into_iter().map(|(_, shown)| shown).collect(), next))
    }

    /// Whether somebody may besides what they may in one place; a no is no refusal, and is not recorded as one.
    async fn reads_everywhere(&self, caller: &Caller, permission: &str) -> Result<bool, Error> {
        let permission = permission.parse().map_err(|_| Error::Internal("a permission that is none"))?;
        Ok(self.acting(caller).await?.may(&Question::new(&permission)))
    }

    async fn may_list(&self, caller: &Caller, permission: &str, scope: &Scope) -> Result<(), Error> {
        self.permit(caller, permission, Some(scope)).await?;
        self.check_scope(caller, Some(scope)).await
    }
}

fn scope_of(params: &mut Params) -> Result<Scope, Error> {
    params.parsed("scope")?.ok_or_else(|| Error::invalid("scope", "is required"))
}
