//! Certificates, private keys and the rustls configurations built from them.
//!
//! Everything here turns bytes into a rustls configuration and knows neither files nor configuration keys. Errors are phrases
//! that follow a configuration key. The crypto provider is passed explicitly everywhere: a process-wide default would be the
//! one that some library happened to install first.

use std::sync::Arc;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_platform_verifier::BuilderVerifierExt;

/// What is wrong with a file: a phrase that follows the configuration key. It contains nothing of the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// The file has no PEM block of a certificate.
    #[error("names a file without a certificate")]
    NoCertificate,
    /// A certificate is truncated or is not valid DER.
    #[error("names a file with a certificate that cannot be parsed")]
    BadCertificate,
    /// The file has no PEM block of an unencrypted private key.
    #[error("names a file without a private key")]
    NoKey,
    /// A private key is truncated or of an unsupported type.
    #[error("names a file with a private key that cannot be used")]
    BadKey,
    /// Key and certificate are valid but do not belong together.
    #[error("names a file with the key of another certificate")]
    OtherKey,
    /// The file has the certificate of the very server, which calls itself a CA. A server's certificate must not.
    #[error(
        "names a file whose certificate {position} is the server's own and calls itself a CA (CA:TRUE), which is not accepted \
         from a server: issue it with CA:FALSE, or name the file of the CA that issued it"
    )]
    ServerCa {
        /// Which certificate of the file, counted from 1.
        position: usize,
    },
    /// The file has a server's certificate without that of its issuer.
    #[error(
        "names a file whose certificate {position} is that of a server and has been issued by another: name the file of the \
         issuer's certificate"
    )]
    NoIssuer {
        /// Which certificate of the file, counted from 1.
        position: usize,
    },
    /// rustls rejects the combination, or the system trust store is needed and has no certificates.
    #[error("cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A certificate and its intermediates.
#[derive(Debug, Clone)]
pub struct CertChain(Vec<CertificateDer<'static>>);

/// A private key.
#[derive(Debug, Clone)]
pub struct Key(Arc<dyn SigningKey>);

/// A certificate chain with its private key, for a server or a client.
#[derive(Debug, Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

/// CA certificates that are trusted.
#[derive(Debug, Clone)]
pub struct TrustStore(Arc<RootCertStore>);

/// Minimum TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl CertChain {
    /// Parses the certificates of a PEM file, the end-entity certificate first.
    ///
    /// # Errors
    /// When there is no certificate, or one that cannot be parsed.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(bytes)?;
        for certificate in &chain {
            ParsedCertificate::try_from(certificate).map_err(|_| TlsError::BadCertificate)?;
        }
        Ok(Self(chain))
    }
}

impl Key {
    /// Parses the private key of a PEM file: PKCS #8, PKCS #1 or SEC 1, unencrypted.
    ///
    /// # Errors
    /// When there is no private key, or one that cannot be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(without_bom(bytes)).map_err(|error| match error {
            PemError::NoItemsFound => TlsError::NoKey,
            _ => TlsError::BadKey,
        })?;
        provider().key_provider.load_private_key(key).map(Self).map_err(|_| TlsError::BadKey)
    }
}

impl ClientIdentity {
    /// Combines a certificate chain with its key.
    ///
    /// # Errors
    /// When the key belongs to another certificate.
    pub fn try_new(chain: CertChain, key: Key) -> Result<Self, TlsError> {
        let identity = CertifiedKey::new(chain.0, key.0);
        identity.keys_match().map_err(|_| TlsError::OtherKey)?;
        Ok(Self(Arc::new(identity)))
    }

    fn resolver(self) -> Arc<SingleCertAndKey> {
        Arc::new(self.0.into())
    }
}

