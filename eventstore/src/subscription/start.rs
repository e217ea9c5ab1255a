//! Where something new begins.

use crate::token::Token;

/// Where a subscription or group begins that has no checkpoint yet. One that has goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// With the first event of the log that matches.
    #[default]
    Beginning,
    /// With what is appended from now on: after the head that the primary has.
    Now,
    /// With the first match after a token.
    After(Token),
}

impl Start {
    /// The token, and whether the head is to be taken instead.
    pub(crate) fn place(self) -> (Token, bool) {
        match self {
            Self::Beginning => (Token::START, false),
            Self::Now => (Token::START, true),
            Self::After(token) => (token, false),
        }
    }
}
