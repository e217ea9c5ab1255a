//! What the store says of itself, and how old answers were.

use maud::{Markup, html};

use crate::html::table::{count, decimal, facts, ms, percent, table};
use crate::report::{Observed, Report, Staleness, StoreReport};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if let Some(store) = &report.store {
            section #store {
                h2 { "The store" }
                (table(&["", "count", "mean", "99 % below"], &rows(store)))
                @if let Some(ms) = store.server_ms_per_request {
                    p.quiet { "The servers worked " (decimal(ms)) " ms for each request that was not rejected." }
                }
            }
        }
        @if report.staleness.reads > 0 { (staleness(&report.staleness)) }
    }
}

fn rows(store: &StoreReport) -> Vec<Vec<String>> {
    let row = |name: String, observed: &Observed| {
        vec![name, count(observed.count), ms(observed.mean), ms(observed.p99_below)]
    };
    let waits = store.pool_wait.iter();
    let waits = waits.map(|(pool, wait)| row(format!("waiting for a connection, {pool}, ms"), wait));
    let own = [
        row("events in a batch".to_owned(), &store.batch_events),
        row("append, ms".to_owned(), &store.append_ms),
    ];
    let queries = store.query_ms.iter();
    let queries = queries.map(|(place, time)| row(format!("query's page, {place}, ms"), time));
    waits.chain(own).chain(queries).collect()
}

fn staleness(staleness: &Staleness) -> Markup {
    let age = staleness.age.summary();
    let share = staleness.stale as f64 / staleness.reads.max(1) as f64;
    let rows = [
        ("reads of replicas", count(staleness.reads)),
        ("of them old", format!("{} ({})", count(staleness.stale), percent(Some(share)))),
        ("how old, p50", format!("{} ms", ms(age.p50_ms))),
        ("how old, p99", format!("{} ms", ms(age.p99_ms))),
        ("how old, at most", format!("{} ms", ms(age.max_ms))),
        ("most events lacked", count(staleness.most_events)),
    ];
    html! {
        section #staleness {
            h2 { "How old answers were" }
            (facts(&rows.map(|(name, value)| (name.to_owned(), value))))
        }
    }
}
