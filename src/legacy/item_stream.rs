//! Lists: items are decoded as their bytes arrive, and memory does not grow with their number.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::resilient_transport::InFlightCall;
use super::response_parser::{DecodeItem, ResponseParser};
use super::transport::{Body, Response};
use crate::backend::{Error, Item};

/// A list whose response was a success so far.
pub(crate) struct ItemStream<T> {
    decode: DecodeItem<T>,
    answer: ResponseParser,
    body: Body,
    /// How many items the last run had.
    expected_run: usize,
    /// How many items came.
    position: u64,
    patience: StreamTimeouts,
    /// What went wrong after the items that were handed out last.
    fault: Option<Error>,
    /// Its place among the calls of the order system.
    place: Option<InFlightCall>,
}

/// The greatest number of items in a run. A run is made and given away whole, and what takes more than some 32 KiB is costly
/// to get from the allocator and to give back.
const MAX_RUN: usize = 64;

/// How long a list may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamTimeouts {
    /// When the first item must be there.
    pub(crate) first_item: Instant,
    /// The longest silence after it.
    pub(crate) silence: Duration,
    /// When the whole list must be there.
    pub(crate) whole: Instant,
}

impl<T: 'static> ItemStream<T> {
    pub(crate) fn new(
        call: &'static MethodSpec,
        profile: &Arc<DecodeSettings>,
        decode: DecodeItem<T>,
        response: Response,
        patience: StreamTimeouts,
    ) -> Self {
        let answer = ResponseParser::new(call, Arc::clone(profile), response.charset, profile.max_item_bytes).for_list();
        Self { decode, answer, body: response.body, expected_run: 0, position: 0, patience, fault: None, place: None }
    }

    /// The items as they come, once the first is there, or the end of an empty list. A fault after that ends the list.
    pub(crate) async fn open(
        mut self,
        mut place: InFlightCall,
    ) -> Result<impl Stream<Item = Result<Vec<Item<T>>, Error>>, Error> {
        let first = self.next().await;
        place.record_first_item(&first);
        self.place = Some(place);
        let first = first?;
        let is_empty = first.is_none();
        let rest = stream::try_unfold(self, |mut list| async move { Ok(list.next().await?.map(|run| (run, list))) });
        Ok(stream::iter(first.map(Ok)).chain(rest.take(if is_empty { 0 } else { usize::MAX })))
    }

    /// The next items: as many as the bytes that came hold, `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<Item<T>>>, Error> {
        loop {
            let mut run = Vec::with_capacity(self.expected_run);
            if let Err(fault) = self.fault.take().map_or_else(|| self.decode_onto(&mut run), Err) {
                if run.is_empty() {
                    return Err(fault);
                }
                self.fault = Some(fault);
            }
            if !run.is_empty() {
                self.expected_run = run.len();
                return Ok(Some(run));
            }
            let limit = self.patience.limit(self.position);
            match timeout_at(limit, self.body.next()).await {
                Err(_) => return Err(Error::Timeout),
                Ok(Some(Ok(bytes))) => self.answer.push(&bytes),
                Ok(Some(Err(_))) => return Err(Error::InvalidResponse { reason: "the connection broke before it was whole" }),
                Ok(None) => return self.answer.finish_list(self.position).map(|()| None),
            }
        }
    }

    /// Decodes the items that are there, at most so many that others get their turn.
    fn decode_onto(&mut self, run: &mut Vec<Item<T>>) -> Result<(), Error> {
        while run.len() < MAX_RUN && self.answer.next_part()? {
            if self.answer.outcome().may_be_success() {
                self.position += 1;
                self.answer.decode_item(self.position, self.decode, run)?;
            } else {
                // The rest may tell why, but what a failure lists is no list.
                self.answer.forget_parts();
            }
        }
        Ok(())
    }
}

impl StreamTimeouts {
    fn limit(self, items: u64) -> Instant {
        let limit = if items == 0 { self.first_item } else { Instant::now() + self.silence };
        limit.min(self.whole)
    }
}
