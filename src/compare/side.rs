//! One of the two systems: reads of it, one at a time and evenly spaced.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::civil::Date;
use tokio::time::{Instant, sleep_until};

use super::subject::{Protocol, Subject};
use super::values::{Reader, Values};
use crate::backend::{Backend, Error, Item, Items, ReadOnly, RequestContext};
use crate::model::{Customer, CustomerId, ListedOrder, OrderId, Zone};

/// A system to compare.
#[derive(Clone)]
pub struct System {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Reads of it.
    pub backend: ReadOnly,
    /// What its answers can state.
    pub protocol: Protocol,
    /// The time zone of its times.
    pub zone: Zone,
}

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Reads of one order or customer.
    pub request: Duration,
    /// Lists.
    pub list: Duration,
}

/// Why the comparison cannot go on: for the report, without any value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Stop(pub(super) String);

/// An item of a list.
pub(super) enum Listed {
    Item { id: u64, date: Option<Date>, values: Box<Values> },
    Unreadable(Option<u64>),
}

/// One order or customer.
pub(super) enum Read {
    Values(Box<Values>),
    NotFound,
    NotReadable,
}

pub(super) struct Side {
    pub(super) system: System,
    timeouts: Timeouts,
    interval: Duration,
    next_call: Instant,
    pub(super) calls: u64,
    /// Calls in a row that had no answer at all.
    failures: u32,
}

/// After so many calls in a row without an answer, the system counts as failed.
const MAX_FAILURES: u32 = 10;

impl Side {
    pub(super) fn new(system: System, timeouts: Timeouts, rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self { system, timeouts, interval, next_call: Instant::now(), calls: 0, failures: 0 }
    }

    /// Waits until the next call may be made.
    async fn turn(&mut self) {
        sleep_until(self.next_call).await;
        self.next_call = Instant::now() + self.interval;
        self.calls += 1;
    }

    /// Reads a list to its end.
    pub(super) async fn list(
        &mut self,
        subject: Subject,
        since: Date,
        reader: &Reader,
        each: &mut (dyn FnMut(Listed) + Send),
    ) -> Result<(), Stop> {
        self.turn().await;
        let (context, backend) = (RequestContext::within(self.timeouts.list), &self.system.backend);
        let order = |order: ListedOrder| {
            let order = order.into_order();
            let date = order.ordered_at.map(|at| at.wall().date());
            Listed::Item { id: order.id.get(), date, values: Box::new(reader.order(&order)) }
        };
        let customer = |customer: Customer| Listed::Item {
            id: customer.id.get(),
            date: None,
            values: Box::new(reader.customer(&customer)),
        };
        let read = match subject {
            Subject::Orders => read_items(backend.orders(&context, since).await, order, each).await,
            Subject::Customers => read_items(backend.customers(&context, since).await, customer, each).await,
        };
        read.map_err(|error| self.failed(&format!("the list of {}", subject.plural()), &error))
    }

    /// Reads one order or customer.
    pub(super) async fn read(&mut self, subject: Subject, id: u64, reader: &Reader) -> Result<Read, Stop> {
        self.turn().await;
        let context = RequestContext::within(self.timeouts.request);
        let backend = &self.system.backend;
        let read = match subject {
            Subject::Orders => match OrderId::try_new(id) {
                Ok(id) => backend.order_info(&context, id).await.map(|order| reader.order(&order.value)),
                Err(_) => return Ok(Read::NotReadable),
            },
            Subject::Customers => match CustomerId::try_new(id) {
                Ok(id) => backend.customer_info(&context, id).await.map(|customer| reader.customer(&customer)),
                Err(_) => return Ok(Read::NotReadable),
            },
        };
        let is_answer = matches!(
            read,
            Ok(_)
                | Err(Error::NotFound | Error::InvalidResponse { .. } | Error::Refused { .. } | Error::UnencodableInput { .. })
        );
        self.failures = if is_answer { 0 } else { self.failures + 1 };
        match read {
            Ok(values) => Ok(Read::Values(Box::new(values))),
            Err(Error::NotFound) => Ok(Read::NotFound),
            Err(error) if self.failures >= MAX_FAILURES || is_about_credential(&error) => {
                Err(self.failed(&format!("reads of {}", subject.plural()), &error))
            }
            Err(error) => {
                tracing::warn!(system = &*self.system.name, id, error = error.kind(), "not readable");
                Ok(Read::NotReadable)
            }
        }
    }

    fn failed(&self, what: &str, error: &Error) -> Stop {
        let cause = match error {
            Error::NotSent { cause } => cause,
            error => error,
        };
        Stop(format!("{what} of {} failed: {cause}", self.system.name))
    }
}

async fn read_items<T>(
    list: Result<Items<T>, Error>,
    decoded: impl Fn(T) -> Listed,
    each: &mut (dyn FnMut(Listed) + Send),
) -> Result<(), Error> {
    let mut list = list?;
    while let Some(batch) = list.try_next().await? {
        for item in batch {
            each(match item {
                Item::Decoded(item) => decoded(item),
                Item::Undecodable(item) => Listed::Unreadable(item.id),
            });
        }
    }
    Ok(())
}

fn is_about_credential(error: &Error) -> bool {
    error.kind() == Error::CredentialRejected.kind()
}
