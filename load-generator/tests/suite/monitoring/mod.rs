//! Dashboards, rules and metrics say the same.

mod application;
mod prometheus;
mod queries;
mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::monitoring::queries::{DASHBOARDS, folder, metrics, of_dashboards, of_variables, rules};
use crate::monitoring::scene::Scene;

/// Prefixes of what is ours.
const OURS: [&str; 3] = ["eventstore_", "load_generator_", "postgresql_"];
/// What Prometheus itself makes.
const OF_PROMETHEUS: [&str; 3] = ["up", "ALERTS", "ALERTS_FOR_STATE"];
/// Metrics that no panel and no alert has, and why.
const NOWHERE: &[(&str, &str)] = &[];
/// Metrics that only later versions than the oldest have.
const FROM_16: [&str; 3] =
    ["postgresql_io_reads_total", "postgresql_io_writes_total", "postgresql_io_extends_total"];

/// What a page of metrics has, with the names of histograms as they are asked for, each with that of its family.
fn families(page: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, kind) = line.split_once(' ').unwrap();
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        names.extend(suffixes.iter().map(|suffix| (format!("{family}{suffix}"), family.to_owned())));
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_shown_and_what_is_shown_is_there() {
    let mut scene = Scene::begin().await;
    scene.break_primary();
    let asked = {
        let queries = of_dashboards().into_iter().map(|query| query.text);
        let all = ["recording.yml", "alerts.yml"].into_iter().flat_map(rules).map(|rule| rule.expression);
        let mut asked: BTreeSet<String> = queries.chain(all).flat_map(|text| metrics(&text)).collect();
        asked.extend(of_variables());
        asked
    };
    let recorded: BTreeSet<String> = rules("recording.yml").into_iter().map(|rule| rule.name).collect();
    let unused: Vec<_> = recorded.difference(&asked).collect();
    assert!(unused.is_empty(), "recorded for nobody: {unused:?}");

    // What appears only when something has happened is waited for.
    let missing = |scene: &Scene| {
        let pages = [
            scene.running.scrape().unwrap_or_default(),
            scene.exporter.scrape().0,
            scene.application.scrape(),
        ];
        let there: BTreeMap<String, String> = pages.iter().flat_map(|page| families(page)).collect();
        let is_15 = pages[1].contains("version=\"15");
        let is_known = |name: &String| {
            there.contains_key(name)
                || recorded.contains(name)
                || OF_PROMETHEUS.contains(&name.as_str())
                || is_15 && FROM_16.contains(&name.as_str())
        };
        let missing: Vec<String> = asked.iter().filter(|name| !is_known(name)).cloned().collect();
        (missing, there)
    };
    let there = scene.until(missing);

    let shown: BTreeSet<&String> = asked.iter().filter_map(|name| there.get(name)).collect();
    let excused = |family: &String| NOWHERE.iter().any(|(name, _)| name == family);
    let families: BTreeSet<&String> = there.values().collect();
    let ours = families.into_iter().filter(|family| OURS.iter().any(|prefix| family.starts_with(prefix)));
    let hidden: Vec<_> = ours.filter(|family| !shown.contains(family) && !excused(family)).collect();
    assert!(hidden.is_empty(), "no panel and no rule has {hidden:?}");
    scene.running.kill();
}

#[test]
fn alerts_say_what_is_wrong_and_where_to_read_on() {
    let alerts = rules("alerts.yml");
    let tests: String = fs::read_dir(folder().join("rules/tests"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let mut anchors = BTreeSet::new();
    for rule in &alerts {
        assert!(rule.is_alert, "{}", rule.name);
        let text = |part: &str, name: &str| {
            let value = if part.is_empty() { &rule.yaml[name] } else { &rule.yaml[part][name] };
            value.as_str().unwrap_or_else(|| panic!("{} has no {part} {name}", rule.name)).to_owned()
        };
        assert!(["warning", "critical"].contains(&text("labels", "severity").as_str()), "{}", rule.name);
        assert!(text("", "for").ends_with(['s', 'm', 'h']));
        assert!(
            text("annotations", "description").len() > text("annotations", "summary").len(),
            "{}",
            rule.name
        );
        let runbook = text("annotations", "runbook");
        let anchor =
            runbook.strip_prefix("docs/operations.md#").unwrap_or_else(|| panic!("{runbook}")).to_owned();
        assert!(anchors.insert(anchor), "{runbook} belongs to another alert");
        // A test that it fires, and with the series that are well, and a time before, that it does not.
        assert!(tests.contains(&format!("- name: {}\n", rule.name)), "{} has no test", rule.name);
    }
    assert!(alerts.len() >= 20, "{}", alerts.len());
}

#[test]
fn dashboards_have_the_names_that_provisioning_and_links_use() {
    let names: BTreeSet<String> = fs::read_dir(folder().join("dashboards"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, DASHBOARDS.map(|name| format!("{name}.json")).into_iter().collect());
    for name in DASHBOARDS {
        let dashboard = queries::dashboard(name);
        assert_eq!(dashboard["uid"], name);
        for link in dashboard["links"].as_array().unwrap() {
            let uid = link["url"].as_str().unwrap().split('/').nth(2).unwrap();
            assert!(DASHBOARDS.contains(&uid), "{link}");
        }
    }
}
