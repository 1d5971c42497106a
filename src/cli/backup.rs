//! `cleargate backup`: the daemon makes the copy, this command keeps it with the rights of whoever runs it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::output::Output;
use super::{Exit, Failure};
use crate::clock::Clock;
use crate::secret::Hash;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate backup --to /var/backups/cleargate/\n  \
                        cleargate backup --to today.redb --force\n\n\
                        The file has everything but the key that protects what is in it: keep both, apart from each other.\n\
                        Look at it with `cleargate restore FILE --dry-run`.")]
pub(super) struct Arguments {
    /// The file, which must not exist, or a folder in which it gets a name by the time
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(arguments: Arguments, client: Client, output: &Output) -> Result<(), Failure> {
    let path = match arguments.to.is_dir() {
        true => arguments.to.join(format!("cleargate-{}.redb", compact(&Clock::system().now().to_string()))),
        false => arguments.to,
    };
    if !arguments.force && path.exists() {
        return Err(exists(&path));
    }
    let mut file = Unfinished::create(&path)?;
    let (mut hash, mut size) = (Hash::new(), 0_u64);
    let fetched = client
        .fetch("/api/v1/backup", |piece| {
            hash.update(piece);
            size = size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            file.write(piece)
        })
        .await;
    fetched?;
    file.put(arguments.force)?;
    let sum: String = hash.finish().iter().map(|byte| format!("{byte:02x}")).collect();
    let told = json!({"file": path.display().to_string(), "bytes": size, "sha256": sum});
    output.result(&told, &format!("{} has the store, {size} bytes\nsha256 {sum}", path.display()))
}

/// A moment without what file names should not have.
fn compact(moment: &str) -> String {
    moment.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Conflict, format!("{} exists; say --force to replace it", path.display()))
}

/// A file under another name beside its own, for its owner alone; removed unless it is put in its place.
struct Unfinished {
    path: PathBuf,
    file: File,
    to: PathBuf,
}

impl Unfinished {
    fn create(to: &Path) -> Result<Self, Failure> {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = to.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| cannot(&path, error))?;
        Ok(Self { path, file, to: to.to_owned() })
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.file.write_all(piece).map_err(|error| cannot(&self.path, error))
    }

    /// Gives it its name. A file that has that name is replaced only by force.
    fn put(self, is_forced: bool) -> Result<(), Failure> {
        let failed = |error| cannot(&self.to, error);
        self.file.sync_all().map_err(failed)?;
        if is_forced {
            fs::rename(&self.path, &self.to).map_err(failed)?;
        } else {
            match fs::hard_link(&self.path, &self.to) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(&self.to)),
                // Some file systems have no second names.
                Err(_) if !self.to.exists() => fs::rename(&self.path, &self.to).map_err(failed)?,
                Err(error) => return Err(failed(error)),
            }
        }
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is gone where it got its name.
        if fs::remove_file(&self.path).is_err() {}
    }
}

fn cannot(path: &Path, error: std::io::Error) -> Failure {
    Failure::caused(Exit::Failure, error, format!("cannot write {}", path.display()))
}
