//! How event stores on PostgreSQL are often written: one statement at READ COMMITTED reads the highest position that
//! matches, and inserts if it is the expected one; JSONB predicates are answered by a GIN index. Two such statements at
//! once do not see each other. Its connections have the settings under which its plans are best.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::{Client as Session, Statement};

use crate::engine::{Client, EVENT_TYPE, Engine, EngineError, Event, session};
use crate::servers::Servers;

const SCHEMA: &str = "bench_cte";
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_bitmapscan = on";

pub(super) struct Cte {
    servers: Arc<Servers>,
}

impl Cte {
    pub(super) fn new(servers: &Arc<Servers>) -> Self {
        Self { servers: Arc::clone(servers) }
    }
}

#[async_trait]
impl Engine for Cte {
    async fn fill(&self, events: u64) -> Result<(), EngineError> {
        let (tables, fill) = (include_str!("sql/cte/tables.sql"), include_str!("sql/cte/fill.sql"));
        session::fill(&self.servers, SCHEMA, tables, fill, events).await
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        let session = session::open(&self.servers, SCHEMA).await?;
        session.batch_execute(SETTINGS).await?;
        let append = session.prepare(include_str!("sql/cte/append.sql")).await?;
        Ok(Box::new(CteClient { session, append }))
    }
}

struct CteClient {
    session: Session,
    append: Statement,
}

#[async_trait]
impl Client for CteClient {
    async fn append(&mut self, event: Event) -> Result<(), EngineError> {
        let (types, predicate) = ([EVENT_TYPE], json!({"BookID": event.book}));
        let rows = self
            .session
            .execute(
                &self.append,
                &[&&types[..], &predicate, &0_i64, &EVENT_TYPE, &event.payload, &event.metadata],
            )
            .await?;
        match rows {
            1 => Ok(()),
            _ => Err(EngineError("an append whose key is fresh was refused".to_owned())),
        }
    }
}
