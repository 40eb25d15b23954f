//! Reliability figures for an upstream outage: how many calls it still receives, how fast the gateway recovers, and how another
//! upstream is affected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use tokio::task::JoinHandle;

use crate::support::{Answer, FIRST_ORDER, FakeLegacy, Fault, Gateway, Reply, Upstream, api_key_hash, eventually, is_provider};

const REQUESTS: usize = 500;

/// Sends [`REQUESTS`] requests during a total outage. Returns the number of upstream requests, the duration of the outage, and
/// the time from its end to the first success.
async fn measure_outage(fault: Fault, has_breaker: bool) -> (usize, Duration, Duration) {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let legacy = FakeLegacy::with_faults(move |_| if down.load(Ordering::SeqCst) { fault } else { Fault::None }).await;
    let breaker = ("UPSTREAMS__DEFAULT__BREAKER__ENABLED", if has_breaker { "true" } else { "false" });
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[breaker]).await;
    let began = Instant::now();
    // 100 requests per second.
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..REQUESTS / 10 {
        tick.tick().await;
        let targets: Vec<_> = (0..10).map(|index| format!("/orders/{}", FIRST_ORDER + index)).collect();
        let answers = join_all(targets.iter().map(|target| gateway.get(target))).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 502 | 503)), "{answers:?}");
    }
    let (sent, took) = (legacy.queries().len(), began.elapsed());
    is_down.store(false, Ordering::SeqCst);
    let ended = Instant::now();
    let target = format!("/orders/{FIRST_ORDER}");
    eventually("reads succeed again", async || gateway.get(&target).await.status == 200).await;
    (sent, took, ended.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_is_not_amplified_and_recovery_is_fast() {
    for (fault, has_breaker) in [Fault::Reset, Fault::Html(503)].into_iter().flat_map(|fault| [(fault, true), (fault, false)]) {
        let (sent, took, recovered) = measure_outage(fault, has_breaker).await;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let amplification = sent as f64 / REQUESTS as f64;

        let with = if has_breaker { "with" } else { "without" };
        println!(
            "outage by {fault:?} {with} circuit breaker: {sent} calls for {REQUESTS} requests ({amplification:.2} each), \
             recovered after {recovered:.1?}"
        );
        // The retry budget: 10 % of the requests, a reserve of 10, and 1 per second.
        let seconds = usize::try_from(took.as_secs()).expect("a few");
        assert!(sent <= REQUESTS + REQUESTS / 10 + 10 + seconds, "{sent}");
        assert!(!has_breaker || sent <= REQUESTS / 10, "{sent}");
        assert!(recovered <= Duration::from_secs(5), "{recovered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_upstream_recovers() {
    for breaker in ["true", "false"] {
        let is_silent = Arc::new(AtomicBool::new(true));
        let silent = Arc::clone(&is_silent);
        let fault = move |_: &str| if silent.load(Ordering::SeqCst) { Fault::Hang } else { Fault::None };
        let legacy = FakeLegacy::with_faults(fault).await;
        let settings = [("UPSTREAMS__DEFAULT__BREAKER__ENABLED", breaker), ("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")];
        let gateway = Gateway::in_front_of_url(&legacy.url(), &settings).await;
        let target = format!("/orders/{FIRST_ORDER}");

        for _ in 0..3 {
            let targets: Vec<_> = (0..10).map(|index| format!("/orders/{}", FIRST_ORDER + index)).collect();

            let answers = join_all(targets.iter().map(|target| gateway.get(target))).await;

            assert!(answers.iter().all(|answer| matches!(answer.status, 503 | 504)), "{answers:?}");
        }

        is_silent.store(false, Ordering::SeqCst);
        eventually("reads succeed again", async || gateway.get(&target).await.status == 200).await;

        for _ in 0..20 {
            gateway.get(&target).await.ok();
        }
    }
}

/// A gateway in front of a healthy upstream and one that swallows every request, each with its own API client.
struct TwoUpstreams {
    gateway: Gateway,
    black_hole: Upstream,
    _healthy: Upstream,
}

const HEALTHY_KEY: &str = "key-of-the-client-with-a-healthy-upstream";
const BLACK_HOLE_KEY: &str = "key-of-the-client-with-a-black-holed-upstream";
/// The default number of permits for reads.
const READ_PERMITS: usize = 48;

impl TwoUpstreams {
    async fn start() -> Self {
        let (healthy, black_hole) =
            (Upstream::with_fixtures().await, Upstream::responding_with(Reply::raw(b"").then_hang()).await);
        let url = black_hole.url();
        let (healthy_hash, black_hole_hash) = (api_key_hash(HEALTHY_KEY), api_key_hash(BLACK_HOLE_KEY));
        let (dialect, api_key) = if is_provider() { ("provider", "KEY") } else { ("network", "") };
        let mut settings = vec![
            ("UPSTREAMS__BLACK_HOLE__URL", &*url),
            ("UPSTREAMS__BLACK_HOLE__API_USER", "1234"),
            ("UPSTREAMS__BLACK_HOLE__DIALECT", dialect),
            ("UPSTREAMS__BLACK_HOLE__TIMEOUT", "20s"),
            // An open breaker would keep requests away after the first failures.
            ("UPSTREAMS__BLACK_HOLE__BREAKER__ENABLED", "false"),
            ("AUTH__MODE", "api-key"),
            ("AUTH__CLIENTS__HEALTHY__KEY_SHA256", &*healthy_hash),
            ("AUTH__CLIENTS__HEALTHY__UPSTREAM", "default"),
            ("AUTH__CLIENTS__HEALTHY__SCOPES", "orders:read"),
            ("AUTH__CLIENTS__OTHER__KEY_SHA256", &*black_hole_hash),
            ("AUTH__CLIENTS__OTHER__UPSTREAM", "black_hole"),
            ("AUTH__CLIENTS__OTHER__SCOPES", "orders:read"),
        ];
        settings.extend(is_provider().then_some(("UPSTREAMS__BLACK_HOLE__API_KEY", api_key)));
        let gateway = Gateway::with(&healthy, &settings).await;
        Self { gateway, black_hole, _healthy: healthy }
    }

    async fn get(&self, key: &str, target: &str) -> Answer {
        self.gateway.send(self.gateway.request(Method::GET, target).bearer_auth(key)).await
    }

    /// The 99th percentile of 400 reads from the healthy upstream, in microseconds.
    async fn p99(&self) -> u128 {
        let mut times = Vec::new();
        for _ in 0..400 {
            let began = Instant::now();
            self.get(HEALTHY_KEY, "/orders/20417").await.ok();
            times.push(began.elapsed().as_micros());
        }
        times.sort_unstable();
        times[times.len() * 99 / 100]
    }

    /// Starts 100 reads from the black hole, and waits until they hold all read permits. They end when they are aborted.
    async fn occupy_black_hole(self: &Arc<Self>) -> Vec<JoinHandle<Answer>> {
        let before = self.black_hole.queries().len();
        let client = |index| {
            let upstreams = Arc::clone(self);
            tokio::spawn(async move { upstreams.get(BLACK_HOLE_KEY, &format!("/orders/{}", 1 + index)).await })
        };
        let clients = (0..100).map(client).collect();
        self.black_hole.wait_for_requests(before + READ_PERMITS).await;
        clients
    }

    /// Waits until no request to the black hole is in flight.
    async fn wait_until_released(&self) {
        let gauge = r#"upstream_in_flight{upstream="black_hole"}"#;
        eventually("the aborted reads release their permits", async || self.gateway.metric(gauge).await == 0).await;
    }
}

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The ratio of the healthy upstream's 99th percentiles: while the black hole holds requests, and without.
async fn slowdown(upstreams: &Arc<TwoUpstreams>) -> f64 {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        alone.push(upstreams.p99().await);
        let clients = upstreams.occupy_black_hole().await;
        beside.push(upstreams.p99().await);
        assert!(clients.iter().any(|client| !client.is_finished()), "the black hole holds requests");
        clients.iter().for_each(JoinHandle::abort);
        upstreams.wait_until_released().await;
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    let slowdown = median(beside) as f64 / median(alone) as f64;
    slowdown
}

#[tokio::test(flavor = "multi_thread")]
async fn black_holed_upstream_does_not_slow_another() {
    let upstreams = Arc::new(TwoUpstreams::start().await);
    let mut ratios = Vec::new();
    // Other load on the machine disturbs a measurement, so it is repeated a few times.
    for _ in 0..5 {
        let slowdown = slowdown(&upstreams).await;
        println!("p99 of one upstream while another black-holes 100 reads: {slowdown:.2} times that without (medians of 7)");
        if slowdown <= 1.2 {
            return;
        }
        ratios.push(slowdown);
    }

    panic!("{ratios:?}");
}
