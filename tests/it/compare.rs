//! `compare`: two legacy systems with scripted differences, over real sockets.

mod differences;
mod faults;
mod json_system;
mod limits;
mod program;
mod secrecy;

use std::collections::{BTreeMap, HashMap};

use clap::Parser;
use parking_lot::Mutex;
use serde_json::Value;
use tjansteguiden_gateway::commands::compare::{self, Options};
use tjansteguiden_gateway::config::SystemsConfig;

use crate::support::{Reply, Upstream, log};

/// What a run of the command reports.
struct Outcome {
    code: u8,
    text: String,
    json: Value,
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
}

/// Runs `compare old new` in this process, whose log is searched for personal data at level TRACE, without pauses.
async fn compare(old: &str, new: &str, arguments: &[&str]) -> Outcome {
    let since = ["old", "new", "--since", "2026-09-01", "--settle", "0s", "--rate", "1000"];
    let command_line = CommandLine::parse_from(since.iter().chain(arguments));
    report(&configuration(old, new, &[]), &command_line.options).await
}

async fn report(config: &SystemsConfig, options: &Options) -> Outcome {
    log::capture();
    let report = compare::compare(config, options, std::future::pending()).await.expect("both systems are configured");
    let mut json: Value = serde_json::from_str(&report.to_json().expect("JSON")).expect("JSON");
    json.as_object_mut().expect("an object").remove("durationMs").expect("a duration");
    Outcome { code: report.outcome().exit_code(), text: report.to_text(), json }
}

fn configuration(old: &str, new: &str, settings: &[(&str, &str)]) -> SystemsConfig {
    let systems = [("OLD__URL", old), ("OLD__API_USER", "1234"), ("NEW__URL", new), ("NEW__API_USER", "1234")];
    let variables = systems.iter().chain(settings);
    let variables = variables.map(|(name, value)| (format!("GATEWAY__UPSTREAMS__{name}"), (*value).to_owned()));
    SystemsConfig::load(None, variables).expect("a valid configuration")
}

/// A legacy system with scripted answers.
#[derive(Default)]
struct Fake {
    /// The element in the list, and the elements of the details.
    orders: BTreeMap<u64, [String; 2]>,
    customers: BTreeMap<u64, [String; 2]>,
    /// Other answers to queries that contain a text: each for one of them, in this order; then the last one for all others.
    answers: Vec<(&'static str, Vec<Option<Reply>>)>,
}

impl Fake {
    /// Orders with these ids, each of a customer of its own.
    fn with_orders(ids: impl IntoIterator<Item = u64>) -> Self {
        let ids: Vec<u64> = ids.into_iter().collect();
        let orders = ids.iter().map(|id| (*id, [listed_order(*id), order_details(*id)])).collect();
        let customers = ids.iter().map(|id| (*id, [listed_customer(*id), customer_details(*id)])).collect();
        Self { orders, customers, answers: Vec::new() }
    }

    /// Changes an order in the list.
    fn listing(mut self, id: u64, from: &str, to: &str) -> Self {
        replace(&mut self.orders.get_mut(&id).expect("an order")[0], from, to);
        self
    }

    /// Changes the details of an order.
    fn detailing(mut self, id: u64, from: &str, to: &str) -> Self {
        replace(&mut self.orders.get_mut(&id).expect("an order")[1], from, to);
        self
    }

    /// Changes a customer in the list and in its details.
    fn customer(mut self, id: u64, from: &str, to: &str) -> Self {
        let customer = self.customers.get_mut(&id).expect("a customer");
        assert!(customer.iter().any(|text| text.contains(from)), "{from} is not in {customer:?}");
        for text in customer {
            *text = text.replace(from, to);
        }
        self
    }

    fn without_order(mut self, id: u64) -> Self {
        self.orders.remove(&id).expect("an order");
        self
    }

    /// Answers queries that contain `query` with these one after the other, `None` as usual; the last one counts for the rest.
    fn answering(mut self, query: &'static str, answers: Vec<Option<Reply>>) -> Self {
        self.answers.push((query, answers));
        self
    }

