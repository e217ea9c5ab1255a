//! The lines to the servers: a proxy before each, whichever role it has at the moment.

use eventstore::EventStoreBuilder;
use testutil::proxy::Proxy;
use testutil::{Cluster, Server};

use crate::error::RunError;

pub(super) struct Network {
    /// By the ports of their servers.
    proxies: Vec<(u16, Proxy)>,
    /// How clients reach the primary.
    pub(super) primary: String,
    /// How clients reach what may be a replica.
    pub(super) replicas: Vec<String>,
}

impl Network {
    /// Proxies before all servers of a cluster, and how clients name them: a primary that stays, or all servers, of which any
    /// may be the primary.
    pub(super) async fn start(cluster: &Cluster, may_fail_over: bool) -> Result<Self, RunError> {
        let mut proxies = Vec::new();
        for server in std::iter::once(cluster.primary()).chain(cluster.replicas()) {
            let proxy = Proxy::start(server.port()).await.map_err(RunError::io("starting a proxy"))?;
            proxies.push((server.port(), proxy));
        }
        let mut replicas: Vec<String> = proxies.iter().map(|(_, proxy)| proxy.dsn()).collect();
        let primary = match may_fail_over {
            true => testutil::whichever_takes_writes(proxies.iter().map(|(_, proxy)| proxy.port())),
            false => replicas.remove(0),
        };
        Ok(Self { proxies, primary, replicas })
    }

    /// The one before a server.
    pub(super) fn before(&self, server: &Server) -> Result<&Proxy, RunError> {
        let found = self.proxies.iter().find(|(port, _)| *port == server.port());
        found.map(|(_, proxy)| proxy).ok_or_else(|| RunError::new("a server without a proxy"))
    }

    pub(super) fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().map(|(_, proxy)| proxy)
    }

    /// Describes a store on these servers.
    pub(super) fn store(&self) -> EventStoreBuilder {
        let builder = eventstore::EventStore::builder().primary(&self.primary);
        self.replicas.iter().fold(builder, EventStoreBuilder::replica)
    }
}
