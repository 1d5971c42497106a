//! Copies of the file: made of one state while writers go on, and looked at before one is put into the place of a store.
//!
//! A copy is a store. It carries a keyed hash of everything in it, which the first commit to it removes: an edited copy, and
//! one that was used since, are told from one that is as it was made.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::TryLockError;

use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use super::recovery::forget_journal;
use super::tables::{EXPIRIES, LOG, META, META_FORMAT, META_SEAL, ROWS, head_of, meta_of, render_row, version_of};
use super::{Disk, FORMAT, FORMER_FORMAT, JOURNALED_FORMAT, failed};
use crate::secret::Hash;
use crate::store::engine::apply::Kept;
use crate::store::engine::{Copied, Seal};
use crate::store::{Error, Head};

/// Rows, and bytes of rows, per transaction of a copy.
const COPY_ROWS: usize = 20_000;
const COPY_BYTES: usize = 8 << 20;
/// Memory for pages of a copy, in bytes.
const CACHE_BYTES: usize = 32 << 20;
/// What must be left on the disk beside a copy: the store goes on being written.
const SPARE_BYTES: u64 = 64 << 20;

/// A copy that is as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many entries its log has by its head.
    pub entries: u64,
    /// Whether the keyed hash of its content is there, and right: without it nothing shows that its rows are what they were.
    pub is_sealed: bool,
}

/// Why a file is not put into the place of a store.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Pages of the file do not have the checksums that they were written with.
    #[error("it is damaged: {reason}")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// It is something else, or was cut off.
    #[error("it is no store, or was cut off")]
    Foreign,
    /// A keyed hash of the content is there and another one.
    #[error("its content was changed after it was made")]
    Forged,
    /// A newer release made it.
    #[error("it has format {format}; this release reads up to {FORMAT}")]
    Newer {
        /// Its format.
        format: u32,
    },
    /// Its log was not written with this key.
    #[error("it was made with another key")]
    OtherKey,
    /// The operating system refuses.
    #[error("it cannot be read")]
    Storage(#[source] std::io::Error),
    /// There is no keyed hash of the content.
    #[error("it is no backup, or was used as a store since it was made")]
    Unsealed,
}

/// Where a copy of a store is made, until it is handed out: a name that nobody gives to a copy of their own.
pub(super) fn place(store: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(store.file_name().unwrap_or_default());
    name.push(".unfinished-copy");
    store.with_file_name(name)
}

/// Removes what a program that was cut off left there.
pub(super) fn clear(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), error = %error, "an unfinished copy could not be removed");
    }
}

