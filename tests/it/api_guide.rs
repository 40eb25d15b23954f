//! Runs `openapi/README.md`: every `curl` line of the guide is sent, in order, and its response must be the one shown.
//!
//! A request is a block of language `sh` that begins with `curl`; the next block is its response, as `http` (status line, the
//! headers of interest, body) or `json` (body). `…` in a text matches anything, a member `"…"` any further members.
//! Words after `sh` set up what the guide says in prose: `response-lost` and `arrives-late` are faults of the next write,
//! `late-write-applied` waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, FakeLegacy, Fault, Gateway, is_provider, is_write};

/// Where the guide says that the demo listens.
const DEMO: &str = "http://127.0.0.1:8080";
/// As many orders as the demo has: the guide shows the demo's data.
const ORDERS: u32 = 500;
/// Later than the last read-back, which is 4 s after the write, with time for one more request.
const LATE: Duration = Duration::from_secs(10);

/// A fenced block of a Markdown document.
struct Block<'a> {
    line: usize,
    language: &'a str,
    directives: Vec<&'a str>,
    text: String,
}

#[tokio::test]
async fn every_request_of_the_guide_has_the_response_shown() {
    let next_write = Arc::new(Mutex::new(Fault::None));
    let fault = Arc::clone(&next_write);
    let legacy = FakeLegacy::with_orders(ORDERS, move |query| {
        let mut fault = fault.lock().expect("no test panics inside");
        if is_write(query) { std::mem::replace(&mut *fault, Fault::None) } else { Fault::None }
    })
    .await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[]).await;

    let guide = document("openapi/README.md");
    let mut blocks = blocks(&guide).into_iter();
    let mut variables = HashMap::new();
    let mut count = 0;
    while let Some(request) = blocks.next() {
        if request.language != "sh" || !request.text.starts_with("curl ") {
            continue;
        }
        for directive in &request.directives {
            match *directive {
                "response-lost" => *next_write.lock().expect("no test panics inside") = Fault::AnswerReset,
                "arrives-late" => *next_write.lock().expect("no test panics inside") = Fault::Late(LATE),
                "late-write-applied" => legacy.wait_until_idle().await,
                other => panic!("line {}: unknown directive {other}", request.line),
            }
        }
        let expected = blocks.next().unwrap_or_else(|| panic!("line {}: no response", request.line));

        let answer = send(&gateway, &request, &variables).await;

        check(&answer, &expected);
        for (variable, value) in [("ETAG", answer.header("etag").to_owned()), ("CURSOR", next_cursor(&answer))] {
            if !value.is_empty() {
                variables.insert(variable, value);
            }
        }
        count += 1;
    }
    assert!(count >= 15, "{count} requests: were the blocks of the guide recognised?");
}

/// The README shows one call of the legacy protocol and the same order as JSON.
#[tokio::test]
async fn the_readme_shows_what_the_demo_returns() {
    let legacy = FakeLegacy::with_orders(ORDERS, |_| Fault::None).await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[]).await;

    let readme = document("README.md");
    let blocks = blocks(&readme);
    let is_curl = |block: &&Block<'_>| block.language == "sh" && block.text.starts_with(&format!("curl {DEMO}"));
    let request = blocks.iter().find(is_curl).expect("a curl line");
    let expected = blocks.iter().find(|block| block.language == "json").expect("a response");
    let answer = send(&gateway, request, &HashMap::new()).await;

    check(&answer, expected);

    if is_provider() {
        return;
    }
    let shown = blocks.iter().find(|block| block.language == "xml").expect("the legacy response");
    let query = blocks.iter().find_map(|block| block.text.strip_prefix("curl 'https://")?.split_once('?')).expect("a call").1;
    let client = crate::support::http_client().build().expect("a client");
    let url = format!("{}?{}", legacy.url(), query.trim_end_matches('\''));
    let response = client.get(url).send().await.expect("a response");
    let document = unindented(&response.text().await.expect("a document"));
    for part in shown.text.lines().flat_map(|line| line.split(ANYTHING)).map(str::trim) {
        assert!(document.contains(part), "{part} is not in {document}");
    }
}

