//! Rates: `300/1m`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::{parse_duration, render_duration};

/// So many in such a time; also how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: NonZeroU32,
    /// In which time; 1 s to 1 d.
    pub period: Duration,
}

impl Quota {
    /// `count` a minute, at least one.
    pub fn per_minute(count: u32) -> Self {
        Self { count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN), period: Duration::from_secs(60) }
    }
}

/// The text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be COUNT/TIME with a time from 1s to 1d, such as 300/1m")]
pub struct NotARate;

impl FromStr for Quota {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, period) = text.split_once('/').ok_or(NotARate)?;
        if !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotARate);
        }
        let count = count.parse().map_err(|_| NotARate)?;
        let period = parse_duration(period).ok_or(NotARate)?;
        let fits = Duration::from_secs(1)..=Duration::from_secs(86_400);
        if fits.contains(&period) { Ok(Self { count, period }) } else { Err(NotARate) }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, render_duration(self.period))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_in_a_time() {
        let quota: Quota = "300/1m".parse().unwrap();
        assert_eq!((quota.count.get(), quota.period), (300, Duration::from_secs(60)));
        assert_eq!(quota.to_string(), "300/1m");
        for text in ["", "300", "0/1m", "+5/1m", "300/", "/1m", "300/0s", "300/2d", "300/m", "5000000000/1m"] {
            assert_eq!(text.parse::<Quota>(), Err(NotARate), "{text}");
        }
    }
}
