//! Retries, retry budget, concurrency limit and circuit breaker: a struggling upstream is not overloaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::{Gateway, Reply, Upstream, eventually, is_provider};

const ORDER: &str = "<order_info><orderinfo><status>new</status></orderinfo><logs/></order_info>";
const RETRIES: &str = r#"upstream_retries_total{call="order_info",upstream="default"}"#;
const BREAKER_STATE: &str = r#"upstream_breaker_state{upstream="default"}"#;
/// The circuit breaker opens at the first failure.
const SENSITIVE_BREAKER: [(&str, &str); 2] =
    [("UPSTREAMS__DEFAULT__BREAKER__MIN_CALLS", "1"), ("UPSTREAMS__DEFAULT__BREAKER__FAILURE_PERCENT", "1")];
const NO_BREAKER: (&str, &str) = ("UPSTREAMS__DEFAULT__BREAKER__ENABLED", "false");

/// An upstream that answers the first `failures` requests with `reply`, and the others successfully.
async fn failing_first(failures: usize, reply: Reply) -> Upstream {
    let requests = AtomicUsize::new(0);
    Upstream::responding_to(move |query| {
        if requests.fetch_add(1, Ordering::SeqCst) < failures {
            reply.clone()
        } else if query.contains("method=orders") {
            Reply::xml("<orders><order><id>1</id></order></orders>")
        } else {
            Reply::xml(ORDER)
        }
    })
    .await
}

