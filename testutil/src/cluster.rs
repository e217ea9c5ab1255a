//! A primary and its replicas.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::Binaries;
use crate::error::ClusterError;
use crate::owner::Owner;
use crate::server::Server;
use crate::supervisor::Supervisor;

/// A memory file system is used where it has at least this much room, in bytes.
#[cfg(target_os = "linux")]
const ROOM: u64 = 2 << 30;

/// What every cluster is set to. A standby may not have fewer connections than its primary, so both have the same.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "'127.0.0.1'"),
    ("unix_socket_directories", "''"),
    ("max_connections", "300"),
    ("shared_buffers", "'256MB'"),
    ("max_wal_size", "'4GB'"),
    ("max_wal_senders", "16"),
    ("wal_keep_size", "'256MB'"),
    ("hot_standby", "on"),
    // A replica comes back soon after its primary.
    ("wal_retrieve_retry_interval", "'100ms'"),
    ("random_page_cost", "1.1"),
    ("timezone", "'UTC'"),
    ("log_timezone", "'UTC'"),
];

/// As on a server that has run for a while: WAL files are used again, as making a new one holds up every commit.
const DURABLE: &[(&str, &str)] = &[("min_wal_size", "'2GB'")];

/// For tests: nothing survives a power cut, and everything is fast. `synchronous_commit` stays on, as without it the
/// replica lags by the WAL writer's delay.
const VOLATILE: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "on"),
    ("autovacuum_naptime", "'5s'"),
];

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
    durable: bool,
    settings: Vec<(String, String)>,
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
        self.durable = true;
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
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts it, and returns when all servers accept connections: in about a second.
    ///
    /// # Errors
    /// [`ClusterError::NoServer`] where PostgreSQL is not installed; else what a program or the system said.
    pub fn start(self) -> Result<Cluster, ClusterError> {
        let binaries = Binaries::find()?;
        let owner = Owner::find()?;
        let folder = Folder::make(self.durable, self.data_in.as_deref(), owner)?;
        let primary_data = folder.path.join("primary");
        self.init(&binaries, owner, &primary_data)?;
        append(&primary_data.join("postgresql.conf"), &self.configuration())?;
        append(&primary_data.join("pg_hba.conf"), "host replication all 127.0.0.1/32 trust\n")?;
        // A copy of a server that never ran is a base backup.
        let mut replicas = Vec::new();
        for number in 1..=self.replicas {
            let data = folder.path.join(format!("replica{number}"));
            copy(&primary_data, &data, owner)?;
            replicas.push(Server::new(binaries.clone(), owner, data)?);
        }
        let primary = Server::new(binaries, owner, primary_data)?;
        let mut cluster = Cluster { replicas, primary, _folder: folder };
        cluster.primary.start()?;
        let source = cluster.primary.dsn();
        for (replica, number) in cluster.replicas.iter_mut().zip(1..) {
            let conninfo = format!("primary_conninfo = '{source} application_name=replica{number}'\n");
            append(&replica.data().join("postgresql.conf"), &(conninfo + "hot_standby_feedback = on\n"))?;
            append(&replica.data().join("standby.signal"), "")?;
            owner.give(&replica.data().join("standby.signal"))?;
            replica.start()?;
        }
        Ok(cluster)
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

    fn configuration(&self) -> String {
        let kind = if self.durable { DURABLE } else { VOLATILE };
        let fixed = SETTINGS.iter().chain(kind).map(|(name, value)| format!("{name} = {value}\n"));
        let own = self.settings.iter().map(|(name, value)| format!("{name} = {value}\n"));
        fixed.chain(own).collect()
    }
}

/// The cluster's folder, removed when it is dropped, or by its supervisor when this process is gone.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _supervisor: Supervisor,
}

impl Folder {
    pub(crate) fn make(durable: bool, place: Option<&Path>, owner: Owner) -> Result<Self, ClusterError> {
        let memory = Path::new("/dev/shm");
        let base = match place {
            Some(place) => place.to_owned(),
            None if !durable && has_room(memory) => memory.to_owned(),
            None => env::temp_dir(),
        };
        let folder = tempfile::Builder::new().prefix("eventstore-cluster-").tempdir_in(&base);
        let path = folder.map_err(ClusterError::io(format!("making a folder in {}", base.display())))?.keep();
        owner.give(&path)?;
        let supervisor = Supervisor::of_folder(&path, owner)?;
        Ok(Self { path, _supervisor: supervisor })
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

fn copy(from: &Path, to: &Path, owner: Owner) -> Result<(), ClusterError> {
    // Followed, the link to the WAL: each server has its own.
    let mut cp = Command::new("cp");
    cp.arg("-RLp").arg(from).arg(to).current_dir("/");
    run(&mut cp, owner)
}

pub(crate) fn run(command: &mut Command, owner: Owner) -> Result<(), ClusterError> {
    owner.set_on(command);
    let program = PathBuf::from(command.get_program());
    let output = command.output().map_err(ClusterError::io(format!("running {}", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ClusterError::program(&program, String::from_utf8_lossy(&output.stderr)))
}

fn append(file: &Path, text: &str) -> Result<(), ClusterError> {
    use std::io::Write as _;
    let opened = fs::OpenOptions::new().create(true).append(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(ClusterError::io(format!("writing {}", file.display())))
}
