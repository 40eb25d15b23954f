//! The keys of an issuer, kept for a while.
//!
//! Keys are good for ten minutes. A token with a key that is not known makes them be fetched anew, because issuers change
//! their keys without notice; but not again within half a minute, or whoever makes names of keys up would make the gateway
//! storm the issuer. While the issuer cannot be reached, the keys that are known stay good, and nobody waits for it whose key
//! is known.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::jwks::Jwks;

/// How long keys are good.
const TTL: Duration = Duration::from_mins(10);
/// How soon they may be fetched again.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// How soon at first, as long as there are none at all; every failure doubles it.
const INITIAL_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long after that time keys are still used while they are fetched anew, so that nobody waits for it.
const STALE_WHILE_REVALIDATE: Duration = Duration::from_mins(1);

/// Fetches the keys; `None` when they cannot be had.
pub(super) type Fetch = Box<dyn Fn() -> BoxFuture<'static, Option<Jwks>> + Send + Sync>;

/// The keys of one issuer. Clones are the same one.
#[derive(Clone)]
pub(super) struct JwksCache(Arc<Inner>);

struct Inner {
    fetch: Fetch,
    state: Mutex<State>,
    /// One fetches at a time, and those who wait for it need not fetch again.
    fetching: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    keys: Option<Arc<Jwks>>,
    /// When the keys were fetched.
    fetched: Option<Instant>,
    /// When they were last asked for, and how often that has failed since it did not.
    asked: Option<Instant>,
    failures: u32,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyLookupError {
    /// The issuer has no such key.
    Unknown,
    /// The issuer's keys have never been had.
    Unavailable,
}

impl JwksCache {
    pub(super) fn new(fetch: Fetch) -> Self {
        Self(Arc::new(Inner { fetch, state: Mutex::default(), fetching: AsyncMutex::default() }))
    }

    /// The key with which a token with this header is checked.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, KeyLookupError> {
        if let Some(key) = self.cached_key(id, algorithm) {
            return Ok(key);
        }
        self.refresh().await;
        let State { keys, .. } = &*self.0.state();
        let keys = keys.as_ref().ok_or(KeyLookupError::Unavailable)?;
        keys.find(id, algorithm).cloned().ok_or(KeyLookupError::Unknown)
    }

    /// Fetches the keys in a task of its own, for whoever comes first.
    pub(super) fn refresh_in_background(&self) {
        let cache = self.clone();
        tokio::spawn(async move { cache.refresh().await });
    }

    /// The key, if it is known and good without asking anybody.
    fn cached_key(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let (key, is_old, is_good) = {
            let state = self.0.state();
            let key = state.keys.as_ref()?.find(id, algorithm)?.clone();
            let age = state.fetched?.elapsed();
            (key, age >= TTL && state.is_refresh_allowed(), age < TTL + STALE_WHILE_REVALIDATE || state.failures > 0)
        };
        if is_old && is_good {
            self.refresh_in_background();
        }
        is_good.then_some(key)
    }

    /// Fetches the keys unless that was done a moment ago. Whoever leaves while it runs leaves the outcome to the others.
    async fn refresh(&self) {
        let inner = Arc::clone(&self.0);
        let fetching = tokio::spawn(async move {
            let _turn = inner.fetching.lock().await;
            if !inner.state().is_refresh_allowed() {
                return;
            }
            let keys = (inner.fetch)().await;
            inner.state().record_fetch(keys);
        });
        // It ends early only with the runtime.
        let _ = fetching.await;
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_refresh_allowed(&self) -> bool {
        let doubled =
            INITIAL_RETRY_INTERVAL.saturating_mul(1 << self.failures.saturating_sub(1).min(5)).min(MIN_REFRESH_INTERVAL);
        let pause = if self.keys.is_some() { MIN_REFRESH_INTERVAL } else { doubled };
        self.asked.is_none_or(|asked| asked.elapsed() >= pause)
    }

    fn record_fetch(&mut self, keys: Option<Jwks>) {
        self.asked = Some(Instant::now());
        self.failures = if keys.is_some() { 0 } else { self.failures.saturating_add(1) };
        if let Some(keys) = keys {
            self.fetched = self.asked;
            self.keys = Some(Arc::new(keys));
        }
    }
}

impl fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::time::{advance, sleep};

