//! How fast answers are decoded: ours beside the same bytes through quick-xml's serde, and through loops over
//! quick-xml's events that keep the values, or do nothing with them.
//!
//! `cargo bench --bench codec`. At the end it prints the ratio of ours, from XML to JSON, to quick-xml's serde, which takes the
//! median of rounds in turn. `cargo bench --bench codec -- --once 1000` only translates one list of 1 000 orders, so that an
//! instrument such as callgrind can count.

#![expect(clippy::expect_used, reason = "a bench")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use quick_xml::events::Event;
use serde::Deserialize;
use tjansteguiden_gateway::backend::Item;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;
use tjansteguiden_gateway::model::OrderId;
use tjansteguiden_gateway::model::PiiAccess;
use tjansteguiden_gateway::rest::list::{Encoder, ListFormat};

/// What one read from a socket brings.
const PIECE: usize = 64 * 1024;
/// What is sent at once.
const CHUNK: usize = 32 * 1024;

fn orders(number: u32) -> String {
    let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<orders>\n   <response>\n");
    for id in 1..=number {
        let minute = id % 60;
        let written = writeln!(
            document,
            "      <order>\n         <id>{id}</id>\n         <type>order</type>\n         <date>2016-03-14 09:{minute:02}:30</date>\n         \
             <status>received</status>\n         <service>3105</service>\n         <xsp>40210</xsp>\n         <delivery>2016-03-21 \
             00:00:00</delivery>\n         <customer>{}</customer>\n      </order>",
            18_020 + id
        );
        written.expect("room");
    }
    document + "   </response>\n</orders>\n"
}

fn order_info() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/network/order_info.xml")).expect("a fixture")
}

#[derive(Deserialize)]
struct SerdeOrders {
    response: SerdeResponse,
}