    async fn start(self) -> Upstream {
        let counts = Mutex::new(HashMap::<&'static str, usize>::new());
        Upstream::responding_to(move |query| {
            for (part, answers) in &self.answers {
                if query.contains(part) {
                    let mut counts = counts.lock();
                    let number = counts.entry(part).or_default();
                    *number += 1;
                    if let Some(reply) = &answers[(*number - 1).min(answers.len() - 1)] {
                        return reply.clone();
                    }
                }
            }
            Reply::xml(&self.document(query))
        })
        .await
    }

    fn document(&self, query: &str) -> String {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let id: u64 = value("id").and_then(|id| id.parse().ok()).unwrap_or_default();
        let method = value("method").expect("a method");
        let list = |items: &BTreeMap<u64, [String; 2]>| items.values().map(|item| item[0].as_str()).collect::<String>();
        let details = |items: &BTreeMap<u64, [String; 2]>| items.get(&id).map(|item| item[1].clone()).unwrap_or_default();
        let content = match method {
            "orders" => format!("<response>{}</response>", list(&self.orders)),
            "customers" => list(&self.customers),
            "order_info" => details(&self.orders),
            "customer_info" => details(&self.customers),
            method => panic!("{method} is no read"),
        };
        format!("<{method}>{content}</{method}>")
    }
}

fn replace(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "{from} is not in {text}");
    *text = text.replace(from, to);
}

fn listed_order(id: u64) -> String {
    format!(
        "<order><id>{id}</id><type>order</type><date>2026-09-01 09:05:00</date><status>new</status><service>3105</service>\
         <xsp>40210</xsp><delivery>asap</delivery><customer>{id}</customer></order>"
    )
}

fn order_details(id: u64) -> String {
    format!(
        "<orderinfo><date>2026-09-01 09:05</date><type>order</type><status>new</status><delivery>asap</delivery>\
         <provider>Ljusbolaget</provider><service_id>3105</service_id><service>100/100</service><category>Internet</category>\
         <service_uid>00100100</service_uid><citynet>Exempelnät</citynet></orderinfo>\
         <customer><id>{id}</id><socket>KC0101A06</socket><serial>191212121212</serial><firstname>Tolvan</firstname>\
         <surname>Tolvansson</surname><email>tolvan@example.com</email><address>Exempelgatan 12</address><zip>01234</zip>\
         <city>Åsele</city><message>Ring på dörren</message><phone>0701740605</phone><premise>508-004-06-0302</premise></customer>\
         <logs><log><date>2026-09-01 09:05:00</date><message>Saved order for 191212121212</message><type>system</type></log>\
         <log><date>2026-09-01 09:05:10</date><message>Ring 070-1740605</message><type>log</type></log></logs>\
         <serviceinfo><data><name>fee</name><monthly>222</monthly></data></serviceinfo>"
    )
}

fn listed_customer(id: u64) -> String {
    format!(
        "<customer><id>{id}</id><socket>KC0101A06</socket><serial>XXXXXXXXXX</serial><firstname>Tolvan</firstname>\
         <surname>Tolvansson</surname><email>tolvan@example.com</email></customer>"
    )
}

fn customer_details(id: u64) -> String {
    format!(
        "<customer><id>{id}</id><socket>KC0101A06</socket><serial>191212121212</serial><firstname>Tolvan</firstname>\
         <surname>Tolvansson</surname><email>tolvan@example.com</email><address>Exempelgatan 12</address><zip>01234</zip>\
         <city>Åsele</city><member>1234</member></customer><data><message>Ring på dörren</message><phone>0701740605</phone>\
         <premise>508-004-06-0302</premise></data>"
    )
}

/// The ids and fields of the orders that differ.
fn different(subject: &Value) -> Vec<(u64, Vec<&str>)> {
    let different = subject["different"].as_array().expect("an array").iter();
    different
        .map(|order| {
            let fields = order["fields"].as_array().expect("an array").iter().map(|name| name.as_str().expect("a name"));
            (order["id"].as_u64().expect("an id"), fields.collect())
        })
        .collect()
}
