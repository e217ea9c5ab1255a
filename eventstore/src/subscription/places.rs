//! How far a subscription is, as its process knows it.

use time::OffsetDateTime;

use crate::position::Position;
use crate::token::Token;

/// Where it has come to, and where its checkpoint has been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// The end of what was handed over.
    pub(super) handed: Token,
    /// Up to here nothing else matches.
    pub(super) reached: Token,
    /// The checkpoint, as far as it is known here.
    pub(super) committed: Position,
    /// Where the checkpoint is, if that is before a place where it was.
    pub(super) behind: Option<Position>,
    /// The last two that are not known to be committed; the older one first.
    claims: [Option<Claim>; 2],
}

/// A checkpoint that is committed if a transaction of the caller's was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) position: Position,
    /// When the server began that the transaction ran on: it tells one server from another, and from itself before a crash.
    pub(super) server_began: OffsetDateTime,
}

impl Places {
    /// Of one that goes on from its checkpoint.
    pub(super) fn at(checkpoint: Token) -> Self {
        Self {
            handed: checkpoint,
            reached: checkpoint,
            committed: checkpoint.position(),
            behind: None,
            claims: [None; 2],
        }
    }

    pub(super) fn claim(&mut self, claim: Claim) {
        // What is done again was not committed the first time, or is there already.
        if self.claims[1].is_none_or(|last| last.position < claim.position) {
            self.claims = [self.claims[1], Some(claim)];
        }
    }

    /// What was committed, or rolled back by the caller, before a commit of this comes.
    pub(super) fn claim_before(&self, position: Position) -> Option<Claim> {
        self.claims.into_iter().flatten().rfind(|claim| claim.position < position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_claimed_before_is_known_also_where_the_last_one_is_done_again() {
        let mut places = Places::at(Token::START);
        let mut claim = |position| {
            let position = Position::new(position);
            let before = places.claim_before(position).map(|claim| claim.position.get());
            places.claim(Claim { position, server_began: OffsetDateTime::UNIX_EPOCH });
            before
        };
        assert_eq!([3, 5, 5, 9].map(&mut claim), [None, Some(3), Some(3), Some(5)]);
    }
}
