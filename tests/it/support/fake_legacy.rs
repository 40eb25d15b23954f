//! The simulator behind a TCP proxy that injects the faults of real networks and servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tjansteguiden_gateway::backend::{Backend, RequestContext};
use tjansteguiden_gateway::commands::simulate;
use tjansteguiden_gateway::config::{self, Dialect};
use tjansteguiden_gateway::memory::Memory;
use tjansteguiden_gateway::model::{Extensible, Message, Order, OrderId, OrderStatus};
use tjansteguiden_gateway::server::{Limits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::eventually;

const PATH: &str = "/admin/edit/services/plain/orders";
/// The id of the simulator's first order.
pub(crate) const FIRST_ORDER: u64 = 20_417;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The connection is closed before the request arrives.
    Drop,
    /// The connection is reset before the request arrives.
    Reset,
    /// An intermediary answers with an HTML page and this status; the request does not arrive.
    Html(u16),
    /// The request arrives; its answer is truncated to this number of bytes.
    Cut(usize),
    /// The request arrives; the connection is reset instead of an answer.
    AnswerReset,
    /// The request arrives; the answer never does.
    Hang,
    /// The request arrives; the answer comes byte by byte and never ends.
    Drip,
    /// The request and its answer arrive after this delay.
    Delay(Duration),
    /// The connection is closed immediately; the request arrives after this delay.
    Late(Duration),
}

/// A simulated legacy system, reached through the fault proxy.
pub(crate) struct FakeLegacy {
    memory: Arc<Memory>,
    address: SocketAddr,
    requests: Arc<Requests>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Requests {
    queries: Mutex<Vec<String>>,
    /// Requests that have not been processed yet, delayed ones included.
    pending: AtomicUsize,
}

impl Drop for FakeLegacy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl FakeLegacy {
    /// A system with 200 orders. `fault` chooses a fault by query string.
    pub(crate) async fn with_faults(fault: impl Fn(&str) -> Fault + Send + Sync + 'static) -> Self {
        Self::with_orders(200, fault).await
    }

    /// Like [`Self::with_faults`], with this number of orders.
    pub(crate) async fn with_orders(orders: u32, fault: impl Fn(&str) -> Fault + Send + Sync + 'static) -> Self {
        let memory = Arc::new(Memory::seeded(orders));
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = simulate::Options {
            listen: any_port,
            path: PATH.to_owned(),
            dialect: if super::is_provider() { Dialect::Provider } else { Dialect::Network },
            api_user: "1234".to_owned(),
            api_key: "KEY".to_owned(),
            orders,
            latency: Duration::ZERO,
            failure_rate: 0.0,
        };
        let limits = Limits { max_connections: 4096, ..Limits::from(&config::Server::default()) };
        let backend = Arc::clone(&memory) as Arc<dyn Backend>;
        let server = Server::bind(any_port, simulate::endpoint(&options, simulate::loopback(), backend), limits)
            .await
            .expect("a free port");
        let simulator_address = server.address();
        let simulator = tokio::spawn(async move {
            server.run(std::future::pending()).await;
        });
        let listener = TcpListener::bind(any_port).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (fault, requests) = (Arc::new(fault), Arc::new(Requests::default()));
        let recorded = Arc::clone(&requests);
        let proxy = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (fault, requests) = (Arc::clone(&fault), Arc::clone(&recorded));
                tokio::spawn(async move { serve(stream, simulator_address, &*fault, &requests).await });
            }
        });
        Self { memory, address, requests, tasks: vec![simulator, proxy] }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// The query strings of all requests so far.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.requests.queries.lock().clone()
    }

    /// The number of write requests so far.
    pub(crate) fn write_count(&self) -> usize {
        self.queries().iter().filter(|query| is_write(query)).count()
    }

    /// Waits until every request has been processed, delayed ones included.
    pub(crate) async fn wait_until_idle(&self) {
        eventually("every request is processed", async || self.requests.pending.load(Ordering::SeqCst) == 0).await;
    }

    /// An order, read past the gateway and the fault proxy.
    pub(crate) async fn order(&self, id: u64) -> Order {
        let id = OrderId::parse(&id.to_string()).expect("an id");
        self.memory
            .order_info(&RequestContext::within(Duration::from_secs(1)), id)
            .await
            .expect("an order")
            .value
            .into_owned()
            .expect("memory")
            .0
    }

    /// The texts in an order's log that contain `text`.
    pub(crate) async fn log_texts_containing(&self, id: u64, text: &str) -> Vec<String> {
        let matching =
            |entry: &Message| entry.text.as_ref().map(|text| text.expose().to_owned()).filter(|known| known.contains(text));
        self.order(id).await.messages.unwrap_or_default().iter().filter_map(matching).collect()
    }

    /// Changes an order's status past the gateway and the fault proxy.
    pub(crate) async fn set_status(&self, id: u64, status: OrderStatus) {
        let id = OrderId::parse(&id.to_string()).expect("an id");
        let changed = self.memory.set_status(&RequestContext::within(Duration::from_secs(1)), id, status).await;
        changed.expect("an order");
    }

    /// The status of an order, read past the gateway and the fault proxy.
    pub(crate) async fn status(&self, id: u64) -> String {
        self.order(id).await.status.as_ref().map_or("", Extensible::as_str).to_owned()
    }
}

