use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::advance;

use super::*;
use crate::config;

const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A connection that has just been accepted, with the default limits.
fn accepted() -> ConnectionTimeouts {
    ConnectionTimeouts::new(Limits::from(&config::Server::default()))
}

/// A connection that is serving a request without a body.
fn busy() -> ConnectionTimeouts {
    let timeouts = accepted();
    timeouts.bytes_read(HEAD);
    timeouts.request_received(false);
    timeouts
}

/// A connection that has answered a request whose bytes arrived in these pieces.
fn answered(pieces: &[&[u8]]) -> ConnectionTimeouts {
    let timeouts = accepted();
    for piece in pieces {
        timeouts.bytes_read(piece);
    }
    timeouts.request_received(false);
    respond(&timeouts);
    timeouts
}

fn respond(timeouts: &ConnectionTimeouts) {
    timeouts.response_ended();
    timeouts.flushed();
}

/// After how many seconds a limit is exceeded if nothing more happens.
async fn seconds_left(timeouts: &ConnectionTimeouts) -> u64 {
    let mut timed_out = timeouts.timed_out();
    let mut seconds = 0;
    while (&mut timed_out).now_or_never().is_none() {
        advance(Duration::from_secs(1)).await;
        seconds += 1;
    }
    seconds
}

#[tokio::test(start_paused = true)]
async fn first_head_is_timed_from_accept() {
    let timeouts = accepted();
    advance(Duration::from_secs(4)).await;

    timeouts.bytes_read(b"GET / HT");

    assert_eq!(seconds_left(&timeouts).await, 6);
}

#[tokio::test(start_paused = true)]
async fn later_head_is_timed_from_its_first_byte() {
    let timeouts = answered(&[HEAD]);
    let mut timed_out = timeouts.timed_out();
    advance(Duration::from_secs(70)).await;
    assert!((&mut timed_out).now_or_never().is_none());

    timeouts.bytes_read(b"G");

    // A timer that was set for the idle limit is reset to the shorter one.
    assert!((&mut timed_out).now_or_never().is_none());
    advance(Duration::from_secs(10)).await;
    assert!(timed_out.now_or_never().is_some());
    respond(&timeouts);
    assert_eq!(seconds_left(&timeouts).await, 75);
}

#[tokio::test(start_paused = true)]
async fn pipelined_head_is_not_idle() {
    let in_the_same_read = answered(&[&[HEAD, b"GET /sl"].concat()]);
    assert_eq!(seconds_left(&in_the_same_read).await, 10);

    let before_the_request_was_parsed = answered(&[HEAD, b"GET /sl"]);
    assert_eq!(seconds_left(&before_the_request_was_parsed).await, 10);

    let before_the_response = busy();
    before_the_response.bytes_read(b"GET /sl");
    respond(&before_the_response);
    assert_eq!(seconds_left(&before_the_response).await, 10);
}

#[tokio::test(start_paused = true)]
async fn request_body_is_not_taken_for_a_pipelined_head() {
    let timeouts = accepted();
    timeouts.bytes_read(b"POST / HTTP/1.1\r\n\r\n{");
    timeouts.request_received(true);

    timeouts.bytes_read(b"}");
    respond(&timeouts);

    assert_eq!(seconds_left(&timeouts).await, 75);
}

#[tokio::test(start_paused = true)]
async fn end_of_head_is_found_across_reads() {
    for head in [HEAD, b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\r\n\n"] {
        for first in 1..head.len() {
            for second in first..head.len() {
                let pieces = [&head[..first], &head[first..second], &head[second..]];
                assert_eq!(seconds_left(&answered(&pieces)).await, 75, "{pieces:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_but_steady_reader_is_not_closed() {
    let timeouts = busy();
    timeouts.response_ended();

    for _ in 0..10 {
        timeouts.write_polled::<usize>(&Poll::Pending);
        advance(Duration::from_secs(20)).await;
        timeouts.write_polled(&Poll::Ready(Ok(1)));
        assert!(timeouts.timed_out().now_or_never().is_none());
    }

    timeouts.flushed();
    assert_eq!(seconds_left(&timeouts).await, 75, "idle from the flush on");
}

#[tokio::test(start_paused = true)]
async fn stalled_and_endless_responses_are_closed() {
    let timeouts = busy();

    timeouts.write_polled::<usize>(&Poll::Pending);

    assert_eq!(seconds_left(&timeouts).await, 30, "stalled");
    timeouts.write_polled(&Poll::Ready(Ok(1)));
    assert_eq!(seconds_left(&timeouts).await, 285, "315 s in all");
}

#[tokio::test(start_paused = true)]
async fn stall_counts_after_the_end_of_the_response() {
    let timeouts = busy();
    timeouts.response_ended();

    timeouts.write_polled::<usize>(&Poll::Pending);

    assert_eq!(seconds_left(&timeouts).await, 30);
}

#[tokio::test(start_paused = true)]
async fn line_end_after_a_request_begins_no_head() {
    let timeouts = answered(&[HEAD]);

    timeouts.bytes_read(b"\r\n");

    assert!(!timeouts.awaits_head());
    timeouts.bytes_read(b"G");
    assert!(timeouts.awaits_head());
}

#[tokio::test(start_paused = true)]
async fn line_end_before_the_response_begins_no_head() {
    let timeouts = busy();

    timeouts.bytes_read(b"\r\n");
    respond(&timeouts);

    assert!(!timeouts.awaits_head());
}
