//! The servers that most tests share, and a schema of its own for each test.

use std::env;
use std::sync::OnceLock;
use std::thread;

use uuid::Uuid;

use crate::cluster::Cluster;
use crate::replication::connect;

/// Set these to the connection strings of servers that are there already (containers, say), and tests that need no
/// server of their own run there.
const PRIMARY: &str = "EVENTSTORE_TEST_PRIMARY";
const REPLICA: &str = "EVENTSTORE_TEST_REPLICA";

/// Connection strings of the shared servers.
#[derive(Debug, Clone)]
pub struct TestServers {
    /// Of the primary.
    pub primary: String,
    /// Of its streaming replica.
    pub replica: String,
}

enum Shared {
    Own(Cluster),
    Given(TestServers),
}

/// The servers that tests share: one primary, one replica, started with the first call in this process.
///
/// # Panics
/// If they can not be started: no test can go on without.
pub fn servers() -> TestServers {
    match shared() {
        Shared::Given(servers) => servers.clone(),
        Shared::Own(cluster) => {
            TestServers { primary: cluster.primary().dsn(), replica: cluster.replicas()[0].dsn() }
        }
    }
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| match (env::var(PRIMARY), env::var(REPLICA)) {
        (Ok(primary), Ok(replica)) => Shared::Given(TestServers { primary, replica }),
        (Err(_), Err(_)) => match Cluster::builder().replicas(1).start() {
            Ok(cluster) => Shared::Own(cluster),
            Err(error) => panic!("{error}"),
        },
        _ => panic!("set both {PRIMARY} and {REPLICA}, or neither"),
    })
}

/// A schema name that no other test has, on the shared servers. What the test made in it is dropped with it where
/// the servers outlive the tests.
#[derive(Debug)]
pub struct TestSchema {
    name: String,
    servers: TestServers,
}

impl TestSchema {
    /// A new name. The schema itself is not created.
    #[must_use]
    pub fn new() -> Self {
        Self { name: format!("test_{}", Uuid::now_v7().simple()), servers: servers() }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connection string of the primary.
    #[must_use]
    pub fn primary(&self) -> &str {
        &self.servers.primary
    }

    /// Connection string of the replica.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.servers.replica
    }

    /// The password in the connection strings, for roles that a test makes and logs in as: servers that were given may ask
    /// for one. Our own ask for none.
    #[must_use]
    pub fn password(&self) -> String {
        let config: Option<tokio_postgres::Config> = self.servers.primary.parse().ok();
        let password = config.and_then(|config| config.get_password().map(<[u8]>::to_vec));
        String::from_utf8(password.unwrap_or_default()).unwrap_or_default().replace('\'', "''")
    }
}

impl Default for TestSchema {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestSchema {
    fn drop(&mut self) {
        if matches!(shared(), Shared::Own(_)) {
            return; // it goes with the cluster
        }
        let (primary, name) = (self.servers.primary.clone(), self.name.clone());
        // A runtime of its own: the test's may be this very thread's.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = connect(&primary).await.map_err(std::io::Error::other)?;
                let statement = format!("DROP SCHEMA IF EXISTS \"{name}\" CASCADE");
                client.batch_execute(&statement).await.map_err(std::io::Error::other)
            })
        });
        match dropped.join() {
            Ok(Ok(())) => {}
            _ => eprintln!("test schema {} could not be dropped", self.name),
        }
    }
}
