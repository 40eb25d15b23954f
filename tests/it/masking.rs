//! What clients without the scope `personal-data:read` see.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ALL_SCOPES, Answer, ApiClient, Gateway, Reply, Upstream, borrowed};

const SCOPES_WITHOUT_PII: &str = "orders:read,orders:write,customers:read";

async fn gateway(upstream: &Upstream) -> Gateway {
    let clients = [("full", ALL_SCOPES), ("masked", SCOPES_WITHOUT_PII)];
    let variables: Vec<_> =
        clients.into_iter().flat_map(|(name, scopes)| ApiClient { name, upstream: "default", scopes }.variables()).collect();
    Gateway::with(upstream, &borrowed(&variables)).await
}

async fn get(gateway: &Gateway, client: &str, target: &str, accept: &str) -> Answer {
    gateway.send(gateway.request(Method::GET, target).bearer_auth(client).header("accept", accept)).await
}

/// `value` with its PII masked, as the gateway is expected to do it.
fn mask(mut value: Value) -> Value {
    match &mut value {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = mask(item.take())),
        Value::Object(members) => {
            for member in ["email", "phone", "address", "premise"] {
                members.remove(member);
            }
            // Only the `message` of a customer is PII; `lastName` identifies a customer.
            if members.contains_key("lastName") {
                members.remove("message");
            }
            for (name, member) in members {
                match (name.as_str(), member.as_str()) {
                    ("personalIdentityNumber", Some("191212121212")) => *member = json!("19121212-****"),
                    ("personalIdentityNumber", Some(_)) => *member = json!("****"),
                    ("text", Some(text)) => {
                        *member = json!(text.replace("191212121212", "****").replace("order@example.net", "****"));
                    }
                    _ => *member = mask(member.take()),
                }
            }
        }
        _ => {}
    }
    value
}

#[tokio::test]
async fn pii_and_etags_depend_on_the_scope() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = gateway(&upstream).await;

    for target in [
        "/orders/20417",
        "/orders/20417/status",
        "/orders/20417/messages",
        "/orders?since=2016-03-14",
        "/orders?since=2016-03-14&limit=1&expand=detail",
        "/customers/18020",
        "/customers?since=2016-03-14",
        "/customers?since=2016-03-14&limit=2",
    ] {
        let full = get(&gateway, "full", target, "*/*").await;
        let masked = get(&gateway, "masked", target, "*/*").await;
        assert_eq!(masked.ok(), mask(full.ok()), "{target}");

        if !full.header("etag").is_empty() {
            assert_eq!(full.header("etag") == masked.header("etag"), full.body == masked.body, "{target}");
        }

        for pii in ["191212121212", "0701740605", "tolvan@example.com", "Exempelgatan", "508-004", "Ring på"] {
            assert!(!masked.body.contains(pii), "{pii} in {target}");
        }
    }

    let lines = get(&gateway, "masked", "/customers?since=2016-03-14", "application/x-ndjson").await;

    assert!(!lines.body.contains("email") && lines.body.ends_with("{\"complete\":true,\"count\":2}\n"), "{}", lines.body);
}

/// PII is masked in the text that clients read, not in the bytes that spell it.
#[tokio::test]
async fn pii_is_masked_however_it_is_spelled_in_the_document() {
    for (message, masked) in [
        (
            &b"Ring 070\xe2\x80\x93174 06 05 p\xc3\xa5 \xc3\x96vre \xc3\x85sgatan, \xc3\xa5tg\xc3"[..],
            "Ring **** på Övre Åsgatan, åtg",
        ),
        (b"Ring 070\x96174 06 05 p\xc3\xa5 \xd6vre", "Ring **** på Övre"),
        (b"Ring 070&#150;174 06 05 p\xe5", "Ring **** på"),
        (b"Kund <b>19121212</b>-1212<br/>p\xc3\xa5", "Kund ****\npå"),
        (b"Kund 191212&#49;21212", "Kund ****"),
        (b"Skriv till <a href='x'>tolvan<i>@</i>example.com</a>", "Skriv till ****"),
    ] {
        let document = [
            b"<order_info><orderinfo><status>new</status></orderinfo><logs><log><message>",
            message,
            b"</message></log></logs></order_info>",
        ];
        let upstream = Upstream::responding_with(Reply::new(200, "text/xml", &document.concat())).await;
        let gateway = gateway(&upstream).await;

        let answer = get(&gateway, "masked", "/orders/1/messages", "*/*").await;

        assert_eq!(answer.ok()["items"][0]["text"], masked, "{}", answer.body);
    }
}

