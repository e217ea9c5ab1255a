//! Where a server is, as the caller wrote it.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode};

use crate::error::Error;
use crate::pool::hosts::{check_lengths, each_host, endpoints, is_local};

/// A parsed connection string. Shown as host and port: the password never leaves it.
#[derive(Clone)]
pub(crate) struct Dsn {
    config: Config,
    name: String,
    for_each: Duration,
}

impl Dsn {
    /// Parses `host=… port=… user=…` or `postgresql://…`. `role` names it in errors.
    pub(crate) fn parse(text: &str, role: &str, connect_timeout: Duration) -> Result<Self, Error> {
        // The driver's message may quote a piece of the text, and so of a password: it is not passed on.
        let mut config = Config::from_str(text).map_err(|_| {
            Error::invalid(format!(
                "connection string of the {role} does not parse (not shown, as it may hold a password); expected \
                 \"host=… port=… user=… password=… dbname=…\" or \"postgresql://user:password@host:port/dbname\"{}",
                hint(text)
            ))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::invalid(format!("connection string of the {role} names no host")));
        }
        check_lengths(&config).map_err(|counts| {
            Error::invalid(format!(
                "connection string of the {role} has {counts}; expected as many of each, or one port for all"
            ))
        })?;
        // The driver ends the password at the first @, and takes the rest of it for the host.
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
            return Err(Error::invalid(format!(
                "connection string of the {role} has an @ in its host (not shown, as it may be a piece of a password); \
                 write an @ of the password as %40"
            )));
        }
        if config.get_user().is_none() {
            return Err(Error::invalid(format!("connection string of the {role} names no user")));
        }
        if config.get_application_name().is_none() {
            config.application_name("eventstore");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(connect_timeout);
        }
        let name = format!("{role} {}", endpoints(&config));
        let for_each = config.get_connect_timeout().copied().unwrap_or(connect_timeout);
        Ok(Self { config, name, for_each })
    }

    /// How to connect to each host alone, in the order in which they were named.
    pub(crate) fn hosts(&self) -> Vec<Config> {
        each_host(&self.config)
    }

    /// How long opening a connection to one host may take, until it may be used.
    pub(crate) fn for_each_host(&self) -> Duration {
        self.for_each
    }

    /// Such as `primary db1:5432`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// With TLS at hand, a server that offers none is refused instead of spoken to in the clear, unless the caller said so: whoever
    /// stands in between could make it look like one. The local end of a tunnel is on this machine too.
    pub(crate) fn require_tls(mut self) -> Result<Self, Error> {
        if self.config.get_ssl_mode() == SslMode::Prefer {
            self.config.ssl_mode(SslMode::Require);
        }
        self.check_channel_binding(self.hosts().iter().all(|host| host.get_ssl_mode() == SslMode::Require))?;
        Ok(self)
    }

    /// Refuses to send anything in the clear to another machine, unless the caller said so.
    pub(crate) fn check_without_tls(&self) -> Result<(), Error> {
        match self.config.get_ssl_mode() {
            SslMode::Disable => {}
            SslMode::Prefer if is_local(&self.config) => {}
            _ => {
                return Err(Error::invalid(format!(
                    "{} needs TLS: hand a connector to EventStoreBuilder::tls (programs: --tls-roots), or say sslmode=disable \
                     in its connection string to send everything in the clear",
                    self.name
                )));
            }
        }
        self.check_channel_binding(false)
    }

    fn check_channel_binding(&self, has_tls: bool) -> Result<(), Error> {
        if has_tls || self.config.get_channel_binding() != ChannelBinding::Require {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "{} is to be connected to without TLS, and its connection string says channel_binding=require, which binds \
             a password to a TLS channel",
            self.name
        )))
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dsn").field(&self.name).finish()
    }
}

