//! `POST /users:bulk`: many people at once, looked through as a whole before anything is written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::create::{Permits, Plan, blank, overlay_of};
use super::profile::Wish;
use super::rows::{self, Row};
use crate::api::admit::Caller;
use crate::api::error::RowProblem;
use crate::api::fields::{Fields, Params};
use crate::api::sight::CompaniesWish;
use crate::api::{Api, Error, render};
use crate::credential::Lane;
use crate::model::{FoldedName, Group, GroupId, Person, PersonId, Realm, RoleId, User, fold, near};
use crate::secret::Secret;

/// Most rows of a request.
pub const MAX_ROWS: usize = 10_000;
/// Most bytes of a request's body.
pub(in crate::api) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Most accounts of one commit.
const MAX_AT_ONCE: usize = 2_000;
/// Most grants and memberships of one request.
const MAX_BELONGINGS: usize = 20_000;

/// `POST /users:bulk`: `rows` (text with three or four columns, or objects with `first_name`, `last_name`, `email`, `employee`), `role` (or
/// `user_type`) for all, `scopes`, `access_groups`, `companies`, `all_companies`, `realm`, `password`, which everybody must change, `dry_run`, `partial`.
/// Nothing is written unless all rows are good, or `partial`.
pub(in crate::api) async fn bulk(
    State(api): State<Api>,
    caller: Caller,
    mut params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let asked = |name: &str, params: &mut Params, fields: &mut Fields| -> Result<bool, Error> {
        let parameter = params.parsed::<bool>(name)?;
        Ok(fields.flag(name)?.or(parameter).unwrap_or(false))
    };
    let is_dry = asked("dry_run", &mut params, &mut fields)?;
    let is_partial = asked("partial", &mut params, &mut fields)?;
    params.end()?;
    let role: Option<RoleId> = fields.parsed("role")?;
    let role = role.or(fields.parsed("user_type")?);
    let (scopes, names) = (fields.optional_list("scopes")?, fields.list("access_groups")?);
    let password = fields.text("password")?.map(Secret::new);
    let companies = CompaniesWish::take(&mut fields)?;
    let realm: Realm = fields.parsed("realm")?.unwrap_or_default();
    let rows = fields.take("rows");
    fields.end()?;
    let create = api.permit(&caller, "users:create", None).await?;
    let sight = api.sight(&caller).await?;
    let companies = sight.of_account(&companies, None)?;
    let listed = listed(rows)?;
    let role = role.ok_or_else(|| Error::invalid("role", "is required: one user type for all"))?;
    let grants = api.wanted_grants(&sight, Some(role), scopes)?;
    let groups = api.named_groups(&caller, "access_groups", &names).await?;
    let belongings = listed.len().saturating_mul(grants.len().saturating_add(groups.len()));
    if belongings > MAX_BELONGINGS {
        let reason =
            format!("times scopes and groups may be at most {MAX_BELONGINGS}, and is {belongings}; use a group");
        return Err(Error::invalid("rows", reason));
    }
    let join = api.check_joining(&caller, &groups).await?;
    if password.is_some() {
        api.permit(&caller, "passwords:update", None).await?;
    }
    for grant in &grants {
        api.services.access.permit_grant(&caller.actor, grant, caller.circumstance.clone()).await?;
    }
    let count = listed.len();
    if listed.iter().flatten().any(|row| row.employee.is_some()) {
        api.permit(&caller, "people:read", None).await?;
    }
    let (wishes, problems) = api.look_through(&caller, listed, realm, password.as_ref()).await?;
    let is_refused = !problems.is_empty() && (!is_partial || wishes.is_empty());
    if is_refused && (is_dry || is_partial) {
        return Ok(render::answer(StatusCode::OK, &report(is_dry, count, wishes.len(), &[], &problems)));
    }
    if is_refused {
        return Err(Error::Rows { problems });
    }
    let password = match password.filter(|_| !is_dry) {
        // Everybody has the same one and must change it, so that one hash is as good as many.
        Some(password) => {
            let lane = Lane::Interactive;
            Some(api.services.credentials.prepare(&password, lane).await?.must_change(true))
        }
        None => None,
    };
    let mut plans = Vec::with_capacity(wishes.len());
    let mut ruled: BTreeMap<GroupId, Group> = BTreeMap::new();
    for (wish, person) in &wishes {
        let mut record = blank(wish.user_name.as_deref().unwrap_or_default())?;
        wish.apply(&mut record)?;
        for group in api.services.directory.moves(None, &record).await?.entered {
            if let Entry::Vacant(place) = ruled.entry(group.id) {
                api.check_group(&caller, &group).await?;
                place.insert(group);
            }
        }
        plans.push(Plan {
            record,
            companies: companies.clone(),
            person: *person,
            groups: groups.clone(),
            grants: grants.clone(),
            password: password.clone(),
            is_invited: false,
            realm,
        });
    }
    let joined: Vec<Group> = groups.iter().cloned().chain(ruled.into_values()).collect();
    let names: Vec<&str> = wishes.iter().filter_map(|(wish, _)| wish.user_name.as_deref()).collect();
    let create = api.weigh(create, &overlay_of(&names, &grants, &joined), false).await?;
    if is_dry {
        // The good rows would be refused here as a whole: policy tests, groups by rule, seats.
        return Ok(render::answer(StatusCode::OK, &report(is_dry, count, wishes.len(), &[], &problems)));
    }
    let users = api.write(&Permits { create, join }, &plans).await?;
    let body = report(false, count, wishes.len(), &users, &problems);
    Ok(render::answer(StatusCode::CREATED, &body))
}

