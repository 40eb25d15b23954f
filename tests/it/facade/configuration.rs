//! The configuration of the facade, and the program.

use std::net::SocketAddr;

use tjansteguiden_gateway::config::{Config, FacadeConfig, FailureStatus, Route};

use crate::support::{Files, NETWORK_PATH, Program, exchange};

const VALID: &str = r#"
[facade]
listen = "127.0.0.1:0"
[facade.clients.ljusbolaget]
api_user = "1234"
allowed_ips = ["127.0.0.1"]
[upstreams.old]
url = "http://127.0.0.1:1/orders"
api_user = "1234"
[server]
ops_listen = "127.0.0.1:0"
"#;

fn load(text: &str) -> Result<FacadeConfig, Vec<String>> {
    let files = Files::new();
    let path = files.write("config.toml", text);
    FacadeConfig::load(Some(path.as_ref()), []).map_err(|errors| {
        // The first line is a heading.
        let mut lines: Vec<_> = errors.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    })
}

/// The errors of the valid configuration with this text added.
fn errors(text: &str) -> Vec<String> {
    load(&format!("{VALID}{text}")).expect_err("it is not valid")
}

#[test]
fn valid_configuration_has_defaults() {
    let config = load(VALID).expect("a valid configuration");
    assert_eq!(config.facade.route, Route::To("old".to_owned()));
    assert_eq!(config.facade.path, NETWORK_PATH);
    assert_eq!(config.facade.answers.failure_status, FailureStatus::Http);
    assert!(config.shared.warnings.is_empty());
}

#[test]
fn section_auth_is_not_read_by_the_facade_nor_its_own_by_the_gateway() {
    assert!(load(&format!("{VALID}[auth]\nmode = \"none of these\"\n")).is_ok());
    let files = Files::new();
    let path = files.write("config.toml", &format!("{VALID}[facade.answers]\ncharset = \"none\"\n"));
    assert!(Config::load(Some(path.as_ref()), []).is_ok());
}

#[test]
fn split_needs_all_of_its_parts() {
    let new = "[upstreams.new]\nurl = \"http://127.0.0.1:1/new\"\napi_user = \"1\"\n";
    let split = |route: &str| load(&format!("{VALID}{new}[facade.route]\n{route}"));

    let valid = split("below = \"old\"\nabove = \"new\"\nfrom_id = 9007199254740991\n").expect("a valid configuration");
    assert!(matches!(valid.facade.route, Route::Split { from_id, .. } if from_id.get() == 9_007_199_254_740_991));

    assert!(load(&format!("{VALID}{new}")).expect_err("which one?")[0].starts_with("facade.route.to is missing"));
    let some = split("below = \"old\"\n").expect_err("two are missing");
    assert!(
        some[0].starts_with("facade.route.above is missing") && some[1].starts_with("facade.route.from_id is missing"),
        "{some:?}"
    );
    assert!(split("below = \"old\"\nabove = \"old\"\nfrom_id = 5\n").expect_err("the same")[0].contains("same system"));
    assert!(
        split("to = \"old\"\nbelow = \"old\"\nabove = \"new\"\nfrom_id = 5\n").expect_err("both")[0].contains("one of both")
    );
    assert!(split("below = \"old\"\nabove = \"new\"\nfrom_id = 0\n").expect_err("no id")[0].contains("an order id from 1"));
    assert!(split("to = \"other\"\n").expect_err("unknown")[0].contains("a system of this configuration: new, old"));
}

#[test]
fn client_with_a_system_of_its_own_is_warned_about() {
    let config =
        load(&format!("{VALID}[facade.clients.canary]\napi_user = \"5\"\nallowed_ips = \"10.0.0.0/8\"\nto = \"old\"\n"));
    let warnings = config.expect("a valid configuration").shared.warnings;
    assert!(warnings[0].contains("facade.clients.canary.to") && warnings[0].contains("no one else may write"), "{warnings:?}");
}

#[test]
fn every_fault_is_reported_at_once() {
    let found = load(
        r#"
[facade]
listen = "127.0.0.1:8081"
dialect = "provider"
path = "orders"
previous_secret = "0123456789abcdef"
trusted_proxy = ["10.0.0.0/8"]
[facade.route]
to = "nowhere"
[facade.answers]
orders_root = "order"
charset = "utf-16"
[facade.clients.a]
api_user = "1234"
[facade.clients.b]
api_user = "1234"
api_key = "KEY"
to = "elsewhere"
[facade.clients.c]
api_user = "1234"
api_key = "KEY"
allowed_ip = ["10.0.0.0/8"]
[facade.clients.D]
api_user = "4"
api_key = "KEY"
[upstreams.old]
url = "http://127.0.0.1:1/orders"
api_user = "1234"
"#,
    )
    .expect_err("it is not valid");
    for expected in [
        "facade.answers.charset must be a supported charset",
        "facade.answers.orders_root must be orders or serviceguide",
        "facade.clients.D must be a name of lower-case letters",
        "facade.clients.a.api_key is missing",
        "facade.clients.b.to must be the name of a system of this configuration: old",
        "facade.clients.c.allowed_ip is not a key of this version: did you mean `facade.clients.c.allowed_ips`?",
        "facade.clients.c.api_user is that of b: users distinguish clients",
        "facade.path must be a path that begins with /",
        "facade.previous_secret needs facade.secret",
        "facade.route.to must be the name of a system of this configuration: old",
        "facade.secret is missing",
        "facade.trusted_proxy is not a key of this version: did you mean `facade.trusted_proxies`?",
    ] {
        assert!(found.iter().any(|error| error.starts_with(expected)), "{expected} is not in {found:#?}");
    }
}

