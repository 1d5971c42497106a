//! The pack's roles and the stored ones as one book. What cannot be in force, because the pack has changed, is left out:
//! whoever holds it is denied everything, since what it denied is not known.

use std::collections::BTreeMap;

use super::{StoredRole, StoredRoles};
use crate::access::roles::circle;
use crate::access::{RoleBook, RoleEntry};
use crate::model::{Permission, RoleId};

/// Most roles that one is made of, itself and what it includes on the way.
const MAX_PARTS: usize = 64;

/// One book of both, and what is wrong with which stored role.
pub(super) fn join(pack: &RoleBook, stored: &StoredRoles) -> (RoleBook, BTreeMap<RoleId, String>) {
    let mut problems = BTreeMap::new();
    let mut joined: BTreeMap<RoleId, RoleEntry> =
        pack.iter().map(|entry| (entry.role.id.clone(), entry.clone())).collect();
    for (id, role) in stored {
        if pack.find(id).is_some() {
            problems.insert(id.clone(), "the policy pack has a role of the same id, which holds".to_owned());
        } else {
            joined.insert(id.clone(), known_only(role, pack, &mut problems));
        }
    }
    let mut leave_out = |joined: &mut BTreeMap<RoleId, RoleEntry>, id: RoleId, problem: String| {
        joined.remove(&id);
        problems.insert(id, problem);
    };
    // What includes something that is left out is left out too.
    while let Some((id, missing)) = missing_include(&joined) {
        leave_out(&mut joined, id, format!("there is no role `{missing}`"));
    }
    while let Some(circle) = circle(&joined) {
        let shown = circle.iter().map(RoleId::as_str).collect::<Vec<_>>().join(" → ");
        for id in circle {
            leave_out(&mut joined, id, format!("go in a circle: {shown}"));
        }
        while let Some((id, missing)) = missing_include(&joined) {
            leave_out(&mut joined, id, format!("there is no role `{missing}`"));
        }
    }
    let large = |(id, _): &(&RoleId, &RoleEntry)| stored.contains_key(*id) && parts(id, &joined) > MAX_PARTS;
    let too_large: Vec<RoleId> = joined.iter().filter(large).map(|(id, _)| id.clone()).collect();
    for id in too_large {
        leave_out(&mut joined, id, format!("make it of more than {MAX_PARTS} roles"));
    }
    while let Some((id, missing)) = missing_include(&joined) {
        leave_out(&mut joined, id, format!("there is no role `{missing}`"));
    }
    let entries = joined.into_values().collect();
    match RoleBook::new(pack.catalogue().clone(), entries) {
        Ok(book) => (book, problems),
        // What is left is complete; were it not, the pack alone would be the safe answer.
        Err(error) => {
            problems.extend(stored.keys().map(|id| (id.clone(), error.to_string())));
            (pack.clone(), problems)
        }
    }
}

fn missing_include(joined: &BTreeMap<RoleId, RoleEntry>) -> Option<(RoleId, RoleId)> {
    joined.iter().find_map(|(id, entry)| {
        let missing = entry.role.includes.iter().find(|include| !joined.contains_key(*include))?;
        Some((id.clone(), missing.clone()))
    })
}

/// How many roles a role is made of, counted until they are too many.
fn parts(id: &RoleId, joined: &BTreeMap<RoleId, RoleEntry>) -> usize {
    let mut seen = vec![id];
    let mut at = 0;
    while let Some(entry) = seen.get(at).and_then(|id| joined.get(*id)) {
        for include in &entry.role.includes {
            if !seen.contains(&include) {
                seen.push(include);
            }
        }
        at += 1;
        if seen.len() > MAX_PARTS {
            break;
        }
    }
    seen.len()
}

/// The role without what is not in the catalogue: what is missing gives nothing, and nobody asks for it either.
fn known_only(stored: &StoredRole, pack: &RoleBook, problems: &mut BTreeMap<RoleId, String>) -> RoleEntry {
    let mut entry = stored.as_entry();
    let mut unknown: Vec<String> = Vec::new();
    for rules in [&mut entry.role.permissions, &mut entry.role.denies, &mut entry.role.if_owner] {
        rules.retain(|rule: &Permission| {
            let is_known = pack.catalogue().knows(rule);
            if !is_known {
                unknown.push(format!("`{rule}`"));
            }
            is_known
        });
    }
    if !unknown.is_empty() {
        let problem = format!("the policy pack does not have {}, which count for nothing", unknown.join(", "));
        problems.insert(entry.role.id.clone(), problem);
    }
    entry
}
