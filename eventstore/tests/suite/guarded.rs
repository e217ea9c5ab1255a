//! A database of its own with a log in it, where each role may do what it needs and nothing else.

use eventstore::{EventStore, EventStoreBuilder, Privilege};
use testutil::TestSchema;
use tokio_postgres::Client;

use crate::fixture;
use crate::projections::settings;

/// The schema of its log.
pub(crate) const LOG: &str = "library";

/// A database on the shared servers, set up by `guarded.sql`. To be ended: roles are the server's.
pub(crate) struct Guarded {
    servers: TestSchema,
    name: String,
}

impl Guarded {
    /// A database with roles and without a log.
    pub(crate) async fn empty() -> Self {
        let servers = TestSchema::new();
        let name = servers.name().to_owned();
        let guarded = Self { servers, name };
        let server = guarded.server().await;
        server.batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0", guarded.name)).await.unwrap();
        let set_up = include_str!("guarded.sql").replace("{name}", &guarded.name);
        let set_up = set_up.replace("{password}", &guarded.password());
        guarded.superuser().await.batch_execute(&set_up).await.unwrap();
        guarded
    }

    /// With a log that its owner has made, and each role's privilege on it.
    pub(crate) async fn new() -> Self {
        let guarded = Self::empty().await;
        let owner = guarded.store("admin").await;
        owner.migrate().await.unwrap();
        for privilege in Privilege::ALL {
            owner.grant(privilege, &guarded.role(privilege.as_str())).await.unwrap();
        }
        owner.close().await.unwrap();
        guarded
    }

    /// Where servers ask for passwords, all roles have the test's own.
    fn password(&self) -> String {
        let config: tokio_postgres::Config = self.servers.primary().parse().unwrap();
        config.get_password().map_or_else(String::new, |password| {
            format!("PASSWORD '{}'", String::from_utf8_lossy(password).replace('\'', "''"))
        })
    }

    pub(crate) fn role(&self, which: &str) -> String {
        format!("{}_{which}", self.name)
    }

    pub(crate) fn database(&self) -> &str {
        &self.name
    }

    fn dsn(&self, server: &str, role: &str) -> String {
        format!("{server} dbname={} user={role}", self.name)
    }

    /// A store of a role's, with the replica.
    pub(crate) fn builder(&self, which: &str) -> EventStoreBuilder {
        let role = self.role(which);
        fixture::store()
            .settings(settings())
            .primary(self.dsn(self.servers.primary(), &role))
            .replica(self.dsn(self.servers.replica(), &role))
            .schema(LOG)
    }

    pub(crate) async fn store(&self, which: &str) -> EventStore {
        self.builder(which).connect().await.unwrap()
    }

    /// A plain connection of a role's, which finds the log's tables by their names.
    pub(crate) async fn sql(&self, which: &str) -> Client {
        let client = testutil::connect(&self.dsn(self.servers.primary(), &self.role(which))).await.unwrap();
        client.batch_execute(&format!("SET search_path = {LOG}")).await.unwrap();
        client
    }

    /// A plain connection of the test's own user.
    pub(crate) async fn superuser(&self) -> Client {
        testutil::connect(&format!("{} dbname={}", self.servers.primary(), self.name)).await.unwrap()
    }

    pub(crate) async fn replayed(&self) {
        testutil::replayed(self.servers.primary(), self.servers.replica()).await.unwrap();
    }

    async fn server(&self) -> Client {
        testutil::connect(self.servers.primary()).await.unwrap()
    }

    pub(crate) async fn end(self) {
        let server = self.server().await;
        server.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await.unwrap();
        for which in ["admin", "owner", "writer", "importer", "reader", "projector"] {
            server.batch_execute(&format!("DROP ROLE {}", self.role(which))).await.unwrap();
        }
    }
}

/// The SQLSTATE with which a statement is refused.
pub(crate) async fn refusal(client: &Client, statement: &str) -> String {
    let error = client.batch_execute(statement).await.expect_err(statement);
    error.as_db_error().expect(statement).code().code().to_owned()
}
