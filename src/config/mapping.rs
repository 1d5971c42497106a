//! `[[mapping]]`: from what a source says to what a person may do.

use super::document::Span;
use super::section::Section;
use crate::filter::{self, AttributePath, Filter, Operator};
use crate::model::{GroupRef, KEEPINGS, Keeping, RoleId, Scope, SourceId};

/// What a mapping gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedGrant {
    /// The role.
    pub role: RoleId,
    /// Where it holds; organisation-wide without.
    pub scope: Option<Scope>,
}

/// What a mapping does for whom it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// They are in a group.
    Group(GroupRef),
    /// They have a role.
    Role(MappedGrant),
}

/// `[[mapping]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The source or connector whose records it looks at.
    pub from: SourceId,
    /// The condition on the record.
    pub when: Filter,
    /// What it gives.
    pub gives: Gives,
    /// What later sign-ins make of it, default `full`; other sources than connectors have that alone.
    pub keeping: Keeping,
    /// Where it is written, `cleargate.toml:31`, for the origin of its grants.
    pub position: String,
}

impl Mapping {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let from = section.required::<SourceId>("from");
        let when = condition(section);
        let grant = MappedGrant::resolve(&section.table("grant"));
        let join: Option<GroupRef> = section.optional("join");
        match (section.has("grant"), section.has("join")) {
            (true, true) => section.error("join", "cannot stand beside `grant`: write a rule for each", None),
            (false, false) => section.missing("grant", "must be `{ role = \"…\", scope = \"…\" }`"),
            _ => {}
        }
        let gives = join.map(Gives::Group).or(grant.map(Gives::Role));
        let keeping = section.choice("mode", Keeping::Full, &KEEPINGS);
        Some(Self { from: from?, when: when?, gives: gives?, keeping, position: section.place() })
    }

    /// The role that it gives, if it gives one.
    pub fn grant(&self) -> Option<&MappedGrant> {
        match &self.gives {
            Gives::Role(grant) => Some(grant),
            Gives::Group(_) => None,
        }
    }
}

impl MappedGrant {
    fn resolve(section: &Section<'_>) -> Option<Self> {
        let role: Option<RoleId> = section.optional("role");
        let scope: Option<Scope> = section.optional("scope");
        if section.is_present() && !section.has("role") {
            section.missing("role", "must be the id of a role, such as \"data_analyst\"");
        }
        // A scope that is written and wrong must not turn into an organisation-wide grant; its problem stops the load.
        Some(Self { role: role?, scope })
    }
}

fn condition(section: &Section<'_>) -> Option<Filter> {
    let text: String = section.required("when")?;
    let error = match text.parse() {
        Ok(filter) => {
            if let Some(path) = holds_by_absence(&filter, Says::Holds) {
                let reason = format!(
                    "also holds for people of whom the source does not say `{path}`, or does no longer; name what must \
                     be there with `eq`"
                );
                section.warn("when", &reason);
            }
            return Some(filter);
        }
        Err(error) => error,
    };
    let position = match &error {
        filter::Error::Syntax { position, .. } | filter::Error::TooDeep { position } => Some(*position),
        filter::Error::TooLong => None,
    };
    let whole = section.spot("when");
    let at = position.and_then(|position| inside(section, whole, &text, position)).unwrap_or(whole);
    let key = section.key("when");
    let help = "an expression is such as `groups eq \"CN=Finance,OU=Groups,DC=corp,DC=example\"`";
    section.reader.error(at, &key, format!("`{key}` is no expression: {error}"), Some(help.to_owned()));
    None
}

/// What a part of a condition must do so that the whole holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Holds,
    Fails,
}

/// An attribute without which a part of a condition says what makes the whole hold: whoever keeps the source from
/// saying it would gain what the rule gives.
fn holds_by_absence(filter: &Filter, wanted: Says) -> Option<&AttributePath> {
    let absent = |filter: &Filter| match filter {
        Filter::Compare { operator: Operator::NotEqual, value, .. } => !value.is_null(),
        Filter::Compare { operator: Operator::Equal, value, .. } => value.is_null(),
        _ => false,
    };
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().find_map(|part| holds_by_absence(part, wanted)),
        Filter::Not(part) => holds_by_absence(part, if wanted == Says::Holds { Says::Fails } else { Says::Holds }),
        Filter::Compare { path, .. } => (absent(filter) == (wanted == Says::Holds)).then_some(path),
        Filter::Present(path) | Filter::Element { path, .. } if wanted == Says::Fails => Some(path),
        Filter::Element { filter, .. } => holds_by_absence(filter, wanted),
        Filter::Present(_) => None,
    }
}

/// Where the character at `position`, counted from 1, of a text without escapes is.
fn inside(section: &Section<'_>, whole: Span, text: &str, position: usize) -> Option<Span> {
    let source = &section.reader.file.sources.get(whole.file)?.text;
    let start = whole.start.saturating_add(1);
    let is_plain = source.get(start..start.checked_add(text.len())?)? == text;
    let offset = text.char_indices().nth(position.checked_sub(1)?).map_or(text.len(), |(offset, _)| offset);
    let start = start.saturating_add(offset);
    let width = text.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    is_plain.then_some(Span { file: whole.file, start, end: start.saturating_add(width) })
}
