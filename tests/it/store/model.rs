//! Engines against a model: a plain map with versions and expiries, fed the same random batches.

use std::collections::BTreeMap;
use std::time::Duration;

use cleargate::clock::Timestamp;
use cleargate::store::{Check, Direction, Error, Expect, Range, Row, Stored, Write};
use proptest::prelude::*;

use super::{Bench, bench};

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Commit { checks: Vec<(u8, Guess)>, writes: Vec<Write>, events: usize },
    Range { start: Vec<u8>, end: Vec<u8>, skip: usize, limit: usize, descending: bool },
    Sweep(usize),
}

/// What a check expects, in terms of what is there.
#[derive(Clone, Copy, Debug)]
enum Guess {
    Absent,
    Right,
    Stale,
}

/// Few keys, some a prefix of another, so that steps meet.
fn key(number: u8) -> Vec<u8> {
    [b"".as_slice(), b"a", b"a\0", b"ab", b"b", b"\xff"][usize::from(number % 6)].to_vec()
}

fn write() -> impl Strategy<Value = Write> {
    let expires = proptest::option::of((0..20u64).prop_map(|s| super::START.plus(Duration::from_secs(s))));
    prop_oneof![
        4 => (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..4), expires)
            .prop_map(|(k, value, expires)| Write::Put { key: key(k), value, expires }),
        2 => any::<u8>().prop_map(|k| Write::Delete { key: key(k) }),
        2 => (any::<u8>(), -3..3i64).prop_map(|(k, delta)| Write::Add { key: key(k), delta }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let guess = prop_oneof![1 => Just(Guess::Absent), 4 => Just(Guess::Right), 1 => Just(Guess::Stale)];
    prop_oneof![
        2 => (0..5u64).prop_map(Step::Advance),
        8 => (
            proptest::collection::vec((any::<u8>(), guess), 0..2),
            proptest::collection::vec(write(), 0..4),
            0..3usize
        )
            .prop_map(|(checks, writes, events)| Step::Commit { checks, writes, events }),
        3 => (any::<u8>(), any::<u8>(), 0..4usize, 0..8usize, any::<bool>()).prop_map(
            |(a, b, skip, limit, descending)| Step::Range { start: key(a), end: key(b), skip, limit, descending }
        ),
        1 => (0..4usize).prop_map(Step::Sweep),
    ]
}

#[derive(Default)]
struct Model {
    rows: BTreeMap<Vec<u8>, (Stored, Option<Timestamp>)>,
    version: u64,
    events: u64,
}

impl Model {
    fn get(&self, key: &[u8], now: Timestamp) -> Option<Stored> {
        let (stored, expires) = self.rows.get(key)?;
        expires.is_none_or(|expires| expires > now).then(|| stored.clone())
    }

    fn range(&self, range: &Range, now: Timestamp) -> Vec<Row> {
        let belongs = |key: &Vec<u8>| *key >= range.start && (range.end.is_empty() || *key < range.end);
        let mut rows: Vec<Row> = self
            .rows
            .keys()
            .filter(|key| belongs(key))
            .filter_map(|key| self.get(key, now).map(|stored| (key.clone(), stored)))
            .collect();
        if range.direction == Direction::Descending {
            rows.reverse();
        }
        rows.into_iter().skip(range.skip).take(range.limit).collect()
    }

    /// The expected outcome: the version, a conflict, or `Corrupt` for adding to something that is no counter.
    fn commit(&mut self, checks: &[Check], writes: &[Write], events: u64, now: Timestamp) -> Result<u64, &'static str> {
        for check in checks {
            let holds = match (check.expect, self.get(&check.key, now)) {
                (Expect::Absent, found) => found.is_none(),
                (Expect::Version(version), found) => found.is_some_and(|stored| stored.version == version),
            };
            if !holds {
                return Err("conflict");
            }
        }
        let version = self.version + 1;
        let mut rows = self.rows.clone();
        for write in writes {
            match write {
                Write::Delete { key } => {
                    rows.remove(key);
                }
                Write::Put { key, value, expires } => {
                    rows.insert(key.clone(), (Stored { version, value: value.clone() }, *expires));
                }
                Write::Add { key, delta } => {
                    // A write of this batch is seen whatever its expiry, an older one only until then.
                    let before = match rows.get(key) {
                        Some((stored, expires))
                            if stored.version == version || expires.is_none_or(|expires| expires > now) =>
                        {
                            i64::from_be_bytes(stored.value.as_slice().try_into().map_err(|_| "corrupt")?)
                        }
                        _ => 0,
                    };
                    let value = (before + delta).to_be_bytes().to_vec();
                    rows.insert(key.clone(), (Stored { version, value }, None));
                }
            }
        }
        self.rows = rows;
        self.version = version;
        self.events += events;
        Ok(version)
    }
}

