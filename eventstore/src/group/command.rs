//! What the task of a member is told.

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::error::Error;
use crate::group::Delivery;
use crate::group::book::Outcome;
use crate::group::settling::Reply;
use crate::position::Position;

/// What takers and deliveries say.
pub(super) enum Command {
    /// Somebody wants an event.
    Take(oneshot::Sender<Result<Delivery, Error>>),
    /// What came of one.
    Answer {
        position: Position,
        lease: Uuid,
        outcome: Outcome,
        reply: Reply,
    },
    End(oneshot::Sender<()>),
}