/// The rows of a body: text, or objects.
fn listed(value: Option<Value>) -> Result<Vec<Result<Row, RowProblem>>, Error> {
    let listed: Vec<Result<Row, RowProblem>> = match value {
        Some(Value::String(text)) => {
            let told = |(row, detail)| RowProblem { row, field: None, detail };
            rows::parse(&text).into_iter().map(|row| row.map_err(told)).collect()
        }
        Some(Value::Array(items)) => (1..).zip(items).map(|(number, item)| object(number, &item)).collect(),
        _ => return Err(Error::invalid("rows", "must be text with three columns, or a list of objects")),
    };
    if listed.is_empty() {
        return Err(Error::invalid("rows", "has nobody in it"));
    }
    if listed.len() > MAX_ROWS {
        return Err(Error::invalid("rows", format!("may have at most {MAX_ROWS}")));
    }
    Ok(listed)
}

fn object(number: usize, item: &Value) -> Result<Row, RowProblem> {
    let wrong = |detail: &str| RowProblem { row: number, field: None, detail: detail.to_owned() };
    let members = item.as_object().ok_or_else(|| wrong("must be an object"))?;
    const KNOWN: [&str; 4] = ["first_name", "last_name", "email", "employee"];
    if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        let detail = format!("is not known here{}", near::hint(name, KNOWN.into_iter()));
        return Err(RowProblem { row: number, field: Some(name.clone()), detail });
    }
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(_) => Err(RowProblem { row: number, field: Some(name.to_owned()), detail: "must be text".to_owned() }),
    };
    let employee = Some(text("employee")?).filter(|employee| !employee.is_empty());
    Ok(Row { number, first_name: text("first_name")?, last_name: text("last_name")?, email: text("email")?, employee })
}

fn report(is_dry: bool, rows: usize, good: usize, users: &[User], problems: &[RowProblem]) -> Value {
    json!({
        "dry_run": is_dry,
        "rows": rows,
        "good": good,
        "created": users.len(),
        "users": users.iter().map(render::brief).collect::<Vec<_>>(),
        "problems": problems.iter().map(RowProblem::render).collect::<Vec<_>>(),
    })
}

