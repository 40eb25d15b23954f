//! Reads both systems and compares what they answer.

use std::collections::BTreeSet;

use jiff::civil::Date;
use tokio::time::sleep;

use super::both::{Both, Which};
use super::field::{FieldSet, REFERENCE};
use super::listing::{Listing, Match};
use super::progress::{First, Progress};
use super::report::{Unknown, count};
use super::side::{Listed, Read, Side, Stop};
use super::subject::Subject;
use super::values::{Reader, Values, fields_of};
use super::{Details, Settings, System};

/// Both systems.
pub(super) struct Systems {
    pub(super) settings: Settings,
    left: Side,
    right: Side,
    reader: Reader,
}

impl Systems {
    pub(super) fn new(settings: Settings) -> Self {
        let side = |system: &System| Side::new(system.clone(), settings.timeouts, settings.rate);
        let (left, right) = (side(&settings.left), side(&settings.right));
        let reader = Reader::new(settings.left.zone.clone());
        Self { settings, left, right, reader }
    }

    pub(super) const fn calls(&self) -> Both<u64> {
        Both { left: self.left.calls, right: self.right.calls }
    }

    pub(super) async fn compare(&mut self, progress: &mut Progress) -> Result<(), Stop> {
        let common = self.compare_lists(progress).await?;
        let Both { left, right } = progress.tally.listed;
        tracing::info!(left, right, "{} are listed", progress.subject.plural());
        self.compare_details(progress, &common).await?;
        if progress.is_settled() {
            return Ok(());
        }
        drop(common);
        sleep(self.settings.settle).await;
        self.compare_lists_again(progress).await?;
        self.compare_details_again(progress).await?;
        self.confirm_listed_once(progress).await
    }

    /// Compares the lists, and returns the ids that both have.
    async fn compare_lists(&mut self, progress: &mut Progress) -> Result<Vec<u64>, Stop> {
        let (subject, since, until) = (progress.subject, self.settings.since, self.settings.until);
        let compared = self.in_lists(subject);
        let mut listing = Listing::new(subject.list_fields());
        let mut unreadable = BTreeSet::new();
        let is_wanted = |date: Option<Date>| until.zip(date).is_none_or(|(until, date)| date < until);
        let mut add = |listed| match listed {
            Listed::Item { id, date, values } if is_wanted(date) => listing.push(id, &values),
            Listed::Item { .. } => {}
            Listed::Unreadable(id) => {
                unreadable.extend(id);
                progress.not_readable(id, Which::Left);
            }
        };
        self.left.list(subject, since, &self.reader, &mut add).await?;
        listing.finish();
        progress.tally.listed.left = count(listing.len());

        let mut compare = |listed| match listed {
            Listed::Item { id, date, values } if is_wanted(date) => match listing.compare(id, &values, compared) {
                Match::None => progress.listed_once.right.push(id),
                Match::Repeated => {}
                Match::Found(differences) if differences.is_empty() => {}
                Match::Found(differences) => {
                    progress.pending.insert(id, First { in_list: fields_of(&differences), ..First::default() });
                }
            },
            Listed::Item { .. } => {}
            Listed::Unreadable(id) => {
                unreadable.extend(id);
                progress.not_readable(id, Which::Right);
            }
        };
        self.right.list(subject, since, &self.reader, &mut compare).await?;
        let mut common = Vec::with_capacity(listing.len());
        common.extend(listing.ids().filter_map(|(id, is_matched)| is_matched.then_some(id)));
        let Both { left: listed_left, right: listed_right } = &mut progress.listed_once;
        listed_left.extend(listing.ids().filter_map(|(id, is_matched)| (!is_matched).then_some(id)));
        listed_right.sort_unstable();
        listed_right.dedup();
        progress.tally.listed.right = count(common.len() + listed_right.len());
        listed_left.retain(|id| !unreadable.contains(id));
        listed_right.retain(|id| !unreadable.contains(id));
        Ok(common)
    }

