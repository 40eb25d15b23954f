//! Writes that pass through to a legacy system: at most one each, and an ambiguous answer is settled by looking.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::in_front_of;
use crate::support::{FIRST_ORDER, FakeLegacy, Fault, LegacyAnswer, NETWORK_PATH, eventually, exchange, is_provider, is_write};

async fn facade(legacy: &FakeLegacy) -> SocketAddr {
    let mut settings = vec![
        ("SERVER__REQUEST_TIMEOUT", "1500ms"),
        ("UPSTREAMS__OLD__TIMEOUT", "400ms"),
        ("UPSTREAMS__OLD__CONNECT_TIMEOUT", "200ms"),
    ];
    if is_provider() {
        settings.extend([("UPSTREAMS__OLD__DIALECT", "provider"), ("UPSTREAMS__OLD__API_KEY", "KEY")]);
    }
    in_front_of(&legacy.url(), &settings).await
}

fn request(order: u64, text: &str) -> String {
    let query = format!("method=add_message&api_user=1234&id={order}&type=log&message={text}");
    format!("GET {NETWORK_PATH}?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

/// What a client may conclude from an answer to a write: that it was applied, or nothing.
fn is_success(answer: &LegacyAnswer, fault: Fault) -> bool {
    match answer.status {
        200 => {
            assert!(answer.text().contains("<status>success</status>"), "{fault:?}: {}", answer.text());
            true
        }
        status => {
            assert_eq!((status, &*answer.text()), (504, ""), "{fault:?}");
            false
        }
    }
}

#[tokio::test]
async fn writes_arrive_once_and_no_answer_is_wrong() {
    let faults = [
        Fault::None,
        Fault::Drop,
        Fault::Reset,
        Fault::Html(200),
        Fault::Html(503),
        Fault::Cut(0),
        Fault::Cut(60),
        Fault::AnswerReset,
        Fault::Hang,
        Fault::Drip,
    ];
    let cases = faults.into_iter().map(|fault| async move {
        let legacy = FakeLegacy::with_orders(3, move |query| if is_write(query) { fault } else { Fault::None }).await;
        let address = facade(&legacy).await;

        let message = exchange(address, request(FIRST_ORDER, "once").as_bytes()).await;
        legacy.wait_until_idle().await;
        let applied = legacy.log_texts_containing(FIRST_ORDER, "once").await.len();
        assert_eq!(usize::from(is_success(&message, fault)), applied, "{fault:?}");

        let status =
            format!("GET {NETWORK_PATH}?method=set_status&api_user=1234&id={FIRST_ORDER}&status=waiting HTTP/1.0\r\n\r\n");
        let status = exchange(address, status.as_bytes()).await;
        legacy.wait_until_idle().await;
        assert_eq!(is_success(&status, fault), legacy.status(FIRST_ORDER).await == "waiting", "{fault:?}");
        assert_eq!(legacy.write_count(), 2, "{fault:?}");
    });
    join_all(cases).await;
}

#[tokio::test]
async fn writes_of_clients_that_hang_up_are_finished() {
    const CLIENTS: u64 = 20;
    let legacy = FakeLegacy::with_orders(30, |query| match query {
        query if is_write(query) => Fault::Delay(Duration::from_millis(50)),
        _ => Fault::None,
    })
    .await;
    let address = facade(&legacy).await;
    for client in 0..CLIENTS {
        let mut stream = TcpStream::connect(address).await.expect("the facade listens");
        stream.write_all(request(FIRST_ORDER + client, "hung-up").as_bytes()).await.expect("the facade reads");
        // What has not been sent when the client leaves is not sent at all.
        eventually("it is sent", async || legacy.write_count() > usize::try_from(client).expect("a few")).await;
    }

    legacy.wait_until_idle().await;

    for client in 0..CLIENTS {
        assert_eq!(legacy.log_texts_containing(FIRST_ORDER + client, "hung-up").await.len(), 1);
    }
    assert_eq!(legacy.write_count(), usize::try_from(CLIENTS).expect("a few"));
}

#[tokio::test]
async fn each_order_has_one_system_that_writes_to_it() {
    let (old, new) = (FakeLegacy::with_orders(6, |_| Fault::None).await, FakeLegacy::with_orders(6, |_| Fault::None).await);
    let listed = |text: &str| -> Vec<u64> {
        text.split("<order><id>").skip(1).filter_map(|rest| rest.split('<').next()?.parse().ok()).collect()
    };
    let list = format!("GET {NETWORK_PATH}?method=orders&api_user=1234&date=2016-01-01 HTTP/1.0\r\n\r\n");
    let ids = listed(&exchange(facade(&old).await, list.as_bytes()).await.text());
    let (new_url, middle) = (new.url(), ids[3].to_string());
    for from_id in ["9007199254740991", &*middle, "1"] {
        let mut settings = vec![
            ("UPSTREAMS__NEW__URL", &*new_url),
            ("UPSTREAMS__NEW__API_USER", "1234"),
            ("FACADE__ROUTE__BELOW", "old"),
            ("FACADE__ROUTE__ABOVE", "new"),
            ("FACADE__ROUTE__FROM_ID", from_id),
        ];
        if is_provider() {
            settings.extend([("UPSTREAMS__OLD__DIALECT", "provider"), ("UPSTREAMS__OLD__API_KEY", "KEY")]);
            settings.extend([("UPSTREAMS__NEW__DIALECT", "provider"), ("UPSTREAMS__NEW__API_KEY", "KEY")]);
        }
        let address = in_front_of(&old.url(), &settings).await;
        assert_eq!(listed(&exchange(address, list.as_bytes()).await.text()), ids, "each order is listed once");
        let from: u64 = from_id.parse().expect("an id");
        for id in &ids {
            let text = format!("from-{from_id}-");
            assert_eq!(exchange(address, request(*id, &text).as_bytes()).await.status, 200);
            let written = [&old, &new].map(|system| system.log_texts_containing(*id, &text));
            let [old, new] = written;
            let expected = if *id < from { (1, 0) } else { (0, 1) };
            assert_eq!((old.await.len(), new.await.len()), expected, "{id} from {from_id}");
        }
    }
}
