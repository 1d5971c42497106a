//! People apart from accounts: who the organisation knows. An account may be one's, and belongs to one at most; a person
//! with an account is not deleted.

use super::tables::{PEOPLE, PERSON_NUMBERS, PERSON_OF_USER, PERSON_SERIAL, USERS};
use super::{Directory, Error, MAX_PAGE};
use crate::access::{Permit, Restored};
use crate::audit::{Change, Event, EventKind};
use crate::model::{Id, Person, PersonId, Scope, User, UserId, fold};
use crate::store::{self, Range};

/// Most characters of a number.
const MAX_NUMBER: usize = 64;
/// Most bytes of a name.
const MAX_NAME: usize = 512;
/// Most companies of a person.
const MAX_COMPANIES: usize = 100;
/// The one counter of numbers that were given.
const SERIAL: &str = "people";

/// A person as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonDraft {
    /// The number; `None` is the next that is free.
    pub number: Option<String>,
    /// First name; required.
    pub first_name: String,
    /// Last name; required.
    pub last_name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Companies, each once.
    pub companies: Vec<Scope>,
}

impl Directory {
    /// The person with this id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_person(&self, id: PersonId) -> Result<Option<Person>, Error> {
        Ok(self.store().find(&PEOPLE, self.organisation, &id).await?)
    }

    /// The person of this number, in any spelling that folds to it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_person_by_number(&self, number: &str) -> Result<Option<Person>, Error> {
        match self.store().find(&PERSON_NUMBERS, self.organisation, &fold(number)).await? {
            Some(id) => self.find_person(id).await,
            None => Ok(None),
        }
    }

    /// Whose account a user is.
    ///
    /// # Errors
    /// `Store`.
    pub async fn person_of(&self, user: UserId) -> Result<Option<Person>, Error> {
        match self.store().find(&PERSON_OF_USER, self.organisation, &user).await? {
            Some(id) => self.find_person(id).await,
            None => Ok(None),
        }
    }

    /// People in the order of their creation, after `after`, at most `limit` and [`MAX_PAGE`].
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_people(&self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, Error> {
        let mut range = Range::prefix(PEOPLE.prefix(self.organisation, &()), limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&PEOPLE.key(self.organisation, &after));
        }
        let rows = self.store().range(range).await?;
        rows.iter().map(|(_, stored)| Ok(store::decode(PEOPLE.name(), &stored.value)?)).collect()
    }

    /// Makes a person.
    ///
    /// # Errors
    /// `Invalid`; `Conflict` when the number is taken; `Store`.
    pub async fn create_person(&self, permit: &Permit, draft: &PersonDraft) -> Result<Person, Error> {
        check(draft)?;
        self.ledger
            .retry(|mut change| async move {
                let now = self.clock.now();
                let number = match &draft.number {
                    Some(number) => number.clone(),
                    None => self.next_number(&mut change).await?,
                };
                let draft = draft.clone();
                let person = Person {
                    id: Id::new(now, &self.ids),
                    number,
                    first_name: draft.first_name,
                    last_name: draft.last_name,
                    email: draft.email,
                    user: None,
                    companies: draft.companies,
                    created: now,
                    changed: now,
                    revision: 1,
                };
                self.index_person(&mut change, &person, None).await?;
                change.put(&PEOPLE, self.organisation, &person.id, &person)?;
                let event = permit.event(now, EventKind::PersonCreated).on("person", person.id, person.name());
                change.commit(event).await?;
                Ok(person)
            })
            .await
    }

    /// Makes a person what the draft says. The account's login name stays as it is, and events keep the names of then.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Invalid`, `Conflict`, `Store`.
    pub async fn change_person(
        &self,
        permit: &Permit,
        id: PersonId,
        revision: Option<u64>,
        draft: &PersonDraft,
    ) -> Result<Person, Error> {
        check(draft)?;
        self.ledger
            .retry(|mut change| async move {
                let before = self.person_in(&mut change, id, revision).await?;
                let draft = draft.clone();
                let mut after = Person {
                    number: draft.number.unwrap_or_else(|| before.number.clone()),
                    first_name: draft.first_name,
                    last_name: draft.last_name,
                    email: draft.email,
                    companies: draft.companies,
                    ..before.clone()
                };
                if after == before {
                    return Ok(before);
                }
                let event = self.put_person(&mut change, permit, &before, &mut after).await?;
                change.commit(event).await?;
                Ok(after)
            })
            .await
    }

    /// Deletes a person who has no account.
    ///
    /// # Errors
    /// `NotFound`, `Revision`; `Invalid` with an account; `Store`.
    pub async fn delete_person(&self, permit: &Permit, id: PersonId, revision: Option<u64>) -> Result<(), Error> {
        self.ledger
            .retry(|mut change| async move {
                let person = self.person_in(&mut change, id, revision).await?;
                if person.user.is_some() {
                    let reason = "has an account; delete the account or make it inactive instead".to_owned();
                    return Err(Error::Invalid { field: "user".to_owned(), reason });
                }
                change.delete(&PEOPLE, self.organisation, &id);
                change.delete(&PERSON_NUMBERS, self.organisation, &fold(&person.number));
                let event = permit.event(self.clock.now(), EventKind::PersonDeleted);
                change.commit(event.on("person", id, person.name())).await?;
                Ok(())
            })
            .await
    }

    /// Makes an account a person's, inside a change of the caller's, who records the event.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the person has an account already; `Store`.
    pub(crate) async fn link_person_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        id: PersonId,
        user: &User,
    ) -> Result<Event, Error> {
        let before = self.person_in(change, id, None).await?;
        if before.user.is_some() {
            return Err(Error::Conflict { field: "employee".into(), value: before.number });
        }
        let mut after = Person { user: Some(user.id), ..before.clone() };
        change.put(&PERSON_OF_USER, self.organisation, &user.id, &id)?;
        let event = self.put_person(change, permit, &before, &mut after).await?;
        Ok(event.detail("account", &user.user_name))
    }

    /// Puts a person back as they were exported, as part of a change of the caller's.
    ///
    /// # Errors
    /// `Invalid` for what no person can be; `NotFound` when there is no such account; `Conflict` when the number or the
    /// account is somebody else's; `Store`.
    pub async fn restore_person(&self, change: &mut Change, person: &Person) -> Result<Restored, Error> {
        let before = change.find(&PEOPLE, self.organisation, &person.id).await?;
        if before.as_ref() == Some(person) {
            return Ok(Restored::Same);
        }
        check(&PersonDraft {
            number: Some(person.number.clone()),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            email: person.email.clone(),
            companies: person.companies.clone(),
        })?;
        let is_address = |email: &String| email.len() <= MAX_NAME && !email.chars().any(char::is_control);
        if !person.email.as_ref().is_none_or(is_address) {
            let reason = format!("must be a line of at most {MAX_NAME} bytes");
            return Err(Error::Invalid { field: "email".to_owned(), reason });
        }
        let had = before.as_ref().and_then(|before| before.user);
        if had != person.user {
            if let Some(user) = person.user {
                if change.find(&USERS, self.organisation, &user).await?.is_none() {
                    return Err(Error::NotFound { what: "user", id: user.to_string() });
                }
                let holder = change.find(&PERSON_OF_USER, self.organisation, &user).await?;
                if holder.is_some_and(|holder| holder != person.id) {
                    return Err(Error::Conflict { field: "user".into(), value: user.to_string() });
                }
                change.put(&PERSON_OF_USER, self.organisation, &user, &person.id)?;
            }
            if let Some(had) = had {
                change.delete(&PERSON_OF_USER, self.organisation, &had);
            }
        }
        self.index_person(change, person, before.as_ref()).await?;
        change.put(&PEOPLE, self.organisation, &person.id, person)?;
        Ok(if before.is_some() { Restored::Changed } else { Restored::Created })
    }

    /// Takes an account that ends from its person.
    pub(super) async fn unlink_person(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: UserId,
    ) -> Result<Option<Event>, Error> {
        let Some(id) = change.find(&PERSON_OF_USER, self.organisation, &user).await? else { return Ok(None) };
        change.delete(&PERSON_OF_USER, self.organisation, &user);
        let Some(before) = change.find(&PEOPLE, self.organisation, &id).await? else { return Ok(None) };
        let mut after = Person { user: None, ..before.clone() };
        self.put_person(change, permit, &before, &mut after).await.map(Some)
    }

    async fn person_in(&self, change: &mut Change, id: PersonId, revision: Option<u64>) -> Result<Person, Error> {
        let found: Option<Person> = change.find(&PEOPLE, self.organisation, &id).await?;
        let person = found.ok_or_else(|| Error::NotFound { what: "person", id: id.to_string() })?;
        match revision {
            Some(seen) if seen != person.revision => Err(Error::Revision { current: person.revision }),
            _ => Ok(person),
        }
    }

    async fn put_person(
        &self,
        change: &mut Change,
        permit: &Permit,
        before: &Person,
        after: &mut Person,
    ) -> Result<Event, Error> {
        after.changed = self.clock.now();
        after.revision = before.revision.saturating_add(1);
        self.index_person(change, after, Some(before)).await?;
        change.put(&PEOPLE, self.organisation, &after.id, after)?;
        let mut event = permit.event(after.changed, EventKind::PersonChanged).on("person", after.id, after.name());
        if before.name() != after.name() {
            event = event.detail("before", before.name());
        }
        for ((part, old), (_, new)) in
            told(before).into_iter().zip(told(after)).filter(|((_, old), (_, new))| old != new)
        {
            for (when, text) in [("before", old), ("after", new)] {
                if !text.is_empty() {
                    event = event.detail(&format!("{part} {when}"), text);
                }
            }
        }
        Ok(event)
    }

    async fn index_person(&self, change: &mut Change, after: &Person, before: Option<&Person>) -> Result<(), Error> {
        let number = fold(&after.number);
        if before.is_some_and(|before| fold(&before.number) == number) {
            return Ok(());
        }
        if change.find(&PERSON_NUMBERS, self.organisation, &number).await?.is_some() {
            return Err(Error::Conflict { field: "employee_number".into(), value: after.number.clone() });
        }
        change.put(&PERSON_NUMBERS, self.organisation, &number, &after.id)?;
        if let Some(before) = before {
            change.delete(&PERSON_NUMBERS, self.organisation, &fold(&before.number));
        }
        Ok(())
    }

    /// The next number that nobody has.
    async fn next_number(&self, change: &mut Change) -> Result<String, Error> {
        let mut serial = change.find(&PERSON_SERIAL, self.organisation, SERIAL).await?.unwrap_or(0_u64);
        loop {
            serial = serial.saturating_add(1);
            let number = serial.to_string();
            if change.find(&PERSON_NUMBERS, self.organisation, &fold(&number)).await?.is_none() {
                change.put(&PERSON_SERIAL, self.organisation, SERIAL, &serial)?;
                return Ok(number);
            }
        }
    }
}

