//! What the dashboards and rules ask Prometheus for.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use promql_parser::parser::token::{T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_LUNLESS, T_NEQ};
use promql_parser::parser::{self, Expr, VectorSelector};
use serde_json::Value;

/// A query, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// The panel or the rule.
    pub(super) of: String,
    /// As it stands, with the dashboard's variables in it.
    pub(super) text: String,
    /// Of a panel.
    pub(super) unit: Option<String>,
}

/// A rule of a file.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) is_alert: bool,
    pub(super) yaml: yaml_serde::Value,
    pub(super) expression: String,
}

pub(super) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana"))
}

pub(super) const DASHBOARDS: [&str; 2] = ["event-store", "load-generator"];

/// A dashboard as it is checked in.
pub(super) fn dashboard(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(format!("dashboards/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// All panels that are no rows, those of folded rows too.
pub(super) fn panels(dashboard: &Value) -> Vec<Value> {
    let all = dashboard["panels"].as_array().unwrap().iter();
    let all = all.flat_map(|panel| match panel["type"].as_str() {
        Some("row") => panel["panels"].as_array().unwrap().clone(),
        _ => vec![panel.clone()],
    });
    all.collect()
}

/// The queries of panels and annotations.
pub(super) fn of_dashboards() -> Vec<Query> {
    let mut queries = Vec::new();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        for panel in panels(&dashboard) {
            let of = format!("{name}: {}", panel["title"].as_str().unwrap());
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().map(str::to_owned);
            for target in panel["targets"].as_array().unwrap() {
                let text = target["expr"].as_str().unwrap().to_owned();
                queries.push(Query { of: of.clone(), text, unit: unit.clone() });
            }
        }
        for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
            if let Some(text) = annotation["target"]["expr"].as_str() {
                queries.push(Query { of: format!("{name}: annotations"), text: text.to_owned(), unit: None });
            }
        }
    }
    queries
}

/// The metrics that variables take their values from.
pub(super) fn of_variables() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for dashboard in DASHBOARDS.map(dashboard) {
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let inside =
                query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')')).unwrap();
            let (selector, _) = inside.rsplit_once(',').unwrap();
            names.extend(metrics(selector));
        }
    }
    names
}

/// All rules of a file.
pub(super) fn rules(file: &str) -> Vec<Rule> {
    let text = fs::read_to_string(folder().join("rules").join(file)).unwrap();
    let parsed: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
    let groups = parsed["groups"].as_sequence().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap());
    rules
        .map(|rule| {
            let alert = rule["alert"].as_str();
            Rule {
                name: alert.or(rule["record"].as_str()).unwrap().to_owned(),
                is_alert: alert.is_some(),
                expression: rule["expr"].as_str().unwrap().to_owned(),
                yaml: rule.clone(),
            }
        })
        .collect()
}

/// With Grafana's variables replaced, as it does for all logs and servers.
pub(super) fn filled(text: &str, window: &str) -> String {
    let text = text.replace("$__rate_interval", window).replace("$__range", window);
    ["$schema", "$server", "$instance", "$operation"].iter().fold(text, |text, name| text.replace(name, ".*"))
}

fn parsed(text: &str) -> Expr {
    let text = filled(text, "1m");
    parser::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The metrics that an expression names.
pub(super) fn metrics(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(&parsed(text), &mut names);
    names
}

fn collect(expression: &Expr, names: &mut BTreeSet<String>) {
    match expression {
        Expr::Aggregate(aggregate) => {
            collect(&aggregate.expr, names);
            if let Some(parameter) = &aggregate.param {
                collect(parameter, names);
            }
        }
        Expr::Unary(unary) => collect(&unary.expr, names),
        Expr::Binary(binary) => {
            collect(&binary.lhs, names);
            collect(&binary.rhs, names);
        }
        Expr::Paren(paren) => collect(&paren.expr, names),
        Expr::Subquery(subquery) => collect(&subquery.expr, names),
        Expr::VectorSelector(selector) => names.extend(named(selector)),
        Expr::MatrixSelector(matrix) => names.extend(named(&matrix.vs)),
        Expr::Call(call) => call.args.args.iter().for_each(|argument| collect(argument, names)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

/// By its name, or by a matcher that lists several.
fn named(selector: &VectorSelector) -> Vec<String> {
    if let Some(name) = &selector.name {
        return vec![name.clone()];
    }
    let matchers = selector.matchers.find_matchers("__name__");
    matchers
        .iter()
        .flat_map(|matcher| matcher.value.split('|').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// What an alert compares: where all is well it has no result itself, but these have.
pub(super) fn operands(text: &str) -> Vec<String> {
    let mut operands = Vec::new();
    split(&parsed(text), &mut operands);
    operands
}

fn split(expression: &Expr, operands: &mut Vec<String>) {
    match expression {
        Expr::Paren(paren) => split(&paren.expr, operands),
        Expr::Binary(binary) if [T_LAND, T_LOR, T_LUNLESS].contains(&binary.op.id()) => {
            split(&binary.lhs, operands);
            split(&binary.rhs, operands);
        }
        Expr::Binary(binary) if [T_EQLC, T_NEQ, T_GTR, T_GTE, T_LSS, T_LTE].contains(&binary.op.id()) => {
            split(&binary.lhs, operands);
            split(&binary.rhs, operands);
        }
        other => {
            let mut names = BTreeSet::new();
            collect(other, &mut names);
            // Numbers are compared with.
            if !names.is_empty() {
                operands.push(other.to_string());
            }
        }
    }
}
