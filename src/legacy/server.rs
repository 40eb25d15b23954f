//! The legacy endpoint over any [`Backend`], for programs that speak the legacy protocol.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, StreamExt};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use uuid::Uuid;

use super::codec::{add_message, api_login, customer_info, customers, order_info, orders, set_status};
use super::methods::{Method, MethodSpec};
use super::query::{InvalidParams, QueryParams};
use super::xml::Writer;
use crate::backend::{Backend, Error, Item, Items, RequestContext};
use crate::charset::Charset;
use crate::config::Dialect;
use crate::model::{Customer, ListedOrder};

/// The dialect of the endpoint and the clients that it accepts.
#[derive(Debug, Clone)]
pub struct EndpointAccess {
    /// The dialect of the protocol.
    pub dialect: Dialect,
    /// The user that clients must send: in the network dialect with every call, in the provider dialect with the login.
    pub api_user: SecretString,
    /// The key that clients must send with the login of the provider dialect.
    pub api_key: SecretString,
    /// Whether calls from a source address are accepted.
    pub allows: fn(IpAddr) -> bool,
}

#[derive(Clone)]
struct Endpoint {
    backend: Arc<dyn Backend>,
    access: Arc<EndpointAccess>,
    /// The session hashes of the provider dialect, and when each expires.
    sessions: Arc<Mutex<HashMap<String, Instant>>>,
}

/// How long a session hash is valid. It cannot be renewed.
const SESSION_LIFETIME: Duration = Duration::from_mins(20);
/// Timeout of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The endpoint at `path`; other paths are 404. `HEAD` is rejected, because axum would run the `GET` handler, which may write.
pub fn router(path: &str, backend: Arc<dyn Backend>, access: EndpointAccess) -> Router {
    Router::new().route(path, get(handle).head(|| async { StatusCode::METHOD_NOT_ALLOWED })).with_state(Endpoint {
        backend,
        access: Arc::new(access),
        sessions: Arc::default(),
    })
}

/// A failed call, as the protocol reports it.
struct Failure {
    status: StatusCode,
    /// `None` if the outcome is unknown: the answer then has no envelope, because an envelope would report a failure.
    message: Option<String>,
}

impl Failure {
    fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: Some(message.to_owned()) }
    }
}

impl From<InvalidParams> for Failure {
    fn from(InvalidParams(message): InvalidParams) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::NotFound => StatusCode::NOT_FOUND,
            Error::UnencodableInput { .. } => StatusCode::BAD_REQUEST,
            Error::OutcomeUnknown { .. } | Error::Contradicted { .. } => {
                return Self { status: StatusCode::GATEWAY_TIMEOUT, message: None };
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match error {
            Error::Refused { message: Some(message) } => Self { status, message: message.to_display() },
            other => Self { status, message: Some(other.to_string()) },
        }
    }
}

async fn handle(
    State(endpoint): State<Endpoint>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Response {
    let params = QueryParams::decode(query.as_deref().unwrap_or_default(), Charset::UTF_8);
    let Some(method) = params.get("method").ok().and_then(MethodSpec::parse) else {
        return failure_response("error", &Failure::new(StatusCode::NOT_FOUND, "method is not valid"));
    };
    let result = if (endpoint.access.allows)(peer.ip()) && endpoint.is_authenticated(method, &params) {
        endpoint.run(method, &params).await
    } else {
        Err(Failure::new(StatusCode::FORBIDDEN, "Access denied"))
    };
    let response = result.unwrap_or_else(|failure| failure_response(method.name, &failure));
    tracing::info!(legacy.call = method.name, status = response.status().as_u16(), "call");
    response
}

impl Endpoint {
    fn is_authenticated(&self, method: &MethodSpec, params: &QueryParams) -> bool {
        let is = |name, expected: &SecretString| params.get(name).is_ok_and(|value| value == expected.expose_secret());
        match (self.access.dialect, method.method) {
            (Dialect::Network, _) => is("api_user", &self.access.api_user),
            (Dialect::Provider, Method::ApiLogin) => {
                is("api_user", &self.access.api_user) && is("api_key", &self.access.api_key)
            }
            (Dialect::Provider, _) => params.get("hash").is_ok_and(|hash| self.is_valid_session(hash)),
        }
    }

    fn is_valid_session(&self, hash: &str) -> bool {
        self.sessions.lock().get(hash).is_some_and(|expiry| Instant::now() < *expiry)
    }

    /// Creates a session and returns its hash. Removes expired sessions, so that their number stays bounded.
    fn create_session(&self) -> String {
        let hash = Uuid::new_v4().simple().to_string();
        let now = Instant::now();
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, expiry| now < *expiry);
        sessions.insert(hash.clone(), now + SESSION_LIFETIME);
        hash
    }

    async fn run(&self, method: &MethodSpec, params: &QueryParams) -> Result<Response, Failure> {
        let context = &RequestContext::within(CALL_TIMEOUT);
        let (backend, dialect) = (&self.backend, self.access.dialect);
        match method.method {
            Method::ApiLogin if dialect == Dialect::Network => Err(Failure::new(StatusCode::NOT_FOUND, "method is not valid")),
            Method::ApiLogin => {
                api_login::read_request(params)?;
                Ok(success_response(method, |xml| api_login::encode(&self.create_session(), xml)))
            }
            Method::Orders => {
                let items = backend.orders(context, orders::read_request(params)?).await?;
                let encode = |order: ListedOrder, xml: &mut Writer| orders::encode(&order.into_order(), xml);
                Ok(list_response(method, ListEnvelope::of_orders(dialect), items, encode).await?)
            }
            Method::OrderInfo => {
                let order = or_empty(backend.order_info(context, order_info::read_request(params)?).await)?;
                Ok(read_response(method, dialect, |xml| order.iter().for_each(|order| order_info::encode(&order.value, xml))))
            }
            Method::Customers => {
                let items = backend.customers(context, customers::read_request(params)?).await?;
                let encode = move |customer: Customer, xml: &mut Writer| customers::encode(&customer, dialect, xml);
                Ok(list_response(method, ListEnvelope::of_customers(dialect), items, encode).await?)
            }
            Method::CustomerInfo => {
                let customer = or_empty(backend.customer_info(context, customer_info::read_request(params)?).await)?;
                Ok(read_response(method, dialect, |xml| {
                    if let Some(customer) = &customer {
                        customer_info::encode(customer, dialect, xml);
                    }
                }))
            }
            Method::SetStatus => {
                let (id, status) = set_status::read_request(params)?;
                backend.set_status(context, id, status).await.map_err(|error| error.source)?;
                Ok(success_response(method, |xml| set_status::encode(id, status, xml)))
            }
            Method::AddMessage => {
                let (id, message) = add_message::read_request(params)?;
                backend.add_message(context, id, message).await.map_err(|error| error.source)?;
                Ok(success_response(method, |xml| add_message::encode(id, xml)))
            }
        }
    }
}

