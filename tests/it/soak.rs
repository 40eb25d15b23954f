//! Soak test: memory, descriptors and tasks do not grow under load with faults. It takes 60 seconds in every test run, an hour
//! with `SOAK_SECONDS=3600`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{FIRST_ORDER, FakeLegacy, Fault, Program, random};

/// The number of orders that are only read.
const READ_ORDERS: u32 = 100;
/// The number of orders that are only written to.
const WRITTEN_ORDERS: u32 = 2_000;

/// The resources that the process uses.
#[derive(Debug, Clone, Copy)]
struct Usage {
    memory_kib: u64,
    descriptors: usize,
    tasks: u64,
}

async fn measure_usage(process: u32, ops: &str) -> Usage {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let client = crate::support::http_client().build().expect("a client");
    let metrics = client.get(format!("http://{ops}/metrics")).send().await.expect("an answer").text().await.expect("a text");
    let tasks = metrics.lines().find_map(|line| line.strip_prefix("runtime_alive_tasks ")).expect("a gauge");
    Usage {
        memory_kib: memory.trim().trim_end_matches(" kB").parse().expect("a number"),
        descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).expect("descriptors").count(),
        tasks: tasks.parse().expect("a number"),
    }
}

/// Sends requests of all kinds until `until`, and returns their number.
async fn run_client(client: u64, url: &str, until: Instant) -> u64 {
    let http = crate::support::http_client().timeout(Duration::from_secs(3)).build().expect("a client");
    let mut sent = 0;
    while Instant::now() < until {
        let number = random(client * 1_000_000 + sent);
        // Orders that are written to grow, so reading them would use more memory over time without any leak.
        let (order, written) = (
            FIRST_ORDER + number % u64::from(READ_ORDERS),
            FIRST_ORDER + u64::from(READ_ORDERS) + number % u64::from(WRITTEN_ORDERS),
        );
        let json = |request: reqwest::RequestBuilder, body: serde_json::Value| {
            request.header("content-type", "application/json").body(body.to_string())
        };
        let request = match sent % 10 {
            0 => http.get(format!("{url}/orders?since=2016-03-14")).header("accept-encoding", "gzip"),
            1 => http.get(format!("{url}/orders?since=2016-03-14&limit=20&expand=detail")),
            2 => json(http.patch(format!("{url}/orders/{written}/status")), json!({"status": "active"})),
            3 => json(
                http.post(format!("{url}/orders/{written}/messages"))
                    .header("idempotency-key", format!("soak-{client:04}-{sent:010}")),
                json!({"type": "log", "text": "Uthållighet"}),
            ),
            4 => http.get(format!("{url}/customers/{}", 18_020 + sent % 50)),
            _ => http.get(format!("{url}/orders/{order}")),
        };
        // Some clients disconnect early. Any request may fail; none may leave anything behind.
        let timeout = Duration::from_millis(if sent % 17 == 0 { 2 } else { 3_000 });
        if let Ok(Ok(answer)) = tokio::time::timeout(timeout, request.send()).await {
            let _ = answer.bytes().await;
        }
        sent += 1;
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "configures the tests, not the gateway")]
async fn soak_with_faults_leaks_nothing() {
    let seconds: u64 = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    let calls = AtomicU64::new(0);
    let legacy = FakeLegacy::with_orders(READ_ORDERS + WRITTEN_ORDERS, move |_| {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        // One request in 20 meets a fault.
        match random(number) % 140 {
            0 => Fault::Drop,
            1 => Fault::Reset,
            2 => Fault::Html(503),
            3 => Fault::Cut(usize::try_from(random(number + 1) % 400).expect("small")),
            4 => Fault::AnswerReset,
            5 => Fault::Hang,
            6 => Fault::Delay(Duration::from_millis(200)),
            _ => Fault::None,
        }
    })
    .await;
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", &*legacy.url()),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__DEFAULT__TIMEOUT", "1s"),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__DRAIN_DELAY", "0s"),
    ];
    let mut program = Program::start(&["serve"], &settings);
    let line: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    let url = format!("http://{}", line["listen"].as_str().expect("an address"));
    let ops = line["ops_listen"].as_str().expect("an address").to_owned();
    let process = program.process_id();
    program.discard_output();
    let mut requests = 0;
    // The first third warms up; usage must not grow afterwards. Each measurement waits until the requests of clients that have
    // disconnected are finished too.
    let mut measurements = Vec::new();

    for _ in 0..3 {
        let until = Instant::now() + Duration::from_secs(seconds) / 3;
        requests += join_all((0..16).map(|client| run_client(client, &url, until))).await.into_iter().sum::<u64>();
        tokio::time::sleep(Duration::from_secs(6)).await;
        measurements.push(measure_usage(process, &ops).await);
    }

    program.terminate().await;

    assert_eq!(program.exit_code().await, Some(0));

    println!("soak of {seconds} s, {requests} requests, every 20th call with a fault: {measurements:?}");
    let (first, last) = (measurements[0], measurements[2]);
    assert!(last.memory_kib <= first.memory_kib + first.memory_kib / 10 + 4_096, "{measurements:?}");
    assert!(last.descriptors <= first.descriptors + 4, "{measurements:?}");
    assert!(last.tasks <= first.tasks + 4, "{measurements:?}");
}
