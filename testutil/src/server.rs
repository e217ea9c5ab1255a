//! One server of a cluster.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::binaries::Binaries;
use crate::error::ClusterError;
use crate::owner::Owner;
use crate::supervisor::Supervisor;

/// Far beyond any start; a crash recovery on a slow disk is among them.
const START_WITHIN: Duration = Duration::from_secs(60);

/// How long a server may take to end in order: its checkpoint may have much to write.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// The log's name in the data folder.
pub(crate) const SERVER_LOG: &str = "server.log";

/// A running PostgreSQL server, or one that was stopped and can be started again.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    owner: Owner,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    /// Its command line without the port, and what it finds in its environment.
    program: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    /// Whether others may know its port by now.
    was_ready: bool,
    supervisor: Option<Supervisor>,
}

impl Server {
    /// A server on data that is there already; not started.
    pub(crate) fn new(binaries: Binaries, owner: Owner, data: PathBuf) -> Result<Self, ClusterError> {
        let log = data.join(SERVER_LOG);
        let port = free_port()?;
        let program = vec![binaries.program("postgres").into(), "-D".into(), data.clone().into()];
        let environment = Vec::new();
        Ok(Self {
            binaries,
            owner,
            data,
            log,
            port,
            program,
            environment,
            was_ready: false,
            supervisor: None,
        })
    }

    /// Has it started by another command line, to which its port is added, with a log outside of its data folder, which a script
    /// may want to be empty.
    pub(crate) fn started_by(
        mut self,
        program: Vec<OsString>,
        environment: Vec<(&'static str, OsString)>,
        log: PathBuf,
    ) -> Self {
        (self.program, self.environment, self.log) = (program, environment, log);
        self
    }

    /// Its connection string: a superuser without a password, on 127.0.0.1.
    #[must_use]
    pub fn dsn(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its log, standard error of the server.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Puts a file into its data folder, or another one in its place, which the server alone may read: a key, a certificate, rules.
    ///
    /// # Errors
    /// If it can not be written.
    pub fn put(&self, name: &str, text: &str) -> Result<PathBuf, ClusterError> {
        let (file, fresh) = (self.data.join(name), self.data.join(format!("{name}.new")));
        let mut options = fs::OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        options
            .open(&fresh)
            .and_then(|mut opened| opened.write_all(text.as_bytes()))
            .map_err(ClusterError::io(format!("writing {}", fresh.display())))?;
        self.owner.give(&fresh)?;
        fs::rename(&fresh, &file).map_err(ClusterError::io(format!("writing {}", file.display())))?;
        Ok(file)
    }

    pub(crate) fn program(&self, name: &str) -> Command {
        self.binaries.command(name)
    }

    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }

    /// Starts it, and returns when it accepts connections.
    ///
    /// # Errors
    /// [`ClusterError::Program`] with the end of its log if it does not come up. A server that ran before keeps its port,
    /// and does not come up if someone else has taken it meanwhile.
    pub fn start(&mut self) -> Result<(), ClusterError> {
        for attempt in 0.. {
            let seen = fs::metadata(&self.log).map_or(0, |log| log.len());
            self.spawn()?;
            match self.await_ready(seen) {
                Ok(()) => {
                    self.was_ready = true;
                    break;
                }
                // Someone was faster on the port between our looking and the server's binding.
                Err(reason)
                    if attempt < 5 && !self.was_ready && reason.contains("Address already in use") =>
                {
                    self.supervisor = None;
                    self.port = free_port()?;
                }
                // Killed children are still on their way out.
                Err(reason) if attempt < 100 && reason.contains("is still in use") => {
                    self.supervisor = None;
                    thread::sleep(Duration::from_millis(20));
                }
                Err(reason) => {
                    self.supervisor = None;
                    return Err(ClusterError::program(&self.binaries.program("postgres"), reason));
                }
            }
        }
        Ok(())
    }

    /// Stops it at once, as a crash would, and keeps its data: it can be started again.
    pub fn crash(&mut self) {
        if self.supervisor.is_none() {
            return; // its pid may be another process's by now
        }
        // Stopped first, so that it starts no child between our looking for them and its end.
        drop(self.postmaster().map(|pid| kill(pid, Signal::SIGSTOP)));
        drop(self.signal(Signal::SIGKILL));
        self.supervisor = None;
        drop(fs::remove_file(self.data.join("postmaster.pid")));
    }

    /// Stops it as an administrator would: sessions are ended, replicas have received everything, a checkpoint is made. It can be
    /// started again.
    ///
    /// # Errors
    /// If it does not run, or does not end within a minute.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        let failed = |why: &str| ClusterError::program(&self.binaries.program("postgres"), why);
        if self.supervisor.is_none() {
            return Err(failed("it does not run"));
        }
        let postmaster = self.postmaster()?;
        kill(postmaster, Signal::SIGINT)
            .map_err(|error| ClusterError::io(format!("SIGINT to process {postmaster}"))(error.into()))?;
        let deadline = Instant::now() + STOP_WITHIN;
        // It removes its pid file last.
        while self.data.join("postmaster.pid").exists() {
            if Instant::now() > deadline {
                return Err(failed("it did not end within a minute"));
            }
            thread::sleep(Duration::from_millis(3));
        }
        self.supervisor = None;
        Ok(())
    }

