//! Whatever the order system answers to a read, the client gets the truth or a clear error.

use serde_json::json;

use crate::support::{Gateway, Reply, Upstream, fixture};

/// Reads one order from an order system that answers this.
async fn order_from(reply: Reply) -> crate::support::Answer {
    let upstream = Upstream::saying(reply).await;
    Gateway::before(&upstream).await.get("/orders/1").await
}

async fn orders_from(reply: Reply) -> crate::support::Answer {
    let upstream = Upstream::saying(reply).await;
    Gateway::before(&upstream).await.get("/orders?since=2016-03-14").await
}

const ORDER: &str = "<order_info><orderinfo><status>new</status></orderinfo></order_info>";

#[tokio::test]
async fn an_order_is_recognised_in_every_envelope_that_may_come() {
    let inside = "<orderinfo><status>new</status></orderinfo>";
    for document in [
        ORDER.to_owned(),
        format!("<order_info><response>{inside}</response><status>success</status></order_info>"),
        format!("<order_info><status>success</status><response>{inside}</response></order_info>"),
        format!("<order_info>{inside}<status>SUCCESS</status></order_info>"),
        format!("<api>{ORDER}</api>"),
        format!("<a><b>{ORDER}</b></a>"),
        format!("<api><status>success</status>{ORDER}</api>"),
        format!("\u{feff}<?xml version='1.0'?>\n<!-- made by hand -->{ORDER}<!-- the end -->\n"),
        format!("\n<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>{ORDER}"),
        "<x:order_info xmlns:x=\"y\"><x:orderinfo id=\"1\"><x:status a='>'>n<!-- -->ew</x:status></x:orderinfo></x:order_info>".to_owned(),
        "<order_info><orderinfo><status><![CDATA[new]]></status><status>active</status><new_element>1</new_element></orderinfo></order_info>".to_owned(),
        "<order_info><orderinfo>text <status> new\n</status></orderinfo></order_info>".to_owned(),
        format!("<serviceguide>{ORDER}</serviceguide>"),
        format!("<order_info>{ORDER}</order_info>"),
        format!("<api><version>2</version>{ORDER}<took>3 ms</took></api>"),
    ] {
        let answer = order_from(Reply::xml(&document)).await;
        assert_eq!(answer.ok()["status"], "new", "{document}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_so() {
    let deep =
        format!("<order_info><orderinfo>{}{}</orderinfo></order_info>", "<a>".repeat(1_000_000), "</a>".repeat(1_000_000));
    for document in [
        "",
        " \n",
        "OK",
        "<html><head><title>Login</title></head><body>Log in</body></html>",
        "<!DOCTYPE html><html><body>Maintenance</body></html>",
        "<!DOCTYPE order_info [<!ENTITY a \"b\">]><order_info><orderinfo><status>&a;</status></orderinfo></order_info>",
        "<?php echo 1 ?><order_info/>",
        "Warning: mysql_connect() in /var/www on line 3<order_info><orderinfo><status>new</status></orderinfo></order_info>",
        "<br /><b>Warning</b>: x<order_info><orderinfo><status>new</status></orderinfo></order_info>",
        "<order_info><orderinfo><status>new</status></orderinfo>",
        "<order_info><orderinfo><status>new</status></orderinfo></order_info",
        "<order_info><orderinfo><status>new</orderinfo></status></order_info>",
        "<order_info><orderinfo><status>new</status></orderinfo></order_info><order_info/>",
        "<order_info><orderinfo><status>new</status></orderinfo></order_info>done",
        "<order_info><orderinfo><status>new</status></orderinfo></order_info><?xml version='1.0'?>",
        "<orders><response/></orders>",
        "<api><orders/><order_info><orderinfo><status>new</status></orderinfo></order_info></api>",
        "<api><order_info><orderinfo><status>new</status></orderinfo></order_info><order_info/></api>",
        "<a><b><c><order_info><orderinfo><status>new</status></orderinfo></order_info></c></b></a>",
        "<order_info><orderinfo><status>new</status></orderinfo><status>perhaps</status></order_info>",
        "<order_info><status>success</status><orderinfo><status>new</status></orderinfo><status>failed</status></order_info>",
        "<order_info><response><message>Something</message></response></order_info>",
        "<order_info><response><log><line1>x</line1></log></response></order_info>",
        "<order_info><response><code>500</code></response></order_info>",
        "<order_info>Unknown order</order_info>",
        "<order_info><surprise>1</surprise></order_info>",
        "<order_info><logs><log><message>x</message></log></logs></order_info>",
        "<order_info><orderinfo><status>new</status></orderinfo><customer><id>x</id></customer></order_info>",
        "<order_info><orderinfo><status>new</status></orderinfo><customer><city>Åsele</city></customer></order_info>",
        "<order_info><orderinfo>Databasfel</orderinfo></order_info>",
        "<order_info><customer>unknown</customer></order_info>",
        "<api><message>Systemfel</message><order_info/></api>",
        "<api>Warning<order_info/></api>",
        "<api><order_info/><error>x</error></api>",
        "<api><user><status>success</status></user><order_info><orderinfo><status>new</status></orderinfo></order_info></api>",
        "<a><b><order_info><orderinfo><status>new</status></orderinfo></order_info></b><status>success</status></a>",
        "<order_info><order_info><order_info><order_info/></order_info></order_info></order_info>",
        "<order_info a=b><orderinfo><status>new</status></orderinfo></order_info>",
        "<order_info a=\"<\"><orderinfo><status>new</status></orderinfo></order_info>",
        "< order_info><orderinfo><status>new</status></orderinfo></ order_info>",
        "<1order_info/>",
        "</order_info>",
        "<order_info><![CDATA[x]]><orderinfo/></order_info>",
        deep.as_str(),
    ] {
        let problem = order_from(Reply::xml(document)).await.problem(502, "upstream-answer-invalid");
        assert!(problem.get("upstreamMessage").is_none(), "{problem}");
        for text in ["Maintenance", "mysql", "Something", "Unknown order", "Log in"] {
            assert!(!problem.to_string().contains(text), "{problem}");
        }
    }
    let utf_16: Vec<u8> = ORDER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    order_from(Reply::typed(200, "text/xml", &utf_16)).await.problem(502, "upstream-answer-invalid");
    let marked = [b"\xff\xfe".as_slice(), &utf_16].concat();
    assert_eq!(order_from(Reply::typed(200, "text/xml", &marked)).await.ok()["status"], "new");
}

#[tokio::test]
async fn an_answer_that_holds_nothing_is_no_such_entity() {
    let not_there = [
        "<order_info/>",
        "<order_info></order_info>",
        "<order_info><response/></order_info>",
        "<order_info><orderinfo/><customer></customer><logs/><serviceinfo> </serviceinfo></order_info>",
        "<order_info><response/><status>success</status></order_info>",
        "<order_info><customer><id>5</id><city>Åsele</city></customer></order_info>",
        "<order_info><orderinfo><date/><type></type><status> </status></orderinfo><customer><id/><email/></customer></order_info>",
        "<api><status>success</status><order_info/></api>",
    ];
    for document in not_there {
        order_from(Reply::xml(document)).await.problem(404, "order-not-found");
    }
    for document in [
        "<customer_info><customer><id/></customer><data/></customer_info>",
        "<customer_info><customer><firstname>Tolvan</firstname></customer></customer_info>",
    ] {
        let upstream = Upstream::saying(Reply::xml(document)).await;
        Gateway::before(&upstream).await.get("/customers/1").await.problem(404, "customer-not-found");
    }
    // Not found is said by the order system's own words, not by a web server in front of it.
    order_from(Reply::status(404, "<html><body>Not Found</body></html>")).await.problem(502, "upstream-answer-invalid");
    order_from(Reply::status(404, "<order_info/>")).await.problem(502, "upstream-answer-invalid");
    for failed in [
        Reply::status(404, "<order_info><status>failed</status><response><message>x</message></response></order_info>"),
        Reply::status(500, "<order_info><status>failed</status><response><code>404</code></response></order_info>"),
        Reply::xml("<order_info><response><code>404</code></response><status>failed</status></order_info>"),
    ] {
        order_from(failed).await.problem(404, "order-not-found");
    }
}

#[tokio::test]
async fn another_customer_than_was_asked_for_is_no_answer() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::before(&upstream).await;
    gateway.get("/customers/18020").await.ok();
    gateway.get("/customers/18021").await.problem(502, "upstream-answer-invalid");
}

#[tokio::test]
async fn a_refusal_is_passed_on_in_the_order_systems_own_words() {
    for status in [200, 302, 400, 426, 500] {
        let document = "<order_info><response><message>Kund 19121212-1212 är\u{7} spärrad, ring 070-174 06 05</message></response><status>failed</status></order_info>";
        let problem = order_from(Reply::status(status, document)).await.problem(502, "refused-by-upstream");
        assert_eq!(problem["upstreamMessage"], "Kund **** är spärrad, ring ****");
    }
    let document = fixture("network/failed_after_response.xml").replace("add_message", "order_info");
    let problem = order_from(Reply::status(400, &document)).await.problem(502, "refused-by-upstream");
    assert_eq!(problem["upstreamMessage"], "1 errors type is not valid");
    let wordless = order_from(Reply::xml("<order_info><status>failed</status></order_info>")).await;
    assert!(wordless.problem(502, "refused-by-upstream").get("upstreamMessage").is_none());
    let long = format!("<order_info><status>failed</status><message>{}</message></order_info>", "å".repeat(600));
    let problem = order_from(Reply::xml(&long)).await.problem(502, "refused-by-upstream");
    assert_eq!(problem["upstreamMessage"].as_str().map(|text| text.chars().count()), Some(500));
}

#[tokio::test]
async fn a_rejected_credential_is_told_apart() {
    for reply in [
        Reply::status(401, "<html>Unauthorized</html>"),
        Reply::status(403, ""),
        Reply::xml("<order_info><status>failed</status><response><code>403</code></response></order_info>"),
        Reply::status(
            500,
            "<order_info><status>failed</status><response><message>Access denied for 10.0.0.1</message></response></order_info>",
        ),
        Reply::xml("<order_info><status>failed</status><message>Åtkomst nekad</message></order_info>"),
    ] {
        let problem = order_from(reply).await.problem(502, "upstream-credential-rejected");
        assert!(problem.get("upstreamMessage").is_none());
    }
    let upstream =
        Upstream::saying(Reply::xml("<order_info><status>failed</status><message>Fel IP</message></order_info>")).await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__CREDENTIAL_REFUSAL_WORDS", "fel ip, fel användare")]).await;
    gateway.get("/orders/1").await.problem(502, "upstream-credential-rejected");
}

#[tokio::test]
async fn http_trouble_is_told_by_whose_it_is() {
    order_from(Reply::status(503, "")).await.problem(503, "upstream-unavailable");
    let answer = order_from(Reply::status(503, "<html>busy</html>").with_header("Retry-After: 17")).await;
    answer.problem(503, "upstream-unavailable");
    assert_eq!(answer.header("retry-after"), "17");
    let answer = order_from(Reply::status(503, "").with_header("Retry-After: 86400")).await;
    assert_eq!(answer.header("retry-after"), "60");
    for reply in [
        Reply::status(500, ORDER),
        Reply::status(301, "").with_header("Location: http://127.0.0.1:1/"),
        Reply::bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<order_info>"),
        Reply::bytes(b"garbage\r\n\r\n"),
        Reply::bytes(b""),
        Reply::bytes(b"").then_reset(),
        Reply::typed(200, "application/json", b"{}"),
        Reply::typed(200, "text/xml", &[0x1f, 0x8b, 8, 0]).with_header("Content-Encoding: gzip"),
    ] {
        order_from(reply).await.problem(502, "upstream-answer-invalid");
    }
    let gateway = Gateway::before_url("http://127.0.0.1:9/orders", &[]).await;
    gateway.get("/orders/1").await.problem(502, "upstream-unreachable");
    gateway.get("/orders?since=2016-03-14").await.problem(502, "upstream-unreachable");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let settings = &[("UPSTREAMS__DEFAULT__TIMEOUT", "200ms")];
    let begun = |document: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{document}").into_bytes();
    for (order, customers) in [(vec![], vec![]), (begun("<order_info><orderinfo>"), begun("<customers><customer><id>1</id>"))] {
        let silent =
            move |query: &str| Reply::bytes(if query.contains("order_info") { &order } else { &customers }).then_hang();
        let upstream = Upstream::answering(silent).await;
        let gateway = Gateway::with(&upstream, settings).await;
        gateway.get("/orders/1").await.problem(504, "upstream-timeout");
        gateway.get("/customers?since=2016-03-14").await.problem(504, "upstream-timeout");
    }
}

#[tokio::test]
async fn sizes_are_bounded_exactly() {
    let document = |filler: usize| {
        format!("<order_info><orderinfo><status>new</status><!--{}--></orderinfo></order_info>", "x".repeat(filler))
    };
    let room = 2048 - document(0).len();
    for (filler, status) in [(room, 200), (room + 1, 502)] {
        let upstream = Upstream::saying(Reply::xml(&document(filler))).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", "2048")]).await;
        assert_eq!(gateway.get("/orders/1").await.status, status);
    }
    let list = |filler: usize| format!("<orders><order><id>1</id><x>{}</x></order></orders>", "x".repeat(filler));
    let room = 2048 - "<order><id>1</id><x></x></order>".len();
    for (filler, status) in [(room, 200), (room + 1, 502)] {
        let upstream = Upstream::saying(Reply::xml(&list(filler))).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_ITEM_BYTES", "2048")]).await;
        assert_eq!(gateway.get("/orders?since=2016-03-14").await.status, status);
    }
}

#[tokio::test]
async fn lists_are_recognised_in_every_envelope_that_may_come() {
    let two = fixture("network/orders.xml");
    let items = orders_from(Reply::xml(&two)).await.ok();
    for document in [
        two.replace("orders>", "serviceguide>"),
        format!("<api><v1>{}</v1></api>", two.split_once("?>").expect("a declaration").1),
        two.replace("</response>", "</response><status>success</status>"),
        two.replace("<response>", "").replace("</response>", ""),
        format!("<serviceguide>{}</serviceguide>", two.split_once("?>").expect("a declaration").1),
        two.replace("<response>", "<status>success</status><response><message>2 orders</message>"),
    ] {
        assert_eq!(orders_from(Reply::xml(&document)).await.ok(), items, "{document}");
    }
    for document in [
        "<orders/>",
        "<serviceguide><orders/></serviceguide>",
        "<orders></orders>",
        "<orders><response/></orders>",
        "<serviceguide><response>\n</response><status>success</status></serviceguide>",
    ] {
        assert_eq!(orders_from(Reply::xml(document)).await.ok(), json!({"items": []}), "{document}");
    }
}

#[tokio::test]
async fn a_list_that_is_none_is_told_so() {
    for document in [
        "",
        "<html><body/></html>",
        "<orders>",
        "<orders><message>Try later</message></orders>",
        "<orders><response><code>7</code></response></orders>",
        "<orders><customer><id>1</id></customer></orders>",
        "<orders>No orders</orders>",
        "<orders><status>maybe</status></orders>",
        "<orders><response><status>failed</status><order><id>5</id></order></response></orders>",
        "<orders>Warning<response><order><id>5</id></order></response></orders>",
        "<orders><response><status>success</status></response></orders>",
        "<customers/>",
        "<api><error><message>DB nere</message></error><orders/></api>",
        "<api>Warning: mysql<orders/></api>",
        "<api><orders/><warning/></api>",
        "<orders/><orders/>",
        "<a><b><c><orders/></c></b></a>",
    ] {
        orders_from(Reply::xml(document)).await.problem(502, "upstream-answer-invalid");
    }
    let refused = "<orders><response><message>Nej</message></response><status>failed</status></orders>";
    assert_eq!(orders_from(Reply::xml(refused)).await.problem(502, "refused-by-upstream")["upstreamMessage"], "Nej");
    for status in [404, 500] {
        let problem = orders_from(Reply::status(status, refused)).await.problem(502, "refused-by-upstream");
        assert_eq!(problem["upstreamMessage"], "Nej");
    }
    let first = "<orders><status>failed</status><response><order><id>5</id></order><message>Nej</message></response></orders>";
    assert_eq!(orders_from(Reply::xml(first)).await.problem(502, "refused-by-upstream")["upstreamMessage"], "Nej");
    let nowhere = "<orders><status>failed</status><response><code>404</code></response></orders>";
    orders_from(Reply::xml(nowhere)).await.problem(502, "refused-by-upstream");
    orders_from(Reply::status(500, "<orders/>")).await.problem(502, "upstream-answer-invalid");
    orders_from(Reply::status(403, "<orders/>")).await.problem(502, "upstream-credential-rejected");
    orders_from(Reply::status(503, "<orders/>")).await.problem(503, "upstream-unavailable");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_does_not_spoil_the_list() {
    let document = "<orders><order><id>1</id></order><order><status>new</status></order><order><id>007</id></order>\
                    <order><id>4</id><customer>x</customer></order><order><id>5</id><date>yesterday</date></order></orders>";
    let list = orders_from(Reply::xml(document)).await.ok();
    assert_eq!(list["items"], json!([{"id": 1, "deliverAsap": false}, {"id": 5, "deliverAsap": false}]));
    let unreadable = list["unreadable"].as_array().expect("unreadable items");
    let places: Vec<_> = unreadable.iter().map(|item| (item["position"].as_u64(), item["id"].as_u64())).collect();
    assert_eq!(places, [(Some(2), None), (Some(3), None), (Some(4), Some(4))]);
    assert!(unreadable.iter().all(|item| item["detail"].is_string()));
}

/// Answers that would take minutes if anything looked at them again and again.
#[tokio::test]
async fn answers_made_to_be_slow_are_not() {
    let order = |inside: &str| format!("<order_info><orderinfo><status>new</status>{inside}</orderinfo></order_info>");
    let many_attributes = " a=\"\"".repeat(200_000);
    let documents = [
        order(&format!("<x>{}</x>", "&".repeat(4_000_000))),
        order(&format!("<x{many_attributes}/>")),
        order(&format!("<x y=\"1\"/>{}", "<a/>".repeat(500_000))),
        format!("<order_info>{}<orderinfo><status>new</status></orderinfo></order_info>", "<logs/>".repeat(300_000)),
    ];
    for document in documents {
        assert_eq!(order_from(Reply::xml(&document)).await.ok()["status"], "new");
    }
    let overgrown = order(&"<a/>".repeat(1_000_001));
    order_from(Reply::xml(&overgrown)).await.problem(502, "upstream-answer-invalid");
    let wordy = format!("<order_info><status>failed</status><message>{}</message></order_info>", "1 ".repeat(1_000_000));
    order_from(Reply::xml(&wordy)).await.problem(502, "refused-by-upstream");
}
