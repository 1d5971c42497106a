//! The journal beside the file: what a killed program left in it is in the store at the next start, once, and nothing else
//! is. A copy of both files that is taken while nothing is written is what a kill at that moment would leave.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cleargate::clock::ManualClock;
use cleargate::store::{self, Batch, Range, Store};
use redb::{Database, ReadableDatabase, TableDefinition};

use super::{START, add, delete, open, put, put_until, sealer, writes};

/// Commits of which the journal takes some hundred before the file is made durable.
const COMMITS: u64 = 300;

fn clock() -> cleargate::clock::Clock {
    ManualClock::new(START).clock()
}

/// The `number`th commit: rows that come, change and go, a counter, a moment of expiry that moves, an event.
fn batch(number: u64) -> Batch {
    let soon = START.plus(Duration::from_secs(60 + number % 3));
    let rows = [
        put(&format!("row {number}"), &"x".repeat(usize::try_from(number * 37 % 5_000).unwrap())),
        put("newest", &number.to_string()),
        put_until("session", "open", soon),
        delete(&format!("row {}", number / 2)),
        add("total", 1),
    ];
    Batch { events: vec![format!("event {number}").into_bytes()], ..writes(rows) }
}

fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// What a kill would leave now, in another folder.
fn killed(path: &Path, folder: &Path, name: &str) -> PathBuf {
    let image = folder.join(name);
    std::fs::copy(path, &image).unwrap();
    std::fs::copy(journal(path), journal(&image)).unwrap();
    image
}

async fn everything(store: &Store) -> (Vec<store::Row>, Vec<store::LogRow>, Vec<u8>) {
    let rows = store.range(Range::prefix(Vec::new(), 50_000)).await.unwrap();
    (rows, store.engine().log(0, 50_000).await.unwrap(), store.engine().head().await.unwrap())
}

fn format(path: &Path) -> u32 {
    let database = Database::open(path).unwrap();
    let meta = database.begin_read().unwrap().open_table(TableDefinition::<&str, &[u8]>::new("meta")).unwrap();
    u32::from_be_bytes(meta.get("format").unwrap().unwrap().value().try_into().unwrap())
}

#[tokio::test]
async fn a_store_that_was_not_closed_has_every_commit_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let (store, writer) = open(&path, clock());
    let (mut by_journal, mut by_itself) = (0, 0);
    for number in 0..COMMITS {
        let committed = writer.commit(batch(number)).await.unwrap();
        if number % 7 != 0 && number != COMMITS - 1 {
            continue;
        }
        let image = killed(&path, folder.path(), "image.redb");
        std::fs::remove_file(journal(&image)).unwrap();
        let (lacking, _) = open(&image, clock());
        match lacking.engine().health().version == committed.version {
            true => by_itself += 1,
            false => by_journal += 1,
        }
        assert!(cleargate::audit::verify(&lacking, &sealer(), None).await.unwrap().is_intact(), "{number}");
        drop(lacking);

        let image = killed(&path, folder.path(), "image.redb");
        let (found, writer) = open(&image, clock());
        assert_eq!(found.engine().health().version, committed.version);
        assert_eq!(everything(&found).await, everything(&store).await, "{number}");
        assert!(cleargate::audit::verify(&found, &sealer(), None).await.unwrap().is_intact(), "{number}");
        let next = writer.commit(batch(number + 1)).await.unwrap();
        assert_eq!((next.version, next.first_event), (committed.version + 1, Some(number + 1)));
        // Of what expires there is one moment, the last.
        drop((found, writer));
        let late = ManualClock::new(START.plus(Duration::from_secs(3600)));
        let (found, _writer) = open(&image, late.clock());
        assert_eq!(found.engine().sweep(10).await.unwrap(), 1, "{number}");
    }
    assert!(by_journal > 20 && by_itself > 0, "{by_journal} {by_itself}");
}

#[tokio::test]
async fn a_torn_record_takes_no_other_with_it_and_a_second_kill_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let (store, writer) = open(&path, clock());
    for number in 0..9 {
        writer.commit(batch(number)).await.unwrap();
    }
    let before = everything(&store).await;
    let records = std::fs::read(journal(&path)).unwrap();
    writer.commit(batch(9)).await.unwrap();
    let image = killed(&path, folder.path(), "image.redb");
    let whole = std::fs::read(journal(&image)).unwrap();
    let torn = (0..whole.len()).rfind(|at| whole[*at] != records[*at]).unwrap();
    let mut bytes = whole;
    bytes[torn] = !bytes[torn];
    std::fs::write(journal(&image), &bytes).unwrap();
    let again = killed(&image, folder.path(), "again.redb");
    let (found, _writer) = open(&image, clock());
    assert_eq!(everything(&found).await, before);
    // A start that is killed after the file has everything and before the journal is gone.
    drop((found, _writer));
    std::fs::copy(journal(&again), journal(&image)).unwrap();
    let (found, _writer) = open(&image, clock());
    assert_eq!(everything(&found).await, before);
}

#[tokio::test]
async fn a_journal_of_another_store_or_of_another_time_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("store.redb"), folder.path().join("other.redb"));
    let (store, writer) = open(&path, clock());
    let (_other, others) = open(&other, clock());
    for number in 0..5 {
        writer.commit(batch(number)).await.unwrap();
        others.commit(batch(number + 50)).await.unwrap();
    }
    // A copy is whole by itself, and knows no journal.
    let mut copied = store.engine().copy(Vec::new()).await.unwrap();
    let copy = folder.path().join("copy.redb");
    std::io::copy(&mut copied.file, &mut std::fs::File::create(&copy).unwrap()).unwrap();
    let at_copy = everything(&store).await;
    writer.commit(batch(5)).await.unwrap();
    std::fs::copy(journal(&path), journal(&copy)).unwrap();
    let (found, writing) = open(&copy, clock());
    assert_eq!(everything(&found).await, at_copy, "the copy is what it was");
    writing.commit(batch(70)).await.unwrap();
    writing.commit(batch(71)).await.unwrap();

    let image = killed(&path, folder.path(), "image.redb");
    std::fs::copy(journal(&other), journal(&image)).unwrap();
    let (found, _writer) = open(&image, clock());
    let newest = super::text(found.engine(), "newest").await;
    assert_eq!(newest.as_deref(), Some("0"), "only the first commit is in the file itself");
}

#[tokio::test]
async fn a_store_says_that_it_has_a_journal_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    drop(open(&path, clock()));
    assert!(!journal(&path).exists() && format(&path) == 2, "nothing was written");
    let (store, writer) = open(&path, clock());
    writer.commit(batch(0)).await.unwrap();
    writer.commit(batch(1)).await.unwrap();
    let image = killed(&path, folder.path(), "image.redb");
    assert!(format(&image) > 2, "a release that knows no journal does not open it");
    let all = everything(&store).await;
    drop((store, writer));
    assert!(!journal(&path).exists() && format(&path) == 2, "the release before opens it");
    let (store, _writer) = open(&path, clock());
    assert_eq!(everything(&store).await, all);
}
