//! A dashboard: rows of panels, variables, annotations and links.

use serde_json::{Value, json};

use crate::dashboards::panel::{Panel, datasource};

/// The columns of the grid.
const COLUMNS: u64 = 24;

/// What Grafana shows as one page.
pub(super) struct Dashboard {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// Name, label, and the query that has its values.
    pub(super) variables: Vec<(&'static str, &'static str, &'static str)>,
    /// Identity and title of the other one.
    pub(super) other: (&'static str, &'static str),
    pub(super) rows: Vec<Row>,
}

/// A heading, and what can be folded under it.
pub(super) struct Row {
    title: &'static str,
    is_folded: bool,
    panels: Vec<Panel>,
}

/// Panels that are seen at once.
pub(super) fn row(title: &'static str, panels: impl IntoIterator<Item = Panel>) -> Row {
    Row { title, is_folded: false, panels: panels.into_iter().collect() }
}

/// Panels that are seen when the heading is clicked; nothing is asked for before.
pub(super) fn folded(title: &'static str, panels: impl IntoIterator<Item = Panel>) -> Row {
    Row { is_folded: true, ..row(title, panels) }
}

impl Dashboard {
    /// As its file has it.
    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(&self.json()).unwrap() + "\n"
    }

    fn json(&self) -> Value {
        let (uid, title) = self.other;
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["eventstore"],
            "schemaVersion": 41,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "liveNow": false,
            "refresh": "5s",
            "time": {"from": "now-15m", "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "fiscalYearStartMonth": 0,
            "weekStart": "",
            "templating": {"list": self.variables()},
            "annotations": {"list": annotations()},
            "links": [{
                "type": "link",
                "title": title,
                "url": format!("/d/{uid}/{uid}"),
                "icon": "dashboard",
                "tooltip": format!("The same time on the dashboard {title}"),
                "tags": [],
                "asDropdown": false,
                "includeVars": true,
                "keepTime": true,
                "targetBlank": false,
            }],
            "panels": self.panels(),
        })
    }

    fn variables(&self) -> Vec<Value> {
        let datasource = json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "regex": "",
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "refresh": 1,
            "options": [],
            "current": {"selected": false, "text": "Prometheus", "value": "prometheus"},
            "skipUrlSync": false,
        });
        let all = self.variables.iter().map(|(name, label, query)| variable(name, label, query));
        std::iter::once(datasource).chain(all).collect()
    }

    /// From left to right and downward, so that nothing lies on something else.
    fn panels(&self) -> Vec<Value> {
        let (mut id, mut y, mut all) = (0, 0, Vec::new());
        let mut next = || {
            id += 1;
            id
        };
        for row in &self.rows {
            let heading = next();
            let at = y;
            y += 1;
            let (mut x, mut height, mut inside) = (0, 0, Vec::new());
            for panel in &row.panels {
                if x + panel.width > COLUMNS {
                    (x, y, height) = (0, y + height, 0);
                }
                inside.push(panel.at(next(), x, y));
                x += panel.width;
                height = height.max(panel.height);
            }
            y += height;
            let (within, below) = if row.is_folded { (inside, Vec::new()) } else { (Vec::new(), inside) };
            all.push(json!({
                "id": heading,
                "type": "row",
                "title": row.title,
                "collapsed": row.is_folded,
                "gridPos": {"x": 0, "y": at, "w": COLUMNS, "h": 1},
                "panels": within,
            }));
            all.extend(below);
            if row.is_folded {
                // What is folded takes no room.
                y = at + 1;
            }
        }
        all
    }
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": datasource(),
        "query": {"query": query, "refId": "values"},
        "regex": "",
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": true,
        "includeAll": true,
        "allValue": ".*",
        "options": [],
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
        "skipUrlSync": false,
    })
}

fn annotations() -> Vec<Value> {
    // The values are times, in milliseconds.
    let of_prometheus = |name: &str, colour: &str, expression: &str, title: &str, text: &str| {
        json!({
            "name": name,
            "datasource": datasource(),
            "enable": true,
            "hide": false,
            "iconColor": colour,
            "target": {"expr": expression, "interval": "", "refId": "Anno"},
            "titleFormat": title,
            "textFormat": text,
            "tagKeys": "",
            "useValueForTime": true,
        })
    };
    vec![
        json!({
            "builtIn": 1,
            "name": "Annotations & Alerts",
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": true,
            "hide": true,
            "iconColor": "rgba(0, 211, 255, 1)",
            "type": "dashboard",
        }),
        of_prometheus(
            "Checkpoints",
            "blue",
            "(postgresql_last_checkpoint_timestamp_seconds and on (instance, server) postgresql_in_recovery == 0) * 1000",
            "checkpoint",
            "began on {{server}}",
        ),
        of_prometheus(
            "Alerts",
            "red",
            // Where it began, and not all of the time since, which would colour every panel.
            "ALERTS_FOR_STATE * 1000 and ignoring (alertstate) ALERTS{alertstate=\"firing\"}",
            "{{alertname}}",
            "{{severity}}, since then",
        ),
    ]
}
