//! Putting a store together.

use std::sync::Arc;

use futures_util::future::join_all;
use prometheus::Registry;
use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::append::{Bulk, Line, Writer};
use crate::deadline;
use crate::error::Error;
use crate::filter::Path;
use crate::host::{self, Host};
use crate::keys::WantedPaths;
use crate::known_history::KnownHistory;
use crate::migration::ServerState;
use crate::notifier::{Announcer, Channel, Tip};
use crate::pool::{Connector, Dsn, Metered, Pool, PoolBackend, TlsConnector};
use crate::query::Reader;
use crate::routing::{Replica, Servers, Watch, Watchtower};
use crate::schema::SchemaName;
use crate::settings::Settings;
use crate::sql::Statements;
use crate::store::{EventStore, Inner};
use crate::subscription::Heart;
use crate::tail::Tails;
use crate::telemetry::{HeadClock, Metrics};

/// Describes an [`EventStore`]: only a primary is required.
#[derive(Clone, Default)]
pub struct EventStoreBuilder {
    primary: Option<String>,
    replicas: Vec<String>,
    schema: Option<String>,
    index: Option<IndexDraft>,
    settings: Settings,
    tls: Option<TlsConnector>,
    backend: PoolBackend,
    registry: Option<Registry>,
    listen: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct IndexDraft {
    top_level: bool,
    paths: Vec<String>,
}

impl EventStoreBuilder {
    /// Sets the connection string of the primary: `host=… user=… dbname=…`, or `postgresql://…`.
    #[must_use]
    pub fn primary(mut self, connection_string: impl Into<String>) -> Self {
        self.primary = Some(connection_string.into());
        self
    }

    /// Adds a replica. Any number; none is fine. Each is one server: behind a name that leads to several, one that fell silent is not
    /// told from the others. Name servers that may become replicas too, the primary among them: one that is a primary
    /// is passed over.
    #[must_use]
    pub fn replica(mut self, connection_string: impl Into<String>) -> Self {
        self.replicas.push(connection_string.into());
        self
    }

