//! Rolling restarts: a new program takes over, the old one is told to stop, and nobody notices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{FIRST_ORDER, Fault, Program, System};

const ROUNDS: usize = 20;
const CLIENTS: usize = 8;
/// For how long a program that was told to stop still takes requests.
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
    program.let_talk();
    let address = line["listen"].as_str().expect("an address").to_owned();
    (program, format!("http://{address}"))
}

/// What clients met.
#[derive(Default)]
struct Met {
    requests: AtomicUsize,
    written: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
}

/// Reads and writes, one after the other, at the place that is the right one at the moment. Every other client makes a
/// connection for each request.
async fn work(client: usize, place: &Mutex<String>, is_over: &AtomicBool, met: &Met) {
    let kept = if client.is_multiple_of(2) { usize::MAX } else { 0 };
    let http = crate::support::http_client().pool_max_idle_per_host(kept).build().expect("a client");
    for number in 0.. {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let url = place.lock().expect("no test panics inside").clone();
        let order = FIRST_ORDER + client as u64;
        let text = format!("klient-{client}-nummer-{number}-");
        let (request, expected) = if number % 3 == 0 {
            let body = json!({"type": "log", "text": text}).to_string();
            let post = http.post(format!("{url}/orders/{order}/messages")).header("content-type", "application/json");
            (post.body(body), 201)
        } else {
            (http.get(format!("{url}/orders/{order}")), 200)
        };
        met.requests.fetch_add(1, Ordering::SeqCst);
        match request.send().await {
            Ok(answer) if answer.status().as_u16() == expected => {
                if let Err(error) = answer.bytes().await {
                    met.faults.lock().expect("no test panics inside").push(format!("{error:?}"));
                }
                if expected == 201 {
                    met.written.lock().expect("no test panics inside").push(text);
                }
            }
            Ok(answer) => met.faults.lock().expect("no test panics inside").push(answer.status().to_string()),
            Err(error) => met.faults.lock().expect("no test panics inside").push(format!("{error:?}")),
        }
    }
}

/// The figure in the README.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_restarts_under_load_lose_nothing() {
    let system = System::with_faults(|_| Fault::None).await;
    let (mut program, url) = start(&system.url()).await;
    let place = Arc::new(Mutex::new(url));
    let (is_over, met) = (Arc::new(AtomicBool::new(false)), Arc::new(Met::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (place, is_over, met) = (Arc::clone(&place), Arc::clone(&is_over), Arc::clone(&met));
            tokio::spawn(async move { work(client, &place, &is_over, &met).await })
        })
        .collect();
    for _ in 0..ROUNDS {
        let (next, url) = start(&system.url()).await;
        program.terminate().await;
        // Clients are told of a new place some time after the old one: what comes in between is served there, over connections
        // that were kept and over new ones.
        tokio::time::sleep(DRAIN_DELAY / 2).await;
        *place.lock().expect("no test panics inside") = url;
        assert_eq!(program.exit_code().await, Some(0));
        program = next;
    }
    is_over.store(true, Ordering::SeqCst);
    join_all(clients).await;
    let faults = met.faults.lock().expect("no test panics inside").clone();
    let written = met.written.lock().expect("no test panics inside").clone();
    let mut not_once = 0;
    for client in 0..CLIENTS {
        let rows = system.texts_with(FIRST_ORDER + client as u64, &format!("klient-{client}-nummer-")).await;
        let mine = written.iter().filter(|text| text.starts_with(&format!("klient-{client}-")));
        not_once += mine.filter(|text| rows.iter().filter(|row| row == text).count() != 1).count();
    }
    let requests = met.requests.load(Ordering::SeqCst);
    println!(
        "{ROUNDS} restarts under {requests} requests: {} faults, {} messages written, {not_once} of them not exactly once",
        faults.len(),
        written.len()
    );
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(not_once, 0);
    assert!(requests > 1_000 && written.len() > 300, "too little load to prove anything: {requests}");
}
