//! The dashboard *Event store*: what the store does, and what it does to its servers.

use crate::dashboards::dashboard::{Dashboard, row};
use crate::dashboards::panel::Panel;
use crate::dashboards::{consumers, postgresql, replication};

const NO_APPENDS: &str = "nothing is appended";
const NO_STORE: &str = "no application with the store's metrics is scraped";

pub(super) fn dashboard() -> Dashboard {
    let values =
        "label_values({__name__=~\"eventstore_events_appended_total|postgresql_log_head_position\"}, schema)";
    let rows = [
        row("Now", now()),
        row("Appends", appends()),
        row("Queries", queries()),
        row("Replication", replication::panels()),
    ];
    let rows = rows.into_iter().chain(consumers::rows()).chain(postgresql::rows()).collect();
    Dashboard {
        uid: "event-store",
        title: "Event store",
        description: "Rates, latencies, conflicts and queues of the store; lag of its replicas and consumers; and what PostgreSQL says of itself.",
        variables: vec![
            ("schema", "Log", values),
            ("server", "Server", "label_values(postgresql_up, server)"),
        ],
        other: ("load-generator", "Load generator"),
        rows,
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::number("Servers", "short", "Whether each server answers the exporter.")
            .query("postgresql_up{server=~\"$server\"}", "{{server}}")
            .words(("down", "red"), ("up", "green"))
            .empty("the exporter is not scraped"),
        Panel::number("Role", "short", "What each server is: there should be one primary.")
            .query("postgresql_in_recovery{server=~\"$server\"}", "{{server}}")
            .words(("primary", "blue"), ("standby", "purple"))
            .empty("the exporter is not scraped"),
        Panel::word("Version", &["server", "release"], "PostgreSQL's version of each server.")
            .query(
                "max by (server, release) (label_replace(postgresql_info{server=~\"$server\"}, \"release\", \"$1\", \"version\", \"([^ ]+).*\"))",
                "{{server}}",
            )
            .empty("the exporter is not scraped"),
        Panel::number(
            "Head of the log",
            "short",
            "The position of the newest event: how many events there are.",
        )
        .query("max by (schema) (postgresql_log_head_position{schema=~\"$schema\"})", "{{schema}}")
        .empty("no log is seen"),
        Panel::number(
            "Newest event",
            "s",
            "How old the newest event is, by the database's clock. An idle log has an old one.",
        )
        .query("min by (schema) (postgresql_log_last_event_age_seconds{schema=~\"$schema\"})", "{{schema}}")
        .empty("no event is seen"),
        Panel::number("Alerts", "short", "Alerts that fire now.")
            .query("count(ALERTS{alertstate=\"firing\"}) or vector(0)", "firing")
            .threshold(1.0, "red"),
        Panel::number("Appended", "eps", "Events appended a second, over the last minute.")
            .query("sum(eventstore:events_appended:rate1m{schema=~\"$schema\"})", "events")
            .empty(NO_STORE),
        Panel::number("Append p99", "s", "99 of 100 appends took no longer, over the last minute.")
            .query("max(eventstore:append_duration_seconds:p99_1m{schema=~\"$schema\"})", "p99")
            .threshold(0.02, "yellow")
            .threshold(0.1, "red")
            .empty(NO_APPENDS),
        Panel::number(
            "Append errors",
            "percentunit",
            "Appends that failed, were given up by their callers, or have an unknown outcome. Conflicts are answers, and not counted.",
        )
        .query("max(eventstore:append_errors:ratio1m{schema=~\"$schema\"})", "errors")
        .threshold(0.001, "yellow")
        .threshold(0.01, "red")
        .empty(NO_APPENDS),
        Panel::number("Conflicts", "percentunit", "Appends that were refused by their condition.")
            .query("max(eventstore:append_conflicts:ratio1m{schema=~\"$schema\"})", "conflicts")
            .threshold(0.05, "yellow")
            .threshold(0.2, "red")
            .empty(NO_APPENDS),
        Panel::number(
            "Furthest replica",
            "s",
            "How far the furthest replica is behind, as the exporter sees both.",
        )
        .query("max(postgresql_replica_lag_seconds{server=~\"$server\"})", "lag")
        .threshold(1.0, "yellow")
        .threshold(10.0, "red")
        .empty("no replica answers"),
        Panel::number(
            "Losses of history",
            "short",
            "How often a handle found in this time that a failover had lost the end of the log.",
        )
        .query("round(sum(increase(eventstore_history_losses_total{schema=~\"$schema\"}[$__range])))", "losses")
        .threshold(0.5, "red")
        .empty(NO_STORE),
    ]
}

