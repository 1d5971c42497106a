//! How many there may be of something, in all and from one place: connections, and requests whose body is awaited.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::Network;

/// Counts what one listener bears.
#[derive(Clone)]
pub(super) struct Admission(Arc<Counts>);

struct Counts {
    most: Most,
    now: Mutex<Now>,
}

/// How many of something there may be.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// In all.
    pub all: usize,
    /// Of one IPv4 address, of one IPv6 /64.
    pub per_prefix: usize,
    /// Of one IPv4 /24, of one IPv6 /48: what one customer of a provider usually has.
    pub per_site: usize,
}

#[derive(Default)]
struct Now {
    all: usize,
    by_prefix: HashMap<Network, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Listener,
    Prefix,
}

impl Full {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Prefix => "prefix",
        }
    }
}

impl Admission {
    pub(super) fn new(most: Most) -> Self {
        Self(Arc::new(Counts { most, now: Mutex::default() }))
    }

    /// Takes a place, to be given back by dropping it. `None` counts in all only.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Place, Full> {
        let (most, prefixes) = (self.0.most, address.map(prefixes_of));
        let mut now = self.0.now();
        if now.all >= most.all {
            return Err(Full::Listener);
        }
        if let Some([narrow, wide]) = prefixes {
            let count = |prefix| now.by_prefix.get(&prefix).copied().unwrap_or(0);
            if count(narrow) >= most.per_prefix || count(wide) >= most.per_site {
                return Err(Full::Prefix);
            }
            for prefix in [narrow, wide] {
                *now.by_prefix.entry(prefix).or_insert(0) += 1;
            }
        }
        now.all += 1;
        Ok(Place { counts: Arc::clone(&self.0), prefixes })
    }
}

impl Counts {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody has for sure, and what one site usually has.
fn prefixes_of(address: IpAddr) -> [Network; 2] {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { [32, 24] } else { [64, 48] };
    bits.map(|bits| Network::of(address, bits))
}

/// A place that is taken.
pub(super) struct Place {
    counts: Arc<Counts>,
    prefixes: Option<[Network; 2]>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut now = self.counts.now();
        now.all = now.all.saturating_sub(1);
        for prefix in self.prefixes.into_iter().flatten() {
            if let Some(count) = now.by_prefix.get_mut(&prefix) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    now.by_prefix.remove(&prefix);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_cannot_take_all_connections() {
        let admission = Admission::new(Most { all: 4, per_prefix: 2, per_site: 4 });
        let enter = |address: &str| admission.enter(Some(address.parse().unwrap()));
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").err(), Some(Full::Prefix));
        let _third = enter("2001:db8::1").unwrap();
        let fourth = enter("2001:db8::ffff").unwrap();
        assert_eq!(enter("198.51.100.1").err(), Some(Full::Listener));
        drop(fourth);
        assert!(enter("2001:db8::2").is_ok(), "and its place is free again at once");
        drop(first);
        assert!(enter("192.0.2.1").is_ok());
    }

    #[test]
    fn one_site_cannot_take_all_places_from_many_addresses() {
        let admission = Admission::new(Most { all: 8, per_prefix: 1, per_site: 2 });
        let enter = |address: &str| admission.enter(Some(address.parse().unwrap()));
        for [one, two, three, other] in [
            ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.3.1"],
            ["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:1::1"],
        ] {
            let _held = (enter(one).unwrap(), enter(two).unwrap());
            assert_eq!(enter(three).err(), Some(Full::Prefix));
            assert!(enter(other).is_ok());
        }
    }

    #[test]
    fn a_place_given_back_leaves_nothing_behind() {
        let admission = Admission::new(Most { all: 4, per_prefix: 2, per_site: 4 });
        for n in 0..1000_u32 {
            drop(admission.enter(Some(IpAddr::V4(n.into()))).unwrap());
        }
        assert!(admission.0.now().by_prefix.is_empty());
        let uncounted: Vec<Place> = (0..4).map(|_| admission.enter(None).unwrap()).collect();
        assert_eq!(uncounted.len(), 4);
    }
}
