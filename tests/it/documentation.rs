//! The documentation pages: what they load, where they lead, and how long browsers keep them.

use reqwest::Url;

use crate::support::{Answer, Gateway, Upstream};

const PAGES: [&str; 5] = ["/swagger-ui/", "/docs/", "/problems/", "/problems/overloaded", "/problems/outcome-unknown"];

/// A gateway at the root, and one below a base path.
async fn gateways() -> [(&'static str, Gateway); 2] {
    let upstream = Upstream::with_fixtures().await;
    [
        ("", Gateway::in_front_of(&upstream).await),
        ("/api/tg", Gateway::with(&upstream, &[("SERVER__BASE_PATH", "/api/tg")]).await),
    ]
}

/// The values of the attributes `href` and `src`.
fn references(page: &str) -> Vec<&str> {
    let values = |attribute: &str| page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all: [Vec<&str>; 2] = [" href=\"", " src=\""].map(values);
    all.concat()
}

/// The path that a browser requests for a reference on the page with this path.
fn resolved(page: &str, reference: &str) -> Url {
    Url::parse(&format!("http://gateway.example{page}")).and_then(|base| base.join(reference)).expect("a reference")
}

fn is_file(reference: &str) -> bool {
    [".css", ".js", ".png"].iter().any(|extension| reference.ends_with(extension))
}

async fn page(gateway: &Gateway, path: &str) -> Answer {
    let answer = gateway.get(path).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
    answer
}

#[tokio::test]
async fn files_are_immutable_at_paths_with_their_hash() {
    for (base, gateway) in gateways().await {
        for path in PAGES {
            let path = format!("{base}{path}");
            let page = page(&gateway, &path).await.body;
            let files: Vec<_> = references(&page).into_iter().filter(|reference| is_file(reference)).collect();
            assert!(files.len() >= 2, "{path}: {files:?}");
            for file in files {
                let hashed = resolved(&path, file).path().to_owned();
                let (directory, name) = hashed.rsplit_once('/').expect("a path");
                let (directory, hash) = directory.rsplit_once('/').expect("a path");

                let current = gateway.get(&hashed).await;
                assert_eq!(current.header("cache-control"), "public, max-age=31536000, immutable", "{hashed}");
                assert_eq!((current.status, hash.len()), (200, 16), "{hashed}");

                for (other, caching) in [("", None), ("0123456789abcdef/", Some("private, no-cache"))] {
                    let answer = gateway.get(&format!("{directory}/{other}{name}")).await;
                    assert_eq!((answer.status, &answer.body), (200, &current.body), "{other}{name}");
                    assert!(!answer.header("cache-control").contains("immutable"), "{other}{name}");
                    assert!(caching.is_none_or(|caching| answer.header("cache-control") == caching), "{other}{name}");
                }
            }
        }
        for path in ["swagger-ui/x/y/swagger-ui.css", "swagger-ui/x/nonsense.js", "swagger-ui/x/index.html"] {
            gateway.get(&format!("{base}/{path}")).await.problem(404, "route-not-found");
        }
    }
}

#[tokio::test]
async fn every_link_of_a_page_leads_somewhere() {
    for (base, gateway) in gateways().await {
        for path in PAGES {
            let path = format!("{base}{path}");
            let page = page(&gateway, &path).await.body;
            for reference in references(&page) {
                if let Some(anchor) = reference.strip_prefix('#') {
                    assert!(page.contains(&format!(" id=\"{anchor}\"")), "{path}: {reference}");
                    continue;
                }
                let target = resolved(&path, reference);
                assert_eq!(target.host_str(), Some("gateway.example"), "{path}: {reference}");
                assert!(target.path().starts_with(base), "{path}: {reference}");
                assert_eq!(gateway.get(target.path()).await.status, 200, "{path}: {reference}");
            }
        }
    }
}

#[tokio::test]
async fn pages_have_nothing_inline_that_their_policy_forbids() {
    let [(_, gateway), _] = gateways().await;
    for path in PAGES {
        let page = page(&gateway, path).await;

        let policy = page.header("content-security-policy");
        assert!(policy.contains("style-src 'self'") && !policy.contains("unsafe"), "{policy}");
        for forbidden in ["<style", " style=", "<script>", " onclick=", " onload=", "javascript:"] {
            assert!(!page.body.contains(forbidden), "{path}: {forbidden}");
        }
        assert!(page.body.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"), "{path}");
    }
}

#[tokio::test]
async fn index_lists_every_problem_and_each_page_says_what_to_do() {
    let [(_, gateway), _] = gateways().await;
    let index = page(&gateway, "/problems/").await.body;
    let codes: Vec<_> = references(&index).into_iter().filter(|reference| !reference.contains(['/', '.'])).collect();
    assert_eq!(codes.len(), 31);
    let guide = page(&gateway, "/docs/").await.body;
    for code in codes {
        assert!(guide.contains(&format!(" href=\"../problems/{code}\"")), "the guide does not mention {code}");
        let page = page(&gateway, &format!("/problems/{code}")).await.body;

        let (_, sections) = page.split_once("<h2>What happened</h2>\n<ul><li>").expect("what happened");
        assert!(sections.contains("</ul>\n<h2>What to do</h2>\n<ul><li>"), "{page}");
    }
}

#[tokio::test]
async fn guide_shows_the_document_of_the_repository() {
    let [(_, gateway), _] = gateways().await;

    let page = page(&gateway, "/docs/").await.body;

    let headings = crate::api_guide::document("openapi/README.md").lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(page.matches("<h2 id=").count(), headings);
    assert_eq!(page.matches("<li class=\"h2\">").count(), headings);
    assert!(page.contains("<h1 id=\"api-guide\">") && page.contains("<table>") && page.contains("<pre tabindex=\"0\"><code>"));
}

#[tokio::test]
async fn directories_are_redirected_to_with_a_slash() {
    for (base, gateway) in gateways().await {
        for name in ["swagger-ui", "docs", "problems"] {
            let answer = gateway.get(&format!("{base}/{name}")).await;
            assert_eq!((answer.status, answer.header("location")), (307, &*format!("{name}/")), "{base}");
        }
    }
}
