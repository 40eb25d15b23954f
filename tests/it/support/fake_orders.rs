//! The book that an order system keeps about one order, for tests that decide which writes get into it, and when.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};
use tjansteguiden_gateway::model::{Zone, now};
use url::form_urlencoded;

use super::{Reply, Upstream, is_write};

/// A book. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Book(Arc<Mutex<Entry>>);

struct Entry {
    status: Option<String>,
    /// The rows as XML; `None` for an order system that does not tell its log.
    log: Option<Vec<String>>,
}

impl Book {
    /// A new order with an empty log.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Entry { status: Some("new".to_owned()), log: Some(Vec::new()) })))
    }

    /// An order system that reads from this book, and answers writes like this, whatever it does with them.
    pub(crate) async fn behind(&self, write: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Upstream {
        let book = self.clone();
        Upstream::answering(move |query| if is_write(query) { write(query) } else { book.read() }).await
    }

    /// What `order_info` answers now.
    pub(crate) fn read(&self) -> Reply {
        Reply::xml(&self.document())
    }

    pub(crate) fn document(&self) -> String {
        let entry = self.entry();
        let status = entry.status.as_ref().map_or(String::new(), |status| format!("<status>{status}</status>"));
        let log = entry.log.as_ref().map_or(String::new(), |rows| format!("<logs>{}</logs>", rows.concat()));
        format!("<order_info><orderinfo><type>order</type>{status}</orderinfo>{log}</order_info>")
    }

    /// Does what a write with this query string asks for.
    pub(crate) fn apply(&self, query: &str) {
        let value = |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name);
        match (value("status"), value("message"), value("type")) {
            (Some((_, status)), ..) => self.change(&status),
            (_, Some((_, text)), Some((_, kind))) => self.add(&kind, &text, SignedDuration::ZERO),
            _ => panic!("{query} is no write"),
        }
    }

    /// Has had this status for long.
    pub(crate) fn give(&self, status: &str) {
        self.entry().status = Some(status.to_owned());
    }

    /// Gives the order a status, and its log a row.
    pub(crate) fn change(&self, status: &str) {
        self.give(status);
        self.add("system", status, SignedDuration::ZERO);
    }

    /// Forgets the status, or never had one.
    pub(crate) fn lose_status(&self) {
        self.entry().status = None;
    }

    /// Tells no log any more.
    pub(crate) fn lose_log(&self) {
        self.entry().log = None;
    }

    /// Adds a row that is stamped by a clock which is so much ahead.
    pub(crate) fn add(&self, kind: &str, text: &str, ahead: SignedDuration) {
        self.add_at(kind, text, now() + ahead);
    }

    /// Adds a row that was stamped then.
    pub(crate) fn add_at(&self, kind: &str, text: &str, at: Timestamp) {
        let at = Zone::stockholm().at(at).wall().strftime("%Y-%m-%d %H:%M:%S");
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let row = format!("<log><date>{at}</date><type>{kind}</type><message>{text}</message></log>");
        self.entry().log.get_or_insert_default().push(row);
    }

    fn entry(&self) -> MutexGuard<'_, Entry> {
        self.0.lock().expect("no test panics inside")
    }
}
