//! The servers of a connection string, each alone: in the same way for the store and for programs that have connections of their own
//! beside it.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How to connect to each host alone, in the order in which they were named. Never empty: what the driver refuses stays in one
/// piece, so that it says why.
///
/// A Unix socket is connected to in the clear, as PostgreSQL has no TLS there; an address without a name is the name that a
/// certificate has to be for.
#[must_use]
pub fn each_host(all: &Config) -> Vec<Config> {
    match count(all) {
        0 => vec![all.clone()],
        _ if check_lengths(all).is_err() => vec![all.clone()],
        count => (0..count).map(|nth| of_host(all, nth)).collect(),
    }
}

/// Host and port of each, for messages; no password.
#[must_use]
pub fn endpoints(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |nth: usize| ports.get(nth).or_else(|| ports.last()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(folder) => folder.display().to_string(),
    });
    let mut names: Vec<_> = hosts.collect();
    if names.is_empty() {
        names = config.get_hostaddrs().iter().map(ToString::to_string).collect();
    }
    let endpoints = names.iter().enumerate().map(|(nth, name)| format!("{name}:{}", port(nth)));
    endpoints.collect::<Vec<_>>().join(",")
}

/// Whether all of them are on this machine. Where both are given, the address is what is connected to.
#[must_use]
pub fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Refuses lists that do not fit together, in words.
pub(super) fn check_lengths(config: &Config) -> Result<(), String> {
    let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
    if hosts > 0 && addresses > 0 && hosts != addresses {
        return Err(format!("{hosts} hosts and {addresses} addresses"));
    }
    let (count, ports) = (count(config), config.get_ports().len());
    if ports > 1 && ports != count {
        return Err(format!("{count} hosts and {ports} ports"));
    }
    Ok(())
}

fn count(config: &Config) -> usize {
    config.get_hosts().len().max(config.get_hostaddrs().len())
}

/// The driver's own list of hosts ends at one that takes connections and then says nothing: it bounds the connecting, and not the
/// greeting.
fn of_host(all: &Config, nth: usize) -> Config {
    let mut one = Config::new();
    let (host, address) = (all.get_hosts().get(nth), all.get_hostaddrs().get(nth));
    let mut ssl_mode = all.get_ssl_mode();
    match (host, address) {
        (Some(Host::Tcp(name)), _) => drop(one.host(name)),
        // The address is what is connected to, and so what the server's certificate has to be for.
        (_, Some(address)) => drop(one.host(address.to_string())),
        // PostgreSQL has no TLS there, and no wire to listen to.
        #[cfg(unix)]
        (Some(Host::Unix(folder)), None) => {
            ssl_mode = SslMode::Disable;
            one.host_path(folder);
        }
        (None, None) => {}
    }
    if let Some(address) = address {
        one.hostaddr(*address);
    }
    if let Some(port) = all.get_ports().get(nth).or_else(|| all.get_ports().last()) {
        one.port(*port);
    }
    all.get_user().map(|user| one.user(user));
    all.get_password().map(|password| one.password(password));
    all.get_dbname().map(|dbname| one.dbname(dbname));
    all.get_options().map(|options| one.options(options));
    all.get_application_name().map(|name| one.application_name(name));
    all.get_connect_timeout().map(|timeout| one.connect_timeout(*timeout));
    all.get_tcp_user_timeout().map(|timeout| one.tcp_user_timeout(*timeout));
    all.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
    all.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    one.keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .ssl_mode(ssl_mode)
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding())
        .target_session_attrs(all.get_target_session_attrs())
        .load_balance_hosts(all.get_load_balance_hosts());
    one
}
