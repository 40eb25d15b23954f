//! Upstreams with several addresses, and with addresses that change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::json;
use tjansteguiden_gateway::config::Resolver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::issuer::Issuer;
use crate::support::{
    Authority, Blackhole, Files, Gateway, Proxy, ProxyBehavior, Reply, TlsEndpoint, Upstream, fixture, is_write,
};

const URL: &str = "http://portal.example:8080/admin/edit/services/plain/orders";
const PLAIN: (&str, &str) = ("UPSTREAMS__DEFAULT__ALLOW_HTTP", "true");
const STATUS: &str = r#"{"status":"received"}"#;
const TIMEOUTS: &str = r#"upstream_connect_failures_total{cause="timeout",upstream="default"}"#;

/// A name with these addresses, always in this order.
fn always(addresses: &[SocketAddr]) -> Resolver {
    let addresses = addresses.to_vec();
    Resolver::with(move |_, _| Ok(addresses.clone()))
}

/// An upstream that confirms writes, on connections that stay open.
async fn confirming() -> Upstream {
    Upstream::responding_to(|query| {
        Reply::keep_alive(&fixture(if is_write(query) { "network/set_status.xml" } else { "network/order_info.xml" }))
    })
    .await
}

/// The number of requests that upstreams received.
fn requests(upstreams: &[&Upstream]) -> usize {
    upstreams.iter().map(|upstream| upstream.heads().len()).sum()
}

