//! Query parameters. Unknown, repeated and malformed ones are all reported at once.

use std::fmt;

use axum::extract::FromRequestParts;
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::Date;
use utoipa::IntoParams;

use super::datetime::{parse_date, parse_datetime};
use super::schemas::{DateTime, Expand, StatusFilter, TypeFilter};
use crate::model::CustomerId;
use crate::problem::{FieldError, Problem};
use crate::request::RequestInfo;
use crate::rest::list::cursor::{Cursor, filter_hash};
use crate::rest::list::expand::MAX_EXPANDED;
use crate::rest::list::pagination::PageQuery;
use crate::rest::state::AppState;

/// The maximum `limit`. `param` accepts literals only; a test compares them with this constant.
pub(in crate::rest) const MAX_LIMIT: usize = 1_000;

/// A route without query parameters.
#[derive(Debug)]
pub(in crate::rest) struct NoQuery;

/// Query parameters of `GET /orders`.
#[derive(Debug, Clone, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(in crate::rest) struct OrderListQuery {
    /// Orders placed at or after this time: a date (its first instant in the upstream's time zone) or a time with a UTC offset.
    /// Orders without a readable time are always included.
    #[param(value_type = DateTime, inline, example = "2016-03-14")]
    pub(in crate::rest) since: Timestamp,
    /// Orders placed before this time: a date or a time with a UTC offset, such as `2016-03-15T00:00:00+01:00`. Must not be
    /// before `since`.
    #[param(value_type = DateTime, inline, required = false)]
    pub(in crate::rest) until: Option<Timestamp>,
    /// Orders with this status, such as `new`, `received`, `active`, `waiting`, `cancelled` or `delivered`. May be repeated or
    /// a comma-separated list: orders with any of these statuses. Other statuses are permitted, because the upstream may have
    /// them: a misspelt one returns an empty list.
    #[param(value_type = Vec<StatusFilter>, inline, required = false, style = Form, explode)]
    pub(in crate::rest) status: Vec<String>,
    /// Orders of this type, such as `order`. An unknown one returns an empty list.
    #[param(value_type = TypeFilter, inline, rename = "type", required = false)]
    pub(in crate::rest) kind: Option<String>,
    /// Orders of this customer.
    #[param(value_type = u64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub(in crate::rest) customer_id: Option<CustomerId>,
    /// Maximum page size; a page of very large items ends earlier. Pages are ordered by time and id, orders without a readable
    /// time first. Without `limit` the whole list is streamed in upstream order.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 1000)]
    pub(in crate::rest) limit: Option<usize>,
    /// `nextCursor` of the previous page. Requires `limit`, which may change, and the same filters.
    #[param(value_type = String, required = false, min_length = 18, max_length = 94, pattern = "^[A-Za-z0-9_-]+$")]
    pub(in crate::rest) cursor: Option<Cursor>,
    /// `detail` completes each order as in `GET /orders/{id}`; values of the list take precedence. An order whose details
    /// cannot be read has a `problem` instead. Requires a `limit` of at most 200.
    #[param(value_type = Expand, inline, required = false)]
    pub(in crate::rest) expand: bool,
    /// Hash of the upstream and all filters.
    #[param(ignore)]
    filters: u64,
}

/// Query parameters of `GET /customers`.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::rest) struct CustomerListQuery {
    /// Customers created or updated on or after this date, in the upstream's time zone.
    #[param(value_type = String, format = Date, example = "2016-03-14")]
    pub(in crate::rest) since: Date,
    /// Maximum page size; a page of very large items ends earlier. Pages are ordered by id. Without `limit` the whole list is
    /// streamed in upstream order.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 1000)]
    pub(in crate::rest) limit: Option<usize>,
    /// `nextCursor` of the previous page. Requires `limit`, which may change, and the same `since`.
    #[param(value_type = String, required = false, min_length = 18, max_length = 94, pattern = "^[A-Za-z0-9_-]+$")]
    pub(in crate::rest) cursor: Option<Cursor>,
    /// Hash of the upstream and the filter.
    #[param(ignore)]
    filters: u64,
}

impl OrderListQuery {
    /// The requested page; `None` for the whole list.
    pub(in crate::rest) fn page(&self) -> Option<PageQuery> {
        page(self.limit, self.cursor, self.filters)
    }
}

impl CustomerListQuery {
    /// The requested page; `None` for the whole list.
    pub(in crate::rest) fn page(&self) -> Option<PageQuery> {
        page(self.limit, self.cursor, self.filters)
    }
}

fn page(limit: Option<usize>, cursor: Option<Cursor>, filters: u64) -> Option<PageQuery> {
    limit.map(|limit| PageQuery { limit, after: cursor.map(|cursor| cursor.position), filters })
}

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        QueryPairs::parse(parts).finish(Some(Self))
    }
}

impl FromRequestParts<AppState> for OrderListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let (RequestInfo { audit, .. }, upstream) = app.resolve(parts)?;
        let mut pairs = QueryPairs::parse(parts);
        let datetime = |text: &str| parse_datetime(text, &upstream.zone).ok_or(InvalidValue::DateTime);
        let since = pairs.required("since", datetime);
        let until = pairs.optional("until", datetime);
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            pairs.add_fault("until", "must not be before since");
        }
        let status = pairs.list("status", parse_text);
        let kind = pairs.optional("type", parse_text);
        let customer_id = pairs.optional("customerId", CustomerId::parse);
        let (limit, cursor) = pairs.page();
        let expand = pairs.optional("expand", parse_expand).is_some();
        if expand && limit.is_none_or(|limit| limit > MAX_EXPANDED) {
            pairs.add_fault("expand", format!("requires a limit of at most {MAX_EXPANDED}"));
        }
        let query = since.map(|since| {
            let filters = hash_order_filters(audit.principal().upstream(), since, until, &status, kind.as_deref(), customer_id);
            Self { since, until, status, kind, customer_id, limit, cursor, expand, filters }
        });
        pairs.check_cursor(cursor, query.as_ref().map(|query| query.filters));
        pairs.finish(query)
    }
}

