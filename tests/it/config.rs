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
fn unknown_keys_name_the_key_that_was_probably_meant() {
    let api_key = [("GATEWAY__AUTH__MODE", "api-key"), ("GATEWAY__AUTH__CLIENTS__SHOP__SCOPES", "orders:read")];
    for (unknown, meant) in [
        ("server.listn", Some("server.listen")),
        ("server.request-timeout", Some("server.request_timeout")),
        ("server.tls.certfile", Some("server.tls.cert_file")),
        ("sever.listen", Some("server.listen")),
        ("upstreams.default.api_usr_file", Some("upstreams.default.api_user_file")),
        ("upstreams.default.braeker.max_open", Some("upstreams.default.breaker.max_open")),
        ("upstreams.default.uri", Some("upstreams.default.url")),
        ("upstream.other.url", Some("upstreams.other.url")),
        ("auth.client.shop.scopes", Some("auth.clients.shop.scopes")),
        ("auth.clients.shop.scope", Some("auth.clients.shop.scopes")),
        // The name of a section may be anything.
        ("server.colour", None),
        ("upstreams.default.colour", None),
        ("upstreams.colour", None),
        ("colour", None),
    ] {
        let variable = format!("GATEWAY__{}", unknown.to_uppercase().replace('.', "__"));
        let found = errors(UPSTREAM, &[api_key[0], api_key[1], (&variable, "x")]);
        let suggestion = meant.map(|key| format!(": did you mean `{key}`?")).unwrap_or_default();
        let expected = format!("{unknown} is not a key of this version{suggestion}");
        assert!(found.contains(&expected), "{expected} in {found:?}");
    }
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
        ("GATEWAY__SERVER__CORS_ORIGINS", "https://a.example,", "server.cors_origins has an element that is empty"),
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
        ("GATEWAY__AUTH__JWT__ISSUER", "login.example"),
        ("GATEWAY__AUTH__JWT__JWKS_URL", "http://login.example/keys"),
        ("GATEWAY__AUTH__JWT__JWKS_URL", "login.example/keys"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "HS256"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "none"),
        ("GATEWAY__AUTH__JWT__SCOPE_CLAIMS", "scope,"),
        ("GATEWAY__AUTH__JWT__LEEWAY", "11m"),
        ("GATEWAY__AUTH__JWT__LEEWAY", "5"),
    ] {
        let found = errors(UPSTREAM, &[jwt[0], jwt[1], jwt[2], (name, value)]);
        assert_eq!(found.len(), 1, "{name}={value}: {found:?}");
    }
    let both = [("GATEWAY__AUTH__JWT__SCOPE_CLAIM", "scp"), ("GATEWAY__AUTH__JWT__SCOPE_CLAIMS", "roles")];
    let found = errors(UPSTREAM, &[&jwt[..], &both].concat());
    assert!(found.len() == 1 && found[0].starts_with("auth.jwt.scope_claim is the older name of"), "{found:?}");

    let allow_http = ("GATEWAY__AUTH__JWT__ALLOW_HTTP", "true");
    for (name, value) in [
        ("GATEWAY__AUTH__JWT__ISSUER", "http://login.example"),
        ("GATEWAY__AUTH__JWT__JWKS_URL", "http://keycloak.auth.svc/keys"),
    ] {
        load(UPSTREAM, &[jwt[0], jwt[1], jwt[2], (name, value), allow_http]).expect("a configuration");
        let found = errors(UPSTREAM, &[jwt[0], jwt[1], jwt[2], (name, value)]);
        assert!(found[0].contains("set auth.jwt.allow_http = true"), "{found:?}");
    }
    let loopback_by_proxy =
        [("GATEWAY__AUTH__JWT__JWKS_URL", "http://localhost/keys"), ("GATEWAY__AUTH__JWT__PROXY", "http://proxy.example:3128")];
    let found = errors(UPSTREAM, &[&jwt[..], &loopback_by_proxy].concat());
    assert!(found.len() == 1 && found[0].starts_with("auth.jwt.jwks_url "), "{found:?}");
    // Where the keys come from another URL, the issuer is only a name.
    let named =
        [("GATEWAY__AUTH__JWT__ISSUER", "kubernetes/serviceaccount"), ("GATEWAY__AUTH__JWT__JWKS_URL", "https://a.example")];
    load(UPSTREAM, &[&[jwt[0], jwt[2]][..], &named].concat()).expect("a configuration");

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
            vec!["/", "/a", "/api/v1.0/~x", ""],
            vec!["a", "/a/", "//", "/a//b", "/{a}", "/å", "/..", "/a b"],
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
    let found = errors("", &[url, ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", " ")]);
    assert!(found.len() == 1 && found[0].starts_with("upstreams.default.api_user is missing"), "{found:?}");
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
fn an_unreadable_file_is_the_only_error() {
    let load_file = |path: &std::path::Path| {
        let text = Config::load(Some(path), [("GATEWAY__LOG__FORMAT".to_owned(), "xml".to_owned())]).expect_err("an error");
        text.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    let expect_only = |reason: &str| {
        let found = load_file(&path);
        assert_eq!(found, [format!("{} cannot be read: {reason}", path.display())]);
    };

    expect_only("No such file or directory (os error 2)");
    std::fs::write(&path, b"\xff\xfe[\0s\0").expect("a writable file");
    expect_only("it is not UTF-8 text");
    std::fs::File::create(&path).and_then(|file| file.set_len(3_000_000_000)).expect("a sparse file");
    expect_only("it has more than 1048576 bytes");
    std::fs::remove_file(&path).expect("a file");
    std::fs::create_dir(&path).expect("a folder");
    expect_only("it is not a regular file");
}

#[test]
fn toml_errors_have_the_right_line_and_no_followers() {
    let valid = "# comment\r\n[upstreams.default]\r\nurl = \"https://portal.example/orders\"\r\napi_user = \"å\"\r\n";
    for (end, line) in [
        ("listen = \n", 5),
        ("x = \"unclosed\ny = 1\n", 5),
        ("[server\n", 5),
        ("a b = 1\n", 5),
        ("api_user = \"again\"\n", 5),
        ("\n\n[upstreams.default]\n", 7),
        ("x = [1,\n 2\n y = 3\n", 7),
        ("\u{1}", 5),
    ] {
        let found = errors(&format!("{valid}{end}"), &[]);
        assert!(found[0].contains(&format!(" is not valid TOML, line {line}: ")), "{end:?}: {found:?}");
        assert_eq!(found.len(), 1, "{end:?}: {found:?}");
    }
    assert!(errors("= 1", &[])[0].contains("line 1:"));
    load(&format!("\u{feff}{UPSTREAM}"), &[]).expect("a byte order mark is ignored");
}

#[test]
fn empty_variables_are_the_same_as_none() {
    let file = "[server]\nrequest_timeout = \"3s\"\n".to_owned() + UPSTREAM;
    let empty = [
        "SERVER__CORS_ORIGINS",
        "SERVER__REQUEST_TIMEOUT",
        "SERVER__SECRET",
        "SERVER__TLS__CERT_FILE",
        "SERVER__RATE_PER_CLIENT",
        "AUTH__MODE",
        "AUTH__CLIENTS__SHOP__SCOPES",
        "AUTH__JWT__ISSUER",
        "LOG__FORMAT",
        "UPSTREAMS__DEFAULT__API_USER_FILE",
        "UPSTREAMS__DEFAULT__PROXY",
        "UPSTREAMS__SECOND__URL",
        "UPSTREAMS__SECOND__API_USER",
    ];
    let variables: Vec<_> = empty.iter().map(|name| format!("GATEWAY__{name}")).collect();
    for value in ["", " ", "\r", "\t\n"] {
        let variables: Vec<_> = variables.iter().map(|name| (name.as_str(), value)).collect();
        let config = load(&file, &variables).unwrap_or_else(|errors| panic!("{value:?}: {errors}"));

        assert_eq!(config.server.request_timeout, Duration::from_secs(3));
        assert_eq!(config.upstreams.len(), 1);
    }

    let found = errors("", &[("GATEWAY__UPSTREAMS__DEFAULT__URL", ""), ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "")]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|error| error.contains(" is missing: ")), "{found:?}");
}

#[test]
fn blanks_around_variables_are_ignored_and_quotes_are_refused() {
    let config = load(
        UPSTREAM,
        &[
            ("GATEWAY__LOG__FORMAT", " json\r"),
            ("GATEWAY__SERVER__BASE_PATH", " /api "),
            ("GATEWAY__UPSTREAMS__DEFAULT__DIALECT", "network\n"),
            ("GATEWAY__SERVER__CORS_ORIGINS", " https://a.example , https://b.example "),
        ],
    );
    assert_eq!(config.expect("a configuration").server.base_path, "/api");

    for (name, value) in [
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "\"1234\""),
        ("GATEWAY__LOG__FORMAT", "\"json\""),
        ("GATEWAY__SERVER__CORS_ORIGINS", "'https://a.example'"),
        ("GATEWAY__SERVER__SECRET", "\"\""),
    ] {
        let found = errors(UPSTREAM, &[(name, value)]);
        assert!(found[0].contains(" is in quotes, ") && !found[0].contains("1234"), "{found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

#[test]
fn names_that_variables_cannot_set_are_refused_with_the_reason() {
    let client = |name: &str| {
        let hash = "0123456789abcdef".repeat(4);
        let mode = "[auth]\nmode = \"api-key\"\n";
        format!("{UPSTREAM}{mode}[auth.clients.{name}]\nkey_sha256 = \"{hash}\"\nscopes = \"orders:read\"\n")
    };
    for name in ["shop", "shop-1", "my_shop", "0"] {
        load(&client(name), &[]).expect("a configuration");
        load(&UPSTREAM.replace("default", name), &[]).expect("a configuration");
    }
    for (name, shown) in [
        ("MyNet", "MyNet"),
        ("\"a.b\"", "a.b"),
        ("\"å\"", "å"),
        ("\"a b\"", "a b"),
        ("a__b", "a__b"),
        ("_a", "_a"),
        ("a_", "a_"),
        ("\"\"", ""),
    ] {
        for (section, file) in [("upstreams", UPSTREAM.replace("default", name)), ("auth.clients", client(name))] {
            let found = errors(&file, &[]);
            let expected = format!("{section}.{shown} must be a name of lower-case letters");
            assert!(found.len() == 1 && found[0].starts_with(&expected), "{expected} in {found:?}");
        }
    }

    // What the variables complete is not reported as missing.
    let file = "[upstreams.MyNet]\nurl = \"https://portal.example/orders\"\n";
    let found = errors(file, &[("GATEWAY__UPSTREAMS__MYNET__API_USER", "1234")]);
    assert!(found.len() == 1 && found[0].starts_with("upstreams.MyNet must be a name"), "{found:?}");

    let found = errors(
        UPSTREAM,
        &[("GATEWAY__UPSTREAMS__MY.NET__URL", "https://a.example"), ("GATEWAY__UPSTREAMS__MY.NET__API_USER", "1")],
    );
    assert!(found.iter().any(|error| error.starts_with("upstreams.my.net must be a name")), "{found:?}");
    let found = errors(&format!("{UPSTREAM}[Server]\nListen = \"127.0.0.1:1\"\n"), &[]);
    assert_eq!(found, ["Server.Listen is not a key of this version: did you mean `server.listen`?"]);
}

#[test]
fn watched_files_that_cannot_be_read_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("api-user");
    let text_path = path.display().to_string();
    let url = ("GATEWAY__UPSTREAMS__DEFAULT__URL", "https://portal.example/orders");
    std::fs::write(&path, "first").expect("a writable file");
    let variables = [url, ("GATEWAY__UPSTREAMS__DEFAULT__API_USER_FILE", &text_path)];
    let config = load("", &variables).expect("a configuration");
    let reload = config.reloads().into_iter().find(|reload| reload.key() == "upstreams.default.api_user").expect("a secret");
    let make_pipe = || assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    let make_link = |target: &str| std::os::unix::fs::symlink(target, &path).expect("a link");

    for (kind, reason) in [
        ("pipe", "it is not a regular file"),
        ("folder", "it is not a regular file"),
        ("zeros", "it is not a regular file"),
        ("huge", "it has more than 1048576 bytes"),
        ("loop", "Too many levels of symbolic links"),
    ] {
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        match kind {
            "pipe" => make_pipe(),
            "folder" => std::fs::create_dir(&path).expect("a folder"),
            "zeros" => make_link("/dev/zero"),
            "loop" => make_link("api-user"),
            _ => std::fs::File::create(&path).and_then(|file| file.set_len(3_000_000_000)).expect("a sparse file"),
        }

        let ReloadOutcome::Rejected(errors) = reload.reload() else { panic!("{kind} was read") };
        assert!(errors.to_line().starts_with("upstreams.default.api_user names a file that cannot be read: "), "{errors}");
        assert!(errors.to_line().contains(reason), "{kind}: {errors}");
        assert_eq!(config.upstreams["default"].api_user.with(str::to_owned), "first");
        // At start it is an error.
        assert!(self::errors("", &variables)[0].contains(reason), "{kind}");
    }
}
