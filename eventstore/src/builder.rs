//! Putting a store together.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tracing::warn;

use crate::append::Writer;
use crate::error::{Error, ErrorKind};
use crate::filter::Path;
use crate::migration::{self, IndexedPaths};
use crate::pool::{Connector, DeadPool, Dsn, Pool, TlsConnector};
use crate::query::Reader;
use crate::routing::Servers;
use crate::schema::SchemaName;
use crate::settings::Settings;
use crate::sql::Statements;
use crate::store::{EventStore, Inner};

/// Describes an [`EventStore`]: only a primary is required.
#[derive(Clone, Default)]
pub struct EventStoreBuilder {
    primary: Option<String>,
    replicas: Vec<String>,
    schema: Option<String>,
    index: Option<IndexDraft>,
    settings: Settings,
    tls: Option<TlsConnector>,
}

#[derive(Debug, Clone, Default)]
struct IndexDraft {
    top_level: bool,
    paths: Vec<String>,
}

/// A server as it was found when the store connected.
struct Host {
    connector: Connector,
    pool: Arc<dyn Pool>,
    role: Result<Role, Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Primary,
    Standby,
}

impl EventStoreBuilder {
    /// Sets the connection string of the primary: `host=… user=… dbname=…`, or `postgresql://…`.
    #[must_use]
    pub fn primary(mut self, connection_string: impl Into<String>) -> Self {
        self.primary = Some(connection_string.into());
        self
    }

    /// Adds a replica. Any number; none is fine.
    #[must_use]
    pub fn replica(mut self, connection_string: impl Into<String>) -> Self {
        self.replicas.push(connection_string.into());
        self
    }

