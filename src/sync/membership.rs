//! Who is in which group, directly and through nested groups, in memory. Cycles end.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::MAX_NESTING;

/// Direct memberships by the source's ids, seen from the member.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership<'a> {
    /// Groups in which a person is.
    people: BTreeMap<&'a str, Vec<&'a str>>,
    /// Groups in which a group is.
    groups: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Membership<'a> {
    pub(super) fn add_person(&mut self, person: &'a str, group: &'a str) {
        self.people.entry(person).or_default().push(group);
    }

    pub(super) fn add_group(&mut self, member: &'a str, group: &'a str) {
        self.groups.entry(member).or_default().push(group);
    }

    /// Every group in which a person is, as deep as the directory itself follows.
    pub(super) fn groups_of(&self, person: &str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut level: Vec<&'a str> = self.people.get(person).cloned().unwrap_or_default();
        for _ in 0..MAX_NESTING {
            level.retain(|group| found.insert(*group));
            level = level.iter().filter_map(|group| self.groups.get(group)).flatten().copied().collect();
            if level.is_empty() {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_groups_and_cycles_close() {
        let mut membership = Membership::default();
        membership.add_person("ada", "analysts");
        for (member, group) in [("analysts", "finance"), ("finance", "company"), ("company", "analysts")] {
            membership.add_group(member, group);
        }
        membership.add_group("other", "company");
        assert_eq!(membership.groups_of("ada").into_iter().collect::<Vec<_>>(), ["analysts", "company", "finance"]);
        assert!(membership.groups_of("nobody").is_empty());
    }

    #[test]
    fn a_chain_is_followed_as_deep_as_the_directory_does() {
        let names: Vec<String> = (0..100).map(|index| format!("g{index}")).collect();
        let mut membership = Membership::default();
        membership.add_person("ada", &names[0]);
        for pair in names.windows(2) {
            membership.add_group(&pair[0], &pair[1]);
        }
        assert_eq!(membership.groups_of("ada").len(), MAX_NESTING);
    }
}
