//! A backend whose calls end as a test says.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use jiff::civil::Date;
use parking_lot::Mutex;
use tjansteguiden_gateway::backend::{
    Backend, Error, Item, Items, Receipt, RequestContext, Result, Sent, Snapshot, UndecodableItem, WriteError, WriteResult,
};
use tjansteguiden_gateway::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus, Person};
use tjansteguiden_gateway::resilience::Reserved;

/// How calls end.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// They succeed. Lists have these ids.
    Ids(Vec<u64>),
    /// With this error.
    Error(Error),
    /// Lists have these ids, and then fail.
    IdsThenError(Vec<u64>, Error),
    /// Lists have these ids in one batch, and then an item that cannot be decoded.
    IdsThenUndecodable(Vec<u64>),
    /// They panic.
    Panic,
    /// Everything read has this name.
    Named(&'static str),
}

/// A backend, and the writes that it received.
#[derive(Debug)]
pub(crate) struct ScriptedBackend {
    script: Script,
    /// The idempotency key and the text of each message.
    pub(crate) messages: Mutex<Vec<(Option<String>, String)>>,
}

impl ScriptedBackend {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, messages: Mutex::default() }
    }

    fn list<T: Send + 'static>(&self, item: fn(u64) -> T) -> Result<Items<T>> {
        let batch = |ids: &[u64]| -> Vec<Item<T>> { ids.iter().map(|id| Item::Decoded(item(*id))).collect() };
        let batches = |ids: &[u64]| -> Vec<Result<Vec<Item<T>>>> { ids.iter().map(|id| Ok(batch(&[*id]))).collect() };
        let batches = match &self.script {
            Script::Ids(ids) => batches(ids),
            Script::Error(error) => return Err(error.clone()),
            Script::IdsThenError(ids, error) => batches(ids).into_iter().chain([Err(error.clone())]).collect(),
            Script::IdsThenUndecodable(ids) => {
                let undecodable = Item::Undecodable(UndecodableItem { position: 1, id: None, detail: "it has no id" });
                vec![Ok(batch(ids).into_iter().chain([undecodable]).collect())]
            }
            Script::Panic => panic!("19121212-1212 is in no answer"),
            Script::Named(_) => batches(&[1]),
        };
        Ok(stream::iter(batches).boxed())
    }

    fn read(&self) -> Result<()> {
        match &self.script {
            Script::Error(error) | Script::IdsThenError(_, error) => Err(error.clone()),
            Script::Panic => panic!("19121212-1212 is in no answer"),
            Script::Ids(_) | Script::IdsThenUndecodable(_) | Script::Named(_) => Ok(()),
        }
    }

    fn write(&self) -> WriteResult {
        self.read().map_err(WriteError::from)?;
        Ok(Receipt { sent: Sent::now(), logged_at: None })
    }

    fn person(&self) -> Person {
        match self.script {
            Script::Named(name) => Person { first_name: Some(name.into()), ..Person::default() },
            _ => Person::default(),
        }
    }
}

#[async_trait]
impl Backend for ScriptedBackend {
    async fn orders(&self, _: &RequestContext, _: Date) -> Result<Items<ListedOrder>> {
        self.list(|id| Order::new(OrderId::try_new(id).expect("an id")).into())
    }

    async fn order_info(&self, _: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        self.read()?;
        Ok(Snapshot { value: Order::new(id).into(), clock_skew: None })
    }

    async fn customers(&self, _: &RequestContext, _: Date) -> Result<Items<Customer>> {
        self.list(|id| Customer { id: CustomerId::try_new(id).expect("an id"), person: Person::default() })
    }

    async fn customer_info(&self, _: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        self.read()?;
        Ok(Customer { id, person: self.person() }.into())
    }

    async fn set_status(&self, _: &RequestContext, _: OrderId, _: OrderStatus) -> WriteResult {
        self.write()
    }

    async fn add_message(&self, context: &RequestContext, _: OrderId, message: NewMessage) -> WriteResult {
        let key = context.message_key().map(|key| key.as_str().to_owned());
        self.messages.lock().push((key, message.text.expose().to_owned()));
        self.write()
    }

    fn check_message(&self, _: OrderId, _: &NewMessage) -> Result<()> {
        Ok(())
    }
}
