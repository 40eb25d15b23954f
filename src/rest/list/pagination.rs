//! Pages: a part of a list in an order that does not depend on the order system's.
//!
//! The order system has no pages. So the list from the page's first day on is read, and what belongs to the page is kept:
//! the first items in order of their [`Position`] that come after the cursor. That takes as much memory as the page has
//! items, however long the list is.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use http::header::{CONTENT_TYPE, HeaderValue, LINK};
use jiff::Timestamp;

use super::cursor::{Cursor, Position};
use super::{Encoder, ListFormat, ListItem, MAX_UNREADABLE};
use crate::backend::{Item, Items, UndecodableItem};
use crate::model::{Customer, Order, PiiAccess};
use crate::problem::{Code, Problem};
use crate::rest::extract::decode;

/// Which page is asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::rest) struct PageQuery {
    /// The greatest number of items.
    pub(in crate::rest) limit: usize,
    /// The last item of the page before.
    pub(in crate::rest) after: Option<Position>,
    /// The fingerprint of the filters, for the next cursor.
    pub(in crate::rest) filters: u64,
}

impl PageQuery {
    /// No item before this instant belongs to the page, unless it has no time.
    pub(in crate::rest) fn lower_bound(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.after?.seconds?).ok()
    }
}

/// What has a place among all pages.
pub(in crate::rest) trait SortKey {
    /// The place; two items with the same one are the same.
    fn sort_key(&self) -> Position;
}

impl SortKey for Order {
    fn sort_key(&self) -> Position {
        Position { seconds: self.ordered_at.map(|at| at.earliest().as_second()), id: self.id.get() }
    }
}

/// The order system does not tell in every answer when a customer was registered, but it numbers them.
impl SortKey for Customer {
    fn sort_key(&self) -> Position {
        Position { seconds: None, id: self.id.get() }
    }
}

/// A page.
#[derive(Debug)]
pub(in crate::rest) struct Page<T> {
    items: Vec<T>,
    /// What could not be read in the list that the page was chosen from.
    unreadable: Vec<UndecodableItem>,
    /// Leads to the next page, when there is one.
    next: Option<Cursor>,
}

impl<T: SortKey> Page<T> {
    /// Chooses from a list.
    pub(in crate::rest) async fn select(
        mut list: Items<T>,
        query: PageQuery,
        keep: impl Fn(&T) -> bool,
    ) -> Result<Self, Problem> {
        // One item more tells whether there is a next page.
        let mut chosen = BTreeMap::new();
        let mut unreadable = Vec::new();
        while let Some(run) = list.try_next().await.map_err(|error| Problem::list(&error))? {
            for item in run {
                match item {
                    Item::Decoded(item) => {
                        let position = item.sort_key();
                        let is_after = query.after.is_none_or(|after| position > after);
                        let is_full = chosen.len() > query.limit;
                        let has_room = !is_full || chosen.last_key_value().is_some_and(|(last, _)| position < *last);
                        if is_after && has_room && keep(&item) {
                            chosen.entry(position).or_insert(item);
                        }
                        if chosen.len() > query.limit + 1 {
                            chosen.pop_last();
                        }
                    }
                    Item::Undecodable(item) if unreadable.len() < MAX_UNREADABLE => unreadable.push(item),
                    Item::Undecodable(_) => return Err(Problem::new(Code::UpstreamAnswerInvalid, TOO_MANY_UNREADABLE)),
                }
            }
        }
        let has_next = chosen.len() > query.limit && chosen.pop_last().is_some();
        let end = chosen.last_key_value().filter(|_| has_next);
        let next = end.map(|(position, _)| Cursor { filters: query.filters, position: *position });
        Ok(Self { next, unreadable, items: chosen.into_values().collect() })
    }
}

impl<T> Page<T> {
    /// The items.
    pub(in crate::rest) fn items(&self) -> &[T] {
        &self.items
    }

    /// The items, and the page without them.
    pub(in crate::rest) fn split(self) -> (Vec<T>, Page<T>) {
        (self.items, Self { items: Vec::new(), ..self })
    }

    /// The same page of these items.
    pub(in crate::rest) fn with<U>(self, items: Vec<U>) -> Page<U> {
        Page { items, unreadable: self.unreadable, next: self.next }
    }
}

impl<T: ListItem> Page<T> {
    /// The whole page as a response to the request for `path` with `query`.
    pub(in crate::rest) fn respond(self, form: ListFormat, sight: PiiAccess, address: &http::Uri) -> Response {
        let next = self.next.map(|cursor| cursor.to_string());
        let mut encoder = Encoder::new(form, sight);
        let written = self.items.iter().try_for_each(|item| encoder.item(item));
        let written = written.and_then(|()| self.unreadable.into_iter().try_for_each(|item| encoder.unreadable(item)));
        if written.and_then(|()| encoder.finish(next.as_deref())).is_err() {
            return Problem::new(Code::InternalError, "The answer cannot be written as JSON.").into_response();
        }
        let mut response = ([(CONTENT_TYPE, form.media_type())], encoder.take()).into_response();
        if let Some(link) = next.and_then(|cursor| HeaderValue::try_from(link(address, &cursor)).ok()) {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}

const TOO_MANY_UNREADABLE: &str = "The order system's answer was not recognised: too many of its items are unreadable.";

/// The next page's address: the same but for the cursor.
fn link(address: &http::Uri, cursor: &str) -> String {
    let query = address.query().unwrap_or_default();
    // Names are compared as they are read: any of their letters may be percent-encoded.
    let is_cursor = |pair: &str| pair.split('=').next().and_then(decode).as_deref() == Some("cursor");
    let others = query.split('&').filter(|pair| !pair.is_empty() && !is_cursor(pair));
    let pairs: Vec<_> = others.map(|pair| pair.replace('<', "%3C").replace('>', "%3E")).collect();
    format!("<{}?{}&cursor={cursor}>; rel=\"next\"", address.path(), pairs.join("&"))
}