impl Api {
    /// What the good rows ask for and whose accounts they are, and everything that is wrong with the others.
    async fn look_through(
        &self,
        caller: &Caller,
        listed: Vec<Result<Row, RowProblem>>,
        realm: Realm,
        password: Option<&Secret>,
    ) -> Result<(Vec<(Wish, Option<PersonId>)>, Vec<RowProblem>), Error> {
        let (mut good, mut problems) = (Vec::new(), Vec::new());
        let mut seen: BTreeMap<FoldedName, usize> = BTreeMap::new();
        let mut taken: BTreeMap<PersonId, usize> = BTreeMap::new();
        let is_required = self.requires_employee(realm);
        for row in listed {
            let mut row = match row {
                Ok(row) => row,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let employee = self.employee_of(caller, &row, is_required, &taken).await?;
            if let Ok(Some(person)) = &employee {
                taken.entry(person.id).or_insert(row.number);
                row.complete(person);
            }
            let wish = Wish::person(&row.first_name, &row.last_name, &row.email);
            let mut wrong = self.wrong_with(&row, &wish, &seen, password).await?;
            let person = employee.unwrap_or_else(|problem| {
                wrong.push(("employee".to_owned(), problem));
                None
            });
            seen.entry(fold(&row.email)).or_insert(row.number);
            if wrong.is_empty() {
                good.push((wish, person.map(|person| person.id)));
            }
            let number = row.number;
            problems.extend(wrong.into_iter().map(|(field, detail)| RowProblem {
                row: number,
                field: Some(field),
                detail,
            }));
        }
        Ok((good, problems))
    }

    /// Whose account a row is to be, or what is wrong with whom it names.
    async fn employee_of(
        &self,
        caller: &Caller,
        row: &Row,
        is_required: bool,
        taken: &BTreeMap<PersonId, usize>,
    ) -> Result<Result<Option<Person>, String>, Error> {
        let Some(text) = &row.employee else {
            return Ok(if is_required { Err("is required".to_owned()) } else { Ok(None) });
        };
        let person = match self.person(caller, text).await {
            Ok(person) => person,
            Err(Error::NotFound { .. }) => return Ok(Err(format!("`{text}` does not exist"))),
            Err(error) => return Err(error),
        };
        if person.user.is_some() {
            return Ok(Err(format!("`{text}` has an account already")));
        }
        Ok(match taken.get(&person.id) {
            Some(first) => Err(format!("`{text}` is in row {first} already")),
            None => Ok(Some(person)),
        })
    }

    async fn wrong_with(
        &self,
        row: &Row,
        wish: &Wish,
        seen: &BTreeMap<FoldedName, usize>,
        password: Option<&Secret>,
    ) -> Result<Vec<(String, String)>, Error> {
        let fields = [("first_name", &row.first_name), ("last_name", &row.last_name), ("email", &row.email)];
        let absent = fields.into_iter().filter(|(_, value)| value.is_empty());
        let mut wrong: Vec<(String, String)> =
            absent.map(|(field, _)| (field.to_owned(), "is required".to_owned())).collect();
        if let Err(error) = wish.check() {
            // A missing address is told once.
            wrong.extend(error.fields().into_iter().filter(|(field, _)| field != "email" || !row.email.is_empty()));
        }
        if !wrong.is_empty() {
            return Ok(wrong);
        }
        if let Some(first) = seen.get(&fold(&row.email)) {
            return Ok(vec![("email".to_owned(), format!("`{}` is in row {first} already", row.email))]);
        }
        let mut record = match blank(&row.email) {
            Ok(record) => record,
            Err(error) => return Ok(error.fields()),
        };
        let directory = &self.services.directory;
        let is_name = directory.find_user_id(&row.email).await?.is_some();
        let has_address =
            is_name || !directory.find_users_by_email::<crate::model::Kept>(&row.email, 1).await?.is_empty();
        if has_address {
            return Ok(vec![("email".to_owned(), format!("`{}` has an account already", row.email))]);
        }
        wish.apply(&mut record)?;
        if let Some(password) = password
            && let Err(error) = self.check_password(&row.email, &record, password, false)
        {
            return Ok(error.fields());
        }
        Ok(Vec::new())
    }

    /// Writes accounts that were looked through, in one commit up to [`MAX_AT_ONCE`] of them.
    async fn write(&self, permits: &Permits, plans: &[Plan]) -> Result<Vec<User>, Error> {
        let mut users = Vec::with_capacity(plans.len());
        for some in plans.chunks(MAX_AT_ONCE) {
            let made = self.services.ledger.retry(|mut change| async move {
                let mut made = Vec::with_capacity(some.len());
                for plan in some {
                    made.push(self.stage_account(&mut change, permits, plan).await?);
                }
                change.commit_told().await?;
                Ok::<_, Error>(made)
            });
            users.extend(made.await?);
        }
        Ok(users)
    }
}
