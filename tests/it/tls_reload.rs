//! Certificates that change while the gateway runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;

use crate::support::{Authority, Endpoint, Files, Gateway, Https, Identity, Program, Upstream};

const ORDER: &str = "/orders/20417";
const SWAPS: usize = 20;
const USABLE: &str = r#"config_file_usable{key="server.tls.cert_file"}"#;

/// What clients met.
#[derive(Default)]
struct Met {
    requests: AtomicUsize,
    faults: AtomicUsize,
    is_over: AtomicBool,
}

impl Met {
    /// Asks over and over, on one connection or on a new one each time.
    async fn ask(&self, gateway: &Gateway, authority: &Authority, is_kept: bool) {
        let mut kept = None;
        while !self.is_over.load(Ordering::SeqCst) {
            if !is_kept || kept.is_none() {
                kept = Https::connect(gateway.address, authority.client(None)).await.ok();
            }
            let is_good = match &mut kept {
                Some(client) => matches!(client.get(ORDER).await, Ok(200)),
                None => false,
            };
            self.requests.fetch_add(1, Ordering::SeqCst);
            self.faults.fetch_add(usize::from(!is_good), Ordering::SeqCst);
        }
    }

    /// Waits until so many more requests have been answered.
    async fn more(&self, count: usize) {
        let until = self.requests.load(Ordering::SeqCst) + count;
        while self.requests.load(Ordering::SeqCst) < until {
            tokio::task::yield_now().await;
        }
    }
}

async fn shown(gateway: &Gateway, authority: &Authority) -> rustls::pki_types::CertificateDer<'static> {
    Https::connect(gateway.address, authority.client(None)).await.expect("a connection").certificate
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_swapped_under_load_without_a_loss() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::configured(&upstream.url(), &files.server(&authority.identity())).await;
    let met = Met::default();
    let swaps = async {
        for _ in 0..SWAPS {
            met.more(20).await;
            let next = authority.identity();
            // Half of the way there is a certificate without its key.
            files.write("server.pem", &next.certificate);
            gateway.look_at_files();
            met.more(20).await;
            files.write("server.key", &next.key);
            gateway.look_at_files();
            assert_eq!(shown(&gateway, &authority).await, next.der());
        }
        met.is_over.store(true, Ordering::SeqCst);
    };
    let clients = join_all((0..8).map(|index| met.ask(&gateway, &authority, index % 2 == 0)));
    tokio::join!(swaps, clients);
    let (requests, faults) = (met.requests.load(Ordering::SeqCst), met.faults.load(Ordering::SeqCst));
    println!("{SWAPS} certificates swapped under {requests} requests: {faults} faults");
    assert_eq!(faults, 0);
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing_until_they_are_mended() {
    let (authority, files) = (Authority::new(), Files::new());
    let (first, second) = (authority.identity(), authority.identity());
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::configured(&upstream.url(), &files.server(&first)).await;
    let check = async |is_usable: u64, identity: &Identity| {
        gateway.look_at_files();
        assert_eq!(gateway.metric(USABLE).await, is_usable);
        assert_eq!(shown(&gateway, &authority).await, identity.der());
    };
    check(1, &first).await;
    let cut = &second.certificate[..second.certificate.len() / 2];
    for (certificate, key) in [
        (cut, &*second.key),
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
    // Back to what is in use is no change, and nothing is wrong with it.
    files.write("server.pem", "");
    check(0, &second).await;
    files.write("server.pem", &second.certificate);
    check(1, &second).await;
}

#[tokio::test]
async fn clients_of_another_authority_are_served_once_it_is_named() {
    let (authority, clients, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let mut settings = files.server(&authority.identity()).to_vec();
    settings.push(("SERVER__TLS__CLIENT_CA_FILE", files.write("clients.pem", &Authority::new().pem())));
    let gateway = Gateway::configured(&upstream.url(), &settings).await;
    let client = authority.client(Some(&clients.identity()));
    let get = async || Https::connect(gateway.address, client.clone()).await.ok()?.get(ORDER).await.ok();
    assert_eq!(get().await, None);
    files.write("clients.pem", &clients.pem());
    gateway.look_at_files();
    assert_eq!(get().await, Some(200));
}

#[tokio::test]
async fn an_order_system_may_change_its_authority() {
    let (old, new, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let endpoint = Endpoint::before(&upstream, old.identity().server()).await;
    let gateway = Gateway::configured(&endpoint.url(), &[files.authority(&old)]).await;
    gateway.get(ORDER).await.ok();
    endpoint.show(new.identity().server());
    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    files.write("ca.pem", "");
    gateway.look_at_files();
    assert_eq!(gateway.metric(r#"config_file_usable{key="upstreams.default.ca_file"}"#).await, 0);
    files.write("ca.pem", &new.pem());
    gateway.look_at_files();
    gateway.get(ORDER).await.ok();
}

#[tokio::test]
async fn the_program_looks_by_itself() {
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
    let client = Https::connect(address, authority.client(None)).await.expect("a connection");
    assert_eq!(client.certificate, next.der());
}
