//! The groups of digits in a text, and what stands between them.

use std::ops::Range;

use super::super::normalized::Normalized;

/// Maximum number of separators, apart from blanks, between two groups of one number: `46 (0) - 70`.
const MAX_MARKS: usize = 3;
/// Maximum number of line ends between two groups of one number.
const MAX_LINE_ENDS: usize = 1;

/// What stands between two groups of digits that may belong to one number: blanks and a few marks, no letter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    pub(super) has_blank: bool,
    /// Whether a sentence ends here: `20417. 2016`.
    is_sentence_end: bool,
    pub(super) has_line_end: bool,
    /// The first mark.
    pub(super) mark: Option<char>,
    marks: usize,
}

impl Gap {
    fn new(characters: &(impl Iterator<Item = char> + Clone)) -> Option<Self> {
        let is_blank = |character: &char| character.is_whitespace();
        let mut marks = characters.clone().filter(|character| !is_blank(character));
        let line_ends = characters.clone().filter(|character| *character == '\n').count();
        let gap = Self {
            has_blank: characters.clone().any(|character| is_blank(&character)),
            is_sentence_end: is_sentence_end(characters.clone()),
            has_line_end: line_ends > 0,
            mark: marks.clone().next(),
            marks: marks.clone().count(),
        };
        let is_mask = marks.clone().count() > 2 && marks.clone().all(|mark| mark == '*');
        let joins = gap.marks <= MAX_MARKS && line_ends <= MAX_LINE_ENDS && !is_mask && !marks.any(joins_nothing);
        joins.then_some(gap)
    }

    /// The only separator, when it stands without blanks.
    pub(super) fn glue(self) -> Option<char> {
        self.mark.filter(|_| !self.has_blank && self.marks == 1)
    }

    /// Whether only blanks stand here.
    pub(super) const fn is_blank(self) -> bool {
        self.has_blank && self.marks == 0
    }

    /// Whether the separator is one that identity numbers are written with.
    pub(super) fn is_hyphen(self) -> bool {
        matches!((self.mark, self.marks), (Some('-' | '+'), 1 | 2))
    }

    /// Whether a sentence ends here.
    pub(super) const fn is_sentence_end(self) -> bool {
        self.is_sentence_end
    }

    /// Whether a sentence ends or an enumeration goes on here.
    pub(super) fn ends_number(self) -> bool {
        self.is_sentence_end || self.is_list()
    }

    /// Whether an enumeration goes on here: `12, 13`.
    pub(super) fn is_list(self) -> bool {
        self.has_blank && matches!(self.mark, Some(',' | ';'))
    }
}

/// Whether a mark that ends sentences follows the number, and a blank follows the mark.
fn is_sentence_end(characters: impl Iterator<Item = char> + Clone) -> bool {
    let begins_with_mark = characters.clone().next().is_some_and(|character| !character.is_whitespace());
    begins_with_mark
        && characters.clone().zip(characters.skip(1)).any(|(mark, after)| ".!?".contains(mark) && after.is_whitespace())
}

/// Letters, and the break between text and the insides of tags.
fn joins_nothing(character: char) -> bool {
    character.is_alphanumeric() || character == '\0'
}

/// A group of digits.
#[derive(Debug)]
struct Group {
    /// Positions in the text.
    span: Range<usize>,
    /// Position of its first digit among all digits.
    first_digit: usize,
    /// What stands between the previous group and this one, when both may belong to one number.
    gap: Option<Gap>,
}

/// All groups of digits of a text, by index.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    pub(super) text: &'a Normalized,
    all: Vec<Group>,
    digits: Vec<u8>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(text: &'a Normalized) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut digits = Vec::new();
        let mut end = 0;
        let mut is_in_group = false;
        for (position, character) in text.characters(0..text.len()).enumerate() {
            let Some(digit) = character.to_digit(10) else {
                is_in_group = false;
                continue;
            };
            if is_in_group {
                if let Some(group) = groups.last_mut() {
                    group.span.end = position + 1;
                }
            } else {
                let gap = if groups.is_empty() { None } else { Gap::new(&text.characters(end..position)) };
                groups.push(Group { span: position..position + 1, first_digit: digits.len(), gap });
            }
            is_in_group = true;
            end = position + 1;
            digits.extend(u8::try_from(digit));
        }
        Self { text, all: groups, digits }
    }

    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }

    /// Position of the first digit of a group; the text's end after the last group.
    pub(super) fn start(&self, index: usize) -> usize {
        self.all.get(index).map_or(self.text.len(), |group| group.span.start)
    }

    /// Position after the last digit of a group.
    pub(super) fn end(&self, index: usize) -> usize {
        self.all.get(index).map_or(self.text.len(), |group| group.span.end)
    }

    /// The number of digits of a group; 0 after the last one.
    pub(super) fn length(&self, index: usize) -> usize {
        self.all.get(index).map_or(0, |group| group.span.len())
    }

    /// What stands before a group, when it may belong to the same number as the previous one.
    pub(super) fn gap(&self, index: usize) -> Option<Gap> {
        self.all.get(index)?.gap
    }

    /// The one separator between this group and the previous one.
    pub(super) fn glue(&self, index: usize) -> Option<char> {
        self.gap(index)?.glue()
    }

    /// The digits of consecutive groups.
    pub(super) fn digits(&self, indexes: Range<usize>) -> &[u8] {
        let position = |index: usize| self.all.get(index).map_or(self.digits.len(), |group| group.first_digit);
        self.digits.get(position(indexes.start)..position(indexes.end)).unwrap_or_default()
    }

    /// The value of a group of at most four digits.
    pub(super) fn value(&self, index: usize) -> Option<u32> {
        (1..=4).contains(&self.length(index)).then(|| number(self.digits(index..index + 1)))
    }

    /// Whether the lengths of consecutive groups that may belong to one number are these.
    pub(super) fn have_lengths(&self, first: usize, lengths: &[usize]) -> bool {
        let is_joined = |offset: usize| offset == 0 || self.gap(first + offset).is_some();
        lengths.iter().enumerate().all(|(offset, length)| self.length(first + offset) == *length && is_joined(offset))
    }

    /// Position of the `+` before a group, if it is the one of an international phone number: between digits it is a sum, or
    /// the separator of an identity number.
    pub(super) fn plus(&self, index: usize) -> Option<usize> {
        let start = self.start(index);
        let is_plus = |position: &usize| self.text.at(Some(*position)) == Some('+');
        let after_blank = || self.text.before(start).filter(char::is_ascii_whitespace).and(start.checked_sub(2));
        let position = start.checked_sub(1).filter(is_plus).or_else(|| after_blank().filter(is_plus))?;
        Some(position).filter(|position| !self.text.before(*position).is_some_and(|before| before.is_ascii_digit()))
    }

    /// The number of groups, from this one on, that begin before a position.
    pub(super) fn count_before(&self, first: usize, end: usize) -> usize {
        (first..self.len()).take_while(|index| self.start(*index) < end).count()
    }
}

/// The value of a few digits.
pub(super) fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value.wrapping_mul(10).wrapping_add(u32::from(*digit)))
}
