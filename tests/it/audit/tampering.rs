//! Somebody with the store's file but without its key: every edit is found, and its place is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cleargate::audit::{Checkpoint, EventKind, Ledger, Problem, Report, Sealer, verify};
use cleargate::clock::ManualClock;
use cleargate::secret::{MacKey, sha256};
use cleargate::store::{self, Seal, Settings, Store};
use redb::{Database, ReadableTable, Table, TableDefinition};

use super::{START, event};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

fn sealer() -> Sealer {
    Sealer::new(&MacKey::new(&[7; 32]))
}

fn open_with(path: &Path, sealer: Sealer) -> (Store, Ledger) {
    let settings = Settings { path: path.to_owned(), cache_bytes: 4 << 20 };
    let (store, writer) = store::open(&settings, ManualClock::new(START).clock(), Arc::new(sealer)).unwrap();
    (store.clone(), Ledger::new(store, writer))
}

async fn record(path: &Path, count: usize) {
    let (_, ledger) = open_with(path, sealer());
    for _ in 0..count / 5 {
        let mut change = ledger.change();
        (1..5).for_each(|_| change.also(event(EventKind::UserChanged)));
        change.commit(event(EventKind::UserCreated)).await.unwrap();
    }
    for _ in 0..count % 5 {
        ledger.record(event(EventKind::SignInFailed)).await.unwrap();
    }
}

/// A closed store with a ledger of `count` entries.
async fn recorded(count: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    record(&path, count).await;
    (folder, path)
}

async fn report(path: &Path, since: Option<Checkpoint>) -> Report {
    let (store, _ledger) = open_with(path, sealer());
    verify(&store, &sealer(), since).await.unwrap()
}

fn edit(path: &Path, change: impl FnOnce(&mut Table<'_, u64, &'static [u8]>)) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&mut transaction.open_table(LOG).unwrap());
    transaction.commit().unwrap();
}

fn row(log: &Table<'_, u64, &'static [u8]>, position: u64) -> Vec<u8> {
    log.get(position).unwrap().unwrap().value().to_vec()
}

fn head(path: &Path) -> Vec<u8> {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let table = transaction.open_table(META).unwrap();
    table.get("head").unwrap().unwrap().value().to_vec()
}

fn set_head(path: &Path, head: &[u8]) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("head", head).unwrap();
    transaction.commit().unwrap();
}

#[tokio::test]
async fn an_untouched_ledger_is_intact_whatever_its_length() {
    for count in [0, 1, 2, 7, 64, 1_003] {
        let (_folder, path) = recorded(count).await;
        let report = report(&path, None).await;
        assert!(report.is_intact(), "{count}: {report:?}");
        assert_eq!(report.entries, u64::try_from(count).unwrap());
        assert_eq!(report.root().len(), 64);
    }
}

#[tokio::test]
async fn a_flipped_bit_is_found_at_its_entry_wherever_it_is() {
    let (_folder, path) = recorded(23).await;
    let length = {
        let mut length = 0;
        edit(&path, |log| length = row(log, 11).len());
        length
    };
    // In the hash, in the tag, at the body's beginning, in its middle and at its end.
    for byte in [0, 31, 32, 47, 48, length / 2, length - 1] {
        let flip = |log: &mut Table<'_, u64, &'static [u8]>| {
            let mut value = row(log, 11);
            value[byte] ^= 0x10;
            log.insert(11, value.as_slice()).unwrap();
        };
        edit(&path, flip);
        let found = report(&path, None).await;
        assert_eq!(found.problem, Some(Problem::Altered { position: 11 }), "byte {byte}");
        assert_eq!(found.entries, 11);
        edit(&path, flip);
    }
    assert!(report(&path, None).await.is_intact());
}

#[tokio::test]
async fn an_entry_whose_hash_was_made_again_lacks_the_key() {
    let (_folder, path) = recorded(9).await;
    edit(&path, |log| {
        let mut value = row(log, 4);
        let last = value.len() - 1;
        value[last] ^= 1;
        let message = [&[0], 4u64.to_be_bytes().as_slice(), &value[48..]].concat();
        value[..32].copy_from_slice(&sha256(&message));
        log.insert(4, value.as_slice()).unwrap();
    });
    assert_eq!(report(&path, None).await.problem, Some(Problem::Altered { position: 4 }));
}

