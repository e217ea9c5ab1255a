//! Why a connection never began, where trying again does not mend it: what the server showed, or what was said of it, is wrong.
//!
//! The driver gives the kinds of its errors away in words only, and what TLS libraries say of certificates stands deep in their
//! causes. Both are read here, and nowhere else. What is not known here counts as passing.

use std::error::Error as _;
use std::io;

#[cfg(feature = "rustls")]
use rustls::{AlertDescription, CertificateError};

/// Why this server will not be spoken to however often it is tried, if that is so.
pub(crate) fn refusal(error: &tokio_postgres::Error) -> Option<String> {
    #[cfg(feature = "rustls")]
    if let Some(error) = of_rustls(error) {
        return of_tls(error);
    }
    let cause = error.source()?;
    match (error.to_string().as_str(), cause.to_string().as_str()) {
        ("error performing TLS handshake", "server does not support TLS") => Some(
            "the server offers no TLS; nothing was sent to it. sslmode=disable in the connection string sends everything in the clear"
                .to_owned(),
        ),
        ("error performing TLS handshake", why)
            if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::InvalidInput) =>
        {
            Some(format!("the host can not be verified: {why}"))
        }
        ("authentication error", "server did not use channel binding") => Some(
            "the server did not use channel binding, and the connection string says channel_binding=require; it takes TLS, a SCRAM \
             password (pg_hba.conf: scram-sha-256), and no pooler in between"
                .to_owned(),
        ),
        (what @ ("authentication error" | "invalid configuration"), why) => Some(format!("{what}: {why}")),
        _ => None,
    }
}

/// What rustls said, wherever it stands among the causes: under TLS 1.3 a server refuses its client after the handshake, when the
/// driver already waits for an answer.
#[cfg(feature = "rustls")]
fn of_rustls(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        // An error in an I/O error is not its source.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = within.and_then(|within| within.downcast_ref()).or_else(|| error.downcast_ref());
        if found.is_some() {
            return found;
        }
        cause = error.source();
    }
    None
}

#[cfg(feature = "rustls")]
fn of_tls(error: &rustls::Error) -> Option<String> {
    match error {
        rustls::Error::InvalidCertificate(why) => Some(format!(
            "the server's certificate was refused, and nothing was sent to it: {}",
            certificate(why)
        )),
        rustls::Error::AlertReceived(alert) if is_of_clients_certificate(*alert) => {
            Some(format!("the server refused the client's certificate, or that it has none: {alert:?}"))
        }
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::UnrecognisedName
            | AlertDescription::NoApplicationProtocol,
        )
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType
        | rustls::Error::NoApplicationProtocol => Some(format!("TLS handshake: {error}")),
        _ => None,
    }
}

#[cfg(feature = "rustls")]
fn is_of_clients_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

#[cfg(feature = "rustls")]
fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = if presented.is_empty() { "no name at all".to_owned() } else { presented.join(", ") };
            format!("it is for {names}, and not for the host \"{}\"", expected.to_str())
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it expired at {}", utc(not_after.as_secs()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is not valid before {}", utc(not_before.as_secs()))
        }
        CertificateError::UnknownIssuer => {
            "it is from an unknown authority, none of the trusted root certificates".to_owned()
        }
        // As a root certificate that was made anew under its old name does.
        CertificateError::BadSignature => {
            "its authority has the name of a trusted root certificate, and another key".to_owned()
        }
        // As `openssl req -x509` makes them, unless it is told not to.
        CertificateError::Other(why) if why.0.to_string().contains("CaUsedAsEndEntity") => {
            "it is an authority's own (CA:TRUE), and a server needs one that its authority has signed"
                .to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(feature = "rustls")]
fn utc(seconds: u64) -> String {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after 1970"))
}