#[tokio::test]
async fn dead_address_costs_one_call_its_share() {
    let (dead, live) = (Blackhole::new().await, confirming().await);
    let settings = [PLAIN, ("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "600ms")];
    let gateway = Gateway::with_resolver(URL, &settings, always(&[dead.address(), live.address()])).await;

    gateway.get("/orders/20417").await.ok();
    for _ in 0..5 {
        // Each write makes a connection.
        gateway.patch_status(20_417, STATUS).await.ok();
    }

    assert_eq!(gateway.metric(TIMEOUTS).await, 1, "the other calls tried the live address first");
    assert_eq!(requests(&[&live]), 6, "each was sent once");
}

#[tokio::test]
async fn refusing_address_is_passed_over_at_once() {
    let live = confirming().await;
    let refusing = SocketAddr::from(([127, 0, 0, 1], 9));
    let gateway = Gateway::with_resolver(URL, &[PLAIN], always(&[refusing, live.address()])).await;

    gateway.patch_status(20_417, STATUS).await.ok();

    assert_eq!(gateway.metric(r#"upstream_connect_failures_total{cause="refused",upstream="default"}"#).await, 1);
    assert_eq!(requests(&[&live]), 1);
}

#[tokio::test]
async fn several_dead_addresses_leave_time_for_the_live_one() {
    let (first, second, third, live) =
        (Blackhole::new().await, Blackhole::new().await, Blackhole::new().await, confirming().await);
    // Each address has a quarter, which is enough to connect on a busy machine.
    let settings = [PLAIN, ("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "2s")];
    let addresses = [first.address(), second.address(), third.address(), live.address()];
    let gateway = Gateway::with_resolver(URL, &settings, always(&addresses)).await;

    gateway.patch_status(20_417, STATUS).await.ok();

    assert_eq!((gateway.metric(TIMEOUTS).await, requests(&[&live])), (3, 1));
}

#[tokio::test]
async fn dead_addresses_alone_prove_that_nothing_was_sent() {
    let (first, second) = (Blackhole::new().await, Blackhole::new().await);
    let settings = [PLAIN, ("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "200ms")];
    let gateway = Gateway::with_resolver(URL, &settings, always(&[first.address(), second.address()])).await;

    gateway.get("/orders/20417").await.problem(502, "upstream-unreachable");
    let write = gateway.patch_status(20_417, STATUS).await;

    assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied");
}

#[tokio::test]
async fn hanging_tls_handshake_counts_against_its_address() {
    let (authority, files, upstream) = (Authority::new(), Files::new(), confirming().await);
    let certificate = authority.certificate_for("portal.example", 4096);
    let live = TlsEndpoint::in_front_of(&upstream, certificate.server_config()).await;
    // The kernel accepts its connections, and nothing reads from them.
    let hanging = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addresses = [hanging.local_addr().expect("an address"), live.address()];
    let (key, ca_file) = files.authority(&authority);
    let url = "https://portal.example/orders";
    let gateway = Gateway::with_resolver(url, &[(key, &ca_file)], always(&addresses)).await;

    gateway.get("/orders/20417").await.ok();
    for _ in 0..3 {
        gateway.patch_status(20_417, STATUS).await.ok();
    }

    assert_eq!((gateway.metric(TIMEOUTS).await, requests(&[&upstream])), (1, 4));
}

#[tokio::test]
async fn write_is_sent_over_one_of_two_connections() {
    let upstreams = [confirming().await, confirming().await];
    // The first is overtaken: it completes its handshake when the second has been used.
    let slow = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addresses = [slow.local_addr().expect("an address"), upstreams[1].address()];
    let (authority, files) = (Authority::new(), Files::new());
    let endpoint =
        TlsEndpoint::in_front_of(&upstreams[1], authority.certificate_for("portal.example", 4096).server_config()).await;
    let late = TlsEndpoint::in_front_of(&upstreams[0], authority.certificate_for("portal.example", 4096).server_config()).await;
    let target = late.address();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = slow.accept().await {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let mut server = tokio::net::TcpStream::connect(target).await.expect("the endpoint listens");
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    });
    let (key, ca_file) = files.authority(&authority);
    let resolver = always(&[addresses[0], endpoint.address()]);
    let gateway = Gateway::with_resolver("https://portal.example/orders", &[(key, &ca_file)], resolver).await;

    gateway.patch_status(20_417, STATUS).await.ok();
    late_connection_ended(&late).await;

    assert_eq!(requests(&[&upstreams[0], &upstreams[1]]), 1);
}

/// Waits until a late connection has reached its endpoint.
async fn late_connection_ended(late: &TlsEndpoint) {
    crate::support::eventually("the late connection arrives", async || !late.client_addresses().is_empty()).await;
}

#[tokio::test]
async fn addresses_of_a_proxy_are_tried_like_those_of_an_upstream() {
    let (dead, live, upstream) = (Blackhole::new().await, Proxy::with(ProxyBehavior::Forwards).await, confirming().await);
    let resolver = always(&[dead.address(), live.address()]);
    let settings = [("UPSTREAMS__DEFAULT__PROXY", "http://proxy.example:3128"), PLAIN];
    let gateway = Gateway::with_resolver(&upstream.url(), &settings, resolver).await;

    gateway.get("/orders/20417").await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();

    let unreachable = r#"upstream_connect_failures_total{cause="proxy_unreachable",upstream="default"}"#;
    assert_eq!((gateway.metric(unreachable).await, live.request_lines().len()), (1, 2));
}

/// Reads an order with a token of `issuer`, whose keys are at a URL, and returns the number of connections for the keys that
/// failed with `cause`. `name` has these addresses.
async fn keys_fetched(
    issuer: &Issuer,
    keys: &[(&str, &str)],
    name: &'static str,
    addresses: [SocketAddr; 2],
    cause: &str,
) -> u64 {
    let upstream = confirming().await;
    let upstream_address = upstream.address();
    let resolver = Resolver::with(move |host, _| Ok(if host == name { addresses.to_vec() } else { vec![upstream_address] }));
    let settings = issuer.settings();
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, &**value)).chain(keys.iter().copied()).collect();
    let gateway = Gateway::with_resolver(&upstream.url(), &settings, resolver).await;

    gateway.send(gateway.request(Method::GET, "/orders/20417").bearer_auth(issuer.token(&json!({})))).await.ok();

    gateway.metric(&format!(r#"jwks_connect_failures_total{{cause="{cause}"}}"#)).await
}

#[tokio::test]
async fn addresses_of_the_issuer_are_tried_like_those_of_an_upstream() {
    let (dead, issuer) = (Blackhole::new().await, Issuer::start().await);
    let keys = [("AUTH__JWT__JWKS_URL", "http://issuer.example/keys"), ("AUTH__JWT__ALLOW_HTTP", "true")];

    assert_eq!(keys_fetched(&issuer, &keys, "issuer.example", [dead.address(), issuer.address()], "timeout").await, 1);
}

#[tokio::test]
async fn hanging_tls_handshake_of_an_issuer_counts_against_its_address() {
    let (authority, files, issuer) = (Authority::new(), Files::new(), Issuer::start().await);
    let certificate = authority.certificate_for("issuer.example", 4096);
    let live = TlsEndpoint::in_front_of_issuer(&issuer, certificate.server_config()).await;
    let hanging = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addresses = [hanging.local_addr().expect("an address"), live.address()];
    let (_, ca_file) = files.authority(&authority);
    let keys = [("AUTH__JWT__JWKS_URL", "https://issuer.example/keys"), ("AUTH__JWT__CA_FILE", &*ca_file)];

    assert_eq!(keys_fetched(&issuer, &keys, "issuer.example", addresses, "timeout").await, 1);
}

#[tokio::test]
async fn hanging_tunnel_of_a_proxy_counts_against_the_address_of_the_proxy() {
    let (authority, files, issuer) = (Authority::new(), Files::new(), Issuer::start().await);
    let endpoint = TlsEndpoint::in_front_of_issuer(&issuer, authority.identity().server_config()).await;
    let (hanging, live) = (Proxy::with(ProxyBehavior::Hangs).await, Proxy::with(ProxyBehavior::Forwards).await);
    let (url, (_, ca_file)) = (format!("https://{}/keys", endpoint.address()), files.authority(&authority));
    let keys =
        [("AUTH__JWT__JWKS_URL", &*url), ("AUTH__JWT__CA_FILE", &*ca_file), ("AUTH__JWT__PROXY", "http://proxy.example")];

    assert_eq!(keys_fetched(&issuer, &keys, "proxy.example", [hanging.address(), live.address()], "proxy_failed").await, 1);
    assert_eq!((hanging.request_lines().len(), live.request_lines().len()), (1, 1));
}

/// A name that is moved from address to address.
#[derive(Clone)]
struct MovingName(Arc<Mutex<SocketAddr>>);

impl MovingName {
    fn at(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(address)))
    }

    fn move_to(&self, address: SocketAddr) {
        *self.0.lock() = address;
    }

    fn resolver(&self) -> Resolver {
        let address = Arc::clone(&self.0);
        Resolver::with(move |_, _| Ok(vec![*address.lock()]))
    }
}

#[tokio::test]
async fn reads_follow_when_the_name_moves() {
    let (old, new) = (confirming().await, confirming().await);
    let name = MovingName::at(old.address());
    let settings = [PLAIN, ("UPSTREAMS__DEFAULT__MAX_CONNECTION_AGE", "200ms")];
    let gateway = Gateway::with_resolver(URL, &settings, name.resolver()).await;
    gateway.get("/orders/20417").await.ok();
    assert_eq!((requests(&[&old]), requests(&[&new])), (1, 0));

    name.move_to(new.address());

    // Connections are never idle, so only their age ends them.
    crate::support::eventually("reads follow", async || {
        gateway.get("/orders/20417").await.ok();
        requests(&[&new]) > 0
    })
    .await;
    let before = requests(&[&old]);
    for _ in 0..20 {
        gateway.get("/orders/20417").await.ok();
    }
    assert_eq!(requests(&[&old]), before, "no read goes back");
}

/// A name whose addresses alternate with every lookup.
fn alternating(addresses: [SocketAddr; 2]) -> Resolver {
    let lookups = AtomicUsize::new(0);
    Resolver::with(move |_, _| Ok(vec![addresses[lookups.fetch_add(1, Ordering::SeqCst) % 2]]))
}

#[tokio::test]
async fn all_calls_of_one_write_go_to_one_address() {
    join_all([
        // Nothing confirms the write, so it is read back.
        writes_keep_their_address(|_| Reply::raw(b"")),
        writes_keep_their_address(|_| Reply::status(403, "<html><body>Forbidden</body></html>")),
        // What the order shows decides about a refusal.
        writes_keep_their_address(|method| Reply::xml(&format!("<{method}><status>failed</status></{method}>"))),
    ])
    .await;
}

/// Asserts that each write, answered so that the order is read afterwards, goes to one address with all its reads.
async fn writes_keep_their_address(reply: fn(&str) -> Reply) {
    let answer = move |query: &str| match ["set_status", "add_message"].into_iter().find(|method| query.contains(method)) {
        Some(method) => reply(method),
        None => Reply::xml(&fixture("network/order_info.xml")),
    };
    let upstreams = [Upstream::responding_to(answer).await, Upstream::responding_to(answer).await];
    let resolver = alternating([upstreams[0].address(), upstreams[1].address()]);
    let gateway = &Gateway::with_resolver(URL, &[PLAIN], resolver).await;
    let (patch, post) = (r#"{"status":"received"}"#, r#"{"type":"log","text":"hej"}"#);
    let writes = [
        (1, Method::PATCH, "status", patch, None),
        (2, Method::PATCH, "status", patch, Some(("if-match", "*"))),
        (3, Method::POST, "messages", post, None),
        (4, Method::POST, "messages", post, Some(("idempotency-key", "0123456789abcdef"))),
    ];

    join_all(writes.map(|(order, method, path, body, header)| async move {
        let request = gateway.request(method, &format!("/orders/{order}/{path}")).header("content-type", "application/json");
        let request = header.into_iter().fold(request.body(body), |request, (name, value)| request.header(name, value));
        let answer = gateway.send(request).await;
        assert!(matches!(answer.status, 409 | 502 | 504), "{}", answer.body);
    }))
    .await;

    for order in 1..=4 {
        let count = |upstream: &Upstream| {
            upstream
                .queries()
                .iter()
                .filter(|query| query.ends_with(&format!("id={order}")) || query.contains(&format!("id={order}&")))
                .count()
        };
        let counts = [count(&upstreams[0]), count(&upstreams[1])];
        assert!(counts.contains(&0) && counts[0] + counts[1] > 1, "order {order}: {counts:?}");
    }
}

#[tokio::test]
async fn another_address_is_no_evidence() {
    let order = |status: &str| format!("<order_info><orderinfo><status>{status}</status></orderinfo><logs/></order_info>");
    let (changed, new) = (order("received"), order("new"));
    let other = Upstream::responding_to(move |_| Reply::xml(&changed)).await;
    // Loses the write; then it is dead, or goes on.
    for dies in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let first = listener.local_addr().expect("an address");
        let new = new.clone();
        tokio::spawn(async move {
            let mut is_write = true;
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                if is_write && dies {
                    return;
                }
                if !is_write {
                    let _ = stream
                        .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{new}", new.len()).as_bytes())
                        .await;
                }
                is_write = false;
            }
        });
        let name = MovingName::at(first);
        let gateway = Gateway::with_resolver(URL, &[PLAIN], {
            let (name, other) = (name.clone(), other.address());
            // The name has moved by the second lookup.
            Resolver::with(move |_, _| Ok(vec![std::mem::replace(&mut *name.0.lock(), other)]))
        })
        .await;

        let write = gateway.patch_status(1, STATUS).await;

        assert_eq!(write.problem(504, "outcome-unknown")["outcome"], "unknown", "dies: {dies}");
        assert_eq!(requests(&[&other]), 0, "dies: {dies}");
    }
}

#[tokio::test]
async fn write_after_its_address_died_reads_again_at_another() {
    // The address of the preflight read dies before the change is sent.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dying = listener.local_addr().expect("an address");
    let document = fixture("network/order_info.xml");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        drop(listener);
        let _ = stream.read(&mut [0; 4096]).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", document.len());
        let _ = stream.write_all((head + &document).as_bytes()).await;
    });
    let live = confirming().await;
    let gateway = Gateway::with_resolver(URL, &[PLAIN], always(&[dying, live.address()])).await;

    let request = gateway.request(Method::PATCH, "/orders/20417/status").header("content-type", "application/json");
    gateway.send(request.header("if-match", "*").body(STATUS)).await.ok();

    let calls = live.queries().iter().map(|query| query.contains("set_status")).collect::<Vec<_>>();
    assert_eq!(calls.get(..2), Some(&[false, true][..]), "read, then changed");
}

/// Prints figures: what happens to reads and writes while a name moves from one address to another and back.
#[tokio::test(flavor = "multi_thread")]
async fn name_moves_under_load() {
    const AGE: Duration = Duration::from_millis(500);
    const MOVES: u32 = 6;
    // When the last read arrived at each of the two addresses.
    let last_reads = [Arc::new(Mutex::new(Instant::now())), Arc::new(Mutex::new(Instant::now()))];
    // A quarter of the writes lose their answer and are read back.
    let answers = [Arc::clone(&last_reads[0]), Arc::clone(&last_reads[1])].map(|last_read| {
        move |query: &str| match query {
            read if read.ends_with("id=20417") => {
                *last_read.lock() = Instant::now();
                Reply::keep_alive(&fixture("network/order_info.xml"))
            }
            write if is_write(write) && crate::support::random(hash(write)).is_multiple_of(4) => Reply::raw(b""),
            write if is_write(write) => Reply::xml("<add_message><status>success</status></add_message>"),
            _ => Reply::keep_alive(&fixture("network/order_info.xml")),
        }
    });
    let [first, second] = answers;
    let upstreams = [Upstream::responding_to(first).await, Upstream::responding_to(second).await];
    let name = MovingName::at(upstreams[0].address());
    let settings = [PLAIN, ("UPSTREAMS__DEFAULT__MAX_CONNECTION_AGE", "500ms"), ("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "200")];
    let gateway = Gateway::with_resolver(URL, &settings, name.resolver()).await;
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let (reads, failed_reads, writes) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));

    let read = || async {
        while !is_over.load(Ordering::SeqCst) {
            let answer = gateway.get("/orders/20417").await;
            reads.fetch_add(1, Ordering::SeqCst);
            failed_reads.fetch_add(usize::from(answer.status != 200), Ordering::SeqCst);
        }
    };
    let write = |writer: usize| {
        let (gateway, is_over, writes) = (&gateway, &is_over, &writes);
        async move {
            let mut order = 1_000_000 * (writer + 1);
            while !is_over.load(Ordering::SeqCst) {
                order += 1;
                let request = gateway
                    .request(Method::POST, &format!("/orders/{order}/messages"))
                    .header("content-type", "application/json");
                let request = request.header("idempotency-key", format!("0123456789-{order}"));
                gateway.send(request.body(r#"{"type":"log","text":"hej"}"#)).await;
                writes.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    let followed = async {
        let mut slowest = Duration::ZERO;
        for number in 1..=MOVES {
            let (from, to) = ((number as usize + 1) % 2, number as usize % 2);
            name.move_to(upstreams[to].address());
            let moved = Instant::now();
            tokio::time::sleep(3 * AGE).await;
            let last = last_reads[from].lock().saturating_duration_since(moved);
            slowest = slowest.max(last);
        }
        is_over.store(true, Ordering::SeqCst);
        slowest
    };
    let (slowest, ..) = tokio::join!(followed, join_all((0..8).map(|_| read())), join_all((0..8).map(write)));

    // Every order has one write, so all calls for it are those of that write.
    let mut addresses = std::collections::BTreeMap::<String, [usize; 2]>::new();
    for (index, upstream) in upstreams.iter().enumerate() {
        for query in upstream.queries() {
            let order = query.split('&').find_map(|pair| pair.strip_prefix("id=")).unwrap_or_default().to_owned();
            if order != "20417" {
                addresses.entry(order).or_default()[index] += 1;
            }
        }
    }
    let calls: usize = addresses.values().flatten().sum();
    let split = addresses.values().filter(|[first, second]| *first > 0 && *second > 0).count();
    println!(
        "{MOVES} moves, max_connection_age {AGE:?}: {} reads, {} failed, the last at the old address {slowest:?} after a move; {} writes with {calls} calls, {split} of them at two addresses",
        reads.load(Ordering::SeqCst),
        failed_reads.load(Ordering::SeqCst),
        writes.load(Ordering::SeqCst),
    );
    assert_eq!((split, failed_reads.load(Ordering::SeqCst)), (0, 0));
    assert!(slowest < 2 * AGE, "{slowest:?}");
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(7, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
}