    async fn compare_details(&mut self, progress: &mut Progress, common: &[u64]) -> Result<(), Stop> {
        let compared = self.in_details(progress.subject);
        let chosen = chosen(common, self.settings.details);
        let is_equal = |progress: &Progress, id: &u64| !progress.pending.contains_key(id);
        let equal_unread = common.len() - progress.pending.len() - chosen.clone().filter(|id| is_equal(progress, id)).count();
        progress.tally.equal += count(equal_unread);
        for id in chosen {
            let (left, right) = self.read_both(progress.subject, id).await?;
            let Some((left, right)) = progress.both(id, left, right) else { continue };
            let differences = left.differences(&right, compared);
            if !differences.is_empty() {
                progress.pending.entry(id).or_default().in_details = fields_of(&differences);
            } else if is_equal(progress, &id) {
                progress.tally.equal += 1;
            }
        }
        Ok(())
    }

    async fn compare_lists_again(&mut self, progress: &mut Progress) -> Result<(), Stop> {
        if progress.pending.values().all(|first| first.in_list.is_empty()) {
            return Ok(());
        }
        let (subject, since) = (progress.subject, self.settings.since);
        let compared = self.in_lists(subject);
        let mut listing = Listing::new(subject.list_fields());
        let mut add = |listed| match listed {
            Listed::Item { id, values, .. } if progress.pending.contains_key(&id) => listing.push(id, &values),
            // What cannot be read was reported the first time.
            Listed::Item { .. } | Listed::Unreadable(_) => {}
        };
        self.left.list(subject, since, &self.reader, &mut add).await?;
        listing.finish();
        let mut compare = |listed| {
            if let Listed::Item { id, values, .. } = listed
                && let Some(before) = progress.pending.get(&id).map(|first| first.in_list)
                && let Match::Found(differences) = listing.compare(id, &values, compared)
            {
                progress.confirm(id, before, &differences);
            }
        };
        self.right.list(subject, since, &self.reader, &mut compare).await
    }

    async fn compare_details_again(&mut self, progress: &mut Progress) -> Result<(), Stop> {
        let compared = self.in_details(progress.subject);
        while let Some((&id, &first)) = progress.pending.first_key_value() {
            let mut is_read = true;
            if !first.in_details.is_empty() {
                let (left, right) = self.read_both(progress.subject, id).await?;
                let values = progress.both(id, left, right);
                is_read = values.is_some();
                if let Some((left, right)) = values {
                    progress.confirm(id, first.in_details, &left.differences(&right, compared));
                }
            }
            let confirmed = progress.pending.remove(&id).map(|first| first.confirmed).unwrap_or_default();
            if !confirmed.is_empty() {
                progress.tally.different.push((id, confirmed));
            } else if is_read {
                progress.tally.moved.push(id);
            }
        }
        Ok(())
    }

    /// Reads on the other side what only one side has listed: it may be there all the same, created meanwhile or with another
    /// date.
    async fn confirm_listed_once(&mut self, progress: &mut Progress) -> Result<(), Stop> {
        for has in [Which::Left, Which::Right] {
            while let Some(&id) = progress.listed_once.of(has).last() {
                self.look_for(progress, id, has).await?;
                progress.listed_once.of_mut(has).pop();
            }
        }
        Ok(())
    }

    async fn look_for(&mut self, progress: &mut Progress, id: u64, has: Which) -> Result<(), Stop> {
        let subject = progress.subject;
        match self.read(has.other(), subject, id).await? {
            Read::NotFound => progress.tally.only.of_mut(has).push(id),
            Read::NotReadable => progress.not_readable(Some(id), has.other()),
            Read::Values(_) if self.settings.details == Details::None => progress.tally.moved.push(id),
            Read::Values(there) => match self.read(has, subject, id).await? {
                Read::NotFound => progress.tally.moved.push(id),
                Read::NotReadable => progress.not_readable(Some(id), has),
                Read::Values(here) if has == Which::Left => self.compare_found(progress, id, &here, &there),
                Read::Values(here) => self.compare_found(progress, id, &there, &here),
            },
        }
        Ok(())
    }

