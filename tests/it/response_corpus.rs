//! The corpus of answers: documents of the order system under names, and what a client gets from each.
//!
//! `tests/fixtures/answers/expected.tsv` is the table. Every document is answered over a real socket, whole and
//! in pieces, to clients of both dialects.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;
use tjansteguiden_gateway::model::{CustomerId, OrderId};

use crate::support::{Gateway, Reply, Upstream, fixture};

struct Row {
    name: String,
    call: String,
    document: Vec<u8>,
    reply: Reply,
    expected: String,
}

fn folder() -> String {
    format!("{}/tests/fixtures/answers", env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<Row> {
    let table = std::fs::read_to_string(format!("{}/expected.tsv", folder())).expect("a table");
    let rows = table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [name, call, status, content_type, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let document = std::fs::read(format!("{}/{name}.xml", folder())).expect("a document");
        let reply = Reply::typed(status.parse().expect("a status"), content_type, &document);
        Row { name: name.to_owned(), call: call.to_owned(), document, reply, expected: expected.to_owned() }
    });
    rows.collect()
}

#[test]
fn every_document_has_a_row_and_every_row_a_document() {
    let files = std::fs::read_dir(folder())
        .expect("a folder")
        .map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    let documents: BTreeSet<_> = files.filter_map(|name| name.strip_suffix(".xml").map(str::to_owned)).collect();
    let rows: BTreeSet<_> = rows().into_iter().map(|row| row.name).collect();
    assert_eq!(documents, rows);
    assert!(rows.len() >= 60);
}

#[tokio::test]
async fn every_document_gives_the_client_what_the_table_says() {
    let next = Arc::new(Mutex::new(Reply::xml("")));
    let said = Arc::clone(&next);
    let upstream = Upstream::answering(move |query| match query {
        login if login.contains("method=api_login") => Reply::xml(&fixture("provider/api_login.xml")),
        _ => said.lock().expect("no test panics inside").clone(),
    })
    .await;
    let settings = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];
    let dialects = [Gateway::before(&upstream).await, Gateway::with(&upstream, &settings).await];
    for row in rows() {
        let target = match row.call.as_str() {
            "order_info" => "/orders/1",
            "orders" => "/orders?since=2016-03-14",
            "customer_info" => "/customers/1",
            _ => "/customers?since=2016-03-14",
        };
        let replies = [row.reply.clone(), row.reply.in_pieces(7)];
        for (gateway, reply) in dialects.iter().flat_map(|gateway| replies.iter().map(move |reply| (gateway, reply))) {
            *next.lock().expect("no test panics inside") = reply.clone();
            let answer = gateway.get(target).await;
            let (status, rest) = row.expected.split_once(' ').expect("a status");
            assert_eq!(answer.status.to_string(), status, "{}: {}", row.name, answer.body);
            check(&row.name, &answer.json(), rest);
        }
    }
}

/// The corpus of the fuzz targets: every document as an answer to every call, whole and in pieces.
#[test]
fn every_document_reads_the_same_in_pieces_whatever_was_asked() {
    let (order, customer) = (OrderId::try_new(1).expect("an id"), CustomerId::try_new(1).expect("an id"));
    for row in rows() {
        let document = row.document.as_slice();
        let read = |piece: usize| {
            let decoder = Decoder::new(piece);
            let (mut orders, mut customers) = (Vec::new(), Vec::new());
            let ends =
                (decoder.orders(document, |item| orders.push(item)), decoder.customers(document, |item| customers.push(item)));
            let lists = (ends, orders, customers);
            let entities = (decoder.order_info(order, document), decoder.customer_info(customer, document));
            (lists, entities, decoder.set_status(document), decoder.add_message(document), decoder.api_login(document))
        };
        let whole = read(usize::MAX);
        for piece in [1, 2, 5, 16] {
            assert_eq!(read(piece), whole, "{} in pieces of {piece}", row.name);
        }
    }
}

fn check(name: &str, answer: &Value, expected: &str) {
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
