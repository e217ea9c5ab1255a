//! The processes that end a cluster when its owner is gone.
//!
//! A supervisor is a few lines of shell. It reads its standard input, a pipe whose other end only our process holds.
//! However our process ends (return, panic, interrupt, kill), that end is closed by the system, the supervisor reads
//! the end of file, and does its work: the one of a server stops its own child by its pid, the one of a folder waits
//! until no server runs in it and removes it, the one of a mounted file system unmounts it.
//!
//! They run in process groups of their own and ignore the terminal's signals, so that Ctrl-C reaches only us.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::ClusterError;
use crate::owner::Owner;
use crate::server::children_of;

/// Arguments: the signal that ends a program at once, and its command line. A child of the shell begins with SIGQUIT ignored, so
/// that one signal may come too early: it is sent again until the program is gone, and after ten seconds there is no more
/// asking.
const STOP_PROGRAM: &str = r#"
signal=$1
shift
"$@" </dev/null &
server=$!
trap '' INT TERM HUP
read -r _
(
    tries=0
    while kill -$signal $server 2>/dev/null; do
        kill -CONT $server 2>/dev/null
        tries=$((tries + 1))
        [ $tries -gt 100 ] && kill -KILL $server 2>/dev/null
        sleep 0.1
    done
) &
wait $server 2>/dev/null
exit 0
"#;

/// Arguments: a signal, and the command line of a program whose children outlive it, but stay in its process group, which is this
/// shell's: the signal goes to all of it.
const STOP_GROUP: &str = r#"
signal=$1
shift
"$@" </dev/null &
trap '' INT TERM HUP
read -r _
kill -$signal 0
"#;

/// Arguments: the data folder of a server, and the command line of the manager that runs it. The server outlives its manager, and
/// is whose child the system likes: it is found by its pid file. One that nobody reaps would seem to be there for ever.
const STOP_MANAGED: &str = r#"
trap '' INT TERM HUP
data=$1
shift
"$@" </dev/null &
manager=$!
read -r _
kill -KILL $manager 2>/dev/null
wait $manager 2>/dev/null
server=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
tries=0
while [ -n "$server" ] && kill -QUIT "$server" 2>/dev/null && [ $tries -lt 50 ]; do
    kill -CONT "$server" 2>/dev/null
    grep -qs '^State:.*Z' "/proc/$server/status" && break
    tries=$((tries + 1))
    [ $tries -gt 40 ] && kill -KILL "$server" 2>/dev/null
    sleep 0.1
done
exit 0
"#;

/// Argument: the cluster's folder.
const REMOVE_FOLDER: &str = r#"
trap '' INT TERM HUP
read -r _
is_in_use() {
    for file in "$1"/*/postmaster.pid; do
        [ -f "$file" ] && kill -0 "$(head -n 1 "$file")" 2>/dev/null && return 0
    done
    return 1
}
tries=0
while is_in_use "$1" && [ $tries -lt 300 ]; do tries=$((tries + 1)); sleep 0.05; done
tries=0
while [ -e "$1" ] && [ $tries -lt 100 ]; do rm -rf "$1" 2>/dev/null || sleep 0.1; tries=$((tries + 1)); done
exit 0
"#;

/// Argument: where it is mounted. Whoever still has files open there keeps them until they are closed.
const UNMOUNT: &str = r#"
trap '' INT TERM HUP
read -r _
umount -l "$1" 2>/dev/null || fusermount3 -u -z "$1" 2>/dev/null || fusermount -u -z "$1" 2>/dev/null
rmdir "$1" 2>/dev/null
exit 0
"#;

#[derive(Debug)]
pub(crate) struct Supervisor(Child);

impl Supervisor {
    /// Starts a server, to be stopped when the value is dropped. `server` is its command line.
    pub(crate) fn of_server(
        server: &[&OsStr],
        log: &Path,
        owner: Owner,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ClusterError> {
        Self::logged(STOP_PROGRAM, "QUIT".as_ref(), server, log, owner, prepare)
    }

    fn logged(
        script: &str,
        first: &OsStr,
        command: &[&OsStr],
        log: &Path,
        owner: Owner,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ClusterError> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let out = open().map_err(ClusterError::io(format!("opening {}", log.display())))?;
        let err = out.try_clone().map_err(ClusterError::io("a second handle of the log"))?;
        let arguments: Vec<&OsStr> = [first].into_iter().chain(command.iter().copied()).collect();
        Self::start(script, &arguments, owner, |command| {
            command.stdout(out).stderr(err);
            prepare(command);
        })
    }

    /// Starts another program, to be stopped when the value is dropped.
    pub(crate) fn of_tool(
        command: &[&OsStr],
        log: &Path,
        owner: Owner,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ClusterError> {
        Self::logged(STOP_PROGRAM, "TERM".as_ref(), command, log, owner, prepare)
    }

    /// Starts a program, to be killed with all that it started when the value is dropped.
    pub(crate) fn of_group(
        command: &[&OsStr],
        log: &Path,
        owner: Owner,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ClusterError> {
        Self::logged(STOP_GROUP, "KILL".as_ref(), command, log, owner, prepare)
    }

    /// Starts a manager of a server, to be killed with its server, by the server's data folder, when the value is
    /// dropped.
    pub(crate) fn of_managed(
        data: &Path,
        command: &[&OsStr],
        log: &Path,
        owner: Owner,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ClusterError> {
        Self::logged(STOP_MANAGED, data.as_os_str(), command, log, owner, prepare)
    }

    /// Looks after a folder, to be removed when the value is dropped.
    pub(crate) fn of_folder(folder: &Path, owner: Owner) -> Result<Self, ClusterError> {
        Self::start(REMOVE_FOLDER, &[folder.as_os_str()], owner, |command| {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        })
    }

    /// Looks after a mounted file system, to be unmounted when the value is dropped.
    pub(crate) fn of_mount(path: &Path) -> Result<Self, ClusterError> {
        Self::start(UNMOUNT, &[path.as_os_str()], Owner::Ourselves, |command| {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        })
    }

    /// Kills what it started, with SIGKILL, and nothing else.
    pub(crate) fn kill_child(&self) -> Result<(), ClusterError> {
        let shell = Pid::from_raw(i32::try_from(self.0.id()).unwrap_or(i32::MAX));
        for child in children_of(shell)? {
            kill(child, Signal::SIGKILL)
                .map_err(|error| ClusterError::io(format!("killing process {child}"))(error.into()))?;
        }
        Ok(())
    }

    fn start(
        script: &str,
        arguments: &[&OsStr],
        owner: Owner,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ClusterError> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg("supervisor").args(arguments);
        command.stdin(Stdio::piped()).process_group(0).current_dir("/");
        owner.set_on(&mut command);
        prepare(&mut command);
        command.spawn().map(Self).map_err(ClusterError::io("starting a supervisor"))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}
