//! Durations with units: `15m`, `1h30m`.

use std::time::Duration;

/// Units from the largest, in milliseconds. `ms` stands before `m` and `s` where a unit is looked for.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads whole numbers with units `d`, `h`, `m`, `s` and `ms`, the largest first, each at most once: `1h30m`. `None` for
/// any other text.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut millis = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at_checked(letters)?;
        let place = units.iter().position(|(name, _)| *name == unit)?;
        let (_, size) = units.get(place)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        units = units.get(place.saturating_add(1)..)?;
        rest = next;
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

/// The shortest text that reads back as the same duration, to the millisecond.
pub(in crate::config) fn render_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, size) in UNITS {
        if millis >= size {
            text.push_str(&format!("{}{name}", millis / size));
            millis %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_falls_from_large_to_small() {
        for (text, millis) in [
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("1s250ms", Some(1250)),
            ("0s", Some(0)),
            ("7d", Some(604_800_000)),
            ("", None),
            ("15", None),
            ("m", None),
            ("15 m", None),
            ("1.5h", None),
            ("-1m", None),
            ("30m1h", None),
            ("1m1m", None),
            ("1w", None),
            ("99999999999999999999d", None),
            ("1mé", None),
        ] {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_rendered_duration_reads_back() {
        for millis in [0, 1, 999, 1000, 61_000, 3_600_000, 90_061_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&render_duration(duration)), Some(duration));
        }
    }
}
