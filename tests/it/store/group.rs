//! Group commit: writers that come together share a durable transaction, and only their own failure is theirs.

use cleargate::store::{Batch, Error, Expect};
use futures_util::future::join_all;

use super::{add, bench, events, expecting, put, text, writes};

/// A batch that keeps the writing thread busy while others queue up behind it.
fn slow() -> Batch {
    writes((0..30_000).map(|n| put(&format!("slow {n}"), "x")).collect::<Vec<_>>())
}

#[tokio::test]
async fn writers_that_wait_share_a_transaction() {
    let bench = bench("embedded");
    let batches = std::iter::once(slow()).chain((0..200).map(|n| writes([put(&format!("k{n}"), "v"), add("n", 1)])));
    let results = join_all(batches.map(|batch| bench.engine.commit(batch))).await;
    let mut versions: Vec<u64> = results.into_iter().map(|result| result.unwrap().version).collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 201, "every batch has a version of its own");
    let health = bench.engine.health();
    assert_eq!(health.version, 201);
    assert!(health.transactions <= 20, "201 batches took {} transactions", health.transactions);
    assert_eq!(bench.engine.get(b"n").await.unwrap().unwrap().value, 200i64.to_be_bytes());
}

#[tokio::test]
async fn a_batch_in_a_group_sees_its_predecessors_and_fails_alone() {
    let bench = bench("embedded");
    bench.engine.commit(writes([put("text", "abc")])).await.unwrap();
    let mut batches = vec![slow()];
    for writer in 0..100 {
        let mut claim = writes([put("claimed", &writer.to_string()), add("claims", 1)]);
        claim.events = events(&[&format!("claim {writer}")]).events;
        batches.push(expecting("claimed", Expect::Absent, claim));
        batches.push(writes([put(&format!("other {writer}"), "x")]));
        batches.push(writes([put("leftover", "x"), add("text", 1)]));
    }
    let results = join_all(batches.into_iter().map(|batch| bench.engine.commit(batch))).await;
    let owner = text(&bench.engine, "claimed").await.unwrap();
    for (writer, results) in results[1..].chunks(3).enumerate() {
        assert_eq!(
            results[0].is_ok(),
            owner == writer.to_string(),
            "writer {writer} heard the answer to its own batch"
        );
        assert!(results[1].is_ok() && matches!(results[2], Err(Error::Corrupt { .. })), "writer {writer}: {results:?}");
        let other = bench.engine.get(format!("other {writer}").as_bytes()).await.unwrap().unwrap();
        assert_eq!(results[1].as_ref().unwrap().version, other.version);
    }
    let conflicts = results.iter().filter(|result| **result == Err(Error::Conflict)).count();
    let corrupt = results.iter().filter(|result| matches!(result, Err(Error::Corrupt { .. }))).count();
    assert_eq!((conflicts, corrupt, results.len()), (99, 100, 301));
    assert_eq!(bench.engine.get(b"claims").await.unwrap().unwrap().value, 1i64.to_be_bytes());
    assert_eq!(text(&bench.engine, "leftover").await, None);
    let log = bench.engine.log(0, 200).await.unwrap();
    assert_eq!(log.len(), 1, "the refused claims left no event and no gap");
    assert_eq!(String::from_utf8(log[0].body.clone()).unwrap(), format!("claim {owner}"));
    assert!(bench.engine.health().writable);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_its_batch_back() {
    let bench = bench("embedded");
    let mut changes = bench.engine.changes();
    {
        let mut commit = bench.engine.commit(writes([put("a", "1")]));
        let polled = futures_util::poll!(&mut commit);
        assert!(polled.is_pending() || matches!(polled, std::task::Poll::Ready(Ok(_))));
    }
    changes.wait_for(|version| *version == 1).await.unwrap();
    assert_eq!(text(&bench.engine, "a").await.as_deref(), Some("1"));
}
