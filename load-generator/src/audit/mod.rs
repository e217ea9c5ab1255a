//! Records what the clients of an engine ask and are told, and has it checked at the end.

mod client;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use testutil::checker::{Checker, History, Log};

use crate::engine::Engine;
use crate::error::RunError;
use crate::live;
use crate::verdict::Verdict;

pub(crate) use client::Audited;

/// What a check of a history found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Audit {
    operations: usize,
    violations: usize,
    seconds: f64,
    #[serde(skip)]
    text: String,
}

impl Audit {
    /// Checks what clients of an engine did against its log, which is read into memory. Up to `preloaded`, events may come
    /// from elsewhere. Nothing may be under way.
    pub(crate) async fn of(
        engine: &Arc<dyn Engine>,
        history: History,
        preloaded: u64,
    ) -> Result<Self, RunError> {
        live::say(&format!("checking {} operations", history.operations.len()));
        let began = Instant::now();
        let mut events = Vec::new();
        engine.read(&mut |event| events.push(event)).await?;
        let checker = Checker::default().preloaded(preloaded);
        let checker = if engine.has_gaps() { checker.gaps_allowed() } else { checker };
        // Some seconds of work for millions of operations: not on a thread that others wait for.
        let checked = tokio::task::spawn_blocking(move || {
            let log = Log::new(events);
            let report = checker.check(&history, &log);
            (report.operations(), report.count(), report.to_string())
        });
        let (operations, violations, text) = checked.await.map_err(RunError::task)?;
        Ok(Self { operations, violations, seconds: seconds(began.elapsed()), text })
    }

    pub(crate) fn verdict(&self) -> Verdict {
        if self.violations == 0 { Verdict::Kept } else { Verdict::Violated }
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audit ({:.1} s): {}", self.seconds, self.text.trim_end())
    }
}
