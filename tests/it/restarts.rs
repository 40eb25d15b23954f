//! Rolling restarts under load: clients notice neither the drain of the old process nor the switch to the new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::json;

use crate::support::{FIRST_ORDER, FakeLegacy, Fault, Program};

const ROUNDS: usize = 20;
const CLIENTS: usize = 8;
/// How long a process accepts requests after SIGTERM.
const DRAIN_DELAY: Duration = Duration::from_millis(500);

async fn start(url: &str) -> (Program, String) {
    let dialect = if crate::support::is_provider() { "provider" } else { "network" };
    let drain_delay = format!("{DRAIN_DELAY:?}");
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", url),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__DEFAULT__DIALECT", dialect),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__DRAIN_DELAY", &*drain_delay),
        ("GATEWAY__SERVER__SECRET", "0123456789abcdef"),
    ];
    let key = ("GATEWAY__UPSTREAMS__DEFAULT__API_KEY", "KEY");
    let settings = if dialect == "provider" { [&settings[..], &[key]].concat() } else { settings.to_vec() };
    let mut program = Program::start(&["serve"], &settings);
    let line: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    program.discard_output();
    let address = line["listen"].as_str().expect("an address").to_owned();
    (program, format!("http://{address}"))
}

/// The results of all clients.
#[derive(Default)]
struct Results {
    requests: AtomicUsize,
    /// Texts of the messages that were confirmed.
    written: Mutex<Vec<String>>,
    errors: Mutex<Vec<String>>,
}

/// Sends reads and writes, one after the other, to the current address. Every other client opens a connection per request.
async fn run_client(client: usize, address: &Mutex<String>, is_over: &AtomicBool, results: &Results) {
    let max_idle = if client.is_multiple_of(2) { usize::MAX } else { 0 };
    let http = crate::support::http_client().pool_max_idle_per_host(max_idle).build().expect("a client");
    for number in 0.. {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let url = address.lock().clone();
        let order = FIRST_ORDER + client as u64;
        let text = format!("klient-{client}-nummer-{number}-");
        let (request, expected) = if number % 3 == 0 {
            let body = json!({"type": "log", "text": text}).to_string();
            let post = http.post(format!("{url}/orders/{order}/messages")).header("content-type", "application/json");
            (post.body(body), 201)
        } else {
            (http.get(format!("{url}/orders/{order}")), 200)
        };
        results.requests.fetch_add(1, Ordering::SeqCst);
        match request.send().await {
            Ok(answer) if answer.status().as_u16() == expected => {
                if let Err(error) = answer.bytes().await {
                    results.errors.lock().push(format!("{error:?}"));
                }
                if expected == 201 {
                    results.written.lock().push(text);
                }
            }
            Ok(answer) => results.errors.lock().push(answer.status().to_string()),
            Err(error) => results.errors.lock().push(format!("{error:?}")),
        }
    }
}

/// A figure of the reliability table.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_restarts_under_load_lose_no_request() {
    let legacy = FakeLegacy::with_faults(|_| Fault::None).await;
    let (mut program, url) = start(&legacy.url()).await;
    let address = Arc::new(Mutex::new(url));
    let (is_over, results) = (Arc::new(AtomicBool::new(false)), Arc::new(Results::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (address, is_over, results) = (Arc::clone(&address), Arc::clone(&is_over), Arc::clone(&results));
            tokio::spawn(async move { run_client(client, &address, &is_over, &results).await })
        })
        .collect();

    for _ in 0..ROUNDS {
        let (next, url) = start(&legacy.url()).await;

        program.terminate().await;
        // Clients learn the new address some time after SIGTERM, as in Kubernetes. Until then the old process must serve them,
        // on kept and on new connections.
        tokio::time::sleep(DRAIN_DELAY / 2).await;
        *address.lock() = url;

        assert_eq!(program.exit_code().await, Some(0));

        program = next;
    }

    is_over.store(true, Ordering::SeqCst);
    join_all(clients).await;

    let errors = results.errors.lock().clone();
    let written = results.written.lock().clone();
    let mut not_once = 0;
    for client in 0..CLIENTS {
        let logged = legacy.log_texts_containing(FIRST_ORDER + client as u64, &format!("klient-{client}-nummer-")).await;
        let confirmed = written.iter().filter(|text| text.starts_with(&format!("klient-{client}-")));
        not_once += confirmed.filter(|text| logged.iter().filter(|known| known == text).count() != 1).count();
    }

    let requests = results.requests.load(Ordering::SeqCst);
    println!(
        "{ROUNDS} restarts under {requests} requests: {} errors, {} messages written, {not_once} of them not exactly once",
        errors.len(),
        written.len()
    );
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(not_once, 0);
    assert!(requests > 1_000 && written.len() > 300, "too little load to prove anything: {requests}");
}
