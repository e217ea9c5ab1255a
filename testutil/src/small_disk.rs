//! A disk that can be filled: a memory file system of its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::ClusterError;

/// What is written at once while it is filled; then ever smaller pieces, until not a byte is left.
const PIECE: usize = 1 << 20;

/// A mounted file system of a fixed size. Unmounted when dropped, not when the process is killed.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many MiB. That needs Linux and the right to mount.
    ///
    /// # Errors
    /// What the system said, if it does not allow it.
    #[cfg(target_os = "linux")]
    pub fn mount(mib: u32) -> Result<Self, ClusterError> {
        let folder = tempfile::Builder::new().prefix("eventstore-disk-").tempdir();
        let path = folder.map_err(ClusterError::io("making a folder to mount on"))?.keep();
        let options = format!("size={mib}m,mode=0777");
        let flags = nix::mount::MsFlags::empty();
        let mounted = nix::mount::mount(Some("tmpfs"), &path, Some("tmpfs"), flags, Some(options.as_str()));
        if let Err(error) = mounted {
            drop(fs::remove_dir(&path));
            return Err(ClusterError::io("mounting a small disk, which needs the right to mount")(
                error.into(),
            ));
        }
        Ok(Self { path })
    }

    /// Elsewhere there is no such file system.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn mount(_: u32) -> Result<Self, ClusterError> {
        Err(ClusterError::io("mounting a small disk")(io::Error::other("only on Linux")))
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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

    /// Gives it back.
    ///
    /// # Errors
    /// What the system said.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.balloon())
    }

    fn balloon(&self) -> PathBuf {
        self.path.join("balloon")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        let _ = nix::mount::umount2(&self.path, nix::mount::MntFlags::MNT_DETACH);
        drop(fs::remove_dir(&self.path));
    }
}