fn appends() -> Vec<Panel> {
    vec![
        Panel::lines("Events appended", "eps", "Events written a second: as the applications count them, and as the log grew. The log has those of everybody.")
            .query("eventstore:events_appended:rate1m{schema=~\"$schema\"}", "{{schema}}, applications")
            .query("clamp_min(max by (schema) (postgresql:log_head_position:deriv1m{schema=~\"$schema\"}), 0)", "{{schema}}, the log")
            .empty(NO_STORE),
        Panel::lines("Appends by outcome", "ops", "What became of appends: accepted, conflict (their condition did not hold), repeated (written before), invalid, cancelled (the caller went away), or not possible.")
            .many()
            .query("sum by (outcome) (eventstore:append_outcomes:rate1m{schema=~\"$schema\"}) > 0", "{{outcome}}")
            .stacked()
            .empty(NO_APPENDS),
        Panel::lines("Append latency", "s", "From the call to its answer, whatever that was, queueing and retries included. From histograms: as fine as their buckets.")
            .many()
            .query("max(eventstore:append_duration_seconds:p50_1m{schema=~\"$schema\"})", "p50")
            .query("max(eventstore:append_duration_seconds:p90_1m{schema=~\"$schema\"})", "p90")
            .query("max(eventstore:append_duration_seconds:p99_1m{schema=~\"$schema\"})", "p99")
            .query("max(eventstore:append_duration_seconds:p999_1m{schema=~\"$schema\"})", "p99.9")
            .threshold(0.1, "red")
            .empty(NO_APPENDS),
        Panel::lines("Errors and conflicts", "percentunit", "Shares of all appends.")
            .query("max(eventstore:append_errors:ratio1m{schema=~\"$schema\"})", "error")
            .query("max(eventstore:append_conflicts:ratio1m{schema=~\"$schema\"})", "conflict")
            .empty(NO_APPENDS),
        Panel::lines("Batch size", "short", "Events in one batch: more under load, as what waits goes together. One at a time is what a single client does.")
            .query("clamp_min(histogram_quantile(0.5, sum by (le) (rate(eventstore_append_batch_events_bucket{schema=~\"$schema\"}[$__rate_interval]))) >= 0, 1)", "p50")
            .query("clamp_min(histogram_quantile(0.99, sum by (le) (rate(eventstore_append_batch_events_bucket{schema=~\"$schema\"}[$__rate_interval]))) >= 0, 1)", "p99")
            .query("sum(rate(eventstore_append_batch_events_sum{schema=~\"$schema\"}[$__rate_interval])) / (sum(rate(eventstore_append_batch_events_count{schema=~\"$schema\"}[$__rate_interval])) > 0)", "mean")
            .empty(NO_APPENDS),
        Panel::lines("Writer queue", "short", "Appends that wait to be sent, of each handle. At 1,024 (append_queue, unless set) callers wait.")
            .query("eventstore_append_queue_depth{schema=~\"$schema\"}", "{{schema}} {{instance}}")
            .threshold(800.0, "red")
            .empty(NO_STORE),
        Panel::lines("History lost", "short", "Losses of the end of the log in a failover, as handles found them.")
            .query("round(increase(eventstore_history_losses_total{schema=~\"$schema\"}[$__rate_interval]))", "{{schema}} {{instance}}")
            .empty(NO_STORE),
        Panel::number("History lost from position", "short", "The first position that was lost last, as each handle found it.")
            .query("eventstore_history_lost_from_position{schema=~\"$schema\"}", "{{schema}} {{instance}}")
            .words(("none", "green"), ("1", "red"))
            .threshold(1.0, "red")
            .sized(12, 8)
            .empty(NO_STORE),
    ]
}

fn queries() -> Vec<Panel> {
    let none = "nothing is queried";
    vec![
        Panel::lines("Pages by outcome", "ops", "Pages of queries and streams by what came of them.")
            .many()
            .query("sum by (outcome) (rate(eventstore_query_outcomes_total{schema=~\"$schema\"}[$__rate_interval])) > 0", "{{outcome}}")
            .stacked()
            .empty(none),
        Panel::lines("Pages by kind of server", "ops", "Which kind of server answered; `none` where nobody did.")
            .query("sum by (target) (rate(eventstore_query_duration_seconds_count{schema=~\"$schema\"}[$__rate_interval])) > 0", "{{target}}")
            .stacked()
            .empty(none),
        Panel::lines("Query latency", "s", "From the call for a page to its answer, the primary and replicas apart.")
            .many()
            .query("max by (target) (eventstore:query_duration_seconds:p50_1m{schema=~\"$schema\"})", "p50 {{target}}")
            .query("max by (target) (eventstore:query_duration_seconds:p99_1m{schema=~\"$schema\"})", "p99 {{target}}")
            .empty(none),
        Panel::lines("Events read", "eps", "Events that queries and streams returned.")
            .query("sum by (schema) (rate(eventstore_events_queried_total{schema=~\"$schema\"}[$__rate_interval]))", "{{schema}}")
            .empty(none),
        Panel::lines("Wait for a connection", "s", "The p99 of how long callers waited for a connection of each pool, opening it included. Much of it: a larger pool, or fewer callers.")
            .query("max by (pool) (eventstore:pool_wait_seconds:p99_1m{schema=~\"$schema\"})", "{{pool}}")
            .threshold(0.1, "red")
            .sized(24, 8)
            .many()
            .empty("nobody asked for a connection"),
    ]
}
