//! What PostgreSQL does without a condition: one autocommit statement an event, into tables of the store's form but with
//! a sequence, on one connection a client. No lock, so no order and no condition: a bound to compare with, not a way
//! to store events.

use std::sync::Arc;

use async_trait::async_trait;
use testutil::checker::{Filter, LogEvent};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client as Session, Statement};

use crate::engine::where_clause::WhereClause;
use crate::engine::{After, Append, Appended, Client, Engine, EngineError, Found, session};
use crate::servers::Servers;

pub(super) struct Insert {
    servers: Arc<Servers>,
    schema: String,
}

impl Insert {
    pub(super) fn new(servers: &Arc<Servers>, schema: &str) -> Self {
        Self { servers: Arc::clone(servers), schema: schema.to_owned() }
    }
}

#[async_trait]
impl Engine for Insert {
    async fn fill(&self, events: u64) -> Result<(), EngineError> {
        let (tables, fill) = (include_str!("sql/insert/tables.sql"), include_str!("sql/insert/fill.sql"));
        session::fill(&self.servers, &self.schema, tables, fill, events).await
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        let append = session.prepare(include_str!("sql/insert/append.sql")).await?;
        Ok(Box::new(InsertClient { session, append }))
    }

    async fn log(&self) -> Result<Vec<LogEvent>, EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        super::eventstore::log(&session, &self.schema).await
    }

    fn has_gaps(&self) -> bool {
        true
    }
}

struct InsertClient {
    session: Session,
    append: Statement,
}

#[async_trait]
impl Client for InsertClient {
    async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
        let mut first = None;
        for event in append.events {
            let params: [&(dyn ToSql + Sync); 4] =
                [&event.id, &event.event_type, &event.payload, &event.metadata];
            let rows = self.session.query(&self.append, &params).await?;
            let row = rows.first().ok_or_else(|| EngineError::new("an event without a key"))?;
            first.get_or_insert(row.try_get::<_, i64>(0)?.unsigned_abs());
        }
        first.map(Appended::At).ok_or_else(|| EngineError::new("no events to append"))
    }

    async fn query(&mut self, filter: &Filter) -> Result<Found, EngineError> {
        let clause = WhereClause::new(filter, 1);
        let text = format!("SELECT e.position, e.id FROM events e WHERE {} ORDER BY e.position", clause.text);
        let params: Vec<&(dyn ToSql + Sync)> =
            clause.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
        let rows = self.session.query(&text, &params).await?;
        let events: Vec<_> =
            rows.iter().map(|row| (row.get::<_, i64>(0).unsigned_abs(), row.get(1))).collect();
        let newest = events.last().map_or(0, |(position, _)| *position);
        Ok(Found { events, after: After { position: newest, newest, token: None } })
    }
}
