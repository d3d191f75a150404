//! How long a case lasts, and how many passes that are.

use std::time::Duration;

use headroom_metrics_source::RecordedSource;

use super::{
    super::{
        at::At,
        place::Place,
        problem::{Finding, ProblemKind},
        reader::Reader,
        words,
    },
    expect::{Times, after_the_end},
    inputs::SeriesOfCase,
    series,
};

/// The most passes of one case: more than a week of them every 15 seconds.
const MOST_PASSES: usize = series::MOST_VALUES;

/// What says how long a case lasts.
pub(super) struct Lasts<'a> {
    pub(super) length: Option<(Duration, Place)>,
    pub(super) times: Vec<(Place, Times)>,
    pub(super) series: &'a SeriesOfCase,
    pub(super) recording: Option<&'a RecordedSource>,
}

impl Lasts<'_> {
    /// The end: what `length` says, or the latest of everything that has an end.
    pub(super) fn end(&self, reader: &mut Reader<'_>) -> Option<Duration> {
        if let Some((length, place)) = self.length {
            let late = self.times.iter().filter(|(_, times)| times.last() > length);
            let late: Vec<_> = late
                .map(|(at, times)| after_the_end(*at, *times, length, place))
                .collect();
            let is_fine = late.is_empty();
            late.into_iter().for_each(|finding| reader.report(finding));
            return is_fine.then_some(length);
        }
        let times = self.times.iter().map(|(_, times)| times.last());
        let series = self.series.list.iter().filter_map(|(_, series)| {
            let steps = u32::try_from(series.steps()?).unwrap_or(u32::MAX);
            Some(self.series.spacing.saturating_mul(steps.saturating_sub(1)))
        });
        let recording = self.recording.and_then(RecordedSource::span);
        let recording = recording.map(|(first, last)| last.since(first));
        Some(times.chain(series).chain(recording).max().unwrap_or_default())
    }

    /// Reports every series that ends before the last pass at `last`: what is not said is not known.
    pub(super) fn all_reach(&self, last: Duration, reader: &mut Reader<'_>) -> Option<()> {
        let mut fine = true;
        for (place, series) in &self.series.list {
            let Some(steps) = series.steps() else { continue };
            let steps = u32::try_from(steps).unwrap_or(u32::MAX);
            let reaches = self.series.spacing.saturating_mul(steps);
            if reaches > last {
                continue;
            }
            let ends = self.series.spacing.saturating_mul(steps.saturating_sub(1));
            let message = format!(
                "the series ends at {}, and the case goes on until {}",
                words::duration_text(ends),
                words::duration_text(last)
            );
            let finding = Finding::new(ProblemKind::Conflict, message).at(*place);
            let help = "end it with `...` to go on with the last value, or with `_ ...` where nothing is known any more";
            reader.report(finding.help(help));
            fine = false;
        }
        fine.then_some(())
    }
}

/// How many passes there are until `end`.
pub(super) fn passes(
    name: &At<String>,
    end: Duration,
    interval: Duration,
    reader: &mut Reader<'_>,
) -> Option<usize> {
    let further = end.as_millis() / interval.as_millis().max(1);
    let passes = usize::try_from(further).unwrap_or(usize::MAX).saturating_add(1);
    if passes <= MOST_PASSES {
        return Some(passes);
    }
    let message = format!(
        "case `{}` has {passes} passes, and {MOST_PASSES} are the most",
        name.value
    );
    let finding = Finding::new(ProblemKind::BadValue, message).at(name.place);
    reader.report(finding.help("shorten it, or raise `interval`"));
    None
}

/// The time of the last of so many passes.
pub(super) fn last_pass(passes: usize, interval: Duration) -> Duration {
    interval.saturating_mul(u32::try_from(passes.saturating_sub(1)).unwrap_or(u32::MAX))
}
