//! `[[mapping]]`: from what a source says to what a person may do.

use super::document::Span;
use super::section::Section;
use crate::filter::{self, Filter};
use crate::model::{RoleId, Scope, SourceId};

/// What a mapping gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedGrant {
    /// The role.
    pub role: RoleId,
    /// Where it holds; organisation-wide without.
    pub scope: Option<Scope>,
}

/// `[[mapping]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The source or connector whose records it looks at.
    pub from: SourceId,
    /// The condition on the record.
    pub when: Filter,
    /// What it gives.
    pub grant: MappedGrant,
    /// Where it is written, `cleargate.toml:31`, for the origin of its grants.
    pub position: String,
}

impl Mapping {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let from = section.required::<SourceId>("from");
        let when = condition(section);
        let grant = MappedGrant::resolve(&section.table("grant"));
        if !section.has("grant") {
            section.missing("grant", "must be `{ role = \"…\", scope = \"…\" }`");
        }
        Some(Self { from: from?, when: when?, grant: grant?, position: section.place() })
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
        Ok(filter) => return Some(filter),
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
