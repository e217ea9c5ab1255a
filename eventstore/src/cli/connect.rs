//! A connection of the program's own to one server, beside those of the store: for what concerns servers and not a log.

use std::time::Duration;

use eventstore::Tls;
use eventstore::hosts::{each_host, endpoints, is_local};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

/// How long a server may take to accept a connection, unless its connection string says otherwise.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to answer a statement: a stopped one says nothing.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A connection. It closes when it is dropped.
pub(crate) struct Session {
    client: Client,
    /// Host and port.
    pub(crate) endpoint: String,
    /// Whether the server is on this machine.
    pub(crate) is_local: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// The server refuses: a right that is missing, or something its version does not have.
    Refused(String),
    /// The connection is lost.
    Lost(String),
}

/// Host and port of a connection string, for messages; no password, and nothing where it does not parse.
pub(crate) fn endpoint(dsn: &str) -> String {
    dsn.parse()
        .map_or_else(|_| "(a connection string that does not parse)".to_owned(), |config| endpoints(&config))
}

/// Opens a connection to the first host that takes it, through TLS where that is at hand.
///
/// # Errors
/// In words, without a password.
pub(crate) async fn connect(dsn: &str, tls: Option<&Tls>) -> Result<Session, String> {
    // The driver's message may quote a piece of a password.
    let mut config: Config = dsn.parse().map_err(|_| {
        "the connection string does not parse (not shown, as it may hold a password); expected \"host=… port=… user=… \
         password=… dbname=…\""
            .to_owned()
    })?;
    let (endpoint, is_local) = (endpoints(&config), is_local(&config));
    match (tls, config.get_ssl_mode()) {
        // A server that offers none is refused, unless its connection string says otherwise: as the store does.
        (Some(_), SslMode::Prefer) => drop(config.ssl_mode(SslMode::Require)),
        (None, mode) if mode == SslMode::Require || mode == SslMode::Prefer && !is_local => {
            return Err(
                "it needs TLS (--tls-roots); sslmode=disable in its connection string sends everything in the clear"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if config.get_application_name().is_none() {
        config.application_name("eventstore doctor");
    }
    let within = *config.get_connect_timeout().unwrap_or(&CONNECT_WITHIN);
    config.connect_timeout(within);
    let mut refused = String::new();
    // Each has its time: one that takes connections and says nothing keeps nobody from the next.
    for host in each_host(&config) {
        match timeout(within, open(&host, tls)).await {
            Ok(Ok(client)) => return Ok(Session { client, endpoint, is_local }),
            Ok(Err(error)) => refused = told(&error),
            Err(_) => refused = format!("no connection within {within:?}"),
        }
    }
    Err(refused)
}

async fn open(host: &Config, tls: Option<&Tls>) -> Result<Client, tokio_postgres::Error> {
    match tls {
        Some(tls) => {
            let (client, connection) = host.connect(tls.clone()).await?;
            tokio::spawn(connection);
            Ok(client)
        }
        None => {
            let (client, connection) = host.connect(NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

impl Session {
    /// All rows of a statement, sent in one round trip; nothing is left prepared on the server.
    pub(crate) async fn rows(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Silence> {
        match timeout(ANSWER_WITHIN, self.client.query_typed(statement, parameters)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) if error.code().is_some() && !self.client.is_closed() => {
                Err(Silence::Refused(told(&error)))
            }
            Ok(Err(error)) => Err(Silence::Lost(told(&error))),
            Err(_) => Err(Silence::Lost(format!("no answer within {ANSWER_WITHIN:?}"))),
        }
    }
}

/// The server's message, without details, where values may stand; else the cause.
fn told(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    match error.as_db_error() {
        Some(db) => db.message().to_owned(),
        None => cause.unwrap_or_else(|| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_machines_are_not_spoken_to_in_the_clear_and_passwords_stay() {
        for dsn in [
            "host=db.example user=u password=geheim",
            "host=localhost user=u sslmode=require",
            "host=x geheim=1",
        ] {
            let refused = connect(dsn, None).await.err().unwrap();
            assert!(!refused.contains("geheim"), "{refused}");
        }
        assert_eq!(endpoint("host=a,b port=1,2 user=u password=geheim"), "a:1,b:2");
        assert_eq!(endpoint("hostaddr=192.0.2.1 port=7 user=u password=geheim"), "192.0.2.1:7");
    }
}
