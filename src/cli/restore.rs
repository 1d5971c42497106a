//! `cleargate restore`: looks at a backup as closely as can be, then puts it into the place of the store. What was there
//! stays beside it under another name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::confirm::confirm;
use super::output::Output;
use super::{Exit, Failure, Options, serve};
use crate::audit::{self, Ledger, Sealer};
use crate::clock::{Clock, Timestamp};
use crate::config::MasterKey;
use crate::secret::IdSource;
use crate::store::{self, Unfit};

/// Memory for pages, in bytes: every entry is read once.
const CACHE_BYTES: usize = 16 << 20;
/// What must be free beside a copy, in bytes: a daemon goes on writing.
const SPARE_BYTES: u64 = 64 << 20;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate restore /var/backups/cleargate/monday.redb --dry-run\n  \
                        systemctl stop cleargate && cleargate restore monday.redb && systemctl start cleargate\n\n\
                        At its next start the daemon ends every session and every link that is good once: see\n\
                        docs/backup.md for what comes back and what to look at afterwards.")]
pub(super) struct Arguments {
    /// The backup
    file: PathBuf,
    /// Only look at it; the daemon may run
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Take a plain copy of a store, too, of which nothing shows that its records are what they were
    #[arg(long)]
    plain: bool,
    /// The store to replace, instead of that of the configuration
    #[arg(long, value_name = "FILE", requires = "key")]
    store: Option<PathBuf>,
    /// The store's key
    #[arg(long, value_name = "FILE", requires = "store")]
    key: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, options: &Options, output: &Output) -> Result<(), Failure> {
    let Arguments { file, dry_run, yes, plain, store, key } = arguments;
    let (place, source) = match (store, key) {
        (Some(store), Some(key)) => (store, MasterKey::Beside(key)),
        _ => {
            let (config, is_unchecked) = serve::load_beside(&options.config_path())?;
            if is_unchecked && config.store.is_key_named {
                let text = "the configuration names `store.key`, which only the service can read; name both: \
                            --store FILE --key FILE";
                return Err(Failure::new(Exit::Usage, text));
            }
            (config.store.path, config.store.key)
        }
    };
    if !file.is_file() {
        return Err(Failure::new(Exit::NotFound, format!("{} is no file", file.display())));
    }
    // A key that is not there is not made: nothing could be read with it.
    let master = audit::open_master_key(&source, &file, &IdSource::system())
        .map_err(|error| Failure::caused(Exit::Failure, error, "cannot use the key"))?;
    let sealer = Sealer::new(&master);
    // Held until the end, so that no daemon starts meanwhile.
    let before = if dry_run { None } else { lock(&place)? };
    let copy = Copy::of(&file, &place, if dry_run { ".looked-at" } else { ".restore" })?;
    let found = examine(&copy.path, &sealer, plain, &file).await?;
    let made = found.made.map(|made| made.to_string());
    let replaced = fs::metadata(&place).ok().map(|store| store.len());
    let told = |kept: Option<&Path>| {
        json!({
            "file": file.display().to_string(),
            "store": place.display().to_string(),
            "made": made,
            "entries": found.report.entries,
            "sealed": found.is_sealed,
            "checkpoint": found.report.checkpoint().to_string(),
            "restored": !dry_run,
            "kept": kept.map(|kept| kept.display().to_string()),
        })
    };
    let good = found.told(&file);
    if dry_run {
        return output.result(&told(None), &good);
    }
    output.message(&good);
    let effect = match replaced {
        Some(bytes) => {
            format!("replaces the store {} ({bytes} bytes), which is kept under another name", place.display())
        }
        None => format!("makes the store {}", place.display()),
    };
    confirm(&effect, yes)?;
    let kept = copy.put(&place, before.as_ref())?;
    let aside = kept.as_ref().map_or_else(String::new, |kept| format!("\nthe store before: {}", kept.display()));
    let text =
        format!("{} is in the place of the store{aside}\nstart the daemon: everybody signs in again", file.display());
    output.result(&told(kept.as_deref()), &text)
}

