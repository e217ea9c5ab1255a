//! The position contract, as readers see it: if a position is visible anywhere, every lower one is visible there.

use eventstore::{Filter, NewEvent};
use futures_util::future::join_all;
use serde_json::json;

use crate::fixture::Log;
use crate::process::{self, Role};

const WRITERS: usize = 8;
const PROCESSES: usize = 3;
const APPENDS: usize = 500;

/// Polls `position > last` until all events were seen; each must be the one that follows the last.
async fn read_all(dsn: String, schema: String, total: i64) -> i64 {
    let client = testutil::connect(&dsn).await.unwrap();
    let statement =
        format!("SELECT position FROM {schema}.events WHERE position > $1 ORDER BY position LIMIT 1000");
    let statement = client.prepare(&statement).await.unwrap();
    let (mut last, mut polls) = (0_i64, 0);
    while last < total {
        for row in client.query(&statement, &[&last]).await.unwrap() {
            let position: i64 = row.get(0);
            assert_eq!(position, last + 1, "a position was skipped, or came twice");
            last = position;
        }
        polls += 1;
    }
    polls
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_on_primary_and_replica_see_every_event_once_and_in_order() {
    if let Some(role) = Role::of_this_process() {
        let store = role.store().await;
        let writers = (role.number..WRITERS).step_by(PROCESSES).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..APPENDS {
                    let events =
                        (0..=n % 3).map(|_| NewEvent::new("Written", json!({"Writer": writer, "n": n})));
                    store.append(events).await.unwrap();
                }
            })
        });
        for writer in join_all(writers).await {
            writer.unwrap();
        }
        return;
    }
    let log = Log::new().await;
    log.replayed().await;
    let total = (WRITERS * (0..APPENDS).map(|n| 1 + n % 3).sum::<usize>()) as i64;
    let readers = [log.schema.primary(), log.schema.replica()]
        .map(|dsn| tokio::spawn(read_all(dsn.to_owned(), log.schema.name().to_owned(), total)));
    let test = "contract::readers_on_primary_and_replica_see_every_event_once_and_in_order";
    let children = (0..PROCESSES).map(|n| process::start(test, n, log.schema.primary(), log.schema.name()));
    for output in join_all(children.map(process::output)).await {
        assert!(output.contains("1 passed"), "{output}");
    }
    for reader in readers {
        let polls = reader.await.unwrap();
        assert!(polls > 10, "the reader raced the writers in {polls} polls only");
    }
    assert_eq!(log.store.head().await.unwrap().position().get(), total as u64);
    assert_eq!(log.store.query(&Filter::all()).await.unwrap().len(), total as usize);
}
