//! The store: every engine keeps the contract, tables do not mix, changes are retried.

mod change;
mod conformance;
mod crash;
mod file;
mod group;
mod journal;
mod model;
mod table;

use std::path::Path;
use std::sync::Arc;

use cleargate::audit::Sealer;
use cleargate::clock::{Clock, ManualClock, Timestamp};
use cleargate::secret::MacKey;
use cleargate::store::{self, Batch, Check, Engine, Expect, Settings, Store, Writer};

/// When the tests' clocks start.
pub const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// One engine under test with the clock it reads.
pub struct Bench {
    pub name: &'static str,
    pub clock: ManualClock,
    pub engine: Arc<dyn Engine>,
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// Runs a test on every engine.
pub async fn each(test: impl AsyncFn(&Bench)) {
    for name in ["memory", "embedded"] {
        test(&bench(name)).await;
    }
}

pub fn bench(name: &'static str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START);
    let (store, _) = match name {
        "memory" => store::open_memory(clock.clock(), sealer()),
        _ => open(&folder.path().join("store.redb"), clock.clock()),
    };
    Bench { name, clock, engine: Arc::clone(store.engine()), folder }
}

pub fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::new(&MacKey::new(&[7; 32])))
}

pub fn settings(path: &Path) -> Settings {
    Settings { path: path.to_owned(), cache_bytes: 8 << 20 }
}

pub fn open(path: &Path, clock: Clock) -> (Store, Writer) {
    store::open(&settings(path), clock, sealer()).unwrap()
}

pub fn put(key: &str, value: &str) -> store::Write {
    store::Write::Put { key: key.into(), value: value.into(), expires: None }
}

pub fn put_until(key: &str, value: &str, expires: Timestamp) -> store::Write {
    store::Write::Put { key: key.into(), value: value.into(), expires: Some(expires) }
}

pub fn delete(key: &str) -> store::Write {
    store::Write::Delete { key: key.into() }
}

pub fn add(key: &str, delta: i64) -> store::Write {
    store::Write::Add { key: key.into(), delta }
}

pub fn writes(writes: impl Into<Vec<store::Write>>) -> Batch {
    Batch { writes: writes.into(), ..Batch::default() }
}

pub fn events(events: &[&str]) -> Batch {
    Batch { events: events.iter().map(|event| event.as_bytes().to_vec()).collect(), ..Batch::default() }
}

pub fn expecting(key: &str, expect: Expect, mut batch: Batch) -> Batch {
    batch.checks.push(Check { key: key.into(), expect });
    batch
}

/// The value under a key as text.
pub async fn text(engine: &Arc<dyn Engine>, key: &str) -> Option<String> {
    engine.get(key.as_bytes()).await.unwrap().map(|stored| String::from_utf8(stored.value).unwrap())
}
