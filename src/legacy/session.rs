//! The login of the provider dialect: a hash that is good for 20 minutes from the login and cannot be prolonged.
//!
//! All calls share one. It is renewed before it ends, and once more when the order system refuses it. A login storm is
//! impossible: one login runs at a time, those that wait for it share its outcome whatever it was, and a hash that no call
//! was ever accepted with is not renewed at once, because another one would be refused too. A login that did not come through
//! says nothing about the next one, so that one is only held back a little, and longer when it fails again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::backend::Error;
use crate::resilience::backoff;

/// How long a hash is used: the order system keeps it for 20 minutes, and a call may take its time.
const TTL: Duration = Duration::from_mins(19);
/// How long a refused login stands, and a hash that was never accepted: nobody logs in again sooner.
const RELOGIN_COOLDOWN: Duration = Duration::from_secs(5);
/// How long a hash stands that was accepted and then refused. A refusal may be about one order only, and that order may be asked
/// for again and again.
const ACCEPTED_COOLDOWN: Duration = Duration::from_secs(1);

/// A hash that an order system gave. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SessionHash(Arc<Known>);

struct Known {
    text: String,
    /// Whether a call was accepted with it.
    was_accepted: AtomicBool,
}

impl SessionHash {
    pub(crate) fn new(text: &str) -> Self {
        Self(Arc::new(Known { text: text.to_owned(), was_accepted: AtomicBool::new(false) }))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Notes that a call was accepted with it.
    pub(crate) fn mark_accepted(&self) {
        self.0.was_accepted.store(true, Ordering::Relaxed);
    }

    fn was_accepted(&self) -> bool {
        self.0.was_accepted.load(Ordering::Relaxed)
    }
}

/// Two logins may give the same text; they are two all the same.
impl PartialEq for SessionHash {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A credential is not shown.
impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

/// The login that all calls share.
#[derive(Debug, Default)]
pub(crate) struct SessionCache(Arc<Mutex<Option<Login>>>);

/// How the last login ended, and when.
#[derive(Debug)]
struct Login {
    at: Instant,
    outcome: Result<SessionHash, Error>,
    /// How many before it did not come through, one after the other.
    failures: u32,
}

impl SessionCache {
    /// A hash that is good, by a login if there is none.
    pub(crate) async fn hash(
        &self,
        login: impl Future<Output = Result<SessionHash, Error>> + Send + 'static,
    ) -> Result<SessionHash, Error> {
        self.hash_unless(None, login).await
    }

    /// A hash that is good after this one was refused; `None` when there is no point in trying another.
    pub(crate) async fn renew(
        &self,
        refused: &SessionHash,
        login: impl Future<Output = Result<SessionHash, Error>> + Send + 'static,
    ) -> Option<SessionHash> {
        let renewed = self.hash_unless(Some(refused), login).await.ok();
        renewed.filter(|hash| hash != refused)
    }

    async fn hash_unless(
        &self,
        refused: Option<&SessionHash>,
        login: impl Future<Output = Result<SessionHash, Error>> + Send + 'static,
    ) -> Result<SessionHash, Error> {
        let asked = Instant::now();
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some(last) = &*last
            && (last.at > asked || last.at.elapsed() < last.cooldown(refused))
        {
            return last.outcome.clone();
        }
        let failures = last.as_ref().map_or(0, Login::failures);
        // A task of its own: a caller that leaves must not leave the others with a login that ends without an outcome.
        let login = tokio::spawn(async move {
            let outcome = login.await;
            *last = Some(Login { at: Instant::now(), outcome: outcome.clone(), failures });
            outcome
        });
        login.await.unwrap_or(Err(Error::Timeout))
    }
}

impl Login {
    /// How long it keeps others from logging in, who look for a hash that is not the refused one.
    fn cooldown(&self, refused: Option<&SessionHash>) -> Duration {
        match &self.outcome {
            Ok(hash) if Some(hash) != refused => TTL,
            Ok(hash) if hash.was_accepted() => ACCEPTED_COOLDOWN,
            Ok(_) | Err(Error::CredentialRejected) => RELOGIN_COOLDOWN,
            // The order system was not asked, and says nothing by that.
            Err(Error::NotSent { .. } | Error::Overloaded) => Duration::ZERO,
            Err(_) => backoff::max_delay(self.failures),
        }
    }

