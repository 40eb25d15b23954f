//! Parameters in query strings: unknown, repeated and malformed ones are all told at once.

use axum::extract::FromRequestParts;
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::Date;
use utoipa::IntoParams;

use super::datetime::{parse_date, parse_datetime};
use crate::model::CustomerId;
use crate::problem::{FieldError, Problem};
use crate::rest::list::cursor::{Cursor, fingerprint_of};
use crate::rest::list::expand::MAX_EXPANDED;
use crate::rest::list::pagination::PageQuery;
use crate::rest::state::AppState;

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
    /// At most so many orders, by time and id, those without a readable time first. Without it the whole list streams, in the
    /// order system's order.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 1000)]
    pub(in crate::rest) limit: Option<usize>,
    /// `nextCursor` of the page before, to go on after it. Needs `limit`, which may change, and the same filters.
    #[param(value_type = String, required = false)]
    pub(in crate::rest) cursor: Option<Cursor>,
    /// `detail` fills each order as `GET /orders/{id}` does; where both tell something, the list is right. An order whose
    /// details cannot be read has a `problem` instead. Needs a `limit` of at most 200.
    #[param(value_type = String, required = false, pattern = "^detail$")]
    pub(in crate::rest) expand: bool,
    /// Stands for the upstream and all filters.
    #[param(ignore)]
    fingerprint: u64,
}

/// Which customers are asked for.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::rest) struct CustomerListQuery {
    /// Customers that are new or were edited on this date or later, in the order system's zone.
    #[param(value_type = String, format = Date, example = "2016-03-14")]
    pub(in crate::rest) since: Date,
    /// At most so many customers, by id. Without it the whole list streams, in the order system's order.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 1000)]
    pub(in crate::rest) limit: Option<usize>,
    /// `nextCursor` of the page before, to go on after it. Needs `limit`, which may change, and the same `since`.
    #[param(value_type = String, required = false)]
    pub(in crate::rest) cursor: Option<Cursor>,
    /// Stands for the upstream and the filter.
    #[param(ignore)]
    fingerprint: u64,
}

impl OrderListQuery {
    /// Which page is asked for; `None` for the whole list.
    pub(in crate::rest) fn page(&self) -> Option<PageQuery> {
        page(self.limit, self.cursor, self.fingerprint)
    }

    /// The same number for the same orders of the same upstream.
    fn fingerprint(&self, upstream: &str) -> u64 {
        let Self { since, until, status, kind, customer_id, .. } = self;
        let mut status: Vec<&str> = status.iter().map(String::as_str).collect();
        status.sort_unstable();
        status.dedup();
        let since = since.as_nanosecond().to_string();
        let until = until.map_or(String::new(), |until| until.as_nanosecond().to_string());
        let customer = customer_id.map_or(0, CustomerId::get).to_string();
        let filters = ["orders", upstream, &since, &until, kind.as_deref().unwrap_or_default(), &customer];
        fingerprint_of(filters.into_iter().chain(status))
    }
}

impl CustomerListQuery {
    /// Which page is asked for; `None` for the whole list.
    pub(in crate::rest) fn page(&self) -> Option<PageQuery> {
        page(self.limit, self.cursor, self.fingerprint)
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

    async fn from_request_parts(parts: &mut Parts, gateway: &AppState) -> Result<Self, Problem> {
        let (audit, order_system) = gateway.resolve(parts)?;
        let upstream = audit.principal.upstream();
        let mut pairs = QueryPairs::parse(parts);
        let moment = |text: &str| parse_datetime(text, &order_system.zone).ok_or(NO_MOMENT);
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
        let (limit, cursor) = pairs.page();
        let expand = pairs.optional("expand", |text| if text == "detail" { Ok(()) } else { Err("must be detail") }).is_some();
        if expand && limit.is_none_or(|limit| limit > MAX_EXPANDED) {
            pairs.fault("expand", "needs a limit of at most 200");
        }
        let query = since.map(|since| {
            let query = Self { since, until, status, kind, customer_id, limit, cursor, expand, fingerprint: 0 };
            Self { fingerprint: query.fingerprint(upstream), ..query }
        });
        pairs.check_cursor(cursor, query.as_ref().map(|query| query.fingerprint));
        pairs.finish(query)
    }
}

impl FromRequestParts<AppState> for CustomerListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &AppState) -> Result<Self, Problem> {
        let (audit, _) = gateway.resolve(parts)?;
        let upstream = audit.principal.upstream();
        let mut pairs = QueryPairs::parse(parts);
        let since = pairs.required("since", |text| parse_date(text).ok_or("must be a date that exists, such as 2016-03-14"));
        let (limit, cursor) = pairs.page();
        let query = since.map(|since| {
            let fingerprint = fingerprint_of(["customers", upstream, &since.to_string()]);
            Self { since, limit, cursor, fingerprint }
        });
        pairs.check_cursor(cursor, query.as_ref().map(|query| query.fingerprint));
        pairs.finish(query)
    }
}

const NO_MOMENT: &str =
    "must be a date that exists, such as 2016-03-14, or a time with an offset, such as 2016-03-14T09:05:00+01:00";
const NO_CUSTOMER_ID: &str = "must be an integer from 1 to 9007199254740991, in digits, without sign or leading zero";

/// The greatest page.
const MAX_LIMIT: usize = 1_000;

fn parse_limit(text: &str) -> Result<usize, &'static str> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let limit = if is_canonical { text.parse().ok() } else { None };
    limit.filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or("must be a whole number from 1 to 1000")
}

fn word(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("must not be blank") } else { Ok(text.to_owned()) }
}

/// The pairs of a query string that nobody has read yet, and the faults so far.
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
        if !self.is_given(name) {
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

    /// The parameters of pages.
    fn page(&mut self) -> (Option<usize>, Option<Cursor>) {
        let is_limited = self.is_given("limit");
        let limit = self.optional("limit", parse_limit);
        let cursor = self.optional("cursor", Cursor::parse);
        if cursor.is_some() && !is_limited {
            self.fault("cursor", "needs limit");
        }
        (limit, cursor)
    }

    /// A cursor is good for the filters that it was made for.
    fn check_cursor(&mut self, cursor: Option<Cursor>, filters: Option<u64>) {
        if let (Some(cursor), Some(filters), true) = (cursor, filters, self.errors.is_empty())
            && cursor.filters != filters
        {
            self.fault("cursor", "was made for other filters; repeat them, or begin again without it");
        }
    }

    fn is_given(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name) || self.errors.iter().any(|error| error.is_about(name))
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

/// A name or a value; `None` when it is not percent-encoded UTF-8.
pub(in crate::rest) fn decode(text: &str) -> Option<String> {
    let is_encoded = |after: &str| after.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(is_encoded) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
