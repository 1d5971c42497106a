//! Shares of a whole: `5%`.

use std::fmt;
use std::str::FromStr;

/// A share of a whole in hundredths of a per cent, 0 to 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// `whole` per cent, at most 100.
    pub const fn whole(whole: u32) -> Self {
        Self(if whole > 100 { 10_000 } else { whole * 100 })
    }

    /// The share of `total`, rounded down.
    pub fn of(self, total: u64) -> u64 {
        let share = u128::from(total) * u128::from(self.0) / 10_000;
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// The text is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a percentage from 0% to 100% with at most two decimals")]
pub struct NotAShare;

impl FromStr for Percent {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let number = text.strip_suffix('%').ok_or(NotAShare)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > 2 {
            return Err(NotAShare);
        }
        let hundredths: u32 = format!("{decimals:0<2}").parse().map_err(|_| NotAShare)?;
        let share = whole.parse::<u32>().map_err(|_| NotAShare)? * 100 + hundredths;
        if share > 10_000 { Err(NotAShare) } else { Ok(Self(share)) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, decimals) => write!(f, "{whole}.{decimals:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_exactly_and_prints_back() {
        for (text, of_10_000) in [("5%", 500), ("0%", 0), ("100%", 10_000), ("0.5%", 50), ("12.34%", 1234)] {
            let percent: Percent = text.parse().unwrap();
            assert_eq!(percent.of(10_000), of_10_000, "{text}");
            assert_eq!(percent.to_string().parse(), Ok(percent));
        }
        for text in ["", "5", "%", "101%", "100.01%", "-1%", "5 %", "1.234%", ".5%", "5.%", "9999999999%"] {
            assert_eq!(text.parse::<Percent>(), Err(NotAShare), "{text}");
        }
        assert_eq!("5%".parse::<Percent>().unwrap().of(19), 0);
        assert_eq!(Percent::whole(100).of(u64::MAX), u64::MAX);
    }
}