/// What a person's record says besides the name, as events tell it.
fn told(person: &Person) -> [(&'static str, String); 3] {
    let companies: Vec<&str> = person.companies.iter().map(Scope::slug).collect();
    [
        ("employee_number", person.number.clone()),
        ("email", person.email.clone().unwrap_or_default()),
        ("companies", companies.join(" ")),
    ]
}

fn check(draft: &PersonDraft) -> Result<(), Error> {
    let invalid = |field: &str, reason: String| Err(Error::Invalid { field: field.to_owned(), reason });
    let is_line =
        |text: &str, most: usize| !text.trim().is_empty() && text.len() <= most && !text.chars().any(char::is_control);
    for (field, name) in [("first_name", &draft.first_name), ("last_name", &draft.last_name)] {
        if !is_line(name, MAX_NAME) {
            return invalid(field, format!("must be a line of visible text of at most {MAX_NAME} bytes"));
        }
    }
    if draft.number.as_deref().is_some_and(|number| !is_line(number, MAX_NUMBER)) {
        return invalid("employee_number", format!("must be a line of visible text of at most {MAX_NUMBER} bytes"));
    }
    if draft.companies.len() > MAX_COMPANIES {
        return invalid("companies", format!("may be at most {MAX_COMPANIES}"));
    }
    Ok(())
}
