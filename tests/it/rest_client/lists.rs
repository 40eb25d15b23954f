//! Lists: lines, documents, pages, and those that are not complete.

use tjansteguiden_gateway::backend::Error;

use super::scripted::{Reply, Scripted};
use super::{client, listed};

const LINES: &str = concat!(
    r#"{"id":1,"deliverAsap":false}"#,
    "\n",
    r#"{"id":2,"status":"new","deliverAsap":true,"further":{}}"#,
    "\n",
    r#"{"unreadable":{"position":3,"detail":"it has no id"}}"#,
    "\n",
    r#"{"id":"4","deliverAsap":false}"#,
    "\n",
    r#"{"complete":true,"count":3}"#,
    "\n"
);

async fn list(reply: Reply) -> (Vec<String>, Result<(), Error>) {
    let system = Scripted::always(reply).await;
    listed(&client(&system.url, |backend| backend.max_item_bytes = 1_024)).await
}

#[tokio::test]
async fn lines_are_items_as_they_arrive() {
    let system = Scripted::always(Reply::chunked("application/x-ndjson", LINES)).await;
    let client = client(&system.url, |_| {});

    assert_eq!(listed(&client).await, (["1", "2", "?", "?"].map(str::to_owned).to_vec(), Ok(())));

    let request = &system.received()[0];
    assert_eq!(request.target, "/api/orders?since=2016-03-14");
    assert_eq!(request.header("accept"), Some("application/x-ndjson, application/json;q=0.5"));
}

#[tokio::test]
async fn list_that_is_cut_anywhere_is_never_complete() {
    for reply in [Reply::ndjson(LINES), Reply::chunked("application/x-ndjson", LINES)] {
        // A connection that is closed instead of announcing an end is not complete either, unless its last line has arrived.
        let cuts: Vec<usize> = (1..reply.len()).step_by(7).chain(reply.len() - 5..reply.len()).collect();
        for length in cuts {
            let (_, end) = list(reply.clone().truncated(length)).await;
            assert!(end.is_err(), "{length} of {} bytes", reply.len());
        }
    }
}

#[tokio::test]
async fn lines_that_contradict_the_list_break_it_off() {
    let last = |text: &str| LINES.replace(r#"{"complete":true,"count":3}"#, text);
    for lines in [
        last(r#"{"complete":true,"count":4}"#),
        last(r#"{"complete":true}"#),
        last(""),
        format!("{LINES}{LINES}"),
        format!("{LINES}{{\"id\":5,\"deliverAsap\":false}}\n"),
        format!("{}\n{LINES}", "x".repeat(2_000)),
        "<html>\n".to_owned(),
        String::new(),
    ] {
        let (_, end) = list(Reply::ndjson(&lines)).await;
        assert!(matches!(end, Err(Error::InvalidResponse { .. })), "{end:?} for {lines}");
    }
    let (ids, end) = list(Reply::ndjson(&format!("\n{}\r\n\n", LINES.trim_end()))).await;
    assert_eq!((ids.len(), end), (4, Ok(())), "blank lines and other line ends are harmless");
}

#[tokio::test]
async fn document_is_a_list_whose_unreadable_items_come_first() {
    let document = r#"{"items":[{"id":1,"deliverAsap":false},{"id":2}],"unreadable":[{"position":9,"detail":"x"}]}"#;
    assert_eq!(list(Reply::json(document)).await, (["?", "1", "?"].map(str::to_owned).to_vec(), Ok(())));
    assert_eq!(list(Reply::json(r#"{"items":[]}"#)).await, (Vec::new(), Ok(())));
    for reply in [
        Reply::json("[]"),
        Reply::json(r#"{"orders":[]}"#),
        Reply::json(&document[..document.len() - 1]),
        Reply::html(200),
        Reply::html(302),
        Reply::html(404),
        Reply::problem(404, "order-not-found", None),
        Reply::new(204, "application/json", ""),
    ] {
        let (ids, end) = list(reply.clone()).await;
        assert!(ids.is_empty() && matches!(end, Err(Error::InvalidResponse { .. })), "{end:?} for {reply:?}");
    }
    let (_, refused) = list(Reply::problem(401, "unauthenticated", None)).await;
    assert_eq!(refused, Err(Error::CredentialRejected));
}

#[tokio::test]
async fn pages_are_followed_to_the_last() {
    let item = |id: u64| format!(r#"{{"id":{id},"deliverAsap":false}}"#);
    let system = Scripted::answering(move |request, _| match request.target.as_str() {
        "/api/orders?since=2016-03-14" => Reply::json(&format!(r#"{{"items":[{}],"nextCursor":"å&b"}}"#, item(1))),
        "/api/orders?since=2016-03-14&cursor=%C3%A5%26b" => {
            Reply::ndjson(&format!("{}\n{{\"complete\":true,\"count\":1,\"nextCursor\":\"c\"}}\n", item(2)))
        }
        "/api/orders?since=2016-03-14&cursor=c" => Reply::json(&format!(r#"{{"items":[{}]}}"#, item(3))),
        _ => Reply::html(404),
    })
    .await;

    assert_eq!(listed(&client(&system.url, |_| {})).await, (["1", "2", "3"].map(str::to_owned).to_vec(), Ok(())));

    for next in [Reply::html(500), Reply::json(r#"{"items":[],"nextCursor":"c"}"#), Reply::reset()] {
        let page = format!(r#"{{"items":[{}],"nextCursor":"c"}}"#, item(1));
        let system = Scripted::answering(move |_, number| if number == 0 { Reply::json(&page) } else { next.clone() }).await;
        let (ids, end) = listed(&client(&system.url, |_| {})).await;
        assert!(ids == ["1"] && end.is_err(), "{end:?}");
    }
}

#[tokio::test]
async fn list_that_stops_sending_times_out() {
    for reply in [Reply::hang(), Reply::ndjson(LINES).truncated(100)] {
        let (_, end) = list(reply).await;
        assert!(end.is_err());
    }
}
