//! The engine in one file of this machine, on redb: nothing outside this module imports it.
//!
//! Every group of batches is one transaction. Most are durable in the journal ([`mod@journal`]) and in memory of the file; when
//! the journal is full, one is made durable with everything before it, by two-phase commit and quick repair, so that a killed
//! process loses nothing acknowledged and opens again in milliseconds. A file has a journal from the first commit after it
//! was opened until it is closed, and says so by its format: a release that knows no journal does not open it. One read transaction stays open, that of the newest state,
//! because opening one costs more than most reads; the writer opens the next one before it answers, so that whoever was
//! answered reads what was written. No other read transaction lives across an await, because one that stays behind
//! keeps the file growing. After a failed commit the engine refuses writes until it is reopened: whether
//! that commit reached the disk is not known before. When it failed for another reason than a full disk, the engine stays
//! read-only until the program is started again.

mod copy;
mod journal;
mod recovery;
mod tables;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
#[cfg(test)]
use redb::StorageBackend;
use redb::{
    Builder, CommitError, Database, DatabaseError, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTable, TableError, WriteTransaction,
};
use tokio::sync::watch;

use super::apply::{self, Group, State};
use super::queue::{Queue, Storage};
use super::{Batch, Committed, Copied, Direction, Engine, Head, Health, LogRow, Marks, Range, Row, Seal, Stored};
use crate::clock::Clock;
use crate::store::{Error, OpenError, Settings};
use journal::Journal;
use recovery::{clear, forget_journal, recover, recover_in_memory};
use tables::{
    LOG, META, META_FORMAT, META_HEAD, META_JOURNAL, META_SEAL, META_VERSION, ROWS, Tables, check_log, expiry_key,
    head_of, is_seen, meta_of, parse_log, parse_row, version_of,
};

pub use copy::{Checked, Unfit, check as check_copy};
pub use journal::place as journal;

/// The file format that this release writes; it reads no newer one. Whoever adds what an older release would not keep, an
/// index or a field of a record, raises it.
pub const FORMAT: u32 = 2;
/// The format before, whose rows are those of this one; what it lacks is added at the start.
const FORMER_FORMAT: u32 = 1;
/// [`FORMAT`] with a journal beside the file, without which it lacks what was committed last.
const JOURNALED_FORMAT: u32 = 1 << 16 | FORMAT;
/// Ranges and pieces of the log up to this many rows are read where they are asked for, longer ones on another thread.
const INLINE_ROWS: usize = 1_000;
/// As many rows are passed over in the time in which one is returned.
const SKIPPED_FOR_ONE: usize = 8;

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;
type Opener = dyn Fn() -> Result<Database, DatabaseError> + Send + Sync;

/// An engine whose rows live in one file.
pub struct Embedded {
    disk: Arc<Disk>,
    queue: Queue,
}

impl Embedded {
    /// Opens the file, or creates it (mode 0600, its folder 0700).
    ///
    /// # Errors
    /// `Busy` when another process has it open, `Foreign` and `Newer` when it is not a file that this release reads.
    pub fn open(settings: &Settings, clock: Clock, seal: Arc<dyn Seal>) -> Result<Self, OpenError> {
        let path = settings.path.clone();
        let storage = |source: std::io::Error| OpenError::Storage { path: path.clone(), source: Box::new(source) };
        create_file(&path).map_err(storage)?;
        let cache_bytes = settings.cache_bytes;
        let target = path.clone();
        let left = copy::place(&path);
        let opener = move || Builder::new().set_cache_size(cache_bytes).create(&target);
        let opened = Self::start(path, Box::new(opener), clock, seal, Keeping::Wanted)?;
        copy::clear(&left);
        Ok(opened)
    }

