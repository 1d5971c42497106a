//! What a filter asks for, before it is evaluated.

use super::{AttributePath, Comparison, Filter, Operator};
use crate::model::Value;

/// The equalities that every match fulfils: the filter's own, or those under its `and`. An index over one of the
/// attributes finds all candidates; they must still be matched.
///
/// An equality inside brackets counts by its full path: `emails[type eq "work" and value eq "x"]` gives `emails.type`
/// and `emails.value`. `emails eq "x"` gives `emails`, whose value is that of `emails.value`.
pub fn equalities(filter: &Filter) -> Vec<(AttributePath, &Value)> {
    let equal = comparisons(filter).into_iter().filter(|(_, operator, _)| *operator == Operator::Equal);
    equal.map(|(path, _, value)| (path, value)).collect()
}

/// The same for comparisons of every kind.
pub fn comparisons(filter: &Filter) -> Vec<(AttributePath, Operator, &Value)> {
    let mut found = Vec::new();
    collect(filter, None, &mut found);
    found
}

fn collect<'f>(
    filter: &'f Filter,
    parent: Option<&AttributePath>,
    found: &mut Vec<(AttributePath, Operator, &'f Value)>,
) {
    match filter {
        Filter::And(parts) => parts.iter().for_each(|part| collect(part, parent, found)),
        Filter::Compare { path, operator, value } => found.push((below(parent, path), *operator, value)),
        Filter::Element { path, filter } => collect(filter, Some(path), found),
        Filter::Not(_) | Filter::Or(_) | Filter::Present(_) => {}
    }
}

/// The path as from the root: inside brackets a name is a sub-attribute of what stands before them.
fn below(parent: Option<&AttributePath>, path: &AttributePath) -> AttributePath {
    parent.map_or_else(|| path.clone(), |parent| parent.with_sub(&path.name))
}

pub(super) fn visit<E>(
    filter: &Filter,
    parent: Option<&AttributePath>,
    visitor: &mut dyn FnMut(&AttributePath, Comparison<'_>) -> Result<(), E>,
) -> Result<(), E> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(|part| visit(part, parent, visitor)),
        Filter::Compare { path, operator, value } => visitor(&below(parent, path), Some((*operator, value))),
        Filter::Element { path, filter } => {
            visitor(path, None)?;
            visit(filter, Some(path), visitor)
        }
        Filter::Not(inner) => visit(inner, parent, visitor),
        Filter::Present(path) => visitor(&below(parent, path), None),
    }
}
