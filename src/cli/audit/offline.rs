//! Verification without the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::audit::{self, Checkpoint, Sealer};
use crate::cli::{Exit, Failure};
use crate::clock::Clock;
use crate::config::MasterKey;
use crate::secret::IdSource;
use crate::store;

/// Memory for pages, in bytes: every entry is read once.
const CACHE_BYTES: usize = 16 << 20;

/// The report on the store at `path`, whose key is in the file `key`.
pub(super) async fn verify(path: PathBuf, key: &Path, since: Option<&str>) -> Result<Value, Failure> {
    let since: Option<Checkpoint> = since
        .map(str::parse)
        .transpose()
        .map_err(|error| Failure::caused(Exit::Usage, error, "--since cannot be used"))?;
    // Opening would make what is not there.
    for file in [path.as_path(), key] {
        if !file.is_file() {
            return Err(Failure::new(Exit::NotFound, format!("{} is no file", file.display())));
        }
    }
    let master = audit::open_master_key(&MasterKey::Beside(key.to_owned()), &path, &IdSource::system())
        .map_err(|error| Failure::caused(Exit::Failure, error, "cannot use the key"))?;
    let sealer = Sealer::new(&master);
    let settings = store::Settings { path, cache_bytes: CACHE_BYTES };
    let (store, writer) = store::open(&settings, Clock::system(), Arc::new(sealer.clone())).map_err(|error| {
        let exit = if matches!(error, store::OpenError::Busy { .. }) { Exit::Conflict } else { Exit::Failure };
        Failure::caused(exit, error, "cannot open the store")
    })?;
    let report = audit::verify(&store, &sealer, since).await;
    drop(writer);
    Ok(report.map_err(|error| Failure::caused(Exit::Failure, error, "the ledger cannot be read"))?.to_json())
}
