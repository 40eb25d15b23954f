//! The form of answers, and the answer to each error.

use std::sync::Arc;
use std::time::Duration;

use tjansteguiden_gateway::backend::Error;
use tjansteguiden_gateway::charset::Charset;
use tjansteguiden_gateway::config::{
    Answers, Declaration, Dialect, FailureOrder, FailureStatus, NotFoundAnswer, OrdersRoot, XmlType,
};
use tjansteguiden_gateway::legacy::server::Settings;
use tjansteguiden_gateway::model::UpstreamMessage;

use crate::support::{Endpoint, Script, ScriptedBackend, settings, shop};

const READS: [(&str, &str); 4] =
    [("orders", "date=2016-01-01"), ("customers", "date=2016-01-01"), ("order_info", "id=1"), ("customer_info", "id=1")];
const WRITES: [(&str, &str); 2] = [("set_status", "id=1&status=active"), ("add_message", "id=1&type=log&message=hej")];

async fn endpoint(script: Script, answers: Answers) -> Endpoint {
    let backend = Arc::new(ScriptedBackend::new(script));
    Endpoint::start(Settings { answers, ..settings(Dialect::Network, shop(backend)) }).await
}

fn with_status(failure_status: FailureStatus) -> Answers {
    Answers { failure_status, declaration: Declaration::Never, ..Answers::default() }
}

fn query((method, parameters): (&str, &str)) -> String {
    format!("method={method}&api_user=1234&{parameters}")
}

#[tokio::test]
async fn each_error_of_a_read_has_its_answer() {
    let not_available = "The service is not available";
    for (error, code, message, retry_after, outcome) in [
        (refused(Some("Ordern kan inte ändras")), 500, "Ordern kan inte ändras", None, "refused"),
        (refused(None), 500, "Refused", None, "refused"),
        (Error::UnencodableInput { detail: "\"✓\" has no form".to_owned() }, 400, "\"✓\" has no form", None, "refused"),
        (Error::CredentialRejected, 500, not_available, None, "unavailable"),
        (not_sent(Error::CredentialRejected), 500, not_available, None, "unavailable"),
        (Error::Overloaded, 503, not_available, Some("1"), "unavailable"),
        (Error::Unreachable, 503, not_available, Some("5"), "unavailable"),
        (Error::Unavailable { retry_after: Some(Duration::from_millis(6_001)) }, 503, not_available, Some("7"), "unavailable"),
        (not_sent(Error::Timeout), 503, not_available, Some("5"), "unavailable"),
        (Error::Timeout, 504, "The service did not answer", None, "unavailable"),
        (Error::InvalidResponse { reason: "it is HTML" }, 502, "The service did not answer", None, "failed"),
    ] {
        for (failure_status, status) in [(FailureStatus::Http, code), (FailureStatus::Ok, 200)] {
            let endpoint = endpoint(Script::Error(error.clone()), with_status(failure_status)).await;
            for call in READS {
                let answer = endpoint.get(&query(call)).await;
                let root = call.0;
                let response = format!("<response><code>{code}</code><message>{message}</message></response>");
                let expected = format!("<{root}><status>failed</status>{response}</{root}>");
                assert_eq!((answer.status, answer.text().replace("&quot;", "\"")), (status, expected), "{error:?}");
                assert_eq!(answer.header("retry-after"), retry_after, "{error:?}");
                endpoint.wait_for_count(root, "memory", outcome).await;
            }
        }
    }
}

fn refused(message: Option<&str>) -> Error {
    Error::Refused { message: message.map(UpstreamMessage::new) }
}

fn not_sent(cause: Error) -> Error {
    Error::NotSent { cause: Box::new(cause) }
}

