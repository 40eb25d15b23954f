//! Reload of certificates, keys and CA files while the gateway runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;

use crate::support::{Authority, Files, Gateway, Https, Identity, Program, TlsEndpoint, Upstream};

const ORDER: &str = "/orders/20417";
const RELOADS: usize = 20;
const USABLE: &str = r#"config_file_usable{key="server.tls.cert_file"}"#;

/// The load of a test, and its results.
#[derive(Default)]
struct Load {
    requests: AtomicUsize,
    failures: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    /// Sends requests until `is_over`, on one connection or on a new one each time.
    async fn run_client(&self, gateway: &Gateway, authority: &Authority, is_kept: bool) {
        let mut kept = None;
        while !self.is_over.load(Ordering::SeqCst) {
            if !is_kept || kept.is_none() {
                kept = Https::connect(gateway.address, authority.client_config(None)).await.ok();
            }
            let is_success = match &mut kept {
                Some(client) => matches!(client.get(ORDER).await, Ok(200)),
                None => false,
            };
            self.requests.fetch_add(1, Ordering::SeqCst);
            self.failures.fetch_add(usize::from(!is_success), Ordering::SeqCst);
        }
    }

    /// Waits until `count` more requests are finished.
    async fn wait_for_requests(&self, count: usize) {
        let until = self.requests.load(Ordering::SeqCst) + count;
        while self.requests.load(Ordering::SeqCst) < until {
            tokio::task::yield_now().await;
        }
    }
}

/// The certificate that the gateway presents on a new connection.
async fn presented_certificate(gateway: &Gateway, authority: &Authority) -> rustls::pki_types::CertificateDer<'static> {
    Https::connect(gateway.address, authority.client_config(None)).await.expect("a connection").certificate
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_reload_under_load_loses_no_request() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::configured(&upstream.url(), &files.server(&authority.identity())).await;
    let load = Load::default();
    let reloads = async {
        for _ in 0..RELOADS {
            load.wait_for_requests(20).await;
            let next = authority.identity();
            // An operator may write the two files in separate steps.
            files.write("server.pem", &next.certificate);
            gateway.reload_files();
            load.wait_for_requests(20).await;
            files.write("server.key", &next.key);
            gateway.reload_files();
            assert_eq!(presented_certificate(&gateway, &authority).await, next.der());
        }
        load.is_over.store(true, Ordering::SeqCst);
    };
    let clients = join_all((0..8).map(|index| load.run_client(&gateway, &authority, index % 2 == 0)));

    tokio::join!(reloads, clients);

    let (requests, failures) = (load.requests.load(Ordering::SeqCst), load.failures.load(Ordering::SeqCst));
    println!("{RELOADS} certificates reloaded under {requests} requests: {failures} failures");
    assert_eq!(failures, 0);
}

#[tokio::test]
async fn unusable_files_keep_the_old_certificate() {
    let (authority, files) = (Authority::new(), Files::new());
    let (first, second) = (authority.identity(), authority.identity());
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::configured(&upstream.url(), &files.server(&first)).await;
    let check = async |is_usable: u64, identity: &Identity| {
        gateway.reload_files();
        assert_eq!(gateway.metric(USABLE).await, is_usable);
        assert_eq!(presented_certificate(&gateway, &authority).await, identity.der());
    };

    check(1, &first).await;
    let truncated = &second.certificate[..second.certificate.len() / 2];
    for (certificate, key) in [
        (truncated, &*second.key),
        ("", &*second.key),
        (&*second.certificate, ""),
        (&*second.certificate, &second.key[..second.key.len() / 2]),
        (&*second.certificate, &*first.key),
        (&*second.key, &*second.certificate),
    ] {
        files.write("server.pem", certificate);
        files.write("server.key", key);
        check(0, &first).await;
    }

    files.write("server.pem", &second.certificate);
    files.remove("server.key");
    check(0, &first).await;
    files.write("server.key", &second.key);
    check(1, &second).await;
    // Restoring the content in use makes the file usable again without a reload.
    files.write("server.pem", "");
    check(0, &second).await;
    files.write("server.pem", &second.certificate);
    check(1, &second).await;
}

#[tokio::test]
async fn client_ca_is_reloaded() {
    let (authority, client_ca, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let mut settings = files.server(&authority.identity()).to_vec();
    settings.push(("SERVER__TLS__CLIENT_CA_FILE", files.write("clients.pem", &Authority::new().pem())));
    let gateway = Gateway::configured(&upstream.url(), &settings).await;
    let client = authority.client_config(Some(&client_ca.identity()));
    let get = async || Https::connect(gateway.address, client.clone()).await.ok()?.get(ORDER).await.ok();

    assert_eq!(get().await, None);

    files.write("clients.pem", &client_ca.pem());
    gateway.reload_files();

    assert_eq!(get().await, Some(200));
}

#[tokio::test]
async fn upstream_ca_is_reloaded() {
    let (old, new, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let endpoint = TlsEndpoint::in_front_of(&upstream, old.identity().server_config()).await;
    let gateway = Gateway::configured(&endpoint.url(), &[files.authority(&old)]).await;

    gateway.get(ORDER).await.ok();
    endpoint.set_config(new.identity().server_config());
    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    files.write("ca.pem", "");
    gateway.reload_files();
    assert_eq!(gateway.metric(r#"config_file_usable{key="upstreams.default.ca_file"}"#).await, 0);

    files.write("ca.pem", &new.pem());
    gateway.reload_files();
    gateway.get(ORDER).await.ok();
}

#[tokio::test]
async fn serve_polls_its_files() {
    let (authority, files) = (Authority::new(), Files::new());
    let [certificate, key] = files.server(&authority.identity());
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:9/orders"),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__TLS__CERT_FILE", certificate.1.as_str()),
        ("GATEWAY__SERVER__TLS__KEY_FILE", key.1.as_str()),
    ];
    let mut program = Program::start(&["serve"], &settings);
    let listening: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    let address = listening["listen"].as_str().expect("an address").parse().expect("an address");
    let next = authority.identity();
    files.write("server.key", "");

    let line = program.line_with("cannot be used").await;
    assert!(line.contains("server.tls.key_file names a file without a private key"), "{line}");

    files.server(&next);
    program.line_with("a file was reloaded").await;
    let client = Https::connect(address, authority.client_config(None)).await.expect("a connection");
    assert_eq!(client.certificate, next.der());
}