/// `None` for an unknown id. The protocol documents no answer for it, and clients recognise an empty method element.
fn or_empty<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(Error::NotFound) => Ok(None),
        result => result.map(Some),
    }
}

/// The answer to a read of one entity. In the network dialect it has neither `response` nor `status`.
fn read_response(method: &MethodSpec, dialect: Dialect, write_data: impl FnOnce(&mut Writer)) -> Response {
    match dialect {
        Dialect::Provider => success_response(method, write_data),
        Dialect::Network => {
            let mut xml = Writer::document();
            xml.element(method.name, write_data);
            xml_response(StatusCode::OK, Body::from(xml.into_string()))
        }
    }
}

/// An answer with `<status>success</status>`: to writes and logins, and to reads in the provider dialect.
fn success_response(method: &MethodSpec, write_data: impl FnOnce(&mut Writer)) -> Response {
    let mut xml = Writer::default();
    xml.element(method.name, |xml| {
        xml.element("response", write_data);
        xml.text("status", "success");
    });
    xml_response(StatusCode::OK, Body::from(xml.into_string()))
}

fn failure_response(root: &str, failure: &Failure) -> Response {
    let Some(message) = &failure.message else { return xml_response(failure.status, Body::empty()) };
    let mut xml = Writer::default();
    xml.element(root, |xml| {
        xml.text("status", "failed");
        xml.element("response", |xml| {
            xml.text("code", failure.status.as_str());
            xml.text("message", message);
        });
    });
    xml_response(failure.status, Body::from(xml.into_string()))
}

/// The elements around the items of a list. In the network dialect a list has no `status`, and customers no `response` either.
#[derive(Debug, Clone, Copy)]
struct ListEnvelope {
    has_response: bool,
    has_status: bool,
}

impl ListEnvelope {
    fn of_orders(dialect: Dialect) -> Self {
        Self { has_response: true, has_status: dialect == Dialect::Provider }
    }

    fn of_customers(dialect: Dialect) -> Self {
        let is_provider = dialect == Dialect::Provider;
        Self { has_response: is_provider, has_status: is_provider }
    }
}

/// A list that is streamed as its items arrive. The head is sent after the first item, so that an earlier error can be
/// reported; a later one aborts the connection.
async fn list_response<T: Send + 'static>(
    method: &MethodSpec,
    envelope: ListEnvelope,
    mut items: Items<T>,
    encode: impl Fn(T, &mut Writer) + Send + 'static,
) -> Result<Response, Error> {
    let first = items.next().await.transpose()?;
    let items = stream::iter(first.map(Ok)).chain(items);
    let mut head = Writer::document();
    let mut tail = Writer::default();
    head.start(method.name);
    if envelope.has_response {
        head.start("response");
        tail.end("response");
    }
    if envelope.has_status {
        tail.text("status", "success");
    }
    tail.end(method.name);
    let chunks = items.map(move |batch| {
        let mut xml = Writer::default();
        for item in batch? {
            match item {
                Item::Decoded(item) => encode(item, &mut xml),
                // The protocol cannot report an undecodable item, and without it the list must not look complete.
                Item::Undecodable(_) => return Err(Error::InvalidResponse { reason: "one of its items cannot be read" }),
            }
        }
        Ok::<_, Error>(xml.into_string())
    });
    let head = stream::once(async { Ok(head.into_string()) });
    let tail = stream::once(async { Ok(tail.into_string()) });
    Ok(xml_response(StatusCode::OK, Body::from_stream(head.chain(chunks).chain(tail))))
}

fn xml_response(status: StatusCode, body: Body) -> Response {
    (status, [(CONTENT_TYPE, "text/xml; charset=UTF-8")], body).into_response()
}
