//! Records calls of a legacy method: duration and outcome in the metrics, the outcome in the request's call log.

use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Error, Items, RequestContext, Result, WriteResult};
use crate::metrics::UpstreamMetrics;

/// A call in progress. Its metrics are recorded on drop, so that a call that is cancelled counts too, as `left`.
#[derive(Debug)]
pub struct CallTimer {
    context: RequestContext,
    metrics: UpstreamMetrics,
    call: &'static str,
    began: Instant,
    outcome: &'static str,
}

const CANCELLED: &str = "left";
const SUCCESS: &str = "success";

impl CallTimer {
    /// Starts the clock of a call of this method.
    #[must_use]
    pub fn start(context: &RequestContext, metrics: &UpstreamMetrics, call: &'static str) -> Self {
        Self { context: context.clone(), metrics: metrics.clone(), call, began: Instant::now(), outcome: CANCELLED }
    }

    /// Records the result of a read.
    ///
    /// # Errors
    /// Those of `result`.
    pub fn read<T>(mut self, result: Result<T>) -> Result<T> {
        self.record(result.as_ref().map_or_else(Error::kind, |_| SUCCESS));
        result
    }

    /// Records the result of a write.
    ///
    /// # Errors
    /// Those of `result`.
    pub fn write(mut self, result: WriteResult) -> WriteResult {
        self.record(result.as_ref().map_or_else(|error| error.source.kind(), |_| SUCCESS));
        result
    }

    /// Records the result of a list: at its end, or as a failure where it breaks off.
    ///
    /// # Errors
    /// Those of `result`.
    pub fn list<T: Send + 'static>(mut self, result: Result<Items<T>>) -> Result<Items<T>> {
        let items = match result {
            Ok(items) => items,
            Err(error) => return self.read(Err(error)),
        };
        // The access log may be written before the stream is dropped.
        self.context.record_call(self.call, SUCCESS);
        let end = futures_util::stream::iter([None]);
        let recorded = items.map(Some).chain(end).filter_map(move |run| {
            match &run {
                Some(Err(error)) => self.record(error.kind()),
                None if self.outcome == CANCELLED => self.record(SUCCESS),
                Some(Ok(_)) | None => {}
            }
            std::future::ready(run)
        });
        Ok(recorded.boxed())
    }

    fn record(&mut self, outcome: &'static str) {
        self.outcome = outcome;
        self.context.record_call(self.call, outcome);
    }
}

impl Drop for CallTimer {
    fn drop(&mut self) {
        self.metrics.call(self.call, self.outcome, self.began.elapsed());
    }
}
