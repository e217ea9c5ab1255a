//! What the servers of a cluster are set to.

/// Where nothing else was said: the file that containers for tests have too. Nothing survives a power cut, and everything is fast.
const TEST: &str = include_str!("../../tuning/test.conf");

/// Where they listen.
const LISTENING: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n";

/// What durable servers have instead, for benchmarks. As on a server that has run for a while, WAL files are used again: making a new
/// one holds up every commit.
const DURABLE: &str =
    "fsync = on\nfull_page_writes = on\nmin_wal_size = '2GB'\nautovacuum_naptime = '1min'\n";

/// Where texts of the caller's take the place of the file: what a cluster needs whatever it is set to. A standby may not have fewer
/// connections than its primary, so both have the same.
const NEEDED: &str = "max_connections = 300\nmax_wal_senders = 16\nhot_standby = on\n\
                      wal_retrieve_retry_interval = '100ms'\ntimezone = 'UTC'\nlog_timezone = 'UTC'\n";

/// And where they need not be durable.
const VOLATILE: &str = "fsync = off\nfull_page_writes = off\nsynchronous_commit = on\n";

/// Which of a cluster's servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Replica,
}

/// What all servers of a cluster are set to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Configuration {
    pub(crate) durable: bool,
    /// Texts of `postgresql.conf` for the primary and for the replicas, in place of the file for tests.
    pub(crate) texts: Option<(String, String)>,
    /// Lines of all servers, and of the replicas alone.
    pub(crate) lines: String,
    pub(crate) replica_lines: String,
}

impl Configuration {
    /// What is appended to the `postgresql.conf` that `initdb` wrote. Of two lines for one parameter the later one counts.
    pub(crate) fn of(&self, role: Role) -> String {
        let parts: [&str; 3] = match (&self.texts, role, self.durable) {
            (None, _, true) => [TEST, DURABLE, ""],
            (None, _, false) => [TEST, "", ""],
            (Some((text, _)), Role::Primary, true) | (Some((_, text)), Role::Replica, true) => {
                [text, NEEDED, ""]
            }
            (Some((text, _)), Role::Primary, false) | (Some((_, text)), Role::Replica, false) => {
                [text, NEEDED, VOLATILE]
            }
        };
        let of_role = if role == Role::Replica { self.replica_lines.as_str() } else { "" };
        let parts = parts.into_iter().chain([LISTENING, &self.lines, of_role]);
        parts.flat_map(|part| [part, "\n"]).collect()
    }
}
