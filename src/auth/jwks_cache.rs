//! A cache of an issuer's keys (JWKS), with refresh in the background.
//!
//! Keys are cached for ten minutes. A token with an unknown key id causes an early refresh, because issuers rotate keys without
//! notice; but at most every 30 seconds, so that tokens with invented key ids cannot flood the issuer. Expired keys are still
//! used for a minute while they are refreshed in the background, and for as long as the issuer cannot be reached. Only the first
//! request with a known key after a longer silence waits for the issuer, and for at most half of its time.
//!
//! That a key is unknown is certain only after a refresh. While refreshes fail, the token may be as good as any other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout_at};

use super::jwks::{Jwks, NoKey};

/// How long keys are used without a refresh.
const TTL: Duration = Duration::from_mins(10);
/// Minimum time between two fetches after a successful one.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// Minimum time between two fetches after a failed one; doubled by every further failure, up to `MIN_REFRESH_INTERVAL`.
const INITIAL_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long after their TTL keys are still used while they are refreshed in the background.
const STALE_WHILE_REVALIDATE: Duration = Duration::from_mins(1);

/// Fetches the keys; `None` on failure, which the function itself reports.
pub(super) type Fetch = Box<dyn Fn() -> BoxFuture<'static, Option<Jwks>> + Send + Sync>;

/// The keys of one issuer. Clones share state.
#[derive(Clone)]
pub(super) struct JwksCache(Arc<Inner>);

struct Inner {
    fetch: Fetch,
    state: Mutex<State>,
    /// Held during a fetch. Requests that waited for it use its result instead of fetching again.
    fetching: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    keys: Option<Arc<Jwks>>,
    /// When `keys` were fetched.
    fetched: Option<Instant>,
    /// When the last fetch ended, successful or not.
    last_attempt: Option<Instant>,
    /// Failed fetches since the last successful one.
    failures: u32,
}

/// Why there is no key to verify a token with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyLookupError {
    #[error("the issuer does not publish this key")]
    Unknown,
    #[error("the issuer publishes this key, but it cannot be used")]
    Rejected,
    #[error("too many keys of the issuer may have signed the token")]
    Ambiguous,
    #[error("the keys of the issuer cannot be fetched")]
    Unavailable { retry_after: Duration },
}

impl JwksCache {
    pub(super) fn new(fetch: Fetch) -> Self {
        Self(Arc::new(Inner { fetch, state: Mutex::default(), fetching: AsyncMutex::default() }))
    }

    /// The keys for a token with this header, after a refresh if none is cached. The refresh may outlast `deadline`: its
    /// result serves other requests.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        deadline: Instant,
    ) -> Result<Vec<DecodingKey>, KeyLookupError> {
        if let Some(keys) = self.cached_keys(id, algorithm) {
            return Ok(keys);
        }
        // A request whose key is only stale needs the rest of its time for what comes after.
        let is_known = self.0.state.lock().keys(id, algorithm).is_ok();
        let wait = deadline.saturating_duration_since(Instant::now()) / if is_known { 2 } else { 1 };
        let is_complete = timeout_at(Instant::now() + wait, self.refresh()).await.is_ok();

        let state = self.0.state.lock();
        state.keys(id, algorithm).map_err(|missing| match missing {
            NoKey::Ambiguous => KeyLookupError::Ambiguous,
            _ if !is_complete || state.failures > 0 || state.keys.is_none() => {
                KeyLookupError::Unavailable { retry_after: state.until_next_refresh() }
            }
            NoKey::Unknown => KeyLookupError::Unknown,
            NoKey::Rejected => KeyLookupError::Rejected,
        })
    }

    pub(super) fn refresh_in_background(&self) {
        let cache = self.clone();
        tokio::spawn(async move { cache.refresh().await });
    }

    /// The keys, if they are cached and may still be used. Starts a refresh in the background when they have expired.
    fn cached_keys(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Vec<DecodingKey>> {
        let (keys, needs_refresh) = {
            let state = self.0.state.lock();
            let keys = state.keys(id, algorithm).ok()?;
            let age = state.fetched?.elapsed();
            // Failures mean that the issuer cannot be reached; then stale keys are better than none.
            if age >= TTL + STALE_WHILE_REVALIDATE && state.failures == 0 {
                return None;
            }
            (keys, age >= TTL && state.until_next_refresh().is_zero())
        };
        if needs_refresh {
            self.refresh_in_background();
        }
        Some(keys)
    }

    /// Fetches the keys, unless the last fetch was too recent. Runs in a task of its own, because other requests wait for the
    /// result too and must get it when this one is cancelled.
    async fn refresh(&self) {
        let inner = Arc::clone(&self.0);
        let fetch = tokio::spawn(async move {
            let _guard = inner.fetching.lock().await;
            if !inner.state.lock().until_next_refresh().is_zero() {
                return;
            }
            let keys = (inner.fetch)().await;
            inner.state.lock().record_fetch(keys);
        });
        // An error means that the runtime shuts down or the fetch panicked. Either way there are no new keys.
        let _ = fetch.await;
    }
}

