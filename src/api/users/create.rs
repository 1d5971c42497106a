//! `POST /users`: everything is checked, then written in one commit, or nothing is.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::profile::Wish;
use crate::access::{NewGrant, Overlay, Permit, Run};
use crate::api::admit::Caller;
use crate::api::fields::{Fields, Params};
use crate::api::named::MAX_PLACES;
use crate::api::sight::Sight;
use crate::api::{Api, Error, render};
use crate::audit::Change;
use crate::credential::{Lane, Prepared};
use crate::directory::{Member, SourceRecord, parse_user_name};
use crate::model::{
    Attributes, Companies, Group, Mode, Person, PersonId, Realm, RoleId, Scope, Status, Subject, User, fold,
};
use crate::secret::Secret;

/// The role of who gets no scope where scopes were asked for.
const NO_ACCESS: &str = "no_access";

/// An account that is about to be made, all of it checked.
pub(in crate::api) struct Plan {
    pub(in crate::api) record: SourceRecord,
    pub(in crate::api) companies: Option<Companies>,
    /// Whose account it is.
    pub(in crate::api) person: Option<PersonId>,
    pub(in crate::api) groups: Vec<Group>,
    pub(in crate::api) grants: Vec<NewGrant>,
    pub(in crate::api) password: Option<Prepared>,
    /// The account waits until its owner accepts it.
    pub(in crate::api) is_invited: bool,
    pub(in crate::api) realm: Realm,
}

/// The permits under which accounts are made.
pub(in crate::api) struct Permits {
    pub(in crate::api) create: Permit,
    /// Present when groups are joined.
    pub(in crate::api) join: Option<Permit>,
}

/// What is asked of a new account.
pub(in crate::api) struct Wanted {
    pub(super) wish: Wish,
    pub(super) role: Option<RoleId>,
    pub(super) scopes: Option<Vec<String>>,
    employee: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) realm: Realm,
}

impl Wanted {
    pub(in crate::api) fn take(fields: &mut Fields) -> Result<Self, Error> {
        let wish = Wish::take(fields)?;
        let role: Option<RoleId> = fields.parsed("role")?;
        let role = role.or(fields.parsed("user_type")?);
        let scopes = fields.optional_list("scopes")?;
        let employee = fields.text("employee")?;
        let groups = fields.list("access_groups")?;
        let realm = fields.parsed("realm")?.unwrap_or_default();
        Ok(Self { wish, role, scopes, employee, groups, realm })
    }

    /// The address to which an invitation goes. Its account has no password yet.
    pub(in crate::api) fn invited_address(&self) -> Result<String, Error> {
        if self.wish.password.is_some() {
            return Err(Error::invalid("password", "is chosen by who accepts the invitation"));
        }
        if self.wish.active.is_some() {
            return Err(Error::invalid("active", "is settled by who accepts the invitation"));
        }
        let name = self.wish.user_name.as_ref().filter(|name| name.contains('@'));
        let address = self.wish.email.as_ref().or(name).map(|address| address.trim().to_owned());
        address.filter(|address| !address.is_empty()).ok_or_else(|| Error::invalid("email", "is required"))
    }
}

/// `POST /users?dry_run=`: `userName` or `email`, the fields of a profile, `role` (or `user_type`), `scopes` within which the
/// role holds, `access_groups`, `companies`, `all_companies`, `password`.
pub(in crate::api) async fn create(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let run = params.run()?;
    let wanted = Wanted::take(&mut fields)?;
    let is_group = fields.flag("is_group")?.unwrap_or(false);
    fields.end()?;
    if is_group && run == Run::DryRun {
        return Err(Error::invalid("dry_run", "is for accounts"));
    }
    if is_group {
        return api.create_group_record(&caller, wanted).await;
    }
    let (permits, plan) = &api.plan_account(&caller, wanted, "users:create").await?;
    let (services, api_ref) = (&api.services, &api);
    let user = services
        .ledger
        .retry(|mut change| async move {
            let user = api_ref.stage_account(&mut change, permits, plan).await?;
            if run == Run::Commit {
                change.commit_told().await?;
            }
            Ok::<_, Error>(user)
        })
        .await?;
    if run == Run::DryRun {
        return Ok(render::answer(StatusCode::OK, &api.sight(&caller).await?.user(&user)));
    }
    let body = Value::Object(api.rendered(&caller, &user).await?);
    let mut response = render::versioned(StatusCode::CREATED, &body, user.revision);
    if let Ok(location) = format!("/api/v1/users/{}", user.id).parse() {
        response.headers_mut().insert(http::header::LOCATION, location);
    }
    Ok(response)
}

