//! Why a server has no figures, as it is told to whoever operates the exporter.

/// What keeps a server from answering. It is logged when it begins and when its reason changes, not at each scrape, and so is its end.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// The last that was told; nothing while the server answers.
    reason: Option<String>,
}

impl Outage {
    pub(super) fn goes_on(&mut self, server: &str, reason: String) {
        if self.reason.as_ref() != Some(&reason) {
            tracing::warn!(%server, %reason, "the server does not answer");
            self.reason = Some(reason);
        }
    }

    pub(super) fn is_over(&mut self, server: &str) {
        if self.reason.take().is_some() {
            // As loud as the beginning: who has read of that has to read of this.
            tracing::warn!(%server, "the server answers again");
        }
    }
}