impl State {
    fn keys(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Vec<DecodingKey>, NoKey> {
        self.keys.as_ref().ok_or(NoKey::Unknown)?.find(id, algorithm)
    }

    /// How long no refresh is permitted.
    fn until_next_refresh(&self) -> Duration {
        let interval = match self.failures {
            0 => MIN_REFRESH_INTERVAL,
            failures => INITIAL_RETRY_INTERVAL.saturating_mul(1 << (failures - 1).min(5)).min(MIN_REFRESH_INTERVAL),
        };
        self.last_attempt.map_or(Duration::ZERO, |last| interval.saturating_sub(last.elapsed()))
    }

    fn record_fetch(&mut self, keys: Option<Jwks>) {
        let now = Instant::now();
        self.last_attempt = Some(now);
        match keys {
            Some(keys) => {
                self.keys = Some(Arc::new(keys));
                self.fetched = Some(now);
                self.failures = 0;
            }
            None => self.failures = self.failures.saturating_add(1),
        }
    }
}

impl fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::time::{advance, sleep};

    use super::*;

    /// An issuer with one key of this id, or unreachable when it is empty. Every response takes a second.
    #[derive(Clone, Default)]
    struct Issuer {
        key: Arc<Mutex<&'static str>>,
        fetches: Arc<AtomicUsize>,
    }

    impl Issuer {
        fn with(key: &'static str) -> (Self, JwksCache) {
            let issuer = Self::default();
            issuer.set_key(key);
            let own = issuer.clone();
            let fetch: Fetch = Box::new(move || own.clone().respond().boxed());
            (issuer, JwksCache::new(fetch))
        }

        fn set_key(&self, key: &'static str) {
            *self.key.lock() = key;
        }

        async fn respond(self) -> Option<Jwks> {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            let key = *self.key.lock();
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{key}","x":"{x}"}}]}}"#);
            if key.is_empty() { None } else { Jwks::parse(set.as_bytes()).ok() }
        }

        fn fetches(&self) -> usize {
            self.fetches.load(Ordering::SeqCst)
        }
    }

    async fn find(cache: &JwksCache, id: &str) -> Result<(), KeyLookupError> {
        cache.find(Some(id), Algorithm::EdDSA, Instant::now() + Duration::from_secs(25)).await.map(|_| ())
    }

