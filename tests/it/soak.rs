//! A longer time with faults: memory, descriptors and tasks stay where they are. 60 seconds in every run of the tests, an hour
//! with `SOAK_SECONDS=3600`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{FIRST_ORDER, Fault, Program, System, random};

/// How many orders are read, the first ones.
const READ: u32 = 100;
/// How many are written to.
const WRITTEN: u32 = 2_000;

/// What the program takes.
#[derive(Debug, Clone, Copy)]
struct Taken {
    kib: u64,
    descriptors: usize,
    tasks: u64,
}

async fn taken(process: u32, ops: &str) -> Taken {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let metrics = crate::support::http_client().build().expect("a client");
    let metrics = metrics.get(format!("http://{ops}/metrics")).send().await.expect("an answer").text().await.expect("a text");
    let tasks = metrics.lines().find_map(|line| line.strip_prefix("runtime_alive_tasks ")).expect("a gauge");
    Taken {
        kib: kib.trim().trim_end_matches(" kB").parse().expect("a number"),
        descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).expect("descriptors").count(),
        tasks: tasks.parse().expect("a number"),
    }
}

async fn work(client: u64, url: &str, until: Instant) -> u64 {
    let http = crate::support::http_client().timeout(Duration::from_secs(3)).build().expect("a client");
    let mut done = 0;
    while Instant::now() < until {
        let dice = random(client * 1_000_000 + done);
        // What is written to grows, and others would take more with it: nothing to do with the gateway.
        let (order, written) =
            (FIRST_ORDER + dice % u64::from(READ), FIRST_ORDER + u64::from(READ) + dice % u64::from(WRITTEN));
        let json = |request: reqwest::RequestBuilder, body: serde_json::Value| {
            request.header("content-type", "application/json").body(body.to_string())
        };
        let request = match done % 10 {
            0 => http.get(format!("{url}/orders?since=2016-03-14")).header("accept-encoding", "gzip"),
            1 => http.get(format!("{url}/orders?since=2016-03-14&limit=20&expand=detail")),
            2 => json(http.patch(format!("{url}/orders/{written}/status")), json!({"status": "active"})),
            3 => json(
                http.post(format!("{url}/orders/{written}/messages"))
                    .header("idempotency-key", format!("soak-{client:04}-{done:010}")),
                json!({"type": "log", "text": "Uthållighet"}),
            ),
            4 => http.get(format!("{url}/customers/{}", 18_020 + done % 50)),
            _ => http.get(format!("{url}/orders/{order}")),
        };
        // Some clients leave before they have an answer; all of that may fail, and nothing of it may stay.
        let patience = Duration::from_millis(if done % 17 == 0 { 2 } else { 3_000 });
        if let Ok(Ok(answer)) = tokio::time::timeout(patience, request.send()).await {
            let _ = answer.bytes().await;
        }
        done += 1;
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "this is about the tests, not about what they test")]
async fn a_long_time_with_faults_leaves_nothing_behind() {
    let seconds: u64 = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    let calls = std::sync::atomic::AtomicU64::new(0);
    let system = System::of(READ + WRITTEN, move |_| {
        let number = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // One in twenty.
        match random(number) % 140 {
            0 => Fault::Drop,
            1 => Fault::Reset,
            2 => Fault::Page(503),
            3 => Fault::Cut(usize::try_from(random(number + 1) % 400).expect("small")),
            4 => Fault::AnswerReset,
            5 => Fault::Hang,
            6 => Fault::Delay(Duration::from_millis(200)),
            _ => Fault::None,
        }
    })
    .await;
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", &*system.url()),
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
    let process = program.id();
    program.let_talk();
    let mut requests = 0;
    // What is there after a third of the time is what it needs; from then on nothing may be added. Before each look, all
    // clients have gone and what they began has ended.
    let mut looks = Vec::new();
    for _ in 0..3 {
        let until = Instant::now() + Duration::from_secs(seconds) / 3;
        requests += join_all((0..16).map(|client| work(client, &url, until))).await.into_iter().sum::<u64>();
        tokio::time::sleep(Duration::from_secs(6)).await;
        looks.push(taken(process, &ops).await);
    }
    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(0));
    println!("soak of {seconds} s, {requests} requests, every 20th call with a fault: {looks:?}");
    let (first, last) = (looks[0], looks[2]);
    assert!(last.kib <= first.kib + first.kib / 10 + 4_096, "{looks:?}");
    assert!(last.descriptors <= first.descriptors + 4, "{looks:?}");
    assert!(last.tasks <= first.tasks + 4, "{looks:?}");
}
