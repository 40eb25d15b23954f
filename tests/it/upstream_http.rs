//! The upstream's HTTP: what is not used does not spoil an answer, what delimits it must be beyond doubt, and an idle connection
//! that the upstream has closed costs nothing.

use futures_util::future::join_all;

use crate::support::{Gateway, Reply, Upstream, fixture};

const ORDER: &str = "/orders/20417";
const STATUS: &str = r#"{"status":"received"}"#;

/// The bytes of an answer with this status line and these header lines, each with its line end, and the right length.
fn answer(status_line: &str, headers: &str, document: &str) -> Vec<u8> {
    format!("{status_line}\r\nContent-Type: text/xml\r\n{headers}Content-Length: {}\r\n\r\n{document}", document.len()).into()
}

/// An upstream whose answers to all calls are made by `bytes_of` from the right document.
async fn upstream(bytes_of: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Upstream {
    Upstream::responding_to(move |query| {
        let is_write = query.contains("set_status");
        Reply::raw(&bytes_of(&fixture(if is_write { "network/set_status.xml" } else { "network/order_info.xml" })))
    })
    .await
}

#[tokio::test]
async fn parts_of_an_answer_that_are_not_used_do_not_spoil_it() {
    let many = "X-Header: x\r\n".repeat(250);
    for (status_line, headers) in [
        ("HTTP/1.1 200 OK", "X-Powered-By : PHP/5.3\r\n"),
        ("HTTP/1.1 200 OK", "X-Folded: one\r\n\ttwo\r\n three\r\n"),
        ("HTTP/1.1 200 OK", "X Debug Info: x\r\n"),
        ("HTTP/1.1 200 OK", "Warning in line 3\r\n"),
        ("HTTP/1.1 200 OK", ": x\r\n"),
        ("HTTP/1.1 200 OK", "X-\u{e5}: x\r\n"),
        ("HTTP/1.1 200 OK", "X-Text: \u{e5}\u{e4}\u{f6}\r\n"),
        ("HTTP/1.1 200 OK", "X-Empty:\r\n"),
        ("HTTP/1.1 200 OK", "Date : Mon, 14 Mar 2016 08:05:00 GMT\r\n"),
        ("HTTP/1.1 200 OK", &many),
        ("HTTP/1.1 200", ""),
        ("HTTP/1.1 200 ", ""),
        ("HTTP/1.1 200 \u{c5}k\u{e4}j", ""),
        ("HTTP/1.0 200 OK", ""),
        ("HTTP/1.0 200 OK", "Connection: keep-alive\r\n"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", ""),
        ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK", ""),
    ] {
        let (first, rest) = (status_line.to_owned(), headers.to_owned());
        let upstream = upstream(move |document| answer(&first, &rest, document)).await;
        let gateway = Gateway::in_front_of(&upstream).await;

        assert_eq!(gateway.get(ORDER).await.status, 200, "{status_line:?} {headers:?}");
        assert_eq!(gateway.patch_status(20_417, STATUS).await.status, 200, "{status_line:?} {headers:?}");
        assert_eq!(upstream.heads().len(), 2, "each is sent once: {status_line:?} {headers:?}");
    }
}

#[tokio::test]
async fn bare_line_feeds_end_header_lines() {
    let upstream = upstream(|document| {
        let head = format!("HTTP/1.1 200 OK\nContent-Type: text/xml\nX-Folded: a\n b\nContent-Length: {}\n\n", document.len());
        (head + document).into()
    })
    .await;
    let gateway = Gateway::in_front_of(&upstream).await;

    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
}

#[tokio::test]
async fn charset_of_a_sloppily_written_content_type_is_used() {
    let upstream = Upstream::responding_to(|_| {
        let document =
            b"<order_info><orderinfo><type>order</type></orderinfo><customer><id>5</id><city>\xc5sele</city></customer></order_info>";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type : text/xml;\r\n charset=iso-8859-1\r\nContent-Length: {}\r\n\r\n",
            document.len()
        );
        Reply::raw(&[head.as_bytes(), document].concat())
    })
    .await;

    let order = Gateway::in_front_of(&upstream).await.get("/orders/1").await.ok();

    assert_eq!(order["customer"]["city"], "Åsele");
}

#[tokio::test]
async fn length_that_is_in_doubt_is_never_a_success() {
    let framings = [
        "Content-Length : LENGTH\r\n",
        "Content-Length\t: LENGTH\r\n",
        " Content-Length: LENGTH\r\n",
        "X-Folded: a\r\n Content-Length: LENGTH\r\n",
        "content-length LENGTH\r\n",
        "Content-Length: LENGTH\u{1}\r\n",
        "Content-Length: LENGTH\r\nContent-Length: 5\r\n",
        "Content-Length: 5, LENGTH\r\n",
        "Content-Length: +LENGTH\r\n",
        "Content-Length: LENGTHx\r\n",
        "Content-Length: -1\r\n",
        "Content-Length:\r\n",
        "Content-Length: LENGTH\r\n 0\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n",
        "Transfer-Encoding:\r\n",
    ];
    // Concurrently, because each takes the full time of the read-backs.
    join_all(framings.map(|framing| async move {
        let upstream = upstream(move |document| {
            let lines = framing.replace("LENGTH", &document.len().to_string());
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n{lines}\r\n{document}").into()
        })
        .await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "2s")]).await;

        gateway.get(ORDER).await.problem(502, "upstream-answer-invalid");
        let write = gateway.patch_status(20_417, STATUS).await;
        assert_eq!(write.problem(504, "outcome-unknown")["outcome"], "unknown", "{framing:?}");
        assert_eq!(upstream.queries().iter().filter(|query| query.contains("set_status")).count(), 1, "{framing:?}");
    }))
    .await;
}

#[tokio::test]
async fn connections_closed_by_the_upstream_between_reads_cost_no_read() {
    // The upstream closes a connection when the second request arrives on it: every reuse of a connection fails.
    for then_fail in [Reply::closing_next_request, Reply::resetting_next_request] {
        let document = fixture("network/order_info.xml");
        let upstream = Upstream::responding_to(move |_| then_fail(Reply::keep_alive(&document))).await;
        let gateway = Gateway::in_front_of(&upstream).await;

        for _ in 0..20 {
            let reads = join_all(
                (1..=10)
                    .map(|id| gateway.request(reqwest::Method::GET, &format!("/orders/{id}")))
                    .map(|request| gateway.send(request)),
            )
            .await;
            for read in reads {
                read.ok();
            }
        }

        assert_eq!(gateway.metric(r#"upstream_retries_total{call="order_info",upstream="default"}"#).await, 0);
    }
}