#[test]
fn missing_parts_are_named() {
    let found = load("[facade]\n").expect_err("it is not valid");
    assert!(found.iter().any(|error| error.starts_with("facade.clients is missing")), "{found:?}");
    assert!(found.iter().any(|error| error.starts_with("facade.backends is missing")), "{found:?}");

    assert!(errors("[facade.clients.b]\napi_user = \"2\"\n")[0].starts_with("facade.clients.b.allowed_ips is missing"));
    assert!(errors("[facade.clients.b]\napi_user = \"2\"\nallowed_ips = []\n")[0].starts_with("facade.clients.b.allowed_ips"));
    let proxies = VALID.replace("[facade]\n", "[facade]\ntrusted_proxies = \"10.0.0.1\"\n");
    assert!(load(&proxies).expect_err("a secret is needed")[0].starts_with("facade.secret is missing"));
    let ops = VALID.replace("listen = \"127.0.0.1:0\"\n[facade.c", "listen = \"127.0.0.1:8081\"\n[facade.c");
    let ops = ops.replace("ops_listen = \"127.0.0.1:0\"", "ops_listen = \"127.0.0.1:8081\"");
    assert!(load(&ops).expect_err("one port")[0].contains("the same as facade.listen"));
}

#[test]
fn two_systems_need_two_names() {
    let backend = "[facade.backends.old]\nurl = \"https://orders.example/api\"\n";
    let found = errors(backend);
    assert!(
        found.iter().any(|error| error.starts_with("facade.backends.old is the name of a section of upstreams")),
        "{found:?}"
    );
}

#[test]
fn json_systems_are_sections_of_the_facade() {
    let new = "[facade.backends.new]\nurl = \"https://orders.example/api\"\ntoken = \"secret\"\nidempotency = false\n";
    let config = load(&format!("{VALID}{new}[facade.route]\nto = \"new\"\n")).expect("a valid configuration");
    assert_eq!(config.facade.route, Route::To("new".to_owned()));
    assert!(!config.facade.backends["new"].idempotency);

    let found = errors("[facade.backends.New]\ntokens = \"secret\"\n");
    for expected in [
        "facade.backends.New must be a name of lower-case letters",
        "facade.backends.new.tokens is not a key of this version: did you mean `facade.backends.new.token`?",
        "facade.backends.new.url is missing",
    ] {
        assert!(found.iter().any(|error| error.starts_with(expected)), "{expected} is not in {found:#?}");
    }
}

#[tokio::test]
async fn program_ends_with_2_when_its_configuration_is_not_valid() {
    let files = Files::new();
    let config = files.write("config.toml", "[facade]\ndialekt = \"network\"\n");
    let output = Program::command(&["facade", "--config", &config], &[]).output().await.expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();

    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("did you mean `facade.dialect`?") && errors.contains("facade.clients is missing"), "{errors}");
}

#[tokio::test]
async fn program_serves_and_drains() {
    let files = Files::new();
    let config = files.write("config.toml", &format!("{VALID}drain_delay = \"0s\"\n"));
    let mut program = Program::start(&["facade", "--config", &config], &[]);
    let line: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    let address = |key: &str| -> SocketAddr { line[key].as_str().expect("an address").parse().expect("an address") };
    let get = async |address, target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-ID: 0123456789abcdef\r\n\r\n");
        exchange(address, head.as_bytes()).await
    };

    assert_eq!(get(address("ops_listen"), "/livez").await.status, 200);
    assert_eq!(get(address("ops_listen"), "/readyz").await.status, 200);
    let call = format!("{NETWORK_PATH}?method=set_status&api_user=1234&id=20417&status=active");
    let answer = get(address("listen"), &call).await;
    // Nothing listens at the upstream.
    assert_eq!(answer.status, 503, "{}", answer.text());
    let line: serde_json::Value = serde_json::from_str(&program.line_with("\"call\"").await).expect("a JSON line");
    for (key, value) in [
        ("system", "old"),
        ("legacy.call", "set_status"),
        ("client", "ljusbolaget"),
        ("outcome", "unavailable"),
        ("request.id", "0123456789abcdef"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert_eq!((&line["audit.ids"], &line["status"], &line["response"]), (&20417.into(), &503.into(), &"complete".into()));
    let metrics = get(address("ops_listen"), "/metrics").await.text();
    let series = r#"facade_requests_total{call="set_status",client="ljusbolaget",outcome="unavailable",system="old"} 1"#;
    assert!(metrics.contains(series), "{metrics}");

    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(0));
}
