//! Invitations as administrators see them: listed, sent again, taken back.

use super::{INVITATIONS, Invitation, InvitationId, InvitationLink, InvitationState, Inviter};
use crate::access::{NewGrant, Permit};
use crate::audit::EventKind;
use crate::login::{Error, Login};
use crate::model::{Actor, Circumstance, Group, OrganisationId, Permission, Subject};
use crate::notify::Recipient;
use crate::store::{Range, decode};

impl Login {
    /// Invitations in the order in which they were made, from after `after` on; those that ended long ago are gone.
    ///
    /// # Errors
    /// `Store`.
    pub async fn invitations(
        &self,
        after: Option<InvitationId>,
        limit: usize,
    ) -> Result<Vec<(InvitationId, Invitation)>, Error> {
        let mut range = Range::prefix(INVITATIONS.prefix(OrganisationId::DEFAULT, &()), limit);
        if let Some(after) = after {
            range = range.after(&INVITATIONS.key(OrganisationId::DEFAULT, &after));
        }
        let rows = self.services.ledger.store().range(range).await?;
        let read = |(key, stored): &crate::store::Row| {
            let id = InvitationId::from_bytes(INVITATIONS.suffix(key)?);
            Ok((id, decode(INVITATIONS.name(), &stored.value)?))
        };
        rows.iter().map(read).collect()
    }

    /// One invitation.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_invitation(&self, id: InvitationId) -> Result<Option<Invitation>, Error> {
        Ok(self.services.ledger.store().find(&INVITATIONS, OrganisationId::DEFAULT, &id).await?)
    }

    /// Makes another link for an invitation that was not accepted and not taken back; the one before does not work any
    /// more. From now on it is the one who does this that invites. `None` when there is no such invitation.
    ///
    /// # Errors
    /// `Refused` for who cannot invite; `Store`.
    pub async fn invite_again(
        &self,
        permit: &Permit,
        id: InvitationId,
        to: Option<&Recipient>,
    ) -> Result<Option<InvitationLink>, Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                let found = change.find(&INVITATIONS, OrganisationId::DEFAULT, &id).await?;
                let Some(mut invitation) = found.filter(|found: &Invitation| found.state == InvitationState::Open)
                else {
                    return Ok(None);
                };
                let absent = || Error::refused("inviter", "who acts cannot invite");
                invitation.inviter = Inviter::of(permit.actor()).ok_or_else(absent)?;
                invitation.invited_by = permit.actor().to_string();
                // Whoever makes the link is asked at its acceptance: one that cannot be accepted replaces none.
                self.check_inviter(&invitation, permit.circumstance()).await?;
                invitation.note_link(self.services.clock.now())?;
                let path = self.stage_link_of(&mut change, id, &mut invitation)?;
                let link = self.posted(&mut change, permit, (id, invitation, path), to).await?;
                change.commit_told().await?;
                Ok(Some(link))
            })
            .await
    }

    /// Takes an invitation back. `None` when there is none that waits.
    ///
    /// # Errors
    /// `Store`.
    pub async fn revoke_invitation(&self, permit: &Permit, id: InvitationId) -> Result<Option<Invitation>, Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                let found = change.find(&INVITATIONS, OrganisationId::DEFAULT, &id).await?;
                let Some(mut invitation) = found.filter(|found: &Invitation| found.state == InvitationState::Open)
                else {
                    return Ok(None);
                };
                invitation.state = InvitationState::Revoked;
                self.keep_invitation(&mut change, id, &invitation)?;
                let event = permit
                    .event(self.services.clock.now(), EventKind::InvitationRevoked)
                    .on("user", invitation.user, &invitation.user_name)
                    .detail("invitation", id)
                    .detail("email", &invitation.email);
                change.commit(event).await?;
                Ok(Some(invitation))
            })
            .await
    }

    /// Checks that who invited may still invite, and may give what the account is to have.
    pub(super) async fn check_inviter(&self, invitation: &Invitation, from: &Circumstance) -> Result<(), Error> {
        let services = &self.services;
        let actor = invitation.inviter.actor(services.clock.now());
        let refused = |error: crate::access::Error| match error {
            crate::access::Error::Store(error) => Error::Store(error),
            other => Error::refused("inviter", format!("who invited may not do so any more: {other}")),
        };
        if let Inviter::Token(id, ..) = &invitation.inviter {
            let now = services.clock.now();
            let token = services.tokens.load(*id).await;
            if !token.is_ok_and(|token| token.expires.is_none_or(|end| now < end)) {
                return Err(Error::refused("inviter", "the token by which the invitation was made is gone"));
            }
        }
        let create: Permission =
            "invitations:create".parse().map_err(|_| Error::Unavailable("a permission that is none".to_owned()))?;
        services.access.permit(&actor, &create, None, from.clone()).await.map_err(refused)?;
        let subject = Subject::User(invitation.user);
        for promised in &invitation.roles {
            let mut grant = NewGrant::new(subject, promised.role.clone());
            grant.scope.clone_from(&promised.scope);
            services.access.permit_grant(&actor, &grant, from.clone()).await.map_err(refused)?;
        }
        // What the account has been given since, or is in by a rule, is as much as what was promised: whoever gave more than
        // the inviter may give sends the invitation again.
        for held in services.access.grants().list(subject).await.map_err(refused)? {
            let mut grant = NewGrant::new(subject, held.role);
            (grant.scope, grant.ends) = (held.scope, held.ends);
            services.access.permit_grant(&actor, &grant, from.clone()).await.map_err(refused)?;
        }
        let mut groups = invitation.groups.clone();
        let member = crate::directory::Member::User(invitation.user);
        groups.extend(services.directory.groups_of(member).await?.into_iter().map(|(group, _)| group));
        groups.sort_unstable();
        groups.dedup();
        for group in services.directory.groups_by_id(&groups).await? {
            self.check_group(&actor, subject, group, from).await?;
        }
        Ok(())
    }

    async fn check_group(
        &self,
        actor: &Actor,
        subject: Subject,
        group: Group,
        from: &Circumstance,
    ) -> Result<(), Error> {
        let services = &self.services;
        let mut groups = services.directory.groups_above(group.id).await?;
        groups.push(group);
        for group in groups {
            let held = services.access.grants().list(Subject::Group(group.id)).await;
            for held in held.map_err(|error| Error::Unavailable(error.to_string()))? {
                let mut grant = NewGrant::new(subject, held.role.clone());
                grant.scope.clone_from(&held.scope);
                grant.ends = held.ends;
                let permit = services.access.permit_grant(actor, &grant, from.clone()).await;
                permit.map_err(|error| Error::refused("inviter", format!("`{}`: {error}", group.name)))?;
            }
        }
        Ok(())
    }
}