/// Spellings of an identity number, a phone number and an e-mail address, as they arrive after XML is decoded.
const SPELLINGS: [&str; 16] = [
    "19121212-1212",
    "19121212&amp;nbsp;1212",
    "&lt;b&gt;19121212&lt;/b&gt;-1212",
    "19121212-12 12",
    "19121212,1212",
    "19121212:1212",
    "19121212*1212",
    "19121212·1212",
    "191212-T121",
    "131052-308T",
    "070:1740605",
    "701740605",
    "070–174 06 05",
    "tolvan @example.com",
    "tolvan(at)example.com",
    "tolvan&amp;#64;example.com",
];

/// What is left of a spelling that was not masked completely.
fn find_remains(body: &str) -> Option<&'static str> {
    ["1212", "T121", "131052", "1740605", "06 05", "example.com"].into_iter().find(|remains| body.contains(remains))
}

/// An answer in which every text that a client without the scope gets ends with this spelling.
fn document(root: &str, spelling: &str) -> String {
    let list_item = format!(
        "<order><id>7</id><type>flytt {spelling}</type><status>new {spelling}</status><date>2016-03-14 09:05:02</date>\
         <customer>1</customer></order>"
    );
    let customer = format!(
        "<customer><id>1</id><firstname>Tolvan {spelling}</firstname><surname>Tolvansson {spelling}</surname>\
         <city>Åsele {spelling}</city><member>{spelling}</member><message>{spelling}</message><phone>{spelling}</phone>\
         <email>{spelling}</email><serial>{spelling}</serial></customer>"
    );
    let info = format!(
        "<orderinfo><type>flytt {spelling}</type><status>new {spelling}</status></orderinfo>{customer}\
         <serviceprovider><name>Ljusbolaget {spelling}</name></serviceprovider>\
         <logs><log><date>2016-03-14 09:05:02</date><type>log {spelling}</type><message>kl 08.00-12.00, {spelling}</message></log>\
         </logs><serviceinfo><data><name>n {spelling}</name><value>v {spelling}</value><monthly_fee>222 {spelling}</monthly_fee>\
         </data></serviceinfo>"
    );
    match root {
        "orders" => format!("<orders><response>{list_item}</response></orders>"),
        "customers" => format!("<customers><response>{customer}</response></customers>"),
        "customer_info" => format!("<customer_info>{customer}</customer_info>"),
        root => format!("<{root}>{info}</{root}>"),
    }
}

#[tokio::test]
async fn every_spelling_is_masked_in_every_text_of_every_route() {
    for spelling in SPELLINGS {
        let answer = move |query: &str| {
            let root =
                ["orders", "customers", "customer_info"].into_iter().find(|root| query.contains(&format!("method={root}&")));
            Reply::xml(&document(root.unwrap_or("order_info"), spelling))
        };
        let upstream = Upstream::responding_to(answer).await;
        let gateway = gateway(&upstream).await;

        for target in [
            "/orders/7",
            "/orders/7/status",
            "/orders/7/messages",
            "/orders?since=2016-03-14",
            "/orders?since=2016-03-14&limit=1&expand=detail",
            "/customers/1",
            "/customers?since=2016-03-14",
        ] {
            let masked = get(&gateway, "masked", target, "*/*").await;

            assert_eq!(masked.status, 200, "{spelling} in {target}: {}", masked.body);
            assert_eq!(find_remains(&masked.body), None, "{spelling} in {target}: {}", masked.body);
        }

        let messages = get(&gateway, "masked", "/orders/7/messages", "*/*").await.ok();
        let text = messages["items"][0]["text"].as_str().unwrap_or_default();
        assert!(text.starts_with("kl 08.00-12.00, ") && text.contains("****"), "{spelling}: {text}");
    }
}