    /// Sends a signal to the server and every child of it. Backends have sessions of their own, so that signalling
    /// the postmaster alone would leave them running.
    ///
    /// # Errors
    /// If the server does not run.
    pub fn signal(&self, signal: Signal) -> Result<(), ClusterError> {
        if self.supervisor.is_none() {
            return Err(ClusterError::program(&self.binaries.program("postgres"), "it does not run"));
        }
        signal_all(&self.data, signal)
    }

    fn postmaster(&self) -> Result<Pid, ClusterError> {
        postmaster_of(&self.data)
    }

    fn spawn(&mut self) -> Result<(), ClusterError> {
        // A lock file of a killed server whose pid was given to another process would keep this one from starting.
        drop(fs::remove_file(self.data.join("postmaster.pid")));
        let port = OsString::from(self.port.to_string());
        let program = self.program.iter().map(OsString::as_os_str);
        let command: Vec<&OsStr> = program.chain(["-p".as_ref(), port.as_os_str()]).collect();
        let prepare = |command: &mut Command| {
            self.binaries.set_libraries(command);
            command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        };
        self.supervisor = Some(Supervisor::of_server(&command, &self.log, self.owner, prepare)?);
        self.owner.give(&self.log)
    }

    /// Polls the status that the server writes into its pid file, which needs no connection.
    fn await_ready(&self, log_seen: u64) -> Result<(), String> {
        let deadline = Instant::now() + START_WITHIN;
        let file = self.data.join("postmaster.pid");
        loop {
            let status = fs::read_to_string(&file).unwrap_or_default();
            let pid = status.lines().next().and_then(|line| line.trim().parse().ok()).map(Pid::from_raw);
            let is_gone = pid.is_some_and(|pid| kill(pid, None) == Err(nix::errno::Errno::ESRCH));
            if status.lines().nth(7).is_some_and(|line| line.trim_end() == "ready") {
                return Ok(());
            }
            let log = fs::read(&self.log).unwrap_or_default();
            let fresh = usize::try_from(log_seen).ok().and_then(|seen| log.get(seen..)).unwrap_or_default();
            let text = String::from_utf8_lossy(fresh);
            if is_gone || text.lines().any(is_deadly) || Instant::now() > deadline {
                return Err(format!("it did not come up; the end of its log:\n{}", tail(&text)));
            }
            thread::sleep(Duration::from_millis(3));
        }
    }
}

/// Whether a line of the log ends a start. Clients that come too early are turned away with a FATAL of their own, and
/// the process of a standby that receives WAL dies of one whenever its primary can not be reached.
fn is_deadly(line: &str) -> bool {
    let harmless =
        ["the database system is", "the primary server", "WAL stream", "walreceiver", "WAL receiver"];
    line.contains("PANIC:") || line.contains("FATAL:") && !harmless.iter().any(|text| line.contains(text))
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Sends a signal to the server of a data folder and to every child of it.
pub(crate) fn signal_all(data: &Path, signal: Signal) -> Result<(), ClusterError> {
    let postmaster = postmaster_of(data)?;
    for pid in std::iter::once(postmaster).chain(children_of(postmaster)?) {
        match kill(pid, signal) {
            Ok(()) => {}
            // A child may end by itself meanwhile.
            Err(nix::errno::Errno::ESRCH) if pid != postmaster => {}
            Err(error) => return Err(ClusterError::io(format!("{signal} to process {pid}"))(error.into())),
        }
    }
    Ok(())
}

fn postmaster_of(data: &Path) -> Result<Pid, ClusterError> {
    let file = data.join("postmaster.pid");
    let text = fs::read_to_string(&file).map_err(ClusterError::io(format!("reading {}", file.display())))?;
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
    pid.map(Pid::from_raw)
        .ok_or_else(|| ClusterError::program(Path::new("postgres"), "its pid file has no pid"))
}

pub(crate) fn free_port() -> Result<u16, ClusterError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(ClusterError::io("finding a free port"))?;
    let address = listener.local_addr().map_err(ClusterError::io("finding a free port"))?;
    Ok(address.port())
}

pub(crate) fn children_of(parent: Pid) -> Result<Vec<Pid>, ClusterError> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .output()
        .map_err(ClusterError::io("running ps"))?;
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = listing.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<i32>().ok());
        Some((numbers.next()??, numbers.next()??))
    });
    Ok(pairs.filter(|(_, of)| *of == parent.as_raw()).map(|(pid, _)| Pid::from_raw(pid)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_given_up_for_its_own_deaths_only() {
        assert!(is_deadly("LOG: x FATAL:  could not create any TCP/IP sockets"));
        assert!(is_deadly("PANIC:  could not locate a valid checkpoint record"));
        assert!(!is_deadly("FATAL:  the database system is starting up"));
        assert!(!is_deadly("FATAL:  could not connect to the primary server: connection refused"));
        assert!(!is_deadly("FATAL:  could not receive data from WAL stream: server closed the connection"));
    }
}
