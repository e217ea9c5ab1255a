//! What the servers of a cluster are set to.

/// What a cluster of its own needs, whatever else it is set to. A standby may not have fewer connections than its primary, so both
/// have the same.
const NEEDED: &[(&str, &str)] = &[
    ("listen_addresses", "'127.0.0.1'"),
    ("unix_socket_directories", "''"),
    ("max_connections", "300"),
    ("max_wal_senders", "16"),
    ("hot_standby", "on"),
    // A replica comes back soon after its primary.
    ("wal_retrieve_retry_interval", "'100ms'"),
    ("timezone", "'UTC'"),
    ("log_timezone", "'UTC'"),
];

/// Where nothing else was said.
const USUAL: &[(&str, &str)] = &[
    ("shared_buffers", "'256MB'"),
    ("max_wal_size", "'4GB'"),
    ("wal_keep_size", "'256MB'"),
    ("random_page_cost", "1.1"),
];

/// Of a replica, where nothing else was said.
const USUAL_OF_REPLICA: &[(&str, &str)] = &[("hot_standby_feedback", "on")];

/// As on a server that has run for a while: WAL files are used again, as making a new one holds up every commit.
const DURABLE: &[(&str, &str)] = &[("min_wal_size", "'2GB'")];

/// For tests: nothing survives a power cut, and everything is fast. `synchronous_commit` stays on, as without it the
/// replica lags by the WAL writer's delay.
const VOLATILE: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "on"),
    ("autovacuum_naptime", "'5s'"),
];

/// Which of a cluster's servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Replica,
}

/// What all servers of a cluster are set to, in the order in which it counts: later lines win.
#[derive(Debug, Clone, Default)]
pub(crate) struct Configuration {
    pub(crate) durable: bool,
    /// Texts of `postgresql.conf` for the primary and for the replicas, in place of what is usual here.
    pub(crate) texts: Option<(String, String)>,
    pub(crate) settings: Vec<(String, String)>,
}

impl Configuration {
    /// What is appended to the `postgresql.conf` that `initdb` wrote.
    pub(crate) fn of(&self, role: Role) -> String {
        let durability = match (self.durable, &self.texts) {
            (false, _) => VOLATILE,
            (true, None) => DURABLE,
            (true, Some(_)) => &[],
        };
        let mut text = match (&self.texts, role) {
            (Some((primary, _)), Role::Primary) => format!("{primary}\n"),
            (Some((_, replica)), Role::Replica) => format!("{replica}\n"),
            (None, Role::Primary) => lines(USUAL),
            (None, Role::Replica) => lines(USUAL) + &lines(USUAL_OF_REPLICA),
        };
        text += &lines(NEEDED);
        text += &lines(durability);
        text.extend(self.settings.iter().map(|(name, value)| line(name, value)));
        text
    }
}

fn lines(settings: &[(&str, &str)]) -> String {
    settings.iter().map(|(name, value)| line(name, value)).collect()
}

fn line(name: &str, value: &str) -> String {
    format!("{name} = {value}\n")
}
