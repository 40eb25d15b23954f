//! The legacy system of the load harness, as a program of its own so that it can run on the other core.
//!
//! `load_stub ADDRESS:PORT [MILLISECONDS [CERTIFICATE KEY]]`: it waits for so long before each response, and uses TLS if it
//! has a certificate (both as PEM files).

#![expect(clippy::expect_used, reason = "a measuring tool; a failure ends it")]

mod stub_server;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use stub_server::Behaviour;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("usage: load_stub ADDRESS:PORT [MILLISECONDS [CERTIFICATE KEY]]");
    let delay = arguments.next().map_or(0, |delay| delay.parse().expect("a number of milliseconds"));
    let tls = arguments.next().zip(arguments.next()).map(|(certificate, key)| acceptor(&certificate, &key));
    let behaviour = Behaviour { delay: Duration::from_millis(delay), tls, keeps_changes: true };
    stub_server::run(TcpListener::bind(&address).await?, behaviour).await
}

fn acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(certificate).expect("a certificate file");
    let chain = chain.collect::<Result<_, _>>().expect("PEM certificates");
    let key = PrivateKeyDer::from_pem_file(key).expect("a PEM private key");
    let versions =
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions();
    let config = versions.expect("TLS versions").with_no_client_auth().with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.expect("a certificate with its key")))
}
