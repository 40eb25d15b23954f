//! Figures of the README about an order system that is gone: how little is asked of it, how soon it is asked again, and how
//! little others notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{FIRST_ORDER, Fault, Gateway, Reply, System, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn a_total_outage_is_not_amplified_and_its_end_is_noticed() {
    for fault in [Fault::Reset, Fault::Page(503)] {
        let is_down = Arc::new(AtomicBool::new(true));
        let down = Arc::clone(&is_down);
        let system = System::with_faults(move |_| if down.load(Ordering::SeqCst) { fault } else { Fault::None }).await;
        let gateway = Gateway::before_url(&system.url(), &[]).await;
        // 500 requests, a hundred a second.
        let mut second = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..50 {
            second.tick().await;
            let targets: Vec<_> = (0..10).map(|index| format!("/orders/{}", FIRST_ORDER + index)).collect();
            let answers = join_all(targets.iter().map(|target| gateway.get(target))).await;
            assert!(answers.iter().all(|answer| matches!(answer.status, 502 | 503)), "{answers:?}");
        }
        let sent = system.queries().len();
        is_down.store(false, Ordering::SeqCst);
        let ended = Instant::now();
        while gateway.get(&format!("/orders/{FIRST_ORDER}")).await.status != 200 {
            assert!(ended.elapsed() < Duration::from_secs(30), "it never recovered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let recovered = ended.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let amplification = sent as f64 / 500.0;
        println!(
            "outage by {fault:?}: {sent} calls for 500 requests ({amplification:.2} each), recovered after {recovered:.1?}"
        );
        assert!(amplification <= 1.1, "{sent}");
    }
}

/// The 99th percentile of a few hundred reads, in microseconds.
async fn p99(gateway: &Gateway) -> u128 {
    let mut times = Vec::new();
    for _ in 0..400 {
        let began = Instant::now();
        gateway.get("/orders/20417").await.ok();
        times.push(began.elapsed().as_micros());
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_system_that_swallows_everything_leaves_another_alone() {
    let answering = Upstream::with_fixtures().await;
    let healthy = Gateway::before(&answering).await;
    let black_hole = Upstream::saying(Reply::bytes(b"").then_hang()).await;
    let swallowed = Arc::new(Gateway::with(&black_hole, &[("SERVER__REQUEST_TIMEOUT", "2s")]).await);
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let before = p99(&healthy).await;
        let lost: Vec<_> = (0..100)
            .map(|index| {
                let swallowed = Arc::clone(&swallowed);
                tokio::spawn(async move { swallowed.get(&format!("/orders/{}", 1 + index)).await.status })
            })
            .collect();
        black_hole.asked(1).await;
        let during = p99(&healthy).await;
        for status in join_all(lost).await {
            assert!(matches!(status.expect("an answer"), 503 | 504));
        }
        #[expect(clippy::cast_precision_loss, reason = "microseconds")]
        ratios.push(during as f64 / before as f64);
    }
    ratios.sort_by(f64::total_cmp);
    println!("p99 of one order system while another swallows a hundred reads: {:.2} of before (median of 5)", ratios[2]);
}
