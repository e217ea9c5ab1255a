//! All servers, asked at once.

use std::iter;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::exporter::ExporterPlan;
use crate::exporter::page::Page;
use crate::exporter::place::Follower;
use crate::exporter::query::{Asks, metric};
use crate::exporter::server::{Answer, Server};

/// The servers, the primary of the command line first, and how far each was.
pub(super) struct Collector {
    servers: Vec<(Server, Follower)>,
    schema: String,
    timeout: Duration,
}

impl Collector {
    pub(super) fn new(plan: &ExporterPlan) -> Self {
        let replicas = plan.replicas.iter().enumerate();
        let replicas = replicas.map(|(nth, dsn)| (format!("replica{}", nth + 1), dsn));
        let all = iter::once(("primary".to_owned(), &plan.primary)).chain(replicas);
        let servers =
            all.map(|(name, dsn)| (Server::new(name, dsn, &plan.schema), Follower::default())).collect();
        Self { servers, schema: plan.schema.clone(), timeout: plan.timeout }
    }

    /// Asks every server, and gives what they said as text. Takes as long as the slowest, and at most the time-out.
    pub(super) async fn scrape(&mut self) -> Vec<u8> {
        let timeout = self.timeout;
        let answers = join_all(self.servers.iter_mut().map(|(server, _)| async move {
            let began = Instant::now();
            (server.ask(timeout).await, began.elapsed())
        }))
        .await;

        let mut page = Page::default();
        for ((server, follower), (answer, took)) in self.servers.iter_mut().zip(&answers) {
            show_answer(&mut page, server.name(), &self.schema, answer.as_ref(), *took);
            if let Some(answer) = answer {
                follower.is_at(answer.place);
            }
        }
        let places = answers.iter().filter_map(|(answer, _)| Some(answer.as_ref()?.place));
        let primaries = places.filter(|place| !place.in_recovery);
        if let Some(written) = primaries.map(|place| place.wal_position).reduce(f64::max) {
            self.show_lag(&mut page, written);
        }
        page.into_text()
    }

    /// Also of those that do not answer, from where they were last.
    fn show_lag(&mut self, page: &mut Page, written: f64) {
        let now = Instant::now();
        for (server, follower) in &mut self.servers {
            let Some((bytes, time)) = follower.behind(now, written) else { continue };
            let labels = [("server", server.name())];
            page.set(
                &metric("replica_lag_bytes"),
                "How much WAL of the primary the replica has not replayed, by what both said at this scrape, or the replica at its last.",
                &labels,
                bytes,
            );
            page.set(
                &metric("replica_lag_seconds"),
                "The least that the replica is behind the primary: how long this exporter has known of WAL that it has not replayed.",
                &labels,
                time.as_secs_f64(),
            );
        }
    }
}

fn show_answer(page: &mut Page, server: &str, schema: &str, answer: Option<&Answer>, took: Duration) {
    let of_server = [("server", server)];
    let is_up = f64::from(u8::from(answer.is_some()));
    page.set(&metric("up"), "Whether the server answered: 1 or 0.", &of_server, is_up);
    let took = took.as_secs_f64();
    page.set(&metric("scrape_seconds"), "How long all queries of this exporter took.", &of_server, took);
    let Some(answer) = answer else { return };
    page.set(
        &metric("failed_queries"),
        "Queries of this exporter that the server refused, or did not answer in time.",
        &of_server,
        answer.failed as f64,
    );
    page.set(
        &metric("wal_position_bytes"),
        "Up to where the WAL reaches: what a primary has written, what a standby has replayed.",
        &of_server,
        answer.place.wal_position,
    );
    let of_log = [("server", server), ("schema", schema)];
    for (query, rows) in &answer.rows {
        let fixed = if query.asks == Asks::Server { &of_log[..1] } else { &of_log[..] };
        for row in rows {
            let Some(values) = query.values(row) else { continue };
            let labels: Vec<(&str, &str)> =
                fixed.iter().copied().chain(query.labels.iter().copied().zip(values)).collect();
            for (name, help, value) in query.figures(row) {
                page.set(&name, help, &labels, value);
            }
        }
    }
}
