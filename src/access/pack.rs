//! Policy packs: what exists to be allowed, which roles there are and by which rules, as data.
//!
//! A pack is a TOML file. Three come with the program; a path to one's own loads the same way. Every problem of a file is
//! reported at once, with its line. What the gateway itself does (`users:create`, `audit:read`) is in every catalogue.

mod file;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::policy::{Denial, Held, Prepared, Question, Standing, Verdict, decide};
use super::roles::{Catalogue, RoleBook};
use super::{CustomRole, Error, RoleEntry, RoleKind};
use crate::clock::Timestamp;
use crate::model::{Grant, Id, Mode, Origin, Permission, RoleId, Status, Subject};
use crate::secret::sha256;

/// The packs that come with the program: name and text.
const BUILT_IN: [(&str, &str); 3] = [
    ("clearpoint-strategy", include_str!("packs/clearpoint-strategy.toml")),
    ("clearpoint-systems", include_str!("packs/clearpoint-systems.toml")),
    ("clearvantage", include_str!("packs/clearvantage.toml")),
];

/// Documents of the form that an import takes, with departments, groups and roles as the manuals have them.
const SAMPLES: [(&str, &str); 3] = [
    ("clearpoint-strategy", include_str!("packs/clearpoint-strategy.samples.jsonl")),
    ("clearpoint-systems", include_str!("packs/clearpoint-systems.samples.jsonl")),
    ("clearvantage", include_str!("packs/clearvantage.samples.jsonl")),
];

/// The samples of a pack that comes with the program: a document to import into an organisation that is being tried out.
pub fn samples(pack: &str) -> Option<&'static str> {
    SAMPLES.into_iter().find(|(name, _)| *name == pack).map(|(_, document)| document)
}

/// The gateway's own permissions.
const GATEWAY: &str = include_str!("packs/gateway.toml");

/// Largest pack file, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The rule for names of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleNameRule {
    /// Whether blanks may be in it.
    pub allows_spaces: bool,
    /// Most characters.
    pub max_chars: usize,
}

/// The rule for login names, beside what every login name must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRule {
    /// Whether blanks may be in it.
    pub allows_spaces: bool,
    /// Most characters.
    pub max_chars: usize,
    /// Whether it may be changed later.
    pub allows_rename: bool,
    /// Whether the name of an account that is gone, or that has another name now, may be given to somebody else.
    pub allows_reuse: bool,
}

/// A value that was chosen for an option of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The value.
    pub value: String,
    /// Where it was chosen, `cleargate.toml:31`, for messages.
    pub place: Option<String>,
}

impl From<&str> for Chosen {
    fn from(value: &str) -> Self {
        Self { value: value.to_owned(), place: None }
    }
}

/// Values by the name of the option, whose letters' case does not matter.
pub type Options = BTreeMap<String, Chosen>;

/// A loaded pack, its options chosen.
#[derive(Clone, Debug)]
pub struct Pack {
    name: String,
    digest: String,
    title: String,
    roles: RoleBook,
    role_name: RoleNameRule,
    login: LoginRule,
    default_role: Option<RoleId>,
    requires_role: bool,
    requires_employee: bool,
    options: BTreeMap<String, String>,
    scope_kinds: Vec<String>,
    scope_below: BTreeMap<String, String>,
    password: String,
    lockout: String,
    headings: Vec<String>,
    columns: Vec<RoleId>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    label: String,
    needs: Vec<Permission>,
}

/// Whether a role allows what a row of the matrix tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixCell {
    /// For what the user owns.
    IfOwner,
    /// No.
    No,
    /// Yes.
    Yes,
}

/// One line of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// What is done.
    pub label: String,
    /// The permissions that it takes, all of them.
    pub needs: Vec<String>,
    /// By column.
    pub cells: Vec<MatrixCell>,
}

/// What each role may do, as the manuals print it; made by asking the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// Role ids and names, in the pack's order.
    pub columns: Vec<(String, String)>,
    /// One for each action.
    pub rows: Vec<MatrixRow>,
}

