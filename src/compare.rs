//! Compares two systems: which orders and customers they have, and which fields of them differ. Reads only.
//!
//! Lists are read as streams, and only ids and hashes of them are kept; then details are read, on both sides at once. Systems
//! are in use meanwhile, so whatever differs is read again after a pause: a field that differs both times is a difference, and
//! anything else has moved meanwhile. Values are hashed as they arrive, so no report and no log can show one.

mod both;
mod field;
mod listing;
mod progress;
mod report;
mod side;
mod subject;
mod systems;
mod text;
mod values;

use std::time::Duration;

use jiff::civil::Date;
use tokio::time::Instant;

pub use both::Both;
pub use field::{Field, FieldSet, Ignored, UnknownField};
pub use report::{Outcome, Report};
pub use side::{System, Timeouts};
pub use subject::Protocol;

use progress::Progress;
use side::Stop;
use subject::Subject;
use systems::Systems;

/// What to compare, and how.
#[derive(Clone)]
pub struct Settings {
    /// One system. Times are compared as its zone shows them.
    pub left: System,
    /// The other one; it may be the same.
    pub right: System,
    /// The first date of lists.
    pub since: Date,
    /// The date before which orders were placed; `None` without an end.
    pub until: Option<Date>,
    /// Which orders and customers are read in detail.
    pub details: Details,
    /// Whether customers are compared too.
    pub with_customers: bool,
    /// How long to wait until what differs is read again.
    pub settle: Duration,
    /// Calls a second that each system gets at most.
    pub rate: u32,
    /// Fields that are not compared.
    pub ignored: Vec<Ignored>,
    /// How long calls may take.
    pub timeouts: Timeouts,
}

/// Which orders and customers are read in detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// All that both systems list.
    All,
    /// None.
    None,
    /// So many of them, spread evenly over their ids.
    Some(usize),
}

/// A comparison. What was found so far can be reported at any time.
pub struct Comparison {
    systems: Systems,
    orders: Progress,
    customers: Option<Progress>,
    began: Instant,
    /// How it ended; `None` while it has not.
    end: Option<Result<(), Stop>>,
}

impl Comparison {
    /// A comparison that has not begun.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            orders: Progress::new(Subject::Orders),
            customers: settings.with_customers.then(|| Progress::new(Subject::Customers)),
            systems: Systems::new(settings),
            began: Instant::now(),
            end: None,
        }
    }

    /// Compares until all is compared, or a system fails. May be cancelled.
    pub async fn run(&mut self) {
        self.end = Some(self.run_to_end().await);
    }

    async fn run_to_end(&mut self) -> Result<(), Stop> {
        let subjects = [Some(&mut self.orders), self.customers.as_mut()];
        for progress in subjects.into_iter().flatten() {
            self.systems.compare(progress).await?;
        }
        Ok(())
    }

    /// What was found.
    #[must_use]
    pub fn into_report(self) -> Report {
        let Self { systems, mut orders, mut customers, began, end } = self;
        let mut progresses: Vec<_> = [Some(&mut orders), customers.as_mut()].into_iter().flatten().collect();
        let mut reasons: Vec<_> = match end {
            None => vec!["it was interrupted".to_owned()],
            Some(Err(Stop(reason))) => vec![reason],
            Some(Ok(())) => Vec::new(),
        };
        let is_settled = progresses.iter().all(|progress| progress.is_settled());
        reasons.extend((!is_settled).then(|| "what differed was not read again".to_owned()));
        for progress in &mut progresses {
            progress.finish();
            let count = progress.tally.not_readable.len();
            reasons.extend((count > 0).then(|| format!("{count} {} could not be read", progress.subject.plural())));
        }
        let Settings { left, right, since, until, .. } = &systems.settings;
        Report {
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            names: Both { left: left.name.to_string(), right: right.name.to_string() },
            since: *since,
            until: *until,
            unknown: systems.unknown(),
            calls: systems.calls(),
            duration: began.elapsed(),
            orders: orders.tally,
            customers: customers.map(|customers| customers.tally),
        }
    }
}
