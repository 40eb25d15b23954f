//! Pagination in an order of our own, independent of the upstream's.
//!
//! The upstream has no pages. For each page the gateway reads the upstream's list from the day of the cursor on and selects
//! the items with the smallest [`Position`]s after the cursor. Memory is proportional to the page, not to the list.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use http::header::{CONTENT_TYPE, HeaderValue, LINK};
use jiff::Timestamp;

use super::cursor::{Cursor, Position};
use super::{Encoder, ListFormat, ListItem, MAX_UNDECODABLE};
use crate::backend::{Item, Items, UndecodableItem};
use crate::model::{Customer, Order, PiiAccess};
use crate::problem::{Code, Problem};
use crate::rest::extract::decode;

/// The page that a request asks for.
#[derive(Debug, Clone, Copy)]
pub(in crate::rest) struct PageQuery {
    /// Maximum number of items.
    pub(in crate::rest) limit: usize,
    /// The last item of the previous page.
    pub(in crate::rest) after: Option<Position>,
    /// Hash of the filters, for the next cursor.
    pub(in crate::rest) filters: u64,
}

impl PageQuery {
    /// Items before this instant are not on the page, except those without a time.
    pub(in crate::rest) fn lower_bound(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.after?.seconds?).ok()
    }
}

/// An item that can be paginated.
pub(in crate::rest) trait SortKey {
    /// The item's position. Items with equal positions are the same item.
    fn sort_key(&self) -> Position;
}

impl SortKey for Order {
    fn sort_key(&self) -> Position {
        Position { seconds: self.ordered_at.map(|at| at.earliest().as_second()), id: self.id.get() }
    }
}

/// Customers are sorted by id alone, because not every answer has the time of registration.
impl SortKey for Customer {
    fn sort_key(&self) -> Position {
        Position { seconds: None, id: self.id.get() }
    }
}

/// A page.
#[derive(Debug)]
pub(in crate::rest) struct Page<T> {
    items: Vec<T>,
    /// Undecodable items of the whole list, because they have no position.
    undecodable: Vec<UndecodableItem>,
    /// The cursor of the next page; `None` on the last one.
    next: Option<Cursor>,
}

impl<T: SortKey> Page<T> {
    /// Selects the page from a list.
    pub(in crate::rest) async fn select(
        mut list: Items<T>,
        query: PageQuery,
        pii_access: PiiAccess,
        includes: impl Fn(&T) -> bool,
    ) -> Result<Self, Problem> {
        // One item more than the page shows whether there is a next page.
        let mut selected = BTreeMap::new();
        let mut undecodable = Vec::new();
        while let Some(batch) = list.try_next().await.map_err(|error| Problem::from_list_error(&error, pii_access))? {
            for item in batch {
                match item {
                    Item::Decoded(item) => {
                        let position = item.sort_key();
                        let is_after = query.after.is_none_or(|after| position > after);
                        let is_full = selected.len() > query.limit;
                        let fits = !is_full || selected.last_key_value().is_some_and(|(last, _)| position < *last);
                        if is_after && fits && includes(&item) {
                            selected.entry(position).or_insert(item);
                        }
                        if selected.len() > query.limit + 1 {
                            selected.pop_last();
                        }
                    }
                    Item::Undecodable(item) if undecodable.len() < MAX_UNDECODABLE => undecodable.push(item),
                    Item::Undecodable(_) => return Err(Problem::new(Code::UpstreamAnswerInvalid, TOO_MANY_UNDECODABLE)),
                }
            }
        }
        let has_next = selected.len() > query.limit && selected.pop_last().is_some();
        let end = selected.last_key_value().filter(|_| has_next);
        let next = end.map(|(position, _)| Cursor { filters: query.filters, position: *position });
        Ok(Self { next, undecodable, items: selected.into_values().collect() })
    }
}

impl<T> Page<T> {
    pub(in crate::rest) fn items(&self) -> &[T] {
        &self.items
    }

    /// Separates the items from the rest of the page; [`Self::with_items`] joins them again.
    pub(in crate::rest) fn split(self) -> (Vec<T>, Page<T>) {
        (self.items, Self { items: Vec::new(), ..self })
    }

    /// The same page with other items.
    pub(in crate::rest) fn with_items<U>(self, items: Vec<U>) -> Page<U> {
        Page { items, undecodable: self.undecodable, next: self.next }
    }
}

impl<T: ListItem> Page<T> {
    /// Responds with the whole page; `uri` is that of the request.
    pub(in crate::rest) fn respond(self, format: ListFormat, pii_access: PiiAccess, uri: &http::Uri) -> Response {
        let next_cursor = self.next.map(|cursor| cursor.to_string());
        let mut encoder = Encoder::new(format, pii_access);
        let written = self
            .items
            .iter()
            .try_for_each(|item| encoder.item(item))
            .and_then(|()| self.undecodable.into_iter().try_for_each(|item| encoder.undecodable(item)))
            .and_then(|()| encoder.finish(next_cursor.as_deref()));
        if written.is_err() {
            return Problem::new(Code::InternalError, "The page cannot be encoded as JSON.").into_response();
        }
        let mut response = ([(CONTENT_TYPE, format.media_type())], encoder.take()).into_response();
        if let Some(link) = next_cursor.and_then(|cursor| HeaderValue::try_from(next_link(uri, &cursor)).ok()) {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}

const TOO_MANY_UNDECODABLE: &str = "The upstream's answer was not recognised: too many of its items cannot be decoded.";

/// The `Link` header: the request's query with another cursor. Relative to the request, whose path a proxy may have changed.
fn next_link(uri: &http::Uri, cursor: &str) -> String {
    let query = uri.query().unwrap_or_default();
    // Compare decoded names: a client may percent-encode any letter of `cursor`.
    let is_cursor = |pair: &str| pair.split('=').next().and_then(decode).as_deref() == Some("cursor");
    let others = query.split('&').filter(|pair| !pair.is_empty() && !is_cursor(pair));
    // Angle brackets would end the link target.
    let pairs: Vec<_> = others.map(|pair| pair.replace('<', "%3C").replace('>', "%3E")).collect();
    format!("<?{}&cursor={cursor}>; rel=\"next\"", pairs.join("&"))
}
