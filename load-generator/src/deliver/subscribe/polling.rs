//! The baseline of `subscribe`: each subscriber asks for what is new every so often.

use std::time::Duration;

use eventstore::{Consistency, EventStore, Token};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::deliver::items;
use crate::deliver::subscribe::board::Reader;
use crate::error::RunError;

/// Asks until told to end, the nth of so many that are spread over the interval.
pub(super) async fn poll(
    store: EventStore,
    from: Token,
    every: Duration,
    (nth, of): (u32, u32),
    mut reader: Reader,
    end: CancellationToken,
) -> Result<(), RunError> {
    let mut ticks = interval_at(Instant::now() + every * nth / of, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = from;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = end.cancelled() => return Ok(()),
        }
        let new = store.query(&items()).after(seen).consistency(Consistency::Eventual).await?;
        new.iter().for_each(|event| reader.reads(event));
        seen = new.token();
    }
}
