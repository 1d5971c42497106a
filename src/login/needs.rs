//! What a sign-in must still show beside its first proof, and what its session knows of who is behind it.

use super::finish::Visit;
use super::pending::{First, Pending};
use super::step::Needs;
use super::{Error, Login};
use crate::audit::{Change, Event, EventKind};
use crate::credential::{Added, Enrolment};
use crate::model::{Actor, Presence, User, UserId};
use crate::notify::Notice;
use crate::session::Method;

impl Login {
    /// What a sign-in must still show, as part of a change that fails when it is another by then.
    pub(super) async fn needs(&self, change: &mut Change, pending: &Pending, user: &User) -> Result<Needs, Error> {
        let must_change = pending.chooses_password == Some(true)
            || matches!(&pending.first, First::Password(verified) if verified.must_change());
        if self.trusts_factors(&pending.first) {
            return Ok(Needs { must_change, ..Needs::default() });
        }
        let is_enrolled = self.services.factors.enrolled_in(change, user.id).await?.is_any();
        let has_factor = is_enrolled && pending.factor.is_none();
        let must_enrol = !is_enrolled && self.requires_factor(change, user.id).await?;
        Ok(Needs { must_change, has_factor, must_enrol })
    }

    /// Whether the proof is the word of a provider that asks for second factors itself.
    fn trusts_factors(&self, first: &First) -> bool {
        match first {
            First::Link(_) | First::Passkey(..) | First::Password(_) => false,
            First::Upstream { connector, .. } => self.connectors.get(connector).is_some_and(|c| c.trusts_factors),
        }
    }

    /// Refuses whoever must sign in by single sign-on and does not. Accounts that the configuration names for emergencies may
    /// by whatever they have.
    pub(super) async fn check_sso(&self, change: &mut Change, pending: &Pending, user: &User) -> Result<(), Error> {
        let is_sso = matches!(&pending.first, First::Upstream { method: Method::OpenIdConnect | Method::Saml, .. });
        if is_sso {
            return Ok(());
        }
        match self.requires_sso_of(change, user).await? {
            Some(by) => Err(Error::refused("require-sso", format!("{by} requires single sign-on"))),
            None => Ok(()),
        }
    }

    /// Who requires single sign-on of somebody, in words; `None` where any way in will do.
    ///
    /// # Errors
    /// `Store`, `Unavailable`.
    pub async fn sso_demanded_by(&self, user: &User) -> Result<Option<&'static str>, Error> {
        self.requires_sso_of(&mut self.services.ledger.change(), user).await
    }

    async fn requires_sso_of(&self, change: &mut Change, user: &User) -> Result<Option<&'static str>, Error> {
        if self.breaks_glass(user) {
            return Ok(None);
        }
        if self.requires_sso {
            return Ok(Some("the configuration"));
        }
        if self.services.factors.demands_in(change, user.id).await?.sso {
            return Ok(Some("an administrator"));
        }
        let by_role = self.services.access.requires_sso(user.id).await;
        Ok(by_role.map_err(|error| Error::Unavailable(error.to_string()))?.then_some("a role"))
    }

    /// Whether the configuration names an account for emergencies, when single sign-on does not work.
    pub fn breaks_glass(&self, user: &User) -> bool {
        self.break_glass.contains(&user.user_name.folded())
    }

    /// What a session knows of who has shown everything.
    pub(super) fn presence(&self, pending: &Pending) -> Presence {
        match pending.factor {
            Some(shown) => Presence::two(shown.at),
            None if self.trusts_factors(&pending.first) => Presence::two(self.services.clock.now()),
            None => Presence::default(),
        }
    }

    /// Enrols the second factor of a sign-in.
    pub(super) async fn enrol(
        &self,
        change: &mut Change,
        user: &User,
        enrolment: &Enrolment,
        visit: &Visit,
    ) -> Result<(), Error> {
        if self.services.factors.enrol_in(change, user.id, enrolment).await? == Added::Not {
            return Err(Error::refused("factor", "a second factor was set up meanwhile"));
        }
        let event = Event::new(self.services.clock.now(), EventKind::FactorEnrolled, &Actor::Anonymous)
            .by(user.id)
            .within(&visit.circumstance)
            .on("user", user.id, &user.user_name)
            .detail("factor", enrolment.kind().name());
        change.also(event);
        self.services.outbox.tell_in(change, user, Notice::FactorEnrolled, &visit.circumstance).await?;
        Ok(())
    }

    /// Whether somebody must have a second factor: everybody must, or it is demanded of them, or of a role of theirs.
    pub(super) async fn requires_factor(&self, change: &mut Change, user: UserId) -> Result<bool, Error> {
        if self.requires_factor || self.services.factors.demands_in(change, user).await?.factor {
            return Ok(true);
        }
        let by_role = self.services.access.requires_factor(user).await;
        by_role.map_err(|error| Error::Unavailable(error.to_string()))
    }
}
