//! One-time codes by time (RFC 6238 over RFC 4226): HMAC-SHA-1, six digits, steps of 30 seconds.
//!
//! SHA-1 is what authenticator apps know; HMAC does not need its collision resistance (RFC 6194 section 3.3). A code is
//! taken one step early or late, and a step never after it or a later one was taken (RFC 6238 section 5.2).

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::base32;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Bytes of a seed: as long as the hash, which RFC 4226 section 4 recommends.
pub(super) const SEED_BYTES: usize = 20;
/// How long a step is, in seconds.
const STEP_S: i64 = 30;
/// How many steps a clock may be ahead or behind.
const WINDOW: u64 = 1;
/// Digits of a code.
pub(super) const DIGITS: usize = 6;

/// A seed that its owner's app shares with us. Wiped on drop, never printed.
#[derive(Clone)]
pub(super) struct Seed(Zeroizing<[u8; SEED_BYTES]>);

impl Seed {
    pub(super) fn new(bytes: [u8; SEED_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `None` when it has not the length of one.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// Base32, as apps take it by hand.
    pub(super) fn text(&self) -> Secret {
        base32::encode(&*self.0, base32::RFC_4648)
    }

    /// The step whose code this is, among those that a clock near `now` may show and that are later than `last`.
    /// `None` for anything else. It takes the same work whichever step it is.
    pub(super) fn step_of(&self, presented: &str, now: Timestamp, last: Option<u64>) -> Option<u64> {
        if presented.len() != DIGITS {
            return None;
        }
        let present = u64::try_from(now.as_seconds().div_euclid(STEP_S)).ok()?;
        let steps = present.saturating_sub(WINDOW)..=present.saturating_add(WINDOW);
        let matching = steps.filter(|step| Secret::new(self.code(*step, DIGITS)).matches(presented));
        // Two steps with one code are rare, and the later one closes both.
        matching.max().filter(|step| last.is_none_or(|last| *step > last))
    }

    /// The code of a step (RFC 4226 section 5.3).
    pub(super) fn code(&self, step: u64, digits: usize) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &*self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let offset = bytes.last().map_or(0, |last| usize::from(last & 0xf));
        let four = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        let number = u32::from_be_bytes(four) & 0x7fff_ffff;
        let modulus = 10_u32.saturating_pow(u32::try_from(digits).unwrap_or(u32::MAX));
        format!("{:0digits$}", number % modulus)
    }
}

/// The last step whose code is taken at a moment.
pub(super) fn last_of(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_seconds().div_euclid(STEP_S)).unwrap_or(0).saturating_add(WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// RFC 6238 appendix B, the rows of SHA-1.
    #[test]
    fn the_vectors_of_the_standard_hold() {
        let seed = Seed::new(*b"12345678901234567890");
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000_i64, "65353130"),
        ] {
            assert_eq!(seed.code(u64::try_from(seconds / STEP_S).unwrap(), 8), code);
            assert_eq!(seed.step_of(&code[2..], at(seconds), None), u64::try_from(seconds / STEP_S).ok());
        }
        assert_eq!(seed.text().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_is_good_one_step_early_to_one_step_late_and_not_a_second_more() {
        let seed = Seed::new(*b"12345678901234567890");
        let code = seed.code(1_000, DIGITS);
        for (seconds, is_good) in
            [(29_969, false), (29_970, true), (30_000, true), (30_029, true), (30_059, true), (30_060, false)]
        {
            assert_eq!(seed.step_of(&code, at(seconds), None).is_some(), is_good, "{seconds}");
        }
        assert_eq!(seed.step_of(&code, at(-5), None), None, "before there were clocks");
    }

    #[test]
    fn a_step_is_taken_once_and_never_an_older_one() {
        let seed = Seed::new(*b"12345678901234567890");
        let now = at(30_000);
        let (before, present, after) = (seed.code(999, 6), seed.code(1_000, 6), seed.code(1_001, 6));
        assert_eq!(seed.step_of(&present, now, Some(999)), Some(1_000));
        assert_eq!(seed.step_of(&present, now, Some(1_000)), None);
        assert_eq!(seed.step_of(&before, now, Some(1_000)), None);
        assert_eq!(seed.step_of(&after, now, Some(1_000)), Some(1_001));
    }

    #[test]
    fn what_is_no_code_is_none() {
        let seed = Seed::new(*b"12345678901234567890");
        let code = seed.code(1_000, 6);
        for text in ["", "0", &code[1..], &format!("{code}0"), &format!(" {code}"), "abcdef", "١٢٣"] {
            assert_eq!(seed.step_of(text, at(30_000), None), None, "{text}");
        }
    }
}
