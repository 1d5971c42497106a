//! What ties a session to the upstream that vouched for it, so that a logout there ends it here and the other way round.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::{Error, SESSION_HASHES, Session, Sessions, UPSTREAM_SESSIONS};
use crate::audit::Change;
use crate::clock::Timestamp;
use crate::model::{SessionId, SourceId};
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

impl Sessions {
    /// Ends sessions that a connector's upstream vouched for, as part of `change`, and tells which: those that it calls by
    /// one of `names`, or without names all; of `subject` only, where it is given.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_at_upstream(
        &self,
        change: &mut Change,
        connector: &SourceId,
        subject: Option<&str>,
        names: &[String],
    ) -> Result<Vec<Session>, Error> {
        let mut rows = Vec::new();
        for name in names {
            let key = (connector.clone(), name.clone());
            rows.extend(self.index(UPSTREAM_SESSIONS.prefix(self.organisation, &key)).await?);
        }
        if let Some(subject) = subject.filter(|_| names.is_empty()) {
            let key = (connector.clone(), sha256(subject.as_bytes()));
            rows = self.index(UPSTREAM_SUBJECTS.prefix(self.organisation, &key)).await?;
        }
        let mut ended = Vec::new();
        for row in rows {
            let Some(session) = self.find_in(change, &row.hash).await? else { continue };
            let is_of = |subject| session.at_upstream.as_ref().is_some_and(|at| at.subject == subject);
            if subject.is_none_or(is_of) {
                ended.extend(self.forget(change, &row.hash).await?);
                change.delete(&SESSION_HASHES, self.organisation, &row.id);
            }
        }
        Ok(ended)
    }
}