    fn start(
        path: PathBuf,
        opener: Box<Opener>,
        clock: Clock,
        seal: Arc<dyn Seal>,
        journal: Keeping,
    ) -> Result<Self, OpenError> {
        let database = opener().map_err(|error| open_error(&path, error))?;
        prepare(&path, &database, &*seal)?;
        let disk = Arc::new(Disk {
            path: path.clone(),
            opener,
            clock,
            seal,
            database: RwLock::new(None),
            newest: RwLock::new(None),
            journal: Mutex::new(journal),
            failure: Mutex::new(None),
            is_doubtful: AtomicBool::new(false),
            is_sealed: AtomicBool::new(false),
            copying: Mutex::new(()),
            transactions: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            marks: Marks::default(),
        });
        if let Err(error) = disk.take(database) {
            if disk.is_closed() {
                return Err(OpenError::Storage { path, source: Box::new(error) });
            }
            // Reading goes on: the damage can be looked at, and `audit verify` says where it is.
            disk.fail(&error);
        }
        let storage: Arc<dyn Storage> = disk.clone();
        let queue = Queue::start(storage).map_err(|source| OpenError::Storage { path, source: Box::new(source) })?;
        Ok(Self { disk, queue })
    }
}

/// What becomes of the journal.
enum Keeping {
    /// There is none, and every commit makes the file durable.
    Never,
    /// The next commit makes one.
    Wanted,
    Open(Journal),
}

/// The open file, shared by readers and the writing thread.
struct Disk {
    path: PathBuf,
    opener: Box<Opener>,
    clock: Clock,
    seal: Arc<dyn Seal>,
    /// `None` while, or after, opening it again has failed.
    database: RwLock<Option<Database>>,
    /// The rows of the newest state; `None` while there is none that could be opened.
    newest: RwLock<Option<Arc<Rows>>>,
    journal: Mutex<Keeping>,
    /// Why writes are refused.
    failure: Mutex<Option<String>>,
    /// They are until the program is started again: what a commit wrote may be in memory of the system and not on the
    /// disk, and no read tells.
    is_doubtful: AtomicBool,
    /// The file is a copy that nothing was written to yet.
    is_sealed: AtomicBool,
    /// Held while a copy is made.
    copying: Mutex<()>,
    transactions: AtomicU64,
    changes: watch::Sender<u64>,
    marks: Marks,
}