#[tokio::test]
async fn each_error_of_a_write_has_its_answer() {
    for (error, code, message) in [
        (Error::NotFound, 404, "Order does not exist"),
        (refused(Some("Nej")), 500, "Nej"),
        (Error::CredentialRejected, 500, "The service is not available"),
        (Error::Unreachable, 503, "The service is not available"),
        (Error::Unavailable { retry_after: None }, 503, "The service is not available"),
        (not_sent(Error::InvalidResponse { reason: "no log" }), 503, "The service is not available"),
    ] {
        for (failure_status, status) in [(FailureStatus::Http, code), (FailureStatus::Ok, 200)] {
            let endpoint = endpoint(Script::Error(error.clone()), with_status(failure_status)).await;
            for call in WRITES {
                let answer = endpoint.get(&query(call)).await;
                let document = format!("<code>{code}</code><message>{message}</message>");
                assert_eq!(answer.status, status, "{error:?}");
                assert!(answer.text().contains(&document), "{error:?}: {}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn unknown_outcome_never_has_an_envelope() {
    let retry_after = Duration::from_secs(35);
    for script in [
        Script::Error(Error::OutcomeUnknown { retry_after }),
        Script::Error(Error::Contradicted { retry_after }),
        Script::Error(Error::Timeout),
        Script::Error(Error::InvalidResponse { reason: "it is HTML" }),
        Script::Panic,
    ] {
        for failure_status in [FailureStatus::Http, FailureStatus::Ok] {
            let endpoint = endpoint(script.clone(), with_status(failure_status)).await;
            for call in WRITES {
                let answer = endpoint.get(&query(call)).await;
                assert_eq!((answer.status, &*answer.text(), answer.is_complete), (504, "", true), "{script:?}");
                endpoint.wait_for_count(call.0, "memory", "unknown").await;
            }
        }
    }
}

#[tokio::test]
async fn panic_in_a_read_is_a_failure_of_the_platform() {
    let endpoint = endpoint(Script::Panic, with_status(FailureStatus::Http)).await;
    for call in READS {
        let answer = endpoint.get(&query(call)).await;
        let document = "<status>failed</status><response><code>500</code><message>Internal error</message></response>";
        assert_eq!((answer.status, answer.text()), (500, format!("<{}>{document}</{}>", call.0, call.0)));
    }
    // The connection and the process go on.
    assert_eq!(endpoint.get("").await.status, 404);
}

#[tokio::test]
async fn answers_have_the_configured_form() {
    let iso = Charset::parse("iso-8859-1").expect("a charset");
    let answers = Answers {
        orders_root: OrdersRoot::Serviceguide,
        content_type: XmlType::Application,
        charset: iso,
        failure_order: FailureOrder::ResponseFirst,
        not_found: NotFoundAnswer::Failed,
        ..Answers::default()
    };
    let declaration = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n";
    let body = |document: &str| [declaration.as_bytes(), &iso_bytes(document)].concat();

    let named = endpoint(Script::Named("Åsa & \u{1}€ ✓"), answers.clone()).await;
    let customer = named.get("method=customer_info&api_user=1234&id=1").await;
    let expected = "<customer_info><customer><id>1</id><firstname>Åsa &amp; &#8364; &#10003;</firstname></customer>\
                    <data></data></customer_info>";
    assert_eq!(customer.body, body(expected), "{}", customer.text());
    assert_eq!(customer.header("content-type"), Some("application/xml; charset=iso-8859-1"));
    let drift = r#"upstream_drift_total{call="customer_info",kind="charset",name="answer",upstream="memory"} 1"#;
    named.wait_for_series(drift).await;
    let orders = named.get("method=orders&api_user=1234&date=2016-01-01").await;
    assert_eq!(orders.body, body("<serviceguide><response><order><id>1</id></order></response></serviceguide>"));

    let missing = endpoint(Script::Error(Error::NotFound), answers).await;
    let failed = |root: &str, message: &str| {
        body(&format!(
            "<{root}><response><code>404</code><message>{message}</message></response><status>failed</status></{root}>"
        ))
    };
    let order = missing.get("method=order_info&api_user=1234&id=1").await;
    assert_eq!((order.status, order.body), (404, failed("order_info", "Not found")));
    let write = missing.get("method=set_status&api_user=1234&id=1&status=new").await;
    assert_eq!((write.status, write.body), (404, failed("set_status", "Order does not exist")));
    let unknown = missing.get("method=orders&api_user=1234&date=x").await;
    assert!(unknown.text().contains("<serviceguide><response><code>400"), "{}", unknown.text());
}

/// Characters up to U+00FF are their own bytes.
fn iso_bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).expect("a character of ISO 8859-1")).collect()
}
