//! The program as a process: start, signals, exit codes, log output.

use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::{Answer, Files, Gateway, Program, Reply, TEST_TIMEOUT, Upstream, eventually};

const SETTINGS: [(&str, &str); 5] = [
    ("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:9/orders"),
    ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
    ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
    ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
    ("GATEWAY__SERVER__DRAIN_DELAY", "500ms"),
];

async fn get(url: &str) -> Option<(u16, String)> {
    let client = crate::support::http_client().build().expect("a client");
    let response = client.get(url).send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

fn member(line: &str, name: &str) -> serde_json::Value {
    let line: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
    line[name].clone()
}

#[tokio::test]
async fn serve_reports_readiness_and_drains_on_sigterm() {
    let mut program = Program::start(&["serve"], &SETTINGS);
    let line = program.line_with("listening").await;
    let (api, ops) = (member(&line, "listen"), member(&line, "ops_listen"));
    let (api, ops) =
        (format!("http://{}", api.as_str().expect("an address")), format!("http://{}", ops.as_str().expect("an address")));

    assert_eq!(get(&format!("{ops}/livez")).await.expect("an answer").0, 200);
    assert_eq!(get(&format!("{ops}/readyz")).await.expect("an answer").0, 200);
    assert_eq!(get(&format!("{api}/orders/1")).await.expect("an answer").0, 502);

    program.terminate().await;
    program.line_with("shutting down").await;

    // During `drain_delay` requests are still served, but Kubernetes stops routing them here.
    assert_eq!(get(&format!("{ops}/readyz")).await.expect("an answer").0, 503);
    assert_eq!(get(&format!("{ops}/livez")).await.expect("an answer").0, 200);
    assert_eq!(get(&format!("{api}/orders/1")).await.expect("an answer").0, 502);
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn short_request_timeout_is_warned_about() {
    let settings = [&SETTINGS[..], &[("GATEWAY__SERVER__REQUEST_TIMEOUT", "11s")]].concat();
    let mut program = Program::start(&["serve"], &settings);

    let line = program.line_with("server.request_timeout").await;
    assert!(line.contains("WARN") && line.contains("upstreams.default.timeout"), "{line}");

    program.line_with("listening").await;
    program.terminate().await;
}

#[tokio::test]
async fn second_signal_stops_immediately() {
    let settings = [&SETTINGS[..4], &[("GATEWAY__SERVER__DRAIN_DELAY", "1h")]].concat();
    let mut program = Program::start(&["serve"], &settings);
    program.line_with("listening").await;

    program.terminate().await;
    program.line_with("shutting down").await;

    // Nothing was open, so nothing was cut off.
    assert_eq!(program.terminate_at_once().await, Some(0));
    program.line_with("stopped at once").await;
}

/// An upstream that holds its answers to writes until `latch` is notified, and ends its lists never.
async fn holding(latch: &Arc<Notify>) -> Upstream {
    let latch = Arc::clone(latch);
    Upstream::responding_to(move |query| {
        if query.contains("method=set_status") {
            Reply::held(&["<set_status>", "<status>success</status></set_status>"], &latch)
        } else {
            Reply::raw(b"HTTP/1.1 200 OK\r\n\r\n<orders><order><id>1</id></order>").then_hang()
        }
    })
    .await
}

fn patch(api: &str) -> impl Future<Output = Option<u16>> + Send + 'static {
    let client = crate::support::http_client().build().expect("a client");
    let request = client.patch(format!("{api}/orders/1/status")).header("content-type", "application/json");
    let request = request.body("{\"status\":\"received\"}");
    async move { Some(request.send().await.ok()?.status().as_u16()) }
}

#[tokio::test]
async fn signals_in_quick_succession_are_one_and_finish_writes() {
    let latch = Arc::new(Notify::new());
    let upstream = holding(&latch).await;
    let url = upstream.url();
    let settings =
        [&SETTINGS[1..4], &[("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str()), ("GATEWAY__SERVER__DRAIN_DELAY", "0s")]]
            .concat();
    let mut program = Program::start(&["serve"], &settings);
    let line = program.line_with("listening").await;
    let write = tokio::spawn(patch(&format!("http://{}", member(&line, "listen").as_str().expect("an address"))));
    upstream.wait_for_requests(1).await;

    program.signal("INT").await;
    program.signal("TERM").await;
    program.signal("INT").await;
    program.line_with("shutting down").await;
    latch.notify_one();

    assert_eq!(write.await.expect("an answer"), Some(200));
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn second_signal_that_cuts_off_a_write_or_a_list_exits_with_1() {
    for (target, writes) in [("write", 1), ("list", 0)] {
        let latch = Arc::new(Notify::new());
        let upstream = holding(&latch).await;
        let url = upstream.url();
        let settings = [&SETTINGS[1..4], &[("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str())]].concat();
        let mut program = Program::start(&["serve"], &settings);
        let line = program.line_with("listening").await;
        let api = format!("http://{}", member(&line, "listen").as_str().expect("an address"));
        let request = if target == "write" {
            tokio::spawn(patch(&api))
        } else {
            let list = crate::support::http_client().build().expect("a client").get(format!("{api}/orders?since=2016-03-14"));
            tokio::spawn(async move { list.send().await.ok()?.text().await.ok().map(|_| 200) })
        };
        upstream.wait_for_requests(1).await;

        assert_eq!(program.terminate_at_once().await, Some(1), "{target}");

        let line = program.line_with("stopped before").await;
        assert_eq!((member(&line, "open_requests"), member(&line, "writes")), (1.into(), writes.into()), "{line}");
        assert_eq!(request.await.expect("a result"), None, "{target}");
    }
}

#[tokio::test]
async fn hangup_reads_files_again_and_user_signals_are_ignored() {
    let files = Files::new();
    let secret = files.write("secret", "0123456789abcdef");
    let settings = [&SETTINGS[..], &[("GATEWAY__SERVER__SECRET_FILE", secret.as_str())]].concat();
    let mut program = Program::start(&["serve"], &settings);
    program.line_with("listening").await;

    program.signal("USR1").await;
    program.signal("USR2").await;
    files.write("secret", "fedcba9876543210");
    program.signal("HUP").await;
    program.line_with("a file was reloaded").await;
    program.signal("HUP").await;
    program.line_with("SIGHUP").await;

    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn closed_standard_output_is_no_panic() {
    for command in [
        "keygen",
        "openapi",
        "--version",
        "simulate --listen 127.0.0.1:0",
        "demo --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0",
    ] {
        let arguments: Vec<_> = command.split(' ').collect();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut program = Program::command(&arguments, &[]);
        let child = program.stdout(writer).stderr(std::process::Stdio::piped()).spawn().expect("the program starts");
        // Otherwise this process would keep the pipe open.
        drop(program);
        let id = child.id().expect("a running program");

        if arguments.len() > 1 {
            // A server goes on serving. It has passed the banner when it accepts connections.
            eventually("the server listens", async || is_listening(id)).await;
            let stopped = tokio::process::Command::new("kill").args(["-s", "TERM", &id.to_string()]).status().await;
            assert!(stopped.expect("kill").success());
        }

        let output = timeout(TEST_TIMEOUT, child.wait_with_output()).await.expect("the program ends").expect("a status");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
        // The signal may arrive before the server handles it.
        assert!(matches!(output.status.code(), Some(0) | None), "{command}: {:?} {stderr}", output.status);
    }
}

/// Whether the process has an open socket.
fn is_listening(id: u32) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).expect("a running process").flatten();
    let mut targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    targets.any(|target| target.to_string_lossy().starts_with("socket:"))
}

#[tokio::test]
async fn unread_log_does_not_block_requests() {
    let mut program = Program::start(&["serve"], &SETTINGS);
    let line = program.line_with("listening").await;
    let url = |name| format!("http://{}", member(&line, name).as_str().expect("an address"));
    let (api, ops) = (url("listen"), url("ops_listen"));
    let client = crate::support::http_client().build().expect("a client");
    // More log lines than the pipe and the queue can hold.
    let send_requests = async || {
        for _ in 0..1_500 {
            let request =
                client.request(reqwest::Method::OPTIONS, format!("{api}/orders")).header("x-request-id", "x".repeat(128));
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 204);
        }
    };
    let clients = futures_util::future::join_all((0..6).map(|_| send_requests()));
    timeout(TEST_TIMEOUT, clients).await.expect("answers");

    assert_eq!(get(&format!("{ops}/livez")).await.expect("an answer").0, 200);

    let metrics = get(&format!("{ops}/metrics")).await.expect("an answer").1;
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("log_lines_dropped_total "));
    assert!(dropped.expect("a counter").parse::<u64>().expect("a number") > 0);

    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn lists_aborted_by_shutdown_are_logged() {
    const LISTS: usize = 50;
    let list = "HTTP/1.1 200 OK\r\n\r\n<orders><order><id>1</id></order>";
    let upstream = Upstream::responding_with(Reply::raw(list.as_bytes()).then_drip()).await;
    let url = upstream.url();
    let settings = [
        &SETTINGS[1..4],
        &[
            ("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str()),
            ("GATEWAY__UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "1000"),
            ("GATEWAY__SERVER__DRAIN_DELAY", "0s"),
            ("GATEWAY__SERVER__REQUEST_TIMEOUT", "100ms"),
            ("GATEWAY__SERVER__DRAIN_TIMEOUT", "100ms"),
        ],
    ]
    .concat();
    // On a single core the log queue is not flushed in parallel, so shutdown has to flush it.
    let first_core = "taskset -cp $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//') $$ > /dev/null";
    let mut program = Program::start_after_shell(first_core, &settings);
    let line = program.line_with("listening").await;
    let url = format!("http://{}/orders?since=2016-03-14", member(&line, "listen").as_str().expect("an address"));
    let client = crate::support::http_client().build().expect("a client");

    let lists = futures_util::future::join_all((0..LISTS).map(|_| client.get(&url).send())).await;
    assert!(lists.iter().flatten().all(|list| list.status() == 200));

    program.terminate().await;
    for _ in 0..LISTS {
        assert_eq!(member(&program.line_with("/orders").await, "response"), "aborted");
    }

    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn connections_leave_descriptors_for_probes_and_calls() {
    let upstream = Upstream::with_fixtures().await;
    let url = upstream.url();
    let settings = [&SETTINGS[1..], &[("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str())]].concat();
    for (limits, is_warned) in [("ulimit -S -n 400", false), ("ulimit -n 400", true)] {
        let mut program = Program::start_after_shell(limits, &settings);
        let mut line = program.line_with("").await;
        while !line.contains("listening") {
            assert!(!line.contains("max_connections") || is_warned && line.contains("nofile"), "{line}");
            line = program.line_with("").await;
        }
        let url = |name| format!("http://{}", member(&line, name).as_str().expect("an address"));
        let address = member(&line, "listen").as_str().expect("an address").to_owned();
        let mut clients = Vec::new();
        for _ in 0..450 {
            clients.push(TcpStream::connect(&address).await.expect("a connection"));
        }

        for _ in 0..3 {
            assert_eq!(get(&format!("{}/livez", url("ops_listen"))).await.expect("an answer").0, 200, "{limits}");
            assert_eq!(get(&format!("{}/orders/20417", url("listen"))).await.expect("an answer").0, 200, "{limits}");
        }

        let metrics = get(&format!("{}/metrics", url("ops_listen"))).await.expect("an answer").1;
        let metric = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)).expect("a metric").trim().to_owned();
        assert_eq!(metric("http_server_max_connections") == "1024", !is_warned);
        assert!(metric("process_open_fds").parse::<u32>().expect("a number") < 600);
    }
}

#[tokio::test]
async fn descriptor_exhaustion_and_recovery_are_logged_once() {
    let mut program = Program::start(&["serve"], &SETTINGS);
    let line = program.line_with("listening").await;
    let address = member(&line, "listen").as_str().expect("an address").to_owned();
    let id = i32::try_from(program.process_id()).ok().and_then(Pid::from_raw);
    let few = Rlimit { current: Some(30), ..getrlimit(Resource::Nofile) };
    let previous = prlimit(id, Resource::Nofile, few).expect("a limit of an own process");
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(TcpStream::connect(&address).await.expect("a connection"));
    }

    assert!(program.next_line().await.contains("cannot accept connections; retrying"));

    // Free descriptors that are used up again at once are no recovery.
    for _ in 0..20 {
        clients.remove(0);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    prlimit(id, Resource::Nofile, previous).expect("the old limit");

    let line = program.next_line().await;
    assert!(line.contains("connections are accepted again") && member(&line, "failures").as_u64() > Some(0), "{line}");
}

#[tokio::test]
async fn access_log_has_one_line_per_request_without_values() {
    let mut program = Program::start(&["serve"], &SETTINGS);
    let line = program.line_with("listening").await;
    let api = format!("http://{}", member(&line, "listen").as_str().expect("an address"));

    get(&format!("{api}/orders/471147114711?since=hemligt")).await.expect("an answer");
    let line = program.line_with("\"message\":\"request\"").await;
    assert_eq!((member(&line, "route"), member(&line, "status")), ("/orders/{id}".into(), 400.into()));
    assert!(member(&line, "request.id").is_string() && member(&line, "duration_ms").is_u64());
    assert!(!line.contains("hemligt") && !line.contains("471147114711"), "{line}");

    get(&format!("{api}/customers/471147114711")).await.expect("an answer");
    let line = program.line_with("\"message\":\"request\"").await;
    assert_eq!((member(&line, "legacy.call"), member(&line, "legacy.outcome")), ("customer_info".into(), "unreachable".into()));
    assert_eq!((member(&line, "upstream"), member(&line, "retries")), ("default".into(), 2.into()));
}

#[tokio::test]
async fn config_and_usage_errors_exit_with_code_2() {
    let output = Program::command(&["serve"], &[("GATEWAY__SERVER__LISTEN", "here")]).output().await.expect("the program runs");

    assert_eq!(output.status.code(), Some(2));

    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("server.listen ") && text.contains("upstreams.default.url "), "{text}");

    for arguments in [
        &["serve", "--config", "/nowhere.toml"][..],
        &["serve", "--nonsense"],
        &["nonsense"],
        &["simulate", "--failure-rate", "2"],
    ] {
        let output = Program::command(arguments, &[]).output().await.expect("the program runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }

    let occupied = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = occupied.local_addr().expect("an address").to_string();
    let output = Program::command(&["simulate", "--listen", &address], &[]).output().await.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
}

#[tokio::test]
async fn demo_prints_working_curl_commands() {
    let mut program = Program::start(&["demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"], &[]);
    let mut lines = Vec::new();

    for _ in 0..3 {
        lines.push(program.line_with("curl ").await);
    }

    if std::process::Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is missing");
        eprintln!("skipped: curl is missing");
        return;
    }

    for line in lines {
        let command = format!("{} -sS --fail --noproxy '*'", line.trim());

        let output = tokio::process::Command::new("sh").args(["-c", &command]).output().await.expect("curl");

        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));

        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            ["{\"items\":[{", "{\"status\":\"received\"}", "<status>received</status>"]
                .iter()
                .any(|known| answer.contains(known)),
            "{answer}"
        );
    }

    program.terminate().await;

    assert_eq!(program.exit_code().await, Some(0));
}

/// The first line of `lines` that begins with `start`, and those after it.
#[track_caller]
fn from<'l>(lines: &'l [String], start: &str) -> &'l [String] {
    let at = lines.iter().position(|line| line.trim_start().starts_with(start));
    &lines[at.unwrap_or_else(|| panic!("{start} in {lines:#?}"))..]
}

#[tokio::test]
async fn demo_shows_what_it_answers_on_one_screen() {
    let mut program = Program::start(&["demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"], &[]);
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("Ctrl-C")) {
        lines.push(program.next_line().await);
    }

    assert!(lines.len() <= 32, "{lines:#?}");
    let read = from(&lines, "GET /orders/20427/status");
    let tag = read[1].strip_prefix("  200 OK   ETag: ").expect("a tag");
    assert_eq!(read[2], "  {\"status\":\"received\"}");
    let change = from(&lines, "PATCH /orders/20427/status");
    assert!(change[0].contains(&format!("If-Match: {tag}")), "{lines:#?}");
    assert!(change[1].starts_with("  200 OK") && change[2] == "  {\"status\":\"active\"}", "{lines:#?}");
    let stale = from(&change[1..], "PATCH /orders/20427/status");
    assert!(stale[1].starts_with("  412 ") && stale[2].contains("\"currentStatus\":\"active\""), "{lines:#?}");

    // The answers were real: the order has been changed.
    let swagger_ui = from(&lines, "Swagger UI")[0].split_whitespace().last().expect("an address").to_owned();
    let api = swagger_ui.trim_end_matches("/swagger-ui/");
    assert_eq!(get(&format!("{api}/orders/20427/status")).await.expect("an answer").1, "{\"status\":\"active\"}");
    // Its own requests are not logged before it listens.
    assert!(program.next_line().await.contains("listening"));
    program.terminate().await;
}

/// `docker run IMAGE demo`: what the Dockerfile sets makes it reachable, and `healthcheck` finds it.
#[tokio::test]
async fn demo_obeys_the_variables_of_the_image_and_its_options() {
    let dockerfile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile")).expect("a Dockerfile");
    let variables = ["GATEWAY__SERVER__LISTEN", "GATEWAY__SERVER__OPS_LISTEN"];
    for variable in variables {
        assert!(dockerfile.contains(&format!("{variable}=0.0.0.0:")), "{variable}");
    }
    let began = std::time::Instant::now();
    let mut program = Program::start(&["demo"], &variables.map(|variable| (variable, "0.0.0.0:0")));
    program.line_with("can read and change these invented data").await;
    let line = program.line_with("Swagger UI").await;
    let api = line.split_whitespace().last().expect("an address").trim_end_matches("/swagger-ui/").to_owned();
    assert!(api.starts_with("http://127.0.0.1:"), "{api}");
    let ops_listen = member(&program.line_with("listening").await, "ops_listen");
    let (status, body) = get(&format!("{api}/orders?since=2016-11-01&limit=1")).await.expect("an answer");
    assert!(status == 200 && body.starts_with("{\"items\":["), "{body}");
    println!("first JSON {} ms after the start", began.elapsed().as_millis());

    let variables = [("GATEWAY__SERVER__OPS_LISTEN", ops_listen.as_str().expect("an address"))];
    let output = Program::command(&["healthcheck"], &variables).output().await.expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(0));

    let options = ["demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
    let mut program = Program::start(&options, &[("GATEWAY__SERVER__LISTEN", "0.0.0.0:0")]);
    assert!(member(&program.line_with("listening").await, "listen").as_str().expect("an address").starts_with("127.0.0.1:"));
    let output = Program::command(&["demo"], &[("GATEWAY__SERVER__LISTEN", "here")]).output().await.expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn only_the_demo_has_the_back_office_page() {
    let mut program = Program::start(&["demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"], &[]);
    let line = program.line_with("/example/").await;
    let url = line.split_whitespace().last().and_then(|url| url.split('#').next()).expect("the URL of the page").to_owned();

    let client = crate::support::http_client().build().expect("a client");
    let send = async |request: reqwest::RequestBuilder| Answer::read(request.send().await.expect("a response")).await;

    let page = send(client.get(&url)).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
    let files: Vec<_> = page.body.split('"').filter_map(|value| value.strip_prefix("./")).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_eq!(send(client.get(format!("{url}{file}"))).await.status, 200, "{file}");
    }
    let redirected = send(client.get(url.trim_end_matches('/'))).await;
    assert_eq!(redirected.body, page.body);
    let posted = send(client.post(&url)).await;
    posted.problem(405, "method-not-allowed");
    assert_eq!(posted.header("allow"), "GET, HEAD, OPTIONS");

    let upstream = Upstream::responding_with(Reply::xml("<orders/>")).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    gateway.get("/example/").await.problem(404, "route-not-found");
}

#[tokio::test]
async fn printed_openapi_matches_the_committed_files() {
    for (format, committed) in [("json", "openapi.json"), ("yaml", "openapi.yaml")] {
        let output = Program::command(&["openapi", "--format", format], &[]).output().await.expect("the program runs");

        assert!(output.status.success());

        let committed = std::fs::read_to_string(format!("{}/openapi/{committed}", env!("CARGO_MANIFEST_DIR")))
            .expect("a committed document");
        assert!(
            String::from_utf8_lossy(&output.stdout) == committed,
            "run: cargo run -- openapi --format {format} > openapi/openapi.{format}"
        );
    }
}

#[tokio::test]
async fn openapi_3_0_has_the_same_operations() {
    let print = async |version: &str| -> serde_json::Value {
        let output =
            Program::command(&["openapi", "--openapi-version", version], &[]).output().await.expect("the program runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let (older, current) = (print("3.0").await, print("3.1").await);

    assert_eq!((&older["openapi"], &current["openapi"]), (&"3.0.3".into(), &"3.1.0".into()));
    assert_eq!(older["paths"], current["paths"]);
    for (name, schema) in older["components"]["schemas"].as_object().expect("schemas") {
        assert!(schema.get("examples").is_none(), "{name}");
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let is_alone = schema.get("$ref").is_none() || schema.as_object().map(serde_json::Map::len) == Some(1);
            assert!(is_alone, "{name}.{member}: {schema}");
        }
    }
}

#[tokio::test]
async fn keygen_hashes_a_key_from_standard_input() {
    let hash = |input: &'static str| async move {
        let mut command = Program::command(&["keygen", "--hash"], &[]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).await.expect("it reads");
        let output = child.wait_with_output().await.expect("it ends");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"), String::from_utf8(output.stderr).expect("text"))
    };

    for input in ["low-key\n", "low-key", "low-key\r\n"] {
        let expected = "b6d2770771a96fb485c8386e99447df1361b0d5e416fa6817370f4e4e2cf18b7\n";
        assert_eq!(hash(input).await, (Some(0), expected.to_owned(), String::new()));
    }
    let (code, output, error) = hash("two keys\n").await;
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains("standard input must have one key") && !error.contains("two keys"), "{error}");
}

#[tokio::test]
async fn an_empty_config_variable_is_the_same_as_none() {
    let mut command = Program::command(&["serve"], &SETTINGS);
    let mut child = command.env("GATEWAY_CONFIG", "").stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();

    let listening = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("listening") {
                return true;
            }
        }
        false
    };

    assert!(timeout(TEST_TIMEOUT, listening).await.expect("output"));
}
