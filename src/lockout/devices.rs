//! Browsers that somebody has signed in with, to the end: tries from them are counted apart, so that a stranger who
//! guesses locks out strangers only.
//!
//! A browser becomes known in the commit that opens a session, never before. It shows a cookie with its id and a keyed
//! hash of it, so that invented ids cost no read. One browser may be known to several accounts; an account knows the
//! twenty that were used last, each for ninety days.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::policy::State;
use super::{Error, Lockout};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{UserId, UserName};
use crate::secret::{IdSource, Secret};
use crate::store::{self, Table};

/// Attempts from known devices, all of one account together.
pub(super) const COUNTS: Table<UserId, Counts> = Table::new(0x32, "attempts by device");
/// Known devices, all of one account together.
const KNOWN: Table<UserId, Known> = Table::new(0x57, "known devices");

/// How many devices an account knows; one more makes it forget the one that was used longest ago.
pub const MAX_DEVICES: usize = 20;
/// How long a device is known after it was used last.
pub const LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Most characters of a browser's own name that are kept.
const MAX_NAME_CHARS: usize = 200;

/// A browser's random id. Prints as 22 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId([u8; 16]);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The text is no id of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no id of a device: 22 characters of base64url")]
pub struct NotADevice;

impl FromStr for DeviceId {
    type Err = NotADevice;

    fn from_str(text: &str) -> Result<Self, NotADevice> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| NotADevice)?;
        bytes.try_into().map(Self).map_err(|_| NotADevice)
    }
}

/// The device of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Its id.
    pub device: DeviceId,
    /// Whether the account knew others before, and not this one.
    pub is_news: bool,
}

/// A device as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What the browser called itself when it was used last.
    pub user_agent: Option<String>,
    /// Since when it is known.
    pub since: Timestamp,
    /// When somebody signed in with it last.
    pub last_used: Timestamp,
}

#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
struct Known {
    #[n(0)]
    devices: Vec<Row>,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Row {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    since: Timestamp,
    #[n(2)]
    last_used: Timestamp,
    #[n(3)]
    user_agent: Option<String>,
}

impl Row {
    fn is_known(&self, now: Timestamp) -> bool {
        now < self.last_used.plus(LIFETIME)
    }
}

/// What is counted for the devices of one account.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Counts {
    #[n(0)]
    rows: Vec<Count>,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Count {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    state: State,
}

impl Counts {
    pub(super) fn of(&self, device: DeviceId) -> Option<State> {
        self.rows.iter().find(|row| *row.id == device.0).map(|row| row.state)
    }

    /// The counts with another one for this device; `None` takes it out.
    pub(super) fn with(mut self, device: DeviceId, state: Option<State>) -> Self {
        self.rows.retain(|row| *row.id != device.0);
        if let Some(state) = state {
            // A forgotten device has no count any more: the oldest are enough to go.
            let surplus = self.rows.len().saturating_add(1).saturating_sub(MAX_DEVICES);
            self.rows.drain(..surplus);
            self.rows.push(Count { id: device.0.into(), state });
        }
        self
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &State> {
        self.rows.iter().map(|row| &row.state)
    }
}

impl Lockout {
    /// The device of a cookie's value, `ID.HASH`; `None` for anything that we did not make, and where no device is known.
    pub fn device_of(&self, cookie: &str) -> Option<DeviceId> {
        let (id, hash) = cookie.split_once('.')?;
        let id: DeviceId = id.parse().ok()?;
        let hash = BASE64_URL_SAFE_NO_PAD.decode(hash).ok()?;
        (self.policy.knows_devices && self.device_key.verify(&id.0, &hash)).then_some(id)
    }

