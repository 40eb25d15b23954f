//! Streams the items of a list: they are decoded as their bytes arrive, in constant memory.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::response_parser::{ItemCodec, ResponseParser};
use super::transport::{Body, Response};
use crate::backend::{Error, InFlightCall, Item};

/// A list whose HTTP status is a success.
pub(crate) struct ItemStream<T: 'static> {
    codec: &'static ItemCodec<T>,
    parser: ResponseParser,
    body: Body,
    /// Size of the last batch, the capacity of the next.
    batch_capacity: usize,
    timeouts: StreamTimeouts,
    /// An error that comes after the items of the last batch.
    pending_error: Option<Error>,
    /// Holds the permit until the list ends.
    call: Option<InFlightCall>,
}

/// Maximum number of items in a batch. A batch is allocated and freed as a whole, and allocations above some 32 KiB are
/// expensive.
const MAX_BATCH: usize = 64;

/// Timeouts of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamTimeouts {
    /// Deadline of the first item.
    pub(crate) first_item: Instant,
    /// Maximum time between two chunks after it.
    pub(crate) silence: Duration,
    /// Deadline of the whole list.
    pub(crate) whole: Instant,
}

impl<T: 'static> ItemStream<T> {
    pub(crate) fn new(
        method: &'static MethodSpec,
        settings: &Arc<DecodeSettings>,
        codec: &'static ItemCodec<T>,
        response: Response,
        timeouts: StreamTimeouts,
    ) -> Self {
        let parser = ResponseParser::new(method, Arc::clone(settings), response.charset, settings.max_item_bytes);
        let parser = parser.for_list(codec.fields);
        Self { codec, parser, body: response.body, batch_capacity: 0, timeouts, pending_error: None, call: None }
    }

    /// The items in batches, as soon as the first item has arrived or the list has ended without one. An error after that ends
    /// the stream.
    pub(crate) async fn open(
        mut self,
        mut call: InFlightCall,
    ) -> Result<impl Stream<Item = Result<Vec<Item<T>>, Error>>, Error> {
        let first = self.next().await;
        call.record_first_item(&first);
        self.call = Some(call);
        let first = first?;
        // A list that has ended must not be read again.
        let rest = stream::try_unfold(first.is_some().then_some(self), |list| async move {
            let Some(mut list) = list else { return Ok(None) };
            Ok(list.next().await?.map(|batch| (batch, Some(list))))
        });
        Ok(stream::iter(first.map(Ok)).chain(rest))
    }

    /// The next batch: as many items as the received bytes hold. `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<Item<T>>>, Error> {
        loop {
            if let Some(error) = self.pending_error.take() {
                return Err(error);
            }
            let mut batch = Vec::with_capacity(self.batch_capacity);
            match self.parser.decode_items(self.codec, MAX_BATCH, &mut batch) {
                Err(error) if batch.is_empty() => return Err(error.into()),
                result => self.pending_error = result.err().map(Error::from),
            }
            if !batch.is_empty() {
                self.batch_capacity = batch.len();
                return Ok(Some(batch));
            }
            let deadline =
                if self.parser.has_no_items() { self.timeouts.first_item } else { Instant::now() + self.timeouts.silence };
            match timeout_at(deadline.min(self.timeouts.whole), self.body.next()).await {
                Err(_) => return Err(Error::Timeout),
                Ok(Some(Ok(bytes))) => self.parser.push(bytes),
                Ok(Some(Err(_))) => {
                    return Err(Error::InvalidResponse { reason: "the connection was lost before it was complete" });
                }
                Ok(None) => return self.parser.finish_list().map(|_| None),
            }
        }
    }
}
