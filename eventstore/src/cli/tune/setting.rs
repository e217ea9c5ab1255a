//! One line of `postgresql.conf`.

use crate::tune::server::Server;

/// A parameter, what it should be, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) topic: Topic,
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) reason: String,
}

/// What a setting is about; settings are printed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Memory,
    Durability,
    Wal,
    Replication,
    Standby,
    Plans,
    Vacuum,
    Sessions,
    Observation,
}

impl Topic {
    /// What is said above its settings.
    pub(crate) fn heading(self, server: Server) -> &'static str {
        let is_replica = server == Server::Replica;
        match self {
            Self::Memory => "Memory and processors.",
            Self::Durability if server == Server::Test => {
                "Nothing survives a power cut. For throwaway servers only."
            }
            Self::Durability => {
                "An acknowledged append is flushed, as by default, and the server comes back after a failover."
            }
            Self::Wal if is_replica => {
                "Checkpoints and WAL: the primary's lines. Restartpoints here follow them, and all of them \
                 count after a promotion."
            }
            Self::Wal => {
                "Checkpoints and WAL. Each checkpoint has every page that is changed after it written \
                 whole, and the key table's pages are random."
            }
            Self::Replication if is_replica => {
                "For replicas of this one: the primary's lines, without effect until a promotion."
            }
            Self::Replication => "For replicas.",
            Self::Standby if server == Server::Primary => {
                "Without effect here, until this server comes back as a standby."
            }
            Self::Standby => "While it follows the primary.",
            Self::Plans => {
                "Plans. No planner method is switched off: the statements of a log hold their plans by \
                 their form."
            }
            Self::Vacuum if is_replica => {
                "Vacuum: the primary's lines. None runs during recovery, so they have no effect until a \
                 promotion, and are wanted at once then."
            }
            Self::Vacuum if server == Server::Test => "Tests wait for autovacuum.",
            Self::Vacuum => {
                "Vacuum. An append-only log has no dead rows: what vacuum does is to freeze new pages and \
                 to mark them all-visible, which\n\
                 # index-only scans of the key table need. It is driven by inserts: early, and in small steps."
            }
            Self::Sessions => "Sessions that were given up or forgotten.",
            Self::Observation => "What the server tells.",
        }
    }
}

impl Setting {
    pub(crate) fn new(
        topic: Topic,
        name: &'static str,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Self { topic, name, value: value.to_string(), reason: reason.into() }
    }
}
