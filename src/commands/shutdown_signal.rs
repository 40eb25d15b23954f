//! Signals: SIGTERM and Ctrl-C stop the process.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// The signals that stop the process.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    /// SIGUSR1 and SIGUSR2 mean nothing here, and would end the process if they were not handled.
    _ignored: [Signal; 2],
}

/// Supervisors and terminals may send several signals for one stop: SIGINT to the process group and SIGTERM from a parent.
/// What follows the first one within this time belongs to it.
const SAME_STOP: Duration = Duration::from_secs(1);

impl StopSignals {
    /// Handles the signals from now on; they no longer end the process by themselves.
    pub(super) fn try_new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _ignored: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
        })
    }

    /// Waits for the next signal of either kind.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for a signal that does not belong to the stop that began at `first`.
    pub(super) async fn second(&mut self, first: Instant) {
        loop {
            self.next().await;
            if first.elapsed() >= SAME_STOP {
                return;
            }
        }
    }
}
