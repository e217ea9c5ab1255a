//! Of *Event store*: who is handed events.

use crate::dashboards::dashboard::{Row, folded, row};
use crate::dashboards::panel::Panel;

const NO_CONSUMER: &str = "no subscription, group or projection in this log";
const NO_GROUP: &str = "no application with a consumer group is scraped";
const NO_PROCESS: &str = "no process manager has anything to do";
const NO_CACHE: &str = "no application with a cache is scraped";
const NO_RECOMPUTE: &str = "no key waits to be recomputed";

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("Subscriptions, groups and projections", lag()),
        folded("Work of subscriptions and groups", groups()),
        folded("Process managers", processes()),
        folded("Caches and recomputed projections", caches()),
    ]
}

fn lag() -> Vec<Panel> {
    vec![
        Panel::lines("Lag in events", "short", "Events up to the head that each is not done with, from the log's tables: also where no application is scraped. Most may not match its filter.")
            .many()
            .query("postgresql_log_consumer_lag_events{schema=~\"$schema\",server=~\"$server\"}", "{{kind}} {{name}}")
            .empty(NO_CONSUMER),
        Panel::lines("Lag in time", "s", "How old the first of these events is.")
            .many()
            .query("postgresql_log_consumer_lag_seconds{schema=~\"$schema\",server=~\"$server\"}", "{{kind}} {{name}}")
            .threshold(60.0, "red")
            .empty(NO_CONSUMER),
        Panel::lines("Lag in events, says the store", "short", "The same as the handles that run them know it, at their last heartbeat or commit.")
            .many()
            .query("eventstore_subscription_lag_events{schema=~\"$schema\"}", "subscription {{subscription}}")
            .query("eventstore_group_lag_events{schema=~\"$schema\"}", "group {{group}}")
            .empty("no application with a consumer is scraped"),
        Panel::lines("Lag in time, says the store", "s", "For how long the handle has known of the first event that is not done with.")
            .many()
            .query("eventstore_subscription_lag_seconds{schema=~\"$schema\"}", "subscription {{subscription}}")
            .query("eventstore_group_lag_seconds{schema=~\"$schema\"}", "group {{group}}")
            .threshold(60.0, "red")
            .empty("no application with a consumer is scraped"),
        Panel::number("Parked", "short", "Events and commands that failed too often. Nobody tries them again: `eventstore groups parked`, `eventstore processes parked`.")
            .query("postgresql_log_parked_events{schema=~\"$schema\",server=~\"$server\"}", "{{kind}} {{name}}")
            .query("postgresql_log_process_parked{schema=~\"$schema\",server=~\"$server\"}", "commands of {{process}}")
            .threshold(1.0, "red")
            .sized(12, 5)
            .empty("no group"),
        Panel::number("Projections that stand still", "short", "Generations of a projection that an event has stopped, and those that somebody has paused: `eventstore projections list`.")
            .query("postgresql_log_projection_failed_generations{schema=~\"$schema\",server=~\"$server\"}", "{{name}}, stopped")
            .query("postgresql_log_projection_paused_generations{schema=~\"$schema\",server=~\"$server\"}", "{{name}}, paused")
            .threshold(1.0, "red")
            .sized(12, 5)
            .empty("no projection"),
    ]
}

fn groups() -> Vec<Panel> {
    vec![
        Panel::lines("Handed over", "eps", "Events that subscriptions were handed, and that members of groups claimed.")
            .query("sum by (subscription) (rate(eventstore_subscription_events_total{schema=~\"$schema\"}[$__rate_interval]))", "subscription {{subscription}}")
            .query("sum by (group) (rate(eventstore_group_claims_total{schema=~\"$schema\"}[$__rate_interval]))", "group {{group}}")
            .empty("no application with a consumer is scraped"),
        Panel::lines("What came of events", "eps", "Events of groups by what came of them: done, failed (and tried again), parked, or untouched (handed back).")
            .many()
            .query("sum by (group, outcome) (rate(eventstore_group_outcomes_total{schema=~\"$schema\"}[$__rate_interval])) > 0", "{{group}} {{outcome}}")
            .stacked()
            .empty(NO_GROUP),
        Panel::lines("Again, and lost", "eps", "Events that were handed over not for the first time, and those that somebody else claimed meanwhile: leases that are too short, or workers that die.")
            .query("sum by (group) (rate(eventstore_group_redeliveries_total{schema=~\"$schema\"}[$__rate_interval]))", "{{group}}, again")
            .query("sum by (group) (rate(eventstore_group_lease_losses_total{schema=~\"$schema\"}[$__rate_interval]))", "{{group}}, lease lost")
            .empty(NO_GROUP),
        Panel::lines("In flight and parked", "short", "Events that were handed over and not answered, and those of the whole group that are parked, at the last heartbeat.")
            .many()
            .query("sum by (group) (eventstore_group_in_flight{schema=~\"$schema\"})", "{{group}}, in flight")
            .query("max by (group) (eventstore_group_parked{schema=~\"$schema\"})", "{{group}}, parked")
            .empty(NO_GROUP),
    ]
}

