//! A JSON system as a [`Backend`]: any server of the gateway's own OpenAPI document.
//!
//! Reads share connections and are repeated at most twice, within the retry budget and the deadline. Lists are NDJSON, else one
//! document, else pages ([`list`]). What an answer means is one table ([`answer`]).
//!
//! A write is settled here ([`writes`]), with what this protocol has and the legacy one lacks: problems state whether a write was
//! applied, and a message has an `Idempotency-Key`, so that one in doubt is sent again with the same key until the deadline.
//! Nothing needs to be settled around it, and a front end only has to let a write run to its end.
//!
//! Time zones: JSON has instants. They are shown as the clocks of `zone` showed them.

mod answer;
mod exchange;
mod list;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use tokio::time::Instant;

use self::answer::Answer;
use self::exchange::Exchanges;
use super::read::{ReadError, Resource, read_details, read_scopes};
use crate::backend::{
    Backend, Call, CallKind, CallTimer, Error, InFlightCall, Items, RequestContext, Result, Snapshot, UpstreamCalls,
    WriteResult,
};
use crate::config::{JsonBackend, Secret};
use crate::http_client::{ConnectConfig, ConnectLog, ConnectorError, HttpClient, Request};
use crate::metrics::UpstreamMetrics;
use crate::model::{Customer, CustomerId, HeldBytes, ListedOrder, NewMessage, Order, OrderId, OrderStatus, Scopes, Zone};
use crate::problem::Code;
use crate::resilience::{ByteBudget, Reserved, RetryBudget, Share};

/// A client of one JSON system. Clones share connections and limits.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// `None` for requests without a credential.
    token: Option<Secret>,
}

#[derive(Debug)]
struct Shared {
    exchanges: Exchanges,
    calls: UpstreamCalls,
    timeout: Duration,
    max_item_bytes: u64,
    zone: Zone,
    /// Whether the system knows idempotency keys.
    idempotency: bool,
}

/// What becomes of the JSON of one order or customer in memory: for each object, more than any of its structures takes.
const BYTES_PER_OBJECT: usize = 256;

const ORDERS: Call = Call { name: "orders", kind: CallKind::List };
const ORDER_INFO: Call = Call { name: "order_info", kind: CallKind::Read };
const CUSTOMERS: Call = Call { name: "customers", kind: CallKind::List };
const CUSTOMER_INFO: Call = Call { name: "customer_info", kind: CallKind::Read };
const ME: Call = Call { name: "me", kind: CallKind::Read };

impl Client {
    /// A client of the system that the configuration describes, whose answers are held in `memory`. Connects at the first call.
    ///
    /// # Errors
    /// If no connection could ever be made.
    pub fn try_new(
        backend: &JsonBackend,
        zone: Zone,
        memory: ByteBudget,
        metrics: UpstreamMetrics,
    ) -> std::result::Result<Self, ConnectorError> {
        let JsonBackend { url, tls, proxy, local_address, resolver, timeout, .. } = backend;
        let direct = ConnectConfig::direct(url).with_roots(tls.as_ref());
        let connect =
            ConnectConfig { proxy: proxy.clone(), local_address: *local_address, resolver: resolver.clone(), ..direct };
        // A write that still has no connection when its whole time is over would count as perhaps sent.
        let connect_timeout = backend.connect_timeout.min(*timeout / 2);
        let http = HttpClient::try_new(&connect, connect_timeout, ConnectLog::of_upstream(metrics.clone()))?;
        let max_response_bytes = backend.max_response_bytes;
        let shared = Shared {
            exchanges: Exchanges { http, base: url.clone(), memory, max_response_bytes },
            calls: UpstreamCalls::new(backend.max_in_flight, backend.breaker, metrics),
            timeout: *timeout,
            max_item_bytes: backend.max_item_bytes,
            zone,
            idempotency: backend.idempotency,
        };
        Ok(Self { shared: Arc::new(shared), token: backend.token.clone() })
    }

    /// This client with another token.
    #[must_use]
    pub fn with_token(&self, token: Secret) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// Pays for calls that are sent again.
    #[must_use]
    pub fn budget(&self) -> Arc<RetryBudget> {
        Arc::clone(self.shared.calls.budget())
    }

    /// What the token permits (`GET /me`).
    ///
    /// # Errors
    /// When the system does not say, or cannot be asked.
    pub async fn scopes(&self, context: &RequestContext) -> Result<Scopes> {
        let answer = self.get(context, ME, "/me", None).await?;
        read_scopes(&answer.body).ok_or(Error::InvalidResponse { reason: "it does not say what the client may do" })
    }

