//! Records put back as they were exported: ids, times and revisions included.
//!
//! What is put back is indexed and counted like everything else; names that somebody else has are refused. What a source
//! owns stays its own. Whoever is not active any more afterwards loses their sessions.

use super::brake::Kind;
use super::dynamic::GroupRule;
use super::membership::Member;
use super::reconcile::Authority;
use super::tables::{
    GROUPS, MEMBER_COUNTS, MEMBER_OF, MEMBER_OF_COUNTS, MEMBERS, TOMBSTONES, TOTALS, USER_SUBJECTS, USERS,
};
use super::{Directory, Error, MAX_PAGE};
use crate::access::Restored;
use crate::audit::Change;
use crate::model::{Group, GroupId, Membership, Status, Subject, User};
use crate::store::{self, Range};

impl Directory {
    /// Which of a user's links nobody else may have: the stable ids of directories and connectors.
    ///
    /// # Errors
    /// `Store`.
    pub async fn exclusive_links(&self, user: &User) -> Result<Vec<bool>, Error> {
        let mut exclusive = Vec::with_capacity(user.links.len());
        for link in &user.links {
            let subject = (link.source.clone(), link.external_id.clone());
            let holder = self.store().find(&USER_SUBJECTS, self.organisation, &subject).await?;
            exclusive.push(holder == Some(user.id));
        }
        Ok(exclusive)
    }

