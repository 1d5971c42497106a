//! `/people`: who the organisation knows, with an account or without.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, PageOf, Params};
use super::sight::Sight;
use super::{Api, Error, render};
use crate::directory::PersonDraft;
use crate::model::{Person, PersonId, User};

/// People read at a time where not all of them are seen, and most that one page reads.
const CHUNK: usize = 500;
const MAX_READ: usize = 50_000;

/// `GET /people?limit=&cursor=`. To who is limited to companies a page may hold fewer than asked although there are more.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let page = api.page::<PersonId>(&caller, "people", &mut params)?;
    params.end()?;
    api.permit(&caller, "people:read", None).await?;
    let directory = &api.services.directory;
    let sight = api.sight(&caller).await?;
    let (people, next) = api.page_of_people(&sight, page).await?;
    let ids: Vec<_> = people.iter().filter_map(|person| person.user).collect();
    let users: Vec<User> = directory.users_by_id(&ids).await?;
    let user_of = |person: &Person| users.iter().find(|user| Some(user.id) == person.user);
    let next = api.next(&caller, "people", next)?;
    Ok(render::page(people.iter().map(|person| show(&sight, person, user_of(person))).collect(), next))
}

/// `GET /people/{id or employee number}`.
pub(super) async fn find(State(api): State<Api>, caller: Caller, Path(text): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "people:read", None).await?;
    let person = api.person(&caller, &text).await?;
    api.shown_person(&caller, StatusCode::OK, &person).await
}

/// `POST /people`: `first_name`, `last_name`, `email`, `employee_number` (else the next free one), `companies`.
pub(super) async fn create(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let draft = api.draft(&caller, &mut fields, None).await?;
    fields.end()?;
    let permit = api.permit(&caller, "people:create", None).await?;
    let is_blank = |text: &str| text.trim().is_empty();
    let required = [("first_name", &draft.first_name), ("last_name", &draft.last_name)];
    let missing = required.into_iter().filter(|(_, text)| is_blank(text));
    Error::of_fields(missing.map(|(field, _)| (field.to_owned(), "is required".to_owned())).collect())?;
    let person = api.services.directory.create_person(&permit, &draft).await?;
    let mut response = api.shown_person(&caller, StatusCode::CREATED, &person).await?;
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
    let before = api.person(&caller, &text).await?;
    let draft = api.draft(&caller, &mut fields, Some(&before)).await?;
    fields.end()?;
    // What the draft was made of must be what is changed.
    let seen = Some(revision.unwrap_or(before.revision));
    let person = api.services.directory.change_person(&permit, before.id, seen, &draft).await?;
    api.shown_person(&caller, StatusCode::OK, &person).await
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
    let person = api.person(&caller, &text).await?;
    if let Some(user) = person.user {
        let user = api.services.directory.find_user(user).await?;
        let name = user.map(|user| user.user_name.to_string()).unwrap_or_default();
        let detail = format!("{} has the account `{name}`; delete that first, or make it inactive", person.name());
        return Err(Error::Conflict { field: Some("user".to_owned()), detail });
    }
    api.services.directory.delete_person(&permit, person.id, revision).await?;
    Ok(render::answer(StatusCode::OK, &show(&api.sight(&caller).await?, &person, None)))
}

fn show(sight: &Sight, person: &Person, user: Option<&User>) -> Value {
    let body = json!({
        "id": person.id.to_string(),
        "employee_number": person.number,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "displayName": person.name(),
        "email": person.email,
        "user": user.filter(|user| sight.sees_user(user)).map(render::brief),
        "created": person.created.to_string(),
        "changed": person.changed.to_string(),
        "revision": person.revision,
    });
    sight.trimmed(body, &person.companies)
}

impl Api {
    /// The person of this id or employee number, whom the caller sees.
    pub(super) async fn person(&self, caller: &Caller, text: &str) -> Result<Person, Error> {
        let directory = &self.services.directory;
        let by_id = match text.parse() {
            Ok(id) => directory.find_person(id).await?,
            Err(_) => None,
        };
        let found = match by_id {
            Some(person) => Some(person),
            None => directory.find_person_by_number(text).await?,
        };
        let sight = self.sight(caller).await?;
        found.filter(|person| sight.sees_person(person)).ok_or(Error::NotFound { what: "person" })
    }

    /// A page of the people whom the caller sees, and where the next one begins.
    async fn page_of_people(
        &self,
        sight: &Sight,
        page: PageOf<PersonId>,
    ) -> Result<(Vec<Person>, Option<String>), Error> {
        let (mut shown, mut after, mut read) = (Vec::new(), page.after, 0);
        loop {
            let wanted = if sight.is_limited() { CHUNK } else { page.limit };
            let people = self.services.directory.list_people(after, wanted).await?;
            let is_last = people.len() < wanted;
            read += people.len();
            for person in people {
                after = Some(person.id);
                if sight.sees_person(&person) {
                    shown.push(person);
                }
                if shown.len() == page.limit {
                    return Ok((shown, after.map(|id| id.to_string())));
                }
            }
            if is_last || read >= MAX_READ {
                return Ok((shown, after.filter(|_| !is_last).map(|id| id.to_string())));
            }
        }
    }

    async fn shown_person(&self, caller: &Caller, status: StatusCode, person: &Person) -> Result<Response, Error> {
        let user = match person.user {
            Some(user) => self.services.directory.find_user(user).await?,
            None => None,
        };
        Ok(render::versioned(status, &show(&self.sight(caller).await?, person, user.as_ref()), person.revision))
    }

    /// What a body says of a person, over what is known of them.
    async fn draft(&self, caller: &Caller, fields: &mut Fields, before: Option<&Person>) -> Result<PersonDraft, Error> {
        let email = fields.text("email")?;
        if email.as_deref().is_some_and(|email| !email.is_empty() && !super::users::is_address(email)) {
            return Err(Error::invalid("email", "must be an e-mail address"));
        }
        let email = match email {
            Some(email) => Some(email).filter(|email| !email.is_empty()),
            None => before.and_then(|before| before.email.clone()),
        };
        let names = fields.optional_list("companies")?;
        let had = before.map(|before| before.companies.as_slice());
        let companies = self.sight(caller).await?.named(names.as_deref(), had)?;
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
}
