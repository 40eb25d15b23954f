//! How fast systems are asked, that they are only read, and the memory of a comparison.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use tjansteguiden_gateway::backend::{Backend, Error, ReadOnly, RequestContext};
use tjansteguiden_gateway::compare::{Both, Comparison, Details, Outcome, Protocol, Settings, System, Timeouts};
use tjansteguiden_gateway::model::{MessageType, NewMessage, OrderId, OrderStatus, Zone};
use tokio::time::Instant;

use super::listed_order;
use crate::support::{Program, Reply, Script, ScriptedBackend, TEST_TIMEOUT, Upstream, eventually};

fn settings(left: Script, right: Script) -> Settings {
    let system = |name: &str, script| System {
        name: name.into(),
        backend: ReadOnly::new(Arc::new(ScriptedBackend::new(script))),
        protocol: Protocol::Json,
        zone: Zone::stockholm(),
    };
    Settings {
        left: system("old", left),
        right: system("new", right),
        since: date(2026, 9, 1),
        until: None,
        details: Details::All,
        with_customers: false,
        settle: Duration::from_secs(30),
        rate: 5,
        ignored: Vec::new(),
        timeouts: Timeouts { request: Duration::from_secs(5), list: Duration::from_secs(5) },
    }
}

async fn run(settings: Settings) -> (Duration, Comparison) {
    let began = Instant::now();
    let mut comparison = Comparison::new(settings);
    comparison.run().await;
    (began.elapsed(), comparison)
}

#[tokio::test(start_paused = true)]
async fn calls_are_spaced_evenly_and_both_systems_are_asked_at_once() {
    let ids: Vec<u64> = (1..=50).collect();
    for (rate, expected) in [(5, 200), (1, 1000), (50, 20)] {
        let (time, comparison) = run(Settings { rate, ..settings(Script::Ids(ids.clone()), Script::Ids(ids.clone())) }).await;
        let report = comparison.into_report();
        assert_eq!((report.outcome(), report.calls), (Outcome::Equal, Both { left: 51, right: 51 }));
        // A list and 50 reads: 50 pauses.
        let pauses = Duration::from_millis(expected * 50);
        assert!(time >= pauses && time < pauses + Duration::from_millis(200), "{time:?} at {rate} a second");
    }
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_read_again_after_the_pause() {
    let settings = || Settings { rate: 1000, ..settings(Script::Ids(vec![1, 2]), Script::Ids(vec![1])) };
    let (time, comparison) = run(settings()).await;
    // It is there when it is looked for.
    assert_eq!(comparison.into_report().outcome(), Outcome::Equal);
    assert!(time >= Duration::from_secs(30) && time < Duration::from_secs(31), "{time:?}");

    let mut comparison = Comparison::new(settings());
    let stop = tokio::time::sleep(Duration::from_secs(10));
    tokio::select! {
        () = comparison.run() => panic!("it waits"),
        () = stop => {}
    }
    let report = comparison.into_report();
    assert_eq!(report.outcome(), Outcome::NotCompared);
    assert_eq!(report.reason.as_deref(), Some("it was interrupted; what differed was not read again"));
    assert!(report.to_text().contains("only in old: 2\n"), "{}", report.to_text());
}

#[tokio::test(start_paused = true)]
async fn list_that_fails_after_its_first_items_ends_the_comparison() {
    let (_, comparison) = run(settings(Script::Ids(vec![1]), Script::IdsThenError(vec![1], Error::Timeout))).await;
    let report = comparison.into_report();
    assert_eq!(report.reason.as_deref(), Some("the list of orders of new failed: the upstream did not respond in time"));
}

#[tokio::test]
async fn nothing_is_written_through_a_system_that_is_only_read() {
    let backend = Arc::new(ScriptedBackend::new(Script::Ids(vec![1])));
    let read_only = ReadOnly::new(Arc::clone(&backend) as Arc<dyn Backend>);
    let (context, id) = (RequestContext::within(Duration::from_secs(1)), OrderId::try_new(1).expect("an id"));
    let message = || NewMessage { kind: MessageType::Log, text: "x".into() };

    let status = read_only.set_status(&context, id, OrderStatus::Active).await.expect_err("a write");
    let added = read_only.add_message(&context, id, message()).await.expect_err("a write");

    assert!(status.sent.is_none() && added.sent.is_none() && !added.source.leaves_doubt());
    assert!(read_only.check_message(id, &message()).is_err());
    assert!(backend.messages.lock().is_empty());
    assert!(read_only.order_info(&context, id).await.is_ok());
}

/// The peak of resident memory in KiB.
fn peak_kib(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.process_id())).expect("a running program");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The peak of a program that has compared two lists of so many orders, and waits because the last one differs.
async fn peak_with_orders(count: u64) -> u64 {
    let list = |status: &str| {
        let mut list = "<orders><response>".to_owned();
        // Not in the order of their ids.
        (0..count).for_each(|number| list += &listed_order(number * 7_919 % count + 1));
        let differing = listed_order(count + 1).replace("<status>new", &format!("<status>{status}"));
        write!(list, "{differing}</response></orders>").expect("memory");
        Reply::xml(&list)
    };
    let old = Upstream::responding_with(list("new")).await;
    let new = Upstream::responding_with(list("active")).await;
    let (old_url, new_url) = (old.url(), new.url());
    let arguments = ["compare", "old", "new", "--since", "2026-09-01", "--rate", "1000", "--details", "none", "--settle", "1h"];
    let variables = [
        ("GATEWAY__UPSTREAMS__OLD__URL", &*old_url),
        ("GATEWAY__UPSTREAMS__OLD__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__NEW__URL", &new_url),
        ("GATEWAY__UPSTREAMS__NEW__API_USER", "1234"),
    ];
    let mut program = Program::start(&arguments, &variables);
    tokio::time::timeout(TEST_TIMEOUT, new.wait_for_answers(1)).await.expect("the list is read");
    // It has read what was sent when it does nothing any more.
    let mut peak = 0;
    eventually("the lists are compared", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        std::mem::replace(&mut peak, peak_kib(&program)) == peak
    })
    .await;
    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(3));
    peak
}

#[tokio::test]
async fn order_takes_at_most_64_bytes() {
    // The buffers of connections are the same for both.
    const ORDERS: [u64; 2] = [100_000, 300_000];
    let (few, many) = (peak_with_orders(ORDERS[0]).await, peak_with_orders(ORDERS[1]).await);
    let bytes = (many - few) * 1024 / (ORDERS[1] - ORDERS[0]);
    println!("{bytes} bytes for each order: {few} KiB and {many} KiB at the peak");
    // What the allocator holds varies by about a MiB.
    assert!(bytes <= 64 + 8, "{bytes} bytes for each order");
}