impl Disk {
    fn with<T>(&self, operation: impl FnOnce(&Database) -> Result<T, Error>) -> Result<T, Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match &*guard {
            Some(database) => operation(database),
            None => {
                Err(Error::Unavailable { reason: self.failure().unwrap_or_else(|| "the file is closed".to_owned()) })
            }
        }
    }

    fn reading(&self) -> Result<ReadTransaction, Error> {
        self.with(|database| database.begin_read().map_err(failed))
    }

    /// The rows of the newest state.
    fn rows(&self) -> Result<Arc<Rows>, Error> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner).clone();
        match newest {
            Some(rows) => Ok(rows),
            None => Ok(Arc::new(self.reading()?.open_table(ROWS).map_err(failed)?)),
        }
    }

    /// Lets readers see the newest state of `database`; `None` closes what they see.
    fn renew(&self, database: Option<&Database>) {
        let opened = database.map(|database| -> Result<Rows, Error> {
            database.begin_read().map_err(failed)?.open_table(ROWS).map_err(failed)
        });
        let rows = match opened {
            Some(Ok(rows)) => Some(Arc::new(rows)),
            Some(Err(error)) => {
                tracing::warn!(error = %error, "the newest state cannot be kept open; each read opens it");
                None
            }
            None => None,
        };
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, error: &Error) {
        tracing::error!(store.path = %self.path.display(), error = %error, "the store refuses writes from now on");
        let mut reason = error.to_string();
        if self.is_doubtful.load(Ordering::SeqCst) {
            reason.push_str("; what reached the disk is not certain: look at the disk, then start the service again");
        }
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// What a failed commit leaves behind. A disk that was full has refused, and keeps what it had; after any other failure
    /// the system may have dropped what it could not write, and shows it as written.
    fn commit_failed(&self, error: impl Into<redb::Error>) -> Error {
        let error: redb::Error = error.into();
        let is_refusal =
            |kind| matches!(kind, ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded | ErrorKind::StorageFull);
        let is_doubtful = match &error {
            redb::Error::Io(error) => !is_refusal(error.kind()),
            redb::Error::PreviousIo => true,
            _ => false,
        };
        self.is_doubtful.fetch_or(is_doubtful, Ordering::SeqCst);
        failed(error)
    }

    /// Serves from `database` and tells readers where it stands.
    fn adopt(&self, database: Database) -> Result<(), Error> {
        let checked = self.check(&database);
        self.renew(Some(&database));
        // What a failed commit left may be more, or less, than what was seen before.
        self.marks.raise_all();
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        let version = checked?;
        self.changes.send_if_modified(|told| std::mem::replace(told, version) != version);
        Ok(())
    }

    /// The version at which a file stands whose log agrees with its head.
    fn check(&self, database: &Database) -> Result<u64, Error> {
        let transaction = database.begin_read().map_err(failed)?;
        let meta = transaction.open_table(META).map_err(failed)?;
        let group = Group::start(&*self.seal, self.clock.now(), version_of(&meta)?, head_of(&meta)?)?;
        self.is_sealed.store(meta_of(&meta, META_SEAL)?.is_some(), Ordering::SeqCst);
        check_log(&transaction.open_table(LOG).map_err(failed)?, group.size())?;
        Ok(group.version)
    }

    /// Closes the file and opens it again, so that what is on the disk can at least be read.
    fn open_again(&self) -> Result<(), Error> {
        self.renew(None);
        self.marks.raise_all();
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*journal, Keeping::Open(_)) {
            *journal = Keeping::Wanted;
        }
        drop(journal);
        self.take((self.opener)().map_err(failed)?)
    }

    /// Takes a file that was opened and what its journal has. Where that cannot be written, on a full disk for one, it is read
    /// all the same.
    fn take(&self, database: Database) -> Result<(), Error> {
        let recovered = recover(&self.path, &database, &*self.seal, |error| self.commit_failed(error));
        let Err(error) = recovered else { return self.adopt(database) };
        drop(database);
        let database = (self.opener)().map_err(failed)?;
        recover_in_memory(&self.path, &database, &*self.seal)?;
        self.adopt(database)?;
        Err(error)
    }

    fn is_closed(&self) -> bool {
        self.database.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Runs `work` in a transaction, which gives a value and, where one suffices, the record of the journal.
    fn transact<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<Option<(T, Option<Vec<u8>>)>, Error>,
    ) -> Result<Option<T>, Error> {
        self.with(|database| {
            let transaction = database.begin_write().map_err(failed)?;
            let Some((value, record)) = work(&transaction)? else {
                transaction.abort().map_err(failed)?;
                return Ok(None);
            };
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            let committed = match (&mut *journal, record) {
                (Keeping::Open(open), Some(record)) => match open.append(&record) {
                    Ok(true) => commit_in_memory(transaction).map_err(|error| self.commit_failed(error)),
                    Ok(false) => self.commit_durably(transaction, Some(open)),
                    // What is in memory of the file must not be seen before it is known to be durable.
                    Err(error) => Err(self.commit_failed(redb::Error::Io(error))),
                },
                (Keeping::Open(open), None) => self.commit_durably(transaction, Some(open)),
                (Keeping::Wanted, _) => self.commit_with_new(transaction, &mut journal),
                (Keeping::Never, _) => self.commit_durably(transaction, None),
            };
            drop(journal);
            self.renew(committed.is_ok().then_some(database));
            committed?;
            self.transactions.fetch_add(1, Ordering::Relaxed);
            Ok(Some(value))
        })
    }

    /// Makes the file durable with this commit and all before it.
    fn commit_durably(&self, transaction: WriteTransaction, journal: Option<&mut Journal>) -> Result<(), Error> {
        if self.is_sealed.load(Ordering::SeqCst) {
            transaction.open_table(META).map_err(failed)?.remove(META_SEAL).map_err(failed)?;
        }
        commit_durably(transaction).map_err(|error| self.commit_failed(error))?;
        self.is_sealed.store(false, Ordering::SeqCst);
        if let Some(journal) = journal {
            journal.restart();
        }
        Ok(())
    }

    /// The same, and the file has a journal from now on, where one can be made.
    fn commit_with_new(&self, transaction: WriteTransaction, kept: &mut Keeping) -> Result<(), Error> {
        let place = journal::place(&self.path);
        let journal = match Journal::create(&place) {
            Ok(journal) => journal,
            Err(error) => {
                tracing::warn!(error = %error, "no journal could be made beside the store: commits take longer");
                *kept = Keeping::Never;
                clear(&place);
                return self.commit_durably(transaction, None);
            }
        };
        let mut meta = transaction.open_table(META).map_err(failed)?;
        meta.insert(META_JOURNAL, journal.name().as_slice()).map_err(failed)?;
        meta.insert(META_FORMAT, JOURNALED_FORMAT.to_be_bytes().as_slice()).map_err(failed)?;
        drop(meta);
        self.commit_durably(transaction, None)?;
        *kept = Keeping::Open(journal);
        Ok(())
    }

    /// Runs a writing operation unless writes are refused; its failure refuses them from then on.
    fn write<T>(&self, operation: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if let Some(reason) = self.failure() {
            return Err(Error::Unavailable { reason });
        }
        operation().inspect_err(|error| {
            self.fail(error);
            if let Err(error) = self.open_again() {
                tracing::error!(error = %error, "the store cannot be read again either");
            }
        })
    }

    fn scan(&self, range: &Range) -> Result<Vec<Row>, Error> {
        if !range.end.is_empty() && range.start >= range.end {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let rows = self.rows()?;
        let start = range.start.as_slice();
        let mut found =
            if range.end.is_empty() { rows.range(start..) } else { rows.range(start..range.end.as_slice()) }
                .map_err(failed)?;
        let (mut out, mut skip) = (Vec::new(), range.skip);
        while out.len() < range.limit {
            let next = match range.direction {
                Direction::Ascending => found.next(),
                Direction::Descending => found.next_back(),
            };
            let Some(next) = next else { break };
            let (key, value) = next.map_err(failed)?;
            if skip > 0 {
                skip -= usize::from(is_seen(value.value(), now)?);
            } else if let Some(stored) = parse_row(value.value())?.seen(now) {
                out.push((key.value().to_vec(), stored));
            }
        }
        Ok(out)
    }

    fn read_log(&self, from: u64, limit: usize) -> Result<Vec<LogRow>, Error> {
        let log = self.reading()?.open_table(LOG).map_err(failed)?;
        let rows = log.range(from..).map_err(failed)?.take(limit);
        rows.map(|row| row.map_err(failed).and_then(|(key, value)| parse_log(key.value(), value.value()))).collect()
    }

    fn find<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Option<Stored>>, Error> {
        let now = self.clock.now();
        let rows = self.rows()?;
        keys.map(|key| match rows.get(key).map_err(failed)? {
            Some(value) => Ok(parse_row(value.value())?.seen(now)),
            None => Ok(None),
        })
        .collect()
    }
}

