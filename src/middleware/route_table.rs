//! The route of a request, known before the router runs: whether it needs credentials, and its name in logs and metrics.

use std::sync::Arc;

/// The routes by their paths.
#[derive(Debug)]
pub(super) struct RouteTable {
    routes: matchit::Router<Route>,
    unknown: Route,
}

/// A route, or that there is none.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// The template without the base path, such as `/orders/{id}`. Paths themselves are never logged: a client may put anything
    /// into them.
    pub(super) label: Arc<str>,
    /// Whether it needs no credentials. A path without a route needs them: only clients learn which routes there are.
    pub(super) is_public: bool,
}

impl RouteTable {
    /// The routes with these templates below the base path, and the redirects from the base path itself.
    #[expect(clippy::expect_used, reason = "the router has the same templates and would have refused them")]
    pub(super) fn new(base_path: &str, templates: &[String], is_public: fn(&str) -> bool) -> Self {
        let base = if base_path == "/" { "" } else { base_path };
        let mut routes = matchit::Router::new();
        let mut insert = |path: String, label: &str, is_public| {
            routes.insert(path, Route { label: label.into(), is_public }).expect("a valid template");
        };
        for template in templates {
            insert(format!("{base}{template}"), template, is_public(template));
        }
        insert(format!("{base}/"), "/", is_public("/"));
        if !base.is_empty() {
            insert(base.to_owned(), base, is_public(""));
        }
        Self { routes, unknown: Route { label: "unknown".into(), is_public: false } }
    }

    /// The route with this path.
    pub(super) fn find(&self, path: &str) -> &Route {
        self.routes.at(path).map_or(&self.unknown, |found| found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(table: &RouteTable, path: &str) -> String {
        let Route { label, is_public } = table.find(path);
        format!("{label}{}", if *is_public { " public" } else { "" })
    }

    #[test]
    fn route_is_named_without_base_path() {
        let templates = ["/orders/{id}".to_owned(), "/openapi.json".to_owned()];
        let is_public = |route: &str| matches!(route, "" | "/" | "/openapi.json");

        let root = RouteTable::new("/", &templates, is_public);
        let below = RouteTable::new("/api/tg", &templates, is_public);

        for (path, expected) in
            [("/orders/1", "/orders/{id}"), ("/", "/ public"), ("/openapi.json", "/openapi.json public"), ("*", "unknown")]
        {
            assert_eq!(label(&root, path), expected);
        }
        for (path, expected) in [
            ("/api/tg/orders/1", "/orders/{id}"),
            ("/api/tg/", "/ public"),
            ("/api/tg", "/api/tg public"),
            ("/orders/1", "unknown"),
            ("/api/tg/orders/1/", "unknown"),
        ] {
            assert_eq!(label(&below, path), expected);
        }
    }
}