    /// Direct members of a group with their rows, after `after`, at most `limit` and [`MAX_PAGE`].
    ///
    /// # Errors
    /// `Store`.
    pub async fn membership_page(
        &self,
        group: GroupId,
        after: Option<Member>,
        limit: usize,
    ) -> Result<Vec<(Member, Membership)>, Error> {
        let mut range = Range::prefix(MEMBERS.prefix(self.organisation, &group), limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&MEMBERS.key(self.organisation, &(group, after)));
        }
        let rows = self.store().range(range).await?;
        let read =
            |(key, stored): &store::Row| Ok((Member::of_key(key)?, store::decode(MEMBERS.name(), &stored.value)?));
        rows.iter().map(read).collect()
    }

    /// Whether there is such a user or group, as part of a change of the caller's.
    ///
    /// # Errors
    /// `Store`.
    pub async fn has_subject(&self, change: &mut Change, subject: Subject) -> Result<bool, Error> {
        Ok(match subject {
            Subject::Group(id) => change.find(&GROUPS, self.organisation, &id).await?.is_some(),
            Subject::User(id) => change.find(&USERS, self.organisation, &id).await?.is_some(),
        })
    }

    /// Puts a user back, as part of a change of the caller's; `exclusive` tells which of its links nobody else may have.
    ///
    /// # Errors
    /// `Conflict` when somebody else has the name or an exclusive link, `Invalid` for the id of a deleted user, `Store`.
    pub async fn restore_user(&self, change: &mut Change, user: &User, exclusive: &[bool]) -> Result<Restored, Error> {
        let user = &User { organisation: self.organisation, ..user.clone() };
        if change.find(&TOMBSTONES, self.organisation, &user.id).await?.is_some() {
            let reason = "is that of a deleted user, and ids are not given twice".to_owned();
            return Err(Error::Invalid { field: "id".to_owned(), reason });
        }
        let before = change.find(&USERS, self.organisation, &user.id).await?;
        if before.as_ref() == Some(user) {
            return Ok(Restored::Same);
        }
        if before.as_ref().is_some_and(|before| before.status == Status::Inactive) && user.status != Status::Inactive {
            // Who has left since the document was written, or was shut out by a source, does not come back by it.
            let reason =
                format!("`{}` is inactive here, which a document does not end; activate it first", user.user_name);
            return Err(Error::Invalid { field: "status".to_owned(), reason });
        }
        self.stage_restored_name(change, before.as_ref(), user).await?;
        self.index(change, user, before.as_ref(), &Authority::Administrator).await?;
        for (link, is_exclusive) in user.links.iter().zip(exclusive) {
            let subject = (link.source.clone(), link.external_id.clone());
            let holder = change.find(&USER_SUBJECTS, self.organisation, &subject).await?;
            match holder {
                Some(holder) if holder != user.id => {
                    return Err(Error::Conflict { field: "externalId".into(), value: link.external_id.clone() });
                }
                None if *is_exclusive => change.put(&USER_SUBJECTS, self.organisation, &subject, &user.id)?,
                Some(_) | None => {}
            }
        }
        change.put(&USERS, self.organisation, &user.id, user)?;
        let old_owner = before.as_ref().and_then(|before| before.owner.as_ref());
        self.count_owner(change, Kind::Users, old_owner, user.owner.as_ref());
        self.count_sight(change, before.as_ref(), Some(user));
        if before.is_none() {
            change.add(&TOTALS, self.organisation, "users", 1);
            return Ok(Restored::Created);
        }
        if user.status != Status::Active {
            self.belongings.shut(change, user.id).await?;
        }
        Ok(Restored::Changed)
    }

    /// Puts a group back without its members, as part of a change of the caller's.
    ///
    /// # Errors
    /// `Conflict` when its owner has another group of that name, `Store`.
    pub async fn restore_group(&self, change: &mut Change, group: &Group) -> Result<Restored, Error> {
        let group = &Group { organisation: self.organisation, ..group.clone() };
        let before = change.find(&GROUPS, self.organisation, &group.id).await?;
        if before.as_ref() == Some(group) {
            return Ok(Restored::Same);
        }
        if let Some(rule) = &group.rule {
            rule.parse::<GroupRule>().map_err(|reason| Error::Invalid { field: "rule".to_owned(), reason })?;
        }
        if before.as_ref().and_then(|before| before.rule.as_ref()) != group.rule.as_ref() {
            self.stage_rule(change, group.id, group.rule.as_deref()).await?;
        }
        self.index_group(change, group, before.as_ref()).await?;
        change.put(&GROUPS, self.organisation, &group.id, group)?;
        let old_owner = before.as_ref().and_then(|before| before.owner.as_ref());
        self.count_owner(change, Kind::Groups, old_owner, group.owner.as_ref());
        if before.is_none() {
            change.add(&TOTALS, self.organisation, "groups", 1);
            return Ok(Restored::Created);
        }
        Ok(Restored::Changed)
    }

    /// Puts a membership back, as part of a change of the caller's.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or member, `Store`.
    pub async fn restore_member(
        &self,
        change: &mut Change,
        group: GroupId,
        member: Member,
        row: &Membership,
    ) -> Result<Restored, Error> {
        let missing = |what, id: String| Err(Error::NotFound { what, id });
        if change.find(&GROUPS, self.organisation, &group).await?.is_none() {
            return missing("group", group.to_string());
        }
        match member {
            Member::Group(id) if change.find(&GROUPS, self.organisation, &id).await?.is_none() => {
                return missing("group", id.to_string());
            }
            Member::User(id) if change.find(&USERS, self.organisation, &id).await?.is_none() => {
                return missing("user", id.to_string());
            }
            Member::Group(_) | Member::User(_) => {}
        }
        let before = change.find(&MEMBERS, self.organisation, &(group, member)).await?;
        if before.as_ref() == Some(row) {
            return Ok(Restored::Same);
        }
        change.put(&MEMBERS, self.organisation, &(group, member), row)?;
        let row = Membership { display: None, ..row.clone() };
        change.put(&MEMBER_OF, self.organisation, &(member, group), &row)?;
        if before.is_some() {
            return Ok(Restored::Changed);
        }
        change.add(&MEMBER_COUNTS, self.organisation, &group, 1);
        change.add(&MEMBER_OF_COUNTS, self.organisation, &member, 1);
        Ok(Restored::Created)
    }
}
