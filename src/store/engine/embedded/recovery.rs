//! What a killed program left: its journal, from which the file gets what it lacks.

use std::path::Path;

use redb::{CommitError, Database, ReadableDatabase, Table};

use super::journal::{self, Name, Record};
use super::tables::{
    META, META_FORMAT, META_HEAD, META_JOURNAL, META_VERSION, Tables, meta_of, render_row, version_of,
};
use super::{FORMAT, commit_durably, commit_in_memory, corrupt, failed};
use crate::store::Error;
use crate::store::engine::Seal;
use crate::store::engine::apply::Kept;

/// Does again what a program that was killed left in the journal of the file, which has no journal then. A file whose journal is
/// gone gets the mark of `seal` for that. `refused` makes the failure of a commit that could not be written.
pub(super) fn recover(
    path: &Path,
    database: &Database,
    seal: &dyn Seal,
    refused: impl FnOnce(CommitError) -> Error,
) -> Result<(), Error> {
    let Some(name) = name(database)? else { return Ok(()) };
    let transaction = database.begin_write().map_err(failed)?;
    let mut tables = Tables::open(&transaction)?;
    let commits = redo(path, &name, &mut tables, seal)?;
    forget_journal(&mut tables.meta)?;
    drop(tables);
    commit_durably(transaction).map_err(refused)?;
    if commits > 0 {
        tracing::info!(commits, "commits that were in the journal are in the store");
    }
    clear(&journal::place(path));
    Ok(())
}

/// Lets readers see what is in the journal, where the file cannot be written.
pub(super) fn recover_in_memory(path: &Path, database: &Database, seal: &dyn Seal) -> Result<(), Error> {
    let Some(name) = name(database)? else { return Ok(()) };
    let transaction = database.begin_write().map_err(failed)?;
    redo(path, &name, &mut Tables::open(&transaction)?, seal)?;
    commit_in_memory(transaction).map_err(failed)
}

fn name(database: &Database) -> Result<Option<Name>, Error> {
    let meta = database.begin_read().map_err(failed)?.open_table(META).map_err(failed)?;
    let Some(name) = meta_of(&meta, META_JOURNAL)? else { return Ok(None) };
    name.try_into().map(Some).map_err(|_| corrupt("meta", "the journal's name has not 32 bytes"))
}

/// Does again what follows on what the tables have; tells how many commits that were.
fn redo(path: &Path, name: &Name, tables: &mut Tables<'_>, seal: &dyn Seal) -> Result<u64, Error> {
    let place = journal::place(path);
    let unread = |error| Error::Unavailable { reason: format!("`{}`: {error}", place.display()) };
    let found = journal::read(&place, name).map_err(unread)?;
    let first = version_of(&tables.meta)?;
    let mut version = first;
    for record in &found.records {
        let record = Record::parse(record).ok_or_else(|| corrupt("journal", "a record has another form"))?;
        if record.from != version {
            continue;
        }
        record.entries.iter().try_for_each(|entry| tables.redo(entry))?;
        version = record.to;
        tables.set_meta(META_VERSION, &version.to_be_bytes())?;
        tables.set_meta(META_HEAD, &record.head)?;
    }
    if !found.is_whole {
        tracing::error!(journal = %place.display(), "the journal of the store is gone or cut off: what was committed last may be missing");
        let (key, value) = seal.loss()?;
        tables.put_row(&key, &render_row(&Kept { version, expires: None, value }), None)?;
    }
    Ok(version.saturating_sub(first))
}

/// Says in the file that it has everything.
pub(super) fn forget_journal(meta: &mut Table<'_, &'static str, &'static [u8]>) -> Result<(), Error> {
    if meta.remove(META_JOURNAL).map_err(failed)?.is_some() {
        meta.insert(META_FORMAT, FORMAT.to_be_bytes().as_slice()).map_err(failed)?;
    }
    Ok(())
}

/// Removes the journal of a file that has everything.
pub(super) fn clear(place: &Path) {
    if let Err(error) = journal::remove(place) {
        tracing::warn!(journal = %place.display(), error = %error, "the journal of the store could not be removed");
    }
}
