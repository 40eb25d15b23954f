//! The configuration: file, environment over it, and every fault at once.

use std::io::Write;
use std::time::Duration;

use tjansteguiden_gateway::config::{Config, ConfigErrors, ReloadOutcome};

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut path = tempfile::NamedTempFile::new().expect("a file");
    path.write_all(file.as_bytes()).expect("room");
    Config::load(Some(path.path()), variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

const UPSTREAM: &str = "[upstreams.default]\nurl = \"https://portal.example/orders\"\napi_user = 1234\n";

#[track_caller]
fn faults(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let text = load(file, variables).expect_err("faults").to_string();
    text.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_file_and_the_environment_over_it_make_a_configuration() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nrequest_timeout = \"3s\"\n".to_owned() + UPSTREAM;
    let config = load(
        &file,
        &[
            ("GATEWAY__SERVER__LISTEN", "127.0.0.1:2"),
            ("GATEWAY__UPSTREAMS__DEFAULT__TIME_ZONE", "Europe/Helsinki"),
            ("HOME", "/"),
        ],
    );
    let config = config.expect("a configuration");
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.server.request_timeout, Duration::from_secs(3));
    assert_eq!(config.upstreams["default"].api_user.with(str::to_owned), "1234");
    assert_eq!(config.server.drain_delay, Duration::from_secs(5));
    assert_eq!(config.upstreams["default"].settle_time, Duration::from_secs(35));
}

#[test]
fn every_fault_is_told_at_once_with_its_key() {
    let file = "[server]\nlisten = \"here\"\nlimt = 3\ndrain_timeout = \"24s\"\n[log]\nformat = \"xml\"\n[auth]\nmode = \"basic\"\n\
                [upstreams.default]\nurl = \"ftp://x\"\ntimeout = \"10\"\ncharset = \"klingon\"\nmax_item_bytes = 1023\n";
    let found = faults(file, &[("GATEWAY__UPSTREAMS__DEFAULT__TIME_ZONE", "Mars/Olympus")]);
    for key in [
        "server.listen",
        "server.limt",
        "server.drain_timeout",
        "log.format",
        "auth.mode",
        "upstreams.default.url",
        "upstreams.default.api_user",
        "upstreams.default.timeout",
        "upstreams.default.charset",
        "upstreams.default.max_item_bytes",
        "upstreams.default.time_zone",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(&format!("{key} "))), "{key} in {found:?}");
    }
    assert_eq!(found.len(), 11, "{found:?}");
}