    /// Sets the PostgreSQL schema that holds the log; `eventstore` unless said. One schema is one log.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// Gives a new log keys for these payload paths only, instead of all top-level strings, integers and booleans.
    /// Each key takes about 80 bytes and 5 us an event, so that a busy log declares the few paths that identify
    /// things. Event types always have keys. The paths belong to the log:
    /// [`migrate`](EventStore::migrate) stores them when it creates it, and refuses others later.
    #[must_use]
    pub fn index_only<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.index =
            Some(IndexDraft { top_level: false, paths: paths.into_iter().map(Into::into).collect() });
        self
    }

    /// Gives a new log keys for these payload paths (`customer.id`) besides all top-level strings, integers and
    /// booleans. See [`index_only`](Self::index_only).
    #[must_use]
    pub fn index_also<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.index = Some(IndexDraft { top_level: true, paths: paths.into_iter().map(Into::into).collect() });
        self
    }

    /// Sets limits and deadlines.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Connects through TLS, with a connector of `tokio-postgres`: such as that of `tokio-postgres-rustls`. Without
    /// one, only servers on this machine are connected to, or those whose connection string says `sslmode=disable`.
    #[must_use]
    pub fn tls<T>(mut self, connector: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        self.tls = Some(TlsConnector::new(connector));
        self
    }

    /// Connects, and finds out which host is what. A replica that can not be reached, or is a primary at the moment,
    /// is left out of rotation with a warning and tried again later.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a connection string, schema name, path or setting that is not valid,
    /// a server that refuses the user, or a schema made by a newer library that this one does not work with;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if no host is reachable and writable.
    ///
    /// # Panics
    /// Outside a Tokio runtime: the store has tasks of its own.
    pub async fn connect(self) -> Result<EventStore, Error> {
        let schema = SchemaName::new(self.schema.as_deref().unwrap_or("eventstore"))?;
        let index = self.index.as_ref().map(IndexDraft::check).transpose()?;
        self.settings.check()?;
        let primary = self.primary.as_deref().ok_or_else(|| {
            Error::invalid("store has no primary; EventStoreBuilder::primary takes its connection string")
        })?;
        let mut connectors = vec![self.connector(primary, "primary")?];
        for replica in &self.replicas {
            connectors.push(self.connector(replica, "replica")?);
        }
        let hosts = connectors.into_iter().map(|connector| Host::probe(connector, &schema, &self.settings));
        let hosts = join_all(hosts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.assemble(hosts, schema, index)
    }

    fn connector(&self, connection_string: &str, role: &str) -> Result<Connector, Error> {
        let dsn = Dsn::parse(connection_string, role, self.settings.connect_timeout)?;
        match &self.tls {
            Some(tls) => Ok(Connector::new(dsn.require_tls(), tls)),
            None => dsn.check_without_tls().map(|()| Connector::new(dsn, &TlsConnector::none())),
        }
    }

    fn assemble(
        self,
        mut hosts: Vec<Host>,
        schema: SchemaName,
        index: Option<IndexedPaths>,
    ) -> Result<EventStore, Error> {
        let Some(writable) = hosts.iter().position(|host| matches!(host.role, Ok(Role::Primary))) else {
            return Err(match hosts.swap_remove(0).role {
                Err(error) => error,
                Ok(_) => Error::unavailable("no host is writable at the moment: each of them is a standby"),
            });
        };
        let primary = hosts.remove(writable);
        if writable > 0 {
            warn!(
                server = primary.connector.server(),
                "a host given as replica is the primary at the moment"
            );
        }
        let statements = Arc::new(Statements::new(&schema));
        let pools = hosts.iter().map(|host| Arc::clone(&host.pool)).collect();
        let servers = Arc::new(Servers::new(primary.pool, pools, self.settings.replica_retry_after));
        for (host, replica) in hosts.iter().zip(servers.replicas()) {
            host.warn_unless_standby();
            if !matches!(host.role, Ok(Role::Standby)) {
                replica.rest();
            }
        }
        let unconfirmed = Arc::clone(primary.connector.unconfirmed_commits());
        // The writer's connection is its own: readers that have taken every other one can not hold up appends.
        let for_writer: Arc<dyn Pool> = Arc::new(DeadPool::new(primary.connector, 1, &self.settings)?);
        Ok(EventStore::new(Inner {
            schema,
            index,
            reader: Reader::new(Arc::clone(&servers), Arc::clone(&statements)),
            writer: Writer::spawn(for_writer, unconfirmed, statements, self.settings.clone()),
            servers,
            settings: self.settings,
        }))
    }
}

impl Host {
    async fn probe(connector: Connector, schema: &SchemaName, settings: &Settings) -> Result<Self, Error> {
        let pool: Arc<dyn Pool> = Arc::new(DeadPool::new(connector.clone(), settings.pool_size, settings)?);
        // Twice: once for connecting, once for answering.
        let state = timeout(settings.connect_timeout * 2, migration::server_state(&pool, schema)).await;
        let role = match state {
            Ok(Ok(state)) => {
                state.check_version(schema)?;
                Ok(if state.standby { Role::Standby } else { Role::Primary })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                Err(Error::timeout(ErrorKind::Unavailable, format!("{} does not answer", connector.server())))
            }
        };
        Ok(Self { connector, pool, role })
    }

    fn warn_unless_standby(&self) {
        let server = self.connector.server();
        match &self.role {
            Ok(Role::Standby) => {}
            Ok(Role::Primary) => warn!(server, "replica left out of rotation: it is a primary at the moment"),
            Err(error) => warn!(server, %error, "replica left out of rotation: it can not be reached"),
        }
    }
}

impl IndexDraft {
    fn check(&self) -> Result<IndexedPaths, Error> {
        let paths = self.paths.iter().map(|path| Path::parse(path)).collect::<Result<_, _>>()?;
        Ok(IndexedPaths { top_level: self.top_level, paths })
    }
}

impl std::fmt::Debug for EventStoreBuilder {
    /// Without connection strings: they may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStoreBuilder")
            .field("replicas", &self.replicas.len())
            .field("schema", &self.schema)
            .field("index", &self.index)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
