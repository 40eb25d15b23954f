//! The legacy protocol's client, as a [`Backend`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::civil::Date;
use tokio::time::{Instant, timeout_at};

use super::call_auth::{CallAuth, UpstreamCredential};
use super::codec::{add_message, api_login, customer_info, customers, order_info, orders, set_status};
use super::decode_settings::DecodeSettings;
use super::field_reader::DecodeError;
use super::item_stream::{ItemStream, StreamTimeouts};
use super::methods::{ADD_MESSAGE, API_LOGIN, CUSTOMER_INFO, CUSTOMERS, MethodSpec, ORDER_INFO, ORDERS, SET_STATUS};
use super::query::{QueryParams, QueryWriter};
use super::resilient_transport::ResilientTransport;
use super::response_parser::{ItemCodec, ResponseParser};
use super::schema_drift::SchemaDrift;
use super::session::SessionHash;
use super::transport::Transport;
use crate::backend::{
    Backend, CallTimer, Error, Items, Receipt, RequestContext, Result, Sent, Snapshot, UpstreamCalls, WriteError, WriteResult,
};
use crate::config::Upstream;
use crate::http_client::ConnectorError;
use crate::idempotency::IdempotencyMarker;
use crate::metrics::UpstreamMetrics;
use crate::model::{Customer, CustomerId, HeldBytes, ListedOrder, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::{ByteBudget, Reserved, RetryBudget};

/// The longest request line that every server accepts, in bytes.
const MAX_REQUEST_LINE: usize = 8_000;
/// What an idempotency marker before a message adds to the request line: `gw%3A`, 18 characters and a space.
const MARKER_LENGTH: usize = 24;

/// A client of one upstream.
#[derive(Debug)]
pub struct Client {
    transport: Arc<ResilientTransport>,
    credential: Arc<UpstreamCredential>,
    settle_time: Duration,
}

impl Client {
    /// A client of the upstream that the configuration describes, whose answers are held in `memory`. Connects at the first
    /// call.
    ///
    /// # Errors
    /// If no connection could ever be made.
    pub fn try_new(
        upstream: &Upstream,
        memory: ByteBudget,
        metrics: UpstreamMetrics,
    ) -> std::result::Result<Self, ConnectorError> {
        let settings = DecodeSettings::new(upstream, memory, metrics.clone());
        let transport = Arc::new(Transport::try_new(upstream, metrics.clone())?);
        let Upstream { max_in_flight, breaker, timeout, settle_time, .. } = *upstream;
        let calls = UpstreamCalls::new(max_in_flight, breaker, metrics);
        let transport = ResilientTransport::new(transport, Arc::new(settings), calls, timeout);
        Ok(Self { transport: Arc::new(transport), credential: Arc::new(UpstreamCredential::new(upstream)), settle_time })
    }

    /// Pays for calls that are sent again.
    #[must_use]
    pub fn budget(&self) -> Arc<RetryBudget> {
        Arc::clone(self.transport.budget())
    }

    /// The schema drift of its answers.
    #[must_use]
    pub fn drift(&self) -> Arc<SchemaDrift> {
        Arc::clone(&self.transport.decode_settings().drift)
    }

    fn time(&self, context: &RequestContext, method: &'static MethodSpec) -> CallTimer {
        CallTimer::start(context, self.transport.metrics(), method.name)
    }

    /// Reads one entity.
    async fn read<T: HeldBytes>(
        &self,
        context: &RequestContext,
        method: &'static MethodSpec,
        params: QueryParams,
        decode: impl FnOnce(&ResponseParser) -> std::result::Result<Option<T>, DecodeError> + Send,
    ) -> Result<Snapshot<T>> {
        let deadline = self.deadline(context);
        let mut auth = self.call_auth(method, &params, deadline).await?;
        loop {
            let query = self.query(method, &params, &auth)?;
            let attempt = self.transport.read(context, method, &query, deadline).await?;
            let clock_skew = attempt.clock_skew();
            match attempt.read_result() {
                Err(Error::CredentialRejected) if self.renew(&mut auth, deadline).await => {}
                result => {
                    let answer = self.credential.redact(&auth, auth.record_result(result))?;
                    return Ok(Snapshot { value: answer.into_entity(decode)?, clock_skew });
                }
            }
        }
    }

    async fn read_order(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        let decode = |answer: &ResponseParser| order_info::decode(id, answer.elements(), answer.fields());
        self.read(context, &ORDER_INFO, order_info::request(id), decode).await
    }

    /// Sends a write once, and once more only after a refused credential was renewed.
    async fn write(
        &self,
        context: &RequestContext,
        method: &'static MethodSpec,
        order: OrderId,
        params: QueryParams,
    ) -> WriteResult {
        if self.transport.awaits_probe() {
            // Only a read can be the breaker's probe, and clients that only write would never send one. What it returns does
            // not matter.
            let _ = self.read_order(&context.uncached(), order).await;
        }
        let deadline = self.deadline(context);
        let mut auth = self.call_auth(method, &params, deadline).await?;
        loop {
            let query = self.query(method, &params, &auth)?;
            let (attempt, sent) = self.transport.write(context, method, &query, deadline).await?;
            match attempt.write_result(self.settle_time) {
                // A recognised refusal of the credential proves that nothing was applied.
                Err(Error::CredentialRejected) if self.renew(&mut auth, deadline).await => {}
                result => return write_result(self.credential.redact(&auth, auth.record_result(result)), sent),
            }
        }
    }

    async fn list<T: Send + 'static>(
        &self,
        context: &RequestContext,
        method: &'static MethodSpec,
        params: QueryParams,
        codec: &'static ItemCodec<T>,
    ) -> Result<Items<T>> {
        let first_item = self.deadline(context);
        let timeouts = StreamTimeouts { first_item, silence: self.transport.timeout(), whole: context.deadline() };
        let mut auth = self.call_auth(method, &params, first_item).await?;
        loop {
            let query = self.query(method, &params, &auth)?;
            let opened = match self.transport.open_list(context, method, &query, first_item).await {
                Ok((response, call)) => {
                    ItemStream::new(method, self.transport.decode_settings(), codec, response, timeouts).open(call).await
                }
                Err(error) => Err(error),
            };
            match opened {
                Err(Error::CredentialRejected) if self.renew(&mut auth, first_item).await => {}
                opened => {
                    let list = self.credential.redact(&auth, auth.record_result(opened))?;
                    let credential = Arc::clone(&self.credential);
                    // A failure after the first items has a message too.
                    return Ok(list.map(move |items| credential.redact(&auth, items)).boxed());
                }
            }
        }
    }

    /// The credential of a call; with the hash login, after a login if there is no valid session.
    async fn call_auth(&self, method: &MethodSpec, params: &QueryParams, deadline: Instant) -> Result<CallAuth> {
        let UpstreamCredential::Login { session, .. } = &*self.credential else { return Ok(CallAuth::User) };
        // What cannot be encoded is rejected before anything is sent, a login included.
        self.query(method, params, &self.credential.placeholder_auth())?;
        let hash = timeout_at(deadline, session.hash(|| self.login())).await.unwrap_or(Err(Error::Timeout));
        hash.map(|hash| CallAuth::Hash { hash, is_renewed: false }).map_err(|error| match error {
            Error::NotSent { .. } | Error::Overloaded | Error::BuffersFull => error,
            cause => Error::NotSent { cause: Box::new(cause) },
        })
    }

    /// A new login for a call whose credential was refused. Any call may be sent once more then, because a refusal proves that
    /// nothing was applied. Returns whether there is another hash to try.
    async fn renew(&self, auth: &mut CallAuth, deadline: Instant) -> bool {
        let (CallAuth::Hash { hash, is_renewed: false }, UpstreamCredential::Login { session, .. }) =
            (&*auth, &*self.credential)
        else {
            return false;
        };
        let renewed = timeout_at(deadline, session.renew(hash, || self.login())).await;
        let Some(hash) = renewed.ok().flatten() else { return false };
        *auth = CallAuth::Hash { hash, is_renewed: true };
        true
    }

    /// Logs in, with a deadline of its own, because all waiting calls share the outcome. A login is admitted and retried like
    /// any other read, but from the permits of writes, which wait for it too.
    fn login(&self) -> impl Future<Output = Result<SessionHash>> + Send + 'static {
        let transport = Arc::clone(&self.transport);
        let query = match &*self.credential {
            UpstreamCredential::User(_) => Err(Error::CredentialRejected),
            UpstreamCredential::Login { api_user, api_key, .. } => {
                let login = api_user.with(|api_user| api_key.with(|api_key| api_login::request(api_user, api_key)));
                self.encode(&API_LOGIN, None, &login)
            }
        };
        async move {
            let context = RequestContext::within(transport.timeout()).uncached();
            let attempt = transport.read(&context, &API_LOGIN, &query?, context.deadline()).await?;
            let answer = match attempt.read_result() {
                Err(Error::Refused { .. } | Error::NotFound) => return Err(Error::CredentialRejected),
                answer => answer?,
            };
            api_login::decode(answer.elements()).ok_or(Error::InvalidResponse { reason: "a login returned no hash" })
        }
    }

    /// The query string of a call, once it is certain that it can be sent.
    fn query(&self, method: &MethodSpec, params: &QueryParams, auth: &CallAuth) -> Result<String> {
        let query = self.encode(method, Some(auth), params)?;
        // Counted for every message, so that the limit of a text does not depend on whether the request has a key.
        let is_marked = params.get("message").is_ok_and(|text| IdempotencyMarker::split(text).is_some());
        let marker = if method == &ADD_MESSAGE && !is_marked { MARKER_LENGTH } else { 0 };
        let length = self.transport.transport().request_line_length(&query) + marker;
        if length > MAX_REQUEST_LINE {
            return Err(Error::UnencodableInput {
                detail: format!(
                    "is too long for the upstream: percent-encoded, the request line would have {length} bytes; the limit is \
                     {MAX_REQUEST_LINE}"
                ),
            });
        }
        Ok(query)
    }

    /// The query string of a call, with a credential unless it is a login.
    fn encode(&self, method: &MethodSpec, auth: Option<&CallAuth>, params: &QueryParams) -> Result<String> {
        let charset = self.transport.decode_settings().charset;
        let mut query = QueryWriter::new(charset);
        let encoded = query
            .append("method", method.name)
            .and_then(|()| auth.map_or(Ok(()), |auth| self.credential.authorize(method, auth, &mut query)))
            .and_then(|()| query.append_all(params));
        encoded.map(|()| query.finish()).map_err(|character| Error::UnencodableInput {
            detail: format!("has a character that the upstream cannot take: {character} is not in {}", charset.name()),
        })
    }

    fn deadline(&self, context: &RequestContext) -> Instant {
        context.deadline().min(Instant::now() + self.transport.timeout())
    }
}

