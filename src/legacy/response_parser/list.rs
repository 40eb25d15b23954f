//! Decodes the items of a list one by one, as they arrive.

use super::{Level, MAX_ITEM_ELEMENTS, ResponseParser, State};
use crate::backend::{Error, Item, UndecodableItem};
use crate::legacy::codec::Decoded;
use crate::legacy::field_reader::FieldReader;
use crate::legacy::schema_drift::DriftKind;
use crate::legacy::xml::{Element, LayoutCache, Malformed, MatchedItem};
use crate::model::{DayCache, Zone};

/// How the items of a list are decoded.
#[derive(Debug)]
pub(crate) struct ItemCodec<T> {
    /// Decodes any item.
    pub(crate) decode: fn(Element<'_>, FieldReader<'_>) -> Decoded<T>,
    /// The elements that `decode_plain` reads.
    pub(crate) fields: &'static [&'static str],
    /// Decodes items whose values all have the usual form.
    pub(crate) decode_plain: DecodePlain<T>,
}

/// Decodes an item with a known layout whose texts all have the usual form, to what [`ItemCodec::decode`] would decode it to
/// without anything to report, and appends it. `None` for any other item, such as one with a `<` in a text.
type DecodePlain<T> = fn(&MatchedItem<'_, '_>, &Zone, &mut DayCache, &mut Vec<Item<T>>) -> Option<()>;

/// What is known of the items of a list.
#[derive(Debug)]
pub(super) struct ListState {
    pub(super) layouts: LayoutCache,
    days: DayCache,
    /// Number of items so far, without those in a failure.
    items: u64,
}

impl ResponseParser {
    /// A parser for a list: its items are handed out one by one and usually have the same layout. Some may be decoded from the
    /// texts of these elements, without a tree.
    pub(crate) fn for_list(self, fields: &'static [&'static str]) -> Self {
        let state = State { max_elements: MAX_ITEM_ELEMENTS, ..self.state };
        let list = ListState { layouts: LayoutCache::new(fields), days: DayCache::default(), items: 0 };
        Self { list: Some(Box::new(list)), state, ..self }
    }

    /// Decodes the list items that have arrived, until `batch` has this many. Returns whether more bytes are needed.
    pub(crate) fn decode_items<T>(
        &mut self,
        codec: &ItemCodec<T>,
        max: usize,
        batch: &mut Vec<Item<T>>,
    ) -> Result<bool, Malformed> {
        while batch.len() < max {
            if self.state.outcome.may_be_success() {
                self.decode_plain_items(codec, max, batch);
            }
            if batch.len() == max {
                break;
            }
            if !self.advance()? {
                return Ok(true);
            }
            if self.state.outcome.may_be_success() {
                self.decode_item(codec, batch);
            } else {
                // The rest of the document may explain the failure, but items in a failure are not a list.
                self.discard_elements();
            }
        }
        Ok(false)
    }

    /// Decodes the next items as long as they have a known layout and the usual form.
    fn decode_plain_items<T>(&mut self, codec: &ItemCodec<T>, max: usize, batch: &mut Vec<Item<T>>) {
        let (Level::AfterItem, Some(list)) = (self.state.level, &mut self.list) else { return };
        let before = batch.len();
        let mut tokens = self.document.tokens();
        while batch.len() < max {
            let Some(item) = tokens.match_item(&mut list.layouts, true) else { break };
            if item.element_length() as u64 > self.state.max_element_bytes {
                break;
            }
            if (codec.decode_plain)(&item, &self.state.settings.zone, &mut list.days, batch).is_none() {
                break;
            }
            tokens.take_item(&item);
            // The usual form is the same in every charset, but an unknown label is counted when there is a first text.
            self.state.decoder(&tokens);
        }
        list.items += (batch.len() - before) as u64;
    }

    /// Decodes the item that [`Self::advance`] has just completed, and discards its element. The item is appended to `batch`
    /// and not returned, because items are large and moving them costs time.
    #[expect(clippy::expect_used, reason = "only called after `advance` has completed an element")]
    fn decode_item<T>(&mut self, codec: &ItemCodec<T>, batch: &mut Vec<Item<T>>) {
        let position = self.list.as_mut().map_or(0, |list| {
            list.items += 1;
            list.items
        });
        let element = self.last_element().expect("`advance` has completed an element");
        match (codec.decode)(element, self.fields()) {
            Ok(item) => batch.push(Item::Decoded(item)),
            Err(undecodable) => {
                self.state.settings.drift.count(self.state.method, DriftKind::UndecodableItem, element.name());
                batch.push(Item::Undecodable(UndecodableItem { position, ..undecodable }));
            }
        }
        self.discard_elements();
    }

    /// Whether no list item has been decoded so far.
    pub(crate) fn has_no_items(&self) -> bool {
        self.items() == 0
    }

    /// Number of list items so far.
    fn items(&self) -> u64 {
        self.list.as_ref().map_or(0, |list| list.items)
    }

    /// Checks, after the last byte, that the document was a complete list. Returns the number of its items.
    pub(crate) fn finish_list(&mut self) -> Result<u64, Error> {
        const OK: u16 = 200;
        self.finish()?;
        if let Some(failure) = self.failure(OK) {
            Err(failure)
        } else if !self.state.outcome.may_be_success() {
            Err(Error::InvalidResponse { reason: "its status is neither success nor failed" })
        } else if self.has_no_items() && self.state.outcome.has_explanation() {
            // An empty list has nothing else in it.
            Err(Error::InvalidResponse { reason: "it has no items and is not an empty list either" })
        } else {
            Ok(self.items())
        }
    }
}
