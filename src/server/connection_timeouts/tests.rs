use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::advance;

use super::*;

const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// After how many whole seconds the client has taken too long.
async fn seconds(watch: &ConnectionTimeouts) -> u64 {
    let mut too_long = watch.timed_out();
    let mut seconds = 0;
    while (&mut too_long).now_or_never().is_none() {
        advance(Duration::from_secs(1)).await;
        seconds += 1;
    }
    seconds
}

/// A connection whose client has had an answer to a request that came in these pieces.
fn after_request(pieces: &[&[u8]]) -> ConnectionTimeouts {
    let watch = ConnectionTimeouts::new(Limits::default());
    for piece in pieces {
        watch.read(piece);
    }
    watch.request_received(false);
    watch.response_ended();
    watch.flushed();
    watch
}

#[tokio::test(start_paused = true)]
async fn the_first_head_has_its_time_from_the_opening_on() {
    let watch = ConnectionTimeouts::new(Limits::default());
    advance(Duration::from_secs(4)).await;
    watch.read(b"GET / HT");
    assert_eq!(seconds(&watch).await, 6);
}

#[tokio::test(start_paused = true)]
async fn between_requests_there_is_more_time_than_for_a_later_head() {
    let watch = after_request(&[HEAD]);
    let mut too_long = watch.timed_out();
    advance(Duration::from_secs(70)).await;
    assert!((&mut too_long).now_or_never().is_none());
    watch.read(b"G");
    // An alarm that was set for later is set anew.
    assert!((&mut too_long).now_or_never().is_none());
    advance(Duration::from_secs(10)).await;
    assert!(too_long.now_or_never().is_some());
    watch.response_ended();
    watch.flushed();
    assert_eq!(seconds(&watch).await, 75);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_began_early_is_not_taken_for_a_pause() {
    assert_eq!(seconds(&after_request(&[HEAD, b"GET /sl"])).await, 10);
    assert_eq!(seconds(&after_request(&[&[HEAD, b"GET /sl"].concat()])).await, 10);
    let watch = ConnectionTimeouts::new(Limits::default());
    watch.read(HEAD);
    watch.request_received(false);
    watch.read(b"GET /sl");
    watch.response_ended();
    watch.flushed();
    assert_eq!(seconds(&watch).await, 10);
    let watch = ConnectionTimeouts::new(Limits::default());
    watch.read(b"POST / HTTP/1.1\r\n\r\n{");
    watch.request_received(true);
    watch.read(b"}");
    watch.response_ended();
    watch.flushed();
    assert_eq!(seconds(&watch).await, 75);
}

#[tokio::test(start_paused = true)]
async fn a_head_may_come_in_any_pieces() {
    for head in [HEAD, b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\r\n\n"] {
        for first in 1..head.len() {
            for second in first..head.len() {
                let pieces = [&head[..first], &head[first..second], &head[second..]];
                assert_eq!(seconds(&after_request(&pieces)).await, 75, "{pieces:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_begins_when_the_client_has_everything() {
    let watch = ConnectionTimeouts::new(Limits::default());
    watch.read(HEAD);
    watch.request_received(false);
    watch.response_ended();
    // Slow, but steady.
    for _ in 0..10 {
        watch.written::<usize>(&Poll::Pending);
        advance(Duration::from_secs(20)).await;
        watch.written(&Poll::Ready(Ok(1)));
        assert!(watch.timed_out().now_or_never().is_none());
    }
    watch.flushed();
    assert_eq!(seconds(&watch).await, 75);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_taken_or_takes_for_ever_ends() {
    let watch = ConnectionTimeouts::new(Limits::default());
    watch.read(HEAD);
    watch.request_received(false);
    watch.written::<usize>(&Poll::Pending);
    assert_eq!(seconds(&watch).await, 30);
    watch.written(&Poll::Ready(Ok(1)));
    assert_eq!(seconds(&watch).await, 330);
    // Also when everything was said and only the client's socket is full.
    let watch = ConnectionTimeouts::new(Limits::default());
    watch.read(HEAD);
    watch.request_received(false);
    watch.response_ended();
    watch.written::<usize>(&Poll::Pending);
    assert_eq!(seconds(&watch).await, 30);
}

#[tokio::test(start_paused = true)]
async fn a_line_end_after_a_request_begins_no_head() {
    let watch = ConnectionTimeouts::new(Limits::default());
    watch.read(HEAD);
    watch.request_received(false);
    watch.response_ended();
    watch.flushed();
    watch.read(b"\r\n");
    assert!(!watch.is_in_head());
    watch.read(b"G");
    assert!(watch.is_in_head());
}

#[tokio::test(start_paused = true)]
async fn a_line_end_that_comes_before_the_response_begins_no_head_either() {
    let watch = ConnectionTimeouts::new(Limits::default());
    watch.read(HEAD);
    watch.request_received(false);
    watch.read(b"\r\n");
    watch.response_ended();
    watch.flushed();
    assert!(!watch.is_in_head());
}
