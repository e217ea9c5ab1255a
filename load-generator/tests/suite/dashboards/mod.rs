//! The dashboards, written down here and checked in as the JSON that Grafana reads.
//!
//! `EVENTSTORE_WRITE_DASHBOARDS=1 cargo test -p load-generator --test suite dashboards::` writes the files in grafana/dashboards.

mod colour;
mod consumers;
mod dashboard;
mod event_store;
mod load_generator;
mod panel;
mod postgresql;
mod replication;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

use crate::dashboards::dashboard::Dashboard;

fn all() -> [Dashboard; 2] {
    [event_store::dashboard(), load_generator::dashboard()]
}

fn file(dashboard: &Dashboard) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana/dashboards"));
    folder.join(format!("{}.json", dashboard.uid))
}

#[test]
fn the_files_are_what_is_written_here() {
    for dashboard in all() {
        let file = file(&dashboard);
        if env::var_os("EVENTSTORE_WRITE_DASHBOARDS").is_some() {
            fs::write(&file, dashboard.text()).unwrap();
        }
        let checked_in = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            checked_in == dashboard.text(),
            "{} is not: set EVENTSTORE_WRITE_DASHBOARDS=1 once",
            file.display()
        );
    }
}

/// Rows and panels, those in folded rows too.
fn flat(dashboard: &Value) -> Vec<Value> {
    let panels = dashboard["panels"].as_array().unwrap();
    let inside = panels.iter().flat_map(|panel| panel["panels"].as_array().cloned().unwrap_or_default());
    panels.iter().cloned().chain(inside).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn panels_say_what_they_show_and_do_not_overlap() {
    for dashboard in all() {
        let json: Value = serde_json::from_str(&dashboard.text()).unwrap();
        let panels = flat(&json);
        let ids: BTreeSet<u64> = panels.iter().map(|panel| number(&panel["id"])).collect();
        assert_eq!(ids.len(), panels.len(), "an id is there twice");
        let titles: BTreeSet<&str> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
        assert_eq!(titles.len(), panels.len(), "a title is there twice");
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            let title = &panel["title"];
            assert!(panel["description"].as_str().unwrap().len() > 15, "{title}");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(
                !defaults["unit"].as_str().unwrap().is_empty()
                    && !defaults["noValue"].as_str().unwrap().is_empty()
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{title}");
            let letters: BTreeSet<&str> =
                targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
            assert_eq!(letters.len(), targets.len(), "{title}");
            assert!(
                targets.iter().all(|target| !target["legendFormat"].as_str().unwrap().is_empty()),
                "{title}"
            );
        }
        let seen = json["panels"].as_array().unwrap().iter();
        assert_no_overlap(seen.clone());
        for row in seen.filter(|panel| panel["type"] == "row") {
            assert_no_overlap(row["panels"].as_array().unwrap().iter());
        }
    }
}

fn assert_no_overlap<'a>(panels: impl Iterator<Item = &'a Value>) {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = &panel["gridPos"];
        let [x, y, width, height] = ["x", "y", "w", "h"].map(|name| number(&place[name]));
        assert!(width > 0 && height > 0 && x + width <= 24, "{}", panel["title"]);
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies on another panel", panel["title"]);
        }
    }
}
