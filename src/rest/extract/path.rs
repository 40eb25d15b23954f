//! Path parameters.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use utoipa::IntoParams;

use crate::model::{CustomerId, InvalidId, OrderId};
use crate::problem::{FieldError, Problem};

/// Path of one order.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::rest) struct OrderPath {
    /// Order id: decimal digits without sign or leading zero.
    #[param(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 20417)]
    pub(in crate::rest) id: OrderId,
}

/// Path of one customer.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::rest) struct CustomerPath {
    /// Customer id: decimal digits without sign or leading zero.
    #[param(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 18020)]
    pub(in crate::rest) id: CustomerId,
}

/// Path of a problem page.
#[derive(Debug)]
pub(in crate::rest) struct ProblemPath {
    pub(in crate::rest) code: String,
}

impl<S: Send + Sync> FromRequestParts<S> for OrderPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = parse_id(parts, state, OrderId::parse).await?;
        Ok(Self { id })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CustomerPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = parse_id(parts, state, CustomerId::parse).await?;
        Ok(Self { id })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ProblemPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // No problem has the empty code, so a parameter that is not UTF-8 is not found either.
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let code = parameters.as_ref().ok().and_then(only_parameter).unwrap_or_default().to_owned();
        Ok(Self { code })
    }
}

async fn parse_id<T, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    parse: fn(&str) -> Result<T, InvalidId>,
) -> Result<T, Problem> {
    let parameters = RawPathParams::from_request_parts(parts, state).await;
    let text = parameters.as_ref().ok().and_then(only_parameter);
    text.map_or(Err(InvalidId), parse)
        .map_err(|error| Problem::parameters(vec![FieldError::parameter("id", error.to_string())]))
}

/// The single parameter of the path. Parameters that are not UTF-8 are an error of the extractor.
fn only_parameter(parameters: &RawPathParams) -> Option<&str> {
    parameters.iter().next().map(|(_, value)| value)
}
