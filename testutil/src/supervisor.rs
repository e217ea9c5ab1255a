//! The process that ends a server when its owner is gone.
//!
//! The supervisor is a few lines of shell. It starts the server as its child and then reads its standard input, a
//! pipe whose other end only our process holds. However our process ends (return, panic, interrupt, kill), that end
//! is closed by the system; the supervisor reads the end of file, stops the server by the pid of its own child, and
//! removes the data. The word `keep` on the pipe stops the server and leaves the data, for a later start.
//!
//! It runs in a process group of its own and ignores the terminal's signals, so that Ctrl-C reaches only us.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::ClusterError;
use crate::owner::Owner;

/// Arguments: the data folder, then the server's command line.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
data=$1; shift
"$@" </dev/null &
server=$!
read -r word
kill -QUIT $server 2>/dev/null
kill -CONT $server 2>/dev/null
wait $server 2>/dev/null
[ "$word" = keep ] && exit
rm -rf "$data"
rmdir "$(dirname "$data")" 2>/dev/null
exit 0
"#;

#[derive(Debug)]
pub(crate) struct Supervisor(Child);

impl Supervisor {
    /// Starts a server under supervision. `server` is its command line.
    pub(crate) fn start(
        server: &[&std::ffi::OsStr],
        data: &Path,
        log: &Path,
        owner: Owner,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ClusterError> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let out = open().map_err(ClusterError::io(format!("opening {}", log.display())))?;
        let err = out.try_clone().map_err(ClusterError::io("a second handle of the log"))?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(SCRIPT).arg("supervisor").arg(data).args(server);
        command.stdin(Stdio::piped()).stdout(out).stderr(err).process_group(0).current_dir("/");
        owner.set_on(&mut command);
        prepare(&mut command);
        command.spawn().map(Self).map_err(ClusterError::io("starting the supervisor"))
    }

    /// Stops the server at once, and keeps its data.
    pub(crate) fn stop_and_keep(mut self) {
        if let Some(pipe) = &mut self.0.stdin {
            // If the supervisor is gone, so is the server.
            drop(pipe.write_all(b"keep\n"));
        }
        drop(self.0.wait());
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}
