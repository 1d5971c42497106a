//! `/people`: who the organisation knows, with an account or without.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::directory::PersonDraft;
use crate::model::{Person, PersonId, Scope, User};

/// `GET /people?limit=&cursor=`.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let page = params.page::<PersonId>()?;
    params.end()?;
    api.permit(&caller, "people:read", None).await?;
    let directory = &api.services.directory;
    let people = directory.list_people(page.after, page.limit).await?;
    let next = people.last().filter(|_| people.len() == page.limit).map(|person| person.id.to_string());
    let ids: Vec<_> = people.iter().filter_map(|person| person.user).collect();
    let users: Vec<User> = directory.users_by_id(&ids).await?;
    let user_of = |person: &Person| users.iter().find(|user| Some(user.id) == person.user);
    Ok(render::page(people.iter().map(|person| show(person, user_of(person))).collect(), next))
}

/// `GET /people/{id or employee number}`.
pub(super) async fn find(State(api): State<Api>, caller: Caller, Path(text): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "people:read", None).await?;
    let person = api.person(&text).await?;
    api.shown_person(StatusCode::OK, &person).await
}

/// `POST /people`: `first_name`, `last_name`, `email`, `employee_number` (else the next free one), `companies`.
pub(super) async fn create(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let draft = api.draft(&mut fields, None)?;
    fields.end()?;
    let permit = api.permit(&caller, "people:create", None).await?;
    let is_blank = |text: &str| text.trim().is_empty();
    let required = [("first_name", &draft.first_name), ("last_name", &draft.last_name)];
    let missing = required.into_iter().filter(|(_, text)| is_blank(text));
    Error::of_fields(missing.map(|(field, _)| (field.to_owned(), "is required".to_owned())).collect())?;
    let person = api.services.directory.create_person(&permit, &draft).await?;
    let mut response = api.shown_person(StatusCode::CREATED, &person).await?;
    if let Ok(location) = format!("/api/v1/people/{}", person.id).parse() {
        response.headers_mut().insert(http::header::LOCATION, location);
    }
    Ok(response)
}

/// `PATCH /people/{person}`: members that are given replace, others stay.
pub(super) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(text): Path<String>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, Error> {
    let revision = render::if_match(&headers)?;
    let permit = api.permit(&caller, "people:update", None).await?;
    let before = api.person(&text).await?;
    let draft = api.draft(&mut fields, Some(&before))?;
    fields.end()?;
    // What the draft was made of must be what is changed.
    let seen = Some(revision.unwrap_or(before.revision));
    let person = api.services.directory.change_person(&permit, before.id, seen, &draft).await?;
    api.shown_person(StatusCode::OK, &person).await
}

/// `DELETE /people/{person}`: refused while the person has an account.
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let revision = render::if_match(&headers)?;
    let permit = api.permit(&caller, "people:delete", None).await?;
    let person = api.person(&text).await?;
    if let Some(user) = person.user {
        let user = api.services.directory.find_user(user).await?;
        let name = user.map(|user| user.user_name.to_string()).unwrap_or_default();
        let detail = format!("{} has the account `{name}`; delete that first, or make it inactive", person.name());
        return Err(Error::Conflict { field: Some("user".to_owned()), detail });
    }
    api.services.directory.delete_person(&permit, person.id, revision).await?;
    Ok(render::answer(StatusCode::OK, &show(&person, None)))
}

fn show(person: &Person, user: Option<&User>) -> Value {
    json!({
        "id": person.id.to_string(),
        "employee_number": person.number,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "displayName": person.name(),
        "email": person.email,
        "user": user.map(render::brief),
        "companies": person.companies.iter().map(Scope::slug).collect::<Vec<_>>(),
        "created": person.created.to_string(),
        "changed": person.changed.to_string(),
        "revision": person.revision,
    })
}

impl Api {
    /// The person of this id or employee number.
    pub(super) async fn person(&self, text: &str) -> Result<Person, Error> {
        let directory = &self.services.directory;
        let by_id = match text.parse() {
            Ok(id) => directory.find_person(id).await?,
            Err(_) => None,
        };
        let found = match by_id {
            Some(person) => Some(person),
            None => directory.find_person_by_number(text).await?,
        };
        found.ok_or(Error::NotFound { what: "person" })
    }

    async fn shown_person(&self, status: StatusCode, person: &Person) -> Result<Response, Error> {
        let user = match person.user {
            Some(user) => self.services.directory.find_user(user).await?,
            None => None,
        };
        Ok(render::versioned(status, &show(person, user.as_ref()), person.revision))
    }

    /// What a body says of a person, over what is known of them.
    fn draft(&self, fields: &mut Fields, before: Option<&Person>) -> Result<PersonDraft, Error> {
        let email = fields.text("email")?;
        if email.as_deref().is_some_and(|email| !email.is_empty() && !super::users::is_address(email)) {
            return Err(Error::invalid("email", "must be an e-mail address"));
        }
        let email = match email {
            Some(email) => Some(email).filter(|email| !email.is_empty()),
            None => before.and_then(|before| before.email.clone()),
        };
        let companies = match fields.optional_list("companies")? {
            Some(names) => self.companies(&names)?,
            None => before.map(|before| before.companies.clone()).unwrap_or_default(),
        };
        let first = fields.text("first_name")?.or_else(|| before.map(|before| before.first_name.clone()));
        let last = fields.text("last_name")?.or_else(|| before.map(|before| before.last_name.clone()));
        Ok(PersonDraft {
            number: fields.text("employee_number")?,
            first_name: first.unwrap_or_default(),
            last_name: last.unwrap_or_default(),
            email,
            companies,
        })
    }

    /// Companies by slug, each once.
    fn companies(&self, names: &[String]) -> Result<Vec<Scope>, Error> {
        let tree = self.services.access.scopes().tree();
        let mut companies: Vec<Scope> = Vec::new();
        for name in names {
            let slug = name.strip_prefix("company:").unwrap_or(name);
            let scope: Option<Scope> = format!("company:{slug}").parse().ok();
            let Some(scope) = scope.filter(|scope| tree.find(scope).is_some()) else {
                let known = tree.list("company", None, usize::MAX).map(|record| record.scope.slug());
                return Err(Error::unknown("companies", name, known));
            };
            if !companies.contains(&scope) {
                companies.push(scope);
            }
        }
        Ok(companies)
    }
}
