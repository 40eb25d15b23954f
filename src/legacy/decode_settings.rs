//! How the answers of one upstream are decoded.

use std::sync::Arc;

use super::schema_drift::SchemaDrift;
use crate::charset::Charset;
use crate::config::Upstream;
use crate::metrics::UpstreamMetrics;
use crate::model::{OffsetCache, Zone};
use crate::resilience::ByteBudget;

/// Settings for decoding the answers of one upstream.
#[derive(Debug)]
pub(crate) struct DecodeSettings {
    /// The zone of its local times.
    pub(crate) zone: Zone,
    /// The character set of requests, and of answers that declare none.
    pub(crate) charset: Charset,
    /// Substrings, in lower case, by which a refusal is recognised as a refusal of our credential or IP address.
    pub(crate) credential_refusal_words: Vec<String>,
    /// The maximum size of an answer that is not a list, in bytes.
    pub(crate) max_response_bytes: u64,
    /// The maximum size of a list item, in bytes.
    pub(crate) max_item_bytes: u64,
    /// What all answers together may hold.
    pub(crate) memory: ByteBudget,
    /// Counts the schema drift of its answers.
    pub(crate) drift: Arc<SchemaDrift>,
    /// UTC offsets of the days in its answers.
    pub(crate) offsets: OffsetCache,
}

impl DecodeSettings {
    pub(crate) fn new(upstream: &Upstream, memory: ByteBudget, metrics: UpstreamMetrics) -> Self {
        Self {
            zone: upstream.time_zone.clone(),
            charset: upstream.charset,
            credential_refusal_words: upstream.credential_refusal_words.clone(),
            max_response_bytes: upstream.max_response_bytes,
            max_item_bytes: upstream.max_item_bytes,
            memory,
            drift: Arc::new(SchemaDrift::new(metrics)),
            offsets: OffsetCache::default(),
        }
    }
}