/// The present store, locked as a daemon locks it; `None` when there is none.
fn lock(place: &Path) -> Result<Option<File>, Failure> {
    let cannot = |error| Failure::caused(Exit::Failure, error, format!("cannot open the store {}", place.display()));
    let file = match File::options().read(true).write(true).open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let text = format!("a daemon uses the store {}: stop it first (systemctl stop cleargate)", place.display());
            Err(Failure::new(Exit::Conflict, text))
        }
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// What is known of a backup that is as it should be.
struct Found {
    /// When it was made, as it says; `None` of a plain copy.
    made: Option<Timestamp>,
    /// Whether its keyed hash shows that it is as it was made.
    is_sealed: bool,
    report: audit::Report,
}

impl Found {
    fn told(&self, file: &Path) -> String {
        let (file, entries) = (file.display(), self.report.entries);
        match (self.made, self.is_sealed) {
            (Some(made), true) => format!("{file} is a backup of {made} with {entries} events, and intact"),
            (made, _) => {
                let made = made.map_or_else(String::new, |made| format!(", which says that it is a backup of {made}"));
                format!(
                    "{file} is a plain copy of a store{made}. The ledger of {entries} events is intact; nothing shows \
                     that the other records are what they were"
                )
            }
        }
    }
}

/// Looks at a copy of the backup: file, format, key, content, ledger.
async fn examine(copy: &Path, sealer: &Sealer, is_plain: bool, file: &Path) -> Result<Found, Failure> {
    let refused = |error: Unfit| {
        let hint = match &error {
            Unfit::OtherKey => "; put the key of the installation that made it in place",
            Unfit::Unsealed => "; say --plain to take it all the same",
            _ => "",
        };
        let text = format!("{} cannot be restored{hint}", file.display());
        Failure::caused(Exit::Failure, error, text)
    };
    let (path, seal) = (copy.to_owned(), sealer.clone());
    let checked = tokio::task::spawn_blocking(move || store::check_copy(&path, &seal, is_plain)).await;
    // The library that reads the file may give up on bytes that make no sense.
    let checked = checked.unwrap_or_else(|error| Err(Unfit::Damaged { reason: error.to_string() })).map_err(refused)?;
    let failed = |doing: &'static str| move |error: anyhow::Error| Failure::caused(Exit::Failure, error, doing);
    let settings = store::Settings { path: copy.to_owned(), cache_bytes: CACHE_BYTES };
    let (store, writer) = store::open(&settings, Clock::system(), Arc::new(sealer.clone()))
        .map_err(|error| failed("cannot open the copy")(error.into()))?;
    let report = audit::verify(&store, sealer, None).await;
    let report = report.map_err(|error| failed("the ledger cannot be read")(error.into()))?;
    if let Some(problem) = &report.problem {
        let text = format!("{} cannot be restored: its ledger is not intact: {problem}", file.display());
        return Err(Failure::new(Exit::Failure, text));
    }
    if report.entries != checked.entries {
        return Err(Failure::new(Exit::Failure, "the copy changed while it was looked at"));
    }
    let made = Ledger::new(store, writer).copied().await;
    let made = made.map_err(|error| failed("the copy cannot be read")(error.into()))?;
    Ok(Found { made, is_sealed: checked.is_sealed, report })
}

/// A copy of the backup beside the store: what is looked at is what is put in place, and the backup stays as it is. Removed
/// unless it is put in place.
struct Copy {
    path: PathBuf,
    file: File,
}

impl Copy {
    fn of(file: &Path, place: &Path, end: &str) -> Result<Self, Failure> {
        let path = beside(place, end);
        let cannot = |error| {
            Failure::caused(Exit::Failure, error, format!("cannot copy {} to {}", file.display(), path.display()))
        };
        let mut from = File::open(file).map_err(cannot)?;
        check_room(from.metadata().map_err(cannot)?.len(), &path)?;
        // What a restore that was killed has left.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(cannot)?;
        let copied = std::io::copy(&mut from, &mut to).map_err(cannot);
        let copy = Self { path: path.clone(), file: to };
        copied.map(|_| copy)
    }

