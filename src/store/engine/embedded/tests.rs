//! What happens when the disk fails, on a disk that fails when it is told to.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::clock::ManualClock;
use crate::store::{Seen, Write, engine::Batch};

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
struct Platter {
    bytes: Arc<Mutex<Vec<u8>>>,
    is_full: Arc<AtomicBool>,
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
}

fn engine(platter: &Platter) -> Embedded {
    let platter = platter.clone();
    let opener = move || Builder::new().create_with_backend(platter.clone());
    let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000)).clock();
    Embedded::start(PathBuf::from("platter"), Box::new(opener), clock, Arc::new(Count)).unwrap()
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