#[tokio::test]
async fn a_dropped_entry_is_missing_at_its_place() {
    for position in [0, 6, 11] {
        let (_folder, path) = recorded(12).await;
        edit(&path, |log| drop(log.remove(position).unwrap()));
        assert_eq!(report(&path, None).await.problem, Some(Problem::Missing { position }), "{position} of 12");
    }
}

#[tokio::test]
async fn entries_that_changed_places_are_found_at_the_first_of_them() {
    let (_folder, path) = recorded(12).await;
    edit(&path, |log| {
        let (third, eighth) = (row(log, 3), row(log, 8));
        log.insert(3, eighth.as_slice()).unwrap();
        log.insert(8, third.as_slice()).unwrap();
    });
    assert_eq!(report(&path, None).await.problem, Some(Problem::Altered { position: 3 }));
}

#[tokio::test]
async fn entries_that_moved_up_over_a_dropped_one_are_found_at_its_place() {
    let (_folder, path) = recorded(12).await;
    edit(&path, |log| {
        for position in 5..11 {
            let next = row(log, position + 1);
            log.insert(position, next.as_slice()).unwrap();
        }
        log.remove(11).unwrap();
    });
    assert_eq!(report(&path, None).await.problem, Some(Problem::Altered { position: 5 }));
}

#[tokio::test]
async fn a_ledger_that_was_cut_off_is_found_where_it_ends() {
    let (_folder, path) = recorded(12).await;
    edit(&path, |log| {
        for position in 9..12 {
            log.remove(position).unwrap();
        }
    });
    assert_eq!(report(&path, None).await.problem, Some(Problem::Missing { position: 9 }));
    let (_folder, path) = recorded(12).await;
    edit(&path, |log| log.retain(|_, _| false).unwrap());
    assert_eq!(report(&path, None).await.problem, Some(Problem::Missing { position: 0 }));
}

#[tokio::test]
async fn a_head_that_was_put_back_leaves_entries_that_it_does_not_count() {
    let (_folder, path) = recorded(7).await;
    let old = head(&path);
    record(&path, 5).await;
    set_head(&path, &old);
    assert_eq!(report(&path, None).await.problem, Some(Problem::Uncounted { position: 7 }));
}

fn remove_head(path: &Path) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    drop(transaction.open_table(META).unwrap().remove("head").unwrap());
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_ledger_without_its_head_is_not_believed_whatever_is_left_of_it() {
    for count in [0, 12] {
        for keep in [0, count / 2, count] {
            for is_removed in [false, true] {
                let (_folder, path) = recorded(count).await;
                let end = u64::try_from(keep).unwrap();
                edit(&path, |log| log.retain(|position, _| position < end).unwrap());
                if is_removed {
                    remove_head(&path)
                } else {
                    set_head(&path, &[])
                }
                let found = report(&path, None).await;
                let place = format!("{keep} of {count}, removed: {is_removed}: {found:?}");
                match found.problem {
                    Some(Problem::Wiped) => assert_eq!(keep, 0, "{place}"),
                    Some(Problem::Head { position, .. }) => assert_eq!(position, end, "{place}"),
                    _ => panic!("{place}"),
                }
                let (store, ledger) = open_with(&path, sealer());
                assert!(!store.engine().health().writable, "{place}");
                assert!(ledger.record(event(EventKind::UserCreated)).await.is_err(), "{place}");
            }
        }
    }
}

#[tokio::test]
async fn a_ledger_that_was_put_back_to_one_without_entries_needs_the_key() {
    let (_folder, path) = recorded(12).await;
    edit(&path, |log| log.retain(|_, _| false).unwrap());
    set_head(&path, &Sealer::new(&MacKey::new(&[8; 32])).empty());
    assert!(matches!(report(&path, None).await.problem, Some(Problem::Head { position: 0, .. })));
}

