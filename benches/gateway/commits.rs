//! The store by itself: durable transactions of one row and one event, by one writer and by many that share them.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cleargate::audit::Sealer;
use cleargate::clock::Clock;
use cleargate::secret::MacKey;
use cleargate::store::{self, Batch, Settings, Write, Writer};
use futures_util::future::join_all;

use super::measure::{Measure, Watch};

const WRITERS: usize = 64;

/// One writer alone, and 64. CPU time is this whole process's, whose writers do next to nothing.
pub async fn measure(rounds: usize, time: Duration) -> (Measure, Measure) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("store.redb"), cache_bytes: 64 << 20 };
    let sealer = Arc::new(Sealer::new(&MacKey::new(&[7; 32])));
    let (_store, writer) = store::open(&settings, Clock::system(), sealer).unwrap();
    let count = Cell::new(0);
    let (mut alone, mut grouped) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(commit(&writer, 1, time, &count).await);
        grouped.push(commit(&writer, WRITERS, time, &count).await);
    }
    (Measure::median(alone), Measure::median(grouped))
}

async fn commit(writer: &Writer, writers: usize, time: Duration, count: &Cell<u64>) -> Measure {
    let end = Instant::now() + time;
    let watch = Watch::start(std::process::id());
    let clients = (0..writers).map(|_| async {
        let mut done = 0;
        while Instant::now() < end {
            let key = count.replace(count.get() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let put = Write::Put { key: key.to_be_bytes().to_vec(), value: vec![7; 200], expires: None };
            let batch = Batch { checks: Vec::new(), writes: vec![put], events: vec![vec![7; 200]] };
            writer.commit(batch).await.unwrap();
            done += 1;
        }
        done
    });
    let done = join_all(clients).await.into_iter().sum();
    watch.stop(done)
}
