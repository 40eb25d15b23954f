//! What is known of one order system before it answers.

use std::sync::Arc;

use super::schema_drift::SchemaDrift;
use crate::charset::Charset;
use crate::model::Zone;

/// How to read what an order system says.
#[derive(Debug)]
pub(crate) struct DecodeSettings {
    /// The zone of its times.
    pub(crate) zone: Zone,
    /// The character set of requests, and of answers that do not tell theirs.
    pub(crate) charset: Charset,
    /// What a refusal says when it is about our credential or IP address, in lower case.
    pub(crate) credential_refusal_words: Vec<String>,
    /// The greatest size of an answer that is no list, in bytes.
    pub(crate) max_response_bytes: u64,
    /// The greatest size of an item of a list, in bytes.
    pub(crate) max_item_bytes: u64,
    /// Where its oddities are counted.
    pub(crate) drift: Arc<SchemaDrift>,
}
