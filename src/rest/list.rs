//! Lists, written as they come.

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
use http::header::CONTENT_TYPE;

pub use encoder::{Encoder, ListFormat, ListItem};

use super::extract::AcceptsList;
use crate::backend::{Item, Items};
use crate::model::PiiAccess;
use crate::problem::Problem;

/// Answers a list. The answer begins with the first items, or at the end of an empty list, so that a fault before them is a
/// problem; a fault after them breaks the connection off, so that a list never looks complete when it is not.
pub(super) async fn respond<T: ListItem>(
    mut items: Items<T>,
    accepted: AcceptsList,
    sight: PiiAccess,
    keep: impl FnMut(&T) -> bool + Send + Unpin + 'static,
) -> Result<Response, Problem> {
    let AcceptsList { form, is_head } = accepted;
    let first = items.next().await.transpose().map_err(|error| Problem::list(&error))?;
    let items = stream::iter(first.map(Ok)).chain(items).boxed();
    let mut list = ListBody { items, keep, encoder: Encoder::new(form, sight), stage: Stage::Items };
    let piece = list.next().now_or_never().flatten();
    let body = match (piece, &list.stage) {
        // It is all there, so its length is known.
        (Some(Ok(piece)), Stage::Over) if !is_head => Body::from(piece),
        (piece, _) => Body::from_stream(stream::iter(piece).chain(list)),
    };
    Ok(([(CONTENT_TYPE, form.media_type())], body).into_response())
}

/// The bytes of a list.
struct ListBody<T, K> {
    items: Items<T>,
    keep: K,
    encoder: Encoder,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Items,
    /// What was written before this error has been handed over and may not have left yet.
    Failed(BoxError),
    /// It has left.
    Broken(BoxError),
    Over,
}

/// How much is gathered before it is sent, as long as more items are there already.
const PIECE: usize = 32 * 1024;
/// How many unreadable items a list may have: they are told at its end, and kept until then.
pub(super) const MAX_UNREADABLE: usize = 10_000;
/// How many runs without a wanted item are taken in one go before others get their turn.
const MAX_IN_A_ROW: usize = 16;

impl<T: ListItem, K: FnMut(&T) -> bool> ListBody<T, K> {
    fn write(&mut self, run: &[Item<T>]) -> Result<(), BoxError> {
        for item in run {
            match item {
                Item::Decoded(item) if (self.keep)(item) => self.encoder.item(item)?,
                Item::Decoded(_) => {}
                Item::Undecodable(item) => self.encoder.unreadable(item.clone())?,
            }
        }
        if self.encoder.kept() > MAX_UNREADABLE { Err("too many items are unreadable".into()) } else { Ok(()) }
    }

    fn take_piece(&mut self) -> Poll<Option<Result<Bytes, BoxError>>> {
        Poll::Ready(Some(Ok(self.encoder.take())))
    }

    fn fail(&mut self, error: BoxError) -> Poll<Option<Result<Bytes, BoxError>>> {
        self.stage = Stage::Failed(error);
        self.take_piece()
    }
}

impl<T, K> Stream for ListBody<T, K>
where
    T: ListItem,
    K: FnMut(&T) -> bool + Unpin,
{
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
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
            let run = match self.items.poll_next_unpin(context) {
                Poll::Pending if self.encoder.is_empty() => return Poll::Pending,
                Poll::Pending => return self.take_piece(),
                Poll::Ready(Some(Err(error))) => return self.fail(error.into()),
                Poll::Ready(None) => {
                    self.stage = Stage::Over;
                    self.encoder.finish(None)?;
                    return self.take_piece();
                }
                Poll::Ready(Some(Ok(run))) => run,
            };
            if let Err(error) = self.write(&run) {
                return self.fail(error);
            }
            if self.encoder.len() >= PIECE {
                return self.take_piece();
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
