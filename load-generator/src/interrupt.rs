//! Ctrl-C, the termination signal, and a terminal that goes away.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::RunError;

/// Before the load the first signal ends everything; during it, it ends the schedule, and what ran is reported; a second one
/// ends the process.
#[derive(Default)]
pub(crate) struct Interrupt(CancellationToken);

impl Interrupt {
    /// Takes the place of what the signals would do by themselves.
    pub(crate) fn listen() -> Result<Self, RunError> {
        let listen = |kind| signal(kind).map_err(RunError::io("listening for signals"));
        let (mut interrupt, mut terminate) =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let mut hangup = listen(SignalKind::hangup())?;
        let token = CancellationToken::new();
        let cancelled = token.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if cancelled.is_cancelled() {
                    crate::live::restore();
                    // The supervisors of embedded servers see the end of this process and clean up.
                    std::process::exit(130);
                }
                cancelled.cancel();
            }
        });
        Ok(Self(token))
    }

    /// Is cancelled by the first signal.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.0
    }

    /// Gives up what is going on when the signal comes.
    pub(crate) async fn or_stop<T>(
        &self,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        tokio::select! {
            result = work => result,
            () = self.0.cancelled() => Err(RunError::new("interrupted before it was done")),
        }
    }
}
