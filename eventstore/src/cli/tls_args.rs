//! What the command line says of TLS.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Args;
use eventstore::Tls;

use crate::Failure;

/// Whom to trust, and who this is.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// Connect through TLS, and trust these root certificates: a PEM file, or `system` for those of this system
    ///
    /// Certificates are always verified, the host's name too: libpq's sslmode=verify-full and sslrootcert. A server that offers no
    /// TLS is refused, unless its connection string says sslmode=disable
    #[arg(
        long,
        value_name = "FILE|system",
        global = true,
        env = "EVENTSTORE_TLS_ROOTS",
        help_heading = "TLS"
    )]
    tls_roots: Option<PathBuf>,
    /// Certificate that says who the client is, PEM: libpq's sslcert
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "EVENTSTORE_TLS_CERTIFICATE",
        help_heading = "TLS"
    )]
    tls_certificate: Option<PathBuf>,
    /// Its private key, PEM, not encrypted: libpq's sslkey
    #[arg(long, value_name = "FILE", global = true, env = "EVENTSTORE_TLS_KEY", help_heading = "TLS")]
    tls_key: Option<PathBuf>,
}

impl TlsArgs {
    /// `None` where nothing was said of it.
    pub(crate) fn tls(&self) -> Result<Option<Tls>, Failure> {
        let identity = match (&self.tls_certificate, &self.tls_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => return Err(Failure::Usage("--tls-certificate and --tls-key need each other".to_owned())),
        };
        let Some(roots) = &self.tls_roots else {
            return match identity {
                None => Ok(None),
                Some(_) => Err(Failure::Usage("--tls-certificate needs --tls-roots".to_owned())),
            };
        };
        let tls = if roots == OsStr::new("system") { Tls::system()? } else { Tls::trusting(roots)? };
        Ok(Some(match identity {
            Some((certificate, key)) => tls.identity(certificate, key)?,
            None => tls,
        }))
    }
}
