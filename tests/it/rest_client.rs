//! The client of a JSON system: over the gateway itself, and over a server that sends scripted answers.

mod lists;
mod over_the_gateway;
mod reads;
pub(crate) mod scripted;
mod writes;

use std::time::Duration;

use futures_util::StreamExt;
use tjansteguiden_gateway::backend::{Backend, Error, Item, RequestContext};
use tjansteguiden_gateway::config::JsonBackend;
use tjansteguiden_gateway::metrics::Metrics;
use tjansteguiden_gateway::model::{CustomerId, MessageType, NewMessage, OrderId, Zone};
use tjansteguiden_gateway::resilience::ByteBudget;
use tjansteguiden_gateway::rest::client::Client;

/// How long a request may take here.
const REQUEST: Duration = Duration::from_secs(3);

/// A client of the system at `url`, as `edit` configures it.
fn client(url: &str, edit: impl FnOnce(&mut JsonBackend)) -> Client {
    let mut backend = JsonBackend::new(url.parse().expect("a URL"));
    backend.timeout = Duration::from_millis(500);
    backend.breaker.enabled = false;
    edit(&mut backend);
    let metrics = Metrics::default().upstream("new");
    Client::try_new(&backend, Zone::stockholm(), ByteBudget::default(), metrics).expect("a client")
}

fn context() -> RequestContext {
    RequestContext::within(REQUEST)
}

fn order(id: u64) -> OrderId {
    OrderId::try_new(id).expect("an id")
}

fn customer(id: u64) -> CustomerId {
    CustomerId::try_new(id).expect("an id")
}

fn message(text: &str) -> NewMessage {
    NewMessage { kind: MessageType::Log, text: text.into() }
}

/// What a list of orders returns: the ids of its items, `?` for those that cannot be decoded, and how it ended.
async fn listed(client: &Client) -> (Vec<String>, Result<(), Error>) {
    let mut items = match client.orders(&context(), "2016-03-14".parse().expect("a date")).await {
        Ok(items) => items,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut ids = Vec::new();
    while let Some(batch) = items.next().await {
        match batch {
            Ok(batch) => ids.extend(batch.into_iter().map(|item| match item {
                Item::Decoded(order) => order.id().to_string(),
                Item::Undecodable(_) => "?".to_owned(),
            })),
            Err(error) => return (ids, Err(error)),
        }
    }
    (ids, Ok(()))
}
