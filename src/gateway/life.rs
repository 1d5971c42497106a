//! Takes a store up at a start: one that was put back begins a new life before anything is served from it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::{Error, Foundation};
use crate::access::interrupt_uses_in;
use crate::audit::{Event, EventKind, Here, Housekeeping, Ledger, Past};
use crate::config::Config;
use crate::error::Chain;
use crate::model::{Actor, OrganisationId};
use crate::secret::{IdSource, MacKey};
use crate::session::{self, Sessions};
use crate::store;

/// Most bytes of a run file that are read.
const MAX_RUN_BYTES: u64 = 64;

/// Refuses to begin anew where there was a store: each start leaves a run file, and a restore does.
pub(super) fn check_there(store: &Path) -> Result<(), Error> {
    let run = beside(store, ".run");
    let is_gone = !store.try_exists().map_err(|error| unreadable(store, &error))?;
    if is_gone && run.try_exists().map_err(|error| unreadable(&run, &error))? {
        let reason = format!(
            "`{}` is gone, and `{}` beside it says that there was a store: put a backup in its place (cleargate restore), \
             or remove that file to begin with nothing",
            store.display(),
            run.display()
        );
        return Err(Error::configuration("store.path", reason));
    }
    Ok(())
}

/// Ends what must end with a store that was put back, and leaves the mark of this run. `path` is the store's file, `None`
/// where it is in memory.
pub(super) async fn take_up(
    config: &Config,
    foundation: &Foundation,
    ledger: &Ledger,
    master: &MacKey,
    path: Option<&Path>,
) -> Result<(), Error> {
    let mut past = ledger.past().await?;
    let here = path.map(here).transpose()?;
    let next = path.and_then(|path| leave(path, &foundation.ids));
    match past.replaced(here.as_ref()) {
        Some(reason) => {
            tracing::warn!("the store was put back ({reason}): everybody signs in again");
            if let Some(latest) = past.latest().filter(|latest| foundation.clock.now() < *latest) {
                tracing::warn!(
                    "the clock of this machine is behind the store, which was used at {latest}: put it right"
                );
            }
            let to = (here.as_ref(), next.as_ref());
            begin(&mut past, &reason, to, (config, foundation, ledger, master)).await?;
            put(path, next.as_ref());
        }
        None => {
            if settle(&mut past, here.as_ref(), next.as_ref(), ledger).await? {
                put(path, next.as_ref());
            }
        }
    }
    ledger.live(past.life());
    Ok(())
}

/// Begins a new life in one commit with its event. Without it nothing is served.
async fn begin(
    past: &mut Past,
    reason: &str,
    (here, next): (Option<&Here>, Option<&NextRun>),
    (config, foundation, ledger, master): (&Config, &Foundation, &Ledger, &MacKey),
) -> Result<(), Error> {
    let Foundation { clock, ids, .. } = foundation.clone();
    let now = clock.now();
    let sessions = Sessions::new(ledger.clone(), master, ids.clone(), clock, config.session);
    let mut change = ledger.change();
    sessions.end_everybody_in(&mut change).await.map_err(|error| match error {
        session::Error::Store(error) => error,
        other @ session::Error::NotFound => store::Error::Unavailable { reason: other.to_string() },
    })?;
    past.begin(&mut change, now, &ids)?;
    interrupt_uses_in(&mut change, OrganisationId::DEFAULT, now)?;
    if let Some(here) = here {
        past.settle(&mut change, here, next.map(|next| next.text.clone()))?;
    }
    let actor = Actor::System { task: "gateway".to_owned() };
    change.commit(Event::new(now, EventKind::StoreRestored, &actor).detail("reason", reason)).await?;
    Ok(())
}

/// Takes down where the store lies; `false` when that could not be written, which a store on a full disk is served all the
/// same for.
async fn settle(past: &mut Past, here: Option<&Here>, next: Option<&NextRun>, ledger: &Ledger) -> Result<bool, Error> {
    let (Some(here), Some(next)) = (here, next) else { return Ok(false) };
    let mut change = ledger.change();
    past.settle(&mut change, here, Some(next.text.clone()))?;
    match change.commit_quietly(Housekeeping::Life).await {
        Ok(_) => Ok(true),
        Err(error) if !ledger.store().engine().health().writable => {
            tracing::warn!("this run was not taken down in the store: {}", Chain(&error));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => "; give it to the user that the daemon runs as (chown), or remove a run file",
        _ => "",
    };
    Error::Store(store::Error::Unavailable { reason: format!("`{}`: {error}{hint}", path.display()) })
}

fn beside(store: &Path, end: &str) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(end);
    store.with_file_name(name)
}

/// Where a store lies now.
fn here(path: &Path) -> Result<Here, Error> {
    let file = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let run = beside(path, ".run");
    let run = read_run(&run).map_err(|error| unreadable(&run, &error))?;
    Ok(Here { file: store::place(&file), run })
}

/// Content and place of a run file; `None` when there is none.
fn read_run(path: &Path) -> std::io::Result<Option<String>> {
    let run = match File::open(path) {
        Ok(run) => run,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let place = store::place(&run.metadata()?);
    let mut word = String::new();
    // What is no text is none of ours, and known to no store.
    match run.take(MAX_RUN_BYTES).read_to_string(&mut word) {
        Err(error) if error.kind() != ErrorKind::InvalidData => Err(error),
        _ => Ok(Some(told(&word, &place))),
    }
}

fn told(word: &str, place: &str) -> String {
    format!("{} {place}", word.trim_end())
}

/// A run file that does not have its name yet.
struct NextRun {
    text: String,
}

/// Makes the run file of this run under another name; `None` when it cannot be made: the one before stays good then.
fn leave(store: &Path, ids: &IdSource) -> Option<NextRun> {
    let path = beside(store, ".run.new");
    let word: String = ids.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let made = || -> std::io::Result<NextRun> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(format!("{word}\n").as_bytes())?;
        // Also where root starts the daemon once: the next start is by the user whose store it is.
        let (owner, own) = (fs::metadata(store)?, file.metadata()?);
        let is_others = (owner.uid(), owner.gid()) != (own.uid(), own.gid());
        if is_others && fchown(&file, Some(owner.uid()), Some(owner.gid())).is_err() {
            tracing::debug!("the run file belongs to another user than the store");
        }
        file.sync_all()?;
        Ok(NextRun { text: told(&word, &store::place(&file.metadata()?)) })
    };
    let made = made();
    if let Err(error) = &made {
        tracing::warn!(path = %path.display(), error = %error, "the run file could not be made");
    }
    made.ok()
}

/// Gives the run file its name, once the store knows it.
fn put(store: Option<&Path>, next: Option<&NextRun>) {
    if let (Some(store), Some(_)) = (store, next) {
        let (from, to) = (beside(store, ".run.new"), beside(store, ".run"));
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let put = fs::rename(&from, &to).and_then(|()| File::open(folder)?.sync_all());
        if let Err(error) = put {
            tracing::warn!(path = %to.display(), error = %error, "the run file could not be put in its place");
        }
    }
}
