//! How event stores on PostgreSQL are often written: one statement reads the highest position that matches, and inserts if it
//! is the expected one; JSONB predicates are answered by a GIN index. At READ COMMITTED two such statements at once do not
//! see each other. What is usually done about it is here too: the same statement at SERIALIZABLE, or under a lock; and
//! what is sometimes done wrongly: a lock that the statement itself takes, whose snapshot is then older than the lock.
//! Connections have the settings under which the statement's plans are best.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join4;
use serde_json::Value;
use testutil::checker::{Filter, LogEvent};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client as Session, Row, Statement};

use crate::engine::where_clause::{WhereClause, part_clause};
use crate::engine::{
    After, Append, Appended, Books, Client, Engine, EngineError, Found, Part, Snapshots, newest, session,
    tables,
};
use crate::servers::Servers;

const SETTINGS: &str = "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_bitmapscan = on";
const LOCK: &str = "SELECT pg_advisory_xact_lock(1, 'events'::regclass::oid::integer)";
/// Far more often than a statement is refused by chance.
const MOST_RETRIES: u32 = 10_000;

/// What keeps two such statements apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing: READ COMMITTED.
    None,
    /// SERIALIZABLE; sent again where the server finds that it depends on what others do.
    Serializable,
    /// A lock that a statement before it takes, in one transaction and one round trip.
    LockBefore,
    /// A lock that its own first part takes.
    LockInside,
}

pub(super) struct Cte {
    servers: Arc<Servers>,
    schema: String,
    guard: Guard,
    /// Whether plans are the planner's choice.
    is_planned: bool,
    snapshots: Arc<Snapshots>,
}

impl Cte {
    pub(super) fn new(servers: &Arc<Servers>, schema: &str, guard: Guard, is_planned: bool) -> Self {
        let (servers, snapshots) = (Arc::clone(servers), Arc::default());
        Self { servers, schema: schema.to_owned(), guard, is_planned, snapshots }
    }

    fn tables(&self) -> String {
        let tables = include_str!("sql/cte/tables.sql");
        match self.guard {
            Guard::Serializable => format!("{tables}; {}", include_str!("sql/cte/precise_locks.sql")),
            Guard::None | Guard::LockBefore | Guard::LockInside => tables.to_owned(),
        }
    }
}

#[async_trait]
impl Engine for Cte {
    async fn create(&self) -> Result<(), EngineError> {
        session::create(&self.servers, &self.schema, &self.tables()).await
    }

    async fn fill(&self, events: u64, books: Books) -> Result<(), EngineError> {
        self.snapshots.clear();
        let fill = include_str!("sql/cte/fill.sql");
        session::fill(&self.servers, &self.schema, &self.tables(), fill, (events, books)).await
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        if !self.is_planned {
            session.batch_execute(SETTINGS).await?;
        }
        if self.guard == Guard::Serializable {
            session.batch_execute("SET default_transaction_isolation = 'serializable'").await?;
        }
        Ok(Box::new(CteClient {
            session,
            guard: self.guard,
            snapshots: Arc::clone(&self.snapshots),
            prepared: HashMap::new(),
            retries: 0,
        }))
    }

    async fn head(&self) -> Result<u64, EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        tables::number(&session, "SELECT max(sequence_number) FROM events").await
    }

    async fn point(&self, back: u64) -> Result<After, EngineError> {
        Ok(After { position: self.head().await?.saturating_sub(back), ..After::default() })
    }

    async fn read(&self, each: &mut (dyn FnMut(LogEvent) + Send)) -> Result<(), EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        let all = "SELECT sequence_number, metadata ->> 'MessageID', event_type, payload, metadata FROM events ORDER BY 1";
        tables::read(&session, all, log_event, each).await
    }

    fn has_gaps(&self) -> bool {
        true
    }
}

fn log_event(row: &Row) -> Result<LogEvent, EngineError> {
    Ok(LogEvent {
        position: position(row)?,
        id: message_id(row)?,
        event_type: row.try_get(2)?,
        payload: row.try_get(3)?,
        metadata: row.try_get(4)?,
    })
}

fn position(row: &Row) -> Result<u64, EngineError> {
    u64::try_from(row.try_get::<_, i64>(0)?).map_err(|_| EngineError::new("a negative position"))
}

fn message_id(row: &Row) -> Result<uuid::Uuid, EngineError> {
    row.try_get::<_, &str>(1)?.parse().map_err(|_| EngineError::new("a MessageID that is no UUID"))
}

