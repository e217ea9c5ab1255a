//! A primary and a replica with TLS, and roles that are told apart by how they say who they are.

#![cfg(feature = "rustls")]

use std::path::PathBuf;

use eventstore::Tls;
use tempfile::TempDir;
use testutil::{Cluster, Server, Session};

use crate::certificates::{Authority, Issued};

/// What the servers of these tests are called.
pub(crate) const NAMES: &[&str] = &["localhost", "127.0.0.1"];

/// Who signed their certificate.
pub(crate) const AUTHORITY: &str = "authority of these tests";

/// The superuser is let in without a password, `app` with one, through TLS, and `machine` with a certificate.
const RULES: &str = "\
host    replication all     127.0.0.1/32 trust
host    all         postgres 127.0.0.1/32 trust
hostssl all         app     127.0.0.1/32 scram-sha-256
hostssl all         machine 127.0.0.1/32 cert
";

pub(crate) struct SecureServers {
    pub(crate) cluster: Cluster,
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
}

impl SecureServers {
    /// With a certificate that is good.
    pub(crate) async fn start() -> Self {
        let builder = Cluster::builder().replicas(1).setting("log_connections", "on");
        let (cluster, authority) = (builder.start().unwrap(), Authority::new(AUTHORITY));
        let servers = Self { cluster, authority, folder: tempfile::tempdir().unwrap() };
        let sql = servers.sql().await;
        sql.batch_execute(
            "CREATE ROLE app LOGIN PASSWORD 'geheim'; GRANT CREATE ON DATABASE postgres TO app; CREATE ROLE machine LOGIN",
        )
        .await
        .unwrap();
        for server in servers.all() {
            server.put("clients.crt", &servers.authority.pem()).unwrap();
            server.put("pg_hba.conf", RULES).unwrap();
            set(server, "ssl_ca_file", "clients.crt").await;
        }
        servers.show(&servers.authority.issue(NAMES)).await;
        servers
    }

    fn all(&self) -> impl Iterator<Item = &Server> {
        std::iter::once(self.cluster.primary()).chain(self.cluster.replicas())
    }

    /// Has the servers show this certificate to whoever comes from now on.
    pub(crate) async fn show(&self, issued: &Issued) {
        for server in self.all() {
            server.put("server.crt", &issued.certificate).unwrap();
            server.put("server.key", &issued.key).unwrap();
            set(server, "ssl", "on").await;
        }
    }

    /// Has the primary offer no TLS any more.
    pub(crate) async fn offer_none(&self) {
        set(self.cluster.primary(), "ssl", "off").await;
    }

    /// A connection of the superuser's to the primary, in the clear.
    pub(crate) async fn sql(&self) -> Session {
        testutil::connect(&self.cluster.primary().dsn()).await.unwrap()
    }

    /// How `app` connects to a port of this machine; `more` names the host.
    pub(crate) fn app(&self, port: u16, more: &str) -> String {
        format!("user=app password=geheim dbname=postgres port={port} {more}")
    }

    /// Trusts whoever signed the servers' certificate.
    pub(crate) fn tls(&self) -> Tls {
        Tls::trusting(self.roots()).unwrap()
    }

    /// The file that says whom to trust.
    pub(crate) fn roots(&self) -> PathBuf {
        self.file("root.crt", &self.authority.pem())
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// What the primary has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.cluster.primary().log()).unwrap()
    }
}

/// Takes effect for connections that are made after this: the postmaster looks at its signals before it takes one.
async fn set(server: &Server, name: &str, value: &str) {
    let sql = testutil::connect(&server.dsn()).await.unwrap();
    sql.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).await.unwrap();
    sql.batch_execute("SELECT pg_reload_conf()").await.unwrap();
}
