//! Reads of one order or customer, and what each kind of answer means.

use tjansteguiden_gateway::backend::{Backend, Error};
use tjansteguiden_gateway::config::Secret;
use tjansteguiden_gateway::model::Scope;

use super::scripted::{Reply, Scripted};
use super::{client, context, customer, order};

const ORDER: &str = r#"{"id":7,"status":"new","deliverAsap":false,"messages":[],"details":[],"statusTag":"\"x\""}"#;

/// The outcome of a read that is always answered like this, and how many requests were made.
async fn read(reply: Reply) -> (Result<(), Error>, usize) {
    let system = Scripted::always(reply).await;
    let read = client(&system.url, |_| {}).order_info(&context(), order(7)).await;
    (read.map(|_| ()), system.received().len())
}

fn kind(result: &Result<(), Error>) -> &'static str {
    result.as_ref().map_or_else(Error::kind, |()| "success")
}

#[tokio::test]
async fn requests_name_the_resource_and_the_client() {
    let system = Scripted::always(Reply::json(ORDER).with_header("date: Mon, 14 Mar 2016 08:05:00 GMT")).await;
    let client = client(&system.url, |backend| backend.token = Some(Secret::from("t0ken")));

    let read = client.order_info(&context(), order(7)).await.expect("an order");
    client.with_token(Secret::from("0ther")).order_info(&context(), order(7)).await.expect("an order");

    assert_eq!(read.value.id, order(7));
    assert!(read.clock_skew.expect("a clock").as_hours() < -24 * 365);
    let [first, second] = &system.received()[..] else { panic!("two requests") };
    assert_eq!((first.method.as_str(), first.target.as_str(), first.body.as_str()), ("GET", "/api/orders/7", ""));
    assert_eq!(first.header("authorization"), Some("Bearer t0ken"));
    assert_eq!(second.header("authorization"), Some("Bearer 0ther"));
    assert_eq!(first.header("accept"), Some("application/json, application/problem+json;q=0.5"));
}

#[tokio::test]
async fn every_row_of_the_table_for_reads() {
    let later = |reply: Reply| reply.with_header("retry-after: 30");
    for (reply, outcome, requests) in [
        (Reply::json(ORDER), "success", 1),
        (Reply::problem(404, "order-not-found", None), "not_found", 1),
        (Reply::problem(404, "customer-not-found", None), "answer_invalid", 1),
        (Reply::problem(404, "route-not-found", None), "answer_invalid", 1),
        (Reply::html(404), "answer_invalid", 1),
        (Reply::problem(400, "invalid-parameter", None), "answer_invalid", 1),
        (Reply::problem(422, "invalid-value", None), "answer_invalid", 1),
        (Reply::problem(401, "unauthenticated", None), "credential_rejected", 1),
        (Reply::html(403), "credential_rejected", 1),
        (Reply::problem(502, "upstream-credential-rejected", None), "credential_rejected", 1),
        (Reply::problem(502, "refused-by-upstream", None), "refused", 1),
        (later(Reply::problem(429, "too-many-requests", None)), "overloaded", 1),
        (later(Reply::problem(503, "overloaded", None)), "overloaded", 1),
        (Reply::problem(503, "upstream-unavailable", None), "unavailable", 3),
        (Reply::problem(504, "upstream-timeout", None), "unavailable", 3),
        (Reply::html(500), "unavailable", 3),
        (Reply::html(302).with_header("location: /login"), "answer_invalid", 3),
        (Reply::html(200), "answer_invalid", 3),
        (Reply::json("{}").with_header("content-encoding: gzip"), "answer_invalid", 3),
        (Reply::json(r#"{"id":7,"name":"Widget"}"#), "answer_invalid", 1),
        (Reply::json(&ORDER.replace('7', "8")), "answer_invalid", 1),
        (Reply::json(&ORDER[..ORDER.len() - 1]), "answer_invalid", 1),
        (Reply::json(ORDER).truncated(120), "answer_invalid", 3),
        (Reply::reset(), "answer_invalid", 3),
        (Reply::hang(), "timeout", 3),
    ] {
        let (result, sent) = read(reply.clone()).await;
        assert_eq!((kind(&result), sent), (outcome, requests), "{reply:?}");
    }
}

#[tokio::test]
async fn read_that_cannot_be_sent_is_unreachable() {
    let url = Scripted::always(Reply::json(ORDER)).await.url.clone();
    let failed = client(&url, |_| {}).order_info(&context(), order(7)).await;
    assert_eq!(failed.map(|_| ()), Err(Error::Unreachable));
}

#[tokio::test]
async fn system_that_recovers_is_asked_again_when_it_wants() {
    let system = Scripted::answering(|_, number| match number {
        0 => Reply::problem(503, "overloaded", None).with_header("retry-after: 1"),
        _ => Reply::json(ORDER),
    })
    .await;
    let start = tokio::time::Instant::now();

    client(&system.url, |_| {}).order_info(&context(), order(7)).await.expect("an order");

    assert!(start.elapsed() >= std::time::Duration::from_secs(1));
}

#[tokio::test]
async fn refusal_keeps_its_sentence() {
    let (result, _) = read(Reply::problem(409, "refused-by-upstream", None)).await;
    let Err(Error::Refused { message: Some(message) }) = result else { panic!("{result:?}") };
    assert_eq!(message.to_display().as_deref(), Some("Ordern kan inte ändras"));
}

#[tokio::test]
async fn customers_are_read_and_answers_are_bounded() {
    let long = format!(r#"{{"id":9,"city":"{}"}}"#, "x".repeat(5_000));
    let system = Scripted::answering(move |request, _| match request.target.as_str() {
        "/api/customers/7" => Reply::json(r#"{"id":7,"firstName":"Tolvan","registeredAt":"2016-03-14T08:05:00Z"}"#),
        "/api/customers/8" => Reply::problem(404, "customer-not-found", None),
        _ => Reply::json(&long),
    })
    .await;
    let client = client(&system.url, |backend| backend.max_response_bytes = 4_096);

    let found = client.customer_info(&context(), customer(7)).await.expect("a customer");
    assert_eq!(found.person.registered_at.expect("a time").to_string(), "2016-03-14T09:05:00+01:00");
    assert_eq!(client.customer_info(&context(), customer(8)).await.map(|_| ()), Err(Error::NotFound));
    let too_large = Error::InvalidResponse { reason: "it is larger than max_response_bytes" };
    assert_eq!(client.customer_info(&context(), customer(9)).await.map(|_| ()), Err(too_large));
}

#[tokio::test]
async fn scopes_are_those_of_the_token() {
    let system = Scripted::always(Reply::json(r#"{"client":"facade","scopes":["orders:read","personal-data:read"]}"#)).await;
    let scopes = client(&system.url, |_| {}).scopes(&context()).await.expect("scopes");
    assert!(scopes.has(Scope::OrdersRead) && scopes.has(Scope::PersonalDataRead) && !scopes.has(Scope::OrdersWrite));
    assert_eq!(system.received()[0].target, "/api/me");

    let without = Scripted::always(Reply::html(404)).await;
    assert!(client(&without.url, |_| {}).scopes(&context()).await.is_err());
}
