//! Views and processes behind a failover that lost the end of the log, or what they had committed: in the end they say what the log says now.

use std::time::Duration;

use eventstore::EventStore;
use serde_json::json;
use testutil::{Cluster, Server};
use tokio::time::timeout;

use crate::fixture;
use crate::process_script::{self, manager, next, step, telling};
use crate::projections::{Sum, run};
use crate::recompute_script::{self, OPEN, count, script, sums_into};
use crate::subscriptions::{LONG, append, soon};

const SCHEMA: &str = "shared";

/// A primary and a replica, a handle that finds whichever takes writes, and a table of what is shown.
async fn scene() -> (Cluster, EventStore, String) {
    let start = || Cluster::builder().replicas(1).start();
    let cluster = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    let both =
        testutil::whichever_takes_writes([cluster.primary(), &cluster.replicas()[0]].map(Server::port));
    let mut settings = soon();
    settings.append_timeout = Duration::from_secs(60);
    settings.heartbeat_every = Duration::from_millis(100);
    let store = fixture::store().primary(&both).schema(SCHEMA).settings(settings).connect().await.unwrap();
    store.migrate().await.unwrap();
    let session = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    let table = format!("{SCHEMA}.shown");
    session
        .batch_execute(&format!("CREATE TABLE {table} (key text PRIMARY KEY, total bigint)"))
        .await
        .unwrap();
    (cluster, store, table)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_lost_is_not_shown_and_not_followed_afterwards() {
    let (mut cluster, store, table) = scene().await;
    let (sum, (recomputes, _told)) = (Sum::version(1), script(OPEN));
    let view = store.projection(sum.clone());
    let recomputer = sums_into(&store, table.clone(), &recomputes);
    let (orders, mut handled) = telling();
    let projecting = run(&store, &sum);
    let recomputing = recompute_script::begin(&recomputer);
    let processing = process_script::begin(&manager(&store, orders));

    let happens = async |n: u64| {
        let odd = append(&store, [n]).await;
        let counted = count(&store, "k", i64::try_from(n).unwrap()).await;
        step(&store, 1, n, json!({"command": "Go"})).await;
        (odd, counted)
    };
    let (odd, counted) = happens(1).await;
    view.wait_for(odd, LONG).await.unwrap();
    recomputer.wait_for("k", counted, LONG).await.unwrap();
    assert_eq!(next(&mut handled).await.payload["seen"], json!([1]));
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();

    // All of them know of what will be lost.
    testutil::cut_off(&cluster.replicas()[0].dsn()).await.unwrap();
    let (odd, counted) = happens(3).await;
    view.wait_for(odd, LONG).await.unwrap();
    recomputer.wait_for("k", counted, LONG).await.unwrap();
    assert_eq!(next(&mut handled).await.payload["seen"], json!([1, 3]));
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();

    let (odd, counted) = happens(5).await;
    view.wait_for(odd, LONG).await.unwrap();
    recomputer.wait_for("k", counted, LONG).await.unwrap();
    assert_eq!(next(&mut handled).await.payload["seen"], json!([1, 5]));
    let session = testutil::connect(&cluster.replicas()[0].dsn()).await.unwrap();
    let shown = session.query_one(&format!("SELECT total, events FROM {SCHEMA}_sum.sum"), &[]).await.unwrap();
    assert_eq!((shown.get::<_, i64>(0), shown.get::<_, i64>(1)), (6, 2));
    let shown = session.query_one(&format!("SELECT total FROM {table}"), &[]).await.unwrap();
    assert_eq!(shown.get::<_, i64>(0), 6);
    projecting.abort();
    recomputing.end().await;
    processing.end().await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_views_had_committed_and_a_failover_lost_is_applied_again() {
    let (mut cluster, store, table) = scene().await;
    let (sum, (recomputes, _told)) = (Sum::version(1), script(OPEN));
    let view = store.projection(sum.clone());
    let recomputer = sums_into(&store, table.clone(), &recomputes);
    let projecting = run(&store, &sum);
    let recomputing = recompute_script::begin(&recomputer);
    let happens = async |key: &str, n: u64| {
        let odd = append(&store, [n]).await;
        (odd, count(&store, key, i64::try_from(n).unwrap()).await)
    };
    let (odd, counted) = happens("k", 1).await;
    view.wait_for(odd, LONG).await.unwrap();
    recomputer.wait_for("k", counted, LONG).await.unwrap();

    // The replica has the next events, and nothing of what comes of them.
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let mut holder = testutil::connect(&primary).await.unwrap();
    let held = holder.transaction().await.unwrap();
    let hold = format!("LOCK TABLE {SCHEMA}_sum.sum, {SCHEMA}.recompute_queue IN SHARE MODE");
    held.batch_execute(&hold).await.unwrap();
    let (odd, counted) = happens("k", 3).await;
    testutil::replayed(&primary, &replica).await.unwrap();
    testutil::cut_off(&replica).await.unwrap();
    held.commit().await.unwrap();
    view.wait_for(odd, LONG).await.unwrap();
    recomputer.wait_for("k", counted, LONG).await.unwrap();
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&replica).await.unwrap();

    let (odd, counted) = happens("other", 5).await;
    view.wait_for(odd, LONG).await.unwrap();
    recomputer.wait_for("other", counted, LONG).await.unwrap();
    let session = testutil::connect(&replica).await.unwrap();
    let shown = session.query_one(&format!("SELECT total, events FROM {SCHEMA}_sum.sum"), &[]).await.unwrap();
    assert_eq!((shown.get::<_, i64>(0), shown.get::<_, i64>(1)), (9, 3));
    let total = format!("SELECT total FROM {table} WHERE key = 'k'");
    let shown = async { while session.query_one(&total, &[]).await.unwrap().get::<_, i64>(0) != 4 {} };
    timeout(LONG, shown).await.expect("the key is computed again");
    projecting.abort();
    recomputing.end().await;
    store.close().await.unwrap();
}