/// For those who know libpq.
fn hint(text: &str) -> &'static str {
    let is_of_libpq = ["verify-ca", "verify-full", "sslrootcert", "sslcert", "sslkey", "sslcrl"];
    if !is_of_libpq.iter().any(|word| text.contains(word)) {
        return "";
    }
    "; sslmode is disable, prefer or require: with TLS the server's certificate is always verified as with libpq's verify-full, \
     and root and client certificates are handed to EventStoreBuilder::tls"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Dsn, Error> {
        Dsn::parse(text, "primary", Duration::from_secs(5))
    }

    #[test]
    fn errors_never_show_the_password() {
        for text in [
            "host=db password=geheim geheim=1",
            "host=db port=geheim",
            "postgresql://user:geheim@[bad",
            "postgresql://user:x@geheim@db.example/db",
            "password=geheim",
            "host=db password=geheim",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
        assert!(!format!("{:?}", parse("host=db user=u password=geheim").unwrap()).contains("geheim"));
    }

    #[test]
    fn lists_of_different_lengths_are_refused_as_nobody_knows_what_belongs_together() {
        for (text, counts) in [
            ("host=a,b hostaddr=192.0.2.1 user=u", "2 hosts and 1 addresses"),
            ("host=a hostaddr=192.0.2.1,192.0.2.2 user=u", "1 hosts and 2 addresses"),
            ("host=a,b,c port=1,2 user=u", "3 hosts and 2 ports"),
            ("hostaddr=192.0.2.1 port=1,2 user=u", "1 hosts and 2 ports"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(counts), "{text}: {error}");
        }
        for good in ["host=a,b port=7 user=u", "host=a,b hostaddr=192.0.2.1,192.0.2.2 port=1,2 user=u"] {
            assert_eq!(parse(good).unwrap().hosts().len(), 2, "{good}");
        }
    }

    #[test]
    fn other_machines_need_tls_or_consent() {
        for local in
            ["host=localhost user=u", "host=127.0.0.9 user=u", "host=/run/x user=u", "host=::1 user=u"]
        {
            assert!(parse(local).unwrap().check_without_tls().is_ok(), "{local}");
        }
        for remote in [
            "host=db.example user=u",
            "host=localhost,db.example user=u",
            "host=localhost hostaddr=192.0.2.1 user=u",
            "host=localhost user=u sslmode=require",
        ] {
            assert!(parse(remote).unwrap().check_without_tls().is_err(), "{remote}");
        }
        assert!(parse("host=db.example user=u sslmode=disable").unwrap().check_without_tls().is_ok());
    }

    #[test]
    fn with_a_connector_servers_must_offer_tls() {
        let mode = |text: &str| parse(text).unwrap().require_tls().unwrap().hosts()[0].get_ssl_mode();
        assert_eq!(mode("host=db.example user=u"), SslMode::Require);
        assert_eq!(mode("host=localhost user=u"), SslMode::Require);
        assert_eq!(mode("host=/run/x user=u"), SslMode::Disable);
        assert_eq!(mode("host=/run/x hostaddr=192.0.2.1 user=u"), SslMode::Require);
        assert_eq!(mode("host=db.example user=u sslmode=disable"), SslMode::Disable);
    }

    #[test]
    fn a_password_can_not_be_bound_to_a_channel_in_the_clear() {
        let bound = |text: &str| parse(&format!("user=u channel_binding=require {text}")).unwrap();
        assert!(bound("host=db.example").require_tls().is_ok());
        for clear in ["host=db.example sslmode=disable", "host=/run/x", "host=db.example,/run/x"] {
            assert!(
                bound(clear).require_tls().unwrap_err().to_string().contains("channel_binding"),
                "{clear}"
            );
        }
        for clear in ["host=localhost", "host=/run/x", "host=db.example sslmode=disable"] {
            let error = bound(clear).check_without_tls().unwrap_err().to_string();
            assert!(error.contains("channel_binding"), "{clear}: {error}");
        }
    }

    #[test]
    fn an_address_without_a_name_is_the_name() {
        let host = parse("hostaddr=192.0.2.1 user=u").unwrap().hosts().remove(0);
        assert_eq!(host.get_hosts(), [Host::Tcp("192.0.2.1".to_owned())]);
    }

    #[test]
    fn words_of_libpq_are_explained() {
        let error = parse("host=h user=u sslmode=verify-full sslrootcert=x").unwrap_err().to_string();
        assert!(error.contains("EventStoreBuilder::tls"), "{error}");
    }

    #[test]
    fn each_host_has_its_port_and_all_that_is_said_of_the_servers() {
        let text = "host=a,b port=1,2 user=u password=p dbname=d application_name=x options='-c jit=off' \
                    target_session_attrs=read-write sslmode=require connect_timeout=3 keepalives_idle=7";
        let hosts = parse(text).unwrap().hosts();
        let texts = ["host=a port=1", "host=b port=2"].map(|host| text.replace("host=a,b port=1,2", host));
        for (host, alone) in hosts.iter().zip(texts) {
            assert_eq!(*host, parse(&alone).unwrap().config);
        }
        assert_eq!(parse("host=a,b port=7 user=u").unwrap().hosts()[1].get_ports(), [7]);
        let address = parse("host=a,b hostaddr=192.0.2.1,192.0.2.2 user=u sslmode=disable").unwrap().hosts();
        assert_eq!(address[1].get_hostaddrs().len(), 1);
    }

    #[test]
    fn the_name_says_host_and_port() {
        assert_eq!(parse("host=a,b port=1,2 user=u").unwrap().name(), "primary a:1,b:2");
        assert_eq!(parse("postgresql://u:p@h/d").unwrap().name(), "primary h:5432");
    }
}
