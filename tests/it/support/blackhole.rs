//! Addresses that do not answer.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::eventually;

/// An address that swallows connection attempts, as a dead machine or a firewall does: its accept queue is full.
pub(crate) struct Blackhole {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Blackhole {
    pub(crate) async fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut queue = Vec::new();
        eventually("the accept queue is full", async || {
            let connected = tokio::time::timeout(std::time::Duration::from_millis(200), TcpStream::connect(address)).await;
            let Ok(connected) = connected else { return true };
            queue.push(connected.expect("a connection"));
            false
        })
        .await;
        Self { address, _listener: listener, _queue: queue }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}