    use super::*;

    /// An issuer whose only key has this name; empty when it cannot be reached. Every answer takes a second.
    #[derive(Clone, Default)]
    struct Issuer {
        key: Arc<Mutex<&'static str>>,
        asked: Arc<AtomicUsize>,
    }

    impl Issuer {
        fn with(key: &'static str) -> (Self, JwksCache) {
            let issuer = Self::default();
            issuer.has(key);
            let own = issuer.clone();
            let fetch: Fetch = Box::new(move || own.clone().answer().boxed());
            (issuer, JwksCache::new(fetch))
        }

        fn has(&self, key: &'static str) {
            *self.key.lock().expect("no panic") = key;
        }

        async fn answer(self) -> Option<Jwks> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            let key = *self.key.lock().expect("no panic");
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{key}","x":"{x}"}}]}}"#);
            if key.is_empty() { None } else { Jwks::parse(set.as_bytes()) }
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    async fn find(cache: &JwksCache, id: &str) -> Result<(), KeyLookupError> {
        cache.find(Some(id), Algorithm::EdDSA).await.map(|_| ())
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_once_for_all_and_again_after_ten_minutes() {
        let (issuer, cache) = Issuer::with("a");
        let found = futures_util::future::join_all((0..50).map(|_| find(&cache, "a"))).await;
        assert!(found.iter().all(Result::is_ok));
        advance(Duration::from_secs(599)).await;
        assert_eq!((find(&cache, "a").await, issuer.asked()), (Ok(()), 1));
        issuer.has("b");
        advance(Duration::from_secs(1)).await;
        // Whoever comes first does not wait for it.
        assert!(find(&cache, "a").now_or_never().is_some_and(|found| found.is_ok()));
        sleep(Duration::from_secs(2)).await;
        assert_eq!((find(&cache, "a").await, issuer.asked()), (Err(KeyLookupError::Unknown), 2));
        assert!(find(&cache, "b").await.is_ok());
        issuer.has("c");
        advance(TTL + STALE_WHILE_REVALIDATE).await;
        assert_eq!((find(&cache, "b").await, issuer.asked()), (Err(KeyLookupError::Unknown), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_by_the_thousand_are_one_fetch_in_half_a_minute() {
        let (issuer, cache) = Issuer::with("a");
        assert!(find(&cache, "a").await.is_ok());
        advance(MIN_REFRESH_INTERVAL).await;
        for number in 0..1_000 {
            assert_eq!(find(&cache, &number.to_string()).await, Err(KeyLookupError::Unknown));
        }
        assert_eq!(issuer.asked(), 2);
        issuer.has("b");
        assert_eq!(find(&cache, "b").await, Err(KeyLookupError::Unknown));
        advance(MIN_REFRESH_INTERVAL).await;
        assert_eq!((find(&cache, "b").await, issuer.asked()), (Ok(()), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn known_keys_stay_good_while_the_issuer_cannot_be_reached_and_nobody_waits() {
        let (issuer, cache) = Issuer::with("a");
        assert!(find(&cache, "a").await.is_ok());
        issuer.has("");
        advance(TTL + STALE_WHILE_REVALIDATE).await;
        assert_eq!((find(&cache, "a").await, issuer.asked()), (Ok(()), 2));
        advance(MIN_REFRESH_INTERVAL).await;
        for _ in 0..10 {
            assert!(find(&cache, "a").now_or_never().is_some_and(|found| found.is_ok()));
        }
        issuer.has("b");
        sleep(Duration::from_secs(2)).await;
        assert_eq!((find(&cache, "a").await, issuer.asked()), (Err(KeyLookupError::Unknown), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn without_any_keys_the_issuer_is_asked_every_second() {
        let (issuer, cache) = Issuer::with("");
        assert_eq!(find(&cache, "a").await, Err(KeyLookupError::Unavailable));
        assert_eq!((find(&cache, "a").await, issuer.asked()), (Err(KeyLookupError::Unavailable), 1));
        issuer.has("a");
        advance(INITIAL_RETRY_INTERVAL).await;
        assert_eq!((find(&cache, "a").await, issuer.asked()), (Ok(()), 2));
    }
}