impl Storage for Disk {
    fn commit(&self, batches: &[Batch]) -> Result<Vec<Result<Committed, Error>>, Error> {
        self.write(|| {
            let mut results = Vec::with_capacity(batches.len());
            let version = self.transact(|transaction| {
                let mut tables = Tables::open(transaction)?;
                let (version, head) = (version_of(&tables.meta)?, head_of(&tables.meta)?);
                let mut group = Group::start(&*self.seal, self.clock.now(), version, head)?;
                check_log(&tables.log, group.size())?;
                for batch in batches {
                    results.push(group.apply(&mut tables, batch)?);
                }
                if group.version == version {
                    return Ok(None);
                }
                tables.set_meta(META_VERSION, &group.version.to_be_bytes())?;
                tables.set_meta(META_HEAD, &group.head)?;
                let record = tables.entries.record(version, group.version, &group.head);
                Ok(Some((group.version, record)))
            })?;
            if let Some(version) = version {
                // Readers see the rows, the writers are not yet answered.
                for (batch, _) in batches.iter().zip(&results).filter(|(_, result)| result.is_ok()) {
                    batch.writes.iter().for_each(|write| self.marks.raise(write.key()));
                }
                self.changes.send_replace(version);
            }
            Ok(results)
        })
    }

    fn sweep(&self, limit: usize) -> Result<u64, Error> {
        let now = self.clock.now();
        let end = expiry_key(now.plus(Duration::from_millis(1)), &[]);
        self.write(|| {
            let deleted = self.transact(|transaction| {
                let mut tables = Tables::open(transaction)?;
                let expired = tables.expiries.range(..end.as_slice()).map_err(failed)?.take(limit);
                let expired: Result<Vec<Vec<u8>>, Error> =
                    expired.map(|entry| entry.map(|(key, _)| key.value().to_vec()).map_err(failed)).collect();
                let mut deleted = 0;
                for entry in expired? {
                    // Of the index and the row, the row says when it expires.
                    tables.expiries.remove(entry.as_slice()).map_err(failed)?;
                    let key = entry.get(8..).unwrap_or_default();
                    if tables.read(key)?.is_some_and(|row| row.seen(now).is_none()) {
                        tables.rows.remove(key).map_err(failed)?;
                    }
                    deleted += 1;
                }
                Ok((deleted > 0).then_some((deleted, None)))
            })?;
            Ok(deleted.unwrap_or(0))
        })
    }

