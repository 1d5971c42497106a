//! Times as SAML writes them: `xs:dateTime` in UTC with a `Z` (saml-core-2.0-os section 1.3.3).

use std::time::Duration;

use super::refused;
use crate::clock::Timestamp;
use crate::upstream::Error;

/// `2026-11-22T08:09:10Z`, with any fraction of seconds of at most nine digits.
///
/// # Errors
/// `Refused` with rule `time` when it is anything else: without `Z`, with an offset, or no moment that exists.
pub(super) fn parse(text: &str) -> Result<Timestamp, Error> {
    let wrong = || refused("time", "a time is not of the form 2026-11-22T08:09:10Z");
    let bytes = text.as_bytes();
    let pattern = b"dddd-dd-ddTdd:dd:dd";
    let (main, fraction) = bytes.split_at_checked(pattern.len()).ok_or_else(wrong)?;
    let fits = main.iter().zip(pattern).all(|(byte, p)| if *p == b'd' { byte.is_ascii_digit() } else { byte == p });
    let fraction_fits = match fraction {
        [b'Z'] => true,
        [b'.', digits @ .., b'Z'] => (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !fits || !fraction_fits {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// `P1DT12H`, `PT3600S`: an `xs:duration` of days, hours, minutes and whole seconds. Months and years have no length of
/// their own and are `None`, as is anything else.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = parts(days, &[('D', 86_400)])?;
    seconds = seconds.checked_add(parts(time, &[('H', 3_600), ('M', 60), ('S', 1)])?)?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The sum of numbers with their units, each at most once and in this order.
fn parts(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0u64;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            let number: u64 = number.parse().ok()?;
            sum = sum.checked_add(number.checked_mul(*seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utc_with_a_z_is_a_time() {
        let moment = Timestamp::from_millis(1_795_334_950_011);
        for fine in ["2026-11-22T08:09:10.011Z", "2026-11-22T08:09:10.0110000Z"] {
            assert_eq!(parse(fine).ok(), Some(moment), "{fine}");
        }
        let wrong = "2026-11-22T08:09:10 2026-11-22T08:09:10+00:00 2026-11-22T08:09Z 2026-13-22T08:09:10Z \
                     2026-11-22t08:09:10Z +002026-11-22T08:09:10Z 2026-11-22T08:09:10.Z 2026-11-22T08:09:10Z[UTC] now";
        for wrong in wrong.split(' ') {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_of_days_and_shorter_units_are_read() {
        for (text, seconds) in [("PT1H", 3_600), ("P1D", 86_400), ("P2DT3H4M5S", 183_845), ("PT604800S", 604_800)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "P", "PT", "P1M", "P1Y", "-P1D", "PT1.5S", "PT1S1H", "1D", "PT0S", "P99999999999999999D"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
