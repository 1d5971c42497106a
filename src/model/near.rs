//! The nearest of some known words, for messages about a word that nobody knows.

/// Longest word that is compared, in characters.
const MAX_WORD: usize = 64;
/// Most words of about its length that one is compared with.
const MAX_COMPARED: usize = 2_000;

/// The word that differs least from `word`, when it differs by at most a third of its length and three characters.
pub fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let length = word.chars().take(MAX_WORD + 1).count();
    if length > MAX_WORD {
        return None;
    }
    let word = word.to_lowercase();
    let limit = length.div_ceil(3).clamp(1, 3);
    // A word of somebody's may be very long; what is much longer or shorter is not near.
    let known = known.filter(|candidate| candidate.chars().count().abs_diff(length) <= limit).take(MAX_COMPARED);
    let distances = known.map(|candidate| (distance(&word, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate)
}

/// `; did you mean \`finance\`?` for a word that is near, else nothing: the end of a sentence about an unknown word.
pub fn hint<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> String {
    nearest(word, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// `a`, `b` and `c`, sorted.
pub fn list<'w>(known: impl Iterator<Item = &'w str>) -> String {
    let mut words: Vec<String> = known.map(|word| format!("`{word}`")).collect();
    words.sort();
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} and {last}", words.join(", ")),
        Some(only) => only,
        None => "nothing".to_owned(),
    }
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (line, a) in from.chars().enumerate() {
        let mut next = vec![line.saturating_add(1)];
        let mut last = None;
        for (column, b) in to.iter().enumerate() {
            let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = cell(&row, column).saturating_add(usize::from(a != *b));
            let changed = cell(&row, column.saturating_add(1)).min(cell(&next, column)).saturating_add(1);
            let swapped = match column.checked_sub(1) {
                Some(two_back) if previous == Some(*b) && last == Some(a) => cell(&before, two_back).saturating_add(1),
                _ => usize::MAX,
            };
            next.push(replaced.min(changed).min(swapped));
            last = Some(*b);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(a);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits_and_swaps() {
        for (from, to, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("sevrers", "servers", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(from, to), edits, "{from} {to}");
            assert_eq!(distance(to, from), edits, "{to} {from}");
        }
    }

    #[test]
    fn a_word_that_is_too_far_has_no_nearest() {
        let known = ["servers", "base", "bind"];
        assert_eq!(nearest("sevrers", known.into_iter()), Some("servers"));
        assert_eq!(nearest("SERVERS", known.into_iter()), Some("servers"));
        assert_eq!(nearest("bnd", known.into_iter()), Some("bind"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(list(known.into_iter()), "`base`, `bind` and `servers`");
    }
}
