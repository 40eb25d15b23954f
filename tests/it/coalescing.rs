//! Coalescing: concurrent equal reads share one upstream call, and a read after a write never returns older data.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use tokio::sync::Notify;

use crate::support::{FakeOrders, Gateway, Reply, Upstream, eventually, is_write, within_timeout};

const COALESCED: &str = r#"upstream_coalesced_total{call="order_info",upstream="default"}"#;

/// An upstream that holds the answers to the first `held` reads of an order until `latch` is notified, and answers later reads
/// immediately, with another status.
async fn holding_reads(held: usize, latch: &Arc<Notify>) -> Upstream {
    let (latch, reads) = (Arc::clone(latch), AtomicUsize::new(0));
    Upstream::responding_to(move |query| {
        let answer = |status: &str| {
            ["<order_info><orderinfo>".to_owned(), format!("<status>{status}</status></orderinfo></order_info>")]
        };
        if query.contains("set_status") {
            Reply::xml("<set_status><status>success</status></set_status>")
        } else if query.contains("add_message") {
            Reply::xml("<add_message><status>success</status></add_message>")
        } else if query.contains("customer_info") {
            Reply::xml("<customer_info><customer><id>1</id></customer></customer_info>")
        } else if reads.fetch_add(1, Ordering::SeqCst) < held {
            let [begin, end] = answer("new");
            Reply::held(&[&begin, &end], &latch)
        } else {
            Reply::xml(&answer("received").concat())
        }
    })
    .await
}

#[tokio::test]
async fn concurrent_reads_of_one_order_share_a_call() {
    let latch = Arc::new(Notify::new());
    let upstream = holding_reads(1, &latch).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let answers = join_all((0..40).map(|index| gateway.get(["/orders/1", "/orders/1/status"][index % 2])));
    let release = async {
        // The waiters send nothing upstream; only the number of active requests shows that all have arrived.
        eventually("all requests are waiting", async || gateway.active_requests().await == 40).await;
        latch.notify_one();
    };

    let (answers, ()) = tokio::join!(answers, release);

    assert!(answers.iter().all(|answer| answer.ok()["status"] == "new"));
    assert_eq!(upstream.queries().len(), 1);
    assert_eq!(gateway.metric(COALESCED).await, 39);
    // A finished call is not cached.
    assert_eq!(gateway.get("/orders/1").await.ok()["status"], "received");
}

#[tokio::test]
async fn different_reads_are_not_coalesced() {
    let latch = Arc::new(Notify::new());
    let upstream = holding_reads(1, &latch).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let first = gateway.get("/orders/1");
    let others = async {
        upstream.wait_for_requests(1).await;
        gateway.get("/orders/2").await.ok();
        gateway.get("/customers/1").await.ok();
        latch.notify_one();
    };

    tokio::join!(first, others);

    assert_eq!(upstream.queries().len(), 3);
    assert_eq!(gateway.metric(COALESCED).await, 0);
}

