//! The legacy endpoint over any [`Backend`](crate::backend::Backend), for programs that speak the legacy protocol.
//!
//! A request is checked in this order, so that a client learns nothing of what it may not see: path, HTTP method, form, legacy
//! method, caller, parameters. What comes before the legacy method is answered with an empty body, everything after it in the
//! form of the platform ([`answers`]).
//!
//! | | |
//! | --- | --- |
//! | [`request`] | parameters of the query and the form |
//! | [`clients`] | who may call |
//! | [`hash`] | login hashes and keys of messages: signed, not stored |
//! | [`calls`] | the methods |
//! | [`answers`] | the form of answers |
//! | [`failure`] | how calls fail, and the answer to each error |
//! | [`exchange`] | the access log and the metrics |

mod answers;
mod calls;
mod clients;
mod exchange;
mod failure;
mod hash;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::{ALLOW, HeaderValue};
use ipnet::IpNet;
use tokio::time::Instant;

use answers::{Answer, AnswerForm};
use calls::Call;
use clients::Clients;
use exchange::Exchange;
use failure::{Failure, Outcome};
use request::RawParams;

use super::codec::api_login;
use super::methods::{Method, MethodSpec};
use crate::backend::RequestContext;
use crate::client_address;
use crate::config::{Answers, Dialect};
use crate::idempotency::IdempotencyKey;
use crate::metrics::Metrics;
use crate::model::{NewMessage, OrderId};
use crate::request_body::BodyReader;

pub use clients::{Client, System};
pub use hash::Signer;

/// What the server needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The path of the endpoint.
    pub path: String,
    /// The dialect of the protocol.
    pub dialect: Dialect,
    /// The programs that may call.
    pub clients: Vec<Client>,
    /// Signs logins, which the provider dialect needs, and keys of messages.
    pub signer: Option<Signer>,
    /// The proxies whose `X-Forwarded-For` and `X-Request-ID` are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The form of answers.
    pub answers: Answers,
    /// Limits of requests.
    pub timeouts: Timeouts,
    /// The metrics that requests are counted in.
    pub metrics: Metrics,
}

/// Limits of requests.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Of a request that is not a list.
    pub request: Duration,
    /// Of a whole list.
    pub list: Duration,
    /// Of reading a form.
    pub body: Duration,
}

#[derive(Debug)]
struct Endpoint {
    path: String,
    dialect: Dialect,
    clients: Clients,
    trusted_proxies: Vec<IpNet>,
    form: Arc<AnswerForm>,
    timeouts: Timeouts,
    metrics: Metrics,
    bodies: BodyReader,
}

/// The endpoint; other paths are 404.
pub fn router(settings: Settings) -> Router {
    let Settings { path, dialect, clients, signer, trusted_proxies, answers, timeouts, metrics } = settings;
    let clients = Clients::new(dialect, clients, signer);
    let form = Arc::new(AnswerForm::new(answers, dialect));
    let bodies = BodyReader::default();
    let endpoint = Endpoint { path, dialect, clients, trusted_proxies, form, timeouts, metrics, bodies };
    Router::new().fallback(handle).with_state(Arc::new(endpoint))
}

async fn handle(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let address = client_address::resolve_exactly(&request, &endpoint.trusted_proxies);
    let exchange = Exchange::begin(&request, address, &endpoint.metrics);
    let context = RequestContext::with_completion_hook(endpoint.timeouts.request, Arc::clone(&exchange) as _);
    let answer = endpoint.answer(request, &context, &exchange).await;
    exchange.finish(answer, context)
}

impl Endpoint {
    async fn answer(&self, request: Request, context: &RequestContext, exchange: &Arc<Exchange>) -> Answer {
        if request.uri().path() != self.path {
            return Answer::empty(StatusCode::NOT_FOUND, Outcome::Refused);
        }
        if !matches!(*request.method(), http::Method::GET | http::Method::POST) {
            let mut answer = Answer::empty(StatusCode::METHOD_NOT_ALLOWED, Outcome::Refused);
            answer.response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
            return answer;
        }
        let is_repeatable = client_address::is_from_trusted_proxy(&request, &self.trusted_proxies);
        let deadline = context.deadline().min(Instant::now() + self.timeouts.body);
        let params = match RawParams::read(request, &self.bodies, deadline).await {
            Ok(params) => params,
            Err(status) if status.is_server_error() => return Answer::empty(status, Outcome::Unavailable),
            Err(status) => return Answer::empty(status, Outcome::Refused),
        };
        let Some(method) = self.method(&params) else { return self.form.failure("error", Failure::unknown_method()) };
        exchange.record_call(method.name);
        let answer = self.call(method, &params, is_repeatable, context, exchange).await;
        answer.unwrap_or_else(|failure| self.form.failure(self.form.root(method), failure))
    }

    /// The method that is called, if the dialect has it.
    fn method(&self, params: &RawParams) -> Option<&'static MethodSpec> {
        let name = std::str::from_utf8(params.only("method")?).ok()?;
        MethodSpec::parse(name).filter(|method| self.dialect == Dialect::Provider || method.method != Method::ApiLogin)
    }

    async fn call(
        &self,
        method: &'static MethodSpec,
        params: &RawParams,
        is_repeatable: bool,
        context: &RequestContext,
        exchange: &Arc<Exchange>,
    ) -> Result<Answer, Failure> {
        let client = exchange.address.and_then(|address| self.clients.authenticate(method.method, params, address));
        let client = client.ok_or_else(Failure::unknown_caller)?;
        exchange.record_client(&client.name);
        let params = &params.decode(client.charset)?;
        if method.method == Method::ApiLogin {
            api_login::read_request(params)?;
            let hash = self.clients.login_hash(client).ok_or_else(Failure::unknown_caller)?;
            return Ok(self.form.success(method, |xml| api_login::encode(&hash, xml)));
        }
        let context = &context.with_client(Arc::clone(&client.name));
        let message_key = |order: OrderId, message: &NewMessage| -> Option<IdempotencyKey> {
            let request_id = exchange.request_id.as_ref().filter(|_| is_repeatable)?.to_str().ok()?;
            IdempotencyKey::parse(&self.clients.signer()?.message_key(&client.name, order, message, request_id)).ok()
        };
        let call = Call {
            method,
            params,
            client,
            context,
            list_context: &context.with_deadline(Instant::now() + self.timeouts.list),
            exchange,
            form: &self.form,
            dialect: self.dialect,
            message_key: &message_key,
        };
        call.run().await
    }
}
