//! What the store tells of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use eventstore::{Consistency, ErrorKind, Filter, NewEvent};
use prometheus::proto::MetricType;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde_json::json;

use crate::fixture::{self, Log, builder};

/// Counters, gauges, and how often histograms were observed, by name and labels but the schema.
pub(crate) fn values(registry: &Registry) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for family in registry.gather() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter().filter(|label| label.name() != "schema");
            let labels: Vec<_> = labels.map(|label| format!("{}={}", label.name(), label.value())).collect();
            let value = match family.get_field_type() {
                MetricType::HISTOGRAM => metric.get_histogram().get_sample_count() as f64,
                MetricType::GAUGE => metric.get_gauge().get_value(),
                _ => metric.get_counter().get_value(),
            };
            values.insert(format!("{}{{{}}}", family.name(), labels.join(",")), value);
        }
    }
    values
}

/// A call that hangs keeps the writer from telling anything; those who come meanwhile are counted all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_grows_while_a_call_hangs() {
    let registry = Registry::new();
    let log = Log::with(|builder| builder.metrics(&registry)).await;
    let append = || log.store.append([NewEvent::new("T", json!({}))]).into_future();
    let depth = || values(&registry)["eventstore_append_queue_depth{}"];
    append().await.unwrap();
    let held = log.hold_lock().await;
    let hanging = tokio::spawn(append());
    held.is_waited_for().await;
    let mut queued: Vec<_> = (0..3).map(|_| Box::pin(append())).collect();
    for append in &mut queued {
        assert!(futures_util::poll!(append).is_pending());
    }
    assert_eq!(depth(), 3.0);
    held.release().await;
    hanging.await.unwrap().unwrap();
    for append in queued {
        append.await.unwrap();
    }
    assert_eq!(depth(), 0.0);
    log.store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_by_what_came_of_them() {
    let registry = Registry::new();
    let log = Log::with(|builder| builder.metrics(&registry)).await;
    let secret = "geheim-4711";
    let event = || NewEvent::new("T", json!({"secret": secret}));
    log.store.append([event(), event()]).await.unwrap();
    log.store.append([NewEvent::new("", json!({}))]).await.unwrap_err();
    let again = event();
    log.store.append([again.clone()]).await.unwrap();
    log.store.append([again]).await.unwrap();
    log.store.append([event()]).fail_if_matches(&Filter::all()).await.unwrap_err();
    let held = log.hold_lock().await;
    let waiting = tokio::spawn(log.store.append([event()]).into_future());
    held.is_waited_for().await;
    let queued = log.store.append([event()]).timeout(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(queued.kind(), ErrorKind::Unavailable);
    waiting.abort();
    drop(waiting.await);
    held.release().await;
    log.replayed().await;
    log.store.query(&Filter::all()).await.unwrap();
    log.store.query(&Filter::all()).consistency(Consistency::Eventual).await.unwrap();
    log.store.query(&Filter::where_all([("deep.path", secret)])).await.unwrap_err();
    log.store.close().await.unwrap();

    let values = values(&registry);
    let value = |name: &str| values.get(&format!("eventstore_{name}")).copied().unwrap_or(-1.0);
    let outcomes = ["accepted", "repeated", "invalid", "conflict", "timed_out", "cancelled"];
    let outcomes = outcomes.map(|outcome| value(&format!("append_outcomes_total{{outcome={outcome}}}")));
    assert_eq!(outcomes, [2.0, 1.0, 1.0, 1.0, 1.0, 1.0], "{values:#?}");
    assert_eq!(value("append_outcomes_total{outcome=unavailable}"), 0.0, "it is there before it happens");
    assert_eq!(value("append_duration_seconds{}"), 7.0);
    assert_eq!(value("events_appended_total{}"), 3.0);
    assert_eq!(value("query_outcomes_total{outcome=answered}"), 2.0);
    assert_eq!(value("query_outcomes_total{outcome=invalid}"), 1.0);
    assert_eq!(value("query_duration_seconds{target=replica}"), 1.0);
    assert_eq!(value("query_duration_seconds{target=primary}"), 1.0);
    assert_eq!(value("query_duration_seconds{target=none}"), 1.0, "the one that nobody answered");
    assert!(value("events_queried_total{}") >= 6.0);
    assert!(value("append_batch_events{}") >= 4.0);
    assert_eq!(value("append_queue_depth{}"), 0.0);
    assert!(value("pool_wait_seconds{pool=writer}") >= 1.0);
    assert!(values.keys().any(|name| name.starts_with("eventstore_replica_lag_seconds{replica=replica 127")));

    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
    assert!(!String::from_utf8(text).unwrap().contains(secret), "no payload in a label");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_on_one_log_do_not_share_a_registry_by_accident() {
    let registry = Registry::new();
    let log = Log::with(|builder| builder.metrics(&registry)).await;
    let error = builder(&log.schema).metrics(&registry).connect().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("cloning"), "{error}");
    let other = Log::with(|builder| builder.metrics(&registry)).await;
    other.store.head().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_did_not_come_to_be_or_is_gone_leaves_its_place_in_the_registry() {
    let registry = Registry::new();
    let log = Log::new().await;
    let unreachable = || fixture::store().primary("host=127.0.0.1 port=1 user=u").schema(log.schema.name());
    for _ in 0..2 {
        let error = unreachable().metrics(&registry).connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    for _ in 0..2 {
        let store = builder(&log.schema).metrics(&registry).connect().await.unwrap();
        store.head().await.unwrap();
        assert!(!values(&registry).is_empty());
        store.close().await.unwrap();
        drop(store);
        assert!(values(&registry).is_empty());
    }
}
