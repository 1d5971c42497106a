//! Passwords that everybody tries: a list of 53,000 words, kept as hashes so that nobody has to read them, and the forms in
//! which people use such words, since hardly any of them is as long as a policy asks for.
//!
//! A password is refused as a word of the list, with letters written as digits and signs (`p@ssw0rd`), and as a frequent word
//! with a few digits and signs around it (`Sunshine2024!!!`) or repeated (`passwordpassword`). So are repetitions, sequences and
//! rows of the keyboard. `NOTICE` says where the words come from, `guessable.py` makes the list.

use crate::secret::sha256;

/// The number of frequent words in four bytes, then the first bytes of each word's SHA-256: frequent ones, then the others,
/// each part sorted.
const LIST: &[u8] = include_bytes!("guessable.bin");
/// Further ones, in lower case, one a line.
const OWN: &str = include_str!("common.txt");

/// Bytes that are kept of a word's hash: one in twenty million other texts is taken for a word.
const PREFIX: usize = 5;
/// Shortest word of the list.
const MIN_CHARS: usize = 5;
/// Most characters around a frequent word that do not make it another password.
const MAX_AFFIX: usize = 8;
/// Shortest password that is looked at as a walk over the keyboard, and the shortest part of one.
const MIN_WALK: (usize, usize) = (8, 3);

/// Most characters of a row or column below.
const LONGEST_ROW: usize = 40;

/// Rows and columns of the usual keyboards.
const ROWS: [&str; 8] = [
    "`1234567890-=",
    "qwertyuiop[]",
    "qwertzuiopü",
    "azertyuiop",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmik,ol.p;/",
];

/// How frequent a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Frequent,
    Listed,
}

/// Whether a password, folded as names are, is one that everybody tries.
pub(super) fn is_common(folded: &str) -> bool {
    is_repetition(folded) || is_sequence(folded) || is_walk(folded) || is_word(folded) || is_dressed(folded)
}

/// A word of a list, in the spelling of letters or of digits, once or again and again.
fn is_word(text: &str) -> bool {
    spellings(text).iter().any(|text| known(text).is_some() || period(text).is_some_and(|word| known(word).is_some()))
}

/// A frequent word with digits and signs around it: few of them, or such as everybody takes.
fn is_dressed(text: &str) -> bool {
    let is_letter = |c: char| c.is_alphabetic();
    let (head, tail) = (text.trim_start_matches(|c| !is_letter(c)), text.trim_end_matches(|c| !is_letter(c)));
    let both = head.trim_end_matches(|c| !is_letter(c));
    [head, tail, both].into_iter().filter(|stem| stem.len() < text.len()).any(|stem| {
        let Some((before, after)) = text.split_once(stem) else { return false };
        let affix = before.chars().count().saturating_add(after.chars().count());
        let is_usual =
            |affix: &str| affix.is_empty() || is_repetition(affix) || is_sequence(affix) || known(affix).is_some();
        if affix > MAX_AFFIX && !(is_usual(before) && is_usual(after)) {
            return false;
        }
        spellings(stem).iter().any(|stem| {
            let repeated = period(stem).and_then(known);
            known(stem).or(repeated) == Some(Known::Frequent)
        })
    })
}

/// The text, and as it reads with letters where digits and signs stand for them.
fn spellings(text: &str) -> Vec<String> {
    let read = |one: char| {
        let letter = move |c: char| match c {
            '0' => 'o',
            '1' | '!' | '|' => one,
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        };
        text.chars().map(letter).collect::<String>()
    };
    let mut all = vec![text.to_owned(), read('i'), read('l')];
    all.dedup();
    all
}

