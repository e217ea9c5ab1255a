//! The servers under load: those given, or a primary and a replica of our own; or none, where nothing is to be done.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use testutil::{Cluster, ClusterBuilder};

use crate::connection;
use crate::error::RunError;

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
}

impl Servers {
    /// For what needs no server.
    pub(crate) fn none() -> Self {
        Self { primary: String::new(), replicas: Vec::new(), cluster: None }
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
    /// replay it during the next one.
    pub(crate) async fn settle(&self) -> Result<(), tokio_postgres::Error> {
        if self.are_none() {
            return Ok(());
        }
        let session = connection::connect(&self.primary).await?;
        session.batch_execute("CHECKPOINT").await?;
        for replica in &self.replicas {
            connection::replayed(&self.primary, replica).await?;
        }
        Ok(())
    }

    /// Of a cluster of our own.
    pub(crate) fn of(cluster: Cluster) -> Self {
        let replicas = cluster.replicas().iter().map(testutil::Server::dsn).collect();
        Self { primary: cluster.primary().dsn(), replicas, cluster: Some(cluster) }
    }

    /// Our own, if they are.
    pub(crate) fn into_cluster(self) -> Option<Cluster> {
        self.cluster
    }

    /// Where our own have their data.
    pub(crate) fn disk(&self) -> Option<&Path> {
        self.cluster.as_ref()?.primary().data().parent()
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
            return Ok(Self { primary: primary.clone(), replicas: replicas.to_vec(), cluster: None });
        }
        let builder = settings.configure(Cluster::builder().replicas(1).durable());
        let start = || builder.start();
        let cluster =
            tokio::task::spawn_blocking(start).await.map_err(RunError::task)?.map_err(RunError::cluster)?;
        let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
        eprintln!(
            "no --primary given: started a PostgreSQL primary (port {}) and a streaming replica (port {}) on 127.0.0.1, \
             fsync on; both are removed at the end",
            primary.port(),
            replica.port()
        );
        Ok(Self::of(cluster))
    }
}
