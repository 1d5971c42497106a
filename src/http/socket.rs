//! Unix sockets for the administration on the machine itself: the file's permissions decide who may connect, the kernel
//! says who did.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tracing::warn;

use super::Error;

/// A bound socket; its file disappears with it.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Binds at `path` with the permissions `mode`. A socket that nobody answers on is replaced.
    pub(super) fn bind(path: &Path, mode: u32) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Bind { what: path.display().to_string(), source };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "the file is no socket")));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(failed(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Permissions are set before the file has its name, so that nobody can connect in between.
        let draft = draft_of(path);
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&draft).map_err(failed)?;
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        std::fs::rename(&draft, path).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned() })
    }
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!("socket `{}` could not be removed: {error}", self.path.display());
        }
    }
}
