//! Open enums: the upstream may add values without notice.

/// An enum whose values are spelled the same in both protocols.
pub trait StrEnum: Copy + Eq + 'static {
    /// Every value, in the sequence in which documentation lists them.
    const ALL: &'static [Self];

    /// The spelling of the value.
    fn as_str(self) -> &'static str;

    /// The value with exactly this spelling.
    #[must_use]
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

/// A value of an open enum. Unknown values are passed through unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Extensible<T> {
    /// A value of the enum.
    Known(T),
    /// Any other value, as read.
    Unknown(String),
}

impl<T: StrEnum> Extensible<T> {
    /// The value with this spelling, in whatever case; never fails.
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        let known = T::ALL.iter().find(|value| value.as_str().eq_ignore_ascii_case(text));
        known.map_or_else(|| Self::Unknown(text.to_owned()), |value| Self::Known(*value))
    }

    /// The spelling of the value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(value) => value.as_str(),
            Self::Unknown(text) => text,
        }
    }
}