fn unindented(text: &str) -> String {
    text.lines().map(str::trim).collect()
}

pub(crate) fn document(name: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default();
        let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        blocks.push(Block { line: number + 1, language, directives: words.collect(), text: text.join("\n") });
    }
    blocks
}

/// Sends a request as `curl` would. Only the options that the guide needs are known.
async fn send(gateway: &Gateway, block: &Block<'_>, variables: &HashMap<&str, String>) -> Answer {
    let words = shell_words(&block.text, variables);
    let mut words = words.iter().map(String::as_str);
    assert_eq!(words.next(), Some("curl"));
    let (mut method, mut url, mut headers, mut body) = (Method::GET, None, Vec::new(), None);
    let value =
        |word: Option<&str>| word.unwrap_or_else(|| panic!("line {}: an option without a value", block.line)).to_owned();
    while let Some(word) = words.next() {
        match word {
            "-i" => {}
            "-X" => method = value(words.next()).parse().expect("a method"),
            "-H" => headers.push(value(words.next())),
            "-d" => body = Some(value(words.next())),
            other => assert!(url.replace(other.to_owned()).is_none(), "line {}: {other}", block.line),
        }
    }
    let url = url.unwrap_or_else(|| panic!("line {}: no address", block.line));
    let target = url.strip_prefix(DEMO).unwrap_or_else(|| panic!("line {}: {url} is not the demo's", block.line));
    let mut request = gateway.request(method, target);
    for header in &headers {
        let (name, value) = header.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    gateway.send(if let Some(body) = body { request.body(body) } else { request }).await
}

/// The words of a command: quotes as in a shell, variables inside double quotes, and a backslash at the end of a line.
fn shell_words(command: &str, variables: &HashMap<&str, String>) -> Vec<String> {
    let command = command.replace("\\\n", " ");
    let mut words = Vec::new();
    let mut rest = command.trim_start();
    while !rest.is_empty() {
        let mut word = String::new();
        while let Some(first) = rest.chars().next().filter(|first| !first.is_whitespace()) {
            if first == '\'' || first == '"' {
                let (quoted, after) = rest[1..].split_once(first).unwrap_or_else(|| panic!("an open quote in {command}"));
                let text = if first == '"' { substituted(quoted, variables) } else { quoted.to_owned() };
                word.push_str(&text);
                rest = after;
            } else {
                word.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        words.push(word);
        rest = rest.trim_start();
    }
    words
}

fn substituted(text: &str, variables: &HashMap<&str, String>) -> String {
    let text = variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value));
    assert!(!text.contains('$'), "an unknown variable in {text}");
    text
}

fn next_cursor(answer: &Answer) -> String {
    let body: Option<Value> = serde_json::from_str(&answer.body).ok();
    body.and_then(|body| Some(body["nextCursor"].as_str()?.to_owned())).unwrap_or_default()
}

#[track_caller]
fn check(answer: &Answer, expected: &Block<'_>) {
    let context = format!("line {}: got {} {:#?}\n{}", expected.line, answer.status, answer.headers, answer.body);
    let body = match expected.language {
        "json" => {
            assert!(matches!(answer.status, 200 | 201), "{context}");
            &*expected.text
        }
        "http" => {
            let (head, body) = expected.text.split_once("\n\n").unwrap_or((&expected.text, ""));
            check_head(answer, head, &context);
            body
        }
        other => panic!("line {}: a response in {other}", expected.line),
    };
    if answer.header("content-type") == "application/x-ndjson" {
        assert_eq!(body.lines().count(), answer.body.lines().count(), "{context}");
        body.lines().zip(answer.body.lines()).for_each(|(expected, line)| check_json(expected, line, &context));
    } else if body.is_empty() {
        assert!(answer.body.is_empty(), "{context}");
    } else {
        check_json(body, &answer.body, &context);
    }
}

#[track_caller]
fn check_head(answer: &Answer, head: &str, context: &str) {
    let mut lines = head.lines();
    let status = http::StatusCode::from_u16(answer.status).expect("a status");
    let reason = status.canonical_reason().unwrap_or_default();
    assert_eq!(lines.next(), Some(&*format!("HTTP/1.1 {} {reason}", answer.status)), "{context}");
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line} is not a header"));
        assert!(fits(value, answer.header(name)), "{line}\n{context}");
    }
}

