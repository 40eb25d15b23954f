//! The module structure, read from the `use` lines and paths of the sources: no circular dependencies, and the table of modules
//! in `lib.rs` is correct.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module path of each source file, for example `rest::problem::code`, with its text without comments and inline tests.
type Sources = BTreeMap<String, String>;
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn source_files_have_no_circular_dependencies() {
    let sources = sources();

    let mut graph = uses(&sources);
    // A parent composes and re-exports its children, and they use its types: that is not a circular dependency.
    for (module, used) in &mut graph {
        used.retain(|other| !other.starts_with(&format!("{module}::")));
    }

    assert_eq!(find_circle(&graph), None);
}

#[test]
fn module_table_in_lib_matches_the_sources() {
    let sources = sources();
    let mut graph = Graph::new();
    for (module, used) in uses(&sources) {
        let own = top(&module).to_owned();
        let others = used.iter().map(|other| top(other).to_owned()).filter(|other| *other != own);
        graph.entry(own.clone()).or_default().extend(others);
    }

    let documented = documented_uses(&std::fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs"));

    assert_eq!(find_circle(&graph), None);
    assert_eq!(documented, graph);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Sources {
    let src = root().join("src");
    let mut sources = Sources::new();
    let mut directories = vec![src.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if !path.ends_with("tests.rs") && path != src.join("main.rs") && path != src.join("lib.rs") {
                sources.insert(module_of(&path, &src), code_of(&std::fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    sources
}

fn module_of(path: &Path, src: &Path) -> String {
    let path = path.strip_prefix(src).expect("below src").with_extension("");
    path.iter().map(|part| part.to_str().expect("UTF-8")).collect::<Vec<_>>().join("::")
}

/// The text without inline tests and comments, whose imports and links are unrestricted.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\n").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn uses(sources: &Sources) -> Graph {
    let of = |(module, text): (&String, &String)| {
        let paths = use_trees(text).chain(inline_paths(text));
        let used = paths.filter_map(|path| resolve(sources, module, &path)).filter(|used| used != module);
        (module.clone(), used.collect())
    };
    sources.iter().map(of).collect()
}

/// Every path that a `use` item names.
fn use_trees(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(';').filter_map(|item| item.split_once("use ")).flat_map(|(before, tree)| {
        let is_use = before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty() || line.trim().starts_with("pub"));
        if is_use { expand(&tree.split_whitespace().collect::<Vec<_>>().join(" ")) } else { Vec::new() }
    })
}

fn expand(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let body = rest.trim_end().trim_end_matches('}');
    let (mut depth, mut begin, mut paths) = (0_usize, 0, Vec::new());
    // The last element has a comma as well, so that it is handled like the others.
    let body = format!("{body},");
    for (at, character) in body.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                paths.extend(expand(body[begin..at].trim()).into_iter().map(|path| format!("{}{path}", prefix.trim())));
                begin = at + 1;
            }
            _ => {}
        }
    }
    paths
}

/// Paths in expressions, for example `crate::model::now()`.
fn inline_paths(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_path = |character: char| character.is_alphanumeric() || matches!(character, '_' | ':');
    let tokens = text.split(move |character| !is_path(character));
    tokens.filter(|token| token.starts_with("crate::") || token.starts_with("super::")).map(str::to_owned)
}

/// The file that a path leads to: the longest prefix that is a module with a file.
fn resolve(sources: &Sources, module: &str, path: &str) -> Option<String> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut full: Vec<&str> = match parts.peek()? {
        &"crate" => Vec::new(),
        &("super" | "self") => module.split("::").collect(),
        first if sources.contains_key(&format!("{module}::{first}")) => module.split("::").collect(),
        _ => return None,
    };
    for part in parts {
        match part {
            "crate" | "self" => {}
            "super" => drop(full.pop()),
            part => full.push(part),
        }
    }
    while !full.is_empty() {
        let name = full.join("::");
        if sources.contains_key(&name) {
            return Some(name);
        }
        full.pop();
    }
    None
}

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

/// The modules with circular dependencies, and those that use them; `None` if there are none.
fn find_circle(graph: &Graph) -> Option<Vec<&str>> {
    let mut remaining = graph.clone();
    // Remove modules whose dependencies are all removed; what remains has circular dependencies.
    loop {
        let acyclic: Vec<_> =
            remaining.iter().filter(|(_, used)| used.iter().all(|other| !remaining.contains_key(other))).collect();
        let acyclic: Vec<_> = acyclic.into_iter().map(|(module, _)| module.clone()).collect();
        if acyclic.is_empty() {
            break;
        }
        for module in &acyclic {
            remaining.remove(module);
        }
    }
    let circular: Vec<_> = graph.keys().filter(|module| remaining.contains_key(*module)).map(String::as_str).collect();
    (!circular.is_empty()).then_some(circular)
}

/// The last column of the table of modules in `lib.rs`: ``| [`module`] | idea | `used`, `used` |``.
fn documented_uses(lib: &str) -> Graph {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | [`")).filter_map(|row| {
        let (module, rest) = row.split_once("`]")?;
        let uses = rest.trim_end().trim_end_matches('|').rsplit('|').next()?;
        let names = uses.split('`').skip(1).step_by(2).map(str::to_owned);
        Some((module.to_owned(), names.collect()))
    });
    rows.collect()
}
