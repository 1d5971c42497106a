//! The store's file: it survives, it is ours alone, it is copied while it is written, and damage makes it read-only.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cleargate::clock::ManualClock;
use cleargate::store::{self, Error, OpenError, Range, Unfit, check_copy};
use redb::{Database, ReadableDatabase, TableDefinition};

use super::{Bench, START, bench, events, open, put, sealer, settings, text, writes};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

fn clock() -> cleargate::clock::Clock {
    ManualClock::new(START).clock()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_meta(path: &Path, name: &str, value: &[u8]) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(name, value).unwrap();
    transaction.commit().unwrap();
}

fn remove_meta(path: &Path, name: &str) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().remove(name).unwrap();
    transaction.commit().unwrap();
}

/// Sets a row's bytes, or removes it.
fn edit_row(path: &Path, key: &[u8], value: Option<&[u8]>) {
    const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut rows = transaction.open_table(ROWS).unwrap();
    let before = match value {
        Some(value) => rows.insert(key, value).unwrap().is_some(),
        None => rows.remove(key).unwrap().is_some(),
    };
    assert!(before);
    drop(rows);
    transaction.commit().unwrap();
}

fn meta(path: &Path, name: &str) -> Vec<u8> {
    let database = Database::open(path).unwrap();
    let table = database.begin_read().unwrap().open_table(META).unwrap();
    table.get(name).unwrap().unwrap().value().to_vec()
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let (store, writer) = open(&path, clock());
    let mut batch = writes([put("a", "1")]);
    batch.events = events(&["first"]).events;
    let committed = writer.commit(batch).await.unwrap();
    let head = store.engine().head().await.unwrap();
    drop((store, writer));
    let (store, writer) = open(&path, clock());
    assert_eq!(text(store.engine(), "a").await.as_deref(), Some("1"));
    assert_eq!(store.engine().get(b"a").await.unwrap().unwrap().version, committed.version);
    assert_eq!(store.engine().head().await.unwrap(), head);
    assert_eq!(*store.engine().changes().borrow(), committed.version);
    let next = writer.commit(events(&["second"])).await.unwrap();
    assert_eq!((next.version, next.first_event), (committed.version + 1, Some(1)));
}

#[test]
fn file_and_folder_are_made_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/store.redb");
    drop(open(&path, clock()));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&folder.path().join("deep")), 0o700);
}

#[test]
fn a_second_opening_is_refused_while_the_first_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let first = open(&path, clock());
    let second = store::open(&settings(&path), clock(), sealer()).err().unwrap();
    assert!(matches!(second, OpenError::Busy { .. }), "{second:?}");
    assert!(second.to_string().contains("open in another process"), "{second}");
    drop(first);
    drop(open(&path, clock()));
}

#[test]
fn files_of_others_and_of_newer_releases_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| store::open(&settings(path), clock(), sealer()).err().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a store, but something dear to somebody\n".repeat(200)).unwrap();
    let before = std::fs::read(&text).unwrap();
    assert!(matches!(refusal(&text), OpenError::Foreign { .. }), "{:?}", refusal(&text));
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let other = folder.path().join("other.redb");
    let database = Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("numbers")).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(refusal(&other), OpenError::Foreign { .. }));

    let newer = folder.path().join("newer.redb");
    drop(open(&newer, clock()));
    set_meta(&newer, "format", &3u32.to_be_bytes());
    let refused = refusal(&newer);
    assert!(matches!(refused, OpenError::Newer { format: 3, readable: 2, .. }), "{refused:?}");
    assert_eq!(meta(&newer, "format"), 3u32.to_be_bytes());

    // A file of the release before is taken over, and that release does not write it any more.
    let older = folder.path().join("older.redb");
    drop(open(&older, clock()));
    set_meta(&older, "format", &1u32.to_be_bytes());
    drop(open(&older, clock()));
    assert_eq!(meta(&older, "format"), 2u32.to_be_bytes());

    let folder_itself = refusal(folder.path());
    assert!(matches!(folder_itself, OpenError::Storage { .. }), "{folder_itself:?}");
}

