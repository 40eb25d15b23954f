//! Lists of a JSON system: NDJSON line by line in constant memory, else one document, else pages.
//!
//! A list is complete only if it says so: NDJSON ends with a line that has the number of items, a document ends where its JSON
//! does, and a page with a cursor is followed by another. Everything else breaks it off.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Attempt, Media};
use super::exchange::{Head, Lost};
use super::{Client, Shared, invalid, record_completed};
use crate::backend::{Call, Error, InFlightCall, Item, Items, RequestContext, Result, UndecodableItem};
use crate::http_client::Request;
use crate::resilience::{Reservation, Share};
use crate::rest::read::{Document, Line, ListItem, read_document, read_item, read_line};

/// Maximum number of items in a batch. A batch is allocated and freed as a whole.
const MAX_BATCH: usize = 64;
/// What a comma of a document may become: the range of an item, and the slice that it is made of.
const BYTES_PER_COMMA: usize = 32;

const TOO_LONG: Error = Error::InvalidResponse { reason: "an item is larger than max_item_bytes" };
const TRUNCATED: Error = Error::InvalidResponse { reason: "the connection was lost before it was complete" };

/// A list in the course of being read.
struct List {
    shared: Arc<Shared>,
    /// The request for its first page.
    request: Request,
    page: Page,
    /// The cursor of the present page.
    cursor: Option<String>,
    /// Number of items so far, in all pages.
    position: u64,
    /// Deadline of the whole list.
    whole: Instant,
    /// Holds the permit until the list ends.
    call: Option<InFlightCall>,
}

/// What is left of the present page.
enum Page {
    Lines(Box<Lines>),
    Document(Box<DocumentItems>),
    /// The next page, if there is one, has this cursor.
    Ended(Option<String>),
}

/// The lines of an NDJSON page.
struct Lines {
    head: Head,
    received: BytesMut,
    /// How many of the received bytes have no line end.
    searched: usize,
    /// Items of this page, without those that the server could not read.
    count: u64,
    /// What the last line says, once that was read.
    end: Option<End>,
}

/// The end of a page.
struct End {
    next_cursor: Option<String>,
}

/// The items of a document.
struct DocumentItems {
    body: Bytes,
    items: std::vec::IntoIter<Range<usize>>,
    unreadable: Vec<UndecodableItem>,
    next_cursor: Option<String>,
    _memory: Reservation,
}

impl Client {
    /// Opens a list and waits for its first items. An error after those ends the stream.
    pub(super) async fn open_list<T: ListItem>(
        &self,
        context: &RequestContext,
        call: Call,
        request: Request,
    ) -> Result<Items<T>> {
        let (page, mut call) = self.open_first_page(context, call, &request).await?;
        let mut list = List {
            shared: Arc::clone(&self.shared),
            request,
            page,
            cursor: None,
            position: 0,
            whole: context.deadline(),
            call: None,
        };
        let first = list.next(self.deadline(context)).await;
        call.record_first_item(&first);
        list.call = Some(call);
        let first = first?;
        // A list that has ended must not be read again.
        let rest = stream::try_unfold(first.is_some().then_some(list), |list| async move {
            let Some(mut list) = list else { return Ok(None) };
            let silence = Instant::now() + list.shared.timeout;
            Ok(list.next(silence).await?.map(|batch| (batch, Some(list))))
        });
        Ok(stream::iter(first.map(Ok)).chain(rest).boxed())
    }

    async fn open_first_page(&self, context: &RequestContext, call: Call, request: &Request) -> Result<(Page, InFlightCall)> {
        let calls = &self.shared.calls;
        let mut retries = 0;
        loop {
            let deadline = self.deadline(context);
            let mut admitted = calls.admit(context, call, retries, deadline).await?;
            let attempt = match self.shared.open_page(request, deadline).await {
                Ok(page) => return Ok((page?, admitted)),
                Err(attempt) => attempt,
            };
            record_completed(&mut admitted, &attempt);
            drop(admitted);
            if !calls.wait_for_retry(attempt.transient_failure(), &mut retries, context.deadline()).await {
                return Err(no_list(attempt));
            }
        }
    }
}

impl Shared {
    /// Asks for a page. An attempt that brought none may be worth another.
    async fn open_page(&self, request: &Request, deadline: Instant) -> std::result::Result<Result<Page>, Attempt> {
        let head = self.exchanges.begin(request, deadline).await?;
        if (head.status, head.media) == (200, Media::Ndjson) {
            return Ok(Ok(Page::Lines(Box::new(Lines { head, received: BytesMut::new(), searched: 0, count: 0, end: None }))));
        }
        match self.exchanges.receive(head, true, Share::Reads, deadline).await {
            Attempt::Answered(answer) if (answer.status, answer.media) == (200, Media::Json) => Ok(document(*answer)),
            attempt => Err(attempt),
        }
    }
}

fn document(answer: Answer) -> Result<Page> {
    let Answer { body, mut memory, .. } = answer;
    memory.resize(body.len() + memchr::memchr_iter(b',', &body).count() * BYTES_PER_COMMA)?;
    let Document { items, unreadable, next_cursor } = read_document(&body).map_err(invalid)?;
    Ok(Page::Document(Box::new(DocumentItems { body, items: items.into_iter(), unreadable, next_cursor, _memory: memory })))
}

