//! The servers of a run, on disks as its faults need them.

use std::time::Duration;

use testutil::{Cluster, ClusterBuilder, ForgetfulDisk, SmallDisk};

use crate::chaos::fault::{FaultName, Faults};
use crate::error::RunError;

/// Sizes of small disks, in MiB.
const DATA: u32 = 512;
const WAL: u32 = 256;
/// The disk of the WAL has room for some files only.
const LITTLE_WAL: [(&str, &str); 3] =
    [("max_wal_size", "'64MB'"), ("min_wal_size", "'32MB'"), ("wal_keep_size", "'0'")];
/// A disk that forgets is in memory, twice.
const SOME_WAL: [(&str, &str); 2] = [("max_wal_size", "'256MB'"), ("min_wal_size", "'128MB'")];

/// How long a power cut waits for something to be at stake.
const PATIENCE: Duration = Duration::from_secs(1);

/// A primary, with a replica where disks are not filled, and two of them for failovers.
pub(super) struct Servers {
    // The servers end before their disks.
    cluster: Cluster,
    disks: Disks,
}

enum Disks {
    Ordinary,
    /// Of the data and of the WAL.
    Small(SmallDisk, SmallDisk),
    /// Of the WAL.
    Forgetful(ForgetfulDisk),
}

impl Servers {
    pub(super) fn start(faults: &Faults, settings: &[(String, String)]) -> Result<Self, RunError> {
        let builder = Cluster::builder().durable();
        let (builder, disks) = if faults.fill_disks() {
            let mount = |mib| SmallDisk::mount(mib).map_err(RunError::cluster);
            let (data, wal) = (mount(DATA)?, mount(WAL)?);
            let builder = with(builder.data_on(data.path()).wal_on(wal.path()), &LITTLE_WAL);
            (builder, Disks::Small(data, wal))
        } else if faults.have(FaultName::Power) {
            let disk = ForgetfulDisk::mount().map_err(RunError::cluster)?;
            let builder = with(builder.replicas(1).wal_on(disk.path()), &SOME_WAL);
            (builder, Disks::Forgetful(disk))
        } else if faults.fail_over() {
            // One takes over, and another one is left.
            (with(builder.replicas(2), confirmed_by(faults)), Disks::Ordinary)
        } else {
            (builder.replicas(1), Disks::Ordinary)
        };
        let builder = settings.iter().fold(builder, |builder, (name, value)| builder.setting(name, value));
        Ok(Self { cluster: builder.start().map_err(RunError::cluster)?, disks })
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The connection string of the primary, past the proxy.
    pub(super) fn primary(&self) -> String {
        self.cluster.primary().dsn()
    }

    pub(super) fn cluster_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// The connection strings of the replicas, past the proxies.
    pub(super) fn replicas(&self) -> Vec<String> {
        self.cluster.replicas().iter().map(testutil::Server::dsn).collect()
    }

    /// Kills the primary with all its children, and starts it again. Blocks.
    pub(super) fn crash_primary(&mut self) -> Result<(), RunError> {
        self.cluster.primary_mut().crash();
        self.cluster.primary_mut().start().map_err(RunError::cluster)
    }

    /// The same, and what the disk of the WAL was not told to flush is gone. Blocks. Returns how many bytes that were.
    pub(super) fn cut_power(&mut self) -> Result<u64, RunError> {
        if let Disks::Forgetful(disk) = &self.disks {
            disk.cut_power(PATIENCE);
        }
        self.cluster.primary_mut().crash();
        let forgotten = match &self.disks {
            Disks::Forgetful(disk) => disk.restore_power().map_err(RunError::cluster)?.bytes,
            Disks::Ordinary | Disks::Small(..) => 0,
        };
        self.cluster.primary_mut().start().map_err(RunError::cluster)?;
        Ok(forgotten)
    }

    /// The disks of the data and of the WAL, to fill them.
    pub(super) fn small_disks(&self) -> Result<(&SmallDisk, &SmallDisk), RunError> {
        match &self.disks {
            Disks::Small(data, wal) => Ok((data, wal)),
            Disks::Ordinary | Disks::Forgetful(_) => Err(RunError::new("no disk to fill")),
        }
    }
}

/// Whether commits wait for a replica.
fn confirmed_by(faults: &Faults) -> &'static [(&'static str, &'static str)] {
    if faults.have(FaultName::FailoverSync) { &[("synchronous_standby_names", "'*'")] } else { &[] }
}

fn with(builder: ClusterBuilder, settings: &[(&str, &str)]) -> ClusterBuilder {
    settings.iter().fold(builder, |builder, (name, value)| builder.setting(*name, *value))
}