async fn run(bench: &Bench, steps: &[Step]) {
    let mut model = Model::default();
    for step in steps {
        let now = bench.clock.clock().now();
        match step {
            Step::Advance(seconds) => bench.clock.advance(Duration::from_secs(*seconds)),
            Step::Sweep(limit) => {
                let expired = model.rows.values().filter(|(_, expires)| expires.is_some_and(|e| e <= now)).count();
                let swept = bench.engine.sweep(*limit).await.unwrap();
                assert_eq!(swept, u64::try_from(expired.min(*limit)).unwrap());
                // Which of the expired ones went first is the engine's choice, and nobody can tell.
                while bench.engine.sweep(1).await.unwrap() > 0 {}
                model.rows.retain(|_, (_, expires)| expires.is_none_or(|e| e > now));
            }
            Step::Range { start, end, skip, limit, descending } => {
                let direction = if *descending { Direction::Descending } else { Direction::Ascending };
                let range = Range { start: start.clone(), end: end.clone(), skip: *skip, limit: *limit, direction };
                assert_eq!(bench.engine.range(range.clone()).await.unwrap(), model.range(&range, now), "{range:?}");
            }
            Step::Commit { checks, writes, events } => {
                let checks: Vec<Check> = checks
                    .iter()
                    .map(|(k, guess)| {
                        let version = model.get(&key(*k), now).map(|stored| stored.version);
                        let expect = match (guess, version) {
                            (Guess::Absent, _) | (Guess::Right, None) => Expect::Absent,
                            (Guess::Right, Some(version)) => Expect::Version(version),
                            (Guess::Stale, version) => Expect::Version(version.unwrap_or(0) + 1),
                        };
                        Check { key: key(*k), expect }
                    })
                    .collect();
                let count = u64::try_from(*events).unwrap();
                let first = model.events;
                let expected = model.commit(&checks, writes, count, now);
                let batch = cleargate::store::Batch {
                    checks,
                    writes: writes.clone(),
                    events: vec![b"event".to_vec(); *events],
                };
                let actual = bench.engine.commit(batch).await.map_err(|error| match error {
                    Error::Conflict => "conflict",
                    Error::Corrupt { .. } => "corrupt",
                    _ => "other",
                });
                assert_eq!(actual.map(|committed| committed.version), expected, "{step:?}");
                if let Ok(committed) = actual {
                    assert_eq!(committed.first_event, (count > 0).then_some(first));
                }
            }
        }
        let now = bench.clock.clock().now();
        let keys: Vec<Vec<u8>> = (0..6).map(key).collect();
        let expected: Vec<Option<Stored>> = keys.iter().map(|key| model.get(key, now)).collect();
        assert_eq!(bench.engine.multi_get(&keys).await.unwrap(), expected, "after {step:?}");
    }
    assert_eq!(u64::try_from(bench.engine.log(0, 10_000).await.unwrap().len()).unwrap(), model.events);
}

fn check(name: &'static str, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..40))| {
        runtime.block_on(run(&bench(name), &steps));
    });
}

#[test]
fn the_engine_in_memory_does_what_the_model_does() {
    check("memory", 200);
}

#[test]
fn the_embedded_engine_does_what_the_model_does() {
    check("embedded", 24);
}