    /// Sets where to listen for new events, if not at the primary's connection string: past a pooler that lends sessions for a transaction
    /// at a time, which a session that listens can not use. It must lead to the primary: `LISTEN` does not work on a standby.
    #[must_use]
    pub fn listen(mut self, connection_string: impl Into<String>) -> Self {
        self.listen = Some(connection_string.into());
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
    /// [`migrate`](EventStore::migrate) stores them when it creates it, and refuses a log without them later, to which
    /// [`index_path`](EventStore::index_path) adds them.
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

    /// Connects through TLS: with `Tls` of the feature `rustls`, or any other connector of `tokio-postgres`, which then says how certificates are
    /// verified. Every connection to every server uses it, that which listens and those that cancel statements too. A server that offers no TLS is refused,
    /// unless its connection string says `sslmode=disable` or names a Unix socket. Without a connector, only servers on this
    /// machine are connected to, or those whose connection string says `sslmode=disable`.
    ///
    /// SCRAM authentication is bound to the TLS channel where server and connector can do so; `channel_binding=require` in a connection
    /// string refuses what is not.
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

    /// Chooses the library that keeps the connections; [`PoolBackend::Deadpool`] unless said.
    #[must_use]
    pub fn pool_backend(mut self, backend: PoolBackend) -> Self {
        self.backend = backend;
        self
    }

    /// Registers the store's metrics: durations and outcomes of appends and queries, batch sizes, queue depth, waits for
    /// connections, lag of replicas, all under `eventstore_…` and with the schema as a label. They stay until the last
    /// clone of the store is dropped.
    #[must_use]
    pub fn metrics(mut self, registry: &Registry) -> Self {
        self.registry = Some(registry.clone());
        self
    }

    /// Connects, and finds out which host is what. A replica that can not be reached, or is a primary at the moment,
    /// is left out of rotation with a warning and tried again later.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a connection string, schema name, path or setting that is not valid,
    /// a server that refuses the user, whose certificate is not good or which offers no TLS, or a schema made by a newer library that this one does not work with;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if no host is reachable and writable.
    ///
    /// # Cancellation
    /// Safe: connections that were opened are closed, and tasks and metrics begin only when all servers have been asked.
    ///
    /// # Panics
    /// Outside a Tokio runtime: the store has tasks of its own.
    pub async fn connect(self) -> Result<EventStore, Error> {
        let schema = SchemaName::new(self.schema.as_deref().unwrap_or("eventstore"))?;
        let wanted_paths = self.index.as_ref().map(IndexDraft::check).transpose()?;
        self.settings.check()?;
        let primary = self.primary.as_deref().ok_or_else(|| {
            Error::invalid("store has no primary; EventStoreBuilder::primary takes its connection string")
        })?;
        let mut connectors = vec![self.connector(primary, "primary")?];
        for replica in &self.replicas {
            connectors.push(self.connector(replica, "replica")?);
        }
        let listen_at = self.listen.as_ref().map(|listen| self.connector(listen, "listener")).transpose()?;
        let metrics = Arc::new(Metrics::new(&schema)?);
        let hosts = connectors.into_iter().map(|connector| self.probe(connector, &schema, &metrics));
        let hosts = join_all(hosts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.assemble(hosts, listen_at, schema, wanted_paths, metrics)
    }

    fn connector(&self, connection_string: &str, role: &str) -> Result<Connector, Error> {
        let dsn = Dsn::parse(connection_string, role, self.settings.connect_timeout)?;
        let owns_session = self.settings.prepared_statements;
        match &self.tls {
            Some(tls) => Ok(Connector::new(dsn.require_tls()?, tls, owns_session)),
            None => {
                dsn.check_without_tls().map(|()| Connector::new(dsn, &TlsConnector::none(), owns_session))
            }
        }
    }

    async fn probe(
        &self,
        connector: Connector,
        schema: &SchemaName,
        metrics: &Metrics,
    ) -> Result<Host, Error> {
        let pool = self.backend.pool(connector.clone(), self.settings.pool_size, &self.settings)?;
        let wait = metrics.pool_wait(connector.server());
        let pool: Arc<dyn Pool> = Arc::new(Metered::new(pool, wait));
        // Once for connecting, once for answering.
        let deadline = deadline::after(connector.patience().saturating_add(self.settings.connect_timeout));
        let state = ServerState::ask(&pool, schema, deadline).await;
        if let Ok(state) = &state {
            state.check_version(schema)?;
        }
        Ok(Host { connector, pool, state })
    }

    fn assemble(
        self,
        mut hosts: Vec<Host>,
        listen_at: Option<Connector>,
        schema: SchemaName,
        wanted_paths: Option<WantedPaths>,
        metrics: Arc<Metrics>,
    ) -> Result<EventStore, Error> {
        let is_primary = |host: &Host| host.state.as_ref().is_ok_and(|state| !state.standby);
        let Some(writable) = hosts.iter().position(is_primary) else {
            return Err(host::none_is_writable(&hosts));
        };
        let primary = hosts.remove(writable);
        if writable > 0 {
            warn!(
                server = primary.connector.server(),
                "a host given as replica is the primary at the moment"
            );
        }
        // Behind a pooler that lends sessions for a transaction nothing would be heard.
        let listen_at =
            listen_at.or_else(|| self.settings.prepared_statements.then(|| primary.connector.clone()));
        let log = primary.state.as_ref().ok().and_then(|state| state.log);
        let statements = Arc::new(Statements::new(&schema));
        let replicas = hosts.iter().map(|host| {
            let replica = Replica::new(Arc::clone(&host.pool), metrics.replica(host.connector.server()));
            host.is_no_replica(log).inspect(|why| replica.is_unfit(why));
            replica
        });
        let heads = Arc::new(HeadClock::default());
        let known = Arc::new(KnownHistory::new(Arc::clone(&metrics)));
        let servers = Servers::new(
            Arc::clone(&primary.pool),
            replicas.collect(),
            log,
            Arc::clone(&heads),
            Arc::clone(&known),
        );
        let servers = Arc::new(servers);
        let (tip, channel) = (Arc::new(Tip::default()), Channel::of(&schema));
        let reader = Arc::new(Reader::new(Arc::clone(&servers), Arc::clone(&statements), &self.settings));
        let announcer = Announcer::spawn(Arc::clone(&primary.pool), channel.clone(), Arc::clone(&tip));
        let announcer = Arc::new(announcer);
        let tails = Tails::new(
            Arc::clone(&reader),
            Arc::clone(&known),
            Arc::clone(&tip),
            self.settings.clone(),
            !servers.replicas().is_empty(),
            listen_at.map(|connector| (connector, channel)),
        );
        // Connections of their own: reads that have taken every other one do not make subscriptions count as dead, nor keep the watch
        // from looking.
        let for_heart = self.backend.pool(primary.connector.clone(), 1, &self.settings)?;
        let heart = Heart::spawn(for_heart, &schema, &self.settings);
        let tower = |connector: &Connector| {
            let pool = self.backend.pool(connector.clone(), 1, &self.settings)?;
            Ok::<_, Error>(Watchtower { pool, connects_within: connector.patience() })
        };
        let of_replicas = hosts.iter().map(|host| tower(&host.connector)).collect::<Result<_, _>>()?;
        let of_primary = tower(&primary.connector)?;
        let unconfirmed = Arc::clone(primary.connector.unconfirmed_commits());
        // The writer's connection is its own: readers that have taken every other one can not hold up appends.
        let for_writer = self.backend.pool(primary.connector, 1, &self.settings)?;
        let for_writer: Arc<dyn Pool> = Arc::new(Metered::new(for_writer, metrics.pool_wait("writer")));
        // Last: a handle that did not come to be leaves nothing in it.
        let registration =
            self.registry.as_ref().map(|registry| metrics.register(registry, &schema)).transpose()?;
        let settings = self.settings.clone();
        let bulk = Bulk::new(
            Line { pool: Arc::clone(&primary.pool), unconfirmed_commits: Arc::clone(&unconfirmed) },
            Arc::clone(&statements),
            settings.clone(),
            Arc::clone(&metrics),
            Arc::clone(&heads),
            Arc::clone(&known),
            Arc::clone(&announcer),
        );
        Ok(EventStore::new(Inner {
            schema,
            bulk: Arc::new(bulk),
            wanted_paths,
            watch: Watch::start(&servers, statements.watch.clone(), &settings, of_primary, of_replicas),
            reader,
            tails,
            tip,
            heart,
            members: TaskTracker::new(),
            writer: Writer::spawn(
                Line { pool: for_writer, unconfirmed_commits: unconfirmed },
                statements,
                settings,
                Arc::clone(&metrics),
                Arc::clone(&known),
                Arc::clone(&announcer),
            ),
            announcer,
            known,
            servers,
            settings: self.settings,
            metrics,
            heads,
            _registration: registration,
        }))
    }
}

impl IndexDraft {
    fn check(&self) -> Result<WantedPaths, Error> {
        let paths = self.paths.iter().map(|path| Path::parse(path)).collect::<Result<_, _>>()?;
        Ok(WantedPaths { top_level: self.top_level, paths })
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
