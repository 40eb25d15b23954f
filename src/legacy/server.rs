//! The legacy endpoint over any [`Backend`]: what programs meet that were written for the real one.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, StreamExt};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use uuid::Uuid;

use super::codec::{add_message, api_login, customer_info, customers, order_info, orders, set_status};
use super::methods::{Method, MethodSpec};
use super::query::{BadRequest, QueryParams};
use super::xml::Writer;
use crate::backend::{Backend, Error, Item, Items, RequestContext};
use crate::charset::Charset;
use crate::config::Dialect;
use crate::model::Customer;

/// Which form of the protocol is spoken, and who may call.
#[derive(Debug, Clone)]
pub struct Access {
    /// The form of the protocol.
    pub dialect: Dialect,
    /// The user that callers must name: on every call of network operators, on the login of providers.
    pub api_user: SecretString,
    /// The key that providers must name on their login.
    pub api_key: SecretString,
    /// Whether an address may call.
    pub allows: fn(IpAddr) -> bool,
}

#[derive(Clone)]
struct Endpoint {
    backend: Arc<dyn Backend>,
    access: Arc<Access>,
    /// When each hash ends that providers were given.
    logins: Arc<Mutex<HashMap<String, Instant>>>,
}

/// How long a hash is good. It cannot be prolonged.
const LOGIN_LASTS: Duration = Duration::from_mins(20);
/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The endpoint at `path`; every other path is 404. `HEAD` is refused, because a `GET` may write.
pub fn router(path: &str, backend: Arc<dyn Backend>, access: Access) -> Router {
    Router::new().route(path, get(answer).head(|| async { StatusCode::METHOD_NOT_ALLOWED })).with_state(Endpoint {
        backend,
        access: Arc::new(access),
        logins: Arc::default(),
    })
}

/// What goes wrong with a call, in the words of the legacy protocol.
struct Failure {
    status: StatusCode,
    /// `None` where nobody can say that the call failed: then there must be no envelope that says so.
    message: Option<String>,
}

impl Failure {
    fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: Some(message.to_owned()) }
    }
}

impl From<BadRequest> for Failure {
    fn from(BadRequest(message): BadRequest) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::NotFound => StatusCode::NOT_FOUND,
            Error::UnencodableInput { .. } => StatusCode::BAD_REQUEST,
            Error::OutcomeUnknown { .. } => return Self { status: StatusCode::GATEWAY_TIMEOUT, message: None },
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match error {
            Error::Refused { message: Some(message) } => Self { status, message: message.to_display() },
            other => Self { status, message: Some(other.to_string()) },
        }
    }
}

async fn answer(
    State(endpoint): State<Endpoint>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Response {
    let request = QueryParams::decode(query.as_deref().unwrap_or_default(), Charset::UTF_8);
    let Some(call) = request.get("method").ok().and_then(MethodSpec::parse) else {
        return failed("error", &Failure::new(StatusCode::NOT_FOUND, "method is not valid"));
    };
    let answered = if (endpoint.access.allows)(peer.ip()) && endpoint.knows_caller(call, &request) {
        endpoint.run(call, &request).await
    } else {
        Err(Failure::new(StatusCode::FORBIDDEN, "Access denied"))
    };
    let response = answered.unwrap_or_else(|failure| failed(call.name, &failure));
    tracing::info!(legacy.call = call.name, status = response.status().as_u16(), "call");
    response
}

impl Endpoint {
    fn knows_caller(&self, call: &MethodSpec, request: &QueryParams) -> bool {
        let is = |name, expected: &SecretString| request.get(name).is_ok_and(|value| value == expected.expose_secret());
        match (self.access.dialect, call.method) {
            (Dialect::Network, _) => is("api_user", &self.access.api_user),
            (Dialect::Provider, Method::ApiLogin) => {
                is("api_user", &self.access.api_user) && is("api_key", &self.access.api_key)
            }
            (Dialect::Provider, _) => request.get("hash").is_ok_and(|hash| self.is_logged_in(hash)),
        }
    }

    fn is_logged_in(&self, hash: &str) -> bool {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.get(hash).is_some_and(|end| Instant::now() < *end)
    }

    /// Gives out a new hash, and forgets those that have ended.
    fn log_in(&self) -> String {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        logins.retain(|_, end| now < *end);
        let hash = Uuid::new_v4().simple().to_string();
        logins.insert(hash.clone(), now + LOGIN_LASTS);
        hash
    }

    async fn run(&self, call: &MethodSpec, request: &QueryParams) -> Result<Response, Failure> {
        let context = &RequestContext::within(DEADLINE);
        let (backend, dialect) = (&self.backend, self.access.dialect);
        match call.method {
            Method::ApiLogin if dialect == Dialect::Network => Err(Failure::new(StatusCode::NOT_FOUND, "method is not valid")),
            Method::ApiLogin => {
                api_login::read_request(request)?;
                Ok(written(call, |xml| api_login::encode(&self.log_in(), xml)))
            }
            Method::Orders => {
                let items = backend.orders(context, orders::read_request(request)?).await?;
                Ok(list(call, Envelope::of_orders(dialect), items, orders::encode).await?)
            }
            Method::OrderInfo => {
                let order = found(backend.order_info(context, order_info::read_request(request)?).await)?;
                Ok(read(call, dialect, |xml| order.iter().for_each(|order| order_info::encode(&order.value, xml))))
            }
            Method::Customers => {
                let items = backend.customers(context, customers::read_request(request)?).await?;
                let encode = move |customer: &Customer, xml: &mut Writer| customers::encode(customer, dialect, xml);
                Ok(list(call, Envelope::of_customers(dialect), items, encode).await?)
            }
            Method::CustomerInfo => {
                let customer = found(backend.customer_info(context, customer_info::read_request(request)?).await)?;
                Ok(read(call, dialect, |xml| {
                    if let Some(customer) = &customer {
                        customer_info::encode(customer, dialect, xml);
                    }
                }))
            }
            Method::SetStatus => {
                let (id, status) = set_status::read_request(request)?;
                backend.set_status(context, id, status).await.map_err(|error| error.source)?;
                Ok(written(call, |xml| set_status::encode(id, status, xml)))
            }
            Method::AddMessage => {
                let (id, message) = add_message::read_request(request)?;
                backend.add_message(context, id, message).await.map_err(|error| error.source)?;
                Ok(written(call, |xml| add_message::encode(id, xml)))
            }
        }
    }
}

/// Reads of unknown ids answer an empty element, as far as is known.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(Error::NotFound) => Ok(None),
        answer => answer.map(Some),
    }
}

