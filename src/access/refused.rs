//! Refusals in the ledger, of which nothing is ever deleted: so many of each who asks, and how many there were besides, so that
//! nobody fills it by asking again and again for what they may not do. Of more than are remembered it is told together.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::Actor;

/// Refusals of one who asks that are recorded at once, after a rest.
const AT_ONCE: u32 = 100;
/// After that one is recorded in this time.
const EVERY: Duration = Duration::from_secs(10);
/// Of how many who ask it is remembered; all others together count as one.
const MAX_REMEMBERED: usize = 4_096;

/// How many refusals of whom were recorded lately.
#[derive(Default)]
pub(super) struct Refused(Mutex<HashMap<String, Lately>>);

#[derive(Clone, Copy, Debug)]
struct Lately {
    /// From when on it is as if none had been recorded.
    rested: Timestamp,
    unrecorded: u64,
}

impl Refused {
    /// Counts a refusal. `Some` where it is to be recorded, with how many were not since the last one that was.
    pub(super) fn count(&self, actor: &Actor, now: Timestamp) -> Option<u64> {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = key(actor);
        if !lately.contains_key(&key) && lately.len() >= MAX_REMEMBERED {
            let mut besides: u64 = 0;
            lately.retain(|_, of| {
                let stays = now < of.rested;
                besides = besides.saturating_add(if stays { 0 } else { of.unrecorded });
                stays
            });
            if besides > 0 {
                let all = lately.entry(String::new()).or_insert(Lately { rested: now, unrecorded: 0 });
                all.unrecorded = all.unrecorded.saturating_add(besides);
            }
            if lately.len() >= MAX_REMEMBERED {
                key = String::new();
            }
        }
        let all = EVERY.saturating_mul(AT_ONCE);
        let of = lately.entry(key).or_insert(Lately { rested: now, unrecorded: 0 });
        // A clock that was put back makes nobody wait for longer than this.
        of.rested = of.rested.max(now).min(now.plus(all));
        if of.rested.since(now) > all.saturating_sub(EVERY) {
            of.unrecorded = of.unrecorded.saturating_add(1);
            return None;
        }
        of.rested = of.rested.plus(EVERY);
        Some(std::mem::take(&mut of.unrecorded))
    }
}

/// Who asks: a person by any of their sessions, a token, an account of the machine.
fn key(actor: &Actor) -> String {
    match actor {
        Actor::User { id, .. } => format!("user:{id}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Presence, SessionId, UserId};

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn user(number: u16, session: u8) -> Actor {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let session = SessionId::from_bytes([session; 16]);
        Actor::User { id: UserId::from_bytes(id), session, presence: Presence::default() }
    }

    #[test]
    fn a_person_is_recorded_so_often_at_once_then_now_and_then_and_nobody_else_is_held_to_it() {
        let refused = Refused::default();
        let recorded = (0..250).filter(|n| refused.count(&user(1, *n), NOW).is_some()).count();
        assert_eq!(recorded, 100, "by however many sessions");
        assert_eq!(refused.count(&user(2, 0), NOW), Some(0));
        assert_eq!(refused.count(&user(1, 0), NOW.plus(EVERY)), Some(150), "what was not recorded is told");
        assert_eq!(refused.count(&user(1, 0), NOW.plus(EVERY)), None);
        assert_eq!(refused.count(&user(1, 0), NOW.plus(EVERY * 3)), Some(1));
        let rested = NOW.plus(EVERY * 200);
        assert_eq!((0..250).filter(|n| refused.count(&user(1, *n), rested).is_some()).count(), 100);
        assert_eq!(refused.count(&user(1, 0), NOW.minus(EVERY * 1_000)), None, "the clock was put back");
        assert_eq!(refused.count(&user(1, 0), NOW.minus(EVERY * 998)), Some(151));
    }

    #[test]
    fn there_is_no_end_of_people_and_one_of_what_is_remembered() {
        let refused = Refused::default();
        for number in 0..6_000 {
            refused.count(&user(number, 0), NOW);
        }
        assert_eq!(refused.0.lock().unwrap().len(), MAX_REMEMBERED + 1);
        assert_eq!(refused.count(&user(7_000, 0), NOW.plus(EVERY * 200)), Some(0));
        assert!(refused.0.lock().unwrap().len() < 10, "who rests is forgotten");
    }

    #[test]
    fn what_was_not_recorded_of_who_is_forgotten_is_told_of_all_who_are() {
        let refused = Refused::default();
        for _ in 0..250 {
            refused.count(&user(0, 0), NOW);
        }
        let later = NOW.plus(EVERY * 200);
        for number in 1..5_000 {
            refused.count(&user(number, 0), NOW);
        }
        for number in 10_000..=10_000 + u16::try_from(MAX_REMEMBERED).unwrap() {
            let told = refused.count(&user(number, 0), later);
            let is_first_of_the_others = usize::from(number - 10_000) == MAX_REMEMBERED - 1;
            assert_eq!(told, Some(if is_first_of_the_others { 954 } else { 0 }), "{number}");
        }
    }
}
