//! How this process connects to the servers that it was given: through TLS where the command line says so, and never in the clear to
//! another machine unless the connection string does.

use std::path::PathBuf;
use std::sync::OnceLock;

use eventstore::hosts::{each_host, is_local};
use eventstore::{EventStore, EventStoreBuilder, Tls};
use tokio::process::Command;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, NoTls};

/// Said once, before anything is connected to.
static TLS: OnceLock<Secure> = OnceLock::new();

#[derive(Debug)]
struct Secure {
    tls: Tls,
    files: Vec<(&'static str, PathBuf)>,
}

/// Functions and operators are looked for in pg_catalog alone, until somebody names a schema: whoever may create schemas can make one that is named like our
/// role, where PostgreSQL looks too.
const PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// The environment variables that say whom to trust and who this is.
pub(crate) const ROOTS: &str = "EVENTSTORE_TLS_ROOTS";
pub(crate) const CERTIFICATE: &str = "EVENTSTORE_TLS_CERTIFICATE";
pub(crate) const KEY: &str = "EVENTSTORE_TLS_KEY";

/// From now on everything goes through TLS. `files` are what it was made of, for other processes of this run.
pub(crate) fn secure(tls: Tls, files: Vec<(&'static str, PathBuf)>) {
    // A process reads its command line once.
    drop(TLS.set(Secure { tls, files }));
}

/// Whether everything goes through TLS.
pub(crate) fn is_secure() -> bool {
    TLS.get().is_some()
}

/// Has another process of this program connect in the same way. What this one was told for servers that it does not use is not
/// passed on.
pub(crate) fn hand_on(command: &mut Command) {
    for name in [ROOTS, CERTIFICATE, KEY] {
        command.env_remove(name);
    }
    if let Some(secure) = TLS.get() {
        command.envs(secure.files.iter().map(|(name, file)| (name, file)));
    }
}

/// A store to be told of its servers.
pub(crate) fn store() -> EventStoreBuilder {
    let builder = EventStore::builder();
    match TLS.get() {
        Some(secure) => builder.tls(secure.tls.clone()),
        None => builder,
    }
}

/// Refuses a connection string that can not work whatever its server does.
///
/// # Errors
///
/// What is wrong with it. The string is not in it, as it may hold a password.
pub(crate) fn check(dsn: &str) -> Result<(), String> {
    let config: Config = dsn.parse().map_err(|_: Error| {
        "the connection string does not parse (not shown, as it may hold a password); expected \"host=… port=… user=… \
         dbname=…\" or \"postgresql://user@host:port/dbname\"; sslmode is disable, prefer or require"
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err("the connection string names no host".to_owned());
    }
    let needs_tls = match config.get_ssl_mode() {
        SslMode::Disable => false,
        SslMode::Prefer => !is_local(&config),
        _ => true,
    };
    if needs_tls && !is_secure() {
        return Err("the server needs TLS: --tls-roots, or sslmode=disable in its connection string to send everything \
                    in the clear"
            .to_owned());
    }
    Ok(())
}

/// A plain connection, to the first host that takes it. It closes when the client is dropped.
pub(crate) async fn connect(dsn: &str) -> Result<Client, Error> {
    let mut config: Config = dsn.parse()?;
    if config.get_ssl_mode() == SslMode::Prefer && (is_secure() || !is_local(&config)) {
        config.ssl_mode(SslMode::Require);
    }
    let mut hosts = each_host(&config);
    let last = hosts.pop().unwrap_or(config);
    for host in hosts {
        if let Ok(client) = open(&host).await {
            return Ok(client);
        }
    }
    open(&last).await
}

async fn open(host: &Config) -> Result<Client, Error> {
    let client = match TLS.get() {
        Some(secure) => {
            let (client, connection) = host.connect(secure.tls.clone()).await?;
            tokio::spawn(connection);
            client
        }
        None => {
            let (client, connection) = host.connect(NoTls).await?;
            tokio::spawn(connection);
            client
        }
    };
    client.batch_execute(PATH).await?;
    Ok(client)
}

/// Waits until a replica has replayed everything that the primary has written so far.
pub(crate) async fn replayed(primary: &str, replica: &str) -> Result<(), Error> {
    testutil::await_replay(&connect(primary).await?, &connect(replica).await?).await
}

/// An error of the driver's with its causes: alone it does not say why no connection came to be.
pub(crate) fn with_causes(error: &Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}
