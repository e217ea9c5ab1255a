//! A primary and its replicas.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::Binaries;
use crate::configuration::{Configuration, Role};
use crate::error::ClusterError;
use crate::folder::{Folder, Kept};
use crate::owner::Owner;
use crate::server::{SERVER_LOG, Server};

/// The `postgresql.conf` that `initdb` wrote, beside the one in use.
const INITIAL: &str = "postgresql.conf.initial";

/// A running primary with its streaming replicas. Stopped and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they end.
    replicas: Vec<Server>,
    primary: Server,
    _folder: Folder,
}

/// Describes a [`Cluster`].
#[derive(Debug, Clone, Default)]
pub struct ClusterBuilder {
    replicas: usize,
    configuration: Configuration,
    /// The data folders of a stopped cluster, the primary's first.
    copied: Option<Vec<PathBuf>>,
    data_in: Option<PathBuf>,
    wal_in: Option<PathBuf>,
}

impl Cluster {
    /// Describes a cluster: by default a primary alone, in memory where that is possible, with `fsync` off.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// The primary.
    #[must_use]
    pub fn primary(&self) -> &Server {
        &self.primary
    }

    /// The primary, to stop and start it.
    pub fn primary_mut(&mut self) -> &mut Server {
        &mut self.primary
    }

    /// The replicas.
    #[must_use]
    pub fn replicas(&self) -> &[Server] {
        &self.replicas
    }

    /// The replicas, to stop and start them.
    pub fn replicas_mut(&mut self) -> &mut [Server] {
        &mut self.replicas
    }

    /// Stops all servers as an administrator would, and keeps their data: the primary first, whose replicas have all of it then.
    ///
    /// # Errors
    /// If one of them does not run, or does not end within a minute.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        self.primary.stop()?;
        self.replicas.iter_mut().try_for_each(Server::stop)
    }

    pub(crate) fn swap_primary(&mut self, number: usize) {
        std::mem::swap(&mut self.primary, &mut self.replicas[number]);
    }
}

impl ClusterBuilder {
    /// Adds streaming replicas.
    #[must_use]
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Keeps `fsync` on and the data on disk: for benchmarks and for tests of durability.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.configuration.durable = true;
        self
    }

    /// Puts the data of all servers into a folder of this disk.
    #[must_use]
    pub fn data_on(mut self, disk: &Path) -> Self {
        self.data_in = Some(disk.to_owned());
        self
    }

    /// Puts the WAL of the primary onto a disk of its own.
    #[must_use]
    pub fn wal_on(mut self, disk: &Path) -> Self {
        self.wal_in = Some(disk.to_owned());
        self
    }

    /// Sets a parameter on every server; the value as it stands in `postgresql.conf`, quotes included.
    #[must_use]
    pub fn setting(self, name: impl Display, value: impl Display) -> Self {
        self.configuration(&format!("{name} = {value}"))
    }

    /// Adds lines to the `postgresql.conf` of every server. The last one for a parameter counts.
    #[must_use]
    pub fn configuration(mut self, lines: &str) -> Self {
        self.configuration.lines += lines;
        self.configuration.lines.push('\n');
        self
    }

    /// Adds lines to the `postgresql.conf` of the replicas alone.
    #[must_use]
    pub fn replica_configuration(mut self, lines: &str) -> Self {
        self.configuration.replica_lines += lines;
        self.configuration.replica_lines.push('\n');
        self
    }

    /// Sets the servers to these texts of `postgresql.conf`, for the primary and for the replicas, in place of what is usual for such
    /// clusters; empty ones for PostgreSQL's defaults. Only what a cluster of its own needs comes after them.
    #[must_use]
    pub fn configured(mut self, primary: impl Into<String>, replica: impl Into<String>) -> Self {
        self.configuration.texts = Some((primary.into(), replica.into()));
        self
    }

    /// Begins with a copy of the data of a cluster that was stopped by [`Cluster::stop`], and has as many replicas, whatever else is said of
    /// them. WAL that is on a disk of its own there is in the data folder here.
    #[must_use]
    pub fn copy_of(mut self, stopped: &Cluster) -> Self {
        let servers = std::iter::once(&stopped.primary).chain(&stopped.replicas);
        self.copied = Some(servers.map(|server| server.data().to_owned()).collect());
        self
    }

    /// Starts it, and returns when all servers accept connections: in about a second.
    ///
    /// # Errors
    /// [`ClusterError::NoServer`] where PostgreSQL is not installed; else what a program or the system said.
    pub fn start(self) -> Result<Cluster, ClusterError> {
        let binaries = Binaries::find()?;
        let owner = Owner::find()?;
        let folder = Folder::make(self.kept(), owner)?;
        let primary_data = folder.path.join("primary");
        match &self.copied {
            Some(copied) => copy_stopped(&copied[0], &primary_data, owner)?,
            None => {
                self.init(&binaries, owner, &primary_data)?;
                append(&primary_data.join("pg_hba.conf"), "host replication all 127.0.0.1/32 trust\n")?;
                copy(&primary_data.join("postgresql.conf"), &primary_data.join(INITIAL), owner)?;
            }
        }
        let count = self.copied.as_ref().map_or(self.replicas, |copied| copied.len() - 1);
        let mut replicas = Vec::new();
        for number in 1..=count {
            let data = folder.path.join(format!("replica{number}"));
            match &self.copied {
                Some(copied) => copy_stopped(&copied[number], &data, owner)?,
                // A copy of a server that never ran is a base backup.
                None => copy(&primary_data, &data, owner)?,
            }
            replicas.push(Server::new(binaries.clone(), owner, data)?);
        }
        if self.copied.is_some() && self.configuration.durable {
            // What is measured next does not pay for writing the copies back.
            run(&mut Command::new("sync"), owner)?;
        }
        self.configure(&primary_data, Role::Primary, owner)?;
        let primary = Server::new(binaries, owner, primary_data)?;
        let mut cluster = Cluster { replicas, primary, _folder: folder };
        cluster.primary.start()?;
        let source = cluster.primary.dsn();
        for (replica, number) in cluster.replicas.iter_mut().zip(1..) {
            let conninfo = format!("primary_conninfo = '{source} application_name=replica{number}'\n");
            self.configure(replica.data(), Role::Replica, owner)?;
            append(&replica.data().join("postgresql.conf"), &conninfo)?;
            append(&replica.data().join("standby.signal"), "")?;
            owner.give(&replica.data().join("standby.signal"))?;
            replica.start()?;
        }
        Ok(cluster)
    }

    fn kept(&self) -> Kept<'_> {
        match &self.data_in {
            Some(disk) => Kept::At(disk),
            None if self.configuration.durable => Kept::OnDisk,
            None => Kept::Anywhere,
        }
    }

    fn init(&self, binaries: &Binaries, owner: Owner, data: &Path) -> Result<(), ClusterError> {
        let mut initdb = binaries.command("initdb");
        match &self.wal_in {
            Some(disk) => {
                let folder = disk.join("wal");
                let made = fs::create_dir(&folder).and_then(|()| fs::File::open(disk)?.sync_all());
                made.map_err(ClusterError::io(format!("making {}", folder.display())))?;
                owner.give(&folder)?;
                initdb.arg("--waldir").arg(folder);
            }
            // What no crash of the system is expected to take need not be flushed.
            None => drop(initdb.arg("--no-sync")),
        }
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--pgdata"]);
        initdb.arg(data).current_dir("/");
        run(&mut initdb, owner)
    }

    /// From what `initdb` wrote on, whatever the server was set to before.
    fn configure(&self, data: &Path, role: Role, owner: Owner) -> Result<(), ClusterError> {
        let file = data.join("postgresql.conf");
        copy(&data.join(INITIAL), &file, owner)?;
        append(&file, &self.configuration.of(role))
    }
}