impl Api {
    /// Checks all of a new account, for which the caller needs this permission.
    pub(in crate::api) async fn plan_account(
        &self,
        caller: &Caller,
        wanted: Wanted,
        permission: &str,
    ) -> Result<(Permits, Plan), Error> {
        let Wanted { mut wish, role, scopes, employee, groups, realm } = wanted;
        let person = self.employee(caller, employee).await?;
        let is_form = wish.first_name.is_some() || wish.last_name.is_some();
        if let Some(person) = &person {
            wish.of_person(person);
        }
        let lacks_employee = person.is_none() && self.requires_employee(realm);
        self.check_missing(&wish, role.as_ref(), is_form, lacks_employee)?;
        let role = self.role_of_new_user(role)?;
        let create = self.permit(caller, permission, None).await?;
        let name = wish.user_name.clone().or_else(|| wish.email.clone()).unwrap_or_default();
        wish.user_name = Some(name.clone());
        self.settle(caller, &mut wish).await?;
        let sight = self.sight(caller).await?;
        let companies = sight.of_account(&wish.companies, None)?;
        let mut record = blank(&name)?;
        wish.apply(&mut record)?;
        let grants = self.wanted_grants(&sight, role, scopes)?;
        let groups = self.named_groups(caller, "access_groups", &groups).await?;
        let join = self.check_joining(caller, &groups).await?;
        let ruled = self.check_ruled(caller, &record).await?;
        if wish.must_change_password == Some(true) && wish.password.is_none() {
            return Err(Error::invalid("must_change_password", "goes with a password"));
        }
        if let Some(password) = &wish.password {
            self.permit(caller, "passwords:update", None).await?;
            self.check_password(&name, &record, password, false)?;
        }
        for grant in &grants {
            // Asked of somebody who does not exist yet: the answer depends on the role and the giver only.
            self.services.access.permit_grant(&caller.actor, grant, caller.circumstance.clone()).await?;
        }
        let password = match &wish.password {
            Some(password) => {
                let prepared = self.services.credentials.prepare(password, Lane::Interactive).await?;
                // Two know it: who gave it and whose it is.
                Some(prepared.must_change(wish.must_change_password.unwrap_or(true)))
            }
            None => None,
        };
        let joined: Vec<Group> = groups.iter().chain(&ruled).cloned().collect();
        let create = self.weigh(create, &overlay_of(&[name.as_str()], &grants, &joined), false).await?;
        let person = person.map(|person| person.id);
        let plan = Plan { record, companies, person, groups, grants, password, is_invited: false, realm };
        Ok((Permits { create, join }, plan))
    }
}

/// What accounts of these names with these grants and groups would make different.
pub(in crate::api) fn overlay_of(names: &[&str], grants: &[NewGrant], groups: &[Group]) -> Overlay {
    let nobody = Overlay::nobody();
    Overlay {
        named: names.iter().map(|name| (Subject::User(nobody), fold(name))).collect(),
        status: vec![(nobody, Some(Status::Active))],
        given: grants.iter().map(NewGrant::imagined).collect(),
        joined: groups.iter().map(|group| (Subject::User(nobody), group.id)).collect(),
        ..Overlay::default()
    }
}

/// A record with a name only.
pub(in crate::api) fn blank(name: &str) -> Result<SourceRecord, Error> {
    let user_name = parse_user_name(name)?;
    Ok(SourceRecord { external_id: None, user_name, active: Some(true), attributes: Attributes::default() })
}

