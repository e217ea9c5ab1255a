//! What is in the log before the load begins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::engine::{Append, Client, Draft, Engine, EngineError};
use crate::scenario::{LibraryOptions, Shelf, Stock};

/// Events in one append of the preload.
const BATCH: u64 = 1_000;
/// How often a node that waits for the first one's events looks for them.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longer than between two of its appends.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Reads what is there, and writes what is missing to `events` events, and to a library in which so many workers find
/// something to do. Returns the last position too. A log that has enough stays as it is, also if it leads to another number
/// of books and readers than the options ask for.
pub(crate) async fn preload(
    engine: &Arc<dyn Engine>,
    events: u64,
    workers: usize,
    seed: u64,
    options: &LibraryOptions,
) -> Result<(Shelf, u64), EngineError> {
    let (mut shelf, there) = read(engine, options).await?;

    // A log that is there already has the ids of the beginning of this sequence.
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(there);
    let stock = Stock::new(options, events, workers);
    let mut written = there;
    let bar = progress(events.saturating_sub(there), "writing events");
    let mut client = engine.client().await?;
    while written < events || !stock.is_met(&shelf) {
        let count = if written < events { BATCH.min(events - written) } else { BATCH };
        let batch: Vec<Draft> = (0..count).map(|_| stock.next_event(&mut shelf, &mut random)).collect();
        write(&mut *client, batch).await?;
        written += count;
        bar.inc(count);
    }
    bar.finish_and_clear();
    Ok((shelf, engine.head().await?))
}

/// Waits until another generator has written so many events and no more for a while, as it may have to write more than that;
/// and reads what is there.
pub(crate) async fn await_preload(
    engine: &Arc<dyn Engine>,
    events: u64,
    options: &LibraryOptions,
) -> Result<(Shelf, u64), EngineError> {
    let bar = progress(events, "waiting for the first node to write events");
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let there = engine.head().await?;
        if there != seen {
            (seen, since) = (there, Instant::now());
        }
        if there >= events.max(1) && since.elapsed() >= SETTLED_AFTER {
            break;
        }
        bar.set_position(there);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bar.finish_and_clear();
    read(engine, options).await
}

/// What the log says that there is.
async fn read(engine: &Arc<dyn Engine>, options: &LibraryOptions) -> Result<(Shelf, u64), EngineError> {
    let there = engine.head().await?;
    let mut shelf = Shelf::new(options.zipf);
    let bar = progress(there, "reading the log");
    let apply = &mut |event| {
        shelf.apply(&event);
        bar.inc(1);
    };
    engine.read(apply).await?;
    bar.finish_and_clear();
    Ok((shelf, there))
}

async fn write(client: &mut dyn Client, events: Vec<Draft>) -> Result<(), EngineError> {
    let append = Append { events, condition: None };
    match client.append(append.clone()).await {
        // The ids make it safe to send the same batch again.
        Err(error) if error.is_unknown && client.knows_ids() => client.append(append).await.map(drop),
        result => result.map(drop),
    }
}

/// Hidden without a terminal.
fn progress(total: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} ({eta})");
    let bar = ProgressBar::new(total).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
