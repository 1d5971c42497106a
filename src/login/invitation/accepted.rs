//! What every acceptance of an invitation does, by its link or by a provider's word: the account is active and the invitation
//! is used up, in a change that the caller commits with what belongs to its own way.

use super::{Invitation, InvitationId, InvitationState};
use crate::access::{self, Overlay, Permit};
use crate::audit::{Change, Event, EventKind};
use crate::directory::SourceRecord;
use crate::login::{Error, Login};
use crate::model::{Actor, Attributes, Circumstance, Status, User, UserId};

impl Login {
    /// The permit by which an account that waits becomes active, weighed with it so.
    pub(super) async fn weighed_acceptance(&self, user: UserId) -> Result<Permit, Error> {
        let access = &self.services.access;
        let overlay = Overlay { status: vec![(user, Some(Status::Active))], ..Overlay::default() };
        let weighed = access.weigh(access.task_permit("invitation", None), &overlay, false).await;
        weighed.map_err(|error| match error {
            access::Error::Store(error) => Error::Store(error),
            other => Error::refused("weighed", other.to_string()),
        })
    }

    /// Makes the account of `user`, as it is in the change, active with these attributes, and uses its invitation up. Gives
    /// the account as it is then, and the event, which is that of the person who accepts.
    pub(super) async fn stage_acceptance(
        &self,
        change: &mut Change,
        permit: &Permit,
        (id, mut invitation): (InvitationId, Invitation),
        (user, attributes): (&User, Attributes),
        from: &Circumstance,
    ) -> Result<(User, Event), Error> {
        let services = &self.services;
        let record =
            SourceRecord { external_id: None, user_name: user.user_name.clone(), active: Some(true), attributes };
        let staged = services.directory.stage_user(change, permit, Some(user), &record).await?;
        staged.event.into_iter().for_each(|event| change.also(event));
        invitation.state = InvitationState::Accepted;
        self.keep_invitation(change, id, &invitation)?;
        let event = Event::new(services.clock.now(), EventKind::InvitationAccepted, &Actor::Anonymous)
            .by(user.id)
            .within(from)
            .on("user", user.id, &user.user_name)
            .detail("invitation", id)
            .detail("email", &invitation.email)
            .detail("invited_by", &invitation.invited_by);
        Ok((staged.user, event))
    }
}
