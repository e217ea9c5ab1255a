//! The dashboard *Load generator*: what was offered, what came of it, and who was the bottleneck.

use crate::dashboards::dashboard::{Dashboard, row};
use crate::dashboards::panel::Panel;

const IDLE: &str = "no load generator runs with --metrics";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "load-generator",
        title: "Load generator",
        description: "Offered against achieved load, latency from when requests were due, backpressure, and the load generator itself.",
        variables: vec![
            ("instance", "Load generator", "label_values(load_generator_offered_rate, instance)"),
            ("operation", "Operation", "label_values(load_generator_requests_total, operation)"),
        ],
        other: ("event-store", "Event store"),
        rows: vec![
            row("Now", now()),
            row("Rates", rates()),
            row("Latency", latency()),
            row("Backpressure", backpressure()),
            row("Errors and conflicts", errors()),
            row("The load generator itself", own()),
        ],
    }
}

/// A rate of a counter of the chosen load generators.
fn rate(metric: &str) -> String {
    format!("sum(rate({metric}{{instance=~\"$instance\"}}[$__rate_interval]))")
}

/// A percentile of a histogram by operation, all together. Where nothing is counted it is not a number, which compares with nothing.
fn quantile(metric: &str) -> String {
    format!(
        "histogram_quantile(QUANTILE, sum by (le) (rate({metric}_bucket{{instance=~\"$instance\",operation=~\"$operation\"}}[$__rate_interval]))) >= 0"
    )
}

fn now() -> Vec<Panel> {
    vec![
        Panel::number("Offered", "reqps", "Requests a second that are due; 0 in a closed loop.")
            .query("sum(load_generator_offered_rate{instance=~\"$instance\"})", "offered")
            .empty(IDLE),
        Panel::number("Achieved", "reqps", "Requests a second that had an answer, over the last minute: less than offered means that the system can not keep up.")
            .query("sum(load_generator:requests:rate1m{instance=~\"$instance\",outcome!~\"error|timeout\"})", "achieved")
            .empty(IDLE),
        Panel::number("p99 from when due", "s", "99 of 100 requests took no longer, from when they were due.")
            .query("histogram_quantile(0.99, sum by (le) (rate(load_generator_latency_seconds_bucket{instance=~\"$instance\"}[1m]))) >= 0", "p99")
            .threshold(0.02, "yellow")
            .threshold(0.1, "red")
            .empty("no request was answered"),
        Panel::number("Errors", "percentunit", "Requests that failed or took too long, of all that were served, over the last minute.")
            .query("(sum(load_generator:requests:rate1m{instance=~\"$instance\",outcome=~\"error|timeout\"}) or vector(0)) / (sum(load_generator:requests:rate1m{instance=~\"$instance\"}) > 0)", "errors")
            .threshold(0.001, "yellow")
            .threshold(0.01, "red")
            .empty(IDLE),
        Panel::number("Rejected", "percentunit", "Requests that found the queue full, of all that were due.")
            .query("max(load_generator:rejected:ratio1m{instance=~\"$instance\"})", "rejected")
            .threshold(0.001, "yellow")
            .threshold(0.01, "red")
            .empty(IDLE),
        Panel::number("Late starts", "percentunit", "Requests that were offered over 1 ms after they were due: the load generator is the bottleneck.")
            .query("max(load_generator:late_starts:ratio1m{instance=~\"$instance\"})", "late")
            .threshold(0.001, "yellow")
            .threshold(0.01, "red")
            .empty(IDLE),
    ]
}

fn rates() -> Vec<Panel> {
    vec![
        Panel::lines("Offered and achieved", "reqps", "What is due by the schedule, what was scheduled, and what had an answer. A gap means that the system can not keep up.")
            .query("sum(load_generator_offered_rate{instance=~\"$instance\"})", "offered")
            .query(rate("load_generator_scheduled_total"), "scheduled")
            .query("sum(rate(load_generator_requests_total{instance=~\"$instance\",outcome!~\"error|timeout\"}[$__rate_interval]))", "achieved")
            .empty(IDLE),
        Panel::lines("Outcomes", "reqps", "What became of requests: effective (a command wrote something), refused (the domain said no), failure_recorded, answered (a query), error, timeout.")
            .many()
            .query("sum by (outcome) (rate(load_generator_requests_total{instance=~\"$instance\",operation=~\"$operation\"}[$__rate_interval])) > 0", "{{outcome}}")
            .stacked()
            .empty(IDLE),
        Panel::lines("Requests by operation", "reqps", "The mix of operations, as it was served.")
            .many()
            .query("sum by (operation) (rate(load_generator_requests_total{instance=~\"$instance\",operation=~\"$operation\"}[$__rate_interval]))", "{{operation}}")
            .stacked()
            .sized(24, 8)
            .empty(IDLE),
    ]
}