/// A write whose connection could not be made was never sent.
fn write_result(result: Result<()>, sent: Sent) -> WriteResult {
    match result {
        Ok(()) => Ok(Receipt { sent, logged_at: None }),
        Err(source @ (Error::Unreachable | Error::NoResources)) => Err(WriteError { source, sent: None }),
        Err(source) => Err(WriteError { source, sent: Some(sent) }),
    }
}

#[async_trait]
impl Backend for Client {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        let timer = self.time(context, &ORDERS);
        timer.list(self.list(context, &ORDERS, orders::request(since), &orders::CODEC).await)
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        let timer = self.time(context, &ORDER_INFO);
        timer.read(self.read_order(context, id).await)
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        let timer = self.time(context, &CUSTOMERS);
        timer.list(self.list(context, &CUSTOMERS, customers::request(since), &customers::CODEC).await)
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        let timer = self.time(context, &CUSTOMER_INFO);
        let decode = |answer: &ResponseParser| customer_info::decode(id, answer.elements(), answer.fields());
        let customer = self.read(context, &CUSTOMER_INFO, customer_info::request(id), decode).await;
        timer.read(customer.map(|customer| customer.value))
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        let timer = self.time(context, &SET_STATUS);
        timer.write(self.write(context, &SET_STATUS, id, set_status::request(id, status)).await)
    }

    /// The upstream does not return when it stamped the entry.
    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        let timer = self.time(context, &ADD_MESSAGE);
        timer.write(self.write(context, &ADD_MESSAGE, id, add_message::request(id, &message)).await)
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.query(&ADD_MESSAGE, &add_message::request(id, message), &self.credential.placeholder_auth()).map(|_| ())
    }
}
