//! No value is in any output, at any log level.

use super::Fake;
use crate::support::log::find_canary;
use crate::support::{Program, Reply};

#[tokio::test]
async fn values_are_in_no_output_even_at_level_trace() {
    let page = Reply::new(500, "text/html", b"<html>Tolvan Tolvansson 191212121212 api_user=1234</html>");
    let refusal = "<customer_info><status>failed</status><response><message>Canary 19121212-1212 070-1740605</message>\
                   </response></customer_info>";
    let new = Fake::with_orders(1..=8)
        .listing(1, "<status>new", "<status>Canary")
        .detailing(2, "<message>Ring på dörren", "<message>Canary")
        .detailing(3, "070-1740605", "Canary 070-1740606")
        .listing(4, "<id>4<", "<id>Canary<")
        .detailing(5, "<date>2026-09-01 09:05</date>", "<date>Canary</date>")
        .detailing(6, "</orderinfo>", "<canary kind=\"Canary\">Canary</canary></orderinfo>")
        .customer(7, "Exempelgatan 12", "Exempelgatan 13")
        .answering("method=order_info&api_user=1234&id=8", vec![Some(page)])
        .answering("method=customer_info&api_user=1234&id=6", vec![Some(Reply::xml(refusal))]);
    let (old, new) = (Fake::with_orders(1..=8).start().await, new.start().await);
    let (old_url, new_url) = (old.url(), new.url());
    let variables = [
        ("GATEWAY__UPSTREAMS__OLD__URL", &*old_url),
        ("GATEWAY__UPSTREAMS__OLD__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__NEW__URL", &new_url),
        ("GATEWAY__UPSTREAMS__NEW__API_USER", "1234"),
        ("RUST_LOG", "trace"),
    ];
    let arguments = ["compare", "old", "new", "--since", "2026-09-01", "--rate", "1000", "--settle", "0s", "--customers"];
    for output_of in [&arguments[..], &[&arguments[..], &["--json"]].concat()] {
        let output = Program::command(output_of, &variables).output().await.expect("the program runs");

        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(3), "{text}");
        for name in ["status", "customer.message", "messages", "orderedAt", "address"] {
            assert!(text.contains(name), "{name} is not in {text}");
        }
        assert_eq!(find_canary(&text), None, "{text}");
        for value in ["Tolvansson", "KC0101A06", "01234", "\u{c5}sele", "Exempeln", "Ljusbolaget", "09:05:00"] {
            assert!(!text.contains(value), "{value} is in {text}");
        }
    }
}
