//! A pack as written, and how it becomes a pack as used.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{Catalogue, Chosen, GATEWAY, LoginRule, Options, Pack, RoleBook, RoleEntry, RoleKind, RoleNameRule, Row};
use crate::access::Error;
use crate::access::roles::{FACTOR_WITHIN, Written, factor_within, slug};
use crate::config::{LockoutPreset, PasswordPreset};
use crate::model::near::nearest;
use crate::model::{FactorRule, Permission, Role, RoleId};

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    #[serde(default)]
    default_role: Option<Text>,
    /// Nobody is made a user without a role being named.
    #[serde(default)]
    role_required: bool,
    /// Nobody of the staff is made a user who is no employee; where an option has a value only.
    #[serde(default)]
    employee_required: Option<Asked>,
    #[serde(default)]
    scope_kinds: Vec<Text>,
    /// Kinds whose scopes each lie below one of another kind: `element = "scorecard"`.
    #[serde(default)]
    scope_below: BTreeMap<Text, Text>,
    #[serde(default)]
    flag_headings: Vec<String>,
    #[serde(default)]
    presets: Presets,
    #[serde(default)]
    names: Names,
    #[serde(default)]
    option: Vec<Choice>,
    #[serde(default)]
    catalogue: BTreeMap<Text, Vec<Text>>,
    #[serde(default)]
    role: Vec<RoleFile>,
    #[serde(default)]
    flag: Vec<RoleFile>,
    #[serde(default)]
    matrix: MatrixFile,
}

/// The preset of a pack that names none.
pub(super) const PASSWORD_PRESET: &str = "nist-63b-4";
/// The preset of a pack that names none.
pub(super) const LOCKOUT_PRESET: &str = "balanced";

/// Most permissions of a catalogue, and rows of a matrix.
const MAX_PERMISSIONS: usize = 2_000;
/// Most roles and flags together.
const MAX_ROLES: usize = 500;
/// Most options.
const MAX_OPTIONS: usize = 100;
/// Longest name of a resource, in bytes.
const MAX_RESOURCE_BYTES: usize = 256;
/// Most problems that are told of one text.
const MAX_PROBLEMS: usize = 100;
/// Problems that are told with what may have been meant: to look for it among much takes long.
const MAX_HINTS: usize = 20;

/// Most entries of a role's profile for user interfaces.
const MAX_PROFILE: usize = 64;
/// Longest key and longest value of an entry, in characters.
const MAX_PROFILE_CHARS: (usize, usize) = (64, 2000);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Presets {
    password: Option<Text>,
    lockout: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Names {
    role_spaces: bool,
    role_max: usize,
    login_spaces: bool,
    login_max: usize,
    login_rename: bool,
    login_reuse: bool,
}

impl Default for Names {
    fn default() -> Self {
        let (role, login) = (RoleNameRule::default(), LoginRule::default());
        Self {
            role_spaces: role.allows_spaces,
            role_max: role.max_chars,
            login_spaces: login.allows_spaces,
            login_max: login.max_chars,
            login_rename: login.allows_rename,
            login_reuse: login.allows_reuse,
        }
    }
}

/// A variant that the pack offers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    name: String,
    values: Vec<String>,
    default: Text,
    #[expect(dead_code, reason = "for readers of the file")]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleFile {
    name: Text,
    #[serde(default)]
    id: Option<Text>,
    description: String,
    #[serde(default)]
    includes: Vec<Text>,
    #[serde(default)]
    permissions: Vec<Text>,
    #[serde(default)]
    denies: Vec<Text>,
    /// Denies every permission of the catalogue that none of these covers.
    #[serde(default)]
    denies_all_but: Vec<Text>,
    #[serde(default)]
    if_owner: Vec<Text>,
    #[serde(default)]
    scoped_only: bool,
    /// The roles that a user may hold in the whole organisation and be given this one; all where it names none.
    #[serde(default)]
    only_beside: Vec<Text>,
    /// Every holder must have a second factor.
    #[serde(default)]
    requires_factor: bool,
    /// Every holder must sign in by single sign-on.
    #[serde(default)]
    requires_sso: bool,
    /// What it allows holds in a session in which a second factor was shown within this time.
    #[serde(default)]
    factor_within: Option<Text>,
    #[serde(default)]
    heading: Option<Text>,
    /// Exists only where this option is `on`.
    #[serde(default)]
    feature: Option<Text>,
    #[serde(default)]
    when: Vec<When>,
    /// How many licenses its holder counts for.
    #[serde(default)]
    seat: Option<u32>,
    /// What people see as their level of access; the name when it is absent.
    #[serde(default)]
    badge: Option<String>,
    #[serde(default)]
    ui_profile: BTreeMap<Text, Text>,
}

