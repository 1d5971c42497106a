//! Recovery codes: ten texts of 80 random bits, each good once, for who has lost everything else.
//!
//! They are kept as keyed hashes. Nobody guesses 80 bits, so that a slow hash would buy nothing.

use minicbor::bytes::ByteArray;
use zeroize::Zeroizing;

use super::base32;
use crate::model::UserId;
use crate::secret::{IdSource, MacKey, Secret};

/// How many codes a person gets.
pub(super) const CODES: usize = 10;
/// Random bytes of a code.
const BYTES: usize = 10;
/// Characters of a code without its hyphens.
const CHARACTERS: usize = 16;

/// Codes with the hashes that are kept of them.
pub(super) fn make(ids: &IdSource, key: &MacKey, user: UserId) -> (Vec<Secret>, Vec<ByteArray<32>>) {
    let code = || {
        let text = base32::encode(&ids.bytes::<BYTES>(), base32::CROCKFORD);
        let text = text.expose();
        let shown = [text.get(..4), text.get(4..8), text.get(8..12), text.get(12..)].into_iter().flatten();
        (Secret::new(shown.collect::<Vec<_>>().join("-")), hash(key, user, text))
    };
    (0..CODES).map(|_| code()).unzip()
}

/// The hash of what somebody typed, `None` when it has not the form of a code. Blanks, hyphens and the case do not count;
/// letters that look like digits are those digits.
pub(super) fn hash_of(key: &MacKey, user: UserId, presented: &str) -> Option<ByteArray<32>> {
    let mut text = Zeroizing::new(String::with_capacity(CHARACTERS));
    for character in presented.chars().filter(|c| !matches!(c, '-' | ' ')) {
        let plain = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            'U' => return None,
            other if other.is_ascii_alphanumeric() => other,
            _ => return None,
        };
        if text.len() == CHARACTERS {
            return None;
        }
        text.push(plain);
    }
    (text.len() == CHARACTERS).then(|| hash(key, user, &text))
}

fn hash(key: &MacKey, user: UserId, text: &str) -> ByteArray<32> {
    key.tag(&Zeroizing::new([user.as_bytes().as_slice(), text.as_bytes()].concat())).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Id;

    #[test]
    fn ten_codes_differ_and_are_known_however_they_are_typed() {
        let (key, ada, grace) = (MacKey::new(&[7; 32]), Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
        let (codes, hashes) = make(&IdSource::seeded(7), &key, ada);
        let different: BTreeSet<&str> = codes.iter().map(Secret::expose).collect();
        assert_eq!((codes.len(), different.len()), (10, 10));
        for (code, hash) in codes.iter().zip(&hashes) {
            let text = code.expose();
            assert_eq!(text.len(), 19, "{text}");
            let lower = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            for typed in [text, &lower, &text.replace('-', "")] {
                assert_eq!(hash_of(&key, ada, typed).as_ref(), Some(hash), "{typed}");
            }
            assert_ne!(hash_of(&key, grace, text).as_ref(), Some(hash), "the code of somebody else");
        }
    }

    #[test]
    fn what_is_no_code_has_no_hash() {
        let (key, ada) = (MacKey::new(&[7; 32]), Id::from_bytes([1; 16]));
        for text in
            ["", "123456", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEFG", "0123-4567-89AB-CDEU", "é123456789abcdef"]
        {
            assert_eq!(hash_of(&key, ada, text), None, "{text}");
        }
    }
}
