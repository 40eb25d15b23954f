//! What became of a write that the upstream rejected.
//!
//! A legacy system may apply a write and then answer `failed`, it returns the same error for an unknown order and for a rejected
//! write, and its message may contain customer data. So the order is read once after a rejection:
//!
//! | it shows | the write ends as |
//! | --- | --- |
//! | the effect of the write | [`Error::Contradicted`]; only a marker proves whose effect it is |
//! | no such order | [`Error::NotFound`] |
//! | the order, without the effect | [`Error::Refused`], its message without anything that is known of the customer, and without the text that was written |
//! | nothing: it could not be read | the rejection as it was, without message: nothing speaks against it |
//!
//! A front end whose clients see personal data anyway keeps the message as it is.
//!
//! A recognised refusal of the credential is not checked: it comes before anything is applied.

use super::{Inner, ReadBack};
use crate::backend::{Error, RequestContext, Sent, WriteError, WriteResult};
use crate::model::{NewMessage, Order, OrderId, Person, UpstreamMessage};

impl Inner {
    /// The result of a write, a rejection after a look at the order. `shows` tells whether an order may show its effect.
    pub(super) async fn check_rejection(
        &self,
        context: &RequestContext,
        id: OrderId,
        written: Option<&NewMessage>,
        result: WriteResult,
        shows: impl FnOnce(&Order, Sent, ReadBack) -> bool,
    ) -> WriteResult {
        let (message, sent) = match result {
            Err(WriteError { source: Error::Refused { message }, sent: Some(sent) }) => (Some(message), sent),
            Err(WriteError { source: Error::NotFound, sent: Some(sent) }) => (None, sent),
            result => return result,
        };
        let source = match self.read_back(context, id).await {
            Ok((order, read_back)) if shows(&order, sent, read_back) => {
                Error::Contradicted { retry_after: self.settings.settle_time }
            }
            Ok((order, _)) if self.settings.redacts_refusals => {
                Error::Refused { message: message.flatten().map(|message| redact(message, &order, written)) }
            }
            Ok(_) => Error::Refused { message: message.flatten() },
            Err(Error::NotFound) => Error::NotFound,
            Err(_) if message.is_none() => Error::NotFound,
            Err(_) => Error::Refused { message: message.flatten().filter(|_| !self.settings.redacts_refusals) },
        };
        Err(WriteError { source, sent: Some(sent) })
    }
}

/// A message without the customer's data and without the text that was written.
fn redact(message: UpstreamMessage, order: &Order, written: Option<&NewMessage>) -> UpstreamMessage {
    let person = order.customer.as_ref().and_then(|customer| customer.person.as_deref());
    let message = person.into_iter().flat_map(Person::identifying_texts).fold(message, UpstreamMessage::redact);
    written.into_iter().map(|written| written.text.expose()).fold(message, UpstreamMessage::redact_parts_of)
}
