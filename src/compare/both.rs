//! Something of each of the two systems.

/// The left system or the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Left,
    Right,
}

impl Which {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Something of each of the two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Both<T> {
    /// Of the left one.
    pub left: T,
    /// Of the right one.
    pub right: T,
}

impl<T> Both<T> {
    pub(super) const fn of(&self, which: Which) -> &T {
        match which {
            Which::Left => &self.left,
            Which::Right => &self.right,
        }
    }

    pub(super) const fn of_mut(&mut self, which: Which) -> &mut T {
        match which {
            Which::Left => &mut self.left,
            Which::Right => &mut self.right,
        }
    }

    pub(super) fn map<U>(&self, convert: impl Fn(&T) -> U) -> Both<U> {
        Both { left: convert(&self.left), right: convert(&self.right) }
    }
}