fn read(call: &MethodSpec, dialect: Dialect, inside: impl FnOnce(&mut Writer)) -> Response {
    match dialect {
        Dialect::Provider => written(call, inside),
        Dialect::Network => {
            let mut xml = Writer::document();
            xml.element(call.name, inside);
            respond(StatusCode::OK, Body::from(xml.into_string()))
        }
    }
}

/// An answer that tells its outcome.
fn written(call: &MethodSpec, response: impl FnOnce(&mut Writer)) -> Response {
    let mut xml = Writer::default();
    xml.element(call.name, |xml| {
        xml.element("response", response);
        xml.text("status", "success");
    });
    respond(StatusCode::OK, Body::from(xml.into_string()))
}

fn failed(root: &str, failure: &Failure) -> Response {
    let Some(message) = &failure.message else { return respond(failure.status, Body::empty()) };
    let mut xml = Writer::default();
    xml.element(root, |xml| {
        xml.text("status", "failed");
        xml.element("response", |xml| {
            xml.text("code", failure.status.as_str());
            xml.text("message", message);
        });
    });
    respond(failure.status, Body::from(xml.into_string()))
}

/// What stands around the items of a list: network operators get no outcome, and for customers not even a `response`.
#[derive(Debug, Clone, Copy)]
struct Envelope {
    has_response: bool,
    has_status: bool,
}

impl Envelope {
    fn of_orders(dialect: Dialect) -> Self {
        Self { has_response: true, has_status: dialect == Dialect::Provider }
    }

    fn of_customers(dialect: Dialect) -> Self {
        let is_provider = dialect == Dialect::Provider;
        Self { has_response: is_provider, has_status: is_provider }
    }
}

/// A list that is written as its items come. It begins with the first, so that a fault before it can be told; one that
/// cannot be completed breaks off the connection.
async fn list<T: Send + 'static>(
    call: &MethodSpec,
    envelope: Envelope,
    mut items: Items<T>,
    encode: impl Fn(&T, &mut Writer) + Send + 'static,
) -> Result<Response, Error> {
    let first = items.next().await.transpose()?;
    let items = stream::iter(first.map(Ok)).chain(items);
    let mut head = Writer::document();
    let mut tail = Writer::default();
    head.start(call.name);
    if envelope.has_response {
        head.start("response");
        tail.end("response");
    }
    if envelope.has_status {
        tail.text("status", "success");
    }
    tail.end(call.name);
    let pieces = items.map(move |items| {
        let mut xml = Writer::default();
        for item in items? {
            match item {
                Item::Decoded(item) => encode(&item, &mut xml),
                // The protocol has no way to tell, so the list must not look complete.
                Item::Undecodable(_) => return Err(Error::InvalidResponse { reason: "one of its items cannot be read" }),
            }
        }
        Ok::<_, Error>(xml.into_string())
    });
    let head = stream::once(async { Ok(head.into_string()) });
    let tail = stream::once(async { Ok(tail.into_string()) });
    Ok(respond(StatusCode::OK, Body::from_stream(head.chain(pieces).chain(tail))))
}

fn respond(status: StatusCode, body: Body) -> Response {
    (status, [(CONTENT_TYPE, "text/xml; charset=UTF-8")], body).into_response()
}
