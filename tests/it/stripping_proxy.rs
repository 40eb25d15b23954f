//! Below a prefix that a proxy strips: what the gateway returns must lead back through the proxy.

use reqwest::{Method, Url};

use crate::support::{Gateway, Reply, Upstream};

const LIST: &str = "<orders><order><id>7</id><date>2016-03-14 09:05:00</date></order>\
                    <order><id>8</id><date>2016-03-14 09:06:00</date></order></orders>";

/// The URL that a client resolves `reference` to, in a response from below the proxy's prefix.
fn resolved(request: &str, reference: &str) -> String {
    let url = Url::parse(&format!("http://proxy.example{request}")).and_then(|base| base.join(reference)).expect("a reference");
    url.as_str().replacen("http://proxy.example", "", 1)
}

#[tokio::test]
async fn relative_references_stay_below_the_prefix() {
    let upstream = Upstream::responding_with(Reply::xml(LIST)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let page = gateway.get("/orders?since=2016-03-14&limit=1").await;
    let link = page.header("link").trim_start_matches('<').split_once('>').expect("a link").0.to_owned();
    assert!(resolved("/x/orders?since=2016-03-14&limit=1", &link).starts_with("/x/orders?since=2016-03-14&limit=1&cursor="));

    let document = gateway.get("/openapi.json").await.ok();
    assert_eq!(resolved("/x/openapi.json", document["servers"][0]["url"].as_str().expect("a URL")), "/x/");
    for (request, expected) in
        [("/", "/x/swagger-ui/"), ("/swagger-ui", "/x/swagger-ui/"), ("/docs", "/x/docs/"), ("/problems", "/x/problems/")]
    {
        let location = gateway.get(request).await.header("location").to_owned();
        assert_eq!(resolved(&format!("/x{request}"), &location), expected);
    }
}

#[tokio::test]
async fn problems_have_the_prefix_that_a_trusted_proxy_sends() {
    let upstream = Upstream::responding_with(Reply::xml(LIST)).await;
    for (settings, prefix, expected) in [
        (&[("SERVER__TRUSTED_PROXIES", "127.0.0.0/8")][..], "/x/y", "/x/y"),
        (&[("SERVER__TRUSTED_PROXIES", "127.0.0.0/8")], "/x/", "/x"),
        (&[("SERVER__TRUSTED_PROXIES", "127.0.0.0/8")], "//host", ""),
        (&[("SERVER__TRUSTED_PROXIES", "127.0.0.0/8")], "/x/../y", ""),
        (&[("SERVER__TRUSTED_PROXIES", "10.0.0.0/8")], "/x", ""),
        (&[], "/x", ""),
        (&[("SERVER__TRUSTED_PROXIES", "127.0.0.0/8"), ("SERVER__BASE_PATH", "/api")], "/x", "/x/api"),
    ] {
        let base = settings.iter().find(|(name, _)| *name == "SERVER__BASE_PATH").map_or("", |(_, path)| path);
        let expected = if expected.is_empty() { base } else { expected };
        let gateway = Gateway::with(&upstream, settings).await;

        let request = gateway.request(Method::GET, &format!("{base}/orders/0")).header("x-forwarded-prefix", prefix);
        let problem = gateway.send(request).await.problem(400, "invalid-parameter");

        assert_eq!(problem["type"], format!("{expected}/problems/invalid-parameter"), "{settings:?} {prefix}");
        assert_eq!(problem["instance"], format!("{expected}/orders/0"), "{settings:?} {prefix}");
    }
}

#[tokio::test]
async fn problems_inside_a_page_have_the_prefix_too() {
    let upstream = Upstream::responding_to(|query| {
        if query.contains("method=orders") { Reply::xml(LIST) } else { Reply::new(404, "text/html", b"") }
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__TRUSTED_PROXIES", "127.0.0.1")]).await;

    let request =
        gateway.request(Method::GET, "/orders?since=2016-03-14&limit=1&expand=detail").header("x-forwarded-prefix", "/x");
    let page = gateway.send(request).await.ok();

    let problem = &page["items"][0]["problem"];
    assert_eq!(problem["type"], "/x/problems/upstream-answer-invalid", "{page}");
    assert_eq!(problem["instance"], "/x/orders/7");
}
