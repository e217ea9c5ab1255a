//! What a server says of itself, read into plain values: nothing is judged here.

mod figures;
mod read;
mod setting;

pub(crate) use read::read;
pub(crate) use setting::{LiveSetting, Settings, amount};

/// What a server was named on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Primary,
    Replica,
}

/// All that was read of one server. Where it refuses to tell, a part is empty, and `refused` says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    pub(crate) role: Role,
    /// Such as `replica 127.0.0.1:5433`.
    pub(crate) name: String,
    /// Whether it was reached through a socket of this machine.
    pub(crate) is_local: bool,
    /// Such as 170004.
    pub(crate) version: u32,
    pub(crate) is_standby: bool,
    pub(crate) user: String,
    /// Whether our role may see what others do.
    pub(crate) monitors: bool,
    pub(crate) up_seconds: f64,
    pub(crate) system: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) overrides: Vec<Override>,
    pub(crate) clients: u64,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) age: Option<Age>,
    pub(crate) slots: Vec<Slot>,
    /// Those that stream from it; `None` if it does not tell.
    pub(crate) standbys: Option<Vec<Standby>>,
    pub(crate) archiver: Option<Archiver>,
    /// The end of the WAL, or of what is replayed of it.
    pub(crate) wal_end: Option<u64>,
    pub(crate) replay: Option<Replay>,
    pub(crate) load: Option<Load>,
    pub(crate) checkpoints: Option<Checkpoints>,
    /// `None` if there is no log in the schema, or if that is not told.
    pub(crate) log: Option<Log>,
    /// Whether it was told if there is a log.
    pub(crate) is_log_known: bool,
    /// What it did not tell, and why.
    pub(crate) refused: Vec<String>,
    /// Why the connection was lost in the middle, if it was; what was read by then is here.
    pub(crate) broken_off: Option<String>,
}

/// What is set for a role or a database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Override {
    pub(crate) role: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A transaction that is older than a minute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transaction {
    pub(crate) pid: i32,
    pub(crate) application: String,
    pub(crate) state: String,
    pub(crate) seconds: f64,
    pub(crate) in_state_seconds: f64,
}

/// A prepared transaction that is older than a minute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) gid: String,
    pub(crate) seconds: f64,
}

/// How far the oldest database is on its way to a wraparound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Age {
    pub(crate) database: String,
    pub(crate) transactions: u64,
    pub(crate) multixacts: u64,
}

/// A server that streams from this one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standby {
    pub(crate) name: String,
    pub(crate) is_streaming: bool,
    /// Whether commits wait for it, alone or with others.
    pub(crate) is_waited_for: bool,
}

/// What archives WAL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Archiver {
    pub(crate) failures: u64,
    /// The file whose archiving failed last.
    pub(crate) wal: String,
    /// Since the last file was archived; `None` if none was.
    pub(crate) archived_seconds: Option<f64>,
    /// Whether the last try failed.
    pub(crate) is_failing: bool,
}

/// A replication slot.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) is_active: bool,
    pub(crate) wal_status: String,
    pub(crate) kept_bytes: u64,
    /// Whether vacuum waits for it too.
    pub(crate) holds_rows: bool,
    /// Whether it is a copy of the primary's, for after a promotion.
    pub(crate) is_synced: bool,
    /// Why it was given up, from 17 on.
    pub(crate) invalidation: String,
    /// Since when nobody uses it, from 17 on.
    pub(crate) unused_seconds: Option<f64>,
}

/// What a standby does.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Replay {
    /// `None` if nothing is received.
    pub(crate) receiver: Option<String>,
    pub(crate) is_paused: bool,
    /// The age of the last transaction that was replayed.
    pub(crate) seconds: Option<f64>,
}

/// Blocks that the database was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) hit: u64,
    pub(crate) read: u64,
    pub(crate) seconds: f64,
    /// Whether the counters began so many seconds ago; else they are that old at least.
    pub(crate) is_dated: bool,
}

/// Since the server's counters began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Checkpoints {
    pub(crate) timed: u64,
    pub(crate) requested: u64,
}

/// The objects of a log.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Log {
    pub(crate) schema: String,
    pub(crate) tables: Vec<LiveTable>,
    /// `None` if they are not told.
    pub(crate) indexes: Option<Vec<LiveIndex>>,
    pub(crate) silent_triggers: Vec<SilentTrigger>,
    /// Whether the trigger that calls inline projections is there.
    pub(crate) has_inline_trigger: bool,
    /// The inline projections that appends do not call.
    pub(crate) uncalled: Vec<Uncalled>,
    /// Who holds its lock, and does nothing.
    pub(crate) lock_holders: Vec<LockHolder>,
    /// Versions that are missing, and versions that this program does not know; `None` if that was not told.
    pub(crate) migrations: Option<Migrations>,
}

/// An inline projection that is registered, and can not be called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Uncalled {
    pub(crate) name: String,
    /// With its arguments.
    pub(crate) function: String,
}

/// A session that holds the lock of the log, and does nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockHolder {
    pub(crate) pid: i32,
    pub(crate) application: String,
    pub(crate) is_in_transaction: bool,
    /// For how long it has done nothing.
    pub(crate) seconds: f64,
}

/// Which versions differ.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Migrations {
    pub(crate) missing: Vec<u32>,
    pub(crate) unknown: Vec<u32>,
}

/// A table of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LiveTable {
    pub(crate) name: String,
    /// Rows as of the last vacuum or ANALYZE; `None` if there was none.
    pub(crate) estimate: Option<u64>,
    /// Whether the counters say something: they begin at zero after a crash and a promotion.
    pub(crate) is_counted: bool,
    pub(crate) live: u64,
    pub(crate) dead: u64,
    pub(crate) modified: u64,
    pub(crate) inserted: u64,
    pub(crate) is_analyzed: bool,
    /// Without TOAST.
    pub(crate) bytes: u64,
    /// What is in it does not survive a crash, and reaches no replica.
    pub(crate) is_unlogged: bool,
    /// `name=value`.
    pub(crate) parameters: Vec<String>,
}

/// An index of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LiveIndex {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) is_valid: bool,
    /// Whether an index of its table is being built just now.
    pub(crate) is_building: bool,
}

/// A trigger that was disabled.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SilentTrigger {
    pub(crate) name: String,
    pub(crate) table: String,
    /// Whether it guards events and is not there.
    pub(crate) is_missing: bool,
    /// Whether it guards events and leaves out changes under `session_replication_role = replica`.
    pub(crate) is_evaded: bool,
}

impl Look {
    /// Such as 17.
    pub(crate) fn major(&self) -> u32 {
        self.version / 10_000
    }
}

impl LiveTable {
    /// As autovacuum has it: the estimate, where there is one.
    pub(crate) fn rows(&self) -> u64 {
        self.estimate.unwrap_or(self.live)
    }

    /// A storage parameter of the table; `None` if it has none of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='))
    }
}
