//! A disk that can be filled: a memory file system of its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::ClusterError;
use crate::mount::Mount;

/// What is written at once while it is filled; then ever smaller pieces, until not a byte is left.
const PIECE: usize = 1 << 20;

/// A mounted file system of a fixed size. Unmounted when dropped, and also when the process ends otherwise.
#[derive(Debug)]
pub struct SmallDisk(Mount);

impl SmallDisk {
    /// Mounts one of so many MiB. That needs Linux and the right to mount.
    ///
    /// # Errors
    /// What the system said, if it does not allow it.
    pub fn mount(mib: u32) -> Result<Self, ClusterError> {
        Mount::make(|path| mount_tmpfs(path, mib)).map(Self)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all that is left.
    ///
    /// # Errors
    /// What the system said, but for that the disk is full.
    pub fn fill(&self) -> io::Result<()> {
        let mut file = File::create(self.balloon())?;
        let mut size = PIECE;
        while size > 0 {
            match file.write(&vec![0; size]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives it back, if it was taken.
    ///
    /// # Errors
    /// What the system said.
    pub fn free(&self) -> io::Result<()> {
        match fs::remove_file(self.balloon()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn balloon(&self) -> PathBuf {
        self.path().join("balloon")
    }
}

#[cfg(target_os = "linux")]
fn mount_tmpfs(path: &Path, mib: u32) -> Result<(), ClusterError> {
    let options = format!("size={mib}m,mode=0777");
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(options.as_str())).map_err(|error| {
        ClusterError::io("mounting a small disk, which needs the right to mount")(error.into())
    })
}

#[cfg(not(target_os = "linux"))]
fn mount_tmpfs(_: &Path, _: u32) -> Result<(), ClusterError> {
    Err(ClusterError::io("mounting a small disk")(io::Error::other("only on Linux")))
}