/// How frequent a text is as a word.
fn known(word: &str) -> Option<Known> {
    if word.chars().count() < MIN_CHARS {
        return None;
    }
    if OWN.lines().any(|own| own == word) {
        return Some(Known::Listed);
    }
    let hash = sha256(word.as_bytes());
    let wanted = hash.get(..PREFIX)?;
    let (count, words) = LIST.split_first_chunk::<4>()?;
    let frequent = usize::try_from(u32::from_be_bytes(*count)).unwrap_or(usize::MAX).saturating_mul(PREFIX);
    let (frequent, others) = words.split_at_checked(frequent)?;
    let is_in = |part: &[u8]| {
        let (words, _) = part.as_chunks::<PREFIX>();
        words.binary_search_by(|word| word.as_slice().cmp(wanted)).is_ok()
    };
    if is_in(frequent) {
        return Some(Known::Frequent);
    }
    is_in(others).then_some(Known::Listed)
}

/// The word of at least five bytes that a text is, twice or more often.
fn period(text: &str) -> Option<&str> {
    (MIN_CHARS..=text.len() / 2).filter(|length| text.len().is_multiple_of(*length)).find_map(|length| {
        let word = text.get(..length)?;
        (word.repeat(text.len() / length) == text).then_some(word)
    })
}

/// One to three characters again and again: `aaaaaaaaaaaaaaa`, `abcabcabcabcabc`.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=3).any(|period| {
        chars.len() > period * 2 && chars.iter().zip(chars.iter().skip(period)).all(|(one, other)| one == other)
    })
}

/// Each character follows the one before, or each precedes it, with the digits as a ring: `1234567890123456`.
fn is_sequence(text: &str) -> bool {
    let follows = |(one, other): (char, char)| {
        u32::from(one).checked_add(1) == Some(u32::from(other)) || (one, other) == ('9', '0')
    };
    let pairs = || text.chars().zip(text.chars().skip(1));
    text.chars().count() >= 4 && (pairs().all(follows) || pairs().all(|(one, other)| follows((other, one))))
}

/// Nothing but parts of rows and columns of the keyboard, in either direction: `qwertyuiopasdfgh`, `1qaz2wsx3edc`.
fn is_walk(text: &str) -> bool {
    let (least, part) = MIN_WALK;
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < least {
        return false;
    }
    let mut rest = chars.as_slice();
    while !rest.is_empty() {
        let step = (part..=rest.len().min(LONGEST_ROW)).rev().find(|length| rest.get(..*length).is_some_and(is_in_row));
        let Some(left) = step.and_then(|step| rest.get(step..)) else { return false };
        rest = left;
    }
    true
}

fn is_in_row(part: &[char]) -> bool {
    let (forth, back): (String, String) = (part.iter().collect(), part.iter().rev().collect());
    ROWS.iter().any(|row| row.contains(&forth) || row.contains(&back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_sorted_and_small() {
        let (count, words) = LIST.split_first_chunk::<4>().unwrap();
        let frequent = usize::try_from(u32::from_be_bytes(*count)).unwrap();
        let (words, rest) = words.as_chunks::<PREFIX>();
        assert!(rest.is_empty() && LIST.len() <= 300 * 1024, "{}", LIST.len());
        assert!(frequent >= 5000 && words.len() >= 50_000, "{frequent} of {}", words.len());
        for part in [&words[..frequent], &words[frequent..]] {
            assert!(part.is_sorted());
        }
    }

    #[test]
    fn every_prefix_of_the_list_is_found_in_its_part() {
        // The words themselves are not here; that a look-up finds what is there shows by random texts, which are not.
        let invented = (0..200_000).filter(|number| known(&format!("invented-{number}-word")).is_some()).count();
        assert_eq!(invented, 0);
        for (word, expected) in [
            ("password", Some(Known::Frequent)),
            ("sunshine", Some(Known::Frequent)),
            ("lantern", Some(Known::Listed)),
            ("harbour", Some(Known::Listed)),
            ("maytheforcebewithyou", Some(Known::Listed)),
            ("pass", None),
            ("lanternovermeadow", None),
        ] {
            assert_eq!(known(word), expected, "{word}");
        }
    }
}
