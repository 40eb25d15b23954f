//! Reads the values of elements and counts schema drift.

use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::schema_drift::DriftKind;
use super::time_format;
use super::xml::{Anomaly, Element, Tree};
use crate::model::{CustomerId, Extensible, LocalTime, OrderId, StrEnum};

/// Reads values from the answer to one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldReader<'a> {
    method: &'static MethodSpec,
    settings: &'a DecodeSettings,
}

/// Why an item cannot be decoded: a fixed text, never a value from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DecodeError(pub(crate) &'static str);

/// There is one of something and the answer has two, so none of them can be trusted.
pub(crate) const CONTRADICTION: DecodeError = DecodeError("one of its elements occurs twice, with different values");

impl<'a> FieldReader<'a> {
    pub(crate) const fn new(method: &'static MethodSpec, settings: &'a DecodeSettings) -> Self {
        Self { method, settings }
    }

    /// A value of an open enum.
    pub(crate) fn enum_value<E: StrEnum>(&self, element: Element<'_>) -> Option<Extensible<E>> {
        let text = element.text()?;
        let value: Extensible<E> = Extensible::from_wire(&text);
        if matches!(value, Extensible::Unknown(_)) || value.as_str() != text {
            self.count(DriftKind::UnknownValue, element);
        }
        Some(value)
    }

    /// A local time. `None` for zero dates, and for texts whose meaning is in doubt.
    pub(crate) fn time(&self, element: Element<'_>) -> Option<LocalTime> {
        let text = element.text()?;
        let zone = &self.settings.zone;
        if let Some(wall) = time_format::parse_documented(&text) {
            return Some(zone.resolve_cached(wall, &self.settings.offsets));
        }
        let time = time_format::parse_other(&text).and_then(|(wall, offset)| match offset {
            Some(offset) => zone.convert(wall, offset),
            None => Some(zone.resolve(wall)),
        });
        self.count(if time.is_some() { DriftKind::DateFormat } else { DriftKind::UnreadableDate }, element);
        time
    }

    /// Fills the slot of an element that occurs once. Of repeated ones the first value counts, and a blank one is none.
    pub(crate) fn first<T>(&self, slot: &mut Option<T>, element: Element<'_>, value: Option<T>) {
        match slot {
            None => *slot = value,
            Some(_) if value.is_some() => self.repeated(element),
            Some(_) => {}
        }
    }

    /// Fills the slot of an element that occurs once and that decisions rest on: entities, ids, statuses and dates. Choosing
    /// between two different values would be a guess, so they are an error.
    pub(crate) fn only<T: PartialEq>(
        &self,
        slot: &mut Option<T>,
        element: Element<'_>,
        value: Option<T>,
    ) -> Result<(), DecodeError> {
        let is_contradiction = slot.is_some() && value.is_some() && *slot != value;
        self.first(slot, element, value);
        if is_contradiction { Err(CONTRADICTION) } else { Ok(()) }
    }

    /// Counts an element that occurs more than once although every known answer has it once.
    pub(crate) fn repeated(&self, element: Element<'_>) {
        self.count(DriftKind::RepeatedElement, element);
    }

    /// The id of an order's customer. Nothing else depends on it, so one that is no id is left out.
    pub(crate) fn customer_of_order(&self, element: Element<'_>) -> Option<CustomerId> {
        customer_id(element).unwrap_or_else(|_| {
            self.count(DriftKind::UnreadableId, element);
            None
        })
    }

    /// Counts an element that no decoder reads.
    pub(crate) fn unknown(&self, element: Element<'_>) {
        self.count(DriftKind::UnknownElement, element);
    }

    /// Counts an element that every known answer has and this one does not.
    pub(crate) fn missing(&self, path: &str) {
        self.settings.drift.count(self.method, DriftKind::MissingElement, path);
    }

    /// Counts the anomalies of all elements of a tree.
    pub(crate) fn count_anomalies(&self, tree: &Tree) {
        for (anomaly, element) in tree.anomalies() {
            let kind = match anomaly {
                Anomaly::Attribute => DriftKind::Attribute,
                Anomaly::Charset => DriftKind::Charset,
                Anomaly::Entity => DriftKind::Entity,
                Anomaly::TextBetweenFields => DriftKind::UnknownElement,
                Anomaly::MarkupInValue => DriftKind::MixedContent,
            };
            self.count(kind, element);
        }
    }

    fn count(&self, kind: DriftKind, element: Element<'_>) {
        self.settings.drift.count(self.method, kind, &element.path());
    }
}

/// The text of an element; `None` when blank.
pub(crate) fn text<T: for<'t> From<&'t str>>(element: Element<'_>) -> Option<T> {
    element.text().map(|text| T::from(&text))
}

/// The id of a list item, without which it cannot be decoded.
pub(crate) fn item_id<T: PartialEq>(
    item: Element<'_>,
    parse: fn(Element<'_>) -> Result<Option<T>, DecodeError>,
) -> Result<T, DecodeError> {
    let mut found = None;
    for element in item.children().filter(|field| field.name() == "id") {
        match (parse(element)?, &found) {
            (Some(id), Some(first)) if id != *first => return Err(CONTRADICTION),
            (Some(id), None) => found = Some(id),
            _ => {}
        }
    }
    found.ok_or(DecodeError("it has no id"))
}

/// The id of an order; `None` when the element is blank.
pub(crate) fn order_id(element: Element<'_>) -> Result<Option<OrderId>, DecodeError> {
    element.text().map(|text| OrderId::parse(&text)).transpose().map_err(|_| DecodeError("its id is not a valid order id"))
}

/// The id of a customer; `None` when the element is blank.
pub(crate) fn customer_id(element: Element<'_>) -> Result<Option<CustomerId>, DecodeError> {
    let id = element.text().map(|text| CustomerId::parse(&text)).transpose();
    id.map_err(|_| DecodeError("its customer id is not a valid customer id"))
}