impl Pack {
    /// A pack that has nothing but these roles.
    pub fn of_roles(roles: RoleBook) -> Self {
        Self {
            name: String::new(),
            digest: String::new(),
            title: String::new(),
            roles,
            role_name: RoleNameRule::default(),
            login: LoginRule::default(),
            default_role: None,
            requires_role: false,
            requires_employee: false,
            options: BTreeMap::new(),
            scope_kinds: Vec::new(),
            scope_below: BTreeMap::new(),
            password: file::PASSWORD_PRESET.to_owned(),
            lockout: file::LOCKOUT_PRESET.to_owned(),
            headings: Vec::new(),
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// A pack by name, or by the path of a file: what contains `/` or ends in `.toml` is a path. `options` choose
    /// variants that the pack offers; those not named keep the pack's default.
    ///
    /// # Errors
    /// `Pack` with every problem.
    pub fn open(name: &str, options: &Options) -> Result<Self, Error> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(name, text, options);
        }
        let fail = |problem: String| Error::Pack { pack: name.to_owned(), problems: vec![problem] };
        if !name.contains('/') && !name.ends_with(".toml") {
            let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(fail(format!("no such pack; there are {}, or give the path of a file", known.join(", "))));
        }
        let path = Path::new(name);
        let size = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
        if size > MAX_FILE_BYTES {
            return Err(fail(format!("the file has {size} bytes, more than {MAX_FILE_BYTES}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        Self::parse(name, &text, options)
    }

    /// The pack in this text; `name` is for messages.
    ///
    /// # Errors
    /// As `open`.
    pub fn parse(name: &str, text: &str, options: &Options) -> Result<Self, Error> {
        if u64::try_from(text.len()).is_ok_and(|size| size > MAX_FILE_BYTES) {
            let problem = format!("the text has {} bytes, more than {MAX_FILE_BYTES}", text.len());
            return Err(Error::Pack { pack: name.to_owned(), problems: vec![problem] });
        }
        let pack = file::load(name, text, options);
        let pack = pack.map_err(|problems| Error::Pack { pack: name.to_owned(), problems })?;
        let chosen: Vec<String> = pack.options.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let digest = sha256(&[text.as_bytes(), &[0], chosen.concat().as_bytes()].concat());
        Ok(Self { digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(), ..pack })
    }

    /// The names of the packs that come with the program.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The name or path it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its text and of the value of each option, in hexadecimal: another one is another pack.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The name to show.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its roles, flags and catalogue.
    pub fn roles(&self) -> &RoleBook {
        &self.roles
    }

    /// The rule for names of roles.
    pub fn role_name_rule(&self) -> RoleNameRule {
        self.role_name
    }

    /// The rule for login names.
    pub fn login_rule(&self) -> LoginRule {
        self.login
    }

    /// The role of a user for whom none is named.
    pub fn default_role(&self) -> Option<&RoleId> {
        self.default_role.as_ref()
    }

    /// Whether nobody is made a user without a role being named.
    pub fn requires_role(&self) -> bool {
        self.requires_role
    }

    /// Whether nobody of the staff is made a user who is no employee.
    pub fn requires_employee(&self) -> bool {
        self.requires_employee
    }

    /// The value of each of its options.
    pub fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    /// The kinds of scope: `department`, `scorecard`.
    pub fn scope_kinds(&self) -> &[String] {
        &self.scope_kinds
    }

    /// The kinds of which every scope lies below one of another kind, and which.
    pub fn scope_below(&self) -> &BTreeMap<String, String> {
        &self.scope_below
    }

    /// The name of its preset for passwords.
    pub fn password_preset(&self) -> &str {
        &self.password
    }

    /// The name of its preset for lockout.
    pub fn lockout_preset(&self) -> &str {
        &self.lockout
    }

    /// The headings under which flags are shown, in order.
    pub fn headings(&self) -> &[String] {
        &self.headings
    }

    /// A custom role by this pack's rule for names.
    ///
    /// # Errors
    /// `Invalid` naming `name`, the list that is wrong, or `id`.
    pub fn with_custom(&self, custom: &CustomRole) -> Result<RoleBook, Error> {
        let role = custom.role(custom.id(self)?, &self.roles)?;
        let entries = self.roles.iter().cloned().chain([RoleEntry::new(role, RoleKind::Custom)]).collect();
        RoleBook::new(self.roles.catalogue().clone(), entries)
    }

    /// The matrix of actions by roles, each cell by the decision.
    pub fn matrix(&self) -> Matrix {
        let name = |id: &RoleId| self.roles.find(id).map(|entry| entry.role.name.clone()).unwrap_or_default();
        let roles = Arc::new(self.roles.clone());
        let holders: Vec<Prepared> = self.columns.iter().map(|role| holder(role, &roles)).collect();
        Matrix {
            columns: self.columns.iter().map(|id| (id.to_string(), name(id))).collect(),
            rows: self.rows.iter().map(|row| self.row(row, &holders)).collect(),
        }
    }

    fn row(&self, row: &Row, holders: &[Prepared]) -> MatrixRow {
        let cells = holders.iter().map(|holder| cell(holder, &row.needs)).collect();
        MatrixRow { label: row.label.clone(), needs: row.needs.iter().map(Permission::to_string).collect(), cells }
    }
}

/// Somebody who holds one role in the whole organisation and nothing else.
fn holder(role: &RoleId, roles: &Arc<RoleBook>) -> Prepared {
    let grant = Grant {
        id: Id::from_bytes([0; 16]),
        subject: Subject::User(Id::from_bytes([0; 16])),
        role: role.clone(),
        scope: None,
        mode: Mode::Add,
        origin: Origin::ByHand(String::new()),
        starts: None,
        ends: None,
        made: None,
        maker: None,
    };
    let held = vec![Held { grant, groups: Vec::new() }];
    Prepared::new(Standing { status: Status::Active, held, limit: None }, Arc::clone(roles), Arc::default())
}

fn cell(holder: &Prepared, needs: &[Permission]) -> MatrixCell {
    let mut cell = MatrixCell::Yes;
    for permission in needs {
        match decide(&Question::new(permission), holder, Timestamp::default()).verdict {
            Verdict::Allowed(_) => {}
            Verdict::Denied(Denial::NotOwner(_)) => cell = MatrixCell::IfOwner,
            Verdict::Denied(_) => return MatrixCell::No,
        }
    }
    cell
}

impl Matrix {
    /// How many cells of a column are not `No`.
    pub fn allowed(&self, role: &str) -> usize {
        let Some(column) = self.columns.iter().position(|(id, _)| id == role) else { return 0 };
        self.rows.iter().filter(|row| row.cells.get(column).is_some_and(|cell| *cell != MatrixCell::No)).count()
    }
}

impl Default for RoleNameRule {
    /// What a pack says that says nothing.
    fn default() -> Self {
        Self { allows_spaces: true, max_chars: 64 }
    }
}

impl Default for LoginRule {
    /// What a pack says that says nothing: what every login name must be, and nothing more.
    fn default() -> Self {
        Self { allows_spaces: true, max_chars: 512, allows_rename: true, allows_reuse: true }
    }
}

impl RoleNameRule {
    /// What is wrong with a name, as the rest of a sentence.
    pub fn problem(&self, name: &str) -> Option<String> {
        if name.trim().is_empty() {
            return Some("must not be blank".to_owned());
        }
        if name.chars().count() > self.max_chars {
            return Some(format!("must have at most {} characters", self.max_chars));
        }
        if name.chars().any(char::is_control) {
            return Some("must not contain control characters".to_owned());
        }
        (!self.allows_spaces && name.contains(char::is_whitespace)).then(|| "must not contain blanks".to_owned())
    }
}

impl LoginRule {
    /// What is wrong with a login name, as the rest of a sentence.
    pub fn problem(&self, name: &str) -> Option<String> {
        if name.chars().count() > self.max_chars {
            return Some(format!("must have at most {} characters", self.max_chars));
        }
        (!self.allows_spaces && name.contains(char::is_whitespace)).then(|| "must not contain blanks".to_owned())
    }
}

#[cfg(test)]
mod tests;
