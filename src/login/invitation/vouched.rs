//! Invitations that a provider's word accepts: the account of somebody who was invited and comes by a connector that may link
//! to accounts that exist is theirs, as if they had followed the link, and gets no password.

use super::{INVITATIONS, Invitation, InvitationId, InvitationState};
use crate::access::Overlay;
use crate::audit::{Event, EventKind};
use crate::directory::SourceRecord;
use crate::login::finish::Visit;
use crate::login::{Error, Login};
use crate::model::{Actor, OrganisationId, Status, User, UserId};
use crate::upstream::AssertedIdentity;

/// Invitations of one read, and most that are looked at: those of the last 90 days are kept.
const CHUNK: usize = 500;
const MAX_READ: usize = 50_000;

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
        let (mut after, mut read, now) = (None, 0, self.services.clock.now());
        while read < MAX_READ {
            let page = self.invitations(after, CHUNK).await?;
            read += page.len();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            let found = page.into_iter().find(|(_, invitation)| invitation.user == user && invitation.is_open(now));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
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
        let permit = services.access.task_permit("invitation", None);
        let overlay = Overlay { status: vec![(waiting.id, Some(Status::Active))], ..Overlay::default() };
        let weighed = services.access.weigh(permit, &overlay, false).await;
        let permit = &weighed.map_err(|error| match error {
            crate::access::Error::Store(error) => Error::Store(error),
            other => Error::refused("weighed", other.to_string()),
        })?;
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
                let Some(mut invitation) = found.filter(|found| found.is_open(now) && user.status == Status::Invited)
                else {
                    return Ok(());
                };
                let (user_name, attributes) = (user.user_name.clone(), user.attributes.clone());
                let record = SourceRecord { external_id: None, user_name, active: Some(true), attributes };
                let staged = services.directory.stage_user(&mut change, permit, Some(&user), &record).await?;
                staged.event.into_iter().for_each(|event| change.also(event));
                invitation.state = InvitationState::Accepted;
                self.keep_invitation(&mut change, id, &invitation)?;
                let event = Event::new(now, EventKind::InvitationAccepted, &Actor::Anonymous)
                    .within(&visit.circumstance)
                    .on("user", user.id, &user.user_name)
                    .detail("invitation", id)
                    .detail("email", &invitation.email)
                    .detail("invited_by", &invitation.invited_by)
                    .detail("connector", identity.connector());
                change.commit(event).await?;
                Ok(())
            })
            .await
    }
}
