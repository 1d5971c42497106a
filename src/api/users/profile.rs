//! What a body says about a person, checked and put under the names of RFC 7643.

use serde_json::{Map, Value, json};
use url::Url;

use crate::api::admit::Caller;
use crate::api::fields::Fields;
use crate::api::sight::CompaniesWish;
use crate::api::{Api, Error, render};
use crate::directory::{SourceRecord, parse_user_name};
use crate::model::{Person, User, fold};
use crate::secret::Secret;

/// Most characters of a telephone number.
const MAX_PHONE: usize = 64;
/// Most characters of a language tag (RFC 5646 section 4.4.1 asks for at least 35).
const MAX_LANGUAGE: usize = 35;
/// Most characters of the name of a time zone.
const MAX_TIMEZONE: usize = 64;
/// Most bytes of the address of a photo.
const MAX_PHOTO: usize = 2048;
/// Most bytes of a name or a department.
const MAX_TEXT: usize = 512;

/// What a body says about a user; absent members stay as they are, an empty text removes what may be absent.
#[derive(Default)]
pub(in crate::api) struct Wish {
    pub(super) user_name: Option<String>,
    display_name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) email: Option<String>,
    department: Option<String>,
    /// By id or login name; [`Api::settle`] makes an id of it.
    supervisor: Option<String>,
    language: Option<String>,
    phone: Option<String>,
    photo: Option<String>,
    timezone: Option<String>,
    pub(super) active: Option<bool>,
    pub(super) companies: CompaniesWish,
    pub(super) password: Option<Secret>,
    /// Whether the password must be changed at the next sign-in.
    pub(super) must_change_password: Option<bool>,
}

impl Wish {
    pub(in crate::api) fn take(fields: &mut Fields) -> Result<Self, Error> {
        let name = fields.text("name")?;
        let wish = Self {
            user_name: fields.text("userName")?,
            display_name: fields.text("displayName")?.or(name),
            first_name: fields.text("first_name")?,
            last_name: fields.text("last_name")?,
            email: fields.text("email")?,
            department: fields.text("department")?,
            supervisor: fields.text("supervisor")?,
            language: fields.text("language")?,
            phone: fields.text("phone")?,
            photo: fields.text("photo")?,
            timezone: fields.text("timezone")?,
            active: fields.flag("active")?,
            companies: CompaniesWish::take(fields)?,
            password: fields.text("password")?.map(Secret::new),
            must_change_password: fields.flag("must_change_password")?,
        };
        wish.check()?;
        Ok(wish)
    }

    /// A person of these names, who signs in by this address.
    pub(in crate::api) fn person(first_name: &str, last_name: &str, email: &str) -> Self {
        Self {
            user_name: Some(email.to_owned()),
            first_name: Some(first_name.to_owned()),
            last_name: Some(last_name.to_owned()),
            email: Some(email.to_owned()),
            ..Self::default()
        }
    }

    /// Takes from a person's record what was not said otherwise.
    pub(super) fn of_person(&mut self, person: &Person) {
        self.first_name.get_or_insert_with(|| person.first_name.clone());
        self.last_name.get_or_insert_with(|| person.last_name.clone());
        if self.email.is_none() {
            self.email.clone_from(&person.email);
        }
    }

    /// Every field that is not acceptable, all in one answer.
    pub(in crate::api) fn check(&self) -> Result<(), Error> {
        let mut wrong = Vec::new();
        let mut look = |field: &'static str, value: &Option<String>, is_good: &dyn Fn(&str) -> bool, rule: &str| {
            if value.as_deref().is_some_and(|value| !value.is_empty() && !is_good(value)) {
                wrong.push((field.to_owned(), rule.to_owned()));
            }
        };
        look("email", &self.email, &is_address, "must be an e-mail address");
        for (field, value) in [
            ("displayName", &self.display_name),
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("department", &self.department),
        ] {
            look(field, value, &is_name, "must be a line of visible text of at most 512 bytes");
        }
        look("language", &self.language, &is_language, "must be a language tag such as en or de-CH");
        look("phone", &self.phone, &is_phone, "must be a telephone number such as +49 30 1234567");
        look("photo", &self.photo, &is_photo, "must be the https or http address of a picture");
        look("timezone", &self.timezone, &is_timezone, "must be the name of a time zone such as Europe/Berlin");
        if self.email.as_deref() == Some("") {
            wrong.push(("email".to_owned(), "must be an e-mail address".to_owned()));
        }
        Error::of_fields(wrong)
    }

    /// Whether it changes what a user is known by.
    pub(super) fn renames(&self) -> bool {
        self.user_name.is_some() || self.email.is_some()
    }

    /// Whether it changes anything but the password.
    pub(super) fn edits(&self) -> bool {
        let texts = [
            &self.display_name,
            &self.first_name,
            &self.last_name,
            &self.department,
            &self.supervisor,
            &self.language,
            &self.phone,
            &self.photo,
            &self.timezone,
        ];
        self.renames() || self.active.is_some() || !self.companies.is_empty() || texts.into_iter().any(Option::is_some)
    }

    /// Puts what is said into a record.
    pub(in crate::api) fn apply(&self, record: &mut SourceRecord) -> Result<(), Error> {
        if let Some(name) = &self.user_name {
            record.user_name = parse_user_name(name)?;
        }
        record.active = self.active.or(record.active);
        let attributes = &mut record.attributes.0;
        set(attributes, "displayName", self.display_name.as_deref().map(Value::from));
        set(attributes, "preferredLanguage", self.language.as_deref().map(Value::from));
        set(attributes, "timezone", self.timezone.as_deref().map(Value::from));
        let one = |value: &Option<String>, kind: &str| {
            value.as_deref().map(|value| match value {
                "" => Value::Null,
                value => json!([{"value": value, "type": kind, "primary": true}]),
            })
        };
        set(attributes, "emails", one(&self.email, "work"));
        set(attributes, "phoneNumbers", one(&self.phone, "work"));
        set(attributes, "photos", one(&self.photo, "photo"));
        let names = [("givenName", &self.first_name), ("familyName", &self.last_name)];
        let said = |(part, value): (&'static str, &Option<String>)| Some((part, Value::from(value.as_deref()?)));
        set_within(attributes, "name", names.into_iter().filter_map(said).collect());
        let manager = |id: &str| if id.is_empty() { Value::Null } else { json!({"value": id}) };
        let extension = [
            self.department.as_deref().map(|department| ("department", Value::from(department))),
            self.supervisor.as_deref().map(|id| ("manager", manager(id))),
        ];
        set_within(attributes, render::ENTERPRISE, extension.into_iter().flatten().collect());
        Ok(())
    }
}

