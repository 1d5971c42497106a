//! The ways in which sessions end: one, all of a person, all but one, those of an upstream, and everybody's.

use super::record::Record;
use super::{EVERYBODY, Error, GENERATIONS, OPENED, SESSION_HASHES, SESSIONS, Session, Sessions, UPSTREAM_SESSIONS};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{Presence, SessionId, SourceId, UserId};
use crate::secret::Secret;

impl Sessions {
    /// Ends a session.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn end(&self, permit: &Permit, id: SessionId) -> Result<Session, Error> {
        self.end_with(id, |now| permit.event(now, EventKind::SessionEnded)).await
    }

    /// Ends the session of somebody who signs out: the one end that needs no permit, since the cookie is the proof.
    /// `event` is given the moment and makes the event, to which session and user are added.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn end_with(&self, id: SessionId, event: impl Fn(Timestamp) -> Event) -> Result<Session, Error> {
        self.ledger
            .retry(|mut change| {
                let event = &event;
                async move {
                    let hash = change.find(&SESSION_HASHES, self.organisation, &id).await?.ok_or(Error::NotFound)?;
                    let session = self.forget(&mut change, &hash).await?.ok_or(Error::NotFound)?;
                    let event = event(self.clock.now()).on("session", id, "").detail("user", session.user);
                    change.commit(event).await?;
                    Ok(session)
                }
            })
            .await
    }

    /// Ends all sessions of a user as part of `change` and tells how many. No session of the user can be opened between
    /// this and the commit: one of the two loses the race.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_all(&self, change: &mut Change, user: UserId) -> Result<usize, Error> {
        self.end_rows(change, user, None).await
    }

    /// Ends all sessions of a user but one as part of `change` and tells how many.
    ///
    /// # Errors
    /// `Store`. The commit loses the race against one that is opened meanwhile.
    pub async fn end_others(&self, change: &mut Change, user: UserId, but: SessionId) -> Result<usize, Error> {
        self.end_rows(change, user, Some(but)).await
    }

    async fn end_rows(&self, change: &mut Change, user: UserId, but: Option<SessionId>) -> Result<usize, Error> {
        let generation = change.find(&GENERATIONS, self.organisation, &user).await?.unwrap_or(0);
        change.put(&GENERATIONS, self.organisation, &user, &generation.saturating_add(1))?;
        change.hold(&OPENED, self.organisation, &user).await?;
        let mut ended = 0;
        for row in self.rows_of(user).await?.into_iter().filter(|row| Some(row.id) != but) {
            ended += usize::from(self.forget_of(change, user, &row).await?.is_some());
        }
        Ok(ended)
    }

    /// Ends everybody's sessions at once, however many there are: the organisation gets a new generation, and what was
    /// opened under an older one is over. A sign-in that is committed at the same moment is run again and opens under the
    /// new one. `event` is given the moment and makes the event.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_everybody(&self, event: impl Fn(Timestamp) -> Event) -> Result<(), Error> {
        self.ledger
            .retry(|mut change| {
                let event = &event;
                async move {
                    self.end_everybody_in(&mut change).await?;
                    change.commit(event(self.clock.now())).await?;
                    Ok(())
                }
            })
            .await
    }

    /// The same as part of a change: of one that takes a restored store up, in which there are sessions that ended since it
    /// was copied.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_everybody_in(&self, change: &mut Change) -> Result<(), Error> {
        let generation = change.find(&GENERATIONS, self.organisation, &EVERYBODY).await?.unwrap_or(0);
        Ok(change.put(&GENERATIONS, self.organisation, &EVERYBODY, &generation.saturating_add(1))?)
    }

    /// Ends all sessions of a user but one, which goes on under a new id and a new secret, as part of `change`: what rights
    /// changed are never those of a secret that somebody else may know. Tells the secret this once, and how many ended.
    ///
    /// # Errors
    /// `NotFound` when the session has ended meanwhile; `Store`.
    pub async fn renew_alone(&self, change: &mut Change, session: &Session) -> Result<(Secret, Session, usize), Error> {
        let record = self.record_of(change, session.id).await?;
        let ended = self.end_all(change, session.user).await?;
        let (secret, session) = self.renamed(change, record)?;
        Ok((secret, session, ended.saturating_sub(1)))
    }

    /// Ends all sessions of a user but one, as [`renew_alone`](Sessions::renew_alone) does, which goes on with what its user
    /// has shown by now.
    ///
    /// # Errors
    /// `NotFound` when the session has ended meanwhile; `Store`.
    pub async fn renew_alone_as(
        &self,
        change: &mut Change,
        session: &Session,
        presence: Presence,
    ) -> Result<(Secret, Session, usize), Error> {
        let record = self.record_of(change, session.id).await?;
        let ended = self.end_all(change, session.user).await?;
        let (secret, session) = self.renamed(change, record.with(presence))?;
        Ok((secret, session, ended.saturating_sub(1)))
    }

    /// Lets a session go on under a new id and a new secret with what its user has shown by now, as part of `change`: who
    /// had the old secret has nothing of the new rights. Tells the secret this once.
    ///
    /// # Errors
    /// `NotFound` when the session has ended meanwhile; `Store`.
    pub async fn renew(
        &self,
        change: &mut Change,
        session: &Session,
        presence: Presence,
    ) -> Result<(Secret, Session), Error> {
        let record = self.record_of(change, session.id).await?;
        // Who ends all sessions of the user at this moment wins against this one.
        change.find(&GENERATIONS, self.organisation, &session.user).await?;
        change.add(&OPENED, self.organisation, &session.user, 1);
        let hash = change.find(&SESSION_HASHES, self.organisation, &session.id).await?.ok_or(Error::NotFound)?;
        self.forget(change, &hash).await?.ok_or(Error::NotFound)?;
        self.renamed(change, record.with(presence))
    }

    async fn record_of(&self, change: &mut Change, id: SessionId) -> Result<Record, Error> {
        let hash = change.find(&SESSION_HASHES, self.organisation, &id).await?.ok_or(Error::NotFound)?;
        change.find(&SESSIONS, self.organisation, &hash.into()).await?.ok_or(Error::NotFound)
    }

    fn renamed(&self, change: &mut Change, record: Record) -> Result<(Secret, Session), Error> {
        self.insert(change, &record.renamed(SessionId::new(self.clock.now(), &self.ids)))
    }

    /// Ends the sessions that a connector's upstream calls by this name (SAML single logout, OpenID back-channel logout)
    /// as part of `change` and tells which.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_upstream(&self, change: &mut Change, connector: &SourceId, name: &str) -> Result<usize, Error> {
        let prefix = UPSTREAM_SESSIONS.prefix(self.organisation, &(connector.clone(), name.to_owned()));
        let mut ended = 0;
        for row in self.index(prefix).await? {
            ended += usize::from(self.forget(change, &row.hash).await?.is_some());
            change.delete(&SESSION_HASHES, self.organisation, &row.id);
            change.delete(&UPSTREAM_SESSIONS, self.organisation, &(connector.clone(), name.to_owned(), row.id));
        }
        Ok(ended)
    }
}
