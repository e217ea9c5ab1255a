//! One server, asked at each scrape.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use humantime::format_duration;
use testutil::Session;
use tokio::time::timeout_at;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::connection::with_causes;
use crate::exporter::catalogue::SERVER;
use crate::exporter::log::LOG;
use crate::exporter::outage::Outage;
use crate::exporter::place::Place;
use crate::exporter::query::{Asks, Query};
use crate::observe::Link;

/// A right that is missing is seldom given from one scrape to the next, and each refusal is a line in the server's log.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The share of the time for an answer that one statement may take: they go one after the other over one connection, and a few that
/// are slow must leave time for the others.
const STATEMENT_SHARE: u32 = 4;
/// Who holds a table for longer keeps its figures back, and no others.
const LONGEST_WAIT_FOR_A_LOCK: Duration = Duration::from_millis(100);

/// The connection to a server, and what it has refused.
pub(super) struct Server {
    link: Link,
    outage: Outage,
    schema: String,
    /// By statement.
    refused: HashMap<&'static str, Instant>,
}

/// What a server said.
pub(super) struct Answer {
    pub(super) place: Place,
    pub(super) rows: Vec<(&'static Query, Vec<Row>)>,
    /// Statements that were refused, or took too long.
    pub(super) failed: usize,
}

/// Why a statement has no rows.
enum Missing {
    /// The role may not.
    Right,
    /// The log is not there yet, the server has it otherwise, or the statement took too long by itself.
    Other,
    /// In time.
    Answer,
}

impl Server {
    pub(super) fn new(name: String, dsn: &str, schema: &str) -> Self {
        Self {
            link: Link::new(name, dsn),
            outage: Outage::default(),
            schema: schema.to_owned(),
            refused: HashMap::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.link.name()
    }

    /// `None` if it does not answer at all in time.
    pub(super) async fn ask(&mut self, within: Duration) -> Option<Answer> {
        let deadline = tokio::time::Instant::now() + within;
        let asking = async {
            let session = self.link.open().await?;
            let found = begin(session, within).await?;
            Ok::<_, Error>((session, found))
        };
        let (session, (place, version)) = match timeout_at(deadline, asking).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                self.is_away(with_causes(&error));
                return None;
            }
            Err(_) => {
                self.is_away(format!("no answer within {}", format_duration(within)));
                return None;
            }
        };
        let now = Instant::now();
        self.refused.retain(|_, at| now.duration_since(*at) < ASKED_AGAIN_AFTER);
        let queries = SERVER.iter().chain(LOG).filter(|query| query.is_for(version));
        // One after the other on the wire, without waiting in between.
        let asked = queries.clone().filter(|query| !self.refused.contains_key(query.statement));
        let schema = &self.schema;
        let answers = join_all(asked.map(|query| async move {
            let rows = timeout_at(deadline, rows(session, query, schema)).await;
            (query, rows.unwrap_or(Err(Missing::Answer)))
        }))
        .await;

        let mut answer = Answer { place, rows: Vec::new(), failed: self.refused.len() };
        let mut is_silent = false;
        for (query, rows) in answers {
            match rows {
                Ok(rows) => answer.rows.push((query, rows)),
                Err(missing) => {
                    answer.failed += 1;
                    match missing {
                        Missing::Right => drop(self.refused.insert(query.statement, now)),
                        Missing::Answer => is_silent = true,
                        Missing::Other => {}
                    }
                }
            }
        }
        if is_silent {
            self.link.lose();
        }
        self.outage.is_over(self.link.name());
        Some(answer)
    }

    fn is_away(&mut self, reason: String) {
        self.link.lose();
        self.outage.goes_on(self.link.name(), reason);
    }
}

/// Where the server is, and its version.
async fn begin(session: &Session, within: Duration) -> Result<(Place, i32), Error> {
    let statement = within / STATEMENT_SHARE;
    let lock = LONGEST_WAIT_FOR_A_LOCK.min(statement / 2);
    let [statement, lock] = [statement, lock].map(|limit| limit.as_millis().max(1).to_string());
    let limits: [(&(dyn ToSql + Sync), Type); 2] = [(&statement, Type::TEXT), (&lock, Type::TEXT)];
    let (_, row) = tokio::try_join!(
        session.query_typed(include_str!("sql/session.sql"), &limits),
        session.query_typed_one(include_str!("sql/place.sql"), &[]),
    )?;
    let wal_position = row.try_get::<_, Option<f64>>("wal_position")?.unwrap_or_default();
    Ok((Place { in_recovery: row.try_get("in_recovery")?, wal_position }, row.try_get("version")?))
}

async fn rows(session: &Session, query: &Query, schema: &str) -> Result<Vec<Row>, Missing> {
    let parameter: [(&(dyn ToSql + Sync), Type); 1] = [(&schema, Type::TEXT)];
    let rows = match query.asks {
        Asks::Server => session.query_typed(query.statement, &[]).await,
        Asks::Schema => session.query_typed(query.statement, &parameter).await,
        Asks::Log => {
            let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
            session.query_typed(&query.statement.replace("{schema}", &quoted), &[]).await
        }
    };
    rows.map_err(|error| {
        tracing::debug!(%error, "figures that the server does not give");
        match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Missing::Right,
            Some(_) => Missing::Other,
            None => Missing::Answer,
        }
    })
}
