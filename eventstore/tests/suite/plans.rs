//! How PostgreSQL carries the statements out, on 300,000 events of which every one has the same hot key: only index
//! scans, and only as many rows as the answer needs. The plans are those of real calls, as `auto_explain` logs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use eventstore::{Consistency, EventId, EventStore, Filter, NewEvent, Position, Query, Token};
use futures_util::future::join_all;
use serde_json::{Value, json};
use testutil::Cluster;

use crate::fixture;

const EVENTS: u64 = 300_000;
pub(crate) const SCHEMA: &str = "plans";

/// Every event is of tenant `hot` and has a book of its own; each 1,000th is `Rare`, each 50,000th of shelf `s`.
fn event(n: u64) -> NewEvent {
    let event_type = if n.is_multiple_of(1_000) { "Rare" } else { "Common" };
    let mut payload = json!({"Tenant": "hot", "Book": format!("b{n}"), "Reader": n % 4_000});
    if n.is_multiple_of(50_000) {
        payload["Shelf"] = json!("s");
    }
    NewEvent::new(event_type, payload)
}

/// The settings say when the server looks at its statistics again.
pub(crate) async fn filled(events: u64, settings: &[(&str, &str)]) -> (Cluster, EventStore) {
    let builder = Cluster::builder()
        .setting("logging_collector", "on")
        .setting("log_destination", "'jsonlog'")
        .setting("log_min_messages", "log");
    let cluster = settings.iter().fold(builder, |builder, (name, value)| builder.setting(*name, *value));
    let cluster = cluster.start().unwrap();
    let store = fixture::store().primary(cluster.primary().dsn()).schema(SCHEMA).connect().await.unwrap();
    store.migrate().await.unwrap();
    grow(&store, 0..events).await;
    (cluster, store)
}

async fn grow(store: &EventStore, numbers: Range<u64>) {
    let chunks: Vec<u64> = numbers.clone().step_by(1_000).collect();
    for chunks in chunks.chunks(4) {
        let appends = chunks
            .iter()
            .map(|from| store.append((*from..numbers.end.min(from + 1_000)).map(event)).into_future());
        join_all(appends).await.into_iter().for_each(|receipt| assert!(receipt.is_ok(), "{receipt:?}"));
    }
}

/// A handle whose statements are explained in the server's log, under a name.
pub(crate) async fn explained(cluster: &Cluster, name: &str) -> EventStore {
    let options = "-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 \
                   -c auto_explain.log_analyze=on -c auto_explain.log_timing=off -c auto_explain.log_format=json \
                   -c auto_explain.log_nested_statements=on";
    let dsn = format!("{} application_name={name} options='{options}'", cluster.primary().dsn());
    fixture::store().primary(dsn).schema(SCHEMA).connect().await.unwrap()
}

