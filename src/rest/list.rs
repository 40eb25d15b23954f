//! Lists: streamed as they arrive, or paginated.
//!
//! Without `limit` a list streams in constant memory. The status 200 is sent with the first item, or at the end of an empty
//! list, so an error before it is a problem. An error after it breaks the connection off: a truncated list is invalid JSON (and
//! NDJSON without its last line), so it never looks complete.

mod compact_order;
pub(in crate::rest) mod cursor;
mod encoder;
pub(in crate::rest) mod expand;
pub(in crate::rest) mod filter;
pub(in crate::rest) mod pagination;

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

pub use encoder::{Encoder, ListFormat, ListItem};

use super::extract::AcceptsList;
use crate::backend::{Item, Items};
use crate::model::PiiAccess;
use crate::problem::Problem;

/// Makes nginx pass each item on at once, and an error too.
const UNBUFFERED: (HeaderName, HeaderValue) = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
/// Bytes that are gathered into one chunk while more items are ready: less than half the capacity of the encoder's buffer, so
/// that another run of usual items fits.
const CHUNK_SIZE: usize = 63 * 256;
/// Maximum number of undecodable items in one list, because they are held in memory until its end.
pub(super) const MAX_UNDECODABLE: usize = 10_000;
/// Batches read in one poll. When a filter excludes every item, nothing is sent in between; yield so that other tasks run.
const MAX_BATCHES_PER_POLL: usize = 16;

/// Responds with a streamed list of the items that `includes` accepts.
pub(super) async fn respond<T: ListItem>(
    mut items: Items<T>,
    accepts: AcceptsList,
    pii_access: PiiAccess,
    includes: impl FnMut(&T) -> bool + Send + Unpin + 'static,
) -> Result<Response, Problem> {
    let AcceptsList { format, is_head } = accepts;
    let first = items.next().await.transpose().map_err(|error| Problem::from_list_error(&error, pii_access))?;
    let items = stream::iter(first.map(Ok)).chain(items).boxed();
    let mut list = ListBody { items, includes, encoder: Encoder::new(format, pii_access), stage: Stage::Items };
    let chunk = list.next().now_or_never().flatten();
    let content_type = [(CONTENT_TYPE, format.media_type())];
    match (chunk, &list.stage) {
        // The whole list is one chunk, so its length is known. HEAD has no length, because on other lists it is not known.
        (Some(Ok(chunk)), Stage::Done) if !is_head => Ok((content_type, chunk).into_response()),
        (chunk, _) => {
            let body = Body::from_stream(stream::iter(chunk).chain(list));
            Ok((content_type, [UNBUFFERED], body).into_response())
        }
    }
}

/// The body of a streamed list.
struct ListBody<T, F> {
    items: Items<T>,
    includes: F,
    encoder: Encoder,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Items,
    /// The list has failed; the bytes before the error were returned and may not have been flushed.
    Failed(BoxError),
    /// The bytes were flushed.
    Flushed(BoxError),
    Done,
}

impl<T: ListItem, F: FnMut(&T) -> bool> ListBody<T, F> {
    fn encode(&mut self, batch: &[Item<T>]) -> Result<(), BoxError> {
        for item in batch {
            match item {
                Item::Decoded(item) if (self.includes)(item) => self.encoder.item(item)?,
                Item::Decoded(_) => {}
                Item::Undecodable(item) => self.encoder.undecodable(item.clone())?,
            }
        }
        if self.encoder.held() > MAX_UNDECODABLE { Err("too many items cannot be decoded".into()) } else { Ok(()) }
    }

    fn take_chunk(&mut self) -> Poll<Option<Result<Bytes, BoxError>>> {
        Poll::Ready(Some(Ok(self.encoder.take())))
    }

    fn fail(&mut self, error: BoxError) -> Poll<Option<Result<Bytes, BoxError>>> {
        self.stage = Stage::Failed(error);
        self.take_chunk()
    }
}

impl<T, F> Stream for ListBody<T, F>
where
    T: ListItem,
    F: FnMut(&T) -> bool + Unpin,
{
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Items => {}
            // hyper discards buffered data when the body errors. Return `Pending` once first, so that the head and the
            // complete items are flushed.
            Stage::Failed(error) => {
                self.stage = Stage::Flushed(error);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Stage::Flushed(error) => return Poll::Ready(Some(Err(error))),
            Stage::Done => return Poll::Ready(None),
        }
        self.stage = Stage::Items;
        for _ in 0..MAX_BATCHES_PER_POLL {
            let batch = match self.items.poll_next_unpin(context) {
                Poll::Pending if self.encoder.is_empty() => return Poll::Pending,
                Poll::Pending => return self.take_chunk(),
                Poll::Ready(Some(Err(error))) => return self.fail(error.into()),
                Poll::Ready(None) => {
                    self.stage = Stage::Done;
                    self.encoder.finish(None)?;
                    return self.take_chunk();
                }
                Poll::Ready(Some(Ok(batch))) => batch,
            };
            if let Err(error) = self.encode(&batch) {
                return self.fail(error);
            }
            if self.encoder.len() >= CHUNK_SIZE {
                return self.take_chunk();
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
