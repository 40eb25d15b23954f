//! The client over the gateway's own API, which stands in front of a simulated legacy system.

use tjansteguiden_gateway::backend::{Backend, Error};
use tjansteguiden_gateway::model::{Extensible, OrderStatus, Pii, Scope};

use super::{client, context, customer, listed, message, order};
use crate::support::{FakeLegacy, Gateway};

use crate::support::FIRST_ORDER;

/// A gateway in front of a simulated legacy system, and a client of the gateway.
struct Chain {
    legacy: FakeLegacy,
    gateway: Gateway,
}

impl Chain {
    async fn start(orders: u32) -> Self {
        let legacy = FakeLegacy::with_orders(orders, |_| crate::support::Fault::None).await;
        let gateway = Gateway::in_front_of_url(&legacy.url(), &[]).await;
        Self { legacy, gateway }
    }

    fn url(&self) -> String {
        format!("http://{}", self.gateway.address)
    }
}

#[tokio::test]
async fn orders_and_customers_are_those_of_the_legacy_system() {
    let chain = Chain::start(200).await;
    let client = client(&chain.url(), |_| {});
    let (ids, end) = listed(&client).await;
    assert_eq!((ids.len(), end), (200, Ok(())));
    for id in [FIRST_ORDER, FIRST_ORDER + 1, FIRST_ORDER + 198] {
        let read = client.order_info(&context(), order(id)).await.expect("an order");
        assert_eq!(*read.value, chain.legacy.order(id).await, "{id}");
    }
    let found = client.customer_info(&context(), customer(18_020)).await.expect("a customer");
    assert_eq!(found.person.first_name.as_ref().map(Pii::expose), Some("Tolvan"));
    assert_eq!(client.order_info(&context(), order(1)).await.map(|_| ()), Err(Error::NotFound));
    assert_eq!(client.customer_info(&context(), customer(1)).await.map(|_| ()), Err(Error::NotFound));
    assert!(client.scopes(&context()).await.expect("scopes").has(Scope::PersonalDataRead));
}

#[tokio::test]
async fn writes_are_applied_once() {
    let chain = Chain::start(3).await;
    let client = client(&chain.url(), |_| {});

    client.set_status(&context(), order(FIRST_ORDER), OrderStatus::Received).await.expect("applied");
    client.add_message(&context(), order(FIRST_ORDER), message("Åter klockan \"nio\"")).await.expect("applied");
    let unknown = client.add_message(&context(), order(1), message("hej")).await.map_err(|error| error.source);

    assert_eq!(unknown.map(|_| ()), Err(Error::NotFound));
    let read = client.order_info(&context(), order(FIRST_ORDER)).await.expect("an order").value;
    assert_eq!(read.status, Some(Extensible::Known(OrderStatus::Received)));
    let texts = read.messages.iter().flatten().filter_map(|entry| entry.text.as_ref()).map(Pii::expose);
    assert_eq!(texts.filter(|text| *text == "Åter klockan \"nio\"").count(), 1);
}

#[tokio::test]
async fn invalid_message_is_unsendable_with_its_reason() {
    let chain = Chain::start(1).await;
    let added = client(&chain.url(), |_| {}).add_message(&context(), order(FIRST_ORDER), message(" ")).await;
    let Err(Error::UnencodableInput { detail }) = added.map_err(|error| error.source) else { panic!("another error") };
    assert_eq!(detail, "must not be blank");
}

#[tokio::test]
async fn long_list_is_read_to_its_end() {
    let chain = Chain::start(5_000).await;
    let (ids, end) = listed(&client(&chain.url(), |backend| backend.timeout = std::time::Duration::from_secs(10))).await;
    assert_eq!((ids.len(), end), (5_000, Ok(())));
}
