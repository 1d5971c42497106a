//! The stored form of a hash: the PHC string `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`, of which only our own shape is
//! read: Argon2id, version 19, a salt of 16 and an output of 32 bytes, costs within bounds.

use aws_lc_rs::constant_time;
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

/// Bytes of a hash.
pub(super) const OUTPUT_BYTES: usize = 32;
/// Bytes of a salt.
pub(super) const SALT_BYTES: usize = 16;

/// Most memory that a stored hash may ask for: 1 GiB. A record cannot make the program take more.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// Most passes and lanes that a stored hash may ask for.
const MAX_PASSES: u32 = 64;

/// What a hash costs (RFC 9106 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// 19 MiB, two passes, one lane: about 17 ms on a core. The least that OWASP advises.
    pub const DEFAULT: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// Whether it is a cost that can be computed and is no attack on this machine.
    pub(super) const fn is_sane(self) -> bool {
        self.lanes >= 1
            && self.lanes <= 16
            && self.passes >= 1
            && self.passes <= MAX_PASSES
            && self.memory_kib >= 8 * self.lanes
            && self.memory_kib <= MAX_MEMORY_KIB
    }
}

/// A stored hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub cost: Cost,
    pub salt: [u8; SALT_BYTES],
    pub output: [u8; OUTPUT_BYTES],
}

pub(super) fn render(cost: Cost, salt: &[u8], output: &[u8]) -> String {
    let (salt, output) = (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(output));
    format!("$argon2id$v=19$m={},t={},p={}${salt}${output}", cost.memory_kib, cost.passes, cost.lanes)
}

pub(super) fn parse(text: &str) -> Result<Stored, &'static str> {
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", costs, salt, output] = parts.as_slice() else {
        return Err("the hash is no PHC string of Argon2id version 19");
    };
    let cost = parse_cost(costs).filter(|cost| cost.is_sane()).ok_or("the costs of the hash are out of bounds")?;
    let decode = |text: &str| BASE64_STANDARD_NO_PAD.decode(text).ok();
    let salt = decode(salt).and_then(|bytes| bytes.try_into().ok()).ok_or("the salt of the hash has no 16 bytes")?;
    let output = decode(output).and_then(|bytes| bytes.try_into().ok()).ok_or("the hash has no 32 bytes")?;
    Ok(Stored { cost, salt, output })
}

fn parse_cost(text: &str) -> Option<Cost> {
    let mut parts = text.split(',');
    let mut number = |name: &str| parts.next()?.strip_prefix(name)?.parse().ok();
    let cost = Cost { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
    parts.next().is_none().then_some(cost)
}

/// Compares in time that does not depend on the bytes.
pub(super) fn matches(one: &[u8; OUTPUT_BYTES], other: &[u8; OUTPUT_BYTES]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_prints_and_reads_back() {
        let text = render(Cost::DEFAULT, &[1; 16], &[2; 32]);
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ$AgIC"), "{text}");
        assert_eq!(parse(&text), Ok(Stored { cost: Cost::DEFAULT, salt: [1; 16], output: [2; 32] }));
    }

    #[test]
    fn what_is_not_our_hash_is_refused() {
        let good = render(Cost::DEFAULT, &[1; 16], &[2; 32]);
        for (from, to) in [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("m=19456", "m=4294967295"),
            ("m=19456", "m=7"),
            ("m=19456", "m=-1"),
            ("t=2", "t=0"),
            ("t=2", "t=100000"),
            ("p=1", "p=0"),
            ("p=1", "p=1,q=1"),
            ("t=2,p=1", "p=1,t=2"),
            ("$AQEB", "$AQ=B"),
            ("$AQEBAQEBAQEBAQEBAQEBAQ", "$AQEB"),
            ("$argon2id", "argon2id"),
        ] {
            let wrong = good.replacen(from, to, 1);
            assert_ne!(wrong, good);
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "$", "$$$$$", "password", &format!("{good}$"), &format!("{good}AAAA")] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
