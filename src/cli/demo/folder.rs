//! The demo's folder: nobody else's, and gone when the demo is.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::cli::{Exit, Failure};
use crate::secret::IdSource;

/// A folder that is removed with all that is in it.
pub(super) struct Folder {
    path: PathBuf,
    is_there: bool,
}

impl Folder {
    pub(super) fn create(ids: &IdSource) -> Result<Self, Failure> {
        let name: String = ids.bytes::<6>().iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("cleargate-demo-{name}"));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::caused(Exit::Failure, error, format!("cannot make {}", path.display())))?;
        Ok(Self { path, is_there: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn remove(mut self) -> Result<(), Failure> {
        self.is_there = false;
        let removed = fs::remove_dir_all(&self.path);
        removed.map_err(|error| Failure::caused(Exit::Failure, error, format!("cannot remove {}", self.path.display())))
    }
}

impl Drop for Folder {
    /// For ends that nobody planned.
    fn drop(&mut self) {
        if self.is_there && fs::remove_dir_all(&self.path).is_err() {
            tracing::warn!("{} was left behind", self.path.display());
        }
    }
}
