//! A database of its own with a log in it, set up as docs/security.md says: each role may do what it needs and nothing else.

use eventstore::{EventStore, EventStoreBuilder, Privilege};
use testutil::TestSchema;
use tokio_postgres::Client;

use crate::fixture;
use crate::projections::settings;

/// The schema of its log.
pub(crate) const LOG: &str = "library";

/// A database on the shared servers. To be ended: roles are the server's.
pub(crate) struct Guarded {
    servers: TestSchema,
    name: String,
}

impl Guarded {
    /// A database with roles and without a log.
    pub(crate) async fn empty() -> Self {
        let servers = TestSchema::new();
        let guarded = Self { name: servers.name().to_owned(), servers };
        let [server_wide, in_database] = guarded.set_up();
        let server = guarded.server().await;
        for statement in server_wide.split_inclusive(";\n") {
            server.batch_execute(statement).await.expect(statement);
        }
        guarded.superuser().await.batch_execute(&in_database).await.unwrap();
        guarded
    }

    /// What docs/security.md says is to be done on the server, and then in the database. Roles are named after the database, as those of a
    /// server are seen by all tests.
    fn set_up(&self) -> [String; 2] {
        let page = include_str!("../../../docs/security.md");
        let blocks: Vec<_> = page.split("```sql\n").skip(1).take(2).collect();
        [0, 1].map(|nth| {
            let statements = blocks[nth].split("```").next().unwrap();
            let of_this = statements.replace("eventstore", &self.name);
            of_this.replace(" LOGIN", &format!(" LOGIN {}", self.password()))
        })
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

    /// Where the primary is, and nothing of the database.
    pub(crate) fn primary(&self) -> &str {
        self.servers.primary()
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
