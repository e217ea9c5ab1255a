//! The servers under load: those given, or a primary and a replica of our own; or none, where nothing is to be done.

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testutil::{Cluster, ClusterBuilder};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use crate::connection;
use crate::error::RunError;
use crate::live::say;

/// Far beyond what there is to write: a server that is silent is found out when it is connected to.
const CHECKPOINT_WITHIN: Duration = Duration::from_secs(600);
/// How long a replica may take to replay what the primary wrote.
const REPLAY_WITHIN: Duration = Duration::from_secs(60);
/// How long servers may take to say how far a replica is behind.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What servers of our own are set to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ServerSettings {
    /// As `tuning/` has it.
    #[default]
    Tuned,
    /// As PostgreSQL comes.
    Defaults,
    /// A text of `postgresql.conf`, for the primary and for the replica.
    Text(String),
}

impl ServerSettings {
    pub(crate) fn configure(&self, cluster: ClusterBuilder) -> ClusterBuilder {
        match self {
            Self::Tuned => cluster.configured(
                include_str!("../../tuning/primary.conf"),
                include_str!("../../tuning/replica.conf"),
            ),
            Self::Defaults => cluster.configured("", ""),
            Self::Text(text) => cluster.configured(text, text),
        }
    }
}

impl FromStr for ServerSettings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tuned" => Ok(Self::Tuned),
            "defaults" => Ok(Self::Defaults),
            file => fs::read_to_string(file)
                .map(Self::Text)
                .map_err(|error| format!("expected tuned, defaults, or a file of settings: {error}")),
        }
    }
}

/// Where the log is.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) primary: String,
    pub(crate) replicas: Vec<String>,
    /// Ours, stopped and removed when dropped.
    cluster: Option<Cluster>,
    /// Whether the role was refused a checkpoint.
    lacks_checkpoints: AtomicBool,
}

impl Servers {
    /// For what needs no server.
    pub(crate) fn none() -> Self {
        Self::new(String::new(), Vec::new(), None)
    }

    fn new(primary: String, replicas: Vec<String>, cluster: Option<Cluster>) -> Self {
        Self { primary, replicas, cluster, lacks_checkpoints: AtomicBool::new(false) }
    }

    pub(crate) fn are_none(&self) -> bool {
        self.primary.is_empty()
    }

    /// For reports.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.cluster, self.are_none()) {
            (Some(_), _) => "embedded",
            (None, true) => "none",
            (None, false) => "given",
        }
    }

    /// What an earlier measurement wrote is on disk, and its WAL files are there to be used again: a server that has run for
    /// a while makes no new ones, each of which would hold up all appends for some 45 ms. The replicas have it too, and do not
    /// replay it during the next one. A role that may not ask for a checkpoint goes without, which is said once.
    ///
    /// # Errors
    ///
    /// If a server can not be asked, or a replica does not replay it in time.
    pub(crate) async fn settle(&self) -> Result<(), RunError> {
        if self.are_none() {
            return Ok(());
        }
        self.checkpoint().await?;
        for (replica, number) in self.replicas.iter().zip(1..) {
            match timeout(REPLAY_WITHIN, connection::replayed(&self.primary, replica)).await {
                Ok(replayed) => {
                    replayed.map_err(|error| of_server(&format!("waiting for replica{number}"), &error))?;
                }
                Err(_) => return Err(self.fallen_behind(number, replica).await),
            }
        }
        Ok(())
    }

    async fn checkpoint(&self) -> Result<(), RunError> {
        let asked = async {
            let session = connection::connect(&self.primary).await?;
            session.batch_execute("CHECKPOINT").await
        };
        match timeout(CHECKPOINT_WITHIN, asked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                if !self.lacks_checkpoints.swap(true, Ordering::Relaxed) {
                    say("no checkpoint between two loads: the role may not ask for one (pg_checkpoint)");
                }
                Ok(())
            }
            Ok(Err(error)) => Err(of_server("the checkpoint of the primary", &error)),
            Err(_) => Err(RunError::new(format!(
                "the checkpoint of the primary is not complete after {} s",
                CHECKPOINT_WITHIN.as_secs()
            ))),
        }
    }

    /// Whether loads were made without a checkpoint before them, as the role may not ask for one.
    pub(crate) fn lack_checkpoints(&self) -> bool {
        self.lacks_checkpoints.load(Ordering::Relaxed)
    }

    /// Which one, and how far.
    async fn fallen_behind(&self, number: usize, replica: &str) -> RunError {
        let behind = match timeout(ANSWER_WITHIN, self.lag(replica)).await {
            Ok(Ok(bytes)) => format!("it is {bytes} bytes of WAL behind"),
            Ok(Err(error)) => {
                format!("how far it is behind is not known: {}", connection::with_causes(&error))
            }
            Err(_) => "how far it is behind is not known, as it does not answer".to_owned(),
        };
        RunError::new(format!(
            "replica{number} has not replayed after {} s what the primary had written: {behind}",
            REPLAY_WITHIN.as_secs()
        ))
    }

    /// In bytes of WAL. One that is none is not behind.
    async fn lag(&self, replica: &str) -> Result<i64, tokio_postgres::Error> {
        let session = connection::connect(replica).await?;
        let row = session.query_one(include_str!("servers/replayed.sql"), &[]).await?;
        let Some(replayed) = row.get::<_, Option<String>>("replayed") else { return Ok(0) };
        let session = connection::connect(&self.primary).await?;
        let row = session.query_one(include_str!("servers/behind.sql"), &[&replayed]).await?;
        Ok(row.get("bytes"))
    }

    /// Of a cluster of our own.
    pub(crate) fn of(cluster: Cluster) -> Self {
        let replicas = cluster.replicas().iter().map(testutil::Server::dsn).collect();
        Self::new(cluster.primary().dsn(), replicas, Some(cluster))
    }

    /// Our own, if they are.
    pub(crate) fn into_cluster(self) -> Option<Cluster> {
        self.cluster
    }

    /// Where our own have their data.
    pub(crate) fn disk(&self) -> Option<&Path> {
        self.cluster.as_ref()?.primary().data().parent()
    }

    /// What makes every figure of them worth less.
    pub(crate) fn doubt(&self) -> Option<String> {
        let disk = self.disk().filter(|disk| is_memory(disk))?;
        Some(format!(
            "the data is in memory ({} is a tmpfs), and fsync flushes nothing to a disk: set TMPDIR to a folder on one",
            disk.display()
        ))
    }

    /// Takes the given ones, or starts our own, as `tuning/` has them, and says so.
    pub(crate) async fn find(primary: Option<&String>, replicas: &[String]) -> Result<Self, RunError> {
        Self::find_or_start(primary, replicas, &ServerSettings::default()).await
    }

    /// Takes the given ones, or starts our own and says so.
    pub(crate) async fn find_or_start(
        primary: Option<&String>,
        replicas: &[String],
        settings: &ServerSettings,
    ) -> Result<Self, RunError> {
        if let Some(primary) = primary {
            return Ok(Self::new(primary.clone(), replicas.to_vec(), None));
        }
        let builder = settings.configure(Cluster::builder().replicas(1).durable());
        let start = || builder.start();
        let cluster =
            tokio::task::spawn_blocking(start).await.map_err(RunError::task)?.map_err(RunError::cluster)?;
        let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
        say(&format!(
            "no --primary given: started a PostgreSQL primary (port {}) and a streaming replica (port {}) on 127.0.0.1, \
             fsync on; both are removed at the end",
            primary.port(),
            replica.port()
        ));
        let servers = Self::of(cluster);
        if let Some(doubt) = servers.doubt() {
            say(&doubt);
        }
        Ok(servers)
    }
}

