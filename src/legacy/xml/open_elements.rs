//! The names of the open elements.

/// A stack of names, prefixes included, in one buffer.
#[derive(Debug, Default)]
pub(super) struct OpenElements {
    names: Vec<u8>,
    /// Where each name ends.
    ends: Vec<usize>,
}

impl OpenElements {
    /// Number of open elements.
    pub(super) const fn depth(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, name: &[u8]) {
        self.names.extend_from_slice(name);
        self.ends.push(self.names.len());
    }

    /// Removes the innermost element.
    pub(super) fn pop(&mut self) {
        self.ends.pop();
        self.names.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// The name of the innermost element.
    pub(super) fn innermost(&self) -> Option<&[u8]> {
        let begin = self.ends.iter().rev().nth(1).copied().unwrap_or(0);
        if self.ends.is_empty() { None } else { self.names.get(begin..) }
    }
}
