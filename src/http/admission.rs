//! How many connections there may be, in all and from one place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::Network;

/// Counts the connections of one listener.
#[derive(Clone)]
pub(super) struct Admission(Arc<Counts>);

struct Counts {
    most: usize,
    most_per_prefix: usize,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    all: usize,
    by_prefix: HashMap<Network, usize>,
}

/// Why a connection is not taken.
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
    pub(super) fn new(most: usize, most_per_prefix: usize) -> Self {
        Self(Arc::new(Counts { most, most_per_prefix, now: Mutex::default() }))
    }

    /// Takes a place, to be given back by dropping it. `None` counts in all only.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Place, Full> {
        let prefix = address.map(prefix_of);
        let mut now = self.0.now();
        if now.all >= self.0.most {
            return Err(Full::Listener);
        }
        if let Some(prefix) = prefix {
            let count = now.by_prefix.entry(prefix).or_insert(0);
            if *count >= self.0.most_per_prefix {
                return Err(Full::Prefix);
            }
            *count += 1;
        }
        now.all += 1;
        Ok(Place { counts: Arc::clone(&self.0), prefix })
    }
}

impl Counts {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One IPv4 address; of IPv6 what one site usually has.
fn prefix_of(address: IpAddr) -> Network {
    let address = address.to_canonical();
    Network::of(address, if address.is_ipv4() { 32 } else { 64 })
}

/// A connection's place.
pub(super) struct Place {
    counts: Arc<Counts>,
    prefix: Option<Network>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut now = self.counts.now();
        now.all = now.all.saturating_sub(1);
        let Some(prefix) = self.prefix else { return };
        if let Some(count) = now.by_prefix.get_mut(&prefix) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                now.by_prefix.remove(&prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_cannot_take_all_connections() {
        let admission = Admission::new(4, 2);
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
    fn a_place_given_back_leaves_nothing_behind() {
        let admission = Admission::new(4, 2);
        for n in 0..1000_u32 {
            drop(admission.enter(Some(IpAddr::V4(n.into()))).unwrap());
        }
        assert!(admission.0.now().by_prefix.is_empty());
        let uncounted: Vec<Place> = (0..4).map(|_| admission.enter(None).unwrap()).collect();
        assert_eq!(uncounted.len(), 4);
    }
}
