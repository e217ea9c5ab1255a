//! One transaction that has the tables of a generation know of events.

use crate::error::Error;
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::lent::{Fault, Lent, commit, guarded, in_time, in_time_of, judged};
use crate::projection::calls::{Begun, Calls, Swap};
use crate::projection::definition::{Projection, quoted};
use crate::query::{PageRequest, Source};
use crate::subscription::Batch;
use crate::token::Token;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    Committed,
    Paused,
    Gone,
}

/// Makes the tables of a generation, unless they are there. False if it is gone.
pub(super) async fn make<P: Projection>(
    calls: &Calls,
    projection: &P,
    generation: i32,
    is_live: bool,
) -> Result<bool, Fault> {
    let mut lent = Lent::of(calls.borrower()).await?;
    let transaction = in_time(calls.borrower(), lent.client().transaction()).await?;
    let Some(is_to_make) = in_time(calls.borrower(), calls.make(&transaction, generation)).await? else {
        return Ok(false);
    };
    if is_to_make {
        let schema =
            if is_live { calls.views.live().to_owned() } else { calls.views.of_generation(generation) };
        let (name, mark) = (quoted(&schema), calls.views.mark().replace('\'', "''"));
        let create = format!("CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS '{mark}'");
        in_time(calls.borrower(), transaction.batch_execute(&create)).await?;
        let path = calls.view_first(&transaction, &schema);
        in_time(calls.borrower(), path).await?;
        guarded(projection.create(&transaction), calls.borrower()).await?;
    }
    commit(calls.borrower(), transaction).await?;
    lent.has_ended();
    Ok(true)
}

/// Applies events of a batch, up to a token, and commits that.
pub(super) async fn apply<P: Projection>(
    calls: &Calls,
    projection: &P,
    generation: i32,
    batch: &Batch,
    (events, up_to): (&[&RecordedEvent], Token),
) -> Result<Applied, Fault> {
    let mut lent = Lent::of(calls.borrower()).await?;
    let transaction = in_time(calls.borrower(), lent.client().transaction()).await?;
    let applied = match in_time(calls.borrower(), calls.begin(&transaction, generation)).await? {
        Begun::Gone => Applied::Gone,
        Begun::Paused => Applied::Paused,
        // It was committed when the connection died.
        Begun::At(position) if position >= up_to.position() => {
            batch.is_committed(up_to);
            Applied::Committed
        }
        Begun::At(position) => {
            let first = events.iter().position(|event| event.position > position).unwrap_or(events.len());
            if first < events.len() {
                guarded(projection.apply(&transaction, &events[first..]), calls.borrower()).await?;
            }
            in_time_of(calls.borrower(), batch.commit_up_to(&transaction, up_to)).await.map_err(judged)?;
            commit(calls.borrower(), transaction).await?;
            lent.has_ended();
            batch.is_committed(up_to);
            return Ok(Applied::Committed);
        }
    };
    in_time(calls.borrower(), transaction.rollback()).await?;
    lent.has_ended();
    Ok(applied)
}

/// Has a generation take the place of the live one, if it is as far: also where it is behind by nothing that matches after `own`, a
/// point that it had come to before. The live one is kept from going on meanwhile.
pub(super) async fn swap(
    calls: &Calls,
    generation: i32,
    (filter, own): (&Filter, Token),
) -> Result<Swap, Error> {
    let mut lent = Lent::of(calls.borrower()).await?;
    let transaction = in_time(calls.borrower(), lent.client().transaction()).await?;
    let mut swap = in_time(calls.borrower(), calls.swap(&transaction, generation, None)).await?;
    if let Swap::Behind(Some(live)) = swap {
        let missing = PageRequest {
            low: own.position(),
            high: Some(live),
            witnesses: Some(own).filter(|own| !own.is_start()).into_iter().collect(),
            ..PageRequest::new(Source::filter(filter.check()?))
        };
        let missing = calls.store.reader().page_in(&transaction, &missing);
        if in_time_of(calls.borrower(), missing).await?.events.is_empty() {
            swap = in_time(calls.borrower(), calls.swap(&transaction, generation, Some(live))).await?;
        }
    }
    in_time(calls.borrower(), transaction.commit()).await?;
    lent.has_ended();
    Ok(swap)
}

/// Drops the tables of generations that are not there any more: of those that the live one has replaced, whoever saw to that.
pub(super) async fn drop_orphans(calls: &Calls, live: i32) -> Result<(), Error> {
    let mut lent = Lent::of(calls.borrower()).await?;
    let transaction = in_time(calls.borrower(), lent.client().transaction()).await?;
    // Its tables are there; what is asked for is its lock.
    if in_time(calls.borrower(), calls.make(&transaction, live)).await? == Some(false) {
        in_time(calls.borrower(), calls.drop_orphans(&transaction)).await?;
        in_time(calls.borrower(), transaction.commit()).await?;
    } else {
        in_time(calls.borrower(), transaction.rollback()).await?;
    }
    lent.has_ended();
    Ok(())
}

/// Deletes a projection with all its tables; the verdict if that is not to be done.
pub(super) async fn delete(calls: &Calls) -> Result<Result<(), String>, Error> {
    let mut lent = Lent::of(calls.borrower()).await?;
    let transaction = in_time(calls.borrower(), lent.client().transaction()).await?;
    let deleted = match in_time(calls.borrower(), calls.delete(&transaction)).await? {
        Err(verdict) => Err(verdict),
        Ok(generations) => {
            in_time(calls.borrower(), calls.drop_schema(&transaction, calls.views.live())).await?;
            for generation in generations {
                let schema = calls.views.of_generation(generation);
                in_time(calls.borrower(), calls.drop_schema(&transaction, &schema)).await?;
            }
            in_time(calls.borrower(), calls.drop_orphans(&transaction)).await?;
            Ok(())
        }
    };
    in_time(calls.borrower(), transaction.commit()).await?;
    lent.has_ended();
    Ok(deleted)
}
