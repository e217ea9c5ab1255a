//! How a run that was carried out ended, as the exit status says it.

/// What a caller has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was found wrong.
    Kept,
    /// An audit found broken promises.
    Violated,
    /// Something took longer than it may.
    TooSlow,
}

impl Verdict {
    /// 1 is for runs that could not be carried out, 2 for usage.
    pub(crate) fn exit_status(self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::TooSlow => 3,
            Self::Violated => 4,
        }
    }
}
