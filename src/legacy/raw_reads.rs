//! Reads of an upstream without decoding, for benchmarks of its connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::transport::{Body, Transport};
use crate::backend::RequestContext;
use crate::config::Upstream;
use crate::http_client::ConnectorError;
use crate::metrics::Metrics;

/// Sends reads as a client does. Clones share connections.
#[derive(Debug, Clone)]
pub struct RawReads {
    transport: Arc<Transport>,
    context: RequestContext,
}

/// A response body as it arrives.
#[derive(Debug)]
pub struct RawBody(Body);

impl RawReads {
    /// Connects at the first read.
    ///
    /// # Errors
    /// If no connection could ever be made.
    pub fn try_new(upstream: &Upstream) -> Result<Self, ConnectorError> {
        let transport = Transport::try_new(upstream, Metrics::default().upstream("benchmark"))?;
        Ok(Self { transport: Arc::new(transport), context: RequestContext::within(Duration::ZERO) })
    }

    /// Sends this query and waits for the head of the response.
    ///
    /// # Errors
    /// If there is none, or its status is not a success.
    pub async fn get(&self, query: &str) -> io::Result<RawBody> {
        let response = self.transport.read(&self.context, query).await.map_err(io::Error::other)?;
        match response.status {
            200..=299 => Ok(RawBody(response.body)),
            status => Err(io::Error::other(format!("HTTP status {status}"))),
        }
    }
}

impl RawBody {
    /// The next chunk, `None` at the end.
    pub async fn next_chunk(&mut self) -> Option<io::Result<Bytes>> {
        self.0.next().await.map(|chunk| chunk.map(Bytes::copy_from_slice).map_err(io::Error::other))
    }
}
