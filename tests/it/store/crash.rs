//! A process that is killed while it writes: what it acknowledged is there, the log is whole, the file opens at once.
//!
//! The writer is this same test binary, started again with one test and a path in its environment.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cleargate::secret::IdSource;
use cleargate::store::Range;
use futures_util::future::join_all;

use super::{add, events, open, put, sealer, writes};

const PATH: &str = "CLEARGATE_TEST_STORE";
const ROUNDS: &str = "CLEARGATE_TEST_CRASHES";
const WRITERS: u64 = 16;

fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the way to tell a child process of this test what it is")]
    std::env::var(name).ok()
}

fn clock() -> cleargate::clock::Clock {
    cleargate::clock::Clock::system()
}

/// Writes until it is killed, and says what was acknowledged; does nothing in an ordinary run.
#[tokio::test]
async fn the_writer_that_is_killed() {
    let Some(path) = environment(PATH) else { return };
    let (store, writer) = open(Path::new(&path), clock());
    let first = store.engine().health().version * WRITERS;
    let write = async |lane: u64| {
        for number in (first + lane..).step_by(usize::try_from(WRITERS).unwrap()) {
            let mut batch = writes([put(&format!("k{number}"), &number.to_string()), add("total", 1)]);
            batch.events = events(&[&number.to_string()]).events;
            writer.commit(batch).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {number}").unwrap();
            out.flush().unwrap();
        }
    };
    join_all((0..WRITERS).map(write)).await;
}

fn start(path: &Path) -> (Child, mpsc::Receiver<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::crash::the_writer_that_is_killed", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // A line that the kill cut off has no line end and may be a shorter number: it was not heard in full.
            if let Some(number) = line.strip_prefix("ack ").and_then(|number| number.parse().ok())
                && sender.send(number).is_err()
            {
                return;
            }
        }
    });
    (child, receiver)
}

/// Lets the writer run for a while after its first acknowledgement, kills it and tells what it acknowledged.
fn crash(path: &Path, run_for: Duration) -> Vec<u64> {
    let (mut child, heard) = start(path);
    let mut acknowledged = vec![heard.recv_timeout(Duration::from_secs(60)).expect("the writer wrote nothing")];
    let end = Instant::now() + run_for;
    while let Ok(number) = heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
        acknowledged.push(number);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(heard);
    // The last line may have been cut off.
    acknowledged.pop();
    acknowledged
}

#[tokio::test]
async fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let rounds = environment(ROUNDS).map_or(8, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let ids = IdSource::system();
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let [byte] = ids.bytes::<1>();
        let run_for = Duration::from_millis(u64::from(byte));
        acknowledged.extend(crash(&path, run_for));

        let opening = Instant::now();
        let (store, _writer) = open(&path, clock());
        let took = opening.elapsed();
        assert!(took < Duration::from_secs(1), "round {round}: opening took {took:?}");
        assert!(store.engine().health().writable, "round {round}: {:?}", store.engine().health());
        let mut present = BTreeSet::new();
        let mut range = Range::prefix(b"k".to_vec(), 50_000);
        loop {
            let rows = store.range(range.clone()).await.unwrap();
            let Some((last, _)) = rows.last() else { break };
            range = range.after(last);
            present
                .extend(rows.iter().map(|(_, row)| std::str::from_utf8(&row.value).unwrap().parse::<u64>().unwrap()));
        }
        let lost: Vec<&u64> = acknowledged.difference(&present).collect();
        assert!(lost.is_empty(), "round {round}: acknowledged and lost: {lost:?}");
        let report = cleargate::audit::verify(&store, &sealer(), None).await.unwrap();
        assert!(report.is_intact(), "round {round}: {report:?}");
        let count = u64::try_from(present.len()).unwrap();
        assert_eq!(report.entries, count, "round {round}: a batch and its event came apart");
        let total = store.engine().get(b"total").await.unwrap().unwrap().value;
        assert_eq!(total, count.to_be_bytes(), "round {round}: a counter and its batch came apart");
    }
    assert!(acknowledged.len() > rounds, "hardly anything was written: {}", acknowledged.len());
}
