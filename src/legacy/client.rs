//! The order system behind the legacy protocol, as a [`Backend`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::civil::Date;
use tokio::time::{Instant, timeout_at};

use super::attempt::Attempt;
use super::call_auth::{CallAuth, UpstreamCredential};
use super::codec::{add_message, api_login, customer_info, customers, order_info, orders, set_status};
use super::decode_settings::DecodeSettings;
use super::field_reader::DecodeError;
use super::item_stream::{ItemStream, StreamTimeouts};
use super::methods::{ADD_MESSAGE, API_LOGIN, CUSTOMER_INFO, CUSTOMERS, MethodSpec, ORDER_INFO, ORDERS, SET_STATUS};
use super::query::QueryParams;
use super::resilient_transport::ResilientTransport;
use super::response_parser::{DecodeItem, ResponseParser};
use super::schema_drift::SchemaDrift;
use super::session::SessionHash;
use super::transport::Transport;
pub use super::transport::TransportError;
use crate::backend::{Backend, Error, Items, RequestContext, Result};
use crate::config::Upstream;
use crate::idempotency::IdempotencyMarker;
use crate::metrics::UpstreamMetrics;
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::RetryBudget;

/// The longest first line of a request that every server takes, in bytes.
const MAX_REQUEST_LINE: usize = 8_000;
/// What an idempotency marker before a message adds to the request: `gw%3A`, 18 characters and a space.
const MARKER_LENGTH: usize = 24;

/// A client of one order system.
#[derive(Debug)]
pub struct Client {
    caller: Arc<ResilientTransport>,
    credential: Arc<UpstreamCredential>,
    settle_time: Duration,
}

impl Client {
    /// A client of the order system that the configuration describes. Connects at the first call.
    ///
    /// # Errors
    /// When no connection to it could ever be made.
    pub fn try_new(upstream: &Upstream, metrics: UpstreamMetrics) -> std::result::Result<Self, TransportError> {
        let profile = DecodeSettings {
            zone: upstream.time_zone.clone(),
            charset: upstream.charset,
            credential_refusal_words: upstream.credential_refusal_words.clone(),
            max_response_bytes: upstream.max_response_bytes,
            max_item_bytes: upstream.max_item_bytes,
            drift: Arc::new(SchemaDrift::new(metrics.clone())),
        };
        let transport = Arc::new(Transport::try_new(upstream)?);
        let Upstream { max_in_flight, breaker, timeout, settle_time, .. } = *upstream;
        let caller = ResilientTransport::new(transport, Arc::new(profile), max_in_flight, breaker, timeout, metrics);
        Ok(Self { caller: Arc::new(caller), credential: Arc::new(UpstreamCredential::new(upstream)), settle_time })
    }

    /// What pays for calls that are sent again.
    #[must_use]
    pub fn budget(&self) -> Arc<RetryBudget> {
        Arc::clone(self.caller.budget())
    }

    /// Where it counts how answers differ from what is known.
    #[must_use]
    pub fn drift(&self) -> Arc<SchemaDrift> {
        Arc::clone(&self.caller.profile().drift)
    }

    /// Reads an answer that is no list.
    async fn read<T>(
        &self,
        context: &RequestContext,
        call: &'static MethodSpec,
        request: QueryParams,
        decode: impl FnOnce(&ResponseParser) -> std::result::Result<Option<T>, DecodeError> + Send,
    ) -> Result<T> {
        let answer = self.call(context, call, &request, Attempt::read_result).await?;
        answer.into_entity(decode)
    }

    async fn write(
        &self,
        context: &RequestContext,
        call: &'static MethodSpec,
        order: OrderId,
        request: QueryParams,
    ) -> Result<()> {
        if self.caller.awaits_probe() {
            // Where clients only write, nobody else would ever find out. What the order is like does not matter here.
            let _ = self.order_info(&context.uncached(), order).await;
        }
        self.call(context, call, &request, |exchange| exchange.write_result(self.settle_time)).await
    }

    /// Makes a call whose answer is taken in as a whole.
    async fn call<T>(
        &self,
        context: &RequestContext,
        call: &'static MethodSpec,
        request: &QueryParams,
        meaning: impl Fn(Attempt) -> Result<T> + Send,
    ) -> Result<T> {
        let deadline = self.deadline(context);
        let mut signature = self.call_auth(call, request, deadline).await?;
        loop {
            let query = self.query(call, request, &signature)?;
            match meaning(self.caller.call(context, call, &query, deadline).await?) {
                Err(Error::CredentialRejected) if self.renew(&mut signature, deadline).await => {}
                outcome => return self.credential.redact(&signature, signature.record_result(outcome)),
            }
        }
    }

