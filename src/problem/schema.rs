//! The schemas of enums in a problem.

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Code, Outcome};

/// The schema of [`Code`], an open enum: a later version of the gateway may have more codes.
pub(super) struct ProblemCode;

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        let codes: Value = Code::ALL.iter().map(|code| code.info().code).collect();
        let description = "Code of a kind of problem. An open enum: handle codes that are not listed by the HTTP status.";
        let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let known = Extensions::builder().add("x-extensible-enum", codes).build();
        schema.examples([Code::InvalidParameter.info().code]).extensions(Some(known)).into()
    }
}

impl ToSchema for ProblemCode {}

/// Not derived, because generators cannot make a name of `not-applied`.
impl PartialSchema for Outcome {
    fn schema() -> RefOr<Schema> {
        let description = "Whether a failed write was applied: `not-applied` if it was not and will not be, `unknown` if it may \
                           have been or may still be.";
        let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let names = Extensions::builder().add("x-enum-varnames", json!(["NotApplied", "Unknown"])).build();
        schema.enum_values(Some([json!(Self::NotApplied), json!(Self::Unknown)])).extensions(Some(names)).into()
    }
}

impl ToSchema for Outcome {}
