//! A pack as written, and how it becomes a pack as used.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{Catalogue, GATEWAY, LoginRule, Pack, RoleBook, RoleEntry, RoleKind, RoleNameRule, Row};
use crate::access::Error;
use crate::access::roles::slug;
use crate::model::{Permission, Role, RoleId};

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    #[serde(default)]
    default_role: Option<Text>,
    #[serde(default)]
    scope_kinds: Vec<String>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Presets {
    password: String,
    lockout: String,
}

impl Default for Presets {
    fn default() -> Self {
        Self { password: "nist-63b-4".to_owned(), lockout: "balanced".to_owned() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Names {
    role_spaces: bool,
    role_max: usize,
    login_spaces: bool,
    login_max: usize,
    login_rename: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self { role_spaces: true, role_max: 64, login_spaces: true, login_max: 512, login_rename: true }
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
    #[serde(default)]
    heading: Option<Text>,
    /// Exists only where this option is `on`.
    #[serde(default)]
    feature: Option<Text>,
    #[serde(default)]
    when: Vec<When>,
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
    catalogue: Catalogue,
    options: BTreeMap<String, String>,
    problems: Vec<String>,
}

pub(super) fn load(name: &str, text: &str, chosen: &BTreeMap<String, String>) -> Result<Pack, Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map(|span| format!("line {}: ", line(text, &span))).unwrap_or_default();
        vec![format!("{at}{}", error.message())]
    })?;
    let mut reader = Reader { text, catalogue: gateway()?, options: BTreeMap::new(), problems: Vec::new() };
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
    }
    let columns = reader.known_roles(&file.matrix.columns, &known);
    let default_role = reader.known_roles(file.default_role.as_slice(), &known).pop();
    let rows = file.matrix.row.iter().map(|row| reader.row(row)).collect();
    let book = RoleBook::new(reader.catalogue, entries).map_err(|error| reader.problems.push(brief(&error))).ok();
    let Some(roles) = book.filter(|_| reader.problems.is_empty()) else { return Err(reader.problems) };
    Ok(Pack {
        name: name.to_owned(),
        title: file.title,
        roles,
        role_name,
        login: LoginRule {
            allows_spaces: names.login_spaces,
            max_chars: names.login_max,
            allows_rename: names.login_rename,
        },
        default_role,
        scope_kinds: file.scope_kinds,
        password: file.presets.password,
        lockout: file.presets.lockout,
        headings: file.flag_headings,
        columns,
        rows,
    })
}

/// The gateway's own part of every catalogue.
fn gateway() -> Result<Catalogue, Vec<String>> {
    let entries: BTreeMap<Text, Vec<Text>> =
        toml::from_str(GATEWAY).map_err(|error| vec![format!("the gateway's catalogue: {}", error.message())])?;
    let mut reader =
        Reader { text: GATEWAY, catalogue: Catalogue::default(), options: BTreeMap::new(), problems: Vec::new() };
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

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, what: &str) {
        self.problems.push(format!("line {}: {what}", line(self.text, &span)));
    }

    fn catalogue(&mut self, entries: &BTreeMap<Text, Vec<Text>>) {
        for (resource, actions) in entries {
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

    fn choose(&mut self, choices: &[Choice], chosen: &BTreeMap<String, String>) {
        for choice in choices {
            if !choice.values.contains(choice.default.get_ref()) {
                self.problem(choice.default.span(), "the default is none of the values");
            }
            let value = chosen.get(&choice.name).unwrap_or(choice.default.get_ref());
            if !choice.values.contains(value) {
                let values = choice.values.join(", ");
                self.problems.push(format!("option `{}` is `{value}`, must be one of {values}", choice.name));
            }
            self.options.insert(choice.name.clone(), value.clone());
        }
        for name in chosen.keys().filter(|name| !choices.iter().any(|choice| choice.name == **name)) {
            self.problems.push(format!("there is no option `{name}` in this pack"));
        }
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
        Some(RoleEntry { role, kind, is_scoped_only: file.scoped_only, heading, is_hidden })
    }

    fn permissions(&mut self, texts: &[Text]) -> Vec<Permission> {
        let mut permissions = Vec::new();
        for text in texts {
            match text.get_ref().parse::<Permission>() {
                Ok(permission) if self.catalogue.knows(&permission) => permissions.push(permission),
                Ok(_) => {
                    let near = self.nearest(text.get_ref());
                    let hint = near.map(|near| format!("; is `{near}` meant?")).unwrap_or_default();
                    self.problem(text.span(), &format!("`{}` is not in the catalogue{hint}", text.get_ref()));
                }
                Err(error) => self.problem(text.span(), &format!("`{}` {error}", text.get_ref())),
            }
        }
        permissions
    }

    fn nearest(&self, text: &str) -> Option<Permission> {
        let near = self.catalogue.iter().map(|known| (distance(text, &known.to_string()), known));
        near.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= 3).map(|(_, known)| known)
    }

    fn known_roles(&mut self, texts: &[Text], known: &BTreeSet<RoleId>) -> Vec<RoleId> {
        let mut roles = Vec::new();
        for text in texts {
            match text.get_ref().parse::<RoleId>().ok().filter(|id| known.contains(id)) {
                Some(id) => roles.push(id),
                None => self.problem(text.span(), &format!("there is no role `{}`", text.get_ref())),
            }
        }
        roles
    }

    fn row(&mut self, row: &RowFile) -> Row {
        Row { label: row.label.clone(), needs: self.permissions(&row.needs) }
    }
}

/// How many characters must be inserted, removed or replaced to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&other) {
            let best = if a == *b { diagonal } else { 1 + diagonal.min(left).min(*cell) };
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
