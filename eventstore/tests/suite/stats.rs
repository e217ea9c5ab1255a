//! What a log says of its size.

use eventstore::NewEvent;
use serde_json::json;

use crate::fixture::Log;

#[tokio::test]
async fn archived_events_are_not_counted_and_partitions_of_keys_are() {
    let log = Log::new().await;
    assert_eq!(log.store.stats().await.unwrap().events, 0);
    log.store.append((0..5).map(|n| NewEvent::new("T", json!({"n": n})))).await.unwrap();
    let before = log.store.stats().await.unwrap();
    assert_eq!(before.events, 5);
    let name = log.schema.name();
    log.sql()
        .await
        .batch_execute(&format!(
            "BEGIN; ALTER TABLE {name}.events DISABLE TRIGGER refuse_change, DISABLE TRIGGER refuse_change_of_row;
             DELETE FROM {name}.keys WHERE position <= 2; DELETE FROM {name}.events WHERE position <= 2;
             ALTER TABLE {name}.events ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_change_of_row;
             ALTER TABLE {name}.keys RENAME TO keys_1;
             CREATE TABLE {name}.keys (LIKE {name}.keys_1 INCLUDING ALL) PARTITION BY RANGE (position);
             ALTER TABLE {name}.keys ATTACH PARTITION {name}.keys_1 FOR VALUES FROM (0) TO (1000); COMMIT"
        ))
        .await
        .unwrap();
    let after = log.store.stats().await.unwrap();
    assert_eq!((after.events, after.key_bytes), (3, before.key_bytes));
    assert!(after.key_bytes > 0 && after.first_recorded_at.is_some());
}
