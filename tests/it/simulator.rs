//! The simulator: the legacy protocol over the in-memory backend.

use crate::support::{Gateway, Program};

struct Simulator {
    _program: Program,
    url: String,
}

impl Simulator {
    async fn start(arguments: &[&str]) -> Self {
        let arguments = [&["simulate", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut program = Program::start(&arguments, &[]);
        let line = program.line_with("__URL=").await;
        let url = line.split(['=', ' ']).find(|token| token.starts_with("http")).expect("an address").to_owned();
        Self { _program: program, url }
    }

    async fn call(&self, query: &str) -> (u16, String) {
        let client = crate::support::http_client().build().expect("a client");
        let response = client.get(format!("{}?{query}", self.url)).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a document"))
    }
}

#[tokio::test]
async fn simulator_uses_the_legacy_envelopes() {
    let simulator = Simulator::start(&["--orders", "30"]).await;

    let (status, orders) = simulator.call("method=orders&api_user=1234&date=2016-03-14").await;
    assert_eq!(status, 200);
    assert!(
        orders.contains("<orders><response><order><id>20417</id><type>order</type><date>2016-03-14 09:05:00</date>"),
        "{orders}"
    );
    assert!(orders.ends_with("</response></orders>"));
    assert_eq!(orders.matches("<order>").count(), 30);

    let date = today_in_stockholm();
    let (_, recent) = simulator.call(&format!("method=orders&api_user=1234&date={date}")).await;
    assert_eq!(recent.matches("<order>").count(), 1, "{recent}");

    let (_, order) = simulator.call("method=order_info&api_user=1234&id=20417").await;
    assert!(order.contains("<order_info><orderinfo><date>2016-03-14 09:05</date>"), "{order}");

    let (_, customer) = simulator.call("method=customer_info&api_user=1234&id=18020").await;
    assert!(customer.contains("<member>1234</member></customer><data><message>"), "{customer}");

    let (_, customers) = simulator.call("method=customers&api_user=1234&date=2016-03-14").await;
    assert!(customers.contains("<customers><customer><id>18020</id><socket>"), "{customers}");

    let (_, changed) = simulator.call("method=set_status&api_user=1234&id=20417&status=active").await;
    let confirmed = "<set_status><response><message>Status changed to active for order 20417</message></response>\
                     <status>success</status></set_status>";
    assert_eq!(changed, confirmed);

    let log_entries = |order: &str| order.matches("<log>").count();
    let (_, after) = simulator.call("method=order_info&api_user=1234&id=20417").await;
    assert_eq!(log_entries(&after), log_entries(&order) + 1);

    // Setting the same status again adds another log entry.
    simulator.call("method=set_status&api_user=1234&id=20417&status=active").await;
    simulator.call("method=add_message&api_user=1234&id=20417&message=a%26b&type=log").await;
    let (_, after) = simulator.call("method=order_info&api_user=1234&id=20417").await;
    assert_eq!(log_entries(&after), log_entries(&order) + 3);
    assert!(after.contains("<message>a&amp;b</message><type>log</type>"), "{after}");
}

/// Today's date in the upstream's time zone.
fn today_in_stockholm() -> String {
    let zone = tjansteguiden_gateway::model::Zone::stockholm();
    zone.date(tjansteguiden_gateway::model::now()).to_string()
}

#[tokio::test]
async fn simulator_rejects_like_the_legacy_system() {
    let simulator = Simulator::start(&["--api-user", "77"]).await;

    for (query, status, text) in [
        (
            "method=order_info&id=20417",
            403,
            "<order_info><status>failed</status><response><code>403</code><message>Access denied",
        ),
        ("method=order_info&api_user=1234&id=20417", 403, "Access denied"),
        ("method=nonsense&api_user=77", 404, "<status>failed</status>"),
        ("", 404, "<status>failed</status>"),
        ("method=orders&api_user=77", 400, "<orders><status>failed</status>"),
        ("method=orders&api_user=77&date=yesterday", 400, "date is not valid"),
        ("method=set_status&api_user=77&id=20417&status=done", 400, "status is not valid"),
        ("method=add_message&api_user=77&id=20417&message=x&type=note", 400, "type is not valid"),
        ("method=add_message&api_user=77&id=20417&message=&type=log", 400, "message is empty"),
        ("method=add_message&api_user=77&id=20417&message=a%00&type=log", 400, "message has control characters"),
        ("method=add_message&api_user=77&id=20417&message=%07a&type=log", 400, "message has control characters"),
        ("method=add_message&api_user=77&id=20417&message=a%C2%85b&type=log", 400, "message has control characters"),
        ("method=add_message&api_user=77&id=20417&message=a%EF%BF%BE&type=log", 400, "message has control characters"),
        ("method=set_status&api_user=77&id=1&status=new", 404, "<set_status><status>failed</status><response><code>404</code>"),
        ("method=order_info&api_user=77&id=1", 200, "<order_info></order_info>"),
        ("method=customer_info&api_user=77&id=1", 200, "<customer_info></customer_info>"),
    ] {
        let (actual, document) = simulator.call(query).await;

        assert_eq!(actual, status, "{query}: {document}");
        assert!(document.contains(text), "{query}: {document}");
    }

    let gateway = Gateway::in_front_of_url(&simulator.url, &[("UPSTREAMS__DEFAULT__API_USER", "77")]).await;
    gateway.get("/orders/1").await.problem(404, "order-not-found");
    gateway.patch_status(1, r#"{"status":"new"}"#).await.problem(404, "order-not-found");
    let unknown_user = Gateway::in_front_of_url(&simulator.url, &[]).await;
    unknown_user.get("/orders/20417").await.problem(502, "upstream-credential-rejected");
}

#[tokio::test]
async fn injected_failures_apply_nothing() {
    let simulator = Simulator::start(&["--failure-rate", "0.5"]).await;
    let mut failed = 0;

    for _ in 0..40 {
        let (status, document) = simulator.call("method=add_message&api_user=1234&id=20417&message=count+me&type=log").await;
        if status == 500 {
            assert!(document.starts_with("<add_message><status>failed</status>"), "{document}");
            failed += 1;
        }
    }

    assert!((19..=21).contains(&failed), "{failed} of 40");

    let mut order = String::new();
    while !order.contains("count me") {
        order = simulator.call("method=order_info&api_user=1234&id=20417").await.1;
    }

    assert_eq!(order.matches("count me").count(), 40 - failed);
}
