//! The pages about problems, to which the `type` of a problem links, and their index.

use super::assets::Assets;
use super::page;
use crate::problem::{Code, CodeInfo};

const PATH: &str = "../problems/";

/// The page about a code.
pub(super) fn page(assets: &Assets, code: Code) -> String {
    let CodeInfo { code, status, title, what_happened, what_to_do } = code.info();
    let main = format!(
        "<h1>{title}</h1>\n<p><code>{code}</code>, usually with HTTP status {status}</p>\n\
         <h2>What happened</h2>\n{}\n<h2>What to do</h2>\n{}\n<p><a href=\"../problems/\">All problems</a></p>",
        list(what_happened),
        list(what_to_do),
        status = status.as_u16(),
    );
    page::html(assets, PATH, title, &main)
}

/// The index of all pages.
pub(super) fn index(assets: &Assets) -> String {
    let rows = Code::ALL.map(|code| {
        let CodeInfo { code, status, title, .. } = code.info();
        format!("<tr><td><a href=\"{code}\"><code>{code}</code></a></td><td>{}</td><td>{title}</td></tr>\n", status.as_u16())
    });
    let main = format!(
        "<h1>Problems</h1>\n<p>Every error response has one of these as its <code>code</code>, with its usual HTTP status.</p>\n\
         <table>\n<thead><tr><th>Code</th><th>Status</th><th>Title</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>",
        rows.concat(),
    );
    page::html(assets, PATH, "Problems", &main)
}

fn list(sentences: &[&str]) -> String {
    let items = sentences.iter().map(|sentence| format!("<li>{}</li>", backticks_to_code(sentence)));
    format!("<ul>{}</ul>", items.collect::<String>())
}

/// The texts come from our own table, so they need no escaping.
fn backticks_to_code(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    pieces.map(|(index, piece)| if index % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() }).collect()
}
