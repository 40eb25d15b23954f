//! Runs a call: parameters in, answer out.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes};
use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};

use super::answers::{Answer, AnswerForm, ListEnvelope};
use super::clients::{Client, System};
use super::exchange::Exchange;
use super::failure::Failure;
use crate::backend::{Error, Item, Items, RequestContext};
use crate::config::Dialect;
use crate::idempotency::IdempotencyKey;
use crate::legacy::codec::{add_message, customer_info, customers, order_info, orders, set_status};
use crate::legacy::methods::{Idempotency, Method, MethodSpec};
use crate::legacy::query::QueryParams;
use crate::legacy::xml::Writer;
use crate::model::{Customer, ListedOrder, NewMessage, OrderId};

/// A call of a known client.
pub(super) struct Call<'c> {
    pub(super) method: &'static MethodSpec,
    pub(super) params: &'c QueryParams,
    pub(super) client: &'c Client,
    /// The context of the request; lists have one with a later deadline.
    pub(super) context: &'c RequestContext,
    pub(super) list_context: &'c RequestContext,
    pub(super) exchange: &'c Arc<Exchange>,
    pub(super) form: &'c Arc<AnswerForm>,
    pub(super) dialect: Dialect,
    /// The key of a message that a proxy may repeat.
    pub(super) message_key: &'c (dyn Fn(OrderId, &NewMessage) -> Option<IdempotencyKey> + Sync),
}

impl Call<'_> {
    /// Runs the call to the head of its answer. A panic is a failure of it; its message may contain personal data and is
    /// dropped, and the panic hook has logged its location.
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        let writes = self.method.idempotency != Idempotency::Safe;
        // Unwind safety: what calls share is behind locks that are not poisoned by a panic.
        let result = AssertUnwindSafe(self.dispatch()).catch_unwind().await;
        result.unwrap_or_else(|_| Err(Failure::internal(writes)))
    }

    async fn dispatch(&self) -> Result<Answer, Failure> {
        let Self { method, params, form, dialect, .. } = *self;
        match method.method {
            // It is answered without a system.
            Method::ApiLogin => Err(Failure::unknown_method()),
            Method::Orders => {
                let since = orders::read_request(params)?;
                let items = self.system().backend.orders(self.list_context, since).await;
                let encode = |order: ListedOrder, xml: &mut Writer| orders::encode(&order.into_order(), xml);
                self.list(items, encode).await
            }
            Method::Customers => {
                let since = customers::read_request(params)?;
                let items = self.system().backend.customers(self.list_context, since).await;
                let encode = move |customer: Customer, xml: &mut Writer| customers::encode(&customer, dialect, xml);
                self.list(items, encode).await
            }
            Method::OrderInfo => {
                let id = order_info::read_request(params)?;
                self.exchange.record_id(id.get());
                match self.system().backend.order_info(self.context, id).await {
                    Ok(order) => Ok(form.entity(method, |xml| order_info::encode(&order.value, xml))),
                    Err(error) => self.failed_read(error),
                }
            }
            Method::CustomerInfo => {
                let id = customer_info::read_request(params)?;
                self.exchange.record_id(id.get());
                match self.system().backend.customer_info(self.context, id).await {
                    Ok(customer) => Ok(form.entity(method, |xml| customer_info::encode(&customer, dialect, xml))),
                    Err(error) => self.failed_read(error),
                }
            }
            Method::SetStatus => {
                let (id, status) = set_status::read_request(params)?;
                self.exchange.record_id(id.get());
                let set = self.system().backend.set_status(self.context, id, status).await;
                set.map_err(|error| self.failed_write(error.source))?;
                Ok(form.success(method, |xml| set_status::encode(id, status, xml)))
            }
            Method::AddMessage => {
                let (id, message) = add_message::read_request(params)?;
                self.exchange.record_id(id.get());
                let key = (self.message_key)(id, &message);
                let context = key.map_or_else(|| self.context.clone(), |key| self.context.with_message_key(key));
                let added = self.system().backend.add_message(&context, id, message).await;
                added.map_err(|error| self.failed_write(error.source))?;
                Ok(form.success(method, |xml| add_message::encode(id, xml)))
            }
        }
    }

    /// The system that is about to be called. One that consists of several records by itself which of them answers.
    fn system(&self) -> &System {
        self.context.record_system(&self.client.system.name);
        &self.client.system
    }

    fn failed_read(&self, error: Error) -> Result<Answer, Failure> {
        if error == Error::NotFound {
            return Ok(self.form.not_found(self.method));
        }
        self.report(&error);
        Err(Failure::of_read(error))
    }

    fn failed_write(&self, error: Error) -> Failure {
        self.report(&error);
        Failure::of_write(error)
    }

    /// A client can do nothing about a credential that is ours, so its answer does not mention it.
    fn report(&self, error: &Error) {
        if error.kind() == Error::CredentialRejected.kind() {
            tracing::error!(
                system = &*self.client.system.name,
                legacy.call = self.method.name,
                "a system does not accept the credential or the address of this program"
            );
        }
    }

    /// A list that is streamed as its items arrive. The head is sent after the first ones, so that an earlier error is a
    /// failure.
    async fn list<T: Send + 'static>(
        &self,
        items: Result<Items<T>, Error>,
        encode: impl Fn(T, &mut Writer) + Send + 'static,
    ) -> Result<Answer, Failure> {
        let failed = |error: Error| {
            self.report(&error);
            Failure::of_read(if error == Error::NotFound { NO_LIST } else { error })
        };
        let mut items = items.map_err(failed)?;
        let envelope = self.form.list_envelope(self.method);
        let mut head = self.form.list_head(envelope);
        if let Some(first) = items.next().await.transpose().map_err(failed)? {
            encode_all(first, &encode, &mut head).map_err(failed)?;
        }
        let (form, exchange) = (Arc::clone(self.form), Arc::clone(self.exchange));
        let chunk = move |xml: Writer| {
            exchange.record_cleaned(xml.cleaned());
            Bytes::from(form.encode(xml))
        };
        let head = chunk(head);
        let list = ListBody { items, encode, chunk, envelope, stage: Stage::Items };
        Ok(self.form.stream(Body::from_stream(stream::iter([Ok(head)]).chain(list))))
    }
}