/// Why there is no page. A list exists even when it is empty.
fn no_list(attempt: Attempt) -> Error {
    attempt.read_result(None).err().unwrap_or(Error::InvalidResponse { reason: "it is not a list" })
}

impl List {
    /// The next batch: as many items as were received. `None` at the end. The first bytes must arrive before `deadline`.
    async fn next<T: ListItem>(&mut self, mut deadline: Instant) -> Result<Option<Vec<Item<T>>>> {
        loop {
            let batch = match &mut self.page {
                Page::Ended(None) => return Ok(None),
                Page::Ended(Some(cursor)) => {
                    let cursor = std::mem::take(cursor);
                    self.page = self.open_next_page(cursor, deadline.min(self.whole)).await?;
                    continue;
                }
                Page::Document(document) => {
                    let batch = document.batch(&mut self.position, &self.shared);
                    if batch.is_empty() {
                        self.page = Page::Ended(document.next_cursor.take());
                    }
                    batch
                }
                Page::Lines(lines) => {
                    let batch = lines.batch(&mut self.position, &self.shared)?;
                    if batch.is_empty() {
                        if let Some(End { next_cursor }) =
                            lines.receive(deadline.min(self.whole), self.shared.max_item_bytes).await?
                        {
                            self.page = Page::Ended(next_cursor);
                        }
                        // Lines that hold no item are no progress.
                        if self.position > 0 {
                            deadline = Instant::now() + self.shared.timeout;
                        }
                    }
                    batch
                }
            };
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
    }

    async fn open_next_page(&mut self, cursor: String, deadline: Instant) -> Result<Page> {
        if self.cursor.as_ref() == Some(&cursor) {
            return Err(Error::InvalidResponse { reason: "a page has its own cursor as that of the next page" });
        }
        let mut request = self.request.clone();
        request.url.query_pairs_mut().append_pair("cursor", &cursor);
        self.cursor = Some(cursor);
        self.shared.open_page(&request, deadline).await.unwrap_or_else(|attempt| Err(no_list(attempt)))
    }
}

impl DocumentItems {
    fn batch<T: ListItem>(&mut self, position: &mut u64, shared: &Shared) -> Vec<Item<T>> {
        // First, because a list with items that cannot be read should fail before it begins.
        let unreadable = self.unreadable.drain(..).map(Item::Undecodable);
        let mut batch: Vec<_> = unreadable.collect();
        for range in self.items.by_ref().take(MAX_BATCH.saturating_sub(batch.len())) {
            *position += 1;
            let json = self.body.get(range).unwrap_or_default();
            batch.push(read_item(json, *position, &shared.zone).map_or_else(Item::Undecodable, Item::Decoded));
        }
        batch
    }
}

impl Lines {
    /// The items of the lines that were received.
    fn batch<T: ListItem>(&mut self, position: &mut u64, shared: &Shared) -> Result<Vec<Item<T>>> {
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH
            && let Some(line) = self.next_line()
        {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if line.len() as u64 > shared.max_item_bytes {
                return Err(TOO_LONG);
            }
            if self.end.is_some() {
                return Err(Error::InvalidResponse { reason: "something follows the last line of the list" });
            }
            match read_line(&line, *position + 1, &shared.zone) {
                Ok(Line::End { count, next_cursor }) if count == self.count => {
                    self.end = Some(End { next_cursor });
                    continue;
                }
                Ok(Line::End { .. }) => {
                    return Err(Error::InvalidResponse {
                        reason: "the list has another number of items than its last line says",
                    });
                }
                Ok(Line::Unreadable(item)) => {
                    batch.push(Item::Undecodable(item));
                    continue;
                }
                Ok(Line::Item(item)) => batch.push(Item::Decoded(item)),
                Err(undecodable) => batch.push(Item::Undecodable(undecodable)),
            }
            *position += 1;
            self.count += 1;
        }
        Ok(batch)
    }

    /// The next whole line.
    fn next_line(&mut self) -> Option<Bytes> {
        let unsearched = self.received.get(self.searched..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', unsearched) else {
            self.searched = self.received.len();
            return None;
        };
        let line = self.received.split_to(self.searched + end).freeze();
        self.received.advance(1);
        self.searched = 0;
        Some(line)
    }

    /// Waits for more bytes. Returns the end of the page at the end of the body.
    async fn receive(&mut self, deadline: Instant, max_item_bytes: u64) -> Result<Option<End>> {
        match timeout_at(deadline, self.head.next_chunk()).await {
            Err(_) => Err(Error::Timeout),
            Ok(Err(Lost)) => Err(TRUNCATED),
            Ok(Ok(Some(chunk))) => {
                self.received.extend_from_slice(&chunk);
                let is_too_long = self.searched as u64 > max_item_bytes;
                if is_too_long { Err(TOO_LONG) } else { Ok(None) }
            }
            // The last line may lack its line end.
            Ok(Ok(None)) if !self.received.is_empty() => {
                self.received.extend_from_slice(b"\n");
                Ok(None)
            }
            Ok(Ok(None)) => {
                self.end.take().map(Some).ok_or(Error::InvalidResponse { reason: "the list ended before its last line" })
            }
        }
    }
}