#[tokio::test]
async fn transient_read_failures_are_retried_at_most_twice() {
    for (reply, is_silent) in [
        (Reply::raw(b""), true),
        (Reply::raw(b"").then_reset(), true),
        (Reply::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<order_info>"), false),
        (Reply::status(503, ""), false),
        (Reply::new(500, "text/html", b"<html/>"), false),
        (Reply::status(429, ""), false),
    ] {
        // The connection of the login is reused. When it is closed without an answer, the repeat on a new one is no retry.
        let free = usize::from(is_silent && is_provider());
        let upstream = failing_first(2 + free, reply.clone()).await;
        let gateway = Gateway::in_front_of(&upstream).await;

        assert_eq!(gateway.get("/orders/1").await.ok()["status"], "new", "{reply:?}");
        assert_eq!(upstream.queries().len(), 3 + free);
        assert_eq!(gateway.metric(RETRIES).await, 2);

        let upstream = failing_first(3 + free, reply.clone()).await;
        let gateway = Gateway::in_front_of(&upstream).await;
        assert!(gateway.get("/orders/1").await.status >= 500, "{reply:?}");
        assert_eq!(upstream.queries().len(), 3 + free);
    }
    for reply in [Reply::raw(b"").then_reset(), Reply::status(503, "")] {
        let upstream = failing_first(2, reply).await;
        let list = Gateway::in_front_of(&upstream).await.get("/orders?since=2016-03-14").await.ok();

        assert_eq!(list["items"][0]["id"], 1);
    }
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    for reply in [
        Reply::xml("<html/>"),
        Reply::status(500, "<order_info><status>failed</status></order_info>"),
        Reply::status(403, ""),
        Reply::status(302, ""),
        Reply::xml("<order_info/>"),
        Reply::raw(b"").then_hang(),
    ] {
        let upstream = failing_first(1, reply.clone()).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]).await;

        assert!(gateway.get("/orders/1").await.status >= 400);
        assert_eq!(upstream.queries().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn upstream_retry_after_is_honoured() {
    let upstream = failing_first(1, Reply::status(503, "").with_header("Retry-After: 1")).await;
    let began = Instant::now();

    Gateway::in_front_of(&upstream).await.get("/orders/1").await.ok();
    assert!(began.elapsed() >= Duration::from_secs(1));

    // Beyond the call's deadline the gateway does not wait, but passes `Retry-After` on.
    let upstream = failing_first(1, Reply::status(503, "").with_header("Retry-After: 30")).await;
    let answer = Gateway::in_front_of(&upstream).await.get("/orders/1").await;
    answer.problem(503, "upstream-unavailable");
    assert_eq!((answer.header("retry-after"), upstream.queries().len()), ("30", 1));
}

#[tokio::test]
async fn write_without_a_connection_is_not_applied() {
    // A listener that never accepts: once its backlog is full, further connection attempts hang.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let listener = socket.listen(0).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut backlog = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        backlog.push(stream);
    }

    let settings = [NO_BREAKER, ("UPSTREAMS__DEFAULT__TIMEOUT", "1s"), ("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "10s")];
    let gateway = Gateway::in_front_of_url(&format!("http://{address}/orders"), &settings).await;

    // In the provider dialect it is the login that gets no connection, which is a 504.
    let answer = gateway.patch_status(1, r#"{"status":"new"}"#).await;

    assert_eq!((matches!(answer.status, 502 | 504), &answer.json()["outcome"]), (true, &"not-applied".into()), "{answer:?}");
}

#[tokio::test]
async fn retries_are_limited_by_the_budget() {
    let upstream = Upstream::responding_with(Reply::status(503, "")).await;
    let gateway = Gateway::with(&upstream, &[NO_BREAKER]).await;
    let began = Instant::now();

    for _ in 0..100 {
        gateway.get("/orders/1").await.problem(503, "upstream-unavailable");
    }

    // The budget has a reserve of 10, refilled every 10 s, and a deposit of 0.1 per first attempt; retries deposit nothing.
    let sent = u64::try_from(upstream.queries().len()).expect("a small number");
    let tens = began.elapsed().as_secs() / 10;
    assert!((120..=120 + 20 * tens).contains(&sent), "{sent} for 100");
    assert_eq!(gateway.metric(RETRIES).await, sent - 100);
}

#[tokio::test]
async fn rejected_retry_is_not_counted_as_sent() {
    let upstream = Upstream::responding_with(Reply::status(503, "")).await;
    let gateway = Gateway::with(&upstream, &SENSITIVE_BREAKER).await;

    gateway.get("/orders/1").await.problem(503, "upstream-unavailable");
    assert_eq!((upstream.queries().len(), gateway.metric(RETRIES).await), (1, 0));
}

#[tokio::test]
async fn requests_that_cannot_meet_their_deadline_are_shed() {
    let list = "HTTP/1.1 200 OK\r\n\r\n<orders><order><id>1</id></order>";
    let upstream = Upstream::responding_with(Reply::raw(list.as_bytes()).then_drip()).await;
    let settings = [("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "4"), ("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")];
    let gateway = Gateway::with(&upstream, &settings).await;

    let occupying = gateway.request(reqwest::Method::GET, "/orders?since=2016-03-14").send().await.expect("a head");
    let late = gateway.get("/orders?since=2016-03-14").await;

    late.problem(503, "overloaded");
    assert_eq!(late.header("retry-after"), "1");
    assert_eq!((occupying.status().as_u16(), upstream.queries().len()), (200, 1));
}

#[tokio::test]
async fn permits_are_reserved_for_writes() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::responding_to(move |query| match query {
        write if write.contains("set_status") => Reply::xml("<set_status><status>success</status></set_status>"),
        _ => Reply::held(&["<order_info>", "<orderinfo><status>new</status></orderinfo></order_info>"], &held),
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "4")]).await;
    let targets: Vec<_> = (1..=4).map(|order| format!("/orders/{order}")).collect();
    let reads = join_all(targets.iter().map(|target| gateway.get(target)));
    let others = async {
        upstream.wait_for_requests(3).await;
        assert_eq!(gateway.metric(r#"upstream_in_flight{upstream="default"}"#).await, 3);
        gateway.patch_status(9, r#"{"status":"new"}"#).await.ok();
        assert_eq!(upstream.queries().len(), 4, "the fourth read queues");
        loop {
            latch.notify_waiters();
            tokio::task::yield_now().await;
        }
    };

    let reads = tokio::select! {
        reads = reads => reads,
        () = others => unreachable!("this future never ends"),
    };

    assert!(reads.iter().all(|answer| answer.status == 200), "{reads:?}");
    assert_eq!(gateway.metric(r#"upstream_in_flight{upstream="default"}"#).await, 0);
}

#[tokio::test]
async fn stalled_lists_leave_permits_for_reads_and_keyed_writes() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::responding_to(move |query| match query {
        list if list.contains("method=orders") => {
            Reply::held(&["<orders><order><id>1</id></order>", "<order><id>2</id></order></orders>"], &held)
        }
        write if write.contains("add_message") => Reply::xml("<add_message><status>success</status></add_message>"),
        slow if slow.contains("id=9") => Reply::held(&["<order_info>", "</order_info>"], &held),
        _ => Reply::xml(ORDER),
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "4")]).await;
    let stalled = async {
        let lists = join_all((0..3).map(|_| gateway.get("/orders?since=2016-03-14")));
        tokio::join!(lists, gateway.get("/orders/98"), gateway.get("/orders/99")).0
    };
    let others = async {
        upstream.wait_for_requests(3).await;
        let message = gateway.request(reqwest::Method::POST, "/orders/1/messages").body(r#"{"type":"log","text":"a"}"#);
        let keyed = message.header("content-type", "application/json").header("idempotency-key", "0123456789abcdef");
        gateway.send(keyed).await.ok();
        assert_eq!(upstream.queries().len(), 5, "lists beyond their share queue");
        loop {
            latch.notify_waiters();
            tokio::task::yield_now().await;
        }
    };

    let lists = tokio::select! {
        lists = stalled => lists,
        () = others => unreachable!("this future never ends"),
    };

    assert!(lists.iter().all(|list| list.status == 200), "{lists:?}");
}

#[tokio::test]
async fn queued_write_is_dropped_on_client_disconnect() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream =
        Upstream::responding_to(move |_| Reply::held(&["<set_status>", "<status>success</status></set_status>"], &held)).await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "1")]).await;
    let first = gateway.patch_status(1, r#"{"status":"new"}"#);
    let leaving_client = async {
        upstream.wait_for_requests(1).await;
        let mut impatient = Box::pin(gateway.patch_status(2, r#"{"status":"new"}"#));
        tokio::select! {
            _ = &mut impatient => panic!("the write must queue"),
            () = eventually("the write is queued", async || gateway.active_requests().await == 2) => {}
        }
        drop(impatient);
        eventually("the client has disconnected", async || gateway.active_requests().await == 1).await;
        latch.notify_one();
    };

    let (first, ()) = tokio::join!(first, leaving_client);
    first.ok();
    assert_eq!(upstream.queries().len(), 1);

    latch.notify_one();
    gateway.patch_status(3, r#"{"status":"new"}"#).await.ok();
    assert!(upstream.queries().iter().all(|query| !query.contains("id=2")));
}

#[tokio::test]
async fn breaker_opens_and_recovers_through_a_probe() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let upstream = Upstream::responding_to(move |_| {
        if counter.fetch_add(1, Ordering::SeqCst) < 20 { Reply::xml("<html/>") } else { Reply::xml(ORDER) }
    })
    .await;
    // In the provider dialect the login counts as a call.
    let threshold = if is_provider() { "21" } else { "20" };
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__BREAKER__MIN_CALLS", threshold)]).await;

    for _ in 0..20 {
        gateway.get("/orders/1").await.problem(502, "upstream-answer-invalid");
    }

    let rejected = gateway.get("/orders/1").await;
    rejected.problem(503, "upstream-unavailable");
    assert_eq!(rejected.header("retry-after"), "1");

    let write = gateway.patch_status(1, r#"{"status":"new"}"#).await;
    assert_eq!(write.problem(503, "upstream-unavailable")["outcome"], "not-applied");
    assert_eq!(requests.load(Ordering::SeqCst), 20, "an open breaker sends nothing");
    assert_eq!(gateway.metric(BREAKER_STATE).await, 2);

    // After a second the breaker is half-open, and the next read is its probe.
    eventually("the breaker closes", async || gateway.get("/orders/1").await.status == 200).await;
    assert_eq!(gateway.metric(BREAKER_STATE).await, 0);
}

#[tokio::test]
async fn half_open_probe_is_a_read_even_for_write_traffic() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let upstream = Upstream::responding_to(move |query| match query {
        _ if down.load(Ordering::SeqCst) => Reply::raw(b"").then_reset(),
        write if write.contains("set_status") => Reply::xml("<set_status><status>success</status></set_status>"),
        _ => Reply::xml(ORDER),
    })
    .await;
    let settings = [&SENSITIVE_BREAKER[..], &[("UPSTREAMS__DEFAULT__BREAKER__MAX_OPEN", "100ms")]].concat();
    let gateway = Gateway::with(&upstream, &settings).await;
    let write = || gateway.patch_status(1, r#"{"status":"new"}"#);

    gateway.get("/orders/1").await;
    // On a busy machine a retry of this read may already have been the probe.
    let queries_before = upstream.queries().len();
    let probe_is_sent = async || {
        write().await.problem(503, "upstream-unavailable");
        upstream.queries().len() > queries_before
    };
    eventually("a probe is sent", probe_is_sent).await;
    assert!(upstream.queries().iter().all(|query| query.contains("order_info")), "a write is never a probe");

    is_down.store(false, Ordering::SeqCst);
    eventually("the breaker closes", async || write().await.status == 200).await;
    let queries = upstream.queries();
    let last_two = queries.iter().rev().take(2).map(|query| query.contains("set_status")).collect::<Vec<_>>();
    assert_eq!(last_two, [true, false], "{queries:?}");
}

#[tokio::test]
async fn rejections_and_not_found_keep_the_breaker_closed() {
    for reply in [
        Reply::status(404, "<html/>"),
        Reply::status(500, "<order_info><status>failed</status><response><message>Nej</message></response></order_info>"),
        Reply::status(403, "<html/>"),
        Reply::xml("<order_info/>"),
    ] {
        let upstream = Upstream::responding_with(reply).await;
        let gateway = Gateway::in_front_of(&upstream).await;

        for _ in 0..30 {
            gateway.get("/orders/1").await;
        }

        assert_eq!(upstream.queries().len(), 30);
    }
}
