//! Figures of the README about an order system that is gone: how little is asked of it, how soon it is asked again, and how
//! little others notice.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use tjansteguiden_gateway::config::hash_of_key;
use tokio::task::JoinHandle;

use crate::support::{Answer, FIRST_ORDER, Fault, Gateway, Reply, System, Upstream, is_provider, soon};

const REQUESTS: usize = 500;

/// How many calls a total outage costs for 500 requests, how long they took, and how long it takes after its end until there is
/// an answer.
async fn outage(fault: Fault, has_breaker: bool) -> (usize, Duration, Duration) {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let system = System::with_faults(move |_| if down.load(Ordering::SeqCst) { fault } else { Fault::None }).await;
    let breaker = ("UPSTREAMS__DEFAULT__BREAKER__ENABLED", if has_breaker { "true" } else { "false" });
    let gateway = Gateway::before_url(&system.url(), &[breaker]).await;
    let began = Instant::now();
    // A hundred a second.
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..REQUESTS / 10 {
        tick.tick().await;
        let targets: Vec<_> = (0..10).map(|index| format!("/orders/{}", FIRST_ORDER + index)).collect();
        let answers = join_all(targets.iter().map(|target| gateway.get(target))).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 502 | 503)), "{answers:?}");
    }
    let (sent, took) = (system.queries().len(), began.elapsed());
    is_down.store(false, Ordering::SeqCst);
    let ended = Instant::now();
    let target = format!("/orders/{FIRST_ORDER}");
    soon("it answers again", async || gateway.get(&target).await.status == 200).await;
    (sent, took, ended.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_outage_is_not_amplified_and_its_end_is_noticed() {
    for (fault, has_breaker) in [Fault::Reset, Fault::Page(503)].into_iter().flat_map(|fault| [(fault, true), (fault, false)]) {
        let (sent, took, recovered) = outage(fault, has_breaker).await;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let amplification = sent as f64 / REQUESTS as f64;
        let with = if has_breaker { "with" } else { "without" };
        println!(
            "outage by {fault:?} {with} breaker: {sent} calls for {REQUESTS} requests ({amplification:.2} each), \
             recovered after {recovered:.1?}"
        );
        // A tenth is sent again; ten more were there from the beginning, and there is one a second.
        let seconds = usize::try_from(took.as_secs()).expect("a few");
        assert!(sent <= REQUESTS + REQUESTS / 10 + 10 + seconds, "{sent}");
        assert!(!has_breaker || sent <= REQUESTS / 10, "{sent}");
        assert!(recovered <= Duration::from_secs(5), "{recovered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_system_that_was_silent_is_asked_again_when_it_speaks() {
    for breaker in ["true", "false"] {
        let is_silent = Arc::new(AtomicBool::new(true));
        let silent = Arc::clone(&is_silent);
        let fault = move |_: &str| if silent.load(Ordering::SeqCst) { Fault::Hang } else { Fault::None };
        let system = System::with_faults(fault).await;
        let settings = [("UPSTREAMS__DEFAULT__BREAKER__ENABLED", breaker), ("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")];
        let gateway = Gateway::before_url(&system.url(), &settings).await;
        let target = format!("/orders/{FIRST_ORDER}");
        for _ in 0..3 {
            let targets: Vec<_> = (0..10).map(|index| format!("/orders/{}", FIRST_ORDER + index)).collect();
            let answers = join_all(targets.iter().map(|target| gateway.get(target))).await;
            assert!(answers.iter().all(|answer| matches!(answer.status, 503 | 504)), "{answers:?}");
        }
        is_silent.store(false, Ordering::SeqCst);
        soon("it answers again", async || gateway.get(&target).await.status == 200).await;
        for _ in 0..20 {
            gateway.get(&target).await.ok();
        }
    }
}

/// One gateway in front of two order systems, each with a client of its own.
struct Two {
    gateway: Gateway,
    black_hole: Upstream,
    _answering: Upstream,
}

const HEALTHY: &str = "key-of-the-client-whose-order-system-answers";
const SWALLOWED: &str = "key-of-the-client-whose-order-system-is-gone";
/// How many reads there is room for.
const PLACES: usize = 48;

impl Two {
    async fn start() -> Self {
        let (answering, black_hole) = (Upstream::with_fixtures().await, Upstream::saying(Reply::bytes(b"").then_hang()).await);
        let (url, hash, other_hash) = (black_hole.url(), hex(HEALTHY), hex(SWALLOWED));
        let (dialect, api_key) = if is_provider() { ("provider", "KEY") } else { ("network", "") };
        let mut settings = vec![
            ("UPSTREAMS__GONE__URL", &*url),
            ("UPSTREAMS__GONE__API_USER", "1234"),
            ("UPSTREAMS__GONE__DIALECT", dialect),
            ("UPSTREAMS__GONE__TIMEOUT", "20s"),
            // Else it would be left alone after the first calls.
            ("UPSTREAMS__GONE__BREAKER__ENABLED", "false"),
            ("AUTH__MODE", "api-key"),
            ("AUTH__CLIENTS__HEALTHY__KEY_SHA256", &*hash),
            ("AUTH__CLIENTS__HEALTHY__UPSTREAM", "default"),
            ("AUTH__CLIENTS__HEALTHY__SCOPES", "orders:read"),
            ("AUTH__CLIENTS__SWALLOWED__KEY_SHA256", &*other_hash),
            ("AUTH__CLIENTS__SWALLOWED__UPSTREAM", "gone"),
            ("AUTH__CLIENTS__SWALLOWED__SCOPES", "orders:read"),
        ];
        settings.extend(is_provider().then_some(("UPSTREAMS__GONE__API_KEY", api_key)));
        let gateway = Gateway::with(&answering, &settings).await;
        Self { gateway, black_hole, _answering: answering }
    }

    async fn get(&self, key: &str, target: &str) -> Answer {
        self.gateway.send(self.gateway.request(Method::GET, target).bearer_auth(key)).await
    }

    /// The 99th percentile of a few hundred reads of the order system that answers, in microseconds.
    async fn p99(&self) -> u128 {
        let mut times = Vec::new();
        for _ in 0..400 {
            let began = Instant::now();
            self.get(HEALTHY, "/orders/20417").await.ok();
            times.push(began.elapsed().as_micros());
        }
        times.sort_unstable();
        times[times.len() * 99 / 100]
    }

    /// A hundred clients that ask the other one, until they are aborted. As many calls as there are places for have been sent.
    async fn swallow(self: &Arc<Self>) -> Vec<JoinHandle<Answer>> {
        let before = self.black_hole.queries().len();
        let client = |index| {
            let two = Arc::clone(self);
            tokio::spawn(async move { two.get(SWALLOWED, &format!("/orders/{}", 1 + index)).await })
        };
        let clients = (0..100).map(client).collect();
        self.black_hole.asked(before + PLACES).await;
        clients
    }

    /// Waits until nothing is asked of the other one any more.
    async fn forgotten(&self) {
        let gauge = r#"upstream_in_flight{upstream="gone"}"#;
        soon("the clients have left", async || self.gateway.metric(gauge).await == 0).await;
    }
}

fn hex(key: &str) -> String {
    hash_of_key(key).iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How much longer reads of the one take while the other swallows calls.
async fn slowdown(two: &Arc<Two>) -> f64 {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        alone.push(two.p99().await);
        let clients = two.swallow().await;
        beside.push(two.p99().await);
        assert!(clients.iter().any(|client| !client.is_finished()), "nothing was swallowed any more");
        clients.iter().for_each(JoinHandle::abort);
        two.forgotten().await;
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    let slowdown = median(beside) as f64 / median(alone) as f64;
    slowdown
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_system_that_swallows_everything_leaves_another_alone() {
    let two = Arc::new(Two::start().await);
    let mut all = Vec::new();
    // Whatever else the machine does at the moment is no news about the gateway.
    for _ in 0..5 {
        let slowdown = slowdown(&two).await;
        println!("p99 of one order system while another swallows a hundred reads: {slowdown:.2} of before (medians of 7)");
        if slowdown <= 1.2 {
            return;
        }
        all.push(slowdown);
    }
    panic!("{all:?}");
}
