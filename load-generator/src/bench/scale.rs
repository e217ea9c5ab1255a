//! `bench scale`: appends and queries on logs of growing size, and a condition that rests on an old position.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::bench::Stage;
use crate::bench::append::FreshAppends;
use crate::bench::closed_loop::{Operation, closed_loop};
use crate::bench::lending::{Lending, of_book, of_either};
use crate::bench::rounds::{Case, Contestant, Sample};
use crate::engine::{
    After, Append, Appended, Books, Client, Condition, Draft, Engine, EngineError, EngineName,
};
use crate::error::RunError;

const SIZES: [u64; 2] = [100_000, 5_000_000];
/// How far back an old condition rests, where the log is as long.
const BACK: u64 = 1_000_000;
const WRITERS: usize = 50;
const READERS: usize = 8;

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    let mut logs = Vec::new();
    for size in SIZES {
        let schema = format!("bench_scale_{size}");
        logs.push((size, stage.fill(EngineName::Eventstore, &schema, size, Books::dense(size)).await?));
    }
    let largest = logs.last().map(|(size, engine)| (*size, Arc::clone(engine)));
    let appends = logs.iter().map(|(size, engine)| {
        let engine = Arc::clone(engine);
        Contestant::new(format!("{size} events"), move |duration: Duration| {
            let engine = Arc::clone(&engine);
            async move { closed_loop(&engine, WRITERS, duration, FreshAppends::new).await }
        })
    });
    let appends =
        Case { name: format!("append, {WRITERS} clients"), clients: None, contestants: appends.collect() };
    let queries = logs.iter().map(|(size, engine)| {
        let (size, engine) = (*size, Arc::clone(engine));
        Contestant::new(format!("{size} events"), move |duration: Duration| {
            let engine = Arc::clone(&engine);
            async move {
                closed_loop(&engine, READERS, duration, |number| {
                    Reads(Lending::new(Books::dense(size), number))
                })
                .await
            }
        })
    });
    let queries = Case {
        name: format!("query, {READERS} clients, some 85 rows"),
        clients: None,
        contestants: queries.collect(),
    };
    let mut cases = vec![appends, queries];
    if let Some((size, engine)) = largest {
        let mut contestants = Vec::new();
        for (name, back) in [("fresh", 0), ("old", BACK.min(size - 1))] {
            let (after, engine) = (engine.point(back).await?, Arc::clone(&engine));
            contestants.push(Contestant::new(format!("{name} condition"), move |duration: Duration| {
                let engine = Arc::clone(&engine);
                async move { measure_conditions(&engine, after, back, duration).await }
            }));
        }
        cases.push(Case {
            clients: None,
            name: format!("append after a position, {WRITERS} clients, {size} events"),
            contestants,
        });
    }
    Ok((cases, Vec::new()))
}

struct Reads(Lending);

#[async_trait]
impl Operation for Reads {
    async fn once(&mut self, client: &mut dyn Client) -> Result<bool, EngineError> {
        let filter = of_either(&self.0.book(), &self.0.reader());
        client.query(&filter).await.map(|found| !found.events.is_empty())
    }
}

async fn measure_conditions(
    engine: &Arc<dyn Engine>,
    after: After,
    back: u64,
    duration: Duration,
) -> Result<Sample, RunError> {
    // A fresh one rests on where the log ends now.
    let after = if back == 0 { engine.point(0).await? } else { after };
    closed_loop(engine, WRITERS, duration, move |_| Conditions { after }).await
}

/// Appends on the condition that a book of its own has no events since some position.
struct Conditions {
    after: After,
}

#[async_trait]
impl Operation for Conditions {
    async fn once(&mut self, client: &mut dyn Client) -> Result<bool, EngineError> {
        let draft = Draft::fresh(0);
        let filter = of_book(&draft.payload["BookID"]);
        let condition = Some(Condition { filter, after: self.after });
        match client.append(Append { events: vec![draft], condition }).await? {
            Appended::At(_) => Ok(true),
            Appended::Conflict(_) => Err(EngineError::new("an append whose key is fresh was refused")),
        }
    }
}