fn processes() -> Vec<Panel> {
    vec![
        Panel::lines("What came of work", "ops", "Commands, checks and wake-ups by what came of them.")
            .many()
            .query("sum by (process, kind, outcome) (rate(eventstore_process_outcomes_total{schema=~\"$schema\"}[$__rate_interval])) > 0", "{{process}} {{kind}} {{outcome}}")
            .stacked()
            .empty("no application with a process manager is scraped"),
        Panel::lines("In flight", "short", "What this process has claimed and not answered.")
            .query("sum by (process, kind) (eventstore_process_in_flight{schema=~\"$schema\"})", "{{process}} {{kind}}")
            .empty("no application with a process manager is scraped"),
        Panel::lines("Waiting and parked", "short", "What is to be done, now or later, and what failed too often.")
            .query("postgresql_log_process_waiting{schema=~\"$schema\",server=~\"$server\"}", "{{process}}, waiting")
            .query("postgresql_log_process_parked{schema=~\"$schema\",server=~\"$server\"}", "{{process}}, parked")
            .empty(NO_PROCESS),
        Panel::lines("Overdue", "s", "For how long the first thing is due that nobody has claimed: growing, there are too few dispatchers.")
            .query("postgresql_log_process_overdue_seconds{schema=~\"$schema\",server=~\"$server\"}", "{{process}}")
            .empty(NO_PROCESS),
    ]
}

fn caches() -> Vec<Panel> {
    vec![
        Panel::lines("Reads of caches", "ops", "By what answered them: hit, shared (the load of another one), or miss.")
            .many()
            .query("sum by (cache, outcome) (rate(eventstore_cache_reads_total{schema=~\"$schema\"}[$__rate_interval])) > 0", "{{cache}} {{outcome}}")
            .stacked()
            .empty(NO_CACHE),
        Panel::lines("Hits of caches", "percentunit", "The share of reads that needed no load of their own.")
            .query("sum by (cache) (rate(eventstore_cache_reads_total{schema=~\"$schema\",outcome!=\"miss\"}[$__rate_interval])) / (sum by (cache) (rate(eventstore_cache_reads_total{schema=~\"$schema\"}[$__rate_interval])) > 0)", "{{cache}}")
            .max(1.0)
            .empty("no cache is read"),
        Panel::lines("Changes of caches", "eps", "Events that changed a key of a cache, and entries that they dropped.")
            .query("sum by (cache) (rate(eventstore_cache_writes_total{schema=~\"$schema\"}[$__rate_interval]))", "{{cache}}, events")
            .query("sum by (cache) (rate(eventstore_cache_invalidations_total{schema=~\"$schema\"}[$__rate_interval]))", "{{cache}}, dropped")
            .empty(NO_CACHE),
        Panel::lines("Recomputes", "ops", "Recomputes of keys by what came of them: done, failed, or lost (the lease).")
            .many()
            .query("sum by (projection, outcome) (rate(eventstore_recomputes_total{schema=~\"$schema\"}[$__rate_interval])) > 0", "{{projection}} {{outcome}}")
            .stacked()
            .empty("nothing was recomputed by what is scraped"),
        Panel::lines("Keys to recompute", "short", "Keys that wait to be computed anew, and those of them whose last computation failed.")
            .query("postgresql_log_recompute_waiting_keys{schema=~\"$schema\",server=~\"$server\"}", "{{projection}}, waiting")
            .query("postgresql_log_recompute_failing_keys{schema=~\"$schema\",server=~\"$server\"}", "{{projection}}, failing")
            .empty(NO_RECOMPUTE),
        Panel::lines("Longest wait for a recompute", "s", "For how long something is missing in what is shown of a key.")
            .query("postgresql_log_recompute_oldest_wait_seconds{schema=~\"$schema\",server=~\"$server\"}", "{{projection}}")
            .empty(NO_RECOMPUTE),
    ]
}
