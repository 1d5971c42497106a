//! Challenges: a time, random bytes and a keyed hash over them, so that nothing is written before somebody answers.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::client_data::Ceremony;
use super::{Error, refused};
use crate::clock::Timestamp;
use crate::model::UserId;
use crate::secret::{IdSource, MacKey, Secret};

/// How long a challenge may be answered.
const ANSWERED_FOR: Duration = Duration::from_secs(10 * 60);

/// What a challenge is for, and where it may be answered: by somebody, from the browser that holds a secret.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose passkey is asked for; nobody knows yet where nothing else was shown.
    pub user: Option<UserId>,
    /// The secret of a cookie.
    pub secret: &'a Secret,
}

/// Makes challenges, and knows them again.
#[derive(Clone)]
pub(in crate::credential) struct Challenges(MacKey);

impl Challenges {
    pub(in crate::credential) fn new(master: &MacKey) -> Self {
        Self(master.derive("passkey challenges"))
    }

    pub(super) fn make(&self, ids: &IdSource, ceremony: Ceremony, place: &Place<'_>, now: Timestamp) -> String {
        let until = now.plus(ANSWERED_FOR).as_millis().to_be_bytes();
        let random = ids.bytes::<24>();
        let begun = [&until[..], &random].concat();
        let tag = self.0.tag(&told(ceremony, place, &begun));
        BASE64_URL_SAFE_NO_PAD.encode([&begun[..], &tag].concat())
    }

    /// Until when a challenge of ours can be answered.
    pub(super) fn check(
        &self,
        presented: &[u8],
        ceremony: Ceremony,
        place: &Place<'_>,
        now: Timestamp,
    ) -> Result<Timestamp, Error> {
        let not_ours = || refused("challenge", "the challenge is not of this browser's page");
        let (begun, tag) = presented.split_first_chunk::<32>().ok_or_else(not_ours)?;
        if !self.0.verify(&told(ceremony, place, begun), tag) {
            return Err(not_ours());
        }
        let (until, _) = begun.split_first_chunk::<8>().ok_or_else(not_ours)?;
        let until = Timestamp::from_millis(i64::from_be_bytes(*until));
        if now >= until {
            return Err(refused("challenge", "the challenge is too old"));
        }
        Ok(until)
    }
}

/// What a challenge's keyed hash is over: parts of fixed length, the secret last.
fn told(ceremony: Ceremony, place: &Place<'_>, begun: &[u8]) -> Vec<u8> {
    let kind = match ceremony {
        Ceremony::Registration => 1_u8,
        Ceremony::Authentication => 2,
    };
    let is_known = u8::from(place.user.is_some());
    let user = place.user.map_or([0; 16], |user| *user.as_bytes());
    [&[kind, is_known][..], &user, begun, place.secret.expose().as_bytes()].concat()
}
