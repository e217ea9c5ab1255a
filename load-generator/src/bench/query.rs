//! `bench query`: reads of several shapes, against the same through GIN indexes; and what the store adds to a statement.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use testutil::checker::Filter;
use tokio_postgres::Statement;

use crate::bench::closed_loop::{self, Operation, closed_loop};
use crate::bench::lending::{Lending, of_book, of_either, of_everything};
use crate::bench::rounds::{Case, Contestant};
use crate::bench::{Stage, schema};
use crate::connection;
use crate::engine::{
    After, Append, Appended, Books, Client, EVENT_TYPE, Engine, EngineError, EngineName, Found, Part,
    log_event,
};
use crate::error::RunError;
use crate::servers::Servers;

/// How far back an incremental query begins; less in a small log.
const BACK: u64 = 10_000;
/// How many of the newest are asked for.
const NEWEST: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Either,
    One,
    Incremental,
    NewestOfRare,
    NewestOfAll,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Either => "two predicates ORed, some 85 rows",
            Self::One => "one predicate, one row",
            Self::Incremental => "two predicates ORed, after 10,000 events back",
            Self::NewestOfRare => "newest 10 of a rare key",
            Self::NewestOfAll => "newest 10 of a key that every event has",
        }
    }
}

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    let books = Books::dense(stage.plan.preload);
    let engines = stage.filled(&[EngineName::Eventstore, EngineName::Gin, EngineName::Cte], books).await?;
    let singles = write_singles(&engines).await?;
    let shapes = [Shape::Either, Shape::One, Shape::Incremental, Shape::NewestOfRare, Shape::NewestOfAll];
    let mut cases = Vec::new();
    for clients in stage.clients(&[8]) {
        for shape in shapes {
            let mut contestants = Vec::new();
            for (name, engine) in &engines {
                let from = engine.point(BACK.min(stage.plan.preload / 30)).await?;
                let (engine, singles) = (Arc::clone(engine), Arc::clone(&singles));
                contestants.push(Contestant::new(name.as_str(), move |duration: Duration| {
                    let (engine, singles) = (Arc::clone(&engine), Arc::clone(&singles));
                    let reads = move |number| Reads {
                        shape,
                        lending: Lending::new(books, number),
                        singles: Arc::clone(&singles),
                        from,
                        nth: number as usize,
                    };
                    async move { closed_loop(&engine, clients, duration, reads).await }
                }));
            }
            cases.push(Case {
                name: format!("{clients} clients: {}", shape.name()),
                clients: None,
                contestants,
            });
        }
    }
    cases.push(bare(stage, &engines, &singles).await?);
    Ok((cases, Vec::new()))
}

/// Books that have one event: of the same ids in every engine.
async fn write_singles(
    engines: &[(EngineName, Arc<dyn Engine>)],
) -> Result<Arc<Vec<serde_json::Value>>, RunError> {
    let appends: Vec<Append> = (0..1_000).map(Append::fresh).collect();
    for (_, engine) in engines {
        let mut client = engine.client().await?;
        for chunk in appends.chunks(100) {
            let events = chunk.iter().flat_map(|append| append.events.clone()).collect();
            client.append(Append { events, condition: None }).await?;
        }
    }
    Ok(Arc::new(appends.iter().map(|append| append.events[0].payload["BookID"].clone()).collect()))
}

struct Reads {
    shape: Shape,
    lending: Lending,
    singles: Arc<Vec<serde_json::Value>>,
    from: After,
    nth: usize,
}

#[async_trait]
impl Operation for Reads {
    async fn once(&mut self, client: &mut dyn Client) -> Result<bool, EngineError> {
        self.nth += 1;
        let newest = Part { newest_first: true, limit: Some(NEWEST), ..Part::default() };
        let single = &self.singles[self.nth * 31 % self.singles.len()];
        let (filter, part, rows) = match self.shape {
            Shape::Either => {
                (of_either(&self.lending.book(), &self.lending.reader()), Part::default(), 20..200)
            }
            Shape::One => (of_book(single), Part::default(), 1..2),
            Shape::Incremental => {
                let part = Part { after: self.from, ..Part::default() };
                (of_either(&self.lending.book(), &self.lending.reader()), part, 0..50)
            }
            Shape::NewestOfRare => (of_book(single), newest, 1..2),
            Shape::NewestOfAll => (of_everything(), newest, 10..11),
        };
        let found = client.query_part(&filter, part).await?.events.len();
        if rows.contains(&found) {
            return Ok(true);
        }
        Err(EngineError::new(format!("{}: {found} rows, expected {rows:?}", self.shape.name())))
    }
}

/// The store with one client, against a statement on the same tables that returns the same, prepared on a plain connection.
async fn bare(
    stage: &Stage,
    engines: &[(EngineName, Arc<dyn Engine>)],
    singles: &Arc<Vec<serde_json::Value>>,
) -> Result<Case, RunError> {
    let books = Books::dense(stage.plan.preload);
    let mut contestants = Vec::new();
    let of_store = engines.iter().find(|(name, _)| *name == EngineName::Eventstore);
    for is_bare in [false, true] {
        let Some((_, engine)) = of_store else { break };
        let (engine, singles, servers) =
            (Arc::clone(engine), Arc::clone(singles), Arc::clone(&stage.servers));
        let name = if is_bare { "bare statement" } else { "eventstore" };
        contestants.push(Contestant::new(name, move |duration: Duration| {
            let (engine, singles, servers) =
                (Arc::clone(&engine), Arc::clone(&singles), Arc::clone(&servers));
            let reads = move |number| Reads {
                shape: Shape::Either,
                lending: Lending::new(books, number),
                singles: Arc::clone(&singles),
                from: After::default(),
                nth: 0,
            };
            async move {
                let client: Box<dyn Client> = match is_bare {
                    true => Box::new(Bare::open(&servers).await?),
                    false => engine.client().await?,
                };
                closed_loop::run(vec![client], duration, reads).await
            }
        }));
    }
    Ok(Case { name: "1 client: two predicates ORed, some 85 rows".to_owned(), clients: None, contestants })
}

/// Sends one statement.
struct Bare {
    session: testutil::Session,
    statement: Statement,
}

impl Bare {
    async fn open(servers: &Servers) -> Result<Self, EngineError> {
        let session = connection::connect(&servers.primary).await?;
        let schema = schema(EngineName::Eventstore);
        session.batch_execute(&format!("SET search_path = {schema}")).await?;
        let statement = session.prepare(include_str!("bare.sql")).await?;
        Ok(Self { session, statement })
    }
}

#[async_trait]
impl Client for Bare {
    async fn append(&mut self, _: Append) -> Result<Appended, EngineError> {
        Err(EngineError::new("a bare statement only reads"))
    }

    async fn query_part(&mut self, filter: &Filter, _: Part) -> Result<Found, EngineError> {
        let [item] = filter.items.as_slice() else { return Err(EngineError::new("a filter of one item")) };
        let values: Vec<&str> = item.any.iter().filter_map(|predicate| predicate.value.as_str()).collect();
        let rows = self.session.query(&self.statement, &[&EVENT_TYPE, &values[0], &values[1]]).await?;
        let events: Result<_, EngineError> = rows.iter().map(log_event).collect();
        Ok(Found { events: events?, after: After::default() })
    }
}