impl Api {
    /// An account needs a name to sign in by. Where first and last names are told, it is the whole form, all of whose
    /// fields are required; every missing one is named.
    fn check_missing(
        &self,
        wish: &Wish,
        role: Option<&RoleId>,
        is_form: bool,
        lacks_employee: bool,
    ) -> Result<(), Error> {
        let is_blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
        let mut missing = Vec::new();
        if wish.user_name.is_none() && wish.email.is_none() {
            missing.push(("userName".to_owned(), "is required, or an email".to_owned()));
        }
        if role.is_none() && (is_form || self.services.access.pack().requires_role()) {
            missing.push(("role".to_owned(), "is required".to_owned()));
        }
        if lacks_employee {
            missing.push(("employee".to_owned(), "is required".to_owned()));
        }
        if is_form {
            let fields = [
                ("first_name", is_blank(&wish.first_name)),
                ("last_name", is_blank(&wish.last_name)),
                ("email", is_blank(&wish.email)),
            ];
            let absent = fields.into_iter().filter(|(_, is_missing)| *is_missing);
            missing.extend(absent.map(|(field, _)| (field.to_owned(), "is required".to_owned())));
        }
        Error::of_fields(missing)
    }

    /// Whether an account of this realm is made for an employee only: where the pack asks for it, and never of members.
    pub(super) fn requires_employee(&self, realm: Realm) -> bool {
        realm == Realm::Staff && self.services.access.pack().requires_employee()
    }

    /// The person whose account is to be made, of whom the caller may read.
    async fn employee(&self, caller: &Caller, text: Option<String>) -> Result<Option<Person>, Error> {
        let Some(text) = text else { return Ok(None) };
        self.permit(caller, "people:read", None).await?;
        match self.person(caller, &text).await {
            Ok(person) => Ok(Some(person)),
            Err(Error::NotFound { .. }) => Err(Error::invalid("employee", format!("`{text}` does not exist"))),
            Err(error) => Err(error),
        }
    }

    /// The grants of a new account: the role everywhere, or within each of the scopes. Who is asked for scopes and has
    /// none gets no access.
    pub(in crate::api) fn wanted_grants(
        &self,
        sight: &Sight,
        role: Option<RoleId>,
        scopes: Option<Vec<String>>,
    ) -> Result<Vec<NewGrant>, Error> {
        // Whose the grants are is not known before the account is made.
        let nobody = Subject::User(Overlay::nobody());
        let roles = self.services.access.roles();
        if let Some(role) = &role {
            self.known_role("role", role)?;
        }
        let no_access: Option<RoleId> = NO_ACCESS.parse().ok().filter(|role| roles.find(role).is_some());
        let (role, scopes) = match (role, scopes) {
            (None, None) => return Ok(Vec::new()),
            (Some(role), None) => return Ok(vec![NewGrant::new(nobody, role)]),
            (role, Some(scopes)) if scopes.is_empty() => {
                return match (role, no_access) {
                    (_, Some(no_access)) => Ok(vec![NewGrant::new(nobody, no_access)]),
                    (None, None) => Ok(Vec::new()),
                    (Some(role), None) => {
                        let reason =
                            format!("names no scope in which `{role}` is to hold; leave it out for everywhere");
                        Err(Error::invalid("scopes", reason))
                    }
                };
            }
            (_, Some(scopes)) if scopes.len() > MAX_PLACES => {
                return Err(Error::invalid("scopes", format!("may have at most {MAX_PLACES}; use a group")));
            }
            (None, Some(_)) => return Err(Error::invalid("role", "is required with scopes")),
            (Some(role), Some(scopes)) => (role, scopes),
        };
        let mut grants: Vec<NewGrant> = Vec::new();
        for text in scopes {
            let scope: Scope = text.parse().map_err(|error| Error::invalid("scopes", format!("`{text}` {error}")))?;
            let tree = self.services.access.scopes().tree();
            if tree.find(&scope).is_none() || !sight.sees_scope(&scope) {
                return Err(sight.unknown_scope("scopes", &scope));
            }
            let mut grant = NewGrant::new(nobody, role.clone());
            grant.scope = Some(scope);
            grant.mode = Mode::Add;
            if !grants.iter().any(|other| other.scope == grant.scope) {
                grants.push(grant);
            }
        }
        Ok(grants)
    }

