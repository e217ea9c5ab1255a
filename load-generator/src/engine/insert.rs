//! What PostgreSQL does without a condition: one autocommit statement an append, into tables of the store's form but with
//! a sequence, on one connection a client. No lock, so no order and no condition: a bound to compare with, not a way
//! to store events.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::{Client as Session, Statement};

use crate::engine::{Client, EVENT_TYPE, Engine, EngineError, Event, session};
use crate::servers::Servers;

const SCHEMA: &str = "bench_insert";

pub(super) struct Insert {
    servers: Arc<Servers>,
}

impl Insert {
    pub(super) fn new(servers: &Arc<Servers>) -> Self {
        Self { servers: Arc::clone(servers) }
    }
}

#[async_trait]
impl Engine for Insert {
    async fn fill(&self, events: u64) -> Result<(), EngineError> {
        let (tables, fill) = (include_str!("sql/insert/tables.sql"), include_str!("sql/insert/fill.sql"));
        session::fill(&self.servers, SCHEMA, tables, fill, events).await
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        let session = session::open(&self.servers, SCHEMA).await?;
        let append = session.prepare(include_str!("sql/insert/append.sql")).await?;
        Ok(Box::new(InsertClient { session, append }))
    }
}

struct InsertClient {
    session: Session,
    append: Statement,
}

#[async_trait]
impl Client for InsertClient {
    async fn append(&mut self, event: Event) -> Result<(), EngineError> {
        let Event { id, payload, metadata, .. } = event;
        self.session.execute(&self.append, &[&id, &EVENT_TYPE, &payload, &metadata]).await?;
        Ok(())
    }
}
