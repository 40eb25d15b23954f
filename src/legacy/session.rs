//! The session of the provider dialect: a hash that is valid for 20 minutes from the login and cannot be extended.
//!
//! All calls share one hash. It is replaced by a new login before it expires, and when the upstream refuses it. Logins are
//! single-flight, and all waiters share the result, success or failure. So that refusals cannot cause a login storm, the next
//! login has to wait:
//!
//! | last login | wait before the next |
//! | --- | --- |
//! | succeeded, its hash was not refused | until the hash expires |
//! | its hash was accepted before it was refused | 1 s |
//! | its hash was never accepted: the next would be refused too | 5 s |
//! | was refused | 5 s |
//! | failed otherwise | exponential backoff |
//! | was not sent | none |

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::backend::Error;
use crate::resilience::backoff;

/// How long a hash is used: a minute less than it is valid, because a call may take some time to arrive.
const TTL: Duration = Duration::from_mins(19);
/// Wait after a refused login, and after a refusal of a hash that was never accepted.
const RELOGIN_COOLDOWN: Duration = Duration::from_secs(5);
/// Wait after a refusal of a hash that was accepted before. The refusal may concern one order only, and clients may request
/// that order again and again.
const ACCEPTED_COOLDOWN: Duration = Duration::from_secs(1);

/// The hash that a login returned. Clones share state.
#[derive(Clone)]
pub(crate) struct SessionHash(Arc<HashState>);

struct HashState {
    text: String,
    was_accepted: AtomicBool,
}

impl SessionHash {
    pub(crate) fn new(text: &str) -> Self {
        Self(Arc::new(HashState { text: text.to_owned(), was_accepted: AtomicBool::new(false) }))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Records that the upstream accepted a call with it.
    pub(crate) fn mark_accepted(&self) {
        self.0.was_accepted.store(true, Ordering::Relaxed);
    }

    fn was_accepted(&self) -> bool {
        self.0.was_accepted.load(Ordering::Relaxed)
    }
}

/// Equal if they come from the same login: two logins may return the same text.
impl PartialEq for SessionHash {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Without the text, which is a credential.
impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionHash")
    }
}

/// The session that all calls share. Locked during a login, which makes logins single-flight.
#[derive(Debug, Default)]
pub(crate) struct SessionCache(Arc<Mutex<Option<LastLogin>>>);

#[derive(Debug)]
struct LastLogin {
    completed_at: Instant,
    result: Result<SessionHash, Error>,
    /// Number of consecutive failed logins before it.
    previous_failures: u32,
}

impl SessionCache {
    /// A valid hash; runs `login` if there is none.
    pub(crate) async fn hash<L>(&self, login: impl FnOnce() -> L) -> Result<SessionHash, Error>
    where
        L: Future<Output = Result<SessionHash, Error>> + Send + 'static,
    {
        self.hash_unless(None, login).await
    }

    /// Another hash, after `refused` was refused. `None` if there is none yet.
    pub(crate) async fn renew<L>(&self, refused: &SessionHash, login: impl FnOnce() -> L) -> Option<SessionHash>
    where
        L: Future<Output = Result<SessionHash, Error>> + Send + 'static,
    {
        let renewed = self.hash_unless(Some(refused), login).await.ok();
        renewed.filter(|hash| hash != refused)
    }

    /// `login` is called only when it is needed: its future is larger than all the rest of a call.
    async fn hash_unless<L>(&self, refused: Option<&SessionHash>, login: impl FnOnce() -> L) -> Result<SessionHash, Error>
    where
        L: Future<Output = Result<SessionHash, Error>> + Send + 'static,
    {
        let requested_at = Instant::now();
        let mut last = Arc::clone(&self.0).lock_owned().await;
        // A login that completed while this call waited for the lock is shared, whatever its result.
        if let Some(last) = &*last
            && (last.completed_at > requested_at || last.completed_at.elapsed() < last.cooldown(refused))
        {
            return last.result.clone();
        }
        let previous_failures = last.as_ref().map_or(0, LastLogin::failures);
        // In its own task: when the call that started the login is cancelled, the others still need its result.
        let login = login();
        let login = tokio::spawn(async move {
            let result = login.await;
            *last = Some(LastLogin { completed_at: Instant::now(), result: result.clone(), previous_failures });
            result
        });
        // The task itself fails only when it panics or when the runtime shuts down.
        login.await.unwrap_or(Err(Error::Timeout))
    }
}

impl LastLogin {
    /// How long no other login is sent for a call that needs a hash other than `refused`.
    fn cooldown(&self, refused: Option<&SessionHash>) -> Duration {
        match &self.result {
            Ok(hash) if Some(hash) != refused => TTL,
            Ok(hash) if hash.was_accepted() => ACCEPTED_COOLDOWN,
            Ok(_) | Err(Error::CredentialRejected) => RELOGIN_COOLDOWN,
            // The upstream did not receive it, so the result says nothing about the next login.
            Err(Error::NotSent { .. } | Error::Overloaded | Error::BuffersFull) => Duration::ZERO,
            Err(_) => backoff::max_delay(self.previous_failures),
        }
    }

