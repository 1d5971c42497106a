//! The journal: a file beside the store that a commit is written to, so that the store's own file need not be made durable
//! for each of them.
//!
//! A durable commit of the file writes the pages of every tree that it touched, at places all over the file, and waits for
//! the disk twice. A record of the journal is one piece at the end of the ones before, in room that was written once before
//! and need not be found, and waits once. The commit is answered when its record is durable; the file is made durable when
//! the journal is full, and where it is closed. What a killed program left in the journal is done again at the next start.
//!
//! A record carries the version that it goes on from. It is done again only where the file stands at this version, so that
//! what the file has already, and what stands behind the last record from a round before, is passed over. Its hash begins with the
//! journal's name, which is random and known to the file: no other text is taken for a record, a value that somebody
//! chose among it, and no journal for that of another file or of a copy. Records begin at blocks of their own: a write that
//! is torn takes nothing with it that was written before.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::secret::{Hash, IdSource};
use crate::store::Head;

/// What a disk writes whole or tears, at most.
const BLOCK: usize = 4096;
/// Room for records and the block that names the journal, in bytes. What stands in it is in memory too, as pages that the
/// file does not have yet: a longer one would take more of the cache.
const BYTES: usize = 1 << 20;
/// Longer records are not written: committing them to the file costs no more.
const MAX_RECORD_BYTES: usize = BYTES / 4;
/// Hash and length.
const FRAME_BYTES: usize = 36;

/// The random name of a journal.
pub(super) type Name = [u8; 32];

/// Where the journal of a store is, while the store is open and after a program that was killed.
pub fn place(store: &Path) -> PathBuf {
    let mut name = OsString::from(store.file_name().unwrap_or_default());
    name.push(".journal");
    store.with_file_name(name)
}

/// The journal of an open file.
pub(super) struct Journal {
    file: File,
    name: Name,
    /// Where the next record begins.
    end: usize,
}

impl Journal {
    /// Makes an empty one, in the place of what was there.
    ///
    /// # Errors
    /// The operating system's: no room, no right.
    pub fn create(path: &Path) -> io::Result<Self> {
        remove(path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let name = IdSource::system().bytes();
        let mut bytes = vec![0; BYTES];
        bytes.splice(..FRAME_BYTES, frame(&name, &[]));
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
            .sync_all()?;
        Ok(Self { file, name, end: BLOCK })
    }

    /// By which the file knows it.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Writes a record; durable when it returns. `false` when there is no room for it any more.
    ///
    /// # Errors
    /// The operating system's; whether the record is there is not known then.
    pub fn append(&mut self, record: &[u8]) -> io::Result<bool> {
        let mut bytes = frame(&self.name, record);
        bytes.extend_from_slice(record);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        if self.end + bytes.len() > BYTES {
            return Ok(false);
        }
        self.file.write_all_at(&bytes, u64::try_from(self.end).unwrap_or(u64::MAX))?;
        self.file.sync_data()?;
        self.end += bytes.len();
        Ok(true)
    }

    /// Writes to another file from now on, one that fails.
    #[cfg(test)]
    pub fn divert(&mut self, file: File) {
        self.file = file;
    }

    /// Begins again: the file has everything.
    pub fn restart(&mut self) {
        self.end = BLOCK;
    }
}

/// Removes a journal of which the file has everything.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What stands before a record.
fn frame(name: &Name, record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut hash = Hash::new();
    [name.as_slice(), &length, record].into_iter().for_each(|part| hash.update(part));
    let mut bytes = hash.finish().to_vec();
    bytes.extend_from_slice(&length);
    bytes
}

/// What is left of a journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its records, up to the first that is not whole.
    pub records: Vec<Vec<u8>>,
    /// Whether it is there in its length: otherwise there may have been more records.
    pub is_whole: bool,
}

/// Reads the journal with this name.
///
/// # Errors
/// The operating system's.
pub(super) fn read(path: &Path, name: &Name) -> io::Result<Found> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(u64::try_from(BYTES).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let mut records = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some(record) = first(rest, name) {
        rest = rest.get((FRAME_BYTES + record.len()).next_multiple_of(BLOCK)..).unwrap_or_default();
        records.push(record.to_vec());
    }
    // The first one has nothing in it but the name.
    let is_named = !records.is_empty();
    Ok(Found { records: records.split_off(usize::from(is_named)), is_whole: is_named && bytes.len() == BYTES })
}

/// The record at the beginning of `bytes`.
fn first<'a>(bytes: &'a [u8], name: &Name) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(*bytes.get(32..)?.first_chunk()?);
    let record = bytes.get(FRAME_BYTES..)?.get(..usize::try_from(length).ok()?)?;
    bytes.starts_with(&frame(name, record)).then_some(record)
}

