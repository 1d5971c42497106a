//! What Argon2id may cost on this machine: as much as a sign-in can bear, never less than the floor.

use std::time::{Duration, Instant};

use super::Error;
use super::hasher::compute;
use super::phc::Cost;

/// Most passes that are chosen; more memory is worth more than more passes.
const MAX_PASSES: u32 = 6;
/// KiB in a MiB.
const MIB: u32 = 1024;

/// The cost whose hash takes about `target` on this machine and at most `max_memory_kib`, and how long it takes. Where the
/// floor takes longer already, it is the floor.
///
/// # Errors
/// `Corrupt` when there is no memory for it.
pub fn calibrate(target: Duration, max_memory_kib: u32) -> Result<(Cost, Duration), Error> {
    let floor = measure(Cost::DEFAULT)?;
    let mut cost = estimate(floor, target, max_memory_kib);
    let mut took = if cost == Cost::DEFAULT { floor } else { measure(cost)? };
    // Memory that no cache holds any more is slower than the floor told.
    while took > target && cost != Cost::DEFAULT {
        cost = below(cost);
        took = measure(cost)?;
    }
    Ok((cost, took))
}

/// What should take `target` where the floor takes `floor`.
fn estimate(floor: Duration, target: Duration, max_memory_kib: u32) -> Cost {
    let work = Cost::DEFAULT.memory_kib.saturating_mul(Cost::DEFAULT.passes);
    let affordable = target.as_secs_f64() / floor.as_secs_f64().max(1e-6) * f64::from(work);
    let steps = (1..=1024u32).map(|mib| mib * MIB).filter(|kib| *kib <= max_memory_kib.max(Cost::DEFAULT.memory_kib));
    let fits = |kib: &u32| f64::from(*kib) * f64::from(Cost::DEFAULT.passes) <= affordable;
    let memory_kib = steps.filter(fits).max().unwrap_or(0).max(Cost::DEFAULT.memory_kib);
    let passes = (Cost::DEFAULT.passes..=MAX_PASSES).rev();
    let passes = passes.into_iter().find(|passes| f64::from(memory_kib) * f64::from(*passes) <= affordable);
    Cost { memory_kib, passes: passes.unwrap_or(Cost::DEFAULT.passes), lanes: Cost::DEFAULT.lanes }
}

/// The next cheaper one.
fn below(cost: Cost) -> Cost {
    if cost.passes > Cost::DEFAULT.passes {
        return Cost { passes: cost.passes - 1, ..cost };
    }
    let memory_kib = (cost.memory_kib / 4 * 3 / MIB * MIB).max(Cost::DEFAULT.memory_kib);
    Cost { memory_kib, ..cost }
}

/// The quicker of two runs: the first one also asks for the memory.
fn measure(cost: Cost) -> Result<Duration, Error> {
    let mut memory = Vec::new();
    let mut best = Duration::MAX;
    for _ in 0..2 {
        let began = Instant::now();
        compute(cost, &[7; 16], "a password to measure with", &mut memory)?;
        best = best.min(began.elapsed());
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u32 = 128 * MIB;

    #[test]
    fn whatever_the_machine_the_cost_is_never_below_the_floor_and_within_the_memory() {
        for (floor_ms, target_ms) in [(1, 50), (17, 50), (17, 1000), (50, 50), (400, 50), (17, 0)] {
            let (floor, target) = (Duration::from_millis(floor_ms), Duration::from_millis(target_ms));
            let mut cost = estimate(floor, target, MAX);
            for _ in 0..40 {
                assert!(cost.memory_kib >= Cost::DEFAULT.memory_kib && cost.memory_kib <= MAX, "{cost:?}");
                assert!(cost.passes >= Cost::DEFAULT.passes && cost.passes <= MAX_PASSES, "{cost:?}");
                cost = below(cost);
            }
            assert_eq!(cost, Cost::DEFAULT, "it comes down to the floor");
        }
        assert_eq!(estimate(Duration::from_millis(17), Duration::from_secs(9), 1).memory_kib, Cost::DEFAULT.memory_kib);
    }

    #[test]
    fn a_quicker_machine_gets_a_dearer_hash() {
        let target = Duration::from_millis(50);
        let slow = estimate(Duration::from_millis(17), target, MAX);
        let quick = estimate(Duration::from_millis(4), target, MAX);
        assert!(quick.memory_kib > slow.memory_kib && slow.memory_kib > Cost::DEFAULT.memory_kib, "{slow:?} {quick:?}");
    }
}
