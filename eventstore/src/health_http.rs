//! Health over HTTP, for orchestrators and load balancers (feature `axum`).
//!
//! | path | 200 | 503 |
//! |---|---|---|
//! | `/health` | the handle is open: leave the process alone | it was closed |
//! | `/ready` | the primary answers: send requests here | it does not |
//!
//! Both answer within a second, `/ready` with [`Health`](crate::Health) as JSON. It names hosts, ports and what the server
//! says of errors, and never passwords: for those who run the program, not for the world.
//!
//! ```no_run
//! # async fn example(store: eventstore::EventStore) -> std::io::Result<()> {
//! let app = axum::Router::new().merge(eventstore::health_http::router(store));
//! axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await
//! # }
//! ```

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;

use crate::store::EventStore;

/// The routes `/health` and `/ready` of a store.
pub fn router(store: EventStore) -> Router {
    Router::new()
        .route("/health", get(async |State(store): State<EventStore>| health(&store)))
        .route("/ready", get(async |State(store): State<EventStore>| ready(&store).await))
        .with_state(store)
}

/// What `/health` answers.
#[must_use]
pub fn health(store: &EventStore) -> Response {
    match store.check_open() {
        Ok(()) => (StatusCode::OK, "open\n").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "closed\n").into_response(),
    }
}

/// What `/ready` answers.
pub async fn ready(store: &EventStore) -> Response {
    let health = store.health().await;
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}