/// Makes a copy beside the store, and takes its name away.
pub(super) fn make(disk: &Disk, beside: &[(Vec<u8>, Vec<u8>)]) -> Result<Copied, Error> {
    let refused = |reason: String| Error::Unavailable { reason };
    let _turn = match disk.copying.try_lock() {
        Ok(turn) => turn,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(refused("another copy of it is being made".to_owned())),
    };
    let path = place(&disk.path);
    clear(&path);
    let made = make_room(&disk.path).and_then(|()| {
        let io = |error: std::io::Error| refused(format!("`{}`: {error}", path.display()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        let head = fill(disk, &path, beside)?;
        let file = File::open(&path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        Ok(Copied { file, size, head })
    });
    clear(&path);
    made
}

/// Refuses a copy for which there is no room.
fn make_room(store: &Path) -> Result<(), Error> {
    let refused = |error: std::io::Error| Error::Unavailable { reason: format!("`{}`: {error}", store.display()) };
    let needed = fs::metadata(store).map_err(refused)?.len().saturating_add(SPARE_BYTES);
    let disk = rustix::fs::statvfs(store).map_err(|error| refused(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        let reason = format!(
            "a copy is made beside it first, for which {} MiB must be free; {} MiB are",
            needed >> 20,
            free >> 20
        );
        return Err(Error::Unavailable { reason });
    }
    Ok(())
}

/// Copies all tables of one state into a new file, puts rows beside them and marks the whole. Gives the head of the log.
fn fill(disk: &Disk, path: &Path, beside: &[(Vec<u8>, Vec<u8>)]) -> Result<Head, Error> {
    let to = Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(failed)?;
    // Open for as long as rows are read, and no longer: it keeps the store's file growing.
    let from = disk.reading()?;
    copy_table(&from, &to, ROWS)?;
    copy_table(&from, &to, EXPIRIES)?;
    copy_table(&from, &to, LOG)?;
    // Last, so that a copy that was cut off does not look like a store.
    copy_table(&from, &to, META)?;
    drop(from);
    let meta = to.begin_read().map_err(failed)?.open_table(META).map_err(failed)?;
    let (version, head) = (version_of(&meta)?, head_of(&meta)?);
    drop(meta);
    let transaction = to.begin_write().map_err(failed)?;
    let mut rows = transaction.open_table(ROWS).map_err(failed)?;
    for (key, value) in beside {
        let row = render_row(&Kept { version, expires: None, value: value.clone() });
        rows.insert(key.as_slice(), row.as_slice()).map_err(failed)?;
    }
    drop(rows);
    // What the store's journal has is in the copy.
    forget_journal(&mut transaction.open_table(META).map_err(failed)?)?;
    transaction.commit().map_err(failed)?;
    let tag = disk.seal.copy(&content(&to.begin_read().map_err(failed)?)?);
    let transaction = to.begin_write().map_err(failed)?;
    transaction.open_table(META).map_err(failed)?.insert(META_SEAL, tag.as_slice()).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(head)
}

fn copy_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &ReadTransaction,
    to: &Database,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), Error> {
    let source = from.open_table(definition).map_err(failed)?;
    let mut rows = source.iter().map_err(failed)?.peekable();
    loop {
        let transaction = to.begin_write().map_err(failed)?;
        let mut target = transaction.open_table(definition).map_err(failed)?;
        let (mut count, mut bytes) = (0, 0_usize);
        while count < COPY_ROWS && bytes < COPY_BYTES {
            let Some(row) = rows.next() else { break };
            let (key, value) = row.map_err(failed)?;
            let (key, value) = (key.value(), value.value());
            count += 1;
            bytes = bytes.saturating_add(K::as_bytes(&key).as_ref().len() + V::as_bytes(&value).as_ref().len());
            target.insert(key, value).map_err(failed)?;
        }
        drop(target);
        transaction.commit().map_err(failed)?;
        if rows.peek().is_none() {
            return Ok(());
        }
    }
}

/// The hash of everything in a file but its mark.
fn content(file: &ReadTransaction) -> Result<[u8; 32], Error> {
    let mut hash = Hash::new();
    hash_table(file, ROWS, b"rows", &mut hash)?;
    hash_table(file, EXPIRIES, b"expiries", &mut hash)?;
    hash_table(file, LOG, b"log", &mut hash)?;
    hash_table(file, META, b"meta", &mut hash)?;
    Ok(hash.finish())
}

fn hash_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    file: &ReadTransaction,
    definition: TableDefinition<'_, K, V>,
    name: &[u8],
    hash: &mut Hash,
) -> Result<(), Error> {
    let mut take = |part: &[u8]| {
        hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    };
    take(name);
    for row in file.open_table(definition).map_err(failed)?.iter().map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        let (key, value) = (key.value(), value.value());
        let key = K::as_bytes(&key);
        if name != b"meta" || key.as_ref() != META_SEAL.as_bytes() {
            take(key.as_ref());
            take(V::as_bytes(&value).as_ref());
        }
    }
    // No part has this length: where one table ends and the next begins cannot move.
    hash.update(&u64::MAX.to_be_bytes());
    Ok(())
}

/// Looks at a copy before it is put into the place of a store: every page by its checksum, the format, that it is of this
/// key, and that it is as it was made. The file may be repaired by that: give a copy of what must stay as it is.
/// `is_plain` lets a file pass that has no mark, of which nothing shows that its rows are what they were.
///
/// # Errors
/// See [`Unfit`].
pub fn check(path: &Path, seal: &dyn Seal, is_plain: bool) -> Result<Checked, Unfit> {
    let damaged = |error: Error| Unfit::Damaged { reason: error.to_string() };
    let mut file = Builder::new().set_cache_size(CACHE_BYTES).open(path).map_err(unopened)?;
    match file.check_integrity() {
        Ok(_) => {}
        Err(error) => return Err(unopened(error)),
    }
    let reading = file.begin_read().map_err(|error| damaged(failed(error)))?;
    let meta = reading.open_table(META).map_err(|_| Unfit::Foreign)?;
    let format = meta_of(&meta, META_FORMAT).map_err(damaged)?.and_then(|bytes| bytes.try_into().ok());
    match format.map(u32::from_be_bytes) {
        Some(FORMAT | FORMER_FORMAT | JOURNALED_FORMAT) => {}
        Some(format) => return Err(Unfit::Newer { format }),
        None => return Err(Unfit::Foreign),
    }
    let entries = seal.size(&head_of(&meta).map_err(damaged)?).map_err(|_| Unfit::OtherKey)?;
    match meta_of(&meta, META_SEAL).map_err(damaged)? {
        Some(tag) if tag == seal.copy(&content(&reading).map_err(damaged)?) => Ok(Checked { entries, is_sealed: true }),
        Some(_) => Err(Unfit::Forged),
        None if is_plain => Ok(Checked { entries, is_sealed: false }),
        None => Err(Unfit::Unsealed),
    }
}

fn unopened(error: DatabaseError) -> Unfit {
    match error {
        DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
            Unfit::Foreign
        }
        DatabaseError::Storage(redb::StorageError::Io(error)) => Unfit::Storage(error),
        other => Unfit::Damaged { reason: other.to_string() },
    }
}
