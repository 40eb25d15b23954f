//! An order system in trouble is not made worse: what is sent again, what waits, and when nothing is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::{Gateway, Reply, Upstream, is_provider, soon};

const ORDER: &str = "<order_info><orderinfo><status>new</status></orderinfo><logs/></order_info>";
const RETRIES: &str = r#"upstream_retries_total{call="order_info",upstream="default"}"#;
const BREAKER: &str = r#"upstream_breaker_state{upstream="default"}"#;
/// The breaker opens at the first failure.
const TOUCHY: [(&str, &str); 2] =
    [("UPSTREAMS__DEFAULT__BREAKER__MIN_CALLS", "1"), ("UPSTREAMS__DEFAULT__BREAKER__FAILURE_PERCENT", "1")];
const PATIENT: (&str, &str) = ("UPSTREAMS__DEFAULT__BREAKER__ENABLED", "false");

/// An order system that answers so many calls in one way and the rest as it should.
async fn failing(times: usize, reply: Reply) -> Upstream {
    let calls = AtomicUsize::new(0);
    Upstream::answering(move |query| {
        if calls.fetch_add(1, Ordering::SeqCst) < times {
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
async fn a_read_that_did_not_come_through_is_sent_again_at_most_twice() {
    for reply in [
        Reply::bytes(b""),
        Reply::bytes(b"").then_reset(),
        Reply::bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<order_info>"),
        Reply::status(503, ""),
        Reply::typed(500, "text/html", b"<html/>"),
        Reply::status(429, ""),
    ] {
        let upstream = failing(2, reply.clone()).await;
        let gateway = Gateway::before(&upstream).await;
        assert_eq!(gateway.get("/orders/1").await.ok()["status"], "new", "{reply:?}");
        assert_eq!(upstream.queries().len(), 3);
        assert_eq!(gateway.metric(RETRIES).await, 2);
        let upstream = failing(3, reply.clone()).await;
        let gateway = Gateway::before(&upstream).await;
        assert!(gateway.get("/orders/1").await.status >= 500, "{reply:?}");
        assert_eq!(upstream.queries().len(), 3);
    }
    for reply in [Reply::bytes(b"").then_reset(), Reply::status(503, "")] {
        let upstream = failing(2, reply).await;
        let list = Gateway::before(&upstream).await.get("/orders?since=2016-03-14").await.ok();
        assert_eq!(list["items"][0]["id"], 1);
    }
}

#[tokio::test]
async fn what_will_not_change_is_not_sent_again() {
    for reply in [
        Reply::xml("<html/>"),
        Reply::status(500, "<order_info><status>failed</status></order_info>"),
        Reply::status(403, ""),
        Reply::status(302, ""),
        Reply::xml("<order_info/>"),
        Reply::bytes(b"").then_hang(),
    ] {
        let upstream = failing(1, reply.clone()).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]).await;
        assert!(gateway.get("/orders/1").await.status >= 400);
        assert_eq!(upstream.queries().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn the_order_systems_own_word_on_when_to_come_back_wins() {
    let upstream = failing(1, Reply::status(503, "").with_header("Retry-After: 1")).await;
    let began = Instant::now();
    Gateway::before(&upstream).await.get("/orders/1").await.ok();
    assert!(began.elapsed() >= Duration::from_secs(1));
    // Later than the call may take: not waited for, but passed on.
    let upstream = failing(1, Reply::status(503, "").with_header("Retry-After: 30")).await;
    let answer = Gateway::before(&upstream).await.get("/orders/1").await;
    answer.problem(503, "upstream-unavailable");
    assert_eq!((answer.header("retry-after"), upstream.queries().len()), ("30", 1));
}

#[tokio::test]
async fn a_write_that_never_got_a_connection_is_known_not_to_have_happened() {
    // Nobody accepts, and when the kernel has no room left it lets connections hang.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let full = socket.listen(0).expect("a listener");
    let address = full.local_addr().expect("an address");
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let settings = [PATIENT, ("UPSTREAMS__DEFAULT__TIMEOUT", "1s"), ("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "10s")];
    let gateway = Gateway::before_url(&format!("http://{address}/orders"), &settings).await;
    // Over the other dialect it is a login that gets no connection, until its time is over.
    let answer = gateway.patch_status(1, r#"{"status":"new"}"#).await;
    assert_eq!((matches!(answer.status, 502 | 504), &answer.json()["outcome"]), (true, &"not-applied".into()), "{answer:?}");
}

#[tokio::test]
async fn retries_are_paid_for_from_a_budget() {
    let upstream = Upstream::saying(Reply::status(503, "")).await;
    let gateway = Gateway::with(&upstream, &[PATIENT]).await;
    let began = Instant::now();
    for _ in 0..100 {
        gateway.get("/orders/1").await.problem(503, "upstream-unavailable");
    }
    // Ten were there in the beginning and come back after ten seconds; every tenth call pays for one more, and no retry does.
    let sent = u64::try_from(upstream.queries().len()).expect("a small number");
    let tens = began.elapsed().as_secs() / 10;
    assert!((120..=120 + 20 * tens).contains(&sent), "{sent} for 100");
    assert_eq!(gateway.metric(RETRIES).await, sent - 100);
}

#[tokio::test]
async fn what_was_to_be_sent_again_and_is_not_let_through_does_not_count_as_sent() {
    let upstream = Upstream::saying(Reply::status(503, "")).await;
    let gateway = Gateway::with(&upstream, &TOUCHY).await;
    gateway.get("/orders/1").await.problem(503, "upstream-unavailable");
    assert_eq!((upstream.queries().len(), gateway.metric(RETRIES).await), (1, 0));
}

#[tokio::test]
async fn who_cannot_be_served_in_time_is_told_so() {
    let list = "HTTP/1.1 200 OK\r\n\r\n<orders><order><id>1</id></order>";
    let upstream = Upstream::saying(Reply::bytes(list.as_bytes()).then_drip()).await;
    let settings = [("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "4"), ("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let endless = gateway.request(reqwest::Method::GET, "/orders?since=2016-03-14").send().await.expect("a beginning");
    let late = gateway.get("/orders?since=2016-03-14").await;
    late.problem(503, "overloaded");
    assert_eq!(late.header("retry-after"), "1");
    assert_eq!((endless.status().as_u16(), upstream.queries().len()), (200, 1));
}

#[tokio::test]
async fn writes_have_a_reserve() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::answering(move |query| match query {
        write if write.contains("set_status") => Reply::xml("<set_status><status>success</status></set_status>"),
        _ => Reply::held(&["<order_info>", "<orderinfo><status>new</status></orderinfo></order_info>"], &held),
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "4")]).await;
    let targets: Vec<_> = (1..=4).map(|order| format!("/orders/{order}")).collect();
    let reads = join_all(targets.iter().map(|target| gateway.get(target)));
    let others = async {
        upstream.asked(3).await;
        assert_eq!(gateway.metric(r#"upstream_in_flight{upstream="default"}"#).await, 3);
        gateway.patch_status(9, r#"{"status":"new"}"#).await.ok();
        assert_eq!(upstream.queries().len(), 4, "a read waits");
        loop {
            latch.notify_waiters();
            tokio::task::yield_now().await;
        }
    };
    let reads = tokio::select! {
        reads = reads => reads,
        () = others => unreachable!("it goes on"),
    };
    assert!(reads.iter().all(|answer| answer.status == 200), "{reads:?}");
    assert_eq!(gateway.metric(r#"upstream_in_flight{upstream="default"}"#).await, 0);
}

#[tokio::test]
async fn lists_that_nobody_reads_leave_places_for_other_reads_and_for_messages_with_keys() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::answering(move |query| match query {
        list if list.contains("method=orders") => {
            Reply::held(&["<orders><order><id>1</id></order>", "<order><id>2</id></order></orders>"], &held)
        }
        write if write.contains("add_message") => Reply::xml("<add_message><status>success</status></add_message>"),
        slow if slow.contains("id=9") => Reply::held(&["<order_info>", "</order_info>"], &held),
        _ => Reply::xml(ORDER),
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "4")]).await;
    let held_up = async {
        let lists = join_all((0..3).map(|_| gateway.get("/orders?since=2016-03-14")));
        tokio::join!(lists, gateway.get("/orders/98"), gateway.get("/orders/99")).0
    };
    let others = async {
        upstream.asked(3).await;
        let message = gateway.request(reqwest::Method::POST, "/orders/1/messages").body(r#"{"type":"log","text":"a"}"#);
        let keyed = message.header("content-type", "application/json").header("idempotency-key", "0123456789abcdef");
        gateway.send(keyed).await.ok();
        assert_eq!(upstream.queries().len(), 5, "two lists wait");
        loop {
            latch.notify_waiters();
            tokio::task::yield_now().await;
        }
    };
    let lists = tokio::select! {
        lists = held_up => lists,
        () = others => unreachable!("it goes on"),
    };
    assert!(lists.iter().all(|list| list.status == 200), "{lists:?}");
}

#[tokio::test]
async fn a_write_whose_client_leaves_while_it_waits_is_never_sent() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream =
        Upstream::answering(move |_| Reply::held(&["<set_status>", "<status>success</status></set_status>"], &held)).await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "1")]).await;
    let first = gateway.patch_status(1, r#"{"status":"new"}"#);
    let others = async {
        upstream.asked(1).await;
        let mut impatient = Box::pin(gateway.patch_status(2, r#"{"status":"new"}"#));
        tokio::select! {
            _ = &mut impatient => panic!("it must wait"),
            () = soon("it waits", async || gateway.waiting().await == 2) => {}
        }
        drop(impatient);
        soon("it has left", async || gateway.waiting().await == 1).await;
        latch.notify_one();
    };
    let (first, ()) = tokio::join!(first, others);
    first.ok();
    assert_eq!(upstream.queries().len(), 1);
    latch.notify_one();
    gateway.patch_status(3, r#"{"status":"new"}"#).await.ok();
    assert!(upstream.queries().iter().all(|query| !query.contains("id=2")));
}

#[tokio::test]
async fn an_order_system_that_does_not_answer_is_left_alone_for_a_moment() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let upstream = Upstream::answering(move |_| {
        if counter.fetch_add(1, Ordering::SeqCst) < 20 { Reply::xml("<html/>") } else { Reply::xml(ORDER) }
    })
    .await;
    // A login is a call too.
    let threshold = if is_provider() { "21" } else { "20" };
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__BREAKER__MIN_CALLS", threshold)]).await;
    for _ in 0..20 {
        gateway.get("/orders/1").await.problem(502, "upstream-answer-invalid");
    }
    let refused = gateway.get("/orders/1").await;
    refused.problem(503, "upstream-unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    let write = gateway.patch_status(1, r#"{"status":"new"}"#).await;
    assert_eq!(write.problem(503, "upstream-unavailable")["outcome"], "not-applied");
    assert_eq!(calls.load(Ordering::SeqCst), 20, "nothing more was sent");
    assert_eq!(gateway.metric(BREAKER).await, 2);
    // A read tries after a second, and finds that all is well again.
    soon("it answers again", async || gateway.get("/orders/1").await.status == 200).await;
    assert_eq!(gateway.metric(BREAKER).await, 0);
}

#[tokio::test]
async fn where_clients_only_write_one_read_finds_out_that_it_answers_again() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let upstream = Upstream::answering(move |query| match query {
        _ if down.load(Ordering::SeqCst) => Reply::bytes(b"").then_reset(),
        write if write.contains("set_status") => Reply::xml("<set_status><status>success</status></set_status>"),
        _ => Reply::xml(ORDER),
    })
    .await;
    let settings = [&TOUCHY[..], &[("UPSTREAMS__DEFAULT__BREAKER__MAX_OPEN", "100ms")]].concat();
    let gateway = Gateway::with(&upstream, &settings).await;
    let write = || gateway.patch_status(1, r#"{"status":"new"}"#);
    gateway.get("/orders/1").await;
    // A retry of this read that had to wait for the processor may have been one that tries.
    let asked = upstream.queries().len();
    let tries = async || {
        write().await.problem(503, "upstream-unavailable");
        upstream.queries().len() > asked
    };
    soon("it tries", tries).await;
    assert!(upstream.queries().iter().all(|query| query.contains("order_info")), "a write does not try");
    is_down.store(false, Ordering::SeqCst);
    soon("it finds out", async || write().await.status == 200).await;
    let queries = upstream.queries();
    let last = queries.iter().rev().take(2).map(|query| query.contains("set_status")).collect::<Vec<_>>();
    assert_eq!(last, [true, false], "{queries:?}");
}

#[tokio::test]
async fn what_the_order_system_refuses_or_does_not_have_is_no_trouble() {
    for reply in [
        Reply::status(404, "<html/>"),
        Reply::status(500, "<order_info><status>failed</status><response><message>Nej</message></response></order_info>"),
        Reply::status(403, "<html/>"),
        Reply::xml("<order_info/>"),
    ] {
        let upstream = Upstream::saying(reply).await;
        let gateway = Gateway::before(&upstream).await;
        for _ in 0..30 {
            gateway.get("/orders/1").await;
        }
        assert_eq!(upstream.queries().len(), 30);
    }
}
