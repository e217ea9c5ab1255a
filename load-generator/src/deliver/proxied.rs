//! A server behind a proxy, which counts what goes through it.

use std::net::Ipv4Addr;

use eventstore::hosts::endpoints;
use testutil::proxy::Proxy;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::connection;
use crate::error::RunError;

/// Where PostgreSQL listens unless it is told.
const PORT: u16 = 5432;

/// A proxy before a server. Its connection string has the user, the database and whatever else the server's own says.
pub(super) async fn proxy(dsn: &str) -> Result<Proxy, RunError> {
    if connection::is_secure() {
        return Err(RunError::new(
            "what is counted on the way to the servers can not be seen through TLS; leave --tls-roots away, with servers of this machine",
        ));
    }
    // The driver's message may quote a piece of a password.
    let config: Config = dsn
        .parse()
        .map_err(|_: tokio_postgres::Error| RunError::new("a connection string does not parse"))?;
    Proxy::before(&in_the_clear(&config)?).await.map_err(RunError::io("starting a proxy"))
}

/// The same server, as a proxy can take its place: by address and port, which come first, and without TLS.
fn in_the_clear(config: &Config) -> Result<String, RunError> {
    let is_here = match (config.get_hosts(), config.get_hostaddrs()) {
        // The address is what is connected to.
        ([_] | [], [address]) => *address == Ipv4Addr::LOCALHOST,
        ([Host::Tcp(name)], []) => name == "127.0.0.1" || name == "localhost",
        _ => false,
    };
    if !is_here {
        let found = match config.get_hostaddrs() {
            [] => endpoints(config),
            addresses => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        };
        return Err(RunError::new(format!(
            "statements are counted by a proxy on this machine: expected one server at 127.0.0.1 or localhost, found {found}"
        )));
    }
    let password = config.get_password().map(String::from_utf8_lossy);
    let others = [
        ("user", config.get_user()),
        ("password", password.as_deref()),
        ("dbname", config.get_dbname()),
        ("options", config.get_options()),
        ("application_name", config.get_application_name()),
    ];
    let port = config.get_ports().first().copied().unwrap_or(PORT);
    let mut dsn = format!("host=127.0.0.1 port={port} sslmode=disable");
    for (name, value) in others {
        if let Some(value) = value {
            dsn += &format!(" {name}='{}'", value.replace('\\', r"\\").replace('\'', r"\'"));
        }
    }
    Ok(dsn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(dsn: &str) -> Config {
        dsn.parse().unwrap()
    }

    #[test]
    fn all_but_the_way_there_stays() {
        for dsn in [
            r"host=localhost port=5433 user=app dbname=library password='it\'s port=5433 \\' options='-c jit=off' application_name=a",
            "postgresql://app:it%27s%20port%3D5433%20%5C@localhost:5433/library?options=-c%20jit%3Doff&application_name=a",
        ] {
            let clear = in_the_clear(&parsed(dsn)).unwrap();
            assert!(clear.starts_with("host=127.0.0.1 port=5433 "), "{clear}");
            let (own, given) = (parsed(&clear), parsed(dsn));
            assert_eq!((own.get_user(), own.get_dbname()), (Some("app"), Some("library")));
            assert_eq!(own.get_password(), Some(&br"it's port=5433 \"[..]));
            assert_eq!(own.get_options(), given.get_options());
            assert_eq!(own.get_application_name(), given.get_application_name());
        }
    }

    #[test]
    fn servers_that_the_proxy_can_not_reach_are_refused() {
        for (dsn, found) in [
            ("host=db.example user=app password=secret", "db.example:5432"),
            ("host=127.0.0.1,127.0.0.1 port=1,2 user=app", "127.0.0.1:1,127.0.0.1:2"),
            ("host=/run/postgresql user=app", "/run/postgresql:5432"),
            ("host=::1 user=app", "::1:5432"),
            ("host=localhost hostaddr=10.0.0.1 user=app", "10.0.0.1"),
        ] {
            let refused = in_the_clear(&parsed(dsn)).unwrap_err().to_string();
            assert!(refused.ends_with(&format!("found {found}")), "{refused}");
        }
        let unnamed = in_the_clear(&parsed("host=127.0.0.1 user=app")).unwrap();
        assert_eq!(unnamed, "host=127.0.0.1 port=5432 sslmode=disable user='app'");
    }
}