    fn compare_found(&self, progress: &mut Progress, id: u64, left: &Values, right: &Values) {
        let differences = left.differences(right, self.in_details(progress.subject));
        if differences.is_empty() {
            progress.tally.moved.push(id);
            return;
        }
        for (field, how) in &differences {
            progress.tally.count(id, *field, Some(*how));
        }
        progress.tally.different.push((id, fields_of(&differences)));
    }

    async fn read(&mut self, which: Which, subject: Subject, id: u64) -> Result<Read, Stop> {
        let side = match which {
            Which::Left => &mut self.left,
            Which::Right => &mut self.right,
        };
        side.read(subject, id, &self.reader).await
    }

    async fn read_both(&mut self, subject: Subject, id: u64) -> Result<(Read, Read), Stop> {
        let (left, right) = tokio::join!(self.left.read(subject, id, &self.reader), self.right.read(subject, id, &self.reader));
        Ok((left?, right?))
    }

    fn in_lists(&self, subject: Subject) -> FieldSet {
        FieldSet::of(subject.list_fields()).without(self.unknown_in_lists(subject)).without(self.ignored(subject))
    }

    fn in_details(&self, subject: Subject) -> FieldSet {
        subject.detail_fields().without(self.unknown_in_details(subject)).without(self.ignored(subject))
    }

    fn unknown_in_lists(&self, subject: Subject) -> FieldSet {
        let Settings { left, right, .. } = &self.settings;
        left.protocol.unknown_in_lists(subject).or(right.protocol.unknown_in_lists(subject))
    }

    fn unknown_in_details(&self, subject: Subject) -> FieldSet {
        let Settings { left, right, .. } = &self.settings;
        left.protocol.unknown_in_details(subject).or(right.protocol.unknown_in_details(subject))
    }

    fn ignored(&self, subject: Subject) -> FieldSet {
        self.settings.ignored.iter().fold(FieldSet::default(), |set, ignored| {
            set.or(match subject {
                Subject::Orders => ignored.of_orders,
                Subject::Customers => ignored.of_customers,
            })
        })
    }

    /// What the calls that were made cannot state.
    pub(super) fn unknown(&self) -> Unknown {
        let names = |subject: Subject, set: FieldSet| set.iter().map(|field| subject.field_name(field)).collect::<Vec<_>>();
        let has_details = self.settings.details != Details::None;
        let mut in_calls = Vec::new();
        if has_details {
            let mut fields = names(Subject::Orders, self.unknown_in_details(Subject::Orders));
            fields.push(REFERENCE);
            in_calls.push(("details of orders", fields));
        }
        if self.settings.with_customers {
            in_calls.push(("lists of customers", names(Subject::Customers, self.unknown_in_lists(Subject::Customers))));
        }
        if self.settings.with_customers && has_details {
            in_calls.push(("details of customers", names(Subject::Customers, self.unknown_in_details(Subject::Customers))));
        }
        in_calls.retain(|(_, names)| !names.is_empty());
        Unknown { in_calls }
    }
}

/// The ids that are read in detail.
fn chosen(ids: &[u64], details: Details) -> impl Iterator<Item = u64> + Clone {
    let wanted = match details {
        Details::All => ids.len(),
        Details::None => 0,
        Details::Some(wanted) => wanted.min(ids.len()),
    };
    (0..wanted).filter_map(move |number| ids.get(number * ids.len() / wanted).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_ids_are_spread_evenly() {
        let ids: Vec<u64> = (1..=10).collect();
        let chosen = |details| chosen(&ids, details).collect::<Vec<_>>();
        assert_eq!(chosen(Details::All), ids);
        assert_eq!(chosen(Details::Some(99)), ids);
        assert_eq!(chosen(Details::Some(4)), [1, 3, 6, 8]);
        assert_eq!(chosen(Details::Some(1)), [1]);
        assert!(chosen(Details::None).is_empty());
        assert_eq!(super::chosen(&[], Details::Some(3)).count(), 0);
    }
}
