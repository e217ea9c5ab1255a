//! Programs besides PostgreSQL: Patroni, etcd, PgBouncer, Prometheus, Chromium, Compose.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::caches;
use crate::error::ClusterError;

/// Where programs are in what was unpacked. Chromium's in `usr/bin` is a script that starts the installed one.
const UNPACKED: [&str; 3] = ["usr/lib/chromium", "usr/bin", "usr/sbin"];

/// A program, installed or unpacked by `testutil/get-debian.sh`, `testutil/get-chromium.sh` or `testutil/get-compose.sh`.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    program: PathBuf,
    /// The folder that Debian packages were unpacked into.
    root: Option<PathBuf>,
}

/// Compose, which reads and checks files without any Docker.
///
/// # Errors
/// [`ClusterError::NoTool`] where it is not to be had.
pub fn compose_program() -> Result<PathBuf, ClusterError> {
    Tool::find("docker-compose").map(|tool| tool.program)
}

impl Tool {
    pub(crate) fn find(name: &str) -> Result<Self, ClusterError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        if let Some(program) = folders.map(|folder| folder.join(name)).find(|program| program.is_file()) {
            return Ok(Self { program, root: None });
        }
        let mut unpacked =
            caches("debian").chain(caches("chromium")).chain(caches("compose")).flat_map(|root| {
                UNPACKED
                    .map(|folder| Self { program: root.join(folder).join(name), root: Some(root.clone()) })
            });
        let found = unpacked.find(|tool| tool.program.is_file());
        found.ok_or_else(|| ClusterError::NoTool { name: name.to_owned() })
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Has a command find what was unpacked beside the program.
    pub(crate) fn set_libraries(&self, command: &mut Command) {
        let Some(root) = &self.root else { return };
        command.env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"));
        // Fonts: where the first is not there the system's are taken, and the second adds to them.
        command.env("FONTCONFIG_PATH", root.join("etc/fonts")).env("XDG_DATA_HOME", root.join("usr/share"));
        let machine = env::consts::ARCH;
        let libraries = root.join(format!("usr/lib/{machine}-linux-gnu"));
        let before =
            command.get_envs().find(|(name, _)| *name == "LD_LIBRARY_PATH").and_then(|(_, value)| value);
        let all = before.map(PathBuf::from).into_iter().chain([libraries.join("pulseaudio"), libraries]);
        if let Ok(all) = env::join_paths(all) {
            command.env("LD_LIBRARY_PATH", all);
        }
    }
}
