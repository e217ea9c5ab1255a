//! What the append function said of each request of a batch.

use tokio_postgres::Row;

use crate::append::Receipt;
use crate::append::batch::Batch;
use crate::append::condition::Condition;
use crate::append::request::Request;
use crate::append::session::Committed;
use crate::append::writer::outcome_unknown;
use crate::error::{Conflict, Error};
use crate::position::Position;

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Answer {
    Final(Result<Receipt, Error>),
    /// Nothing is decided before its conditions are settled.
    Unsettled,
}

/// Reads what a call returned: one answer for every request, in their order. A commit that no synchronous standby has
/// confirmed may be lost in a failover.
pub(super) fn answers(batch: &Batch, committed: &Committed) -> Result<Vec<Answer>, tokio_postgres::Error> {
    let mut answers = read(batch, &committed.rows)?;
    if !committed.is_confirmed {
        for answer in &mut answers {
            if let Answer::Final(result @ Ok(_)) = answer {
                *result = Err(outcome_unknown("the wait for the synchronous standby was cancelled"));
            }
        }
    }
    Ok(answers)
}

/// The highest position that was written for these answers.
pub(super) fn last_written(answers: &[Answer]) -> Option<Position> {
    let written = |answer: &Answer| match answer {
        Answer::Final(Ok(receipt)) if !receipt.is_repeated() => Some(receipt.last_position()),
        _ => None,
    };
    answers.iter().filter_map(written).max()
}

fn read(batch: &Batch, rows: &[Row]) -> Result<Vec<Answer>, tokio_postgres::Error> {
    let mut verdicts: Vec<Option<Verdict>> = batch.requests.iter().map(|_| None).collect();
    let mut accepted = None;
    for row in rows {
        let verdict = Verdict::read(row)?;
        match verdict.request.checked_sub(1) {
            None => accepted = Some(verdict),
            Some(nth) => {
                if let Some(place) = verdicts.get_mut(nth) {
                    *place = Some(verdict);
                }
            }
        }
    }
    if let Some(accepted) = accepted {
        accept(batch, &accepted, &mut verdicts);
    }
    let answers = (0..batch.requests.len()).map(|nth| match &verdicts[nth] {
        Some(verdict) if verdict.is_unsettled(&batch.requests[nth]) => Answer::Unsettled,
        Some(verdict) => Answer::Final(verdict.result(nth, batch, &verdicts)),
        None => Answer::Final(Err(Error::internal("append_v1 gave no verdict on a request"))),
    });
    Ok(answers.collect())
}

/// The events of all requests without a verdict of their own follow the head, in the order of the requests. None is
/// taken for accepted unless there are as many as the function says.
fn accept(batch: &Batch, accepted: &Verdict, verdicts: &mut [Option<Verdict>]) {
    let left = verdicts.iter().filter(|verdict| verdict.is_none()).count();
    if accepted.code != b'a' || accepted.item != left {
        return;
    }
    let mut next = accepted.place.get() + 1;
    for (request, verdict) in batch.requests.iter().zip(verdicts) {
        if verdict.is_none() {
            *verdict = Some(Verdict::accepted(Position::new(next)));
            next += request.events.len() as u64;
        }
    }
}

#[derive(Debug)]
struct Verdict {
    /// From 1; 0 is for all that have no verdict of their own.
    request: usize,
    code: u8,
    place: Position,
    condition: usize,
    item: usize,
    blocker: Option<usize>,
}

impl Verdict {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let number = |column: usize| -> Result<Option<usize>, tokio_postgres::Error> {
            Ok(row.try_get::<_, Option<i32>>(column)?.and_then(|number| usize::try_from(number).ok()))
        };
        Ok(Self {
            request: number(0)?.unwrap_or_default(),
            code: row.try_get::<_, i8>(1)?.unsigned_abs(),
            place: Position::from_sql(row.try_get::<_, Option<i64>>(2)?.unwrap_or_default()),
            condition: number(3)?.unwrap_or_default(),
            item: number(4)?.unwrap_or_default(),
            blocker: number(5)?,
        })
    }

    fn accepted(place: Position) -> Self {
        Self { request: 0, code: b'a', place, condition: 0, item: 0, blocker: None }
    }

    fn is_unsettled(&self, request: &Request) -> bool {
        let rests_on = |condition: &Condition| condition.checked.after.position() == self.place;
        match self.code {
            b'f' => true,
            // Lost is what a reading of ours rests on, and not what the caller named.
            b'h' => !request.conditions.get(self.condition).is_some_and(rests_on),
            _ => false,
        }
    }

    fn result(&self, nth: usize, batch: &Batch, verdicts: &[Option<Self>]) -> Result<Receipt, Error> {
        let request = &batch.requests[nth];
        match self.code {
            b'a' => request.receipt(self.place, false),
            b'd' => request.receipt(self.place, true),
            b'c' => Err(Error::refused(Conflict {
                position: self.conflicting_position(nth, batch, verdicts),
                condition: self.condition,
                item: self.item,
            })),
            b'h' => Err(Error::diverged(
                self.place,
                format!(
                    "append refused: the log does not have the event that condition {} names at position {}; its end \
                     was lost in a failover, or the token is from another log",
                    self.condition, self.place
                ),
            )),
            b'x' => Err(Error::invalid(format!(
                "append refused: some of its event ids are in the log already, from position {}, with another \
                 type, payload or metadata, or without the rest of them",
                self.place
            ))),
            b'k' => Err(Error::invalid(format!(
                "append refused: an event has more than {} indexed values, the limit of the log; index only the paths \
                 that identify things",
                self.place
            ))),
            b'u' => Err(self.unindexed(batch)),
            code => {
                Err(Error::internal(format!("append_v1 gave the unknown verdict {:?}", char::from(code))))
            }
        }
    }

    fn unindexed(&self, batch: &Batch) -> Error {
        let path = self.condition.checked_sub(1).and_then(|nth| batch.paths().nth(nth));
        path.map_or_else(
            || Error::internal("append_v1 refused a path that it was not given"),
            |(_, path)| path.unindexed(),
        )
    }

    /// A conflict inside the batch is with an event of its blocker.
    fn conflicting_position(&self, nth: usize, batch: &Batch, verdicts: &[Option<Self>]) -> Position {
        let Some(blocker) = self.blocker.and_then(|number| number.checked_sub(1)) else {
            return self.place;
        };
        let first = verdicts.get(blocker).and_then(Option::as_ref).map_or(0, |verdict| verdict.place.get());
        let event = batch.pairs.iter().find(|pair| pair.blocker == blocker && pair.blocked == nth);
        Position::new(first + event.map_or(0, |pair| pair.event as u64))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::condition::AppendCondition;
    use crate::event::EventId;
    use crate::filter::Filter;
    use crate::token::Token;

    #[test]
    fn a_lost_event_is_the_callers_only_if_the_caller_named_it() {
        let after = Token::new(Position::new(7), EventId::generate());
        let condition = AppendCondition::fail_if_matches(&Filter::all()).after(after).check().unwrap();
        let (request, _ticket) = Request::new(vec![], vec![Condition::new(condition)], Instant::now());
        let verdict = |code, place| Verdict {
            request: 1,
            code,
            place: Position::new(place),
            condition: 0,
            item: 0,
            blocker: None,
        };
        assert!(!verdict(b'h', 7).is_unsettled(&request));
        assert!(verdict(b'h', 9).is_unsettled(&request), "lost is what a reading of ours rests on");
        assert!(verdict(b'f', 0).is_unsettled(&request));
        assert!(!verdict(b'c', 9).is_unsettled(&request));
    }
}
