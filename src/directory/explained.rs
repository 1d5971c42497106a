//! Names for explanations: what a decision knows by id only is looked up when it is told, never when it is made.

use std::collections::BTreeSet;

use super::{Directory, Error, Member};
use crate::access::{Brought, Explanation, Names};
use crate::model::{Attributes, GroupId, User, UserId};

impl Directory {
    /// Names the groups on the ways to an explanation's grants, the sources that brought those memberships, and who gave
    /// the grants. What is gone meanwhile keeps its id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn name_explanation(&self, user: UserId, explanation: &mut Explanation) -> Result<(), Error> {
        let mut edges: BTreeSet<(GroupId, Option<GroupId>)> = BTreeSet::new();
        for way in explanation.ways() {
            let mut member = None;
            for group in way {
                edges.insert((*group, member));
                member = Some(*group);
            }
        }
        let makers: BTreeSet<UserId> = explanation.makers().collect();
        let groups: BTreeSet<GroupId> = edges.iter().map(|(group, _)| *group).collect();
        let mut names = Names::default();
        for group in self.groups_by_id(&groups.into_iter().collect::<Vec<_>>()).await? {
            names.groups.insert(group.id, group.name.as_str().to_owned());
        }
        let makers: Vec<User<Attributes>> = self.users_by_id(&makers.into_iter().collect::<Vec<_>>()).await?;
        names.users.extend(makers.into_iter().map(|user| (user.id, user.user_name.as_str().to_owned())));
        for (group, member) in edges {
            let row = self.find_membership(group, member.map_or(Member::User(user), Member::Group)).await?;
            if let Some(row) = row {
                names.brought.insert((group, member), Brought { source: row.source, since: Some(row.since) });
            }
        }
        explanation.name(&names);
        Ok(())
    }
}
