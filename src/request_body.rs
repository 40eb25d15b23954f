//! Bodies of requests: received whole, with a bound for all connections together.

use axum::body::Body;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Receives bodies. Slow clients could otherwise make the program hold the longest body for each connection.
#[derive(Debug)]
pub struct BodyReader {
    /// Places for bodies that are larger than most.
    large: Semaphore,
}

/// Why a body was not received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than [`MAX_BODY`].
    TooLarge,
    /// It was truncated or not properly framed.
    Malformed,
    /// It was not complete in time.
    Timeout,
    /// Too many large bodies are being received.
    Busy,
}

/// Maximum length of a body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Bodies up to this length, in bytes, may be received on all connections at once: hardly any request needs a longer one.
const SMALL_BODY: usize = 8 * 1024;
/// The number of larger bodies that are received at the same time.
const LARGE_BODIES: usize = 64;

impl Default for BodyReader {
    fn default() -> Self {
        Self { large: Semaphore::new(LARGE_BODIES) }
    }
}

impl BodyReader {
    /// Receives a body.
    ///
    /// # Errors
    /// Why it was not received. One whose declared length is too large is rejected before the client sends it.
    pub async fn read(&self, headers: &HeaderMap, body: Body, deadline: Instant) -> Result<Vec<u8>, BodyError> {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > MAX_BODY) {
            return Err(BodyError::TooLarge);
        }
        timeout_at(deadline, self.collect(body)).await.unwrap_or(Err(BodyError::Timeout))
    }

    /// Collects the body. Frames are copied, because each holds on to hyper's whole read buffer, however little of it the
    /// client has filled.
    async fn collect(&self, mut body: Body) -> Result<Vec<u8>, BodyError> {
        let (mut bytes, mut permit) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Malformed)?.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > MAX_BODY {
                return Err(BodyError::TooLarge);
            }
            if length > SMALL_BODY && permit.is_none() {
                permit = Some(self.large.try_acquire().map_err(|_| BodyError::Busy)?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }
}
