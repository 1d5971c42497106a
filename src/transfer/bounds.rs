//! What holds for everything that is made by hand holds for a document, too: no circles of groups, no more grants than
//! anybody may hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::document::Record;
use super::{Document, Error};
use crate::access::{Access, MAX_GRANTS};
use crate::directory::{Directory, Member};
use crate::model::{Grant, GrantId, GroupId, Origin, Subject};

/// Most groups that are walked over for one nesting.
const MAX_WALKED: usize = 10_000;

/// What a document has too much of, each with its line.
///
/// # Errors
/// `Directory`, `Access`.
pub(super) async fn problems(
    access: &Access,
    directory: &Directory,
    document: &Document,
) -> Result<Vec<String>, Error> {
    let mut problems = circles(directory, document).await?;
    let mut held: BTreeMap<Subject, (usize, BTreeSet<GrantId>)> = BTreeMap::new();
    for (number, record) in &document.0 {
        if let Record::Grant(grant) = record
            && is_by_hand(grant)
        {
            held.entry(grant.subject).or_insert((*number, BTreeSet::new())).1.insert(grant.id);
        }
    }
    for (subject, (number, mut ids)) in held {
        let stored = access.grants().list(subject).await?;
        ids.extend(stored.iter().filter(|grant| is_by_hand(grant)).map(|grant| grant.id));
        if ids.len() > MAX_GRANTS {
            problems.push(format!("line {number}: its holder would hold {} grants, at most {MAX_GRANTS}", ids.len()));
        }
    }
    Ok(problems)
}

fn is_by_hand(grant: &Grant) -> bool {
    matches!(grant.origin, Origin::ByHand(_))
}

/// Groups that would be within themselves by what was put together by hand; circles of sources are carried as they are.
async fn circles(directory: &Directory, document: &Document) -> Result<Vec<String>, Error> {
    let mut above: BTreeMap<GroupId, Vec<GroupId>> = BTreeMap::new();
    let mut by_hand: Vec<(usize, GroupId, GroupId)> = Vec::new();
    for (number, record) in &document.0 {
        if let Record::Member(group, Member::Group(nested), row) = record {
            above.entry(*nested).or_default().push(*group);
            by_hand.extend(row.source.is_none().then_some((*number, *group, *nested)));
        }
    }
    let mut problems = Vec::new();
    for (number, group, nested) in by_hand {
        let (mut known, mut queue) = (BTreeSet::from([group]), VecDeque::from([group]));
        while let Some(next) = queue.pop_front() {
            if next == nested {
                problems.push(format!("line {number}: would make a circle of groups through {nested}"));
                break;
            }
            if known.len() > MAX_WALKED {
                problems.push(format!("line {number}: lies below more than {MAX_WALKED} groups"));
                break;
            }
            let stored = directory.groups_of(Member::Group(next)).await?.into_iter().map(|(group, _)| group);
            let more = above.get(&next).into_iter().flatten().copied();
            queue.extend(stored.chain(more).filter(|group| known.insert(*group)));
        }
    }
    Ok(problems)
}
