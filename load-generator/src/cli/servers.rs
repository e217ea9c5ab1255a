//! Which servers, for every command that takes given ones.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::cli::tls::TlsArgs;
use crate::password;

/// As typed.
#[derive(Debug, Args)]
struct Typed {
    /// Connection string of the primary; without it, servers of its own are started
    ///
    /// As of libpq: 'host=db1 user=app dbname=library'. A server on another machine needs --tls-roots, or sslmode=disable
    #[arg(
        long,
        value_name = "DSN",
        env = "LOAD_GENERATOR_PRIMARY",
        hide_env_values = true,
        help_heading = "Servers"
    )]
    primary: Option<String>,
    /// Connection string of a replica; may be given several times
    ///
    /// The environment variable names one. Needs --primary
    #[arg(
        long,
        value_name = "DSN",
        requires = "primary",
        env = "LOAD_GENERATOR_REPLICA",
        hide_env_values = true,
        help_heading = "Servers"
    )]
    replica: Vec<String>,
    /// File whose first line is the password of every connection string that has none
    ///
    /// So that it is neither on the command line nor in the environment
    #[arg(
        long,
        value_name = "FILE",
        env = password::FILE,
        help_heading = "Servers",
        hide_short_help = true
    )]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    _tls: TlsArgs,
}

/// The connection strings, complete with the password that is in a file, so that no command has to read it.
#[derive(Debug)]
pub(super) struct ServerArgs {
    pub(super) primary: Option<String>,
    pub(super) replica: Vec<String>,
}

impl ServerArgs {
    fn complete(typed: Typed) -> Result<Self, clap::Error> {
        let complete = |server: String| match &typed.password_file {
            Some(file) => password::complete(server, file)
                .map_err(|error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n"))),
            None => Ok(server),
        };
        Ok(Self {
            primary: typed.primary.map(complete).transpose()?,
            replica: typed.replica.into_iter().map(complete).collect::<Result<_, _>>()?,
        })
    }
}

impl FromArgMatches for ServerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::complete(Typed::from_arg_matches(matches)?)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ServerArgs {
    fn augment_args(command: Command) -> Command {
        Typed::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Typed::augment_args_for_update(command)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        servers: ServerArgs,
    }

    #[test]
    fn each_server_without_a_password_has_the_one_of_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"secret\n").unwrap();
        let path = file.path().to_str().unwrap();
        let line =
            ["load-generator", "--primary", "host=a user=u", "--replica", "host=b user=u password=own"];
        let servers = Cli::try_parse_from(line.into_iter().chain(["--password-file", path])).unwrap().servers;
        assert_eq!(servers.primary.as_deref(), Some("host=a user=u password='secret'"));
        assert_eq!(servers.replica, ["host=b user=u password=own"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let line = ["load-generator", "--primary", "host=a user=u", "--password-file", "/no/such/file"];
        let refused = Cli::try_parse_from(line).unwrap_err().to_string();
        assert!(refused.contains("/no/such/file"), "{refused}");
    }
}
