//! Compares the reference documents with the code: configuration keys, metrics, links, and the tests that figures come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tjansteguiden_gateway::config::{Config, FacadeConfig};

use crate::api_guide::document;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TLS_KEYS: [&str; 4] = ["ca_file", "client_cert_file", "client_key_file", "min_tls_version"];
const SECTIONS: [&str; 5] = ["server.", "upstreams.", "auth.", "log.", "facade."];

#[test]
fn every_documented_key_is_known_to_the_code() {
    const UNKNOWN: &str = "server.no_such_key";
    let keys = documented_keys();
    assert!(keys.len() > 60, "{} keys: was the table recognised?", keys.len());
    for key in keys {
        let mode = if key.starts_with("auth.jwt.") { "jwt" } else { "api-key" };
        let settings = [
            (UNKNOWN, "x"),
            ("upstreams.name.url", "https://portal.example/orders"),
            ("upstreams.name.dialect", "provider"),
            ("auth.mode", mode),
            ("facade.dialect", "provider"),
        ];
        let given = key.replace("<name>", "name");
        let variables = settings.iter().copied().chain([(&*given, "x")]);
        let variables =
            variables.map(|(key, value)| (format!("GATEWAY__{}", key.to_uppercase().replace('.', "__")), value.to_owned()));

        let errors = if key.starts_with("facade.") {
            FacadeConfig::load(None, variables).map(drop).expect_err("one key is unknown")
        } else {
            Config::load(None, variables).map(drop).expect_err("one key is unknown")
        };
        let errors = errors.to_string();

        let errors: Vec<&str> = errors.lines().map(str::trim).collect();
        let complaint = errors.iter().find_map(|line| line.strip_prefix(UNKNOWN)).expect("the unknown key is reported");
        let is_unknown = errors.iter().any(|line| line.strip_prefix(&*given).is_some_and(|rest| rest.starts_with(complaint)));
        assert!(!is_unknown, "docs/configuration.md has {key}, which the code does not read");
    }
}

#[test]
fn every_key_of_the_code_is_documented() {
    let keys = documented_keys();
    let is_documented = |key: &str| keys.contains(key) || keys.iter().any(|known| known.starts_with(&format!("{key}.")));
    let mut count = 0;
    for file in files(&Path::new(ROOT).join("src/config"), "rs") {
        let source = code(&file);
        for key in variables(&source).into_iter().chain(literals(&source).filter_map(as_key)) {
            assert!(is_documented(&key), "docs/configuration.md lacks {key}, found in {}", file.display());
            count += 1;
        }
        for name in source.split("&key(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let is_field = keys.iter().any(|known| format!("{known}.").contains(&format!(".{name}.")));
            assert!(is_field, "docs/configuration.md lacks {name}, found in {}", file.display());
            count += 1;
        }
        // A secret may also be given as a file.
        for name in source.split("secret(").skip(1).filter_map(|rest| rest.split(')').next()?.split('"').nth(1)) {
            let is_documented = keys.iter().any(|known| known.ends_with(&format!("{name}_file")));
            assert!(is_documented, "docs/configuration.md lacks {name}_file, found in {}", file.display());
        }
        // The TLS settings of all sections that make connections share one function.
        for name in literals(&source).filter(|text| TLS_KEYS.contains(text)) {
            for section in ["upstreams.<name>", "auth.jwt"] {
                assert!(keys.contains(&format!("{section}.{name}")), "docs/configuration.md lacks {section}.{name}");
            }
        }
    }
    assert!(count > 100, "{count} keys: was the code recognised?");
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let document = document("docs/operations.md");
    let table = section(&document, "## Metrics");
    let documented: BTreeSet<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let documented: BTreeSet<&str> = documented.into_iter().filter(|name| is_metric(name)).collect();
    let source = ["src/metrics.rs", "src/metrics/process.rs"].map(|file| code(&Path::new(ROOT).join(file))).concat();
    let known: BTreeSet<&str> = literals(&source).filter(|text| is_metric(text)).collect();
    assert!(known.len() > 10, "{known:?}: was the code recognised?");
    assert_eq!(documented, known);
}

#[test]
fn every_link_leads_somewhere() {
    let mut documents = files(&Path::new(ROOT).join("docs"), "md");
    let others = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "openapi/README.md", "benches/README.md"];
    let others = others.into_iter().chain(["benches/load/README.md", "helm/tjansteguiden-gateway/README.md"]);
    documents.extend(others.map(|name| Path::new(ROOT).join(name)));
    for file in documents {
        let text = prose(&std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
            let path = if path.is_empty() { file.clone() } else { file.with_file_name(path) };
            assert!(path.exists(), "{}: {target} does not exist", file.display());
            if let Some(anchor) = anchor {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let has_anchor = prose(&text).lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
                assert!(has_anchor, "{}: {target} has no heading", file.display());
            }
        }
    }
}

#[test]
fn every_figure_of_the_reliability_table_has_its_test() {
    let root = Path::new(ROOT).join("tests/it");
    let tests: Vec<String> = files(&root, "rs")
        .iter()
        .flat_map(|file| {
            let module = file.with_extension("").strip_prefix(&root).expect("below it").to_string_lossy().replace('/', "::");
            let source = std::fs::read_to_string(file).expect("a source file");
            let names = source.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.map(|name| format!("{module}::{name}")).collect::<Vec<_>>()
        })
        .collect();
    let document = document("docs/reliability.md");
    let command = document.lines().find_map(|line| line.split_once("--nocapture ")).expect("a command").1.split_whitespace();
    let rows =
        document.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.strip_suffix("` |")?.rsplit('`').next());
    for filter in command.chain(rows) {
        assert!(tests.iter().any(|test| test.contains(filter)), "docs/reliability.md: no test contains {filter}");
    }
}

/// The keys in the first column of the tables.
fn documented_keys() -> BTreeSet<String> {
    let document = document("docs/configuration.md");
    let cells = document.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.filter(|name| SECTIONS.iter().any(|section| name.starts_with(section))).map(str::to_owned).collect()
}

/// The keys of the environment variables that doc comments name.
fn variables(source: &str) -> Vec<String> {
    let is_name = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    let names =
        source.split("GATEWAY__").skip(1).map(|rest| rest.split(|character| !is_name(character)).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).map(|name| with_placeholder(&name.to_lowercase().replace("__", "."))).collect()
}

/// A literal that is a whole key.
fn as_key(text: &str) -> Option<String> {
    let is_key =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || matches!(character, '_' | '.');
    let is_whole = SECTIONS.iter().any(|section| text.starts_with(section)) && text.chars().all(is_key);
    is_whole.then(|| with_placeholder(text))
}

fn with_placeholder(key: &str) -> String {
    let key = key.replace("upstreams.default", "upstreams.<name>");
    key.replace("auth.clients.shop", "auth.clients.<name>").replace("facade.clients.shop", "facade.clients.<name>")
}

fn is_metric(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'_').count() >= 2 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The text between quotes, and between literals. Good enough to search for names.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    source.split('"')
}

/// A source file without its inline tests.
fn code(file: &Path) -> String {
    let source = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    source.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// A document without its fenced blocks.
fn prose(document: &str) -> String {
    let mut is_fenced = false;
    let mut prose = String::new();
    for line in document.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

fn section<'d>(document: &'d str, heading: &str) -> &'d str {
    let (_, rest) = document.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n## ").next().unwrap_or_default()
}

/// The anchor of a heading, as repository hosts make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(self::files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files
}
