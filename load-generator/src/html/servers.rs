//! What the servers did meanwhile, and what this process took for itself.

use maud::{Markup, html};

use crate::html::table::{NONE, decimal, facts, fields, maybe_count, ms, percent, table};
use crate::observe::ServerReport;
use crate::report::Report;

const MIB: f64 = 1_048_576.0;
const HEADS: [&str; 6] = ["server", "checkpoints", "WAL, MiB", "autovacuums", "from cache", "at work, ms"];

pub(super) fn section(report: &Report) -> Markup {
    if report.servers.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<String>> = report.servers.iter().map(row).collect();
    html! {
        section #servers {
            h2 { "Servers" }
            (table(&HEADS, &rows))
            @for server in &report.servers {
                @let rows = before_and_after(server);
                @if !rows.is_empty() {
                    details {
                        summary { (server.name) ", before and after" }
                        (table(&["", "before", "after"], &rows))
                    }
                }
            }
        }
    }
}

fn row(server: &ServerReport) -> Vec<String> {
    vec![
        server.name.clone(),
        maybe_count(server.checkpoints()),
        ms(server.wal_bytes().map(|bytes| bytes as f64 / MIB)),
        maybe_count(server.autovacuums()),
        percent(server.cache_hit()),
        ms(server.active_time_ms()),
    ]
}

/// All that the server was asked for. Nothing where it did not answer at all.
fn before_and_after(server: &ServerReport) -> Vec<Vec<String>> {
    let before = server.before.as_ref().map(fields).unwrap_or_default();
    let after = server.after.as_ref().map(fields).unwrap_or_default();
    let names = if after.is_empty() { &before } else { &after };
    let of = |fields: &[(String, String)], wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map_or_else(|| NONE.to_owned(), |(_, value)| value.clone())
    };
    let row = |name: &String| vec![name.replace('_', " "), of(&before, name), of(&after, name)];
    names.iter().map(|(name, _)| row(name)).collect()
}

pub(super) fn own(report: &Report) -> Markup {
    let own = &report.own;
    let rows = [
        ("processor time".to_owned(), format!("{} s", decimal(own.cpu_s))),
        ("share of the processors".to_owned(), percent(Some(own.cpu_share))),
        ("for each request".to_owned(), format!("{} µs", ms(own.cpu_us_per_request))),
        ("most memory".to_owned(), format!("{} MiB", ms(own.peak_mib))),
        ("threads".to_owned(), maybe_count(own.threads)),
    ];
    html! {
        section #own {
            h2 { "The load generator itself" }
            (facts(&rows))
        }
    }
}
