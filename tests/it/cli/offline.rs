//! `audit verify --store` without a daemon.

use std::path::Path;
use std::sync::Arc;

use cleargate::audit::{Event, EventKind, Ledger, Sealer, open_master_key};
use cleargate::clock::Clock;
use cleargate::config::MasterKey;
use cleargate::model::Actor;
use cleargate::secret::IdSource;
use cleargate::store;

use super::ended;

/// Writes a store with `events` events, then closes it.
fn write(folder: &Path, events: usize) {
    let path = folder.join("cleargate.redb");
    let key = MasterKey::Beside(folder.join("cleargate.key"));
    let master = open_master_key(&key, &path, &IdSource::system()).unwrap();
    let settings = store::Settings { path, cache_bytes: 1 << 20 };
    let clock = Clock::system();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (store, writer) = store::open(&settings, clock.clone(), Arc::new(Sealer::new(&master))).unwrap();
        let ledger = Ledger::new(store, writer);
        for _ in 0..events {
            let actor = Actor::System { task: "test".to_owned() };
            ledger.record(Event::new(clock.now(), EventKind::GatewayStarted, &actor)).await.unwrap();
        }
    });
}

fn verify(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let (store, key) = (folder.join("cleargate.redb"), folder.join("cleargate.key"));
    let fixed = ["audit", "verify", "--json", "--store", store.to_str().unwrap(), "--key", key.to_str().unwrap()];
    ended(&[&fixed[..], more].concat())
}

#[test]
fn a_ledger_is_verified_without_a_daemon_and_from_a_checkpoint_on() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 3);
    let (code, out, err) = verify(folder.path(), &[]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["intact"].as_bool(), report["entries"].as_u64()), (0, Some(true), Some(3)), "{err}");
    let checkpoint = report["checkpoint"].as_str().unwrap().to_owned();
    write(folder.path(), 2);
    assert_eq!(verify(folder.path(), &["--since", &checkpoint]).0, 0);
    let other = checkpoint.replace(|c: char| c.is_ascii_hexdigit() && c != '3', "a");
    let (code, out, _) = verify(folder.path(), &["--since", &other]);
    assert_eq!(code, 1, "{out}");
    assert_eq!(verify(folder.path(), &["--since", "3"]).0, 2);
}

#[test]
fn another_key_does_not_verify_and_nothing_is_made_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = verify(folder.path(), &[]);
    assert_eq!(code, 5, "{err}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    write(folder.path(), 2);
    std::fs::write(folder.path().join("cleargate.key"), "11".repeat(32)).unwrap();
    let (code, out, err) = verify(folder.path(), &[]);
    assert_eq!(code, 1, "{out}");
    assert!(err.contains("the ledger is not intact"), "{err}");
}

#[test]
fn a_store_that_is_in_use_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let path = folder.path().join("cleargate.redb");
    let key = MasterKey::Beside(folder.path().join("cleargate.key"));
    let master = open_master_key(&key, &path, &IdSource::system()).unwrap();
    let settings = store::Settings { path, cache_bytes: 1 << 20 };
    let _open = store::open(&settings, Clock::system(), Arc::new(Sealer::new(&master))).unwrap();
    let (code, out, err) = verify(folder.path(), &[]);
    assert_eq!((code, out.as_str()), (6, ""), "{err}");
}

#[test]
fn a_ledger_that_was_wiped_is_told_and_not_served_from() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 3);
    let database = redb::Database::open(folder.path().join("cleargate.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let log: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("log");
    let meta: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    transaction.open_table(log).unwrap().retain(|_, _| false).unwrap();
    transaction.open_table(meta).unwrap().insert("head", [].as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let (code, out, err) = verify(folder.path(), &[]);
    assert!(code == 1 && out.contains("wiped") && err.contains("wiped"), "{code} {out} {err}");
    let config = folder.path().join("cleargate.toml");
    std::fs::write(&config, "public_url = \"http://127.0.0.1:8080\"\nstore.path = \"cleargate.redb\"\n").unwrap();
    let (code, _, err) = ended(&["serve", "--config", config.to_str().unwrap()]);
    assert!(code == 1 && err.contains("the ledger does not verify"), "{code} {err}");
}
