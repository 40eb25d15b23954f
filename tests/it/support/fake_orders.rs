//! One order of a fake legacy system, for tests that decide which writes take effect, and when.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tjansteguiden_gateway::model::{Zone, now};
use url::form_urlencoded;

use super::{Reply, Upstream, is_write};

/// The state of the order. Clones share it.
#[derive(Clone)]
pub(crate) struct FakeOrders(Arc<Mutex<Order>>);

struct Order {
    status: Option<String>,
    /// Log entries as XML; `None` if answers have no log at all.
    log: Option<Vec<String>>,
}

impl FakeOrders {
    /// An order with status `new` and an empty log.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Order { status: Some("new".to_owned()), log: Some(Vec::new()) })))
    }

    /// An upstream that answers reads from this order and writes with `answer_write`, which may apply them or not.
    pub(crate) async fn upstream(&self, answer_write: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Upstream {
        let orders = self.clone();
        Upstream::responding_to(move |query| if is_write(query) { answer_write(query) } else { orders.order_info() }).await
    }

    /// The answer to `order_info`.
    pub(crate) fn order_info(&self) -> Reply {
        Reply::xml(&self.document())
    }

    /// The answer to `order_info` with a `Date` header of a clock that is `clock_offset` ahead.
    pub(crate) fn dated_order_info(&self, clock_offset: SignedDuration) -> Reply {
        let date = (now() + clock_offset).strftime("Date: %a, %d %b %Y %H:%M:%S GMT").to_string();
        self.order_info().with_header(&date)
    }

    pub(crate) fn document(&self) -> String {
        let order = self.0.lock();
        let status = order.status.as_ref().map_or(String::new(), |status| format!("<status>{status}</status>"));
        let log = order.log.as_ref().map_or(String::new(), |entries| format!("<logs>{}</logs>", entries.concat()));
        format!("<order_info><orderinfo><type>order</type>{status}</orderinfo>{log}</order_info>")
    }

    /// Applies the write with this query string.
    pub(crate) fn apply(&self, query: &str) {
        let value = |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name);
        match (value("status"), value("message"), value("type")) {
            (Some((_, status)), ..) => self.change_status(&status),
            (_, Some((_, text)), Some((_, kind))) => self.add_entry(&kind, &text, SignedDuration::ZERO),
            _ => panic!("{query} is not a write"),
        }
    }

    /// Sets the status without a log entry, as if it had been there for long.
    pub(crate) fn set_status(&self, status: &str) {
        self.0.lock().status = Some(status.to_owned());
    }

    /// Changes the status as the legacy system does: with a log entry.
    pub(crate) fn change_status(&self, status: &str) {
        self.set_status(status);
        self.add_entry("system", status, SignedDuration::ZERO);
    }

    /// Answers have no status from now on.
    pub(crate) fn remove_status(&self) {
        self.0.lock().status = None;
    }

    /// Answers have no log from now on.
    pub(crate) fn remove_log(&self) {
        self.0.lock().log = None;
    }

    /// Adds a log entry with the time of a clock that is `clock_offset` ahead.
    pub(crate) fn add_entry(&self, kind: &str, text: &str, clock_offset: SignedDuration) {
        self.add_entry_at(kind, text, now() + clock_offset);
    }

    /// Adds a log entry with this time.
    pub(crate) fn add_entry_at(&self, kind: &str, text: &str, at: Timestamp) {
        let at = Zone::stockholm().at(at).wall().strftime("%Y-%m-%d %H:%M:%S");
        self.add_entry_stamped(kind, text, &at.to_string());
    }

    /// Adds a log entry with this text as its date.
    pub(crate) fn add_entry_stamped(&self, kind: &str, text: &str, at: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let entry = format!("<log><date>{at}</date><type>{kind}</type><message>{text}</message></log>");
        self.0.lock().log.get_or_insert_default().push(entry);
    }
}
