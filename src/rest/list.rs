//! Lists, written item by item as they come.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::problem::Problem;
use super::wire::Unreadable;
use crate::backend::{Item, Items};

/// Answers a list. The answer begins with the first item, or at the end of an empty list, so that a fault before it is a
/// problem; a fault after it breaks the connection off, so that a list never looks complete when it is not.
pub(super) async fn respond<T, D>(
    mut items: Items<T>,
    keep: impl Fn(&T) -> bool + Send + Unpin + 'static,
) -> Result<Response, Problem>
where
    T: Send + Unpin + 'static,
    D: From<T> + Serialize + 'static,
{
    let first = items.next().await.transpose().map_err(|error| Problem::list(&error))?;
    let items = stream::iter(first.map(Ok)).chain(items).boxed();
    let list = JsonList::<T, D, _> {
        items,
        keep,
        encode: D::from,
        buffer: Vec::new(),
        count: 0,
        unreadable: Vec::new(),
        stage: Stage::Begin,
    };
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(list)).into_response())
}

/// The bytes of a list.
struct JsonList<T, D, K> {
    items: Items<T>,
    keep: K,
    encode: fn(T) -> D,
    buffer: Vec<u8>,
    /// How many items were written.
    count: u64,
    unreadable: Vec<Unreadable>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Begin,
    Items,
    /// What was written before this error has been handed over and may not have left yet.
    Failed(BoxError),
    /// It has left.
    Broken(BoxError),
    Over,
}

/// How much is gathered before it is sent, as long as more items are there already.
const PIECE: usize = 16 * 1024;
/// How many unreadable items a list may have: they are told at its end, and kept until then.
const MAX_UNREADABLE: usize = 10_000;
/// How many items are taken in one go; others get their turn after that, also when a filter lets nothing through.
const MAX_IN_A_ROW: usize = 256;

impl<T, D: Serialize, K: Fn(&T) -> bool> JsonList<T, D, K> {
    fn write(&mut self, item: Item<T>) -> Result<(), serde_json::Error> {
        match item {
            Item::Unreadable(item) => self.unreadable.push(item.into()),
            Item::Read(item) if (self.keep)(&item) => {
                if self.count > 0 {
                    self.buffer.push(b',');
                }
                self.count += 1;
                serde_json::to_writer(&mut self.buffer, &(self.encode)(item))?;
            }
            Item::Read(_) => {}
        }
        Ok(())
    }

    fn write_end(&mut self) -> Result<(), serde_json::Error> {
        self.buffer.push(b']');
        if !self.unreadable.is_empty() {
            self.buffer.extend_from_slice(b",\"unreadable\":");
            serde_json::to_writer(&mut self.buffer, &self.unreadable)?;
        }
        self.buffer.push(b'}');
        Ok(())
    }

    fn take_piece(&mut self) -> Poll<Option<Result<Bytes, BoxError>>> {
        Poll::Ready(Some(Ok(Bytes::from(std::mem::take(&mut self.buffer)))))
    }
}

impl<T, D, K> Stream for JsonList<T, D, K>
where
    T: Unpin,
    D: Serialize,
    K: Fn(&T) -> bool + Unpin,
{
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begin => self.buffer.extend_from_slice(b"{\"items\":["),
            Stage::Items => {}
            // An error makes hyper drop what it holds. It sends that first when it has to wait once more, and then the client
            // has the head of the answer and all items that were good.
            Stage::Failed(error) => {
                self.stage = Stage::Broken(error);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Stage::Broken(error) => return Poll::Ready(Some(Err(error))),
            Stage::Over => return Poll::Ready(None),
        }
        self.stage = Stage::Items;
        for _ in 0..MAX_IN_A_ROW {
            let item = match self.items.poll_next_unpin(context) {
                Poll::Pending if self.buffer.is_empty() => return Poll::Pending,
                Poll::Pending => return self.take_piece(),
                Poll::Ready(Some(Err(error))) => {
                    self.stage = Stage::Failed(error.into());
                    return self.take_piece();
                }
                Poll::Ready(None) => {
                    self.stage = Stage::Over;
                    self.write_end()?;
                    return self.take_piece();
                }
                Poll::Ready(Some(Ok(item))) => item,
            };
            self.write(item)?;
            if self.unreadable.len() > MAX_UNREADABLE {
                self.stage = Stage::Failed("too many items are unreadable".into());
                return self.take_piece();
            }
            if self.buffer.len() >= PIECE {
                return self.take_piece();
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
