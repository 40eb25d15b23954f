//! Answers in the form of the platform, as it is configured.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use super::failure::{Failure, Outcome};
use crate::backend::Error;
use crate::config::{Answers, Declaration, Dialect, FailureOrder, FailureStatus, NotFoundAnswer, OrdersRoot, XmlType};
use crate::legacy::methods::{Method, MethodSpec};
use crate::legacy::xml::Writer;

/// A response, and what logs and metrics say about it.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) outcome: Outcome,
    /// Texts of it that lost characters which XML does not allow.
    pub(super) cleaned: u32,
}

impl Answer {
    /// An answer without a document.
    pub(super) fn empty(status: StatusCode, outcome: Outcome) -> Self {
        Self { response: status.into_response(), outcome, cleaned: 0 }
    }
}

/// The elements around the items of a list. In the network dialect a list has no `status`, and customers no `response` either.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListEnvelope {
    root: &'static str,
    has_response: bool,
    has_status: bool,
}

/// Writes answers to the calls of one dialect, in the configured form.
#[derive(Debug)]
pub(super) struct AnswerForm {
    answers: Answers,
    dialect: Dialect,
    content_type: HeaderValue,
}

impl AnswerForm {
    #[expect(clippy::expect_used, reason = "names of charsets are header values")]
    pub(super) fn new(answers: Answers, dialect: Dialect) -> Self {
        let media_type = match answers.content_type {
            XmlType::Text => "text/xml",
            XmlType::Application => "application/xml",
        };
        let content_type = format!("{media_type}; charset={}", answers.charset.name());
        Self { answers, dialect, content_type: HeaderValue::try_from(content_type).expect("a header value") }
    }

    /// The answer to a read of one order or customer. In the network dialect it has neither `response` nor `status`.
    pub(super) fn entity(&self, method: &MethodSpec, write_data: impl FnOnce(&mut Writer)) -> Answer {
        match self.dialect {
            Dialect::Provider => self.success(method, write_data),
            Dialect::Network => {
                let mut xml = self.document(Declaration::AsDocumented);
                xml.element(method.name, write_data);
                self.answer(StatusCode::OK, xml, Outcome::Success)
            }
        }
    }

    /// The answer to a read of an unknown id. The protocol documents none; clients recognise an empty method element.
    pub(super) fn not_found(&self, method: &MethodSpec) -> Answer {
        match self.answers.not_found {
            NotFoundAnswer::Empty => self.entity(method, |_| ()),
            NotFoundAnswer::Failed => self.failure(self.root(method), Failure::of_read(Error::NotFound)),
        }
    }

    /// An answer with `<status>success</status>`: to writes and logins, and to reads in the provider dialect.
    pub(super) fn success(&self, method: &MethodSpec, write_data: impl FnOnce(&mut Writer)) -> Answer {
        let mut xml = self.document(Declaration::Always);
        xml.element(method.name, |xml| {
            xml.element("response", write_data);
            xml.text("status", "success");
        });
        self.answer(StatusCode::OK, xml, Outcome::Success)
    }

    pub(super) fn failure(&self, root: &str, failure: Failure) -> Answer {
        let Failure::Known { status, message, retry_after, outcome } = failure else {
            return Answer::empty(StatusCode::GATEWAY_TIMEOUT, Outcome::Unknown);
        };
        let mut xml = self.document(Declaration::Always);
        xml.start(root);
        let write_response = |xml: &mut Writer| {
            xml.element("response", |xml| {
                xml.text("code", status.as_str());
                xml.text("message", &message);
            });
        };
        match self.answers.failure_order {
            FailureOrder::StatusFirst => {
                xml.text("status", "failed");
                write_response(&mut xml);
            }
            FailureOrder::ResponseFirst => {
                write_response(&mut xml);
                xml.text("status", "failed");
            }
        }
        xml.end(root);
        let sent = if self.answers.failure_status == FailureStatus::Ok { StatusCode::OK } else { status };
        let mut answer = self.answer(sent, xml, outcome);
        if let Some(time) = retry_after {
            // Rounded up: a request that comes too early is refused again.
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            answer.response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        answer
    }

    /// The root element of the answers to a method.
    pub(super) const fn root(&self, method: &MethodSpec) -> &'static str {
        match (method.method, self.answers.orders_root) {
            (Method::Orders, OrdersRoot::Serviceguide) => "serviceguide",
            _ => method.name,
        }
    }

    pub(super) fn list_envelope(&self, method: &MethodSpec) -> ListEnvelope {
        let is_provider = self.dialect == Dialect::Provider;
        let has_response = is_provider || method.method == Method::Orders;
        ListEnvelope { root: self.root(method), has_response, has_status: is_provider }
    }

    /// What stands before the items of a list.
    pub(super) fn list_head(&self, envelope: ListEnvelope) -> Writer {
        let mut xml = self.document(Declaration::AsDocumented);
        xml.start(envelope.root);
        if envelope.has_response {
            xml.start("response");
        }
        xml
    }

    /// A part of a document.
    pub(super) fn encode(&self, xml: Writer) -> Vec<u8> {
        self.answers.charset.encode_xml(xml.into_string())
    }

    /// A streamed answer.
    pub(super) fn stream(&self, body: Body) -> Answer {
        Answer { response: self.response(StatusCode::OK, body), outcome: Outcome::Success, cleaned: 0 }
    }

    /// A document, with a declaration if documents have one for which `least` is enough.
    fn document(&self, least: Declaration) -> Writer {
        let mut xml = Writer::default();
        let configured = self.answers.declaration;
        if configured == Declaration::Always || configured == least {
            xml.declaration(self.answers.charset.name());
        }
        xml
    }

    fn answer(&self, status: StatusCode, xml: Writer, outcome: Outcome) -> Answer {
        let cleaned = xml.cleaned();
        Answer { response: self.response(status, Body::from(self.encode(xml))), outcome, cleaned }
    }

    fn response(&self, status: StatusCode, body: Body) -> Response {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, self.content_type.clone())]);
        (status, headers, body).into_response()
    }
}

impl ListEnvelope {
    /// What stands after the items of a list.
    pub(super) fn tail(self) -> Writer {
        let mut xml = Writer::default();
        if self.has_response {
            xml.end("response");
        }
        if self.has_status {
            xml.text("status", "success");
        }
        xml.end(self.root);
        xml
    }
}
