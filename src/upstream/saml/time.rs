//! Times as SAML writes them: `xs:dateTime` in UTC with a `Z` (saml-core-2.0-os section 1.3.3).

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
}
