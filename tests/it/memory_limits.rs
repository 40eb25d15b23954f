//! Memory: large answers share one budget, waiters of a read share one result, pages of large items end early, and one client
//! cannot take all lists. The last test drives the program to its worst case.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::support::{ALL_SCOPES, ApiClient, Gateway, Program, Reply, TEST_TIMEOUT, Upstream, borrowed, eventually};

const MIB: usize = 1024 * 1024;

/// The parts of an `order_info`: before the texts of a log entry, and after it.
const BEGIN: &str =
    "<order_info><orderinfo><status>active</status></orderinfo><logs><log><date>2016-03-14 09:05</date><message>";
const END: &str = "</message></log></logs></order_info>";

/// An order whose log has a text of this length.
fn order(length: usize) -> String {
    format!("{BEGIN}{}{END}", "x".repeat(length))
}

fn id_of(query: &str) -> u64 {
    query.split("&id=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok()).expect("an id")
}

/// An upstream whose order 1 stays incomplete, with a log of `held` bytes, until `latch` is notified. Other orders have a log
/// of as many bytes as their id says. A status change is answered with a page that confirms nothing.
async fn holding_order_1(held: usize, latch: &Arc<Notify>) -> Upstream {
    let latch = Arc::clone(latch);
    Upstream::responding_to(move |query| {
        if query.contains("set_status") {
            return Reply::status(200, "<html>Bad Gateway</html>");
        }
        match id_of(query) {
            1 => Reply::held(&[BEGIN, &"x".repeat(held), END], &latch),
            id => Reply::xml(&order(usize::try_from(id).expect("small"))),
        }
    })
    .await
}

#[tokio::test]
async fn answers_beyond_the_budget_are_503_until_it_is_free() {
    let latch = Arc::new(Notify::new());
    let upstream = holding_order_1(MIB, &latch).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_BUFFERED_BYTES", "6291456")]).await;
    let second = async {
        eventually("an answer is held", async || gateway.metric("buffered_bytes").await >= 1 << 20).await;
        let rejected = gateway.get("/orders/1900000").await;
        let small = gateway.get("/orders/2000").await;
        latch.notify_one();
        (rejected, small)
    };

    let (first, (rejected, small)) = tokio::join!(gateway.get("/orders/1"), second);

    rejected.problem(503, "overloaded");
    assert_eq!(rejected.header("retry-after"), "1");
    assert!(gateway.metric("buffer_rejections_total").await > 0);
    assert_eq!(gateway.metric(r#"upstream_breaker_state{upstream="default"}"#).await, 0);
    assert_eq!((first.ok()["status"].as_str(), small.ok()["status"].as_str()), (Some("active"), Some("active")));
    gateway.get("/orders/1000000").await.ok();
    eventually("nothing is held", async || gateway.metric("buffered_bytes").await == 0).await;
}

#[tokio::test]
async fn answer_that_never_fits_is_not_worth_a_retry() {
    let upstream = Upstream::responding_to(|query| Reply::xml(&order(usize::try_from(id_of(query)).expect("small")))).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_BUFFERED_BYTES", "1048576")]).await;

    let problem = gateway.get("/orders/3000000").await.problem(502, "upstream-answer-invalid");

    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("server.max_buffered_bytes")), "{problem}");
    gateway.get("/orders/1000").await.ok();
}

#[tokio::test]
async fn write_is_settled_while_reads_hold_their_share() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::responding_to(move |query| {
        if query.contains("set_status") {
            return Reply::status(200, "<html>Bad Gateway</html>");
        }
        match id_of(query) {
            1..=100 => Reply::held(&[BEGIN, &"x".repeat(100_000), END], &held),
            id => Reply::xml(&order(usize::try_from(id).expect("small"))),
        }
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_BUFFERED_BYTES", "8388608")]).await;
    let targets: Vec<String> = (1..=48).map(|id| format!("/orders/{id}/status")).collect();
    let reads = join_all(targets.iter().map(|target| gateway.get(target)));
    let write = async {
        eventually("no more answers are held", async || gateway.metric("buffer_rejections_total").await > 0).await;
        upstream.wait_for_requests(48).await;
        gateway.get("/orders/150000").await.problem(503, "overloaded");
        // Nothing but reading the order back shows that this was applied.
        let written = gateway.patch_status(150_000, r#"{"status":"active"}"#).await;
        latch.notify_waiters();
        written
    };

    let (reads, written) = tokio::join!(reads, write);

    assert_eq!(written.ok()["status"], "active");
    let (complete, rejected): (Vec<_>, Vec<_>) = reads.iter().partition(|answer| answer.status == 200);
    assert!(!complete.is_empty() && !rejected.is_empty());
    for answer in rejected {
        answer.problem(503, "overloaded");
    }
}

#[tokio::test]
async fn waiters_of_one_read_share_its_result() {
    let latch = Arc::new(Notify::new());
    let upstream = holding_order_1(MIB, &latch).await;
    // Enough for one such answer and not for two.
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_BUFFERED_BYTES", "6291456")]).await;
    let answers = join_all((0..24).map(|_| gateway.get("/orders/1/status")));
    let release = async {
        eventually("all requests are waiting", async || gateway.active_requests().await == 24).await;
        latch.notify_one();
    };

    let (answers, ()) = tokio::join!(answers, release);

    assert!(answers.iter().all(|answer| answer.ok()["status"] == "active"));
    assert_eq!(gateway.metric("buffer_rejections_total").await, 0);
}

#[tokio::test]
async fn body_counts_until_its_client_has_read_it() {
    let upstream = Upstream::responding_to(|query| Reply::xml(&order(usize::try_from(id_of(query)).expect("small")))).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    // The body is larger than both sockets buffer then.
    socket.set_recv_buffer_size(4096).expect("a buffer");
    let mut stream = socket.connect(gateway.address).await.expect("the gateway listens");
    stream.write_all(b"GET /orders/8000000 HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("the gateway reads");
    eventually("the body alone is held", async || {
        (8_000_000..9 * MIB as u64).contains(&gateway.metric("buffered_bytes").await)
    })
    .await;

    drop(stream);

    eventually("nothing is held", async || gateway.metric("buffered_bytes").await == 0).await;
}

#[tokio::test]
async fn page_of_large_items_ends_before_its_limit() {
    let value = "x".repeat(200_000);
    let item = |id: u64| {
        let date = "2016-03-14 09:05:02";
        format!("<order><id>{id}</id><date>{date}</date><status>new</status><type>{value}</type></order>")
    };
    // Not in the order of pages, so that items are dropped that were selected before.
    let items: String = (1..=60).map(|number| item(number * 37 % 61)).collect();
    let upstream = Upstream::responding_with(Reply::xml(&format!("<orders>{items}</orders>"))).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());

    loop {
        let answer = gateway.get(&format!("/orders?since=2016-03-01&limit=50{cursor}")).await;
        let page = answer.ok();
        let items = page["items"].as_array().expect("items");
        assert!((1..50).contains(&items.len()) && answer.body.len() < 5 * MIB, "{} items", items.len());
        ids.extend(items.iter().map(|item| item["id"].as_u64().expect("an id")));
        pages += 1;
        let Some(next) = page["nextCursor"].as_str() else { break };
        assert!(answer.header("link").contains(next));
        cursor = format!("&cursor={next}");
    }

    assert_eq!(ids, (1..=60).collect::<Vec<_>>(), "no order is missing or repeated");
    assert_eq!(pages, 3, "4 MiB each");
    eventually("nothing is held", async || gateway.metric("buffered_bytes").await == 0).await;
}

#[tokio::test]
async fn slow_readers_of_one_client_leave_lists_to_others() {
    let upstream = Upstream::responding_to(|query| {
        let list = "<orders><order><id>7</id><date>2016-03-14 09:05:02</date></order>";
        if query.contains("order_info") {
            Reply::xml(&order(10))
        } else if query.contains("2016-03-14") {
            Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n{list}").as_bytes()).then_drip()
        } else {
            Reply::xml(&format!("{list}</orders>"))
        }
    })
    .await;
    let mut settings = vec![("UPSTREAMS__DEFAULT__TIMEOUT".to_owned(), "2s".to_owned())];
    for name in ["one", "other"] {
        settings.extend(ApiClient { name, upstream: "default", scopes: ALL_SCOPES }.variables());
    }
    let gateway = Gateway::with(&upstream, &borrowed(&settings)).await;
    let get = |client: &str, target: &str| gateway.request(Method::GET, target).header("x-api-key", client);
    // 30 lists that never end. Of the 24 permits for lists, a client may hold 12.
    let lists = join_all((0..30).map(|_| get("one", "/orders?since=2016-03-14").send()));
    let others = async {
        upstream.wait_for_requests(12).await;
        assert_eq!(gateway.send(get("other", "/orders?since=2015-01-01")).await.ok()["items"][0]["id"], 7);
        gateway.send(get("one", "/orders/7")).await.ok();
    };

    let (lists, ()) = tokio::join!(lists, others);

    let lists: Vec<_> = lists.into_iter().map(|list| list.expect("an answer")).collect();
    let (streaming, rejected): (Vec<_>, Vec<_>) = lists.into_iter().partition(|list| list.status() == 200);
    assert_eq!((streaming.len(), rejected.len()), (12, 18));
    assert!(rejected.iter().all(|list| list.status() == 503 && list.headers().contains_key("retry-after")));
    drop(streaming);
    gateway.send(get("one", "/orders?since=2015-01-01")).await.ok();
}

/// Hostile orders of nearly 8 MiB, by id.
fn hostile_order(id: u64) -> Vec<u8> {
    const SIZE: usize = 8 * MIB - 1024;
    let entry = "<log><date>2016-03-14 09:05:02</date><message>Tekniker kommer</message><type>log</type></log>";
    let repeated = |part: &str| part.repeat(SIZE / part.len());
    let text = |text: &str| format!("<log><message>{}</message></log>", repeated(text));
    let logs = match id % 10 {
        0 => repeated(entry),
        1 => text("x"),
        2 => "<log/>".repeat(900_000),
        3 => "<a/>".repeat(900_000),
        4 => repeated(r#"<log b="c" d="e" f="g"/>"#),
        5 => text("&#229;&auml;"),
        6 => text("1 "),
        7 => text(r#"""#),
        8 => repeated("<log><message>a</message></log>"),
        _ => text("\u{e5}"),
    };
    format!("<order_info><orderinfo><status>new</status></orderinfo><logs>{logs}</logs></order_info>").into_bytes()
}

fn kib_of(process: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the status of the process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Clients that read everything, clients that read nothing, lists, pages and coalesced reads at once, of hostile answers.
#[tokio::test(flavor = "multi_thread")]
async fn worst_case_stays_below_the_memory_limit_of_the_chart() {
    const LIMIT_KIB: usize = 256 * 1024;
    let orders: Arc<Vec<Vec<u8>>> = Arc::new((0..10).map(hostile_order).collect());
    let item = format!("<order><id>7</id><date>2016-03-14 09:05:02</date><type>{}</type></order>", "v".repeat(250_000));
    let list = format!("<orders>{}</orders>", item.replace("<id>7", "<id>8") + &item.repeat(60));
    let upstream = Upstream::responding_to(move |query| {
        if query.contains("order_info") {
            Reply::new(200, "text/xml; charset=utf-8", &orders[usize::try_from(id_of(query) % 10).expect("small")])
        } else {
            Reply::xml(&list)
        }
    })
    .await;
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", &*upstream.url()),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__DEFAULT__TIMEOUT", "20s"),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__DRAIN_DELAY", "0s"),
    ];
    let mut program = Program::start(&["serve"], &settings);
    let line: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    let address = line["listen"].as_str().expect("an address").to_owned();
    let process = program.process_id();
    program.discard_output();
    let idle = kib_of(process, "VmRSS");
    let http = crate::support::http_client().timeout(Duration::from_mins(1)).build().expect("a client");

    let open = async |target: String| {
        let mut stream = TcpStream::connect(&address).await.expect("the gateway listens");
        let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: zstd\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("the gateway reads");
        stream
    };
    let silent = join_all((0..40).map(|number| {
        open(if number % 2 == 0 { format!("/orders/{number}/messages") } else { "/orders?since=2016-03-01".to_owned() })
    }))
    .await;
    let targets = (0..60_u64).map(|number| match number % 6 {
        0 => "/orders?since=2016-03-01&limit=1000".to_owned(),
        1 => "/orders/1".to_owned(),
        2 => format!("/orders/{number}/messages"),
        _ => format!("/orders/{}", number * 7),
    });
    let statuses = join_all(targets.map(async |target| {
        let answer = http.get(format!("http://{address}{target}")).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.bytes().await.map_or(0, |body| body.len()))
    }))
    .await;
    let peak = kib_of(process, "VmHWM");
    drop(silent);
    let since = Instant::now();
    let is_settled = || kib_of(process, "VmRSS") <= idle + idle / 2;
    let is_given_back = timeout(TEST_TIMEOUT, async {
        while !is_settled() {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .is_ok();

    let count = |wanted: u16| statuses.iter().filter(|(status, _)| *status == wanted).count();
    println!(
        "hostile answers: idle {} MiB, peak {} MiB, {} MiB {:?} later; {} answers 200, {} 503, {} 502, {} other",
        idle / 1024,
        peak / 1024,
        kib_of(process, "VmRSS") / 1024,
        since.elapsed(),
        count(200),
        count(503),
        count(502),
        statuses.len() - count(200) - count(503) - count(502),
    );
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    assert!(is_given_back);
    assert!(count(503) > 0);
    // Slow clients hold their bodies for a while; then large answers are served as before.
    eventually("an order is served", async || {
        let answer = http.get(format!("http://{address}/orders/1")).send().await.expect("an answer");
        answer.status() == 200
    })
    .await;
    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(0));
}