#[tokio::test]
async fn a_copy_is_one_state_of_a_store_that_goes_on_being_written() {
    let bench = bench("embedded");
    let before: Vec<store::Write> = (0..25_000).map(|n| put(&format!("{n:06}"), "before")).collect();
    bench.engine.commit(writes(before)).await.unwrap();
    bench.engine.commit(events(&["one", "two"])).await.unwrap();
    let target = bench.path("copy.redb");
    let writing = async {
        for round in 0..20 {
            let mut batch = writes([put("left", &round.to_string()), put("right", &round.to_string())]);
            batch.events = events(&["more"]).events;
            bench.engine.commit(batch).await.unwrap();
        }
    };
    let beside = vec![(b"mark".to_vec(), b"a copy".to_vec())];
    let (copied, ()) = tokio::join!(bench.engine.copy(beside), writing);
    let mut copied = copied.unwrap();
    assert_eq!(names(&bench), ["store.redb", "store.redb.journal"], "the copy has no name");
    std::io::copy(&mut copied.file, &mut std::fs::File::create(&target).unwrap()).unwrap();
    assert_eq!(std::fs::metadata(&target).unwrap().len(), copied.size);
    assert_eq!(text(&bench.engine, "mark").await, None, "the store is as it was");

    let entries = check_copy(&target, &*sealer(), false).unwrap().entries;
    let (copy, writer) = open(&target, clock());
    assert!(copy.engine().health().writable);
    assert_eq!(text(copy.engine(), "mark").await.as_deref(), Some("a copy"));
    assert_eq!(copy.range(Range::prefix(b"0".to_vec(), 50_000)).await.unwrap().len(), 25_000);
    assert_eq!(text(copy.engine(), "left").await, text(copy.engine(), "right").await, "no batch was copied in part");
    let log = copy.engine().log(0, 100).await.unwrap();
    assert_eq!(u64::try_from(log.len()).unwrap(), entries);
    assert_eq!(copy.engine().head().await.unwrap(), copied.head);
    assert_eq!(writer.commit(events(&["in the copy"])).await.unwrap().first_event, Some(entries));
    let report = cleargate::audit::verify(&copy, &sealer(), None).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    drop((copy, writer));
    let used = check_copy(&target, &*sealer(), false).unwrap_err();
    assert!(matches!(used, Unfit::Unsealed), "a copy that was written to is none any more: {used}");
    assert_eq!(check_copy(&target, &*sealer(), true).unwrap().entries, entries + 1);
}

#[tokio::test]
async fn a_copy_that_was_edited_cut_off_or_made_with_another_key_is_told_from_one_that_was_not() {
    let bench = bench("embedded");
    bench
        .engine
        .commit(writes((0..3_000).map(|n| put(&format!("{n:06}"), "value")).collect::<Vec<_>>()))
        .await
        .unwrap();
    bench.engine.commit(events(&["one", "two"])).await.unwrap();
    let mut copied = bench.engine.copy(Vec::new()).await.unwrap();
    let mut good = Vec::new();
    std::io::Read::read_to_end(&mut copied.file, &mut good).unwrap();
    let target = bench.path("copy.redb");
    let check = |bytes: &[u8]| {
        std::fs::write(&target, bytes).unwrap();
        check_copy(&target, &*sealer(), false)
    };
    assert_eq!(check(&good).unwrap().entries, 2);
    let other = cleargate::audit::Sealer::new(&cleargate::secret::MacKey::new(&[9; 32]));
    assert!(matches!(check_copy(&target, &other, false), Err(Unfit::OtherKey)));
    assert!(matches!(check(b"something else"), Err(Unfit::Foreign | Unfit::Storage(_))));
    assert!(check(&good[..good.len() / 2]).is_err());

    // Whoever knows the format, and not the key, changes a row, drops one, or takes the mark away.
    check(&good).unwrap();
    edit_row(&target, b"000007", Some(b"0123456701234567other"));
    assert!(matches!(check_copy(&target, &*sealer(), false), Err(Unfit::Forged)));
    assert!(matches!(check_copy(&target, &*sealer(), true), Err(Unfit::Forged)), "no plain copy has such a mark");
    check(&good).unwrap();
    edit_row(&target, b"000007", None);
    assert!(matches!(check_copy(&target, &*sealer(), false), Err(Unfit::Forged)));
    check(&good).unwrap();
    remove_meta(&target, "seal");
    assert!(matches!(check_copy(&target, &*sealer(), false), Err(Unfit::Unsealed)));

    // A flipped bit anywhere is found, or is where nothing is kept.
    let mut found = 0;
    for place in (0..good.len()).step_by(good.len() / 60) {
        let mut flipped = good.clone();
        flipped[place] ^= 0x10;
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&flipped)));
        match checked {
            Ok(Ok(checked)) => assert_eq!(checked.entries, 2, "{place}"),
            Ok(Err(_)) | Err(_) => found += 1,
        }
    }
    assert!(found > 5, "{found}");
}

#[tokio::test]
async fn a_store_in_memory_has_no_copy() {
    let bench = bench("memory");
    let refused = bench.engine.copy(Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("in memory"), "{refused}");
}

fn names(bench: &Bench) -> Vec<String> {
    let folder = std::fs::read_dir(bench.path("")).unwrap();
    let mut names: Vec<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_log_whose_head_was_edited_can_be_read_but_not_continued() {
    for (name, value) in [("head", Some(vec![0; 73])), ("head", None), ("version", Some(vec![1, 2]))] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let (store, writer) = open(&path, clock());
        let mut batch = writes([put("a", "1")]);
        batch.events = events(&["first"]).events;
        writer.commit(batch).await.unwrap();
        drop((store, writer));
        set_meta(&path, name, &value.unwrap_or_default());
        let (store, writer) = open(&path, clock());
        let health = store.engine().health();
        assert!(!health.writable && health.reason.is_some(), "{name}: {health:?}");
        assert_eq!(text(store.engine(), "a").await.as_deref(), Some("1"));
        for batch in [writes([put("a", "2")]), events(&["second"])] {
            assert!(matches!(writer.commit(batch).await, Err(Error::Unavailable { .. })));
        }
        assert!(store.engine().reopen().await.is_err(), "opening again does not heal it");
        assert!(!store.engine().health().writable);
        assert_eq!(store.engine().log(0, 9).await.unwrap().len(), 1);
    }
}
