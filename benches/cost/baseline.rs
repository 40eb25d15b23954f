//! The committed figures, `baseline.md`, and the comparison with them.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use crate::gateway::Counts;
use crate::requests::{FURTHER_ITEM, Measured};

/// How much higher than its baseline a figure may be.
const TOLERANCE: f64 = 1.05;
/// The columns, after the title of the request.
const COLUMNS: [&str; 3] = ["allocations", "bytes allocated", "instructions"];
const INTRODUCTION: &str = "\
# Cost of a request

Written by `cargo bench --bench cost -- --accept`; `cargo bench --bench cost` fails when a figure is more than 5 % higher. The
release build with one thread, an API key, JSON log and metrics; one client, one upstream. Instructions are those of user space.
";

/// A title with its figures, in the order of [`COLUMNS`]; `None` for what was not measured.
type Row = (String, [Option<f64>; 3]);

/// What was measured.
pub(crate) struct Figures(Vec<Row>);

/// What was measured when the baseline was accepted.
pub(crate) struct Baseline(Vec<Row>);

impl Figures {
    /// Figures of these requests, in their order; `instructions` is empty if they could not be counted.
    pub(crate) fn new(measured: &[&Measured], allocations: &[Counts], instructions: &[Counts]) -> Self {
        let rows = measured.iter().enumerate().map(|(index, measured)| {
            let allocated = allocations.get(index).expect("a count for each request");
            let instructions = instructions.get(index).map(|counts| counts.instructions);
            (measured.title.to_owned(), [Some(allocated.allocations), Some(allocated.bytes), instructions])
        });
        let mut rows: Vec<Row> = rows.collect();
        rows.extend(further_item(&rows));
        Self(rows)
    }

    /// The table, beside a baseline if one is given.
    pub(crate) fn table(&self, baseline: Option<&Baseline>) -> String {
        let mut table = format!("| | {} |\n| --- | --: | --: | --: |\n", COLUMNS.join(" | "));
        for (title, figures) in &self.0 {
            let cells = figures.iter().enumerate().map(|(column, figure)| {
                let text = figure.map_or_else(|| "–".to_owned(), number);
                let before = baseline.and_then(|baseline| baseline.figure(title, column));
                match (figure, before) {
                    (Some(figure), Some(before)) if before > 0.0 => {
                        format!("{text} ({:+.1} %)", 100.0 * (figure / before - 1.0))
                    }
                    _ => text,
                }
            });
            let cells: Vec<String> = cells.collect();
            writeln!(table, "| {title} | {} |", cells.join(" | ")).expect("a string");
        }
        table
    }

    /// What is too far above the baseline, or missing there.
    pub(crate) fn excesses(&self, baseline: &Baseline) -> Vec<String> {
        let mut excesses = Vec::new();
        for (title, figures) in &self.0 {
            for (column, (name, figure)) in COLUMNS.iter().zip(figures).enumerate() {
                let Some(figure) = figure else { continue };
                match baseline.figure(title, column) {
                    None => excesses.push(format!("{title}: {name} has no baseline")),
                    // Half a call is what counting over many requests leaves open.
                    Some(before) if *figure > before * TOLERANCE + 0.5 => {
                        excesses.push(format!("{title}: {name} {} instead of {}", number(*figure), number(before)));
                    }
                    Some(_) => {}
                }
            }
        }
        excesses
    }

    pub(crate) fn save(&self) {
        fs::write(path(), format!("{INTRODUCTION}\n{}", self.table(None))).expect("the baseline is writable");
    }
}

impl Baseline {
    pub(crate) fn load() -> Self {
        let text = fs::read_to_string(path()).expect("a baseline");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(row);
        Self(rows.collect())
    }

    fn figure(&self, title: &str, column: usize) -> Option<f64> {
        let (_, figures) = self.0.iter().find(|(found, _)| found == title)?;
        figures.get(column).copied().flatten()
    }
}

/// The row of the table in this line; `None` for its head.
fn row(line: &str) -> Option<Row> {
    let mut cells = line.trim_end_matches('|').split('|').map(str::trim);
    let title = cells.next()?.to_owned();
    let mut figure = || cells.next().and_then(|cell| cell.replace(' ', "").parse().ok());
    let figures = [figure(), figure(), figure()];
    figures.iter().any(Option::is_some).then_some((title, figures))
}

fn further_item(rows: &[Row]) -> Option<Row> {
    let (title, short, long, items) = FURTHER_ITEM;
    let figures = |title: &str| rows.iter().find(|(found, _)| found == title).map(|(_, figures)| *figures);
    let (short, long) = (figures(short)?, figures(long)?);
    let mut differences = long.iter().zip(short).map(|(long, short)| Some((long.as_ref()? - short?) / items));
    let mut next = || differences.next().flatten();
    Some((title.to_owned(), [next(), next(), next()]))
}

/// Whole numbers with their digits in groups of three; small ones with two decimals.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(" ")
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/cost/baseline.md")
}
