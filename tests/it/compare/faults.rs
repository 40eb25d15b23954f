//! What cannot be compared: exit code 3, and the rest is reported.

use serde_json::json;

use super::{Fake, compare, configuration, different, report};
use crate::support::{Reply, Upstream};

async fn start(old: Fake, new: Fake) -> (Upstream, Upstream) {
    (old.start().await, new.start().await)
}

#[tokio::test]
async fn items_that_cannot_be_decoded_are_reported_and_the_rest_is_compared() {
    let broken = Fake::with_orders(1..=4)
        .listing(2, "<date>2026-09-01 09:05:00</date>", "<date>2026-09-01</date><date>2026-09-02</date>")
        .listing(3, "<id>3</id>", "<id>three</id>")
        .detailing(4, "Ljusbolaget", "Bitfors");
    let (old, new) = start(Fake::with_orders(1..=4), broken).await;

    let outcome = compare(&old.url(), &new.url(), &[]).await;

    let orders = &outcome.json["orders"];
    assert_eq!((outcome.code, &outcome.json["result"]), (3, &json!("not-compared")), "{}", outcome.text);
    assert_eq!(orders["notReadable"], json!([{"id": null, "system": "new"}, {"id": 2, "system": "new"}]));
    assert_eq!(different(orders), [(4, vec!["provider.name"])]);
    // The one without an id was found by reading it.
    assert_eq!((&orders["onlyLeft"], &orders["movedMeanwhile"]), (&json!([]), &json!([3])));
    assert_eq!(outcome.json["reason"], json!("2 orders could not be read"));
}

#[tokio::test]
async fn details_that_cannot_be_read_are_reported_by_id_and_system() {
    let page = || vec![Some(Reply::new(200, "text/html", b"<html>Tolvan 191212121212</html>"))];
    let old = Fake::with_orders(1..=3).answering("method=order_info&api_user=1234&id=1", page());
    let missing = vec![Some(Reply::xml("<order_info/>"))];
    let new = Fake::with_orders(1..=3).answering("method=order_info&api_user=1234&id=2", missing);
    let (old, new) = start(old, new).await;

    let outcome = compare(&old.url(), &new.url(), &[]).await;

    let orders = &outcome.json["orders"];
    assert_eq!((outcome.code, &orders["equal"]), (3, &json!(1)), "{}", outcome.text);
    assert_eq!(orders["notReadable"], json!([{"id": 1, "system": "old"}, {"id": 2, "system": "new"}]));
    assert!(outcome.text.contains("not readable              1        1     1, 2\n"), "{}", outcome.text);
    assert!(outcome.text.contains("NOT COMPARED · ") && outcome.text.ends_with("exit 3\n"), "{}", outcome.text);
}

#[tokio::test]
async fn list_that_is_cut_off_is_no_list() {
    let complete = Reply::xml(&Fake::with_orders(1..=50).document("method=orders"));
    for length in [complete.len() - 1, complete.len() / 2, 10, 0] {
        for is_left in [true, false] {
            let cut = || Fake::with_orders(1..=50).answering("method=orders&", vec![Some(complete.clone().truncated(length))]);
            let whole = || Fake::with_orders(1..=50);
            let (old, new) = if is_left { start(cut(), whole()).await } else { start(whole(), cut()).await };

            let outcome = compare(&old.url(), &new.url(), &[]).await;

            let name = if is_left { "old" } else { "new" };
            let reason = outcome.json["reason"].as_str().expect("a reason");
            assert_eq!((outcome.code, different(&outcome.json["orders"])), (3, Vec::new()), "{length} {name}");
            assert!(reason.starts_with(&format!("the list of orders of {name} failed: ")), "{reason}");
        }
    }
}

#[tokio::test]
async fn refused_credential_ends_the_comparison() {
    let refusal = "<orders><status>failed</status><response><message>Access denied</message></response></orders>";
    let old = Fake::with_orders(1..=3).answering("method=orders&", vec![Some(Reply::status(403, refusal))]);
    let (old, new) = start(old, Fake::with_orders(1..=3)).await;
    let outcome = compare(&old.url(), &new.url(), &[]).await;
    let expected = "the list of orders of old failed: the upstream rejected the gateway's credential or IP address";
    assert_eq!((outcome.code, &outcome.json["reason"]), (3, &json!(expected)));

    // A user that is locked out meanwhile: what was found stays, unconfirmed.
    let refusal = refusal.replace("orders", "order_info");
    let new = Fake::with_orders(1..=3)
        .listing(1, "<status>new", "<status>active")
        .answering("method=order_info", vec![None, Some(Reply::status(403, &refusal))]);
    let (old, new) = start(Fake::with_orders(1..=3), new).await;
    let outcome = compare(&old.url(), &new.url(), &[]).await;
    let reason = outcome.json["reason"].as_str().expect("a reason");
    assert!(reason.contains("rejected the gateway's credential") && reason.ends_with("was not read again"), "{reason}");
    assert_eq!((outcome.code, different(&outcome.json["orders"])), (3, vec![(1, vec!["status"])]), "{}", outcome.text);
    assert_eq!(new.queries().iter().filter(|query| query.contains("order_info")).count(), 2);
}

#[tokio::test]
async fn refused_login_ends_the_comparison() {
    // With `TEST_DIALECT=provider` the stand-in accepts every login.
    if crate::support::is_provider() {
        return;
    }
    let refusal = "<api_login><status>failed</status><response><message>Invalid key</message></response></api_login>";
    let (old, provider) = (Fake::with_orders([1]).start().await, Upstream::responding_with(Reply::xml(refusal)).await);
    let config = configuration(&old.url(), &provider.url(), &[("NEW__DIALECT", "provider"), ("NEW__API_KEY", "KEY")]);
    let arguments = ["old", "new", "--since", "2026-09-01", "--rate", "1000"];
    let outcome = report(&config, &<super::CommandLine as clap::Parser>::parse_from(arguments).options).await;
    let expected = "the list of orders of new failed: the upstream rejected the gateway's credential or IP address";
    assert_eq!((outcome.code, &outcome.json["reason"]), (3, &json!(expected)));
}

#[tokio::test]
async fn system_that_is_not_there_or_goes_away_ends_the_comparison() {
    let (old, gone) = start(Fake::with_orders([1]), Fake::with_orders([1])).await;
    let url = gone.url();
    drop(gone);
    let outcome = compare(&old.url(), &url, &[]).await;
    assert_eq!(
        (outcome.code, &outcome.json["reason"]),
        (3, &json!("the list of orders of new failed: the upstream cannot be reached"))
    );

    let broken = Fake::with_orders(1..=40).answering("method=order_info", vec![Some(Reply::status(503, "").then_reset())]);
    let (old, new) = start(Fake::with_orders(1..=40), broken).await;
    let outcome = compare(&old.url(), &new.url(), &[]).await;
    let reason = outcome.json["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("reads of orders of new failed: "), "{reason}");
    assert_eq!(outcome.json["calls"], json!({"left": 11, "right": 11}), "{reason}");
}
