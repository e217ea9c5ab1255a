//! A place where a file system is mounted, unmounted again however this process ends.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ClusterError;
use crate::supervisor::Supervisor;

/// A folder with a file system on it. Its supervisor unmounts it and removes the folder.
#[derive(Debug)]
pub(crate) struct Mount {
    path: PathBuf,
    _supervisor: Supervisor,
}

impl Mount {
    /// Makes a folder and has something mounted on it. The supervisor is there first.
    pub(crate) fn make(mount: impl FnOnce(&Path) -> Result<(), ClusterError>) -> Result<Self, ClusterError> {
        let folder = tempfile::Builder::new().prefix("eventstore-disk-").tempdir();
        let path = folder.map_err(ClusterError::io("making a folder to mount on"))?.keep();
        let supervisor = Supervisor::of_mount(&path).inspect_err(|_| drop(fs::remove_dir(&path)))?;
        let made = Self { path, _supervisor: supervisor };
        mount(&made.path)?;
        Ok(made)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
