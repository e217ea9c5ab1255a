//! What can become of requests, foreseen: a counter that appears with its first failure hides that failure from `rate()`, so
//! metrics count from 0 on.

use eventstore::ErrorKind;

use crate::engine::EngineName;
use crate::plan::{Plan, Timing};
use crate::scenario::{Answer, Failures, Library, Operation, Outcome};

/// As metrics say it.
pub(crate) fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(Answer::Effective) => "effective",
        Outcome::Done(Answer::Refused) => "refused",
        Outcome::Done(Answer::FailureRecorded) => "failure_recorded",
        Outcome::Done(Answer::Answered) => "answered",
        Outcome::Failed(_) => "error",
        Outcome::TimedOut => "timeout",
    }
}

/// The operations of a load; of one that was recorded it may be all.
pub(crate) fn operations(plan: &Plan) -> Vec<Operation> {
    if let Timing::Recorded(_) = plan.timing {
        return Operation::ALL.to_vec();
    }
    let mix = Library::mix(&plan.library);
    let drawn = mix.shares().filter(|(_, share)| *share > 0.0);
    drawn.map(|(operation, _)| operation).collect()
}

/// What can become of an operation.
pub(crate) fn outcomes(operation: Operation, failures: Failures) -> Vec<&'static str> {
    let refused = match failures {
        Failures::Refusals => Answer::Refused,
        Failures::Events => Answer::FailureRecorded,
    };
    let answers =
        if operation.is_command() { vec![Answer::Effective, refused] } else { vec![Answer::Answered] };
    let answers = answers.into_iter().map(|answer| name(&Outcome::Done(answer)));
    answers.chain(["error", name(&Outcome::TimedOut)]).collect()
}

/// What the errors of an engine can be counted as that have no SQLSTATE. Those that have one are not known before.
pub(crate) fn error_kinds(engine: EngineName) -> Vec<String> {
    let store = [
        ErrorKind::Conflict,
        ErrorKind::Unavailable,
        ErrorKind::Indeterminate,
        ErrorKind::Invalid,
        ErrorKind::HistoryDiverged,
        ErrorKind::Closed,
        ErrorKind::Internal,
    ];
    let bare = ["conflict", "connection lost", "failed"];
    match engine {
        EngineName::Eventstore | EngineName::ReplicaReads | EngineName::Inline => {
            store.iter().map(ToString::to_string).collect()
        }
        EngineName::Null => vec!["conflict".to_owned()],
        _ => bare.map(str::to_owned).into(),
    }
}
