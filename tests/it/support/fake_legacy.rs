//! The simulated order system behind a proxy that breaks what passes, as a real network and a real server do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tjansteguiden_gateway::backend::{Backend, RequestContext};
use tjansteguiden_gateway::config::{self, Dialect};
use tjansteguiden_gateway::legacy::server::{Access, router};
use tjansteguiden_gateway::memory::Memory;
use tjansteguiden_gateway::model::{Extensible, Message, Order, OrderId, OrderStatus};
use tjansteguiden_gateway::server::{Limits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::soon;

const PATH: &str = "/admin/edit/services/plain/orders";
/// The first order of the simulated system.
pub(crate) const FIRST_ORDER: u64 = 20_417;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The connection closes before the call arrives.
    Drop,
    /// The same with a reset.
    Reset,
    /// Something in between answers a page, and the call does not arrive.
    Page(u16),
    /// The call arrives; its answer is cut after so many bytes.
    Cut(usize),
    /// The call arrives; instead of its answer comes a reset.
    AnswerReset,
    /// The call arrives; its answer does not come.
    Hang,
    /// The call arrives; its answer comes byte by byte and never ends.
    Drip,
    /// The answer takes so much longer.
    Delay(Duration),
    /// The connection closes at once, and the call arrives that much later.
    Late(Duration),
}

/// A simulated order system that can be reached through its proxy only.
pub(crate) struct System {
    memory: Arc<Memory>,
    address: SocketAddr,
    calls: Arc<Calls>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Calls {
    queries: Mutex<Vec<String>>,
    /// Calls that have not been dealt with to the end, late ones included.
    open: AtomicUsize,
}

impl Drop for System {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl System {
    /// One in which the call with each query string meets a fault.
    pub(crate) async fn with_faults(fault: impl Fn(&str) -> Fault + Send + Sync + 'static) -> Self {
        Self::of(200, fault).await
    }

    /// The same with so many orders.
    pub(crate) async fn of(orders: u32, fault: impl Fn(&str) -> Fault + Send + Sync + 'static) -> Self {
        let memory = Arc::new(Memory::seeded(orders));
        let access = Access {
            dialect: if super::is_provider() { Dialect::Provider } else { Dialect::Network },
            api_user: "1234".into(),
            api_key: "KEY".into(),
            allows: |_| true,
        };
        let limits = Limits { max_connections: 4096, ..Limits::from(&config::Server::default()) };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let backend = Arc::clone(&memory) as Arc<dyn Backend>;
        let server = Server::bind(any_port, router(PATH, backend, access), limits).await.expect("a free port");
        let behind = server.address();
        let simulator = tokio::spawn(async move {
            server.run(std::future::pending()).await;
        });
        let listener = TcpListener::bind(any_port).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (fault, calls) = (Arc::new(fault), Arc::new(Calls::default()));
        let counted = Arc::clone(&calls);
        let proxy = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (fault, calls) = (Arc::clone(&fault), Arc::clone(&counted));
                tokio::spawn(async move { pass(stream, behind, &*fault, &calls).await });
            }
        });
        Self { memory, address, calls, tasks: vec![simulator, proxy] }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// The query strings of all calls so far.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.calls.queries.lock().expect("no test panics inside").clone()
    }

    /// How many calls that write were sent so far.
    pub(crate) fn writes(&self) -> usize {
        self.queries().iter().filter(|query| is_write(query)).count()
    }

    /// Waits until every call has been dealt with, late ones included.
    pub(crate) async fn settled(&self) {
        soon("every call has been dealt with", async || self.calls.open.load(Ordering::SeqCst) == 0).await;
    }

    /// An order as it really is.
    pub(crate) async fn order(&self, id: u64) -> Order {
        let id = OrderId::parse(&id.to_string()).expect("an id");
        self.memory.order_info(&RequestContext::within(Duration::from_secs(1)), id).await.expect("an order").value
    }

    /// The texts in an order's log that contain this one.
    pub(crate) async fn texts_with(&self, id: u64, text: &str) -> Vec<String> {
        let has = |row: &Message| row.text.as_ref().map(|known| known.expose().to_owned()).filter(|known| known.contains(text));
        self.order(id).await.messages.unwrap_or_default().iter().filter_map(has).collect()
    }

    /// Changes an order from the side.
    pub(crate) async fn change(&self, id: u64, status: OrderStatus) {
        let id = OrderId::parse(&id.to_string()).expect("an id");
        let changed = self.memory.set_status(&RequestContext::within(Duration::from_secs(1)), id, status).await;
        changed.expect("an order");
    }

    /// The status of an order as it really is.
    pub(crate) async fn status(&self, id: u64) -> String {
        self.order(id).await.status.as_ref().map_or("", Extensible::as_str).to_owned()
    }
}

/// Whether a call writes.
pub(crate) fn is_write(query: &str) -> bool {
    query.contains("method=set_status") || query.contains("method=add_message")
}

/// Passes the calls of one connection on.
async fn pass(mut client: TcpStream, behind: SocketAddr, fault: &(impl Fn(&str) -> Fault + Sync), calls: &Arc<Calls>) {
    let _ = client.set_nodelay(true);
    while let Some(head) = head(&mut client).await {
        let query = head.split([' ', '?']).nth(2).unwrap_or_default().to_owned();
        // A login is not what is tested here.
        let fault = if query.contains("method=api_login") { Fault::None } else { fault(&query) };
        calls.queries.lock().expect("no test panics inside").push(query);
        let open = Unfinished::new(calls);
        match fault {
            Fault::None | Fault::Cut(_) | Fault::AnswerReset | Fault::Hang | Fault::Drip => {}
            Fault::Drop => return,
            Fault::Reset => return reset(&client),
            Fault::Page(status) => {
                let page = format!("HTTP/1.1 {status} Word\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\n<html/>");
                if client.write_all(page.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Late(time) => {
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    ask(behind, &head).await;
                    drop(open);
                });
                return;
            }
        }
        let answer = ask(behind, &head).await;
        drop(open);
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

/// A call that has not been dealt with.
struct Unfinished(Arc<Calls>);

impl Unfinished {
    fn new(calls: &Arc<Calls>) -> Self {
        calls.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(calls))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut piece).await {
            Ok(length @ 1..) => head.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// The whole answer of the simulator.
async fn ask(behind: SocketAddr, head: &str) -> Vec<u8> {
    let mut server = TcpStream::connect(behind).await.expect("the simulator listens");
    // The simulator ends the connection, so that its answer is known to be whole; the client's connection goes on.
    let request = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(request.as_bytes()).await.expect("the simulator reads");
    let mut answer = Vec::new();
    let _ = server.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.replacen("connection: close\r\n", "", 1).into_bytes()
}

fn reset(client: &TcpStream) {
    client.set_zero_linger().expect("a socket that lives");
}