struct CteClient {
    session: Session,
    guard: Guard,
    snapshots: Arc<Snapshots>,
    /// By their texts: one for each shape of filter.
    prepared: HashMap<String, Statement>,
    retries: u64,
}

impl CteClient {
    async fn prepare(&mut self, text: String) -> Result<Statement, EngineError> {
        if let Some(statement) = self.prepared.get(&text) {
            return Ok(statement.clone());
        }
        let statement = self.session.prepare(&text).await?;
        self.prepared.insert(text, statement.clone());
        Ok(statement)
    }

    async fn send(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.guard != Guard::LockBefore {
            return self.session.query(statement, params).await;
        }
        // All four are under way at once; if the third fails, the fourth rolls back.
        let (began, locked, rows, ended) = join4(
            self.session.batch_execute("BEGIN"),
            self.session.batch_execute(LOCK),
            self.session.query(statement, params),
            self.session.batch_execute("COMMIT"),
        )
        .await;
        began.and(locked).and(rows).and_then(|rows| ended.map(|()| rows))
    }
}

/// Parameters: types, payloads and metadata of the events, the expected position, then those of the filter.
fn append_statement(guard: Guard, matching: &str) -> String {
    let locked =
        if guard == Guard::LockInside { format!("locked AS MATERIALIZED ({LOCK}), ") } else { String::new() };
    let after_lock = if guard == Guard::LockInside { "(SELECT count(*) FROM locked) = 1 AND " } else { "" };
    format!(
        "WITH {locked}matching AS (
             SELECT max(e.sequence_number) AS newest FROM events e WHERE {after_lock}({matching})
         )
         INSERT INTO events (occurred_at, event_type, payload, metadata)
         SELECT now(), n.event_type, n.payload, n.metadata
         FROM matching AS m
         CROSS JOIN unnest($1::text[], $2::jsonb[], $3::jsonb[]) WITH ORDINALITY
              AS n(event_type, payload, metadata, nth)
         WHERE coalesce(m.newest, 0) = $4::bigint
         ORDER BY n.nth
         RETURNING sequence_number"
    )
}

#[async_trait]
impl Client for CteClient {
    async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
        let types: Vec<&str> = append.events.iter().map(|event| event.event_type).collect();
        let payloads: Vec<&Value> = append.events.iter().map(|event| &event.payload).collect();
        let metadata: Vec<&Value> = append.events.iter().map(|event| &event.metadata).collect();
        // Without a condition nothing matches, as expected.
        let (clause, expected) = match &append.condition {
            Some(condition) => (WhereClause::new(&condition.filter, 5), condition.after.newest),
            None => (WhereClause { text: "false".to_owned(), params: Vec::new() }, 0),
        };
        let expected = i64::try_from(expected).unwrap_or(i64::MAX);
        let statement = self.prepare(append_statement(self.guard, &clause.text)).await?;
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&types, &payloads, &metadata, &expected];
        params.extend(clause.params.iter().map(|param| &**param as &(dyn ToSql + Sync)));
        for _ in 0..MOST_RETRIES {
            match self.send(&statement, &params).await {
                Ok(rows) => {
                    let first = rows.iter().map(position).next().transpose()?;
                    return Ok(first.map_or(Appended::Conflict(None), Appended::At));
                }
                Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => self.retries += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::new("the server refuses to serialize this append"))
    }

    fn snapshots(&self) -> Option<Arc<Snapshots>> {
        Some(Arc::clone(&self.snapshots))
    }

    fn retries(&self) -> u64 {
        self.retries
    }

    fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    async fn query_part(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError> {
        let clause = WhereClause::new(filter, 1);
        let text = format!(
            "SELECT e.sequence_number, e.metadata ->> 'MessageID', e.event_type, e.payload, e.metadata
             FROM events e WHERE ({}) {}",
            clause.text,
            part_clause("e.sequence_number", part)
        );
        let statement = self.prepare(text).await?;
        let params: Vec<&(dyn ToSql + Sync)> =
            clause.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
        let is_refused =
            |error: &tokio_postgres::Error| error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE);
        let mut rows = self.session.query(&statement, &params).await;
        for _ in 0..MOST_RETRIES {
            if !rows.as_ref().is_err_and(is_refused) {
                break;
            }
            self.retries += 1;
            rows = self.session.query(&statement, &params).await;
        }
        let rows = rows?;
        let found: Result<Vec<LogEvent>, EngineError> = rows.iter().map(log_event).collect();
        let events = found?;
        let newest = newest(&events, part);
        Ok(Found { events, after: After { position: newest, newest, token: None } })
    }
}
