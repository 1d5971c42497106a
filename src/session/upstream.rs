//! What ties a session to the upstream that vouched for it, so that a logout there ends it here and the other way round.

use std::collections::BTreeSet;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::{Error, IndexRow, SESSION_HASHES, Session, Sessions, UPSTREAM_SESSIONS};
use crate::audit::Change;
use crate::clock::Timestamp;
use crate::model::{SessionId, SourceId, UserId};
use crate::secret::sha256;
use crate::store::Table;

/// Sessions by who the upstream says that they are of: connector, hash of the upstream's name for the person.
pub(super) const UPSTREAM_SUBJECTS: Table<(SourceId, [u8; 32], SessionId), ByteArray<32>> =
    Table::new(0x5a, "sessions by upstream subject");

/// By what an upstream knows somebody who has signed in, when they sign out here or there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AtUpstream {
    /// What its messages about logout call the person: SAML `NameID`, OpenID `sub`.
    #[n(0)]
    pub subject: String,
    /// When it vouched for them.
    #[n(1)]
    pub issued: Timestamp,
    /// What its connector needs to sign them out there; opaque to everybody else.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sign_out: Vec<u8>,
}

impl Session {
    pub(super) fn subject_key(&self) -> Option<(SourceId, [u8; 32], SessionId)> {
        let at = self.at_upstream.as_ref()?;
        Some((self.connector.clone(), sha256(at.subject.as_bytes()), self.id))
    }
}

/// Whose sessions at a connector, in its upstream's words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vouched<'a> {
    /// Of whom, by any of these names; none: of anybody.
    pub subjects: &'a [String],
    /// Or of whom among our own.
    pub users: &'a [UserId],
    /// By any of these names of sessions; none: all of theirs.
    pub names: &'a [String],
    /// Only what was vouched for until this moment.
    pub until: Option<Timestamp>,
}

impl Vouched<'_> {
    fn holds(&self, session: &Session) -> bool {
        let at = session.at_upstream.as_ref();
        let is_anybody = self.subjects.is_empty() && self.users.is_empty();
        let is_of = at.is_some_and(|at| self.subjects.contains(&at.subject)) || self.users.contains(&session.user);
        let is_before = self.until.is_none_or(|until| at.is_none_or(|at| at.issued <= until));
        (is_anybody || is_of) && is_before
    }
}

impl Sessions {
    /// Ends sessions that a connector's upstream vouched for, as part of `change`, and tells which. A session that goes on
    /// under a new name meanwhile is found under that one, or the commit loses the race.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_at_upstream(
        &self,
        change: &mut Change,
        connector: &SourceId,
        whose: &Vouched<'_>,
    ) -> Result<Vec<Session>, Error> {
        let (mut ended, mut seen) = (Vec::new(), BTreeSet::new());
        loop {
            let rows = self.vouched_rows(connector, whose).await?;
            let new: Vec<IndexRow> = rows.into_iter().filter(|row| seen.insert(row.hash)).collect();
            if new.is_empty() {
                return Ok(ended);
            }
            for row in new {
                let Some(session) = self.find_in(change, &row.hash).await? else { continue };
                if session.connector == *connector && whose.holds(&session) {
                    ended.extend(self.forget(change, &row.hash).await?);
                    change.delete(&SESSION_HASHES, self.organisation, &row.id);
                }
            }
        }
    }

    /// The rows of the indexes that lead to sessions like these, and to others.
    async fn vouched_rows(&self, connector: &SourceId, whose: &Vouched<'_>) -> Result<Vec<IndexRow>, Error> {
        let mut rows = Vec::new();
        for name in whose.names {
            let key = (connector.clone(), name.clone());
            rows.extend(self.index(UPSTREAM_SESSIONS.prefix(self.organisation, &key)).await?);
        }
        if !whose.names.is_empty() {
            return Ok(rows);
        }
        for subject in whose.subjects {
            let key = (connector.clone(), sha256(subject.as_bytes()));
            rows.extend(self.index(UPSTREAM_SUBJECTS.prefix(self.organisation, &key)).await?);
        }
        for user in whose.users {
            rows.extend(self.rows_of(*user).await?);
        }
        Ok(rows)
    }
}
