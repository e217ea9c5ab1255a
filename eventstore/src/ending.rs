//! Running until told to end.

use std::future::{Future, pending};

use tokio_util::sync::CancellationToken;

/// Runs something that ends by itself once its token is cancelled, which happens when `until` does.
pub(crate) async fn run_until<F: Future>(
    until: impl Future<Output = ()>,
    run: impl FnOnce(CancellationToken) -> F,
) -> F::Output {
    let stop = CancellationToken::new();
    let told = async {
        until.await;
        stop.cancel();
        pending().await
    };
    tokio::select! {
        ended = run(stop.clone()) => ended,
        never = told => never,
    }
}
