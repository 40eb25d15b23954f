//! Certificate authorities and certificates made for a test, and the rustls configurations of the gateway's peers.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Verifiers select an issuer by name before they check signatures, so each authority needs a unique name.
        params.distinguished_name.push(DnType::CommonName, format!("{:x?}", &key.public_key_raw()[1..9]));
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// The certificate of an intermediate authority, without its root.
    pub(crate) fn intermediate_pem() -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "intermediate");
        params.signed_by(&KeyPair::generate().expect("a key"), &Self::new().0).expect("a certificate").pem()
    }

    /// The certificate of an authority that has expired.
    pub(crate) fn expired_pem() -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").pem()
    }

    /// A certificate for 127.0.0.1 that has not expired.
    pub(crate) fn identity(&self) -> Identity {
        self.certificate_for("127.0.0.1", 4096)
    }

    /// A certificate for `name` that is valid to the end of `last_year`.
    pub(crate) fn certificate_for(&self, name: &str, last_year: i32) -> Identity {
        self.certificate_between(name, 2000, last_year)
    }

    /// A certificate for `name` that is valid from the beginning of `first_year` to the end of `last_year`.
    pub(crate) fn certificate_between(&self, name: &str, first_year: i32, last_year: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(first_year, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A client that trusts this authority and presents `identity`, if any.
    pub(crate) fn client_config(&self, identity: Option<&Identity>) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(rustls::ALL_VERSIONS);
        let builder = builder.expect("versions").with_root_certificates(self.store());
        match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.private_key()).expect("a matching pair"),
            None => builder.with_no_client_auth(),
        }
    }

    /// A client that trusts this authority and offers `versions` only.
    pub(crate) fn client_config_with(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).expect("versions");
        builder.with_root_certificates(self.store()).with_no_client_auth()
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(self.0.der().clone()).expect("an authority");
        store
    }
}

impl Identity {
    /// A certificate for `name` that its own key has signed.
    pub(crate) fn self_signed(name: &str) -> Self {
        Self::self_signed_as(name, IsCa::ExplicitNoCa)
    }

    /// The same, which calls itself a CA.
    pub(crate) fn self_signed_ca(name: &str) -> Self {
        Self::self_signed_as(name, IsCa::Ca(BasicConstraints::Unconstrained))
    }

    fn self_signed_as(name: &str, is_ca: IsCa) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.is_ca = is_ca;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { certificate, key: key.serialize_pem() }
    }

    /// A server with this certificate that requests none from clients.
    pub(crate) fn server_config(&self) -> ServerConfig {
        self.server_config_with(rustls::ALL_VERSIONS, None)
    }

    /// A server that supports `versions` only, and requires a client certificate of `client_ca` if there is one.
    pub(crate) fn server_config_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        client_ca: Option<&Authority>,
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).expect("versions");
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authority.store()), provider());
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        builder.with_single_cert(self.chain(), self.private_key()).expect("a matching pair")
    }

    /// The certificate as it is sent in a handshake.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.der()]
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
