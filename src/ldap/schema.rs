//! What kinds of servers call things: object classes, attributes, ids, and how a disabled account is spelled. One table;
//! a new kind of server is a row.

use serde_json::{Map, Value, json};

use super::{Dn, Entry, Filter, LdapSettings, StableId};
use crate::clock::Timestamp;
use crate::model::{Attributes, fold};

/// Ticks of Windows, 100 nanoseconds each, in a millisecond.
const TICKS_PER_MS: i64 = 10_000;
/// Milliseconds from 1601, where ticks of Windows start, to 1970.
const MS_TO_1970: i64 = 11_644_473_600_000;
/// The enterprise extension (RFC 7643 section 4.3).
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Longest value of a person that is taken, in bytes.
pub const MAX_VALUE_BYTES: usize = 4 * 1024;
/// Longest e-mail address that is taken, in bytes of the form in which addresses are compared.
pub const MAX_EMAIL_BYTES: usize = 1024;
/// Most bytes that are taken of all values of a person.
pub const MAX_PERSON_BYTES: usize = 64 * 1024;

/// A part of a directory: how to reach it and what is where in it.
#[derive(Clone, Debug)]
pub struct Tree {
    /// How to reach it.
    pub settings: LdapSettings,
    /// The kind of server.
    pub schema: &'static Schema,
    /// The entry that everything is below, which must be visible.
    pub base: Dn,
    /// Where people are.
    pub people: Place,
    /// Where groups are.
    pub groups: Place,
}

/// Where entries of one kind are.
#[derive(Clone, Debug)]
pub struct Place {
    /// The subtree.
    pub base: Dn,
    /// Which entries of it.
    pub filter: Filter,
}

impl Tree {
    /// People and groups anywhere below `base`, found by the schema's object classes.
    pub fn new(settings: LdapSettings, schema: &'static Schema, base: Dn) -> Self {
        let people = Place { base: base.clone(), filter: schema.people() };
        let groups = Place { base: base.clone(), filter: schema.groups() };
        Self { settings, schema, base, people, groups }
    }
}

/// What one kind of server calls things.
#[derive(Debug)]
pub struct Schema {
    /// The name in the configuration.
    pub name: &'static str,
    /// Which attribute identifies an entry for good.
    pub id: StableId,
    /// Which attribute is the login name.
    pub login: &'static str,
    /// Which attribute names a group.
    pub group_name: &'static str,
    /// Attributes of a group that hold the DNs of its members.
    pub members: &'static [&'static str],
    people: &'static [&'static str],
    not_people: &'static [&'static str],
    groups: &'static [&'static str],
    disabled: Disabled,
    /// The moment at which an account ends, in ticks of Windows; not every kind of server has one.
    ends: Option<&'static str>,
    rows: &'static [(&'static str, Target)],
}

