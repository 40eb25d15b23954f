//! The program: arguments, output, exit codes, and the signal that interrupts it.

use serde_json::Value;

use super::Fake;
use crate::support::{FakeLegacy, Fault, Files, Program, Upstream, is_provider};

/// Runs the program with two systems.
async fn run(old: &str, new: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Program::command(&[&["compare"], arguments].concat(), &variables(old, new)).output().await;
    let output = output.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn variables<'a>(old: &'a str, new: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("GATEWAY__UPSTREAMS__OLD__URL", old),
        ("GATEWAY__UPSTREAMS__OLD__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__NEW__URL", new),
        ("GATEWAY__UPSTREAMS__NEW__API_USER", "1234"),
        ("RUST_LOG", "trace"),
    ]
}

const QUICK: [&str; 7] = ["old", "new", "--since=2026-09-01", "--rate", "1000", "--settle", "0s"];

async fn two(new: Fake) -> (Upstream, Upstream) {
    (Fake::with_orders(1..=3).start().await, new.start().await)
}

#[tokio::test]
async fn exit_code_says_how_it_ended() {
    for (new, code, word) in [
        (Fake::with_orders(1..=3), 0, "EQUAL"),
        (Fake::with_orders(1..=3).detailing(2, "Ljusbolaget", "Bitfors"), 1, "DIFFERENT"),
        (Fake::with_orders(1..=3).listing(2, "<id>2<", "<id>two<"), 3, "NOT COMPARED"),
    ] {
        let (old, new) = two(new).await;
        let (found, stdout, stderr) = run(&old.url(), &new.url(), &QUICK).await;
        assert_eq!(found, Some(code), "{stdout}{stderr}");
        assert!(stdout.contains(&format!("{word} · ")) && stdout.ends_with(&format!("exit {code}\n")), "{stdout}");

        let (found, stdout, _) = run(&old.url(), &new.url(), &[&QUICK[..], &["--json"]].concat()).await;
        let report: Value = serde_json::from_str(&stdout).expect("one JSON document");
        assert_eq!((found, stdout.lines().count(), report["version"].as_u64()), (Some(code), 1, Some(1)));
        assert!(report["durationMs"].is_u64(), "{report}");
    }
}

#[tokio::test]
async fn arguments_that_are_not_valid_end_it_with_2_before_anything_is_sent() {
    let (old, new) = two(Fake::with_orders(1..=3)).await;
    for (arguments, expected) in [
        (&["old"][..], "RIGHT"),
        (&["old", "new"], "--since"),
        (&["old", "new", "--since", "yesterday"], "must be a date such as 2026-09-01"),
        (&["old", "new", "--since", "2026-9-1"], "must be a date"),
        (&["old", "new", "--since", "2026-09-01T10:00"], "must be a date"),
        (&["old", "new", "--since", "2026-09-01", "--until", "2026-09-01"], "--until must be after --since"),
        (&["old", "new", "--since", "2026-09-01", "--details", "some"], "must be all, none or a number"),
        (&["old", "new", "--since", "2026-09-01", "--details=-1"], "must be all, none or a number"),
        (&["old", "new", "--since", "2026-09-01", "--rate", "0"], "0 is not in 1..=1000"),
        (&["old", "new", "--since", "2026-09-01", "--settle", "30"], "must be a duration with its unit"),
        (&["old", "new", "--since", "2026-09-01", "--ignore", "customer.fone"], "must be a field such as"),
        (&["old", "other", "--since", "2026-09-01"], "RIGHT must be the name of a system of the configuration: new, old"),
        (&["upstreams.old", "new", "--since", "2026-09-01"], "LEFT must be the name of a system"),
    ] {
        let (code, stdout, stderr) = run(&old.url(), &new.url(), arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    assert!(old.queries().is_empty() && new.queries().is_empty());
}

#[tokio::test]
async fn only_the_sections_that_it_uses_must_be_valid() {
    let (old, new) = two(Fake::with_orders(1..=3)).await;
    let files = Files::new();
    let systems = format!(
        "[upstreams.old]\nurl = \"{}\"\napi_user = \"1234\"\n[upstreams.new]\nurl = \"{}\"\napi_user = \"1234\"\n",
        old.url(),
        new.url()
    );
    let others = "[auth]\nmode = \"none of these\"\n[facade]\ndialect = \"provider\"\n[facade.answers]\ncharset = \"none\"\n";
    let arguments = |path| [&["compare", "--config", path], &QUICK[..]].concat();
    let valid = files.write("valid.toml", &format!("{systems}{others}"));
    let output = Program::command(&arguments(&valid), &[]).output().await.expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    let wrong = files.write("wrong.toml", &format!("{systems}tiemout = \"3s\"\n[server]\nlisten = \"here\"\n"));
    let output = Program::command(&arguments(&wrong), &[]).output().await.expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("upstreams.new.tiemout is not a key") && errors.contains("server.listen must be"), "{errors}");

    let twice = files.write("twice.toml", &format!("{systems}[facade.backends.new]\nurl = \"https://orders.example\"\n"));
    let output = Program::command(&arguments(&twice), &[]).output().await.expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && errors.contains("facade.backends.new is the name of"), "{errors}");
}

#[tokio::test]
async fn interrupted_comparison_prints_what_it_has_found() {
    for signal in ["INT", "TERM"] {
        let (old, new) = two(Fake::with_orders(1..=3).detailing(2, "Ljusbolaget", "Bitfors")).await;
        let (old_url, new_url) = (old.url(), new.url());
        let arguments = ["compare", "old", "new", "--since", "2026-09-01", "--rate", "1000", "--settle", "1h", "--json"];
        let mut program = Program::start(&arguments, &variables(&old_url, &new_url)[..4]);
        new.wait_for_answers(4).await;
        // The last answer may be on its way.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        program.signal(signal).await;

        let report: Value = serde_json::from_str(&program.next_line().await).expect("JSON");
        assert_eq!(program.exit_code().await, Some(3));
        assert_eq!(report["reason"], "it was interrupted; what differed was not read again");
        assert_eq!(super::different(&report["orders"]), [(2, vec!["provider.name"])]);
        assert_eq!((&report["result"], &report["orders"]["equal"]), (&"not-compared".into(), &2.into()));
    }
}

#[tokio::test]
async fn legacy_system_is_only_read() {
    let legacy = FakeLegacy::with_orders(12, |_| Fault::None).await;
    let url = legacy.url();
    let dialect = if is_provider() { "provider" } else { "network" };
    let mut variables = vec![
        ("GATEWAY__UPSTREAMS__A__URL", &*url),
        ("GATEWAY__UPSTREAMS__A__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__A__DIALECT", dialect),
    ];
    variables.extend(is_provider().then_some(("GATEWAY__UPSTREAMS__A__API_KEY", "KEY")));
    let arguments = ["compare", "a", "a", "--since", "2016-01-01", "--rate", "1000", "--settle", "0s", "--customers"];

    let output = Program::command(&arguments, &variables).output().await.expect("the program runs");

    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let methods = ["orders", "order_info", "customers", "customer_info", "api_login"].map(|name| format!("method={name}&"));
    let queries = legacy.queries();
    assert!(queries.len() > 40, "{queries:?}");
    for query in queries {
        assert!(methods.iter().any(|method| format!("{query}&").contains(method)), "{query}");
    }
}