    /// The value of a device's cookie.
    pub fn device_cookie(&self, device: DeviceId) -> Secret {
        Secret::new(format!("{device}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.device_key.tag(&device.0))))
    }

    /// Lets an account know a device from now on, as part of the change that opens a session: the browser's own id where it
    /// has one of ours, else a new one. `None` where no device is known. A device that is news is an event.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn know_in(
        &self,
        change: &mut Change,
        user: (UserId, &UserName),
        device: Option<DeviceId>,
        user_agent: Option<&str>,
        ids: &IdSource,
    ) -> Result<Option<Recognised>, store::Error> {
        if !self.policy.knows_devices {
            return Ok(None);
        }
        let now = self.clock.now();
        let name = user_agent.map(|text| text.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect());
        let mut known = self.known_in(change, user.0).await?;
        let device = device.unwrap_or_else(|| DeviceId(ids.bytes()));
        let is_news = !known.devices.is_empty() && !known.devices.iter().any(|row| *row.id == device.0);
        let since = match known.devices.iter().position(|row| *row.id == device.0) {
            Some(place) => known.devices.remove(place).since,
            None => {
                let event = Event::new(now, EventKind::DeviceKnown, &crate::model::Actor::Anonymous);
                let event = event.on("user", user.0, user.1).detail("device", device);
                change.also(event.detail("user_agent", user_agent_word(name.as_ref())));
                now
            }
        };
        known.devices.push(Row { id: device.0.into(), since, last_used: now, user_agent: name });
        let surplus = known.devices.len().saturating_sub(MAX_DEVICES);
        known.devices.drain(..surplus);
        change.put_until(&KNOWN, self.organisation, &user.0, &known, Some(now.plus(LIFETIME)))?;
        Ok(Some(Recognised { device, is_news }))
    }

    /// The devices that an account knows, the one that was used last at the end.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn devices(&self, user: UserId) -> Result<Vec<Device>, store::Error> {
        let known = self.known_in(&mut self.ledger.change(), user).await?;
        let device = |row: Row| Device {
            id: DeviceId(*row.id),
            user_agent: row.user_agent,
            since: row.since,
            last_used: row.last_used,
        };
        Ok(known.devices.into_iter().map(device).collect())
    }

    /// Makes an account forget a device, or all of them: tries from them count with everybody's again. Gives how many it
    /// forgot. `event` tells who asked.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn forget_devices(
        &self,
        user: (UserId, &UserName),
        only: Option<DeviceId>,
        event: impl Fn(Timestamp) -> Event,
    ) -> Result<usize, Error> {
        let event = &event;
        self.ledger
            .retry(|mut change| async move {
                let mut known = self.known_in(&mut change, user.0).await?;
                let before = known.devices.len();
                known.devices.retain(|row| only.is_some_and(|only| *row.id != only.0));
                let gone = before.saturating_sub(known.devices.len());
                if gone == 0 {
                    return Ok(0);
                }
                match known.devices.last().map(|row| row.last_used.plus(LIFETIME)) {
                    Some(until) => change.put_until(&KNOWN, self.organisation, &user.0, &known, Some(until))?,
                    None => change.delete(&KNOWN, self.organisation, &user.0),
                }
                let event = event(self.clock.now()).on("user", user.0, user.1);
                change.commit(event.detail("devices", gone)).await?;
                Ok(gone)
            })
            .await
    }

    /// The same by an administrator's right.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn forget_devices_of(&self, permit: &Permit, user: UserId, name: &UserName) -> Result<usize, Error> {
        self.forget_devices((user, name), None, |now| permit.event(now, EventKind::DevicesForgotten)).await
    }

    /// Whether an account knows a device.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn is_known(&self, user: UserId, device: DeviceId) -> Result<bool, store::Error> {
        if !self.policy.knows_devices {
            return Ok(false);
        }
        let known = self.known_in(&mut self.ledger.change(), user).await?;
        Ok(known.devices.iter().any(|row| *row.id == device.0))
    }

    /// Forgets the known devices of an account inside a change of the caller's that deletes it.
    pub fn forget_known_in(&self, change: &mut Change, user: UserId) {
        change.delete(&KNOWN, self.organisation, &user);
    }

    async fn known_in(&self, change: &mut Change, user: UserId) -> Result<Known, store::Error> {
        let known: Option<Known> = change.find(&KNOWN, self.organisation, &user).await?;
        let mut known = known.unwrap_or_default();
        let now = self.clock.now();
        known.devices.retain(|row| row.is_known(now));
        Ok(known)
    }
}

fn user_agent_word(name: Option<&String>) -> &str {
    name.map_or("none", String::as_str)
}
