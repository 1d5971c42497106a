//! User records that are groups, as ClearVantage has them: a record with a user id, a role and companies that stands for many
//! people and has "Is Group" on. Here it is a group of that name which holds the role. It is no account: nobody signs in as
//! it, and what a record of an account needs besides (an employee, a password, being active) is taken and not kept.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::create::Wanted;
use crate::access::{NewGrant, Overlay};
use crate::api::admit::Caller;
use crate::api::fields::Params;
use crate::api::sight::Sight;
use crate::api::{Api, Error, render};
use crate::directory::{GroupDraft, MemberChange, RECORD_MARK, is_record};
use crate::model::{Attributes, Group, GroupId, GroupName, Realm, Subject};

/// Groups of one read, and most that one page looks at.
const CHUNK: usize = 500;
const MAX_READ: usize = 50_000;

impl Api {
    /// `POST /users` with `is_group`: `userName`, `role`, `companies`. The answer is the record.
    pub(super) async fn create_group_record(&self, caller: &Caller, wanted: Wanted) -> Result<Response, Error> {
        let unfit = [
            ("scopes", wanted.scopes.is_some()),
            ("access_groups", !wanted.groups.is_empty()),
            ("realm", wanted.realm != Realm::default()),
            ("all_companies", wanted.wish.companies.sees_all.is_some()),
        ];
        if let Some((field, _)) = unfit.into_iter().find(|(_, is_named)| *is_named) {
            return Err(Error::invalid(field, "is nothing that a record which is a group can have"));
        }
        let Wanted { wish, role, .. } = wanted;
        let permit = self.permit(caller, "groups:create", None).await?;
        let name = wish.user_name.ok_or_else(|| Error::invalid("userName", "is required"))?;
        let role = role.ok_or_else(|| Error::invalid("role", "is required"))?;
        self.known_role("role", &role)?;
        let name = self.record_name(&name).await?;
        let sight = self.sight(caller).await?;
        let companies = sight.named(wish.companies.companies.as_deref(), None)?;
        let grant = NewGrant::new(Subject::Group(Overlay::no_group()), role);
        self.services.access.permit_grant(&caller.actor, &grant, caller.circumstance.clone()).await?;
        let named = vec![(grant.subject, name.folded())];
        let overlay = Overlay { named, given: vec![grant.imagined()], ..Overlay::default() };
        let permit = &self.weigh(permit, &overlay, false).await?;
        let attributes = Attributes([(RECORD_MARK.to_owned(), Value::Bool(true))].into_iter().collect());
        let draft = &GroupDraft { name, external_id: None, attributes, members: MemberChange::default() };
        let (services, companies, grant) = (&self.services, &companies, &grant);
        let made = services.ledger.retry(|mut change| async move {
            let (group, event) =
                services.directory.create_group_in(&mut change, permit, draft, companies, None).await?;
            let grant = NewGrant { subject: Subject::Group(group.id), ..grant.clone() };
            let roles = services.access.roles();
            let (_, given) = services.access.grants().create_in(&mut change, permit, &roles, &grant).await?;
            change.also(given);
            change.commit(event.detail("is_group", true)).await?;
            Ok::<_, Error>(group)
        });
        let group = made.await?;
        let body = self.record(&sight, &group).await?;
        Ok(render::versioned(StatusCode::CREATED, &body, group.revision))
    }

    /// A user id that is good for a group: without blanks, by the rule of the pack, and nobody's login name.
    async fn record_name(&self, text: &str) -> Result<GroupName, Error> {
        if text.chars().any(char::is_whitespace) {
            return Err(Error::invalid("userName", "must have no blanks"));
        }
        if let Some(problem) = self.services.directory.name_rule().current().problem(text) {
            return Err(Error::invalid("userName", problem));
        }
        let is_taken = self.services.directory.find_user_id(text).await?.is_some();
        if is_taken || !self.services.directory.find_groups_by_name(text).await?.is_empty() {
            let detail = format!("`userName` is taken: {text}");
            return Err(Error::Conflict { field: Some("userName".to_owned()), detail });
        }
        text.parse().map_err(|error| Error::invalid("userName", error))
    }

    /// `GET /users?is_group=true&limit=&cursor=`: the user records that are groups, in the order of creation. A page may hold
    /// fewer than asked although there are more.
    pub(super) async fn group_records(&self, caller: &Caller, mut params: Params) -> Result<Response, Error> {
        if params.parsed::<bool>("is_group")? != Some(true) {
            return Err(Error::invalid("is_group", "must be true, or left out"));
        }
        let page = self.page::<GroupId>(caller, "group-records", &mut params)?;
        params.end()?;
        self.permit(caller, "users:read", None).await?;
        self.permit(caller, "groups:read", None).await?;
        let sight = self.sight(caller).await?;
        let (mut items, mut after, mut read) = (Vec::new(), page.after, 0);
        loop {
            let groups = self.services.directory.list_groups(after, CHUNK).await?;
            read += groups.len();
            for group in &groups {
                after = Some(group.id);
                if is_record(group) && sight.sees_group(group) {
                    items.push(self.record(&sight, group).await?);
                }
                if items.len() == page.limit {
                    return Ok(render::page(items, self.next(caller, "group-records", after)?));
                }
            }
            if groups.len() < CHUNK || read >= MAX_READ {
                let next = after.filter(|_| groups.len() == CHUNK);
                return Ok(render::page(items, self.next(caller, "group-records", next)?));
            }
        }
    }

    /// A group as the user record that it stands for.
    async fn record(&self, sight: &Sight, group: &Group) -> Result<Value, Error> {
        let grants = self.services.access.grants().list(Subject::Group(group.id)).await?;
        let roles: Vec<String> = grants.iter().map(|grant| grant.role.to_string()).collect();
        let shown = self.told(sight, group).await?;
        let of = |name: &str| shown.get(name).cloned().unwrap_or(Value::Null);
        Ok(json!({
            "id": group.id.to_string(),
            "userName": group.name.as_str(),
            "displayName": group.name.as_str(),
            "is_group": true,
            "status": "active",
            "active": true,
            "roles": roles,
            "members": of("members"),
            "companies": of("companies"),
            "all_companies": false,
            "created": group.created.to_string(),
            "changed": group.changed.to_string(),
            "revision": group.revision,
        }))
    }
}
