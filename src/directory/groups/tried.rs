//! Changes of groups that are only tried: checked as the change itself is, with nothing written.

use super::{Directory, Error, draft_of};
use crate::access::Permit;
use crate::model::{Group, GroupId, GroupName};

impl Directory {
    /// What a group would be under this name, or as it is: refused as the change or the deletion of it would be.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Owned`; `Conflict` when the name is taken; `Store`.
    pub async fn try_group(
        &self,
        permit: &Permit,
        id: GroupId,
        revision: Option<u64>,
        name: Option<&GroupName>,
    ) -> Result<Group, Error> {
        let mut change = self.ledger.change();
        let before = self.group_in(&mut change, id, permit, revision).await?;
        let mut draft = draft_of(&before, self.authority(permit).owner());
        draft.name = name.cloned().unwrap_or(draft.name);
        Ok(self.stage_group(&mut change, permit, before, draft).await?.0)
    }
}