    fn reopen(&self) -> Result<(), Error> {
        let Some(reason) = self.failure() else { return Ok(()) };
        if self.is_doubtful.load(Ordering::SeqCst) {
            // What is there can be read at least, also where the disk did not let it be opened at first.
            if self.is_closed()
                && let Err(error) = self.open_again()
            {
                tracing::error!(error = %error, "the store cannot be read again either");
            }
            return Err(Error::Unavailable { reason });
        }
        let opened = self.open_again();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) =
            opened.as_ref().err().map(|error| error.to_string());
        opened.inspect(|()| tracing::info!(store.path = %self.path.display(), "the store accepts writes again"))
    }
}

impl Engine for Embedded {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Stored>, Error>> {
        ready(self.disk.find(std::iter::once(key)).map(|found| found.into_iter().next().flatten())).boxed()
    }

    fn multi_get<'a>(&'a self, keys: &'a [Vec<u8>]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        if let Err(error) = apply::check_limit(keys.len()) {
            return ready(Err(error)).boxed();
        }
        ready(self.disk.find(keys.iter().map(Vec::as_slice))).boxed()
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        if let Err(error) = apply::check_limit(range.limit) {
            return ready(Err(error)).boxed();
        }
        let rows = range.limit.saturating_add(range.skip / SKIPPED_FOR_ONE);
        let disk = Arc::clone(&self.disk);
        read_rows(rows, move || disk.scan(&range))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, Error>> {
        async move {
            apply::check_size(&batch)?;
            self.queue.commit(batch).await
        }
        .boxed()
    }

    fn log(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<LogRow>, Error>> {
        if let Err(error) = apply::check_limit(limit) {
            return ready(Err(error)).boxed();
        }
        let disk = Arc::clone(&self.disk);
        read_rows(limit, move || disk.read_log(from, limit))
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, Error>> {
        let read = || head_of(&self.disk.reading()?.open_table(META).map_err(failed)?);
        ready(read()).boxed()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.disk.changes.subscribe()
    }

    fn copy(&self, beside: Vec<(Vec<u8>, Vec<u8>)>) -> BoxFuture<'_, Result<Copied, Error>> {
        let disk = Arc::clone(&self.disk);
        blocking(move || copy::make(&disk, &beside)).boxed()
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64, Error>> {
        self.queue.sweep(limit).boxed()
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.queue.reopen().boxed()
    }

    fn marks(&self) -> &Marks {
        &self.disk.marks
    }

    fn health(&self) -> Health {
        let stopped = || (!self.queue.is_alive()).then(|| "the writing thread has stopped".to_owned());
        let reason = self.disk.failure().or_else(stopped);
        Health {
            writable: reason.is_none(),
            size_bytes: std::fs::metadata(&self.disk.path).map_or(0, |file| file.len()),
            transactions: self.disk.transactions.load(Ordering::Relaxed),
            version: *self.disk.changes.borrow(),
            reason,
        }
    }
}

fn read_rows<'a, T: Send + 'static>(
    limit: usize,
    read: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> BoxFuture<'a, Result<T, Error>> {
    if limit <= INLINE_ROWS { ready(read()).boxed() } else { blocking(read).boxed() }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Unavailable { reason: format!("a reading thread stopped: {error}") })?
}

