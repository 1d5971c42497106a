//! `[[test]]`: what must and what must not be allowed, whatever else is changed.

use std::fmt;
use std::str::FromStr;

use super::section::Section;
use crate::model::{NameError, Permission, PermissionError, RoleId, Scope, ScopeError};

/// Most tests: each is run on every change of roles, grants, memberships and scopes.
const MAX_TESTS: usize = 500;
/// Most questions of one list of a test.
const MAX_ASKED: usize = 500;

/// In whose place a test asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestSubject {
    /// `group:NAME`: somebody who is in this group and in nothing else.
    Group(String),
    /// `role:ID`: somebody who holds this role and nothing else.
    Role(RoleId),
    /// A user, by name.
    User(String),
}

/// A permission, and where: `invoices:read`, `reports:read@department:finance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is to be done.
    pub permission: Permission,
    /// Where; the organisation as a whole without.
    pub scope: Option<Scope>,
}

/// The text asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// What stands before the `@`.
    #[error(transparent)]
    Permission(#[from] PermissionError),
    /// What stands after the `@`.
    #[error("must have a scope after @, such as department:finance, which {0}")]
    Scope(#[from] ScopeError),
}

/// `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTest {
    /// The name to tell it by; its place where none is given.
    pub name: String,
    /// In whose place it asks.
    pub subject: TestSubject,
    /// What must be allowed.
    pub accept: Vec<Asked>,
    /// What must not be allowed.
    pub deny: Vec<Asked>,
    /// Where it is written: `cleargate.toml:31`.
    pub position: String,
}

impl FromStr for Asked {
    type Err = AskedError;

    fn from_str(text: &str) -> Result<Self, AskedError> {
        let (permission, scope) = match text.split_once('@') {
            Some((permission, scope)) => (permission, Some(scope.parse()?)),
            None => (text, None),
        };
        Ok(Self { permission: permission.parse()?, scope })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{}@{scope}", self.permission),
            None => write!(f, "{}", self.permission),
        }
    }
}

impl FromStr for TestSubject {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once(':') {
            Some(("group", name)) => Ok(Self::Group(name.to_owned())),
            Some(("role", id)) => Ok(Self::Role(id.parse()?)),
            _ => Ok(Self::User(text.to_owned())),
        }
    }
}

impl fmt::Display for TestSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Role(id) => write!(f, "role:{id}"),
            Self::User(name) => f.write_str(name),
        }
    }
}

impl PolicyTest {
    pub(super) fn resolve_all(sections: &[Section<'_>]) -> Vec<Self> {
        if let Some(one_more) = sections.get(MAX_TESTS) {
            one_more.error("as", &format!("is in one test too many: there may be {MAX_TESTS}"), None);
        }
        let mut tests: Vec<Self> = Vec::new();
        for section in sections {
            let Some(test) = Self::resolve(section) else { continue };
            if let Some(other) = tests.iter().find(|other| other.name == test.name) {
                section.error("name", &format!("is `{}`, as that of the test at {}", test.name, other.position), None);
            }
            tests.push(test);
        }
        tests
    }

    fn resolve(section: &Section<'_>) -> Option<Self> {
        let name: Option<String> = section.optional("name");
        let subject = section.required::<TestSubject>("as");
        let (accept, deny) = (section.list("accept", Vec::new()), section.list("deny", Vec::new()));
        if !section.has("accept") && !section.has("deny") {
            section.missing("accept", "is a list of what must be allowed, or `deny` is one of what must not");
        }
        for (key, asked) in [("accept", &accept), ("deny", &deny)] {
            if asked.len() > MAX_ASKED {
                section.error(key, &format!("must have at most {MAX_ASKED} entries"), None);
            }
            if let Some(star) = asked.iter().find(|asked: &&Asked| !asked.permission.is_concrete()) {
                section.error(key, &format!("asks for `{star}`, but a test names single permissions"), None);
            }
        }
        let position = section.place();
        Some(Self { name: name.unwrap_or_else(|| position.clone()), subject: subject?, accept, deny, position })
    }
}
