//! A disk that loses power: what was not flushed is gone.
//!
//! A kill -9 of a server proves little of its disk, as the system keeps what the server wrote. Here the file system itself
//! forgets: it is a FUSE file system in this process's memory ([`Tree`](tree::Tree)), which keeps two versions of everything, the one
//! that programs see, and the one that an `fsync` or `fdatasync` has made safe. The first is lost in a power cut, as a
//! disk with a volatile cache would lose it. Names are no better than contents: a file that was made or renamed has its
//! name for sure when its folder was flushed.
//!
//! *Power.* It is on, or about to be cut with the next write, or off: then every access is answered with an error, so that no
//! program can be told that something is safe which is not. A file that is open with `O_SYNC` or `O_DSYNC` is flushed by each write.
//!
//! *Owner.* The value owns the session's thread, which answers the kernel one request after the other. The kernel caches
//! nothing: every read and write comes through. When the value is dropped it is unmounted and the thread ends; when the
//! process dies the file system answers no more, and its supervisor unmounts it.

#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod filesystem;
#[cfg(target_os = "linux")]
mod tree;

use std::path::Path;
use std::time::Duration;

use crate::error::ClusterError;
use crate::mount::Mount;

/// A mounted file system that remembers what was flushed.
#[derive(Debug)]
pub struct ForgetfulDisk {
    // Unmounted before the session ends.
    mount: Mount,
    #[cfg(target_os = "linux")]
    session: filesystem::Session,
}

/// What a power cut took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Bytes that had been written and not flushed.
    pub bytes: u64,
    /// Names that had been made, changed or removed in a folder that was not flushed since.
    pub names: u64,
}

#[cfg(target_os = "linux")]
impl ForgetfulDisk {
    /// Mounts an empty one. That needs FUSE and the right to mount.
    ///
    /// # Errors
    /// What the system said, if it does not allow it.
    pub fn mount() -> Result<Self, ClusterError> {
        let mut session = None;
        let mount = Mount::make(|path| {
            let mounted = filesystem::Session::mount(path);
            session = Some(mounted.map_err(ClusterError::io("mounting a FUSE file system"))?);
            Ok(())
        })?;
        let session = session.expect("it is mounted");
        Ok(Self { mount, session })
    }

    /// Cuts its power right after the next write, before it can be flushed, or now if none comes within `patience`. Blocks until
    /// then. From now on every access fails, a flush among them.
    pub fn cut_power(&self, patience: Duration) {
        self.session.disk().cut_power(patience);
    }

    /// Brings the power back: there is what was flushed. Blocks until nobody has a file open any more: processes that are
    /// killed are still on their way out.
    ///
    /// # Errors
    /// If somebody keeps a file open.
    pub fn restore_power(&self) -> Result<Forgotten, ClusterError> {
        let in_use =
            || ClusterError::io("restoring the power of a disk")(std::io::Error::other("it is in use"));
        self.session.disk().restore_power().ok_or_else(in_use)
    }
}

#[cfg(not(target_os = "linux"))]
impl ForgetfulDisk {
    /// Elsewhere there is no such file system.
    ///
    /// # Errors
    /// Always.
    pub fn mount() -> Result<Self, ClusterError> {
        Err(ClusterError::io("mounting a FUSE file system")(std::io::Error::other("only on Linux")))
    }

    /// Nothing, as there is none.
    pub fn cut_power(&self, _: Duration) {}

    /// Nothing, as there is none.
    ///
    /// # Errors
    /// Never.
    pub fn restore_power(&self) -> Result<Forgotten, ClusterError> {
        Ok(Forgotten::default())
    }
}

impl ForgetfulDisk {
    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.mount.path()
    }
}
