//! Response compression: negotiated, transparent, and flushed item by item.

use std::io::Read;
use std::sync::Arc;

use futures_util::StreamExt;
use reqwest::Method;
use tokio::sync::Notify;

use crate::support::{Gateway, Reply, Upstream};

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

fn orders(count: u32) -> String {
    let order = |id| format!("<order><id>{id}</id><type>order</type><customer>{id}</customer></order>");
    (1..=count).map(order).collect::<Vec<_>>().concat()
}

/// Decodes as much as possible: the bytes may be a prefix of a body.
fn decode_prefix(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(bytes).expect("a decoder")),
        _ => panic!("{coding}"),
    };
    let (mut decoded, mut chunk) = (Vec::new(), [0; 1024]);
    while let Ok(length @ 1..) = reader.read(&mut chunk) {
        decoded.extend_from_slice(&chunk[..length]);
    }
    decoded
}

async fn get(gateway: &Gateway, target: &str, coding: &str) -> reqwest::Response {
    gateway.request(Method::GET, target).header("accept-encoding", coding).send().await.expect("a response")
}

#[tokio::test]
async fn compression_preserves_the_list() {
    for count in [200, 20_000] {
        let upstream = Upstream::responding_with(Reply::xml(&format!("<orders>{}</orders>", orders(count)))).await;
        let gateway = Gateway::in_front_of(&upstream).await;

        for target in ["/orders?since=2016-03-14", "/orders?since=2016-03-14&limit=1000"] {
            let plain = gateway.get(target).await.body;
            for coding in CODINGS {
                let response = get(&gateway, target, coding).await;

                assert_eq!(response.headers()["content-encoding"], coding);
                assert_eq!(response.headers()["vary"], "accept-encoding");

                let bytes = response.bytes().await.expect("a complete body");
                assert!(bytes.len() < plain.len() / 3, "{coding} {} of {}", bytes.len(), plain.len());
                assert_eq!(String::from_utf8(decode_prefix(coding, &bytes)).expect("UTF-8"), plain, "{coding}");
            }
        }
    }
}

#[tokio::test]
async fn bodies_from_4096_bytes_are_compressed() {
    let (envelope, item) = ("{\"items\":[]}".len(), "{\"id\":1,\"type\":\"\",\"deliverAsap\":false}".len());
    for (size, is_compressed) in [(4095, false), (4096, true), (4097, true)] {
        let kind = "x".repeat(size - envelope - item);
        let upstream =
            Upstream::responding_with(Reply::xml(&format!("<orders><order><id>1</id><type>{kind}</type></order></orders>")))
                .await;
        let gateway = Gateway::in_front_of(&upstream).await;

        assert_eq!(gateway.get("/orders?since=2016-03-14").await.body.len(), size);

        let response = get(&gateway, "/orders?since=2016-03-14", "gzip").await;
        assert_eq!(response.headers().contains_key("content-encoding"), is_compressed, "{size}");

        let response = get(&gateway, "/orders?since=2016-03-14", "identity").await;
        assert!(!response.headers().contains_key("content-encoding"), "{size}");

        let response = get(&gateway, "/nowhere", "gzip").await;
        assert!(!response.headers().contains_key("content-encoding"));
    }
}

#[tokio::test]
async fn compressed_items_are_flushed_immediately() {
    for coding in CODINGS {
        let latch = Arc::new(Notify::new());
        let first = format!("<orders>{}", orders(1));
        let upstream = Upstream::responding_with(Reply::held(&[&first, &format!("{}</orders>", orders(2))], &latch)).await;
        let gateway = Gateway::in_front_of(&upstream).await;

        let mut body = get(&gateway, "/orders?since=2016-03-14", coding).await.bytes_stream();

        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&decode_prefix(coding, &bytes)).contains("\"id\":1") {
            bytes.extend_from_slice(&body.next().await.expect("more of the body").expect("bytes"));
        }

        latch.notify_one();
        while let Some(more) = body.next().await {
            bytes.extend_from_slice(&more.expect("bytes"));
        }

        let list: serde_json::Value = serde_json::from_slice(&decode_prefix(coding, &bytes)).expect("complete JSON");
        assert_eq!(list["items"].as_array().map(Vec::len), Some(3), "{coding}");
    }
}

#[tokio::test]
async fn truncated_compressed_list_breaks_off() {
    let upstream = Upstream::responding_with(Reply::xml(&format!("<orders>{}", orders(2_000)))).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for coding in CODINGS {
        let response = get(&gateway, "/orders?since=2016-03-14", coding).await;

        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.is_err(), "{coding}");
    }
}
