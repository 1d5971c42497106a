//! What is remembered of users who were deleted: their names and stable ids, so that nobody signs in to what was theirs.

use super::reconcile::Authority;
use super::tables::{RETIRED_NAMES, RETIRED_SUBJECTS, TOMBSTONES};
use super::{Directory, Error};
use crate::audit::Change;
use crate::model::{Status, User};

impl Directory {
    /// Remembers the name and the stable ids of a deleted user.
    pub(super) fn retire(&self, change: &mut Change, user: &User) -> Result<(), Error> {
        change.put(&RETIRED_NAMES, self.organisation, &user.user_name.folded(), &user.id)?;
        for link in &user.links {
            let subject = (link.source.clone(), link.external_id.clone());
            change.put(&RETIRED_SUBJECTS, self.organisation, &subject, &user.id)?;
        }
        Ok(())
    }

    /// Whoever may create accounts takes a retired name into use again; a sign-in does not. Whom an administrator disabled
    /// before the account was deleted stays disabled when a directory that is pulled still shows them.
    pub(super) async fn revive(
        &self,
        change: &mut Change,
        user: &mut User,
        authority: &Authority,
    ) -> Result<(), Error> {
        let name = user.user_name.folded();
        let mut is_retired = change.find(&RETIRED_NAMES, self.organisation, &name).await?.is_some();
        let mut disabled: Option<User> = None;
        for link in &user.links {
            let subject = (link.source.clone(), link.external_id.clone());
            if let Some(old) = change.find(&RETIRED_SUBJECTS, self.organisation, &subject).await? {
                is_retired = true;
                let is_pulled = authority.is_exclusive() && authority.owner().is_some();
                if is_pulled && let Some(old) = change.find(&TOMBSTONES, self.organisation, &old).await? {
                    disabled = disabled.or_else(|| (old.disabled_by_hand == Some(true)).then_some(old));
                }
                change.delete(&RETIRED_SUBJECTS, self.organisation, &subject);
            }
        }
        if is_retired && matches!(authority, Authority::SignIn(_)) {
            return Err(Error::Retired);
        }
        if is_retired {
            change.delete(&RETIRED_NAMES, self.organisation, &name);
        }
        if let Some(old) = disabled {
            user.status = Status::Inactive;
            user.disabled_by_hand = Some(true);
            user.companies = old.companies;
        }
        Ok(())
    }
}
