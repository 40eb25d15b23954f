//! Pagination in an order of our own, independent of the upstream's.
//!
//! The upstream has no pages. For each page the gateway reads the upstream's list from the day of the cursor on and selects
//! the items with the smallest [`Position`]s after the cursor. Memory is proportional to the page, not to the list: when the
//! items get too large for a page, those with the largest positions begin the next one.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use http::header::{CONTENT_TYPE, HeaderValue, LINK};
use jiff::Timestamp;

use super::cursor::{Cursor, Position};
use super::{Encoder, ListFormat, ListItem, MAX_UNDECODABLE};
use crate::backend::{Item, Items, UndecodableItem};
use crate::model::{Customer, HeldBytes, ListedOrder, PiiAccess};
use crate::problem::{Code, Problem};
use crate::resilience::{ByteBudget, Reservation, Share};
use crate::rest::extract::decode;
use crate::rest::json;

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

impl SortKey for ListedOrder {
    fn sort_key(&self) -> Position {
        Position { seconds: self.ordered_at().map(|(earliest, _)| earliest.as_second()), id: self.id().get() }
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
    /// What the items and the undecodable ones hold.
    memory: Reservation,
}

/// Maximum size of a page in memory, in bytes: several times what a page of usual items takes. A larger page ends before its
/// `limit`.
const MAX_BYTES: usize = 4 * 1024 * 1024;

impl<T: SortKey + HeldBytes> Page<T> {
    /// Selects the page from a list.
    pub(in crate::rest) async fn select(
        mut list: Items<T>,
        query: PageQuery,
        pii_access: PiiAccess,
        budget: &ByteBudget,
        includes: impl Fn(&T) -> bool,
    ) -> Result<Self, Problem> {
        let mut memory = budget.reservation(Share::Reads);
        let mut selected = BTreeMap::new();
        let mut undecodable = Vec::new();
        // Bytes of the selected items, and the first position that is not on this page.
        let (mut bytes, mut end) = (0, None);
        while let Some(batch) = list.try_next().await.map_err(|error| Problem::from_list_error(&error, pii_access))? {
            for item in batch {
                match item {
                    Item::Decoded(item) => {
                        let position = item.sort_key();
                        let is_after = query.after.is_none_or(|after| position > after);
                        let is_before_end = end.is_none_or(|end| position < end);
                        if !is_after || !is_before_end || selected.contains_key(&position) || !includes(&item) {
                            continue;
                        }
                        bytes += item.held_bytes();
                        selected.insert(position, item);
                        // What is dropped here begins the next page. An item that is larger than a page is one.
                        while selected.len() > query.limit || bytes > MAX_BYTES && selected.len() > 1 {
                            let Some((position, dropped)) = selected.pop_last() else { break };
                            bytes -= dropped.held_bytes();
                            end = Some(position);
                        }
                    }
                    Item::Undecodable(item) if undecodable.len() < MAX_UNDECODABLE => undecodable.push(item),
                    Item::Undecodable(_) => return Err(Problem::new(Code::UpstreamAnswerInvalid, TOO_MANY_UNDECODABLE)),
                }
            }
            let held = bytes + undecodable.capacity() * size_of::<UndecodableItem>();
            memory.resize(held).map_err(|_| Problem::memory_exhausted())?;
        }
        let final_item = selected.last_key_value().filter(|_| end.is_some());
        let next = final_item.map(|(position, _)| Cursor { filters: query.filters, position: *position });
        Ok(Self { next, undecodable, items: selected.into_values().collect(), memory })
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
        Page { items, undecodable: self.undecodable, next: self.next, memory: self.memory }
    }
}

impl<T: ListItem + HeldBytes> Page<T> {
    /// Responds with the whole page; `uri` is that of the request.
    pub(in crate::rest) fn respond(
        self,
        format: ListFormat,
        pii_access: PiiAccess,
        budget: &ByteBudget,
        uri: &http::Uri,
    ) -> Result<Response, Problem> {
        let undecodable = self.undecodable.len() * size_of::<UndecodableItem>();
        let memory = json::reserve(budget, self.items.iter().map(T::held_bytes).sum::<usize>() + 3 * undecodable)?;
        let next_cursor = self.next.map(|cursor| cursor.to_string());
        let mut encoder = Encoder::new(format, pii_access);
        self.items
            .iter()
            .try_for_each(|item| encoder.item(item))
            .and_then(|()| self.undecodable.into_iter().try_for_each(|item| encoder.undecodable(item)))
            .and_then(|()| encoder.finish(next_cursor.as_deref()))
            .map_err(|_| Problem::new(Code::InternalError, "The page cannot be encoded as JSON."))?;
        let body = json::into_bytes(encoder.into_vec(), memory);
        let mut response = ([(CONTENT_TYPE, format.media_type())], body).into_response();
        if let Some(link) = next_cursor.and_then(|cursor| HeaderValue::try_from(next_link(uri, &cursor)).ok()) {
            response.headers_mut().insert(LINK, link);
        }
        Ok(response)
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
