//! Commands that answer and end: `config check`, `healthcheck`, `completions`.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::{Files, Program};

const UPSTREAM: [(&str, &str); 2] = [
    ("GATEWAY__UPSTREAMS__DEFAULT__URL", "https://portal.example/secret-path/orders"),
    ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "hemlig1234"),
];

/// What a command prints to standard output and to standard error, and its exit code.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let output = Program::command(arguments, variables).output().await.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[tokio::test]
async fn config_check_accepts_a_valid_configuration_without_binding_its_ports() {
    let occupied = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = occupied.local_addr().expect("an address").to_string();
    let variables = [&UPSTREAM[..], &[("GATEWAY__SERVER__LISTEN", address.as_str())]].concat();

    let Outcome { code, stdout, stderr } = run(&["config", "check"], &variables).await;

    let lines: Vec<_> = stdout.lines().collect();
    let (valid, warnings) = lines.split_last().expect("a line");
    let expected = format!(
        "the configuration is valid: API on http://{address}, operations port on 127.0.0.1:8081, auth.mode none, upstreams: default"
    );
    assert_eq!((code, *valid, stderr.as_str()), (Some(0), expected.as_str(), ""));
    assert!(warnings.iter().any(|line| line.starts_with("warning: server.secret is not set")), "{warnings:?}");
    assert!(!stdout.contains("hemlig") && !stdout.contains("secret-path"), "{stdout}");
}

#[tokio::test]
async fn config_check_warns_of_what_serve_warns_of() {
    let files = Files::new();
    let config = files.write(
        "config.toml",
        "[server]\nrequest_timeout = \"11s\"\nsecret = \"0123456789abcdef\"\n\
         [upstreams.north]\nurl = \"https://a.example/orders\"\napi_user = 1\nmax_response_bytes = 67108864\n",
    );

    let Outcome { code, stdout, .. } = run(&["config", "check", "--config", &config], &[]).await;

    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("warning: server.request_timeout leaves no time after upstreams.north.timeout"), "{stdout}");
    assert!(stdout.contains("warning: answers of upstreams.north.max_response_bytes = 67108864"), "{stdout}");
    assert!(!stdout.contains("server.secret"), "{stdout}");
}

#[tokio::test]
async fn config_check_reports_every_error_at_once() {
    let files = Files::new();
    let config = files.write(
        "config.toml",
        "[server]\nlistn = \"127.0.0.1:1\"\nrequestTimeout = \"3s\"\nsecret_file = \"hemlig0123456789\"\n\
         [upstream.default]\ntimeout = \"3s\"\n\
         [upstreams.default]\nurl = \"ftp://a.example/\"\napi_user_file = \"/nowhere/api-user\"\n",
    );

    let Outcome { code, stdout, stderr } = run(&["config", "check", "--config", &config], &[]).await;

    let mut errors: Vec<_> = stderr.lines().map(str::trim).collect();
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            "server.listn is not a key of this version: did you mean `server.listen`?",
            "server.requestTimeout is not a key of this version: did you mean `server.request_timeout`?",
            // It looks like the secret itself, so it is not shown.
            "server.secret names a file that cannot be read: No such file or directory (os error 2)",
            "tjansteguiden-gateway: the configuration is not valid:",
            "upstream.default.timeout is not a key of this version: did you mean `upstreams.default.timeout`?",
            "upstreams.default.api_user names a file that cannot be read: /nowhere/api-user: No such file or directory (os error 2)",
            "upstreams.default.url must be a URL that begins with https://",
        ]
    );
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
}

