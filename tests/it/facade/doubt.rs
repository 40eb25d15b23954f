//! JSON systems that fail at writes: at most one write for each request, no success without one, and no failure with one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::Facade;
use crate::rest_client::scripted::{Received, Reply, Scripted};
use crate::support::{LegacyAnswer, eventually};

/// What happens to the writes to one order.
#[derive(Clone, Debug)]
struct Case {
    /// What is sent instead of the answer; `None` if nothing is wrong.
    reply: Option<Reply>,
    /// Whether the write is applied all the same.
    is_applied: bool,
    /// Whether repetitions and reads fail as well.
    is_lasting: bool,
}

/// A JSON system with an order for each case: its id is the position of the case, from 1.
struct System {
    server: Scripted,
    orders: Arc<Mutex<HashMap<usize, State>>>,
}

#[derive(Default)]
struct State {
    status: Option<String>,
    status_changes: usize,
    /// The bodies of messages, with their stamps.
    messages: Vec<String>,
    keys: Vec<String>,
    requests: usize,
}

impl State {
    fn apply(&mut self, request: &Received) {
        if request.method == "PATCH" {
            self.status = Some(request.body.clone());
            self.status_changes += 1;
            return;
        }
        let key = request.header("idempotency-key").unwrap_or_default().to_owned();
        if key.is_empty() || !self.keys.contains(&key) {
            let stamp = tjansteguiden_gateway::model::now();
            self.messages.push(format!("{{\"at\":\"{stamp}\",{}", request.body.trim_start_matches('{')));
            self.keys.push(key);
        }
    }