fn copy(from: &Path, to: &Path, owner: Owner) -> Result<(), ClusterError> {
    // Followed, the link to the WAL: each server has its own.
    let mut cp = Command::new("cp");
    cp.arg("-RLp").arg(from).arg(to).current_dir("/");
    run(&mut cp, owner)
}

/// A copy of the data of a server that does not run.
fn copy_stopped(from: &Path, to: &Path, owner: Owner) -> Result<(), ClusterError> {
    if from.join("postmaster.pid").exists() {
        return Err(ClusterError::program(Path::new("cp"), format!("the server in {} runs", from.display())));
    }
    copy(from, to, owner)?;
    let log = to.join(SERVER_LOG);
    fs::remove_file(&log).map_err(ClusterError::io(format!("removing {}", log.display())))
}

pub(crate) fn run(command: &mut Command, owner: Owner) -> Result<(), ClusterError> {
    owner.set_on(command);
    let program = PathBuf::from(command.get_program());
    let output = command.output().map_err(ClusterError::io(format!("running {}", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ClusterError::program(&program, shortened(&String::from_utf8_lossy(&output.stderr))))
}

/// A full disk is told once for each file.
fn shortened(said: &str) -> String {
    const LINES: usize = 10;
    let lines: Vec<&str> = said.lines().collect();
    match lines.len().checked_sub(LINES) {
        Some(more @ 1..) => format!("{}\n… and {more} lines more", lines[..LINES].join("\n")),
        _ => said.to_owned(),
    }
}

fn append(file: &Path, text: &str) -> Result<(), ClusterError> {
    use std::io::Write as _;
    let opened = fs::OpenOptions::new().create(true).append(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(ClusterError::io(format!("writing {}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_repeats_for_each_file_is_cut_short() {
        let said: Vec<String> = (1..=12).map(|file| format!("cp: {file}: No space left on device")).collect();
        assert_eq!(shortened(&said[..10].join("\n")), said[..10].join("\n"));
        let short = shortened(&said.join("\n"));
        assert!(short.ends_with("cp: 10: No space left on device\n… and 2 lines more"), "{short}");
    }
}