    fn time(&self, context: &RequestContext, call: Call) -> CallTimer {
        CallTimer::start(context, self.shared.calls.metrics(), call.name)
    }

    /// When an attempt must have ended.
    fn deadline(&self, context: &RequestContext) -> Instant {
        context.deadline().min(Instant::now() + self.shared.timeout)
    }

    async fn read_order(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        let answer = self.get(context, ORDER_INFO, &format!("/orders/{id}"), Some(Code::OrderNotFound)).await?;
        let clock_skew = answer.clock_skew;
        let value = self.decode(*answer, |order: &Order| order.id == id)?;
        Ok(Snapshot { value, clock_skew })
    }

    async fn read_customer(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        let answer = self.get(context, CUSTOMER_INFO, &format!("/customers/{id}"), Some(Code::CustomerNotFound)).await?;
        self.decode(*answer, |customer: &Customer| customer.id == id)
    }

    /// Reads the resource at a path of the API.
    async fn get(&self, context: &RequestContext, call: Call, path: &str, not_found: Option<Code>) -> Result<Box<Answer>> {
        let Shared { exchanges, calls, .. } = &*self.shared;
        // Writes depend on uncached reads.
        let share = if context.is_uncached() { Share::Writes } else { Share::Reads };
        let request = exchanges.get(path, self.token.as_ref());
        let mut retries = 0;
        loop {
            let deadline = self.deadline(context);
            let mut admitted = calls.admit(context, call, retries, deadline).await?;
            let attempt = exchanges.exchange(&request, share, deadline).await;
            record_completed(&mut admitted, &attempt);
            drop(admitted);
            if !calls.wait_for_retry(attempt.transient_failure(), &mut retries, context.deadline()).await {
                return attempt.read_result(not_found);
            }
        }
    }

    /// Decodes a resource, which must be the one that was asked for, within the memory that it will take.
    fn decode<T: Resource + HeldBytes>(&self, answer: Answer, is_wanted: impl Fn(&T) -> bool) -> Result<Reserved<T>> {
        let Answer { body, mut memory, .. } = answer;
        let objects = memchr::memchr_iter(b'{', &body).count();
        memory.resize(2 * body.len() + objects * BYTES_PER_OBJECT)?;
        let value: T = read_details(&body, &self.shared.zone).map_err(invalid)?;
        drop(body);
        if !is_wanted(&value) {
            return Err(Error::InvalidResponse { reason: "it is about another order or customer" });
        }
        memory.resize(value.held_bytes())?;
        Ok(Reserved::new(value, memory))
    }

    /// The request for a list, from a date on.
    fn list_request(&self, path: &str, since: Date) -> Request {
        let mut url = self.shared.exchanges.url(path);
        url.query_pairs_mut().append_pair("since", &since.to_string());
        Exchanges::get_list(url, self.token.as_ref())
    }
}

const fn invalid(ReadError(reason): ReadError) -> Error {
    Error::InvalidResponse { reason }
}

fn record_completed(call: &mut InFlightCall, attempt: &answer::Attempt) {
    if let Some(outcome) = attempt.outcome() {
        call.record_completed(outcome);
    }
}

#[async_trait]
impl Backend for Client {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        let timer = self.time(context, ORDERS);
        timer.list(self.open_list(context, ORDERS, self.list_request("/orders", since)).await)
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        let timer = self.time(context, ORDER_INFO);
        timer.read(self.read_order(context, id).await)
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        let timer = self.time(context, CUSTOMERS);
        timer.list(self.open_list(context, CUSTOMERS, self.list_request("/customers", since)).await)
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        let timer = self.time(context, CUSTOMER_INFO);
        timer.read(self.read_customer(context, id).await)
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        let timer = self.time(context, writes::SET_STATUS);
        timer.write(self.change_status(context, id, status).await)
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        let timer = self.time(context, writes::ADD_MESSAGE);
        let added = if self.shared.idempotency {
            self.add_with_key(context, id, &message).await
        } else {
            self.add_once(context, id, &message).await
        };
        timer.write(added)
    }

    /// JSON has every character; what else may be wrong with a message, only the system knows.
    fn check_message(&self, _: OrderId, _: &NewMessage) -> Result<()> {
        Ok(())
    }
}
