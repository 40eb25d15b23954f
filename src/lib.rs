//! A bidirectional gateway between JSON over HTTP and the legacy order API of Tjänsteguiden.
//!
//! ```text
//!                front ends                    port                    backends
//! JSON clients ───► rest::router ───┐                       ┌──► legacy::client ──► legacy system (XML)
//!                                   ├──► trait Backend ─────┼──► rest::client   ──► JSON system
//! legacy clients ─► legacy::server ─┘                       └──► memory         (embedded, for demo and tests)
//! ```
//!
//! Any front end runs over any backend: the *gateway* is REST over a legacy client, the *facade* is the legacy endpoint over
//! other systems, the *simulator* is the same endpoint over memory, and the *demo* is a gateway in front of a simulator with a
//! real socket between them. A comparison is a front end of its own: it reads two backends.
//!
//! # Modules
//!
//! Dependencies point one way; a test compares this table with the `use` lines of the sources.
//!
//! | Module | Idea | Uses |
//! | --- | --- | --- |
//! | [`model`] | orders, customers, log entries, identifiers, time, PII: no HTTP, no XML, no JSON |  |
//! | [`resilience`] | concurrency limit, byte budget, circuit breaker, retry budget, backoff, rate limit, keyed lock: know nothing of orders |  |
//! | [`charset`] | character sets of legacy requests and answers |  |
//! | [`client_address`] | the address of a client, also behind trusted proxies |  |
//! | [`request_body`] | bodies of requests: received whole, with a bound for all connections together |  |
//! | [`tls`] | certificates, keys and rustls configurations |  |
//! | [`metrics`] | Prometheus metrics |  |
//! | [`config`] | settings from file and environment; files that are reloaded | `charset`, `model`, `resilience`, `tls` |
//! | [`http_client`] | outgoing connections: addresses, proxy, TLS, pool, when nothing was sent, causes of failure | `config`, `metrics`, `model`, `tls` |
//! | [`idempotency`] | idempotency keys and the markers that stand for them in a log | `config`, `model` |
//! | [`backend`] | the port: one method per legacy method; coalescing, admission and retries, records of calls | `idempotency`, `metrics`, `model`, `resilience` |
//! | [`legacy`] | the legacy protocol, client and server | `audit`, `backend`, `charset`, `client_address`, `config`, `http_client`, `idempotency`, `metrics`, `model`, `request_body`, `resilience` |
//! | [`memory`] | a legacy system in memory, with injected faults | `backend`, `model`, `resilience` |
//! | [`auth`] | authentication: API keys, JWT, JWKS; the principal | `config`, `http_client`, `metrics`, `model`, `resilience` |
//! | [`audit`] | the audit log: who wrote, who was shown PII | `auth`, `model` |
//! | [`request`] | what the middleware knows of a request and its handler needs | `audit`, `backend` |
//! | [`writes`] | the outcome of writes: verification, preconditions, idempotency, what is in doubt | `audit`, `backend`, `idempotency`, `metrics`, `model`, `resilience` |
//! | [`quality_values`] | weighted lists in request headers: `Accept`, `Accept-Encoding` |  |
//! | [`content_coding`] | content codings of responses: `zstd`, `br`, `gzip` | `quality_values` |
//! | [`problem`] | RFC 9457 problems: codes, their explanations, bodies |  |
//! | [`rest`] | the REST protocol, server and client: routes, extractors, DTOs, lists, the OpenAPI document | `audit`, `auth`, `backend`, `config`, `content_coding`, `http_client`, `idempotency`, `metrics`, `model`, `problem`, `quality_values`, `request`, `request_body`, `resilience`, `writes` |
//! | [`middleware`] | what every request passes: request scope, authentication, limits, CORS, compression | `audit`, `auth`, `backend`, `client_address`, `content_coding`, `metrics`, `problem`, `request`, `resilience` |
//! | [`compare`] | which orders of two systems differ, and in which fields | `backend`, `config`, `idempotency`, `model` |
//! | [`server`] | sockets: accept, timeouts, drain | `config` |
//! | [`telemetry`] | logs | `audit`, `config`, `model` |
//! | [`ops`] | the operations port: probes, metrics, drift report | `legacy`, `metrics`, `server`, `telemetry` |
//! | [`commands`] | composition: one file per command | `auth`, `backend`, `charset`, `compare`, `config`, `http_client`, `idempotency`, `legacy`, `memory`, `metrics`, `middleware`, `model`, `ops`, `resilience`, `rest`, `server`, `writes` |
//!
//! # Glossary
//!
//! | Term | Meaning here |
//! | --- | --- |
//! | upstream, legacy system | the system behind the gateway: *upstream* in configuration, metrics and errors, *legacy system* in prose |
//! | principal | the authenticated identity of a request; *client* is the program that sends it |
//! | call, attempt | one call of a legacy method with its retries; one HTTP exchange with the upstream |
//! | admission, permit | what a call waits for: a place in the concurrency limit and the circuit breaker's consent |
//! | facade, system | the legacy protocol for programs that speak nothing else; what is behind it, by its name in the configuration |
//! | moved meanwhile | what `compare` saw differ, and not any more when it looked again |
//! | half-open, probe | the breaker state that lets one read through to test the upstream |
//! | retry budget | tokens that retries are paid from, deposited by first attempts |
//! | coalescing (single-flight) | equal reads in flight share one call; an *uncached* read joins none |
//! | preflight read | reading the order before a conditional or keyed write |
//! | read-back | reading the order after a write to learn its outcome (verification) |
//! | in doubt | a write that was sent and whose outcome is not known yet |
//! | transition | an observed change of an order's status |
//! | idempotency key, marker | what the client sends; what stands before the text in the log, made from the key |
//! | log entry | one message in an order's log |
//! | evidence | what a read-back shows that proves a write was applied |
//! | contested | a conditional change that another writer's change met between the preflight read and the read-back |
//! | envelope | the elements around the payload of a legacy answer: root, `response`, `status` |
//! | recognised | an answer with the expected structure; everything else is unrecognised and never a success |
//! | layout cache | remembered element sequences of list items, the fast path for lists |
//! | compact order | a listed order whose values all have the usual form: decoded without a tree, written without a serializer |
//! | schema drift | elements, values and charsets in answers that the decoder does not know; counted by name, never by value |
//! | open, closed enum | `status` and `type` pass unknown values through when read, and are checked when written |
//! | undecodable item | a list item that cannot be read; it is reported, the others are delivered |
//! | PII, masked | personal data; what a principal without `personal-data:read` sees of it |
//! | problem | an RFC 9457 error response |
//! | stale | a JWKS or file content that is older than its time to live and still in use |
//! | debounce | file changes count when two consecutive polls read the same content |
//! | drain | from SIGTERM to exit: finish what has begun, accept nothing new |
//! | access log, audit log | one line per request; each write and each disclosure of PII, the latter of one resource in the line of its request |
//!
//! # One request, step by step
//!
//! `GET /orders/20417` arrives on a connection of [`server`]. [`middleware`] assigns a request id and a deadline, [`auth`]
//! authenticates the principal, and the router calls `rest/routes/get_order.rs`. The handler's arguments are extractors that
//! validate: the path must hold a possible order id, the query must be empty, the client must accept JSON. The handler then
//! asks the [`backend`] for `order_info`. [`legacy::client`] encodes the query string, sends it through
//! `legacy/resilient_transport.rs` (admission, retries), and parses the XML as it arrives: `legacy/response_parser.rs`
//! recognises the answer, `legacy/codec/order_info.rs` decodes the order. The handler encodes it as JSON (`rest/dto/order.rs`)
//! with an ETag, or turns the error into a [`problem`], whose body the middleware renders together with the request id. When
//! the response ends, the access log gets one line, which also is the audit record of the disclosure.
//!
//! A write takes another path: [`writes`] sends it once, runs it to completion even if the client disconnects, and reads the
//! order back when the answer does not prove the outcome.

pub mod audit;
pub mod auth;
pub mod backend;
pub mod charset;
pub mod client_address;
pub mod commands;
pub mod compare;
pub mod config;
pub mod content_coding;
pub mod http_client;
pub mod idempotency;
pub mod legacy;
pub mod memory;
pub mod metrics;
pub mod middleware;
pub mod model;
pub mod ops;
pub mod problem;
pub mod quality_values;
pub mod request;
pub mod request_body;
pub mod resilience;
pub mod rest;
pub mod server;
pub mod telemetry;
pub mod tls;
pub mod writes;