#[test]
fn what_is_dangerous_must_be_said_explicitly() {
    let open = [("GATEWAY__SERVER__LISTEN", "0.0.0.0:8080")];
    assert!(faults(UPSTREAM, &open)[0].starts_with("auth.allow_unauthenticated "));
    load(UPSTREAM, &[open[0], ("GATEWAY__AUTH__ALLOW_UNAUTHENTICATED", "true")]).expect("a configuration");
    let plain = [("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://portal.example/orders")];
    assert!(faults(UPSTREAM, &plain)[0].starts_with("upstreams.default.url "));
    load(UPSTREAM, &[plain[0], ("GATEWAY__UPSTREAMS__DEFAULT__ALLOW_HTTP", "true")]).expect("a configuration");
    for loopback in ["http://127.0.0.1:1/a", "http://[::1]:1/a", "http://localhost/a"] {
        load(UPSTREAM, &[("GATEWAY__UPSTREAMS__DEFAULT__URL", loopback)]).expect("a configuration");
    }
    let second = UPSTREAM.to_owned() + &UPSTREAM.replace("default", "other");
    assert!(faults(&second, &[])[0].starts_with("auth.mode "));
    let nothing = faults("", &[("GATEWAY__SERVER__LISTEN", "127.0.0.1:8081")]);
    let keys: Vec<_> = nothing.iter().map(|fault| fault.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(keys, ["upstreams.default.url", "upstreams.default.api_user", "server.ops_listen"]);
}

#[test]
fn who_may_call_must_be_clear() {
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let key = "0123456789abcdef".repeat(4);
    let mode = ("GATEWAY__AUTH__MODE", "api-key");
    let client = [
        mode,
        ("GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256", key.as_str()),
        ("GATEWAY__AUTH__CLIENTS__SHOP__SCOPES", "orders:read"),
    ];
    load(UPSTREAM, &client).expect("a configuration");
    let with = |name: &'static str, value: &'static str| faults(UPSTREAM, &[client[0], client[1], client[2], (name, value)]);
    for (name, value, fault) in [
        ("GATEWAY__AUTH__CLIENTS__SHOP__SCOPES", "orders:all", "auth.clients.shop.scopes "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__UPSTREAM", "nowhere", "auth.clients.shop.upstream "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256", "abc", "auth.clients.shop.key_sha256 "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256", nothing, "auth.clients.shop.key_sha256 "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__RATE", "0", "auth.clients.shop.rate "),
        ("GATEWAY__AUTH__MODE", "none", "auth.clients "),
        ("GATEWAY__AUTH__JWT__ISSUER", "https://a.example", "auth.jwt "),
        ("GATEWAY__SERVER__CORS_ORIGINS", "*", "server.cors_origins "),
        ("GATEWAY__SERVER__CORS_ORIGINS", "https://a.example/", "server.cors_origins "),
        ("GATEWAY__SERVER__CORS_ORIGINS", "null", "server.cors_origins "),
        ("GATEWAY__SERVER__TRUSTED_PROXIES", "10.0.0.0/33", "server.trusted_proxies "),
    ] {
        let found = with(name, value);
        assert!(found.len() == 1 && found[0].starts_with(fault), "{name}={value}: {found:?}");
    }
    assert!(faults(UPSTREAM, &[mode])[0].starts_with("auth.clients "));
    let second = UPSTREAM.to_owned() + &UPSTREAM.replace("default", "other");
    assert!(faults(&second, &client)[0].starts_with("auth.clients.shop.upstream "));
    let jwt = [
        ("GATEWAY__AUTH__MODE", "jwt"),
        ("GATEWAY__AUTH__JWT__ISSUER", "https://login.example"),
        ("GATEWAY__AUTH__JWT__AUDIENCE", "orders"),
    ];
    load(UPSTREAM, &jwt).expect("a configuration");
    assert!(faults(&second, &jwt)[0].starts_with("auth.jwt.upstream_claim "));
    for (name, value) in [
        ("GATEWAY__AUTH__JWT__ISSUER", "http://login.example"),
        ("GATEWAY__AUTH__JWT__JWKS_URL", "http://login.example/keys"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "HS256"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "none"),
        ("GATEWAY__AUTH__JWT__SCOPE_CLAIM", " "),
    ] {
        assert_eq!(faults(UPSTREAM, &[jwt[0], jwt[1], jwt[2], (name, value)]).len(), 1, "{name}={value}");
    }
    let by_proxy = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:1/orders"),
        ("GATEWAY__UPSTREAMS__DEFAULT__PROXY", "http://proxy.example:3128"),
    ];
    assert!(faults(UPSTREAM, &by_proxy)[0].starts_with("upstreams.default.url "));
}

#[test]
fn values_must_fit_exactly() {
    for (variable, good, bad) in [
        (
            "SERVER__BASE_PATH",
            vec!["/", "/a", "/api/v1.0/~x"],
            vec!["", "a", "/a/", "//", "/a//b", "/{a}", "/å", "/..", "/a b"],
        ),
        ("SERVER__HEADER_TIMEOUT", vec!["1ms", "10s", "1h", "24h"], vec!["0s", "10", "-1s", "25h", "soon"]),
        ("SERVER__MAX_CONNECTIONS", vec!["1", "1000000"], vec!["0", "1000001", "many"]),
        ("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", vec!["1024", "1073741824"], vec!["1023", "1073741825", "64MB"]),
        (
            "UPSTREAMS__DEFAULT__URL",
            vec!["https://a.example", "https://a.example:1/b"],
            vec!["a.example", "https://a.example/?x=1", "https://u:p@a.example/", "https://a.example/#x", "file:///a"],
        ),
        ("UPSTREAMS__DEFAULT__DIALECT", vec!["network"], vec!["Network", "other", "provider"]),
        ("AUTH__ALLOW_UNAUTHENTICATED", vec!["true", "false"], vec!["yes", "1"]),
        ("LOG__FORMAT", vec!["json", "text"], vec!["JSON"]),
    ] {
        let variable = format!("GATEWAY__{variable}");
        for value in good {
            load(UPSTREAM, &[(&variable, value)]).unwrap_or_else(|faults| panic!("{variable}={value}: {faults}"));
        }
        for value in bad {
            assert_eq!(faults(UPSTREAM, &[(&variable, value)]).len(), 1, "{variable}={value}");
        }
    }
}