impl FromRequestParts<AppState> for CustomerListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let (RequestInfo { audit, .. }, _) = app.resolve(parts)?;
        let mut pairs = QueryPairs::parse(parts);
        let since = pairs.required("since", |text| parse_date(text).ok_or(InvalidValue::Date));
        let (limit, cursor) = pairs.page();
        let query = since.map(|since| {
            let filters = filter_hash(["customers", audit.principal().upstream(), &since.to_string()]);
            Self { since, limit, cursor, filters }
        });
        pairs.check_cursor(cursor, query.as_ref().map(|query| query.filters));
        pairs.finish(query)
    }
}

/// Equal for equal filters, however they are written: `status` in any sequence, times with any offset.
fn hash_order_filters(
    upstream: &str,
    since: Timestamp,
    until: Option<Timestamp>,
    status: &[String],
    kind: Option<&str>,
    customer_id: Option<CustomerId>,
) -> u64 {
    let mut status: Vec<&str> = status.iter().map(String::as_str).collect();
    status.sort_unstable();
    status.dedup();
    let since = since.as_nanosecond().to_string();
    let until = until.map_or(String::new(), |until| until.as_nanosecond().to_string());
    let customer = customer_id.map_or(0, CustomerId::get).to_string();
    let filters = ["orders", upstream, &since, &until, kind.unwrap_or_default(), &customer];
    filter_hash(filters.into_iter().chain(status))
}

/// A value that a parameter does not allow.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum InvalidValue {
    #[error("must be an existing date such as 2016-03-14")]
    Date,
    #[error("must be an existing date such as 2016-03-14, or a time with a UTC offset such as 2016-03-14T09:05:00+01:00")]
    DateTime,
    #[error("must be an integer from 1 to {MAX_LIMIT}")]
    Limit,
    #[error("must be detail")]
    Expand,
    #[error("must not be blank")]
    Blank,
}

fn parse_limit(text: &str) -> Result<usize, InvalidValue> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let limit = if is_canonical { text.parse().ok() } else { None };
    limit.filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or(InvalidValue::Limit)
}

fn parse_expand(text: &str) -> Result<(), InvalidValue> {
    if text == "detail" { Ok(()) } else { Err(InvalidValue::Expand) }
}

pub(super) fn parse_text(text: &str) -> Result<String, InvalidValue> {
    if text.trim().is_empty() { Err(InvalidValue::Blank) } else { Ok(text.to_owned()) }
}

/// The parameters of a query string, which are taken out one by one, with the faults found so far.
struct QueryPairs {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl QueryPairs {
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

    fn add_fault(&mut self, name: &'static str, detail: impl fmt::Display) {
        self.errors.push(FieldError::parameter(name, detail.to_string()));
    }

    /// Takes all values of a parameter.
    fn take(&mut self, name: &str) -> Vec<String> {
        self.pairs.extract_if(.., |(other, _)| other == name).map(|(_, value)| value).collect()
    }

    fn optional<T, E: fmt::Display>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let values = self.take(name);
        if values.len() > 1 {
            self.add_fault(name, "must not be repeated");
            return None;
        }
        let parsed = values.first().map(|value| parse(value)).transpose();
        parsed.map_err(|error| self.add_fault(name, error)).ok().flatten()
    }

    fn required<T, E: fmt::Display>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        if !self.is_given(name) {
            self.add_fault(name, "is missing");
        }
        self.optional(name, parse)
    }

    /// Takes all values of a parameter that may be repeated, and may be a comma-separated list.
    fn list<T, E: fmt::Display>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let mut parsed = Vec::new();
        let values = self.take(name);
        for value in values.iter().flat_map(|value| value.split(',')) {
            match parse(value.trim()) {
                Ok(value) => parsed.push(value),
                Err(error) => self.add_fault(name, error),
            }
        }
        parsed
    }

    /// Takes `limit` and `cursor`.
    fn page(&mut self) -> (Option<usize>, Option<Cursor>) {
        let is_limited = self.is_given("limit");
        let limit = self.optional("limit", parse_limit);
        let cursor = self.optional("cursor", Cursor::parse);
        if cursor.is_some() && !is_limited {
            self.add_fault("cursor", "requires limit");
        }
        (limit, cursor)
    }

    /// Checks that a cursor belongs to these filters. With other faults the filters are not known, and the client has to
    /// correct those first.
    fn check_cursor(&mut self, cursor: Option<Cursor>, filters: Option<u64>) {
        if let (Some(cursor), Some(filters), true) = (cursor, filters, self.errors.is_empty())
            && cursor.filters != filters
        {
            self.add_fault("cursor", "belongs to other filters; repeat those, or start again without it");
        }
    }

    /// Whether the query has this parameter, malformed values included.
    fn is_given(&self, name: &str) -> bool {
        self.pairs.iter().any(|(other, _)| other == name) || self.errors.iter().any(|error| error.is_about(name))
    }

    /// Returns the value made of the parameters, if there is no fault. Parameters that were not taken are unknown.
    fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.errors.push(FieldError::parameter(name, "unknown parameter"));
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::parameters(self.errors)),
        }
    }
}

/// Decodes a name or a value; `None` when it is not percent-encoded UTF-8.
pub(in crate::rest) fn decode(text: &str) -> Option<String> {
    let is_encoded = |after: &str| after.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(is_encoded) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
