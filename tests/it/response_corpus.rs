//! The corpus of upstream answers, and the response that a client gets from each.
//!
//! `tests/fixtures/answers/expected.tsv` lists the documents. Each is sent over a socket, in one piece and in small chunks, in
//! both dialects.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;
use tjansteguiden_gateway::model::{CustomerId, OrderId};

use crate::support::{Gateway, Reply, Upstream, fixture};

struct Case {
    name: String,
    call: String,
    document: Vec<u8>,
    reply: Reply,
    expected: String,
}

fn directory() -> String {
    format!("{}/tests/fixtures/answers", env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<Case> {
    let table = std::fs::read_to_string(format!("{}/expected.tsv", directory())).expect("a table");
    let cases = table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [name, call, status, content_type, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let document = std::fs::read(format!("{}/{name}.xml", directory())).expect("a document");
        let reply = Reply::new(status.parse().expect("a status"), content_type, &document);
        Case { name: name.to_owned(), call: call.to_owned(), document, reply, expected: expected.to_owned() }
    });
    cases.collect()
}

#[test]
fn documents_and_table_rows_match() {
    let files = std::fs::read_dir(directory())
        .expect("a directory")
        .map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    let documents: BTreeSet<_> = files.filter_map(|name| name.strip_suffix(".xml").map(str::to_owned)).collect();
    let listed: BTreeSet<_> = cases().into_iter().map(|case| case.name).collect();

    assert_eq!(documents, listed);
    assert!(listed.len() >= 60);
}

#[tokio::test]
async fn every_document_produces_the_expected_response() {
    let next = Arc::new(Mutex::new(Reply::xml("")));
    let current = Arc::clone(&next);
    let upstream = Upstream::responding_to(move |query| match query {
        login if login.contains("method=api_login") => Reply::xml(&fixture("provider/api_login.xml")),
        _ => current.lock().clone(),
    })
    .await;
    let settings = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];
    let gateways = [Gateway::in_front_of(&upstream).await, Gateway::with(&upstream, &settings).await];

    for case in cases() {
        let target = match case.call.as_str() {
            "order_info" => "/orders/1",
            "orders" => "/orders?since=2016-03-14",
            "customer_info" => "/customers/1",
            _ => "/customers?since=2016-03-14",
        };
        let replies = [case.reply.clone(), case.reply.in_pieces(7)];

        for (gateway, reply) in gateways.iter().flat_map(|gateway| replies.iter().map(move |reply| (gateway, reply))) {
            *next.lock() = reply.clone();
            let answer = gateway.get(target).await;
            let (status, rest) = case.expected.split_once(' ').expect("a status");
            assert_eq!(answer.status.to_string(), status, "{}: {}", case.name, answer.body);

            check(&case.name, &answer.json(), rest);
        }
    }
}

/// Replays the corpus of the fuzz targets: every document as an answer to every method.
#[test]
fn decoding_does_not_depend_on_chunk_boundaries() {
    let (order, customer) = (OrderId::try_new(1).expect("an id"), CustomerId::try_new(1).expect("an id"));
    for case in cases() {
        let document = case.document.as_slice();
        let decode = |chunk: usize| {
            let decoder = Decoder::new(chunk);
            let (mut orders, mut customers) = (Vec::new(), Vec::new());
            let outcomes =
                (decoder.orders(document, |item| orders.push(item)), decoder.customers(document, |item| customers.push(item)));
            let lists = (outcomes, orders, customers);
            let entities = (decoder.order_info(order, document), decoder.customer_info(customer, document));
            (lists, entities, decoder.set_status(document), decoder.add_message(document), decoder.api_login(document))
        };
        let in_one_piece = decode(usize::MAX);

        for chunk in 1..=16 {
            assert_eq!(decode(chunk), in_one_piece, "{} in chunks of {chunk}", case.name);
        }
    }
}

fn check(name: &str, answer: &Value, expected: &str) {
    if let Some(pointer) = expected.strip_prefix('!') {
        assert_eq!(answer.pointer(pointer), None, "{name}");
        return;
    }
    if let Some((pointer, value)) = expected.split_once('=').filter(|(pointer, _)| pointer.starts_with('/')) {
        let found = answer.pointer(pointer).unwrap_or_else(|| panic!("{name}: no {pointer} in {answer}"));
        let found = found.as_str().map_or_else(|| found.to_string(), |text| text.replace('\n', "\\n"));
        assert_eq!(found, value, "{name}");
        return;
    }
    let (code, message) = expected.split_once(' ').map_or((expected, None), |(code, message)| (code, Some(message)));
    assert_eq!(answer["code"], code, "{name}");
    assert_eq!(answer["upstreamMessage"].as_str(), message, "{name}");
}