#[tokio::test]
async fn read_after_write_is_not_stale() {
    let writes: [(Method, &str, &str); 2] = [
        (Method::PATCH, "/orders/1/status", r#"{"status":"received"}"#),
        (Method::POST, "/orders/1/messages", r#"{"type":"log","text":"hej"}"#),
    ];
    for (method, target, body) in writes {
        let latch = Arc::new(Notify::new());
        let upstream = holding_reads(1, &latch).await;
        let gateway = Gateway::in_front_of(&upstream).await;
        let before = gateway.get("/orders/1");
        let after = async {
            upstream.wait_for_requests(1).await;
            let write = gateway.request(method, target).header("content-type", "application/json").body(body);
            gateway.send(write).await.ok();
            let answer = gateway.get("/orders/1").await.ok();
            latch.notify_one();
            answer
        };

        let (before, after) = tokio::join!(before, after);

        assert_eq!((&before.ok()["status"], &after["status"]), (&"new".into(), &"received".into()));
    }
}

/// An upstream that answers the n-th read when the n-th latch is notified; reads without a latch are answered immediately.
/// Writes are applied, and answered with `write_answer`.
async fn with_read_latches(orders: &FakeOrders, latches: &[Option<&Arc<Notify>>], write_answer: &str) -> Upstream {
    let (orders, write_answer, reads) = (orders.clone(), write_answer.to_owned(), AtomicUsize::new(0));
    let latches: Vec<_> = latches.iter().map(|latch| latch.cloned()).collect();
    Upstream::responding_to(move |query| {
        if is_write(query) {
            orders.apply(query);
            return Reply::xml(&write_answer);
        }
        match latches.get(reads.fetch_add(1, Ordering::SeqCst)) {
            Some(Some(latch)) => {
                let document = orders.document();
                let (begin, end) = document.split_at(12);
                Reply::held(&[begin, end], latch)
            }
            _ => orders.order_info(),
        }
    })
    .await
}

#[tokio::test]
async fn read_after_verified_write_is_not_stale() {
    let (orders, earlier_read, read_back) = (FakeOrders::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    // The first read is the read-back of the write, the second an ordinary read that starts meanwhile.
    let upstream = with_read_latches(&orders, &[Some(&read_back), Some(&earlier_read)], "<html/>").await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let write_and_read = async {
        gateway.patch_status(1, r#"{"status":"received"}"#).await.ok();
        let read = within_timeout(gateway.get("/orders/1")).await.ok();
        earlier_read.notify_one();
        read
    };
    let read_meanwhile = async {
        upstream.wait_for_requests(2).await;
        gateway.get("/orders/1").await.ok()
    };
    let release = async {
        upstream.wait_for_requests(3).await;
        orders.change_status("active");
        read_back.notify_one();
    };

    let (after, before, ()) = tokio::join!(write_and_read, read_meanwhile, release);

    assert_eq!((&after["status"], &before["status"]), (&"active".into(), &"received".into()));
}

#[tokio::test]
async fn read_after_unsent_write_is_not_stale() {
    let replay = |gateway: &Gateway| {
        let request = gateway.request(Method::POST, "/orders/1/messages").header("idempotency-key", "0123456789abcdef");
        request.header("content-type", "application/json").body(r#"{"type":"log","text":"hej"}"#)
    };
    let unmet_precondition = |gateway: &Gateway| {
        let request = gateway.request(Method::PATCH, "/orders/1/status").header("if-match", "\"another\"");
        request.header("content-type", "application/json").body(r#"{"status":"active"}"#)
    };

    for (unsent_write, status) in [(&replay as &dyn Fn(&Gateway) -> RequestBuilder, 201), (&unmet_precondition, 412)] {
        let (orders, latch) = (FakeOrders::new(), Arc::new(Notify::new()));
        let upstream =
            with_read_latches(&orders, &[None, Some(&latch)], "<add_message><status>success</status></add_message>").await;
        let gateway = Gateway::in_front_of(&upstream).await;

        gateway.send(replay(&gateway)).await.ok();
        let after = async {
            upstream.wait_for_requests(3).await;
            orders.change_status("received");
            assert_eq!(gateway.send(unsent_write(&gateway)).await.status, status);
            let read = within_timeout(gateway.get("/orders/1")).await.ok();
            latch.notify_one();
            read
        };
        let (before, after) = tokio::join!(gateway.get("/orders/1"), after);
        assert_eq!((&before.ok()["status"], &after["status"]), (&"new".into(), &"received".into()));
        assert_eq!(upstream.queries().iter().filter(|query| is_write(query)).count(), 1);
    }
}

#[tokio::test]
async fn shared_call_is_cancelled_with_its_last_waiter() {
    let latch = Arc::new(Notify::new());
    let upstream = holding_reads(2, &latch).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let leaving = gateway.request(Method::GET, "/orders/1").send();
    let staying = gateway.get("/orders/1");

    {
        let mut leaving = Box::pin(leaving);
        tokio::select! {
            _ = &mut leaving => panic!("the answer is held"),
            () = upstream.wait_for_requests(1) => {}
        }
        let release = async {
            eventually("both requests are waiting", async || gateway.active_requests().await == 2).await;
            drop(leaving);
            eventually("one client has disconnected", async || gateway.active_requests().await == 1).await;
            latch.notify_one();
        };
        let (answer, ()) = tokio::join!(staying, release);
        assert_eq!(answer.ok()["status"], "new");
        assert_eq!(upstream.queries().len(), 1);
    }

    let mut leaving = Box::pin(gateway.request(Method::GET, "/orders/1").send());
    tokio::select! {
        _ = &mut leaving => panic!("the answer is held"),
        () = upstream.wait_for_requests(2) => {}
    }
    drop(leaving);
    upstream.wait_for_disconnects(1).await;
}