/// Holds when an option has a value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    option: Text,
    is: Text,
}

/// What a role has besides when an option has a value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    option: Text,
    is: Text,
    #[serde(default)]
    permissions: Vec<Text>,
    #[serde(default)]
    if_owner: Vec<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MatrixFile {
    columns: Vec<Text>,
    row: Vec<RowFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    label: String,
    needs: Vec<Text>,
}

/// Collects what is wrong, with lines.
struct Reader<'a> {
    text: &'a str,
    /// The file's name, for places.
    name: String,
    /// Where its lines end, in bytes.
    ends: Vec<usize>,
    catalogue: Catalogue,
    options: BTreeMap<String, String>,
    problems: Vec<String>,
}

pub(super) fn load(name: &str, text: &str, chosen: &Options) -> Result<Pack, Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map(|span| format!("line {}: ", line(text, &span))).unwrap_or_default();
        vec![format!("{at}{}", error.message())]
    })?;
    bounded(&file, chosen)?;
    let mut reader = Reader::new(name, text, gateway()?);
    reader.catalogue(&file.catalogue);
    reader.choose(&file.option, chosen);
    let names = &file.names;
    let role_name = RoleNameRule { allows_spaces: names.role_spaces, max_chars: names.role_max };
    let mut entries = Vec::new();
    for role in &file.role {
        entries.extend(reader.role(role, RoleKind::Role, &file.flag_headings));
        if let Some(problem) = role_name.problem(role.name.get_ref()) {
            reader.problem(role.name.span(), &format!("the name `{}` {problem}", role.name.get_ref()));
        }
    }
    for flag in &file.flag {
        entries.extend(reader.role(flag, RoleKind::Flag, &file.flag_headings));
    }
    let known: BTreeSet<RoleId> = entries.iter().map(|entry| entry.role.id.clone()).collect();
    for role in file.role.iter().chain(&file.flag) {
        reader.known_roles(&role.includes, &known);
        reader.known_roles(&role.only_beside, &known);
    }
    let password = reader.preset(file.presets.password.as_ref(), PASSWORD_PRESET, &PasswordPreset::ALL);
    let lockout = reader.preset(file.presets.lockout.as_ref(), LOCKOUT_PRESET, &LockoutPreset::ALL);
    let asked = file.employee_required.as_ref();
    let requires_employee = asked.is_some_and(|asked| reader.is_chosen(&asked.option, asked.is.get_ref()));
    let scope_below = reader.scope_below(&file.scope_below, &file.scope_kinds);
    let columns = reader.known_roles(&file.matrix.columns, &known);
    let default_role = reader.known_roles(file.default_role.as_slice(), &known).pop();
    let rows = file.matrix.row.iter().map(|row| reader.row(row)).collect();
    let book = RoleBook::new(reader.catalogue, entries).map_err(|error| reader.problems.push(brief(&error))).ok();
    let Some(roles) = book.filter(|_| reader.problems.is_empty()) else { return Err(reader.problems) };
    let options = reader.options;
    Ok(Pack {
        name: name.to_owned(),
        digest: String::new(),
        title: file.title,
        roles,
        role_name,
        login: LoginRule {
            allows_spaces: names.login_spaces,
            max_chars: names.login_max,
            allows_rename: names.login_rename,
            allows_reuse: names.login_reuse,
        },
        default_role,
        requires_role: file.role_required,
        requires_employee,
        options,
        scope_kinds: file.scope_kinds.into_iter().map(Spanned::into_inner).collect(),
        scope_below,
        password,
        lockout,
        headings: file.flag_headings,
        columns,
        rows,
    })
}

