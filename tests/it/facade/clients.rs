//! Who may call.

use std::sync::Arc;

use tjansteguiden_gateway::charset::Charset;
use tjansteguiden_gateway::config::Dialect;
use tjansteguiden_gateway::legacy::server::{Client, Settings, Signer, System};
use tjansteguiden_gateway::memory::Memory;

use crate::support::{Endpoint, LegacyAnswer, NETWORK_PATH, SECRET, settings, shop};

fn client() -> Client {
    shop(Arc::new(Memory::seeded(3)))
}

fn networks(networks: &[&str]) -> Vec<ipnet::IpNet> {
    networks.iter().map(|network| network.parse().expect("a network")).collect()
}

async fn provider(client: Client) -> Endpoint {
    Endpoint::start(settings(Dialect::Provider, client)).await
}

async fn login(endpoint: &Endpoint) -> String {
    let answer = endpoint.get("method=api_login&api_user=1234&api_key=KEY").await.text();
    let hash = answer.split("<hash_key>").nth(1).and_then(|rest| rest.split('<').next());
    hash.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn read(endpoint: &Endpoint, hash: &str) -> u16 {
    endpoint.get(&format!("method=order_info&hash={hash}&id=20417")).await.status
}

#[tokio::test]
async fn unknown_user_and_wrong_address_have_the_same_answer() {
    let elsewhere = Client { allowed_ips: networks(&["192.0.2.0/28", "2001:db8::/32"]), ..client() };
    let here = Endpoint::start(settings(Dialect::Network, client())).await;
    let elsewhere = Endpoint::start(settings(Dialect::Network, elsewhere)).await;
    // The head has the date.
    let body = |answer: LegacyAnswer| (answer.status, answer.text());

    let unknown = body(here.get("method=order_info&api_user=9999&id=20417").await);
    let wrong_address = body(elsewhere.get("method=order_info&api_user=1234&id=20417").await);

    assert_eq!(unknown.0, 403);
    assert_eq!(unknown, wrong_address);
    assert_eq!(unknown, body(here.get("method=order_info&id=20417").await));
    assert_eq!(here.get("method=order_info&api_user=1234&id=20417").await.status, 200);
}

#[tokio::test]
async fn each_client_has_its_charset_and_its_system() {
    let system = |name: &str, orders| System { name: name.into(), backend: Arc::new(Memory::seeded(orders)) };
    let latin = Charset::parse("iso-8859-1").expect("a charset");
    let second =
        Client { name: "second".into(), api_user: "5678".into(), charset: latin, system: system("new", 5), ..client() };
    let first = Client { system: system("old", 3), ..client() };
    let endpoint = Endpoint::start(Settings { clients: vec![first, second], ..settings(Dialect::Network, client()) }).await;
    for (user, count, refused, accepted) in [(1234, 3, "%E5", "%C3%A5"), (5678, 5, "", "%E5")] {
        let orders = endpoint.get(&format!("method=orders&api_user={user}&date=2016-01-01")).await.text();
        assert_eq!(orders.matches("<order>").count(), count, "{user}");
        let call = format!("method=add_message&api_user={user}&id=20417&type=log&message=");
        assert_eq!(endpoint.get(&format!("{call}{refused}")).await.status, 400, "{user}");
        assert_eq!(endpoint.get(&format!("{call}{accepted}")).await.status, 200, "{user}");
        let log = endpoint.get(&format!("method=order_info&api_user={user}&id=20417")).await.text();
        assert!(log.contains("<message>å</message>"), "{user}: {log}");
    }
    endpoint.wait_for_series(r#"facade_requests_total{call="orders",client="second",outcome="success",system="new"} 1"#).await;
    endpoint.wait_for_series(r#"facade_requests_total{call="orders",client="shop",outcome="success",system="old"} 1"#).await;
}

#[tokio::test]
async fn address_behind_trusted_proxies_is_the_one_they_report() {
    let start = async |allowed: &str| {
        let client = Client { allowed_ips: networks(&[allowed]), ..client() };
        let trusted_proxies = networks(&["127.0.0.1/32", "10.0.0.0/8"]);
        Endpoint::start(Settings { trusted_proxies, ..settings(Dialect::Network, client) }).await
    };
    let (client, proxy) = (start("192.0.2.0/28").await, start("127.0.0.1/32").await);
    for (endpoint, header, status) in [
        (&client, "X-Forwarded-For: 192.0.2.15\r\n", 200),
        (&client, "X-Forwarded-For: 192.0.2.15, 10.1.1.1\r\n", 200),
        (&client, "X-Forwarded-For: 192.0.2.16\r\n", 403),
        (&client, "X-Forwarded-For: 192.0.2.15, 198.51.100.1\r\n", 403),
        (&client, "", 403),
        (&proxy, "", 200),
        (&proxy, "X-Forwarded-For: unknown\r\n", 403),
        (&proxy, "X-Forwarded-For: \r\n", 403),
        (&proxy, "X-Forwarded-For: 192.0.2.1\r\n", 403),
    ] {
        let head = format!("GET {NETWORK_PATH}?method=order_info&api_user=1234&id=20417 HTTP/1.1\r\nHost: a\r\n");
        let answer = endpoint.send(format!("{head}Connection: close\r\n{header}\r\n")).await;
        assert_eq!(answer.status, status, "{header}");
    }
}

#[tokio::test]
async fn login_at_one_replica_is_valid_at_another_and_after_a_restart() {
    let hash = login(&provider(client()).await).await;
    let (other, rotated, foreign) = (
        provider(client()).await,
        Endpoint::start(Settings {
            signer: Some(Signer::new("fedcba9876543210".into(), Some(SECRET.into()))),
            ..settings(Dialect::Provider, client())
        })
        .await,
        Endpoint::start(Settings {
            signer: Some(Signer::new("fedcba9876543210".into(), None)),
            ..settings(Dialect::Provider, client())
        })
        .await,
    );

    assert_eq!(hash.len(), 32);
    assert!(hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{hash}");
    assert_eq!(read(&other, &hash).await, 200);
    assert_eq!(read(&rotated, &hash).await, 200);
    assert_eq!(read(&foreign, &hash).await, 403);
    assert_eq!(read(&other, &hash.to_uppercase()).await, 403);
    assert_eq!(read(&other, &hash[..31]).await, 403);
    assert_eq!(read(&other, "").await, 403);
    // The expiry is signed.
    let expired = format!("00000001{}", &hash[8..]);
    assert_eq!(read(&other, &expired).await, 403);
    assert_eq!(other.get("method=order_info&api_user=1234&id=20417").await.status, 403);
}

#[tokio::test]
async fn login_of_another_client_is_not_valid_from_a_foreign_address() {
    let hash = login(&provider(client()).await).await;
    let elsewhere = provider(Client { allowed_ips: networks(&["192.0.2.0/28"]), ..client() }).await;
    let anywhere = provider(Client { allowed_ips: Vec::new(), ..client() }).await;
    let other_user = provider(Client { api_user: "5678".into(), ..client() }).await;

    assert_eq!(read(&elsewhere, &hash).await, 403);
    assert_eq!(elsewhere.get("method=api_login&api_user=1234&api_key=KEY").await.status, 403);
    assert_eq!(read(&anywhere, &hash).await, 200);
    assert_eq!(read(&other_user, &hash).await, 403);
}

#[tokio::test]
async fn messages_without_a_login_need_a_known_address() {
    let call = "method=add_message&api_user=1234&id=20417&type=log&message=hej";
    let known = provider(client()).await;
    let anywhere = provider(Client { allowed_ips: Vec::new(), ..client() }).await;

    assert_eq!(known.get(call).await.status, 200);
    assert_eq!(anywhere.get(call).await.status, 403);
    assert_eq!(known.get(&format!("{call}&hash=0123456789abcdef0123456789abcdef")).await.status, 403);
    assert_eq!(known.get("method=set_status&api_user=1234&id=20417&status=active").await.status, 403);
    let hash = login(&anywhere).await;
    assert_eq!(anywhere.get(&format!("{call}&hash={hash}")).await.status, 200);
}

#[tokio::test]
async fn ten_failed_logins_block_the_right_one() {
    let endpoint = provider(client()).await;
    let attempt = async |key: &str| endpoint.get(&format!("method=api_login&api_user=1234&api_key={key}")).await.status;
    for _ in 0..20 {
        assert_eq!(attempt("KEY").await, 200, "logins that succeed do not count");
    }
    let hash = login(&endpoint).await;
    for _ in 0..10 {
        assert_eq!(attempt("wrong").await, 403);
    }

    assert_eq!(attempt("KEY").await, 403);
    assert_eq!(read(&endpoint, &hash).await, 200, "calls go on");
}
