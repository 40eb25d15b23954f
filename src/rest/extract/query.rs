//! Parameters in query strings: unknown, repeated and malformed ones are all told at once.

use axum::extract::FromRequestParts;
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::Date;
use utoipa::IntoParams;

use super::moment::{parse_date, parse_moment};
use crate::model::CustomerId;
use crate::rest::problem::{FieldError, Problem};
use crate::rest::router::Gateway;

/// Routes without parameters in the query.
#[derive(Debug)]
pub(in crate::rest) struct NoQuery;

/// Which orders are asked for.
#[derive(Debug, Clone, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(in crate::rest) struct OrderListQuery {
    /// Orders placed at this time or later: a date, which means its first moment in the order system's zone, or a time with an
    /// offset. Orders without a readable time are always included.
    #[param(value_type = String, example = "2016-03-14")]
    pub(in crate::rest) since: Timestamp,
    /// Orders placed before this time; a date or a time, as in `since`, and not before it: `2016-03-15T00:00:00+01:00`.
    #[param(value_type = String, required = false)]
    pub(in crate::rest) until: Option<Timestamp>,
    /// Orders with this status, such as `new`, `received`, `active`, `waiting`, `cancelled` or `delivered`. May be repeated:
    /// orders with any of these.
    #[param(required = false, style = Form, explode)]
    pub(in crate::rest) status: Vec<String>,
    /// Orders of this type, such as `order`.
    #[param(value_type = String, rename = "type", required = false)]
    pub(in crate::rest) kind: Option<String>,
    /// Orders of this customer.
    #[param(value_type = u64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub(in crate::rest) customer_id: Option<CustomerId>,
}

/// Which customers are asked for.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::rest) struct CustomerListQuery {
    /// Customers that are new or were edited on this date or later, in the order system's zone.
    #[param(value_type = String, format = Date, example = "2016-03-14")]
    pub(in crate::rest) since: Date,
}

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Pairs::parse(parts).finish(Some(Self))
    }
}

impl FromRequestParts<Gateway> for OrderListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let mut pairs = Pairs::parse(parts);
        let moment = |text: &str| parse_moment(text, gateway.zone()).ok_or(NO_MOMENT);
        let since = pairs.required("since", moment);
        let until = pairs.optional("until", moment);
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            pairs.fault("until", "must not be before since");
        }
        let status = pairs.repeated("status", word);
        let kind = pairs.optional("type", word);
        let customer_id = pairs.optional("customerId", |text| CustomerId::parse(text).map_err(|_| NO_CUSTOMER_ID));
        pairs.finish(since.map(|since| Self { since, until, status, kind, customer_id }))
    }
}

impl<S: Sync> FromRequestParts<S> for CustomerListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut pairs = Pairs::parse(parts);
        let since = pairs.required("since", |text| parse_date(text).ok_or("must be a date that exists, such as 2016-03-14"));
        pairs.finish(since.map(|since| Self { since }))
    }
}

const NO_MOMENT: &str =
    "must be a date that exists, such as 2016-03-14, or a time with an offset, such as 2016-03-14T09:05:00+01:00";
const NO_CUSTOMER_ID: &str = "must be an integer from 1 to 9007199254740991, in digits, without sign or leading zero";

fn word(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("must not be blank") } else { Ok(text.to_owned()) }
}

/// The pairs of a query string that nobody has read yet, and the faults so far.
struct Pairs {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Pairs {
    fn parse(parts: &Parts) -> Self {
        let mut pairs = Self { pairs: Vec::new(), errors: Vec::new() };
        for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => pairs.pairs.push((name, value)),
                (Some(name), None) => pairs.errors.push(FieldError::parameter(name, "is not percent-encoded UTF-8")),
                (None, _) => pairs.errors.push(FieldError::parameter("", "a name is not percent-encoded UTF-8")),
            }
        }
        pairs
    }

    fn fault(&mut self, name: &'static str, detail: &'static str) {
        self.errors.push(FieldError::parameter(name, detail));
    }

    /// Takes the values of a parameter out.
    fn take(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.pairs).into_iter().partition(|(known, _)| known == name);
        self.pairs = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    fn optional<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        let values = self.take(name);
        if values.len() > 1 {
            self.fault(name, "must not be repeated");
            return None;
        }
        let parsed = values.first().map(|value| parse(value)).transpose();
        parsed.map_err(|detail| self.fault(name, detail)).ok().flatten()
    }

    fn required<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        let is_given =
            self.pairs.iter().any(|(known, _)| known == name) || self.errors.iter().any(|error| error.is_about(name));
        if !is_given {
            self.fault(name, "is missing");
        }
        self.optional(name, parse)
    }

    fn repeated<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Vec<T> {
        let mut parsed = Vec::new();
        for value in self.take(name) {
            match parse(&value) {
                Ok(value) => parsed.push(value),
                Err(detail) => self.fault(name, detail),
            }
        }
        parsed
    }

    /// The value that was made of the parameters, if nothing is wrong with any of them.
    fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.errors.push(FieldError::parameter(name, "is no parameter of this route"));
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::parameters(self.errors)),
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let is_encoded = |after: &str| after.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(is_encoded) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
