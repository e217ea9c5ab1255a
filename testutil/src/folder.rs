//! The folder of a cluster or of another program.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::error::ClusterError;
use crate::owner::Owner;
use crate::supervisor::Supervisor;

/// A memory file system is used where it has at least this much room, in bytes.
#[cfg(target_os = "linux")]
const ROOM: u64 = 2 << 30;
/// Is on a disk where `/tmp` is in memory.
const LASTING: &str = "/var/tmp";

/// A folder of its own, removed when it is dropped, or by its supervisor when this process is gone.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _supervisor: Supervisor,
}

/// Where a folder is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept<'a> {
    /// In memory, where there is enough.
    Anywhere,
    /// Where what is flushed is written to a disk, as far as can be known.
    OnDisk,
    /// In this folder.
    At(&'a Path),
}

impl Folder {
    pub(crate) fn make(kept: Kept<'_>, owner: Owner) -> Result<Self, ClusterError> {
        let memory = Path::new("/dev/shm");
        let base = match kept {
            Kept::At(place) => place.to_owned(),
            Kept::OnDisk => disk(env::var_os("TMPDIR"), Path::new(LASTING)),
            Kept::Anywhere if has_room(memory) => memory.to_owned(),
            Kept::Anywhere => env::temp_dir(),
        };
        let folder = tempfile::Builder::new().prefix("eventstore-cluster-").tempdir_in(&base);
        let path = folder.map_err(ClusterError::io(format!("making a folder in {}", base.display())))?.keep();
        owner.give(&path)?;
        let supervisor = Supervisor::of_folder(&path, owner)?;
        Ok(Self { path, _supervisor: supervisor })
    }
}

/// What was asked for; else what lasts, if it can be written to.
fn disk(asked_for: Option<OsString>, lasting: &Path) -> PathBuf {
    let is_writable =
        |folder: &Path| folder.is_dir() && access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    match asked_for.filter(|folder| !folder.is_empty()) {
        Some(folder) => folder.into(),
        None if is_writable(lasting) => lasting.to_owned(),
        None => env::temp_dir(),
    }
}

/// Elsewhere there is no such file system to look for.
#[cfg(target_os = "linux")]
fn has_room(folder: &Path) -> bool {
    nix::sys::statvfs::statvfs(folder)
        .is_ok_and(|stat| stat.blocks_available() * stat.fragment_size() >= ROOM)
}

#[cfg(not(target_os = "linux"))]
fn has_room(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_last_is_where_it_was_asked_for_or_where_things_last() {
        let lasting = tempfile::tempdir().unwrap();
        assert_eq!(disk(Some("/mnt/fast".into()), lasting.path()), Path::new("/mnt/fast"));
        assert_eq!(disk(None, lasting.path()), lasting.path());
        assert_eq!(disk(Some("".into()), lasting.path()), lasting.path());
        for no_folder in [lasting.path().join("nowhere"), "/proc/self/status".into()] {
            assert_eq!(disk(None, &no_folder), env::temp_dir());
        }
    }
}