#[track_caller]
fn check_json(expected: &str, actual: &str, context: &str) {
    let parse = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}\n{context}"));
    let (expected, actual): (Value, Value) = (parse(expected), parse(actual));
    if let Err(difference) = compare(&expected, &actual) {
        panic!("{difference}\n{context}");
    }
}

const ANYTHING: &str = "…";

/// Whether a value is the one shown; the path to the first difference.
fn compare(expected: &Value, actual: &Value) -> Result<(), String> {
    let differs = || Err(format!(": {actual} where the guide has {expected}"));
    match (expected, actual) {
        (Value::String(pattern), _) if pattern == ANYTHING => Ok(()),
        (Value::String(pattern), Value::String(text)) if fits(pattern, text) => Ok(()),
        (Value::Object(pattern), Value::Object(members)) => {
            for (name, value) in pattern.iter().filter(|(name, _)| *name != ANYTHING) {
                let Some(member) = members.get(name) else { return Err(format!(".{name}: missing in {actual}")) };
                compare(value, member).map_err(|rest| format!(".{name}{rest}"))?;
            }
            let further = members.keys().find(|name| !pattern.contains_key(*name));
            match further.filter(|_| !pattern.contains_key(ANYTHING)) {
                Some(name) => Err(format!(".{name}: not shown in the guide")),
                None => Ok(()),
            }
        }
        (Value::Array(pattern), Value::Array(items)) => {
            let is_open = pattern.last().is_some_and(|last| last == ANYTHING);
            let shown = &pattern[..pattern.len() - usize::from(is_open)];
            if items.len() < shown.len() || !is_open && items.len() > shown.len() {
                return differs();
            }
            let mut pairs = shown.iter().zip(items).enumerate();
            pairs.try_for_each(|(index, (value, item))| compare(value, item).map_err(|rest| format!("[{index}]{rest}")))
        }
        _ if expected == actual => Ok(()),
        _ => differs(),
    }
}

/// Whether a text is the one shown, where `…` may be anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once(ANYTHING) else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let parts: Vec<&str> = rest.split(ANYTHING).collect();
    let (last, middle) = parts.split_last().expect("split returns at least one part");
    for part in middle {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[test]
fn placeholders_match_what_they_stand_for_and_nothing_else() {
    for (pattern, text, is_match) in [
        ("a…c", "abbc", true),
        ("a…c", "ab", false),
        ("…", "", true),
        ("…b…", "abc", true),
        ("ab…bc", "abc", false),
        ("a", "ab", false),
    ] {
        assert_eq!(fits(pattern, text), is_match, "{pattern} {text}");
    }
    let is_equal = |expected: Value, actual: Value| compare(&expected, &actual).is_ok();
    assert!(is_equal(json!({"a": 1, "…": "…"}), json!({"a": 1, "b": 2})));
    assert!(!is_equal(json!({"a": 1}), json!({"a": 1, "b": 2})));
    assert!(!is_equal(json!({"a": 1, "b": 2}), json!({"a": 1})));
    assert!(is_equal(json!([1, "…"]), json!([1, 2, 3])));
    assert!(!is_equal(json!([1]), json!([1, 2])));
    assert!(!is_equal(json!([1, 2, "…"]), json!([1])));
}