impl Api {
    /// Makes the id of the supervisor's name, and the slug of the department's.
    pub(in crate::api) async fn settle(&self, caller: &Caller, wish: &mut Wish) -> Result<(), Error> {
        if let Some(name) = wish.supervisor.as_deref().filter(|name| !name.is_empty()) {
            let found: User = match self.user(caller, name).await {
                Err(Error::NotFound { .. }) => {
                    return Err(Error::invalid("supervisor", format!("`{name}` does not exist")));
                }
                other => other?,
            };
            wish.supervisor = Some(found.id.to_string());
        }
        if let Some(department) = wish.department.as_deref().filter(|department| !department.is_empty()) {
            wish.department = Some(self.department(department)?);
        }
        Ok(())
    }

    /// The slug of a department, which is named by its slug or its name.
    fn department(&self, text: &str) -> Result<String, Error> {
        let tree = self.services.access.scopes().tree();
        let (mut known, wanted) = (Vec::new(), fold(text));
        for record in tree.list("department", None, usize::MAX) {
            if record.scope.slug() == text || fold(&record.name) == wanted {
                return Ok(record.scope.slug().to_owned());
            }
            known.extend([record.scope.slug().to_owned(), record.name.clone()]);
        }
        Err(Error::unknown("department", text, known.iter().map(String::as_str)))
    }
}

/// Sets a member, or removes it where there is nothing to set.
fn set(attributes: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        None => {}
        Some(Value::Null) => drop(attributes.remove(name)),
        Some(Value::String(text)) if text.is_empty() => drop(attributes.remove(name)),
        Some(value) => drop(attributes.insert(name.to_owned(), value)),
    }
}

/// The same for members of a complex attribute, which goes with its last member.
fn set_within(attributes: &mut Map<String, Value>, name: &str, members: Vec<(&str, Value)>) {
    if members.is_empty() {
        return;
    }
    let mut inner = match attributes.remove(name) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    for (member, value) in members {
        set(&mut inner, member, Some(value));
    }
    if !inner.is_empty() {
        attributes.insert(name.to_owned(), Value::Object(inner));
    }
}

/// One `@` with something on both sides, without blanks and control characters.
pub(in crate::api) fn is_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    text.len() <= 254 && is_plain && matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty())
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// Subtags of letters and digits with hyphens between them (RFC 5646 section 2.1); which ones exist is not looked up.
fn is_language(text: &str) -> bool {
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let starts = text
        .split('-')
        .next()
        .is_some_and(|first| (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic()));
    text.len() <= MAX_LANGUAGE && starts && text.split('-').all(is_subtag)
}

fn is_phone(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_digit() || " +-./()x#*".contains(c);
    text.len() <= MAX_PHONE && text.chars().all(fits) && text.chars().any(|c| c.is_ascii_digit())
}

fn is_photo(text: &str) -> bool {
    let is_web = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    text.len() <= MAX_PHOTO && text.parse().is_ok_and(is_web)
}

/// The form of the names of the time zone database: `Area/Location`, `UTC`.
fn is_timezone(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-');
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(fits);
    text.len() <= MAX_TIMEZONE && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_profile_takes_is_what_it_says() {
        for good in ["en", "de-CH", "zh-Hant-TW", "en-US-x-twain"] {
            assert!(is_language(good), "{good}");
        }
        for bad in ["e", "en_US", "1e", "en-", "en--US", "abcdefghi", "en US"] {
            assert!(!is_language(bad), "{bad}");
        }
        for good in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert!(is_timezone(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "Europe//Berlin", "../UTC", "Europe/Ber lin", "Europe/"] {
            assert!(!is_timezone(bad), "{bad}");
        }
        assert!(is_phone("+49 (30) 123-45") && !is_phone("+") && !is_phone("call me") && !is_phone("1\n2"));
        assert!(is_photo("https://example.com/ada.png"));
        for bad in ["javascript:alert(1)", "data:text/html,x", "https://", "/ada.png", "https://a:b@example.com/x"] {
            assert!(!is_photo(bad), "{bad}");
        }
    }

    #[test]
    fn an_empty_text_removes_and_leaves_no_empty_shell() {
        let mut attributes = Map::new();
        set_within(&mut attributes, "name", vec![("givenName", "Ada".into()), ("familyName", "Lovelace".into())]);
        set_within(&mut attributes, "name", vec![("familyName", "".into())]);
        assert_eq!(attributes["name"], json!({"givenName": "Ada"}));
        set_within(&mut attributes, "name", vec![("givenName", "".into())]);
        assert!(attributes.is_empty());
    }
}
