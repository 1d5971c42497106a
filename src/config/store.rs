//! `[store]`: where everything is kept.

use std::path::PathBuf;

use super::secrets::{Credentials, MasterKey, parse_master_key};
use super::section::{Section, Size};

/// `[store]`.
#[derive(Clone, Debug)]
pub struct Store {
    /// The store's file, default `/var/lib/cleargate/cleargate.redb`. Its folder must be the daemon's alone.
    pub path: PathBuf,
    /// Memory for cached pages, in bytes, 1 MiB to 64 GiB; default 16 MiB.
    pub cache_bytes: u64,
    /// The key that tokens, sessions and secrets in the store are protected by.
    pub key: MasterKey,
    /// Whether `store.key` is written: a reader without the service's credentials does not know the key then.
    pub is_key_named: bool,
}

impl Store {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        const MIB: u64 = 1 << 20;
        let path = section.path_or("path", "/var/lib/cleargate/cleargate.redb");
        // The operating system caches the file besides: with a million people a larger one is no faster.
        let cache = section.between("cache", Size(16 * MIB), Size(MIB), Size(64 * 1024 * MIB));
        let key = match section.secret("key") {
            Some(_) if *section.reader.credentials == Credentials::Unchecked => None,
            Some(text) => parse_master_key(text.expose())
                .map_err(|error| section.error("key", &error.to_string(), None))
                .ok()
                .map(MasterKey::Given),
            None => None,
        };
        let is_key_named = section.has("key");
        let key = key.unwrap_or_else(|| MasterKey::Beside(path.with_file_name("cleargate.key")));
        Self { path, cache_bytes: cache.0, key, is_key_named }
    }
}
