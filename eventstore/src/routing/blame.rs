//! What a failed read says of the replica that was asked.

use crate::error::{Error, ErrorKind};

/// Who a failed read on a replica speaks against.
pub(crate) enum Blame {
    /// The replica: others should not ask it for a while. One that refuses the user is to blame, too.
    Server,
    /// The replica is frozen, or the call was too much for its time.
    Unclear,
    /// The call, or this handle: the primary tells. It may also be something that the replica has not replayed yet, or a
    /// conflict with what it replays.
    Call,
}

impl Blame {
    pub(crate) fn of(error: &Error) -> Self {
        let code = error.sqlstate().unwrap_or_default();
        match error.kind() {
            _ if code.starts_with("28") || code.starts_with("3D") => Self::Server,
            _ if error.is_exhausted() || matches!(code, "40001" | "40P01" | "57014") => Self::Call,
            ErrorKind::Unavailable if error.is_timeout() => Self::Unclear,
            ErrorKind::Unavailable | ErrorKind::Internal => Self::Server,
            _ => Self::Call,
        }
    }
}
