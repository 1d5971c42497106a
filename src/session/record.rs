//! A session as stored, under its keyed hash. The limits are not part of it: shorter ones apply to sessions that are
//! open already.

use minicbor::{Decode, Encode};

use super::{AtUpstream, Details, MAX_GROUPS, MAX_USER_AGENT_CHARACTERS, Method, Session};
use crate::clock::Timestamp;
use crate::config;
use crate::model::{Level, Presence, SessionId, SourceId, UserId};

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Record {
    #[n(0)]
    id: SessionId,
    #[n(1)]
    user: UserId,
    #[n(2)]
    created: Timestamp,
    #[n(3)]
    last_seen: Timestamp,
    #[n(4)]
    connector: SourceId,
    #[n(5)]
    method: Method,
    #[n(6)]
    address: Option<String>,
    #[n(7)]
    user_agent: Option<String>,
    #[n(8)]
    upstream_session: Option<String>,
    #[n(9)]
    groups: Option<Vec<String>>,
    #[n(10)]
    level: Option<Level>,
    #[n(11)]
    factor_at: Option<Timestamp>,
    /// The organisation's generation; absent in records of before there were any.
    #[n(13)]
    generation: Option<u64>,
    #[n(14)]
    at_upstream: Option<AtUpstream>,
}

impl Record {
    pub fn new(id: SessionId, user: UserId, now: Timestamp, details: Details) -> Self {
        let user_agent = details.user_agent.map(|text| {
            text.chars().filter(|character| !character.is_control()).take(MAX_USER_AGENT_CHARACTERS).collect()
        });
        Self {
            id,
            user,
            created: now,
            last_seen: now,
            connector: details.connector,
            method: details.method,
            address: details.address.map(|address| address.to_string()),
            user_agent,
            upstream_session: details.upstream_session,
            groups: Some(details.groups.into_iter().take(MAX_GROUPS).collect()),
            level: Some(details.presence.level),
            factor_at: details.presence.factor_at,
            generation: None,
            at_upstream: details.at_upstream,
        }
    }

    /// The same session, opened under a generation of the organisation.
    pub fn of_generation(self, generation: u64) -> Self {
        Self { generation: Some(generation), ..self }
    }

    /// The same session under another id.
    pub fn renamed(self, id: SessionId) -> Self {
        Self { id, ..self }
    }

    /// The same session of somebody who showed another number of things.
    pub fn with(self, presence: Presence) -> Self {
        Self { level: Some(presence.level), factor_at: presence.factor_at, ..self }
    }

    /// The same session, used at `now`.
    pub fn seen_at(self, now: Timestamp) -> Self {
        Self { last_seen: now, ..self }
    }

    /// The session as the limits of today make it.
    pub fn session(&self, limits: &config::Session) -> Session {
        Session {
            id: self.id,
            user: self.user,
            created: self.created,
            last_seen: self.last_seen,
            idle_until: self.last_seen.plus(limits.idle),
            ends: self.created.plus(limits.absolute),
            connector: self.connector.clone(),
            method: self.method,
            address: self.address.clone(),
            user_agent: self.user_agent.clone(),
            upstream_session: self.upstream_session.clone(),
            at_upstream: self.at_upstream.clone(),
            groups: self.groups.clone().unwrap_or_default(),
            presence: Presence { level: self.level.unwrap_or_default(), factor_at: self.factor_at },
            generation: self.generation.unwrap_or(0),
        }
    }
}
