//! Requests: what is accepted, what is refused, and in which order.

use std::sync::Arc;
use std::time::Duration;

use tjansteguiden_gateway::backend::{Backend, RequestContext};
use tjansteguiden_gateway::charset::Charset;
use tjansteguiden_gateway::config::Dialect;
use tjansteguiden_gateway::memory::Memory;
use tjansteguiden_gateway::model::OrderId;

use crate::support::{Endpoint, FIRST_ORDER, LegacyAnswer, NETWORK_PATH, Script, ScriptedBackend, settings, shop};

async fn simulator() -> (Arc<Memory>, Endpoint) {
    let memory = Arc::new(Memory::seeded(3));
    (Arc::clone(&memory), Endpoint::over(memory).await)
}

/// The texts in the log of the first order.
async fn texts(memory: &Memory) -> Vec<String> {
    let id = OrderId::try_new(FIRST_ORDER).expect("an id");
    let order = memory.order_info(&RequestContext::within(Duration::from_secs(1)), id).await.expect("an order").value;
    let messages = order.messages.iter().flatten();
    messages.filter_map(|message| message.text.as_ref().map(|text| text.expose().to_owned())).collect()
}

async fn post(endpoint: &Endpoint, content_type: &str, query: &str, form: &[u8]) -> LegacyAnswer {
    let head = format!(
        "POST {NETWORK_PATH}{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{content_type}Content-Length: {}\r\n\r\n",
        form.len()
    );
    endpoint.send([head.as_bytes(), form].concat()).await
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn requests_are_checked_in_one_order() {
    let (_, endpoint) = simulator().await;
    let send = async |line: &str, headers: &str| {
        endpoint.send(format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")).await
    };
    // Each request fails the check of its line and all later ones.
    for (line, headers, status) in [
        ("PUT /other?method=none".to_owned(), "", 404),
        (format!("GET {NETWORK_PATH}/?method=none"), "", 404),
        (format!("PUT {NETWORK_PATH}?method=none"), "Content-Length: 0\r\n", 405),
        (format!("HEAD {NETWORK_PATH}?method=set_status&api_user=1234&id={FIRST_ORDER}&status=active"), "", 405),
        (format!("POST {NETWORK_PATH}?method=none"), "Content-Length: 0\r\n", 415),
        (format!("POST {NETWORK_PATH}?method=none"), "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 415),
        (
            format!("POST {NETWORK_PATH}?method=none"),
            "Content-Type: application/x-www-form-urlencoded\r\n\
          Expect: 100-continue\r\nContent-Length: 65537\r\n",
            413,
        ),
    ] {
        let answer = send(&line, headers).await;
        assert_eq!((answer.status, &*answer.text()), (status, ""), "{line}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("get, post"), "{line}");
    }
    for (query, status, document) in [
        (
            "method=none&api_user=9&id=0",
            404,
            "<error><status>failed</status><response><code>404</code><message>method is not valid",
        ),
        ("", 404, "<error>"),
        ("method=api_login&api_user=1234&api_key=KEY", 404, "<error>"),
        ("method=order_info&method=order_info&api_user=1234&id=20417", 404, "<error>"),
        (
            "method=order_info&api_user=9&id=0",
            403,
            "<order_info><status>failed</status><response><code>403</code><message>Access denied",
        ),
        ("method=order_info&api_user=1234&api_user=1234&id=20417", 403, "<order_info>"),
        ("method=order_info&api_user=1234", 400, "<message>a parameter is missing"),
        ("method=order_info&api_user=1234&id=020417", 400, "<message>id is not valid"),
        ("method=order_info&api_user=1234&id=9007199254740992", 400, "<message>id is not valid"),
        ("method=order_info&api_user=1234&id=20417&id=20417", 400, "<message>a parameter is repeated"),
        ("method=order_info&api_user=1234&id=20417&status=a&status=a", 400, "<message>a parameter is repeated"),
        ("method=order_info&api_user=1234&id=20417&output_format=json", 400, "<message>output_format is not valid"),
        ("method=order_info&api_user=1234&id=20417&output_format=xml", 200, "<order_info><orderinfo>"),
        ("method=order_info&api_user=1234&id=20417&other=%E5&other=2", 200, "<order_info><orderinfo>"),
    ] {
        let answer = endpoint.get(query).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        assert!(answer.text().contains(document), "{query}: {}", answer.text());
    }
    assert_eq!(endpoint.get("method=order_info&api_user=1234&id=9007199254740991").await.status, 200);
}

#[tokio::test]
async fn forms_have_at_most_64_kib() {
    let (memory, endpoint) = simulator().await;
    let form = |length: usize, text: &str| {
        let call = format!("method=add_message&api_user=1234&id={FIRST_ORDER}&type=log&message={text}&x=");
        format!("{call}{}", "a".repeat(length - call.len()))
    };

    let answer = post(&endpoint, FORM, "", form(65_536, "largest").as_bytes()).await;
    assert_eq!((answer.status, answer.text().contains("<status>success</status>")), (200, true));
    let answer = post(&endpoint, FORM, "", form(65_537, "too-large").as_bytes()).await;
    assert_eq!((answer.status, &*answer.text()), (413, ""));

    for (length, status) in [(65_536, 200), (65_537, 413)] {
        let form = form(length, "chunked");
        let chunks: String = form.as_bytes().chunks(5_000).fold(String::new(), |chunks, chunk| {
            format!("{chunks}{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk))
        });
        let head =
            format!("POST {NETWORK_PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(endpoint.send(format!("{head}{chunks}0\r\n\r\n")).await.status, status);
    }
    let texts = texts(&memory).await;
    assert_eq!(texts.iter().filter(|text| *text == "largest" || *text == "chunked").count(), 2);
    assert!(!texts.contains(&"too-large".to_owned()));
}

#[tokio::test]
async fn query_and_form_are_one_set_of_parameters() {
    let (memory, endpoint) = simulator().await;
    let query = format!("?method=add_message&api_user=1234&id={FIRST_ORDER}");
    let with_charset = "Content-Type: Application/X-WWW-Form-Urlencoded; charset=utf-8\r\n";

    let answer = post(&endpoint, with_charset, &query, "type=log&message=p%C3%A5+v%C3%A4g+&x".as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let repeated = post(&endpoint, FORM, &query, b"type=log&message=twice&id=20417").await;
    assert_eq!(repeated.status, 400);

    assert_eq!(texts(&memory).await.last().map(String::as_str), Some("på väg "));
}

#[tokio::test]
async fn bytes_of_another_charset_are_refused_and_nothing_is_written() {
    let memory = Arc::new(Memory::seeded(3));
    let before = texts(&memory).await.len();
    let latin = Charset::parse("iso-8859-3").expect("a charset");
    for (charset, refused, accepted) in [(Charset::UTF_8, "p%E5", "p%C3%A5"), (latin, "p%A5", "sk%F6l")] {
        let client = tjansteguiden_gateway::legacy::server::Client { charset, ..shop(Arc::clone(&memory) as _) };
        let endpoint = Endpoint::start(settings(Dialect::Network, client)).await;
        let call = format!("method=add_message&api_user=1234&id={FIRST_ORDER}&type=log&message=");

        assert_eq!(endpoint.get(&format!("{call}{refused}")).await.status, 400);
        assert_eq!(endpoint.get(&format!("{call}{accepted}")).await.status, 200);
    }
    assert_eq!(texts(&memory).await[before..], ["på", "sköl"]);
}

#[tokio::test]
async fn form_that_does_not_arrive_is_not_waited_for() {
    let mut settings = settings(Dialect::Network, shop(Arc::new(Memory::seeded(3))));
    settings.timeouts.body = Duration::from_millis(50);
    let endpoint = Endpoint::start(settings).await;
    let request = format!("POST {NETWORK_PATH} HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 20\r\n\r\nmethod=orders");

    let answer = endpoint.send(request).await;

    assert_eq!((answer.status, &*answer.text()), (408, ""));
}

#[tokio::test]
async fn http_1_0_is_served() {
    let (_, endpoint) = simulator().await;
    let send = async |query: &str| endpoint.send(format!("GET {NETWORK_PATH}?{query} HTTP/1.0\r\n\r\n")).await;

    let order = send("method=order_info&api_user=1234&id=20417").await;
    assert_eq!((order.status, order.is_complete), (200, true));
    assert!(order.text().ends_with("</order_info>"), "{}", order.text());
    let orders = send("method=orders&api_user=1234&date=2016-01-01").await;
    assert_eq!((orders.status, orders.is_complete, orders.header("transfer-encoding")), (200, true, None));
    assert!(orders.text().ends_with("</response></orders>"), "{}", orders.text());
}

#[tokio::test]
async fn request_ids_of_the_usual_form_are_returned() {
    let (_, endpoint) = simulator().await;
    for (id, is_returned) in [
        ("0123456789abcdef", true),
        (&*"x".repeat(128), true),
        ("0123456789abcde", false),
        (&*"x".repeat(129), false),
        ("0123456789abcdef<", false),
    ] {
        let request = format!("GET {NETWORK_PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-ID: {id}\r\n\r\n");
        assert_eq!(endpoint.send(request).await.header("x-request-id"), is_returned.then_some(id), "{id}");
    }
    assert_eq!(endpoint.get("").await.header("x-request-id"), None);
}

#[tokio::test]
async fn only_trusted_proxies_make_a_message_recognisable() {
    let backend = Arc::new(ScriptedBackend::new(Script::Ids(Vec::new())));
    let behind_proxy = {
        let mut settings = settings(Dialect::Network, shop(Arc::clone(&backend) as _));
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        Endpoint::start(settings).await
    };
    let direct = Endpoint::over(Arc::clone(&backend) as _).await;
    let request = |text: &str, id: &str| {
        format!(
            "GET {NETWORK_PATH}?method=add_message&api_user=1234&id=1&type=log&message={text} HTTP/1.1\r\nHost: a\r\n\
             Connection: close\r\nX-Request-ID: {id}\r\n\r\n"
        )
    };
    for (endpoint, text, id) in [
        (&behind_proxy, "a", "0123456789abcdef"),
        (&behind_proxy, "a", "0123456789abcdef"),
        (&behind_proxy, "b", "0123456789abcdef"),
        (&behind_proxy, "a", "0123456789abcdeg"),
        (&behind_proxy, "a", "short"),
        (&direct, "a", "0123456789abcdef"),
    ] {
        assert_eq!(endpoint.send(request(text, id)).await.status, 200);
    }

    let keys: Vec<_> = backend.messages.lock().iter().map(|(key, _)| key.clone()).collect();

    assert_eq!(keys[0].as_ref().map(String::len), Some(26));
    assert_eq!(keys[0], keys[1]);
    assert!(keys[2].is_some() && keys[3].is_some() && keys[0] != keys[2] && keys[0] != keys[3]);
    assert_eq!(keys[4..], [None, None]);
}