impl TrustStore {
    /// Parses the CA certificates of a PEM file.
    ///
    /// # Errors
    /// When there is no certificate, or one that cannot be parsed.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for authority in certificates(bytes)? {
            store.add(authority).map_err(|_| TlsError::BadCertificate)?;
        }
        Ok(Self(Arc::new(store)))
    }

    /// The same, for connections to this host.
    ///
    /// # Errors
    /// Also when no certificate of the file could ever make a connection to it succeed.
    pub fn parse_for_host(bytes: &[u8], host: &str) -> Result<Self, TlsError> {
        let store = Self::parse(bytes)?;
        let mut useless = None;
        for (position, certificate) in (1..).zip(certificates(bytes)?) {
            match store.use_of(&certificate)? {
                CaUse::Authority if is_for(&certificate, host)? => useless = useless.or(Some(TlsError::ServerCa { position })),
                CaUse::None => useless = useless.or(Some(TlsError::NoIssuer { position })),
                CaUse::Authority | CaUse::Itself | CaUse::Unknown => return Ok(store),
            }
        }
        useless.map_or(Ok(store), Err)
    }

    /// The positions of the certificates in a PEM file, counted from 1, that have expired. Connections succeed with them, but
    /// those of other programs may not.
    #[must_use]
    pub fn expired(bytes: &[u8]) -> Vec<usize> {
        let certificates = certificates(bytes).unwrap_or_default();
        let positions = (1..).zip(&certificates);
        positions.filter(|(_, certificate)| Self::has_expired(certificate)).map(|(position, _)| position).collect()
    }

    fn has_expired(certificate: &CertificateDer<'static>) -> bool {
        let verified = Self(Arc::new(RootCertStore::empty())).verify(certificate);
        matches!(verified, Ok(Err(CertificateError::Expired | CertificateError::ExpiredContext { .. })))
    }

    /// What a certificate of this store is good for, judged by what would happen if a server presented it.
    fn use_of(&self, certificate: &CertificateDer<'static>) -> Result<CaUse, TlsError> {
        Ok(match self.verify(certificate)? {
            Ok(()) => CaUse::Itself,
            Err(error) if is_ca_as_server(&error) => CaUse::Authority,
            Err(CertificateError::UnknownIssuer) => CaUse::None,
            Err(_) => CaUse::Unknown,
        })
    }

    /// Verifies a certificate as if a server presented it, without its name.
    fn verify(&self, certificate: &CertificateDer<'static>) -> Result<Result<(), CertificateError>, TlsError> {
        let parsed = ParsedCertificate::try_from(certificate).map_err(|_| TlsError::BadCertificate)?;
        let algorithms = provider().signature_verification_algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&parsed, &self.0, &[], UnixTime::now(), algorithms) {
            Ok(()) => Ok(Ok(())),
            Err(rustls::Error::InvalidCertificate(error)) => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a certificate of a trust store is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CaUse {
    /// It is that of a CA, whose certificates are accepted.
    Authority,
    /// A server that presents it is accepted.
    Itself,
    /// It is neither that of a CA nor self-signed.
    None,
    /// It is out of date, or has another fault for which the handshake will say more.
    Unknown,
}

/// Whether a server certificate is for this host.
fn is_for(certificate: &CertificateDer<'static>, host: &str) -> Result<bool, TlsError> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|_| TlsError::BadCertificate)?;
    Ok(ServerName::try_from(host).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok()))
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS13_ONLY: &[&SupportedProtocolVersion] = &[&TLS13];
        match self {
            Self::Tls12 => rustls::ALL_VERSIONS,
            Self::Tls13 => TLS13_ONLY,
        }
    }
}

/// The configuration of a server. With `client_cas`, only clients with a certificate of these CAs can connect.
///
/// # Errors
/// When rustls rejects the combination.
pub fn server(identity: ClientIdentity, client_cas: Option<TrustStore>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(MinVersion::default().versions())?;
    let builder = match client_cas {
        None => builder.with_no_client_auth(),
        Some(TrustStore(store)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(store, provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| rustls::Error::General(error.to_string()))?)
        }
    };
    let mut config = builder.with_cert_resolver(identity.resolver());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The configuration of a client, which trusts `cas`, or the system trust store without them, and presents `identity` if the
/// server asks for a certificate.
///
/// # Errors
/// When the system trust store is needed and has no certificates.
pub fn client(
    cas: Option<TrustStore>,
    identity: Option<ClientIdentity>,
    min_version: MinVersion,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(min_version.versions())?;
    let builder = match cas {
        Some(TrustStore(store)) => builder.with_root_certificates(store),
        None => builder.with_platform_verifier()?,
    };
    Ok(match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    })
}

/// The configuration of a client that makes no TLS connections, for a library that requires one. It trusts no certificate, so
/// it needs no trust store and any handshake with it fails.
#[expect(clippy::expect_used, reason = "the provider supports the versions of TLS that rustls does")]
pub(crate) fn client_trusting_nothing() -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(MinVersion::default().versions())
        .expect("TLS 1.2 and 1.3 are supported")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

