//! The document in OpenAPI 3.0, for generators that know no later version. The operations and types are the same.

use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Replaces what 3.0 does not have. [`label`] then changes the version.
pub fn convert(document: &mut OpenApi) {
    if let Some(license) = &mut document.info.license
        && let Some(identifier) = license.identifier.take()
    {
        license.url = Some(format!("https://spdx.org/licenses/{identifier}.html"));
    }
    let schemas = document.components.iter_mut().flat_map(|components| components.schemas.values_mut());
    for schema in schemas {
        if let RefOr::T(Schema::Object(object)) = schema {
            object.example = object.example.take().or_else(|| object.examples.pop());
            object.properties.values_mut().for_each(wrap_described_reference);
        }
    }
}

/// Nothing may stand beside `$ref`, so a member with a description of its own contains the reference.
fn wrap_described_reference(member: &mut RefOr<Schema>) {
    if let RefOr::Ref(reference) = member
        && !reference.description.is_empty()
    {
        let description = std::mem::take(&mut reference.description);
        let wrapped = AllOfBuilder::new().item(reference.clone()).description(Some(description));
        *member = RefOr::T(Schema::AllOf(wrapped.build()));
    }
}

/// Changes the version in the text of a document, where the library only writes those that it knows.
#[must_use]
pub fn label(text: &str) -> String {
    text.replacen("3.1.0", "3.0.3", 1)
}
