//! `bench append`: one event, on the condition that its type has no event with its key.

use async_trait::async_trait;

use crate::bench::closed_loop::{self, Operation};
use crate::bench::rounds::Case;
use crate::bench::{Stage, schema};
use crate::connection;
use crate::engine::{Append, Appended, Books, Client, EngineError, EngineName};
use crate::error::RunError;

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    let engines = stage
        .filled(&[EngineName::Eventstore, EngineName::Insert, EngineName::Cte], Books::of_ancestor())
        .await?;
    let cases = closed_loop::cases(stage.clients(&[1, 8, 50, 200]), &engines, FreshAppends::new);
    let mut notes = Vec::new();
    for (name, _) in &engines {
        notes.push(size(stage, *name).await?);
    }
    Ok((cases, notes))
}

/// How much of the disk an event takes, with its keys and indexes.
async fn size(stage: &Stage, name: EngineName) -> Result<String, RunError> {
    let session = connection::connect(&stage.servers.primary).await.map_err(EngineError::from)?;
    let of_schema = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
                     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = $1 AND c.relkind = 'r'";
    let row = session.query_one(of_schema, &[&schema(name)]).await.map_err(EngineError::from)?;
    let bytes: i64 = row.try_get(0).map_err(EngineError::from)?;
    let each = bytes as f64 / stage.plan.preload.max(1) as f64;
    Ok(format!("append: {} takes {each:.0} bytes on disk for each event of the preload", name.as_str()))
}

/// Appends that nobody stands in the way of.
pub(super) struct FreshAppends {
    reader: u64,
    next: Append,
}

impl FreshAppends {
    pub(super) fn new(number: u64) -> Self {
        Self { reader: number, next: Append::fresh(number) }
    }
}

#[async_trait]
impl Operation for FreshAppends {
    async fn once(&mut self, client: &mut dyn Client) -> Result<bool, EngineError> {
        self.reader += 7;
        let append = std::mem::replace(&mut self.next, Append { events: Vec::new(), condition: None });
        // The next event is made while this one is under way: making it is not what is measured.
        let (appended, next) = tokio::join!(client.append(append), async { Append::fresh(self.reader) });
        self.next = next;
        match appended? {
            Appended::At(_) => Ok(true),
            Appended::Conflict(_) => Err(EngineError::new("an append whose key is fresh was refused")),
        }
    }
}