type ShapeOf = Box<dyn Fn(&EventStore) -> Query>;

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_reads_by_index_and_no_more_than_it_needs() {
    let (cluster, store) = filled(EVENTS, &[]).await;
    let near_the_end = store.event_at(Position::new(EVENTS - 100)).await.unwrap().unwrap();
    let recent = near_the_end.token();
    let hot = || Filter::where_all([("Tenant", "hot")]);
    let two = |n: i64| Filter::event_types(["Common", "Rare"]).and_any([("Reader", n), ("Reader", n + 1)]);

    // What is read, how many events it returns, and how many rows of the log and its keys it may touch for that. A
    // match costs up to six: counted under its value and under two types, found, rechecked, fetched.
    let shapes: Vec<(&str, usize, u64, ShapeOf)> = vec![
        ("one_rare_value", 1, 8, Box::new(|s| s.query(&Filter::where_all([("Book", "b77")])))),
        ("two_ored_values", 150, 920, Box::new(move |s| s.query(&two(7)))),
        ("type_alone", 300, 1_200, Box::new(|s| s.query(&Filter::event_types(["Rare"])))),
        (
            "rare_type_and_hot_value",
            300,
            3_300,
            Box::new(move |s| s.query(&Filter::event_types(["Rare"]).and_all([("Tenant", "hot")]))),
        ),
        (
            "rare_and_hot_value",
            6,
            1_200,
            Box::new(|s| s.query(&Filter::where_all([("Tenant", "hot"), ("Shelf", "s")]))),
        ),
        (
            "nothing_under_two_hot_keys",
            0,
            1_200,
            Box::new(|s| {
                s.query(&Filter::event_types(["Common"]).and_all([("Tenant", "hot"), ("Book", "none")]))
            }),
        ),
        (
            "items",
            7,
            1_400,
            Box::new(move |s| {
                s.query(
                    &Filter::where_all([("Tenant", "hot"), ("Shelf", "s")])
                        .or(Filter::where_any([("Book", "b9")])),
                )
            }),
        ),
        ("newest_of_hot_value", 10, 50, Box::new(move |s| s.query(&hot()).backwards().limit(10))),
        (
            "newest_of_rare_value",
            6,
            30,
            Box::new(|s| s.query(&Filter::where_all([("Shelf", "s")])).backwards().limit(10)),
        ),
        ("oldest_of_hot_value", 10, 50, Box::new(move |s| s.query(&hot()).limit(10))),
        ("recent_of_hot_value", 100, 500, Box::new(move |s| s.query(&hot()).after(recent))),
        (
            "recent_of_two_hot_keys",
            100,
            800,
            Box::new(move |s| {
                s.query(&Filter::event_types(["Common"]).and_all([("Tenant", "hot")])).after(recent)
            }),
        ),
        ("recent_of_all", 100, 300, Box::new(move |s| s.query(&Filter::all()).after(recent))),
        ("first_of_all", 10, 40, Box::new(|s| s.query(&Filter::all()).limit(10))),
        (
            "recorded_since",
            100,
            500,
            Box::new(move |s| {
                s.query(&hot()).recorded_since(near_the_end.recorded_at).backwards().limit(100)
            }),
        ),
        (
            "occurred_since",
            0,
            900,
            Box::new(move |s| {
                s.query(&two(7)).occurred_since(near_the_end.recorded_at + time::Duration::days(1))
            }),
        ),
        (
            "many_values",
            200,
            1_200,
            Box::new(|s| s.query(&Filter::where_any((0..200).map(|n| ("Book", format!("b{n}")))))),
        ),
    ];
    let mut allowed: BTreeMap<String, u64> = BTreeMap::new();
    for (name, events, rows, query) in &shapes {
        let handle = explained(&cluster, name).await;
        // Seven times: by then the server has settled on the plan that it keeps.
        for _ in 0..7 {
            let history = query(&handle).consistency(Consistency::Strong).await.unwrap();
            assert_eq!(history.len(), *events, "{name}");
        }
        allowed.insert((*name).to_owned(), *rows);
    }
    append_shapes(&cluster, recent, &mut allowed).await;
    let lookups = explained(&cluster, "lookups").await;
    for _ in 0..7 {
        lookups.head().await.unwrap();
        lookups.event_by_id(EventId::generate()).await.unwrap();
        lookups.event_at(Position::new(77)).await.unwrap();
    }
    allowed.insert("lookups".to_owned(), 6);

    assert_within(&cluster, &allowed).await;
}

/// Appends keep their plans for as long as their session lives: those made for a log of a few events must be good for a
/// large one.
#[tokio::test(flavor = "multi_thread")]
async fn plans_of_a_small_log_are_good_for_a_large_one() {
    let mut allowed = BTreeMap::new();
    for events in [0, 1, 3, 40] {
        let (cluster, store) = filled(events, &[("autovacuum", "off")]).await;
        let sql = testutil::connect(&cluster.primary().dsn()).await.unwrap();
        sql.batch_execute("VACUUM (ANALYZE)").await.unwrap();
        let handle = explained(&cluster, "small_then_large").await;
        for round in 0..7 {
            let (filter, fresh) = (Filter::event_types(["Never"]).and_all([("Book", "none")]), event(9));
            handle.append([fresh]).fail_if_matches(&filter).await.unwrap();
            if round == 0 {
                grow(&store, 100..5_000).await;
            }
        }
        allowed.insert("small_then_large".to_owned(), 30);
        assert_within(&cluster, &allowed).await;
    }
}

