//! How much memory a value holds.

use super::{Customer, Detail, Extensible, Message, Order, OrderedBy, Person, Pii, Provider, Service, ShortText};

/// A value whose memory can be counted.
pub trait HeldBytes {
    /// Bytes of the value and of everything it owns.
    fn held_bytes(&self) -> usize;
}

impl HeldBytes for Order {
    fn held_bytes(&self) -> usize {
        // Destructured, so that a new field is not forgotten.
        let Self {
            id: _,
            kind,
            status,
            ordered_at: _,
            delivery: _,
            service: Service { id: service_id, uid, name, category },
            provider: Provider { id: provider_id, name: provider_name },
            network_name,
            customer,
            messages,
            details,
        } = self;
        let texts = [kind, service_id, uid, name, category, provider_id, provider_name, network_name];
        size_of::<Self>()
            + texts.into_iter().map(|text| capacity(text.as_ref())).sum::<usize>()
            + status.as_ref().map_or(0, unknown)
            + customer.as_ref().and_then(|OrderedBy { id: _, person }| person.as_deref()).map_or(0, Person::held_bytes)
            + messages.as_ref().map_or(0, elements)
            + details.as_ref().map_or(0, elements)
    }
}

impl HeldBytes for Customer {
    fn held_bytes(&self) -> usize {
        let Self { id, person } = self;
        size_of_val(id) + person.held_bytes()
    }
}

impl HeldBytes for Person {
    fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + self.identifying_texts().map(str::len).sum::<usize>()
            + [&self.postal_code, &self.city].into_iter().flatten().map(|text| text.expose().len()).sum::<usize>()
    }
}

impl HeldBytes for Message {
    fn held_bytes(&self) -> usize {
        let Self { at: _, kind, text } = self;
        size_of::<Self>() + kind.as_ref().map_or(0, unknown) + text.as_ref().map_or(0, |text| text.expose().len())
    }
}

impl HeldBytes for Detail {
    fn held_bytes(&self) -> usize {
        let Self { name, value, monthly_fee } = self;
        let texts = [name, value].into_iter().flatten().map(Pii::expose).map(str::len);
        size_of::<Self>() + texts.sum::<usize>() + capacity(monthly_fee.as_ref())
    }
}

/// Bytes of a text beside the value itself.
fn capacity(text: Option<&ShortText>) -> usize {
    text.filter(|text| text.is_heap_allocated()).map_or(0, ShortText::capacity)
}

fn unknown<E>(value: &Extensible<E>) -> usize {
    match value {
        Extensible::Known(_) => 0,
        Extensible::Unknown(text) => text.capacity(),
    }
}

fn elements<T: HeldBytes>(elements: &Vec<T>) -> usize {
    let unused = (elements.capacity() - elements.len()) * size_of::<T>();
    unused + elements.iter().map(T::held_bytes).sum::<usize>()
}