#[tokio::test]
async fn an_added_entry_is_not_counted() {
    let (_folder, path) = recorded(7).await;
    edit(&path, |log| {
        let copy = row(log, 6);
        log.insert(7, copy.as_slice()).unwrap();
    });
    assert_eq!(report(&path, None).await.problem, Some(Problem::Uncounted { position: 7 }));
}

#[tokio::test]
async fn a_head_that_was_edited_or_made_without_the_key_is_not_believed() {
    let (_folder, path) = recorded(7).await;
    let good = head(&path);
    let mut edits: Vec<Vec<u8>> = (0..good.len())
        .step_by(9)
        .map(|byte| {
            let mut edited = good.clone();
            edited[byte] ^= 1;
            edited
        })
        .collect();
    edits.push(good[..good.len() - 1].to_vec());
    edits.push(vec![1]);
    let stranger = Sealer::new(&MacKey::new(&[8; 32]));
    edits.push(stranger.advance(&stranger.empty(), &[stranger.leaf(0, b"x")]).unwrap());
    for edited in edits {
        set_head(&path, &edited);
        let found = report(&path, None).await;
        assert!(matches!(found.problem, Some(Problem::Head { position: 7, .. })), "{found:?}");
    }
    // With an entry edited too, the entry is what is named.
    edit(&path, |log| {
        let mut value = row(log, 2);
        value[50] ^= 1;
        log.insert(2, value.as_slice()).unwrap();
    });
    assert_eq!(report(&path, None).await.problem.map(|problem| problem.position()), Some(2));
}

#[tokio::test]
async fn a_store_that_was_replaced_by_an_older_copy_is_found_by_a_checkpoint() {
    let (_folder, path) = recorded(7).await;
    let early = report(&path, None).await.checkpoint();
    let copy = std::fs::read(&path).unwrap();
    record(&path, 5).await;
    let late = report(&path, None).await.checkpoint();
    assert!(report(&path, Some(early)).await.is_intact(), "a ledger that went on still fits its older checkpoint");
    assert!(report(&path, Some(late)).await.is_intact());
    std::fs::write(&path, copy).unwrap();
    assert!(report(&path, None).await.is_intact(), "by itself the older copy is whole");
    assert_eq!(report(&path, Some(late)).await.problem, Some(Problem::Diverged { position: 12 }));
    record(&path, 4).await;
    record(&path, 5).await;
    assert_eq!(
        report(&path, Some(late)).await.problem,
        Some(Problem::Diverged { position: 12 }),
        "nor when it went on"
    );
}

#[tokio::test]
async fn another_installations_key_verifies_nothing() {
    let (_folder, path) = recorded(3).await;
    let stranger = Sealer::new(&MacKey::new(&[8; 32]));
    let (store, _ledger) = open_with(&path, stranger.clone());
    assert!(!store.engine().health().writable, "nor does it go on writing");
    let found = verify(&store, &stranger, None).await.unwrap();
    assert_eq!(found.problem, Some(Problem::Altered { position: 0 }));
}

#[tokio::test]
async fn a_ledger_that_grows_meanwhile_is_verified_all_the_same() {
    let (_folder, path) = recorded(2_500).await;
    let (store, ledger) = open_with(&path, sealer());
    let growing = async {
        for _ in 0..50 {
            ledger.record(event(EventKind::SignInFailed)).await.unwrap();
        }
    };
    let sealer = sealer();
    let (found, ()) = tokio::join!(verify(&store, &sealer, None), growing);
    let found = found.unwrap();
    assert!(found.is_intact() && found.entries >= 2_500, "{found:?}");
}

#[test]
fn a_checkpoint_prints_and_reads_back() {
    let text = format!("17:{}", "0f".repeat(32));
    assert_eq!(text.parse::<Checkpoint>().unwrap().to_string(), text);
    for wrong in ["", "17", "17:", ":00", &text[..text.len() - 1], &text.replace(':', "-"), &format!("{text}0")] {
        assert!(wrong.parse::<Checkpoint>().is_err(), "{wrong}");
    }
    assert!(format!("17:+{}", "0".repeat(63)).parse::<Checkpoint>().is_err());
    assert!(format!("17:{}é", "0".repeat(62)).parse::<Checkpoint>().is_err());
}
