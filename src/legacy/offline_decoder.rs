//! Decodes whole documents without a connection, for benchmarks, fuzzing and tests.

use std::sync::Arc;

use url::Url;

use super::attempt::Attempt;
use super::codec::{api_login, customer_info, customers, order_info, orders};
use super::decode_settings::DecodeSettings;
use super::methods::{ADD_MESSAGE, API_LOGIN, CUSTOMER_INFO, CUSTOMERS, MethodSpec, ORDER_INFO, ORDERS, SET_STATUS};
use super::response_parser::{ItemCodec, ResponseParser};
use super::xml::Malformed;
use crate::backend::{Error, Item};
use crate::config::Upstream;
use crate::metrics::Metrics;
use crate::model::{Customer, CustomerId, ListedOrder, Order, OrderId};
use crate::resilience::{ByteBudget, Reserved};

/// Decodes documents like a client with default settings.
#[derive(Debug)]
pub struct Decoder {
    settings: Arc<DecodeSettings>,
    /// Size of the chunks that a document arrives in, in bytes.
    chunk_size: usize,
}

impl Decoder {
    /// A decoder for documents that arrive in chunks of this many bytes.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "the URL is a constant")]
    pub fn new(chunk_size: usize) -> Self {
        // Never connected to: only the defaults of the configuration are used.
        let upstream = Upstream::new(Url::parse("http://localhost/").expect("a URL"), "".into());
        let settings = DecodeSettings::new(&upstream, ByteBudget::default(), Metrics::default().upstream("document"));
        Self { settings: Arc::new(settings), chunk_size: chunk_size.max(1) }
    }

    /// Decodes a response to `orders`, item by item. Returns the number of items.
    ///
    /// # Errors
    /// When the document is not a complete list, after the items before the error.
    pub fn orders(&self, document: &[u8], on_item: impl FnMut(Item<ListedOrder>)) -> Result<u64, Error> {
        self.list(&ORDERS, document, &orders::CODEC, on_item)
    }

    /// Decodes a response to `customers`, item by item. Returns the number of items.
    ///
    /// # Errors
    /// As [`Self::orders`].
    pub fn customers(&self, document: &[u8], on_item: impl FnMut(Item<Customer>)) -> Result<u64, Error> {
        self.list(&CUSTOMERS, document, &customers::CODEC, on_item)
    }

    /// Decodes a response to `order_info`.
    ///
    /// # Errors
    /// When the document does not contain an order.
    pub fn order_info(&self, id: OrderId, document: &[u8]) -> Result<Reserved<Order>, Error> {
        let answer = self.attempt(&ORDER_INFO, document).read_result()?;
        answer.into_entity(|answer| order_info::decode(id, answer.elements(), answer.fields()))
    }

    /// Decodes a response to `customer_info`.
    ///
    /// # Errors
    /// When the document does not contain a customer.
    pub fn customer_info(&self, id: CustomerId, document: &[u8]) -> Result<Reserved<Customer>, Error> {
        let answer = self.attempt(&CUSTOMER_INFO, document).read_result()?;
        answer.into_entity(|answer| customer_info::decode(id, answer.elements(), answer.fields()))
    }

    /// Decodes a response to `set_status`.
    ///
    /// # Errors
    /// When the document does not confirm the write.
    pub fn set_status(&self, document: &[u8]) -> Result<(), Error> {
        self.attempt(&SET_STATUS, document).write_result(std::time::Duration::ZERO)
    }

    /// Decodes a response to `add_message`.
    ///
    /// # Errors
    /// When the document does not confirm the write.
    pub fn add_message(&self, document: &[u8]) -> Result<(), Error> {
        self.attempt(&ADD_MESSAGE, document).write_result(std::time::Duration::ZERO)
    }

    /// Decodes a response to `api_login`. Returns whether it contains a usable hash.
    ///
    /// # Errors
    /// When the document is not a response to a login.
    pub fn api_login(&self, document: &[u8]) -> Result<bool, Error> {
        let answer = self.attempt(&API_LOGIN, document).read_result()?;
        Ok(api_login::decode(answer.elements()).is_some())
    }

    fn list<T>(
        &self,
        method: &'static MethodSpec,
        document: &[u8],
        codec: &ItemCodec<T>,
        mut on_item: impl FnMut(Item<T>),
    ) -> Result<u64, Error> {
        /// As many as a client takes at once.
        const BATCH: usize = 64;
        let mut answer = ResponseParser::new(method, Arc::clone(&self.settings), None, self.settings.max_item_bytes);
        answer = answer.for_list(codec.fields);
        let mut batch = Vec::new();
        for chunk in document.chunks(self.chunk_size) {
            answer.push(chunk);
            let mut needs_more = false;
            while !needs_more {
                let result = answer.decode_items(codec, BATCH, &mut batch);
                batch.drain(..).for_each(&mut on_item);
                needs_more = result?;
            }
        }
        answer.finish_list()
    }

    fn attempt(&self, method: &'static MethodSpec, document: &[u8]) -> Attempt {
        Attempt::Answered {
            status: 200,
            retry_after: None,
            clock_skew: None,
            answer: self.parse(method, document).map(Box::new),
        }
    }

    fn parse(&self, method: &'static MethodSpec, document: &[u8]) -> Result<ResponseParser, Malformed> {
        let mut answer = ResponseParser::new(method, Arc::clone(&self.settings), None, self.settings.max_response_bytes);
        for chunk in document.chunks(self.chunk_size) {
            answer.read(chunk)?;
        }
        answer.finish().map(|()| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mismatched_item_tags_are_rejected_in_any_chunking() {
        let item = |name: &str| format!("<{name}><id>7</id><status>new</status></order>");
        let document = format!("<orders>{0}{0}{0}{1}{0}</orders>", item("order"), item("other"));

        for chunk_size in [1, 7, 100, usize::MAX] {
            let mut items = 0;
            let result = Decoder::new(chunk_size).orders(document.as_bytes(), |_| items += 1);

            assert_eq!((result, items), (Err(Error::InvalidResponse { reason: "its start and end tags do not match" }), 3));
        }
    }
}
