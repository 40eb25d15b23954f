//! The legacy system of the load harness, as a program of its own so that it can run on the other core.
//!
//! `load_stub 127.0.0.1:PORT`

#![expect(clippy::expect_used, reason = "a measuring tool; a failure ends it")]

mod stub_server;

use tokio::io;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: load_stub ADDRESS:PORT");
    stub_server::run(TcpListener::bind(&address).await?).await
}
