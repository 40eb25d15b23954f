//! The bytes of a document that are still needed, as they arrive.

use super::transcode::Transcoder;

/// The bytes that are still needed.
#[derive(Debug)]
pub(super) struct InputBuffer {
    transcoder: Transcoder,
    buffer: Vec<u8>,
    /// How many bytes were dropped in front of them.
    dropped: u64,
}

impl InputBuffer {
    pub(super) const fn new() -> Self {
        Self { transcoder: Transcoder::Undecided, buffer: Vec::new(), dropped: 0 }
    }

    /// Drops `used` bytes that are no longer needed and appends new ones.
    pub(super) fn push(&mut self, bytes: &[u8], used: usize) {
        self.buffer.drain(..used);
        let mark = self.transcoder.push(bytes, &mut self.buffer);
        self.dropped += (used + mark) as u64;
    }

    /// There is nothing more to come.
    pub(super) fn finish(&mut self) {
        self.transcoder.finish(&mut self.buffer);
    }

    /// Whether a byte order mark settled the character set.
    pub(super) const fn is_marked_utf_8(&self) -> bool {
        self.transcoder.is_marked()
    }

    /// How many bytes were dropped in front of those that are here.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many bytes are here.
    pub(super) const fn len(&self) -> usize {
        self.buffer.len()
    }

    /// What is here of the document; nothing before a byte order mark is ruled out.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.transcoder.is_decided() { &self.buffer } else { &[] }
    }
}