    /// Makes a call whose answer is a list.
    async fn list<T: Send + 'static>(
        &self,
        context: &RequestContext,
        call: &'static MethodSpec,
        request: QueryParams,
        decode: DecodeItem<T>,
    ) -> Result<Items<T>> {
        let first_item = self.deadline(context);
        let patience = StreamTimeouts { first_item, silence: self.caller.timeout(), whole: context.deadline() };
        let mut signature = self.call_auth(call, &request, first_item).await?;
        loop {
            let query = self.query(call, &request, &signature)?;
            let opened = match self.caller.open_list(context, call, &query, first_item).await {
                Ok((response, place)) => {
                    ItemStream::new(call, self.caller.profile(), decode, response, patience).open(place).await
                }
                Err(error) => Err(error),
            };
            match opened {
                Err(Error::CredentialRejected) if self.renew(&mut signature, first_item).await => {}
                opened => {
                    let list = self.credential.redact(&signature, signature.record_result(opened))?;
                    let credential = Arc::clone(&self.credential);
                    // It may be refused after its first items too.
                    return Ok(list.map(move |items| credential.redact(&signature, items)).boxed());
                }
            }
        }
    }

    /// What the call is known by; a login, if there is none that is good.
    async fn call_auth(&self, call: &MethodSpec, request: &QueryParams, deadline: Instant) -> Result<CallAuth> {
        let UpstreamCredential::Login { session, .. } = &*self.credential else { return Ok(CallAuth::User) };
        // What cannot be carried is refused before anything is sent, a login included.
        self.query(call, request, &self.credential.placeholder_auth())?;
        let hash = timeout_at(deadline, session.hash(self.login())).await.unwrap_or(Err(Error::Timeout));
        hash.map(|hash| CallAuth::Hash { hash, is_second: false }).map_err(|error| match error {
            Error::NotSent { .. } | Error::Overloaded => error,
            cause => Error::NotSent { cause: Box::new(cause) },
        })
    }

    /// A new login for a call whose credential was refused, which proves that nothing was applied: any call may be sent once
    /// more then. Returns whether there is something else to try.
    async fn renew(&self, signature: &mut CallAuth, deadline: Instant) -> bool {
        let (CallAuth::Hash { hash, is_second: false }, UpstreamCredential::Login { session, .. }) =
            (&*signature, &*self.credential)
        else {
            return false;
        };
        let renewed = timeout_at(deadline, session.renew(hash, self.login())).await;
        let Some(hash) = renewed.ok().flatten() else { return false };
        *signature = CallAuth::Hash { hash, is_second: true };
        true
    }

    /// Logs in, in its own time: whoever waits for it, its outcome is for all. It is let through and sent again like any other
    /// read; writes wait for it too, so it may have their places. Whatever goes wrong, the call that needed it was not sent.
    fn login(&self) -> impl Future<Output = Result<SessionHash>> + Send + 'static {
        let caller = Arc::clone(&self.caller);
        let query = match &*self.credential {
            UpstreamCredential::User(_) => Err(Error::CredentialRejected),
            UpstreamCredential::Login { api_user, api_key, .. } => {
                let request = QueryParams::default().with("method", API_LOGIN.name);
                let login = api_user.with(|api_user| api_key.with(|api_key| api_login::request(api_user, api_key)));
                self.encode(&request.and(login))
            }
        };
        async move {
            let context = RequestContext::within(caller.timeout()).uncached();
            let exchange = caller.call(&context, &API_LOGIN, &query?, context.deadline()).await?;
            let answer = match exchange.read_result() {
                Err(Error::Refused { .. } | Error::NotFound) => return Err(Error::CredentialRejected),
                answer => answer?,
            };
            api_login::decode(answer.parts()).ok_or(Error::InvalidResponse { reason: "a login gave no hash" })
        }
    }

    /// The query string of a call, once it is certain that it can be sent.
    fn query(&self, call: &MethodSpec, request: &QueryParams, signature: &CallAuth) -> Result<String> {
        let method = QueryParams::default().with("method", call.name);
        let query = self.encode(&self.credential.authorize(call, method, signature).and(request.clone()))?;
        // A text must not fit or not depending on whether it has a key.
        let is_marked = request.get("message").is_ok_and(|text| IdempotencyMarker::split(text).is_some());
        let marker = if call == &ADD_MESSAGE && !is_marked { MARKER_LENGTH } else { 0 };
        let length = self.caller.transport().request_line_length(&query) + marker;
        if length > MAX_REQUEST_LINE {
            return Err(Error::UnencodableInput {
                detail: format!(
                    "is too long for the order system: with everything percent-encoded the request would have \
                     {length} bytes and may have {MAX_REQUEST_LINE}"
                ),
            });
        }
        Ok(query)
    }

    fn encode(&self, request: &QueryParams) -> Result<String> {
        let charset = self.caller.profile().charset;
        request.encode(charset).map_err(|character| Error::UnencodableInput {
            detail: format!("has a character that the order system cannot take: {character:?} is not in {}", charset.name()),
        })
    }

    fn deadline(&self, context: &RequestContext) -> Instant {
        context.deadline().min(Instant::now() + self.caller.timeout())
    }
}

#[async_trait]
impl Backend for Client {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<Order>> {
        self.list(context, &ORDERS, orders::request(since), orders::decode).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Order> {
        let decode = |answer: &ResponseParser| order_info::decode(id, answer.parts(), answer.reading());
        self.read(context, &ORDER_INFO, order_info::request(id), decode).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.list(context, &CUSTOMERS, customers::request(since), customers::decode).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Customer> {
        let decode = |answer: &ResponseParser| customer_info::decode(id, answer.parts(), answer.reading());
        self.read(context, &CUSTOMER_INFO, customer_info::request(id), decode).await
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> Result<()> {
        self.write(context, &SET_STATUS, id, set_status::request(id, status)).await
    }

    /// The order system does not tell when it stamped the row.
    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        self.write(context, &ADD_MESSAGE, id, add_message::request(id, &message)).await.map(|()| None)
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.query(&ADD_MESSAGE, &add_message::request(id, message), &self.credential.placeholder_auth()).map(|_| ())
    }
}
