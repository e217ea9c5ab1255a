//! What one server went through in an interval.

use serde::{Deserialize, Serialize};

use crate::observe::ServerStats;
use crate::observe::stats::Role;

/// Its counters before and after. Each difference is `None` if a side is missing, or if the counter went back, which it does
/// when the server crashes or somebody resets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerReport {
    /// "primary", "replica 1".
    pub(crate) name: String,
    pub(crate) before: Option<ServerStats>,
    pub(crate) after: Option<ServerStats>,
}

impl ServerReport {
    /// Timed and requested ones that began; of a standby, the restartpoints that are complete, which PostgreSQL counts from 17 on: what
    /// it counts as timed there is mostly a look, each 15 seconds, whether the WAL has a new checkpoint.
    pub(crate) fn checkpoints(&self) -> Option<u64> {
        if self.after.as_ref()?.role == Role::Standby {
            return self.grown(|stats| stats.restartpoints);
        }
        let timed = self.grown(|stats| stats.checkpoints_timed)?;
        Some(timed + self.grown(|stats| stats.checkpoints_requested)?)
    }

    pub(crate) fn wal_bytes(&self) -> Option<u64> {
        self.grown(|stats| stats.wal_bytes)
    }

    /// Tables of the schema that autovacuum has vacuumed.
    pub(crate) fn autovacuums(&self) -> Option<u64> {
        self.grown(|stats| stats.autovacuum_runs)
    }

    /// Which share of the blocks was in `shared_buffers`, from 0 to 1; `None` if no block was looked at.
    pub(crate) fn cache_hit(&self) -> Option<f64> {
        let (hit, read) = (self.grown(|stats| stats.blocks_hit)?, self.grown(|stats| stats.blocks_read)?);
        (hit + read > 0).then(|| hit as f64 / (hit + read) as f64)
    }

    /// How long sessions executed statements, all together.
    pub(crate) fn active_time_ms(&self) -> Option<f64> {
        let (before, after) = (self.before.as_ref()?, self.after.as_ref()?);
        let grown = after.active_time_ms? - before.active_time_ms?;
        (grown >= 0.0).then_some(grown)
    }

    fn grown(&self, counter: impl Fn(&ServerStats) -> Option<u64>) -> Option<u64> {
        let (before, after) = (self.before.as_ref()?, self.after.as_ref()?);
        counter(after)?.checked_sub(counter(before)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(counter: u64) -> ServerStats {
        ServerStats {
            checkpoints_timed: Some(counter),
            checkpoints_requested: Some(2 * counter),
            wal_bytes: Some(1_000 * counter),
            autovacuum_runs: Some(counter),
            blocks_hit: Some(9 * counter),
            blocks_read: Some(counter),
            active_time_ms: Some(1.5 * counter as f64),
            ..ServerStats::default()
        }
    }

    fn report(before: Option<ServerStats>, after: Option<ServerStats>) -> ServerReport {
        ServerReport { name: "primary".to_owned(), before, after }
    }

    #[test]
    fn an_interval_is_what_was_counted_in_it() {
        let report = report(Some(stats(10)), Some(stats(14)));
        assert_eq!((report.checkpoints(), report.wal_bytes()), (Some(12), Some(4_000)));
        assert_eq!((report.autovacuums(), report.cache_hit()), (Some(4), Some(0.9)));
        assert_eq!(report.active_time_ms(), Some(6.0));
    }

    #[test]
    fn a_counter_that_went_back_says_nothing() {
        let report = report(Some(stats(14)), Some(stats(10)));
        assert_eq!((report.checkpoints(), report.wal_bytes(), report.autovacuums()), (None, None, None));
        assert_eq!((report.cache_hit(), report.active_time_ms()), (None, None));
    }

    #[test]
    fn a_missing_side_or_figure_says_nothing() {
        for report in [report(None, Some(stats(1))), report(Some(stats(1)), None)] {
            assert_eq!((report.checkpoints(), report.active_time_ms()), (None, None));
        }
        let standby = ServerStats { wal_bytes: None, ..stats(2) };
        assert_eq!(report(Some(stats(1)), Some(standby)).wal_bytes(), None);
    }

    #[test]
    fn a_standby_makes_restartpoints() {
        let standby = |restartpoints| ServerStats { role: Role::Standby, restartpoints, ..stats(9) };
        assert_eq!(report(Some(standby(Some(1))), Some(standby(Some(3)))).checkpoints(), Some(2));
        // Before 17.
        assert_eq!(
            report(Some(standby(None)), Some(ServerStats { role: Role::Standby, ..stats(13) })).checkpoints(),
            None
        );
    }

    #[test]
    fn no_block_has_no_share() {
        assert_eq!(report(Some(stats(3)), Some(stats(3))).cache_hit(), None);
    }
}
