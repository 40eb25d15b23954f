//! What a rejected write was about.
//!
//! The upstream returns the same error for an unknown order and for a rejected write, and its message may contain customer
//! data. So the order is read after a rejection: if it does not exist the error is [`Error::NotFound`], else the message
//! without anything that is known of its customer, and without the text that was written.

use super::Inner;
use crate::backend::{Error, RequestContext, WriteError, WriteResult};
use crate::model::{Customer, NewMessage, OrderId, OrderedBy, UpstreamMessage};

impl Inner {
    /// The result of a write with its rejection explained. If the order cannot be read, the rejection has no message.
    pub(super) async fn explain_rejection(
        &self,
        context: &RequestContext,
        id: OrderId,
        written: Option<&NewMessage>,
        result: WriteResult,
    ) -> WriteResult {
        let (message, sent) = match result {
            Err(WriteError { source: Error::Refused { message }, sent }) => (message, sent),
            result => return result,
        };
        let source = match self.backend().order_info(&context.uncancellable().uncached(), id).await {
            Err(Error::NotFound) => Error::NotFound,
            Err(_) => Error::Refused { message: None },
            Ok(order) => {
                let customer = order.value.customer.as_ref().and_then(OrderedBy::customer);
                let known = customer.into_iter().flat_map(Customer::identifying_texts);
                let message = message.map(|message| known.fold(message, UpstreamMessage::redact));
                let written = written.map(|written| written.text.expose());
                let message = message.map(|message| written.into_iter().fold(message, UpstreamMessage::redact_parts_of));
                Error::Refused { message }
            }
        };
        Err(WriteError { source, sent })
    }
}
