//! How PostgreSQL carries out the claims of groups, processes and recomputes: they touch few rows, whatever waits besides.

use eventstore::{ConsumerGroup, Start};
use serde_json::{Value, json};

use crate::plans::{SCHEMA, explained, filled, logged_plans, rows_of, visit};
use crate::process_script::{self, manager, next, step, telling};
use crate::recompute_script::{self, OPEN, count};

#[tokio::test(flavor = "multi_thread")]
async fn claims_touch_few_rows_of_the_work() {
    let (cluster, _store) = filled(3_000, &[]).await;
    for (name, path) in [("unordered", None), ("ordered", Some("Book"))] {
        let handle = explained(&cluster, name).await;
        let group = handle.consumer_group(name);
        let group = path.into_iter().fold(group, ConsumerGroup::ordered_by);
        let worker = group.start(Start::Beginning).await.unwrap();
        for _ in 0..20 {
            worker.next().await.unwrap().done().await.unwrap();
        }
        worker.close().await;
        let plans = logged_plans(&cluster).await;
        let is_claim = |plan: &Value| {
            let text = plan["Query Text"].as_str().unwrap_or_default();
            // One that finds nothing says when something is due, and looks at all that is ready for that.
            ["v_heads", "leased AS", "v_held"].iter().any(|part| text.contains(part))
                && !text.contains("min(w.due_at)")
        };
        let claims: Vec<_> = plans.iter().filter(|(of, plan)| of == name && is_claim(plan)).collect();
        assert!(claims.len() >= 40, "{name}: {} plans were logged", claims.len());
        for (_, plan) in claims {
            let mut touched = 0;
            visit(&plan["Plan"], &mut |node| {
                if node["Relation Name"] == "group_work" && node["Node Type"] != "ModifyTable" {
                    touched += rows_of(node);
                }
            });
            assert!(touched <= 20, "{name}: {touched} rows touched\n{plan:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_processes_and_recomputes_touch_few_rows_of_what_waits() {
    let (cluster, store) = filled(10, &[]).await;
    // Wake-ups in a year, what was parked, and keys that are done: none of them is in the way.
    let session = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    let waiting = format!(
        "SET search_path = {SCHEMA};
         INSERT INTO process_work (id, process, lane, due_at, cause, key, name)
         SELECT gen_random_uuid(), 'script', 'w', now() + interval '1 year', n, to_jsonb(n), 'later' FROM generate_series(1, 30000) AS n;
         INSERT INTO process_work (id, process, lane, due_at, cause, key, name, is_parked, parked_at)
         SELECT gen_random_uuid(), 'script', 'c', now(), n, to_jsonb(n), 'Go', true, now() FROM generate_series(1, 30000) AS n;
         INSERT INTO recompute_queue (projection, key, wanted, wanted_id, done)
         SELECT 'sums', 'k' || n, 0, '00000000-0000-0000-0000-000000000000', 0 FROM generate_series(1, 30000) AS n"
    );
    session.batch_execute(&waiting).await.unwrap();
    let handle = explained(&cluster, "processes").await;
    let (script, mut handled) = telling();
    let running = process_script::begin(&manager(&handle, script));
    for order in 0..20 {
        step(&store, order, 1, json!({"command": "Go"})).await;
        next(&mut handled).await;
    }
    running.end().await;
    let handle = explained(&cluster, "recomputes").await;
    session
        .batch_execute(&format!("CREATE TABLE {SCHEMA}.shown (key text PRIMARY KEY, total bigint)"))
        .await
        .unwrap();
    let (script, mut told) = recompute_script::script(OPEN);
    let table = format!("{SCHEMA}.shown");
    let running = recompute_script::begin(&recompute_script::sums_into(&handle, table, &script));
    for n in 0..10 {
        count(&store, &format!("new{n}"), 1).await;
        recompute_script::next(&mut told.ended).await;
    }
    running.end().await;
    let plans = logged_plans(&cluster).await;
    for (name, table, least) in [("processes", "process_work", 60), ("recomputes", "recompute_queue", 30)] {
        let mut seen = 0;
        for (_, plan) in plans.iter().filter(|(of, _)| of == name) {
            let mut touched = 0;
            visit(&plan["Plan"], &mut |node| {
                if node["Relation Name"] == table && node["Node Type"] != "ModifyTable" {
                    (seen, touched) = (seen + 1, touched + rows_of(node));
                }
            });
            assert!(touched <= 20, "{name}: {touched} rows touched\n{plan:#}");
        }
        assert!(seen >= least, "{name}: {seen} looks at {table} were logged");
    }
}
