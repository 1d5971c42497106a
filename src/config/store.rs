//! `[store]`: where everything is kept.

use std::path::PathBuf;

use super::secrets::MasterKey;

/// `[store]`.
#[derive(Clone, Debug)]
pub struct Store {
    /// The store's file, default `/var/lib/cleargate/cleargate.redb`. Its folder must be the daemon's alone.
    pub path: PathBuf,
    /// Memory for cached pages, in bytes, 1 MiB to 64 GiB; default 64 MiB.
    pub cache_bytes: u64,
    /// The key that tokens, sessions and secrets in the store are protected by.
    pub key: MasterKey,
}
