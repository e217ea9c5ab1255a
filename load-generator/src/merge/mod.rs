//! Joins the HdrHistogram logs of several generators: counts are added up, so that percentiles are those of all requests
//! together. (A mean of percentiles is no percentile of anything.)

mod merged;
mod seconds;
mod text;

use std::path::{Path, PathBuf};

use crate::error::RunError;
use crate::hdr_log::{self, LoggedInterval};
use crate::output::{OutputPlan, Outputs};

use merged::Merged;

/// What is to be joined.
#[derive(Debug, Clone)]
pub(crate) struct MergePlan {
    pub(crate) logs: Vec<PathBuf>,
    /// One log for all of them.
    pub(crate) hdr: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

/// One generator's.
#[derive(Debug)]
struct Log {
    name: String,
    intervals: Vec<LoggedInterval>,
}

/// # Errors
///
/// A log that can not be read, one that is given twice, and a result that would take the place of one of them.
pub(crate) fn run(plan: &MergePlan) -> Result<(), RunError> {
    refuse_twins(&plan.logs)?;
    let logs: Vec<Log> = plan.logs.iter().map(|path| Log::read(path)).collect::<Result<_, RunError>>()?;
    let mut outputs = Outputs::open(&OutputPlan {
        json: plan.json.clone(),
        hdr: plan.hdr.clone(),
        ..OutputPlan::default()
    })?;
    outputs.refuse_inputs(&plan.logs)?;
    if let (Some(path), Some(file)) = (&plan.hdr, outputs.take_hdr()) {
        seconds::write(&logs, file).map_err(RunError::io(format!("writing {}", path.display())))?;
    }
    outputs.into_output().publish(&Merged::of(&logs))
}

impl Log {
    fn read(path: &Path) -> Result<Self, RunError> {
        Ok(Self { name: path.display().to_string(), intervals: hdr_log::read(path)? })
    }
}

/// What is counted twice is wrong in a way that no figure shows.
fn refuse_twins(paths: &[PathBuf]) -> Result<(), RunError> {
    let true_path =
        |path: &Path| path.canonicalize().map_err(RunError::io(format!("reading {}", path.display())));
    let mut seen: Vec<PathBuf> = Vec::new();
    for path in paths {
        let true_path = true_path(path)?;
        if let Some(first) = seen.iter().position(|seen| *seen == true_path) {
            let (path, first) = (path.display(), paths[first].display());
            return Err(RunError::new(format!("{path}: the same log as {first}, expected each once")));
        }
        seen.push(true_path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::hdr_log::HdrLog;
    use crate::histogram::Latencies;

    const SECOND: Duration = Duration::from_secs(1);

    /// A log whose seconds have these latencies, in microseconds.
    fn log(path: &Path, started: Duration, seconds: &[(Option<&str>, &[u64])]) {
        let mut log = HdrLog::begin(File::create(path).unwrap(), UNIX_EPOCH + started, "").unwrap();
        for (number, (tag, us)) in (0_u32..).zip(seconds) {
            log.interval(number * SECOND, SECOND, *tag, &latencies(us)).unwrap();
        }
        log.finish().unwrap();
    }

    fn latencies(us: &[u64]) -> Latencies {
        let mut latencies = Latencies::new();
        us.iter().for_each(|us| latencies.record_many(*us, 1));
        latencies
    }

    #[test]
    fn logs_become_one_with_every_request_in_its_second() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, out] = ["a.hlog", "b.hlog", "out.hlog"].map(|name| folder.path().join(name));
        // 0.4 s apart: the first seconds of both lie in one.
        log(&a, Duration::from_millis(1_000_100), &[(None, &[1_000, 2_000]), (None, &[500_000])]);
        log(&b, Duration::from_millis(1_000_499), &[(None, &[3_000]), (Some("service"), &[4]), (None, &[9])]);
        let json = folder.path().join("out.json");
        run(&MergePlan { logs: vec![a, b], hdr: Some(out.clone()), json: Some(json.clone()) }).unwrap();

        let merged = hdr_log::read(&out).unwrap();
        let said: Vec<_> = merged.iter().map(|one| (one.start.as_secs(), one.tag.as_deref())).collect();
        assert_eq!(said, [(1_000, None), (1_001, None), (1_001, Some("service")), (1_002, None)]);
        let of = |number: usize| {
            let mut latencies = Latencies::new();
            merged[number].add_to(&mut latencies);
            latencies
        };
        assert_eq!(of(0), latencies(&[1_000, 2_000, 3_000]));
        assert_eq!(of(1), latencies(&[500_000]));
        assert_eq!(of(3), latencies(&[9]));
        let said: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!(said["latencies"][0]["latency"]["count"], 5);
        assert_eq!(said["warnings"], serde_json::json!([]));
    }

    #[test]
    fn what_would_be_counted_twice_or_lost_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, link] = ["a.hlog", "b.hlog", "link.hlog"].map(|name| folder.path().join(name));
        log(&a, SECOND, &[(None, &[1])]);
        log(&b, SECOND, &[(None, &[1])]);
        std::os::unix::fs::symlink(&a, &link).unwrap();
        let before = std::fs::read(&a).unwrap();
        let plan = MergePlan { logs: vec![a.clone(), b.clone(), link.clone()], hdr: None, json: None };
        let refused = run(&plan).unwrap_err().to_string();
        assert!(refused.contains("link.hlog: the same log as"), "{refused}");
        for (hdr, json) in [(Some(link), None), (None, Some(a.clone()))] {
            let refused =
                run(&MergePlan { logs: vec![a.clone(), b.clone()], hdr, json }).unwrap_err().to_string();
            assert!(refused.contains("which is read"), "{refused}");
        }
        assert_eq!(std::fs::read(&a).unwrap(), before);
    }
}
