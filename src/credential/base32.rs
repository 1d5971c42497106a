//! Base 32 of whole groups of five bytes, in two alphabets.

use crate::secret::Secret;

/// The alphabet of RFC 4648 section 6, which authenticator apps read.
pub(super) const RFC_4648: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Digits and letters without those that are taken for digits, and without U: for people who type.
pub(super) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The text of `bytes`, whose number is a multiple of five; of others, what is beyond the last group is left out.
pub(super) fn encode(bytes: &[u8], alphabet: &[u8; 32]) -> Secret {
    let mut text = String::with_capacity(bytes.len().saturating_mul(8) / 5);
    for group in bytes.as_chunks::<5>().0 {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            let index = usize::try_from(bits >> (place * 5) & 31).unwrap_or(0);
            text.push(alphabet.get(index).copied().map_or('?', char::from));
        }
    }
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_the_standard_read_as_there() {
        assert_eq!(encode(b"fooba", RFC_4648).expose(), "MZXW6YTB");
        assert_eq!(encode(&[0xff; 10], RFC_4648).expose(), "7".repeat(16));
        assert_eq!(encode(&[0x00, 0x44, 0x32, 0x14, 0xc7], CROCKFORD).expose(), "01234567");
    }
}
