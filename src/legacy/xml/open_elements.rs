//! The names of the open elements.

use super::MAX_DEPTH;

/// A stack of at most [`MAX_DEPTH`] names, prefixes included, in one buffer.
#[derive(Debug, Default)]
pub(super) struct OpenElements {
    names: Vec<u8>,
    /// Where each name ends.
    ends: [usize; MAX_DEPTH],
    depth: usize,
}

impl OpenElements {
    /// Number of open elements.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn push(&mut self, name: &[u8]) {
        /// Room for the names of most documents.
        const USUAL_BYTES: usize = 64;
        if self.names.capacity() == 0 {
            self.names.reserve(USUAL_BYTES);
        }
        self.names.extend_from_slice(name);
        if let Some(end) = self.ends.get_mut(self.depth) {
            *end = self.names.len();
            self.depth += 1;
        }
    }

    /// Removes the innermost element.
    pub(super) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.names.truncate(self.end(self.depth));
    }

    /// The name of the innermost element.
    pub(super) fn innermost(&self) -> Option<&[u8]> {
        let outer = self.depth.checked_sub(1)?;
        self.names.get(self.end(outer)..)
    }

    /// Where the names of this many outer elements end.
    fn end(&self, depth: usize) -> usize {
        depth.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0)
    }
}