#[tokio::test]
async fn unreadable_files_are_named_by_path_and_never_by_content() {
    let files = Files::new();
    let folder = files.write("not-a-key", "hemlig-----BEGIN nothing");
    let folder = folder.trim_end_matches("/not-a-key");
    let not_text = files.path("not-text");
    std::fs::write(&not_text, b"hemlig\xff").expect("a writable file");
    let not_text = not_text.as_str();

    for (variable, path, reason) in [
        ("UPSTREAMS__DEFAULT__API_USER_FILE", folder, "it is not a regular file"),
        ("UPSTREAMS__DEFAULT__API_USER_FILE", not_text, "it is not UTF-8 text"),
        ("UPSTREAMS__DEFAULT__CA_FILE", "/nowhere/ca.pem", "No such file or directory"),
        ("SERVER__TLS__CERT_FILE", "/nowhere/tls.crt", "No such file or directory"),
        ("SERVER__SECRET_FILE", folder, "it is not a regular file"),
    ] {
        let (url, variable) = (UPSTREAM[0], format!("GATEWAY__{variable}"));
        let mut variables = vec![url, (&*variable, path)];
        if !variable.contains("API_USER") {
            variables.push(UPSTREAM[1]);
        }
        if variable.contains("CERT") {
            variables.push(("GATEWAY__SERVER__TLS__KEY_FILE", "/nowhere/tls.key"));
        }

        let Outcome { code, stderr, .. } = run(&["config", "check"], &variables).await;

        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(&format!(" names a file that cannot be read: {path}: {reason}")), "{stderr}");
        assert!(!variable.contains("CERT") || stderr.contains("/nowhere/tls.key: No such file"), "{stderr}");
        assert!(!stderr.contains("hemlig"), "{stderr}");
    }

    let Outcome { code, stderr, .. } = run(&["config", "check", "--config", "/nowhere/config.toml"], &[]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/nowhere/config.toml cannot be read: No such file or directory"), "{stderr}");
}

#[tokio::test]
async fn healthcheck_follows_the_probes_of_the_gateway() {
    let ports = [("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"), ("GATEWAY__SERVER__OPS_LISTEN", "0.0.0.0:0")];
    let variables = [&UPSTREAM[..], &ports, &[("GATEWAY__SERVER__DRAIN_DELAY", "1h")]].concat();
    let mut program = Program::start(&["serve"], &variables);
    let line: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    let ops_listen = line["ops_listen"].as_str().expect("an address").to_owned();
    let port = ops_listen.rsplit(':').next().expect("a port");
    // Of the configuration only the address counts: here the upstream is missing.
    let healthcheck = |arguments: &'static [&'static str]| {
        let ops_listen = ops_listen.clone();
        async move { run(arguments, &[("GATEWAY__SERVER__OPS_LISTEN", ops_listen.as_str())]).await }
    };

    let Outcome { code, stdout, stderr } = healthcheck(&["healthcheck"]).await;
    let expected = format!("http://127.0.0.1:{port}/readyz: 200 ready\n");
    assert_eq!((code, stdout, stderr), (Some(0), expected, String::new()));

    program.terminate().await;
    program.line_with("shutting down").await;

    let Outcome { code, stdout, stderr } = healthcheck(&["healthcheck"]).await;
    let expected = format!("tjansteguiden-gateway: http://127.0.0.1:{port}/readyz: 503 not ready\n");
    assert_eq!((code, stdout, stderr), (Some(1), String::new(), expected));
    assert_eq!(healthcheck(&["healthcheck", "--live"]).await.code, Some(0));

    program.terminate_at_once().await;

    let Outcome { code, stderr, .. } = healthcheck(&["healthcheck", "--live"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/livez: Connection refused"), "{stderr}");
}

#[tokio::test]
async fn healthcheck_exits_with_1_also_when_its_address_is_not_valid_or_slow() {
    let Outcome { code, stderr, .. } = run(&["healthcheck"], &[("GATEWAY__SERVER__OPS_LISTEN", "here")]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("server.ops_listen must be an IP address"), "{stderr}");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let variables = [("GATEWAY__SERVER__OPS_LISTEN", &*address)];
    let silent = run(&["healthcheck"], &variables).await;
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().and_then(|_of_silent| listener.accept()).expect("a connection");
        while stream.write_all(b"H").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let began = Instant::now();
    let trickling = run(&["healthcheck"], &variables).await;
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    for Outcome { code, stderr, .. } in [silent, trickling] {
        assert_eq!(code, Some(1));
        assert!(stderr.contains("/readyz: no complete answer within 3 s"), "{stderr}");
    }
}

#[tokio::test]
async fn unwritable_standard_output_is_named() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let mut program = Program::command(&["openapi"], &[]);
    let child = program.stdout(full).stderr(std::process::Stdio::piped()).spawn().expect("the program starts");
    let output = child.wait_with_output().await.expect("the program runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.starts_with("tjansteguiden-gateway: standard output cannot be written: No space left"), "{stderr}");
}

#[tokio::test]
async fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let Outcome { code, stdout, stderr } = run(&["completions", shell], &[]).await;

        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{shell}");
        for command in
            ["serve", "compare", "config", "check", "demo", "simulate", "healthcheck", "keygen", "openapi", "completions"]
        {
            assert!(stdout.contains(command), "{shell} lacks {command}");
        }
        assert!(stdout.contains("ops-listen"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"], &[]).await.code, Some(2));
}