/// Refuses what would be much work before it is done: a text may come from whoever asks what it would change.
fn bounded(file: &File, chosen: &Options) -> Result<(), Vec<String>> {
    let permissions = file.catalogue.values().fold(0_usize, |sum, actions| sum.saturating_add(actions.len()));
    let counts = [
        ("permissions", permissions, MAX_PERMISSIONS),
        ("roles and flags", file.role.len().saturating_add(file.flag.len()), MAX_ROLES),
        ("options", file.option.len().max(chosen.len()), MAX_OPTIONS),
        ("rows in its matrix", file.matrix.row.len(), MAX_PERMISSIONS),
        ("columns in its matrix", file.matrix.columns.len(), MAX_ROLES),
    ];
    let over = counts.into_iter().filter(|(_, count, most)| count > most);
    let problems: Vec<String> =
        over.map(|(what, count, most)| format!("it has {count} {what}, more than {most}")).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The gateway's own part of every catalogue.
fn gateway() -> Result<Catalogue, Vec<String>> {
    let entries: BTreeMap<Text, Vec<Text>> =
        toml::from_str(GATEWAY).map_err(|error| vec![format!("the gateway's catalogue: {}", error.message())])?;
    let mut reader = Reader::new("gateway", GATEWAY, Catalogue::default());
    reader.catalogue(&entries);
    if reader.problems.is_empty() { Ok(reader.catalogue) } else { Err(reader.problems) }
}

fn brief(error: &Error) -> String {
    error.to_string()
}

/// The line, from 1, in which a span starts.
fn line(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

impl<'a> Reader<'a> {
    fn new(name: &str, text: &'a str, catalogue: Catalogue) -> Self {
        let name = if name.ends_with(".toml") { name.to_owned() } else { format!("{name}.toml") };
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { text, name, ends, catalogue, options: BTreeMap::new(), problems: Vec::new() }
    }

    /// `clearvantage.toml:31`.
    fn place(&self, text: &Text) -> String {
        format!("{}:{}", self.name, self.ends.partition_point(|end| *end < text.span().start) + 1)
    }

    /// Where a role and its rules are written.
    fn written(&self, file: &RoleFile) -> Written {
        let mut rules = Vec::new();
        let mut add = |denies: bool, texts: &[Text]| {
            for text in texts {
                rules.extend(text.get_ref().parse().ok().map(|rule| (denies, rule, self.place(text))));
            }
        };
        add(false, &file.permissions);
        add(false, &file.if_owner);
        add(true, &file.denies);
        for when in &file.when {
            add(false, &when.permissions);
            add(false, &when.if_owner);
        }
        Written { place: self.place(&file.name), rules }
    }

    fn problem(&mut self, span: Range<usize>, what: &str) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        if self.problems.len() == MAX_PROBLEMS - 1 {
            self.problems.push("there is more that is wrong; it is not looked for".to_owned());
            return;
        }
        self.problems.push(format!("line {}: {what}", line(self.text, &span)));
    }

    fn catalogue(&mut self, entries: &BTreeMap<Text, Vec<Text>>) {
        for (resource, actions) in entries {
            if resource.get_ref().len() > MAX_RESOURCE_BYTES {
                self.problem(resource.span(), &format!("a resource has at most {MAX_RESOURCE_BYTES} bytes"));
                continue;
            }
            for action in actions {
                let text = format!("{}:{}", resource.get_ref(), action.get_ref());
                match text.parse::<Permission>() {
                    Ok(permission) if permission.is_concrete() => self.catalogue.insert(&permission),
                    Ok(_) => self.problem(action.span(), &format!("`{text}`: the catalogue names, * names nothing")),
                    Err(error) => self.problem(action.span(), &format!("`{text}` {error}")),
                }
            }
        }
    }

    fn choose(&mut self, choices: &[Choice], chosen: &Options) {
        for choice in choices {
            if !choice.values.contains(choice.default.get_ref()) {
                self.problem(choice.default.span(), "the default is none of the values");
            }
            let mut wanted = chosen.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&choice.name));
            let found = wanted.next();
            if let Some((name, second)) = wanted.next() {
                self.problems.push(placed(second, &format!("option `{name}` is given twice")));
            }
            let value = found.map_or(choice.default.get_ref(), |(_, chosen)| &chosen.value);
            if let Some((_, chosen)) = found.filter(|_| !choice.values.contains(value)) {
                let values = choice.values.join(", ");
                let near = meant(nearest(value, choice.values.iter().map(String::as_str)));
                let problem = format!("option `{}` is `{value}`, must be one of {values}{near}", choice.name);
                self.problems.push(placed(chosen, &problem));
            }
            self.options.insert(choice.name.clone(), value.clone());
        }
        let is_known = |name: &str| choices.iter().any(|choice| choice.name.eq_ignore_ascii_case(name));
        for (name, chosen) in chosen.iter().filter(|(name, _)| !is_known(name)) {
            let near = meant(nearest(name, choices.iter().map(|choice| choice.name.as_str())));
            self.problems.push(placed(chosen, &format!("there is no option `{name}` in this pack{near}")));
        }
    }

    /// Which kinds of scope lie below which; no further than one step, and each a kind of the pack.
    fn scope_below(&mut self, written: &BTreeMap<Text, Text>, kinds: &[Text]) -> BTreeMap<String, String> {
        let known: Vec<&str> = kinds.iter().map(|kind| kind.get_ref().as_str()).collect();
        for text in written.keys().chain(written.values()) {
            if !known.contains(&text.get_ref().as_str()) {
                let near = meant(nearest(text.get_ref(), known.iter().copied()));
                self.problem(text.span(), &format!("`{}` is no kind of scope of this pack{near}", text.get_ref()));
            }
        }
        for (kind, above) in written {
            let lies_too = written.keys().any(|other| other.get_ref() == above.get_ref());
            if lies_too || super::super::scopes::is_common(kind.get_ref()) {
                let problem = format!("`{}` cannot lie below `{}`", kind.get_ref(), above.get_ref());
                self.problem(kind.span(), &problem);
            }
        }
        let plain = |(kind, above): (&Text, &Text)| (kind.get_ref().clone(), above.get_ref().clone());
        written.iter().map(plain).collect()
    }

    /// The name of a preset; an unknown one is a problem.
    fn preset<T>(&mut self, written: Option<&Text>, default: &str, known: &[(&str, T)]) -> String {
        let Some(text) = written else { return default.to_owned() };
        let names = || known.iter().map(|(name, _)| *name);
        if !names().any(|name| name == text.get_ref()) {
            let near = meant(nearest(text.get_ref(), names()));
            let list = names().collect::<Vec<_>>().join(", ");
            self.problem(text.span(), &format!("there is no preset `{}`, only {list}{near}", text.get_ref()));
        }
        text.get_ref().clone()
    }

    fn profile(&mut self, written: &BTreeMap<Text, Text>) -> BTreeMap<String, String> {
        let (max_key, max_value) = MAX_PROFILE_CHARS;
        for (key, value) in written {
            if key.get_ref().chars().count() > max_key || value.get_ref().chars().count() > max_value {
                let problem =
                    format!("ui_profile has keys of at most {max_key} and values of at most {max_value} characters");
                self.problem(key.span(), &problem);
            }
        }
        if let Some((key, _)) = written.iter().nth(MAX_PROFILE) {
            self.problem(key.span(), &format!("ui_profile has at most {MAX_PROFILE} entries"));
        }
        written.iter().map(|(key, value)| (key.get_ref().clone(), value.get_ref().clone())).collect()
    }

    /// Whether an option has a value; an unknown option or value is a problem.
    fn is_chosen(&mut self, choices: &Text, value: &str) -> bool {
        match self.options.get(choices.get_ref()) {
            Some(chosen) => chosen == value,
            None => {
                self.problem(choices.span(), &format!("there is no option `{}`", choices.get_ref()));
                false
            }
        }
    }

    fn role(&mut self, file: &RoleFile, kind: RoleKind, headings: &[String]) -> Option<RoleEntry> {
        let name = file.name.get_ref();
        let parsed = file.id.as_ref().map_or_else(|| slug(name), |id| id.get_ref().parse().ok());
        let Some(id) = parsed else {
            self.problem(file.name.span(), &format!("role `{name}` has no usable id"));
            return None;
        };
        let mut role = Role {
            id,
            name: name.clone(),
            description: file.description.clone(),
            permissions: self.permissions(&file.permissions),
            denies: self.permissions(&file.denies),
            includes: file.includes.iter().filter_map(|include| include.get_ref().parse().ok()).collect(),
            if_owner: self.permissions(&file.if_owner),
            factor: self.factor_rule(file),
        };
        if !file.denies_all_but.is_empty() {
            let spared = self.permissions(&file.denies_all_but);
            let denied = |permission: &Permission| !spared.iter().any(|rule| rule.covers(permission));
            role.denies.extend(self.catalogue.iter().filter(denied));
        }
        for when in &file.when {
            let (permissions, if_owner) = (self.permissions(&when.permissions), self.permissions(&when.if_owner));
            if self.is_chosen(&when.option, when.is.get_ref()) {
                role.permissions.extend(permissions);
                role.if_owner.extend(if_owner);
            }
        }
        if let Some(heading) = &file.heading
            && !headings.contains(heading.get_ref())
        {
            self.problem(heading.span(), &format!("there is no heading `{}`", heading.get_ref()));
        }
        let is_hidden = match &file.feature {
            Some(feature) => !self.is_chosen(feature, "on"),
            None => false,
        };
        let heading = file.heading.as_ref().map(|heading| heading.get_ref().clone());
        let entry = RoleEntry::new(role, kind);
        let seat = file.seat.unwrap_or(entry.seat);
        let ui_profile = self.profile(&file.ui_profile);
        let badge = file.badge.clone();
        let written = self.written(file);
        Some(RoleEntry {
            is_scoped_only: file.scoped_only,
            only_beside: file.only_beside.iter().filter_map(|role| role.get_ref().parse().ok()).collect(),
            heading,
            is_hidden,
            seat,
            badge,
            ui_profile,
            written,
            ..entry
        })
    }

    fn factor_rule(&mut self, file: &RoleFile) -> Option<FactorRule> {
        let mut rule =
            FactorRule { required: file.requires_factor, within_s: None, sso: file.requires_sso.then_some(true) };
        if let Some(text) = &file.factor_within {
            rule.within_s = factor_within(text.get_ref());
            if rule.within_s.is_none() {
                self.problem(text.span(), &format!("`factor_within` {FACTOR_WITHIN}"));
            }
        }
        (rule != FactorRule::default()).then_some(rule)
    }

    fn permissions(&mut self, texts: &[Text]) -> Vec<Permission> {
        let mut permissions = Vec::new();
        for text in texts {
            match text.get_ref().parse::<Permission>() {
                Ok(permission) if self.catalogue.knows(&permission) => permissions.push(permission),
                Ok(_) => {
                    let near = if self.is_told() { self.catalogue.nearest(text.get_ref()) } else { None };
                    let hint = meant(near.map(|near| near.to_string()).as_deref());
                    self.problem(text.span(), &format!("`{}` is not in the catalogue{hint}", text.get_ref()));
                }
                Err(error) => self.problem(text.span(), &format!("`{}` {error}", text.get_ref())),
            }
        }
        permissions
    }

    fn known_roles(&mut self, texts: &[Text], known: &BTreeSet<RoleId>) -> Vec<RoleId> {
        let mut roles = Vec::new();
        for text in texts {
            match text.get_ref().parse::<RoleId>().ok().filter(|id| known.contains(id)) {
                Some(id) => roles.push(id),
                None => {
                    let near = known.iter().map(RoleId::as_str).filter(|_| self.is_told());
                    let near = meant(nearest(text.get_ref(), near));
                    self.problem(text.span(), &format!("there is no role `{}`{near}", text.get_ref()));
                }
            }
        }
        roles
    }

    /// Whether the next problem is one of the first, which are told with what may have been meant.
    fn is_told(&self) -> bool {
        self.problems.len() < MAX_HINTS
    }

    fn row(&mut self, row: &RowFile) -> Row {
        Row { label: row.label.clone(), needs: self.permissions(&row.needs) }
    }
}

/// `; is `x` meant?`
fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; is `{near}` meant?")).unwrap_or_default()
}

/// A problem of the configuration that chose, with its place.
fn placed(chosen: &Chosen, problem: &str) -> String {
    chosen.place.as_ref().map_or_else(|| problem.to_owned(), |place| format!("{place}: {problem}"))
}
