//! Values at even steps of time, kept as runs: a few words stand for a day, and cost as little.

/// What is there at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// A value; also NaN and the infinities, as a source may answer them.
    Value(f64),
    /// The value before, measured too long ago to act on.
    Stale,
    /// Nothing: no series matches.
    Missing,
    /// The source does not answer.
    Failed,
}

/// What comes after the last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing more is said.
    Stops,
    /// It goes on as it ended.
    GoesOn,
}

/// Values at even steps of time. Has at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    runs: Vec<Run>,
    len: usize,
    ending: Ending,
}

/// Equal points, or values that rise by the same amount at each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) first: Point,
    /// What each further value adds. Zero where the point is none.
    pub(crate) rise: f64,
    /// How many there are. At least one.
    pub(crate) count: usize,
}

impl Series {
    /// The same at every step.
    #[must_use]
    pub fn constant(point: Point) -> Self {
        let run = Run {
            first: point,
            rise: 0.0,
            count: 1,
        };
        Self {
            runs: vec![run],
            len: 1,
            ending: Ending::GoesOn,
        }
    }

    /// These runs, one after the other; `None` where there is none.
    pub(crate) fn new(runs: Vec<Run>, ending: Ending) -> Option<Self> {
        let len = runs.iter().map(|run| run.count).fold(0, usize::saturating_add);
        (len > 0).then_some(Self { runs, len, ending })
    }

    /// How many steps it speaks of; `None` where it goes on.
    #[must_use]
    pub const fn steps(&self) -> Option<usize> {
        match self.ending {
            Ending::Stops => Some(self.len),
            Ending::GoesOn => None,
        }
    }

    /// What is there at step `index`, the first being 0; `None` after its end.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Point> {
        let (run, within) = self.find(index)?;
        Some(run.at(within))
    }

    /// The last value before step `index`, and its step.
    #[must_use]
    pub fn value_before(&self, index: usize) -> Option<(usize, f64)> {
        let mut start = 0;
        let mut last = None;
        for run in &self.runs {
            if start >= index {
                break;
            }
            let end = index.min(start + run.count) - 1;
            if let Point::Value(value) = run.at(end - start) {
                last = Some((end, value));
            }
            start += run.count;
        }
        last
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The run that step `index` is in, and its place there.
    fn find(&self, index: usize) -> Option<(&Run, usize)> {
        let index = match self.ending {
            Ending::Stops => index,
            Ending::GoesOn => index.min(self.len - 1),
        };
        let mut start = 0;
        for run in &self.runs {
            if index - start < run.count {
                return Some((run, index - start));
            }
            start += run.count;
        }
        None
    }
}

impl Run {
    /// What is there at its step `within`.
    pub(crate) fn at(&self, within: usize) -> Point {
        match self.first {
            #[expect(clippy::cast_precision_loss, reason = "far fewer steps than 2^53")]
            Point::Value(value) if self.rise != 0.0 => Point::Value(value + self.rise * within as f64),
            point @ (Point::Value(_) | Point::Stale | Point::Missing | Point::Failed) => point,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: Point, rise: f64, count: usize) -> Run {
        Run { first, rise, count }
    }

    #[test]
    fn a_series_ends_or_goes_on_as_it_ended() {
        let runs = vec![
            run(Point::Value(1.0), 2.0, 3),
            run(Point::Missing, 0.0, 1),
            run(Point::Value(9.0), -1.0, 2),
        ];
        let stops = Series::new(runs.clone(), Ending::Stops).unwrap();
        let all: Vec<_> = (0..7).map(|index| stops.at(index)).collect();
        let value = |value| Some(Point::Value(value));
        assert_eq!(
            all,
            [
                value(1.0),
                value(3.0),
                value(5.0),
                Some(Point::Missing),
                value(9.0),
                value(8.0),
                None
            ]
        );
        let goes_on = Series::new(runs, Ending::GoesOn).unwrap();
        assert_eq!(goes_on.at(100), value(8.0));
        assert_eq!((stops.steps(), goes_on.steps()), (Some(6), None));
    }

    #[test]
    fn the_value_before_is_the_last_that_was_one() {
        let runs = vec![
            run(Point::Missing, 0.0, 2),
            run(Point::Value(1.0), 1.0, 3),
            run(Point::Stale, 0.0, 5),
        ];
        let series = Series::new(runs, Ending::GoesOn).unwrap();
        let before: Vec<_> = [0, 2, 3, 5, 9, 50].map(|index| series.value_before(index)).into();
        assert_eq!(
            before,
            [
                None,
                None,
                Some((2, 1.0)),
                Some((4, 3.0)),
                Some((4, 3.0)),
                Some((4, 3.0))
            ]
        );
    }
}
