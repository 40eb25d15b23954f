//! In which order the addresses of a server are tried.

use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an address that failed is tried last.
const FAILURE_MEMORY: Duration = Duration::from_secs(30);
/// How many failed addresses are remembered: more than any server has.
const MAX_REMEMBERED: usize = 64;

/// Remembers which addresses failed.
#[derive(Debug, Default)]
pub(super) struct AddressBook(Mutex<Vec<(SocketAddr, Instant)>>);

impl AddressBook {
    /// The addresses in the order in which to try them: families alternate, beginning with that of the resolver's choice
    /// (RFC 8305, section 4), and those that failed lately come last, the one that failed longest ago before the others.
    pub(super) fn order(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        if addresses.len() < 2 {
            return addresses;
        }
        let failed = self.0.lock();
        let mut ordered = alternate_families(addresses);
        ordered.sort_by_key(|address| {
            failed.iter().find(|(known, at)| known == address && at.elapsed() < FAILURE_MEMORY).map(|(_, at)| *at)
        });
        ordered
    }

    pub(super) fn record_failure(&self, address: SocketAddr) {
        let mut failed = self.0.lock();
        failed.retain(|(known, at)| *known != address && at.elapsed() < FAILURE_MEMORY);
        if failed.len() == MAX_REMEMBERED {
            failed.remove(0);
        }
        failed.push((address, Instant::now()));
    }

    pub(super) fn record_success(&self, address: SocketAddr) {
        self.0.lock().retain(|(known, _)| *known != address);
    }

    /// Whether any of these addresses failed lately.
    pub(super) fn has_failed(&self, addresses: &[SocketAddr]) -> bool {
        let failed = self.0.lock();
        failed.iter().any(|(known, at)| addresses.contains(known) && at.elapsed() < FAILURE_MEMORY)
    }
}

fn alternate_families(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv4() == preferred);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    while first.len() + second.len() > 0 {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_from_the_preferred_one_on() {
        for (given, expected) in [
            ("[::1]:1 [::1]:2 [::1]:3 127.0.0.1:4", "[::1]:1 127.0.0.1:4 [::1]:2 [::1]:3"),
            ("127.0.0.1:1 [::1]:2 127.0.0.1:3 [::1]:4", "127.0.0.1:1 [::1]:2 127.0.0.1:3 [::1]:4"),
            ("127.0.0.1:1 127.0.0.1:2", "127.0.0.1:1 127.0.0.1:2"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(AddressBook::default().order(addresses(given)), addresses(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failed_addresses_are_last_for_a_while() {
        let (book, all) = (AddressBook::default(), addresses("127.0.0.1:1 127.0.0.1:2 127.0.0.1:3"));

        book.record_failure(all[0]);
        advance(Duration::from_secs(1)).await;
        assert_eq!(book.order(all.clone()), addresses("127.0.0.1:2 127.0.0.1:3 127.0.0.1:1"));
        book.record_failure(all[1]);
        assert_eq!(book.order(all.clone()), addresses("127.0.0.1:3 127.0.0.1:1 127.0.0.1:2"));
        book.record_success(all[0]);
        assert_eq!(book.order(all.clone()), addresses("127.0.0.1:1 127.0.0.1:3 127.0.0.1:2"));
        assert!(book.has_failed(&all));

        advance(FAILURE_MEMORY).await;
        assert_eq!(book.order(all.clone()), all);
        assert!(!book.has_failed(&all));
    }
}