fn latency() -> Vec<Panel> {
    let by_operation = "histogram_quantile(0.99, sum by (le, operation) (rate(load_generator_METRIC_seconds_bucket{instance=~\"$instance\",operation=~\"$operation\"}[$__rate_interval]))) >= 0";
    vec![
        Panel::lines("From when a request was due", "s", "What a user sees, waiting for a worker included. A stall is seen by all requests that were due in it.")
            .percentiles(&quantile("load_generator_latency_seconds"))
            .threshold(0.1, "red")
            .empty(IDLE),
        Panel::lines("From when a worker took it", "s", "The service time: without the wait in the queue. Where this is low and the other is high, there are too few workers.")
            .percentiles(&quantile("load_generator_service_seconds"))
            .empty(IDLE),
        Panel::lines("p99 by operation, from when due", "s", "Which operations are slow.")
            .many()
            .query(by_operation.replace("METRIC", "latency"), "{{operation}}")
            .empty(IDLE),
        Panel::lines("Staleness", "s", "How old the answers of replicas were, by what this process had been told before.")
            .percentiles("histogram_quantile(QUANTILE, sum by (le) (rate(load_generator_staleness_seconds_bucket{instance=~\"$instance\"}[$__rate_interval]))) >= 0")
            .empty("nothing is read from a replica"),
    ]
}

fn backpressure() -> Vec<Panel> {
    vec![
        Panel::lines("Rejected and late", "reqps", "Requests that found the queue full, and requests that were offered over 1 ms after they were due.")
            .query(rate("load_generator_backpressure_total"), "rejected")
            .query(rate("load_generator_late_starts_total"), "late starts")
            .empty(IDLE),
        Panel::lines("Shares", "percentunit", "The same, of all that was due, over the last minute.")
            .query("load_generator:rejected:ratio1m{instance=~\"$instance\"}", "rejected")
            .query("load_generator:late_starts:ratio1m{instance=~\"$instance\"}", "late starts")
            .threshold(0.01, "red")
            .empty(IDLE),
        Panel::lines("Queue", "short", "Requests that wait for a worker.")
            .query("load_generator_queue_depth{instance=~\"$instance\"}", "{{instance}}")
            .empty(IDLE),
        Panel::lines("Workers", "short", "Workers that serve a request, of those that there are; without a pool, requests under way.")
            .query("sum(load_generator_busy_workers{instance=~\"$instance\"})", "busy")
            .limit("sum(load_generator_workers{instance=~\"$instance\"})", "workers")
            .empty(IDLE),
    ]
}

fn errors() -> Vec<Panel> {
    vec![
        Panel::lines("Errors by kind", "reqps", "Failed requests by kind and SQLSTATE.")
            .many()
            .query("sum by (kind, sqlstate) (rate(load_generator_errors_total{instance=~\"$instance\"}[$__rate_interval]))", "{{kind}} {{sqlstate}}")
            .stacked()
            .empty("no errors"),
        Panel::lines("Time-outs", "reqps", "Requests that were given up after --timeout.")
            .many()
            .query("sum by (operation) (rate(load_generator_requests_total{instance=~\"$instance\",operation=~\"$operation\",outcome=\"timeout\"}[$__rate_interval]))", "{{operation}}")
            .stacked()
            .empty("no time-outs"),
        Panel::lines("Conflicts and retries", "reqps", "Appends that were refused by their condition, decisions that were made again, and statements that were sent again as the server refused to serialize them.")
            .query(rate("load_generator_conflicts_total"), "conflict")
            .query(rate("load_generator_retries_total"), "made again")
            .query(rate("load_generator_sent_again_total"), "sent again")
            .sized(24, 8)
            .empty(IDLE),
    ]
}

fn own() -> Vec<Panel> {
    let process = "{job=\"load-generator\",instance=~\"$instance\"}";
    vec![
        Panel::lines("Processors", "short", "How many processors the load generator keeps busy. Near to all there are, its figures are not to be trusted.")
            .query(format!("rate(process_cpu_seconds_total{process}[$__rate_interval])"), "{{instance}}")
            .empty(IDLE),
        Panel::lines("Memory", "bytes", "What the load generator has in memory.")
            .query(format!("process_resident_memory_bytes{process}"), "{{instance}}")
            .empty(IDLE),
        Panel::lines("Threads and files", "short", "Threads, and open files and sockets, of which there may be so many at most.")
            .query(format!("process_threads{process}"), "threads, {{instance}}")
            .query(format!("process_open_fds{process}"), "files, {{instance}}")
            .sized(24, 8)
            .empty(IDLE),
    ]
}
