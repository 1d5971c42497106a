//! What happens when the disk fails, on a disk that fails when it is told to.

use std::sync::atomic::AtomicBool;

use super::tables::render_row;
use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::store::engine::Leaf;
use crate::store::engine::apply::Kept;
use crate::store::{Seen, Write, engine::Batch};

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
struct Platter {
    bytes: Arc<Mutex<Vec<u8>>>,
    is_full: Arc<AtomicBool>,
    /// What was written once can be written again, and nothing else.
    has_no_more_room: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    loses_writes: Arc<AtomicBool>,
}

impl Platter {
    fn refuse(&self) -> std::io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left"));
        }
        Ok(())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        work(&mut self.bytes.lock().unwrap())
    }
}

impl StorageBackend for Platter {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.with(|bytes| u64::try_from(bytes.len()).unwrap()))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        self.with(|bytes| out.copy_from_slice(&bytes[from..from + out.len()]));
        Ok(())
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.refuse()?;
        self.with(|bytes| bytes.resize(usize::try_from(len).unwrap(), 0));
        Ok(())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        if self.loses_writes.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("input/output error"));
        }
        self.refuse()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.refuse()?;
        let end = offset + u64::try_from(data.len()).unwrap();
        if self.has_no_more_room.load(Ordering::SeqCst) && end > self.written.load(Ordering::SeqCst) {
            return Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left"));
        }
        self.written.fetch_max(end, Ordering::SeqCst);
        let from = usize::try_from(offset).unwrap();
        self.with(|bytes| bytes[from..from + data.len()].copy_from_slice(data));
        Ok(())
    }
}

/// A seal that only counts.
struct Count;

impl Seal for Count {
    fn empty(&self) -> Head {
        vec![0; 8]
    }

    fn leaf(&self, _: u64, _: &[u8]) -> Leaf {
        Leaf { hash: [1; 32], tag: [2; 16] }
    }

    fn advance(&self, head: &[u8], leaves: &[Leaf]) -> Result<Head, Error> {
        Ok((self.size(head)? + u64::try_from(leaves.len()).unwrap()).to_be_bytes().to_vec())
    }

    fn size(&self, head: &[u8]) -> Result<u64, Error> {
        Ok(head.try_into().map_or(0, u64::from_be_bytes))
    }

    fn copy(&self, content: &[u8; 32]) -> [u8; 32] {
        *content
    }

    fn loss(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        Ok((b"loss".to_vec(), Vec::new()))
    }
}

fn engine(platter: &Platter) -> Embedded {
    engine_at(platter, Path::new("platter"), Keeping::Never)
}

fn engine_at(platter: &Platter, path: &Path, journal: Keeping) -> Embedded {
    let platter = platter.clone();
    let opener = move || Builder::new().create_with_backend(platter.clone());
    let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000)).clock();
    Embedded::start(path.to_owned(), Box::new(opener), clock, Arc::new(Count), journal).unwrap()
}

fn batch(value: &str) -> Batch {
    let write = Write::Put { key: b"key".to_vec(), value: value.into(), expires: None };
    Batch { writes: vec![write], events: vec![value.into()], ..Batch::default() }
}

#[tokio::test]
async fn a_failed_commit_makes_the_engine_read_only_until_it_is_opened_again() {
    let platter = Platter::default();
    let engine = engine(&platter);
    engine.commit(batch("one")).await.unwrap();
    platter.is_full.store(true, Ordering::SeqCst);
    let mut seen = Seen::default();
    seen.take(engine.marks(), b"something else");
    let failed = engine.commit(batch("two")).await.unwrap_err();
    assert!(failed.to_string().contains("no space left"), "{failed}");
    assert!(!seen.is_current(engine.marks()), "what was kept before is not believed any more");
    let health = engine.health();
    assert!(!health.writable && health.reason.unwrap().contains("no space left"));

    platter.is_full.store(false, Ordering::SeqCst);
    let refused = engine.commit(batch("three")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "it does not go on by itself: {refused:?}");
    assert!(engine.sweep(9).await.is_err());

    engine.reopen().await.unwrap();
    assert!(engine.health().writable);
    assert_eq!(engine.get(b"key").await.unwrap().unwrap().value, b"one", "what failed is not there");
    assert_eq!(engine.commit(batch("four")).await.unwrap().first_event, Some(1));
    assert_eq!(engine.get(b"key").await.unwrap().unwrap().value, b"four");
}

#[tokio::test]
async fn after_a_disk_that_may_have_lost_writes_only_a_new_start_writes_again() {
    let platter = Platter::default();
    let engine = engine(&platter);
    engine.commit(batch("one")).await.unwrap();
    platter.loses_writes.store(true, Ordering::SeqCst);
    engine.commit(batch("two")).await.unwrap_err();
    platter.loses_writes.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        let refused = engine.reopen().await;
        assert!(matches!(&refused, Err(Error::Unavailable { reason }) if reason.contains("start the service")));
    }
    let health = engine.health();
    assert!(!health.writable && health.reason.unwrap().contains("input/output error"));
    assert!(engine.commit(batch("three")).await.is_err());
    assert!(engine.get(b"key").await.unwrap().is_some(), "it is read");
    drop(engine);
    let engine = self::engine(&platter);
    assert!(engine.health().writable, "somebody has looked and started it again");
    engine.commit(batch("four")).await.unwrap();
}

