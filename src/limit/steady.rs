//! The program's clock for governor: it never goes back. A system clock that is set back by an hour would otherwise
//! close every used bucket for that hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use governor::nanos::Nanos;

use crate::clock::Clock;

/// Steps back up to this size are readings that overtook each other, not a clock that was set.
const JITTER_MS: i64 = 1000;

const NANOS_PER_MS: u64 = 1_000_000;

/// Time that has passed since the start, as the sum of the clock's steps forward.
#[derive(Clone)]
pub(super) struct Steady(Arc<Shared>);

struct Shared {
    clock: Clock,
    last: AtomicI64,
    passed_ms: AtomicU64,
}

impl Steady {
    pub(super) fn new(clock: Clock) -> Self {
        let last = AtomicI64::new(clock.now().as_millis());
        Self(Arc::new(Shared { clock, last, passed_ms: AtomicU64::new(0) }))
    }
}

impl governor::clock::Clock for Steady {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = self.0.clock.now().as_millis();
        let mut last = self.0.last.load(Ordering::Acquire);
        // Who moves `last` forward adds that step, so that each millisecond is added once.
        while now > last || now < last.saturating_sub(JITTER_MS) {
            match self.0.last.compare_exchange_weak(last, now, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let step = u64::try_from(now.saturating_sub(last)).unwrap_or(0);
                    self.0.passed_ms.fetch_add(step, Ordering::AcqRel);
                    break;
                }
                Err(other) => last = other,
            }
        }
        Nanos::new(self.0.passed_ms.load(Ordering::Acquire).saturating_mul(NANOS_PER_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use governor::clock::Clock as _;
    use std::time::Duration;

    #[test]
    fn time_passes_forward_only() {
        let (early, late) = (Timestamp::from_seconds(1_000_000), Timestamp::from_seconds(1_003_600));
        let manual = ManualClock::new(late);
        let steady = Steady::new(manual.clock());
        let ms = || steady.now().as_u64() / NANOS_PER_MS;
        assert_eq!(ms(), 0);
        manual.advance(Duration::from_millis(1500));
        assert_eq!((ms(), ms()), (1500, 1500));

        let set_back = Steady(Arc::new(Shared {
            clock: ManualClock::new(early).clock(),
            last: AtomicI64::new(late.as_millis()),
            passed_ms: AtomicU64::new(7),
        }));
        assert_eq!(set_back.now().as_u64() / NANOS_PER_MS, 7, "an hour back is no time");
        assert_eq!(set_back.0.last.load(Ordering::SeqCst), early.as_millis(), "and time goes on from there");
    }

    #[test]
    fn readings_that_overtake_each_other_do_not_add_time() {
        let manual = ManualClock::new(Timestamp::from_seconds(1_000_000));
        let steady = Steady::new(manual.clock());
        manual.advance(Duration::from_millis(10));
        assert_eq!(steady.now().as_u64() / NANOS_PER_MS, 10);
        steady.0.last.fetch_add(3, Ordering::SeqCst);
        assert_eq!(steady.now().as_u64() / NANOS_PER_MS, 10, "a reading 3 ms old");
        manual.advance(Duration::from_millis(5));
        assert_eq!(steady.now().as_u64() / NANOS_PER_MS, 12);
    }
}