/// Whether a server's certificate is not accepted because it is that of a CA.
pub(crate) fn is_ca_as_server(error: &CertificateError) -> bool {
    // The error's type belongs to the verifier's library; its text is the variant's name.
    matches!(error, CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity")
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(without_bom(bytes)).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(TlsError::NoCertificate),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(TlsError::BadCertificate),
    }
}

/// A byte order mark, which some editors write, would hide the first PEM block.
fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

    use super::*;

    fn certificate(key: &KeyPair) -> String {
        CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(key).unwrap().pem()
    }

    fn identity(certificate: &str, key: &str) -> Result<ClientIdentity, TlsError> {
        ClientIdentity::try_new(CertChain::parse(certificate.as_bytes())?, Key::parse(key.as_bytes())?)
    }

    fn pem(label: &str, der: &[u8]) -> String {
        pem::encode(&pem::Pem::new(label, der))
    }

    /// The key inside PKCS #8, after a header of this length: the PKCS #1 or SEC 1 form.
    fn inner_der(key: &KeyPair, header: usize) -> Vec<u8> {
        key.serialized_der()[header..].to_vec()
    }

    #[test]
    fn private_keys_are_parsed_in_three_formats() {
        let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();

        identity(&certificate(&rsa), &rsa.serialize_pem()).unwrap();
        identity(&certificate(&rsa), &pem("RSA PRIVATE KEY", &inner_der(&rsa, 26))).unwrap();
        identity(&certificate(&ecdsa), &ecdsa.serialize_pem()).unwrap();
        identity(&certificate(&ecdsa), &pem("EC PRIVATE KEY", &inner_der(&ecdsa, 29))).unwrap();
        assert_eq!(identity(&certificate(&rsa), &ecdsa.serialize_pem()).unwrap_err(), TlsError::OtherKey);
    }

    #[test]
    fn errors_name_what_is_wrong_with_a_file() {
        let key = KeyPair::generate().unwrap();
        let (valid, key) = (certificate(&key), key.serialize_pem());
        let cut = &valid[..valid.len() - 40];
        let not_der = pem("CERTIFICATE", b"not DER");

        for (certificates, expected) in [
            ("", TlsError::NoCertificate),
            (&*key, TlsError::NoCertificate),
            (cut, TlsError::BadCertificate),
            (&not_der, TlsError::BadCertificate),
            (&(valid.clone() + cut), TlsError::BadCertificate),
            (&(valid.clone() + &not_der), TlsError::BadCertificate),
        ] {
            assert_eq!(CertChain::parse(certificates.as_bytes()).unwrap_err(), expected);
            assert_eq!(TrustStore::parse(certificates.as_bytes()).unwrap_err(), expected);
        }

        for (keys, expected) in [
            ("", TlsError::NoKey),
            (&*valid, TlsError::NoKey),
            (&key[..key.len() - 40], TlsError::BadKey),
            (&pem("ENCRYPTED PRIVATE KEY", b"..."), TlsError::NoKey),
            (&pem("PRIVATE KEY", b"not DER"), TlsError::BadKey),
        ] {
            assert_eq!(identity(&valid, keys).unwrap_err(), expected, "{keys}");
        }
    }

    proptest! {
        #[test]
        fn truncated_file_is_never_accepted(length: prop::sample::Index) {
            let key = KeyPair::generate().unwrap();
            let (certificate, key) = (certificate(&key), key.serialize_pem());
            // The final line end may be missing.
            let cut = |text: &str| text[..length.index(text.trim_end().len())].to_owned();
            prop_assert!(identity(&cut(&certificate), &key).is_err());
            prop_assert!(identity(&certificate, &cut(&key)).is_err());
            prop_assert!(TrustStore::parse(cut(&certificate).as_bytes()).is_err());
        }
    }

    #[test]
    fn byte_order_mark_is_ignored() {
        let key = KeyPair::generate().unwrap();
        let two = certificate(&key) + &certificate(&KeyPair::generate().unwrap());

        assert_eq!(certificates(format!("\u{feff}{two}").as_bytes()).map(|all| all.len()).ok(), Some(2));
        assert!(Key::parse(format!("\u{feff}{}", key.serialize_pem()).as_bytes()).is_ok());
    }
}
