//! The API guide as a page: `openapi/README.md`, rendered when it is first asked for.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::assets::Assets;
use super::page;
use crate::problem::Code;

const MARKDOWN: &str = include_str!("../../../openapi/README.md");

struct Heading {
    level: HeadingLevel,
    text: String,
    id: String,
}

/// The page, with a table of contents.
pub(super) fn page(assets: &Assets) -> String {
    let events: Vec<_> = Parser::new_ext(MARKDOWN, Options::ENABLE_TABLES).collect();
    let headings = headings(&events);
    let mut article = String::new();
    html::push_html(&mut article, for_page(events, &headings).into_iter());
    let contents = contents(&headings);
    page::html(assets, "../docs/", "API guide", &format!("{contents}\n<article>\n{article}</article>"))
}

fn headings(events: &[Event<'_>]) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let mut is_inside = false;
    for event in events {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                is_inside = true;
                headings.push(Heading { level: *level, text: String::new(), id: String::new() });
            }
            Event::End(TagEnd::Heading(_)) => is_inside = false,
            Event::Text(text) | Event::Code(text) if is_inside => {
                let Some(heading) = headings.last_mut() else { continue };
                heading.text.push_str(text);
                heading.id = slug(&heading.text);
            }
            _ => {}
        }
    }
    headings
}

/// The anchor of a heading, as repository hosts make it: the guide's own links work there and here.
fn slug(text: &str) -> String {
    let kept = text.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|character| if character == ' ' { '-' } else { character }).collect()
}

fn contents(headings: &[Heading]) -> String {
    let entry = |heading: &Heading| {
        let Heading { level, text, id } = heading;
        format!("<li class=\"{level}\"><a href=\"#{id}\">{}</a></li>\n", html_escape::encode_text(text))
    };
    let entries = headings.iter().filter(|heading| matches!(heading.level, HeadingLevel::H2 | HeadingLevel::H3)).map(entry);
    format!("<nav class=\"contents\" aria-label=\"Contents\">\n<ul>\n{}</ul>\n</nav>", entries.collect::<String>())
}

/// The events of the document, with what a page has in addition: anchors, links to problems, and blocks that scroll on their own.
fn for_page<'a>(events: Vec<Event<'a>>, headings: &[Heading]) -> Vec<Event<'a>> {
    let mut ids = headings.iter().map(|heading| &*heading.id);
    let mut heading_id = None;
    let mut repository_path = None;
    let mut rendered = Vec::with_capacity(events.len());
    for event in events {
        match event {
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                heading_id = ids.next();
                let id = heading_id.map(|id| CowStr::from(id.to_owned()));
                rendered.push(Event::Start(Tag::Heading { level, id, classes, attrs }));
            }
            Event::End(TagEnd::Heading(level)) => {
                rendered.extend(heading_id.take().map(|id| inline(format!(" <a class=\"anchor\" href=\"#{id}\">#</a>"))));
                rendered.push(Event::End(TagEnd::Heading(level)));
            }
            // A running gateway does not serve the files of the repository, so the page names them instead.
            Event::Start(Tag::Link { dest_url, .. }) if dest_url.starts_with("../") => repository_path = Some(dest_url),
            Event::End(TagEnd::Link) => rendered.push(repository_path.take().map_or(event, |path: CowStr<'_>| {
                let path = html_escape::encode_text(path.trim_start_matches("../"));
                inline(format!(" (<code>{path}</code>)"))
            })),
            Event::Code(text) if heading_id.is_none() && Code::parse(&text).is_some() => {
                rendered.push(inline(format!("<a href=\"../problems/{text}\"><code>{text}</code></a>")));
            }
            Event::Start(Tag::CodeBlock(_)) => rendered.push(block("<pre tabindex=\"0\"><code>")),
            Event::End(TagEnd::CodeBlock) => rendered.push(block("</code></pre>\n")),
            Event::Start(Tag::Table(alignment)) => {
                rendered.extend([block("<div class=\"scrolling\" tabindex=\"0\">\n"), Event::Start(Tag::Table(alignment))]);
            }
            Event::End(TagEnd::Table) => rendered.extend([Event::End(TagEnd::Table), block("</div>\n")]),
            other => rendered.push(other),
        }
    }
    rendered
}

fn inline<'a>(html: String) -> Event<'a> {
    Event::InlineHtml(html.into())
}

fn block(html: &str) -> Event<'_> {
    Event::Html(html.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(markdown: &str) -> String {
        let events: Vec<_> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
        let headings = headings(&events);
        let mut rendered = String::new();
        html::push_html(&mut rendered, for_page(events, &headings).into_iter());
        rendered
    }

    #[test]
    fn headings_have_anchors() {
        let rendered = render("## ETags, and `If-Match`");

        let id = "etags-and-if-match";
        assert!(
            rendered.contains(&format!("<h2 id=\"{id}\">ETags, and <code>If-Match</code> <a class=\"anchor\" href=\"#{id}\""))
        );
    }

    #[test]
    fn files_of_the_repository_are_named_and_not_linked() {
        let rendered = render("See [operations](../docs/operations.md#logs), [below](#x).");

        assert_eq!(rendered, "<p>See operations (<code>docs/operations.md#logs</code>), <a href=\"#x\">below</a>.</p>\n");
    }

    #[test]
    fn problem_codes_link_to_their_pages() {
        let rendered = render("`overloaded`, `overload`");

        let link = "<a href=\"../problems/overloaded\"><code>overloaded</code></a>";
        assert_eq!(rendered, format!("<p>{link}, <code>overload</code></p>\n"));
    }

    #[test]
    fn code_is_escaped() {
        assert_eq!(render("```http\nLink: <…>\n```\n"), "<pre tabindex=\"0\"><code>Link: &lt;…&gt;\n</code></pre>\n");
    }
}
