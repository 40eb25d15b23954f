//! A list of orders or customers: ids and hashes, at most 64 bytes for each.

use super::field::{Field, FieldSet};
use super::values::{Differences, Values, how};

/// At most so many fields of a list are compared.
pub(super) const MAX_LIST_FIELDS: usize = 8;

/// The list of one side, to be searched with the items of the other.
pub(super) struct Listing {
    fields: &'static [Field],
    /// In pieces, so that a long list is never copied to grow.
    pieces: Vec<Vec<Item>>,
    /// The places of the items, by id, and whether the other side has them too. Made by [`Self::finish`].
    by_id: Vec<u32>,
    is_matched: Vec<bool>,
}

struct Item {
    id: u64,
    /// Of all values: what decides whether items are equal.
    whole: u64,
    /// Of each value: which fields differ. 0 for a value that is missing.
    fields: [u32; MAX_LIST_FIELDS],
}

/// What an item of the other side is.
pub(super) enum Match {
    /// There is no item with this id.
    None,
    /// It repeats an earlier one.
    Repeated,
    /// There is one, with these differences.
    Found(Differences),
}

const PIECE: usize = 1024;

impl Listing {
    pub(super) const fn new(fields: &'static [Field]) -> Self {
        Self { fields, pieces: Vec::new(), by_id: Vec::new(), is_matched: Vec::new() }
    }

    pub(super) fn push(&mut self, id: u64, values: &Values) {
        let item = Item { id, whole: self.whole(values), fields: self.hashes(values) };
        if let Some(piece) = self.pieces.last_mut().filter(|piece| piece.len() < PIECE) {
            piece.push(item);
        } else {
            let mut piece = Vec::with_capacity(PIECE);
            piece.push(item);
            self.pieces.push(piece);
        }
    }

    /// Makes the list searchable. Of items with the same id the first counts.
    pub(super) fn finish(&mut self) {
        let count: usize = self.pieces.iter().map(Vec::len).sum();
        let mut by_id = Vec::with_capacity(count);
        by_id.extend((0..count).filter_map(|place| u32::try_from(place).ok()));
        by_id.sort_unstable_by_key(|place| (self.id_at(*place), *place));
        by_id.dedup_by_key(|place| self.id_at(*place));
        self.is_matched = vec![false; by_id.len()];
        self.by_id = by_id;
    }

    /// Compares an item of the other side, the right one, among these fields.
    pub(super) fn compare(&mut self, id: u64, values: &Values, compared: FieldSet) -> Match {
        let Ok(found) = self.by_id.binary_search_by_key(&id, |place| self.id_at(*place)) else { return Match::None };
        if self.is_matched.get_mut(found).is_none_or(|is_matched| std::mem::replace(is_matched, true)) {
            return Match::Repeated;
        }
        let Some(item) = self.by_id.get(found).and_then(|place| self.item(*place)) else { return Match::None };
        if item.whole == self.whole(values) {
            return Match::Found(Vec::new());
        }
        let pairs = self.fields.iter().zip(item.fields.into_iter().zip(self.hashes(values)));
        let differing = pairs.filter(|(field, _)| compared.contains(**field));
        Match::Found(differing.filter_map(|(field, (left, right))| how(left, right).map(|how| (*field, how))).collect())
    }

    pub(super) const fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The ids in ascending order, and whether the other side has them too.
    pub(super) fn ids(&self) -> impl Iterator<Item = (u64, bool)> {
        self.by_id.iter().map(|place| self.id_at(*place)).zip(self.is_matched.iter().copied())
    }

    fn whole(&self, values: &Values) -> u64 {
        // The hashes are keyed, so a plain combination will do.
        let rotate = |whole: u64, hash: u64| whole.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash;
        self.fields.iter().fold(0, |whole, field| rotate(whole, values.scalar(*field)))
    }

    fn hashes(&self, values: &Values) -> [u32; MAX_LIST_FIELDS] {
        let mut hashes = [0; MAX_LIST_FIELDS];
        for (hash, field) in hashes.iter_mut().zip(self.fields) {
            *hash = half(values.scalar(*field));
        }
        hashes
    }

    fn id_at(&self, place: u32) -> u64 {
        self.item(place).map_or(0, |item| item.id)
    }

    fn item(&self, place: u32) -> Option<&Item> {
        let place = place as usize;
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }
}

/// Half of a hash; 0 only for 0, a value that is missing.
fn half(hash: u64) -> u32 {
    let [high, low] = [hash >> 32, hash & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or_default());
    if hash == 0 { 0 } else { (high ^ low).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Order, OrderId, Zone};

    const FIELDS: &[Field] = &[Field::Type, Field::Status];

    fn values(reader: &super::super::values::Reader, kind: &str) -> Values {
        reader.order(&Order { kind: Some(kind.into()), ..Order::new(OrderId::try_new(1).unwrap()) })
    }

    #[test]
    fn items_have_at_most_64_bytes_with_their_places() {
        // With the copy of the ids that is made of them.
        let bytes = size_of::<Item>() + size_of::<u32>() + size_of::<bool>() + size_of::<u64>();
        assert!(bytes <= 64, "{bytes}");
    }

    #[test]
    fn lists_in_any_order_are_matched_by_id() {
        let reader = super::super::values::Reader::new(Zone::stockholm());
        let mut listing = Listing::new(FIELDS);
        let count = 3 * PIECE as u64;
        for number in 0..count {
            // 7 is no divisor of the count, so that every id occurs once.
            listing.push(number * 7 % count + 1, &values(&reader, &format!("{}", (number * 7 % count + 1) % 3)));
        }
        listing.push(1, &values(&reader, "another one"));
        listing.finish();
        assert_eq!(listing.len(), 3 * PIECE);

        let compared = FieldSet::of(FIELDS);
        for id in 1..count {
            let found = listing.compare(id, &values(&reader, &format!("{}", id % 3)), compared);
            assert!(matches!(found, Match::Found(differences) if differences.is_empty()), "{id}");
        }
        assert!(matches!(listing.compare(1, &values(&reader, "1"), compared), Match::Repeated));
        assert!(matches!(listing.compare(count + 1, &values(&reader, "1"), compared), Match::None));
        let other = listing.compare(count, &values(&reader, "other"), compared);
        assert!(matches!(other, Match::Found(found) if found == [(Field::Type, super::super::values::How::OtherValue)]));
        assert!(listing.ids().all(|(_, is_matched)| is_matched));
    }
}
