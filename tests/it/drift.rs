//! Schema drift in upstream answers is counted by name, never by value.

use crate::support::{Gateway, Reply, Upstream};

#[tokio::test]
async fn every_kind_of_drift_is_counted_by_element() {
    let customers = [b"<orders took='3'>hej".as_slice(), b"</orders>"].concat();
    let order = "<order_info><orderinfo new='1'><date>0000-00-00 00:00</date><status>paused</status><citynet>R&D</citynet>\
                 <provider>\u{1}x</provider><colour>red</colour></orderinfo><logs>text<log><date>19121212-1212</date>\
                 <type>note</type></log></logs></order_info>";
    let list = "<orders><order><id>1</id></order><order><id>191212121212a</id></order></orders>";
    let upstream = Upstream::responding_to(move |query| {
        if query.contains("order_info") {
            Reply::new(200, "text/xml; charset=klingon", order.as_bytes())
        } else if query.contains("customers") {
            Reply::new(200, "text/xml", &customers)
        } else {
            Reply::xml(list)
        }
    })
    .await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(gateway.drift_counts().await, []);

    for _ in 0..2 {
        gateway.get("/orders/1").await.ok();
    }

    gateway.get("/orders?since=2016-03-14").await.ok();
    gateway.get("/customers?since=2016-03-14").await.problem(502, "upstream-answer-invalid");
    let expected = [
        ("order_info unknown_element logs", 2),
        ("order_info unknown_element orderinfo.colour", 2),
        ("order_info unknown_word log.type", 2),
        ("order_info unknown_word orderinfo.status", 2),
        ("order_info unreadable_date log.date", 2),
        ("order_info unreadable_date orderinfo.date", 2),
        ("order_info charset envelope", 2),
        ("order_info charset orderinfo.provider", 2),
        ("order_info attribute orderinfo", 2),
        ("order_info entity orderinfo.citynet", 2),
        ("orders unreadable_item order", 1),
        ("orders missing_element order.customer", 1),
        ("orders missing_element order.date", 1),
        ("orders missing_element order.status", 1),
    ];
    assert_eq!(gateway.drift_counts().await, expected.map(|(name, count)| (name.to_owned(), count)));
}

#[tokio::test]
async fn expected_answers_count_no_drift() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for target in ["/orders/20417", "/orders?since=2016-03-14", "/customers/18020", "/customers?since=2016-03-14"] {
        gateway.get(target).await.ok();
    }

    assert_eq!(gateway.drift_counts().await, []);
}

#[tokio::test]
async fn drift_in_texts_is_counted_once_for_each_value() {
    let order =
        b"\xef\xbb\xbf\xef\xbb\xbf<order_info><orderinfo><status>new</status><citynet><b>Aa</b> <i x='1'>&#11;</i></citynet>\
                  <provider>p\xc3\xa5 \xd6vre</provider><category>p\xc3\xa5 5 \xe2\x82</category></orderinfo>\
                  <customer><id>5</id><email><a href='x'>x@example.com</a></email></customer>\
                  <logs><log><message>Rad ett<br/>rad <b>tv\xc3\xa5</b></message></log></logs></order_info>\0";
    let list = "<customers>".to_owned()
        + &"<customer><id>1</id><email>a@example.com</email></customer>".repeat(3)
        + "<customer><id>1</id><email><b>a@example.com</b></email></customer></customers>";
    let upstream = Upstream::responding_to(move |query| {
        if query.contains("order_info") { Reply::new(200, "text/xml", order) } else { Reply::xml(&list) }
    })
    .await;
    let gateway = Gateway::in_front_of(&upstream).await;

    gateway.get("/orders/1").await.ok();
    gateway.get("/customers?since=2016-03-14").await.ok();

    let expected = [
        ("customers mixed_content customer.email", 1),
        ("order_info charset envelope", 1),
        ("order_info charset orderinfo.category", 1),
        ("order_info charset orderinfo.citynet", 1),
        ("order_info charset orderinfo.provider", 1),
        ("order_info mixed_content customer.email", 1),
        ("order_info mixed_content log.message", 1),
        ("order_info mixed_content orderinfo.citynet", 1),
    ];
    assert_eq!(gateway.drift_counts().await, expected.map(|(name, count)| (name.to_owned(), count)));
}