#[test]
fn a_secret_may_stand_in_a_file_and_never_in_a_fault() {
    let mut secret = tempfile::NamedTempFile::new().expect("a file");
    secret.write_all("\u{feff}topsecret\r\n".as_bytes()).expect("room");
    let path = secret.path().display().to_string();
    let url = ("GATEWAY__UPSTREAMS__DEFAULT__URL", "https://portal.example/orders");
    let config = load("", &[url, ("GATEWAY__UPSTREAMS__DEFAULT__API_USER_FILE", &path)]).expect("a configuration");
    assert_eq!(config.upstreams["default"].api_user.with(str::to_owned), "topsecret");
    assert!(!format!("{config:?}").contains("topsecret"));
    let both = [
        url,
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER_FILE", path.as_str()),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "topsecret"),
    ];
    let found = faults("", &both);
    assert!(found[0].starts_with("upstreams.default.api_user ") && !found[0].contains("topsecret"), "{found:?}");
    assert_eq!(faults("", &[url, ("GATEWAY__UPSTREAMS__DEFAULT__API_USER_FILE", "/nowhere")]).len(), 1);
    assert_eq!(faults("", &[url, ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", " ")]).len(), 1);
}

#[test]
fn a_secret_for_marks_is_long_also_when_its_file_is_read_anew() {
    let upstream =
        [("GATEWAY__UPSTREAMS__DEFAULT__URL", "https://portal.example/orders"), ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1")];
    let short = "0123456789abcde";
    let found = faults("", &[&upstream[..], &[("GATEWAY__SERVER__SECRET", short)]].concat());
    assert!(found.len() == 1 && found[0].starts_with("server.secret ") && !found[0].contains(short), "{found:?}");
    // A fault of the one is no fault of the other.
    let both = [("GATEWAY__SERVER__SECRET", short), ("GATEWAY__SERVER__PREVIOUS_SECRET", "0123456789abcdef")];
    assert_eq!(faults("", &[&upstream[..], &both].concat()).len(), 1);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().display().to_string();
    let write = |text: &str| std::fs::write(file.path(), text).expect("room");
    write("0123456789abcdef\n");
    let config = load("", &[&upstream[..], &[("GATEWAY__SERVER__SECRET_FILE", &path)]].concat()).expect("a configuration");
    let reload = config.reloads().into_iter().find(|reload| reload.key() == "server.secret").expect("a secret");
    write(short);
    assert_eq!(reload.reload(), ReloadOutcome::Pending);
    assert!(matches!(reload.reload(), ReloadOutcome::Rejected(_)));
    let secret = config.server.secret.expect("a secret");
    assert_eq!(secret.with(str::to_owned), "0123456789abcdef");
    write("fedcba9876543210");
    assert_eq!(reload.reload(), ReloadOutcome::Pending);
    assert_eq!((reload.reload(), secret.with(str::to_owned)), (ReloadOutcome::Reloaded, "fedcba9876543210".to_owned()));
}

#[test]
fn a_file_that_cannot_be_read_or_is_no_toml_is_a_fault() {
    let missing = Config::load(Some(std::path::Path::new("/nowhere/config.toml")), []).expect_err("a fault").to_string();
    assert!(missing.contains("/nowhere/config.toml cannot be read"), "{missing}");
    assert!(faults("[server]\nlisten = \n", &[])[0].contains("near line 2"));
}
