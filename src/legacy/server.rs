//! The legacy endpoint over any [`Backend`]: what programs meet that were written for the real one.

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
use secrecy::{ExposeSecret, SecretString};

use super::call::{Call, Method};
use super::request::{BadRequest, Request};
use super::wire::{add_message, customer_info, customers, order_info, orders, set_status};
use super::xml::Writer;
use crate::backend::{Backend, Context, Error, Item, Items};
use crate::charset::Charset;

/// Who may call: whoever names the right user from the right address.
#[derive(Debug, Clone)]
pub struct Access {
    /// The `api_user` that callers must name.
    pub api_user: SecretString,
    /// Whether an address may call.
    pub allows: fn(IpAddr) -> bool,
}

#[derive(Clone)]
struct Endpoint {
    backend: Arc<dyn Backend>,
    access: Arc<Access>,
}

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The endpoint at `path`; every other path is 404. `HEAD` is refused, because a `GET` may write.
pub fn router(path: &str, backend: Arc<dyn Backend>, access: Access) -> Router {
    Router::new()
        .route(path, get(answer).head(|| async { StatusCode::METHOD_NOT_ALLOWED }))
        .with_state(Endpoint { backend, access: Arc::new(access) })
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
            Error::Unsendable { .. } => StatusCode::BAD_REQUEST,
            Error::OutcomeUnknown { .. } => return Self { status: StatusCode::GATEWAY_TIMEOUT, message: None },
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match error {
            Error::Refused { message: Some(message) } => Self { status, message: Some(message) },
            other => Self { status, message: Some(other.to_string()) },
        }
    }
}

async fn answer(
    State(endpoint): State<Endpoint>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Response {
    let request = Request::decode(query.as_deref().unwrap_or_default(), Charset::UTF_8);
    let Some(call) = request.get("method").ok().and_then(Call::parse) else {
        return failed("error", &Failure::new(StatusCode::NOT_FOUND, "method is not valid"));
    };
    let is_known = request.get("api_user").is_ok_and(|user| user == endpoint.access.api_user.expose_secret());
    let answered = if is_known && (endpoint.access.allows)(peer.ip()) {
        endpoint.run(call, &request).await
    } else {
        Err(Failure::new(StatusCode::FORBIDDEN, "Access denied"))
    };
    answered.unwrap_or_else(|failure| failed(call.name, &failure))
}

impl Endpoint {
    async fn run(&self, call: &Call, request: &Request) -> Result<Response, Failure> {
        let context = &Context::within(DEADLINE);
        let backend = &self.backend;
        match call.method {
            Method::Orders => {
                let items = backend.orders(context, orders::read_request(request)?).await?;
                Ok(list(call, true, items, orders::encode).await?)
            }
            Method::OrderInfo => {
                let order = found(backend.order_info(context, order_info::read_request(request)?).await)?;
                Ok(read(call, |xml| order.iter().for_each(|order| order_info::encode(order, xml))))
            }
            Method::Customers => {
                let items = backend.customers(context, customers::read_request(request)?).await?;
                Ok(list(call, false, items, customers::encode).await?)
            }
            Method::CustomerInfo => {
                let customer = found(backend.customer_info(context, customer_info::read_request(request)?).await)?;
                Ok(read(call, |xml| customer.iter().for_each(|customer| customer_info::encode(customer, xml))))
            }
            Method::SetStatus => {
                let (id, status) = set_status::read_request(request)?;
                backend.set_status(context, id, status).await?;
                Ok(written(call, |xml| set_status::encode(id, status, xml)))
            }
            Method::AddMessage => {
                let (id, message) = add_message::read_request(request)?;
                backend.add_message(context, id, message).await?;
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

fn read(call: &Call, inside: impl FnOnce(&mut Writer)) -> Response {
    let mut xml = Writer::document();
    xml.element(call.name, inside);
    respond(StatusCode::OK, Body::from(xml.into_string()))
}

fn written(call: &Call, response: impl FnOnce(&mut Writer)) -> Response {
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

/// A list that is written as its items come. It begins with the first, so that a fault before it can be told; one that
/// cannot be completed breaks off the connection.
async fn list<T>(call: &Call, in_response: bool, mut items: Items<T>, encode: fn(&T, &mut Writer)) -> Result<Response, Error>
where
    T: Send + 'static,
{
    const PIECE: usize = 128;
    let first = items.next().await.transpose()?;
    let items = stream::iter(first.map(Ok)).chain(items);
    let mut head = Writer::document();
    let mut tail = Writer::default();
    head.start(call.name);
    if in_response {
        head.start("response");
        tail.end("response");
    }
    tail.end(call.name);
    let pieces = items.ready_chunks(PIECE).map(move |items| {
        let mut xml = Writer::default();
        for item in items {
            match item? {
                Item::Read(item) => encode(&item, &mut xml),
                // The protocol has no way to tell, so the list must not look complete.
                Item::Unreadable(_) => return Err(Error::AnswerInvalid { reason: "one of its items cannot be read" }),
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
