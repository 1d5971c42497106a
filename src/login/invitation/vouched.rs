//! Invitations that a provider's word accepts: the account of somebody who was invited and comes by a connector that may link
//! to accounts that exist is theirs, as if they had followed the link, and gets no password.

use super::{INVITATION_OF, INVITATIONS, Invitation, InvitationId};
use crate::login::finish::Visit;
use crate::login::{Error, Login};
use crate::model::{OrganisationId, Status, User, UserId};
use crate::store::{Range, decode};
use crate::upstream::AssertedIdentity;

/// Invitations of one read.
const PAGE: usize = 500;

impl Login {
    /// Accepts the invitation of the account that an identity may link to, where one waits: with the same questions to who
    /// invited. Whoever does not wait, or may not be linked to, is left as they are.
    pub(in crate::login) async fn accept_vouched(
        &self,
        identity: &AssertedIdentity,
        visit: &Visit,
    ) -> Result<(), Error> {
        let directory = &self.services.directory;
        let user = directory.find_user_by_name(identity.user_name()).await?;
        let Some(user) = user.filter(|user| user.status == Status::Invited && self.may_link(identity, user)) else {
            return Ok(());
        };
        let connector = identity.connector();
        let shut_out = self.services.access.shut_out(user.id, visit.circumstance.address, None).await;
        let is_shut_out = shut_out.map_err(|error| Error::Unavailable(error.to_string()))?.is_some();
        // What does not open a session uses nothing up; why it does not is told later.
        if is_shut_out || user.external_id(connector).is_some() || !directory.is_of_realm(connector, &user) {
            return Ok(());
        }
        let Some((id, invitation)) = self.waiting_of(user.id).await? else { return Ok(()) };
        self.check_inviter(&invitation, &visit.circumstance).await?;
        self.activate_vouched(id, &user, identity, visit).await
    }

    /// The open invitation of an account.
    async fn waiting_of(&self, user: UserId) -> Result<Option<(InvitationId, Invitation)>, Error> {
        let store = self.services.ledger.store();
        let Some(id) = store.find(&INVITATION_OF, OrganisationId::DEFAULT, &user).await? else {
            return self.waiting_of_before(user).await;
        };
        let found = self.find_invitation(id).await?;
        Ok(found.filter(|found| found.is_open(self.services.clock.now())).map(|found| (id, found)))
    }

    /// The same of an invitation that a release before made, which left no row to find it by. All are looked at: only for
    /// somebody who waits and for whom a provider vouches.
    async fn waiting_of_before(&self, user: UserId) -> Result<Option<(InvitationId, Invitation)>, Error> {
        let now = self.services.clock.now();
        let mut range = Range::prefix(INVITATIONS.prefix(OrganisationId::DEFAULT, &()), PAGE);
        loop {
            let rows = self.services.ledger.store().range(range.clone()).await?;
            for (key, row) in &rows {
                let found: Invitation = decode(INVITATIONS.name(), &row.value)?;
                if found.user == user && found.is_open(now) {
                    return Ok(Some((InvitationId::from_bytes(INVITATIONS.suffix(key)?), found)));
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE => range = range.after(key),
                _ => return Ok(None),
            }
        }
    }

    /// The account is active and the invitation is used up: one commit.
    async fn activate_vouched(
        &self,
        id: InvitationId,
        waiting: &User,
        identity: &AssertedIdentity,
        visit: &Visit,
    ) -> Result<(), Error> {
        let services = &self.services;
        let permit = &self.weighed_acceptance(waiting.id).await?;
        services
            .ledger
            .retry(|mut change| async move {
                // What would refuse the session refuses this, and is read by the commit.
                self.check_signalled(&mut change, identity).await?;
                let (session, at) = (identity.upstream_session(), identity.at_upstream());
                self.check_logged_out(&mut change, identity.connector(), session, at).await?;
                if let Some(claim) = identity.claim() {
                    self.check_unclaimed(&mut change, identity.connector(), &claim.id).await?;
                }
                let found = change.find(&INVITATIONS, OrganisationId::DEFAULT, &id).await?;
                let user = services.directory.user_in(&mut change, waiting.id).await?;
                let now = services.clock.now();
                let Some(invitation) = found.filter(|found| found.is_open(now) && user.status == Status::Invited)
                else {
                    return Ok(());
                };
                let account = (&user, user.attributes.clone());
                let (_, event) =
                    self.stage_acceptance(&mut change, permit, (id, invitation), account, &visit.circumstance).await?;
                let event = event.detail("connector", identity.connector()).detail("subject", identity.subject());
                change.commit(event).await?;
                Ok(())
            })
            .await
    }
}
