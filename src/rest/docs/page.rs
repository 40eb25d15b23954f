//! The HTML pages: what is around their contents.
//!
//! Every page is in a directory directly below the base path, so the same relative references work on all of them, below every
//! base path and behind every proxy.

use super::assets::Assets;
use super::template::fill;

/// The pages, as every page lists them.
const NAVIGATION: [(&str, &str); 4] =
    [("../docs/", "API guide"), ("../swagger-ui/", "Swagger UI"), ("../problems/", "Problems"), ("../openapi.json", "OpenAPI")];

/// A page with this HTML as its main contents. `path` is the page's own entry in the navigation.
pub(super) fn html(assets: &Assets, path: &str, title: &str, main: &str) -> String {
    fill_page(assets, path, title, &["pages.css"], &format!("<main>\n{main}\n</main>"))
}

/// The page of Swagger UI.
pub(super) fn swagger_ui(assets: &Assets, title: &str) -> String {
    let stylesheets = ["swagger-ui.css", "pages.css", "swagger-ui-changes.css"];
    let contents = fill(include_str!("assets/swagger-ui.html"), |file| url(assets, file).into());
    fill_page(assets, "../swagger-ui/", title, &stylesheets, &contents)
}

fn fill_page(assets: &Assets, path: &str, title: &str, stylesheets: &[&str], contents: &str) -> String {
    let stylesheet = |file: &&str| format!("<link rel=\"stylesheet\" href=\"{}\">\n", url(assets, file));
    fill(include_str!("assets/page.html"), |name| match name {
        "title" => html_escape::encode_text(title),
        "stylesheets" => stylesheets.iter().map(stylesheet).collect::<String>().into(),
        "navigation" => navigation(path).into(),
        "contents" => contents.into(),
        file => url(assets, file).into(),
    })
}

/// Swagger UI's directory has the files of all pages.
fn url(assets: &Assets, file: &str) -> String {
    format!("../swagger-ui/{}", assets.path(file))
}

fn navigation(current: &str) -> String {
    let entries = NAVIGATION.map(|(path, name)| {
        let is_current = if path == current { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"{path}\"{is_current}>{name}</a>")
    });
    format!("<nav class=\"pages\" aria-label=\"Documentation\">{}</nav>", entries.concat())
}
