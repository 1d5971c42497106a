//! The one expression language: filters and paths of SCIM (RFC 7644 sections 3.4.2.2 and 3.5.2), used for searches,
//! mapping rules and PATCH alike.
//!
//! Text is parsed in one pass without backtracking; it has at most [`MAX_BYTES`] bytes and nests at most [`MAX_DEPTH`]
//! deep, so that no input costs more than its length or reaches the end of the stack. What parses prints back to one
//! canonical text that parses to the same filter. Evaluation never fails: a comparison that makes no sense for the
//! value at hand is false. Names and operators are compared without regard to case.
//!
//! Two readings go beyond the RFC's grammar: `emails[type eq "work"].value eq "x"` means
//! `emails[type eq "work" and value eq "x"]`, and any white space separates words.

mod evaluate;
mod parse;
mod path;
mod plan;
mod print;
#[cfg(test)]
mod tests;

use crate::model::Value;

pub use evaluate::{Fact, Facts, Kind, NoSchema, find_attribute, is_present, is_same_text};
pub use path::{AttributePath, Path};
pub use plan::{comparisons, equalities};

/// Longest text of a filter or path, in bytes.
pub const MAX_BYTES: usize = 2048;
/// Deepest nesting of parentheses, `not` and brackets.
pub const MAX_DEPTH: usize = 32;

/// Why a text is no filter, path or attribute name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something else should stand there.
    #[error("expected {expected} at position {position}, found {found}")]
    Syntax {
        /// Which character, counted from 1.
        position: usize,
        /// What may stand there.
        expected: &'static str,
        /// What does stand there, shortened.
        found: String,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested more than {MAX_DEPTH} deep at position {position}")]
    TooDeep {
        /// Which character, counted from 1.
        position: usize,
    },
    /// Longer than [`MAX_BYTES`].
    #[error("longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// What an attribute is compared with, and how; `None` where only its presence is asked for.
pub type Comparison<'a> = Option<(Operator, &'a Value)>;

/// A condition on an object. Build conjunctions with [`Filter::all`] and [`Filter::any`], which keep the canonical shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All hold; two or more.
    And(Vec<Filter>),
    /// An attribute's value, or one of several, compares as said.
    Compare {
        /// Of which attribute.
        path: AttributePath,
        /// How.
        operator: Operator,
        /// With what: a string, number, boolean or null.
        value: Value,
    },
    /// One element of an attribute meets a condition on its sub-attributes: `emails[type eq "work"]`.
    Element {
        /// Of which attribute.
        path: AttributePath,
        /// The condition; its names are sub-attributes.
        filter: Box<Filter>,
    },
    /// Does not hold.
    Not(Box<Filter>),
    /// One holds; two or more.
    Or(Vec<Filter>),
    /// The attribute has a value (`pr`).
    Present(AttributePath),
}

impl Filter {
    /// A filter as provisioning clients write it: one word of text may stand without quotes, as in `userName sw O`. Where
    /// an administrator writes, a forgotten quote or a misspelt `true` is an error instead: use `parse`.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn lenient(text: &str) -> Result<Filter, Error> {
        parse::filter(text, parse::Quotes::Spared)
    }

    /// The conjunction; nested conjunctions are merged, one alone is itself. Of none, `None`.
    pub fn all(filters: impl IntoIterator<Item = Filter>) -> Option<Filter> {
        let parts = filters.into_iter().flat_map(|filter| match filter {
            Self::And(parts) => parts,
            other => vec![other],
        });
        joined(parts.collect(), Self::And)
    }

    /// The disjunction; nested disjunctions are merged, one alone is itself. Of none, `None`.
    pub fn any(filters: impl IntoIterator<Item = Filter>) -> Option<Filter> {
        let parts = filters.into_iter().flat_map(|filter| match filter {
            Self::Or(parts) => parts,
            other => vec![other],
        });
        joined(parts.collect(), Self::Or)
    }

    /// Whether `object` meets the condition; `facts` tells types and case rules of attributes, [`NoSchema`] when there
    /// is none to ask.
    pub fn matches(&self, object: &serde_json::Map<String, Value>, facts: &dyn Facts) -> bool {
        evaluate::matches(self, object, facts)
    }

    /// Calls `visit` with every attribute that is compared: its path as from the root, and the operator, or `None` for
    /// `pr`. Lets a schema refuse what it does not know before anything is evaluated.
    ///
    /// # Errors
    /// The first one that `visit` returns.
    pub fn visit<E>(&self, visit: &mut dyn FnMut(&AttributePath, Comparison<'_>) -> Result<(), E>) -> Result<(), E> {
        plan::visit(self, None, visit)
    }
}

fn joined(mut parts: Vec<Filter>, wrap: fn(Vec<Filter>) -> Filter) -> Option<Filter> {
    if parts.len() > 1 { Some(wrap(parts)) } else { parts.pop() }
}

/// A comparison (RFC 7644 table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `co`
    Contains,
    /// `ew`
    EndsWith,
    /// `eq`
    Equal,
    /// `ge`
    GreaterOrEqual,
    /// `gt`
    GreaterThan,
    /// `le`
    LessOrEqual,
    /// `lt`
    LessThan,
    /// `ne`
    NotEqual,
    /// `sw`
    StartsWith,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 9] = [
        Self::Contains,
        Self::EndsWith,
        Self::Equal,
        Self::GreaterOrEqual,
        Self::GreaterThan,
        Self::LessOrEqual,
        Self::LessThan,
        Self::NotEqual,
        Self::StartsWith,
    ];

    /// The two letters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contains => "co",
            Self::EndsWith => "ew",
            Self::Equal => "eq",
            Self::GreaterOrEqual => "ge",
            Self::GreaterThan => "gt",
            Self::LessOrEqual => "le",
            Self::LessThan => "lt",
            Self::NotEqual => "ne",
            Self::StartsWith => "sw",
        }
    }

    /// Whether it asks for an order: `ge`, `gt`, `le`, `lt`.
    pub const fn is_ordering(self) -> bool {
        matches!(self, Self::GreaterOrEqual | Self::GreaterThan | Self::LessOrEqual | Self::LessThan)
    }
}
