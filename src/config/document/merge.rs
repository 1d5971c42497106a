//! Putting one file's table on top of another's.

use super::super::problem::{Problem, Severity};
use super::{Entry, File, Span, Table, Value};

/// Tables are merged key by key, `[[lists]]` of tables grow, anything else is replaced. A table and something else under
/// one key is a problem.
pub(super) fn merge(into: &mut Table, from: Table, file: &File, path: &str) -> Vec<(Span, Problem)> {
    let mut problems = Vec::new();
    for entry in from.0 {
        let Some(old) = into.0.iter_mut().find(|old| old.name == entry.name) else {
            into.0.push(entry);
            continue;
        };
        let key = if path.is_empty() { entry.name.clone() } else { format!("{path}.{}", entry.name) };
        match (&mut old.node.value, entry) {
            (Value::Table(old), Entry { node: super::Node { value: Value::Table(new), .. }, .. }) => {
                problems.extend(merge(old, new, file, &key));
            }
            (Value::List(old), Entry { node: super::Node { value: Value::List(new), .. }, .. })
                if holds_tables(old) && holds_tables(&new) =>
            {
                old.extend(new);
            }
            (value, entry) if value.kind() != entry.node.value.kind() => {
                let message = format!(
                    "`{key}` is {} here, but {} at {}",
                    entry.node.value.kind(),
                    value.kind(),
                    file.place(old.at)
                );
                problems.push((entry.at, file.problem(Severity::Error, entry.at, &key, message)));
            }
            (_, entry) => *old = entry,
        }
    }
    problems
}

fn holds_tables(nodes: &[super::Node]) -> bool {
    !nodes.is_empty() && nodes.iter().all(|node| matches!(node.value, Value::Table(_)))
}
