//! PII, masked according to the scopes of the principal.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::{Serialize, Serializer};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::model::{Extensible, FreeText, IdentityNumber, Pii, PiiAccess, PiiKind, Private, StrEnum};

/// A text with PII of kind `K`, already masked if necessary.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rest) struct Masked<'a, K>(Cow<'a, str>, PhantomData<K>);

// Aliases, because a schema cannot reference a generic type.
pub(super) type PrivateText<'a> = Masked<'a, Private>;
pub(super) type IdentityNumberText<'a> = Masked<'a, IdentityNumber>;
pub(super) type MaskedText<'a> = Masked<'a, FreeText>;

/// Masks an optional text; `None` also when the kind is omitted without access.
pub(super) fn masked<K: PiiKind>(text: Option<&Pii<K>>, pii_access: PiiAccess) -> Option<Masked<'_, K>> {
    text?.view(pii_access).map(Masked::new)
}

/// Other text of the upstream, such as a name or an amount: numbers and addresses in it are masked as in free text.
pub(super) fn open_text(text: Option<&str>, pii_access: PiiAccess) -> Option<Cow<'_, str>> {
    FreeText::view(text?, pii_access)
}

/// A value of an open enum: an unknown one is text of the upstream.
pub(super) fn open_value<T: StrEnum>(value: Option<&Extensible<T>>, pii_access: PiiAccess) -> Option<Cow<'_, str>> {
    match value? {
        Extensible::Known(value) => Some(value.as_str().into()),
        Extensible::Unknown(text) => open_text(Some(text), pii_access),
    }
}

impl<'a, K> Masked<'a, K> {
    pub(super) const fn new(text: Cow<'a, str>) -> Self {
        Self(text, PhantomData)
    }
}

impl<K> Serialize for Masked<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<K: PiiKind> PartialSchema for Masked<'_, K> {
    fn schema() -> RefOr<Schema> {
        let annotation = Extensions::builder().add(ANNOTATION, true).build();
        let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(K::DESCRIPTION));
        schema.extensions(Some(annotation)).into()
    }
}

impl<K: PiiKind> ToSchema for Masked<'_, K> {
    fn name() -> Cow<'static, str> {
        K::NAME.into()
    }
}

/// Annotation of members that contain PII.
const ANNOTATION: &str = "x-personal-data";

/// Inlines the schemas of PII into the members that reference them, after the member's own description. Behind a reference,
/// readers and tools that inspect a member would miss the annotation.
pub(in crate::rest) fn inline(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    for name in [Private::NAME, IdentityNumber::NAME, FreeText::NAME] {
        let Some(RefOr::T(Schema::Object(schema))) = components.schemas.remove(name) else { continue };
        let location = format!("#/components/schemas/{name}");
        let objects = components.schemas.values_mut().filter_map(|schema| match schema {
            RefOr::T(Schema::Object(object)) => Some(object),
            _ => None,
        });
        for member in objects.flat_map(|object| object.properties.values_mut()) {
            if let RefOr::Ref(reference) = &*member
                && reference.ref_location == location
            {
                let mut schema = schema.clone();
                let text = format!("{} {}", reference.description, schema.description.as_deref().unwrap_or_default());
                schema.description = Some(text.trim().to_owned());
                *member = RefOr::T(Schema::Object(schema));
            }
        }
    }
}