/// One effect of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Put { key: &'a [u8], row: &'a [u8] },
    Delete { key: &'a [u8] },
    Append { sequence: u64, value: &'a [u8] },
}

/// The effects of a transaction, as they stand in a record.
#[derive(Default)]
pub(super) struct Entries(Vec<u8>);

impl Entries {
    /// Adds one, unless there are too many for a record by now.
    pub fn add(&mut self, entry: &Entry<'_>) {
        if self.0.len() > MAX_RECORD_BYTES {
            return;
        }
        let (tag, first, second): (u8, &[u8], &[u8]) = match entry {
            Entry::Put { key, row } => (0, key, row),
            Entry::Delete { key } => (1, key, &[]),
            Entry::Append { sequence, value } => (2, &sequence.to_be_bytes(), value),
        };
        self.0.push(tag);
        add_bytes(&mut self.0, first);
        add_bytes(&mut self.0, second);
    }

    /// The record of a transaction from one version to another; `None` when it would be too long.
    pub fn record(&self, from: u64, to: u64, head: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.0.len() + head.len() + 32);
        bytes.extend_from_slice(&from.to_be_bytes());
        bytes.extend_from_slice(&to.to_be_bytes());
        add_bytes(&mut bytes, head);
        bytes.extend_from_slice(&self.0);
        (bytes.len() <= MAX_RECORD_BYTES).then_some(bytes)
    }
}

/// What a record tells.
pub(super) struct Record<'a> {
    /// The version that it goes on from.
    pub from: u64,
    /// The version after it.
    pub to: u64,
    /// The log's head after it.
    pub head: Head,
    pub entries: Vec<Entry<'a>>,
}

impl<'a> Record<'a> {
    /// `None` when the bytes are no record.
    pub fn parse(mut bytes: &'a [u8]) -> Option<Self> {
        let (from, to) = (take_number(&mut bytes)?, take_number(&mut bytes)?);
        let head = take_bytes(&mut bytes)?.to_vec();
        let mut entries = Vec::new();
        while let Some((tag, rest)) = bytes.split_first() {
            bytes = rest;
            let (first, second) = (take_bytes(&mut bytes)?, take_bytes(&mut bytes)?);
            entries.push(match tag {
                0 => Entry::Put { key: first, row: second },
                1 => Entry::Delete { key: first },
                2 => Entry::Append { sequence: u64::from_be_bytes(first.try_into().ok()?), value: second },
                _ => return None,
            });
        }
        Some(Self { from, to, head, entries })
    }
}

fn add_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*number))
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (found, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(from: u64, value: &[u8]) -> Vec<u8> {
        let mut entries = Entries::default();
        entries.add(&Entry::Put { key: b"key", row: value });
        entries.add(&Entry::Delete { key: b"gone" });
        entries.add(&Entry::Append { sequence: 7, value: b"event" });
        entries.record(from, from + 1, b"head").unwrap()
    }

    #[test]
    fn a_record_tells_what_was_done() {
        let bytes = record(41, b"value");
        let told = Record::parse(&bytes).unwrap();
        assert_eq!((told.from, told.to, told.head.as_slice()), (41, 42, b"head".as_slice()));
        let put = Entry::Put { key: b"key", row: b"value" };
        assert_eq!(told.entries, [put, Entry::Delete { key: b"gone" }, Entry::Append { sequence: 7, value: b"event" }]);
        assert!((0..bytes.len()).all(|end| Record::parse(&bytes[..end]).is_none_or(|cut| cut.entries.len() < 3)));
        let mut many = Entries::default();
        (0..3).for_each(|_| many.add(&Entry::Put { key: b"key", row: &[0; MAX_RECORD_BYTES / 2] }));
        assert!(many.record(1, 2, b"head").is_none(), "it is too long");
    }

    #[test]
    fn records_are_read_up_to_the_first_that_is_torn_and_none_of_another_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let none = Found { records: Vec::new(), is_whole: false };
        assert_eq!(read(&path, &[0; 32]).unwrap(), none);
        let mut journal = Journal::create(&path).unwrap();
        let name = *journal.name();
        assert_eq!(read(&path, &name).unwrap(), Found { records: Vec::new(), is_whole: true });
        let records = [record(1, b"one"), record(2, &[2; 3 * BLOCK]), record(3, b"three")];
        for record in &records {
            assert!(journal.append(record).unwrap());
        }
        assert_eq!(read(&path, &name).unwrap(), Found { records: records.to_vec(), is_whole: true });
        assert_eq!(read(&path, &[9; 32]).unwrap(), none, "it is that of another file");
        let whole = fs::read(&path).unwrap();
        let second = BLOCK * 2;
        for (torn, left) in [(second, 1), (second + 2 * BLOCK, 1), (second + 4 * BLOCK + 40, 2), (FRAME_BYTES - 1, 0)] {
            let mut bytes = whole.clone();
            bytes[torn] ^= 1;
            fs::write(&path, bytes).unwrap();
            let found = read(&path, &name).unwrap();
            assert_eq!((found.records.as_slice(), found.is_whole), (&records[..left], torn >= BLOCK), "{torn}");
        }
        fs::write(&path, &whole[..second + BLOCK]).unwrap();
        let found = read(&path, &name).unwrap();
        assert_eq!((found.records.as_slice(), found.is_whole), (&records[..1], false), "it was cut off");
    }

    #[test]
    fn a_full_journal_takes_no_more_until_it_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(&folder.path().join("journal")).unwrap();
        let written = (0..).take_while(|from| journal.append(&record(*from, b"value")).unwrap()).count();
        assert_eq!(written, BYTES / BLOCK - 1);
        assert_eq!(fs::metadata(folder.path().join("journal")).unwrap().len(), u64::try_from(BYTES).unwrap());
        journal.restart();
        assert!(journal.append(&record(1, b"value")).unwrap());
    }
}