fn create_file(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Creates the tables of a new file and refuses a file that is not ours or is of a newer release.
fn prepare(path: &Path, database: &Database, seal: &dyn Seal) -> Result<(), OpenError> {
    let storage = |error: Error| OpenError::Storage { path: path.to_owned(), source: Box::new(error) };
    let reading = database.begin_read().map_err(|error| storage(failed(error)))?;
    let format = match reading.open_table(META) {
        Ok(meta) => meta_of(&meta, META_FORMAT).map_err(storage)?,
        Err(TableError::TableDoesNotExist(_)) => {
            if reading.list_tables().map_err(|error| storage(failed(error)))?.next().is_some() {
                return Err(OpenError::Foreign { path: path.to_owned() });
            }
            drop(reading);
            return write_format(database, Some(&seal.empty())).map_err(storage);
        }
        Err(_) => None,
    };
    match format.as_deref().and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) {
        Some(FORMAT | JOURNALED_FORMAT) => Ok(()),
        Some(FORMER_FORMAT) => write_format(database, None).map_err(storage),
        Some(format) => Err(OpenError::Newer { path: path.to_owned(), format, readable: FORMAT }),
        None => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// Format and head are there together or not at all, so that a store without a head was tampered with.
fn write_format(database: &Database, head: Option<&[u8]>) -> Result<(), Error> {
    let transaction = database.begin_write().map_err(failed)?;
    let mut tables = Tables::open(&transaction)?;
    tables.set_meta(META_FORMAT, &FORMAT.to_be_bytes())?;
    if let Some(head) = head {
        tables.set_meta(META_HEAD, head)?;
    }
    drop(tables);
    transaction.commit().map_err(failed)
}

fn commit_durably(mut transaction: WriteTransaction) -> Result<(), CommitError> {
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    transaction.commit()
}

/// Lets readers see what the journal has; the next durable commit makes it durable in the file.
fn commit_in_memory(mut transaction: WriteTransaction) -> Result<(), redb::Error> {
    transaction.set_durability(Durability::None)?;
    Ok(transaction.commit()?)
}

impl Drop for Disk {
    /// A file that is closed has everything, and no journal.
    fn drop(&mut self) {
        let journal = self.journal.get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_open = matches!(std::mem::replace(journal, Keeping::Never), Keeping::Open(_));
        if !is_open || self.failure().is_some() {
            return;
        }
        let closed = self.with(|database| {
            let transaction = database.begin_write().map_err(failed)?;
            forget_journal(&mut transaction.open_table(META).map_err(failed)?)?;
            commit_durably(transaction).map_err(failed)
        });
        match closed {
            Ok(()) => clear(&journal::place(&self.path)),
            Err(error) => tracing::warn!(error = %error, "the store was not closed; the next start reads its journal"),
        }
    }
}

fn corrupt(table: &'static str, reason: &str) -> Error {
    Error::Corrupt { table, reason: reason.to_owned() }
}

fn failed(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(reason) => Error::Corrupt { table: "file", reason },
        other => Error::Unavailable { reason: other.to_string() },
    }
}

fn open_error(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::Busy { path },
        DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
            OpenError::Foreign { path }
        }
        other => OpenError::Storage { path, source: Box::new(other) },
    }
}

#[cfg(test)]
mod tests;
