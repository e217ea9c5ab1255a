//! Every query, asked of a Prometheus that has scraped a real run with faults.

use std::fs;

use serde_json::Value;
use testutil::{ClusterError, Prometheus, Signal, promtool, skip};

use crate::monitoring::queries::{Query, filled, folder, of_dashboards, operands, rules};
use crate::monitoring::scene::Scene;

/// At least four scrapes, as Grafana has it.
const WINDOW: &str = "20s";
/// Queries that this run gives nothing for, and why.
const EMPTY: &[(&str, &str)] = &[("postgresql_io_", "PostgreSQL 15 does not have pg_stat_io")];
/// What the faults, and an application of which some work fails, must have somebody called for.
const FIRED: [&str; 5] =
    ["PostgresqlDown", "AppendErrors", "WorkParked", "RecomputesFail", "ReplicaOutOfRotation"];

/// Our configuration, with the ports of a scene, and everything five times as often.
fn configuration(scene: &Scene) -> String {
    let text = fs::read_to_string(folder().join("prometheus.yml")).unwrap();
    let generators =
        format!("\"127.0.0.1:{}\", \"127.0.0.1:{}\"", scene.running.port, scene.application.port);
    let changes = [
        ("scrape_interval: 5s", "scrape_interval: 1s".to_owned()),
        ("scrape_timeout: 4s", "scrape_timeout: 1s".to_owned()),
        ("evaluation_interval: 5s", "evaluation_interval: 1s".to_owned()),
        ("\"load-generator:9464\"", generators),
        ("\"exporter:9187\"", format!("\"127.0.0.1:{}\"", scene.exporter.port)),
    ];
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in prometheus.yml");
        text.replace(from, to)
    })
}

/// The rules, of which alerts fire at once.
fn hasty_rules() -> tempfile::TempDir {
    let hasty = tempfile::tempdir().unwrap();
    for file in ["recording.yml", "alerts.yml"] {
        let text = fs::read_to_string(folder().join("rules").join(file)).unwrap();
        let lines = text.lines().map(|line| match line.split_once("for: ") {
            Some((before, _)) if before.trim().is_empty() => format!("{before}for: 0s\n"),
            _ => format!("{line}\n"),
        });
        fs::write(hasty.path().join(file), lines.collect::<String>()).unwrap();
    }
    hasty
}

/// The values that were found, but for those that are not a number.
fn values(result: &[Value]) -> Vec<f64> {
    let values = result.iter().filter_map(|series| series["value"][1].as_str()?.parse::<f64>().ok());
    values.filter(|value| value.is_finite()).collect()
}

/// The highest value that can be meant by a unit.
fn most(unit: &str) -> f64 {
    match unit {
        // An hour's test would be a long one; a server that was given may run for years.
        "s" => 1e4,
        "percentunit" => 1.0 + 1e-9,
        // The word is a label.
        "string" => 1.0,
        "bytes" | "Bps" => 1e12,
        "short" => 1e9,
        "reqps" | "ops" | "eps" | "wps" | "rps" | "iops" => 1e6,
        other => panic!("a unit of which nobody knows the range: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_alert_has_something_to_show() {
    let mut scene = Scene::begin().await;
    let hasty = hasty_rules();
    let prometheus = match Prometheus::start(&configuration(&scene), hasty.path()) {
        Ok(prometheus) => prometheus,
        Err(missing @ ClusterError::NoTool { .. }) => {
            scene.running.kill();
            return skip("every_panel_and_alert_has_something_to_show", missing);
        }
        Err(error) => panic!("{error}"),
    };
    let ask = |text: &str| prometheus.query(&filled(text, WINDOW)).unwrap_or_else(|error| panic!("{error}"));
    let seen = |expression: &str| {
        let (expression, named) = (expression.to_owned(), expression.to_owned());
        move |_: &Scene| (if ask(&expression).is_empty() { vec![named.clone()] } else { Vec::new() }, ())
    };

    scene.until(seen("postgresql_up{server=\"replica1\"} == 1"));
    scene.cluster.replicas()[0].signal(Signal::SIGSTOP).unwrap();
    scene.until(seen("postgresql_up{server=\"replica1\"} == 0 and on () postgresql_replica_lag_seconds > 1"));
    scene.until(seen("eventstore_replica_in_rotation == 0"));
    scene.cluster.replicas()[0].signal(Signal::SIGCONT).unwrap();
    scene.until(seen("postgresql_up{server=\"replica1\"} == 1"));
    scene.break_primary();
    scene.until(seen("load_generator_errors_total > 0"));
    for alert in FIRED {
        scene.until(seen(&format!(
            "max_over_time(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}[5m])"
        )));
    }

    let is_15 = !ask("postgresql_info{version=~\"15.*\"}").is_empty();
    let of_alerts = rules("alerts.yml").into_iter().flat_map(|rule| {
        let operands = operands(&rule.expression).into_iter();
        operands.map(move |text| Query { of: format!("alert {}", rule.name), text, unit: None })
    });
    let of_records = rules("recording.yml").into_iter().map(|rule| Query {
        of: rule.name.clone(),
        text: rule.expression,
        unit: None,
    });
    let all: Vec<Query> = of_dashboards().into_iter().chain(of_alerts).chain(of_records).collect();
    assert!(all.len() > 150, "{}", all.len());
    let excused = |query: &Query| is_15 && EMPTY.iter().any(|(begins, _)| query.text.contains(begins));
    scene.until(|_| {
        let is_empty = |query: &&Query| !excused(query) && values(&ask(&query.text)).is_empty();
        (all.iter().filter(is_empty).map(|query| format!("{}: {}", query.of, query.text)).collect(), ())
    });
    for query in &all {
        let Some(unit) = &query.unit else { continue };
        for value in values(&ask(&query.text)) {
            assert!(
                (0.0..=most(unit)).contains(&value),
                "{}: {value} is no {unit}: {}",
                query.of,
                query.text
            );
        }
    }
    scene.running.kill();
}

#[test]
fn promtool_is_content() {
    let grafana = folder();
    let tests: Vec<String> = fs::read_dir(grafana.join("rules/tests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let of_tests: Vec<&str> = ["test", "rules"].into_iter().chain(tests.iter().map(String::as_str)).collect();
    for (arguments, within) in [
        (&["check", "config", "prometheus.yml"][..], grafana.clone()),
        (&["check", "rules", "rules/recording.yml", "rules/alerts.yml"], grafana.clone()),
        (&of_tests, grafana.join("rules/tests")),
    ] {
        match promtool(arguments, &within) {
            Ok(_) => {}
            Err(missing @ ClusterError::NoTool { .. }) => return skip("promtool_is_content", missing),
            Err(error) => panic!("{error}"),
        }
    }
}