#[tokio::test]
async fn opening_again_in_vain_says_why_and_may_be_tried_again() {
    let platter = Platter::default();
    let engine = engine(&platter);
    engine.commit(batch("one")).await.unwrap();
    platter.is_full.store(true, Ordering::SeqCst);
    engine.commit(batch("two")).await.unwrap_err();
    assert!(engine.reopen().await.is_err());
    assert!(!engine.health().writable);
    platter.is_full.store(false, Ordering::SeqCst);
    engine.reopen().await.unwrap();
    assert_eq!(engine.get(b"key").await.unwrap().unwrap().value, b"one");
    engine.commit(batch("three")).await.unwrap();
}

#[tokio::test]
async fn a_commit_that_the_journal_does_not_take_is_refused_and_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("store.redb"), cache_bytes: 1 << 20 };
    let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000)).clock();
    let engine = Embedded::open(&settings, clock, Arc::new(Count)).unwrap();
    engine.commit(batch("one")).await.unwrap();
    engine.commit(batch("two")).await.unwrap();
    match &mut *engine.disk.journal.lock().unwrap() {
        Keeping::Open(journal) => journal.divert(OpenOptions::new().write(true).open("/dev/full").unwrap()),
        _ => panic!("there is a journal"),
    }
    let failed = engine.commit(batch("three")).await.unwrap_err();
    assert!(failed.to_string().contains("No space left"), "{failed}");
    assert!(!engine.health().writable);
    assert_eq!(engine.get(b"key").await.unwrap().unwrap().value, b"two", "what was durable is read");
    engine.reopen().await.unwrap();
    assert_eq!(engine.get(b"key").await.unwrap().unwrap().value, b"two");
    for (sequence, value) in [(2, "four"), (3, "five")] {
        assert_eq!(engine.commit(batch(value)).await.unwrap().first_event, Some(sequence));
    }
    assert!(matches!(&*engine.disk.journal.lock().unwrap(), Keeping::Open(_)), "there is one again");
}

#[tokio::test]
async fn what_is_in_the_journal_is_read_while_the_file_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let platter = Platter::default();
    let open = || engine_at(&platter, &folder.path().join("store"), Keeping::Wanted);
    let mut engine = open();
    let long = |number: u64| format!("{number:050000}");
    let spread = |number: u64| Batch {
        writes: vec![
            Write::Put { key: b"key".to_vec(), value: number.to_be_bytes().to_vec(), expires: None },
            Write::Put { key: number.to_be_bytes().to_vec(), value: long(number).into(), expires: None },
        ],
        ..batch("event")
    };
    let mut number = 0;
    engine.commit(spread(number)).await.unwrap();
    platter.has_no_more_room.store(true, Ordering::SeqCst);
    let failed = loop {
        match engine.commit(spread(number + 1)).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 1_000, "the disk is full");
    };
    assert!(failed.to_string().contains("no space left"), "{failed}");
    assert!(number > 5, "the journal has room of its own: {number}");
    let newest = async |engine: &Embedded| {
        let found = engine.get(b"key").await.unwrap().unwrap().value;
        let long = engine.get(&number.to_be_bytes()).await.unwrap().unwrap().value;
        (u64::from_be_bytes(found.try_into().unwrap()), long.len())
    };
    assert_eq!(newest(&engine).await, (number, 50_000), "what was acknowledged is read");
    assert!(engine.reopen().await.is_err() && !engine.health().writable);
    assert_eq!(newest(&engine).await, (number, 50_000), "still");
    drop(engine);
    engine = open();
    assert!(!engine.health().writable);
    assert_eq!(newest(&engine).await, (number, 50_000), "by the next start too");
    assert_eq!(engine.log(0, 9_999).await.unwrap().len(), usize::try_from(number + 1).unwrap());
    platter.has_no_more_room.store(false, Ordering::SeqCst);
    engine.reopen().await.unwrap();
    assert_eq!(newest(&engine).await, (number, 50_000));
    assert_eq!(engine.commit(spread(number + 1)).await.unwrap().first_event, Some(number + 1));
}

#[test]
fn rows_and_moments_keep_their_form() {
    for expires in [None, Some(Timestamp::from_millis(-5)), Some(Timestamp::from_millis(5))] {
        let row = Kept { version: 7, expires, value: b"payload".to_vec() };
        assert_eq!(parse_row(&render_row(&row)), Ok(row));
    }
    assert!(matches!(parse_row(&[0; 15]), Err(Error::Corrupt { .. })));
    let times = [i64::MIN, -1, 0, 1, i64::MAX].map(|millis| expiry_key(Timestamp::from_millis(millis), b"k"));
    assert!(times.is_sorted());
    assert_eq!(parse_log(3, b"short").unwrap().body, b"short");
}
