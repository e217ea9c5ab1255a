//! A panel of a dashboard, in the form that Grafana reads.

use serde_json::{Value, json};

use crate::dashboards::colour::{COLOURS, OUTCOMES, SERVERS};

/// The variable that names the data source.
pub(super) fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// A panel, and how many columns and rows it takes of the grid.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    pub(super) width: u64,
    pub(super) height: u64,
    queries: Vec<(String, &'static str)>,
    /// Where the queries that are limits of others are.
    limits: Vec<usize>,
    thresholds: Vec<(&'static str, f64)>,
    no_value: &'static str,
    max: Option<f64>,
    is_stacked: bool,
    has_legend_beside: bool,
    /// Labels: of each series these name it, and the last is shown.
    labels: &'static [&'static str],
    mappings: Vec<Value>,
}

impl Panel {
    /// Lines over time.
    pub(super) fn lines(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new("timeseries", title, unit, description).sized(12, 8)
    }

    /// One number for each series, coloured by its thresholds.
    pub(super) fn number(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new("stat", title, unit, description).sized(4, 4)
    }

    /// One word for each series: the last of these labels, named by the others.
    pub(super) fn word(
        title: &'static str,
        labels: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self { labels, ..Self::number(title, "string", description) }
    }

    fn new(kind: &'static str, title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self {
            kind,
            title,
            description,
            unit,
            width: 0,
            height: 0,
            queries: Vec::new(),
            limits: Vec::new(),
            thresholds: Vec::new(),
            no_value: "no data: is it running, and scraped?",
            max: None,
            is_stacked: false,
            has_legend_beside: false,
            labels: &[],
            mappings: Vec::new(),
        }
    }

    pub(super) fn sized(mut self, width: u64, height: u64) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    pub(super) fn query(mut self, expression: impl Into<String>, legend: &'static str) -> Self {
        self.queries.push((expression.into(), legend));
        self
    }

    /// A query whose values the others can not exceed.
    pub(super) fn limit(mut self, expression: impl Into<String>, legend: &'static str) -> Self {
        self.limits.push(self.queries.len());
        self.query(expression, legend)
    }

    /// The usual percentiles of a recorded histogram.
    pub(super) fn percentiles(self, recorded: &str) -> Self {
        [("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99"), ("0.999", "p99.9")]
            .into_iter()
            .fold(self, |panel, (quantile, legend)| {
                panel.query(recorded.replace("QUANTILE", quantile), legend)
            })
            .many()
    }

    /// From this value on, in this colour.
    pub(super) fn threshold(mut self, value: f64, colour: &'static str) -> Self {
        self.thresholds.push((colour, value));
        self
    }

    /// What stands where there is no value, and why that may be so.
    pub(super) fn empty(mut self, text: &'static str) -> Self {
        self.no_value = text;
        self
    }

    pub(super) fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }

    /// Parts of a whole. Those that are 0 are better not asked for.
    pub(super) fn stacked(mut self) -> Self {
        self.is_stacked = true;
        self
    }

    /// With room for four rows of the legend below.
    pub(super) fn tall(self) -> Self {
        self.sized(12, 10)
    }

    /// More series than a legend below has room for: it has the whole height beside.
    pub(super) fn many(mut self) -> Self {
        self.has_legend_beside = true;
        self
    }

    /// The colour of a word.
    pub(super) fn coloured(mut self, word: &str, colour: &str) -> Self {
        self.mappings.push(json!({"type": "value", "options": {word: {"color": colour, "index": 0}}}));
        self
    }

    /// A word and a colour for 0 and for 1.
    pub(super) fn words(mut self, zero: (&str, &str), one: (&str, &str)) -> Self {
        self.mappings = vec![json!({"type": "value", "options": {
            "0": {"text": zero.0, "color": zero.1, "index": 0},
            "1": {"text": one.0, "color": one.1, "index": 1},
        }})];
        self
    }

    /// With a number, at a place.
    pub(super) fn at(&self, id: u64, x: u64, y: u64) -> Value {
        json!({
            "id": id,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": datasource(),
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self.defaults(), "overrides": self.overrides()},
            "options": self.options(),
            "targets": self.targets(),
            "transformations": self.transformations(),
        })
    }

    fn targets(&self) -> Vec<Value> {
        let queries = self.queries.iter().zip('A'..='Z');
        queries
            .map(|((expression, legend), letter)| {
                json!({
                    "refId": letter.to_string(),
                    "datasource": datasource(),
                    "editorMode": "code",
                    "expr": expression,
                    "legendFormat": legend,
                    "range": self.kind == "timeseries",
                    "instant": self.kind != "timeseries",
                    "format": if self.labels.is_empty() { "time_series" } else { "table" },
                })
            })
            .collect()
    }

    /// Of a table, the columns that are shown.
    fn transformations(&self) -> Vec<Value> {
        if self.labels.is_empty() {
            return Vec::new();
        }
        vec![json!({"id": "filterFieldsByName", "options": {"include": {"names": self.labels}}})]
    }

    fn defaults(&self) -> Value {
        let base = if self.thresholds.is_empty() { "text" } else { "green" };
        let steps = std::iter::once(json!({"color": base, "value": null}))
            .chain(self.thresholds.iter().map(|(colour, value)| json!({"color": colour, "value": value})));
        let is_number = self.kind == "stat";
        let mut defaults = json!({
            "unit": self.unit,
            "min": 0,
            "noValue": self.no_value,
            "color": {"mode": if is_number { "thresholds" } else { "palette-classic" }},
            "mappings": self.mappings(),
            "thresholds": {"mode": "absolute", "steps": steps.collect::<Vec<_>>()},
        });
        if let Some(max) = self.max {
            defaults["max"] = json!(max);
        }
        if !is_number {
            let is_single = self.queries.len() == 1 && !self.has_legend_beside;
            defaults["custom"] = json!({
                "drawStyle": "line",
                "lineInterpolation": "linear",
                // The line of a part that is 0 would lie on the total, and look as if it were all of it.
                "lineWidth": if self.is_stacked { 0 } else { 1 },
                "fillOpacity": if self.is_stacked { 70 } else if is_single { 8 } else { 0 },
                "showPoints": "never",
                "spanNulls": false,
                "stacking": {"mode": if self.is_stacked { "normal" } else { "none" }, "group": "A"},
                "thresholdsStyle": {"mode": if self.thresholds.is_empty() { "off" } else { "dashed" }},
            });
            // A soft end would be nearer than a fixed one.
            if self.max.is_none() {
                defaults["custom"]["axisSoftMax"] = json!(self.soft_max());
            }
        }
        defaults
    }

    /// What stands for no value is neither good nor bad.
    fn mappings(&self) -> Vec<Value> {
        let neutral = json!({"type": "special", "options": {"match": "null+nan", "result": {"color": "text", "index": 9}}});
        let is_number = self.kind == "stat";
        self.mappings.iter().cloned().chain(is_number.then_some(neutral)).collect()
    }

    /// Where the axis ends if all values are small, or 0: without it, it goes to 100.
    fn soft_max(&self) -> f64 {
        match self.unit {
            "s" | "percentunit" => 0.01,
            "bytes" | "Bps" => 1024.0,
            _ => 1.0,
        }
    }

    /// Limits are dashed. Fixed colours, for what has the same name elsewhere: those of servers only where nothing else is
    /// shown, whose colour might be the same.
    fn overrides(&self) -> Vec<Value> {
        const SERVER: [&str; 2] = ["{{server}}", "{{target}}"];
        let has_servers_only = self.queries.iter().all(|(_, legend)| SERVER.contains(legend));
        let is_shown = |name: &str| {
            self.queries.iter().any(|(_, legend)| {
                *legend == name
                    || OUTCOMES.contains(&name) && *legend == "{{outcome}}"
                    || SERVERS.contains(&name) && has_servers_only
                    || name == "none" && *legend == "{{target}}"
            })
        };
        if self.kind == "stat" {
            return Vec::new();
        }
        let shown = COLOURS.iter().filter(|(name, _)| is_shown(name));
        let fixed = |colour: &str| json!([{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]);
        let colours = shown.map(|(name, colour)| {
            json!({"matcher": {"id": "byName", "options": name}, "properties": fixed(colour)})
        });
        let dashed = json!([{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}]);
        let limits = ('A'..='Z').enumerate().filter(|(nth, _)| self.limits.contains(nth)).map(|(_, letter)| {
            json!({"matcher": {"id": "byFrameRefID", "options": letter.to_string()}, "properties": dashed})
        });
        colours.chain(limits).collect()
    }

    fn options(&self) -> Value {
        if self.kind == "stat" {
            // Of one series too, where there is room.
            let has_names = self.height > 4 && self.queries.iter().any(|(_, legend)| legend.contains("{{"));
            return json!({
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": {
                    "calcs": ["lastNotNull"],
                    "fields": self.labels.last().map_or(String::new(), |label| format!("/^{label}$/")),
                    "values": !self.labels.is_empty(),
                },
                "textMode": if has_names { "value_and_name" } else { "auto" },
                "wideLayout": true,
                "showPercentChange": false,
                "percentChangeColorMode": "standard",
            });
        }
        json!({
            "legend": {"displayMode": "table", "placement": if self.has_legend_beside { "right" } else { "bottom" }, "showLegend": true, "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        })
    }
}