/// Whether a query string calls a legacy method that writes.
pub(crate) fn is_write(query: &str) -> bool {
    query.contains("method=set_status") || query.contains("method=add_message")
}

/// Serves the requests of one connection, each with its fault.
async fn serve(
    mut client: TcpStream,
    simulator: SocketAddr,
    fault: &(impl Fn(&str) -> Fault + Sync),
    requests: &Arc<Requests>,
) {
    let _ = client.set_nodelay(true);
    while let Some(head) = read_head(&mut client).await {
        let query = head.split([' ', '?']).nth(2).unwrap_or_default().to_owned();
        // Logins of the provider dialect are not under test here.
        let fault = if query.contains("method=api_login") { Fault::None } else { fault(&query) };
        requests.queries.lock().push(query);
        let pending = PendingGuard::new(requests);
        match fault {
            Fault::None | Fault::Cut(_) | Fault::AnswerReset | Fault::Hang | Fault::Drip => {}
            Fault::Drop => return,
            Fault::Reset => return reset(&client),
            Fault::Html(status) => {
                let page = format!("HTTP/1.1 {status} Fault\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\n<html/>");
                if client.write_all(page.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Late(time) => {
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    forward(simulator, &head).await;
                    drop(pending);
                });
                return;
            }
        }
        let answer = forward(simulator, &head).await;
        drop(pending);
        match fault {
            Fault::Cut(length) => {
                let _ = client.write_all(answer.get(..length).unwrap_or(&answer)).await;
                return;
            }
            Fault::AnswerReset => return reset(&client),
            Fault::Hang => {
                let _ = tokio::time::timeout(Duration::from_mins(1), client.read_u8()).await;
                return;
            }
            Fault::Drip => {
                for byte in &answer[..answer.len() - 1] {
                    if client.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                let _ = tokio::time::timeout(Duration::from_mins(1), client.read_u8()).await;
                return;
            }
            _ => {
                if client.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Counts a request as pending until it is dropped.
struct PendingGuard(Arc<Requests>);

impl PendingGuard {
    fn new(requests: &Arc<Requests>) -> Self {
        requests.pending.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(requests))
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn read_head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut chunk).await {
            Ok(length @ 1..) => head.extend_from_slice(&chunk[..length]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Sends a request to the simulator, and returns its complete answer.
async fn forward(simulator: SocketAddr, head: &str) -> Vec<u8> {
    let mut server = TcpStream::connect(simulator).await.expect("the simulator listens");
    // The simulator closes its connection to mark the end of the answer; the client's connection is kept open.
    let request = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(request.as_bytes()).await.expect("the simulator reads");
    let mut answer = Vec::new();
    let _ = server.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.replacen("connection: close\r\n", "", 1).into_bytes()
}

fn reset(client: &TcpStream) {
    client.set_zero_linger().expect("an open socket");
}
