//! What a killed program left: its journal, from which the file gets what it lacks.

use std::path::Path;

use redb::{CommitError, Database, ReadableDatabase, Table};

use super::journal::{self, Name, Record};
use super::tables::{META, META_FORMAT, META_HEAD, META_JOURNAL, META_VERSION, Tables, meta_of, version_of};
use super::{FORMAT, commit_durably, commit_in_memory, corrupt, failed};
use crate::store::Error;

/// Does again what a program that was killed left in the journal of the file, which has no journal then. `refused` makes the
/// failure of a commit that could not be written.
pub(super) fn recover(
    path: &Path,
    database: &Database,
    refused: impl FnOnce(CommitError) -> Error,
) -> Result<(), Error> {
    let Some(name) = name(database)? else { return Ok(()) };
    let transaction = database.begin_write().map_err(failed)?;
    let mut tables = Tables::open(&transaction)?;
    let commits = redo(path, &name, &mut tables)?;
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
pub(super) fn recover_in_memory(path: &Path, database: &Database) -> Result<(), Error> {
    let Some(name) = name(database)? else { return Ok(()) };
    let transaction = database.begin_write().map_err(failed)?;
    redo(path, &name, &mut Tables::open(&transaction)?)?;
    commit_in_memory(transaction).map_err(failed)
}

fn name(database: &Database) -> Result<Option<Name>, Error> {
    let meta = database.begin_read().map_err(failed)?.open_table(META).map_err(failed)?;
    let Some(name) = meta_of(&meta, META_JOURNAL)? else { return Ok(None) };
    name.try_into().map(Some).map_err(|_| corrupt("meta", "the journal's name has not 32 bytes"))
}

/// Does again what follows on what the tables have; tells how many commits that were.
fn redo(path: &Path, name: &Name, tables: &mut Tables<'_>) -> Result<u64, Error> {
    let place = journal::place(path);
    let records = journal::read(&place, name);
    let records = records.map_err(|error| Error::Unavailable { reason: format!("`{}`: {error}", place.display()) })?;
    if records.is_none() {
        tracing::error!(journal = %place.display(), "the journal of the store is gone: what was committed last may be missing");
    }
    let first = version_of(&tables.meta)?;
    let mut version = first;
    for record in records.iter().flatten() {
        let record = Record::parse(record).ok_or_else(|| corrupt("journal", "a record has another form"))?;
        if record.from != version {
            continue;
        }
        record.entries.iter().try_for_each(|entry| tables.redo(entry))?;
        version = record.to;
        tables.set_meta(META_VERSION, &version.to_be_bytes())?;
        tables.set_meta(META_HEAD, &record.head)?;
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
