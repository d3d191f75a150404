//! The questions of a pass, asked for moments of the past: one range query each, taken apart into what each moment would
//! have been answered.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;

use super::{
    envelope::{Point, QueryAnswer, QueryData, Series},
    pass::Outcome,
};
use crate::{Moments, ObserveError};

/// What came back for the questions of a pass, moment by moment.
pub(super) struct Ranges(Vec<Range>);

/// What came back for one question.
enum Range {
    /// Each series, with the job it is of.
    Series(Vec<(String, Vec<Point>)>),
    Failed(Arc<ObserveError>),
}

impl Ranges {
    pub(super) fn new(outcomes: Vec<Outcome>) -> Self {
        let range = |outcome: Outcome| match outcome.and_then(|answer| answer.series().map_err(Arc::new)) {
            Ok(series) => Range::Series(series.into_iter().map(|one| (one.job, one.points)).collect()),
            Err(error) => Range::Failed(error),
        };
        Self(outcomes.into_iter().map(range).collect())
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// How many questions there were.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Why a question has no answer.
    pub(super) fn failure(&self, place: usize) -> Option<&Arc<ObserveError>> {
        match self.0.get(place)? {
            Range::Series(_) => None,
            Range::Failed(error) => Some(error),
        }
    }

    /// What an instant query at each of `moments` would have brought, in the order of the questions.
    pub(super) fn each<'a>(&'a self, moments: &'a Moments) -> impl Iterator<Item = Vec<Outcome>> + 'a {
        let mut cursors: Vec<Cursor<'_>> = self.0.iter().map(Cursor::new).collect();
        // Some servers round the moments to their own steps.
        let half = moments.spacing() / 2;
        moments.iter().map(move |moment| {
            let each = cursors.iter_mut();
            each.map(|cursor| cursor.at(moment, half)).collect()
        })
    }
}

/// One question, on its way through the moments.
enum Cursor<'a> {
    Series(Vec<(&'a str, &'a [Point])>),
    Failed(&'a Arc<ObserveError>),
}

impl<'a> Cursor<'a> {
    fn new(range: &'a Range) -> Self {
        match range {
            Range::Series(series) => Self::Series(
                series
                    .iter()
                    .map(|(job, points)| (job.as_str(), points.as_slice()))
                    .collect(),
            ),
            Range::Failed(error) => Self::Failed(error),
        }
    }

    fn at(&mut self, moment: Timestamp, half: Duration) -> Outcome {
        let series = match self {
            Self::Failed(error) => return Err(Arc::clone(error)),
            Self::Series(series) => series,
        };
        let mut found = Vec::new();
        for (job, points) in series {
            while let [first, rest @ ..] = points
                && first.at < moment.minus(half)
            {
                *points = rest;
            }
            if let Some(point) = points.first().filter(|point| point.at <= moment.plus(half)) {
                found.push(Series {
                    job: (*job).to_owned(),
                    points: vec![*point],
                });
            }
        }
        Ok(QueryAnswer {
            data: QueryData::Vector(found),
            remarks: Vec::new(),
        })
    }
}