/// An error of the driver's, with its causes.
fn of_server(whose: &str, error: &tokio_postgres::Error) -> RunError {
    RunError::new(format!("{whose}: {}", connection::with_causes(error)))
}

#[cfg(target_os = "linux")]
fn is_memory(folder: &Path) -> bool {
    use nix::sys::statfs::{TMPFS_MAGIC, statfs};
    statfs(folder).is_ok_and(|of| of.filesystem_type() == TMPFS_MAGIC)
}

/// Elsewhere `/tmp` is on a disk.
#[cfg(not(target_os = "linux"))]
fn is_memory(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn servers_that_are_none_are_at_rest() {
        let none = Servers::none();
        none.settle().await.unwrap();
        assert!(!none.lack_checkpoints() && none.doubt().is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_role_without_the_right_to_it_goes_without_a_checkpoint() {
        let cluster = tokio::task::spawn_blocking(|| Cluster::builder().start()).await.unwrap().unwrap();
        let superuser = cluster.primary().dsn();
        let session = connection::connect(&superuser).await.unwrap();
        session.batch_execute("CREATE ROLE writer LOGIN").await.unwrap();
        let given = async |primary: String| Servers::find(Some(&primary), &[]).await.unwrap();
        let trusted = given(superuser.clone()).await;
        trusted.settle().await.unwrap();
        assert!(!trusted.lack_checkpoints());
        let writer = given(superuser.replace("user=postgres", "user=writer")).await;
        writer.settle().await.unwrap();
        assert!(writer.lack_checkpoints());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn how_far_a_replica_is_behind_is_said() {
        let start = || Cluster::builder().replicas(1).start();
        let cluster = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
        let servers = Servers::of(cluster);
        let replica = connection::connect(&servers.replicas[0]).await.unwrap();
        replica.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
        let session = connection::connect(&servers.primary).await.unwrap();
        session.batch_execute("CREATE TABLE public.t AS SELECT generate_series(1, 10000)").await.unwrap();
        let bytes = servers.lag(&servers.replicas[0]).await.unwrap();
        assert!(bytes > 100_000, "{bytes}");
        let said = servers.fallen_behind(1, &servers.replicas[0]).await.to_string();
        assert!(said.starts_with("replica1 ") && said.ends_with(" bytes of WAL behind"), "{said}");
    }

    /// Where the system mounts them as usual.
    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_told_from_a_disk() {
        assert!(!is_memory(Path::new("/proc")) && !is_memory(Path::new("/nowhere")));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        if mounts.lines().any(|mount| mount.starts_with("tmpfs /dev/shm ")) {
            assert!(is_memory(Path::new("/dev/shm")));
        }
    }
}