    /// Number of consecutive failed logins up to this one.
    fn failures(&self) -> u32 {
        match self.result {
            Ok(_) | Err(Error::CredentialRejected) => 0,
            Err(Error::NotSent { .. } | Error::Overloaded | Error::BuffersFull) => self.previous_failures,
            Err(_) => self.previous_failures + 1,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unchecked_time_subtraction, reason = "between constants")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

    /// An upstream that numbers its logins. Each takes one second.
    #[derive(Default)]
    struct FakeUpstream {
        logins: AtomicU32,
        error: Mutex<Option<Error>>,
    }

    impl FakeUpstream {
        fn failing_with(error: Error) -> Arc<Self> {
            Arc::new(Self { error: Mutex::new(Some(error)), ..Self::default() })
        }

        async fn login(self: Arc<Self>) -> Result<SessionHash, Error> {
            let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(Duration::from_secs(1)).await;
            self.error.lock().await.clone().map_or_else(|| Ok(SessionHash::new(&number.to_string())), Err)
        }

        fn logins(&self) -> u32 {
            self.logins.load(Ordering::SeqCst)
        }
    }

    fn text(hash: Result<SessionHash, Error>) -> Result<String, Error> {
        hash.map(|hash| hash.as_str().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_calls_share_a_login_until_it_expires() {
        let (session, upstream) = (SessionCache::default(), Arc::new(FakeUpstream::default()));

        let hashes = join_all((0..50).map(|_| session.hash(|| Arc::clone(&upstream).login()))).await;
        assert!(hashes.into_iter().all(|hash| text(hash) == Ok("1".to_owned())));

        advance(TTL - Duration::from_secs(1)).await;
        assert_eq!(text(session.hash(|| Arc::clone(&upstream).login()).await), Ok("1".to_owned()));

        advance(Duration::from_secs(1)).await;
        let hashes = join_all((0..50).map(|_| session.hash(|| Arc::clone(&upstream).login()))).await;
        assert!(hashes.into_iter().all(|hash| text(hash) == Ok("2".to_owned())));
        assert_eq!(upstream.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_hash_is_renewed_once_for_all_calls() {
        let (session, upstream) = (SessionCache::default(), Arc::new(FakeUpstream::default()));
        let first = session.hash(|| Arc::clone(&upstream).login()).await.expect("a hash");
        first.mark_accepted();

        assert_eq!(session.renew(&first, || Arc::clone(&upstream).login()).await, None);
        advance(ACCEPTED_COOLDOWN).await;
        let renewed = join_all((0..50).map(|_| session.renew(&first, || Arc::clone(&upstream).login()))).await;

        assert!(renewed.iter().flatten().all(|hash| hash.as_str() == "2"));
        assert_eq!((renewed.iter().flatten().count(), upstream.logins()), (50, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn never_accepted_hash_is_renewed_after_the_cooldown() {
        let (session, upstream) = (SessionCache::default(), Arc::new(FakeUpstream::default()));
        let first = session.hash(|| Arc::clone(&upstream).login()).await.expect("a hash");

        assert_eq!(session.renew(&first, || Arc::clone(&upstream).login()).await, None);
        advance(RELOGIN_COOLDOWN).await;
        let renewed = session.renew(&first, || Arc::clone(&upstream).login()).await;

        assert!(renewed.is_some());
        assert_eq!(upstream.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_login_is_shared_until_the_cooldown_ends() {
        let (session, upstream) = (SessionCache::default(), FakeUpstream::failing_with(Error::CredentialRejected));

        let hashes = join_all((0..50).map(|_| session.hash(|| Arc::clone(&upstream).login()))).await;
        assert!(hashes.iter().all(|hash| *hash == Err(Error::CredentialRejected)));

        advance(RELOGIN_COOLDOWN - Duration::from_millis(1)).await;
        assert!(session.hash(|| Arc::clone(&upstream).login()).await.is_err());
        assert_eq!(upstream.logins(), 1);

        advance(Duration::from_millis(1)).await;
        assert!(session.hash(|| Arc::clone(&upstream).login()).await.is_err());
        assert_eq!(upstream.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn failed_login_is_shared_and_repeated_with_backoff() {
        let (session, upstream) = (SessionCache::default(), FakeUpstream::failing_with(Error::Timeout));

        for (login, delay) in (1..).zip([100, 200, 400, 800, 1_600, 2_000, 2_000]) {
            let hashes = join_all((0..50).map(|_| session.hash(|| Arc::clone(&upstream).login()))).await;
            assert!(hashes.iter().all(|hash| *hash == Err(Error::Timeout)));

            advance(Duration::from_millis(delay - 1)).await;
            assert!(session.hash(|| Arc::clone(&upstream).login()).await.is_err());
            assert_eq!(upstream.logins(), login);
            advance(Duration::from_millis(1)).await;
        }

        *upstream.error.lock().await = None;
        assert_eq!(text(session.hash(|| Arc::clone(&upstream).login()).await), Ok("8".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn login_survives_the_call_that_started_it() {
        let (session, upstream) = (SessionCache::default(), Arc::new(FakeUpstream::default()));

        let cancelled = tokio::time::timeout(Duration::from_millis(500), session.hash(|| Arc::clone(&upstream).login())).await;
        let hash = session.hash(|| Arc::clone(&upstream).login()).await;

        assert!(cancelled.is_err());
        assert_eq!(text(hash), Ok("1".to_owned()));
        assert_eq!(upstream.logins(), 1);
    }
}