    /// How many logins up to this one did not come through.
    fn failures(&self) -> u32 {
        match self.outcome {
            Ok(_) | Err(Error::CredentialRejected) => 0,
            Err(Error::NotSent { .. } | Error::Overloaded) => self.failures,
            Err(_) => self.failures + 1,
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

    /// A system that numbers its logins, each of which takes a second.
    #[derive(Default)]
    struct System {
        logins: AtomicU32,
        fault: Mutex<Option<Error>>,
    }

    impl System {
        fn failing(fault: Error) -> Arc<Self> {
            Arc::new(Self { fault: Mutex::new(Some(fault)), ..Self::default() })
        }

        async fn login(self: Arc<Self>) -> Result<SessionHash, Error> {
            let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(Duration::from_secs(1)).await;
            self.fault.lock().await.clone().map_or_else(|| Ok(SessionHash::new(&number.to_string())), Err)
        }

        fn logins(&self) -> u32 {
            self.logins.load(Ordering::SeqCst)
        }
    }

    fn text(hash: Result<SessionHash, Error>) -> Result<String, Error> {
        hash.map(|hash| hash.as_str().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_calls_share_one_login_until_it_is_about_to_end() {
        let (session, system) = (SessionCache::default(), Arc::new(System::default()));
        let hashes = join_all((0..50).map(|_| session.hash(Arc::clone(&system).login()))).await;
        assert!(hashes.into_iter().all(|hash| text(hash) == Ok("1".to_owned())));
        advance(TTL - Duration::from_secs(1)).await;
        assert_eq!(text(session.hash(Arc::clone(&system).login()).await), Ok("1".to_owned()));
        advance(Duration::from_secs(1)).await;
        let hashes = join_all((0..50).map(|_| session.hash(Arc::clone(&system).login()))).await;
        assert!(hashes.into_iter().all(|hash| text(hash) == Ok("2".to_owned())));
        assert_eq!(system.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_hash_is_renewed_once_for_all() {
        let (session, system) = (SessionCache::default(), Arc::new(System::default()));
        let first = session.hash(Arc::clone(&system).login()).await.expect("a hash");
        first.mark_accepted();
        assert_eq!(session.renew(&first, Arc::clone(&system).login()).await, None);
        advance(ACCEPTED_COOLDOWN).await;
        let renewed = join_all((0..50).map(|_| session.renew(&first, Arc::clone(&system).login()))).await;
        assert!(renewed.iter().flatten().all(|hash| hash.as_str() == "2"));
        assert_eq!((renewed.iter().flatten().count(), system.logins()), (50, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hash_that_was_never_accepted_is_not_renewed_at_once() {
        let (session, system) = (SessionCache::default(), Arc::new(System::default()));
        let first = session.hash(Arc::clone(&system).login()).await.expect("a hash");
        assert_eq!(session.renew(&first, Arc::clone(&system).login()).await, None);
        advance(RELOGIN_COOLDOWN).await;
        assert!(session.renew(&first, Arc::clone(&system).login()).await.is_some());
        assert_eq!(system.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_shared_and_not_repeated_at_once() {
        let (session, system) = (SessionCache::default(), System::failing(Error::CredentialRejected));
        let hashes = join_all((0..50).map(|_| session.hash(Arc::clone(&system).login()))).await;
        assert!(hashes.iter().all(|hash| *hash == Err(Error::CredentialRejected)));
        advance(RELOGIN_COOLDOWN - Duration::from_millis(1)).await;
        assert!(session.hash(Arc::clone(&system).login()).await.is_err());
        assert_eq!(system.logins(), 1);
        advance(Duration::from_millis(1)).await;
        assert!(session.hash(Arc::clone(&system).login()).await.is_err());
        assert_eq!(system.logins(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_did_not_come_through_is_shared_and_soon_repeated() {
        let (session, system) = (SessionCache::default(), System::failing(Error::Timeout));
        for (login, pause) in (1..).zip([100, 200, 400, 800, 1_600, 2_000, 2_000]) {
            let hashes = join_all((0..50).map(|_| session.hash(Arc::clone(&system).login()))).await;
            assert!(hashes.iter().all(|hash| *hash == Err(Error::Timeout)));
            advance(Duration::from_millis(pause - 1)).await;
            assert!(session.hash(Arc::clone(&system).login()).await.is_err());
            assert_eq!(system.logins(), login);
            advance(Duration::from_millis(1)).await;
        }
        *system.fault.lock().await = None;
        assert_eq!(text(session.hash(Arc::clone(&system).login()).await), Ok("8".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_leaves_in_the_middle_leaves_its_login_to_the_others() {
        let (session, system) = (SessionCache::default(), Arc::new(System::default()));
        let impatient = tokio::time::timeout(Duration::from_millis(500), session.hash(Arc::clone(&system).login())).await;
        assert!(impatient.is_err());
        assert_eq!(text(session.hash(Arc::clone(&system).login()).await), Ok("1".to_owned()));
        assert_eq!(system.logins(), 1);
    }
}