#[derive(Deserialize)]
struct SerdeResponse {
    order: Vec<SerdeOrder>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as much as ours decodes")]
struct SerdeOrder {
    id: u64,
    r#type: Option<String>,
    date: Option<String>,
    status: Option<String>,
    service: Option<String>,
    xsp: Option<String>,
    delivery: Option<String>,
    customer: Option<u64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as much as ours decodes")]
struct SerdeOrderInfo {
    orderinfo: std::collections::HashMap<String, String>,
    customer: std::collections::HashMap<String, String>,
    logs: SerdeLogs,
    serviceinfo: SerdeServiceInfo,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as much as ours decodes")]
struct SerdeLogs {
    log: Vec<SerdeLog>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as much as ours decodes")]
struct SerdeLog {
    date: Option<String>,
    message: Option<String>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as much as ours decodes")]
struct SerdeServiceInfo {
    data: Vec<SerdeData>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as much as ours decodes")]
struct SerdeData {
    name: Option<String>,
    value: Option<String>,
    monthly: Option<String>,
}

fn events(document: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(document);
    let mut count = 0;
    loop {
        match reader.read_event().expect("a document") {
            Event::Eof => return count,
            event => {
                black_box(&event);
                count += 1;
            }
        }
    }
}

/// A loop over the same events that keeps what ours keeps, as texts.
fn events_into_orders(document: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(document);
    let (mut count, mut field, mut order) = (0, String::new(), [const { None }; 8]);
    loop {
        match reader.read_event().expect("a document") {
            Event::Eof => return count,
            Event::Start(start) => start.local_name().as_ref().clone_into(&mut field),
            Event::Text(text) => {
                let names = ["id", "type", "date", "status", "service", "xsp", "delivery", "customer"];
                let value = names.iter().position(|name| *name == field).and_then(|index| order.get_mut(index));
                if let Some(value) = value {
                    *value = Some(String::from(&*text));
                }
            }
            Event::End(end) => {
                field.clear();
                if end.local_name().as_ref() == "order" {
                    black_box(std::mem::take(&mut order));
                    count += 1;
                }
            }
            _ => {}
        }
    }
}

/// The least that a reader of ours on quick-xml's `Reader` would do: compare end tags itself, because elements begin in other
/// chunks, refuse improper names, and keep names and texts in one buffer.
fn events_into_tree(document: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(document);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let (mut characters, mut nodes, mut open, mut text) = (String::new(), Vec::new(), Vec::new(), 0);
    loop {
        match reader.read_event().expect("a document") {
            Event::Eof => return black_box(nodes).len(),
            Event::Start(start) => {
                let name = start.local_name();
                assert!(name.as_ref().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')));
                characters.truncate(text);
                characters.push_str(name.as_ref());
                open.push((nodes.len(), text..characters.len()));
                nodes.push((text..characters.len(), 0..0));
                text = characters.len();
            }
            Event::Text(part) => characters.push_str(&part),
            Event::GeneralRef(reference) => {
                characters.push_str(quick_xml::escape::resolve_xml_entity(&reference).expect("an entity of XML"));
            }
            Event::CData(part) => characters.push_str(&part),
            Event::End(end) => {
                let (index, name) = open.pop().expect("an open element");
                assert_eq!(characters.get(name), Some(end.local_name().as_ref()));
                let node = nodes.get_mut(index).expect("a node");
                node.1 = text..characters.len();
                text = characters.len();
            }
            _ => {}
        }
    }
}

/// From XML to JSON, as the gateway does it. Returns the number of orders.
fn to_json(decoder: &Decoder, document: &str) -> usize {
    let (mut encoder, mut count) = (Encoder::new(ListFormat::Json, PiiAccess::Full), 0);
    let see = |item| {
        let Item::Decoded(order) = item else { return };
        encoder.item(&order).expect("an order");
        count += 1;
        if encoder.len() > CHUNK {
            black_box(encoder.take());
        }
    };
    decoder.orders(document.as_bytes(), see).expect("a list");
    encoder.finish(None).expect("the end");
    black_box(encoder.take());
    count
}

fn by_serde(document: &str) -> usize {
    let orders: SerdeOrders = quick_xml::de::from_str(document).expect("a document");
    black_box(orders).response.order.len()
}

/// Prints the throughput of ours, from XML to JSON, and of quick-xml's serde.
fn print_ratio() {
    const ROUNDS: usize = 15;
    let (document, decoder) = (orders(100_000), Decoder::new(PIECE));
    let time = |translate: &dyn Fn() -> usize| {
        let began = Instant::now();
        assert_eq!(translate(), 100_000);
        began.elapsed()
    };
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (time(&|| to_json(&decoder, &document)), time(&|| by_serde(&document)))).collect();
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(ROUNDS / 2).copied().expect("an odd number of rounds")
    };
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let mebibytes = document.len() as f64 / f64::from(1 << 20);
    let per_second = |of: fn(&(Duration, Duration)) -> Duration| {
        median(rounds.iter().map(|round| mebibytes / of(round).as_secs_f64()).collect())
    };
    let ratio = median(rounds.iter().map(|(ours, serde)| serde.as_secs_f64() / ours.as_secs_f64()).collect());
    println!(
        "XML to JSON: ours {:.0} MiB/s, quick-xml serde without JSON {:.0} MiB/s, ratio {ratio:.1} (median of {ROUNDS} rounds)",
        per_second(|round| round.0),
        per_second(|round| round.1),
    );
}

fn short_list(criterion: &mut Criterion) {
    let document = orders(1_000);
    let decoder = Decoder::new(PIECE);
    let mut group = criterion.benchmark_group("list of 1 000 orders");
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| assert_eq!(decoder.orders(document.as_bytes(), |item| drop(black_box(item))), Ok(1_000)));
    });
    group.finish();
}

fn list(criterion: &mut Criterion) {
    let document = orders(100_000);
    let decoder = Decoder::new(PIECE);
    let mut group = criterion.benchmark_group("list of 100 000 orders");
    group.sample_size(20).throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            let see = |item| assert!(matches!(black_box(item), Item::Decoded(_)));
            assert_eq!(decoder.orders(document.as_bytes(), see), Ok(100_000));
        });
    });
    group.bench_function("ours, to JSON", |bencher| {
        bencher.iter(|| assert_eq!(to_json(&decoder, &document), 100_000));
    });
    group.bench_function("quick-xml events", |bencher| bencher.iter(|| events(&document)));
    group.bench_function("quick-xml events, values kept", |bencher| {
        bencher.iter(|| assert_eq!(events_into_orders(&document), 100_000));
    });
    group.bench_function("quick-xml serde", |bencher| {
        bencher.iter(|| assert_eq!(by_serde(&document), 100_000));
    });
    group.finish();
}

fn entity(criterion: &mut Criterion) {
    let document = order_info();
    let (decoder, id) = (Decoder::new(PIECE), OrderId::try_new(20_417).expect("an id"));
    let mut group = criterion.benchmark_group("one order");
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("ours", |bencher| bencher.iter(|| decoder.order_info(id, document.as_bytes()).expect("an order")));
    group.bench_function("quick-xml events", |bencher| bencher.iter(|| events(&document)));
    group.bench_function("quick-xml events, checked and kept, not decoded", |bencher| {
        bencher.iter(|| events_into_tree(&document));
    });
    group.bench_function("quick-xml serde", |bencher| {
        bencher.iter(|| quick_xml::de::from_str::<SerdeOrderInfo>(&document).map(black_box).expect("an order"));
    });
    group.finish();
}

criterion_group!(benches, short_list, list, entity);

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--once").skip(1);
    if let Some(number) = arguments.next().and_then(|number| number.parse().ok()) {
        assert_eq!(to_json(&Decoder::new(PIECE), &orders(number)), number as usize);
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    if std::env::args().any(|argument| argument == "--bench") {
        print_ratio();
    }
}
