//! The back-office page of `examples/back-office`, beside the API of the demo. No other command has it: it is an example of a
//! client, and not part of the gateway.
//!
//! The built files are committed, because the program has to build without Node. `.ci/browser` compares them with a new build.

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::rest;

/// The page loads its own files and calls this server only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files of the page: path, media type, content.
const FILES: [(&str, &str, &[u8]); 4] = [
    ("/example/", "text/html; charset=utf-8", include_bytes!("../../../examples/back-office/dist/index.html")),
    ("/example/app.js", "text/javascript", include_bytes!("../../../examples/back-office/dist/app.js")),
    ("/example/app.css", "text/css", include_bytes!("../../../examples/back-office/dist/app.css")),
    ("/example/icon.svg", "image/svg+xml", include_bytes!("../../../examples/back-office/dist/icon.svg")),
];

/// The path without the slash, from which the relative URLs of the page would not work.
const REDIRECT: &str = "/example";

/// The routes of the page, and their templates.
pub(super) fn routes() -> (Router, Vec<String>) {
    let redirect = get(|| async { Redirect::temporary("example/") }).fallback(rest::method_not_allowed);
    let mut router = Router::new().route(REDIRECT, redirect);
    for (path, media_type, content) in FILES {
        let headers = [(CONTENT_TYPE, media_type), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-cache")];
        router = router.route(path, get(move || async move { (headers, content) }).fallback(rest::method_not_allowed));
    }
    let templates = FILES.iter().map(|&(path, ..)| path).chain([REDIRECT]).map(str::to_owned);
    (router, templates.collect())
}
