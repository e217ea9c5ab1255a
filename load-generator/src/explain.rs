//! What a run would do, without doing it.

use std::fmt::Write as _;
use std::time::Duration;

use humantime::format_duration;

use crate::engine::EngineName;
use crate::error::RunError;
use crate::output;
use crate::pacer;
use crate::plan::{Plan, Timing};
use crate::scenario::Library;
use crate::schedule::Schedule;

/// How many requests are shown.
const SHOWN: usize = 5;

/// Prints it.
pub(crate) fn explain(plan: &Plan) -> Result<(), RunError> {
    output::print(text(plan))
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<11} {value}");
    };
    line("load", plan.shape());
    line("lasts", lasts(plan));
    if let Timing::Shape(shape) = &plan.timing {
        let rates = format!("{:.1} /s in the mean, {:.1} /s at most", shape.mean_rate(), shape.peak_rate());
        line("requests", format!("{:.0} measured, {rates}", shape.requests()));
    }
    let load = plan.load();
    if let Some(arrivals) = &load.arrivals {
        line("arrivals", arrivals.clone());
    }
    match (load.workers, load.queue) {
        (Some(workers), Some(queue)) => line("workers", format!("{workers}, queue of {queue}")),
        (Some(clients), None) => line("clients", clients.to_string()),
        (None, _) => line("workers", "none: a task for each request".to_owned()),
    }
    line("time-out", format_duration(plan.timeout).to_string());
    line("scenario", format!("library, {} events before", plan.preload));
    for (name, value) in load.scenario {
        line("", format!("{name} {value}"));
    }
    let mix = Library::mix(&plan.library);
    let shares =
        mix.shares().map(|(operation, share)| format!("{} {:.2} %", operation.as_str(), share * 100.0));
    line("mix", shares.collect::<Vec<_>>().join(", "));
    line("engine", format!("{}, schema {}", plan.engine.as_str(), plan.schema()));
    let servers = match &plan.primary {
        _ if plan.engine == EngineName::Null => "none".to_owned(),
        Some(_) => format!("given, {} replica(s)", plan.replicas.len()),
        None => "a primary and a replica of its own, removed at the end".to_owned(),
    };
    line("servers", servers);
    if plan.node.of > 1 {
        line("node", format!("{}, which makes one in {} of these requests", plan.node, plan.node.of));
    }
    if let Some(at) = plan.start_at {
        line("starts", humantime::format_rfc3339_seconds(at).to_string());
    }
    if plan.audit {
        line("audit", "every operation is recorded, and checked at the end".to_owned());
    }
    if let Some(slo) = &plan.slo {
        line("limits", slo.to_string());
    }
    line("seed", plan.seed.to_string());
    if let Some(schedule) = Schedule::new(plan, mix) {
        if let Some(fastest) = pacer::fastest(&schedule) {
            line("", format!("this machine can schedule some {fastest:.0} requests/s"));
        }
        let first = schedule.skip_while(|planned| !planned.measured).take(SHOWN);
        let shown = first.map(|it| {
            let at = it.due.saturating_sub(plan.warmup).as_secs_f64();
            format!("{at:.6} s {}", it.operation.as_str())
        });
        line("first", shown.collect::<Vec<_>>().join(", "));
    }
    text.trim_end().to_owned()
}

fn lasts(plan: &Plan) -> String {
    let whole =
        |length: Duration| Duration::from_millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
    let once = format!(
        "{} of warm-up, then {}",
        format_duration(plan.warmup),
        format_duration(whole(plan.length()))
    );
    if plan.repeats > 1 { format!("{} times: {once}", plan.repeats) } else { once }
}
