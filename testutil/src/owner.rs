//! Which user the server runs as.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, User, chown};

use crate::error::ClusterError;

/// The user that owns the cluster's files and processes: ours, or an unprivileged one where we are root.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    Ourselves,
    Other(Uid, Gid),
}

impl Owner {
    pub(crate) fn find() -> Result<Self, ClusterError> {
        if !Uid::effective().is_root() {
            return Ok(Self::Ourselves);
        }
        let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
        user.map(|user| Self::Other(user.uid, user.gid)).ok_or(ClusterError::NoUser)
    }

    pub(crate) fn give(self, path: &Path) -> Result<(), ClusterError> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other(uid, gid) => chown(path, Some(uid), Some(gid))
                .map_err(|error| ClusterError::io(format!("chown of {}", path.display()))(error.into())),
        }
    }

    /// Makes a command run as this user. Its supplementary groups are dropped with the privileges.
    pub(crate) fn set_on(self, command: &mut Command) {
        if let Self::Other(uid, gid) = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }
}