#[tokio::test]
async fn times_dates_and_announced_numbers_stay() {
    let texts = [
        "Tekniker kommer 21/3 kl 08.00-12.00",
        "2016-03-14 - 2016-03-21",
        "ordernr 0012345, serienr 0123456789, kundnr 18020, fakturanr 0012345",
        "Kund 18020, lgh 1201, VLAN 101-110, MAC 00:11:22:33:44:55, -18,5 dBm, 508-004-06-0302",
    ];
    for text in texts {
        let upstream =
            Upstream::responding_with(Reply::xml(&document("order_info", "").replace("kl 08.00-12.00, ", text))).await;
        let gateway = gateway(&upstream).await;

        let messages = get(&gateway, "masked", "/orders/7/messages", "*/*").await.ok();

        assert_eq!(messages["items"][0]["text"], text);
    }
}

#[tokio::test]
async fn upstream_message_of_a_refused_read_needs_the_scope() {
    let upstream = Upstream::responding_to(|query| {
        let root = ["orders", "customers", "customer_info", "add_message", "set_status"];
        let root = root.into_iter().find(|root| query.contains(&format!("method={root}&"))).unwrap_or("order_info");
        Reply::xml(&format!("<{root}><status>failed</status><message>Kalle Anka bor inte kvar</message></{root}>"))
    });
    let upstream = upstream.await;
    let gateway = gateway(&upstream).await;

    for target in [
        "/orders/1",
        "/orders/1/status",
        "/orders/1/messages",
        "/orders?since=2016-03-14",
        "/orders?since=2016-03-14&limit=5",
        "/orders?since=2016-03-14&limit=5&expand=detail",
        "/customers/1",
        "/customers?since=2016-03-14",
        "/customers?since=2016-03-14&limit=5",
    ] {
        let full = get(&gateway, "full", target, "*/*").await.problem(502, "refused-by-upstream");
        let masked = get(&gateway, "masked", target, "*/*").await.problem(502, "refused-by-upstream");

        assert_eq!(full["upstreamMessage"], "Kalle Anka bor inte kvar", "{target}");
        assert_eq!(masked["upstreamMessage"], Value::Null, "{target}");
    }

    // The read that comes before a conditional or keyed write is a read.
    let change = gateway.request(Method::PATCH, "/orders/1/status").bearer_auth("masked").header("if-match", "*");
    let change = change.header("content-type", "application/json").body(r#"{"status":"received"}"#);
    let problem = gateway.send(change).await.json();
    assert_eq!(problem["upstreamMessage"], Value::Null, "{problem}");
}

/// Without an id, nothing of such a customer is left to see.
#[tokio::test]
async fn customer_without_visible_members_is_absent() {
    let order = "<order_info><orderinfo><status>new</status></orderinfo>\
                 <customer><id>0</id><phone>0701740605</phone></customer><logs/></order_info>";
    let upstream = Upstream::responding_with(Reply::xml(order)).await;
    let gateway = gateway(&upstream).await;

    assert_eq!(get(&gateway, "full", "/orders/1", "*/*").await.ok()["customer"], json!({"phone": "0701740605"}));
    assert_eq!(get(&gateway, "masked", "/orders/1", "*/*").await.ok().get("customer"), None);
}

#[tokio::test]
async fn openapi_annotates_the_masked_members() {
    let document = serde_json::to_value(tjansteguiden_gateway::rest::openapi::document("/")).expect("a document");
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let annotated: Vec<String> = schemas
        .iter()
        .flat_map(|(name, schema)| {
            let members = schema["properties"].as_object().into_iter().flatten();
            members.filter(|(_, member)| member["x-personal-data"] == true).map(move |(member, _)| format!("{name}.{member}"))
        })
        .collect();
    let expected = [
        "Customer.address",
        "Customer.email",
        "Customer.message",
        "Customer.personalIdentityNumber",
        "Customer.phone",
        "Customer.premise",
        "CustomerLine.address",
        "CustomerLine.email",
        "CustomerLine.message",
        "CustomerLine.personalIdentityNumber",
        "CustomerLine.phone",
        "CustomerLine.premise",
        "Message.text",
        "OrderCustomer.address",
        "OrderCustomer.email",
        "OrderCustomer.message",
        "OrderCustomer.personalIdentityNumber",
        "OrderCustomer.phone",
        "OrderCustomer.premise",
        "OrderDetail.name",
        "OrderDetail.value",
    ];

    assert_eq!(annotated, expected);
}
