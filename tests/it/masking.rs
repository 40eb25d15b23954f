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
        "Detail.name",
        "Detail.value",
        "Message.text",
    ];

    assert_eq!(annotated, expected);
}
