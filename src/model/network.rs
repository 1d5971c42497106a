//! Ranges of addresses: trusted proxies, network rules.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of IP addresses, `10.0.0.0/8` or one address. IPv4 addresses mapped into IPv6 count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or ADDRESS/PREFIX without bits beyond the prefix, such as 10.0.0.0/8")]
pub struct NotANetwork;

impl Network {
    /// The range of addresses that share their first `prefix` bits with `address`; longer prefixes mean all bits.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(width(address));
        Self { address: mask(address, prefix), prefix }
    }

    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && mask(address, self.prefix) == self.address
    }

    /// A network of a rule, from text.
    ///
    /// # Errors
    /// What is wrong, with the nearest form that is right: `10.0.0.0/8` for `10.0.0.1/8`. An IPv4 network is never written as
    /// an IPv6 one.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_mapped = |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        match text.parse::<Self>() {
            Ok(network) if !is_mapped(network.address) => Ok(network),
            _ => {
                let near = Self::nearest(text).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                Err(format!("`{text}` {NotANetwork}{near}"))
            }
        }
    }

    /// What a text that is no network was probably meant to be: with bits beyond the prefix, with a mask in place of it, too
    /// long a prefix, fewer than four numbers, stars, or the first and the last address of a range.
    fn nearest(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        if let Some((first, last)) = text.split_once('-') {
            let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
            let spans = |prefix: &u8| Self::of(first, *prefix).contains(last);
            return (0..=width(first)).rev().find(spans).map(|prefix| Self::of(first, prefix));
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.as_str(), None),
        };
        let (address, known) = filled(address)?;
        let bits = match prefix {
            None => known,
            Some(prefix) => match (prefix.parse::<u16>(), prefix.parse::<std::net::Ipv4Addr>()) {
                (Ok(bits), _) => u8::try_from(bits).unwrap_or(u8::MAX),
                (_, Ok(mask)) if mask.to_bits().count_ones() == mask.to_bits().leading_ones() => {
                    u8::try_from(mask.to_bits().leading_ones()).ok()?
                }
                _ => known,
            },
        };
        let is_mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
        Some(Self::of(address, if is_mapped { bits.saturating_sub(96) } else { bits }))
    }

    /// The first address of the range.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits the addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

/// An address, four numbers made of fewer, and how many leading bits of it were written.
fn filled(text: &str) -> Option<(IpAddr, u8)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address, width(address)));
    }
    let parts = text.split('.').filter(|part| !part.is_empty() && *part != "*");
    let numbers: Vec<u8> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
    let known = u8::try_from(numbers.len()).ok().filter(|known| (1..=4).contains(known))?;
    let mut all = numbers.into_iter().chain(std::iter::repeat(0));
    let four = std::net::Ipv4Addr::new(all.next()?, all.next()?, all.next()?, all.next()?);
    Some((four.into(), known.saturating_mul(8)))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let bits = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & bits).into())
        }
        IpAddr::V6(v6) => {
            let bits = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & bits).into())
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let prefix = match prefix {
            Some(digits) if !digits.starts_with('+') => digits.parse().map_err(|_| NotANetwork)?,
            Some(_) => return Err(NotANetwork),
            None => width(address),
        };
        if prefix > width(address) || mask(address, prefix) != address {
            return Err(NotANetwork);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("::1", "::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_nearly_a_network_is_answered_with_the_right_form() {
        for (wrong, right) in [
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("10.0.0.0/33", "10.0.0.0/32"),
            ("10.0.0.0/400", "10.0.0.0/32"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("10.1/16", "10.1.0.0/16"),
            ("192.168.1.*", "192.168.1.0/24"),
            ("192.168.", "192.168.0.0/16"),
            ("192.0.2.0 / 24", "192.0.2.0/24"),
            ("192.0.2.0/", "192.0.2.0/32"),
            ("192.0.2.0-192.0.2.255", "192.0.2.0/24"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("2001:db8::/129", "2001:db8::/128"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.9", "192.0.2.9/32"),
        ] {
            let told = Network::read(wrong).unwrap_err();
            assert!(told.ends_with(&format!("; did you mean `{right}`?")), "{told}");
            assert_eq!(Network::read(right).unwrap().to_string(), right);
        }
        for hopeless in ["", "office", "1.2.3.4.5", "300.0.0.0/8", "-", "10.0.0.0-::1/x", "é"] {
            let told = Network::read(hopeless).unwrap_err();
            assert!(!told.contains("did you mean"), "{told}");
        }
        assert_eq!(Network::read("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "example.com",
            "10.0.0.0 /8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
        assert_eq!(Network::of("::ffff:192.0.2.9".parse().unwrap(), 24).to_string(), "192.0.2.0/24");
        assert_eq!("::/0".parse::<Network>().unwrap().to_string(), "::/0");
    }
}
