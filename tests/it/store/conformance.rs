//! What every engine must do, so that nobody above asks which one it is.

use std::time::Duration;

use cleargate::store::engine::{MAX_BATCH_ENTRIES, MAX_KEY_BYTES, MAX_RANGE_ROWS, MAX_VALUE_BYTES};
use cleargate::store::{Batch, Error, Expect, Range, Seen, Write};

use super::{Bench, START, add, delete, each, events, expecting, put, put_until, text, writes};

async fn keys(bench: &Bench, range: Range) -> String {
    let rows = bench.engine.range(range).await.unwrap();
    rows.iter().map(|(key, _)| String::from_utf8(key.clone()).unwrap()).collect::<Vec<_>>().join(" ")
}

fn span(start: &str, end: &str, limit: usize) -> Range {
    Range { start: start.into(), end: end.into(), skip: 0, limit, direction: cleargate::store::Direction::Ascending }
}

fn number(value: i64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

#[tokio::test]
async fn a_value_is_read_back_until_it_is_replaced_or_deleted() {
    each(async |bench| {
        assert_eq!(text(&bench.engine, "a").await, None, "{}", bench.name);
        bench.engine.commit(writes([put("a", "1"), put("", "empty key"), put("e", "")])).await.unwrap();
        assert_eq!(text(&bench.engine, "a").await.as_deref(), Some("1"));
        assert_eq!(text(&bench.engine, "").await.as_deref(), Some("empty key"));
        assert_eq!(text(&bench.engine, "e").await.as_deref(), Some(""));
        bench.engine.commit(writes([put("a", "2")])).await.unwrap();
        assert_eq!(text(&bench.engine, "a").await.as_deref(), Some("2"));
        bench.engine.commit(writes([delete("a"), delete("never there")])).await.unwrap();
        assert_eq!(text(&bench.engine, "a").await, None);
    })
    .await;
}

#[tokio::test]
async fn several_keys_are_answered_in_the_order_asked() {
    each(async |bench| {
        bench.engine.commit(writes([put("a", "1"), put("b", "2")])).await.unwrap();
        let asked: Vec<Vec<u8>> = ["b", "x", "a", "b"].map(Into::into).to_vec();
        let found = bench.engine.multi_get(&asked).await.unwrap();
        let found: Vec<Option<&[u8]>> = found.iter().map(|row| row.as_ref().map(|row| row.value.as_slice())).collect();
        assert_eq!(found, [Some(b"2".as_slice()), None, Some(b"1"), Some(b"2")], "{}", bench.name);
        assert_eq!(bench.engine.multi_get(&[]).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_range_has_bounds_a_limit_and_a_direction() {
    each(async |bench| {
        let rows = ["a", "b", "ba", "bb", "c", "\u{7f}"].map(|key| put(key, "x"));
        bench.engine.commit(writes(rows)).await.unwrap();
        for (range, expected) in [
            (span("b", "c", 9), "b ba bb"),
            (span("b", "c", 2), "b ba"),
            (span("b", "c", 0), ""),
            (span("b", "c", 2).descending(), "bb ba"),
            (span("", "b", 9), "a"),
            (span("bb", "", 9), "bb c \u{7f}"),
            (span("", "", 9).descending(), "\u{7f} c bb ba b a"),
            (span("", "", 2).skipping(3), "bb c"),
            (span("", "", 9).skipping(6), ""),
            (span("", "", 2).skipping(1).descending(), "c bb"),
            (span("c", "b", 9), ""),
            (span("b", "b", 9), ""),
            (Range::prefix(b"b".to_vec(), 9), "b ba bb"),
            (Range::prefix(b"b".to_vec(), 9).after(b"b"), "ba bb"),
            (Range::prefix(b"b".to_vec(), 9).before(b"bb").descending(), "ba b"),
            (Range::prefix(vec![0xff], 9), ""),
            (Range::prefix(Vec::new(), 9), "a b ba bb c \u{7f}"),
        ] {
            assert_eq!(keys(bench, range.clone()).await, expected, "{}: {range:?}", bench.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_long_range_is_read_whole_and_a_longer_one_refused() {
    each(async |bench| {
        let rows: Vec<Write> = (0..2_500).map(|n| put(&format!("{n:05}"), "x")).collect();
        bench.engine.commit(writes(rows)).await.unwrap();
        assert_eq!(bench.engine.range(Range::prefix(Vec::new(), MAX_RANGE_ROWS)).await.unwrap().len(), 2_500);
        assert_eq!(bench.engine.range(Range::prefix(Vec::new(), 2_000)).await.unwrap().len(), 2_000);
        let refused = bench.engine.range(Range::prefix(Vec::new(), MAX_RANGE_ROWS + 1)).await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{}: {refused:?}", bench.name);
        assert!(matches!(bench.engine.log(0, MAX_RANGE_ROWS + 1).await, Err(Error::TooLarge { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_value_counts_as_absent_from_its_expiry_on() {
    each(async |bench| {
        let until = START.plus(Duration::from_secs(10));
        bench.engine.commit(writes([put_until("a", "1", until), put("b", "2")])).await.unwrap();
        let version = bench.engine.get(b"a").await.unwrap().unwrap().version;
        bench.clock.advance(Duration::from_millis(9_999));
        assert_eq!(text(&bench.engine, "a").await.as_deref(), Some("1"), "{}", bench.name);
        bench.clock.advance(Duration::from_millis(1));
        assert_eq!(text(&bench.engine, "a").await, None);
        assert_eq!(bench.engine.multi_get(&[b"a".to_vec()]).await.unwrap(), [None]);
        assert_eq!(keys(bench, span("", "", 1)).await, "b", "an expired row takes no place in a limit");
        let stale = expecting("a", Expect::Version(version), writes([put("a", "late")]));
        assert_eq!(bench.engine.commit(stale).await, Err(Error::Conflict));
        let fresh = expecting("a", Expect::Absent, writes([put("a", "new")]));
        bench.engine.commit(fresh).await.unwrap();
        assert_eq!(text(&bench.engine, "a").await.as_deref(), Some("new"), "the old expiry is forgotten");
    })
    .await;
}

#[tokio::test]
async fn a_sweep_deletes_what_has_expired_and_nothing_else() {
    each(async |bench| {
        let soon = START.plus(Duration::from_secs(1));
        let rows = [
            put_until("a", "1", soon),
            put_until("b", "1", soon),
            put_until("c", "1", soon),
            put_until("kept without end", "1", soon),
            put_until("kept longer", "1", soon),
            put_until("gone before", "1", soon),
            put("forever", "1"),
        ];
        bench.engine.commit(writes(rows)).await.unwrap();
        let later = START.plus(Duration::from_secs(9));
        let changed = [put("kept without end", "2"), put_until("kept longer", "2", later), delete("gone before")];
        let version = bench.engine.commit(writes(changed)).await.unwrap().version;
        assert_eq!(bench.engine.sweep(9).await, Ok(0), "{}", bench.name);
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(bench.engine.sweep(2).await, Ok(2));
        assert_eq!(bench.engine.sweep(9).await, Ok(1));
        assert_eq!(bench.engine.sweep(9).await, Ok(0));
        assert_eq!(keys(bench, span("", "", 9)).await, "forever kept longer kept without end");
        assert_eq!(bench.engine.health().version, version, "a sweep is no commit");
        bench.clock.advance(Duration::from_secs(8));
        assert_eq!(bench.engine.sweep(9).await, Ok(1));
    })
    .await;
}

#[tokio::test]
async fn counters_add_up_and_refuse_other_bytes() {
    each(async |bench| {
        bench.engine.commit(writes([add("n", 5)])).await.unwrap();
        bench.engine.commit(writes([add("n", -7), add("n", 1)])).await.unwrap();
        assert_eq!(bench.engine.get(b"n").await.unwrap().unwrap().value, number(-1), "{}", bench.name);
        bench.engine.commit(writes([delete("n"), add("n", 3)])).await.unwrap();
        assert_eq!(bench.engine.get(b"n").await.unwrap().unwrap().value, number(3));
        bench.engine.commit(writes([put("text", "abc")])).await.unwrap();
        let wrong = bench.engine.commit(writes([put("other", "x"), add("text", 1)])).await;
        assert!(matches!(wrong, Err(Error::Corrupt { .. })), "{wrong:?}");
        assert_eq!(text(&bench.engine, "other").await, None, "a batch that fails leaves nothing");
        bench.engine.commit(writes([add("n", i64::MAX), add("n", i64::MAX)])).await.unwrap();
        assert_eq!(bench.engine.get(b"n").await.unwrap().unwrap().value, number(i64::MAX), "it does not wrap");
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_check_fails_changes_nothing_and_logs_nothing() {
    each(async |bench| {
        let version = bench.engine.commit(writes([put("a", "1")])).await.unwrap().version;
        for (key, expect) in
            [("a", Expect::Absent), ("a", Expect::Version(version + 1)), ("b", Expect::Version(version))]
        {
            let mut batch = expecting(key, expect, writes([put("a", "2"), put("c", "3"), add("n", 1)]));
            batch.events.push(b"event".to_vec());
            // The failing check comes last: those that hold before it must have had no effect.
            batch.checks.insert(0, cleargate::store::Check { key: b"c".to_vec(), expect: Expect::Absent });
            assert_eq!(bench.engine.commit(batch).await, Err(Error::Conflict), "{}: {key} {expect:?}", bench.name);
        }
        assert_eq!(keys(bench, span("", "", 9)).await, "a");
        assert_eq!(text(&bench.engine, "a").await.as_deref(), Some("1"));
        assert_eq!(bench.engine.log(0, 9).await.unwrap(), []);
        assert_eq!(bench.engine.health().version, version);
        let good = expecting("a", Expect::Version(version), expecting("b", Expect::Absent, writes([put("a", "2")])));
        assert!(bench.engine.commit(good).await.unwrap().version > version);
    })
    .await;
}

#[tokio::test]
async fn a_version_never_comes_back() {
    each(async |bench| {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3 {
            bench.engine.commit(writes([put("a", "same")])).await.unwrap();
            assert!(seen.insert(bench.engine.get(b"a").await.unwrap().unwrap().version), "{}", bench.name);
            bench.engine.commit(writes([delete("a")])).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_over_a_limit_is_refused_and_what_is_at_it_is_not() {
    each(async |bench| {
        let sized =
            |key: usize, value: usize| Write::Put { key: vec![b'k'; key], value: vec![0; value], expires: None };
        bench.engine.commit(writes([sized(MAX_KEY_BYTES, MAX_VALUE_BYTES)])).await.unwrap();
        let event = Batch { events: vec![vec![0; MAX_VALUE_BYTES + 1]], ..Batch::default() };
        let many = writes(vec![delete("x"); MAX_BATCH_ENTRIES + 1]);
        let heavy = writes(vec![sized(1, MAX_VALUE_BYTES); 65]);
        for batch in
            [writes([sized(MAX_KEY_BYTES + 1, 0)]), writes([sized(1, MAX_VALUE_BYTES + 1)]), event, many, heavy]
        {
            let refused = bench.engine.commit(batch).await;
            assert!(matches!(refused, Err(Error::TooLarge { .. })), "{}: {refused:?}", bench.name);
        }
        assert_eq!(bench.engine.health().version, 1);
    })
    .await;
}

#[tokio::test]
async fn the_log_gives_positions_without_gaps_and_reads_from_anywhere() {
    each(async |bench| {
        assert!(!bench.engine.head().await.unwrap().is_empty(), "{}: a head from the beginning", bench.name);
        assert_eq!(bench.engine.commit(events(&["a", "b"])).await.unwrap().first_event, Some(0));
        assert_eq!(bench.engine.commit(writes([put("k", "v")])).await.unwrap().first_event, None);
        let head = bench.engine.head().await.unwrap();
        assert_eq!(bench.engine.commit(events(&["c"])).await.unwrap().first_event, Some(2));
        assert_ne!(bench.engine.head().await.unwrap(), head);
        let bodies = async |from, limit| {
            let rows = bench.engine.log(from, limit).await.unwrap();
            rows.iter()
                .map(|row| format!("{}{}", row.sequence, String::from_utf8_lossy(&row.body)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(bodies(0, 9).await, "0a 1b 2c");
        assert_eq!(bodies(1, 1).await, "1b");
        assert_eq!(bodies(3, 9).await, "");
        assert_eq!(bodies(u64::MAX, 9).await, "");
    })
    .await;
}

#[tokio::test]
async fn a_receiver_hears_of_every_commit_after_it_began_to_listen() {
    each(async |bench| {
        let mut changes = bench.engine.changes();
        assert!(!changes.has_changed().unwrap(), "{}", bench.name);
        let committed = bench.engine.commit(writes([put("a", "1")])).await.unwrap();
        assert!(changes.has_changed().unwrap());
        assert_eq!(*changes.borrow_and_update(), committed.version);
        let refused = expecting("a", Expect::Absent, writes([put("a", "2")]));
        assert_eq!(bench.engine.commit(refused).await, Err(Error::Conflict));
        assert!(!changes.has_changed().unwrap(), "a refused batch is no change");
    })
    .await;
}

#[tokio::test]
async fn what_was_seen_is_current_until_one_of_its_rows_is_written() {
    each(async |bench| {
        let see = |keys: &[&str]| {
            let mut seen = Seen::default();
            keys.iter().for_each(|key| seen.take(bench.engine.marks(), key.as_bytes()));
            seen
        };
        bench.engine.commit(writes([put("a", "1"), put("b", "1")])).await.unwrap();
        for write in [put("a", "2"), delete("a"), put("a", "3")] {
            let (seen, other) = (see(&["a", "b"]), see(&["b"]));
            assert!(seen.is_current(bench.engine.marks()));
            bench.engine.commit(writes([write])).await.unwrap();
            assert!(!seen.is_current(bench.engine.marks()), "{}", bench.name);
            assert!(other.is_current(bench.engine.marks()), "{}", bench.name);
        }
        let counted = see(&["n"]);
        bench.engine.commit(writes([add("n", 1)])).await.unwrap();
        assert!(!counted.is_current(bench.engine.marks()), "counters too");
        let refused = see(&["b"]);
        let batch = expecting("a", Expect::Absent, writes([put("b", "2")]));
        assert_eq!(bench.engine.commit(batch).await.unwrap_err(), Error::Conflict);
        assert!(refused.is_current(bench.engine.marks()), "nothing was written");
    })
    .await;
}

#[tokio::test]
async fn health_says_what_was_committed() {
    each(async |bench| {
        bench.engine.commit(writes([put("a", "1")])).await.unwrap();
        bench.engine.reopen().await.unwrap();
        let health = bench.engine.health();
        assert!(health.writable && health.reason.is_none(), "{}: {health:?}", bench.name);
        assert_eq!((health.version, health.transactions), (1, 1));
        assert_eq!(health.size_bytes > 0, bench.name == "embedded");
        assert_eq!(text(&bench.engine, "a").await.as_deref(), Some("1"));
    })
    .await;
}
