//! Certificates, made as they are needed.

#![cfg(feature = "rustls")]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Whoever signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server of these names, or addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.sign(params(names))
    }

    /// The same, whose time ended on 2 January 2020.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 2));
        self.sign(params)
    }

    /// For a client that is this role.
    pub(crate) fn issue_to_role(&self, role: &str) -> Issued {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, role);
        self.sign(params)
    }

    /// Signed by itself, and marked as an authority's or not.
    pub(crate) fn self_signed(names: &[&str], is_authority: bool) -> Issued {
        let (key, mut params) = (KeyPair::generate().unwrap(), params(names));
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        Issued { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        Issued { certificate: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}
