//! Invalid input: a problem that names every fault, and nothing sent upstream.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Gateway, Upstream, is_provider};

async fn gateway_and_upstream() -> (Upstream, Gateway) {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    (upstream, gateway)
}

fn names(problem: &Value, member: &str) -> Vec<String> {
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| error[member].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn ids_must_be_canonical() {
    let (upstream, gateway) = gateway_and_upstream().await;
    let invalid = [
        "0",
        "01",
        "+1",
        "-1",
        "1.0",
        "1e3",
        "%20",
        "1%20",
        "%EF%BC%91",
        "9007199254740992",
        "99999999999999999999",
        "abc",
        "%FF",
        "1%2F2",
    ];

    for id in invalid {
        for target in [
            format!("/orders/{id}"),
            format!("/orders/{id}/status"),
            format!("/orders/{id}/messages"),
            format!("/customers/{id}"),
        ] {
            let problem = gateway.get(&target).await.problem(400, "invalid-parameter");
            assert_eq!(names(&problem, "parameter"), ["id"], "{target}");
        }

        let patch = gateway.request(Method::PATCH, &format!("/orders/{id}/status")).header("content-type", "application/json");
        gateway.send(patch.body(r#"{"status":"new"}"#)).await.problem(400, "invalid-parameter");
    }

    assert_eq!(upstream.queries(), [""; 0]);

    gateway.get("/orders/9007199254740991").await.ok();
    assert_eq!(upstream.queries().len(), 1);
}

#[tokio::test]
async fn all_query_errors_are_reported_together() {
    let (upstream, gateway) = gateway_and_upstream().await;

    for (target, parameters) in [
        ("/orders", vec!["since"]),
        ("/orders?since=", vec!["since"]),
        ("/orders?since=2016-02-30", vec!["since"]),
        ("/orders?since=2016-3-14", vec!["since"]),
        ("/orders?since=2016-03-14T09:05:00", vec!["since"]),
        ("/orders?since=2016-03-14&since=2016-03-15", vec!["since"]),
        ("/orders?since=%FF", vec!["since"]),
        ("/orders?since=2016-03-14%", vec!["since"]),
        ("/orders?since=2016-03-14&status=%zz", vec!["status"]),
        ("/orders?since=2016-03-14T00:00:00%2B24:00", vec!["since"]),
        ("/orders?since=2016-03-14T00:00:00%2B00:60", vec!["since"]),
        ("/orders?since=0000-01-01T00:00:00Z", vec!["since"]),
        ("/orders?Since=2016-03-14", vec!["since", "Since"]),
        ("/orders?since=2016-03-14&until=2016-03-13", vec!["until"]),
        ("/orders?since=2016-03-14&until=2016-03-15&until=2016-03-15", vec!["until"]),
        ("/orders?since=2016-03-14&status=", vec!["status"]),
        ("/orders?since=2016-03-14&status=new&status=%20", vec!["status"]),
        ("/orders?since=2016-03-14&status=new,", vec!["status"]),
        ("/orders?since=2016-03-14&status=new,,received", vec!["status"]),
        ("/orders?since=2016-03-14&type=a&type=b", vec!["type"]),
        ("/orders?since=2016-03-14&customerId=01", vec!["customerId"]),
        ("/orders?since=x&until=y&customerId=0&bogus=1", vec!["since", "until", "customerId", "bogus"]),
        ("/orders?since=2016-03-14&limit=0", vec!["limit"]),
        ("/orders?since=2016-03-14&limit=1001", vec!["limit"]),
        ("/orders?since=2016-03-14&limit=-1", vec!["limit"]),
        ("/orders?since=2016-03-14&limit=010", vec!["limit"]),
        ("/orders?since=2016-03-14&limit=", vec!["limit"]),
        ("/orders?since=2016-03-14&limit=10&limit=10", vec!["limit"]),
        ("/orders?since=2016-03-14&limit=99999999999999999999999", vec!["limit"]),
        ("/orders?since=2016-03-14&limit=10&cursor=", vec!["cursor"]),
        ("/orders?since=2016-03-14&limit=10&cursor=01", vec!["cursor"]),
        ("/orders?since=2016-03-14&expand=detail", vec!["expand"]),
        ("/orders?since=2016-03-14&expand=detail&limit=201", vec!["expand"]),
        ("/orders?since=2016-03-14&expand=all&limit=10", vec!["expand"]),
        ("/customers?since=2016-03-14&limit=1001", vec!["limit"]),
        ("/customers?since=2016-03-14&limit=10&expand=detail", vec!["expand"]),
        ("/customers", vec!["since"]),
        ("/customers?since=2016-03-14T00:00:00Z", vec!["since"]),
        ("/customers?since=2016-03-14&status=new", vec!["status"]),
        ("/orders/20417?expand=all", vec!["expand"]),
        ("/orders/20417/status?a", vec!["a"]),
        ("/orders/20417/messages?%FF=1", vec![""]),
        ("/customers/18020?a=1&b=2", vec!["a", "b"]),
    ] {
        let problem = gateway.get(target).await.problem(400, "invalid-parameter");
        assert_eq!(names(&problem, "parameter"), parameters, "{target}");
    }

    assert_eq!(upstream.queries(), [""; 0]);

    gateway.get("/orders?since=2016-03-14&until=2016-03-14").await.ok();
}

#[tokio::test]
async fn invalid_json_is_a_malformed_body() {
    let (upstream, gateway) = gateway_and_upstream().await;

    for body in [
        "",
        "{",
        "nonsense",
        "{\"status\":\"new\"",
        "{\"status\":\"new\"}x",
        "{'status':'new'}",
        "{\"status\":\"new\",}",
        "{\"status\":\"new\",\"status\":\"active\"}",
        "{\"status\":\"new\",\"a\":[{\"b\":1,\"b\":2}]}",
        "{\"status\":\"\\ud800\"}",
        "{\"type\":\"log\",\"text\":\"a\",\"text\":\"a\"}",
    ] {
        gateway.patch_status(20417, body).await.problem(400, "malformed-body");
        gateway.post_message(20417, body).await.problem(400, "malformed-body");
    }

    let invalid = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
    gateway.send(invalid.body(b"{\"type\":\"log\",\"text\":\"\xff\"}".to_vec())).await.problem(400, "malformed-body");
    let deep = "[".repeat(10_000);
    gateway.post_message(1, &deep).await.problem(400, "malformed-body");
    assert_eq!(upstream.queries(), [""; 0]);
}

#[tokio::test]
async fn invalid_values_are_reported_by_pointer() {
    let (upstream, gateway) = gateway_and_upstream().await;

    for (body, pointers) in [
        ("[]", vec![""]),
        ("\"received\"", vec![""]),
        ("null", vec![""]),
        ("[{\"status\":\"new\"}]", vec![""]),
        ("{}", vec!["/status"]),
        ("{\"status\":null}", vec!["/status"]),
        ("{\"status\":1}", vec!["/status"]),
        ("{\"status\":\"done\"}", vec!["/status"]),
        ("{\"status\":\"New\"}", vec!["/status"]),
        ("{\"status\":\"new \"}", vec!["/status"]),
        ("{\"status\":\"new\",\"a/b~c\":1}", vec!["/a~1b~0c"]),
        ("{\"state\":\"new\"}", vec!["/status", "/state"]),
    ] {
        let problem = gateway.patch_status(20417, body).await.problem(422, "invalid-value");
        assert_eq!(names(&problem, "pointer"), pointers, "{body}");
    }

    for (body, pointers) in [
        (json!({}), vec!["/type", "/text"]),
        (json!({"type": "log"}), vec!["/text"]),
        (json!({"type": "note", "text": "a"}), vec!["/type"]),
        (json!({"type": "log", "text": ""}), vec!["/text"]),
        (json!({"type": "log", "text": " \t\n\u{a0}\u{2003}"}), vec!["/text"]),
        (json!({"type": "log", "text": "a\u{0}b"}), vec!["/text"]),
        (json!({"type": "log", "text": "\r\n\r"}), vec!["/text"]),
        (json!({"type": "log", "text": "a\u{85}b"}), vec!["/text"]),
        (json!({"type": "log", "text": "a\u{fffe}"}), vec!["/text"]),
        (json!({"type": "log", "text": "\u{ffff}a"}), vec!["/text"]),
        (json!({"type": "log", "text": "a".repeat(7901)}), vec!["/text"]),
        (json!({"type": "log", "text": ["a"]}), vec!["/text"]),
        (json!({"type": "log", "text": "a", "at": "2016-03-14T09:05:00+01:00"}), vec!["/at"]),
    ] {
        let problem = gateway.post_message(20417, &body.to_string()).await.problem(422, "invalid-value");
        assert_eq!(names(&problem, "pointer"), pointers, "{body}");
    }

    assert_eq!(upstream.queries(), [""; 0]);
}

#[tokio::test]
async fn overlong_text_is_rejected_before_sending() {
    let (upstream, gateway) = gateway_and_upstream().await;
    // The request line without the text, and the space reserved for an idempotency marker.
    let credential = if is_provider() { "hash=00112233445566778899aabbccddeeff&api_user=1234" } else { "api_user=1234" };
    let target = format!("/admin/edit/services/plain/orders?method=add_message&{credential}&id=20417&type=log&message=");
    let line = format!("GET {target} HTTP/1.1");
    let available = 8_000 - line.len() - "gw%3A123456789012123456+".len();

    for (character, bytes) in [("a", 1), (" ", 1), ("å", 6), ("&", 3), ("😀", 12)] {
        let fits = character.repeat(available / bytes - 1) + "x" + &"a".repeat(available % bytes + bytes - 1);
        let message = |text: &str| json!({"type": "log", "text": text}).to_string();

        assert_eq!(gateway.post_message(20417, &message(&fits)).await.status, 201, "{character}");

        let queries_before = upstream.queries().len();
        let problem = gateway.post_message(20417, &message(&(fits + "a"))).await.problem(422, "invalid-value");
        assert_eq!(names(&problem, "pointer"), ["/text"]);
        assert!(problem["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains("8001")), "{problem}");
        assert_eq!(upstream.queries().len(), queries_before);
    }
}

#[tokio::test]
async fn unsupported_preconditions_and_keys_are_rejected() {
    let (upstream, gateway) = gateway_and_upstream().await;
    let write = |method: Method, path: &str, body: &'static str| {
        gateway.request(method, path).header("content-type", "application/json").body(body)
    };

    for etags in ["", "abc", "\"abc", ",", " , ,", "*, \"abc\"", "w/\"abc\"", "\"a\" \"b\""] {
        let patch = write(Method::PATCH, "/orders/20417/status", r#"{"status":"received"}"#).header("if-match", etags);

        let problem = gateway.send(patch).await.problem(400, "invalid-parameter");
        assert_eq!(names(&problem, "parameter"), ["If-Match"], "{etags}");
    }

    let post = || write(Method::POST, "/orders/20417/messages", r#"{"type":"log","text":"a"}"#);
    let problem = gateway.send(post().header("if-match", "*")).await.problem(400, "invalid-parameter");
    assert_eq!(names(&problem, "parameter"), ["If-Match"]);

    let patch = write(Method::PATCH, "/orders/20417/status", r#"{"status":"received"}"#).header("if-match", "*");
    for (write, etags) in [(post(), "*"), (patch, "\"abc\"")] {
        let problem = gateway.send(write.header("if-none-match", etags)).await.problem(400, "invalid-parameter");
        assert_eq!(names(&problem, "parameter"), ["If-None-Match"]);
    }

    let long = "a".repeat(129);
    for key in
        ["", "0123456789abcde", &long, "\"0123456789abcdef", "0123456789abcdef\"", "0123456789abcde/", "0123456789 abcdef"]
    {
        let problem = gateway.send(post().header("idempotency-key", key)).await.problem(400, "invalid-parameter");
        assert_eq!(names(&problem, "parameter"), ["Idempotency-Key"], "{key}");
    }

    let doubled = post().header("idempotency-key", "0123456789abcdef").header("idempotency-key", "0123456789abcdef");
    let problem = gateway.send(doubled).await.problem(400, "invalid-parameter");
    assert_eq!(names(&problem, "parameter"), ["Idempotency-Key"]);
    assert_eq!(upstream.queries(), [""; 0]);

    let patch = write(Method::PATCH, "/orders/20417/status", r#"{"status":"received"}"#);
    gateway.send(patch.header("idempotency-key", "0123456789abcdef")).await.ok();
}
