//! JSON systems behind the facade: tokens, metrics, shared reads, and writes of clients that leave.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tjansteguiden_gateway::commands::facade;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Facade, config, get};
use crate::rest_client::scripted::{Received, Reply, Scripted};
use crate::support::{Files, eventually};

const ORDER: &str = r#"{"id":7,"status":"new","deliverAsap":false,"messages":[],"details":[]}"#;
const ADDED: &str = r#"{"type":"log","text":"hej"}"#;
const MESSAGE: &str = "id=7&type=log&message=hej";
const MAY_ALL: &str =
    r#"{"client":"facade","scopes":["orders:read","orders:write","customers:read","personal-data:read"],"upstream":"x"}"#;

/// A JSON system with one order, whose client may do everything.
async fn system() -> Scripted {
    Scripted::answering(|request, _| answer(request)).await
}

/// The same, but it never answers the first call with this method.
async fn hanging_once(method: &'static str) -> Scripted {
    let has_hung = AtomicBool::new(false);
    let hangs = move |request: &Received| {
        request.method == method && request.target != "/api/me" && !has_hung.swap(true, Ordering::SeqCst)
    };
    Scripted::answering(move |request, _| if hangs(request) { Reply::hang() } else { answer(request) }).await
}

fn answer(request: &Received) -> Reply {
    match (request.method.as_str(), request.target.as_str()) {
        ("GET", "/api/me") => Reply::json(MAY_ALL),
        ("GET", _) => Reply::json(ORDER),
        ("PATCH", _) => Reply::json(r#"{"status":"active"}"#),
        _ => Reply::json(ADDED),
    }
}

/// What was sent besides the question at start.
fn calls(system: &Scripted) -> Vec<Received> {
    system.received().into_iter().filter(|request| request.target != "/api/me").collect()
}

#[tokio::test]
async fn calls_go_to_the_json_system() {
    let system = system().await;
    let facade = Facade::over_json(&system.url, &[]).await;

    let order = facade.call("order_info", "id=7").await;
    assert!(order.text().contains("<order_info><orderinfo><status>new</status>"), "{}", order.text());
    let changed = facade.call("set_status", "id=7&status=active").await.text();
    assert!(changed.contains("<status>success</status>"), "{changed}");
    assert_eq!(facade.call("add_message", MESSAGE).await.status, 200);

    let sent: Vec<_> = calls(&system).into_iter().map(|request| format!("{} {}", request.method, request.target)).collect();
    assert_eq!(sent, ["GET /api/orders/7", "PATCH /api/orders/7/status", "POST /api/orders/7/messages"]);
    for line in [
        r#"facade_requests_total{call="add_message",client="shop",outcome="success",system="new"} 1"#,
        r#"upstream_request_duration_seconds_count{call="set_status",outcome="success",upstream="new"} 1"#,
        r#"write_outcome_total{call="add_message",outcome="applied"} 1"#,
        r#"write_outcome_total{call="set_status",outcome="applied"} 1"#,
    ] {
        facade.wait_for_metric(line).await;
    }
}

#[tokio::test]
async fn each_client_has_the_token_of_its_own_or_of_the_system() {
    let (files, system) = (Files::new(), system().await);
    let settings = [
        ("FACADE__BACKENDS__NEW__TOKEN_FILE", &*files.write("token", "shared\n")),
        ("FACADE__CLIENTS__SECOND__API_USER", "5678"),
        ("FACADE__CLIENTS__SECOND__ALLOWED_IPS", "127.0.0.1"),
        ("FACADE__CLIENTS__SECOND__TOKEN_FILE", &files.write("own", "own-token\n")),
    ];
    let mut facade = Facade::over_json(&system.url, &settings).await;
    let tokens = async |facade: &Facade| {
        let before = calls(&system).len();
        for user in ["1234", "5678"] {
            assert_eq!(facade.send(&get(&format!("method=order_info&api_user={user}&id=7"))).await.status, 200);
            assert_eq!(facade.send(&get(&format!("method=add_message&api_user={user}&{MESSAGE}"))).await.status, 200);
        }
        let sent = calls(&system).split_off(before);
        sent.iter().map(|request| request.header("authorization").unwrap_or("none").to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(tokens(&facade).await, ["Bearer shared", "Bearer shared", "Bearer own-token", "Bearer own-token"]);

    files.write("token", "renewed\n");
    files.write("own", "own-renewed\n");
    // New content counts when two consecutive polls read the same.
    facade.reload_task.poll();
    facade.reload_task.poll();

    assert_eq!(tokens(&facade).await, ["Bearer renewed", "Bearer renewed", "Bearer own-renewed", "Bearer own-renewed"]);
}

#[tokio::test]
async fn equal_reads_in_flight_share_a_call() {
    // The first attempt has no answer, so that all reads have begun when it is repeated.
    let system = hanging_once("GET").await;
    let facade = Facade::over_json(&system.url, &[("FACADE__BACKENDS__NEW__TIMEOUT", "1s")]).await;

    let answers = join_all((0..10).map(|_| facade.call("order_info", "id=7"))).await;

    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(calls(&system).len(), 2);
    facade.wait_for_metric(r#"upstream_coalesced_total{call="order_info",upstream="new"} 9"#).await;
}

#[tokio::test]
async fn write_of_a_client_that_leaves_is_finished() {
    let system = hanging_once("POST").await;
    let facade = Facade::over_json(&system.url, &[("FACADE__BACKENDS__NEW__TIMEOUT", "300ms")]).await;
    let mut client = TcpStream::connect(facade.address).await.expect("the facade listens");
    client.write_all(get(&format!("method=add_message&api_user=1234&{MESSAGE}")).as_bytes()).await.expect("the facade reads");
    eventually("it is sent", async || system.writes() > 0).await;

    drop(client);

    facade.wait_for_metric(r#"write_outcome_total{call="add_message",outcome="applied"} 1"#).await;
    let keys: Vec<_> =
        calls(&system).iter().filter_map(|request| request.header("idempotency-key").map(str::to_owned)).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
}

/// A JSON system that answers the question at start with this, and whether the facade starts.
async fn asked(reply: Reply, settings: &[(&str, &str)]) -> (Scripted, Result<(), String>) {
    crate::support::log::capture();
    let system = Scripted::always(reply).await;
    let settings = [&[("FACADE__BACKENDS__NEW__URL", &*system.url)], settings].concat();
    let built = facade::build(&config(&settings)).await.map(drop).map_err(|error| {
        assert_eq!(format!("{:?}", error.exit_code()), format!("{:?}", ExitCode::from(2)));
        error.to_string()
    });
    (system, built)
}

const SECOND: [(&str, &str); 3] = [
    ("FACADE__CLIENTS__SECOND__API_USER", "5678"),
    ("FACADE__CLIENTS__SECOND__ALLOWED_IPS", "127.0.0.1"),
    ("FACADE__CLIENTS__SECOND__TOKEN", "own-token"),
];

#[tokio::test]
async fn token_that_shows_masked_data_stops_the_facade() {
    let masked = || Reply::json(r#"{"client":"facade","scopes":["orders:read","orders:write","customers:read"]}"#);
    let (_, stopped) = asked(masked(), &SECOND).await;
    let error = stopped.expect_err("it does not start");
    for key in ["facade.backends.new.token", "facade.clients.second.token"] {
        let line = format!("{key} lacks the scope personal-data:read: it would hand masked data to legacy clients");
        assert!(error.contains(&line), "{error}");
    }
    assert_eq!(asked(masked(), &[("FACADE__ALLOW_MASKED", "true")]).await.1, Ok(()));
}

#[tokio::test]
async fn each_token_that_calls_have_is_asked_about_once() {
    let third = [
        ("FACADE__BACKENDS__NEW__TOKEN", "shared"),
        ("FACADE__CLIENTS__THIRD__API_USER", "9"),
        ("FACADE__CLIENTS__THIRD__ALLOWED_IPS", "127.0.0.1"),
        ("FACADE__CLIENTS__THIRD__TOKEN", "own-token"),
    ];
    let (system, started) = asked(Reply::json(MAY_ALL), &[&SECOND[..], &third].concat()).await;
    assert_eq!(started, Ok(()));
    let mut tokens: Vec<_> =
        system.received().iter().map(|request| request.header("authorization").unwrap_or("none").to_owned()).collect();
    tokens.sort();
    assert_eq!(tokens, ["Bearer own-token", "Bearer shared"]);

    // No call goes to it.
    let elsewhere = [
        ("UPSTREAMS__OLD__URL", "http://127.0.0.1:1/orders"),
        ("UPSTREAMS__OLD__API_USER", "1234"),
        ("FACADE__ROUTE__TO", "old"),
    ];
    let (system, started) = asked(Reply::json(r#"{"scopes":[]}"#), &elsewhere).await;
    assert!(started.is_ok() && system.received().is_empty());
}

#[tokio::test]
async fn facade_starts_when_a_system_does_not_say_what_its_token_permits() {
    let started_at = Instant::now();
    let answers = [
        Reply::problem(401, "unauthenticated", None),
        Reply::problem(403, "forbidden", None),
        Reply::problem(404, "route-not-found", None),
        Reply::html(404),
        Reply::html(200),
        Reply::json(r#"{"user":"facade"}"#),
        Reply::problem(503, "overloaded", None),
        Reply::hang(),
        Reply::reset(),
    ];
    let settings = [("FACADE__BACKENDS__NEW__CONNECT_TIMEOUT", "500ms")];
    let all = answers.map(|reply| async { asked(reply, &settings).await.1 });
    assert!(join_all(all).await.iter().all(Result::is_ok));
    let unreachable = facade::build(&config(&[("FACADE__BACKENDS__NEW__URL", "http://127.0.0.1:1/api")])).await;
    assert!(unreachable.is_ok());
    assert!(started_at.elapsed() < Duration::from_secs(10), "{:?}", started_at.elapsed());
}