/// A list exists also when it is empty.
const NO_LIST: Error = Error::InvalidResponse { reason: "it says that there is no such list" };

fn encode_all<T>(batch: Vec<Item<T>>, encode: impl Fn(T, &mut Writer), xml: &mut Writer) -> Result<(), Error> {
    for item in batch {
        match item {
            Item::Decoded(item) => encode(item, xml),
            // The protocol cannot report an undecodable item, and without it the list must not look complete.
            Item::Undecodable(_) => return Err(Error::InvalidResponse { reason: "one of its items cannot be read" }),
        }
    }
    Ok(())
}

/// The items of a list after its head, and its tail.
struct ListBody<T, E, C> {
    items: Items<T>,
    encode: E,
    chunk: C,
    envelope: ListEnvelope,
    stage: Stage,
}

enum Stage {
    Items,
    /// The list has failed, and the bytes before may not have been flushed.
    Failed(BoxError),
    Done,
}

impl<T, E, C> Unpin for ListBody<T, E, C> {}

impl<T, E, C> Stream for ListBody<T, E, C>
where
    E: Fn(T, &mut Writer),
    C: Fn(Writer) -> Bytes,
{
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Items => {}
            Stage::Failed(error) => return Poll::Ready(Some(Err(error))),
            Stage::Done => return Poll::Ready(None),
        }
        let mut xml = Writer::default();
        let result = match self.items.poll_next_unpin(context) {
            Poll::Pending => {
                self.stage = Stage::Items;
                return Poll::Pending;
            }
            Poll::Ready(None) => return Poll::Ready(Some(Ok((self.chunk)(self.envelope.tail())))),
            Poll::Ready(Some(batch)) => batch.and_then(|batch| encode_all(batch, &self.encode, &mut xml)),
        };
        match result {
            Ok(()) => {
                self.stage = Stage::Items;
                Poll::Ready(Some(Ok((self.chunk)(xml))))
            }
            // hyper discards what is buffered when the body fails. `Pending` once lets it flush that first.
            Err(error) => {
                self.stage = Stage::Failed(error.into());
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
