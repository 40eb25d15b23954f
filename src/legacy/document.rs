//! Decodes whole documents without a connection: for measuring, for fuzzing, for tools.

use std::sync::Arc;

use super::answer::{Answer, DecodeItem};
use super::attempt::Attempt;
use super::codec::{api_login, customer_info, customers, order_info, orders};
use super::decode_settings::DecodeSettings;
use super::methods::{ADD_MESSAGE, API_LOGIN, CUSTOMER_INFO, CUSTOMERS, MethodSpec, ORDER_INFO, ORDERS, SET_STATUS};
use super::schema_drift::SchemaDrift;
use super::xml::Malformed;
use crate::backend::{Error, Item};
use crate::charset::Charset;
use crate::metrics::Metrics;
use crate::model::{Customer, CustomerId, Order, OrderId, Zone};

/// Reads documents as the client of an order system with default settings would.
#[derive(Debug)]
pub struct Decoder {
    profile: Arc<DecodeSettings>,
    /// How many bytes are taken at once, as they would come over a network.
    piece: usize,
}

impl Decoder {
    /// A decoder that takes so many bytes at once.
    #[must_use]
    pub fn new(piece: usize) -> Self {
        let profile = DecodeSettings {
            zone: Zone::stockholm(),
            charset: Charset::UTF_8,
            credential_refusal_words: Vec::new(),
            max_response_bytes: 67_108_864,
            max_item_bytes: 262_144,
            drift: Arc::new(SchemaDrift::new(Metrics::default().upstream("document"))),
        };
        Self { profile: Arc::new(profile), piece: piece.max(1) }
    }

    /// Reads an answer to `orders`, item by item. Returns how many there were.
    ///
    /// # Errors
    /// When the document is no list, after the items that came before that was seen.
    pub fn orders(&self, document: &[u8], see: impl FnMut(Item<Order>)) -> Result<u64, Error> {
        self.list(&ORDERS, document, orders::decode, see)
    }

    /// Reads an answer to `customers`, item by item. Returns how many there were.
    ///
    /// # Errors
    /// As [`Self::orders`].
    pub fn customers(&self, document: &[u8], see: impl FnMut(Item<Customer>)) -> Result<u64, Error> {
        self.list(&CUSTOMERS, document, customers::decode, see)
    }

    /// Reads an answer to `order_info`.
    ///
    /// # Errors
    /// When the document holds no order.
    pub fn order_info(&self, id: OrderId, document: &[u8]) -> Result<Order, Error> {
        let answer = self.exchange(&ORDER_INFO, document).read_result()?;
        answer.into_entity(|answer| order_info::decode(id, answer.parts(), answer.reading()))
    }

    /// Reads an answer to `customer_info`.
    ///
    /// # Errors
    /// When the document holds no customer.
    pub fn customer_info(&self, id: CustomerId, document: &[u8]) -> Result<Customer, Error> {
        let answer = self.exchange(&CUSTOMER_INFO, document).read_result()?;
        answer.into_entity(|answer| customer_info::decode(id, answer.parts(), answer.reading()))
    }

    /// Reads an answer to `set_status`.
    ///
    /// # Errors
    /// When the document does not confirm the write.
    pub fn set_status(&self, document: &[u8]) -> Result<(), Error> {
        self.exchange(&SET_STATUS, document).write_result(std::time::Duration::ZERO)
    }

    /// Reads an answer to `add_message`.
    ///
    /// # Errors
    /// When the document does not confirm the write.
    pub fn add_message(&self, document: &[u8]) -> Result<(), Error> {
        self.exchange(&ADD_MESSAGE, document).write_result(std::time::Duration::ZERO)
    }

    /// Reads an answer to `api_login`. Returns whether there is a hash in it.
    ///
    /// # Errors
    /// When the document is no answer to a login.
    pub fn api_login(&self, document: &[u8]) -> Result<bool, Error> {
        let answer = self.exchange(&API_LOGIN, document).read_result()?;
        Ok(api_login::decode(answer.parts()).is_some())
    }

    fn list<T>(
        &self,
        call: &'static MethodSpec,
        document: &[u8],
        decode: DecodeItem<T>,
        mut see: impl FnMut(Item<T>),
    ) -> Result<u64, Error> {
        let mut answer = Answer::new(call, Arc::clone(&self.profile), None, self.profile.max_item_bytes).of_many();
        let (mut count, mut run) = (0, Vec::new());
        for piece in document.chunks(self.piece) {
            answer.push(piece);
            while answer.next_part()? {
                count += 1;
                answer.decode_item(count, decode, &mut run)?;
                run.drain(..).for_each(&mut see);
            }
        }
        answer.finish_list(count).map(|()| count)
    }

    fn exchange(&self, call: &'static MethodSpec, document: &[u8]) -> Attempt {
        Attempt::Answered { status: 200, retry_after: None, clock: None, answer: self.whole(call, document).map(Box::new) }
    }

    fn whole(&self, call: &'static MethodSpec, document: &[u8]) -> Result<Answer, Malformed> {
        let mut answer = Answer::new(call, Arc::clone(&self.profile), None, self.profile.max_response_bytes);
        for piece in document.chunks(self.piece) {
            answer.push(piece);
            while answer.next_part()? {}
        }
        answer.finish().map(|()| answer)
    }
}
