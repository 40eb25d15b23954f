//! Equal reads at the same time share one call of the order system, and nobody is told how it was before a write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use tokio::sync::Notify;

use crate::support::{Book, Gateway, Reply, Upstream, in_time, is_write, soon};

const SHARED: &str = r#"upstream_coalesced_total{call="order_info",upstream="default"}"#;

/// An order system whose answers to the first reads wait for the latch; the second and later ones come at once.
async fn holding(held: usize, latch: &Arc<Notify>) -> Upstream {
    let (latch, reads) = (Arc::clone(latch), AtomicUsize::new(0));
    Upstream::answering(move |query| {
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
async fn many_who_ask_for_the_same_order_cost_one_call() {
    let latch = Arc::new(Notify::new());
    let upstream = holding(1, &latch).await;
    let gateway = Gateway::before(&upstream).await;
    let answers = join_all((0..40).map(|index| gateway.get(["/orders/1", "/orders/1/status"][index % 2])));
    let release = async {
        // The last request has no other sign than that all of them have come.
        soon("all have come", async || gateway.waiting().await == 40).await;
        latch.notify_one();
    };
    let (answers, ()) = tokio::join!(answers, release);
    assert!(answers.iter().all(|answer| answer.ok()["status"] == "new"));
    assert_eq!(upstream.queries().len(), 1);
    assert_eq!(gateway.metric(SHARED).await, 39);
    // What is over is not remembered.
    assert_eq!(gateway.get("/orders/1").await.ok()["status"], "received");
}

#[tokio::test]
async fn other_orders_calls_and_lists_are_not_shared() {
    let latch = Arc::new(Notify::new());
    let upstream = holding(1, &latch).await;
    let gateway = Gateway::before(&upstream).await;
    let first = gateway.get("/orders/1");
    let others = async {
        upstream.asked(1).await;
        gateway.get("/orders/2").await.ok();
        gateway.get("/customers/1").await.ok();
        latch.notify_one();
    };
    tokio::join!(first, others);
    assert_eq!(upstream.queries().len(), 3);
    assert_eq!(gateway.metric(SHARED).await, 0);
}

#[tokio::test]
async fn who_writes_and_then_reads_is_not_told_how_it_was_before() {
    let writes: [(Method, &str, &str); 2] = [
        (Method::PATCH, "/orders/1/status", r#"{"status":"received"}"#),
        (Method::POST, "/orders/1/messages", r#"{"type":"log","text":"hej"}"#),
    ];
    for (method, target, body) in writes {
        let latch = Arc::new(Notify::new());
        let upstream = holding(1, &latch).await;
        let gateway = Gateway::before(&upstream).await;
        let before = gateway.get("/orders/1");
        let after = async {
            upstream.asked(1).await;
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

/// An order system with a book of which each read is answered when its latch says so: the first by the first, and so on.
/// Those without a latch are answered at once. Its writes are applied and answered with `told`.
async fn reading(book: &Book, latches: &[Option<&Arc<Notify>>], told: &str) -> Upstream {
    let (book, told, reads) = (book.clone(), told.to_owned(), AtomicUsize::new(0));
    let latches: Vec<_> = latches.iter().map(|latch| latch.cloned()).collect();
    Upstream::answering(move |query| {
        if is_write(query) {
            book.apply(query);
            return Reply::xml(&told);
        }
        match latches.get(reads.fetch_add(1, Ordering::SeqCst)) {
            Some(Some(latch)) => {
                let document = book.document();
                let (begin, end) = document.split_at(12);
                Reply::held(&[begin, end], latch)
            }
            _ => book.read(),
        }
    })
    .await
}

#[tokio::test]
async fn who_is_told_what_a_look_has_shown_does_not_read_how_it_was_before() {
    let (book, before, look) = (Book::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    // A look at what became of the write; then somebody reads.
    let upstream = reading(&book, &[Some(&look), Some(&before)], "<html/>").await;
    let gateway = Gateway::before(&upstream).await;
    let write_and_read = async {
        gateway.patch_status(1, r#"{"status":"received"}"#).await.ok();
        let read = in_time(gateway.get("/orders/1")).await.ok();
        before.notify_one();
        read
    };
    let somebody = async {
        upstream.asked(2).await;
        gateway.get("/orders/1").await.ok()
    };
    let release = async {
        upstream.asked(3).await;
        book.change("active");
        look.notify_one();
    };
    let (read, before, ()) = tokio::join!(write_and_read, somebody, release);
    assert_eq!((&read["status"], &before["status"]), (&"active".into(), &"received".into()));
}

#[tokio::test]
async fn who_is_told_why_nothing_was_sent_does_not_read_how_it_was_before() {
    let replay = |gateway: &Gateway| {
        let request = gateway.request(Method::POST, "/orders/1/messages").header("idempotency-key", "0123456789abcdef");
        request.header("content-type", "application/json").body(r#"{"type":"log","text":"hej"}"#)
    };
    let unexpected = |gateway: &Gateway| {
        let request = gateway.request(Method::PATCH, "/orders/1/status").header("if-match", "\"another\"");
        request.header("content-type", "application/json").body(r#"{"status":"active"}"#)
    };
    for (again, status) in [(&replay as &dyn Fn(&Gateway) -> RequestBuilder, 201), (&unexpected, 412)] {
        let (book, before) = (Book::new(), Arc::new(Notify::new()));
        let upstream = reading(&book, &[None, Some(&before)], "<add_message><status>success</status></add_message>").await;
        let gateway = Gateway::before(&upstream).await;
        gateway.send(replay(&gateway)).await.ok();
        let after = async {
            upstream.asked(3).await;
            book.change("received");
            assert_eq!(gateway.send(again(&gateway)).await.status, status);
            let read = in_time(gateway.get("/orders/1")).await.ok();
            before.notify_one();
            read
        };
        let (before, after) = tokio::join!(gateway.get("/orders/1"), after);
        assert_eq!((&before.ok()["status"], &after["status"]), (&"new".into(), &"received".into()));
        assert_eq!(upstream.queries().iter().filter(|query| is_write(query)).count(), 1);
    }
}

#[tokio::test]
async fn a_call_goes_on_for_those_who_stay_and_ends_with_the_last() {
    let latch = Arc::new(Notify::new());
    let upstream = holding(2, &latch).await;
    let gateway = Gateway::before(&upstream).await;
    let leaver = gateway.request(Method::GET, "/orders/1").send();
    let stayer = gateway.get("/orders/1");
    {
        let mut leaver = Box::pin(leaver);
        tokio::select! {
            _ = &mut leaver => panic!("it is held"),
            () = upstream.asked(1) => {}
        }
        let release = async {
            soon("both have come", async || gateway.waiting().await == 2).await;
            drop(leaver);
            soon("one has left", async || gateway.waiting().await == 1).await;
            latch.notify_one();
        };
        let (answer, ()) = tokio::join!(stayer, release);
        assert_eq!(answer.ok()["status"], "new");
        assert_eq!(upstream.queries().len(), 1);
    }
    let mut leaver = Box::pin(gateway.request(Method::GET, "/orders/1").send());
    tokio::select! {
        _ = &mut leaver => panic!("it is held"),
        () = upstream.asked(2) => {}
    }
    drop(leaver);
    upstream.left(1).await;
}
