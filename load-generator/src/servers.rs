//! The servers under load: those given, or a primary and a replica of our own; or none, where nothing is to be done.

use testutil::Cluster;

use crate::connection;
use crate::error::RunError;

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

    /// Takes the given ones, or starts our own and says so.
    pub(crate) async fn find(primary: Option<&String>, replicas: &[String]) -> Result<Self, RunError> {
        if let Some(primary) = primary {
            return Ok(Self { primary: primary.clone(), replicas: replicas.to_vec(), cluster: None });
        }
        let start = || Cluster::builder().replicas(1).durable().start();
        let cluster =
            tokio::task::spawn_blocking(start).await.map_err(RunError::task)?.map_err(RunError::cluster)?;
        let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
        eprintln!(
            "no --primary given: started a PostgreSQL primary (port {}) and a streaming replica (port {}) on 127.0.0.1, \
             fsync on; both are removed at the end",
            primary.port(),
            replica.port()
        );
        Ok(Self { primary: primary.dsn(), replicas: vec![replica.dsn()], cluster: Some(cluster) })
    }
}
