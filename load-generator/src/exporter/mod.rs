//! PostgreSQL's own figures for Prometheus, and those of the log that its tables have, from any version from 15 on.
//!
//! ```text
//! GET /metrics ─▶ Collector ─▶ Server (one connection each, all at once) ─▶ answers ─▶ Page
//! ```
//!
//! Nothing is kept between scrapes but the connections, and what is needed to say how long a replica is behind. A server that does
//! not answer in time is told to be down, and why is logged; the page has the others. What a server refuses to our role is left out.

mod catalogue;
mod collector;
mod log;
mod outage;
mod page;
mod place;
mod query;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::sync::Mutex;

use crate::error::RunError;
use crate::exporter::collector::Collector;
use crate::interrupt::Interrupt;
use crate::live;
use crate::metrics;

/// What `exporter` was asked to do.
#[derive(Debug)]
pub(crate) struct ExporterPlan {
    pub(crate) primary: String,
    pub(crate) replicas: Vec<String>,
    pub(crate) schema: String,
    pub(crate) listen: String,
    /// How long a server may take to answer.
    pub(crate) timeout: Duration,
}

/// Serves `/metrics` and `/health` until it is told to end; a scrape that is under way is answered first.
pub(crate) async fn run(plan: ExporterPlan) -> Result<(), RunError> {
    let interrupt = Interrupt::listen()?;
    let listener =
        metrics::listen(&plan.listen).await.map_err(RunError::io(format!("listening on {}", plan.listen)))?;
    let address = listener.local_addr().map_err(RunError::io("listening"))?;
    // Scrapes take turns: there is one connection to a server.
    let collector = Arc::new(Mutex::new(Collector::new(&plan)));
    let page = move || {
        let collector = Arc::clone(&collector);
        async move { ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], collector.lock().await.scrape().await) }
    };
    let router = Router::new().route("/metrics", get(page)).route("/health", get(async || "up\n"));
    live::say(&format!("metrics of PostgreSQL are at http://{address}/metrics"));
    axum::serve(listener, router)
        .with_graceful_shutdown(interrupt.token().clone().cancelled_owned())
        .await
        .map_err(RunError::io("serving metrics"))
}
