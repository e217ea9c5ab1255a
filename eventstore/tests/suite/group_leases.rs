//! Workers whose leases run out while they live, handlers that take too long, and claims that do.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use eventstore::{ConsumerGroup, Delivery, ErrorKind, EventStore, Start};
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fixture::Log;
use crate::groups::{group, next, number, work_off};
use crate::subscriptions::{LONG, append, log_with, soon};

#[tokio::test]
async fn what_a_worker_claims_again_itself_is_handed_over_once_more_and_nothing_behind_it_is_held_for_ever() {
    let log = log_with(soon()).await;
    append(&log.store, 0..3).await;
    // Heartbeats are far apart: the claim comes first, as it may after an outage.
    let worker = group(&log.store).exclusive().lease(LONG).start(Start::Beginning).await.unwrap();
    let first = next(&worker).await;
    let run_out = format!("UPDATE {}.group_work SET due_at = now() - interval '1 second'", log.schema.name());
    assert_eq!(log.sql().await.execute(&run_out, &[]).await.unwrap(), 3, "all of them are leased");
    let again = next(&worker).await;
    assert_eq!((number(&first), number(&again), again.attempt()), (0, 0, 2));
    timeout(LONG / 10, first.lost()).await.expect("whoever has it is told");
    assert_eq!(first.done().await.unwrap_err().kind(), ErrorKind::LeaseLost);
    again.done().await.unwrap();
    assert_eq!(work_off(&worker, 2).await, [1, 2]);
    let status = log.store.group_status("g").await.unwrap().unwrap();
    assert_eq!((status.ready, status.leased, status.waiting), (0, 0, 0), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_attempt_is_made_when_the_handler_that_took_too_long_has_stopped() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    let worker = group(&log.store).time_limit(Duration::from_millis(50)).lease(LONG);
    let worker = worker.start(Start::Beginning).await.unwrap();
    let (begin, begun) = mpsc::channel::<()>();
    let (begin, begun) = (Arc::new(Mutex::new(begin)), Arc::new(Mutex::new(begun)));
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |delivery: Delivery| {
        let (begin, begun, tell) = (begin.clone(), begun.clone(), tell.clone());
        async move {
            if delivery.attempt() > 1 {
                let _ = begin.lock().unwrap().send(());
                tell.send("another attempt").unwrap();
                return Ok::<_, String>(());
            }
            // Without an await: nobody can give that up. It is over at once if another attempt begins beside it.
            let begun = tokio::task::block_in_place(|| {
                begun.lock().unwrap().recv_timeout(Duration::from_millis(400))
            });
            tell.send(if begun.is_ok() { "both at once" } else { "it has stopped" }).unwrap();
            std::future::pending().await
        }
    };
    let end = CancellationToken::new();
    let run = worker.run(2, handler).until(end.clone().cancelled_owned());
    let running = tokio::spawn(run.into_future());
    let mut came = Vec::new();
    for _ in 0..2 {
        came.push(timeout(LONG, told.recv()).await.unwrap().unwrap());
    }
    assert_eq!(came, ["it has stopped", "another attempt"]);
    end.cancel();
    timeout(LONG, running).await.unwrap().unwrap().unwrap();
}

/// Each event that is leased takes its time, as if it were large.
async fn slow(log: &Log) {
    let slow = format!(
        "CREATE FUNCTION {0}.slow() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_catalog.pg_sleep(0.1); RETURN new; END';
         CREATE TRIGGER slow BEFORE UPDATE ON {0}.group_work FOR EACH ROW
             WHEN (new.lease IS DISTINCT FROM old.lease AND new.lease IS NOT NULL) EXECUTE FUNCTION {0}.slow()",
        log.schema.name()
    );
    log.sql().await.batch_execute(&slow).await.unwrap();
}

#[tokio::test]
async fn a_claim_that_takes_too_long_is_made_for_fewer_events() {
    type Begin = fn(&EventStore) -> ConsumerGroup;
    let begins: [(Begin, usize); 2] = [(group, 16), (|store| group(store).exclusive(), 1)];
    for (begin, takers) in begins {
        let mut settings = soon();
        settings.query_timeout = Duration::from_secs(1);
        let log = log_with(settings).await;
        append(&log.store, 0..32).await;
        slow(&log).await;
        // What a claim leased that timed out all the same is claimed again soon.
        let worker = begin(&log.store).lease(Duration::from_secs(2)).max_attempts(1_000);
        let worker = worker.start(Start::Beginning).await.unwrap();
        let mut came = join_all((0..takers).map(|_| async { work_off(&worker, 1).await[0] })).await;
        came.sort_unstable();
        came.dedup();
        assert_eq!(came.len(), takers, "each once: {came:?}");
        worker.close().await;
    }
}
