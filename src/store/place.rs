//! Which file a file is: something that stays while it is written and renamed, and is another one for each copy.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

/// The place of a file: its number on the disk, and when that was given out, to the nanosecond. Where the file system does
/// not tell the second, the disk's number stands for it, which may be another one after a start of the machine.
pub fn place(file: &Metadata) -> String {
    let inode = file.ino();
    match file.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok()) {
        Some(born) => format!("{inode}.{}", born.as_nanos()),
        None => format!("{inode}@{}", file.dev()),
    }
}
