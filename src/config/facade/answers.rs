//! Section `facade.answers`: the form of answers, as the legacy system in whose place they are given has it.

use crate::charset::Charset;
use crate::config::error::InvalidValue;
use crate::config::settings::{Settings, boolean};
use crate::config::upstream;
use crate::model::Zone;

/// What differs between installations of the legacy system, and must stay as the clients know it.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Root element of lists of orders: `orders` or `serviceguide`. Default `orders`; `GATEWAY__FACADE__ANSWERS__ORDERS_ROOT`.
    pub orders_root: OrdersRoot,
    /// Media type: `text/xml` or `application/xml`. Default `text/xml`; `GATEWAY__FACADE__ANSWERS__CONTENT_TYPE`.
    pub content_type: XmlType,
    /// Charset of answers, and of requests of clients without one of their own. Characters that it does not have become
    /// numeric references. Default `utf-8`; `GATEWAY__FACADE__ANSWERS__CHARSET`.
    pub charset: Charset,
    /// Whether answers begin with an XML declaration. Default true; `GATEWAY__FACADE__ANSWERS__DECLARATION`.
    pub declaration: Declaration,
    /// HTTP status of known failures: `http`, the one that fits, or `200`. Default `http`;
    /// `GATEWAY__FACADE__ANSWERS__FAILURE_STATUS`.
    pub failure_status: FailureStatus,
    /// Order of `status` and `response` in failures: `status-first` or `response-first`. Default `status-first`;
    /// `GATEWAY__FACADE__ANSWERS__FAILURE_ORDER`.
    pub failure_order: FailureOrder,
    /// Answer to the read of an unknown id: `empty`, an empty element, or `failed`, code 404. Default `empty`;
    /// `GATEWAY__FACADE__ANSWERS__NOT_FOUND`.
    pub not_found: NotFoundAnswer,
    /// Time zone of timestamps, which the protocol cannot state. Default `Europe/Stockholm`;
    /// `GATEWAY__FACADE__ANSWERS__TIME_ZONE`.
    pub time_zone: Zone,
}

/// The root element of lists of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrdersRoot {
    /// `orders`
    Orders,
    /// `serviceguide`
    Serviceguide,
}

/// The media type of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XmlType {
    /// `text/xml`
    Text,
    /// `application/xml`
    Application,
}

/// Which answers begin with an XML declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declaration {
    /// None.
    Never,
    /// Lists, and reads in the network dialect: those whose examples in the vendor's documents have one.
    AsDocumented,
    /// All.
    Always,
}

/// The HTTP status of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureStatus {
    /// The one in `code`.
    Http,
    /// 200 for every known failure.
    Ok,
}

/// The order of elements in failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureOrder {
    /// `status` before `response`.
    StatusFirst,
    /// `response` before `status`.
    ResponseFirst,
}

/// The answer to the read of an unknown id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFoundAnswer {
    /// The empty element of the method.
    Empty,
    /// A failure with code 404.
    Failed,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            orders_root: OrdersRoot::Orders,
            content_type: XmlType::Text,
            charset: Charset::UTF_8,
            declaration: Declaration::Always,
            failure_status: FailureStatus::Http,
            failure_order: FailureOrder::StatusFirst,
            not_found: NotFoundAnswer::Empty,
            time_zone: Zone::stockholm(),
        }
    }
}

impl Answers {
    pub(super) fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let declaration = settings.or_default("facade.answers.declaration", true, boolean);
        Self {
            orders_root: settings.or_default(
                "facade.answers.orders_root",
                default.orders_root,
                one_of([("orders", OrdersRoot::Orders), ("serviceguide", OrdersRoot::Serviceguide)]),
            ),
            content_type: settings.or_default(
                "facade.answers.content_type",
                default.content_type,
                one_of([("text/xml", XmlType::Text), ("application/xml", XmlType::Application)]),
            ),
            charset: settings.or_default("facade.answers.charset", default.charset, upstream::charset),
            declaration: if declaration { Declaration::Always } else { Declaration::Never },
            failure_status: settings.or_default(
                "facade.answers.failure_status",
                default.failure_status,
                one_of([("http", FailureStatus::Http), ("200", FailureStatus::Ok)]),
            ),
            failure_order: settings.or_default(
                "facade.answers.failure_order",
                default.failure_order,
                one_of([("status-first", FailureOrder::StatusFirst), ("response-first", FailureOrder::ResponseFirst)]),
            ),
            not_found: settings.or_default(
                "facade.answers.not_found",
                default.not_found,
                one_of([("empty", NotFoundAnswer::Empty), ("failed", NotFoundAnswer::Failed)]),
            ),
            time_zone: settings.or_default("facade.answers.time_zone", default.time_zone, upstream::zone),
        }
    }
}

/// Parses one of two words.
fn one_of<T: Copy>(words: [(&'static str, T); 2]) -> impl Fn(&str) -> Result<T, InvalidValue> {
    move |text| {
        let [(first, _), (second, _)] = words;
        let found = words.iter().find(|(word, _)| *word == text.trim());
        found.map(|(_, value)| *value).ok_or_else(|| InvalidValue::Expected(format!("{first} or {second}").into()))
    }
}
