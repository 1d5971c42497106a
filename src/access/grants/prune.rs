//! Grants of mapping rules that are no longer in the configuration.

use super::{GRANTS, Grants, Holder, PAGE, decode, event};
use crate::access::{Error, Permit};
use crate::audit::{EventKind, Housekeeping};
use crate::model::{Grant, Origin, RoleId, Scope, SourceId};
use crate::store::Range;

impl Grants {
    /// Deletes every grant of a rule of which `is_in_force` says no: that no rule of its source gives this role there.
    /// Where a rule stands in the file does not matter, and whether its condition holds for the person is not asked.
    /// Works in commits of a few hundred grants, with an event for each; gives how many went.
    ///
    /// # Errors
    /// `Store`; what was committed before stays, and doing it again goes on.
    pub async fn prune(
        &self,
        permit: &Permit,
        is_in_force: impl Fn(&SourceId, &RoleId, Option<&Scope>) -> bool + Sync,
    ) -> Result<usize, Error> {
        let mut range = Range::prefix(GRANTS.prefix(self.organisation, &()), PAGE);
        let mut pruned = 0;
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            let mut stale: Vec<Grant> = Vec::new();
            for (_, stored) in &rows {
                let grant: Grant = decode(GRANTS.name(), &stored.value)?;
                let is_stale = match &grant.origin {
                    Origin::Rule(source, _) => !is_in_force(source, &grant.role, grant.scope.as_ref()),
                    Origin::ByHand(_) => false,
                };
                if is_stale {
                    stale.push(grant);
                }
            }
            pruned += self.delete_all(permit, &stale).await?;
            match rows.last() {
                Some((key, _)) if rows.len() >= PAGE => range = range.after(key),
                _ => return Ok(pruned),
            }
        }
    }

    /// Deletes these, as far as they are still there, in one commit.
    async fn delete_all(&self, permit: &Permit, grants: &[Grant]) -> Result<usize, Error> {
        if grants.is_empty() {
            return Ok(0);
        }
        self.ledger
            .retry(|mut change| async move {
                let mut deleted = 0;
                for grant in grants {
                    let key = (Holder(grant.subject), grant.id);
                    if change.find(&GRANTS, self.organisation, &key).await?.is_some() {
                        self.remove(&mut change, grant);
                        change.also(event(permit, self.clock.now(), EventKind::GrantDeleted, grant));
                        deleted += 1;
                    }
                }
                if deleted > 0 {
                    change.commit_quietly(Housekeeping::SourceState).await?;
                }
                Ok(deleted)
            })
            .await
    }
}