    /// The permit to put people into these groups, of which the caller may give all that they hold.
    pub(in crate::api) async fn check_joining(
        &self,
        caller: &Caller,
        groups: &[Group],
    ) -> Result<Option<Permit>, Error> {
        if groups.is_empty() {
            return Ok(None);
        }
        let permit = self.permit(caller, "groups:update", None).await?;
        for group in groups {
            self.check_group(caller, group).await?;
        }
        Ok(Some(permit))
    }

    /// The groups into which a new account comes by their rules, of which the caller may give all that they hold.
    pub(in crate::api) async fn check_ruled(
        &self,
        caller: &Caller,
        record: &SourceRecord,
    ) -> Result<Vec<Group>, Error> {
        let groups = self.services.directory.moves(None, record).await?.entered;
        for group in &groups {
            self.check_group(caller, group).await?;
        }
        Ok(groups)
    }

    /// Puts an account with everything that belongs to it into a change, with the events.
    pub(in crate::api) async fn stage_account(
        &self,
        change: &mut Change,
        permits: &Permits,
        plan: &Plan,
    ) -> Result<User, Error> {
        let services = &self.services;
        let staged = if plan.is_invited {
            services.directory.invite_user_in(change, &permits.create, &plan.record).await?
        } else {
            services.directory.create_user_in(change, &permits.create, &plan.record).await?
        };
        let staged = services.directory.stage_realm(change, staged, plan.realm)?;
        let staged = match &plan.companies {
            Some(companies) => services.directory.stage_companies(change, &permits.create, staged, companies).await?,
            None => staged,
        };
        let user = staged.user;
        staged.event.into_iter().for_each(|event| change.also(event));
        if let Some(person) = plan.person {
            let linked = services.directory.link_person_in(change, &permits.create, person, &user).await;
            change.also(linked.map_err(of_employee)?);
        }
        for group in &plan.groups {
            let Some(permit) = &permits.join else { break };
            let permit = &permit.clone().weighed_as(&permits.create);
            let joined = services.directory.join_in(change, permit, group.id, Member::User(user.id)).await;
            let event = joined.map_err(|error| Error::of_group(error, group))?;
            event.into_iter().for_each(|event| change.also(event));
        }
        let roles = services.access.roles();
        for grant in &plan.grants {
            let grant = NewGrant { subject: Subject::User(user.id), ..grant.clone() };
            let (_, event) = services.access.grants().create_in(change, &permits.create, &roles, &grant).await?;
            change.also(event);
        }
        if let Some(password) = &plan.password {
            let event = services.credentials.set_in(change, &permits.create, &user, password)?;
            change.also(event);
        }
        Ok(user)
    }

    /// Checks a password against the policy, with what is known of the person.
    pub(in crate::api) fn check_password(
        &self,
        name: &str,
        record: &SourceRecord,
        password: &Secret,
        has_factor: bool,
    ) -> Result<(), Error> {
        let attributes = &record.attributes.0;
        let email = attributes.get("emails").and_then(|emails| emails.get(0)?.get("value")?.as_str());
        let shown = attributes.get("displayName").and_then(Value::as_str);
        let part = |part: &str| attributes.get("name").and_then(|name| name.get(part)?.as_str());
        let context = [Some(name), email, shown, part("givenName"), part("familyName")];
        let context: Vec<&str> = context.into_iter().flatten().collect();
        let unmet = self.services.credentials.policy().check(password, &context, has_factor);
        if unmet.is_empty() { Ok(()) } else { Err(crate::credential::Error::Invalid { unmet }.into()) }
    }
}

fn of_employee(error: crate::directory::Error) -> Error {
    match error {
        crate::directory::Error::Conflict { field, value } if field == "employee" => {
            let detail = format!("the employee {value} has an account already");
            Error::Conflict { field: Some("employee".to_owned()), detail }
        }
        other => other.into(),
    }
}
