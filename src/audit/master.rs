//! The installation's key: 32 bytes beside the store, or given by a credential. What is hashed with a key, and what shows
//! tampering, hangs on it: it belongs into another backup than the store.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::{self, parse_master_key};
use crate::secret::{IdSource, MacKey};

/// Most bytes that a key's file is read for.
const MAX_FILE_BYTES: u64 = 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others than its owner may read the file.
    #[error("the key `{}` has mode {mode:04o}; only its owner may read it (chmod 600)", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The store exists, its key does not: a new one would make every session, token and ledger entry void.
    #[error("the key `{}` of the store `{}` is missing; restore it from its backup", path.display(), store.display())]
    Lost {
        /// The file that is missing.
        path: PathBuf,
        /// The store.
        store: PathBuf,
    },
    /// The file holds something else.
    #[error("the key `{}` {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: config::NotAKey,
    },
    /// The operating system refuses.
    #[error("the key `{}` cannot be read or made", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Opens the installation's key. A key that lies beside the store is made (mode 0600) when `store` does not exist yet.
///
/// # Errors
/// See [`KeyError`]; a key is never replaced.
pub fn open_master_key(source: &config::MasterKey, store: &Path, ids: &IdSource) -> Result<MacKey, KeyError> {
    let path = match source {
        config::MasterKey::Given(bytes) => return Ok(MacKey::new(bytes)),
        config::MasterKey::Beside(path) => path,
    };
    let failed = |source| KeyError::Storage { path: path.clone(), source };
    match File::open(path) {
        Ok(file) => read(path, file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if store.exists() {
                return Err(KeyError::Lost { path: path.clone(), store: store.to_owned() });
            }
            let bytes = Zeroizing::new(ids.bytes::<32>());
            create(path, &bytes).map_err(failed)?;
            Ok(MacKey::new(&bytes))
        }
        Err(error) => Err(failed(error)),
    }
}

fn read(path: &Path, file: File) -> Result<MacKey, KeyError> {
    let failed = |source| KeyError::Storage { path: path.to_owned(), source };
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
    let bytes = parse_master_key(&text).map_err(|reason| KeyError::Malformed { path: path.to_owned(), reason })?;
    Ok(MacKey::new(&bytes))
}

fn create(path: &Path, bytes: &[u8; 32]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}
