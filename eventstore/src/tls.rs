//! TLS with rustls: whom a store trusts, and who it says it is.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_postgres::Socket;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::warn;

use crate::error::Error;

/// PostgreSQL's name for its protocol: servers from version 17 on ask for it where `sslnegotiation=direct`.
const ALPN: &[u8] = b"postgresql";

/// How a store connects through TLS, for [`EventStoreBuilder::tls`](crate::EventStoreBuilder::tls).
///
/// The server's certificate is verified on every connection as libpq does with `sslmode=verify-full`: its chain leads to a trusted root, it is
/// valid today, and it is for the host that the connection string names. Nothing switches that off. A host that is given as an IP address
/// has to stand in the certificate as one; where `host` and `hostaddr` are both given, `host` is the name that counts.
/// TLS 1.2 and 1.3 are spoken. Certificate revocation lists are not looked at.
///
/// ```no_run
/// use eventstore::{EventStore, Tls};
///
/// # async fn example() -> Result<(), eventstore::Error> {
/// let store = EventStore::builder()
///     .primary("host=db1.example user=app password=… dbname=library channel_binding=require")
///     .tls(Tls::trusting("/etc/library/root.crt")?)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// It is a connector of `tokio-postgres`, so that connections of the application's own can use it too; with `tokio_postgres::connect`
/// say `sslmode=require`, as that speaks in the clear otherwise where the server offers no TLS.
#[derive(Clone)]
pub struct Tls {
    roots: Arc<RootCertStore>,
    connector: MakeRustlsConnect,
}

impl Tls {
    /// Trusts the certificate authorities that this system trusts, or those in the files that the environment variables `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name. They are read once, here; as libpq does with `sslrootcert=system`.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there are none.
    pub fn system() -> Result<Self, Error> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        if roots.is_empty() {
            return Err(Error::invalid(format!(
                "this system has no root certificates{}; install its package of them, or name a file with SSL_CERT_FILE",
                why.iter().map(|why| format!(": {why}")).collect::<String>()
            )));
        }
        for error in why {
            warn!(error, "some of the system's root certificates can not be read");
        }
        Self::of(roots)
    }

    /// Trusts the certificate authorities in this file, PEM, and no other: libpq's `sslrootcert`. The file is read once, here.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if it can not be read, or is not made of certificates.
    pub fn trusting(roots: impl AsRef<Path>) -> Result<Self, Error> {
        let file = roots.as_ref();
        let mut roots = RootCertStore::empty();
        for (certificate, number) in certificates(file, "root certificates")?.into_iter().zip(1..) {
            roots.add(certificate).map_err(|error| {
                refused(file, "root certificates", &format!("certificate {number}: {error}"))
            })?;
        }
        Self::of(roots)
    }

    /// Says who the client is, where the server asks: libpq's `sslcert`, with the certificates between it and the server's `ssl_ca_file`, and
    /// `sslkey`, unencrypted; both PEM.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if a file can not be read or is something else, or the key is not the certificate's.
    pub fn identity(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Error> {
        let (file, key_file) = (certificate.as_ref(), key.as_ref());
        let chain = certificates(file, "client certificate")?;
        let what = "private key";
        let key = PrivateKeyDer::from_pem_slice(&read(key_file, what)?)
            .map_err(|error| refused(key_file, what, &error))?;
        let config = builder(&self.roots)?.with_client_auth_cert(chain, key).map_err(|error| {
            let (file, key_file) = (file.display(), key_file.display());
            Error::invalid(format!(
                "client certificate {file} with private key {key_file}: {error}; expected a key and its certificate"
            ))
        })?;
        Ok(Self { connector: connector(config), ..self })
    }

    fn of(roots: RootCertStore) -> Result<Self, Error> {
        let roots = Arc::new(roots);
        let config = builder(&roots)?.with_no_client_auth();
        Ok(Self { roots, connector: connector(config) })
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.connector, host)
    }
}

impl fmt::Debug for Tls {
    /// Without the certificates: only how many are trusted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}

/// With the cryptography of `ring`, whatever the process has as its default.
fn builder(
    roots: &Arc<RootCertStore>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS: {error}")))?;
    Ok(builder.with_root_certificates(Arc::clone(roots)))
}

fn connector(mut config: ClientConfig) -> MakeRustlsConnect {
    config.alpn_protocols = vec![ALPN.to_vec()];
    MakeRustlsConnect::new(config)
}

fn certificates(file: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(file, what)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(file, what, &error))?;
    if found.is_empty() {
        return Err(refused(file, what, &"it has no certificate"));
    }
    Ok(found)
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|error| refused(file, what, &error))
}

/// What stands in the file is not shown: it may be a key.
fn refused(file: &Path, what: &str, why: &dyn fmt::Display) -> Error {
    let expected = if what == "private key" { "PRIVATE KEY" } else { "CERTIFICATE" };
    Error::invalid(format!(
        "{what} in {}: {why}; expected PEM, \"-----BEGIN {expected}-----\" …",
        file.display()
    ))
}