/// However much there is to do: the plans of a claim and a settling find their rows by position and key.
/// That all plans of the named handles touch no more rows than they may.
async fn assert_within(cluster: &Cluster, allowed: &BTreeMap<String, u64>) {
    let plans = logged_plans(cluster).await;
    let mut excesses = BTreeSet::new();
    for (name, rows) in allowed {
        let of_shape = plans.iter().filter(|(of, _)| of == name).collect::<Vec<_>>();
        assert!(of_shape.len() >= 7, "{name}: {} plans were logged", of_shape.len());
        for (_, plan) in of_shape {
            let (mut touched, mut scans) = (0, Vec::new());
            visit(&plan["Plan"], &mut |node| {
                let rows = touched_rows(name, node);
                touched += rows;
                scans.extend((rows > 0).then(|| format!("{rows} by {}", node["Index Name"])));
            });
            if touched > *rows {
                excesses
                    .insert(format!("{name}: {touched} rows touched, {rows} allowed: {}", scans.join(", ")));
            }
        }
    }
    assert!(excesses.is_empty(), "{excesses:#?}");
}

/// Conditions of every shape, each accepted: the whole range since `after` has to be looked at, but under the log's
/// lock no more than `Settings::max_batch_rechecks` keys and events.
async fn append_shapes(cluster: &Cluster, recent: Token, allowed: &mut BTreeMap<String, u64>) {
    let conditions = [
        ("condition_on_rare_value", Filter::where_all([("Book", "none")]), Token::START, 20),
        ("condition_on_type", Filter::event_types(["Never"]), Token::START, 20),
        ("condition_on_hot_value", Filter::event_types(["Never"]).and_any([("Tenant", "hot")]), recent, 500),
        ("condition_on_all_of", Filter::where_all([("Tenant", "hot"), ("Book", "none")]), recent, 500),
        (
            "condition_far_back",
            Filter::event_types(["Never"]).and_any([("Tenant", "hot")]),
            Token::START,
            2_050,
        ),
    ];
    for (name, filter, after, rows) in conditions {
        let handle = explained(cluster, name).await;
        handle.head().await.unwrap();
        for n in 0..7 {
            let append = handle.append([NewEvent::new("Other", json!({"n": n}))]);
            append.fail_if_matches(&filter).after(after).await.unwrap();
        }
        allowed.insert(name.to_owned(), rows);
    }
}

/// How many rows of the log a node touched; fails if it is not by an index.
fn touched_rows(shape: &str, node: &Value) -> u64 {
    let relation = node["Relation Name"].as_str().unwrap_or_default();
    let kind = node["Node Type"].as_str().unwrap_or_default();
    if kind == "ModifyTable" || !["events", "keys"].contains(&relation) {
        return 0;
    }
    assert!(["Index Scan", "Index Only Scan"].contains(&kind), "{shape}: {kind} on {relation}:\n{node:#}");
    rows_of(node)
}

/// How many rows a node looked at.
pub(crate) fn rows_of(node: &Value) -> u64 {
    let count = |field: &str| node[field].as_f64().unwrap_or_default();
    ((count("Actual Rows") + count("Rows Removed by Filter")) * count("Actual Loops")).ceil() as u64
}

pub(crate) fn visit(node: &Value, see: &mut dyn FnMut(&Value)) {
    see(node);
    for child in node["Plans"].as_array().into_iter().flatten() {
        visit(child, see);
    }
}

/// The plans of the log's statements, each with the name of the handle that ran it.
pub(crate) async fn logged_plans(cluster: &Cluster) -> Vec<(String, Value)> {
    let folder = cluster.primary().data().join("log");
    // The log is written by a process of its own: when the last line is there, all are.
    let sql = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    sql.batch_execute("DO $$ BEGIN RAISE LOG 'end of the plans'; END $$").await.unwrap();
    let mut text = read_all(&folder);
    while !text.contains("end of the plans") {
        sql.query_one("SELECT 1", &[]).await.unwrap();
        text = read_all(&folder);
    }
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let plans = entries.filter_map(|entry| {
        let (_, plan) = entry["message"].as_str()?.split_once("plan:\n")?;
        let plan: Value = serde_json::from_str(plan).ok()?;
        let text = plan["Query Text"].as_str()?;
        ["events", "keys", "position", "group_work", "process_work", "recompute_queue"]
            .iter()
            .any(|of_the_log| text.contains(of_the_log))
            .then_some(())?;
        Some((entry["application_name"].as_str()?.to_owned(), plan))
    });
    plans.collect()
}

fn read_all(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    logs.map(|path| fs::read_to_string(path).unwrap()).collect()
}
