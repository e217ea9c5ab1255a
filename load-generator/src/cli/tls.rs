//! What the command line says of TLS.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches as _};
use eventstore::Tls;

use crate::connection;

/// Whom to trust, and who this is.
#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// Connect to them through TLS, and trust these root certificates: a PEM file, or `system` for those of this system
    ///
    /// Certificates are always verified, the host's name too: libpq's sslmode=verify-full and sslrootcert. A server that offers no
    /// TLS is refused, unless its connection string says sslmode=disable
    #[arg(long, value_name = "FILE|system", env = connection::ROOTS, help_heading = "Servers")]
    tls_roots: Option<PathBuf>,
    /// Certificate that says who the client is, PEM: libpq's sslcert. Needs --tls-key
    #[arg(long, value_name = "FILE", env = connection::CERTIFICATE, help_heading = "Servers", hide_short_help = true)]
    tls_certificate: Option<PathBuf>,
    /// Its private key, PEM, not encrypted: libpq's sslkey
    #[arg(long, value_name = "FILE", env = connection::KEY, help_heading = "Servers", hide_short_help = true)]
    tls_key: Option<PathBuf>,
}

/// Has the whole process use TLS, if the command that was typed says so of servers that it was given. Servers of its own have none.
pub(super) fn apply(typed: &ArgMatches) -> Result<(), clap::Error> {
    let mut command = typed;
    while let Some((_, inner)) = command.subcommand() {
        command = inner;
    }
    let has = |name| matches!(command.try_contains_id(name), Ok(true));
    if !has("primary") || !["tls_roots", "tls_certificate", "tls_key"].into_iter().any(has) {
        return Ok(());
    }
    let args = TlsArgs::from_arg_matches(command)?;
    let refused = |why: String| clap::Error::raw(ErrorKind::ValueValidation, format!("{why}\n"));
    let Some(roots) = args.tls_roots else {
        return Err(refused("--tls-certificate and --tls-key need --tls-roots".to_owned()));
    };
    let tls = if roots == OsStr::new("system") { Tls::system() } else { Tls::trusting(&roots) };
    let tls = tls.map_err(|error| refused(error.to_string()))?;
    let mut files = vec![(connection::ROOTS, roots)];
    let tls = match (args.tls_certificate, args.tls_key) {
        (None, None) => tls,
        (Some(certificate), Some(key)) => {
            let tls = tls.identity(&certificate, &key).map_err(|error| refused(error.to_string()))?;
            files.extend([(connection::CERTIFICATE, certificate), (connection::KEY, key)]);
            tls
        }
        _ => return Err(refused("--tls-certificate and --tls-key need each other".to_owned())),
    };
    connection::secure(tls, files);
    Ok(())
}