    /// Puts it into the place of the store in one step, and tells under which name what was there is kept.
    fn put(self, place: &Path, before: Option<&File>) -> Result<Option<PathBuf>, Failure> {
        let cannot =
            |error| Failure::caused(Exit::Failure, error, format!("cannot put the backup at {}", place.display()));
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let owner = match before {
            Some(before) => before.metadata(),
            None => fs::metadata(folder),
        };
        let owner = owner.map_err(cannot)?;
        // By the open file: whoever owns the folder may have put another one under its name.
        let own = self.file.metadata().map_err(cannot)?;
        if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
            fchown(&self.file, Some(owner.uid()), Some(owner.gid())).map_err(cannot)?;
        }
        self.file.sync_all().map_err(cannot)?;
        let named = fs::symlink_metadata(&self.path).map_err(cannot)?;
        if (named.dev(), named.ino()) != (own.dev(), own.ino()) {
            let text = format!("{} is another file than the one that was looked at", self.path.display());
            return Err(Failure::new(Exit::Failure, text));
        }
        let kept = match before {
            Some(_) => Some(set_aside(place).map_err(cannot)?),
            None => None,
        };
        // Where no run has left one, the store that is put back has nothing to be compared with at its first start.
        let run = beside(place, ".run");
        let word = IdSource::system().token();
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&run) {
            Ok(mut run) => {
                run.write_all(word.expose().as_bytes()).and_then(|()| run.sync_all()).map_err(cannot)?;
                fchown(&run, Some(owner.uid()), Some(owner.gid())).map_err(cannot)?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot(error)),
        }
        match before {
            Some(_) => fs::rename(&self.path, place).map_err(cannot)?,
            None => put_first(&self.path, place).map_err(cannot)?,
        }
        // It is that of the store before; what was put there has none.
        match fs::remove_file(store::journal(place)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)?;
        Ok(kept)
    }
}

/// Refuses a copy for which there is no room: a daemon beside it would have none either.
fn check_room(bytes: u64, path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = |error| Failure::caused(Exit::Failure, error, format!("cannot look at {}", folder.display()));
    let disk = rustix::fs::statvfs(folder).map_err(|error| cannot(std::io::Error::from(error)))?;
    let (free, needed) = (disk.f_bavail.saturating_mul(disk.f_frsize), bytes.saturating_add(SPARE_BYTES));
    if free < needed {
        let text = format!(
            "a copy is made in {} first, for which {} MiB must be free; {} MiB are",
            folder.display(),
            needed >> 20,
            free >> 20
        );
        return Err(Failure::new(Exit::Failure, text));
    }
    Ok(())
}

impl Drop for Copy {
    fn drop(&mut self) {
        // It is gone where it is the store now.
        if fs::remove_file(&self.path).is_err() {}
    }
}

/// Gives a copy the name of a store that was not there: nothing kept a daemon from making one meanwhile.
fn put_first(copy: &Path, place: &Path) -> std::io::Result<()> {
    let there = || {
        let text = "a store was made there meanwhile; stop the daemon that made it, and restore again";
        std::io::Error::new(ErrorKind::AlreadyExists, text)
    };
    // The copy's own name goes with the copy.
    match fs::hard_link(copy, place) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(there()),
        // Some file systems have no second names.
        Err(_) if fs::symlink_metadata(place).is_ok() => Err(there()),
        Err(_) => fs::rename(copy, place),
        Ok(()) => Ok(()),
    }
}

/// Gives the present store a second name, so that there is a store at every moment, and its journal with it, where it was not
/// closed.
fn set_aside(place: &Path) -> std::io::Result<PathBuf> {
    let now: String = Clock::system().now().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let kept = beside(place, &format!(".before-{now}"));
    let journal = store::journal(place);
    if journal.is_file() {
        name_again(&journal, &store::journal(&kept))?;
    }
    name_again(place, &kept)?;
    Ok(kept)
}

fn name_again(file: &Path, name: &Path) -> std::io::Result<()> {
    match fs::hard_link(file, name) {
        // Some file systems have no second names; a copy does there.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(name)?;
            std::io::copy(&mut File::open(file)?, &mut to)?;
            to.sync_all()
        }
        named => named,
    }
}

fn beside(place: &Path, end: &str) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(end);
    place.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_was_made_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (copy, place) = (folder.path().join("copy"), folder.path().join("store"));
        fs::write(&copy, "backup").unwrap();
        fs::write(&place, "made meanwhile").unwrap();
        assert_eq!(put_first(&copy, &place).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&place).unwrap(), b"made meanwhile");
        fs::remove_file(&place).unwrap();
        put_first(&copy, &place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"backup");
    }
}
