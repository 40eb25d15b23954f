//! Words of a fixed list that may grow on the other side without notice.

/// A closed list of words, as they are written in both protocols.
pub trait StrEnum: Copy + Eq + 'static {
    /// Every word of the list, in the order in which people meet them.
    const ALL: &'static [Self];

    /// The word as written.
    fn as_str(self) -> &'static str;

    /// The word with this spelling, exactly.
    #[must_use]
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.as_str() == text)
    }
}

/// A word as read: one of the list, or one that nobody has seen before and that is passed on unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extensible<W> {
    /// A word of the list.
    Known(W),
    /// Any other word, as it stood.
    Unknown(String),
}

impl<W: StrEnum> Extensible<W> {
    /// Reads a word; every text is one.
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        W::parse(text).map_or_else(|| Self::Unknown(text.to_owned()), Self::Known)
    }

    /// The word as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(word) => word.as_str(),
            Self::Unknown(text) => text,
        }
    }
}
