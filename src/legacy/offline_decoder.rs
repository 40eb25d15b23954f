//! Decodes whole documents without a connection, for benches, fuzzing and tests.

use std::sync::Arc;

use super::attempt::Attempt;
use super::codec::{api_login, customer_info, customers, order_info, orders};
use super::decode_settings::DecodeSettings;
use super::methods::{ADD_MESSAGE, API_LOGIN, CUSTOMER_INFO, CUSTOMERS, MethodSpec, ORDER_INFO, ORDERS, SET_STATUS};
use super::response_parser::{DecodeItem, ResponseParser};
use super::schema_drift::SchemaDrift;
use super::xml::Malformed;
use crate::backend::{Error, Item};
use crate::charset::Charset;
use crate::metrics::Metrics;
use crate::model::{Customer, CustomerId, Order, OrderId, Zone};

/// Decodes documents as a client with default settings does.
#[derive(Debug)]
pub struct Decoder {
    profile: Arc<DecodeSettings>,
    /// How many bytes are pushed at once, as they come over a network.
    chunk_size: usize,
}

impl Decoder {
    /// A decoder that pushes this many bytes at once.
    #[must_use]
    pub fn new(chunk_size: usize) -> Self {
        let profile = DecodeSettings {
            zone: Zone::stockholm(),
            charset: Charset::UTF_8,
            credential_refusal_words: Vec::new(),
            max_response_bytes: 67_108_864,
            max_item_bytes: 262_144,
            drift: Arc::new(SchemaDrift::new(Metrics::default().upstream("document"))),
        };
        Self { profile: Arc::new(profile), chunk_size: chunk_size.max(1) }
    }

    /// Decodes a response to `orders`, item by item. Returns the number of items.
    ///
    /// # Errors
    /// When the document is not a list, after the items in front of the fault.
    pub fn orders(&self, document: &[u8], see: impl FnMut(Item<Order>)) -> Result<u64, Error> {
        self.list(&ORDERS, document, orders::decode, see)
    }

    /// Decodes a response to `customers`, item by item. Returns the number of items.
    ///
    /// # Errors
    /// As [`Self::orders`].
    pub fn customers(&self, document: &[u8], see: impl FnMut(Item<Customer>)) -> Result<u64, Error> {
        self.list(&CUSTOMERS, document, customers::decode, see)
    }

    /// Decodes a response to `order_info`.
    ///
    /// # Errors
    /// When the document holds no order.
    pub fn order_info(&self, id: OrderId, document: &[u8]) -> Result<Order, Error> {
        let answer = self.attempt(&ORDER_INFO, document).read_result()?;
        answer.into_entity(|answer| order_info::decode(id, answer.parts(), answer.reading()))
    }

    /// Decodes a response to `customer_info`.
    ///
    /// # Errors
    /// When the document holds no customer.
    pub fn customer_info(&self, id: CustomerId, document: &[u8]) -> Result<Customer, Error> {
        let answer = self.attempt(&CUSTOMER_INFO, document).read_result()?;
        answer.into_entity(|answer| customer_info::decode(id, answer.parts(), answer.reading()))
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

    /// Decodes a response to `api_login`. Returns whether there is a hash in it.
    ///
    /// # Errors
    /// When the document is not a response to a login.
    pub fn api_login(&self, document: &[u8]) -> Result<bool, Error> {
        let answer = self.attempt(&API_LOGIN, document).read_result()?;
        Ok(api_login::decode(answer.parts()).is_some())
    }

    fn list<T>(
        &self,
        call: &'static MethodSpec,
        document: &[u8],
        decode: DecodeItem<T>,
        mut see: impl FnMut(Item<T>),
    ) -> Result<u64, Error> {
        let mut answer = ResponseParser::new(call, Arc::clone(&self.profile), None, self.profile.max_item_bytes).for_list();
        let (mut count, mut run) = (0, Vec::new());
        for chunk in document.chunks(self.chunk_size) {
            answer.push(chunk);
            while answer.next_part()? {
                count += 1;
                answer.decode_item(count, decode, &mut run)?;
                run.drain(..).for_each(&mut see);
            }
        }
        answer.finish_list(count).map(|()| count)
    }

    fn attempt(&self, call: &'static MethodSpec, document: &[u8]) -> Attempt {
        Attempt::Answered { status: 200, retry_after: None, clock_skew: None, answer: self.whole(call, document).map(Box::new) }
    }

    fn whole(&self, call: &'static MethodSpec, document: &[u8]) -> Result<ResponseParser, Malformed> {
        let mut answer = ResponseParser::new(call, Arc::clone(&self.profile), None, self.profile.max_response_bytes);
        for chunk in document.chunks(self.chunk_size) {
            answer.push(chunk);
            while answer.next_part()? {}
        }
        answer.finish().map(|()| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_with_the_end_tag_of_another_are_refused_in_chunks_of_any_size() {
        let item = |name: &str| format!("<{name}><id>7</id><status>new</status></order>");
        let document = format!("<orders>{0}{0}{0}{1}{0}</orders>", item("order"), item("other"));
        for chunk_size in [1, 7, 100, usize::MAX] {
            let mut items = 0;
            let end = Decoder::new(chunk_size).orders(document.as_bytes(), |_| items += 1);
            assert_eq!((end, items), (Err(Error::InvalidResponse { reason: "its start and end tags do not match" }), 3));
        }
    }
}
