//! The buffer of a document's bytes between their arrival and their use.

use super::transcode::Transcoder;

/// The bytes that have arrived and are still needed.
#[derive(Debug)]
pub(super) struct InputBuffer {
    transcoder: Transcoder,
    buffer: Vec<u8>,
    /// Number of bytes of the document before `buffer`.
    dropped: u64,
}

impl InputBuffer {
    pub(super) const fn new() -> Self {
        Self { transcoder: Transcoder::Undecided, buffer: Vec::new(), dropped: 0 }
    }

    /// Removes `used` bytes at the start and appends new ones.
    pub(super) fn push(&mut self, bytes: &[u8], used: usize) {
        self.buffer.drain(..used);
        // Of a document that is used as it arrives only the last incomplete element is left, and doubling the buffer for it would
        // be a waste in every list. Other documents grow by doubling.
        if self.buffer.len() < bytes.len() / 8 {
            self.buffer.reserve_exact(bytes.len() + bytes.len() / 8);
        }
        let bom = self.transcoder.push(bytes, &mut self.buffer);
        self.dropped += (used + bom) as u64;
    }

    /// Whether a chunk can be read where it is: nothing is left of those before it but these `used` bytes, and it is passed on
    /// unchanged. [`Self::keep`] must follow then, [`Self::push`] otherwise.
    pub(super) fn passes(&mut self, chunk: &[u8], used: usize) -> bool {
        if used < self.buffer.len() || !self.transcoder.passes(chunk) {
            return false;
        }
        self.dropped += used as u64;
        self.buffer.clear();
        true
    }

    /// Keeps the rest of a chunk of which `used` bytes were read where it is.
    pub(super) fn keep(&mut self, rest: &[u8], used: usize) {
        self.dropped += used as u64;
        self.buffer.extend_from_slice(rest);
    }

    /// Ends the document. Must be called once, after the last byte.
    pub(super) fn finish(&mut self) {
        self.transcoder.finish(&mut self.buffer);
    }

    /// Whether the document began with a byte order mark.
    pub(super) const fn has_bom(&self) -> bool {
        self.transcoder.has_bom()
    }

    /// Number of bytes of the document that were removed from the buffer.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Number of bytes in the buffer.
    pub(super) const fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes of memory that it holds.
    pub(super) const fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// The bytes in the buffer; empty until it is known whether they begin with a byte order mark.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.transcoder.is_decided() { &self.buffer } else { &[] }
    }
}
