//! What the servers went through while they were under load.
//!
//! ```text
//! before ─▶ stats_of_all ─┐                      ┌─ stats_of_all ◀─ after
//!                         └──────▶ reports ◀─────┘
//! during ─▶ Observer: latest() for the progress line, marks for the picture
//! ```
//!
//! Nothing here is needed for a run: a server that does not answer, or does not say everything to our role, leaves
//! figures out and stops nothing.

mod backlog;
mod diary;
mod figures;
mod lag;
mod link;
mod mark;
mod observer;
mod primary;
mod replica;
mod report;
mod stats;
mod version;

pub(crate) use backlog::Backlog;
pub(crate) use link::Link;
pub(crate) use mark::{Mark, MarkKind};
pub(crate) use observer::{Observer, Watched, since};
pub(crate) use report::ServerReport;
pub(crate) use stats::ServerStats;

use std::iter;
use std::time::Duration;

use futures_util::future::join_all;

use crate::connection;
use crate::servers::Servers;

/// A server that takes longer has no figures.
const STATS_WITHIN: Duration = Duration::from_secs(2);

/// The counters of each server by its name, the primary first; `None` for one that did not answer in time. All are asked
/// at once.
pub(crate) async fn stats_of_all(servers: &Servers, schema: &str) -> Vec<(String, Option<ServerStats>)> {
    if servers.are_none() {
        return Vec::new();
    }
    join_all(named(servers).map(|(name, dsn)| stats_of(name, dsn, schema))).await
}

/// What came between two looks at the same servers.
pub(crate) fn reports(
    before: Vec<(String, Option<ServerStats>)>,
    after: Vec<(String, Option<ServerStats>)>,
) -> Vec<ServerReport> {
    let both = before.into_iter().zip(after);
    both.map(|((name, before), (_, after))| ServerReport { name, before, after }).collect()
}

/// Each server's name and connection string, the primary first.
fn named(servers: &Servers) -> impl Iterator<Item = (String, &str)> {
    let replicas = servers.replicas.iter().enumerate();
    let replicas = replicas.map(|(nth, dsn)| (format!("replica {}", nth + 1), dsn.as_str()));
    iter::once(("primary".to_owned(), servers.primary.as_str())).chain(replicas)
}

async fn stats_of(name: String, dsn: &str, schema: &str) -> (String, Option<ServerStats>) {
    let asking = async {
        let session = connection::connect(dsn).await?;
        stats::stats(&session, schema).await
    };
    let stats = match tokio::time::timeout(STATS_WITHIN, asking).await {
        Ok(Ok(stats)) => Some(stats),
        Ok(Err(error)) => {
            tracing::debug!(%error, server = %name, "no counters");
            None
        }
        Err(_) => None,
    };
    (name, stats)
}
