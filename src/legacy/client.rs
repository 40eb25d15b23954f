//! The order system behind the legacy protocol, as a [`Backend`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::call::{ADD_MESSAGE, CUSTOMER_INFO, CUSTOMERS, Call, ORDER_INFO, ORDERS, SET_STATUS};
use super::drift::Drift;
use super::exchange::Exchange;
use super::list::{DecodeItem, List, Patience};
use super::profile::Profile;
use super::reading::Unread;
use super::request::Request;
use super::transport::Transport;
use super::wire::{add_message, customer_info, customers, order_info, orders, set_status};
use crate::backend::{Backend, Context, Error, Items, Result};
use crate::config::Upstream;
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};

/// The longest first line of a request that every server takes, in bytes.
const MAX_REQUEST_LINE: usize = 8_000;
/// What an idempotency marker before a message adds to the request: `gw%3A`, 18 characters and a space.
const MARKER_LENGTH: usize = 24;

/// A client of one order system.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    profile: Arc<Profile>,
    api_user: SecretString,
    timeout: Duration,
    settle_time: Duration,
}

impl Client {
    /// A client of the order system that the configuration describes under `name`. Connects at the first call.
    ///
    /// # Errors
    /// When the machine has no usable certificate authorities.
    pub fn try_new(name: &str, upstream: &Upstream) -> std::result::Result<Self, reqwest::Error> {
        Ok(Self {
            transport: Transport::try_new(upstream.url.clone(), upstream.connect_timeout)?,
            profile: Arc::new(Profile {
                zone: upstream.time_zone.clone(),
                charset: upstream.charset,
                credential_refusal_words: upstream.credential_refusal_words.clone(),
                max_response_bytes: upstream.max_response_bytes,
                max_item_bytes: upstream.max_item_bytes,
                drift: Drift::new(name.to_owned()),
            }),
            api_user: upstream.api_user.clone(),
            timeout: upstream.timeout,
            settle_time: upstream.settle_time,
        })
    }

    /// Reads an answer that is no list.
    async fn read<T>(
        &self,
        context: &Context,
        call: &'static Call,
        request: Request,
        decode: impl FnOnce(&Answer) -> std::result::Result<Option<T>, Unread> + Send,
    ) -> Result<T> {
        let query = self.query(call, request)?;
        let exchange = Exchange::run(&self.transport, call, &self.profile, &query, self.deadline(context)).await;
        let mut answer = exchange.into_read()?;
        let entity = decode(&answer).map_err(|Unread(reason)| Error::AnswerInvalid { reason })?;
        if answer.parts().any(|part| part.text().is_some()) {
            return Err(Error::AnswerInvalid { reason: "it has text where none should be" });
        }
        answer.forget_parts();
        match entity {
            Some(entity) => Ok(entity),
            None if answer.ending().has_explanation() => {
                Err(Error::AnswerInvalid { reason: "it does not hold what was asked for" })
            }
            None => Err(Error::NotFound),
        }
    }

    async fn list<T: Send + 'static>(
        &self,
        context: &Context,
        call: &'static Call,
        request: Request,
        decode: DecodeItem<T>,
    ) -> Result<Items<T>> {
        let query = self.query(call, request)?;
        let first_item = self.deadline(context);
        let response = match timeout_at(first_item, self.transport.send(call, &query)).await {
            Err(_) => return Err(Error::Timeout),
            Ok(Err(error)) => return Err(unanswered(Exchange::from(error))),
            Ok(Ok(response)) => response,
        };
        if !matches!(response.status, 200..=299) {
            return Err(unanswered(Exchange::take_in(response, call, &self.profile, first_item).await));
        }
        let patience = Patience { first_item, silence: self.timeout, whole: context.deadline() };
        Ok(List::new(call, &self.profile, decode, response, patience).into_items().boxed())
    }

    async fn write(&self, context: &Context, call: &'static Call, query: &str) -> Result<()> {
        let exchange = Exchange::run(&self.transport, call, &self.profile, query, self.deadline(context)).await;
        exchange.into_write(self.settle_time)
    }

    /// The query string of a call, once it is certain that it can be sent.
    fn query(&self, call: &Call, request: Request) -> Result<String> {
        let credential = Request::default().with("method", call.name).with("api_user", self.api_user.expose_secret());
        let query = credential.and(request).encode(self.profile.charset).map_err(|character| Error::Unsendable {
            detail: format!(
                "has a character that the order system cannot take: {character:?} is not in {}",
                self.profile.charset.name()
            ),
        })?;
        let marker = if call == &ADD_MESSAGE { MARKER_LENGTH } else { 0 };
        let length = self.transport.request_line_length(&query) + marker;
        if length > MAX_REQUEST_LINE {
            return Err(Error::Unsendable {
                detail: format!(
                    "is too long for the order system: with everything percent-encoded the request would have \
                     {length} bytes and may have {MAX_REQUEST_LINE}"
                ),
            });
        }
        Ok(query)
    }

    fn deadline(&self, context: &Context) -> Instant {
        context.deadline().min(Instant::now() + self.timeout)
    }
}

/// The error of an exchange that cannot have been a success.
fn unanswered(exchange: Exchange) -> Error {
    exchange.into_read().err().unwrap_or(Error::AnswerInvalid { reason: "its HTTP status is no success" })
}

#[async_trait]
impl Backend for Client {
    async fn orders(&self, context: &Context, since: Date) -> Result<Items<Order>> {
        self.list(context, &ORDERS, orders::request(since), orders::decode).await
    }

    async fn order_info(&self, context: &Context, id: OrderId) -> Result<Order> {
        let decode = |answer: &Answer| order_info::decode(id, answer.parts(), answer.reading());
        self.read(context, &ORDER_INFO, order_info::request(id), decode).await
    }

    async fn customers(&self, context: &Context, since: Date) -> Result<Items<Customer>> {
        self.list(context, &CUSTOMERS, customers::request(since), customers::decode).await
    }

    async fn customer_info(&self, context: &Context, id: CustomerId) -> Result<Customer> {
        let decode = |answer: &Answer| customer_info::decode(id, answer.parts(), answer.reading());
        self.read(context, &CUSTOMER_INFO, customer_info::request(id), decode).await
    }

    async fn set_status(&self, context: &Context, id: OrderId, status: OrderStatus) -> Result<()> {
        let query = self.query(&SET_STATUS, set_status::request(id, status))?;
        self.write(context, &SET_STATUS, &query).await
    }

    /// The order system does not tell when it stamped the row.
    async fn add_message(&self, context: &Context, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        let query = self.query(&ADD_MESSAGE, add_message::request(id, &message))?;
        self.write(context, &ADD_MESSAGE, &query).await.map(|()| None)
    }
}