    fn answer(&self, id: usize, request: &Received) -> Reply {
        match request.method.as_str() {
            "PATCH" => Reply::json(&request.body),
            "POST" => genuine_message(),
            _ => {
                let status = self.status.as_deref().unwrap_or(r#"{"status":"new"}"#).trim_matches(['{', '}']);
                let messages = self.messages.join(",");
                let order = format!(r#"{{"id":{id},{status},"deliverAsap":false,"messages":[{messages}],"details":[]}}"#);
                Reply::json(&order)
            }
        }
    }
}

fn genuine_message() -> Reply {
    Reply::new(201, "application/json", r#"{"type":"log","text":"hej"}"#)
}

impl System {
    async fn new(cases: Vec<Case>) -> Self {
        let orders = Arc::new(Mutex::new(HashMap::<usize, State>::new()));
        let states = Arc::clone(&orders);
        let server = Scripted::answering(move |request, _| {
            let id = request.target.split('/').nth(3).and_then(|id| id.parse::<usize>().ok());
            let Some(id) = id else { return Reply::json(r#"{"scopes":["personal-data:read"]}"#) };
            let (case, mut states) = (&cases[id - 1], states.lock());
            let state = states.entry(id).or_default();
            let is_write = request.method != "GET";
            let fails = case.is_lasting && state.requests > 0 || is_write && state.requests == 0;
            state.requests += usize::from(is_write);
            if is_write && (case.is_applied || !fails) {
                state.apply(request);
            }
            case.reply.clone().filter(|_| fails).unwrap_or_else(|| state.answer(id, request))
        })
        .await;
        Self { server, orders }
    }

    /// How often the order of a case was written to.
    fn applied(&self, id: usize) -> usize {
        self.orders.lock().get(&id).map_or(0, |state| state.status_changes + state.messages.len())
    }
}

/// Answers that prove nothing.
fn faults() -> Vec<Reply> {
    vec![
        Reply::reset(),
        Reply::hang(),
        Reply::json("").truncated(0),
        Reply::html(200),
        Reply::html(404),
        Reply::html(502),
        Reply::html(302).with_header("location: /login"),
        Reply::json(r#"{"result":"ok","id":17}"#),
        Reply::json("[]"),
        Reply::problem(500, "internal-error", None),
        Reply::problem(503, "upstream-unavailable", None),
        Reply::problem(404, "further", None),
        Reply::new(202, "application/json", r#"{"status":"active"}"#),
    ]
}

fn cases(is_message: bool) -> Vec<Case> {
    let genuine = if is_message { genuine_message() } else { Reply::json(r#"{"status":"active"}"#) };
    let cuts = (0..genuine.len()).map(|length| Case {
        reply: Some(genuine.clone().truncated(length)),
        is_applied: true,
        is_lasting: false,
    });
    let doubtful = faults().into_iter().flat_map(|reply| {
        [(true, true), (true, false), (false, true), (false, false)].map(|(is_applied, is_lasting)| Case {
            reply: Some(reply.clone()),
            is_applied,
            is_lasting,
        })
    });
    // They say the truth.
    let refusals = [
        Reply::problem(404, "route-not-found", None),
        Reply::problem(404, "order-not-found", Some("not-applied")),
        Reply::problem(409, "refused-by-upstream", Some("not-applied")),
        Reply::problem(403, "forbidden", None),
        Reply::problem(503, "overloaded", Some("not-applied")),
    ];
    let refused = refusals.map(|reply| Case { reply: Some(reply), is_applied: false, is_lasting: true });
    let fine = Case { reply: None, is_applied: true, is_lasting: false };
    [fine].into_iter().chain(cuts).chain(doubtful).chain(refused).collect()
}

async fn facade(system: &Scripted, idempotency: &str) -> Facade {
    let settings = [
        ("FACADE__BACKENDS__NEW__IDEMPOTENCY", idempotency),
        ("FACADE__BACKENDS__NEW__TIMEOUT", "400ms"),
        ("FACADE__BACKENDS__NEW__BREAKER__ENABLED", "false"),
        ("FACADE__BACKENDS__NEW__MAX_IN_FLIGHT", "1000"),
        ("SERVER__REQUEST_TIMEOUT", "1500ms"),
    ];
    Facade::over_json(&system.url, &settings).await
}

/// Asserts that an answer claims nothing that is not so.
fn check(answer: &LegacyAnswer, applied: usize, case: &Case) {
    let text = answer.text();
    assert!(applied <= 1, "{applied} writes: {case:?}");
    match answer.status {
        200 => assert!(text.contains("<status>success</status>") && applied == 1, "{applied} {text}: {case:?}"),
        504 => assert_eq!(text, "", "{case:?}"),
        _ => assert!(text.contains("<status>failed</status>") && applied == 0, "{applied} {text}: {case:?}"),
    }
}

#[tokio::test]
async fn writes_to_failing_systems_are_applied_once_and_no_answer_is_wrong() {
    for (method, parameters) in [("add_message", "type=log&message=hej"), ("set_status", "status=active")] {
        for idempotency in ["true", "false"] {
            let cases = cases(method == "add_message");
            let system = System::new(cases.clone()).await;
            let facade = facade(&system.server, idempotency).await;
            let calls = (1..=cases.len()).map(|id| {
                let facade = &facade;
                async move { (id, facade.call(method, &format!("id={id}&{parameters}")).await) }
            });
            let answers: Vec<_> = stream::iter(calls).buffer_unordered(100).collect().await;
            for (id, answer) in answers {
                check(&answer, system.applied(id), &cases[id - 1]);
                let is_settled = cases[id - 1].is_applied && !cases[id - 1].is_lasting;
                assert!(!is_settled || answer.status == 200, "it can be seen: {:?}", cases[id - 1]);
            }
        }
    }
}

#[tokio::test]
async fn system_that_dies_during_a_write_leaves_doubt() {
    let calls = ["true", "false"].map(|idempotency| async move {
        let case = Case { reply: Some(Reply::hang()), is_applied: true, is_lasting: true };
        let system = System::new(vec![case; 2]).await;
        let facade = facade(&system.server, idempotency).await;
        let die = async {
            eventually("both writes are sent", async || system.applied(1) + system.applied(2) == 2).await;
            let orders = Arc::clone(&system.orders);
            drop(system);
            orders
        };
        let message = facade.call("add_message", "id=1&type=log&message=hej");
        let status = facade.call("set_status", "id=2&status=active");
        let (orders, message, status) = tokio::join!(die, message, status);
        assert_eq!((message.status, &*message.text()), (504, ""));
        assert_eq!((status.status, &*status.text()), (504, ""));
        sleep(Duration::from_millis(100)).await;
        assert!(orders.lock().values().all(|state| state.status_changes + state.messages.len() == 1));
        // Now nothing can be sent.
        let refused = facade.call("add_message", "id=1&type=log&message=hej").await;
        assert!(refused.status == 503 && refused.text().contains("<status>failed</status>"), "{}", refused.text());
    });
    join_all(calls).await;
}