    fn unavailable(retry_after: u64) -> Result<(), KeyLookupError> {
        Err(KeyLookupError::Unavailable { retry_after: Duration::from_secs(retry_after) })
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_lookups_share_one_fetch() {
        let (issuer, cache) = Issuer::with("a");

        let found = futures_util::future::join_all((0..50).map(|_| find(&cache, "a"))).await;

        assert!(found.iter().all(Result::is_ok));
        assert_eq!(issuer.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn expired_keys_are_refreshed_in_background() {
        let (issuer, cache) = Issuer::with("a");
        assert_eq!(find(&cache, "a").await, Ok(()));
        advance(TTL.checked_sub(Duration::from_secs(1)).unwrap()).await;
        assert_eq!((find(&cache, "a").await, issuer.fetches()), (Ok(()), 1));

        issuer.set_key("b");
        advance(Duration::from_secs(1)).await;
        // Even the lookup that starts the refresh does not wait for it.
        assert_eq!(find(&cache, "a").now_or_never(), Some(Ok(())));
        sleep(Duration::from_secs(2)).await;

        assert_eq!((find(&cache, "a").await, issuer.fetches()), (Err(KeyLookupError::Unknown), 2));
        assert_eq!(find(&cache, "b").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn stale_keys_are_not_used_beyond_the_grace() {
        let (issuer, cache) = Issuer::with("a");
        assert_eq!(find(&cache, "a").await, Ok(()));

        issuer.set_key("b");
        advance(TTL + STALE_WHILE_REVALIDATE).await;

        assert_eq!((find(&cache, "a").await, issuer.fetches()), (Err(KeyLookupError::Unknown), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_key_ids_do_not_flood_the_issuer() {
        let (issuer, cache) = Issuer::with("a");
        assert_eq!(find(&cache, "a").await, Ok(()));

        advance(MIN_REFRESH_INTERVAL).await;
        for number in 0..1_000 {
            assert_eq!(find(&cache, &number.to_string()).await, Err(KeyLookupError::Unknown));
        }
        assert_eq!(issuer.fetches(), 2);

        issuer.set_key("b");
        assert_eq!(find(&cache, "b").await, Err(KeyLookupError::Unknown));
        advance(MIN_REFRESH_INTERVAL).await;
        assert_eq!((find(&cache, "b").await, issuer.fetches()), (Ok(()), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn stale_keys_served_while_issuer_is_down() {
        let (issuer, cache) = Issuer::with("a");
        assert_eq!(find(&cache, "a").await, Ok(()));

        issuer.set_key("");
        advance(TTL + STALE_WHILE_REVALIDATE).await;
        assert_eq!((find(&cache, "a").await, issuer.fetches()), (Ok(()), 2));
        advance(MIN_REFRESH_INTERVAL).await;
        for _ in 0..10 {
            assert_eq!(find(&cache, "a").now_or_never(), Some(Ok(())));
        }

        issuer.set_key("b");
        sleep(Duration::from_secs(2)).await;
        assert_eq!((find(&cache, "a").await, issuer.fetches()), (Err(KeyLookupError::Unknown), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn first_fetch_is_retried_after_a_second() {
        let (issuer, cache) = Issuer::with("");
        assert_eq!(find(&cache, "a").await, unavailable(1));
        assert_eq!((find(&cache, "a").await, issuer.fetches()), (unavailable(1), 1));

        issuer.set_key("a");
        advance(INITIAL_RETRY_INTERVAL).await;

        assert_eq!((find(&cache, "a").await, issuer.fetches()), (Ok(()), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_key_is_uncertain_while_refreshes_fail() {
        let (issuer, cache) = Issuer::with("a");
        assert_eq!(find(&cache, "a").await, Ok(()));
        issuer.set_key("");
        advance(MIN_REFRESH_INTERVAL).await;

        for (failures, retry_after) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30)] {
            assert_eq!((find(&cache, "b").await, issuer.fetches()), (unavailable(retry_after), 1 + failures));
            // Invented key ids cause no further fetch, and known ones are not affected.
            assert_eq!((find(&cache, "c").await, issuer.fetches()), (unavailable(retry_after), 1 + failures));
            assert_eq!(find(&cache, "a").now_or_never(), Some(Ok(())));
            advance(Duration::from_secs(retry_after)).await;
        }

        issuer.set_key("b");
        assert_eq!(find(&cache, "b").await, Ok(()));
        assert_eq!(find(&cache, "c").await, Err(KeyLookupError::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_bounds_the_wait_and_the_fetch_goes_on() {
        let (issuer, cache) = Issuer::with("a");
        let find_within = async |id: &str, millis: u64| {
            let (begun, time) = (Instant::now(), Duration::from_millis(millis));
            let found = cache.find(Some(id), Algorithm::EdDSA, begun + time).await.map(|_| ());
            (found, u64::try_from(begun.elapsed().as_millis()).unwrap())
        };

        assert_eq!(find_within("a", 400).await, (unavailable(0), 400));
        // The issuer responds after a second.
        assert_eq!(find_within("a", 900).await, (Ok(()), 600));
        assert_eq!(issuer.fetches(), 1);

        advance(TTL + STALE_WHILE_REVALIDATE).await;
        assert_eq!(find_within("a", 400).await, (Ok(()), 200));
        assert_eq!(find_within("b", 400).await, (unavailable(0), 400));
        assert_eq!(issuer.fetches(), 2);
    }
}