#[derive(Clone, Copy, Debug)]
enum Disabled {
    /// A number with this bit set.
    Bit(&'static str, u32),
    /// Exactly this value, in any case.
    Value(&'static str, &'static str),
}

/// Where a value goes in RFC 7643's schema.
#[derive(Clone, Copy, Debug)]
enum Target {
    Email,
    Enterprise(&'static str),
    Name(&'static str),
    Phone(&'static str),
    Text(&'static str),
}

/// `inetOrgPerson` (RFC 2798) as most servers have it.
const INET_ORG_PERSON: &[(&str, Target)] = &[
    ("cn", Target::Name("formatted")),
    ("givenName", Target::Name("givenName")),
    ("sn", Target::Name("familyName")),
    ("displayName", Target::Text("displayName")),
    ("mail", Target::Email),
    ("telephoneNumber", Target::Phone("work")),
    ("mobile", Target::Phone("mobile")),
    ("title", Target::Text("title")),
    ("preferredLanguage", Target::Text("preferredLanguage")),
    ("employeeNumber", Target::Enterprise("employeeNumber")),
    ("departmentNumber", Target::Enterprise("department")),
    ("o", Target::Enterprise("organization")),
];

/// OpenLDAP.
pub static OPENLDAP: Schema = Schema {
    name: "openldap",
    id: StableId::EntryUuid,
    login: "uid",
    group_name: "cn",
    members: &["member", "uniqueMember"],
    people: &["inetOrgPerson"],
    not_people: &[],
    groups: &["groupOfNames", "groupOfUniqueNames"],
    // The value that means "for good" (draft-behera-ldap-password-policy section 5.3.3); others end by themselves.
    disabled: Disabled::Value("pwdAccountLockedTime", "000001010000Z"),
    ends: None,
    rows: INET_ORG_PERSON,
};

/// 389 Directory Server, also below FreeIPA.
pub static DS389: Schema = Schema {
    name: "389ds",
    id: StableId::NsUniqueId,
    login: "uid",
    group_name: "cn",
    members: &["member", "uniqueMember"],
    people: &["inetOrgPerson"],
    not_people: &[],
    groups: &["groupOfNames", "groupOfUniqueNames"],
    disabled: Disabled::Value("nsAccountLock", "true"),
    ends: None,
    rows: INET_ORG_PERSON,
};

/// Active Directory. The primary group and groups of more than 1,500 members are not read.
pub static ACTIVE_DIRECTORY: Schema = Schema {
    name: "active-directory",
    id: StableId::ObjectGuid,
    login: "sAMAccountName",
    group_name: "cn",
    members: &["member"],
    people: &["user"],
    not_people: &["computer"],
    groups: &["group"],
    // ACCOUNTDISABLE of [MS-ADTS] section 2.2.16.
    disabled: Disabled::Bit("userAccountControl", 0x2),
    ends: Some("accountExpires"),
    rows: &[
        ("cn", Target::Name("formatted")),
        ("givenName", Target::Name("givenName")),
        ("sn", Target::Name("familyName")),
        ("displayName", Target::Text("displayName")),
        ("mail", Target::Email),
        ("telephoneNumber", Target::Phone("work")),
        ("mobile", Target::Phone("mobile")),
        ("title", Target::Text("title")),
        ("preferredLanguage", Target::Text("preferredLanguage")),
        ("employeeID", Target::Enterprise("employeeNumber")),
        ("department", Target::Enterprise("department")),
        ("company", Target::Enterprise("organization")),
    ],
};

impl Schema {
    /// Which entries are people.
    pub fn people(&self) -> Filter {
        let classes = Filter::any_class(self.people);
        if self.not_people.is_empty() {
            return classes;
        }
        Filter::And(vec![classes, Filter::Not(Box::new(Filter::any_class(self.not_people)))])
    }

    /// Which entries are groups.
    pub fn groups(&self) -> Filter {
        Filter::any_class(self.groups)
    }

    /// Every attribute of a person that is read.
    pub fn person_attributes(&self) -> Vec<&'static str> {
        let disabled = match self.disabled {
            Disabled::Bit(name, _) | Disabled::Value(name, _) => name,
        };
        let rows = self.rows.iter().map(|(name, _)| *name);
        [self.id.attribute(), self.login, disabled].into_iter().chain(self.ends).chain(rows).collect()
    }

    /// Every attribute of a group that is read.
    pub fn group_attributes(&self) -> Vec<&'static str> {
        [self.id.attribute(), self.group_name].into_iter().chain(self.members.iter().copied()).collect()
    }

    /// Whether the directory says that the account is disabled, or that it has ended by the moment `now`.
    ///
    /// # Errors
    /// Why that cannot be told: a number that every account has is not shown, or is none. Who may not read it must not
    /// take everybody for enabled. Where only disabled accounts have a mark, none is no.
    pub fn is_disabled(&self, entry: &Entry, now: Timestamp) -> Result<bool, String> {
        let marked = self.is_marked(entry);
        // What disables the account counts whatever else cannot be read.
        if marked == Ok(true) || self.has_ended(entry, now)? {
            return Ok(true);
        }
        marked
    }

    /// Whether the account has the mark of a disabled one.
    fn is_marked(&self, entry: &Entry) -> Result<bool, String> {
        match self.disabled {
            Disabled::Bit(name, bit) => {
                let text = entry.text(name);
                let text =
                    text.ok_or_else(|| format!("no `{name}`; the service account must be allowed to read it"))?;
                let number: i64 = text.parse().map_err(|_| format!("`{name}` is no number"))?;
                Ok(number & i64::from(bit) != 0)
            }
            Disabled::Value(name, value) => Ok(entry.texts(name).any(|text| text.eq_ignore_ascii_case(value))),
        }
    }

    /// Whether the account has a date at which it ends, and that has come.
    fn has_ended(&self, entry: &Entry, now: Timestamp) -> Result<bool, String> {
        let Some((name, text)) = self.ends.and_then(|name| Some((name, entry.text(name)?))) else { return Ok(false) };
        let ticks: i64 = text.parse().map_err(|_| format!("`{name}` is no number"))?;
        // Zero and the largest number mean never.
        Ok(ticks > 0 && ticks < i64::MAX && ticks / TICKS_PER_MS - MS_TO_1970 <= now.as_millis())
    }

    /// Looks whether what the directory says of a person is of a size that an account may have.
    ///
    /// # Errors
    /// Which attribute is too large.
    pub fn check_sizes(&self, entry: &Entry) -> Result<(), String> {
        let mut total = 0usize;
        for (name, target) in self.rows {
            for value in entry.texts(name) {
                if value.len() > MAX_VALUE_BYTES {
                    return Err(format!("`{name}` has {} bytes, at most {MAX_VALUE_BYTES} are taken", value.len()));
                }
                if matches!(target, Target::Email) && fold(value).as_str().len() > MAX_EMAIL_BYTES {
                    return Err(format!("`{name}` has an address of more than {MAX_EMAIL_BYTES} bytes"));
                }
                total = total.saturating_add(value.len());
            }
            if total > MAX_PERSON_BYTES {
                return Err(format!("with `{name}` it has {total} bytes, at most {MAX_PERSON_BYTES} are taken"));
            }
        }
        Ok(())
    }

    /// What the directory says of a person, by RFC 7643 names. Several values of one attribute come in a fixed order.
    pub fn attributes(&self, entry: &Entry) -> Attributes {
        let mut out = Map::new();
        for (name, target) in self.rows {
            let mut values: Vec<&str> = entry.texts(name).collect();
            values.sort_unstable();
            values.dedup();
            let Some(first) = values.first().copied() else { continue };
            match *target {
                Target::Email => {
                    let emails = values.iter().enumerate().map(|(index, value)| {
                        if index == 0 {
                            json!({ "value": value, "type": "work", "primary": true })
                        } else {
                            json!({ "value": value, "type": "work" })
                        }
                    });
                    out.insert("emails".to_owned(), emails.collect());
                }
                Target::Phone(kind) => {
                    let phones = values.iter().map(|value| json!({ "value": value, "type": kind }));
                    if let Value::Array(list) = out.entry("phoneNumbers").or_insert_with(|| json!([])) {
                        list.extend(phones);
                    }
                }
                Target::Enterprise(field) => nested(&mut out, ENTERPRISE, field, first),
                Target::Name(field) => nested(&mut out, "name", field, first),
                Target::Text(field) => {
                    out.insert(field.to_owned(), first.into());
                }
            }
        }
        Attributes(out)
    }
}

fn nested(out: &mut Map<String, Value>, outer: &str, field: &str, value: &str) {
    if let Value::Object(map) = out.entry(outer).or_insert_with(|| json!({})) {
        map.insert(field.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &[&str])]) -> Entry {
        let attributes = attributes
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| value.as_bytes().to_vec()).collect()));
        Entry::new("cn=a,dc=x", attributes.collect()).unwrap()
    }

    #[test]
    fn an_inet_org_person_becomes_a_user_of_rfc_7643() {
        let attributes = OPENLDAP.attributes(&entry(&[
            ("cn", &["Ada Lovelace"]),
            ("givenName", &["Ada"]),
            ("sn", &["Lovelace"]),
            ("mail", &["b@example.org", "a@example.org"]),
            ("telephoneNumber", &["+44 1"]),
            ("mobile", &["+44 2"]),
            ("title", &["Analyst"]),
            ("employeeNumber", &["7"]),
            ("departmentNumber", &["Engines"]),
            ("userPassword", &["secret"]),
        ]));
        let expected = json!({
            "name": { "formatted": "Ada Lovelace", "givenName": "Ada", "familyName": "Lovelace" },
            "emails": [
                { "value": "a@example.org", "type": "work", "primary": true },
                { "value": "b@example.org", "type": "work" },
            ],
            "phoneNumbers": [{ "value": "+44 1", "type": "work" }, { "value": "+44 2", "type": "mobile" }],
            "title": "Analyst",
            ENTERPRISE: { "employeeNumber": "7", "department": "Engines" },
        });
        assert_eq!(Value::Object(attributes.0), expected);
    }

    #[test]
    fn each_kind_of_server_says_disabled_in_its_own_way() {
        for (schema, attribute, value, expected) in [
            (&OPENLDAP, "pwdAccountLockedTime", "000001010000Z", Some(true)),
            (&OPENLDAP, "pwdAccountLockedTime", "20261122010203Z", Some(false)),
            (&DS389, "nsAccountLock", "TRUE", Some(true)),
            (&DS389, "nsAccountLock", "false", Some(false)),
            (&ACTIVE_DIRECTORY, "userAccountControl", "514", Some(true)),
            (&ACTIVE_DIRECTORY, "userAccountControl", "512", Some(false)),
            (&ACTIVE_DIRECTORY, "userAccountControl", "-2147483646", Some(true)),
            (&ACTIVE_DIRECTORY, "userAccountControl", "what", None),
            (&ACTIVE_DIRECTORY, "userAccountControl", " ", None),
        ] {
            let found = entry(&[(attribute, &[value])]);
            assert_eq!(schema.is_disabled(&found, Timestamp::default()).ok(), expected, "{attribute}={value}");
            assert!(schema.person_attributes().contains(&attribute), "it is read");
        }
    }

    #[test]
    fn an_account_of_active_directory_ends_at_its_date() {
        // 2025-11-22 08:00:00 UTC.
        let (ticks, moment) = ("134082720000000000", Timestamp::from_seconds(1_763_798_400));
        let ended = |text: &str, now: Timestamp| {
            let found = entry(&[("userAccountControl", &["512"]), ("accountExpires", &[text])]);
            ACTIVE_DIRECTORY.is_disabled(&found, now).ok()
        };
        let before = Timestamp::from_seconds(1_763_798_399);
        assert_eq!((ended(ticks, before), ended(ticks, moment)), (Some(false), Some(true)));
        for never in ["0", "9223372036854775807"] {
            assert_eq!(ended(never, moment), Some(false));
        }
        assert_eq!((ended("soon", moment), ended("1", moment)), (None, Some(true)));
        assert!(ACTIVE_DIRECTORY.person_attributes().contains(&"accountExpires"));
    }

    #[test]
    fn a_disabled_account_is_disabled_whatever_its_date_says() {
        for (control, ends, expected) in [
            ("514", "soon", Some(true)),
            ("514", "99999999999999999999", Some(true)),
            ("514", "0", Some(true)),
            ("512", "soon", None),
            ("what", "1", Some(true)),
        ] {
            let found = entry(&[("userAccountControl", &[control]), ("accountExpires", &[ends])]);
            let is_disabled = ACTIVE_DIRECTORY.is_disabled(&found, Timestamp::default());
            assert_eq!(is_disabled.ok(), expected, "{control} {ends}");
        }
    }

    #[test]
    fn what_is_too_large_for_an_account_is_named() {
        let large = |name: &str, values: &[&str]| OPENLDAP.check_sizes(&entry(&[(name, values)]));
        let text = "x".repeat(4096);
        assert_eq!(large("displayName", &[&text]), Ok(()));
        assert!(large("displayName", &[&format!("{text}x")]).unwrap_err().contains("displayName"));
        assert!(large("mail", &[&text]).unwrap_err().contains("mail"));
        let many: Vec<String> = (0..20).map(|number| format!("{number}{}", "1".repeat(4000))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(large("mobile", &many).unwrap_err().contains("mobile"));
        assert_eq!(large("description", &[&"x".repeat(1_000_000)]), Ok(()), "is not read");
    }

    #[test]
    fn a_mark_that_every_account_has_must_be_readable() {
        let unseen = ACTIVE_DIRECTORY.is_disabled(&entry(&[]), Timestamp::default()).unwrap_err();
        assert!(unseen.contains("userAccountControl") && unseen.contains("allowed to read"), "{unseen}");
        for schema in [&OPENLDAP, &DS389] {
            assert_eq!(
                schema.is_disabled(&entry(&[]), Timestamp::default()),
                Ok(false),
                "only disabled accounts have one"
            );
        }
    }

    #[test]
    fn computers_are_no_people() {
        assert_eq!(ACTIVE_DIRECTORY.people().to_string(), "(&(|(objectClass=user))(!(|(objectClass=computer))))");
    }
}
