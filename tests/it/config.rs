//! The configuration: a TOML file, environment variables that override it, and all errors reported together.

use std::io::Write;
use std::time::Duration;

use tjansteguiden_gateway::config::{Config, ConfigErrors, ReloadOutcome};

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut config_file = tempfile::NamedTempFile::new().expect("a file");
    config_file.write_all(file.as_bytes()).expect("a writable file");
    Config::load(Some(config_file.path()), variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

const UPSTREAM: &str = "[upstreams.default]\nurl = \"https://portal.example/orders\"\napi_user = 1234\n";

#[track_caller]
fn errors(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let text = load(file, variables).expect_err("errors").to_string();
    // The first line is a heading.
    text.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn environment_overrides_the_file() {
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
fn all_config_errors_are_reported_together() {
    let file = "[server]\nlisten = \"here\"\nlimt = 3\ndrain_timeout = \"24s\"\n\
                [log]\nformat = \"xml\"\n\
                [auth]\nmode = \"basic\"\n\
                [upstreams.default]\nurl = \"ftp://x\"\ntimeout = \"10\"\ncharset = \"klingon\"\nmax_item_bytes = 1023\n";

    let found = errors(file, &[("GATEWAY__UPSTREAMS__DEFAULT__TIME_ZONE", "Mars/Olympus")]);

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
        assert!(found.iter().any(|error| error.starts_with(&format!("{key} "))), "{key} in {found:?}");
    }

    assert_eq!(found.len(), 11, "{found:?}");
}

#[test]
fn insecure_settings_need_explicit_consent() {
    let public = [("GATEWAY__SERVER__LISTEN", "0.0.0.0:8080")];

    assert!(errors(UPSTREAM, &public)[0].starts_with("auth.allow_unauthenticated "));
    load(UPSTREAM, &[public[0], ("GATEWAY__AUTH__ALLOW_UNAUTHENTICATED", "true")]).expect("a configuration");

    let plain_http = [("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://portal.example/orders")];
    assert!(errors(UPSTREAM, &plain_http)[0].starts_with("upstreams.default.url "));
    load(UPSTREAM, &[plain_http[0], ("GATEWAY__UPSTREAMS__DEFAULT__ALLOW_HTTP", "true")]).expect("a configuration");
    for loopback in ["http://127.0.0.1:1/a", "http://[::1]:1/a", "http://localhost/a"] {
        load(UPSTREAM, &[("GATEWAY__UPSTREAMS__DEFAULT__URL", loopback)]).expect("a configuration");
    }

    let second = UPSTREAM.to_owned() + &UPSTREAM.replace("default", "other");
    assert!(errors(&second, &[])[0].starts_with("auth.mode "));

    let missing = errors("", &[("GATEWAY__SERVER__LISTEN", "127.0.0.1:8081")]);
    let keys: Vec<_> = missing.iter().map(|error| error.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(keys, ["upstreams.default.url", "upstreams.default.api_user", "server.ops_listen"]);
}

#[test]
fn auth_settings_must_be_consistent() {
    let empty_key_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let key_hash = "0123456789abcdef".repeat(4);
    let mode = ("GATEWAY__AUTH__MODE", "api-key");
    let client = [
        mode,
        ("GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256", key_hash.as_str()),
        ("GATEWAY__AUTH__CLIENTS__SHOP__SCOPES", "orders:read"),
    ];

    load(UPSTREAM, &client).expect("a configuration");

    let with = |name: &'static str, value: &'static str| errors(UPSTREAM, &[client[0], client[1], client[2], (name, value)]);
    for (name, value, key) in [
        ("GATEWAY__AUTH__CLIENTS__SHOP__SCOPES", "orders:all", "auth.clients.shop.scopes "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__UPSTREAM", "nowhere", "auth.clients.shop.upstream "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256", "abc", "auth.clients.shop.key_sha256 "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256", empty_key_hash, "auth.clients.shop.key_sha256 "),
        ("GATEWAY__AUTH__CLIENTS__SHOP__RATE", "0", "auth.clients.shop.rate "),
        ("GATEWAY__AUTH__MODE", "none", "auth.clients "),
        ("GATEWAY__AUTH__JWT__ISSUER", "https://a.example", "auth.jwt "),
        ("GATEWAY__SERVER__CORS_ORIGINS", "*", "server.cors_origins "),
        ("GATEWAY__SERVER__CORS_ORIGINS", "https://a.example/", "server.cors_origins "),
        ("GATEWAY__SERVER__CORS_ORIGINS", "null", "server.cors_origins "),
        ("GATEWAY__SERVER__TRUSTED_PROXIES", "10.0.0.0/33", "server.trusted_proxies "),
    ] {
        let found = with(name, value);
        assert!(found.len() == 1 && found[0].starts_with(key), "{name}={value}: {found:?}");
    }

    assert!(errors(UPSTREAM, &[mode])[0].starts_with("auth.clients "));

    let second = UPSTREAM.to_owned() + &UPSTREAM.replace("default", "other");
    assert!(errors(&second, &client)[0].starts_with("auth.clients.shop.upstream "));

    let jwt = [
        ("GATEWAY__AUTH__MODE", "jwt"),
        ("GATEWAY__AUTH__JWT__ISSUER", "https://login.example"),
        ("GATEWAY__AUTH__JWT__AUDIENCE", "orders"),
    ];
    load(UPSTREAM, &jwt).expect("a configuration");
    assert!(errors(&second, &jwt)[0].starts_with("auth.jwt.upstream_claim "));

    for (name, value) in [
        ("GATEWAY__AUTH__JWT__ISSUER", "http://login.example"),
        ("GATEWAY__AUTH__JWT__JWKS_URL", "http://login.example/keys"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "HS256"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "none"),
        ("GATEWAY__AUTH__JWT__SCOPE_CLAIM", " "),
    ] {
        assert_eq!(errors(UPSTREAM, &[jwt[0], jwt[1], jwt[2], (name, value)]).len(), 1, "{name}={value}");
    }

    let plain_http_by_proxy = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:1/orders"),
        ("GATEWAY__UPSTREAMS__DEFAULT__PROXY", "http://proxy.example:3128"),
    ];
    assert!(errors(UPSTREAM, &plain_http_by_proxy)[0].starts_with("upstreams.default.url "));
}

#[test]
fn setting_values_are_validated() {
    for (variable, valid, invalid) in [
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

        for value in valid {
            load(UPSTREAM, &[(&variable, value)]).unwrap_or_else(|errors| panic!("{variable}={value}: {errors}"));
        }

        for value in invalid {
            assert_eq!(errors(UPSTREAM, &[(&variable, value)]).len(), 1, "{variable}={value}");
        }
    }
}

#[test]
fn secrets_load_from_files_and_never_appear_in_errors() {
    let mut secret = tempfile::NamedTempFile::new().expect("a file");
    secret.write_all("\u{feff}topsecret\r\n".as_bytes()).expect("a writable file");
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
    let found = errors("", &both);
    assert!(found[0].starts_with("upstreams.default.api_user ") && !found[0].contains("topsecret"), "{found:?}");
    assert_eq!(errors("", &[url, ("GATEWAY__UPSTREAMS__DEFAULT__API_USER_FILE", "/nowhere")]).len(), 1);
    assert_eq!(errors("", &[url, ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", " ")]).len(), 1);
}

#[test]
fn server_secret_must_be_long_also_on_reload() {
    let upstream =
        [("GATEWAY__UPSTREAMS__DEFAULT__URL", "https://portal.example/orders"), ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1")];
    let short = "0123456789abcde";

    let found = errors("", &[&upstream[..], &[("GATEWAY__SERVER__SECRET", short)]].concat());
    assert!(found.len() == 1 && found[0].starts_with("server.secret ") && !found[0].contains(short), "{found:?}");

    // An invalid secret does not make the valid previous secret an error.
    let both = [("GATEWAY__SERVER__SECRET", short), ("GATEWAY__SERVER__PREVIOUS_SECRET", "0123456789abcdef")];
    assert_eq!(errors("", &[&upstream[..], &both].concat()).len(), 1);

    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().display().to_string();
    let write = |text: &str| std::fs::write(file.path(), text).expect("a writable file");
    write("0123456789abcdef\n");
    let config = load("", &[&upstream[..], &[("GATEWAY__SERVER__SECRET_FILE", &path)]].concat()).expect("a configuration");
    let reload = config.reloads().into_iter().find(|reload| reload.key() == "server.secret").expect("a secret");
    let secret = config.server.secret.expect("a secret");

    write(short);
    assert_eq!(reload.reload(), ReloadOutcome::Pending);
    assert!(matches!(reload.reload(), ReloadOutcome::Rejected(_)));
    assert_eq!(secret.with(str::to_owned), "0123456789abcdef");

    write("fedcba9876543210");
    assert_eq!(reload.reload(), ReloadOutcome::Pending);
    assert_eq!((reload.reload(), secret.with(str::to_owned)), (ReloadOutcome::Reloaded, "fedcba9876543210".to_owned()));
}

#[test]
fn unreadable_or_invalid_file_is_an_error() {
    let missing = Config::load(Some(std::path::Path::new("/nowhere/config.toml")), []).expect_err("an error").to_string();

    assert!(missing.contains("/nowhere/config.toml cannot be read"), "{missing}");
    assert!(errors("[server]\nlisten = \n", &[])[0].contains("near line 2"));
}
