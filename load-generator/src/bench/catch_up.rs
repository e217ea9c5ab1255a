//! `bench catch-up`: all events as a stream, against COPY of them; and how much memory the stream takes.

use std::sync::Arc;
use std::time::Instant;

use eventstore::{Filter, Settings};
use futures_util::TryStreamExt as _;

use crate::bench::rounds::{Case, Contestant, Sample};
use crate::bench::{Stage, schema};
use crate::connection;
use crate::engine::{Books, EngineError, EngineName};
use crate::error::RunError;
use crate::memory::MemoryClock;
use crate::servers::Servers;

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    let events = stage.plan.preload;
    stage.fill(EngineName::Eventstore, &schema(EngineName::Eventstore), events, Books::of_ancestor()).await?;
    let clock = MemoryClock::start();
    stream(Arc::clone(&stage.servers), events).await?;
    let most = clock.and_then(|clock| clock.most_beyond_mib());
    let (by_stream, by_copy) = (Arc::clone(&stage.servers), Arc::clone(&stage.servers));
    let contestants = vec![
        Contestant::new("eventstore", move |_| stream(Arc::clone(&by_stream), events)),
        Contestant::new("copy", move |_| copy(Arc::clone(&by_copy), events)),
    ];
    let note = most.map(|most| {
        format!(
            "catch-up: while it read the first stream of {events} events, this process had at most {most:.1} MiB more in memory than \
             before"
        )
    });
    let case = Case { name: format!("{events} events"), clients: None, contestants };
    Ok((vec![case], note.into_iter().collect()))
}

fn sample(events: u64, took: std::time::Duration) -> Sample {
    Sample::of_rate(events as f64 / took.as_secs_f64())
}

async fn stream(servers: Arc<Servers>, events: u64) -> Result<Sample, RunError> {
    let builder = connection::store().primary(&servers.primary).schema(schema(EngineName::Eventstore));
    let store = builder.settings(Settings::default()).connect().await?;
    let began = Instant::now();
    let mut stream = store.query(&Filter::all()).stream();
    let mut count = 0;
    while let Some(event) = stream.next().await {
        event?;
        count += 1;
    }
    let took = began.elapsed();
    drop(stream);
    store.close().await?;
    if count != events {
        return Err(RunError::new(format!("{count} events were streamed, expected {events}")));
    }
    Ok(sample(events, took))
}

/// All columns in their binary form, which nobody decodes.
async fn copy(servers: Arc<Servers>, events: u64) -> Result<Sample, RunError> {
    let session = connection::connect(&servers.primary).await.map_err(EngineError::from)?;
    let all = format!(
        "COPY (SELECT * FROM {}.events ORDER BY position) TO STDOUT (FORMAT binary)",
        schema(EngineName::Eventstore)
    );
    let copied = async {
        let began = Instant::now();
        let rows = session.copy_out(&all).await?;
        tokio::pin!(rows);
        let mut bytes = 0;
        while let Some(piece) = rows.try_next().await? {
            bytes += piece.len();
        }
        Ok::<_, tokio_postgres::Error>((began.elapsed(), bytes))
    };
    let (took, bytes) = copied.await.map_err(EngineError::from)?;
    if (bytes as u64) < events {
        return Err(RunError::new("COPY sent less than a byte an event"));
    }
    Ok(sample(events, took))
}
